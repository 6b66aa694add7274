/** Equality and small arithmetic of platform and canonical values. */
import { createHash } from 'node:crypto';
import type { Position, Value } from '../../schemas/types.ts';

/** Sets compare by content: a platform may answer them in any order. */
export function sameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a === null || b === null) return false;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

/** null, '' and the empty set are one thing to a person: there is no value. */
export function isEmpty(value: Value | undefined): boolean {
  return value === undefined || value === null || value === '' || (typeof value === 'object' && value.length === 0);
}

export function hashId(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 24);
}

export const noPosition: Position = { time: 0, seq: -1, second: true };

/**
 * Is `next` later than `last`, as far as the platform tells? 1 later, -1 earlier or the same, 0 cannot be told.
 *
 * Events of one stream are ordered by commit second and then by order of arrival. A read is only known to the second:
 * within one second it cannot be ordered against an event, and the caller decides (see ledger.ts, rule 1).
 */
export function comparePositions(next: Position, last: Position): -1 | 0 | 1 {
  if (!next.second && !last.second) return next.time > last.time ? 1 : -1;
  const a = Math.floor(next.time / 1000);
  const b = Math.floor(last.time / 1000);
  if (a !== b) return a > b ? 1 : -1;
  if (next.seq >= 0 && last.seq >= 0) return next.seq > last.seq ? 1 : -1;
  return 0;
}

export function laterOf(a: Position, b: Position): Position {
  return comparePositions(b, a) > 0 ? b : a;
}
