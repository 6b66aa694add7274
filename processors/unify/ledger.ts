/**
 * The ledger: per ref what was last *seen*, per customer what is *wanted*. This file says what an observation does to
 * what is seen, standing.ts what is to be asked while the two differ. asks.ts knows what our own asks brought about,
 * evidence.ts whom they overtook, verdicts.ts who wins, landing.ts what a result does.
 *
 * An observation is taken in field by field, each with its own position. The rules, in their order:
 *  1. tie: it cannot be told which is later, and the values differ → `seen` stays, the record is read again.
 *  2. newer → `seen` moves; and it is nothing new, or an echo, or agreement, or the outcome of our ask, or an edit.
 *  3. older → nothing, unless
 *  4. evidence: our own write overtook it → an edit.
 */
import type {
  Ask,
  EntityState,
  FieldChange,
  Observation,
  Position,
  RefState,
  Seen,
  Value,
  Waiting,
} from '../../schemas/types.ts';
import { asksOf, echoOf, expectedOf, markDone, ofFirstCall, originOf, reaches } from './asks.ts';
import { isLate } from './echoes.ts';
import { authorOf, type Edit, edit, editAll, originIn } from './edits.ts';
import { takeEvidence, tellDoubtful, tellUnsure } from './evidence.ts';
import { parseRef } from './keys.ts';
import { fromPlatform, toPlatform } from './mapping.ts';
import { type EntityRules, type Link, sideOf } from './rules.ts';
import { isQuiet, putQuiet } from './standing.ts';
import { alike, comparePositions, isExact, laterOf, secondOf } from './values.ts';
import { decideAttached, rememberAttached } from './waiting.ts';
import { offsetOf, type World } from './world.ts';

/** Webhooks that wait for one answer, and the characters that they may have together. */
const waitingKept = 4;
const waitingChars = 8_000;

/** State of one decision about one entity: replaced values, never mutated ones. */
export interface Draft {
  readonly rules: EntityRules;
  entity: EntityState;
  ref: RefState;
  readonly changed: FieldChange[];
  /** Emails that the record had on its platform and has no more: what was refused for their sake may be tried again. */
  readonly left: string[];
}

export const draftOf = (world: World, entity: EntityState, ref: RefState): Draft => ({
  rules: world.rules.entities[entity.entity],
  entity,
  ref,
  changed: [],
  left: [],
});

/** What an observation says of one field. */
export interface Sighting {
  readonly link: Link;
  readonly value: Value;
}

/** What the sightings of one observation share. */
export interface Look {
  readonly observation: Observation;
  /** The write or the reading whose result it came with. */
  readonly answered: Ask | null;
  /** Salesforce says that a call of ours made the change. */
  readonly own: boolean;
  /** It has waited for an answer, and is decided for the first time: the fields in which another value had been shown before. */
  readonly waited: readonly string[] | null;
}

/**
 * Takes an observation in. `answered` is the ask whose result it came with.
 * A whole observation says of every mapped field that it does not name that it is empty.
 */
export function observe(
  world: World,
  draft: Draft,
  observation: Observation,
  answered: Ask | null,
  waited: Look['waited'] = null,
): void {
  const created = expectCreate(draft, observation);
  // An answer goes before what waited for it (landing.ts).
  if (observation.via !== 'answer' && openWrite(draft.ref) === undefined) resume(world, draft);
  const all = sightingsOf(draft, observation);
  const waits = answered === null && mustWait(world, draft, observation, all);
  const sightings = waits ? all.filter(({ link }) => !isAsked(draft.ref, link.field)) : all;
  const made = answered ?? created;
  const outcome =
    made !== null && observation.via === 'event' ? ofFirstCall(sideOf(draft.rules, draft.ref.ref), made) : made;
  const own = observation.via === 'event' && observation.origin === world.rules.client;
  for (const one of sightings) observeField(world, draft, one, { observation, answered: outcome, own, waited });
  draft.ref = { ...draft.ref, newest: laterOf(draft.ref.newest, observation.at) };
}

function sightingsOf(draft: Draft, observation: Observation): readonly Sighting[] {
  const { platform, id } = parseRef(observation.ref);
  const sightings: Sighting[] = [];
  for (const link of sideOf(draft.rules, observation.ref).links) {
    // A change event names the record in its header, not in its body.
    const isId = platform === 'salesforce' && link.field === 'Id';
    if (isId && draft.ref.seen['Id'] !== undefined) continue;
    const told = isId ? id : observation.fields[link.field];
    if (told === undefined && (!observation.whole || observation.unknown.includes(link.field))) continue;
    sightings.push({ link, value: told ?? null });
  }
  return sightings;
}

