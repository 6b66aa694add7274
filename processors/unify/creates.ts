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
import { enqueueCreate, isHeld, lanes, makeAsk, sendCreate } from './dirty.ts';
import { newRef } from './identity.ts';
import { blockedBy, claimsOf, gateBucketKey, gatesKey, marksKey, membersOf } from './keys.ts';
import { pendingFields } from './ledger.ts';
import { prefetch } from './prefetch.ts';
import { platforms } from './rules.ts';
import { addMember, hasMembers, someMembers } from './sets.ts';
import { hashId, noPosition } from './values.ts';
import type { Lane, Platform, World } from './world.ts';

const segmentSize = 64;
/** Other customers of one email that the journal names. */
const candidatesTold = 10;
/** Gates opened while deciding one record; the rest goes on with the next. */
const gatesPerRecord = 50;

export function hasRefOn(world: World, entity: EntityState, platform: Platform): boolean {
  const prefix = `${platform}:${world.rules.entities[entity.entity].sides[platform].object}:`;
  return entity.refs.some((ref) => ref.startsWith(prefix));
}

/** Customers other than this one that claim its email: a guess would be needed to create it. */
function rivals(world: World, entity: EntityState): readonly string[] {
  const email = entity.fields['email']?.value;
  if (entity.entity !== 'customer' || typeof email !== 'string' || email === '') return [];
  return someMembers(world, claimsOf(email), candidatesTold + 1).filter((id) => id !== entity.id);
}

/** Why it is not created on the other platform now; empty when it is wanted. */
function reasonAgainst(world: World, entity: EntityState, platform: Platform): string {
  if (entity.mergedInto !== null) return 'merged';
  const alive = entity.refs.some((ref) => world.ref(ref)?.deleted === false);
  if (!alive) return 'deleted';
  if (isHeld(world, entity)) return 'held';
  const against = syncFlows[entity.entity].reasonAgainstCreate(entity, platform, {
    hasMembers: () => hasMembers(world, membersOf(entity.id)),
  });
  if (against !== '') return against;
  return rivals(world, entity).length > 0 ? 'ambiguous' : '';
}

const withCreate = (entity: EntityState, platform: Platform, create: CreateState | null): EntityState => ({
  ...entity,
  creates: [...entity.creates.filter((one) => one.platform !== platform), ...(create === null ? [] : [create])],
});

/** Hash of what would be written: a refused create is tried again only with other values. */
const contentHash = (entity: EntityState): string =>
  hashId(
    ...Object.keys(entity.fields)
      .sort()
      .map((name) => `${name}=${JSON.stringify(entity.fields[name]?.value ?? null)}`),
  );

