/**
 * Records that move between customers, and accounts, inside one decision: link, unlink, merge, conversion, deletion.
 *
 * A record takes its whole ledger along, its open ask included: only the id in its state changes. The customer that is
 * left without records ends as an alias (`mergedInto`): its id is followed wherever it is still named, so a create that
 * was under way for it ends as a record of the survivor. Joined values are what was known, not something that happened.
 *
 * Which of two survives does not depend on who was seen first: the one with a Salesforce record that leads (a contact, an
 * account), else the one with an Intercom user or company, else the smaller id. The other's id lives on as an alias.
 */
import type { CanonicalField, EntityState, JobState, Observation, Position, RefState } from '../../schemas/types.ts';
import { asksOf } from './asks.ts';
import { disown } from './companies.ts';
import { joinCreates, planCreates } from './creates.ts';
import { claimOf, rejoin } from './edits.ts';
import { emitEvent } from './events.ts';
import { finish, pursue, retryBlocked, returnMark, revisit } from './follow.ts';
import { emailOf, found, isAlive, isLead, kindOf, listRefs, livingRefs, mayJoin, newRef, twofold } from './identity.ts';
import { fanOut } from './jobs.ts';
import { arrivalsOf, carriersOf, claimsOf, membersOf, ownedBy, parseRef } from './keys.ts';
import { type Draft, draftOf, observe, refound, resume } from './ledger.ts';
import { type EntityKind, isLeadObject, sideOf } from './rules.ts';
import { addMember, removeMember, someMembers } from './sets.ts';
import { alike, comparePositions, isEmpty, isShownWhole, laterOf, noPosition, secondOf } from './values.ts';
import { isByDate, shownBy } from './verdicts.ts';
import { stopWaiting } from './waiting.ts';
import type { Lane, World } from './world.ts';

/** One of each kind of record: more customers than this cannot be one person without a guess. */
const mostParts = 3;

/** What a decision was caused by: how urgent it is, and when it happened on its platform. */
export interface Cause {
  readonly lane: Lane;
  /** Source time, ms. */
  readonly time: number;
}

/** Ends a decision about one entity: what follows from it (follow.ts), and whether others are the same person now. */
export function conclude(
  world: World,
  before: EntityState | undefined,
  draft: Draft,
  cause: Cause,
  back = false,
): void {
  matchUp(world, finish(world, before, draft, cause.lane, cause.time, back), cause);
}

/**
 * Customers who have come to claim one email are one if each has only what the others lack. Where they are not, and where
 * only one is left, what may be written of them is decided again.
 */
function matchUp(world: World, emails: readonly string[], cause: Cause): void {
  const todo = [...emails];
  for (let email = todo.shift(); email !== undefined; email = todo.shift()) {
    const ids = someMembers(world, claimsOf(email), mostParts + 1);
    // So many were ambiguous before this one came, or left, already.
    if (ids.length > mostParts) continue;
    const claimants = [...ids].sort().flatMap((id) => world.living(id) ?? []);
    const one =
      claimants.length > 1 && claimants.every((a, i) => claimants.slice(i + 1).every((b) => mayJoin(world, a, b)));
    if (!one) {
      for (const claimant of claimants) pursue(world, claimant, cause.lane, cause.time);
      continue;
    }
    for (const other of claimants.slice(1)) {
      const [first] = claimants;
      const [a, b] = [world.living(first?.id ?? ''), world.living(other.id)];
      if (a !== undefined && b !== undefined) todo.push(...join(world, a, b, `both claim ${email}`, cause));
    }
  }
}

/** Takes an entity out of the sets that name it. Returns the email it claimed, if any. */
function withdraw(world: World, entity: EntityState): readonly string[] {
  const email = emailOf(entity);
  if (email !== '') removeMember(world, claimsOf(email), entity.id);
  const owner = entity.fields['ownerEmail']?.value;
  if (typeof owner === 'string') removeMember(world, ownedBy(owner), entity.id);
  const account = entity.entity === 'customer' ? entity.fields['account']?.value : null;
  if (typeof account === 'string') {
    for (const id of new Set([account, world.living(account)?.id ?? account])) {
      removeMember(world, membersOf(id), entity.id);
    }
  }
  stopWaiting(
    world,
    entity,
    entity.refs.flatMap((name) => world.ref(name) ?? []),
  );
  return email === '' ? [] : [email];
}

