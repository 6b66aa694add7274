/**
 * unify: the one writer. Folds the ordered topic `changes` into canonical events and commands.
 * Pure: no clock, no randomness, no I/O; the same changes give the same bytes. README.md gives the reading order.
 */
import type { Fold, FoldRecord, Output, State } from '../../core/fold.ts';
import type {
  Ask,
  CreateState,
  EntityState,
  Epoch,
  JobState,
  Observation,
  RefState,
  Result,
} from '../../schemas/types.ts';
import { created, endCreate, openGates, planCreates } from './creates.ts';
import { closed, dispatch, enqueueRef, resend, stirAll } from './dirty.ts';
import { accountOf, emitEvent } from './events.ts';
import { entityFor, moveEmailClaim, newRef } from './identity.ts';
import { advanceJobs, fanOut } from './jobs.ts';
import {
  configKey,
  directoryKey,
  gatesKey,
  jobsKey,
  marksKey,
  membersOf,
  ownedBy,
  parseRef,
  partitionKey,
  refKey,
} from './keys.ts';
import { type Draft, land, observe } from './ledger.ts';
import { compileRules, directoryObjects, type Rules, type RulesConfig } from './rules.ts';
import { addMember, removeMember } from './sets.ts';
import { comparePositions, laterOf, noPosition } from './values.ts';
import { type Lane, World } from './world.ts';

/** The fold of this configuration; a config change in the log replaces it from there on. */
export function createUnify(initial: RulesConfig): Fold {
  const first = compileRules(initial);
  const compiled = new Map<string, Rules>();
  const rulesAt = (state: State): Rules => {
    const cursor = state.get(configKey) as { s: Readonly<Record<string, string>> } | undefined;
    const hash = cursor?.s['hash'];
    if (cursor === undefined || hash === undefined) return first;
    let rules = compiled.get(hash);
    if (rules === undefined) {
      rules = compileRules(JSON.parse(cursor.s['json'] ?? '{}') as RulesConfig);
      compiled.clear();
      compiled.set(hash, rules);
    }
    return rules;
  };
  return {
    recalls,
    decide: (state, record) => {
      const world = new World(state, record, rulesAt(state));
      decide(world);
      dispatch(world);
      return world.outputs;
    },
    poisoned: (state, record, error) => hold(new World(state, record, rulesAt(state)), error),
  };
}

function recalls(record: FoldRecord): readonly string[] {
  const { change } = record;
  const always = [configKey, marksKey];
  if (change.observation) return [...always, refKey(change.observation.ref)];
  if (change.result) return [...always, partitionKey(change.result.platform, change.result.partition)];
  if (change.kind === 'tick' || change.kind === 'mark') return [...always, gatesKey, jobsKey];
  return always;
}

function decide(world: World): void {
  const { change } = world.record;
  switch (change.kind) {
    case 'observation':
      if (change.observation) onObservation(world, change.observation);
      return;
    case 'result':
      if (change.result) onResult(world, change.result);
      return;
    case 'epoch':
      if (change.epoch) onEpoch(world, change.epoch);
      return;
    case 'mark':
      onMark(world);
      openGates(world);
      return;
    case 'tick':
      openGates(world);
      advanceJobs(world, revisit);
      stirAll(world);
      return;
    case 'config':
      onConfig(world);
      return;
    case 'action':
      throw new Error(`unknown action ${change.action?.verb ?? ''}`);
  }
}

// ---- observations

function onObservation(world: World, observation: Observation): void {
  const { platform, object } = parseRef(observation.ref);
  const entry = directoryObjects[`${platform}:${object}`];
  if (entry !== undefined) {
    onDirectory(world, observation, entry.email);
    return;
  }
  const kind = world.rules.kindOf.get(`${platform}:${object}`);
  if (kind === undefined || observation.op === 'gap') return;
  const lane: Lane = observation.via === 'read' ? 'bulk' : 'live';
  const known = world.ref(observation.ref);
  if (observation.op === 'deleted') {
    onDeleted(world, observation, known);
    return;
  }
  if (known?.deleted === true) {
    // A replayed old value does not revive a deleted record, nor does a row read within the second of the deletion.
    if (comparePositions(observation.at, known.newest) <= 0) return;
  }
  const before = known !== undefined && known.id !== '' ? world.living(known.id) : undefined;
  const entity = before ?? entityFor(world, kind, observation.ref, observation);
  const ref =
    known === undefined || known.id === '' ? newRef(observation.ref, kind, entity.id) : { ...known, deleted: false };
  const draft: Draft = { rules: world.rules.entities[kind], entity, ref, changed: [] };
  linkAccount(world, draft, observation);
  observe(world, draft, observation, null);
  finish(world, known === undefined ? undefined : before, draft, lane, observation.at.time);
}

