/**
 * What Intercom says, as observations. Pure.
 *
 * The same record is spelt differently by its two voices: REST tells times as Unix seconds, webhooks as ISO text with
 * milliseconds; REST 2.14 tells owners as numbers, 2.16 as text; an empty phone is `null` here and `""` there. All of it
 * is brought to one spelling, because a difference in spelling would look like somebody's edit.
 */
import { TributaryError } from '../../core/errors.ts';
import { changeOf } from '../../schemas/change.ts';
import type { Change, Observation, RawRecord, Source, SourceMark, Value } from '../../schemas/types.ts';
import { parseDateTime } from './time.ts';

export type IntercomObject = 'contact' | 'company' | 'admin';

type Json = Readonly<Record<string, unknown>>;

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

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: unknown): Value => (typeof value === 'string' && value !== '' ? value : null);

const number = (value: unknown): Value => {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value !== '' && Number.isFinite(Number(value)) ? Number(value) : null;
};

/** Relationship attributes are objects (`{type: "Order.list", …}`): kept as their JSON, so that a change of them is seen. */
function attribute(value: unknown): Value {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return value === null || value === undefined ? null : JSON.stringify(value);
}

function attributes(json: Json): Record<string, Value> {
  const fields: Record<string, Value> = {};
  if (!isRecord(json['custom_attributes'])) return fields;
  for (const [name, value] of Object.entries(json['custom_attributes']))
    fields[`custom_attributes.${name}`] = attribute(value);
  return fields;
}

/** Unix seconds or ISO text → ms; undefined when it is neither. */
function instant(value: unknown): { readonly ms: number; readonly second: boolean } | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return { ms: value * 1000, second: true };
  if (typeof value !== 'string') return undefined;
  const ms = parseDateTime(value);
  return ms === undefined ? undefined : { ms, second: false };
}

/** Ids of an embedded list, sorted; undefined where the list is cut (at 10, `has_more`) or not there. */
export function embeddedIds(list: unknown): readonly string[] | undefined {
  if (!isRecord(list) || !Array.isArray(list['data']) || list['has_more'] === true) return undefined;
  const ids: string[] = [];
  for (const entry of list['data']) if (isRecord(entry)) ids.push(String(entry['id']));
  return ids.sort();
}

function contactFields(json: Json): Record<string, Value> {
  const companies = embeddedIds(json['companies']);
  return {
    email: text(json['email']),
    phone: text(json['phone']),
    name: text(json['name']),
    external_id: text(json['external_id']),
    role: text(json['role']),
    owner_id: number(json['owner_id']),
    unsubscribed_from_emails: json['unsubscribed_from_emails'] === true,
    ...(companies === undefined ? {} : { companies }),
    ...attributes(json),
  };
}

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
    whole: true,
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
const gone = (record: RawRecord): Observation => ({
  ref: intercomRef(record.object, record.recordId),
  op: 'deleted',
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
  into: null,
});

const objects: ReadonlySet<string> = new Set<IntercomObject>(['contact', 'company', 'admin']);
const isObject = (name: string): name is IntercomObject => objects.has(name);

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new TributaryError('PAYLOAD_UNDECODABLE', 'the body of an Intercom record is not JSON', { cause });
  }
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
    const { platform, kind, upTo, detail } = raw.value;
    return [changeOf({ kind: 'mark', source, mark: { platform, kind, upTo, detail } })];
  }
  const record = raw.value;
  if (!isObject(record.object))
    throw new TributaryError('PAYLOAD_UNDECODABLE', `Intercom object ${record.object} is not one we read`);
  const observation = record.deleted
    ? gone(record)
    : observeIntercom(record.object, parse(record.body), {
        via: record.reason === 'webhook' ? 'event' : 'read',
        at: record.takenAt,
      });
  return [changeOf({ kind: 'observation', source, observation })];
}