/** What somebody who left their account, or came to one, means for the company of it. */
function planAccount(world: World, entity: EntityState, cause: Cause): void {
  const id = entity.entity === 'customer' ? entity.fields['account']?.value : null;
  const account = typeof id === 'string' ? world.living(id) : undefined;
  if (account !== undefined) planCreates(world, account, cause.lane, cause.time);
}

/** Stores an entity whose records are others now; nothing of its own was edited. Returns emails to decide again. */
function restand(world: World, draft: Draft, cause: Cause): readonly string[] {
  if (isAlive(world, draft.entity)) return finish(world, undefined, draft, cause.lane, cause.time, true);
  world.putRef(draft.ref);
  const { entity } = draft;
  world.putEntity(entity.version === 0 ? entity : emitEvent(world, entity, 'deleted', draft.changed));
  return [];
}

// ---- joining

/** Higher: survives. */
function standing(world: World, entity: EntityState): number {
  const rules = world.rules.entities[entity.entity];
  const heads = livingRefs(world, entity).filter((ref) => !isLead(rules, ref));
  const on = (platform: 'salesforce' | 'intercom'): boolean =>
    heads.some((ref) => parseRef(ref.ref).platform === platform);
  return (on('salesforce') ? 2 : 0) + (on('intercom') ? 1 : 0);
}

/** How two are made one: `merged` by people on a platform, `without` some fields of the first. */
interface Joining {
  readonly merged?: boolean;
  readonly without?: readonly string[];
}

/** Makes two entities one. Returns the emails whose claimants changed. */
function join(
  world: World,
  left: EntityState,
  right: EntityState,
  reason: string,
  cause: Cause,
  { merged = false, without = [] }: Joining = {},
): readonly string[] {
  const lead = standing(world, left) - standing(world, right);
  const [survivor, loser] = lead > 0 || (lead === 0 && left.id < right.id) ? [left, right] : [right, left];
  const emails = [...withdraw(world, survivor), ...withdraw(world, loser)];
  for (const name of loser.refs) {
    const ref = world.ref(name);
    if (ref !== undefined) world.putRef({ ...ref, id: survivor.id });
  }
  const ended: EntityState = { ...loser, refs: [], creates: [], ambiguous: [], mergedInto: survivor.id };
  const told = ended.version === 0 ? ended : emitEvent(world, ended, 'merged', []);
  world.putEntity({ ...told, fields: {} });
  const refs = listRefs(world, [...survivor.refs, ...loser.refs]);
  const entity: EntityState = {
    ...survivor,
    refs,
    asks: Math.max(survivor.asks, loser.asks),
    creates: joinCreates(survivor, loser),
    ambiguous: [],
  };
  world.journal({
    id: survivor.id,
    kind: 'linked',
    other: [loser.id],
    source: loser.founder,
    reason: `${loser.id} is the same: ${reason}`,
  });
  tellTwofold(world, entity);
  const draft = draftOf(world, entity, headOf(world, entity));
  rejoin(world, draft, loser.fields, survivor === left ? { yields: without } : { ignores: without });
  // What a merge brought along is left alone.
  if (!merged) leaveAccounts(world, draft.entity, [survivor, loser]);
  emails.push(...restand(world, draft, cause));
  planAccount(world, loser, cause);
  if (entity.entity === 'account') fanOut(world, membersOf(loser.id), 'move', cause.lane, moveMember);
  return [...new Set(emails)].sort();
}

/** Two who are one belong to one account: the company of the other's is left, as by somebody who moves. */
function leaveAccounts(world: World, joined: EntityState, parts: readonly EntityState[]): void {
  const account = joined.entity === 'customer' ? joined.fields['account']?.value : null;
  if (typeof account !== 'string') return;
  for (const { fields } of parts) {
    const other = fields['account']?.value;
    if (typeof other === 'string' && world.living(other)?.id !== world.living(account)?.id)
      disown(world, joined.id, other);
  }
}

