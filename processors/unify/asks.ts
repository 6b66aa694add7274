/**
 * What our own asks have to do with what is seen: which of them brought a value about, and what came of each field.
 * Pure functions over a ref; an ask is named by its place among the asks of its ref, oldest first.
 *
 * landed: answered, and kept because its echo may come late and its call may be repeated. done: the field's echo was seen.
 */
import { stateLimit } from '../../core/decide.ts';
import type { Ask, EntityState, Position, RefState, Value } from '../../schemas/types.ts';
import { parseRef } from './keys.ts';
import type { Side } from './rules.ts';
import { alike, comparePositions, hashId, isExact, secondOf } from './values.ts';

const landedKept = 8;
/** Characters of values that landed asks may hold together: they must never make a ref too large to be kept. */
const landedChars = 8_000;
/** A call that timed out may still be applied for this long after its result. */
const doubtMs = 120_000;
/** Of a second. */
const lastMs = 999;

/** The landed asks of a ref, then the open one. */
export const asksOf = (ref: RefState): readonly Ask[] => (ref.open === null ? ref.landed : [...ref.landed, ref.open]);

/**
 * An open ask expects what it asks for, a landed one what of it was not refused. What `toPlatform` gives is already what
 * a round trip through the platform's mapping returns, so nothing has to be translated here.
 */
export const expectedOf = (ask: Ask): Ask['fields'] => (ask.resultAt === null ? ask.fields : ask.expected);

/** Characters; of a longer value the hash is kept where it would be kept twice, or its record could become too large. */
const longText = 1_000;
/** The same for a list, which is also what a change of it is told against. */
const longList = 4_000;

/** A value as it is kept only to be compared with: what stood before an ask, and what is quiet. */
export function comparable(value: Value): Value {
  if (typeof value === 'string') return value.length > longText ? `sha256:${hashId(value)}` : value;
  if (!Array.isArray(value)) return value;
  const text = JSON.stringify(value);
  return text.length > longList ? `sha256:${hashId(text)}` : value;
}

/** A list this short is not measured: most are. */
const fewItems = 20;
/** Bytes of a record's state that stay free for what comes while an ask is open. */
const spareBytes = 8_000;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

/**
 * Which of these fields can be asked without making the state of their record too large, the short ones first: while the
 * ask is open, what it asks may be seen as well.
 */
export function fitting(
  state: RefState | EntityState,
  fields: Ask['fields'],
  seen: RefState['seen'] = {},
): Ask['fields'] {
  const isLong = (value: Value): boolean =>
    Array.isArray(value) ? value.length > fewItems : typeof value === 'string' && value.length > longText;
  if (!Object.values(fields).some(isLong)) return fields;
  let room = stateLimit - spareBytes - bytesOf(state);
  const sizes = new Map(Object.entries(fields).map(([field, value]) => [field, bytesOf(value)]));
  const kept = [...sizes]
    .sort(([, a], [, b]) => a - b)
    .filter(([field, size]) => {
      const needed = size + Math.max(0, size - bytesOf(seen[field]?.value));
      if (needed > room) return false;
      room -= needed;
      return true;
    })
    .map(([field]) => field);
  return Object.fromEntries(Object.entries(fields).filter(([field]) => kept.includes(field)));
}

/** Is it what stood in the field when the ask was made? Not when that is not known. */
const stood = (ask: Ask, field: string, value: Value): boolean =>
  field in ask.before && alike(ask.before[field], comparable(value));

/** What stood in a field before an ask, to tell a change against: of a long list that is not known. */
export function stoodBefore(ask: Ask | undefined, field: string, value: Value): Value | undefined {
  const before = ask?.before[field];
  return Array.isArray(value) && typeof before === 'string' ? undefined : before;
}

const isDone = (ask: Ask, field: string): boolean => ask.done.includes(field);

