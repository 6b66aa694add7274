/**
 * The one pen on `salesforce.raw`. Whoever writes composes its records when its turn comes, from the state that
 * everything before it left, and the state moves on when Kafka has acknowledged: what a restart would find in the log is
 * at every moment what is in memory.
 */
import type { KafkaAccess, OutRecord, SafeProducer } from '../../core/kafka.ts';
import type { RegistryCodec } from '../../core/registry.ts';
import { multiSelectHeader } from '../../processors/decode/salesforce.ts';
import type { Certificate, RawRecord, SourceMark } from '../../schemas/types.ts';
import {
  afterRecord,
  type ConnectorState,
  header,
  type RawHeaders,
  RecentIds,
  type RowNote,
  unborn,
} from './decide-state.ts';
import type { ObjectShape, Row } from './reads.ts';

const topic = 'salesforce.raw';
/** Records of the tail that are read at start, and event ids remembered: far beyond what a reconnect repeats. */
const tail = 20_000;
/** A write that takes longer says that Kafka is away; it is waited for all the same. */
const stallMs = 5_000;

export interface Recalled {
  readonly state: ConnectorState;
  readonly seen: RecentIds;
}

/** Reads the tail back to the last mark that holds the state, and at least `tail` records. */
export async function recall(kafka: KafkaAccess): Promise<Recalled> {
  const [range] = await kafka.offsets(topic);
  const { earliest, latest } = range ?? { earliest: 0, latest: 0 };
  for (let length = tail; ; length *= 4) {
    const from = Math.max(earliest, latest - length);
    const seen = new RecentIds(tail);
    let state = unborn;
    let marked = false;
    await kafka.read(topic, 0, from, latest, (records) => {
      for (const { key, headers } of records) {
        state = afterRecord(state, String(key), headers);
        marked ||= headers[header.state] !== undefined;
        const eventId = headers[header.eventId];
        if (eventId !== undefined) seen.add(String(eventId));
      }
    });
    if (marked || from === earliest) return { state, seen };
  }
}

export class RawWriter {
  readonly #producer: SafeProducer;
  readonly #codec: RegistryCodec;
  readonly #seen: RecentIds;
  readonly #onStall: () => void;
  #state: ConnectorState;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(producer: SafeProducer, codec: RegistryCodec, { state, seen }: Recalled, onStall: () => void) {
    this.#onStall = onStall;
    this.#producer = producer;
    this.#codec = codec;
    this.#state = state;
    this.#seen = seen;
  }

  /** As of the last acknowledged write. */
  get state(): ConnectorState {
    return this.#state;
  }

  /** Whether an event with this id is in raw already. */
  seen(eventId: string): boolean {
    return this.#seen.has(eventId);
  }

  /** Settles when Kafka has acknowledged; writes happen one after the other, in the order of these calls. */
  write(compose: (state: ConnectorState) => readonly OutRecord[]): Promise<void> {
    const turn = this.#turn.then(async () => {
      const records = compose(this.#state);
      if (records.length === 0) return;
      const stalled = setTimeout(this.#onStall, stallMs);
      await this.#producer.send(records).finally(() => clearTimeout(stalled));
      for (const { topic: to, key, headers = {} } of records) {
        if (to === topic) this.#acknowledged(String(key), headers);
      }
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #acknowledged(key: string, headers: RawHeaders): void {
    this.#state = afterRecord(this.#state, key, headers);
    const eventId = headers[header.eventId];
    if (eventId !== undefined) this.#seen.add(String(eventId));
  }

  /** A mark carries the state from there on, so that a tail with one mark in it is enough to go on. */
  mark(
    kind: SourceMark['kind'],
    detail: string,
    state: ConnectorState,
    certificate: Certificate | null = null,
  ): OutRecord {
    const claim = { platform: 'salesforce', kind, upTo: state.claim, detail } as const;
    const mark: SourceMark = { ...claim, ...(certificate && { certificate }) };
    return {
      topic,
      key: 'mark',
      value: this.#codec.encode(topic, 'SourceMark', mark),
      headers: { [header.state]: JSON.stringify(state) },
    };
  }

  /** `at`: the platform's clock when it was read, ms. */
  row(note: RowNote, shape: ObjectShape, at: number, row: Row): OutRecord {
    const raw: RawRecord = {
      platform: 'salesforce',
      reason: note.reason,
      object: shape.object,
      recordId: row.id,
      deleted: row.deleted,
      takenAt: at,
      // Of a deleted row too: it alone says into which one it was merged.
      body: Buffer.from(row.body === null ? '' : JSON.stringify(row.body)),
    };
    return {
      topic,
      key: row.id,
      value: this.#codec.encode(topic, 'RawRecord', raw),
      headers: {
        [header.row]: JSON.stringify(row.deleted ? { ...note, deleted: true } : note),
        ...(shape.multiSelects.length > 0 ? { [multiSelectHeader]: shape.multiSelects.join(',') } : {}),
      },
    };
  }
}
