/** Request bodies of contacts and companies: which fields can be written, of which type, and which of them null clears. */
import { type Company, type Contact, Refusal, refusals } from './types.ts';
import { atLeast } from './versions.ts';

export type Body = Readonly<Record<string, unknown>>;
type Reader = (value: unknown, field: string) => unknown;

const must = (field: string, what: string) => refusals.invalid(`${field} must be ${what}`, field);

const text: Reader = (value, field) => {
  if (typeof value !== 'string') throw must(field, 'a string');
  return value;
};
const integer: Reader = (value, field) => {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw must(field, 'an integer');
  return value;
};
const nullable =
  (read: Reader): Reader =>
  (value, field) =>
    value === null ? null : read(value, field);

const email: Reader = (value, field) => {
  if (typeof value !== 'string' || !/^[^\s@]+@[^\s@]+$/.test(value.trim())) throw must(field, 'an email address');
  return value.trim();
};
/** Null takes the person back to the default, which is to receive e-mail. */
const consent: Reader = (value, field) => {
  if (value === null) return false;
  if (typeof value !== 'boolean') throw must(field, 'a boolean');
  return value;
};
/** An int up to 2.15; 2.16 answers it as a string, so it takes one as well. */
const owner: Reader = (value, field) =>
  integer(typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value, field);
/** Floats are truncated, the type is a signed 32-bit integer. */
const spend: Reader = (value, field) => {
  if (typeof value !== 'number' || Math.trunc(value) > 2_147_483_647) throw must(field, 'at most 2147483647');
  return Math.trunc(value);
};
const role: Reader = (value, field) => {
  if (value !== 'user' && value !== 'lead') throw must(field, 'user or lead');
  return value;
};
const identifier: Reader = (value, field) => {
  if (typeof value !== 'string' || value === '') throw must(field, 'a string');
  return value;
};

/** `role`, `external_id` and `email` are not nullable in the published description: an address is changed, never taken away. */
const contactReaders: Readonly<Record<string, Reader>> = {
  role,
  external_id: identifier,
  email,
  phone: nullable(text),
  name: nullable(text),
  avatar: nullable(text),
  owner_id: nullable(owner),
  unsubscribed_from_emails: consent,
  signed_up_at: nullable(integer),
  last_seen_at: nullable(integer),
};

/** Writable from 2.15; earlier versions do not know the field. */
const newerContactReaders: Readonly<Record<string, Reader>> = {
  ...contactReaders,
  language_override: nullable(text),
};

const companyReaders: Readonly<Record<string, Reader>> = {
  name: nullable(text),
  plan: nullable(text),
  size: nullable(integer),
  website: nullable(text),
  industry: nullable(text),
  monthly_spend: nullable(spend),
};

export type ContactPatch = Partial<Omit<Contact, 'id' | 'custom_attributes' | 'companies'>>;
export type CompanyPatch = Partial<Omit<Company, 'id' | 'company_id' | 'custom_attributes'>>;

/** Fields that the platform does not know are passed over in silence, as it does for people. */
export function readContact(body: Body, version: string): ContactPatch {
  const readers = atLeast(version, '2.15') ? newerContactReaders : contactReaders;
  const patch: Record<string, unknown> = {};
  for (const [field, read] of Object.entries(readers))
    if (body[field] !== undefined) patch[field] = read(body[field], field);
  return patch;
}

/** Companies are stricter than people: an unknown parameter is an error. `company_id` can only be given to the upsert. */
export function readCompany(body: Body, call: 'upsert' | 'update'): CompanyPatch {
  const patch: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(body)) {
    if (field === 'custom_attributes' || (field === 'company_id' && call === 'upsert')) continue;
    const read = field === 'remote_created_at' && call === 'upsert' ? nullable(integer) : companyReaders[field];
    if (read === undefined) throw new Refusal(400, 'bad_request', `bad '${field}' parameter`, field);
    patch[field] = read(value, field);
  }
  return patch;
}

/** Names of the fields that differ; custom attributes one by one. */
export function changedFields(before: object, after: object): readonly string[] {
  const changed: string[] = [];
  const old = new Map<string, unknown>(Object.entries(before));
  for (const [field, value] of Object.entries(after) as [string, unknown][]) {
    const was = old.get(field);
    if (Object.is(was, value)) continue;
    if (isRecord(was) && isRecord(value)) {
      const keys = new Set([...Object.keys(was), ...Object.keys(value)]);
      changed.push(...[...keys].filter((key) => !Object.is(was[key], value[key])).map((key) => `${field}.${key}`));
    } else changed.push(field);
  }
  return changed;
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
