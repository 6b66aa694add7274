/**
 * Creating a record on the other platform: decided by the flow, held back by a gate until nothing that would make it
 * wrong can still be under way, asked once, keyed by the id written into the record.
 *
 * The gate waits in source time: until the marks of every captured platform have passed the change by `createGateMs`,
 * so that what belongs together (a converted lead and its contact, a merge) is seen as one. It never waits by our clock:
 * a silent source must not be decided ahead of.
 */
import type { CreateState, EntityState, Result } from '../../schemas/types.ts';
import { syncFlows } from '../flows/index.ts';
import { fitting } from './asks.ts';
import { makeAsk, sendCreate } from './commands.ts';
import { enqueueCreate, isHeld, lanes } from './dirty.ts';
import { awaitEmails, loadAwaited } from './emails.ts';
import { emailOf, isAlive, isLead, livingRefs, mayJoin, namesakeOf, newRef } from './identity.ts';
import { blockedBy, carriersOf, claimsOf, marksKey, membersOf } from './keys.ts';
import { prefetch } from './prefetch.ts';
import { platforms } from './rules.ts';
import { addMember, hasMembers, someMembers } from './sets.ts';
import { pendingFields } from './standing.ts';
import { addTimer, currentTo, fireTimers } from './timers.ts';
import { hashId, noPosition } from './values.ts';
import type { Lane, Platform, World } from './world.ts';

/** As long as a search may not show what was made: not found after that, it is not there. */
const putOffMs = 60_000;
/** Other customers of one email that the journal names. */
const candidatesTold = 10;

/** A deleted record holds its place, and a lead is the person too: nothing is created beside either. */
const hasRefOn = (entity: EntityState, platform: Platform): boolean =>
  entity.refs.some((ref) => ref.startsWith(`${platform}:`));

/** Customers other than this one that claim its email: a guess would be needed to create it. */
function rivals(world: World, entity: EntityState): readonly string[] {
  const email = emailOf(entity);
  if (email === '') return [];
  return someMembers(world, claimsOf(email), candidatesTold + 1).filter((id) => id !== entity.id);
}

/** The platform said that the record exists, and it is another customer's. */
const metAnother = (create: CreateState): boolean => create.state === 'refused' && create.why.startsWith('ambiguous');

/**
 * Says of an entity whether a guess would be needed to know what is the same on a platform where it has nothing, and
 * between which customers. While it is so nothing of it is written. Returns the entity, stored if that changed.
 */
export function assess(world: World, entity: EntityState): EntityState {
  const lacks = platforms.some((platform) => !hasRefOn(entity, platform));
  const met = entity.creates.some(
    (one) => metAnother(one) && one.hash === contentHash(entity) && !hasRefOn(entity, one.platform),
  );
  const isOpen = lacks && isAlive(world, entity);
  const sharing = isOpen ? rivals(world, entity) : [];
  const namesake = isOpen ? namesakeOf(world, entity) : undefined;
  const candidates = sharing.length > 0 ? sharing : namesake ? [namesake.named.id] : met ? entity.ambiguous : [];
  if (candidates.join() === entity.ambiguous.join()) return entity;
  const next = { ...entity, ambiguous: candidates };
  world.putEntity(next);
  const isTold = entity.ambiguous.length > 0 || candidates.length === 0;
  if (!isTold && sharing.length > 0) tellAmbiguous(world, next, 'others claim the same email');
  // One who can take the record does so at once (merge.ts).
  else if (!isTold && namesake !== undefined && !mayJoin(world, next, namesake.named))
    tellAmbiguous(world, next, `${namesake.ref} names one who has a record of its kind, and may be a copy of that`);
  return next;
}

function tellAmbiguous(world: World, entity: EntityState, reason: string): void {
  world.journal({
    id: entity.id,
    kind: 'ambiguous',
    field: 'email',
    value: entity.fields['email']?.value ?? null,
    other: entity.ambiguous,
    source: entity.founder,
    reason: `${reason}: nothing of it is created or written until it is pinned or they differ`,
  });
}

