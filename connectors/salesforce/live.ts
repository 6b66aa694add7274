/**
 * The live stream: Pub/Sub → raw, event by event, Salesforce's own bytes behind the registry's header.
 *
 * Deliveries gather in an inbox while a write is under way and go out together; the credit they used is given back when
 * Kafka has acknowledged, so at most `maxCredit` events are ever between Salesforce and Kafka. An event is never passed
 * by a later one: where its schema is still missing, all wait.
 */
import type avsc from 'avsc';
import type { Logger } from 'pino';
import { describeError, TributaryError } from '../../core/errors.ts';
import { doing } from '../../core/faults.ts';
import { foreignType } from '../../core/foreign-avro.ts';
import type { OutRecord } from '../../core/kafka.ts';
import { metrics } from '../../core/metrics.ts';
import { delay } from '../../core/patience.ts';
import type { PlatformClock } from '../../core/platform-clock.ts';
import type { RegistryCodec } from '../../core/registry.ts';
import { persistently, together, Wake } from '../../core/tasks.ts';
import {
  type ChangeEventHeader,
  changeEventHeader,
  hidesConversion,
  unreachedBits,
} from '../../processors/decode/salesforce.ts';
import { type EventSchema, eventSchema } from '../../processors/decode/salesforce-schema.ts';
import { type Deliveries, delivered } from './decide-allocation.ts';
import { answered, asked, type Currency, closed, noStream, opened, received, written } from './decide-currency.ts';
import { afterLoss, claimOf, type Debt, debtOf, header } from './decide-state.ts';
import { type Delivery, type Identity, maxCredit, type PubSub, PubSubError, type StreamEvent } from './pubsub.ts';
import type { RawWriter } from './raw-writer.ts';

const topic = 'salesforce.raw';
const beatMs = 1_000;
/** Salesforce says something at least every 270 s while credit is open; after two and a half of them it never will. */
const silenceMs = 675_000;

interface KnownSchema {
  readonly registryId: number;
  readonly type: avsc.Type;
  readonly fields: EventSchema;
}

export interface LiveOptions {
  readonly pubsub: PubSub;
  readonly channel: string;
  /** The session in force. */
  readonly identity: () => Promise<Identity>;
  /** Another one than the one refused. */
  readonly renew: (refused: Identity) => Promise<Identity>;
  readonly writer: RawWriter;
  readonly codec: RegistryCodec;
  readonly clock: PlatformClock;
  /** Snapshot objects: no claim before all of them were read. */
  readonly objects: readonly string[];
  readonly log: Logger;
  /** The dead letter of an event that cannot be framed. */
  readonly reject: (event: StreamEvent, error: TributaryError) => OutRecord;
  /** Monotonic, ms. */
  readonly now: () => number;
  /** Told when something may have to be read: after each write, and when the stream stands. */
  readonly onOwed: () => void;
  /** Told every second that all is well, and as often as it is tried again why it is not. */
  readonly onState: (well: boolean, why: string) => void;
}

