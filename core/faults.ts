/**
 * Places where a test may end, break or hang the process: inside the transactional loop, whose promises are about exactly
 * these moments, and before and after each thing that any role does to the world. A place is compiled in but does nothing
 * unless the environment names it:
 *
 *   TRIBUTARY_FAULTS=mirror:before-commit:3:kill,takeover:after-epoch:1:hang
 *
 * point, the how many-th passing, and what happens: kill (SIGKILL, nothing is flushed), hang (never returns) or
 * throw=CODE (that error of ours).
 */
import { codes, type ErrorCode, TributaryError } from './errors.ts';

/** Inside the loop of unify. */
export const loopPoints = {
  'takeover:after-epoch': 'the older producer is fenced, the position not yet read',
  'takeover:after-position': 'the position is read, no record decided yet',
  'repair:begun': 'the mirror is marked as being rebuilt, nothing is changed yet',
  'repair:wiping': 'some keys of an unusable mirror are gone',
  'repair:folding': 'a chunk of unify.state is in the mirror',
  'repair:before-end': 'everything is in the mirror, its position not yet',
  'transaction:before': 'a micro-batch is decided, nothing is written',
  'transaction:before-commit': 'everything is written, nothing of it is committed',
  'transaction:after': 'the transaction is committed, the answer not yet believed',
  'mirror:before-commit': 'the transaction is committed, the mirror is behind by it',
  'mirror:between-chunks': 'a part of a large commit is in the mirror',
  'mirror:after-commit': 'everything of the micro-batch stands',
} as const;

/** What is done outside of that loop and cannot be undone, each at the one edge where it is done. */
export const deeds = {
  append: 'records are appended to Kafka, and acknowledged',
  batch: 'a batch that was read is worked off',
  position: 'the position of a group is committed',
  lease: 'a lease is asked for',
  'lease-renewal': 'a lease that is held is made to last',
  pin: 'the platform is pinned to the deployment',
  budget: 'the budget of a platform is asked, or told of a limit',
  call: 'a platform is called, and answers',
  schema: 'a schema of a platform is looked up or registered',
  credit: 'the stream is asked for as many more events as are written',
  answer: 'a notification that Kafka has is answered',
} as const;

export type Deed = keyof typeof deeds;
export type FaultPoint = keyof typeof loopPoints | `${Deed}:before` | `${Deed}:after`;

export const faultPoints: ReadonlySet<string> = new Set([
  ...Object.keys(loopPoints),
  ...Object.keys(deeds).flatMap((deed) => [`${deed}:before`, `${deed}:after`]),
]);
/** Passing a point. Costs a call of an empty function where no fault is set. */
export type Fault = (point: FaultPoint) => Promise<void> | void;

interface Planned {
  readonly point: FaultPoint;
  readonly action: 'kill' | 'hang' | { readonly code: ErrorCode };
  left: number;
}

export const noFaults: Fault = () => undefined;

/** @throws TributaryError USAGE for a point or action that does not exist: a misspelt fault would prove nothing. */
export function plannedFaults(plan: string | undefined, kill: () => void): Fault {
  if (plan === undefined || plan === '') return noFaults;
  const planned = plan.split(',').map(parse);
  return async (point) => {
    for (const one of planned) {
      if (one.point !== point) continue;
      one.left -= 1;
      if (one.left !== 0) continue;
      if (one.action === 'kill') kill();
      if (one.action === 'kill' || one.action === 'hang') await new Promise<never>(() => undefined);
      else throw new TributaryError(one.action.code, `fault set at ${point}`);
    }
  };
}

function parse(text: string): Planned {
  const [, point = '', count = '', action = ''] = /^(.+):(\d+):([^:]+)$/.exec(text.trim()) ?? [];
  const code = action.startsWith('throw=') ? action.slice('throw='.length) : undefined;
  if (!isPoint(point)) throw new TributaryError('USAGE', `no fault point "${point}" in "${text}"`);
  if (Number(count) < 1) throw new TributaryError('USAGE', `a fault happens at the 1st passing or later: "${text}"`);
  if (action === 'kill' || action === 'hang') return { point, action, left: Number(count) };
  if (code !== undefined && isCode(code)) return { point, action: { code }, left: Number(count) };
  throw new TributaryError('USAGE', `a fault does kill, hang or throw=CODE: "${text}"`);
}

const isPoint = (text: string): text is FaultPoint => faultPoints.has(text);
const isCode = (text: string): text is ErrorCode => Object.hasOwn(codes, text);

/** The faults that the environment asks for. */
export const fault: Fault = plannedFaults(process.env['TRIBUTARY_FAULTS'], () => process.kill(process.pid, 'SIGKILL'));

/** Does it, passing the point before and the point after. */
export async function doing<T>(deed: Deed, work: () => Promise<T>): Promise<T> {
  if (fault === noFaults) return work();
  await fault(`${deed}:before`);
  const came = await work();
  await fault(`${deed}:after`);
  return came;
}