/** Why it is not created on the other platform now; empty when it is wanted. */
function reasonAgainst(world: World, entity: EntityState, platform: Platform): string {
  if (entity.mergedInto !== null) return 'merged';
  const living = livingRefs(world, entity);
  if (living.length === 0) return 'deleted';
  // Nobody is made of leads alone but by the flow that says when a lead is worth it.
  if (living.every((ref) => isLead(world.rules.entities[entity.entity], ref))) return 'only a lead';
  if (entity.ambiguous.length > 0) return 'ambiguous';
  if (isHeld(world, entity)) return 'held';
  const against = syncFlows[entity.entity].reasonAgainstCreate(entity, platform, {
    hasMembers: () => hasMembers(world, membersOf(entity.id)),
  });
  if (against !== '') return against;
  const carrier = carrierOn(world, entity, platform);
  return carrier === undefined ? '' : `${carrier} carries its id`;
}

/**
 * A record that was taken from an entity and still carries its id: what a create looks for, and would write over. It is
 * waited for until the record carries another one (standing.ts), or is gone.
 */
const carrierOn = (world: World, entity: EntityState, platform: Platform): string | undefined =>
  world.items(carriersOf(entity.id)).find((name) => {
    const ref = name.startsWith(`${platform}:`) ? world.ref(name) : undefined;
    return ref !== undefined && !ref.deleted && ref.id !== entity.id;
  });

/** Replaces a create by what became of it. */
const withCreate = (entity: EntityState, old: CreateState | undefined, create: CreateState | null): EntityState => ({
  ...entity,
  creates: [...entity.creates.filter((one) => one !== old), ...(create === null ? [] : [create])],
});

/**
 * The create of an entity for a platform. One at most is under way, but for those that a merge brought along: a create
 * that was asked for keeps the id it was asked under, which is then that of the customer that was merged.
 */
const createOn = (entity: EntityState | undefined, platform: Platform): CreateState | undefined =>
  entity?.creates.find((one) => one.platform === platform && one.state === 'open') ??
  entity?.creates.find((one) => one.platform === platform);

/** Id under which a create is asked: the entity's own, or the one it had when it was first asked. */
const askedAs = (entity: EntityState, create: CreateState): string =>
  create.ask === null ? entity.id : create.ask.id.slice(1, create.ask.id.lastIndexOf('#'));

/** The open create that a command asked for. */
export const openCreate = (entity: EntityState | undefined, command: string): CreateState | undefined =>
  entity?.creates.find((one) => one.state === 'open' && one.ask?.id === command);

/** What of two customers' creates goes on when they are one: those that may have made a record already, and the survivor's. */
export function joinCreates(survivor: EntityState, loser: EntityState): readonly CreateState[] {
  const asked = loser.creates.filter((one) => one.ask !== null);
  const own = survivor.creates.filter(
    (one) => one.ask !== null || !asked.some((other) => other.platform === one.platform),
  );
  return [...own, ...asked];
}

/** Hash of what would be written: a refused create is tried again only with other values. */
const contentHash = (entity: EntityState): string =>
  hashId(
    ...Object.keys(entity.fields)
      .sort()
      .map((name) => `${name}=${JSON.stringify(entity.fields[name]?.value ?? null)}`),
  );

/** The create of a gate or of a place in the queue: it waits there under the id that it has, or will be, asked under. */
const waitingAs = (
  entity: EntityState | undefined,
  platform: Platform,
  state: 'gate' | 'queued',
  id: string,
): CreateState | undefined =>
  entity?.creates.find((one) => one.platform === platform && one.state === state && askedAs(entity, one) === id);

/** Brings the creates of an entity in line with what is wanted, and stores it if that changed it. */
export function planCreates(world: World, entity: EntityState, lane: Lane, sourceTime: number): void {
  let next = entity;
  const lifted: CreateState[] = [];
  for (const platform of platforms) {
    const side = world.rules.entities[entity.entity].sides[platform];
    if (!side.creates || hasRefOn(entity, platform)) continue;
    const current = createOn(next, platform);
    if (current?.state === 'open') continue;
    const why = reasonAgainst(world, next, platform);
    const waiting = current?.state === 'gate' || current?.state === 'queued';
    if (waiting && why === '' && lanes.indexOf(lane) < lanes.indexOf(current.lane)) {
      // Somebody works on it now: it does not wait behind a whole snapshot. Its older place in the queue is stale then.
      const better = { ...current, lane };
      next = withCreate(next, current, better);
      if (current.state === 'queued') lifted.push(better);
      continue;
    }
    if (why !== '') {
      if (current?.state === 'none' && current.why === why) continue;
      if (current !== undefined && metAnother(current)) continue;
      next = withCreate(next, current, newCreate(platform, side.object, 'none', lane, { ...doubtOf(current), why }));
    } else if (!waiting && !(current?.state === 'refused' && current.hash === contentHash(next))) {
      const doubt = doubtOf(current);
      const gateUntil = Math.max(sourceTime + world.rules.entities[entity.entity].createGateMs, doubt.gateUntil);
      const gated = newCreate(platform, side.object, 'gate', lane, { ...doubt, gateUntil });
      next = withCreate(next, current, gated);
      addTimer(world, 'gate', gateUntil, gateItem(platform, askedAs(entity, gated)));
    }
  }
  if (next !== entity) world.putEntity(next);
  for (const create of lifted) enqueueCreate(world, create.platform, askedAs(next, create), lane);
}