export class Live {
  readonly #options: LiveOptions;
  readonly #schemas = new Map<string, Promise<KnownSchema>>();
  #currency: Currency = noStream;
  #inbox: Delivery[] = [];
  #deliveries: Deliveries = [];
  #received = 0;
  #written = 0;
  /** Place of the last delivery that is in raw; ahead of the state's cursor after a keepalive. */
  #place: Buffer | undefined;
  /** Events wait for a schema, Salesforce's or the registry's. */
  #waiting = false;
  #stands = false;
  /** The claim that holds once everything received when it was proven is written. */
  #proven = { claim: 0, received: 0 };

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#currency = { ...noStream, claim: options.writer.state.claim };
  }

  /** Events delivered to us lately: they count towards what the org may be sent. */
  get deliveries(): Deliveries {
    return this.#deliveries;
  }

  /** The stream is open, and has answered. */
  get stands(): boolean {
    return this.#stands;
  }

  /**
   * One stream, from where raw ends, until it breaks. Settles when the server ends it.
   * @throws PubSubError, and whatever writing throws
   */
  async stream(signal: AbortSignal): Promise<void> {
    const { pubsub, channel, writer, log, now, onState } = this.#options;
    const { canSubscribe } = await this.#authorised((identity) => pubsub.topic(identity, channel));
    if (!canSubscribe) {
      throw new TributaryError('CONFIG_INVALID', `Salesforce: the integration user may not subscribe to ${channel}`, {
        field: 'salesforce.channel',
      });
    }
    const { cursor } = writer.state;
    if (cursor === null) await this.#noteLoss();
    const subscription = pubsub.subscribe(
      await this.#options.identity(),
      channel,
      cursor === null ? { preset: 'LATEST' } : { preset: 'CUSTOM', replayId: Buffer.from(cursor, 'hex') },
    );
    this.#inbox = [];
    this.#waiting = false;
    this.#written = this.#received;
    this.#place = undefined;
    this.#currency = opened(this.#currency, now(), maxCredit);

    const ended = new AbortController();
    const stop = AbortSignal.any([signal, ended.signal]);
    stop.addEventListener('abort', () => subscription.cancel(), { once: true });
    const inbox = new Wake();
    let last = now();
    const reading = async (): Promise<void> => {
      for await (const delivery of subscription) {
        last = now();
        this.#received += 1;
        this.#deliveries = delivered(this.#deliveries, delivery.events.length, last);
        this.#inbox.push(delivery);
        this.#currency = received(this.#currency, last, delivery.events.length);
        inbox.wake();
      }
    };
    const writing = async (): Promise<void> => {
      while (!stop.aborted) {
        const batch = this.#inbox;
        this.#inbox = [];
        if (batch.length === 0) {
          await inbox.wait(stop);
          continue;
        }
        await this.#deliver(batch, stop);
        const credit = batch.reduce((sum, { events }) => sum + events.length, 0);
        this.#currency = asked(this.#currency, now(), credit);
        await doing('credit', async () => subscription.ask(credit));
      }
    };
    const beating = async (): Promise<void> => {
      while (!stop.aborted) {
        await delay(beatMs, stop);
        if (stop.aborted) return;
        if (now() - last > silenceMs)
          throw new TributaryError('PLATFORM_UNAVAILABLE', 'Salesforce: the stream is silent');
        await this.#beat();
        if (!this.#stands) {
          this.#stands = true;
          this.#options.onOwed();
        }
        await this.#mark();
        if (!this.#waiting) onState(true, 'streaming');
      }
    };
    try {
      await together([reading, writing, beating], () => ended.abort());
    } catch (error) {
      if (!(error instanceof PubSubError) || error.reason !== 'lost') {
        if (!signal.aborted) throw error;
        return;
      }
      log.warn({ err: error }, 'the replay id is corrupted or too old; the next stream begins at the tip');
      await writer.write((state) => [writer.mark('mark', '', { ...state, cursor: null })]);
    } finally {
      this.#stands = false;
      this.#currency = closed(this.#currency);
    }
  }

  /** Without a place the stream starts at its tip, and what may lie between is a hole that raw tells everyone of. */
  async #noteLoss(): Promise<void> {
    const { writer, objects } = this.#options;
    await writer.write((state) => {
      const after = afterLoss(state, objects);
      const hole = after.holes.at(-1);
      if (after.losses > state.losses && hole !== undefined) return [writer.mark('holeOpen', hole.detail, after)];
      return after.cursor === state.cursor ? [] : [writer.mark('mark', '', after)];
    });
    this.#options.onOwed();
  }

  /** A session lives two hours and a stream does not end with it; the calls beside the stream do. */
  async #authorised<T>(call: (identity: Identity) => Promise<T>): Promise<T> {
    const identity = await this.#options.identity();
    try {
      return await call(identity);
    } catch (error) {
      if (!(error instanceof PubSubError) || error.reason !== 'unauthenticated') throw error;
      return call(await this.#options.renew(identity));
    }
  }

  async #deliver(batch: readonly Delivery[], signal: AbortSignal): Promise<void> {
    const { writer } = this.#options;
    const events = batch.flatMap((delivery) => delivery.events);
    const framed: { event: StreamEvent; record: OutRecord; commit: number }[] = [];
    for (const event of events) framed.push({ event, ...(await this.#frame(event, signal)) });
    const final = batch.at(-1);
    const place = final?.events.at(-1)?.replayId ?? final?.latestReplayId;
    await writer.write(() => {
      // Inside the turn: a mark composed between the acknowledgement and us would take the cursor back.
      if (place !== undefined && place.length > 0) this.#place = place;
      const inBatch = new Set<string>();
      return framed.flatMap(({ event, record }) => {
        if (writer.seen(event.id) || inBatch.has(event.id)) {
          metrics.drops.inc({ stage: 'connectors', reason: 'repeated' });
          return [];
        }
        inBatch.add(event.id);
        return [record];
      });
    });
    this.#currency = written(
      this.#currency,
      framed.reduce((most, { commit }) => Math.max(most, commit), 0),
    );
    this.#written += batch.length;
    this.#options.onOwed();
  }

  /** The record as it goes to raw, or the dead letter of an event whose schema nobody knows. */
  async #frame(event: StreamEvent, signal: AbortSignal): Promise<{ record: OutRecord; commit: number }> {
    let known: KnownSchema;
    try {
      known = await this.#schema(event.schemaId, signal);
    } catch (error) {
      const ours = TributaryError.from(error);
      if (ours.verdict !== 'reject') throw ours;
      return { record: this.#options.reject(event, ours), commit: 0 };
    }
    const told = toldBy(known, event.payload);
    return {
      commit: told?.header.commitTimestamp ?? 0,
      record: {
        topic,
        // A payload that cannot be read goes to raw all the same: decoding, and its dead letter, are decode's affair.
        key: told?.header.recordIds[0] ?? event.id,
        value: this.#options.codec.frame(known.registryId, event.payload),
        headers: {
          [header.eventId]: event.id,
          [header.replayId]: event.replayId,
          ...(told?.debt == null ? {} : { [header.debt]: JSON.stringify(told.debt) }),
        },
      },
    };
  }

  /** Schema ids are hashes, so what was learnt of one holds for ever; one question per id, however many events wait. */
  async #schema(schemaId: string, signal: AbortSignal): Promise<KnownSchema> {
    const asking = this.#schemas.get(schemaId);
    if (asking !== undefined) return asking;
    const { pubsub, codec, log, onState } = this.#options;
    const wait = (error: TributaryError): void => {
      this.#waiting = true;
      onState(false, describeError(error));
    };
    const learning = (async () => {
      const json = await persistently(
        () => this.#authorised((identity) => pubsub.schema(identity, schemaId)),
        signal,
        wait,
      );
      const schema = parseSchema(json, schemaId);
      const registryId = await persistently(() => codec.registerForeign(topic, json, schema.name), signal, wait);
      this.#waiting = false;
      log.info({ schemaId, schema: schema.name, registryId }, 'change-event schema learnt');
      return { registryId, type: schema.type, fields: schema.fields };
    })();
    this.#schemas.set(schemaId, learning);
    // A failure is not remembered: the next event may ask again.
    learning.catch(() => this.#schemas.delete(schemaId));
    return learning;
  }

  async #beat(): Promise<void> {
    const { pubsub, channel, clock, now } = this.#options;
    const sentAt = now();
    const platformAt = clock.at(sentAt);
    await this.#authorised((identity) => pubsub.topic(identity, channel));
    if (platformAt === undefined) return;
    const receivedSoFar = this.#received;
    this.#currency = answered(this.#currency, { sentAt, platformAt });
    this.#proven = { claim: this.#currency.claim, received: receivedSoFar };
  }

  /** Written only when it says something new: an idle stream's claim grows, and with it the proof that we are alive. */
  async #mark(): Promise<void> {
    const { writer, objects } = this.#options;
    await writer.write((state) => {
      const claim = this.#written >= this.#proven.received ? claimOf(state, objects, this.#proven.claim) : state.claim;
      const cursor = this.#place?.toString('hex') ?? state.cursor;
      if (claim === state.claim && cursor === state.cursor) return [];
      return [writer.mark('mark', '', { ...state, claim, cursor })];
    });
  }
}

/** Undefined when it cannot be read. */
function toldBy(
  { type, fields }: KnownSchema,
  payload: Buffer,
): { readonly header: ChangeEventHeader; readonly debt: Debt | null } | undefined {
  try {
    const value: unknown = type.fromBuffer(payload);
    const told = changeEventHeader(value);
    return { header: told, debt: debtOf(told, unreachedBits(fields, told) > 0 || hidesConversion(told, value)) };
  } catch {
    return undefined;
  }
}

function parseSchema(
  json: string,
  schemaId: string,
): { readonly name: string; readonly type: avsc.Type; readonly fields: EventSchema } {
  try {
    const schema = JSON.parse(json) as object;
    const fields = eventSchema(schema);
    return { name: fields.name, type: foreignType(schema), fields };
  } catch (error) {
    throw new TributaryError('SCHEMA_UNKNOWN', `Salesforce: schema ${schemaId} is not that of a change event`, {
      cause: error,
    });
  }
}
