import { type Refusal, refusal } from './errors.ts';
import { makeId, normalizeId } from './ids.ts';
import { findField, type ObjectType } from './metadata.ts';
import type { StoredRecord } from './store.ts';
import { duplicates, type Org, validate } from './validate.ts';
import type { Row, Value } from './values.ts';

/** One row's wish. `upsert` finds its record by an external id. */
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
  | { readonly op: 'undelete'; readonly object: string; readonly id: string };

export type RowResult =
  | { readonly success: true; readonly id: string; readonly created: boolean; readonly changed: boolean }
  | {
      readonly success: false;
      readonly id: string | null;
      readonly refusals: readonly Refusal[];
      readonly matches?: readonly string[];
    };

const refused = (id: string | null, ...refusals: readonly Refusal[]): RowResult => ({ success: false, id, refusals });

/** What a record was when the transaction first touched it (undefined: nothing) and is now. */
export interface Touched {
  readonly object: ObjectType;
  readonly id: string;
  readonly before: StoredRecord | undefined;
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

/**
 * All rows of one call: each stands or falls alone (or all together), and what was touched is remembered as it was
 * before, because the platform announces a transaction's net effect per record and not its steps.
 */
export class Transaction {
  readonly #org: Org;
  readonly #userId: string;
  /** When the rows were saved: whole seconds, somewhat before the commit. */
  readonly #savedAt: number;
  readonly #nextSequence: (object: string) => number;
  readonly #touched = new Map<string, Touched>();

  constructor(org: Org, userId: string, savedAt: number, nextSequence: (object: string) => number) {
    this.#org = org;
    this.#userId = userId;
    this.#savedAt = savedAt;
    this.#nextSequence = nextSequence;
  }

  get touched(): readonly Touched[] {
    return [...this.#touched.values()];
  }

  apply(dml: Dml): RowResult {
    const object = this.#org.object(dml.object);
    if (object === undefined) {
      return refused(null, refusal('INVALID_TYPE', `sObject type '${dml.object}' is not supported.`));
    }
    switch (dml.op) {
      case 'create':
        return this.#create(object, dml.row);
      case 'update':
        return this.#withRecord(object, dml.id, (record) => this.#update(object, record, dml.row));
      case 'upsert':
        return this.#upsert(object, dml.field, dml.value, dml.row);
      case 'delete':
        return this.#withRecord(object, dml.id, (record) => this.#delete(object, record));
      case 'undelete':
        return this.#undelete(object, dml.id);
    }
  }

  rollBack(): void {
    for (const { object, id, before } of this.#touched.values()) {
      if (before) this.#org.store.put(before);
      else this.#org.store.remove(object.name, id);
    }
    this.#touched.clear();
  }

  #create(object: ObjectType, row: Row): RowResult {
    const draft = validate(this.#org, object, row, undefined);
    if ('refusals' in draft) return refused(null, ...draft.refusals);
    const id = makeId(object.keyPrefix, this.#nextSequence(object.name));
    const values: Record<string, Value> = { Id: id };
    for (const field of object.fields) {
      if (field.type === 'address' || field.type === 'id' || field.name === 'IsDeleted') continue;
      values[field.name] = draft.values[field.name] ?? (field.type === 'boolean' ? field.initial === true : null);
    }
    if ('OwnerId' in values) values['OwnerId'] ??= this.#userId;
    if ('UserType' in values) values['UserType'] = 'Standard';
    values['CreatedDate'] = this.#savedAt;
    values['CreatedById'] = this.#userId;
    this.#save(object, { id, object: object.name, values, deleted: false, deletedWith: null }, undefined);
    return { success: true, id, created: true, changed: true };
  }

  #update(object: ObjectType, record: StoredRecord, row: Row): RowResult {
    const draft = validate(this.#org, object, row, record);
    if ('refusals' in draft) return refused(record.id, ...draft.refusals);
    const after = this.#save(object, { ...record, values: { ...record.values, ...draft.values } }, record);
    return { success: true, id: record.id, created: false, changed: differs(record, after) };
  }

  #upsert(object: ObjectType, fieldName: string, value: string, row: Row): RowResult {
    const field = findField(object, fieldName);
    if (!field?.idLookup || field.type === 'id') {
      const text = `Field name provided, ${fieldName} is not an External ID or indexed field for ${object.name}`;
      return refused(null, refusal('INVALID_FIELD', text));
    }
    const [first, ...others] = this.#org.store.find(object, field.name, value);
    if (first === undefined) return this.#create(object, { ...row, [field.name]: value });
    if (others.length > 0) {
      const text = `${field.name}: more than one record found for external id field: [${[first, ...others].map(({ id }) => id).join(', ')}]`;
      const matches = [first, ...others].map(({ id }) => id);
      return { success: false, id: null, refusals: [refusal('DUPLICATE_EXTERNAL_ID', text, [field.name])], matches };
    }
    return this.#update(object, first, row);
  }

  /** Children that cannot be without their parent go along, and are announced after it. */
  #delete(object: ObjectType, record: StoredRecord): RowResult {
    if (!object.deletable) {
      return refused(record.id, refusal('INSUFFICIENT_ACCESS_OR_READONLY', `${object.name} cannot be deleted`));
    }
    this.#save(object, { ...record, deleted: true }, record);
    for (const [child, name] of this.#childrenOf(object)) {
      for (const orphan of this.#org.store.find(child, name, record.id)) {
        this.#save(child, { ...orphan, deleted: true, deletedWith: record.id }, orphan);
      }
    }
    return { success: true, id: record.id, created: false, changed: true };
  }

