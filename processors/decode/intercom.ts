/**
 * What Intercom says, as observations. Pure.
 *
 * The same record is spelt differently by its two voices: REST tells times as Unix seconds, webhooks as ISO text with
 * milliseconds; REST 2.14 tells owners as numbers, 2.16 as text; an empty phone is `null` here and `""` there. All of it
 * is brought to one spelling, because a difference in spelling would look like somebody's edit.
 */
import { TributaryError } from '../../core/errors.ts';
import { isRecord, type Json } from '../../core/json.ts';
import { changeOf } from '../../schemas/change.ts';
import type { Change, Observation, RawRecord, Source, SourceMark, Value } from '../../schemas/types.ts';
import { embeddedIds, instant, parseJson } from './intercom-json.ts';
import { readNotification, type Told, tellingsOf } from './intercom-webhook.ts';

export { embeddedIds };

export type IntercomObject = 'contact' | 'company' | 'admin';

/** Fields besides custom attributes that an observation tells: what it does not tell cannot be kept in step. */
export const standardFields: Readonly<Record<'contact' | 'company', readonly string[]>> = {
  contact: ['email', 'phone', 'name', 'external_id', 'role', 'owner_id', 'unsubscribed_from_emails', 'companies'],
  company: ['company_id', 'name', 'website', 'industry', 'size', 'plan', 'monthly_spend'],
};

/** How a record was told, and the platform's clock (ms) at that moment: the position of what carries no `updated_at`. */
export interface Telling {
  readonly via: Observation['via'];
  readonly at: number;
}

export const intercomRef = (object: string, id: string): string => `intercom:${object}:${id}`;

/** The platform's id at the end of a ref. */
export const intercomId = (ref: string): string => ref.slice(ref.lastIndexOf(':') + 1);

const text = (value: unknown): Value => (typeof value === 'string' && value !== '' ? value : null);

const number = (value: unknown): Value => {
  const told = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof told === 'number' && Number.isFinite(told) ? told : null;
};

/** Relationship attributes are objects (`{type: "Order.list", …}`): kept as their JSON, so that a change of them is seen. */
function attribute(value: unknown): Value {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number') return number(value);
  if (value === null || value === undefined) return null;
  try {
    return JSON.stringify(value);
  } catch (cause) {
    // Nested deeper than the stack: no attribute of Intercom's is.
    throw new TributaryError('PAYLOAD_UNDECODABLE', 'an Intercom attribute is nested too deeply', { cause });
  }
}

function attributes(json: Json): Record<string, Value> {
  const fields: Record<string, Value> = {};
  if (!isRecord(json['custom_attributes'])) return fields;
  for (const [name, value] of Object.entries(json['custom_attributes']))
    fields[`custom_attributes.${name}`] = attribute(value);
  return fields;
}

const contactValues: Readonly<Record<string, (value: unknown) => Value>> = {
  email: text,
  phone: text,
  name: text,
  external_id: text,
  role: text,
  owner_id: number,
  unsubscribed_from_emails: (value) => value === true,
};

/**
 * REST tells every field of a contact, the empty ones as null, and so does a webhook as far as any was seen; but a few
 * topics are documented by their name alone. What such a contact leaves out is not told, rather than empty.
 */
function contactFields(json: Json): Record<string, Value> {
  const fields: Record<string, Value> = {};
  for (const [name, value] of Object.entries(contactValues)) if (name in json) fields[name] = value(json[name]);
  const companies = embeddedIds(json['companies']);
  if (companies !== undefined) fields['companies'] = companies;
  return Object.assign(fields, attributes(json));
}

const isWholeContact = (json: Json): boolean =>
  isRecord(json['custom_attributes']) && Object.keys(contactValues).every((name) => name in json);

/** A company leaves its empty fields out over REST, and tells them as null in webhooks. */
function companyFields(json: Json): Record<string, Value> {
  const plan = json['plan'];
  return {
    company_id: text(json['company_id']),
    name: text(json['name']),
    website: text(json['website']),
    industry: text(json['industry']),
    size: number(json['size']),
    plan: isRecord(plan) ? text(plan['name']) : null,
    monthly_spend: number(json['monthly_spend']),
    ...attributes(json),
  };
}

function fieldsOf(object: IntercomObject, json: Json): Record<string, Value> {
  switch (object) {
    case 'contact':
      return contactFields(json);
    case 'company':
      return companyFields(json);
    case 'admin':
      return { email: text(json['email']), name: text(json['name']) };
  }
}

/**
 * A whole record as Intercom tells it. A company list that is cut is reported as `unknown`: taking the ten it shows for
 * all would detach the rest.
 * @throws TributaryError PAYLOAD_UNDECODABLE
 */