// ---- rule 0: what has to wait for an answer

/**
 * A record may be told of before the result of its own create is: then the create is an open ask of it, or, where it was put
 * off in doubt, a landed one. Our mark in it says so; another record of the person that was linked meanwhile has nothing to
 * do with the create. Returns the create that was put off, where this tells what came of it.
 */
function expectCreate(draft: Draft, observation: Observation): Ask | null {
  const { platform, object } = parseRef(draft.ref.ref);
  const open = draft.entity.creates.find((one) => one.platform === platform && one.object === object)?.ask ?? null;
  const { landed } = draft.ref;
  // It is asked for another customer, since the record was taken from that one.
  const kept = landed.filter((ask) => ask.resultAt !== null || ask.id === open?.id);
  if (kept.length < landed.length) draft.ref = { ...draft.ref, landed: kept };
  const { marker } = sideOf(draft.rules, draft.ref.ref);
  const isItsOwn = open !== null && observation.fields[marker] === open.fields[marker];
  if (!isItsOwn || kept.some((ask) => ask.id === open.id)) return null;
  const isOpen = open.resultAt === null;
  const asked = isOpen ? open : { ...open, fields: {} };
  draft.ref = { ...draft.ref, landed: [...kept, asked] };
  return observation.created && !isOpen ? asked : null;
}

/** Does it wait for the answer? Of a create all does: the oldest of it is what the create made. */
function isAsked(ref: RefState, field: string): boolean {
  const ask = openWrite(ref);
  return ask !== undefined && (ask.verb === 'create' || field in ask.fields);
}

const openWrite = (ref: RefState): Ask | undefined =>
  asksOf(ref).find((ask) => ask.resultAt === null && ask.verb !== 'read');

/**
 * Intercom names no writer. While an ask is open, a third value in a field asked may be a person's, or what Intercom made
 * of ours: the answer tells. Once one waits, what was there before waits as well: it was taken back.
 */
function mustWait(world: World, draft: Draft, observation: Observation, sightings: readonly Sighting[]): boolean {
  const ask = openWrite(draft.ref);
  if (ask === undefined || observation.via !== 'event' || parseRef(observation.ref).platform !== 'intercom')
    return false;
  const asked = sightings.filter(({ link }) => isAsked(draft.ref, link.field));
  const third = sightings.some(({ link, value }) => {
    const seen = draft.ref.seen[link.field]?.value;
    if (!(link.field in ask.fields) || alike(value, ask.fields[link.field])) return false;
    const isKnown =
      (draft.ref.seen[link.field] !== undefined && alike(value, seen)) ||
      alike(value, toPlatform(world, link, draft.entity.fields, seen, draft.entity.id));
    return !isKnown || draft.ref.waiting.length > 0;
  });
  if (!third) return false;
  const waiting: Waiting = {
    fields: Object.fromEntries(asked.map(({ link, value }) => [link.field, value])),
    turned: asked.filter((one) => isTurned(draft.ref, one, observation.at)).map(({ link }) => link.field),
    at: observation.at,
    by: authorOf(observation),
  };
  const isRepeat = draft.ref.waiting.some(
    (one) =>
      comparePositions(one.at, waiting.at) === 0 &&
      Object.entries(one.fields).every(([field, value]) => alike(value, waiting.fields[field])),
  );
  if (isRepeat) return true;
  const all = [...draft.ref.waiting, waiting];
  // Too many to keep: taken in at once, at the price of a write more.
  if (all.length > waitingKept || JSON.stringify(all).length > waitingChars) return false;
  draft.ref = { ...draft.ref, waiting: all };
  return true;
}

/** The last that the record had shown before this value, taken in or waiting, was another one, as far as can be told. */
function isTurned(ref: RefState, { link: { field }, value }: Sighting, at: Position): boolean {
  const last = ref.seen[field];
  // In its very second it was there already.
  if (last !== undefined && comparePositions(at, last.at) === 0 && alike(last.value, value)) return false;
  const writer = asksOf(ref).find(({ id }) => id === last?.ask);
  const shown = [
    ...(last === undefined ? [] : [last]),
    ...ref.waiting
      // Of before a call that was answered since.
      .filter((one) => writer === undefined || reaches(writer, one.at))
      .flatMap((one) => (field in one.fields ? [{ value: one.fields[field], at: one.at }] : [])),
  ].filter((one) => comparePositions(at, one.at) > 0);
  const latest = shown.filter((one) => shown.every((other) => comparePositions(one.at, other.at) >= 0));
  return latest.length > 0 && latest.every((one) => !alike(one.value, value));
}