  #undelete(object: ObjectType, rawId: string): RowResult {
    const record = this.#org.store.get(object.name, normalizeId(rawId) ?? '');
    if (!record?.deleted) return refused(rawId, refusal('UNDELETE_FAILED', 'Entity is not in the recycle bin'));
    const taken = duplicates(this.#org.store, object, record.values, record);
    if (taken.length > 0) return refused(record.id, ...taken);
    this.#save(object, { ...record, deleted: false, deletedWith: null }, record);
    for (const [child] of this.#childrenOf(object)) {
      for (const orphan of [...this.#org.store.all(child.name)].filter((row) => row.deletedWith === record.id)) {
        this.#save(child, { ...orphan, deleted: false, deletedWith: null }, orphan);
      }
    }
    return { success: true, id: record.id, created: false, changed: true };
  }

  #childrenOf(object: ObjectType): readonly (readonly [ObjectType, string])[] {
    return this.#org
      .objects()
      .flatMap((child) =>
        child.fields
          .filter((field) => field.cascade && field.referenceTo?.includes(object.name))
          .map((field) => [child, field.name] as const),
      );
  }

  #withRecord(object: ObjectType, rawId: string, act: (record: StoredRecord) => RowResult): RowResult {
    const id = normalizeId(rawId);
    if (id === undefined)
      return refused(rawId, refusal('MALFORMED_ID', `${object.name} ID: id value of incorrect type: ${rawId}`, ['Id']));
    const record = this.#org.store.get(object.name, id);
    if (record === undefined) return refused(id, refusal('INVALID_CROSS_REFERENCE_KEY', 'invalid cross reference id'));
    return record.deleted ? refused(id, refusal('ENTITY_IS_DELETED', 'entity is deleted')) : act(record);
  }

  /** A save that changes nothing still moves the audit trail, as it does on the platform; it only announces nothing. */
  #save(object: ObjectType, record: StoredRecord, before: StoredRecord | undefined): StoredRecord {
    const stamp = Math.max(this.#savedAt, Number(before?.values['SystemModstamp'] ?? 0));
    const name = findField(object, 'Name')?.createable ? {} : { Name: fullName(record) };
    const values = {
      ...record.values,
      ...name,
      LastModifiedDate: stamp,
      LastModifiedById: this.#userId,
      SystemModstamp: stamp,
    };
    const after = { ...record, values };
    if (!this.#touched.has(record.id)) this.#touched.set(record.id, { object, id: record.id, before });
    this.#org.store.put(after);
    return after;
  }
}

const fullName = ({ values }: StoredRecord): string =>
  [values['FirstName'], values['LastName']].filter((part) => part !== null && part !== undefined).join(' ');
