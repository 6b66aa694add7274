/** The one answer to an ask: it closes the ask, and what the platform returned is an observation like any other. */
import type { Ask, CreateState, EntityState, Result } from '../../schemas/types.ts';
import { created, endCreate } from './creates.ts';
import { closed } from './dirty.ts';
import { finish } from './follow.ts';
import { newRef } from './identity.ts';
import { blockedBy, parseRef, partitionKey } from './keys.ts';
import { land } from './landing.ts';
import type { Draft } from './ledger.ts';
import { onObservation } from './observations.ts';
import { addMember } from './sets.ts';
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
  const entity = world.living(ref.id);
  if (entity === undefined) {
    world.putRef({ ...ref, open: null });
    return;
  }
  const draft: Draft = { rules: world.rules.entities[entity.entity], entity, ref, changed: [], left: [] };
  land(world, draft, ask, result);
  if (result.outcome === 'gone') {
    draft.ref = { ...draft.ref, deleted: true };
    const why = result.refusals.map((refusal) => refusal.message).join('; ');
    world.journal({
      id: entity.id,
      kind: 'moved',
      source: item,
      reason: `deleted or merged on ${result.platform}; nothing is written to it any more${why === '' ? '' : `: ${why}`}`,
    });
  }
  rememberBlocked(world, draft, ask);
  finish(world, entity, draft, ask.lane, result.platformTime);
}

/** An email refused may be another record's: asked again when that record has another one. */
function rememberBlocked(world: World, draft: Draft, ask: Ask): void {
  for (const [field, quiet] of Object.entries(draft.ref.quiet)) {
    const isEmail = draft.rules.sides[parseRef(draft.ref.ref).platform].byField.get(field)?.type === 'email';
    if (isEmail && quiet.why === 'refused' && field in ask.fields && typeof quiet.asked === 'string') {
      addMember(world, blockedBy(quiet.asked), draft.ref.ref);
    }
  }
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
    left: [],
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

/**
 * Closes the ask of a result that could not be decided, so that it does not take up the window for ever, and lets nothing
 * more be written to its record: what the platform has now is not known.
 */
export function abandonResult(world: World, result: Result, reason: string): void {
  const item = result.command.slice(0, result.command.lastIndexOf('#'));
  if (item.startsWith('+')) {
    const entity = world.living(item.slice(1));
    const create = entity?.creates.find((one) => one.platform === result.platform);
    if (entity === undefined || create?.ask == null || create.ask.id !== result.command) return;
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