/** Takes in what waited for an answer. */
export function resume(world: World, draft: Draft): void {
  const { waiting } = draft.ref;
  if (waiting.length === 0) return;
  draft.ref = { ...draft.ref, waiting: [] };
  for (const one of waiting) observe(world, draft, asObservation(draft.ref.ref, one), null, one.turned);
}

/** Takes in what waited and happened before a moment, ms: the oldest of it is what came of the create. */
export function resumeBefore(world: World, draft: Draft, create: Ask, time: number): void {
  const { ref, waiting } = draft.ref;
  const older = waiting.filter(({ at }) => at.time < time).sort((a, b) => comparePositions(a.at, b.at));
  draft.ref = { ...draft.ref, waiting: [] };
  for (const [n, one] of older.entries())
    observe(world, draft, asObservation(ref, one), n === 0 ? create : null, one.turned);
  draft.ref = { ...draft.ref, waiting: waiting.filter((one) => !older.includes(one)) };
}

const asObservation = (ref: string, { fields, at, by }: Waiting): Observation => ({
  ref,
  op: 'seen',
  via: 'event',
  whole: false,
  created: false,
  fields,
  unknown: [],
  at,
  modified: null,
  origin: null,
  by: by === '' ? null : by,
  transaction: null,
  into: null,
});

// ---- one field

function observeField(world: World, draft: Draft, sighting: Sighting, look: Look): void {
  const { field } = sighting.link;
  const { value } = sighting;
  const { observation, answered, own } = look;
  const assumed = assumedFrom(world, draft.ref, field, look);
  // The echo will say it, and whether anybody came after it.
  if (assumed !== undefined && !assumed.late) return;
  const origin = own ? originOf(draft.ref, field, value, observation.at) : undefined;
  switch (orderOf(draft, sighting, look, origin)) {
    case 'newer':
      takeIn(world, draft, sighting, look, origin);
      return;
    case 'overwritten':
      if (origin !== undefined) draft.ref = markDone(draft.ref, field, origin.ask, value);
      return;
    case 'same': {
      const seen = draft.ref.seen[field];
      const echo = origin?.ask ?? echoIn(draft, sighting, look);
      if (echo >= 0) draft.ref = markDone(draft.ref, field, echo);
      // Both stand in one second with one value: the better known position orders what comes next. Not one that may be of
      // what stood there before our call, which brought the value back: what was told in between would look newer than it.
      const writer = asksOf(draft.ref).find(({ id }) => id === seen?.ask);
      const isOfIt = writer === undefined || comparePositions(observation.at, writer.after) > 0;
      const isEarlier = writer !== undefined && isOfIt && !reaches(writer, observation.at);
      if (isEarlier || isAnothers(draft.ref, field, look)) {
        // They said the same in the second of our call, whose own echo may still come.
        takeEvidence(world, draft, sighting, look);
        return;
      }
      if (seen !== undefined && isOfIt && isExact(observation.at) && !isExact(seen.at)) {
        draft.ref = putSeen(draft.ref, field, { ...seen, at: observation.at, answer: false });
      }
      return;
    }
    case 'tie':
      draft.ref = { ...denyAssumed(draft.ref, field, look), reading: true, moved: true };
      takeEvidence(world, draft, sighting, look);
      return;
    case 'older':
      if (origin !== undefined) draft.ref = markDone(draft.ref, field, origin.ask, value);
      // What came of a create was told already: what waited besides is none of it.
      else if (answered === null || answered.done.includes(field)) takeEvidence(world, draft, sighting, look);
  }
}

type Origin = ReturnType<typeof originOf>;
type Order = 'newer' | 'same' | 'tie' | 'older' | 'overwritten';

function orderOf(draft: Draft, sighting: Sighting, look: Look, origin: Origin): Order {
  const { link, value } = sighting;
  const { observation, answered } = look;
  const before = draft.ref.seen[link.field];
  if (before === undefined) return 'newer';
  const position = comparePositions(observation.at, before.at);
  if (origin !== undefined && origin.kind !== 'repeat') {
    if (!before.answer || before.ask === '') return position >= 0 ? 'newer' : 'older';
    // What stands there is only what a result made us expect: this is the echo itself, and its place in the stream is
    // the truth, unless a later ask of ours has written over it since.
    const carrier = asksOf(draft.ref).findIndex((ask) => ask.id === before.ask);
    return carrier > origin.ask ? 'overwritten' : 'newer';
  }
  if (position > 0) return 'newer';
  const isAsked = answered !== null && link.field in answered.expected && !answered.done.includes(link.field);
  if (position === 0 && (isAsked || answered?.verb === 'read')) return 'newer';
  if (alike(value, before.value)) return position === 0 ? 'same' : 'older';
  if (position < 0) return 'older';
  if (sideOf(draft.rules, draft.ref.ref).written) return 'tie';
  // Nothing is written to this platform, so nobody is there to read for us. Events are the whole ordered history: the
  // last of them ends right whichever came first, which a read does not.
  return observation.via === 'event' ? 'newer' : 'older';
}

