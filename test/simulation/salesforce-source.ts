/**
 * Salesforce as a source: the twin's event bus, and the connector's own decisions about what an event leaves to be read,
 * what was missed, and up to when it may call itself current.
 */
import {
  answered,
  asked,
  type Currency,
  closed,
  noStream,
  opened,
  received,
  written,
} from '../../connectors/salesforce/decide-currency.ts';
import {
  afterLoss,
  afterRecord,
  afterSnapshotOf,
  type ConnectorState,
  claimOf,
  datedAfter,
  debtOf,
  type Hole,
  header,
  nextSnapshot,
  RecentIds,
  type RowNote,
  tooEarlyBy,
  unborn,
} from '../../connectors/salesforce/decide-state.ts';
import { foreignType } from '../../core/foreign-avro.ts';
import { changeEventHeader, decodeSalesforce, unreachedBits } from '../../processors/decode/salesforce.ts';
import { eventSchema } from '../../processors/decode/salesforce-schema.ts';
import type { RawRecord, SourceMark } from '../../schemas/types.ts';
import type { BusEvent, Cursor } from '../../twins/salesforce/bus.ts';
import type { SalesforceModel } from '../../twins/salesforce/model.ts';
import type { StoredRecord } from '../../twins/salesforce/store.ts';
import { formatInstant } from '../../twins/salesforce/values.ts';
import type { Clock } from './clock.ts';
import { companyFields, markers, personFields } from './fields.ts';
import { wholeSecond } from './intercom-door.ts';
import type { RawTopic } from './log.ts';
import type { Chance } from './random.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

export const objects = ['User', 'Account', 'Lead', 'Contact'] as const;
const credit = 100;
const overlapMs = 600_000;

interface Known {
  readonly definition: object;
  readonly type: ReturnType<typeof foreignType>;
}
/** Schema ids are hashes: what was learnt of one holds for every history. */
const schemas = new Map<string, Known>();

export class SalesforceSource {
  state: ConnectorState = unborn;
  readonly #model: SalesforceModel;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #trace: Trace;
  readonly #world: World;
  readonly #raw: RawTopic;
  readonly #seen = new RecentIds(1_000);
  readonly #swallowed = new Set<string>();
  #currency: Currency = noStream;
  #cursor: Cursor = 0n;
  #lastArrival = 0;
  /** Of the subscription in force; 0: none. */
  #stream = 0;
  #streams = 0;
  #reading = false;
  #swallow = 0;

  constructor(model: SalesforceModel, clock: Clock, chance: Chance, trace: Trace, world: World, raw: RawTopic) {
    this.#model = model;
    this.#clock = clock;
    this.#chance = chance;
    this.#trace = trace;
    this.#world = world;
    this.#raw = raw;
    model.bus.onPublish(() => this.#published());
  }

  start(): void {
    this.state = { ...unborn, org: this.#model.orgId, startedAt: wholeSecond(this.#clock.salesforceNow) };
    this.#open();
  }

  #open(): void {
    const { now } = this.#clock;
    this.#cursor = this.#model.bus.open('LATEST', Buffer.alloc(0), this.#clock.salesforceNow) ?? 0n;
    this.#stream = ++this.#streams;
    this.#currency = opened(this.#currency, now, credit);
    this.#catchUp();
  }

  /** The stream breaks and its place cannot be found again: what is committed until it stands is missed. */
  lose(forMs: number): void {
    if (this.#stream === 0) return;
    this.#trace.say('fault', 'salesforce', `the Salesforce stream is lost for ${forMs} ms`);
    this.#stream = 0;
    this.#currency = closed(this.#currency);
    this.#clock.after(forMs, () => {
      const before = this.state;
      this.state = afterLoss(before, objects);
      const hole = this.state.holes.find((one) => !before.holes.includes(one));
      if (hole !== undefined) this.#mark('holeOpen', hole.detail);
      this.#open();
    });
  }

  /** The snapshot is read again, as after a new object was mapped. */
  backfill(): void {
    if (nextSnapshot(this.state, objects) !== undefined) return;
    this.#trace.say('fault', 'salesforce', 'the snapshot is read again');
    this.state = { ...this.state, snapshot: { done: [], place: null } };
    this.#catchUp();
  }

