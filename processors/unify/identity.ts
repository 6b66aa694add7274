/**
 * Whose record is it? A record that is seen for the first time belongs
 *
 * 1. to the customer of a record that was merged or converted into it (merge.ts);
 * 2. to the customer that it names: by our id, which we write into records, or by the id of its Salesforce record; but not
 *    where that one has a living record of this kind already;
 * 3. to the one customer that claims its email and has no living record of this kind;
 * 4. else to a customer of its own.
 *
 * A contact and a lead are different kinds, a deleted record is none. What an operator pinned or took apart is known
 * already and is not matched anew. An email change moves a claim, not an identity; but when it makes two customers of
 * which each has what the other lacks agree, they are one (merge.ts). Where a guess would be needed the customer is
 * ambiguous: nothing of it is created or written until an operator's pin, or the others' leaving, ends it (creates.ts). So
 * it is with a customer whose record names another one: it may be a clone, with our id copied, or a second record of that
 * person, which a call of ours made that was carried out late.
 */
import type { EntityState, Observation, RefState } from '../../schemas/types.ts';
import { arrivalsOf, claimsOf, parseRef, refKey, wideId } from './keys.ts';
import { type EntityKind, type EntityRules, isLeadObject, type Side, sideOf } from './rules.ts';
import { addMember, removeMember, someMembers } from './sets.ts';
import { hashId, noPosition } from './values.ts';
import { namedBefore } from './waiting.ts';
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
    reading: false,
    moved: false,
    waiting: [],
    into: null,
    bound: 'rule',
    looked: [],
    decided: [],
    attached: [],
    entries: [],
  };
}

// ---- what a customer is made of

export function livingRefs(world: World, entity: EntityState): readonly RefState[] {
  return entity.refs.flatMap((ref) => {
    const state = world.ref(ref);
    return state === undefined || state.deleted ? [] : [state];
  });
}

export const isAlive = (world: World, entity: EntityState): boolean =>
  entity.refs.some((ref) => world.ref(ref)?.deleted === false);

/** salesforce:Contact, salesforce:Lead, intercom:contact */
export const kindOf = (ref: string): string => ref.slice(0, ref.lastIndexOf(':'));

const hasKind = (world: World, entity: EntityState, ref: string): boolean =>
  livingRefs(world, entity).some((other) => kindOf(other.ref) === kindOf(ref));

/** Records that are gone, of which a customer lists no more than this. */
const goneListed = 200;

/**
 * The records of a customer, sorted. Of very many that are gone (a contact may be deleted and made anew every night) the
 * oldest are listed no more, but for the newest of each kind, which holds its place. Their own state leads to the customer
 * all the same, and who is back is listed again.
 */
export function listRefs(world: World, names: readonly string[]): readonly string[] {
  const refs = [...new Set(names)].sort();
  if (refs.length <= goneListed) return refs;
  world.load(refs.map(refKey));
  const gone = refs
    .flatMap((name) => world.ref(name) ?? [])
    .filter((ref) => ref.deleted)
    .sort((a, b) => b.newest.time - a.newest.time || (a.ref < b.ref ? -1 : 1));
  const dropped = new Set<string>();
  const kinds = new Set<string>();
  for (const [n, { ref }] of gone.entries()) {
    if (n >= goneListed && kinds.has(kindOf(ref))) dropped.add(ref);
    kinds.add(kindOf(ref));
  }
  return refs.filter((name) => !dropped.has(name));
}

/** Fetches the records of a customer together: after a take-over each of them would be missed by itself. */
export function loadRefs(world: World, entity: EntityState): void {
  if (entity.refs.length > 2) world.load(entity.refs.map(refKey));
}

/** A lead of either platform: a person who is there, and for whom nothing is created elsewhere. */
export const isLead = (rules: EntityRules, ref: RefState): boolean =>
  isLeadObject(rules, ref.ref) || ref.seen['role']?.value === 'lead';

