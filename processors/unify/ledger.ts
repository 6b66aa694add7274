/**
 * The ledger: per ref what was last *seen*, per customer what is *wanted*. This file says what an observation and a
 * result do to them; dirty.ts says what is asked while they differ.
 *
 * Why it cannot loop: an ask is only made for a wanted value that differs from what was seen (rule 2 of `pendingFields`),
 * a wanted value only changes by an edit, and what our own ask brought about is never an edit: it is an echo (the value
 * expected) or it settles the field (another value, kept in `quiet` until the wanted or the seen value changes).
 */
import type {
  Ask,
  CanonicalField,
  EntityState,
  FieldChange,
  Observation,
  Position,
  Quiet,
  RefState,
  Result,
  Value,
} from '../../schemas/types.ts';
import { parseRef } from './keys.ts';
import { fromPlatform, toPlatform } from './mapping.ts';
import type { EntityRules, Link, Side } from './rules.ts';
import { comparePositions, isEmpty, laterOf, sameValue } from './values.ts';
import type { Platform, World } from './world.ts';

const landedKept = 8;
/** Characters of values that landed asks may hold together: they must never make a ref too large to be kept. */
const landedChars = 8_000;
/** A call that timed out may still be applied for this long after its result. */
const doubtMs = 120_000;

const second = (ms: number): number => Math.floor(ms / 1000);

/** State of one decision about one entity: replaced values, never mutated ones. */
export interface Draft {
  readonly rules: EntityRules;
  entity: EntityState;
  ref: RefState;
  readonly changed: FieldChange[];
  /** Emails that the record had on its platform and has no more: what was refused for their sake may be tried again. */
  readonly left: string[];
}

const sideOf = (draft: Draft, platform: Platform): Side => draft.rules.sides[platform];

function putSeen(draft: Draft, field: string, value: Value, at: Position): void {
  draft.ref = {
    ...draft.ref,
    seen: { ...draft.ref.seen, [field]: { value, at } },
    newest: laterOf(draft.ref.newest, at),
  };
}

function putQuiet(draft: Draft, field: string, quiet: Quiet): void {
  draft.ref = { ...draft.ref, quiet: { ...draft.ref.quiet, [field]: quiet } };
}

/**
 * Takes an observation in, field by field. `answered` is the ask whose result it came with.
 * A whole observation says of every mapped field that it does not name that it is empty.
 */
export function observe(world: World, draft: Draft, observation: Observation, answered: Ask | null): void {
  const { platform, id } = parseRef(observation.ref);
  for (const link of sideOf(draft, platform).links) {
    // A change event names the record in its header, not in its body.
    const isId = platform === 'salesforce' && link.field === 'Id';
    if (isId && draft.ref.seen['Id'] !== undefined) continue;
    const told = isId ? id : observation.fields[link.field];
    if (told === undefined && (!observation.whole || observation.unknown.includes(link.field))) continue;
    observeField(world, draft, link, told ?? null, observation, answered);
  }
  draft.ref = { ...draft.ref, newest: laterOf(draft.ref.newest, observation.at) };
}

function observeField(
  world: World,
  draft: Draft,
  link: Link,
  value: Value,
  observation: Observation,
  answered: Ask | null,
): void {
  const { field, platform } = link;
  const before = draft.ref.seen[field];
  if (before !== undefined && !isNewer(platform, value, before.value, observation, before.at)) return;
  if (link.type === 'email' && typeof before?.value === 'string' && !sameValue(before.value, value)) {
    draft.left.push(before.value);
  }
  putSeen(draft, field, value, observation.at);
  if (before !== undefined && sameValue(before.value, value)) {
    markEchoed(draft, field, value);
    return;
  }
  if (isEcho(world, draft, link, value, observation)) {
    markEchoed(draft, field, value);
    return;
  }
  const wanted = toPlatform(world, link, draft.entity.fields, value);
  if (wanted !== undefined && before !== undefined && sameValue(wanted, value)) return;
  // What became of the fields of the ask itself was settled by `land`; it is never an edit, unless the platform owns it.
  if (answered !== null && field in answered.fields && !ownedBy(draft, link, platform)) return;
  const time = observation.modified ?? observation.at.time;
  for (const [name, canonical] of Object.entries(fromPlatform(world, link, value))) {
    edit(world, draft, name, canonical, time, before === undefined);
  }
}

/**
 * Newer than what was seen? Within one second a Salesforce event cannot be ordered against a read. The event counts:
 * events are the whole ordered history, so the last of them ends right whichever came first, which a read does not.
 * Answers to our own asks are ordered among themselves, because one ask of a ref is open at a time.
 */
function isNewer(platform: Platform, value: Value, seen: Value, observation: Observation, last: Position): boolean {
  const order = comparePositions(observation.at, last);
  if (order !== 0) return order > 0;
  if (sameValue(value, seen)) return false;
  return platform === 'salesforce' ? observation.via === 'event' : observation.via === 'answer';
}

