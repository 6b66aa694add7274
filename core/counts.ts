/** What a reading of records came upon, counted for its certificate. */
import type { Certificate } from '../schemas/types.ts';

export type Counts = Pick<Certificate, 'read' | 'changed' | 'deleted'>;

export const nothingRead: Counts = { read: 0, changed: 0, deleted: 0 };

/** One more. `isOfIt`: its last change lies in the interval that is read again. */
export const counted = ({ read, changed, deleted }: Counts, isOfIt: boolean, isGone: boolean): Counts => ({
  read: read + 1,
  changed: changed + (isOfIt && !isGone ? 1 : 0),
  deleted: deleted + (isOfIt && isGone ? 1 : 0),
});

export const sumOf = (one: Counts, other: Counts): Counts => ({
  read: one.read + other.read,
  changed: one.changed + other.changed,
  deleted: one.deleted + other.deleted,
});
