/**
 * Translation between platform values and canonical values: one module for observing, asking and expecting, so that the
 * three cannot disagree.
 *
 * Links to other records stay links until they are used: a canonical owner is the ref of the user who was named, a
 * canonical account is an accountId. They are resolved when something is written or emitted, and what is not resolvable
 * yet is `undefined`: not wanted now, never cleared.
 */
import type { EntityState, RefState, Value } from '../../schemas/types.ts';
import { dateText, dateTimeText, parseDate, parseDateTime } from '../decode/time.ts';
import { accountOfLink, linkOfAccount } from './companies.ts';
import { directoryKey, isRef, parseRef } from './keys.ts';
import { directoryObjects, type Link } from './rules.ts';
import { isEmpty, sameValue } from './values.ts';
import type { World } from './world.ts';

const text = (value: Value): string => (typeof value === 'object' ? (value ?? []).join(';') : String(value));

/**
 * Unix seconds of a date or datetime; a date stands for 00:00 UTC, so that it never shifts a day. What is no date, or names
 * no zone, says no moment: `Date` would guess one, by the time zone of the machine, and two machines must come to the same.
 */
function toSeconds(value: string): number | null {
  const ms = parseDateTime(value) ?? parseDate(value);
  return ms === undefined ? null : Math.floor(ms / 1000);
}

/** Salesforce's spelling of Unix seconds; null outside of the years 1 to 9999, which no date field takes. */
function fromSeconds(seconds: number, withTime: boolean): string | null {
  if (!(seconds >= -62_135_596_800 && seconds < 253_402_300_800)) return null;
  return withTime ? `${dateTimeText(seconds * 1000)}+0000` : dateText(seconds * 1000);
}

export type Fields = EntityState['fields'];

/** What is known besides the value itself. */
export interface Known {
  /** Canonical fields as they are. */
  readonly fields?: Fields;
  /** What the same field said before; undefined at first sight. */
  readonly before?: Value | undefined;
}

/**
 * Canonical values that a platform value stands for. Empty text is no value. A field that is left out is one that the
 * value says nothing of: its link names what is not known, or a part of it cannot be told from what stands.
 */
export function fromPlatform(
  world: World,
  link: Link,
  value: Value,
  { fields = {}, before }: Known = {},
): Readonly<Record<string, Value>> {
  const [name = ''] = link.canonical;
  if (link.canonical.length === 0) return {};
  if (link.type === 'fullName') return partsOf(link, value, fields);
  const read =
    link.type === 'account'
      ? accountOfLink(world, link.platform, value, fields[name]?.value, before)
      : isEmpty(value)
        ? null
        : readValue(world, link, value);
  return read === undefined ? {} : { [name]: read };
}

function readValue(world: World, link: Link, value: Value): Value | undefined {
  switch (link.type) {
    case 'owner':
      return ownerNamed(world, link, value);
    case 'date':
    case 'datetime':
      return typeof value === 'number' ? (fromSeconds(value, link.type === 'datetime') ?? undefined) : text(value);
    case 'set':
      return itemsOf(value);
    case 'integer':
    case 'number':
      // Attributes that were text once may still hold digits.
      return typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
    default:
      return value;
  }
}

/** Items of a set, each once and in order, however they are written. */
function itemsOf(value: Value): Value {
  const items = typeof value === 'object' ? (value ?? []) : text(value).split(';');
  const kept = [...new Set(items.map((item) => item.trim()).filter((item) => item !== ''))].sort();
  return kept.length > 0 ? kept : null;
}

/**
 * First and last name of a joined name. What equals the parts joined says nothing new of where one ends; of a changed
 * name the part that still stands stays ("Mary Ann" + "Lee" → "Mary Ann Low": a new last name), else the last word is
 * the last name. An empty name says nothing: it is no reason to forget both parts, of which Salesforce requires one.
 */
function partsOf(link: Link, value: Value, fields: Fields): Readonly<Record<string, Value>> {
  const words = wordsOf(value);
  if (words.length === 0) return {};
  const [firstName = '', lastName = ''] = link.canonical;
  const [first, last] = [firstName, lastName].map((name) => wordsOf(fields[name]?.value ?? null)) as [
    string[],
    string[],
  ];
  const stands = (name: string): Value => fields[name]?.value ?? null;
  if (sameValue([...first, ...last], words)) return { [firstName]: stands(firstName), [lastName]: stands(lastName) };
  const whole = (part: readonly string[]): Value => (part.length > 0 ? part.join(' ') : null);
  if (first.length > 0 && first.length < words.length && sameValue(words.slice(0, first.length), first))
    return { [firstName]: stands(firstName), [lastName]: whole(words.slice(first.length)) };
  if (last.length > 0 && last.length < words.length && sameValue(words.slice(-last.length), last))
    return { [firstName]: whole(words.slice(0, -last.length)), [lastName]: stands(lastName) };
  return { [firstName]: whole(words.slice(0, -1)), [lastName]: whole(words.slice(-1)) };
}

const wordsOf = (value: Value): string[] =>
  isEmpty(value)
    ? []
    : text(value)
        .split(/\s+/)
        .filter((word) => word !== '');

/**
 * The platform value wanted for a link; `undefined` when it cannot be said (an account that has no company there, an
 * owner who is no teammate, what the platform cannot do without). `seen` is what stands there now: where it says the same
 * it is what is wanted, spelled as it is. `id`: the customer's, for what only concerns them.
 */
