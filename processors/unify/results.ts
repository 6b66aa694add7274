/** The one answer to an ask: it closes the ask, and what the platform returned is an observation like any other. */
import type { Ask, CreateState, EntityState, Position, RefState, Result } from '../../schemas/types.ts';
import { closed } from './commands.ts';
import { created, endCreate, meetAnother, openCreate, putOffCreate, retryCreate } from './creates.ts';
import { enqueueGone, enqueueStranger } from './dirty.ts';
import { endAwaiting, rememberBlocked } from './emails.ts';
import { byMarker, isAlive, listRefs, livingRefs, loadRefs, newRef } from './identity.ts';
import { parseRef, partitionKey } from './keys.ts';
import { land, tellUnread } from './landing.ts';
import { type Draft, draftOf, resume, resumeBefore } from './ledger.ts';
import { type Cause, conclude, end, redirect, tellTwofold, welcome } from './merge.ts';
import { onObservation } from './observations.ts';
import { sideOf } from './rules.ts';
import { comparePositions, laterOf } from './values.ts';
import { reconsider } from './waiting.ts';
import type { World } from './world.ts';

export function onResult(world: World, result: Result): void {
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
  if (ref.id === '') {
    meetStranger(world, { ...ref, open: null }, ask, result);
    return;
  }
  const entity = world.living(ref.id);
  // Merged or converted meanwhile: what is wanted is asked of the record it lives on as, and a refusal tells nothing new.
  if (entity === undefined || ref.into !== null) {
    world.putRef({ ...ref, open: null });
    return;
  }
  loadRefs(world, entity);
  const cause: Cause = { lane: ask.lane, time: result.platformTime };
  // Told to be deleted meanwhile, and written or read after that: it had been brought back.
  const back = ref.deleted && result.outcome === 'applied' && comparePositions(placeOf(result), ref.newest) > 0;
  const lived = isAlive(world, entity);
  if (ref.deleted && ask.verb === 'read' && result.into === null && result.outcome !== 'applied') {
    // Gone it was already (observations.ts asks).
    const closed = { ...ref, open: null };
    if (result.outcome === 'expired') enqueueGone(world, closed, ask.lane);
    else world.putRef(closed);
    return;
  }
  // Whatever was told until then is older.
  const draft = draftOf(
    world,
    entity,
    back ? { ...ref, deleted: false, newest: laterOf(ref.newest, placeOf(result)) } : ref,
  );
  land(world, draft, ask, result);
  if (back) reconsider(world, draft);
  rememberBlocked(world, draft, ask, endAwaiting(world, item, sideOf(draft.rules, item), ask));
  if (result.outcome === 'gone') vanish(world, entity, draft, result, cause);
  else conclude(world, lived || !back ? entity : undefined, draft, cause, back);
}

/** What the reading of a record showed that another one had named (dirty.ts). */
function meetStranger(world: World, stranger: RefState, ask: Ask, result: Result): void {
  if (result.outcome === 'expired') {
    enqueueStranger(world, stranger, ask.lane);
    return;
  }
  // Gone, it is nobody's; that is kept, so that it is not read again for each who names it.
  const back = result.outcome === 'applied' && comparePositions(placeOf(result), stranger.newest) > 0;
  const gone = result.outcome === 'gone' || (stranger.deleted && !back);
  const newest = laterOf(stranger.newest, placeOf(result));
  world.putRef(gone || stranger.deleted ? { ...stranger, deleted: gone, newest } : stranger);
  if (result.outcome === 'refused') tellUnread(world, stranger, result);
  if (result.returned !== null && !gone) onObservation(world, { ...result.returned, via: 'read' });
}

const placeOf = (result: Result): Position => ({ time: result.platformTime, seq: -1, second: true });

/**
 * The call found the record deleted, or merged into another one. What waited for the answer happened before: it is told
 * first, and everything that depends on it. Nothing as old as the call brings the record back.
 */