/** A record to stand for the entity in a decision that is about none in particular. */
function headOf(world: World, entity: EntityState): RefState {
  const [ref = entity.founder] = entity.refs;
  return livingRefs(world, entity)[0] ?? world.ref(ref) ?? newRef(ref, entity.entity, entity.id);
}

/** Says which records of a kind a customer has more than one of. */
export function tellTwofold(world: World, entity: EntityState): void {
  for (const [kind, refs] of twofold(world, entity)) {
    world.journal({
      id: entity.id,
      kind: 'ambiguous',
      other: refs,
      source: refs[0] ?? '',
      reason: `more than one ${kind}: all are kept in step, none is deleted`,
    });
  }
}

/** What a job does to one member: of an account that was merged, they move to the survivor. */
export function visit(world: World, member: EntityState, job: JobState): void {
  if (job.kind === 'move') moveMember(world, member, job);
  else matchUp(world, revisit(world, member, job), { lane: job.lane, time: 0 });
}

function moveMember(world: World, member: EntityState, job: JobState): void {
  const old = job.subject.slice(membersOf('').length);
  const account = world.living(old);
  removeMember(world, job.subject, member.id);
  const field = member.fields['account'];
  if (account === undefined || field === undefined || typeof field.value !== 'string') return;
  if (world.living(field.value)?.id !== account.id) return;
  addMember(world, membersOf(account.id), member.id);
  // The same account under the id that it has now: nobody changed anything.
  const moved = { ...member, fields: { ...member.fields, account: { ...field, value: account.id } } };
  world.putEntity(moved);
  revisit(world, moved, { ...job, kind: 'fanout' });
}

// ---- a known record names another customer

/**
 * A record that is known came to carry the id of another customer: they are one, if it is no copy. Where that one's record
 * of the kind is gone, and nobody knows where to, it was merged into this one, which took over what it lacked.
 */
export function followMarker(
  world: World,
  { ref, at }: Observation,
  named: EntityState | undefined,
  cause: Cause,
): void {
  const own = world.living(world.ref(ref)?.id ?? '');
  if (own === undefined || named === undefined || !mayJoin(world, own, named)) return;
  const merged = named.refs
    .flatMap((name) => world.ref(name) ?? [])
    .find((one) => one.deleted && one.into === null && kindOf(one.ref) === kindOf(ref));
  if (merged !== undefined) redirect(world, merged, ref, at, cause);
  else matchUp(world, join(world, own, named, `${ref} carries its id`, cause), cause);
}

// ---- merges and conversions on a platform

/** The record was merged or converted and lives on as `into`. Said again it changes nothing. */
export function onMoved(world: World, observation: Observation, kind: EntityKind, lane: Lane): void {
  const { ref: name, into, at } = observation;
  if (into === null || into === name) return;
  const known = world.ref(name) ?? newRef(name, kind, '');
  // Older than what is known of a record that lives: it came back since.
  if (known.into === into || (!known.deleted && comparePositions(at, known.newest) < 0)) return;
  const cause: Cause = { lane, time: at.time };
  redirect(world, takeWaiting(world, known, cause), into, at, cause);
}

/**
 * What waits for an answer was entered before the record ended. It is taken in now, as if the answer had come: when it
 * comes it changes nothing any more. Returns the record as it is then.
 */
function takeWaiting(world: World, ref: RefState, cause: Cause): RefState {
  const entity = ref.waiting.length === 0 ? undefined : world.living(ref.id);
  if (entity === undefined) return ref;
  const draft = draftOf(world, entity, asAnswered(ref, cause));
  resume(world, draft);
  // Nothing is asked of it meanwhile.
  draft.ref = { ...draft.ref, open: ref.open, landed: ref.landed, deleted: true };
  conclude(world, entity, draft, cause);
  return { ...(world.ref(ref.ref) ?? draft.ref), deleted: ref.deleted };
}