/**
 * A contact may name an account that we have not seen yet: it is founded then, empty, so that the link can be canonical,
 * and keeps its place until it is observed.
 */
function linkAccount(world: World, draft: Draft, observation: Observation): void {
  const { platform } = parseRef(observation.ref);
  const side = draft.rules.sides[platform];
  const link = side.links.find((one) => one.type === 'account');
  const id = link === undefined ? undefined : observation.fields[link.field];
  if (platform !== 'salesforce' || typeof id !== 'string' || id === '') return;
  const ref = `salesforce:${world.rules.entities.account.sides.salesforce.object}:${id}`;
  if (world.ref(ref) !== undefined) return;
  const account = entityFor(world, 'account', ref, null);
  world.putEntity(account);
  world.putRef(newRef(ref, 'account', account.id));
}

function onDeleted(world: World, observation: Observation, known: RefState | undefined): void {
  const ref = known ?? newRef(observation.ref, null, '');
  const order = known === undefined ? 1 : comparePositions(observation.at, known.newest);
  // Within one second an event of the stream counts more than a read, as for values.
  if (known?.deleted === true || order < 0 || (order === 0 && observation.via !== 'event')) return;
  world.putRef({ ...ref, deleted: true, queued: null, newest: laterOf(ref.newest, observation.at) });
  const entity = ref.id === '' ? undefined : world.living(ref.id);
  if (entity === undefined || entity.mergedInto !== null) return;
  // No cascade: the record on the other platform stays; the customer is told to be gone where it came from.
  let next = entity;
  const alive = entity.refs.some(
    (other) => other !== ref.ref && other.startsWith('salesforce:') && world.ref(other)?.deleted === false,
  );
  if (!alive) {
    next = emitEvent(world, entity, 'deleted', []);
    world.putEntity(next);
    const account = accountOf(world, entity);
    if (entity.entity === 'customer' && account !== undefined) removeMember(world, membersOf(account.id), entity.id);
  }
  planCreates(world, next, 'live', observation.at.time);
}

/** Users and admins: known by email, looked up when an owner is written. */
function onDirectory(world: World, observation: Observation, emailField: string): void {
  const known = world.ref(observation.ref) ?? newRef(observation.ref, null, '');
  if (comparePositions(observation.at, known.newest) < 0 && known.newest !== noPosition) return;
  const emailOf = (ref: RefState): string => {
    const value = ref.seen[emailField]?.value;
    return typeof value === 'string' && !ref.deleted ? value.trim().toLowerCase() : '';
  };
  const told = observation.fields[emailField];
  const next: RefState = {
    ...known,
    deleted: observation.op === 'deleted',
    newest: laterOf(known.newest, observation.at),
    seen: told === undefined ? known.seen : { ...known.seen, [emailField]: { value: told, at: observation.at } },
  };
  world.putRef(next);
  const old = emailOf(known);
  const now = emailOf(next);
  if (old === now) return;
  const touched = new Set([observation.ref]);
  if (old !== '') {
    const rest = world.items(directoryKey(old)).filter((ref) => ref !== observation.ref);
    for (const ref of rest) touched.add(ref);
    world.putItems(directoryKey(old), rest);
  }
  if (now !== '') {
    const entries = world.items(directoryKey(now));
    for (const ref of entries) touched.add(ref);
    world.putItems(directoryKey(now), [...entries, observation.ref].sort());
  }
  for (const ref of [...touched].sort()) fanOut(world, ownedBy(ref), 'realign', 'bulk', revisit);
}

// ---- what follows from a changed entity, in one place

/**
 * Stores the draft and brings everything that depends on it in line: claims, memberships, the event, the dirty marks of
 * its records, its creates, and the records that show it joined.
 */