/** Until when, in the platform's time, a value may have come from this ask, ms; a call in doubt may be applied late. */
const reachOf = (ask: Ask): number =>
  ask.resultAt === null ? Number.POSITIVE_INFINITY : ask.resultAt + (ask.doubt ? doubtMs : 0);

/** What matters here of how a platform is written. */
type Caller = Pick<Side, 'memberships'>;

/** Memberships are calls of their own, which may give the record other dates than the call of its fields. */
export const isOneCall = ({ memberships }: Caller, ask: Ask): boolean =>
  memberships === null || !(memberships in ask.before);

/** What the platform tells of a record as an ask made it says nothing of memberships, which are attached after that. */
export function ofFirstCall({ memberships }: Caller, ask: Ask): Ask {
  return {
    ...ask,
    expected: Object.fromEntries(Object.entries(ask.expected).filter(([field]) => field !== memberships)),
  };
}

/** Is it what the ask expects of the field, or what came of it? */
export const brought = (ask: Ask, field: string, value: Value): boolean =>
  alike(expectedOf(ask)[field], value) || (field in ask.got && alike(ask.got[field], value));

/** Was its call sent by then, as far as the platform tells? */
export const reaches = ({ sentAt }: Ask, at: Position): boolean => (at.second ? at.time + lastMs : at.time) >= sentAt;

/** Can the ask have brought it about at this date? Intercom dates an answer by what its call did, unless that is in doubt. */
function mayHaveBrought(side: Caller, ref: RefState, ask: Ask, field: string, value: Value, at: Position): boolean {
  if (!brought(ask, field, value) || !reaches(ask, at)) return false;
  const isDated =
    parseRef(ref.ref).platform === 'intercom' && ask.resultAt !== null && !ask.doubt && isOneCall(side, ask);
  const [second, last] = [secondOf(at.time), secondOf(reachOf(ask))];
  return isDated ? second === last : second <= last;
}

/** Had this been told when the ask was made? In one second that is said of what is well known only. */
function wasKnown({ after }: Ask, at: Position): boolean {
  const order = comparePositions(at, after);
  return order < 0 || (order === 0 && isExact(at) && isExact(after));
}

/**
 * Which ask has the value of an event of our own client from it? The stream is in order, so a value expected belongs to
 * the oldest ask that still waits for its echo, and another value is what the platform made of the oldest one. None waits
 * for an event from before it was asked, and what was made of a value once is made of it again.
 * repeat: the value of an ask whose echo was seen before; it says nothing new.
 */
export function originOf(
  ref: RefState,
  field: string,
  value: Value,
  at: Position,
): { readonly ask: number; readonly kind: 'echo' | 'repeat' | 'outcome' } | undefined {
  const asks = asksOf(ref).map((ask) => (field in expectedOf(ask) ? ask : undefined));
  const waiting = (matches: (ask: Ask) => boolean): number =>
    asks.findIndex((ask) => ask !== undefined && !isDone(ask, field) && !wasKnown(ask, at) && matches(ask));
  const echo = waiting((ask) => alike(expectedOf(ask)[field], value));
  if (echo >= 0) return { ask: echo, kind: 'echo' };
  const made = asks.flatMap((ask) =>
    ask !== undefined && isDone(ask, field) && field in ask.got && alike(ask.got[field], value)
      ? [expectedOf(ask)[field]]
      : [],
  );
  const again = waiting((ask) => made.some((asked) => alike(expectedOf(ask)[field], asked)));
  if (again >= 0) return { ask: again, kind: 'outcome' };
  const repeat = asks.findIndex((ask) => ask !== undefined && isDone(ask, field) && brought(ask, field, value));
  if (repeat >= 0) return { ask: repeat, kind: 'repeat' };
  // What was there before it was asked is told by an older event of ours: that of a create names every field.
  const outcome = waiting((ask) => !stood(ask, field, value));
  if (outcome >= 0) return { ask: outcome, kind: 'outcome' };
  // A call in doubt that is carried out late, of which nobody has seen what the platform makes of it.
  const late = asks.findLastIndex(
    (ask) =>
      ask?.doubt === true &&
      isDone(ask, field) &&
      !(field in ask.got) &&
      comparePositions(at, ask.after) >= 0 &&
      secondOf(at.time) <= secondOf(reachOf(ask)) &&
      !stood(ask, field, value),
  );
  return late >= 0 ? { ask: late, kind: 'repeat' } : undefined;
}