/** Nothing waits for an answer any more. */
const asAnswered = (ref: RefState, { time }: Cause): RefState => ({
  ...ref,
  open: null,
  landed: asksOf(ref).map((ask) => (ask.resultAt === null ? { ...ask, expected: ask.fields, resultAt: time } : ask)),
});

/**
 * What was said of a record before it was gone, and is told after that. It is weighed as it would have been then, and
 * brings nobody back; of who was merged away it has no date, as all that they said. What is seen for the first time was
 * there before, and is nobody's edit.
 */
export function takeLate(world: World, known: RefState, observation: Observation, cause: Cause): void {
  const entity = known.id === '' ? undefined : world.living(known.id);
  const isLate = comparePositions(observation.at, known.newest) <= 0;
  if (entity === undefined || !isLate || !isAlive(world, entity)) return;
  const draft = draftOf(world, entity, asAnswered(known, cause));
  const links = sideOf(draft.rules, known.ref).links.map(({ field }) => field);
  const unseen = links.filter((field) => known.seen[field] === undefined);
  const fields = Object.fromEntries(Object.entries(observation.fields).filter(([field]) => !unseen.includes(field)));
  const modified = known.into === null ? observation.modified : 0;
  observe(world, draft, { ...observation, fields, unknown: [...observation.unknown, ...unseen], modified }, null);
  draft.ref = { ...draft.ref, open: known.open, landed: known.landed };
  conclude(world, entity, draft, cause);
}

/**
 * Ends a record in favour of another one. It may be deleted already, and the other one may not have been seen: the end is
 * the same. What is wanted of it is asked of the other, and its answers change nothing any more.
 */
export function redirect(world: World, known: RefState, into: string, at: Position, cause: Cause): void {
  const wasAlive = !known.deleted;
  // Told as deleted at first, or found so by a call after it, or read after it: the earliest of these is nearest.
  const endedAt = wasAlive ? at.time : Math.min(at.time, known.newest.time);
  const ref: RefState = { ...known, deleted: true, into, queued: null, newest: laterOf(known.newest, at) };
  world.putRef(ref);
  const target = world.ref(into);
  const heir = target === undefined || target.id === '' ? undefined : world.living(target.id);
  const other = heir === undefined ? undefined : yieldCopies(world, ref, heir);
  const mine = yieldValues(world, ref, other, endedAt);
  world.journal({
    id: mine?.id ?? ref.ref,
    kind: 'moved',
    source: ref.ref,
    reason: `merged or converted into ${into}`,
  });
  if (other === undefined) {
    const arrivals = arrivalsOf(into);
    world.putItems(arrivals, [...new Set([...world.items(arrivals), ref.ref])].sort());
    if (wasAlive && mine !== undefined) end(world, mine, ref, cause, false);
    return;
  }
  adopt(world, ref, other, cause, endedAt);
}

/** Two records of a kind that people made one. A lead and the contact that it became are not two to choose between. */
const isMerge = (ref: RefState): boolean => ref.into !== null && parseRef(ref.into).object === parseRef(ref.ref).object;

/** The platforms tell the second of a merge: what was edited within it may have been after it, and is no choice of anybody. */
const isAfter = ({ time, version }: CanonicalField, at: number): boolean =>
  version > 1 ? secondOf(time) >= secondOf(at) : secondOf(time) > secondOf(at);

/**
 * What a value of the ended record had beaten, if another record said it in the second of the end or later: it may have come
 * after the merge, and stands as if what gives way now had never been.
 */
function beaten(field: CanonicalField, ref: RefState, endedAt: number): CanonicalField | undefined {
  const { lost } = field;
  if (lost === null || field.source !== ref.ref || lost.source === ref.ref) return undefined;
  if (secondOf(lost.time) < secondOf(endedAt) || !isShownWhole(lost.value)) return undefined;
  return { ...field, ...lost, version: field.version + 1, at: noPosition, previous: claimOf(field), lost: null };
}

/**
 * What the ended record said counts only where the other one says nothing, however new it is: somebody chose the other.
 * Where two people were made one, so does what any record of the ended one's said until then.
 */