function finish(world: World, before: EntityState | undefined, draft: Draft, lane: Lane, sourceTime: number): void {
  let { entity } = draft;
  world.putRef(draft.ref);
  world.putEntity(entity);
  const joined = before !== undefined && before.refs.length !== entity.refs.length;
  const freed = entity.entity === 'customer' ? moveEmailClaim(world, before, entity) : [];
  const accountChanged = moveMembership(world, before, entity);
  if (draft.changed.length > 0 || entity.version === 0 || joined) {
    entity = emitEvent(world, entity, entity.version === 0 ? 'created' : 'changed', draft.changed);
    world.putEntity(entity);
  }
  for (const ref of entity.refs) {
    const state = world.ref(ref);
    if (state !== undefined) enqueueRef(world, state, entity, lane);
  }
  entity = planCreates(world, entity, lane, sourceTime);
  for (const id of freed) {
    const other = world.living(id);
    if (other !== undefined) planCreates(world, other, lane, sourceTime);
  }
  if (accountChanged !== null) planCreates(world, accountChanged, lane, sourceTime);
  if (entity.entity === 'account' && (draft.changed.length > 0 || joined)) {
    fanOut(world, membersOf(entity.id), draft.changed.length > 0 ? 'fanout' : 'realign', lane, revisit);
  }
}

/** Sets of people by account and of records by owner. Returns the account that gained a person. */
function moveMembership(world: World, before: EntityState | undefined, after: EntityState): EntityState | null {
  const move = (field: string, set: (value: string) => string): string | null => {
    const old = before?.fields[field]?.value ?? null;
    const now = after.fields[field]?.value ?? null;
    if (old === now) return null;
    if (typeof old === 'string') removeMember(world, set(old), after.id);
    if (typeof now !== 'string') return null;
    addMember(world, set(now), after.id);
    return now;
  };
  move('ownerEmail', ownedBy);
  if (after.entity !== 'customer') return null;
  const gained = move('account', (id) => membersOf(world.living(id)?.id ?? id));
  return gained === null ? null : (world.living(gained) ?? null);
}

/** A member of a set whose account, company or owner changed: its events carry the new join, its records what is now wanted. */
function revisit(world: World, member: EntityState, job: JobState): void {
  let entity = member;
  if (job.kind === 'fanout' && entity.version > 0) {
    entity = emitEvent(world, entity, 'joined', []);
    world.putEntity(entity);
  }
  for (const ref of entity.refs) {
    const state = world.ref(ref);
    if (state !== undefined) enqueueRef(world, state, entity, job.lane);
  }
}

// ---- results

function onResult(world: World, result: Result): void {
  const item = result.command.slice(0, result.command.lastIndexOf('#'));
  if (item.startsWith('+')) {
    onCreateResult(world, item, result);
    return;
  }
  const ref = world.ref(item);
  const ask = ref?.open;
  if (ref === undefined) return;
  if (ask == null || ask.id !== result.command || isStaleExpiry(world, result)) {
    // Answered already: what the platform said is still an observation like any other.
    if (result.returned !== null) onObservation(world, { ...result.returned, via: 'read' });
    return;
  }
  closed(world, result.platform, item, ask);
  const entity = world.living(ref.id);
  if (entity === undefined) {
    world.putRef({ ...ref, open: null });
    return;
  }
  const draft: Draft = { rules: world.rules.entities[entity.entity], entity, ref, changed: [] };
  land(world, draft, ask, result);
  if (result.outcome === 'gone') draft.ref = { ...draft.ref, deleted: true };
  finish(world, entity, draft, ask.lane, result.platformTime);
}

/** A sink that lost its partition says `expired` of what its successor is already doing: that closes nothing. */
function isStaleExpiry(world: World, result: Result): boolean {
  return (
    result.outcome === 'expired' &&
    world.cursor(partitionKey(result.platform, result.partition)).s['epoch'] !== result.epoch
  );
}

function onCreateResult(world: World, item: string, result: Result): void {
  const entity = world.living(item.slice(1));
  const create = entity?.creates.find((one) => one.platform === result.platform);
  const ask = create?.ask;
  if (entity === undefined) return;
  if (create === undefined || ask == null || ask.id !== result.command || isStaleExpiry(world, result)) {
    if (result.returned !== null) onObservation(world, { ...result.returned, via: 'read' });
    return;
  }
  closed(world, result.platform, item, ask);
  if ((result.outcome !== 'applied' && result.outcome !== 'exists') || result.ref === '') {
    const why = result.refusals.map((refusal) => `${refusal.code}: ${refusal.message}`).join('; ');
    endCreate(world, entity, create, result, why === '' ? result.outcome : why);
    return;
  }
  const known = world.ref(result.ref);
  if (known !== undefined && known.id !== '' && known.id !== entity.id && world.living(known.id)?.id !== entity.id) {
    const why = `it exists already and belongs to another customer (${known.id})`;
    endCreate(world, { ...entity, ambiguous: [known.id] }, create, result, why);
    return;
  }
  attach(world, entity, create, ask, result);
}

