import type { Random } from '../common/random.ts';
import { EventBus } from './bus.ts';
import { type Dml, type RowResult, Transaction } from './dml.ts';
import { RequestRefused, refuse } from './errors.ts';
import { type ChangeType, draftEvents, type EventDraft, type EventHabits, encodeEvent } from './events.ts';
import { makeId, normalizeId } from './ids.ts';
import { type Field, type ObjectType, standardObjects } from './metadata.ts';
import { type AccountName, type EventSchema, eventSchema } from './schema.ts';
import { Store, type StoredRecord } from './store.ts';
import type { Row } from './values.ts';

const hour = 3_600_000;

/** What real orgs do differently from each other, or what the documentation leaves open. */
export interface Habits extends EventHabits {
  /** Rows carry a SystemModstamp up to this long before the commit that makes them visible. */
  readonly modstampLagMs: number;
  /** Chance that the platform publishes an event once more. */
  readonly redeliverChance: number;
}
const usualHabits: Habits = {
  mergeEvents: true,
  nullBooleans: false,
  noopEvents: false,
  modstampLagMs: 400,
  redeliverChance: 0,
};

const firstUsers: readonly Row[] = ['Integration', 'Person'].map((name) => {
  const email = `${name.toLowerCase()}@org.example`;
  return { Username: email, LastName: name, Email: email };
});

export interface ModelOptions {
  readonly random: Random;
  /** Virtual time of the org's foundation. */
  readonly now: number;
  readonly orgId?: string;
  readonly habits?: Partial<Habits>;
  readonly accountName?: AccountName;
  readonly retentionMs?: number;
  readonly dailyLimit?: number;
}

/** Who writes, and what its change events will say about where they came from. */
export interface Caller {
  readonly userId: string;
  readonly changeOrigin: string;
}

/**
 * A Salesforce org as a machine: every call carries the time it happens at, chance comes from the generator given,
 * and nothing else enters. The same calls give the same records, ids, events and bytes.
 */
export class SalesforceModel {
  readonly orgId: string;
  readonly store = new Store(standardObjects);
  readonly bus: EventBus;
  /** The first user, and creator of the second. */
  readonly integrationUserId = makeId('005', 1);
  readonly personUserId: string;
  habits: Habits;
  /** When the metadata changed last; describe answers carry it. */
  metadataAt: number;
  readonly dailyLimit: number;
  readonly #random: Random;
  readonly #accountName: AccountName;
  readonly #objects = new Map<string, ObjectType>();
  readonly #current = new Map<string, EventSchema>();
  readonly #schemas = new Map<string, EventSchema>();
  readonly #sequences = new Map<string, number>();
  readonly #callsPerHour = new Map<number, number>();
  #commitNumber = 1_652_977_933_433_528_300n;

  constructor(options: ModelOptions) {
    const { random, now } = options;
    this.#random = random;
    const orgId = normalizeId(options.orgId ?? makeId('00D', 1));
    if (orgId === undefined) throw new Error(`not an org id: ${options.orgId}`);
    this.orgId = orgId;
    this.habits = { ...usualHabits, ...options.habits };
    this.#accountName = options.accountName ?? 'switchable';
    this.dailyLimit = options.dailyLimit ?? 150_000;
    this.bus = new EventBus(random, options.retentionMs ?? 72 * hour);
    this.metadataAt = now;
    for (const object of standardObjects) this.#define(object);
    const [, person] = this.load('User', firstUsers, now);
    if (person === undefined) throw new Error('an org has users');
    this.personUserId = person;
  }

  /** API names match whatever their case. */
  object(name: string): ObjectType | undefined {
    return this.#objects.get(name.toLowerCase());
  }

