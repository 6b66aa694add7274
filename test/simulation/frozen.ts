/**
 * A field that is frozen: people changed it to and fro too often in too short a time, and nothing is written for it until
 * an operator says so. Each edit is one turn at most, so fewer edits than that freeze nothing.
 */
import type { JournalEntry } from '../../schemas/types.ts';
import type { Edit } from './people.ts';

export interface Freezing {
  readonly alternations: number;
  readonly withinMs: number;
}

type Entered = Pick<Edit, 'id' | 'field' | 'platform' | 'at' | 'first'>;

/** Why the records of these ids differ in a field; empty: not for that. */
export function whyFrozen(
  field: string,
  ids: readonly string[],
  { edits, journal }: { readonly edits: readonly Entered[]; readonly journal: readonly JournalEntry[] },
  { alternations, withinMs }: Freezing,
): string {
  const isTold = journal.some(
    (entry) => entry.kind === 'frozen' && entry.field === field && ids.some((id) => entry.source.endsWith(id)),
  );
  const made = edits.filter((edit) => !edit.first && edit.field === field && ids.includes(edit.id));
  const isFought = made.some(({ at }) => {
    const turns = made.filter((edit) => edit.at <= at && at - edit.at < withinMs);
    return turns.length > alternations && new Set(turns.map(({ platform }) => platform)).size > 1;
  });
  return isTold && isFought ? 'people changed it to and fro until it was frozen, and the journal names them' : '';
}