/** The record that a create made or met becomes a ref of the entity. */
function attach(world: World, entity: EntityState, create: CreateState, ask: Ask, result: Result): void {
  const { platform } = result;
  const refs = [...new Set([...entity.refs, result.ref])].sort();
  const known = world.ref(result.ref);
  const ref = known === undefined || known.id === '' ? newRef(result.ref, entity.entity, entity.id) : known;
  const draft: Draft = {
    rules: world.rules.entities[entity.entity],
    entity: created({ ...entity, refs }, platform),
    ref: { ...ref, deleted: false, asks: ask.id.startsWith('+') ? ref.asks : ref.asks + 1 },
    changed: [],
  };
  world.journal({
    id: entity.id,
    kind: 'linked',
    source: result.ref,
    reason: result.outcome === 'exists' ? 'it existed already' : 'created',
  });
  land(world, draft, ask, result);
  finish(world, entity, draft, create.lane, result.platformTime);
}

// ---- epochs, marks, configuration, poison

/** Epochs of a partition that were valid once: one of them that is read again does nothing. */
const epochsKept = 16;

function onEpoch(world: World, epoch: Epoch): void {
  const key = partitionKey(epoch.platform, epoch.partition);
  const cursor = world.cursor(key);
  const current = cursor.s['epoch'] ?? '';
  const past = (cursor.s['past'] ?? '').split(',').filter((id) => id !== '');
  const isNew = epoch.n === 0 && epoch.epoch !== current && !past.includes(epoch.epoch);
  if (!isNew && (epoch.epoch !== current || epoch.n <= (cursor.n['n'] ?? 0))) return;
  world.putCursor(key, {
    n: { ...cursor.n, n: epoch.n, window: epoch.window, bulkWindow: epoch.bulkWindow },
    s: isNew
      ? {
          ...cursor.s,
          epoch: epoch.epoch,
          past: [...past, current]
            .filter((id) => id !== '')
            .slice(-epochsKept)
            .join(','),
        }
      : cursor.s,
  });
  if (isNew) resend(world, epoch.platform, epoch.partition);
  world.stirred.add(`${epoch.platform}:${epoch.partition}`);
}

function onMark(world: World): void {
  const { mark } = world.record.change;
  if (mark === null) return;
  const marks = world.cursor(marksKey);
  const set = (name: string, value: number): void =>
    world.putCursor(marksKey, { ...marks, n: { ...marks.n, [name]: value } });
  switch (mark.kind) {
    case 'mark': {
      const name = `upTo:${mark.platform}`;
      if (mark.upTo > (marks.n[name] ?? 0)) set(name, mark.upTo);
      return;
    }
    case 'snapshotComplete':
      set(`complete:${mark.platform}`, 1);
      return;
    case 'holeOpen':
      set(`hole:${mark.platform}`, 1);
      return;
    case 'holeClosed':
      set(`hole:${mark.platform}`, 0);
      return;
  }
}

function onConfig(world: World): void {
  const { config } = world.record.change;
  if (config === null) return;
  const current = world.cursor(configKey);
  if (config.n <= (current.n['n'] ?? 0)) return;
  compileRules(JSON.parse(config.json) as RulesConfig);
  world.putCursor(configKey, { n: { n: config.n }, s: { hash: config.hash, json: config.json } });
}

/** A record that cannot be decided: its ref is held, so that nothing is written from a state that may be wrong. */
function hold(world: World, error: unknown): readonly Output[] {
  const { observation, result } = world.record.change;
  const name = observation?.ref ?? (result?.ref === '' ? undefined : result?.ref);
  const ref = name === undefined ? undefined : world.ref(name);
  const reason = `record ${world.lineage} could not be decided: ${error instanceof Error ? error.message : String(error)}`;
  if (ref !== undefined) world.putRef({ ...ref, held: reason.slice(0, 200) });
  if (name !== undefined) world.journal({ id: name, kind: 'held', source: name, reason });
  return world.outputs;
}
