/** Calls in doubt: they may have been carried out, or may still be, long after what was said of them. */
import type { Command } from '../../schemas/types.ts';
import type { Ran } from './simulate.ts';

/** A call that timed out may be carried out for so long after the answer to its repetition. */
const doubtMs = 120_000;
/** Answers tell whole seconds. */
const secondMs = 999;

export interface Doubtful {
  readonly ref: string;
  readonly fields: Command['fields'];
  readonly from: number;
  /** The platform may carry it out until then, platform time. */
  readonly until: number;
}

/**
 * What of Intercom's records was asked by calls whose answers say that they are in doubt, or that were sent again to the next
 * sink: the one before it may have begun them.
 */
export function doubtfulCalls({
  unify,
  log,
}: {
  readonly unify: Pick<Ran['unify'], 'outputs'>;
  readonly log: Pick<Ran['log'], 'records'>;
}): readonly Doubtful[] {
  const asked = unify.outputs.flatMap(({ topic, value }) =>
    topic === 'intercom.commands' && value !== null ? [value as Command] : [],
  );
  const again = new Set(asked.flatMap(({ id, doubt }) => (doubt ? [id] : [])));
  const until = new Map<string, number>();
  for (const { change } of log.records) {
    const { result } = change;
    if (result !== null && (result.doubt || again.has(result.command)))
      until.set(result.command, result.platformTime + doubtMs + secondMs);
  }
  return asked.flatMap(({ id, ref, fields, askedAt }) => {
    const end = until.get(id);
    return end === undefined ? [] : [{ ref, fields, from: askedAt, until: end }];
  });
}