function yieldValues(
  world: World,
  ref: RefState,
  other: EntityState | undefined,
  endedAt: number,
): EntityState | undefined {
  const entity = ref.id === '' ? undefined : world.living(ref.id);
  if (entity === undefined) return undefined;
  const isAnother = isMerge(ref) && entity.id !== other?.id;
  const rules = world.rules.entities[entity.entity];
  const fields = Object.fromEntries(
    Object.entries(entity.fields).map(([name, field]) => {
      const yields = field.source === ref.ref || (isAnother && !isAfter(field, endedAt));
      if (!yields) return [name, field];
      const before =
        isAnother && other !== undefined && isByDate(rules, name) ? beaten(field, ref, endedAt) : undefined;
      return [name, before ?? { ...field, time: 0, at: noPosition }];
    }),
  );
  const next = { ...entity, fields };
  world.putEntity(next);
  return next;
}

/**
 * What the contact of a converted lead showed at first was copied from the lead: nobody entered it there. It is as old as
 * it is with the lead's person, and what counts there instead is newer.
 */
function yieldCopies(world: World, lead: RefState, heir: EntityState): EntityState {
  const mine = lead.id === '' || lead.id === heir.id ? undefined : world.living(lead.id);
  const rules = world.rules.entities[heir.entity];
  if (mine === undefined || !isLeadObject(rules, lead.ref)) return heir;
  const shown = shownBy(world, rules, lead, mine);
  const fields = Object.entries(heir.fields).map(([name, field]) => {
    const isCopy = field.source === lead.into && field.version === 1 && alike(field.value, shown[name]);
    const known = mine.fields[name];
    if (!isCopy || known === undefined) return [name, field] as const;
    const dates = alike(known.value, field.value) ? known : { time: 0, at: noPosition };
    return [name, { ...field, time: dates.time, at: dates.at }] as const;
  });
  const next = { ...heir, fields: Object.fromEntries(fields) };
  world.putEntity(next);
  return next;
}

/** The customer of an ended record and that of the one it lives on as are one. */
function adopt(world: World, ref: RefState, other: EntityState, cause: Cause, endedAt: number): void {
  const mine = ref.id === '' ? undefined : world.living(ref.id);
  if (mine !== undefined && mine.id !== other.id && mine.entity === other.entity) {
    // What somebody has changed since then, or cleared, stands against what is older.
    const changed = Object.entries(other.fields).filter(
      ([name, field]) => field.version > 1 && isAfter(field, endedAt) && field.time >= (mine.fields[name]?.time ?? 0),
    );
    // What a lead of theirs had said gave way to their contact, and not to the one who was merged.
    const led = Object.entries(other.fields).filter(
      ([name, field]) => field.time === 0 && !isEmpty(field.value) && mine.fields[name]?.time === 0,
    );
    const merged = isMerge(ref);
    const without = merged ? [...changed, ...led].map(([name]) => name) : [];
    const emails = join(world, mine, other, `${ref.ref} lives on as ${ref.into ?? ''}`, cause, { merged, without });
    matchUp(world, emails, cause);
    return;
  }
  if (mine === undefined) {
    // Told as deleted before anybody knew what it was.
    world.putRef({ ...ref, entity: other.entity, id: other.id });
    world.putEntity({ ...other, refs: listRefs(world, [...other.refs, ref.ref]) });
    return;
  }
  end(world, mine, ref, cause, true);
}

/** A record is seen for the first time that others were merged or converted into: they are aliases of its customer. */
export function welcome(world: World, ref: string, cause: Cause): void {
  const arrivals = world.items(arrivalsOf(ref));
  if (arrivals.length === 0) return;
  world.putItems(arrivalsOf(ref), []);
  for (const name of arrivals) {
    const waiting = world.ref(name);
    const other = world.living(world.ref(ref)?.id ?? '');
    if (waiting?.into === ref && other !== undefined && waiting.id !== other.id)
      adopt(world, waiting, other, cause, waiting.newest.time);
  }
}

