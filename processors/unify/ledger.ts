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
/** A call that timed out may still be applied for this long after its result. */
const doubtMs = 120_000;

const second = (ms: number): number => Math.floor(ms / 1000);

/** State of one decision about one entity: replaced values, never mutated ones. */
export interface Draft {
  readonly rules: EntityRules;
  entity: EntityState;
  ref: RefState;
  readonly changed: FieldChange[];
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

const asksOf = (ref: RefState): readonly Ask[] => (ref.open === null ? ref.landed : [...ref.landed, ref.open]);

/** Did an ask of ours bring this value about, as far as the platform tells who writes? */
function isEcho(world: World, draft: Draft, link: Link, value: Value, observation: Observation): boolean {
  const ours =
    observation.via !== 'event' || link.platform !== 'salesforce' || observation.origin === world.rules.client;
  if (!ours) return false;
  return asksOf(draft.ref).some((ask) => {
    if (!(link.field in ask.expected)) return false;
    if (!sameValue(ask.expected[link.field], value) && !sameValue(ask.got[link.field], value)) return false;
    if (ask.resultAt === null || (link.platform === 'salesforce' && observation.via === 'event')) return true;
    return second(observation.at.time) <= second(ask.resultAt + (ask.doubt ? doubtMs : 0));
  });
}

function markEchoed(draft: Draft, field: string, value: Value): void {
  const mark = (ask: Ask): Ask =>
    field in ask.expected && !ask.done.includes(field) && sameValue(ask.expected[field], value)
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
    const wanted = toPlatform(world, link, entity.fields, seen?.value);
    if (wanted === undefined || sameValue(wanted, seen?.value)) continue;
    if (isEmpty(wanted) && isEmpty(seen?.value)) continue;
    const quiet = ref.quiet[link.field];
    if (quiet !== undefined && sameValue(quiet.asked, wanted) && sameValue(quiet.got, seen?.value ?? null)) continue;
    pending[link.field] = wanted;
  }
  return pending;
}

/** Closes the open ask with its one result. Fields refused are quiet until another value is wanted. */
export function land(world: World, draft: Draft, ask: Ask, result: Result): void {
  const refused = new Set<string>();
  const all = result.outcome === 'refused' && result.refusals.every((refusal) => refusal.field === '');
  for (const refusal of result.refusals) {
    for (const field of refusal.field === '' ? (all ? Object.keys(ask.fields) : []) : [refusal.field]) {
      if (!(field in ask.fields)) continue;
      refused.add(field);
      const asked = ask.fields[field] ?? null;
      const got = draft.ref.seen[field]?.value ?? null;
      putQuiet(draft, field, { asked, got, why: 'refused', note: refusal.message });
      world.journal({
        id: draft.ref.id,
        kind: 'refused',
        field,
        value: got,
        other: asked,
        source: draft.ref.ref,
        reason: `${refusal.code}: ${refusal.message}`,
      });
    }
  }
  const expected = Object.fromEntries(Object.entries(ask.expected).filter(([field]) => !refused.has(field)));
  const closed: Ask = { ...ask, expected, resultAt: result.platformTime, doubt: result.doubt };
  const landed = result.outcome === 'applied' ? [...draft.ref.landed, closed].slice(-landedKept) : draft.ref.landed;
  draft.ref = { ...draft.ref, open: null, landed };
  if (result.returned === null) return;
  if (result.outcome === 'applied') settle(world, draft, closed, result.returned);
  observe(world, draft, result.returned, result.outcome === 'applied' ? closed : null);
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
