/**
 * Which account a person belongs to, where Salesforce names one (AccountId) and Intercom keeps a list of companies.
 *
 * A company counts as an account when its account lives in Salesforce, or will be created there. Companies that do not
 * count are somebody else's: they are neither looked at nor detached. Of several that count one is the person's account:
 * the one they have for as long as its company is attached; when it is detached, the one that was attached instead, else
 * the only one left, else the one with the lowest id (Intercom gives out ids in the order of creation: its oldest), else
 * none. Moving a person attaches the company of the new account and detaches that of the account they left, nothing else.
 */
import type { EntityState, RefState, Value } from '../../schemas/types.ts';
import { hasText } from '../flows/flow.ts';
import { entityKey, leftBy, parseRef, refKey } from './keys.ts';
import type { EntityRules, Link } from './rules.ts';
import { sameValue } from './values.ts';
import type { Platform, World } from './world.ts';

/** Accounts that a person left and whose company may still be attached. */
const leftKept = 20;

/** Ids of a link: of one record, or of a list. */
export const idsOf = (value: Value | undefined): readonly string[] =>
  Array.isArray(value) ? (value as readonly string[]) : value == null || value === '' ? [] : [String(value)];

/** Ref of the account or company that a link of a platform names. */
export const companyRef = (world: World, platform: Platform, id: string): string =>
  `${platform}:${world.rules.entities.account.sides[platform].object}:${id}`;

/** The account, as it lives now, that a record of a platform belongs to. */
export function accountAt(world: World, platform: Platform, id: string): EntityState | undefined {
  const ref = world.ref(companyRef(world, platform, id));
  return ref?.entity === 'account' && ref.id !== '' ? world.living(ref.id) : undefined;
}

/** Platform ids of the records of an account that are there, in order. */
function homesOf(world: World, account: EntityState, platform: Platform): readonly string[] {
  const prefix = companyRef(world, platform, '');
  const refs = account.refs.filter((ref) => ref.startsWith(prefix));
  if (refs.length > 1) world.load(refs.map(refKey));
  return refs.filter((ref) => world.ref(ref)?.deleted === false).map((ref) => parseRef(ref).id);
}

/** Does Salesforce have the account, or will it? */
export function countsAsAccount(world: World, account: EntityState): boolean {
  if (homesOf(world, account, 'salesforce').length > 0) return true;
  return world.rules.entities.account.sides.salesforce.creates && hasText(account, 'name');
}

/** Loads the accounts behind a list of companies in a few round trips instead of some for each. */
function loadAccounts(world: World, platform: Platform, ids: readonly string[]): void {
  if (ids.length < 2) return;
  const companies = ids.map((id) => companyRef(world, platform, id));
  world.load(companies.map(refKey));
  const accounts = companies.flatMap((ref) => world.ref(ref)?.id || []);
  world.load(accounts.map(entityKey));
  world.load(accounts.flatMap((id) => world.living(id)?.refs ?? []).map(refKey));
}

/** Ids of the accounts behind the companies of a list that count, without `current`. */
function otherAccounts(world: World, ids: readonly string[], current: EntityState | undefined): readonly string[] {
  loadAccounts(world, 'intercom', ids);
  const accounts = ids.flatMap((id) => {
    if (world.ref(companyRef(world, 'intercom', id))?.deleted !== false) return [];
    const account = accountAt(world, 'intercom', id);
    return account !== undefined && account.id !== current?.id && countsAsAccount(world, account) ? [account.id] : [];
  });
  return [...new Set(accounts)];
}

/**
 * accountId of what a person's link says; null: no account; undefined: it says nothing of it. `current`: the account that
 * the person has, `before`: what the link said before, undefined at first sight.
 */
export function accountOfLink(
  world: World,
  platform: Platform,
  value: Value,
  current: Value | undefined,
  before: Value | undefined,
): Value | undefined {
  const now = [...idsOf(value)].sort();
  const account = typeof current === 'string' ? world.living(current) : undefined;
  if (platform === 'salesforce') {
    const named = now[0] === undefined ? null : accountAt(world, platform, now[0])?.id;
    // An account that was merged into another is the same one.
    return named !== undefined && named === account?.id ? current : named;
  }
  const homes = account === undefined ? [] : homesOf(world, account, platform);
  const shows = (ids: readonly string[]): boolean => ids.some((id) => homes.includes(id));
  const others = otherAccounts(world, now, account);
  const known = otherAccounts(world, idsOf(before), account);
  const attached = others.filter((id) => !known.includes(id));
  if (world.rules.primaryCompany === 'attached' && before !== undefined && attached.length === 1) return attached[0];
  if (account !== undefined && shows(now)) return current;
  if (shows(idsOf(before))) return (attached.length === 1 ? attached[0] : others[0]) ?? null;
  // The account that the person has was not shown before either: its company is still to be attached.
  if (attached.length === 0) return account === undefined && now.length === 0 ? null : undefined;
  return attached[0];
}

