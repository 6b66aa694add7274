import { findField, type ObjectType } from './metadata.ts';
import type { Value } from './values.ts';

export interface StoredRecord {
  readonly id: string;
  readonly object: string;
  readonly values: Readonly<Record<string, Value>>;
  readonly deleted: boolean;
  /** The record whose deletion took this one along: its undeletion brings it back. */
  readonly deletedWith: string | null;
}

/** Text keys match whatever their case, as the platform's unique and external-id fields do unless told otherwise. */
const keyOf = (value: Value): string => String(value).toLowerCase();

/** Ids of living records by the key of one field's value. */
type Index = Map<string, Set<string>>;

/** All records by id, with an index per field that rows are looked up by. Records are values: put replaces, nothing mutates. */
export class Store {
  readonly #tables = new Map<string, Map<string, StoredRecord>>();
  /** By object and field. */
  readonly #indexes = new Map<string, Map<string, Index>>();

  constructor(objects: readonly ObjectType[]) {
    for (const { name } of objects) {
      this.#tables.set(name, new Map());
      this.#indexes.set(name, new Map());
    }
  }

  get(object: string, id: string): StoredRecord | undefined {
    return this.#tables.get(object)?.get(id);
  }

  all(object: string): Iterable<StoredRecord> {
    return this.#tables.get(object)?.values() ?? [];
  }

  /** Living records whose field has the value. The first question about a field builds its index. */
  find(object: ObjectType, fieldName: string, value: Value): readonly StoredRecord[] {
    const ids = this.#index(object, findField(object, fieldName)?.name ?? fieldName).get(keyOf(value));
    return ids === undefined ? [] : [...ids].flatMap((id) => this.get(object.name, id) ?? []);
  }

  put(record: StoredRecord): void {
    const before = this.get(record.object, record.id);
    this.#tables.get(record.object)?.set(record.id, record);
    this.#reindex(record.object, before, record);
  }

  /** Takes back a creation whose transaction failed. */
  remove(object: string, id: string): void {
    const before = this.get(object, id);
    this.#tables.get(object)?.delete(id);
    this.#reindex(object, before, undefined);
  }

  #index(object: ObjectType, field: string): Index {
    const indexes = this.#indexes.get(object.name);
    const known = indexes?.get(field);
    if (known) return known;
    const index: Index = new Map();
    indexes?.set(field, index);
    for (const record of this.all(object.name)) enter(index, record, field);
    return index;
  }

  #reindex(object: string, before: StoredRecord | undefined, after: StoredRecord | undefined): void {
    for (const [field, index] of this.#indexes.get(object) ?? []) {
      if (before && before.deleted === after?.deleted && before.values[field] === after.values[field]) continue;
      if (before) index.get(keyOf(before.values[field] ?? null))?.delete(before.id);
      if (after) enter(index, after, field);
    }
  }
}

function enter(index: Index, record: StoredRecord, field: string): void {
  const value = record.values[field] ?? null;
  if (record.deleted || value === null) return;
  const ids = index.get(keyOf(value));
  if (ids) ids.add(record.id);
  else index.set(keyOf(value), new Set([record.id]));
}
