/**
 * Links that name what is not known yet: a company nobody has told of, an owner who is in no directory. They say nothing
 * when they are seen, and are decided again when what they name becomes known. Kept as sets by the name waited for.
 */
import type { EntityState, Position, RefState, Value } from '../../schemas/types.ts';
import { accountAt, companyRef, countsAsAccount, idsOf, isTelling } from './companies.ts';
import { edit } from './edits.ts';
import { directoryKey, waitingFor, wideId } from './keys.ts';
import type { Draft } from './ledger.ts';
import { fromPlatform, isOwnerEmail, toPlatform } from './mapping.ts';
import { type EntityRules, type Link, sideOf } from './rules.ts';
import { addMember, firstKeys, removeMember, someMembers } from './sets.ts';
import { alike, comparePositions, isEmpty, sameValue } from './values.ts';
import type { World } from './world.ts';

/** Companies that name one Salesforce account, of which a new account is linked to the only one. */
const namesakesAsked = 10;

/** What a value of a link names: refs, or `directory:<email>`. */
function namesOf(world: World, link: Link, value: Value | undefined): readonly string[] {
  if (link.type === 'account') return idsOf(value).map((id) => companyRef(world, link.platform, id));
  if (link.type === 'owner' && isOwnerEmail(link)) return idsOf(value).map((email) => directoryKey(email));
  const isCounterpart = link === counterpart(world.rules.entities.account);
  return isCounterpart ? idsOf(value).map((id) => companyRef(world, 'salesforce', wideId(id.trim()))) : [];
}

function isKnown(world: World, name: string): boolean {
  if (name.startsWith('idx:')) return world.items(name).length > 0;
  const ref = world.ref(name);
  const account = ref?.entity === 'account' && ref.id !== '' ? world.living(ref.id) : undefined;
  return account !== undefined && (name.startsWith('salesforce:') || countsAsAccount(world, account));
}

/** What a record's links name. */
function namedBy(world: World, entity: EntityState, ref: RefState): readonly string[] {
  const { links } = sideOf(world.rules.entities[entity.entity], ref.ref);
  return links.flatMap((link) => namesOf(world, link, ref.seen[link.field]?.value));
}

const namedByAll = (world: World, entity: EntityState, refs: readonly RefState[]): ReadonlySet<string> =>
  new Set(refs.flatMap((ref) => namedBy(world, entity, ref)));

/** One round trip for all of the sets, which few have more than the first slot of. */
function loadSets(world: World, names: readonly string[]): void {
  if (names.length > 1) world.load(names.flatMap((name) => firstKeys(waitingFor(name))));
}

/** Takes an entity out of the sets of those that wait for what these records name, and the others of it do not. */
export function stopWaiting(
  world: World,
  entity: EntityState,
  gone: readonly RefState[],
  stay: readonly RefState[] = [],
): void {
  const still = namedByAll(world, entity, stay);
  const names = [...namedByAll(world, entity, gone)].filter((name) => !still.has(name));
  loadSets(world, names);
  for (const name of names) removeMember(world, waitingFor(name), entity.id);
}

/** Puts an entity into the sets of those that wait: it is back, or has other records than before. */
export function waitAgain(world: World, entity: EntityState): void {
  const living = entity.refs.flatMap((name) => world.ref(name) ?? []).filter((ref) => !ref.deleted);
  const names = [...namedByAll(world, entity, living)].filter((name) => !isKnown(world, name));
  loadSets(world, names);
  for (const name of names) addMember(world, waitingFor(name), entity.id);
}

/** What was waited for was told, and `id` has been decided again: it waits no longer, if that is known now. */
export function endWait(world: World, set: string, id: string): void {
  const prefix = waitingFor('');
  if (set.startsWith(prefix) && isKnown(world, set.slice(prefix.length))) removeMember(world, set, id);
}

/** Keeps the sets of those that wait for what a changed link names. Returns the companies named that nobody has told of. */
export function rememberWaiting(
  world: World,
  entity: EntityState,
  links: readonly Link[],
  before: RefState | undefined,
  after: RefState,
): readonly string[] {
  const untold: string[] = [];
  for (const link of links) {
    const [old, now] = [before?.seen[link.field]?.value, after.seen[link.field]?.value];
    if (sameValue(old, now)) continue;
    const names = namesOf(world, link, now);
    loadSets(world, names);
    for (const name of namesOf(world, link, old))
      if (!names.includes(name)) removeMember(world, waitingFor(name), entity.id);
    for (const name of names.filter((one) => !isKnown(world, one))) {
      addMember(world, waitingFor(name), entity.id);
      if (link.type === 'account' && world.ref(name) === undefined) untold.push(name);
    }
  }
  return untold;
}

/** Companies of a person that are kept in mind until they have an account. */
const attachedKept = 20;