  /** The next event comes without its values: a gap event takes its place. */
  swallowNext(): void {
    this.#swallow += 1;
  }

  #published(): void {
    const { bus } = this.#model;
    const clock = this.#clock;
    if (this.#swallow > 0) {
      this.#swallow -= 1;
      const [event] = bus.read(this.#cursor, () => true, 1_000, clock.salesforceNow).events.slice(-1);
      const head = event === undefined ? undefined : headerOf(this.#learn(event.schemaId), event);
      if (event !== undefined && head?.changeType === 'UPDATE') {
        this.#swallowed.add(event.eventId);
        const object = this.#model.object(head.entityName);
        if (object !== undefined) this.#model.gap(object, head.recordIds, 'GAP_UPDATE', clock.salesforceNow);
        return;
      }
    }
    if (this.#stream === 0) return;
    const stream = this.#stream;
    const late = this.#chance.int('event', 5, this.#world.on.has('delay') ? 4_000 : 400);
    this.#lastArrival = Math.max(this.#lastArrival, clock.now + late);
    clock.at(this.#lastArrival, () => {
      if (stream === this.#stream) this.#deliver();
    });
  }

  #deliver(): void {
    const { events, cursor } = this.#model.bus.read(this.#cursor, () => true, 100, this.#clock.salesforceNow);
    // Whatever was published by now has come with it; a later delivery finds nothing.
    this.#cursor = cursor;
    for (const event of events) {
      if (this.#swallowed.has(event.eventId)) continue;
      this.#arrived(event);
      if (this.#world.on.has('duplicate') && this.#chance.is('event twice', 0.15)) this.#arrived(event);
    }
  }

  #arrived(event: BusEvent): void {
    const { now } = this.#clock;
    this.#currency = received(this.#currency, now, 1);
    this.#currency = asked(this.#currency, now, 1);
    if (this.#seen.has(event.eventId)) return;
    this.#seen.add(event.eventId);
    const { definition, type } = this.#learn(event.schemaId);
    const value: unknown = type.fromBuffer(event.payload);
    const head = changeEventHeader(value);
    const debt = debtOf(head, unreachedBits(eventSchema(definition), head) > 0);
    this.state = afterRecord(this.state, head.recordIds[0] ?? '', {
      [header.eventId]: event.eventId,
      [header.replayId]: event.replayId,
      ...(debt === null ? {} : { [header.debt]: JSON.stringify(debt) }),
    });
    this.#currency = written(this.#currency, head.commitTimestamp);
    this.#raw.append((offset) =>
      decodeSalesforce(
        { form: 'event', schema: definition, value },
        { topic: 'salesforce.raw', partition: 0, offset, index: 0 },
      ),
    );
    if (debt !== null) this.#catchUp();
  }

  #learn(schemaId: string): Known {
    let known = schemas.get(schemaId);
    if (known === undefined) {
      const definition = JSON.parse(this.#model.schema(schemaId)?.json ?? '{}') as object;
      known = { definition, type: foreignType(definition) };
      schemas.set(schemaId, known);
    }
    return known;
  }

  // ---- up to when it is current

  beat(): void {
    const { now } = this.#clock;
    if (this.#stream === 0) return;
    // Asked a moment ago, answered now; the platform's clock is told from below.
    this.#currency = answered(this.#currency, { sentAt: now, platformAt: wholeSecond(this.#clock.salesforceNow) });
    const claim = claimOf(this.state, objects, this.#currency.claim);
    if (claim === this.state.claim) return;
    this.state = { ...this.state, claim };
    this.#mark('mark', '', true);
  }

  #mark(kind: SourceMark['kind'], detail: string, background = false): void {
    const value: SourceMark = { platform: 'salesforce', kind, upTo: this.state.claim, detail };
    this.#raw.append(
      (offset) =>
        decodeSalesforce({ form: 'mark', value }, { topic: 'salesforce.raw', partition: 0, offset, index: 0 }),
      background,
    );
  }

  // ---- what has to be read

  /** One read at a time: rechecks, then holes, then the snapshot. */
  #catchUp(): void {
    if (this.#reading) return;
    const { state } = this;
    const [hole] = this.#stream === 0 ? [] : state.holes;
    const next = nextSnapshot(state, objects);
    if (state.rechecks.length > 0) this.#ask(() => this.#recheck());
    else if (hole !== undefined) this.#ask(() => this.#readAgain(hole));
    else if (next !== undefined) this.#ask(() => this.#readAll(next.object));
  }

  /** An answer is dated when it was asked for; what it says is as of some moment after. */
  #ask(read: () => number): void {
    this.#reading = true;
    this.#clock.after(this.#chance.int('read', 10, 150), () => {
      const waitMs = read();
      const goOn = (): void => {
        this.#reading = false;
        this.#catchUp();
      };
      this.#clock.after(waitMs > 0 ? waitMs : 1, goOn);
    });
  }

  #recheck(): number {
    let early = 0;
    const at = wholeSecond(this.#clock.salesforceNow);
    for (const { object, id, debt, since, until } of this.state.rechecks) {
      const dated = datedAfter(until, at, since);
      if (dated === null) {
        early = Math.max(early, tooEarlyBy(until, at));
        continue;
      }
      this.#row({ reason: 'recheck', object, debt }, object, id, dated);
    }
    return early;
  }

  #readAgain(hole: Hole): number {
    const at = datedAfter(hole.until, wholeSecond(this.#clock.salesforceNow));
    if (at === null) return tooEarlyBy(hole.until, wholeSecond(this.#clock.salesforceNow));
    if (!hole.told) this.#mark('holeOpen', hole.detail);
    const since = hole.since === 0 ? 0 : hole.since - overlapMs;
    for (const object of hole.objects)
      for (const { id, values } of this.#model.store.all(object)) {
        const modified = Number(values['SystemModstamp'] ?? 0);
        if (modified >= since) this.#row({ reason: 'hole', object, hole: hole.detail, modified }, object, id, at);
      }
    this.state = { ...this.state, holes: this.state.holes.filter((one) => one.detail !== hole.detail) };
    this.#mark(this.state.holes.length === 0 ? 'holeClosed' : 'mark', hole.detail);
    return 0;
  }

  #readAll(object: string): number {
    const at = wholeSecond(this.#clock.salesforceNow);
    for (const { id, deleted } of this.#model.store.all(object))
      if (!deleted) this.#row({ reason: 'snapshot', object }, object, id, at);
    this.state = afterSnapshotOf(this.state, object);
    if (nextSnapshot(this.state, objects) === undefined) this.#mark('snapshotComplete', objects.join(','));
    return 0;
  }

  #row(note: RowNote, object: string, id: string, at: number): void {
    const record = this.#model.store.get(object, id);
    const deleted = record?.deleted !== false;
    const value: RawRecord = {
      platform: 'salesforce',
      reason: note.reason,
      object,
      recordId: id,
      deleted,
      takenAt: at,
      body: Buffer.from(record === undefined ? '' : JSON.stringify(rowOf(record))),
    };
    this.state = afterRecord(this.state, id, { [header.row]: JSON.stringify(note) });
    this.#raw.append((offset) =>
      decodeSalesforce(
        { form: 'row', value, multiSelects: ['Languages__c'] },
        { topic: 'salesforce.raw', partition: 0, offset, index: 0 },
      ),
    );
  }
}

/** What is read of a record: as if nothing else were mapped. */
const read: readonly string[] = [
  'Id',
  'Email',
  'FirstName',
  'LastName',
  'AccountId',
  'IsConverted',
  'ConvertedContactId',
  'MasterRecordId',
  markers.salesforce,
  ...[...personFields, ...companyFields].map((field) => field.salesforce),
];

function rowOf({ values, deleted }: StoredRecord): object {
  const row: Record<string, unknown> = { IsDeleted: deleted };
  for (const name of read) if (name in values) row[name] = values[name];
  row['SystemModstamp'] = formatInstant(Number(values['SystemModstamp'] ?? 0));
  return row;
}

const headerOf = ({ type }: Known, event: BusEvent) => changeEventHeader(type.fromBuffer(event.payload));
