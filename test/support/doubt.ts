/**
 * Which writes that changed nothing are excused. A call whose answer nobody recorded has to be made again, and if the
 * first one was applied the second changes nothing: that is the price of never losing one. Everything else that is
 * written in vain is a defect, so each such write has to show the call of which it is the repetition.
 */
import type { Change } from '../../schemas/types.ts';
import type { LoggedCall } from '../../twins/intercom/calls.ts';

/** A record of `changes` and when it was appended; the doubles run on the clock of the same machine. */
export interface Appended {
  readonly time: number;
  readonly change: Change;
}

export interface Doubts {
  /** Repetitions of a call that was in doubt. */
  readonly excused: readonly LoggedCall[];
  readonly unexcused: readonly LoggedCall[];
}

const written = (call: LoggedCall): boolean => call.client === 'app' && call.changed !== null;
const same = (one: LoggedCall, other: LoggedCall): boolean =>
  one.method === other.method && one.path === other.path && one.objectId === other.objectId;

/** `changes` in the order of the log, `calls` in the order of the double. */
export function doubtsOf(calls: readonly LoggedCall[], changes: readonly Appended[]): Doubts {
  const answers = answersByObject(changes);
  const writes = calls.filter(written);
  const spent = new Set<LoggedCall>();
  const excused: LoggedCall[] = [];
  const unexcused: LoggedCall[] = [];
  for (const [n, call] of writes.entries()) {
    if (!call.noop) continue;
    const kind = call.path.includes('/companies') && call.path.startsWith('/contacts/') ? 'memberships' : 'fields';
    const answered = (first: LoggedCall): boolean =>
      (answers.get(call.objectId ?? '') ?? []).some(
        (answer) => answer[kind] && answer.time >= first.time && answer.time <= call.time,
      );
    const first = writes.slice(0, n).findLast((earlier) => same(earlier, call) && !spent.has(earlier));
    if (first === undefined || answered(first)) unexcused.push(call);
    else {
      spent.add(first);
      excused.push(call);
    }
  }
  return { excused, unexcused };
}

interface Answer {
  readonly time: number;
  readonly fields: boolean;
  /** False: the sink was stopped between two calls and says so, which leaves those about memberships in doubt. */
  readonly memberships: boolean;
}

/**
 * What entered the log about an Intercom object. An answer under an epoch that is not the partition's newest comes too
 * late: its ask was sent again when the newer epoch was announced, so the call was in doubt by then.
 */
function answersByObject(changes: readonly Appended[]): ReadonlyMap<string, readonly Answer[]> {
  const newest = new Map<number, string>();
  const answers = new Map<string, Answer[]>();
  for (const { time, change } of changes) {
    const { epoch, result } = change;
    if (epoch?.platform === 'intercom') newest.set(epoch.partition, epoch.epoch);
    if (result?.platform !== 'intercom' || newest.get(result.partition) !== result.epoch) continue;
    const id = result.ref.slice(result.ref.lastIndexOf(':') + 1);
    const memberships = result.returned?.unknown.includes('companies') !== true;
    answers.set(id, [...(answers.get(id) ?? []), { time, fields: true, memberships }]);
  }
  return answers;
}