  objects(): readonly ObjectType[] {
    return [...this.#objects.values()];
  }

  /** Looks a record up by its 15- or 18-character id, deleted ones included. */
  record(object: ObjectType, rawId: string): StoredRecord | undefined {
    return this.store.get(object.name, normalizeId(rawId) ?? '');
  }

  /** One call is one transaction; its rows stand alone unless the caller wants all or none. */
  execute(rows: readonly Dml[], caller: Caller, now: number, allOrNone = false): readonly RowResult[] {
    const savedAt = wholeSecond(now - this.#random.int(this.habits.modstampLagMs + 1));
    const transaction = new Transaction(this, caller.userId, savedAt, (object) => this.#nextSequence(object));
    const results = rows.map((row) => transaction.apply(row));
    if (allOrNone && results.some(({ success }) => !success)) {
      transaction.rollBack();
      return results.map((result) => (result.success ? rolledBack(result.id) : result));
    }
    const current = (object: ObjectType, id: string) => this.store.get(object.name, id);
    this.#publish(
      draftEvents(transaction.touched, current, (object) => this.currentSchema(object), this.habits),
      caller,
      now,
    );
    return results;
  }

  /** Records that were there before anybody looked: validated like any, but announced to nobody and counted as no call. */
  load(objectName: string, rows: readonly Row[], now: number): readonly string[] {
    const transaction = new Transaction(this, this.integrationUserId, wholeSecond(now), (object) =>
      this.#nextSequence(object),
    );
    return rows.map((row) => {
      const result = transaction.apply({ op: 'create', object: objectName, row });
      if (result.success) return result.id;
      transaction.rollBack();
      throw new RequestRefused(400, result.refusals);
    });
  }

  /** Adds a field in front of the custom ones: what follows moves, and events go on under a new schema id. */
  addField(objectName: string, field: Field, now: number): EventSchema {
    const object = this.object(objectName);
    if (object === undefined) throw refuse(400, 'INVALID_TYPE', `sObject type '${objectName}' is not supported.`);
    const isCustom = ({ name }: Field) => name.endsWith('__c');
    const fields = [...object.fields.filter((f) => !isCustom(f)), field, ...object.fields.filter(isCustom)];
    this.metadataAt = now;
    const initial = field.type === 'boolean' ? field.initial === true : null;
    for (const record of this.store.all(object.name)) {
      this.store.put({ ...record, values: { ...record.values, [field.name]: initial } });
    }
    return this.#define({ ...object, fields });
  }

  /** Events that only say that something happened: internal errors, oversized events, changes made below the platform. */
  gap(object: ObjectType, ids: readonly string[], type: ChangeType, now: number): void {
    this.#publish(
      [{ object, ids, type, body: new Map(), changed: new Set() }],
      { userId: this.integrationUserId, changeOrigin: '' },
      now,
    );
  }

  currentSchema(object: ObjectType): EventSchema {
    return this.#current.get(object.name) ?? this.#define(object);
  }

  /** Every schema that ever was: events of before a revision are read with it. */
  schema(id: string): EventSchema | undefined {
    return this.#schemas.get(id);
  }

  countCall(now: number): void {
    const slot = Math.floor(now / hour);
    this.#callsPerHour.set(slot, (this.#callsPerHour.get(slot) ?? 0) + 1);
  }

  /** Calls of the last 24 hours: the allocation rolls by the hour, it does not start over at midnight. */
  usage(now: number): number {
    const oldest = Math.floor(now / hour) - 23;
    return [...this.#callsPerHour].reduce((sum, [slot, calls]) => (slot >= oldest ? sum + calls : sum), 0);
  }

  #define(object: ObjectType): EventSchema {
    const schema = eventSchema(object, this.#accountName);
    this.#objects.set(object.name.toLowerCase(), object);
    this.#current.set(object.name, schema);
    this.#schemas.set(schema.id, schema);
    return schema;
  }

  #nextSequence(object: string): number {
    const next = (this.#sequences.get(object) ?? 0) + 1;
    this.#sequences.set(object, next);
    return next;
  }

  #publish(drafts: readonly EventDraft[], caller: Caller, now: number): void {
    const transactionKey = this.#random.uuid();
    this.#commitNumber += BigInt(1 + this.#random.int(90));
    drafts.forEach((draft, index) => {
      const schema = this.currentSchema(draft.object);
      const payload = encodeEvent(schema, draft, {
        changeOrigin: caller.changeOrigin,
        transactionKey,
        sequenceNumber: index + 1,
        commitTimestamp: wholeSecond(now),
        commitNumber: this.#commitNumber,
        commitUser: caller.userId,
      });
      const event = { eventId: this.#random.uuid(), entity: draft.object.name, schemaId: schema.id, payload };
      this.bus.publish(event, now);
      if (this.#random.next() < this.habits.redeliverChance) this.bus.publish(event, now);
    });
  }
}

const wholeSecond = (at: number): number => Math.floor(at / 1000) * 1000;

const rolledBack = (id: string): RowResult => ({
  success: false,
  id,
  refusals: [
    {
      code: 'ALL_OR_NONE_OPERATION_ROLLED_BACK',
      message: 'Record rolled back because not all records were valid and the request was using AllOrNone header',
      fields: [],
    },
  ],
});