/**
 * The contact leads: the lead of somebody who has a contact is read and not written. Besides, a lead about to be converted
 * is told of after its contact in the same transaction, and can be written no more.
 */
export function isSecondary(world: World, entity: EntityState, ref: string): boolean {
  const rules = world.rules.entities[entity.entity];
  return (
    isLeadObject(rules, ref) &&
    livingRefs(world, entity).some((other) => kindOf(other.ref) === `salesforce:${rules.sides.salesforce.object}`)
  );
}

const isApart = (world: World, entity: EntityState): boolean =>
  livingRefs(world, entity).some((ref) => ref.bound === 'apart');

/** May a record of a platform be what a create of the entity made there, which was asked for and not answered? */
const isMadeFor = (entity: EntityState, ref: string): boolean =>
  entity.creates.some(({ platform, ask }) => platform === parseRef(ref).platform && ask !== null);

/** May two customers be one? Only if no guess is needed to say which of two records of a kind is the person's. */
export function mayJoin(world: World, a: EntityState, b: EntityState): boolean {
  if (a.id === b.id || a.entity !== b.entity || isApart(world, a) || isApart(world, b)) return false;
  const kinds = new Set(livingRefs(world, a).map((ref) => kindOf(ref.ref)));
  return livingRefs(world, b).every((ref) => !kinds.has(kindOf(ref.ref)));
}

/** Kinds of which a customer has more than one living record, with those records. */
export function twofold(world: World, entity: EntityState): ReadonlyMap<string, readonly string[]> {
  const kinds = new Map<string, string[]>();
  for (const { ref } of livingRefs(world, entity)) kinds.set(kindOf(ref), [...(kinds.get(kindOf(ref)) ?? []), ref]);
  return new Map([...kinds].filter(([, refs]) => refs.length > 1));
}

// ---- the match of a record seen for the first time

/** The entity of a new ref: matched, else founded. It is not stored yet. */
export function entityFor(world: World, kind: EntityKind, ref: string, observation: Observation | null): EntityState {
  const match = (observation === null ? undefined : matchOf(world, kind, observation)) ?? byNamesake(world, kind, ref);
  if (match === undefined) return found(world, kind, ref);
  world.journal({ id: match.entity.id, kind: 'linked', source: ref, reason: match.reason });
  return { ...match.entity, refs: listRefs(world, [...match.entity.refs, ref]) };
}

interface Match {
  readonly entity: EntityState;
  readonly reason: string;
}

function matchOf(world: World, kind: EntityKind, observation: Observation): Match | undefined {
  const arrived = byArrival(world, observation.ref);
  if (arrived !== undefined) return { entity: arrived, reason: 'merged or converted into it' };
  const isFree = (entity: EntityState | undefined): entity is EntityState =>
    entity?.entity === kind && !hasKind(world, entity, observation.ref);
  const free = (entity: EntityState | undefined): entity is EntityState => isFree(entity) && !isApart(world, entity);
  const named = byMarker(world, kind, observation.ref, observation.fields);
  // Told of before the answer to the create of somebody who was taken apart: that is no match, it is what was made for them.
  if (free(named) || (isFree(named) && isMadeFor(named, observation.ref))) return { entity: named, reason: 'marker' };
  const claimant = byEmail(world, kind, observation);
  return free(claimant) ? { entity: claimant, reason: 'email' } : undefined;
}

/** Account of the company that named this Salesforce account before it was seen. */
function byNamesake(world: World, kind: EntityKind, ref: string): Match | undefined {
  const entity = kind === 'account' && parseRef(ref).platform === 'salesforce' ? namedBefore(world, ref) : undefined;
  if (entity === undefined || hasKind(world, entity, ref) || isApart(world, entity)) return undefined;
  return { entity, reason: 'its company names it' };
}

