/** What an observation of a record leads to: values, identity, deletions, and the directory of those who work there. */
import type { EntityState, Observation, RefState } from '../../schemas/types.ts';
import { enqueueGone } from './dirty.ts';
import { revisit } from './follow.ts';
import { byMarker, entityFor, isAlive, loadRefs, newRef } from './identity.ts';
import { fanOut } from './jobs.ts';
import { directoryKey, ownedBy, parseRef, waitingFor } from './keys.ts';
import { type Draft, draftOf, observe } from './ledger.ts';
import { type Cause, conclude, end, followMarker, onMoved, separate, takeLate, welcome } from './merge.ts';
import { directoryObjects, sideOf } from './rules.ts';
import { comparePositions, laterOf, noPosition, secondOf } from './values.ts';
import { reconsider } from './waiting.ts';
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
  const cause: Cause = { lane, time: observation.at.time };
  if (observation.op === 'deleted') {
    onDeleted(world, observation, cause);
    return;
  }
  if (observation.op === 'moved') {
    onMoved(world, observation, kind, lane);
    return;
  }
  let known = world.ref(observation.ref);
  if (known !== undefined && known.deleted && !revives(observation, known)) {
    takeLate(world, known, observation, cause);
    const gone = world.ref(known.ref) ?? known;
    // Which came later only one more reading tells.
    if (observation.whole && gone.into === null && comparePositions(observation.at, gone.newest) === 0)
      enqueueGone(world, gone, lane);
    return;
  }
  const back = known?.deleted === true;
  if (known !== undefined && back && comparePositions(observation.at, known.newest) === 0) {
    // Deleted and brought back in one second: the deletion, told once more, is the older of the two. It may be the later one
    // all the same, which a reading tells.
    known = {
      ...known,
      newest: { time: (secondOf(observation.at.time) + 1) * 1000, seq: -1, second: true },
      reading: true,
    };
  }
  if (known !== undefined && isAliasOf(world, known)) {
    separate(
      world,
      { ...known, deleted: false },
      'rule',
      `it was merged into ${known.into ?? ''} and is there again`,
      cause,
    );
    known = world.ref(observation.ref);
  }
  const before = known !== undefined && known.id !== '' ? world.living(known.id) : undefined;
  if (before !== undefined) loadRefs(world, before);
  const entity =
    before === undefined ? entityFor(world, kind, observation.ref, observation) : listed(before, observation.ref);
  // Decided well again: what held it is over. A stranger that is seen needs no reading any more.
  const ref: RefState = {
    ...(known ?? newRef(observation.ref, kind, entity.id)),
    ...(known?.id === '' && { entity: kind, id: entity.id, reading: false }),
    deleted: false,
    held: '',
    into: null,
  };
  const draft = draftOf(world, entity, ref);
  linkAccount(world, draft, observation);
  observe(world, draft, observation, null);
  if (back) reconsider(world, draft);
  const prior = world.entity(entity.id);
  const lived = prior !== undefined && isAlive(world, prior);
  conclude(world, lived ? prior : undefined, draft, cause, back || !lived);
  if (before === undefined) welcome(world, observation.ref, cause);
  else if (ref.bound === 'rule' && namesAnother(world, before, observation)) {
    followMarker(world, observation, byMarker(world, kind, observation.ref, observation.fields), cause);
  }
}

/**
 * A replayed old value does not revive a deleted record, nor does a row read within the second of the deletion: only the
 * platform's word that it is back, for a deletion is known to the second; the record is read again then. Should that word
 * have been the older of the two, the next call finds the record gone. What was merged away is told of now and then, field by field; only the whole
 * of it, or the platform's word, says that it is back.
 */
function revives(observation: Observation, known: RefState): boolean {
  const order = comparePositions(observation.at, known.newest);
  if (order < 0 || (order === 0 && observation.op !== 'undeleted')) return false;
  return known.into === null || observation.whole || observation.op === 'undeleted';
}

/** Who is back may have been gone for so long that their customer listed them no more. */
const listed = (entity: EntityState, ref: string): EntityState =>
  entity.refs.includes(ref) ? entity : { ...entity, refs: [...entity.refs, ref].sort() };

/** Merged into a record that its customer has: not so while that one was never seen. */
function isAliasOf(world: World, ref: RefState): boolean {
  const into = ref.into === null ? undefined : world.ref(ref.into);
  return (
    ref.id !== '' && into !== undefined && into.id !== '' && world.living(into.id)?.id === world.living(ref.id)?.id
  );
}

/** Only then is it worth asking whom the record names. */
function namesAnother(world: World, entity: EntityState, observation: Observation): boolean {
  const marker = observation.fields[sideOf(world.rules.entities[entity.entity], observation.ref).marker];
  return typeof marker === 'string' && marker !== '' && marker !== entity.id;
}

/**
 * A contact may name an account that we have not seen yet: it is founded then, empty, so that the link can be canonical,
 * and keeps its place until it is observed.
 */
function linkAccount(world: World, draft: Draft, observation: Observation): void {
  const { platform } = parseRef(observation.ref);
  const side = sideOf(draft.rules, observation.ref);
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

function onDeleted(world: World, observation: Observation, cause: Cause): void {
  const known = world.ref(observation.ref);
  const ref = known ?? newRef(observation.ref, null, '');
  const order = known === undefined ? 1 : comparePositions(observation.at, known.newest);
  // Within one second an event of the stream counts more than a read, as for values.
  if (known?.deleted === true || order < 0 || (order === 0 && observation.via !== 'event')) return;
  const gone: RefState = { ...ref, deleted: true, queued: null, newest: laterOf(ref.newest, observation.at) };
  world.putRef(gone);
  const entity = ref.id === '' ? undefined : world.living(ref.id);
  if (entity !== undefined) end(world, entity, gone, cause);
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
    seen:
      told === undefined
        ? known.seen
        : { ...known.seen, [emailField]: { value: told, at: observation.at, answer: false, ask: '' } },
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
    fanOut(world, waitingFor(directoryKey(now)), 'realign', 'bulk', revisit);
  }
  for (const ref of [...touched].sort()) fanOut(world, ownedBy(ref), 'realign', 'bulk', revisit);
}
