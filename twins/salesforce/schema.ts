import { createHash } from 'node:crypto';
import avsc from 'avsc';
import type { Field, ObjectType } from './metadata.ts';

/** One top-level field of a change event: a plain field, or a compound whose parts are fields of the object. */
export interface EventField {
  readonly position: number;
  readonly name: string;
  readonly parts: readonly { readonly name: string; readonly field: Field }[];
  readonly field: Field | undefined;
}

export interface EventSchema {
  readonly entity: string;
  readonly id: string;
  readonly json: string;
  readonly type: avsc.Type;
  readonly layout: readonly EventField[];
  /** The object's fields that its events carry, parts of compounds one by one. */
  readonly fields: readonly Field[];
  /** Where each of them stands in the datum, by field name. */
  readonly slots: ReadonlyMap<string, EventSlot>;
  /** A body without a value. */
  readonly empty: Readonly<Record<string, null>>;
}

interface EventSlot {
  readonly field: Field;
  readonly top: string;
  /** The part of the compound `top`, and that compound without a value. */
  readonly part?: { readonly name: string; readonly empty: Readonly<Record<string, null>> };
}

/** Account.Name is a plain string in an org that never had person accounts, a three-way union in one that has. */
export type AccountName = 'string' | 'switchable';

const nullable = (type: unknown): readonly unknown[] => ['null', type];
const strings = { type: 'array', items: 'string' };
const header = {
  name: 'ChangeEventHeader',
  type: 'record',
  fields: [
    { name: 'entityName', type: 'string' },
    { name: 'recordIds', type: strings },
    {
      name: 'changeType',
      type: {
        name: 'ChangeType',
        type: 'enum',
        symbols: [
          'CREATE',
          'UPDATE',
          'DELETE',
          'UNDELETE',
          'GAP_CREATE',
          'GAP_UPDATE',
          'GAP_DELETE',
          'GAP_UNDELETE',
          'GAP_OVERFLOW',
          'SNAPSHOT',
        ],
      },
    },
    { name: 'changeOrigin', type: 'string' },
    { name: 'transactionKey', type: 'string' },
    { name: 'sequenceNumber', type: 'int' },
    { name: 'commitTimestamp', type: 'long' },
    { name: 'commitNumber', type: 'long' },
    { name: 'commitUser', type: 'string' },
    { name: 'nulledFields', type: strings },
    { name: 'diffFields', type: strings },
    { name: 'changedFields', type: strings },
  ],
};

const compoundParts = {
  PersonName: ['Salutation', 'FirstName', 'LastName'],
  Address: ['Street', 'City', 'State', 'PostalCode', 'Country', 'Latitude', 'Longitude', 'GeocodeAccuracy'],
} as const;

const avroTypes: Record<Field['type'], readonly [avro: string, doc: string]> = {
  id: ['string', 'EntityId'],
  string: ['string', 'Text'],
  textarea: ['string', 'Text'],
  email: ['string', 'Email'],
  phone: ['string', 'Phone'],
  url: ['string', 'Url'],
  picklist: ['string', 'DynamicEnum'],
  multipicklist: ['string', 'MultiEnum'],
  boolean: ['boolean', 'Boolean'],
  int: ['int', 'Integer'],
  double: ['double', 'Double'],
  currency: ['double', 'Currency'],
  date: ['long', 'DateOnly'],
  datetime: ['long', 'DateTime'],
  reference: ['string', 'EntityId'],
  address: ['string', 'Address'],
};

/** Commit numbers pass 2^53: with BigInt no long of an event loses its last digits on the way into the bytes. */
const bigintLong = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(value);
    return buffer;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

/** Standard fields in their fixed order, then custom fields: a field added moves all that follow, as in a real org. */
export function eventLayout(object: ObjectType): readonly EventField[] {
  const byName = new Map(object.fields.map((field) => [field.name, field]));
  const custom = object.fields.filter((field) => field.name.endsWith('__c')).map((field) => field.name);
  return [...object.events, ...custom].map((name, index) => {
    const parts = object.fields.filter((field) => field.compound?.[0] === name);
    const order = compoundOrder(parts);
    return {
      position: index + 1,
      name,
      parts: order.map((part) => ({ name: part, field: partField(parts, part) })),
      field: parts.length === 0 ? byName.get(name) : undefined,
    };
  });
}

function compoundOrder(parts: readonly Field[]): readonly string[] {
  const names = new Set(parts.map((field) => field.compound?.[1]));
  const order = names.has('LastName') ? compoundParts.PersonName : compoundParts.Address;
  return parts.length === 0 ? [] : order.filter((part) => names.has(part));
}

function partField(parts: readonly Field[], name: string): Field {
  const found = parts.find((field) => field.compound?.[1] === name);
  if (found === undefined) throw new Error(`no part ${name}`);
  return found;
}