/** Customer of what was merged or converted into this record before it was seen. */
function byArrival(world: World, ref: string): EntityState | undefined {
  for (const waiting of world.items(arrivalsOf(ref))) {
    const ended = world.ref(waiting);
    const entity = ended?.into === ref && ended.id !== '' ? world.living(ended.id) : undefined;
    if (entity !== undefined) return entity;
  }
  return undefined;
}

/** Customer that a record names: by our id, else by the id of its Salesforce record. */
export function byMarker(
  world: World,
  kind: EntityKind,
  ref: string,
  fields: Observation['fields'],
): EntityState | undefined {
  const rules = world.rules.entities[kind];
  const side = sideOf(rules, ref);
  const marker = fields[side.marker];
  const named = typeof marker === 'string' && marker !== '' ? world.living(marker) : undefined;
  return named ?? bySalesforceId(world, rules, side, ref, fields);
}

function bySalesforceId(
  world: World,
  rules: EntityRules,
  side: Side,
  ref: string,
  fields: Observation['fields'],
): EntityState | undefined {
  const { platform } = parseRef(ref);
  const [name] = rules.sides.salesforce.byField.get('Id')?.canonical ?? [];
  const link = side.links.find((one) => name !== undefined && one.canonical.includes(name));
  const value = platform === 'salesforce' || link === undefined ? undefined : fields[link.field];
  if (typeof value !== 'string' || value === '') return undefined;
  for (const one of [rules.sides.salesforce, rules.lead]) {
    const id = one === null ? '' : (world.ref(`salesforce:${one.object}:${wideId(value.trim())}`)?.id ?? '');
    if (id !== '') return world.living(id);
  }
  return undefined;
}

/** Another customer that a living record of this one names, and that record; not one of whom an operator said whose it is. */
export function namesakeOf(
  world: World,
  entity: EntityState,
): { readonly named: EntityState; readonly ref: string } | undefined {
  for (const { ref, bound, seen } of livingRefs(world, entity)) {
    const fields = Object.fromEntries(Object.entries(seen).map(([field, { value }]) => [field, value]));
    const named = bound === 'rule' ? byMarker(world, entity.entity, ref, fields) : undefined;
    if (named !== undefined && named.id !== entity.id && named.entity === entity.entity) return { named, ref };
  }
  return undefined;
}

function byEmail(world: World, kind: EntityKind, observation: Observation): EntityState | undefined {
  const side = sideOf(world.rules.entities[kind], observation.ref);
  const link = side.links.find((one) => one.type === 'email');
  const email = link === undefined ? undefined : observation.fields[link.field];
  if (kind !== 'customer' || typeof email !== 'string' || email === '') return undefined;
  const [only, ...others] = someMembers(world, claimsOf(email), 2);
  return only === undefined || others.length > 0 ? undefined : world.living(only);
}

/** A customer of its own, in the first generation that was never used. */
export function found(world: World, kind: EntityKind, ref: string): EntityState {
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
    entries: [],
  };
}

// ---- claims

/** Canonical email as it is claimed; empty for none, and for accounts. */
export function emailOf(entity: EntityState | undefined): string {
  const value = entity?.entity === 'customer' && entity.mergedInto === null ? entity.fields['email']?.value : null;
  return typeof value === 'string' ? value.trim().toLowerCase() : '';
}

/**
 * Keeps the claims in line with the canonical email. Only customers with a living record claim: else the successor of
 * somebody who is gone would be ambiguous for ever. Returns the emails whose claimants changed.
 */
export function moveEmailClaim(world: World, before: EntityState | undefined, after: EntityState): readonly string[] {
  const old = emailOf(before);
  const now = emailOf(after);
  if (old === now) return [];
  if (old !== '') removeMember(world, claimsOf(old), after.id);
  if (now === '' || !isAlive(world, after)) return old === '' ? [] : [old];
  addMember(world, claimsOf(now), after.id);
  return old === '' ? [now] : [old, now];
}