/** How a list of companies changed by somebody's hand. */
interface Attaching {
  readonly value: Value;
  readonly before: Value | undefined;
  readonly at: Position;
  readonly by: string;
  readonly conflict: boolean;
}

/**
 * Keeps in mind that somebody attached the person to a company that is no account yet: if it would tell their account,
 * nobody can say which before it is one, and then it is the edit that it was. Several attached at once tell nothing.
 */
export function rememberAttached(world: World, draft: Draft, link: Link, change: Attaching): void {
  const { value, before, at, by, conflict } = change;
  const { ref } = draft;
  const now = idsOf(value);
  const [company, ...more] = now.filter((id) => !idsOf(before).includes(id));
  const current = link.canonical.map((name) => draft.entity.fields[name]?.value)[0];
  const isNew =
    company !== undefined &&
    more.length === 0 &&
    !isKnown(world, companyRef(world, link.platform, company)) &&
    isTelling(world, link.platform, now, current);
  // What was attached later than this is none of it, when our writing had overtaken somebody.
  const isLater = (one: Position): boolean => comparePositions(one, at) > 0;
  const kept = ref.attached.filter(
    (one) => isLater(one.at) || (now.includes(one.company) && !(isNew && one.company === company)),
  );
  const isAdded = isNew && kept.every((one) => one.company !== company);
  if (!isAdded && kept.length === ref.attached.length) return;
  const attached = [...kept, ...(isAdded ? [{ company, at, by, conflict }] : [])].slice(-attachedKept);
  draft.ref = { ...ref, attached };
}

/** The companies that have an account now: each tells the account of the person as it would have when it was attached. */
export function decideAttached(world: World, draft: Draft, link: Link): void {
  const { ref } = draft;
  const list = idsOf(ref.seen[link.field]?.value);
  // What our writing overtook is shown by the reading that is under way.
  const isUnread = ref.reading || ref.open?.verb === 'read';
  const decided = ref.attached.filter(
    ({ company }) => isKnown(world, companyRef(world, link.platform, company)) && (list.includes(company) || !isUnread),
  );
  if (decided.length === 0) return;
  draft.ref = { ...ref, attached: ref.attached.filter((one) => !decided.includes(one)) };
  for (const { company, at, by, conflict } of decided) {
    const value = list.includes(company) ? accountAt(world, link.platform, company)?.id : undefined;
    if (value === undefined) continue;
    for (const name of link.canonical)
      edit(world, draft, name, { kind: 'change', value, time: at.time, at, by, conflict, replaces: null });
  }
}

/**
 * Weighs anew what a record shows, at the time when it was seen: a link that said nothing then fills what is still empty,
 * and the value of a platform that owns its field counts, if it has come to, or its record was gone meanwhile.
 */
export function reconsider(world: World, draft: Draft): void {
  const { rules, ref } = draft;
  for (const link of sideOf(rules, ref.ref).links) {
    const seen = ref.seen[link.field];
    if (seen === undefined) continue;
    if (link.type === 'account' && link.platform === 'intercom') decideAttached(world, draft, link);
    const { fields } = draft.entity;
    const isLink = link.type === 'account' || link.type === 'owner';
    const wanted = toPlatform(world, link, fields, seen.value);
    // Any list of companies agrees with having no account.
    if (link.type !== 'account' && wanted !== undefined && alike(wanted, seen.value)) continue;
    for (const [name, value] of Object.entries(fromPlatform(world, link, seen.value, { fields }))) {
      const current = fields[name];
      const lacks = current === undefined || (isLink && isEmpty(current.value));
      const owns = rules.fields.get(name)?.owner === link.platform && !current?.source.startsWith(`${link.platform}:`);
      if (!lacks && !owns) continue;
      edit(world, draft, name, {
        kind: 'sight',
        value,
        time: seen.at.time,
        at: seen.at,
        by: '',
        conflict: false,
        replaces: null,
      });
    }
  }
}

// ---- companies that name their Salesforce account.

/** Intercom's field that holds the Salesforce id of the record, `custom_attributes.salesforce_account_id`. */
function counterpart(rules: EntityRules): Link | undefined {
  const name = rules.sides.salesforce.byField.get('Id')?.canonical[0];
  return rules.sides.intercom.links.find((link) => name !== undefined && link.canonical.includes(name));
}

/**
 * The account that a Salesforce account seen for the first time belongs to, because one company, and only one, named it
 * before. Neither a name nor a domain is enough for that.
 */
export function namedBefore(world: World, ref: string): EntityState | undefined {
  const found = someMembers(world, waitingFor(ref), namesakesAsked).flatMap((id) => world.living(id) ?? []);
  const [only, ...more] = found.filter((entity) => entity.entity === 'account');
  return more.length > 0 ? undefined : only;
}