/** A named record may be spelled out once per schema; where it comes again, only its name. */
function eventAvro(layout: readonly EventField[], accountName: AccountName): readonly unknown[] {
  const defined = new Set<string>();
  const record = (name: string, parts: readonly (readonly [string, string])[]): unknown => {
    if (defined.has(name)) return name;
    defined.add(name);
    return {
      name,
      type: 'record',
      fields: parts.map(([part, type]) => ({ name: part, type: nullable(type), default: null })),
    };
  };
  const nameParts = compoundParts.PersonName.map((part) => [part, 'string'] as const);
  return layout.map(({ name, parts, field }) => {
    if (field === undefined) {
      const kind = parts.some((part) => part.name === 'LastName') ? 'PersonName' : 'Address';
      const types = parts.map((part) => [part.name, avroTypes[part.field.type][0]] as const);
      return { doc: `Data:${kind}`, name, type: nullable(record(kind, types)), default: null };
    }
    const [avro, semantic] = avroTypes[field.type];
    if (field.doc === 'Switchable_PersonName' && accountName === 'switchable') {
      return { doc: `Data:${field.doc}`, name, type: ['null', avro, record(field.doc, nameParts)], default: null };
    }
    return { doc: docOf(field, semantic), name, type: nullable(avro), default: null };
  });
}

function docOf(field: Field, semantic: string): string {
  if (field.name === 'CreatedDate') return 'CreatedDate:DateTime';
  const role = field.type === 'reference' ? 'ForeignKey' : 'Data';
  const fieldId = createHash('sha1').update(field.name).digest('base64url').replace(/[-_]/g, 'x').slice(0, 7);
  return `${role}:${field.doc === 'Switchable_PersonName' ? 'Text' : (field.doc ?? semantic)}${field.name.endsWith('__c') ? `:00NTw000${fieldId}` : ''}`;
}

/** Depends on the definition alone and takes milliseconds to compile: orgs share it. */
const compiled: Record<AccountName, WeakMap<ObjectType, EventSchema>> = {
  string: new WeakMap(),
  switchable: new WeakMap(),
};

export function eventSchema(object: ObjectType, accountName: AccountName): EventSchema {
  const known = compiled[accountName].get(object);
  if (known) return known;
  const schema = compile(object, accountName);
  compiled[accountName].set(object, schema);
  return schema;
}

function compile(object: ObjectType, accountName: AccountName): EventSchema {
  const layout = eventLayout(object);
  const schema = {
    name: `${object.name.replace(/__c$/, '__')}ChangeEvent`,
    type: 'record',
    namespace: 'com.sforce.eventbus',
    fields: [
      { doc: 'Data:ComplexValueType', name: 'ChangeEventHeader', type: header },
      ...eventAvro(layout, accountName),
    ],
  };
  const id = createHash('md5').update(JSON.stringify(schema)).digest('base64url');
  const json = JSON.stringify({ ...schema, uuid: id });
  const type = avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: 'never', registry: { long: bigintLong } });
  const slots = layout.flatMap(({ name, field, parts }): readonly EventSlot[] => {
    if (field) return [{ field, top: name }];
    const nothing = nulls(parts);
    return parts.map((part) => ({ field: part.field, top: name, part: { name: part.name, empty: nothing } }));
  });
  return {
    entity: object.name,
    id,
    json,
    type,
    layout,
    fields: slots.map(({ field }) => field),
    slots: new Map(slots.map((slot) => [slot.field.name, slot])),
    empty: nulls(layout),
  };
}

const nulls = (named: readonly { readonly name: string }[]): Readonly<Record<string, null>> =>
  Object.fromEntries(named.map(({ name }) => [name, null]));

/** Bit i is field i of the record in this very schema: whole bytes, upper case, no leading zero byte, any length. */
function bitmap(positions: readonly number[]): string {
  const hex = positions
    .reduce((bits, position) => bits | (1n << BigInt(position)), 0n)
    .toString(16)
    .toUpperCase();
  return `0x${hex.length % 2 === 0 ? hex : `0${hex}`}`;
}

/**
 * Names the fields as the header does: one bitmap over the record (absent when only parts of compounds are named),
 * then one per compound. The compound's own bit stays clear.
 */
export function fieldBitmaps(layout: readonly EventField[], names: ReadonlySet<string>): readonly string[] {
  const top = layout
    .filter(({ field }) => field !== undefined && names.has(field.name))
    .map(({ position }) => position);
  const nested = layout.flatMap(({ position, parts }) => {
    const bits = parts.flatMap((part, index) => (names.has(part.field.name) ? [index] : []));
    return bits.length === 0 ? [] : [`${position}-${bitmap(bits)}`];
  });
  return top.length === 0 ? nested : [bitmap(top), ...nested];
}
