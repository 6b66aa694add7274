import { type Field, findField, type ObjectType } from './metadata.ts';
import type { SalesforceModel } from './model.ts';
import type { StoredRecord } from './store.ts';
import { toJson, type Value } from './values.ts';

export type JsonRow = Readonly<Record<string, unknown>>;

/** A field from a record, up to one relation away. */
export interface Path {
  /** As the answer spells it: the relation first, if there is one. */
  readonly names: readonly string[];
  readonly field: Field;
  /** Undefined where the relation leads nowhere. */
  readonly read: (record: StoredRecord) => Value;
}

function storedValue(record: StoredRecord, field: Field): Value {
  if (field.name === 'IsDeleted') return record.deleted;
  return record.values[field.name] ?? (field.type === 'boolean' ? false : null);
}

export function resolvePath(model: SalesforceModel, object: ObjectType, names: readonly string[]): Path | undefined {
  const [first = '', second, ...deeper] = names;
  if (second === undefined) {
    const field = findField(object, first);
    return field && { names: [field.name], field, read: (record) => storedValue(record, field) };
  }
  const relation = object.fields.find(({ relationship }) => relationship?.toLowerCase() === first.toLowerCase());
  const target = relation && model.object(relation.referenceTo?.[0] ?? '');
  const field = target && findField(target, second);
  if (relation?.relationship === undefined || target === undefined || field === undefined || deeper.length > 0)
    return undefined;
  const read = (record: StoredRecord): Value => {
    const parent = model.store.get(target.name, String(record.values[relation.name] ?? ''));
    return parent ? storedValue(parent, field) : null;
  };
  return { names: [relation.relationship, field.name], field, read };
}

export const attributes = (object: string, id: string, version: string): JsonRow => ({
  type: object,
  url: `/services/data/v${version}/sobjects/${object}/${id}`,
});

/** The fields asked for, relations nested, in the order asked. */
export function projectRow(
  model: SalesforceModel,
  object: ObjectType,
  record: StoredRecord,
  paths: readonly Path[],
  version: string,
): JsonRow {
  const row: Record<string, unknown> = { attributes: attributes(object.name, record.id, version) };
  for (const { names, field, read } of paths) {
    const [name = '', part] = names;
    if (part === undefined) {
      row[name] = field.type === 'address' ? addressOf(object, record, name) : toJson(field, read(record));
    } else {
      const parent = parentOf(model, object, record, name);
      const nested = parent && { attributes: attributes(parent.object, parent.id, version), ...asObject(row[name]) };
      row[name] = nested ? { ...nested, [part]: toJson(field, read(record)) } : null;
    }
  }
  return row;
}

const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});

function parentOf(
  model: SalesforceModel,
  object: ObjectType,
  record: StoredRecord,
  relationship: string,
): StoredRecord | undefined {
  const relation = object.fields.find((field) => field.relationship === relationship);
  const target = relation && model.object(relation.referenceTo?.[0] ?? '');
  return target && model.store.get(target.name, String(record.values[relation.name] ?? ''));
}

function addressOf(object: ObjectType, record: StoredRecord, compound: string): JsonRow | null {
  const parts = object.fields.filter((field) => field.compound?.[0] === compound);
  const entries = parts.map((field) => {
    const part = field.compound?.[1] ?? field.name;
    return [part.charAt(0).toLowerCase() + part.slice(1), storedValue(record, field)] as const;
  });
  return entries.every(([, value]) => value === null) ? null : Object.fromEntries(entries);
}

/** Everything a plain GET of a record answers. */
export function wholeRow(model: SalesforceModel, object: ObjectType, record: StoredRecord, version: string): JsonRow {
  const paths = object.fields.flatMap(({ name }) => resolvePath(model, object, [name]) ?? []);
  return projectRow(model, object, record, paths, version);
}