/** Brings the creates of an entity in line with what is wanted. Returns the entity, stored if it changed. */
export function planCreates(world: World, entity: EntityState, lane: Lane, sourceTime: number): EntityState {
  let next = entity;
  for (const platform of platforms) {
    const side = world.rules.entities[entity.entity].sides[platform];
    if (!side.creates || hasRefOn(world, entity, platform)) continue;
    const current = next.creates.find((one) => one.platform === platform);
    if (current?.state === 'open') continue;
    const why = reasonAgainst(world, next, platform);
    const waiting = current?.state === 'gate' || current?.state === 'queued';
    if (waiting && why === '' && lanes.indexOf(lane) < lanes.indexOf(current.lane)) {
      // Somebody works on it now: it does not wait behind a whole snapshot. Its older place in the queue is stale then.
      next = withCreate(next, platform, { ...current, lane });
      if (current.state === 'queued') enqueueCreate(world, platform, entity.id, lane);
      continue;
    }
    if (why !== '') {
      if (current?.state === 'none' && current.why === why) continue;
      next = withCreate(next, platform, newCreate(platform, side.object, 'none', lane, { why }));
      if (why === 'ambiguous') tellAmbiguous(world, next, platform);
    } else if (!waiting && !(current?.state === 'refused' && current.hash === contentHash(next))) {
      const gateUntil = sourceTime + world.rules.entities[entity.entity].createGateMs;
      next = withCreate(next, platform, newCreate(platform, side.object, 'gate', lane, { gateUntil }));
      addGate(world, gateUntil, `${platform}|${entity.id}`);
    }
  }
  if (next !== entity) world.putEntity(next);
  return next;
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

function tellAmbiguous(world: World, entity: EntityState, platform: Platform): void {
  const candidates = rivals(world, entity);
  world.journal({
    id: entity.id,
    kind: 'ambiguous',
    field: 'email',
    other: candidates,
    source: entity.founder,
    reason: `not created on ${platform}: others have the same email`,
  });
}

// ---- gates: buckets by source second, worked off when the marks have passed them.

/** While gates stay shut (a hole, a long snapshot) buckets get coarser, so that their list stays small. */
function bucketOf(until: number, buckets: number): number {
  const grain = buckets < 60 ? 1 : buckets < 180 ? 60 : 3_600;
  return Math.ceil(until / 1000 / grain) * grain;
}

function addGate(world: World, until: number, item: string): void {
  const gates = world.cursor(gatesKey);
  const bucket = bucketOf(until, Object.keys(gates.n).length);
  const count = gates.n[String(bucket)] ?? 0;
  const segment = gateBucketKey(bucket, Math.floor(count / segmentSize));
  world.putItems(segment, [...world.items(segment), item]);
  world.putCursor(gatesKey, { ...gates, n: { ...gates.n, [String(bucket)]: count + 1 } });
}

/**
 * Source time up to which every captured platform has told everything; 0 while one of them has not, or has a hole, or
 * while Intercom's teammates are not known (a person would be created without their owner and written twice).
 */
function frontier(world: World): number {
  const marks = world.cursor(marksKey);
  if (marks.n['complete:intercom:admin'] !== 1) return 0;
  if (platforms.some((platform) => (marks.n[`hole:${platform}`] ?? 0) > 0)) return 0;
  return Math.min(...world.rules.captured.map((platform) => marks.n[`upTo:${platform}`] ?? 0));
}

/** Opens the gates that the marks have passed. */
export function openGates(world: World): void {
  const gates = world.cursor(gatesKey);
  const buckets = Object.keys(gates.n).map(Number);
  if (buckets.length === 0) return;
  const upTo = Math.floor(frontier(world) / 1000);
  let budget = gatesPerRecord;
  for (const bucket of buckets.sort((a, b) => a - b)) {
    if (bucket > upTo) return;
    while (budget > 0 && world.cursor(gatesKey).n[String(bucket)] !== undefined)
      budget -= openBucket(world, bucket, budget);
  }
}

function openBucket(world: World, bucket: number, budget: number): number {
  const gates = world.cursor(gatesKey);
  const count = gates.n[String(bucket)] ?? 0;
  const last = Math.floor(Math.max(0, count - 1) / segmentSize);
  const segment = gateBucketKey(bucket, last);
  const items = world.items(segment);
  const taken = items.slice(-budget);
  prefetch(
    world,
    taken.map((item) => item.slice(item.indexOf('|') + 1)),
  );
  for (const item of taken) {
    const [platform, id] = item.split('|') as [Platform, string];
    world.attempt(
      id,
      (one) => openGate(one, platform, id),
      (outer, reason) => {
        const entity = outer.entity(id);
        const create = entity?.creates.find((one) => one.platform === platform);
        if (entity !== undefined && create !== undefined) {
          outer.putEntity(withCreate(entity, platform, { ...create, state: 'refused', why: reason.slice(0, 200) }));
        }
      },
    );
  }
  world.putItems(segment, items.slice(0, items.length - taken.length));
  const rest = count - taken.length;
  const n = { ...world.cursor(gatesKey).n };
  if (rest > 0) n[String(bucket)] = rest;
  else delete n[String(bucket)];
  world.putCursor(gatesKey, Object.keys(n).length > 0 ? { n, s: {} } : undefined);
  return taken.length;
}

function openGate(world: World, platform: Platform, id: string): void {
  const entity = world.entity(id);
  const create = entity?.creates.find((one) => one.platform === platform);
  if (entity === undefined || create?.state !== 'gate') return;
  const why = hasRefOn(world, entity, platform) ? 'linked' : reasonAgainst(world, entity, platform);
  if (why !== '') {
    const held = withCreate(entity, platform, { ...create, state: 'none', why });
    world.putEntity(held);
    if (why === 'ambiguous') tellAmbiguous(world, held, platform);
    return;
  }
  world.putEntity(withCreate(entity, platform, { ...create, state: 'queued' }));
  enqueueCreate(world, platform, id, create.lane);
}

/**
 * A create that ended without a record: kept as refused, or queued again when it had only expired. If a call of it may
 * have been applied, it is asked again with the very same values: only so does the platform recognise it as the same.
 */
export function endCreate(world: World, entity: EntityState, create: CreateState, result: Result, why: string): void {
  if (result.outcome === 'expired') {
    const ask = result.doubt || result.calls > 0 || create.ask?.doubt === true ? create.ask : null;
    world.putEntity(withCreate(entity, create.platform, { ...create, state: 'queued', ask }));
    enqueueCreate(world, create.platform, entity.id, create.lane);
    return;
  }
  const refused: CreateState = {
    ...create,
    state: 'refused',
    ask: null,
    why: why.slice(0, 500),
    hash: contentHash(entity),
  };
  world.putEntity(withCreate(entity, create.platform, refused));
  const email = create.ask?.fields['email'];
  if (typeof email === 'string') addMember(world, blockedBy(email), `+${entity.id}`);
  world.journal({
    id: entity.id,
    kind: 'refused',
    source: entity.founder,
    reason: `not created on ${create.platform}: ${why}`,
  });
}

/** What was refused for the sake of somebody else's email is planned anew when that email is free. */
export function retryCreate(world: World, entity: EntityState): void {
  const freed = { ...entity, ambiguous: [], creates: entity.creates.filter((one) => one.state !== 'refused') };
  world.putEntity(freed);
  planCreates(world, freed, 'live', 0);
}

/** Makes the ask of a queued create, from the newest values, if it is still wanted. */
export function askCreate(world: World, platform: Platform, lane: Lane, id: string): void {
  const entity = world.entity(id);
  const create = entity?.creates.find((one) => one.platform === platform);
  // Raised to a better lane, or settled meanwhile: this place in the queue is stale.
  if (entity === undefined || create?.state !== 'queued' || create.lane !== lane) return;
  const why = hasRefOn(world, entity, platform) ? 'linked' : reasonAgainst(world, entity, platform);
  if (why !== '') {
    world.putEntity(withCreate(entity, platform, { ...create, state: 'none', why, ask: null }));
    return;
  }
  const side = world.rules.entities[entity.entity].sides[platform];
  const wanted = { ...pendingFields(world, side, newRef('', entity.entity, id), entity), [side.marker]: id };
  const fields = create.ask?.fields ?? wanted;
  const fresh = makeAsk(world, `+${id}`, entity.asks + 1, 'create', lane, fields, {}, noPosition);
  const ask = { ...fresh, doubt: create.ask !== null };
  const next = withCreate({ ...entity, asks: entity.asks + 1 }, platform, { ...create, state: 'open', ask });
  world.putEntity(next);
  sendCreate(world, platform, next, ask);
}

/** The record exists now: nothing is to be created any more. */
export const created = (entity: EntityState, platform: Platform): EntityState => withCreate(entity, platform, null);