/** Would attaching one more company to these say which account a person belongs to, if it had one? Not beside that of their own. */
export function isTelling(
  world: World,
  platform: Platform,
  ids: readonly string[],
  current: Value | undefined,
): boolean {
  const account = typeof current === 'string' ? world.living(current) : undefined;
  const homes = account === undefined ? [] : homesOf(world, account, platform);
  return world.rules.primaryCompany === 'attached' || !ids.some((id) => homes.includes(id));
}

/** The link wanted for an account; undefined while it has no record there. `id`: the person's, of whom `seen` was seen. */
export function linkOfAccount(
  world: World,
  platform: Platform,
  accountId: Value,
  seen: Value | undefined,
  id: string,
): Value | undefined {
  const account = typeof accountId === 'string' ? world.living(accountId) : undefined;
  const homes = account === undefined ? [] : homesOf(world, account, platform);
  if (account !== undefined && homes.length === 0) return undefined;
  const standing = idsOf(seen);
  if (platform === 'salesforce') return standing.some((one) => homes.includes(one)) ? seen : (homes[0] ?? null);
  const kept = standing.filter((company) => {
    const other = accountAt(world, platform, company);
    return other === undefined || other.id === account?.id || !wasLeft(world, id, other.id);
  });
  const missing = kept.some((company) => homes.includes(company)) ? [] : homes.slice(0, 1);
  if (seen !== undefined && missing.length === 0 && kept.length === standing.length) return seen;
  return [...new Set([...kept, ...missing])].sort();
}

// ---- accounts that a person left: the only ones whose companies are detached.

const wasLeft = (world: World, id: string, accountId: string): boolean =>
  id !== '' && world.items(leftBy(id)).some((left) => world.living(left)?.id === accountId);

const accountLink = (rules: EntityRules, platform: Platform): Link | undefined =>
  rules.sides[platform].links.find((link) => link.type === 'account');

/**
 * Keeps in mind which account was left, until its company is seen to be detached. `was`, `is`: the record decided upon,
 * before and after.
 */
export function rememberLeft(
  world: World,
  before: EntityState | undefined,
  after: EntityState,
  was: RefState | undefined,
  is: RefState,
): void {
  const link = accountLink(world.rules.entities.customer, 'intercom');
  if (link === undefined) return;
  const old = before?.fields['account']?.value;
  const now = after.fields['account']?.value ?? null;
  const shown = (ref: RefState | undefined): Value | undefined => ref?.seen[link.field]?.value;
  const answered = was?.open != null && (was.open.verb === 'read' || link.field in was.open.fields);
  const told = answered || !sameValue(shown(was), shown(is));
  if ((old ?? null) === now && !told) return;
  const items = world.items(leftBy(after.id));
  const left = typeof old === 'string' && old !== now ? [...items.filter((one) => one !== old), old] : items;
  const kept = left.filter((one) => one !== now && mayBeAttached(world, link, after, one)).slice(-leftKept);
  if (!sameValue(kept, items)) world.putItems(leftBy(after.id), kept);
}

/**
 * The person was attached to a company whose account does not count for them: the owner said otherwise, or somebody
 * later. It is detached as if the account had been left.
 */
export function disown(world: World, id: string, accountId: string): void {
  const items = world.items(leftBy(id)).filter((one) => one !== accountId);
  world.putItems(leftBy(id), [...items, accountId].slice(-leftKept));
}

/** Is a company of the account attached to the person, or may an ask under way attach it? */
function mayBeAttached(world: World, link: Link, customer: EntityState, accountId: string): boolean {
  if (customer.creates.some((create) => create.platform === link.platform && create.ask !== null)) return true;
  const account = world.living(accountId)?.id;
  return customer.refs.some((name) => {
    const ref = name.startsWith(`${link.platform}:`) ? world.ref(name) : undefined;
    if (ref === undefined || ref.deleted) return false;
    if (ref.open !== null && link.field in ref.open.fields) return true;
    // A call in doubt may be carried out again, long after another one has detached it.
    if (ref.landed.some((ask) => ask.doubt && link.field in ask.expected)) return true;
    // What is attached is about to be told.
    if (ref.reading || ref.open?.verb === 'read') return true;
    return idsOf(ref.seen[link.field]?.value).some((id) => accountAt(world, link.platform, id)?.id === account);
  });
}
