/**
 * As of when the platforms tell what people entered, computed from what they did and what arrived. Salesforce's stream
 * tells whole seconds. Intercom tells of a record as a whole: a notification carries one date for all of its fields, that
 * of the last change of any.
 */
import type { Heard } from './intercom-source.ts';
import { slowestMs } from './network.ts';
import type { Edit } from './people.ts';

type Entered = Pick<Edit, 'id' | 'field' | 'platform' | 'at'>;

/** Writes of ours to Intercom. */
interface Written {
  readonly at: number;
  readonly what: string;
}

export interface Told {
  readonly edits: readonly Entered[];
  readonly heard: readonly Heard[];
  readonly writes: readonly Written[];
}

/** From when on the same record showed another value of the field, by people's hands. */
export const endOf = ({ id, field, at }: Entered, edits: readonly Entered[]): number =>
  edits.find((edit) => edit.id === id && edit.field === field && edit.at > at)?.at ?? Infinity;

/**
 * The notification that first told of an edit in Intercom; undefined: none did before the record showed something else.
 * Notifications overtake each other, so it need not be the edit's own.
 */
export function firstHeard(edit: Entered, { edits, heard }: Pick<Told, 'edits' | 'heard'>): Heard | undefined {
  const end = endOf(edit, edits);
  const telling = heard.filter(({ id, happened }) => id === edit.id && happened >= edit.at && happened < end);
  return telling.reduce<Heard | undefined>(
    (first, one) => (first === undefined || one.at < first.at ? one : first),
    undefined,
  );
}

export const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;

/**
 * Did a write of ours ask for the very value just after somebody had entered it in Intercom? It changed nothing then, and
 * what told of their edit is what would have told of ours: an answer tells the second, less the time that it took.
 */
export const isAskedAnyway = (
  { id, at, value }: Pick<Edit, 'id' | 'at' | 'value'>,
  name: string,
  writes: readonly (Written & { readonly asked: Readonly<Record<string, unknown>> })[],
): boolean =>
  writes.some(
    (write) =>
      write.what === id && write.at >= at && wholeSecond(write.at) - slowestMs <= at && write.asked[name] === value,
  );

/** Why a value of Intercom looks as new as one that is newer in truth; empty: it does not. */
export function whyAsNew(winner: Entered, newest: Entered, told: Told, toleranceMs: number): string {
  if (winner.platform !== 'intercom') return '';
  const first = firstHeard(winner, told);
  const newestAt = newest.platform === 'salesforce' ? wholeSecond(newest.at) : newest.at;
  if (first !== undefined && first.happened > winner.at && first.happened >= newestAt)
    return 'Intercom dated the whole record by a later edit of another field';
  // What was edited before a write of ours, and is told first by the answer to it, looks as new as that write.
  const moved = told.writes.some(
    ({ at, what }) =>
      what === winner.id &&
      at > winner.at &&
      at >= newest.at - toleranceMs &&
      !told.heard.some((one) => one.id === winner.id && one.happened >= winner.at && one.happened < at && one.at < at),
  );
  return moved ? "Intercom's date of it was moved by a write of ours" : '';
}
