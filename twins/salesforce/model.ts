import type { Random } from '../common/random.ts';
import { RollingDay } from '../common/rolling-day.ts';
import { EventBus } from './bus.ts';
import { type Customizing, fieldsNamedBy, plainOrg } from './customizing.ts';
import { type Dml, type RowResult, Transaction } from './dml.ts';
import { RequestRefused, refuse } from './errors.ts';
import {
  type ChangeType,
  draftEvents,
  type EventDraft,
  type EventHabits,
  encodeEvent,
  gapOf,
  headerOnly,
  overflow,
} from './events.ts';
import { makeId, normalizeId } from './ids.ts';
import type { MergeHabits } from './merge.ts';
import { type Field, findField, type ObjectType } from './metadata.ts';
import { standardObjects } from './objects.ts';
import { type AccountName, type EventSchema, eventSchema } from './schema.ts';
import { Store, type StoredRecord } from './store.ts';
import type { Org } from './validate.ts';
import type { Row } from './values.ts';

const hour = 3_600_000;

/** What real orgs do differently from each other, or what the documentation leaves open. */
export interface Habits extends EventHabits, MergeHabits {
  /** Rows carry a SystemModstamp up to this long before the commit that makes them visible. */
  readonly modstampLagMs: number;
  /** Chance that a transaction takes long, and how long at most: its rows carry stamps of that long before the commit. */
  readonly longChance: number;
  readonly longMs: number;
  /** Chance that a gap event comes instead of the event it should have been. */
  readonly gapChance: number;
  /** Chance that the platform publishes an event once more. */
  readonly redeliverChance: number;
  /** Rows of collections name the records that a duplicate rule found, as single calls do. */
  readonly rowsNameDuplicates: boolean;
}
const usualHabits: Habits = {
  mergeEvents: true,
  nullBooleans: false,
  noopEvents: false,
  overflowAfter: 100_000,
  mergeDeletesFirst: false,
  reparenting: 'stamped',
  modstampLagMs: 400,
  longChance: 0,
  longMs: 8000,
  gapChance: 0,
  redeliverChance: 0,
  rowsNameDuplicates: false,
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
  readonly customizing?: Partial<Customizing>;
  readonly accountName?: AccountName;
  readonly retentionMs?: number;
  readonly dailyLimit?: number;
}

/** Who writes, and what its change events will say about where they came from. */
export interface Caller {
  readonly userId: string;
  readonly changeOrigin: string;
  /** Saves duplicates knowingly, where the rule lets anybody. */
  readonly allowDuplicates?: boolean;
}

/** A lead's way out: into the account and the contact given, or new ones. */
export interface ConvertOptions {
  readonly accountId?: string | undefined;
  readonly contactId?: string | undefined;
  /** `Closed - Converted` unless told. */
  readonly status?: string | undefined;
}

/**
 * A Salesforce org as a machine: every call carries the time it happens at, chance comes from the generator given,
 * and nothing else enters. The same calls give the same records, ids, events and bytes.
 */
export class SalesforceModel implements Org {
  readonly orgId: string;
  readonly store = new Store(standardObjects);
  readonly bus: EventBus;
  /** The first user, and creator of the second. */
  readonly integrationUserId = makeId('005', 1);
  readonly personUserId: string;
  habits: Habits;
  #customizing = plainOrg;
  /** When the metadata changed last; describe answers carry it. */
  metadataAt: number;
  readonly dailyLimit: number;
  /** Events that may be delivered in 24 hours, to all subscribers together; an org is sold 10,000 to 3,000,000. */
  deliveryLimit = 3_000_000;
  readonly #random: Random;
  readonly #accountName: AccountName;
  readonly #objects = new Map<string, ObjectType>();
  readonly #current = new Map<string, EventSchema>();
  readonly #schemas = new Map<string, EventSchema>();
  readonly #sequences = new Map<string, number>();
  readonly #calls = new RollingDay();
  readonly #deliveries = new RollingDay();
  #locks: readonly { readonly id: string; readonly from: number; readonly until: number }[] = [];
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
    if (options.customizing) this.customize(options.customizing);
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

  get customizing(): Customizing {
    return this.#customizing;
  }

  /** An administrator sets rules up, each list as a whole. A rule about a field that does not exist is not taken. */
  customize(changes: Partial<Customizing>): void {
    const next = { ...this.#customizing, ...changes };
    for (const [name, field] of fieldsNamedBy(next)) {
      const object = this.object(name);
      if (object?.name !== name || findField(object, field)?.name !== field) {
        throw refuse(400, 'INVALID_FIELD', `No such column '${field}' on sobject of type ${name}`);
      }
    }
    this.#customizing = next;
  }

  /** Looks a record up by its 15- or 18-character id, deleted ones included. */
  record(object: ObjectType, rawId: string): StoredRecord | undefined {
    return this.store.get(object.name, normalizeId(rawId) ?? '');
  }

  /** One call is one transaction; its rows stand alone unless the caller wants all or none. */
  execute(rows: readonly Dml[], caller: Caller, now: number, allOrNone = false): readonly RowResult[] {
    const transaction = this.#transaction(caller, now, this.#savedAt(now), false);
    const results = rows.map((row) => transaction.apply(row));
    if (allOrNone && results.some(({ success }) => !success)) {
      transaction.rollBack();
      return results.map((result) => (result.success ? rolledBack(result) : result));
    }
    const current = (object: ObjectType, id: string) => this.store.get(object.name, id);
    this.#publish(
      draftEvents(transaction.announced, current, (object) => this.currentSchema(object), this.habits),
      caller,
      now,
    );
    return results;
  }

