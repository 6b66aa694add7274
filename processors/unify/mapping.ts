/**
 * Translation between platform values and canonical values: one module for observing, asking and expecting, so that the
 * three cannot disagree.
 *
 * Links to other records stay links until they are used: a canonical owner is the ref of the user who was named, a
 * canonical account is an accountId. They are resolved when something is written or emitted, and what is not resolvable
 * yet is `undefined`: not wanted now, never cleared.
 */
import type { EntityState, RefState, Value } from '../../schemas/types.ts';
import { directoryKey, parseRef } from './keys.ts';
import { directoryObjects, type Link } from './rules.ts';
import { isEmpty } from './values.ts';
import type { Platform, World } from './world.ts';

const text = (value: Value): string => (typeof value === 'object' ? (value ?? []).join(';') : String(value));

/** Unix seconds of a Salesforce date or datetime; a date stands for 00:00 UTC, so that it never shifts a day. */
function toSeconds(value: string): number | null {
  const ms = Date.parse(value.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
  return Number.isNaN(ms) ? null : Math.floor(ms / 1000);
}

/** Salesforce's spelling of Unix seconds. */
function fromSeconds(seconds: number, withTime: boolean): string {
  const iso = new Date(seconds * 1000).toISOString();
  return withTime ? iso.replace('Z', '+0000') : iso.slice(0, 10);
}

/** Canonical values that a platform value stands for. Empty text is no value. */
export function fromPlatform(world: World, link: Link, value: Value): Readonly<Record<string, Value>> {
  const [name = ''] = link.canonical;
  const plain = isEmpty(value) ? null : value;
  if (plain === null) return Object.fromEntries(link.canonical.map((field) => [field, null]));
  switch (link.type) {
    case 'marker':
      return {};
    case 'owner':
      return { [name]: `${link.platform}:${link.platform === 'salesforce' ? 'User' : 'admin'}:${text(plain)}` };
    case 'account':
      return { [name]: accountOf(world, link.platform, plain) };
    case 'fullName': {
      const words = text(plain).trim().split(/\s+/);
      const last = words.pop() ?? '';
      return { [name]: words.join(' ') || null, [link.canonical[1] ?? '']: last };
    }
    case 'date':
    case 'datetime':
      return { [name]: typeof plain === 'number' ? fromSeconds(plain, link.type === 'datetime') : text(plain) };
    case 'set': {
      const items = typeof plain === 'object' ? plain : text(plain).split(';');
      return { [name]: [...items].sort() };
    }
    case 'text':
    case 'email':
    case 'integer':
    case 'number':
    case 'boolean':
    case 'optOut':
      return { [name]: plain };
  }
}

/** accountId of what a contact's link names; the first of several for a set (sorted, so it is always the same one). */
function accountOf(world: World, platform: Platform, value: Value): Value {
  const object = world.rules.entities.account.sides[platform].object;
  const ids = typeof value === 'object' ? (value ?? []) : [text(value)];
  for (const id of ids) {
    const known = world.ref(`${platform}:${object}:${id}`);
    if (known?.entity === 'account') return known.id;
  }
  return null;
}

export type Fields = EntityState['fields'];

/**
 * The platform value wanted for a link; `undefined` when it cannot be said yet (an account that has no company there, an
 * owner who is not in the directory). `seen` is what stands there now: links made by others are left alone.
 */
export function toPlatform(world: World, link: Link, fields: Fields, seen: Value | undefined): Value | undefined {
  const field = fields[link.canonical[0] ?? ''];
  switch (link.type) {
    case 'fullName': {
      const parts = link.canonical.map((name) => fields[name]?.value ?? null).filter((part) => !isEmpty(part));
      if (link.canonical.every((name) => fields[name] === undefined)) return undefined;
      return parts.length > 0 ? parts.map(text).join(' ') : null;
    }
    case 'marker':
      return undefined;
    case 'account':
      return field === undefined ? undefined : membership(world, link, field.value, seen);
    case 'owner':
      return field === undefined ? undefined : ownerThere(world, link, field.value);
    case 'email':
      // Intercom takes no empty email (its description does not allow null there): the last one stays.
      if (link.platform === 'intercom' && isEmpty(field?.value)) return undefined;
      return field === undefined ? undefined : scalar(link, field.value);
    default:
      return field === undefined ? undefined : scalar(link, field.value);
  }
}

function scalar(link: Link, value: Value): Value {
  if (isEmpty(value)) return null;
  if (link.platform === 'salesforce') return value;
  switch (link.type) {
    case 'email':
      // Intercom stores e-mail addresses in lower case: asking for another spelling would never settle.
      return text(value).toLowerCase();
    case 'date':
    case 'datetime':
      return toSeconds(text(value));
    case 'set':
      return text(value);
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : value;
    default:
      return typeof value === 'object' ? text(value) : value;
  }
}

function membership(world: World, link: Link, accountId: Value, seen: Value | undefined): Value | undefined {
  const object = world.rules.entities.account.sides[link.platform].object;
  const account = typeof accountId === 'string' ? world.living(accountId) : undefined;
  const there = account?.refs.find((ref) => ref.startsWith(`${link.platform}:${object}:`));
  if (link.platform === 'salesforce') return account === undefined ? null : there && parseRef(there).id;
  if (account !== undefined && there === undefined) return undefined;
  // Companies that belong to none of our accounts were attached by somebody else: they stay.
  const foreign = (Array.isArray(seen) ? (seen as readonly string[]) : []).filter(
    (id) => world.ref(`${link.platform}:${object}:${id}`)?.entity !== 'account',
  );
  return [...new Set(there === undefined ? foreign : [...foreign, parseRef(there).id])].sort();
}

function ownerThere(world: World, link: Link, owner: Value): Value | undefined {
  if (isEmpty(owner)) return null;
  const email = ownerEmail(world, owner);
  if (email === null) return undefined;
  if (link.field.startsWith('custom_attributes.')) return email;
  const object = link.platform === 'salesforce' ? 'User' : 'admin';
  const there = world.items(directoryKey(email)).find((ref) => ref.startsWith(`${link.platform}:${object}:`));
  if (there === undefined) return null;
  const id = parseRef(there).id;
  return link.platform === 'intercom' ? Number(id) : id;
}

/** Email of a canonical owner (the ref of a user or admin); null when the directory does not know them. */
export function ownerEmail(world: World, owner: Value): string | null {
  if (typeof owner !== 'string') return null;
  const entry: RefState | undefined = world.ref(owner);
  const { platform, object } = parseRef(owner);
  const email = entry?.seen[directoryObjects[`${platform}:${object}`]?.email ?? '']?.value;
  return typeof email === 'string' && email !== '' && entry?.deleted !== true ? email.toLowerCase() : null;
}
