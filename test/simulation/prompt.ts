/** How long people wait where nothing fails: what else is to be written, however much, holds no edit of theirs up. */
import { personFields } from './fields.ts';
import type { People } from './people.ts';
import type { Ran } from './simulate.ts';

/** From the edit to the other side's having it. */
const boundMs = 10_000;

export interface Waited {
  readonly people: Pick<People, 'edits' | 'entered'>;
  readonly writes: Ran['writes'];
}

/** Edits that were carried to the other side, and later than people may expect. */
export function lateOnes({ people, writes }: Waited): readonly { readonly id: string; readonly text: string }[] {
  return people.edits.flatMap((edit, n) => {
    const field = personFields.find(({ canonical }) => canonical === edit.field);
    if (edit.first || edit.kind !== 'person' || field === undefined) return [];
    const isLast = !people.edits.some(
      (one, later) => later > n && one.kind === edit.kind && one.whose === edit.whose && one.field === edit.field,
    );
    const there = edit.platform === 'salesforce' ? 'intercom' : 'salesforce';
    const carried = writes[there].find(
      ({ what, at, fields }) =>
        at >= edit.at && fields.includes(field[there]) && people.entered.get(`${there}:person:${what}`) === edit.whose,
    );
    if (!isLast || carried === undefined || carried.at - edit.at <= boundMs) return [];
    const text = `person ${edit.whose}: ${edit.field} of ${edit.platform} was carried over after ${carried.at - edit.at} ms`;
    return [{ id: edit.id, text }];
  });
}
