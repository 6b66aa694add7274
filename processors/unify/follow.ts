/** What follows from a changed customer or account, in one place, whatever changed it. */
import type { EntityState, JobState, Value } from '../../schemas/types.ts';
import { countsAsAccount, rememberLeft } from './companies.ts';
import { assess, planCreates, retryCreate } from './creates.ts';
import { enqueueRef, readStranger } from './dirty.ts';
import { emitEvent } from './events.ts';
import { moveEmailClaim } from './identity.ts';
import { fanOut } from './jobs.ts';
import { blockedBy, carriersOf, membersOf, ownedBy, parseRef, waitingFor } from './keys.ts';
import { type Draft, draftOf } from './ledger.ts';
import { sideOf } from './rules.ts';
import { addMember, removeMember, someMembers } from './sets.ts';
import { endWait, reconsider, rememberWaiting, waitAgain } from './waiting.ts';
import type { Lane, Platform, World } from './world.ts';

/** Records waiting for one email that are tried when it is free; one of them can have it. */
const blockedTried = 10;
/** And so many are looked at for them: some wait on the other platform. */
const blockedLooked = 40;

/**
 * Stores the draft and brings everything that depends on it in line: claims, memberships, the event, the dirty marks of
 * its records, its creates, and the records that show it joined. `back`: it was deleted and is there again, or is another
 * one now. Returns the emails whose claimants changed: who they are may have to be decided again (merge.ts).
 */
export function finish(
  world: World,
  before: EntityState | undefined,
  draft: Draft,
  lane: Lane,
  sourceTime: number,
  back = false,
): readonly string[] {
  let { entity } = draft;
  const was = world.ref(draft.ref.ref);
  world.putRef(draft.ref);
  world.putEntity(entity);
  if (draft.changed.length > 0) release(world, entity);
  const joined = back || (before !== undefined && before.refs.length !== entity.refs.length);
  const emails = moveEmailClaim(world, before, entity);
  const accountChanged = moveMembership(world, before, entity);
  // Intercom lists no company without people: one that somebody is attached to first may never be told of by itself.
  const untold = rememberWaiting(world, entity, sideOf(draft.rules, draft.ref.ref).links, was, draft.ref);
  if (back) waitAgain(world, entity);
  for (const name of untold) readStranger(world, name, 'account', lane);
  if (entity.entity === 'customer') rememberLeft(world, before, entity, was, draft.ref);
  if (draft.changed.length > 0 || entity.version === 0 || joined) {
    entity = emitEvent(world, entity, eventType(entity, draft), draft.changed);
    world.putEntity(entity);
  }
  pursue(world, entity, lane, sourceTime);
  if (accountChanged !== null) planCreates(world, accountChanged, lane, sourceTime);
  for (const email of draft.left) retryBlocked(world, email, parseRef(draft.ref.ref).platform);
  const { marker } = sideOf(draft.rules, draft.ref.ref);
  const mark = was?.seen[marker]?.value;
  if (mark !== draft.ref.seen[marker]?.value) returnMark(world, mark, draft.ref.ref, lane, sourceTime);
  if (entity.entity === 'account' && (draft.changed.length > 0 || joined)) {
    fanOut(world, membersOf(entity.id), draft.changed.length > 0 ? 'fanout' : 'realign', lane, revisit);
    tellWaiting(world, entity, lane);
  }
  return emails;
}

/** A record that was taken from somebody carries their id no more, or is gone: what waited for that goes on. */
export function returnMark(world: World, mark: Value | undefined, ref: string, lane: Lane, sourceTime: number): void {
  const owner = typeof mark === 'string' && mark !== '' ? world.living(mark) : undefined;
  const carriers = owner === undefined ? [] : world.items(carriersOf(owner.id));
  if (owner === undefined || !carriers.includes(ref)) return;
  world.putItems(
    carriersOf(owner.id),
    carriers.filter((one) => one !== ref),
  );
  pursue(world, owner, lane, sourceTime);
}

/** Has what is wanted of an entity written and created, as far as nobody has to guess who it is. */
export function pursue(world: World, entity: EntityState, lane: Lane, sourceTime: number): void {
  const assessed = assess(world, entity);
  for (const ref of assessed.refs) {
    const state = world.ref(ref);
    if (state !== undefined) enqueueRef(world, state, assessed, lane);
  }
  planCreates(world, assessed, lane, sourceTime);
}

/** Nothing changed but what belongs to it (a record was linked, came back): that is a join. */
function eventType(entity: EntityState, draft: Draft): 'created' | 'changed' | 'joined' {
  if (entity.version === 0) return 'created';
  return draft.changed.length > 0 ? 'changed' : 'joined';
}

/** A value that can be decided again ends what held the records of the entity. */
function release(world: World, entity: EntityState): void {
  for (const ref of entity.refs) {
    const state = world.ref(ref);
    if (state !== undefined && state.held !== '') world.putRef({ ...state, held: '' });
  }
}

/**
 * An email is free on its platform: who was refused it there is asked again, and who has an open ask for it, if that is
 * refused. All of them wait anew from that ask on.
 */
export function retryBlocked(world: World, email: string, platform: Platform): void {
  const set = blockedBy(email);
  const waiting = someMembers(world, set, blockedLooked).filter((item) => isAskedOn(world, item, platform));
  for (const item of waiting.slice(0, blockedTried)) {
    removeMember(world, set, item);
    if (item.startsWith('+')) {
      const entity = world.living(item.slice(1));
      if (entity !== undefined) retryCreate(world, entity);
      continue;
    }
    const ref = world.ref(item);
    const entity = ref === undefined ? undefined : world.living(ref.id);
    if (ref === undefined || entity === undefined) continue;
    const quiet = Object.fromEntries(
      Object.entries(ref.quiet).filter(([, { asked }]) => typeof asked !== 'string' || blockedBy(asked) !== set),
    );
    const open = { ...ref, quiet };
    world.putRef(open);
    enqueueRef(world, open, entity, 'live');
  }
}

const isAskedOn = (world: World, item: string, platform: Platform): boolean =>
  item.startsWith('+')
    ? world.living(item.slice(1))?.creates.some((create) => create.platform === platform) === true
    : parseRef(item).platform === platform;

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

/** People may name a company before it is known, or before its account is one of Salesforce's. */
function tellWaiting(world: World, account: EntityState, lane: Lane): void {
  if (!countsAsAccount(world, account)) return;
  for (const ref of account.refs) fanOut(world, waitingFor(ref), 'realign', lane, revisit);
}

/**
 * A member of a set whose account, company or owner changed, or any entity when the configuration did: its events carry
 * the new join, its records what is now wanted, and what its links could not say is decided again. Returns the emails whose
 * claimants changed.
 */
export function revisit(world: World, member: EntityState, job: JobState): readonly string[] {
  let entity = member;
  const emails: string[] = [];
  if (job.kind === 'fanout' && entity.version > 0) {
    entity = emitEvent(world, entity, 'joined', []);
    world.putEntity(entity);
  }
  if (job.kind === 'realign') {
    for (const name of member.refs) {
      const ref = world.ref(name);
      const before = world.living(member.id);
      if (ref === undefined || ref.deleted || before === undefined) continue;
      const draft = draftOf(world, before, ref);
      reconsider(world, draft);
      if (draft.entity !== before || draft.ref !== ref) emails.push(...finish(world, before, draft, job.lane, 0));
    }
    entity = world.living(member.id) ?? entity;
    endWait(world, job.subject, member.id);
  }
  pursue(world, entity, job.lane, 0);
  return emails;
}