/**
 * The ask that this value may be the echo of, -1: none. Salesforce's stream names the writer: what another has written is
 * theirs, even the very value that we wrote before.
 */
const echoIn = ({ rules, ref }: Draft, { link, value }: Sighting, { observation, answered }: Look): number =>
  link.platform === 'salesforce' && observation.via === 'event'
    ? -1
    : echoOf(sideOf(rules, ref.ref), ref, link.field, value, observation.at, answered?.id);

/** Rule 2: `seen` moves, and what it means follows. */
function takeIn(world: World, draft: Draft, sighting: Sighting, look: Look, origin: Origin): void {
  const { link, value } = sighting;
  const { field } = link;
  const { observation, answered } = look;
  const known = draft.ref;
  const before = known.seen[field];
  const isNew = before === undefined || !alike(before.value, value);
  const writer = writerAsk(world, draft.ref, field, look, origin);
  const echo = writer === undefined ? echoIn(draft, sighting, look) : -1;
  // Not of a call that changed nothing: it is not kept.
  const by = asksOf(known).find(({ id }, n) => id === writer?.id || n === echo)?.id ?? '';
  if (isNew && answered === null) tellUnsure(world, draft, sighting, observation);
  const keepsPlace = !isNew && isExact(before.at) && comparePositions(observation.at, before.at) === 0;
  draft.ref = putSeen(draft.ref, field, {
    value,
    at: keepsPlace ? before.at : observation.at,
    answer: observation.via === 'answer',
    // What waits shows that another value had been there: ours was written over it.
    ask: by !== '' || isNew || isTurned(known, sighting, observation.at) ? by : before.ask,
  });
  if (isNew && answered?.verb !== 'read') draft.ref = { ...draft.ref, moved: true };
  if (isNew && link.type === 'email' && typeof before?.value === 'string') draft.left.push(before.value);
  const wanted = toPlatform(world, link, draft.entity.fields, value);
  const agreed = wanted !== undefined && alike(wanted, value);
  if (echo >= 0) {
    if (isNew && !agreed && before !== undefined) tellDoubtful(world, draft, sighting, observation, echo);
    draft.ref = markDone(draft.ref, field, echo);
    return;
  }
  if (writer !== undefined) {
    const index = asksOf(draft.ref).findIndex((ask) => ask.id === writer.id);
    draft.ref = markDone(draft.ref, field, index, value);
    const expected = expectedOf(writer)[field] ?? null;
    if (alike(expected, value) || origin?.kind === 'repeat') return;
    if (!isOwned(draft, link)) {
      settle(world, draft, field, { asked: expected, got: value, ask: writer.id }, agreed);
      return;
    }
  }
  // A list of companies says more than which account it agrees with: what was attached last.
  if (!isNew || (agreed && link.type !== 'account')) return;
  const stood = before === undefined ? undefined : toPlatform(world, link, draft.entity.fields, before.value);
  const conflict = before !== undefined && stood !== undefined && !carried(known, field, stood);
  if (link.type === 'account' && before !== undefined) {
    const { at } = observation;
    rememberAttached(world, draft, link, { value, before: before.value, at, by: authorOf(observation), conflict });
    decideAttached(world, draft, link);
  }
  const replaced = asksOf(draft.ref).find(({ id }) => id === before?.ask);
  const dated = before === undefined && isMadeByUs(world, draft, look) ? { ...observation, modified: 0 } : observation;
  const how: Omit<Edit, 'value'> = {
    ...originIn(dated),
    kind: before === undefined ? 'sight' : 'change',
    conflict,
    replaces: replaced === undefined ? null : offsetOf(replaced.lineage),
  };
  editAll(world, draft, sighting, how, before?.value);
}

/**
 * Was the record made by a call of ours? Then nobody entered what it shows at first, which has no date: a call that is
 * carried out late says what was wanted long ago. Salesforce names who made it; in Intercom our mark is in it from the start.
 */
function isMadeByUs(world: World, { rules, entity, ref }: Draft, { observation, own }: Look): boolean {
  if (!observation.created || parseRef(ref.ref).platform === 'salesforce') return observation.created && own;
  const mark = observation.fields[sideOf(rules, ref.ref).marker];
  return typeof mark === 'string' && world.living(mark)?.id === entity.id;
}