/** An open ask expects what it asks for; a landed one keeps that of it which was not refused. */
const expectedOf = (ask: Ask): Ask['fields'] => (ask.resultAt === null ? ask.fields : ask.expected);

const asksOf = (ref: RefState): readonly Ask[] => (ref.open === null ? ref.landed : [...ref.landed, ref.open]);

/** Did an ask of ours bring this value about, as far as the platform tells who writes? */
function isEcho(world: World, draft: Draft, link: Link, value: Value, observation: Observation): boolean {
  const ours =
    observation.via !== 'event' || link.platform !== 'salesforce' || observation.origin === world.rules.client;
  if (!ours) return false;
  return asksOf(draft.ref).some((ask) => {
    const expected = expectedOf(ask);
    if (!(link.field in expected)) return false;
    if (!sameValue(expected[link.field], value) && !sameValue(ask.got[link.field], value)) return false;
    if (ask.resultAt === null || (link.platform === 'salesforce' && observation.via === 'event')) return true;
    return second(observation.at.time) <= second(ask.resultAt + (ask.doubt ? doubtMs : 0));
  });
}

function markEchoed(draft: Draft, field: string, value: Value): void {
  const mark = (ask: Ask): Ask =>
    field in expectedOf(ask) && !ask.done.includes(field) && sameValue(expectedOf(ask)[field], value)
      ? { ...ask, done: [...ask.done, field].sort() }
      : ask;
  const { open, landed } = draft.ref;
  if (open === null && landed.length === 0) return;
  draft.ref = { ...draft.ref, open: open === null ? null : mark(open), landed: landed.map(mark) };
}

function ownedBy(draft: Draft, link: Link, platform: Platform): boolean {
  return link.canonical.some((name) => draft.rules.fields.get(name)?.owner === platform);
}

/** A person's value against the canonical one: who wins, and why. */
function edit(world: World, draft: Draft, name: string, value: Value, time: number, firstSight: boolean): void {
  const rule = draft.rules.fields.get(name);
  if (rule === undefined) return;
  const source = draft.ref.ref;
  const { platform } = parseRef(source);
  const current = draft.entity.fields[name];
  if (current !== undefined && sameValue(current.value, value)) return;
  const reject = (reason: string): void => {
    world.journal({
      id: draft.entity.id,
      kind: 'rejected',
      field: name,
      value: current?.value ?? null,
      other: value,
      source,
      reason,
    });
  };
  if (rule.owner !== null && rule.owner !== platform) {
    // What a side without a say has at first sight is no edit, and there may be nothing yet to put in its place.
    if (!firstSight) reject(`${rule.owner} owns ${name}`);
    return;
  }
  if (current === undefined) {
    if (firstSight && isEmpty(value) && draft.entity.refs.length > 1) return;
    setField(world, draft, name, value, time, 'first');
    return;
  }
  const sameSource = current.source === source;
  if (!sameSource) {
    // Joining is not a transition: an empty value that was always empty does not clear what the other side knows.
    if (firstSight && isEmpty(value)) return;
    if (rule.fillIfEmpty && !isEmpty(current.value)) return reject(`${name} is only filled where it is empty`);
    const newer = time !== current.time ? time > current.time : source > current.source;
    if (!newer && !isEmpty(current.value)) return reject(`${current.source} has a newer value`);
  }
  const reason = sameSource ? 'newest' : firstSight ? 'join' : rule.owner === platform ? 'owner' : 'newest';
  setField(world, draft, name, value, sameSource ? Math.max(time, current.time) : time, reason);
}

function setField(world: World, draft: Draft, name: string, value: Value, time: number, reason: string): void {
  const old = draft.entity.fields[name];
  const next: CanonicalField = {
    value,
    version: (old?.version ?? 0) + 1,
    time,
    source: draft.ref.ref,
    reason,
    offset: world.record.offset,
  };
  draft.entity = { ...draft.entity, fields: { ...draft.entity.fields, [name]: next } };
  if (isEmpty(old?.value) && isEmpty(value)) return;
  draft.changed.push({
    field: name,
    old: old?.value ?? null,
    new: value,
    source: next.source,
    reason,
    version: next.version,
  });
}

/** A company's id is given to it once, at its creation (Intercom: `company_id` cannot be changed); a record that we only linked gets our mark later. */
const markerFor = (link: Link, entity: EntityState): Value | undefined =>
  link.field === 'company_id' ? undefined : entity.id;

/**
 * Fields to ask of a ref: wanted, not equal to what was seen, and not quiet.
 * A field never seen is not cleared: empty never beats a value nobody has looked at.
 */
