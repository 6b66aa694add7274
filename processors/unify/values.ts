/** Equality, order and small arithmetic of platform and canonical values. */
import { hash } from 'node:crypto';
import type { Position, Value } from '../../schemas/types.ts';

/**
 * Lists are compared in order: they are sorted where they are read (mapping.ts, decode). Whatever it is, a value is the same
 * as itself, NaN too: else it would differ from what was written for it, and be asked for ever.
 */
export function sameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  if (a === undefined || b === undefined || a === null || b === null) return false;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

/** null, '' and the empty set are one thing to a person: there is no value. */
export function isEmpty(value: Value | undefined): boolean {
  return value === undefined || value === null || value === '' || (typeof value === 'object' && value.length === 0);
}

/** The same to a person: the same value, or no value in either spelling. */
export const alike = (a: Value | undefined, b: Value | undefined): boolean =>
  sameValue(a, b) || (isEmpty(a) && isEmpty(b));

const shownChars = 200;
const shownItems = 10;

/** Not in the middle of a character of two: half of one is another when it was kept and read again. */
const cut = (text: string): string => text.slice(0, shownChars).replace(/[\ud800-\udbff]$/, '');

/** A value as it is kept for people only: what is kept twice must not make a record too large to be kept. */
export function shown(value: Value): Value {
  if (typeof value === 'string' && value.length > shownChars) return `${cut(value)}…`;
  if (Array.isArray(value)) return value.slice(0, shownItems).map((item) => cut(String(item)));
  return value;
}

/** Is what was kept for people the value itself? In doubt it is not. */
export function isShownWhole(value: Value): boolean {
  if (typeof value === 'string') return value.length < shownChars;
  return !Array.isArray(value) || (value.length < shownItems && value.every((item) => item.length < shownChars));
}

export function hashId(...parts: readonly (string | number)[]): string {
  return hash('sha256', parts.join('\n'), 'hex').slice(0, 24);
}

export const noPosition: Position = { time: 0, seq: -1, second: true };

export const secondOf = (ms: number): number => Math.floor(ms / 1000);

/**
 * Is `next` later than `last`, as far as the platform tells? 1 later, -1 earlier, 0 the same or it cannot be told.
 *
 * Events of one stream are ordered by commit second and then by order of arrival, Intercom's webhooks by the millisecond.
 * A read is known to the second only: within it, it cannot be ordered against anything (ledger.ts, ties).
 */
export function comparePositions(next: Position, last: Position): -1 | 0 | 1 {
  if (!next.second && !last.second) return sign(next.time - last.time);
  const seconds = sign(secondOf(next.time) - secondOf(last.time));
  if (seconds !== 0) return seconds;
  return next.seq >= 0 && last.seq >= 0 ? sign(next.seq - last.seq) : 0;
}

const sign = (difference: number): -1 | 0 | 1 => (difference > 0 ? 1 : difference < 0 ? -1 : 0);

/** Known better than to the second: it has a place in the stream, or milliseconds. */
export const isExact = (position: Position): boolean => position.seq >= 0 || !position.second;

/** Of two that cannot be told apart the one that is better known. */
export function laterOf(a: Position, b: Position): Position {
  const order = comparePositions(b, a);
  return order > 0 || (order === 0 && isExact(b) && !isExact(a)) ? b : a;
}
