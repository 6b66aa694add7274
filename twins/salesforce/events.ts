import { differs, type Touched } from './dml.ts';
import type { Field, ObjectType } from './metadata.ts';
import { type EventSchema, fieldBitmaps } from './schema.ts';
import type { StoredRecord } from './store.ts';
import type { Value } from './values.ts';

export type ChangeType =
  | 'CREATE'
  | 'UPDATE'
  | 'DELETE'
  | 'UNDELETE'
  | 'GAP_CREATE'
  | 'GAP_UPDATE'
  | 'GAP_DELETE'
  | 'GAP_UNDELETE'
  | 'GAP_OVERFLOW';

/** One event before it has a place in the transaction. */
export interface EventDraft {
  readonly object: ObjectType;
  readonly ids: readonly string[];
  readonly type: ChangeType;
  /** By field name; what is not in it is null in the body. */
  readonly body: ReadonlyMap<string, Value>;
  /** Empty for everything but an UPDATE. */
  readonly changed: ReadonlySet<string>;
}

export interface CommitHeader {
  readonly changeOrigin: string;
  readonly transactionKey: string;
  readonly sequenceNumber: number;
  readonly commitTimestamp: number;
  readonly commitNumber: bigint;
  readonly commitUser: string;
}

export interface EventHabits {
  /** Records of one transaction that changed alike share an event. */
  readonly mergeEvents: boolean;
  /** A creation spells false as null in booleans, as the documentation's own samples do. */
  readonly nullBooleans: boolean;
  /** A save without a change is announced too, with LastModifiedDate alone. */
  readonly noopEvents: boolean;
  /** Changes that one transaction may announce: what exceeds them becomes one overflow event per object. */
  readonly overflowAfter: number;
}

/** A transaction's net effect, one draft per record: what came and went within it is never heard of. */
export function draftEvents(
  touched: readonly Touched[],
  current: (object: ObjectType, id: string) => StoredRecord | undefined,
  schemaOf: (object: ObjectType) => EventSchema,
  habits: EventHabits,
): readonly EventDraft[] {
  const drafts = touched.flatMap(({ object, id, before }): readonly EventDraft[] => {
    const after = current(object, id);
    const wasAlive = before !== undefined && !before.deleted;
    const isAlive = after !== undefined && !after.deleted;
    const { fields } = schemaOf(object);
    const draft = (
      type: ChangeType,
      body = new Map<string, Value>(),
      changed: readonly string[] = [],
    ): EventDraft[] => [{ object, ids: [id], type, body, changed: new Set(changed) }];
    if (wasAlive && !isAlive) return draft('DELETE');
    if (!isAlive) return [];
    if (before === undefined) return draft('CREATE', wholeBody(fields, after, habits.nullBooleans));
    if (!wasAlive) return draft('UNDELETE', wholeBody(fields, after, false));
    if (!differs(before, after) && !habits.noopEvents) return [];
    const changed = fields
      .map(({ name }) => name)
      .filter((name) => after.values[name] !== before.values[name] || name === 'LastModifiedDate');
    return draft('UPDATE', new Map(changed.map((name) => [name, after.values[name] ?? null])), changed);
  });
  return cutOff(habits.mergeEvents && drafts.length > 1 ? mergeAlike(drafts) : drafts, habits.overflowAfter);
}

/** Stands for every record of its object. */
const overflowId = '000000000000000AAA';

/** A creation or deletion counts as one change, an update as many as it changed fields, of every record it tells of. */
function cutOff(drafts: readonly EventDraft[], limit: number): readonly EventDraft[] {
  let changes = 0;
  const kept = drafts.filter(({ type, ids, changed }) => {
    changes += ids.length * (type === 'UPDATE' ? changed.size : 1);
    return changes <= limit;
  });
  const lost = new Set(drafts.slice(kept.length).map(({ object }) => object));
  return [...kept, ...[...lost].map((object) => overflow(object))];
}

export const overflow = (object: ObjectType): EventDraft => headerOnly(object, [overflowId], 'GAP_OVERFLOW');

/** All that a gap event tells: that something happened, and to whom. */
export const headerOnly = (object: ObjectType, ids: readonly string[], type: ChangeType): EventDraft => ({
  object,
  ids,
  type,
  body: new Map(),
  changed: new Set(),
});

const gaps = {
  CREATE: 'GAP_CREATE',
  UPDATE: 'GAP_UPDATE',
  DELETE: 'GAP_DELETE',
  UNDELETE: 'GAP_UNDELETE',
} as const;

/** The event that comes where the platform could not make the one it should have. */
export const gapOf = (draft: EventDraft): EventDraft =>
  draft.type in gaps ? headerOnly(draft.object, draft.ids, gaps[draft.type as keyof typeof gaps]) : draft;

function wholeBody(fields: readonly Field[], { values }: StoredRecord, nullBooleans: boolean): Map<string, Value> {
  return new Map(
    fields.map(({ name }) => [name, nullBooleans && values[name] === false ? null : (values[name] ?? null)]),
  );
}

function mergeAlike(drafts: readonly EventDraft[]): readonly EventDraft[] {
  const merged = new Map<string, EventDraft>();
  for (const draft of drafts) {
    const alike = draft.type === 'UPDATE' ? JSON.stringify([draft.object.name, [...draft.body]]) : draft.ids.join();
    const first = merged.get(alike);
    merged.set(alike, first ? { ...first, ids: [...first.ids, ...draft.ids] } : draft);
  }
  return [...merged.values()];
}

/** The Avro datum, without container or prefix, as Pub/Sub carries it. */
export function encodeEvent(schema: EventSchema, draft: EventDraft, commit: CommitHeader): Buffer {
  const { object, ids, type, body, changed } = draft;
  const nulled = new Set([...changed].filter((name) => (body.get(name) ?? null) === null));
  const datum: Record<string, unknown> = {
    ...schema.empty,
    ChangeEventHeader: {
      entityName: object.name,
      recordIds: ids,
      changeType: type,
      ...commit,
      commitTimestamp: BigInt(commit.commitTimestamp),
      nulledFields: fieldBitmaps(schema.layout, nulled),
      diffFields: [],
      changedFields: fieldBitmaps(schema.layout, changed),
    },
  };
  for (const [name, value] of body) {
    const slot = schema.slots.get(name);
    if (slot === undefined || (value === null && !changed.has(name))) continue;
    const avro = toAvro(slot.field, value);
    if (slot.part === undefined) {
      datum[slot.top] = avro;
    } else {
      const compound = datum[slot.top] as Readonly<Record<string, unknown>> | null;
      datum[slot.top] = { ...(compound ?? slot.part.empty), [slot.part.name]: avro };
    }
  }
  return schema.type.toBuffer(datum);
}

function toAvro(field: Field, value: Value): unknown {
  if (field.type === 'date' && typeof value === 'string') return BigInt(Date.parse(`${value}T00:00:00Z`));
  return field.type === 'datetime' && typeof value === 'number' ? BigInt(value) : value;
}