function vanish(world: World, before: EntityState, draft: Draft, result: Result, cause: Cause): void {
  const at = placeOf(result);
  draft.ref = { ...draft.ref, deleted: true, queued: null, newest: laterOf(draft.ref.newest, at) };
  conclude(world, before, draft, cause);
  const ref = world.ref(draft.ref.ref) ?? draft.ref;
  if (result.into !== null && result.into !== ref.ref) {
    redirect(world, { ...ref, deleted: false }, result.into, at, cause);
    return;
  }
  const entity = world.living(ref.id) ?? draft.entity;
  const why = result.refusals.map((refusal) => refusal.message).join('; ');
  world.journal({
    id: entity.id,
    kind: 'moved',
    source: ref.ref,
    reason: `deleted or merged on ${result.platform}; nothing is written to it any more${why === '' ? '' : `: ${why}`}`,
  });
  end(world, entity, ref, cause);
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
  const create = openCreate(entity, result.command);
  const ask = create?.ask;
  if (entity === undefined) return;
  if (create === undefined || ask == null || isStaleExpiry(world, result)) {
    if (result.returned !== null) onObservation(world, { ...result.returned, via: 'read' });
    return;
  }
  closed(world, result.platform, item, ask);
  const freed = endAwaiting(world, item, world.rules.entities[entity.entity].sides[result.platform], ask);
  endOpenCreate(world, entity, create, ask, result);
  letGo(world, entity.id, ask, { lane: create.lane, time: result.platformTime });
  const now = world.living(entity.id);
  if (freed.length > 0 && now !== undefined) retryCreate(world, now);
}

/** At the end of an epoch a create that the platform would carry out twice is put off: the sink may have made the call. */
export function putOffOpen(world: World, entity: EntityState, create: CreateState): void {
  const { ask } = create;
  putOffCreate(world, entity, create);
  if (ask !== null) letGo(world, entity.id, ask, { lane: create.lane, time: world.now });
}

/**
 * The create is under way no more. A record that was told of meanwhile, as if it had made that, waits for no answer of it:
 * what was told is taken in, and what is wanted is asked of the record itself.
 */
function letGo(world: World, id: string, ask: Ask, cause: Cause): void {
  const told = world.living(id);
  for (const { ref: name } of told === undefined ? [] : livingRefs(world, told)) {
    const ref = world.ref(name);
    const entity = ref === undefined ? undefined : world.living(ref.id);
    const one = ref?.landed.find((other) => other.id === ask.id && other.resultAt === null);
    if (ref === undefined || entity === undefined || one === undefined) continue;
    // In doubt it may have made the record all the same, and the oldest is what came of it; else it has nothing to do with that.
    const doubted = entity.creates.find((one) => one.ask?.id === ask.id)?.ask != null;
    const made = doubted ? { ...one, fields: {}, expected: ask.fields, resultAt: world.now, doubt: true } : null;
    const landed = ref.landed.flatMap((other) => (other !== one ? [other] : made === null ? [] : [made]));
    const draft = draftOf(world, entity, { ...ref, landed });
    if (made !== null) resumeBefore(world, draft, made, Number.POSITIVE_INFINITY);
    resume(world, draft);
    conclude(world, entity, draft, cause);
  }
}

function endOpenCreate(world: World, entity: EntityState, create: CreateState, ask: Ask, result: Result): void {
  const ended = endedIn(world, ask, result);
  if (ended !== undefined) {
    claimEnded(world, entity, create, ended, result);
    return;
  }
  if ((result.outcome !== 'applied' && result.outcome !== 'exists') || result.ref === '') {
    const why = result.refusals.map((refusal) => `${refusal.code}: ${refusal.message}`).join('; ');
    endCreate(world, entity, create, result, why === '' ? result.outcome : why);
    return;
  }
  const owner = ownerOf(world, entity, result);
  if (owner === undefined) attach(world, entity, create, ask, result);
  else meet(world, entity, owner, result);
}

/**
 * The record that stands in the way of a create in doubt, where it was merged away before anybody had told whose it was: an
 * earlier try of the create had made it.
 */
function endedIn(world: World, ask: Ask, result: Result): RefState | undefined {
  const known = result.outcome === 'refused' && ask.doubt ? world.ref(result.ref) : undefined;
  return known !== undefined && known.into !== null && Object.keys(known.seen).length === 0 ? known : undefined;
}