function newCreate(
  platform: Platform,
  object: string,
  state: CreateState['state'],
  lane: Lane,
  more: Partial<CreateState>,
): CreateState {
  return { platform, object, state, lane, gateUntil: 0, ask: null, hash: '', why: '', ...more };
}

/** What is not wanted any more may have been made all the same: that is remembered for when it is wanted again. */
const doubtOf = (create: CreateState | undefined): Pick<CreateState, 'ask' | 'gateUntil'> =>
  create?.ask?.doubt === true ? { ask: create.ask, gateUntil: create.gateUntil } : { ask: null, gateUntil: 0 };

// ---- gates

const gateItem = (platform: Platform, id: string): string => `${platform}|${id}`;

/** Id of a gate. */
const gatedId = (item: string): string => item.slice(item.indexOf('|') + 1);

/**
 * Opens the gates that the marks have passed; none while Intercom's teammates are not known: a person would be created
 * without their owner and written twice.
 */
export function openGates(world: World): void {
  if (world.cursor(marksKey).n['complete:intercom:admin'] !== 1) return;
  fireTimers(world, 'gate', currentTo(world), {
    load: (items) => {
      prefetch(world, items.map(gatedId));
      loadAwaited(world, items.map(gatedId));
    },
    fire: (one, item) => openGate(one, item.slice(0, item.indexOf('|')) as Platform, gatedId(item)),
    fail: (outer, item, reason) => {
      const entity = outer.living(gatedId(item));
      const create = waitingAs(entity, item.slice(0, item.indexOf('|')) as Platform, 'gate', gatedId(item));
      if (entity === undefined || create === undefined) return;
      outer.putEntity(withCreate(entity, create, { ...create, state: 'refused', why: reason.slice(0, 200) }));
    },
    subject: gatedId,
  });
}

function openGate(world: World, platform: Platform, id: string): void {
  const known = world.living(id);
  const create = waitingAs(known, platform, 'gate', id);
  // Put off since by a longer wait, which has a timer of its own.
  if (known === undefined || create === undefined || create.gateUntil > currentTo(world)) return;
  const entity = assess(world, known);
  const isLinked = hasRefOn(entity, platform);
  const why = isLinked ? 'linked' : reasonAgainst(world, entity, platform);
  const ask = isLinked ? null : create.ask;
  world.putEntity(
    withCreate(entity, create, why === '' ? { ...create, state: 'queued' } : { ...create, state: 'none', why, ask }),
  );
  if (why === '') enqueueCreate(world, platform, id, create.lane);
}

/** A create that ended without a record: kept as refused, or asked again when it had only expired. */
export function endCreate(world: World, entity: EntityState, create: CreateState, result: Result, why: string): void {
  if (result.outcome === 'expired') {
    const { keyed } = world.rules.entities[entity.entity].sides[create.platform];
    const doubt = result.doubt || create.ask?.doubt === true;
    if (doubt && !keyed) {
      putOff(world, entity, create, result.platformTime === 0 ? world.now : result.platformTime);
      return;
    }
    // If a call of it may have been carried out, only the very same values are recognised as the same.
    const ask = doubt && create.ask !== null ? { ...create.ask, doubt } : null;
    const next = withCreate(entity, create, { ...create, state: 'queued', ask });
    world.putEntity(next);
    enqueueCreate(world, create.platform, ask === null ? entity.id : askedAs(entity, create), create.lane);
    return;
  }
  const refused: CreateState = {
    ...create,
    state: 'refused',
    ask: null,
    why: why.slice(0, 500),
    hash: contentHash(entity),
  };
  world.putEntity(withCreate(entity, create, refused));
  const email = create.ask?.fields['email'];
  if (typeof email === 'string') addMember(world, blockedBy(email), `+${askedAs(entity, create)}`);
  world.journal({
    id: entity.id,
    kind: 'refused',
    source: entity.founder,
    reason: `not created on ${create.platform}: ${why}`,
  });
}

