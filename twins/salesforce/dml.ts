import { type Conversion, convertLead } from './convert.ts';
import { automate, brokenRules, foundDuplicates } from './customizing.ts';
import { type Refusal, RowRefused, refusal } from './errors.ts';
import { makeId, normalizeId } from './ids.ts';
import { type Merge, mergeRecords } from './merge.ts';
import { findField, type ObjectType } from './metadata.ts';
import type { StoredRecord } from './store.ts';
import { childrenOf, duplicates, type Org, validate } from './validate.ts';
import type { Row, Value } from './values.ts';

/** One row's wish. `upsert` finds its record by an external id; `merge` and `convert` are not REST's, but somebody's at work. */
export type Dml =
  | { readonly op: 'create'; readonly object: string; readonly row: Row }
  | { readonly op: 'update'; readonly object: string; readonly id: string; readonly row: Row }
  | {
      readonly op: 'upsert';
      readonly object: string;
      readonly field: string;
      readonly value: string;
      readonly row: Row;
    }
  | { readonly op: 'delete'; readonly object: string; readonly id: string }
  | { readonly op: 'undelete'; readonly object: string; readonly id: string }
  | Merge
  | Conversion;

export type RowResult =
  | { readonly success: true; readonly id: string; readonly created: boolean; readonly changed: boolean }
  | {
      readonly success: false;
      readonly id: string | null;
      readonly refusals: readonly Refusal[];
      readonly matches?: readonly string[];
    };

/** What a record was when the transaction first touched it (undefined: nothing) and is now. */
export interface Touched {
  readonly object: ObjectType;
  readonly id: string;
  readonly before: StoredRecord | undefined;
}

interface Save {
  readonly object: string;
  readonly id: string;
  readonly before: StoredRecord | undefined;
  /** Noticed by no event: a merge moves children behind everybody's back. */
  readonly silent: boolean;
}

const auditFields = new Set(['CreatedDate', 'CreatedById', 'LastModifiedDate', 'LastModifiedById', 'SystemModstamp']);
/** Whether anything but the audit trail differs. */
export function differs(before: StoredRecord, after: StoredRecord): boolean {
  if (before.deleted !== after.deleted) return true;
  for (const name in after.values) {
    if (after.values[name] !== before.values[name] && !auditFields.has(name)) return true;
  }
  return false;
}

export interface TransactionOptions {
  readonly userId: string;
  /** When the rows were saved: whole seconds, somewhat before the commit. */
  readonly savedAt: number;
  readonly now: number;
  /** What was there before anybody looked is held to no duplicate rule and waits for no lock. */
  readonly seeding: boolean;
  /** The caller saves duplicates knowingly, where the rule lets it. */
  readonly allowDuplicates: boolean;
  readonly nextSequence: (object: string) => number;
}

/**
 * All rows of one call: each stands or falls alone (or all together), and what was touched is remembered as it was
 * before, because the platform announces a transaction's net effect per record and not its steps.
 */
export class Transaction {
  readonly org: Org;
  readonly options: TransactionOptions;
  readonly #touched = new Map<string, Touched>();
  /** Every save so far, newest last, to be taken back. */
  readonly #saves: Save[] = [];

  constructor(org: Org, options: TransactionOptions) {
    this.org = org;
    this.options = options;
  }