/** It was this customer's, who is therefore one with whom it was merged into. */
function claimEnded(world: World, entity: EntityState, create: CreateState, ended: RefState, result: Result): void {
  const mine = created({ ...entity, refs: listRefs(world, [...entity.refs, ended.ref]) }, create);
  const ref = { ...ended, entity: entity.entity, id: entity.id };
  world.putEntity(mine);
  world.putRef(ref);
  world.journal({ id: entity.id, kind: 'linked', source: ref.ref, reason: 'created, and merged away since' });
  const cause: Cause = { lane: create.lane, time: result.platformTime };
  redirect(world, ref, ended.into ?? '', ended.newest, cause);
}

/** Whose the record is that a create made or met, if it is not this entity's: known so, or named by it. */
function ownerOf(world: World, entity: EntityState, result: Result): EntityState | undefined {
  const known = world.ref(result.ref);
  const { outcome, returned } = result;
  const owner =
    known !== undefined && known.id !== ''
      ? world.living(known.id)
      : outcome === 'exists' && returned !== null
        ? byMarker(world, entity.entity, result.ref, returned.fields)
        : undefined;
  if (owner !== undefined && owner.id !== entity.id) return owner;
  // Met, while another record was found to be this customer's: it is not the one that was looked for.
  const others = livingRefs(world, entity).some(
    ({ ref }) => ref !== result.ref && parseRef(ref).platform === result.platform,
  );
  return outcome === 'exists' && owner === undefined && others ? entity : undefined;
}

/** The record is another customer's. What it shows may make the two one, by the rules; else somebody has to say. */
function meet(world: World, entity: EntityState, owner: EntityState, result: Result): void {
  if (result.returned !== null) onObservation(world, { ...result.returned, via: 'read' });
  const mine = world.living(entity.id);
  const create = openCreate(mine, result.command);
  if (mine === undefined || create === undefined) return;
  const theirs = world.living(world.ref(result.ref)?.id ?? '') ?? owner;
  if (owner.id === entity.id || theirs.id === mine.id) world.putEntity(created(mine, create));
  else meetAnother(world, mine, create, result, [theirs.id]);
}

/** The record that a create made or met becomes a ref of the entity. */
function attach(world: World, entity: EntityState, create: CreateState, ask: Ask, result: Result): void {
  const refs = [...new Set([...entity.refs, result.ref])].sort();
  const known = world.ref(result.ref);
  const ref = known === undefined ? newRef(result.ref, entity.entity, entity.id) : { ...known, id: entity.id };
  // Created, and deleted again before this was told: it holds its place.
  const deleted = ref.deleted && comparePositions(placeOf(result), ref.newest) <= 0;
  const draft = draftOf(world, created({ ...entity, refs }, create), { ...ref, entity: entity.entity, deleted });
  world.journal({
    id: entity.id,
    kind: 'linked',
    source: result.ref,
    reason: result.outcome === 'exists' ? 'it existed already' : 'created',
  });
  const cause: Cause = { lane: create.lane, time: result.platformTime };
  // Everything else of it may have gone meanwhile.
  const back = !isAlive(world, entity) && !deleted;
  land(world, draft, ask, result);
  conclude(world, back ? undefined : entity, draft, cause, back);
  welcome(world, result.ref, cause);
  const now = world.living(entity.id);
  if (now !== undefined) tellTwofold(world, now);
}

/**
 * Closes the ask of a result that could not be decided, so that it does not take up the window for ever, and lets nothing
 * more be written to its record: what the platform has now is not known.
 */
export function abandonResult(world: World, result: Result, reason: string): void {
  const item = result.command.slice(0, result.command.lastIndexOf('#'));
  if (item.startsWith('+')) {
    const entity = world.living(item.slice(1));
    const create = openCreate(entity, result.command);
    if (entity === undefined || create?.ask == null) return;
    closed(world, result.platform, item, create.ask);
    const held: CreateState = { ...create, state: 'refused', ask: null, why: reason.slice(0, 200) };
    world.putEntity({ ...entity, creates: entity.creates.map((one) => (one === create ? held : one)) });
    return;
  }
  const ref = world.ref(item);
  if (ref?.open == null || ref.open.id !== result.command) return;
  closed(world, result.platform, item, ref.open);
  world.putRef({ ...ref, open: null, landed: [], held: reason.slice(0, 200) });
}