/**
 * The ask whose outcome this value is: the one that it answers (unless the value expected was seen since, and this is
 * somebody's after it: an answer may be a look at what an earlier try had done), the one whose change the stream tells, or one whose echo
 * is long overdue while Salesforce says that nobody has changed the record since.
 */
function writerAsk(world: World, ref: RefState, field: string, look: Look, origin: Origin): Ask | undefined {
  const { answered } = look;
  if (answered !== null && field in answered.expected && !answered.done.includes(field)) return answered;
  if (origin !== undefined) return asksOf(ref)[origin.ask];
  return assumedFrom(world, ref, field, look);
}

/**
 * The ask whose echo is still to come of this field, where the record is read meanwhile and nobody has changed it since the
 * call, but for what the stream has told already, of other fields: what the reading shows is what came of it.
 */
function assumedFrom(world: World, ref: RefState, field: string, { observation, answered }: Look): Ask | undefined {
  const seen = ref.seen[field];
  const { modified } = observation;
  const isRead = answered?.verb === 'read' && parseRef(ref.ref).platform === 'salesforce';
  if (!isRead || seen?.answer !== true || modified === null) return undefined;
  const isTold = isLate(world, modified);
  return ref.landed.find(
    (ask) =>
      ask.id === seen.ask && !ask.done.includes(field) && (isTold || secondOf(modified) <= secondOf(ask.resultAt ?? 0)),
  );
}

/** Salesforce's stream tells of somebody else's change, where what was asked is taken for seen until its echo comes. */
function isAnothers(ref: RefState, field: string, { observation, own }: Look): boolean {
  const seen = ref.seen[field];
  const isAssumed = seen?.answer === true && seen.ask !== '' && parseRef(ref.ref).platform === 'salesforce';
  return isAssumed && !own && observation.via === 'event';
}

/**
 * In the second of our call, and not after its echo, somebody else changed the field in Salesforce. What a reading shows may
 * be theirs then, and is not taken for what came of the call: one that changed nothing has no echo to wait for.
 */
function denyAssumed(ref: RefState, field: string, look: Look): RefState {
  const writer = asksOf(ref).findIndex(({ id }) => id === ref.seen[field]?.ask);
  return writer < 0 || !isAnothers(ref, field, look) ? ref : markDone(ref, field, writer);
}

/**
 * The platform made something else of what we wrote, or ignored it: reported and left in peace, never fought. Without this
 * a platform that keeps its own value would be asked for ever.
 */
function settle(
  world: World,
  draft: Draft,
  field: string,
  { asked, got, ask }: { readonly asked: Value; readonly got: Value; readonly ask: string },
  agreed: boolean,
): void {
  draft.ref = putQuiet(draft.ref, field, { asked, got, why: 'settled', note: '', ask });
  if (agreed) return;
  world.journal({
    id: draft.ref.id,
    kind: 'settled',
    field,
    value: got,
    other: asked,
    source: draft.ref.ref,
    reason: 'the platform keeps another value than the one written',
  });
}

/** Values seen on the draft's ref, taken as first sights: of a record that is put into a customer of its own. */
export function refound(world: World, draft: Draft, known: EntityState['fields']): void {
  for (const link of sideOf(draft.rules, draft.ref.ref).links) {
    const seen = draft.ref.seen[link.field];
    if (seen === undefined) continue;
    const one = { kind: 'sight', by: '', conflict: false, replaces: null } as const;
    const { fields } = draft.entity;
    for (const [name, value] of Object.entries(fromPlatform(world, link, seen.value, { fields }))) {
      // A reading of ours, or our own write, is later than who entered the value.
      const field = known[name];
      const { time, at } =
        field !== undefined && alike(field.value, value) ? field : { time: seen.at.time, at: seen.at };
      edit(world, draft, name, { ...one, time, at, value });
    }
  }
}

/** What counts had reached the record: it showed the very value, or what the platform makes of it. */
const carried = (ref: RefState, field: string, wanted: Value): boolean =>
  alike(wanted, ref.seen[field]?.value) || (ref.quiet[field]?.why === 'settled' && isQuiet(ref, field, wanted));

const isOwned = (draft: Draft, link: Link): boolean =>
  link.canonical.some((name) => draft.rules.fields.get(name)?.owner === link.platform);

export const putSeen = (ref: RefState, field: string, seen: Seen): RefState => ({
  ...ref,
  seen: { ...ref.seen, [field]: seen },
});
