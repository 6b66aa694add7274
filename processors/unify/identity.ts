/**
 * Whose record is it? A new ref belongs to the customer that its marker names (our id, written into records we made),
 * else to the one customer that claims its email and has no record of this kind yet; else it founds its own. An email
 * change moves a claim, not an identity. Where a guess would be needed nothing is written (creates.ts).
 */
import type { EntityState, Observation, RefState } from '../../schemas/types.ts';
import { claimsOf, parseRef } from './keys.ts';
import type { EntityKind, Link, Side } from './rules.ts';
import { addMember, removeMember, someMembers } from './sets.ts';
import { hashId, noPosition } from './values.ts';
import type { World } from './world.ts';

export function newRef(ref: string, entity: EntityKind | null, id: string): RefState {
  return {
    ref,
    entity,
    id,
    deleted: false,
    seen: {},
    newest: noPosition,
    quiet: {},
    open: null,
    landed: [],
    asks: 0,
    queued: null,
    held: '',
  };
}

/** The entity of a new ref: found by marker or email, else founded. Neither is stored yet. */
export function entityFor(world: World, kind: EntityKind, ref: string, observation: Observation | null): EntityState {
  const { platform } = parseRef(ref);
  const side = world.rules.entities[kind].sides[platform];
  const match =
    observation === null ? undefined : (byMarker(world, side, observation) ?? byEmail(world, kind, side, observation));
  if (match !== undefined && match.entity === kind && !hasKind(match, ref)) {
    world.journal({ id: match.id, kind: 'linked', source: ref, reason: 'marker or email' });
    return { ...match, refs: [...match.refs, ref].sort() };
  }
  return found(world, kind, ref);
}

function found(world: World, kind: EntityKind, ref: string): EntityState {
  let generation = 0;
  while (world.entity(hashId(ref, generation)) !== undefined) generation += 1;
  return {
    id: hashId(ref, generation),
    entity: kind,
    founder: ref,
    generation,
    mergedInto: null,
    refs: [ref],
    fields: {},
    version: 0,
    asks: 0,
    creates: [],
    ambiguous: [],
  };
}

function byMarker(world: World, side: Side, observation: Observation): EntityState | undefined {
  const marker = observation.fields[side.marker];
  return typeof marker === 'string' && marker !== '' ? world.living(marker) : undefined;
}

function byEmail(world: World, kind: EntityKind, side: Side, observation: Observation): EntityState | undefined {
  const link: Link | undefined = side.links.find((one) => one.type === 'email');
  const email = link === undefined ? undefined : observation.fields[link.field];
  if (kind !== 'customer' || typeof email !== 'string' || email === '') return undefined;
  const [only, ...others] = someMembers(world, claimsOf(email), 2);
  return only === undefined || others.length > 0 ? undefined : world.living(only);
}

function hasKind(entity: EntityState, ref: string): boolean {
  const prefix = ref.slice(0, ref.lastIndexOf(':') + 1);
  return entity.refs.some((other) => other.startsWith(prefix));
}

/**
 * Keeps the claims in line with the canonical email; a customer that is gone claims nothing, or its successor would be
 * ambiguous for ever. Returns customers whose claim is now the only one.
 */
export function moveEmailClaim(
  world: World,
  before: EntityState | undefined,
  after: EntityState,
  gone = false,
): readonly string[] {
  const emailOf = (entity: EntityState | undefined): string => {
    const value = entity?.fields['email']?.value;
    return typeof value === 'string' && entity?.mergedInto == null ? value.trim().toLowerCase() : '';
  };
  const old = emailOf(before);
  const now = gone ? '' : emailOf(after);
  if (old === now) return [];
  let freed: readonly string[] = [];
  if (old !== '') {
    removeMember(world, claimsOf(old), after.id);
    const rest = someMembers(world, claimsOf(old), 2);
    if (rest.length === 1) freed = rest;
  }
  if (now !== '') addMember(world, claimsOf(now), after.id);
  return freed;
}