export function pendingFields(
  world: World,
  side: Side,
  ref: RefState,
  entity: EntityState,
): Readonly<Record<string, Value>> {
  const pending: Record<string, Value> = {};
  for (const link of side.links) {
    const seen = ref.seen[link.field];
    const wanted =
      link.type === 'marker' ? markerFor(link, entity) : toPlatform(world, link, entity.fields, seen?.value);
    if (wanted === undefined || sameValue(wanted, seen?.value)) continue;
    if (isEmpty(wanted) && isEmpty(seen?.value)) continue;
    const quiet = ref.quiet[link.field];
    if (quiet !== undefined && sameValue(quiet.asked, wanted) && sameValue(quiet.got, seen?.value ?? null)) continue;
    pending[link.field] = wanted;
  }
  return pending;
}

/**
 * Closes the open ask with its one result. Whatever it was, the same ask is not made again at once: a field that was
 * refused, or of which nobody has said what came of it, is quiet until another value is wanted or seen.
 */
export function land(world: World, draft: Draft, ask: Ask, result: Result): void {
  const named = result.refusals.filter((refusal) => refusal.field in ask.fields);
  const whole = result.outcome === 'refused' && named.length === 0 ? result.refusals[0] : undefined;
  const refused = new Map(named.map((refusal) => [refusal.field, refusal]));
  if (result.outcome === 'refused' && named.length === 0) {
    for (const field of Object.keys(ask.fields)) {
      refused.set(field, whole ?? { field, code: 'PLATFORM_REFUSED', message: 'refused without a reason' });
    }
  }
  for (const [field, refusal] of refused)
    quieten(world, draft, ask, field, 'refused', `${refusal.code}: ${refusal.message}`);
  const expected = Object.fromEntries(Object.entries(ask.fields).filter(([field]) => !refused.has(field)));
  const answered = result.outcome === 'applied' ? ask : null;
  const closed: Ask = {
    ...ask,
    fields: {},
    before: {},
    expected,
    resultAt: result.platformTime,
    doubt: ask.doubt || result.doubt,
  };
  const landed = result.outcome === 'applied' ? bounded([...draft.ref.landed, closed]) : draft.ref.landed;
  draft.ref = { ...draft.ref, open: null, landed };
  if (result.returned !== null) {
    if (answered !== null) settle(world, draft, closed, result.returned);
    observe(world, draft, result.returned, answered);
  }
  if (answered === null) return;
  // A sink that was stopped between two calls of one ask names what it did not come to: that is asked again.
  const unfinished = result.returned?.unknown ?? [];
  for (const field of Object.keys(expected)) if (!unfinished.includes(field)) leaveUnanswered(world, draft, ask, field);
}

/** The newest asks that fit. */
function bounded(landed: readonly Ask[]): readonly Ask[] {
  let chars = 0;
  const kept = landed
    .slice(-landedKept)
    .reverse()
    .filter((ask) => (chars += JSON.stringify([ask.expected, ask.got]).length) <= landedChars);
  return kept.reverse();
}

function quieten(world: World, draft: Draft, ask: Ask, field: string, why: Quiet['why'], note: string): void {
  const asked = ask.fields[field] ?? null;
  const got = draft.ref.seen[field]?.value ?? null;
  putQuiet(draft, field, { asked, got, why, note: note.slice(0, 500) });
  world.journal({ id: draft.ref.id, kind: why, field, value: got, other: asked, source: draft.ref.ref, reason: note });
}

/**
 * Applied, says the platform, but nothing newer was seen of the field than when it was asked: asking the same again would
 * learn nothing, for ever.
 */
function leaveUnanswered(world: World, draft: Draft, ask: Ask, field: string): void {
  const seen = draft.ref.seen[field];
  if (sameValue(seen?.value ?? null, ask.fields[field] ?? null) || draft.ref.quiet[field] !== undefined) return;
  if (seen !== undefined && comparePositions(seen.at, ask.after) > 0) return;
  quieten(world, draft, ask, field, 'settled', 'the platform did not say what became of the value written');
}

/**
 * The answer to the ask that wrote a field names another value: the platform made something else of it, or ignored it.
 * Reported and left in peace, never fought; without this a platform that keeps its old value would be asked for ever.
 */
function settle(world: World, draft: Draft, ask: Ask, returned: Observation): void {
  const { platform } = parseRef(returned.ref);
  for (const link of sideOf(draft, platform).links) {
    const expected = ask.expected[link.field];
    const told = returned.fields[link.field];
    if (expected === undefined || (told === undefined && (!returned.whole || returned.unknown.includes(link.field))))
      continue;
    const got = told ?? null;
    if (sameValue(expected, got) || (isEmpty(expected) && isEmpty(got)) || ownedBy(draft, link, platform)) continue;
    putQuiet(draft, link.field, { asked: expected, got, why: 'settled', note: '' });
    world.journal({
      id: draft.ref.id,
      kind: 'settled',
      field: link.field,
      value: got,
      other: expected,
      source: draft.ref.ref,
      reason: 'the platform keeps another value than the one written',
    });
  }
}
