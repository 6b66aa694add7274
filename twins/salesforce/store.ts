import type { ObjectType } from './metadata.ts';
import { findField } from './metadata.ts';
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

/** All records by id, with an index per field that rows are looked up by. Records are values: put replaces, nothing mutates. */
export class Store {
  readonly #tables = new Map<string, Map<string, StoredRecord>>();
  readonly #indexes = new Map<string, Map<string, Set<string>>>();

  constructor(objects: readonly ObjectType[]) {
    for (const object of objects) this.#tables.set(object.name, new Map());
  }

  get(object: string, id: string): StoredRecord | undefined {
    return this.#tables.get(object)?.get(id);
  }

  all(object: string): Iterable<StoredRecord> {
    return this.#tables.get(object)?.values() ?? [];
  }

  /** Living records whose field has the value. The first question about a field builds its index. */
  find(object: ObjectType, fieldName: string, value: Value): readonly StoredRecord[] {
    const ids = this.#index(object, fieldName).get(keyOf(value)) ?? new Set<string>();
    return [...ids].flatMap((id) => this.get(object.name, id) ?? []);
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

  #index(object: ObjectType, fieldName: string): Map<string, Set<string>> {
    const name = `${object.name}.${findField(object, fieldName)?.name ?? fieldName}`;
    const known = this.#indexes.get(name);
    if (known) return known;
    const index = new Map<string, Set<string>>();
    this.#indexes.set(name, index);
    for (const record of this.all(object.name)) enter(index, record, name);
    return index;
  }

  #reindex(object: string, before: StoredRecord | undefined, after: StoredRecord | undefined): void {
    for (const [name, index] of this.#indexes) {
      if (!name.startsWith(`${object}.`)) continue;
      if (before) index.get(keyOf(valueAt(before, name)))?.delete(before.id);
      if (after) enter(index, after, name);
    }
  }
}

const valueAt = (record: StoredRecord, index: string): Value =>
  record.values[index.slice(index.indexOf('.') + 1)] ?? null;

function enter(index: Map<string, Set<string>>, record: StoredRecord, name: string): void {
  const value = valueAt(record, name);
  if (record.deleted || value === null) return;
  const ids = index.get(keyOf(value));
  if (ids) ids.add(record.id);
  else index.set(keyOf(value), new Set([record.id]));
}
