/**
 * What our own asks have to do with what is seen: which of them brought a value about, and what came of each field.
 * Pure functions over a ref; an ask is named by its place among the asks of its ref, oldest first.
 *
 * landed: answered, and kept because its echo may come late and its call may be repeated. done: the field's echo was seen.
 */
import type { Ask, Position, RefState, Value } from '../../schemas/types.ts';
import { alike, comparePositions, hashId, secondOf } from './values.ts';

const landedKept = 8;
/** Characters of values that landed asks may hold together: they must never make a ref too large to be kept. */
const landedChars = 8_000;
/** A call that timed out may still be applied for this long after its result. */
const doubtMs = 120_000;

/** The landed asks of a ref, then the open one. */
export const asksOf = (ref: RefState): readonly Ask[] => (ref.open === null ? ref.landed : [...ref.landed, ref.open]);

/**
 * An open ask expects what it asks for, a landed one what of it was not refused. What `toPlatform` gives is already what
 * a round trip through the platform's mapping returns, so nothing has to be translated here.
 */
export const expectedOf = (ask: Ask): Ask['fields'] => (ask.resultAt === null ? ask.fields : ask.expected);

/** A text kept twice could make its record too large to be kept; to know it again its hash is enough. */
const longText = 1_000;

/** A value as an ask keeps it of the time before: only to be compared with (`stood`). */
export const keptBefore = (value: Value): Value =>
  typeof value === 'string' && value.length > longText ? `sha256:${hashId(value)}` : value;

/** Is it what stood in the field when the ask was made? Not when that is not known. */
const stood = (ask: Ask, field: string, value: Value): boolean =>
  field in ask.before && alike(ask.before[field], keptBefore(value));

const isDone = (ask: Ask, field: string): boolean => ask.done.includes(field);

/** Until when, in the platform's time, a value may have come from this ask, ms; a call in doubt may be applied late. */
const reachOf = (ask: Ask): number =>
  ask.resultAt === null ? Number.POSITIVE_INFINITY : ask.resultAt + (ask.doubt ? doubtMs : 0);

/** Is it what the ask expects of the field, or what came of it? */
const brought = (ask: Ask, field: string, value: Value): boolean =>
  alike(expectedOf(ask)[field], value) || (field in ask.got && alike(ask.got[field], value));

/**
 * Which ask has the value of an event of our own client from it? The stream is in order, so a value expected belongs to
 * the oldest ask that still waits for its echo, and another value is what the platform made of the oldest one.
 * repeat: the value of an ask whose echo was seen before; it says nothing new.
 */
export function originOf(
  ref: RefState,
  field: string,
  value: Value,
): { readonly ask: number; readonly kind: 'echo' | 'repeat' | 'outcome' } | undefined {
  const asks = asksOf(ref);
  const find = (matches: (ask: Ask) => boolean): number =>
    asks.findIndex((ask) => field in expectedOf(ask) && matches(ask));
  const echo = find((ask) => !isDone(ask, field) && alike(expectedOf(ask)[field], value));
  if (echo >= 0) return { ask: echo, kind: 'echo' };
  const repeat = find((ask) => isDone(ask, field) && brought(ask, field, value));
  if (repeat >= 0) return { ask: repeat, kind: 'repeat' };
  // What was there before it was asked is told by an older event of ours: that of a create names every field.
  const outcome = find((ask) => !isDone(ask, field) && !stood(ask, field, value));
  return outcome >= 0 ? { ask: outcome, kind: 'outcome' } : undefined;
}

/**
 * Which ask brought this value about, as far as a read or a webhook can tell, which do not name the writer? Only one
 * whose result is not before the value; -1: none.
 */
export function echoOf(ref: RefState, field: string, value: Value, at: Position): number {
  return asksOf(ref).findLastIndex(
    (ask) => field in expectedOf(ask) && brought(ask, field, value) && secondOf(at.time) <= secondOf(reachOf(ask)),
  );
}

/** The echo of a field of one ask came, with another value than expected perhaps: older ones wait for theirs no more. */
export function markDone(ref: RefState, field: string, upTo: number, got?: Value): RefState {
  const mark = (ask: Ask, index: number): Ask => {
    const expected = expectedOf(ask);
    if (index > upTo || !(field in expected)) return ask;
    const done = isDone(ask, field) ? ask.done : [...ask.done, field].sort();
    if (index < upTo || got === undefined || alike(expected[field], got)) return { ...ask, done };
    return { ...ask, done, got: { ...ask.got, [field]: got } };
  };
  const { open } = ref;
  return {
    ...ref,
    landed: ref.landed.map(mark),
    open: open === null ? null : mark(open, ref.landed.length),
  };
}

/**
 * Did our own writing overtake somebody else's value? It stands between the asking of an ask and its result, and is
 * neither what was there before, nor what was asked, nor what came of it. `told`: where the record brought about the value that
 * counts, if it did: after that, what was there before is a value taken back.
 */
export function wasOvertaken(ref: RefState, field: string, value: Value, at: Position, told?: Position): boolean {
  const asks = asksOf(ref).filter(
    (ask) =>
      field in expectedOf(ask) &&
      field in ask.before &&
      comparePositions(at, ask.after) >= 0 &&
      secondOf(at.time) <= secondOf(reachOf(ask)),
  );
  const isBack = (ask: Ask): boolean =>
    told !== undefined && comparePositions(told, ask.after) > 0 && comparePositions(at, told) > 0;
  const known = (ask: Ask): boolean => brought(ask, field, value) || (stood(ask, field, value) && !isBack(ask));
  return asks.length > 0 && !asks.some(known);
}

/** Puts an answered ask among the landed ones, in the place it may have there; the newest that fit are kept. */
export function landedWith(landed: readonly Ask[], closed: Ask): readonly Ask[] {
  let chars = 0;
  return [...landed.filter((ask) => ask.id !== closed.id), closed]
    .slice(-landedKept)
    .reverse()
    .filter((ask) => (chars += JSON.stringify([ask.expected, ask.before, ask.got]).length) <= landedChars)
    .reverse();
}