export function observeIntercom(object: IntercomObject, json: unknown, telling: Telling): Observation {
  if (!isRecord(json) || typeof json['id'] !== 'string' || json['id'] === '')
    throw new TributaryError('PAYLOAD_UNDECODABLE', `an Intercom ${object} without an id`, { field: 'id' });
  const updated = instant(json['updated_at']);
  if (updated === undefined && object !== 'admin')
    throw new TributaryError('PAYLOAD_UNDECODABLE', `an Intercom ${object} without updated_at`, {
      field: 'updated_at',
    });
  const fields = fieldsOf(object, json);
  return {
    ref: intercomRef(object, json['id']),
    op: 'seen',
    via: telling.via,
    whole: object !== 'contact' || isWholeContact(json),
    created: false,
    fields,
    unknown: object === 'contact' && !('companies' in fields) ? ['companies'] : [],
    at: { time: updated?.ms ?? telling.at, seq: -1, second: updated?.second ?? true },
    modified: updated?.ms ?? null,
    origin: null,
    by: null,
    transaction: null,
    into: null,
  };
}

/** The record is gone: nothing but its id is told (`contact.deleted` carries no external_id either). */
const gone = (record: RawRecord, into: string | null): Observation => ({
  ref: intercomRef(record.object, record.recordId),
  op: into === null ? 'deleted' : 'moved',
  via: record.reason === 'webhook' ? 'event' : 'read',
  whole: false,
  created: false,
  fields: {},
  unknown: [],
  at: { time: record.takenAt, seq: -1, second: true },
  modified: null,
  origin: null,
  by: null,
  transaction: null,
  into: into === null ? null : intercomRef(record.object, into),
});

const objects: ReadonlySet<string> = new Set<IntercomObject>(['contact', 'company', 'admin']);
const isObject = (name: string): name is IntercomObject => objects.has(name);

/**
 * What stands in raw for a contact that lives on as another one, where the platform says so in a header (410 and its
 * `Link`) or in the survivor's history: the survivor in the words of `contact.merged`, as far as it is known.
 */
export const mergedBody = (loser: string, survivor: string): Buffer =>
  Buffer.from(JSON.stringify({ type: 'contact', id: survivor, merged_from: { type: 'contact', id: loser } }));

function survivorOf({ recordId, body }: RawRecord): string | null {
  const told = body.length === 0 ? null : parseJson(body);
  if (!isRecord(told) || !isRecord(told['merged_from']) || told['merged_from']['id'] !== recordId) return null;
  const { id } = told;
  return typeof id === 'string' && id !== '' && id !== recordId ? id : null;
}

/** A record read over REST. */
function observeRead(object: IntercomObject, record: RawRecord): Observation {
  if (record.deleted) return gone(record, survivorOf(record));
  const json = parseJson(record.body);
  // Whether an archived contact can be read is nowhere said; if so, it is as gone as its webhook tells it.
  if (isRecord(json) && json['archived'] === true) return gone(record, null);
  return observeIntercom(object, json, { via: 'read', at: record.takenAt });
}

/** A record of a notification. Its body is the whole notification: the topic says what became of the record. */
function observeWebhook(record: RawRecord): Observation {
  const { told } = tellingsOf(readNotification(record.body));
  const one = told.find(({ object, id }) => object === record.object && id === record.recordId);
  if (one === undefined)
    throw new TributaryError('PAYLOAD_UNDECODABLE', `the notification does not tell of ${record.recordId}`);
  return observeTold(one, record);
}

function observeTold(told: Told, record: RawRecord): Observation {
  if (told.kind === 'gone') return gone(record, null);
  if (told.kind === 'merged') return gone(record, told.into);
  const seen = observeIntercom(told.object, told.json, { via: 'event', at: record.takenAt });
  if (told.kind === 'created') return { ...seen, created: true };
  if (told.kind === 'seen') return seen;
  // Back from the archive it is newer than its archiving, whether or not the platform counts that as an update.
  const at = seen.at.time < record.takenAt ? { time: record.takenAt, seq: -1, second: true } : seen.at;
  return { ...seen, op: 'undeleted', at };
}

export type IntercomRaw =
  | { readonly schema: 'RawRecord'; readonly value: RawRecord }
  | { readonly schema: 'SourceMark'; readonly value: SourceMark };

/**
 * One record of `intercom.raw` → changes.
 * @throws TributaryError PAYLOAD_UNDECODABLE
 */
export function decodeIntercom(raw: IntercomRaw, source: Source): readonly Change[] {
  if (raw.schema === 'SourceMark') {
    const { platform, kind, upTo, detail, certificate = null } = raw.value;
    return [changeOf({ kind: 'mark', source, mark: { platform, kind, upTo, detail, certificate } })];
  }
  const record = raw.value;
  if (!isObject(record.object))
    throw new TributaryError('PAYLOAD_UNDECODABLE', `Intercom object ${record.object} is not one we read`);
  const observation = record.reason === 'webhook' ? observeWebhook(record) : observeRead(record.object, record);
  return [changeOf({ kind: 'observation', source, observation })];
}