  /** What the platform announces, in the order in which the records were touched. */
  get announced(): readonly Touched[] {
    const heard = new Set(this.#saves.filter(({ silent }) => !silent).map(({ id }) => id));
    return [...this.#touched.values()].filter(({ id }) => heard.has(id));
  }

  apply(dml: Dml): RowResult {
    const savepoint = this.#saves.length;
    try {
      return this.#run(dml);
    } catch (error) {
      if (!(error instanceof RowRefused)) throw error;
      this.rollBack(savepoint);
      const { id, refusals, matches } = error;
      return { success: false, id, refusals, ...(matches && { matches }) };
    }
  }

  rollBack(savepoint = 0): void {
    for (const { object, id, before } of this.#saves.splice(savepoint).reverse()) {
      if (before) this.org.store.put(before);
      else this.org.store.remove(object, id);
    }
    const saved = new Set(this.#saves.map(({ id }) => id));
    for (const id of this.#touched.keys()) if (!saved.has(id)) this.#touched.delete(id);
  }

  create(object: ObjectType, row: Row, heedsDuplicates = true): StoredRecord {
    const draft = this.#valid(object, row, undefined);
    const id = makeId(object.keyPrefix, this.options.nextSequence(object.name));
    const values: Record<string, Value> = { Id: id };
    for (const field of object.fields) {
      if (field.type === 'address' || field.type === 'id' || field.name === 'IsDeleted') continue;
      values[field.name] = draft[field.name] ?? field.initial ?? (field.type === 'boolean' ? false : null);
    }
    if ('OwnerId' in values) values['OwnerId'] ??= this.options.userId;
    if ('UserType' in values) values['UserType'] = 'Standard';
    values['CreatedDate'] = this.options.savedAt;
    values['CreatedById'] = this.options.userId;
    this.#check(object, undefined, values, heedsDuplicates);
    return this.save(object, { id, object: object.name, values, deleted: false, deletedWith: null }, undefined);
  }

  update(object: ObjectType, record: StoredRecord, row: Row, heedsDuplicates = true): StoredRecord {
    if (record.values['IsConverted'] === true) {
      throw new RowRefused(record.id, [refusal('CANNOT_UPDATE_CONVERTED_LEAD', 'cannot reference converted lead')]);
    }
    const values = { ...record.values, ...this.#valid(object, row, record) };
    this.#check(object, record, values, heedsDuplicates);
    return this.save(object, { ...record, values }, record);
  }

  /** Children that cannot be without their parent go along, and are announced after it. */
  delete(object: ObjectType, record: StoredRecord): void {
    if (!object.deletable) {
      const text = `${object.name} cannot be deleted`;
      throw new RowRefused(record.id, [refusal('INSUFFICIENT_ACCESS_OR_READONLY', text)]);
    }
    this.save(object, { ...record, deleted: true }, record);
    for (const { child, field } of childrenOf(this.org, object)) {
      if (!field.cascade) continue;
      for (const orphan of this.org.store.find(child, field.name, record.id)) {
        this.save(child, { ...orphan, deleted: true, deletedWith: record.id }, orphan);
      }
    }
  }

  /** The living record of this id; anything else refuses the row. */
  record(object: ObjectType, rawId: string): StoredRecord {
    const id = normalizeId(rawId);
    if (id === undefined) {
      const text = `${object.name} ID: id value of incorrect type: ${rawId}`;
      throw new RowRefused(rawId, [refusal('MALFORMED_ID', text, ['Id'])]);
    }
    const record = this.org.store.get(object.name, id);
    if (record === undefined) {
      throw new RowRefused(id, [refusal('INVALID_CROSS_REFERENCE_KEY', 'invalid cross reference id')]);
    }
    if (record.deleted) throw new RowRefused(id, [refusal('ENTITY_IS_DELETED', 'entity is deleted')]);
    return record;
  }

  /** Its place among the transaction's events is taken, whether or not it will have changed in the end. */
  touch(object: ObjectType, { id }: { readonly id: string }, before: StoredRecord | undefined): void {
    if (!this.#touched.has(id)) this.#touched.set(id, { object, id, before });
  }

  /** A save that changes nothing still moves the audit trail, as it does on the platform; it only announces nothing. */
  save(object: ObjectType, record: StoredRecord, before: StoredRecord | undefined): StoredRecord {
    this.#lock(object, record, before);
    const stamp = this.stamp(before);
    const values: Record<string, Value> = { ...record.values };
    if (!findField(object, 'Name')?.createable) values['Name'] = fullName(values);
    values['LastModifiedDate'] = stamp;
    values['LastModifiedById'] = this.options.userId;
    values['SystemModstamp'] = stamp;
    const after = { ...record, values };
    this.put(object, after, before, false);
    return after;
  }

  /** Stamps of one record never go back, whoever committed first. */
  stamp(before: StoredRecord | undefined): number {
    return Math.max(this.options.savedAt, Number(before?.values['SystemModstamp'] ?? 0));
  }

  put(object: ObjectType, after: StoredRecord, before: StoredRecord | undefined, silent: boolean): void {
    this.touch(object, after, before);
    this.#saves.push({ object: object.name, id: after.id, before, silent });
    this.org.store.put(after);
  }

  #run(dml: Dml): RowResult {
    const object = this.org.object(dml.object);
    if (object === undefined) {
      throw new RowRefused(null, [refusal('INVALID_TYPE', `sObject type '${dml.object}' is not supported.`)]);
    }
    switch (dml.op) {
      case 'create':
        return created(this.create(object, dml.row));
      case 'update':
        return this.#updated(object, this.record(object, dml.id), dml.row);
      case 'upsert':
        return this.#upsert(object, dml.field, dml.value, dml.row);
      case 'delete': {
        const record = this.record(object, dml.id);
        this.delete(object, record);
        return changed(record.id);
      }
      case 'undelete':
        return changed(this.#undelete(object, dml.id));
      case 'merge':
        return changed(mergeRecords(this, object, dml));
      case 'convert':
        return changed(convertLead(this, object, dml));
    }
  }

  #updated(object: ObjectType, record: StoredRecord, row: Row): RowResult {
    const after = this.update(object, record, row);
    return { success: true, id: record.id, created: false, changed: differs(record, after) };
  }

  #upsert(object: ObjectType, fieldName: string, value: string, row: Row): RowResult {
    const field = findField(object, fieldName);
    if (!field?.idLookup || field.type === 'id') {
      const text = `Field name provided, ${fieldName} is not an External ID or indexed field for ${object.name}`;
      throw new RowRefused(null, [refusal('INVALID_FIELD', text)]);
    }
    const [first, ...others] = this.org.store.find(object, field.name, value);
    if (first === undefined) return created(this.create(object, { ...row, [field.name]: value }));
    if (others.length > 0) {
      const matches = [first, ...others].map(({ id }) => id);
      const text = `${field.name}: more than one record found for external id field: [${matches.join(', ')}]`;
      throw new RowRefused(null, [refusal('DUPLICATE_EXTERNAL_ID', text, [field.name])], matches);
    }
    return this.#updated(object, first, row);
  }

  /** A merged record comes back alone: what a merge took from it stays with the winner. */
  #undelete(object: ObjectType, rawId: string): string {
    const record = this.org.store.get(object.name, normalizeId(rawId) ?? '');
    if (!record?.deleted) {
      throw new RowRefused(rawId, [refusal('UNDELETE_FAILED', 'Entity is not in the recycle bin')]);
    }
    const taken = duplicates(this.org.store, object, record.values, record);
    if (taken.length > 0) throw new RowRefused(record.id, taken);
    this.#restore(object, record);
    for (const { child, field } of childrenOf(this.org, object)) {
      if (!field.cascade) continue;
      for (const orphan of [...this.org.store.all(child.name)].filter((row) => row.deletedWith === record.id)) {
        this.#restore(child, orphan);
      }
    }
    return record.id;
  }

  /** What it referred to may be gone by now: that relation is not brought back. */
  #restore(object: ObjectType, record: StoredRecord): void {
    const values: Record<string, Value> = { ...record.values };
    for (const { name, referenceTo } of object.fields) {
      const target = this.org.object(referenceTo?.[0] ?? '');
      const parent = target && this.org.store.get(target.name, String(values[name] ?? ''));
      if (name === 'MasterRecordId' || parent?.deleted) values[name] = null;
    }
    this.save(object, { ...record, values, deleted: false, deletedWith: null }, record);
  }

  #valid(object: ObjectType, row: Row, record: StoredRecord | undefined): Readonly<Record<string, Value>> {
    const draft = validate(this.org, object, row, record);
    if ('refusals' in draft) throw new RowRefused(record?.id ?? null, draft.refusals);
    return draft.values;
  }

  /** In the platform's order: flows before the save, then validation rules, then duplicate rules. */
  #check(
    object: ObjectType,
    before: StoredRecord | undefined,
    values: Record<string, Value>,
    heedsDuplicates: boolean,
  ): void {
    const stop = (refusals: readonly Refusal[]): void => {
      if (refusals.length > 0) throw new RowRefused(before?.id ?? null, refusals);
    };
    stop(automate(this.org, object, before, values));
    stop(brokenRules(this.org, object, values));
    if (this.options.seeding || !heedsDuplicates) return;
    const isNew = (id: string): boolean => this.#touched.has(id) && this.#touched.get(id)?.before === undefined;
    stop(foundDuplicates(this.org, object, before, values, { insists: this.options.allowDuplicates, isNew }));
  }

  /** A write locks its record and the parents that cannot be without it: the old one and the new one. */
  #lock(object: ObjectType, record: StoredRecord, before: StoredRecord | undefined): void {
    const locks = this.org.locksAt(this.options.now);
    if (locks.size === 0 || this.options.seeding) return;
    const parents = object.fields
      .filter((field) => field.cascade)
      .flatMap(({ name }) => [record.values[name], before?.values[name]]);
    const locked = [record.id, ...parents].filter((id) => typeof id === 'string' && locks.has(id));
    if (locked.length === 0) return;
    const ids = [...new Set(locked)];
    const text = `unable to obtain exclusive access to this record or ${ids.length} records: ${ids.join(',')}`;
    throw new RowRefused(before?.id ?? null, [refusal('UNABLE_TO_LOCK_ROW', text)]);
  }
}

const created = ({ id }: StoredRecord): RowResult => ({ success: true, id, created: true, changed: true });
const changed = (id: string): RowResult => ({ success: true, id, created: false, changed: true });

const fullName = (values: Readonly<Record<string, Value>>): string =>
  [values['FirstName'], values['LastName']].filter((part) => part !== null && part !== undefined).join(' ');