  /**
   * Merges one or two losers into a winner of their object; `row` is what the winner takes over from them. Not part of
   * REST: somebody at work does it.
   */
  merge(
    object: string,
    winnerId: string,
    loserIds: readonly string[],
    caller: Caller,
    now: number,
    row: Row = {},
  ): RowResult {
    return this.#one({ op: 'merge', object, id: winnerId, loserIds, row }, caller, now);
  }

  /** Turns a lead into a contact of an account. The lead's row names both afterwards. Not part of REST either. */
  convertLead(leadId: string, options: ConvertOptions, caller: Caller, now: number): RowResult {
    return this.#one({ op: 'convert', object: 'Lead', id: leadId, ...options }, caller, now);
  }

  /** From one moment up to another, somebody else's transaction holds the record: writes to it, and to its children, fail. */
  lock(rawId: string, from: number, until: number): void {
    const id = normalizeId(rawId);
    if (id === undefined) throw new Error(`not an id: ${rawId}`);
    this.#locks = [...this.#locks, { id, from, until }];
  }

  locksAt(now: number): ReadonlySet<string> {
    if (this.#locks.length === 0) return noLocks;
    const held = this.#locks.filter(({ from, until }) => from <= now && now < until);
    return new Set(held.map(({ id }) => id));
  }

  /** Records that were there before anybody looked: validated like any, but announced to nobody and counted as no call. */
  load(objectName: string, rows: readonly Row[], now: number): readonly string[] {
    const caller = { userId: this.integrationUserId, changeOrigin: '' };
    const transaction = this.#transaction(caller, now, wholeSecond(now), true);
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
    this.#publish([headerOnly(object, ids, type)], { userId: this.integrationUserId, changeOrigin: '' }, now);
  }

  /** A transaction of too many changes elsewhere: whatever is known of the object's records may be out of date. */
  overflow(object: ObjectType, now: number): void {
    this.#publish([overflow(object)], { userId: this.integrationUserId, changeOrigin: '' }, now);
  }

  currentSchema(object: ObjectType): EventSchema {
    return this.#current.get(object.name) ?? this.#define(object);
  }

  /** Every schema that ever was: events of before a revision are read with it. */
  schema(id: string): EventSchema | undefined {
    return this.#schemas.get(id);
  }

  countCall(now: number): void {
    this.#calls.add(now, 1);
  }

  /** Calls of the last 24 hours. */
  usage(now: number): number {
    return this.#calls.used(now);
  }

  /** Each delivery of an event counts, to whomever. */
  countDeliveries(now: number, count: number): void {
    this.#deliveries.add(now, count);
  }

  deliveriesLeft(now: number): number {
    return Math.max(0, this.deliveryLimit - this.#deliveries.used(now));
  }

  #define(object: ObjectType): EventSchema {
    const schema = eventSchema(object, this.#accountName);
    this.#objects.set(object.name.toLowerCase(), object);
    this.#current.set(object.name, schema);
    this.#schemas.set(schema.id, schema);
    return schema;
  }

  #one(dml: Dml, caller: Caller, now: number): RowResult {
    const [result] = this.execute([dml], caller, now);
    if (result === undefined) throw new Error('one row, one result');
    return result;
  }

  #transaction(caller: Caller, now: number, savedAt: number, seeding: boolean): Transaction {
    return new Transaction(this, {
      userId: caller.userId,
      savedAt,
      now,
      seeding,
      allowDuplicates: caller.allowDuplicates === true,
      nextSequence: (object) => this.#nextSequence(object),
    });
  }

  /** When the rows of a transaction that commits now were saved. */
  #savedAt(now: number): number {
    const { modstampLagMs, longChance, longMs } = this.habits;
    const isLong = longChance > 0 && this.#random.next() < longChance;
    return wholeSecond(now - this.#random.int((isLong ? longMs : modstampLagMs) + 1));
  }

  #nextSequence(object: string): number {
    const next = (this.#sequences.get(object) ?? 0) + 1;
    this.#sequences.set(object, next);
    return next;
  }

  #publish(drafts: readonly EventDraft[], caller: Caller, now: number): void {
    const transactionKey = this.#random.uuid();
    this.#commitNumber += BigInt(1 + this.#random.int(90));
    drafts.forEach((intended, index) => {
      const { gapChance } = this.habits;
      const draft = gapChance > 0 && this.#random.next() < gapChance ? gapOf(intended) : intended;
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

const noLocks: ReadonlySet<string> = new Set();
const wholeSecond = (at: number): number => Math.floor(at / 1000) * 1000;

const rolledBack = ({ id, created }: Extract<RowResult, { success: true }>): RowResult => ({
  success: false,
  id: created ? null : id,
  refusals: [
    {
      code: 'ALL_OR_NONE_OPERATION_ROLLED_BACK',
      message: 'Record rolled back because not all records were valid and the request was using AllOrNone header',
      fields: [],
    },
  ],
});
