/** What an observation of a record leads to: values, identity, deletions, and the directory of those who work there. */
import type { Observation, RefState } from '../../schemas/types.ts';
import { planCreates } from './creates.ts';
import { accountOf, emitEvent } from './events.ts';
import { finish, revisit } from './follow.ts';
import { entityFor, moveEmailClaim, newRef } from './identity.ts';
import { fanOut } from './jobs.ts';
import { directoryKey, membersOf, ownedBy, parseRef } from './keys.ts';
import { type Draft, observe } from './ledger.ts';
import { directoryObjects } from './rules.ts';
import { removeMember } from './sets.ts';
import { comparePositions, laterOf, noPosition } from './values.ts';
import type { Lane, World } from './world.ts';

export function onObservation(world: World, observation: Observation): void {
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
  // Decided well again: what held it is over.
  const ref =
    known === undefined || known.id === ''
      ? newRef(observation.ref, kind, entity.id)
      : { ...known, deleted: false, held: '' };
  const draft: Draft = { rules: world.rules.entities[kind], entity, ref, changed: [], left: [] };
  linkAccount(world, draft, observation);
  observe(world, draft, observation, null);
  const back = known?.deleted === true;
  finish(world, known === undefined || back ? undefined : before, draft, lane, observation.at.time, back);
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
  const known = world.ref(ref);
  // Known only as deleted, it was nobody's: it is founded now and stays deleted until it is seen again.
  if (known !== undefined && known.id !== '') return;
  const account = entityFor(world, 'account', ref, null);
  world.putEntity(account);
  world.putRef({
    ...newRef(ref, 'account', account.id),
    ...(known && { deleted: known.deleted, newest: known.newest }),
  });
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
    if (entity.entity === 'customer' && account !== undefined) {
      removeMember(world, membersOf(account.id), entity.id);
      planCreates(world, account, 'live', observation.at.time);
    }
  }
  planCreates(world, next, 'live', observation.at.time);
  const freed = alive || entity.entity === 'account' ? [] : moveEmailClaim(world, entity, entity, true);
  for (const id of freed) {
    const other = world.living(id);
    if (other !== undefined) planCreates(world, other, 'live', observation.at.time);
  }
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