// ---- deletion and return

/**
 * What follows when a record of an entity has ended. No cascade: its records on the other platform stay. The customer is
 * told to be gone where it came from when its last Salesforce record went, or its last record at all.
 */
export function end(world: World, entity: EntityState, ref: RefState, cause: Cause, tell = true): void {
  const living = livingRefs(world, entity);
  const emails = living.length === 0 ? withdraw(world, entity) : [];
  if (living.length > 0) stopWaiting(world, entity, [ref], living);
  const { platform } = parseRef(ref.ref);
  const gone =
    living.length === 0 ||
    (platform === 'salesforce' && !living.some((other) => parseRef(other.ref).platform === 'salesforce'));
  const next = tell && gone && entity.version > 0 ? emitEvent(world, entity, 'deleted', []) : entity;
  world.putEntity(next);
  pursue(world, next, cause.lane, cause.time);
  if (living.length === 0) planAccount(world, entity, cause);
  const { links, marker } = sideOf(world.rules.entities[entity.entity], ref.ref);
  returnMark(world, ref.seen[marker]?.value, ref.ref, cause.lane, cause.time);
  for (const link of links) {
    const email = link.type === 'email' ? ref.seen[link.field]?.value : null;
    if (typeof email === 'string') retryBlocked(world, email, platform);
  }
  matchUp(world, emails, cause);
}

/**
 * Puts a record into a customer of its own, the next generation of it: an operator said so, or a record that had been
 * merged away is there again. `bound` says whether the rules may give it to somebody.
 */
export function separate(world: World, ref: RefState, bound: RefState['bound'], reason: string, cause: Cause): void {
  const from = world.living(ref.id);
  if (from === undefined) return;
  const own = found(world, from.entity, ref.ref);
  world.journal({ id: own.id, kind: 'moved', other: [from.id], source: ref.ref, reason });
  matchUp(world, rehome(world, { ...ref, into: null, bound }, from, own, cause), cause);
}

/** An operator says whose record it is. Records that it leaves behind stay where they are. */
export function pin(world: World, ref: RefState, target: EntityState, reason: string, cause: Cause): void {
  const from = world.living(ref.id);
  const pinned: RefState = { ...ref, bound: 'pin' };
  world.putRef(pinned);
  if (from === undefined) return;
  const rest = livingRefs(world, from).filter((other) => other.ref !== ref.ref);
  world.journal({ id: target.id, kind: 'linked', other: [from.id], source: ref.ref, reason });
  if (from.id === target.id) {
    pursue(world, target, cause.lane, cause.time);
    return;
  }
  const emails =
    rest.length > 0 ? rehome(world, pinned, from, target, cause) : join(world, from, target, reason, cause);
  matchUp(world, emails, cause);
}

/** Moves one record from an entity to another. Returns emails to decide again. */
function rehome(world: World, ref: RefState, from: EntityState, to: EntityState, cause: Cause): readonly string[] {
  const emails = [...withdraw(world, from), ...(to.version === 0 ? [] : withdraw(world, to))];
  world.putRef({ ...ref, id: to.id });
  const mark = ref.seen[sideOf(world.rules.entities[from.entity], ref.ref).marker]?.value;
  // A create of the one that is left behind would take the record for what it looks for.
  if (typeof mark === 'string' && world.living(mark)?.id === from.id)
    world.putItems(carriersOf(from.id), [...new Set([...world.items(carriersOf(from.id)), ref.ref])].sort());
  const rest = { ...from, refs: from.refs.filter((name) => name !== ref.ref) };
  const entity = { ...to, refs: listRefs(world, [...to.refs, ref.ref]) };
  tellTwofold(world, entity);
  // The one that gains the record first: what is left behind is decided knowing who else claims its email.
  const draft = draftOf(world, entity, { ...ref, id: to.id });
  refound(world, draft, from.fields);
  emails.push(...restand(world, draft, cause));
  emails.push(...restand(world, draftOf(world, rest, headOf(world, rest)), cause));
  planAccount(world, from, cause);
  return [...new Set(emails)].sort();
}