export function toPlatform(
  world: World,
  link: Link,
  fields: Fields,
  seen: Value | undefined,
  id = '',
): Value | undefined {
  if (link.canonical.every((name) => fields[name] === undefined) || isIssued(link)) return undefined;
  const value = fields[link.canonical[0] ?? '']?.value ?? null;
  if (link.type === 'account') return linkOfAccount(world, link.platform, value, seen, id);
  const wanted =
    link.type === 'fullName'
      ? joined(link.canonical.map((name) => fields[name]?.value ?? null))
      : link.type === 'owner'
        ? ownerThere(world, link, value)
        : scalar(link, value);
  if (wanted === undefined || (isEmpty(wanted) && isRequired(link))) return undefined;
  // Most fields stand as they should, and to find out what a value says is most of the work.
  if (sameValue(seen, wanted)) return wanted;
  return seen !== undefined && saysThat(world, link, seen, fields) ? seen : wanted;
}

const joined = (parts: readonly Value[]): Value => parts.flatMap(wordsOf).join(' ') || null;

/** Does what stands there say what is wanted, if not to the letter? */
function saysThat(world: World, link: Link, seen: Value, fields: Fields): boolean {
  const says = fromPlatform(world, link, seen, { fields });
  return link.canonical.every((name) => {
    const told = says[name];
    return told !== undefined && sameMeaning(world, link, told, fields[name]?.value ?? null);
  });
}

function sameMeaning(world: World, link: Link, a: Value, b: Value): boolean {
  if (sameValue(a, b)) return true;
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) && isEmpty(b);
  switch (link.type) {
    case 'email':
      return text(a).toLowerCase() === text(b).toLowerCase();
    case 'date':
      return text(a).slice(0, 10) === text(b).slice(0, 10);
    case 'datetime':
      // Intercom knows no fractions of a second.
      return toSeconds(text(a)) !== null && toSeconds(text(a)) === toSeconds(text(b));
    case 'set':
      return sameValue(itemsOf(a), itemsOf(b));
    case 'owner':
      return ownerEmail(world, a) !== null && ownerEmail(world, a) === ownerEmail(world, b);
    default:
      return false;
  }
}

/** Fields that a platform does not take empty: the last value stays. Names and owners: Salesforce; emails: Intercom. */
const requiredBySalesforce = new Set(['LastName', 'Name', 'OwnerId']);

function isRequired(link: Link): boolean {
  // Intercom's description does not allow null there.
  return link.platform === 'salesforce' ? requiredBySalesforce.has(link.field) : link.field === 'email';
}

/** Given out by the platform and never written. */
const isIssued = (link: Link): boolean => link.platform === 'salesforce' && link.field === 'Id';

/** undefined: it cannot be spelled there. */
function scalar(link: Link, value: Value): Value | undefined {
  if (isEmpty(value)) return isNeverEmpty(link) ? false : null;
  switch (link.type) {
    case 'email':
      // Intercom stores e-mail addresses in lower case: asking for another spelling would never settle.
      return link.platform === 'intercom' ? text(value).toLowerCase() : value;
    case 'date':
      return link.platform === 'salesforce'
        ? text(value).slice(0, 10)
        : (toSeconds(text(value).slice(0, 10)) ?? undefined);
    case 'datetime':
      return link.platform === 'salesforce' ? value : (toSeconds(text(value)) ?? undefined);
    case 'set':
      return link.platform === 'salesforce' ? itemsOf(value) : text(itemsOf(value));
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : value;
    default:
      if (link.platform === 'intercom') return typeof value === 'object' ? text(value) : value;
      // Salesforce cuts white space at both ends.
      return typeof value === 'string' ? value.trim() || null : value;
  }
}

/** Salesforce's checkboxes and Intercom's own are ticked or not, never empty. */
const isNeverEmpty = (link: Link): boolean =>
  link.type === 'optOut' || (link.type === 'boolean' && (link.platform === 'salesforce' || !isAttribute(link)));

const isAttribute = (link: Link): boolean => link.field.startsWith('custom_attributes.');

// ---- owners: people who work in both platforms, known by their email.

const directoryObject = { salesforce: 'User', intercom: 'admin' } as const;

/** An owner is written into an attribute by email, and into the platform's own field by id. */
export const isOwnerEmail = (link: Link): boolean => link.platform === 'intercom' && isAttribute(link);

/** The ref that an owner's value names; undefined: an email that is in no directory. */
function ownerNamed(world: World, link: Link, value: Value): Value | undefined {
  const prefix = `${link.platform}:${directoryObject[link.platform]}:`;
  if (isOwnerEmail(link)) {
    const entries = world.items(directoryKey(text(value)));
    return entries.find((ref) => ref.startsWith(prefix)) ?? entries[0];
  }
  // From 2.16 on Intercom spells "nobody" as 0.
  return value === 0 ? null : `${prefix}${text(value)}`;
}

function ownerThere(world: World, link: Link, owner: Value): Value | undefined {
  if (isEmpty(owner)) return null;
  const email = ownerEmail(world, owner);
  if (email === null) return undefined;
  if (isOwnerEmail(link)) return email;
  const prefix = `${link.platform}:${directoryObject[link.platform]}:`;
  const there = world.items(directoryKey(email)).find((ref) => ref.startsWith(prefix));
  // Who is no teammate there cannot be written, which is no reason to take the record from whoever has it.
  if (there === undefined) return undefined;
  const id = parseRef(there).id;
  return link.platform === 'intercom' ? Number(id) : id;
}

/**
 * Email of a canonical owner (the ref of a user or admin); null when the directory does not know them, and of a value
 * that is no ref: the field had another type before a change of the configuration.
 */
export function ownerEmail(world: World, owner: Value): string | null {
  if (typeof owner !== 'string' || !isRef(owner)) return null;
  const entry: RefState | undefined = world.ref(owner);
  const { platform, object } = parseRef(owner);
  const email = entry?.seen[directoryObjects[`${platform}:${object}`]?.email ?? '']?.value;
  return typeof email === 'string' && email !== '' && entry?.deleted !== true ? email.toLowerCase() : null;
}