/**
 * A create that may have been carried out, and that the platform would carry out once more. Its record tells of itself, and
 * is linked by our id, unless that is lost; so it is asked again when the marks have passed the time that a search may
 * lag. The sink looks for our id first; the values are the same, for the email that another
 * contact has is all that the platform knows it by.
 */
function putOff(world: World, entity: EntityState, create: CreateState, resultAt: number): void {
  if (create.ask === null) return;
  // As a call that is over: what is told of its record meanwhile waits for no answer.
  const ask = { ...create.ask, expected: create.ask.fields, resultAt, doubt: true };
  const gateUntil = world.now + putOffMs;
  world.putEntity(withCreate(entity, create, { ...create, state: 'gate', gateUntil, ask }));
  addTimer(world, 'gate', gateUntil, gateItem(create.platform, askedAs(entity, create)));
}

/** The same at the end of an epoch: its sink may have made the call. */
export const putOffCreate = (world: World, entity: EntityState, create: CreateState): void =>
  putOff(world, entity, create, world.now);

/** The platform has the record already, as that of other customers, and the rules do not say that they are this one. */
export function meetAnother(
  world: World,
  entity: EntityState,
  create: CreateState,
  result: Result,
  others: readonly string[],
): void {
  const why = `ambiguous: ${result.ref} exists and is another customer's`;
  const next = { ...entity, ambiguous: others };
  endCreate(world, next, create, result, why);
  tellAmbiguous(world, next, why);
}

/** What was refused, or could not be decided, is planned anew: an email is free, or an operator says so. */
export function retryCreate(world: World, entity: EntityState): void {
  const freed = assess(world, { ...entity, creates: entity.creates.filter((one) => one.state !== 'refused') });
  world.putEntity(freed);
  planCreates(world, freed, 'live', 0);
}

/** Makes the ask of a queued create, from the newest values, if it is still wanted. */
export function askCreate(world: World, platform: Platform, lane: Lane, id: string): void {
  const known = world.living(id);
  const create = waitingAs(known, platform, 'queued', id);
  // Raised to a better lane, or settled meanwhile: this place in the queue is stale.
  if (known === undefined || create?.lane !== lane) return;
  const entity = assess(world, known);
  const busy = entity.creates.some((one) => one.platform === platform && one.state === 'open');
  const isLinked = hasRefOn(entity, platform);
  const why = isLinked ? 'linked' : busy ? 'asked already' : reasonAgainst(world, entity, platform);
  if (why !== '') {
    const ask = isLinked ? null : create.ask;
    world.putEntity(withCreate(entity, create, busy ? null : { ...create, state: 'none', why, ask }));
    return;
  }
  const side = world.rules.entities[entity.entity].sides[platform];
  // What does not fit is asked of the record when it is there.
  const wanted = {
    ...fitting(entity, pendingFields(world, side, newRef('', entity.entity, id), entity)),
    [side.marker]: id,
  };
  const fields = create.ask?.fields ?? wanted;
  const fresh = makeAsk(world, platform, `+${id}`, entity.asks + 1, 'create', lane, fields, {}, noPosition);
  const ask = { ...fresh, doubt: create.ask?.doubt === true };
  const next = withCreate({ ...entity, asks: entity.asks + 1 }, create, { ...create, state: 'open', ask });
  world.putEntity(next);
  awaitEmails(world, `+${id}`, side, ask.fields);
  sendCreate(world, platform, next, ask);
}

/** The record exists now: nothing is to be created any more on its platform; what was asked twice is still awaited. */
export const created = (entity: EntityState, create: CreateState): EntityState => ({
  ...entity,
  creates: entity.creates.filter((one) => one !== create && (one.platform !== create.platform || one.ask !== null)),
});
