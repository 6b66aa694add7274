/**
 * What an operator says: pin, unlink, unfreeze, redrive, resync. An action has an id, and one that comes again does
 * nothing. What cannot be done is told in the journal: an action is an operator's mistake at worst, never a defect.
 */
import type { Action, EntityState, RefState } from '../../schemas/types.ts';
import { retryCreate } from './creates.ts';
import { enqueueRef } from './dirty.ts';
import { frozenFields, unfreeze } from './edits.ts';
import { pursue } from './follow.ts';
import { livingRefs } from './identity.ts';
import { actionsKey, claimsOf, frozenOnes, isRef } from './keys.ts';
import { type Cause, pin, separate } from './merge.ts';
import { sideOf } from './rules.ts';
import { removeMember, someMembers } from './sets.ts';
import { hashId } from './values.ts';
import type { World } from './world.ts';

/** Ids remembered, as hashes: they may be of any length. */
const idsKept = 256;

/** An operator waits for no platform's marks. */
const cause: Cause = { lane: 'live', time: 0 };

export function onAction(world: World, action: Action): void {
  const id = hashId(action.id);
  const done = world.items(actionsKey);
  if (done.includes(id)) return;
  world.putItems(actionsKey, [...done, id].slice(-idsKept));
  switch (action.verb) {
    case 'pin':
      return onPin(world, action);
    case 'unlink':
      return onUnlink(world, action);
    case 'unfreeze':
      return onUnfreeze(world, action);
    case 'redrive':
      return onRedrive(world, action);
    case 'resync':
      return onResync(world, action);
  }
}

function tell(world: World, action: Action, kind: 'opened' | 'rejected', text: string): void {
  const by = action.by === '' ? '' : ` (${action.by})`;
  world.journal({ id: action.subject, kind, source: action.subject, reason: `${action.verb}: ${text}${by}` });
}

/** The record of a customer or account that a subject names. */
function refOf(world: World, subject: string): RefState | undefined {
  const ref = isRef(subject) ? world.ref(subject) : undefined;
  return ref === undefined || ref.id === '' ? undefined : ref;
}

/** The customer or account that a ref, an id or the email of only one customer names. */
function entityOf(world: World, subject: string): EntityState | undefined {
  if (subject === '') return undefined;
  const ref = refOf(world, subject);
  if (ref !== undefined) return world.living(ref.id);
  if (!subject.includes('@')) return world.living(subject);
  const [only, ...others] = someMembers(world, claimsOf(subject), 2);
  return only === undefined || others.length > 0 ? undefined : world.living(only);
}

function onPin(world: World, action: Action): void {
  const ref = refOf(world, action.subject);
  const target = entityOf(world, action.argument);
  if (ref === undefined) return tell(world, action, 'rejected', 'no such record is known');
  if (target === undefined) return tell(world, action, 'rejected', `"${action.argument}" names nobody who is known`);
  if (target.entity !== ref.entity) return tell(world, action, 'rejected', `${target.id} is no ${ref.entity ?? ''}`);
  pin(world, ref, target, `pinned by an operator${action.by === '' ? '' : ` (${action.by})`}`, cause);
}

function onUnlink(world: World, action: Action): void {
  const ref = refOf(world, action.subject);
  const entity = ref === undefined ? undefined : world.living(ref.id);
  if (ref === undefined || entity === undefined) return tell(world, action, 'rejected', 'no such record is known');
  // What was merged or converted is an alias of the record that it lives on as; there is nothing of its own to take apart.
  if (ref.into !== null) return tell(world, action, 'rejected', `it was merged or converted into ${ref.into}`);
  if (entity.refs.length === 1) return tell(world, action, 'rejected', 'its customer has no other record');
  const reason = `taken from ${entity.id} by an operator${action.by === '' ? '' : ` (${action.by})`}`;
  separate(world, ref, 'apart', reason, cause);
}

function onUnfreeze(world: World, action: Action): void {
  const entity = entityOf(world, action.subject);
  if (entity === undefined) return tell(world, action, 'rejected', 'it names nobody who is known');
  const released = unfreeze(entity, action.argument);
  if (released === entity) return tell(world, action, 'rejected', 'nothing of it is frozen');
  world.putEntity(released);
  if (frozenFields(released).length === 0) removeMember(world, frozenOnes, released.id);
  tell(world, action, 'opened', action.argument === '' ? 'all its fields' : action.argument);
  pursue(world, released, cause.lane, cause.time);
}

/** What was refused, and what was held because it could not be decided, is asked once more; all of it, or of one record. */
function onRedrive(world: World, action: Action): void {
  const entity = entityOf(world, action.subject);
  if (entity === undefined) return tell(world, action, 'rejected', 'it names nobody who is known');
  const one = refOf(world, action.subject);
  for (const ref of one === undefined ? livingRefs(world, entity) : [one]) {
    const quiet = Object.fromEntries(Object.entries(ref.quiet).filter(([, { why }]) => why !== 'refused'));
    world.putRef({ ...ref, quiet, held: '' });
  }
  tell(world, action, 'opened', 'what was refused is asked again');
  if (one === undefined) retryCreate(world, entity);
  pursue(world, world.living(entity.id) ?? entity, cause.lane, cause.time);
}

function onResync(world: World, action: Action): void {
  const ref = refOf(world, action.subject);
  const entity = ref === undefined ? undefined : world.living(ref.id);
  if (ref === undefined || entity === undefined) return tell(world, action, 'rejected', 'no such record is known');
  if (ref.deleted) return tell(world, action, 'rejected', 'the record is gone');
  if (!sideOf(world.rules.entities[entity.entity], ref.ref).written)
    return tell(world, action, 'rejected', 'nothing runs that calls its platform');
  const due: RefState = { ...ref, reading: true };
  world.putRef(due);
  tell(world, action, 'opened', 'it is read again');
  enqueueRef(world, due, entity, cause.lane);
}
