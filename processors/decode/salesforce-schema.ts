/**
 * What a change event's own schema says about its fields.
 *
 * Positions shift whenever an admin adds a field or Salesforce releases a version, so nothing here outlives the schema
 * of one event. Avro carries no logical types; the meaning stands only in each field's `doc` as `<role>:<type>`.
 *
 * bitmap: hex text whose bit i stands for field i of the record (the header is bit 0). nested bitmap: `<position>-0x…`,
 * over the parts of the compound at that position.
 */
import { TributaryError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { Value } from '../../schemas/types.ts';
import { dateText, dateTimeText, timeText } from './time.ts';

/** One value a change event can change: a field, or a part of a compound. */
export interface Leaf {
  /** As Salesforce spells it in events: `Email`, `Name.FirstName`. */
  readonly path: string;
  /** As REST spells it: `Email`, `FirstName`, `MailingCity`. */
  readonly name: string;
  readonly boolean: boolean;
  /** The leaf's value in a decoded body; a compound that is null has null parts. */
  read(body: Readonly<Record<string, unknown>>): Value;
}

interface Field {
  readonly name: string;
  /** The field itself where it is no compound, and the string branch of Account.Name. */
  readonly plain: Leaf | undefined;
  /** The compound's parts in order, else empty. */
  readonly parts: readonly Leaf[];
}

export interface EventSchema {
  /** Record name: `ContactChangeEvent`. */
  readonly name: string;
  readonly fields: readonly Field[];
  /** Every leaf in schema order. */
  readonly leaves: readonly Leaf[];
}

interface AvroField {
  readonly name: string;
  readonly type: unknown;
  readonly doc: string;
}
interface AvroRecord {
  readonly name: string;
  readonly fields: readonly AvroField[];
}

function asRecord(schema: unknown): AvroRecord | undefined {
  if (!isRecord(schema) || schema['type'] !== 'record') return undefined;
  const { name, fields } = schema;
  if (typeof name !== 'string' || !Array.isArray(fields)) return undefined;
  return {
    name,
    fields: fields.filter(isRecord).map((field) => ({
      name: String(field['name']),
      type: field['type'],
      doc: typeof field['doc'] === 'string' ? field['doc'] : '',
    })),
  };
}

/** `Data:DateOnly:00NDp00000BbvCb` → `DateOnly`. */
const meaning = (doc: string): string => doc.split(':')[1] ?? '';

function spell(kind: string, value: unknown): Value {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint' || typeof value === 'number') {
    const number = Number(value);
    // Avro can say NaN and infinite; no field holds either, and nothing could be written for it.
    if (!Number.isFinite(number)) return null;
    if (kind === 'DateTime') return `${dateTimeText(number)}+0000`;
    if (kind === 'DateOnly') return dateText(number);
    if (kind === 'TimeOnly') return `${timeText(number)}Z`;
    return number;
  }
  if (typeof value === 'string') return kind === 'MultiEnum' ? multiSelect(value) : value;
  if (typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(String).sort();
  throw new TributaryError('PAYLOAD_UNDECODABLE', `a change event holds a ${typeof value} where a value should stand`);
}

/** A multi-select's `b;a` as the sorted set it is: Salesforce keeps its definition's order, Intercom none. */
export function multiSelect(text: string): readonly string[] {
  return [...new Set(text.split(';').filter((entry) => entry !== ''))].sort();
}

/**
 * REST knows no compounds on write and spells their parts one by one. Standard addresses put what stands before
 * `Address` in front (Lead's is plain `Address`), custom ones hang the part in the custom name, a person's name
 * stands alone.
 */
function partName(compound: string, part: string): string {
  if (compound.endsWith('__c')) return `${compound.slice(0, -'__c'.length)}__${part}__s`;
  if (compound.endsWith('Address')) return compound.slice(0, -'Address'.length) + part;
  return part;
}

const branchesOf = (field: AvroField): readonly unknown[] => (Array.isArray(field.type) ? field.type : [field.type]);

function plainLeaf(field: AvroField, compound: boolean): Leaf {
  const kind = meaning(field.doc);
  const boolean = branchesOf(field).includes('boolean');
  return {
    path: field.name,
    name: field.name,
    boolean,
    read: (body) => {
      const value = body[field.name];
      return compound && isRecord(value) ? null : spell(kind, value);
    },
  };
}

function partLeaf(compound: AvroField, part: AvroField): Leaf {
  const kind = meaning(part.doc);
  return {
    path: `${compound.name}.${part.name}`,
    name: partName(compound.name, part.name),
    boolean: branchesOf(part).includes('boolean'),
    read: (body) => {
      const value = body[compound.name];
      return isRecord(value) ? spell(kind, value[part.name]) : null;
    },
  };
}

function parseFields(record: AvroRecord): Field[] {
  /** Address is defined where it is first used and named afterwards. */
  const named = new Map<string, AvroRecord>();
  return record.fields.map((field) => {
    const branches = branchesOf(field);
    let compound: AvroRecord | undefined;
    for (const branch of branches) {
      const defined = asRecord(branch);
      if (defined !== undefined) named.set(defined.name, defined);
      compound ??= defined ?? (typeof branch === 'string' ? named.get(branch) : undefined);
    }
    return {
      name: field.name,
      plain:
        compound === undefined || branches.includes('string') ? plainLeaf(field, compound !== undefined) : undefined,
      parts: compound?.fields.map((part) => partLeaf(field, part)) ?? [],
    };
  });
}

const known = new WeakMap<object, EventSchema>();

/** @throws TributaryError PAYLOAD_UNDECODABLE when it is not the schema of a change event. */
export function eventSchema(schema: object): EventSchema {
  const seen = known.get(schema);
  if (seen !== undefined) return seen;
  const record = asRecord(schema);
  if (record === undefined || record.fields[0]?.name !== 'ChangeEventHeader') {
    throw new TributaryError('PAYLOAD_UNDECODABLE', 'the schema is not that of a Salesforce change event');
  }
  const fields = parseFields(record);
  const leaves = fields.slice(1).flatMap((field) => (field.plain ? [field.plain, ...field.parts] : field.parts));
  const parsed = { name: record.name, fields, leaves };
  known.set(schema, parsed);
  return parsed;
}

/**
 * Account.Name is a string for a company and a record for a person: only one of the two spellings holds a value, and
 * naming the other would report a cleared field that the record does not have.
 */
function leavesOf(field: Field, body: Readonly<Record<string, unknown>>): readonly Leaf[] {
  if (field.plain === undefined) return field.parts;
  return isRecord(body[field.name]) && field.parts.length > 0 ? field.parts : [field.plain];
}

export function allLeaves(schema: EventSchema, body: Readonly<Record<string, unknown>>): readonly Leaf[] {
  return schema.fields.slice(1).flatMap((field) => leavesOf(field, body));
}

const bitmapText = /^(?:(\d+)-)?0x([0-9A-Fa-f]+)$/;

export interface Expansion {
  readonly leaves: readonly Leaf[];
  /** Bits beyond the schema: something changed that this schema cannot name. */
  readonly outOfRange: number;
}

/**
 * The leaves a list of bitmaps names, in schema order. The top-level element may be absent, and hex runs past 64 bits
 * on objects with many fields, so the digits are walked instead of shifted.
 */
export function expandBitmaps(
  schema: EventSchema,
  bitmaps: readonly string[],
  body: Readonly<Record<string, unknown>>,
): Expansion {
  const found = new Set<Leaf>();
  let outOfRange = 0;
  const take = (leaves: readonly Leaf[] | undefined): void => {
    if (leaves === undefined) outOfRange += 1;
    for (const one of leaves ?? []) found.add(one);
  };
  for (const text of bitmaps) {
    const match = bitmapText.exec(text);
    if (match === null) throw new TributaryError('PAYLOAD_UNDECODABLE', `${JSON.stringify(text)} is not a bitmap`);
    const compound = match[1] === undefined ? undefined : schema.fields[Number(match[1])];
    for (const bit of setBits(match[2] ?? '')) {
      if (match[1] !== undefined) {
        const part = compound?.parts[bit];
        take(part === undefined ? undefined : [part]);
      } else if (bit > 0) {
        const field = schema.fields[bit];
        take(field === undefined ? undefined : leavesOf(field, body));
      }
    }
  }
  return { leaves: schema.leaves.filter((one) => found.has(one)), outOfRange };
}

function setBits(hex: string): number[] {
  const bits: number[] = [];
  for (let digit = 0; digit < hex.length; digit++) {
    const nibble = Number.parseInt(hex.charAt(hex.length - 1 - digit), 16);
    for (let bit = 0; bit < 4; bit++) if ((nibble & (1 << bit)) !== 0) bits.push(digit * 4 + bit);
  }
  return bits;
}