/** A create of a contact that Intercom carries out late makes another contact, or none: it changes nothing of this one. */
const isMadeOnce = ({ ref }: RefState, { verb }: Ask): boolean =>
  verb === 'create' && ref.startsWith('intercom:contact:');

/** Its outcome was seen, and no call of it changes the record any more. */
const isOver = (ref: RefState, ask: Ask, field: string): boolean =>
  isDone(ask, field) && ask.resultAt !== null && (!ask.doubt || isMadeOnce(ref, ask));

/**
 * Which ask brought this value about, as far as a read or a webhook can tell, which do not name the writer? Only one
 * whose result is not before the value; -1: none. What stands after the echo of an ask was seen is somebody's, be it the
 * very value asked: only a call in doubt is carried out once more. `answered`: the ask that the value answers.
 */
export function echoOf(side: Caller, ref: RefState, field: string, value: Value, at: Position, answered = ''): number {
  return asksOf(ref).findLastIndex(
    (ask) =>
      field in expectedOf(ask) &&
      mayHaveBrought(side, ref, ask, field, value, at) &&
      (ask.id === answered || !isOver(ref, ask, field)),
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

/** What is known of a value besides its position. */
interface Known {
  readonly told?: Position | undefined;
  readonly turned?: boolean;
  readonly named?: boolean;
}

/**
 * Did our own writing overtake somebody else's value? It stands between the asking of an ask and its result, and is
 * neither what was there before, nor what was asked, nor what came of it. Of what is `known` besides:
 *  told: where the record brought about the value that counts, if it did; after that, what was there before was taken back.
 *  turned: the record had shown another value before this one; then, too, what was there before was taken back.
 *  named: the platform says that somebody else changed the field to this value; whatever it is, it is theirs if it stands
 *  later than all that was known when the ask was made.
 */
export function wasOvertaken(
  side: Caller,
  ref: RefState,
  field: string,
  value: Value,
  at: Position,
  { told, turned = false, named = false }: Known = {},
): boolean {
  const asks = asksOf(ref).filter(
    (ask) =>
      field in expectedOf(ask) &&
      field in ask.before &&
      comparePositions(at, ask.after) >= 0 &&
      secondOf(at.time) <= secondOf(reachOf(ask)),
  );
  const isBack = (ask: Ask): boolean =>
    told !== undefined && comparePositions(told, ask.after) > 0 && comparePositions(at, told) > 0;
  const isTheirs = (ask: Ask): boolean => named && comparePositions(at, ask.after) > 0;
  /** The call before it, if that brought this very value. */
  const earlierOf = (ask: Ask): Ask | undefined => {
    const all = asksOf(ref);
    const earlier = all.slice(0, all.indexOf(ask)).findLast((one) => field in expectedOf(one));
    return earlier !== undefined && brought(earlier, field, value) ? earlier : undefined;
  };
  const isOld = (ask: Ask): boolean => {
    const earlier = earlierOf(ask);
    // What stood there was taken for what the call before had brought, and this is older than that call.
    if (turned || (earlier !== undefined && !reaches(earlier, at))) return false;
    // In the second of what was known last when it was asked it may be of before that, and show what stood there then.
    const isVague = comparePositions(at, ask.after) === 0;
    return (earlier !== undefined && isVague) || (stood(ask, field, value) && !isBack(ask));
  };
  const isKnown = (ask: Ask): boolean =>
    !isTheirs(ask) && (mayHaveBrought(side, ref, ask, field, value, at) || isOld(ask));
  return asks.length > 0 && !asks.some(isKnown);
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
