/** The connector against the real stack and the Salesforce twin over its sockets, and what then stands in the raw topic. */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { vi } from 'vitest';
import { salesforceConnector } from '../../connectors/salesforce/connector.ts';
import { type Config, loadConfig } from '../../core/config.ts';
import { connectKafka, type InRecord, type KafkaAccess } from '../../core/kafka.ts';
import { connectRedis } from '../../core/redis.ts';
import { connectRegistry, type RegistryCodec } from '../../core/registry.ts';
import { wantedConfig } from '../../core/topics.ts';
import { decodeStep } from '../../processors/decode/index.ts';
import { topics } from '../../schemas/topics.ts';
import type { Change, DeadLetter, Mark, Observation, Value } from '../../schemas/types.ts';
import { type SalesforceTwin, type SalesforceTwinOptions, startSalesforceTwin } from '../../twins/salesforce/server.ts';

const log = pino({ level: process.env['TEST_LOG_LEVEL'] ?? 'silent' });

export interface Connector {
  /** Ends it as SIGTERM would. */
  stop(): Promise<void>;
  /** Settles with what ended it. */
  readonly ended: Promise<unknown>;
  readonly ready: () => boolean;
  /** Why it is ready or not. */
  readonly why: () => string;
}

export class Harness {
  readonly prefix: string;
  readonly kafka: KafkaAccess;
  readonly codec: RegistryCodec;
  readonly redis: Redis;
  readonly #connectors: Connector[] = [];
  readonly #twins: SalesforceTwin[] = [];

  private constructor(kafka: KafkaAccess, codec: RegistryCodec, redis: Redis, prefix: string) {
    this.kafka = kafka;
    this.codec = codec;
    this.redis = redis;
    this.prefix = prefix;
  }

  static async open(): Promise<Harness> {
    const prefix = `test.${randomUUID().slice(0, 8)}.`;
    const env = (name: string): string => process.env[name] ?? '';
    const kafka = connectKafka({ brokers: env('KAFKA_BROKERS'), prefix, clientId: 'test', log });
    const codec = await connectRegistry({ url: env('SCHEMA_REGISTRY_URL'), prefix, log });
    // Only those the connector touches: a whole set for each test would take most of its time.
    for (const topic of ['salesforce.raw', 'changes', 'connectors.dlq'] as const) {
      const wanted = { partitions: 1, replication: 1, config: wantedConfig(topics[topic], 1) };
      await kafka.admin.create(new Map([[topic, wanted]]));
      await codec.registerTopic(topic);
    }
    return new Harness(kafka, codec, connectRedis({ url: env('REDIS_URL'), log }), prefix);
  }

  async twin(options: SalesforceTwinOptions = {}): Promise<SalesforceTwin> {
    const twin = await startSalesforceTwin({ keepaliveMs: 400, ...options });
    this.#twins.push(twin);
    return twin;
  }

  config(twin: SalesforceTwin, secret = 'tributary-secret'): Config {
    return loadConfig({
      env: {
        TRIBUTARY_PREFIX: this.prefix,
        SALESFORCE_LOGIN_URL: twin.restUrl,
        SALESFORCE_PUBSUB_ENDPOINT: twin.pubsubAddress,
        SALESFORCE_PUBSUB_INSECURE: 'true',
        SALESFORCE_CLIENT_ID: 'tributary',
        SALESFORCE_CLIENT_SECRET: secret,
      },
    });
  }

  start(config: Config, kafka: KafkaAccess = this.kafka): Connector {
    const stop = new AbortController();
    let isReady = false;
    let said = '';
    const ended = salesforceConnector
      .run({
        config,
        log,
        kafka,
        codec: this.codec,
        redis: this.redis,
        signal: stop.signal,
        ready: (state, why) => {
          isReady = state;
          said = why;
        },
      })
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    const connector = {
      ended,
      ready: () => isReady,
      why: () => said,
      stop: async () => {
        stop.abort();
        await ended;
      },
    };
    this.#connectors.push(connector);
    return connector;
  }

  async #all(topic: 'salesforce.raw' | 'connectors.dlq'): Promise<readonly InRecord[]> {
    const [range] = await this.kafka.offsets(topic);
    const records: InRecord[] = [];
    await this.kafka.read(topic, 0, range?.earliest ?? 0, range?.latest ?? 0, (batch) => {
      records.push(...batch);
    });
    await this.codec.prepare(records.map(({ value }) => value));
    return records;
  }

  async deadLetters(): Promise<readonly DeadLetter[]> {
    const records = await this.#all('connectors.dlq');
    return records.flatMap(({ value }) => (value === null ? [] : [this.codec.decode(value).value as DeadLetter]));
  }

  /** Everything in the raw topic as decode would hand it on. */
  async changes(): Promise<readonly Change[]> {
    const records = await this.#all('salesforce.raw');
    return records.flatMap(({ value, ...rest }) => {
      if (value === null) throw new Error('a tombstone in raw');
      const outcome = decodeStep({ ...rest, ...this.codec.decode(value) });
      if (!('emit' in outcome)) throw new Error(`not decoded: ${JSON.stringify(outcome)}`);
      return outcome.emit.map((one) => one.value as Change);
    });
  }

  async observations(): Promise<readonly Observation[]> {
    return (await this.changes()).flatMap(({ observation }) => observation ?? []);
  }

  async marks(kind: Mark['kind']): Promise<readonly Mark[]> {
    return (await this.changes()).flatMap(({ mark }) => (mark?.kind === kind ? [mark] : []));
  }

  async until(fact: () => Promise<void> | void, timeout = 20_000): Promise<void> {
    await vi.waitFor(fact, { timeout, interval: 100 });
  }

  async untilSnapshot(): Promise<void> {
    await this.until(async () => {
      if ((await this.marks('snapshotComplete')).length === 0) throw new Error('the snapshot is not complete');
    });
  }

  async settle(): Promise<void> {
    await Promise.all(this.#connectors.splice(0).map((connector) => connector.stop()));
    await Promise.all(this.#twins.splice(0).map((twin) => twin.close()));
  }

  async close(): Promise<void> {
    await this.settle();
    await this.kafka.close();
    this.redis.disconnect();
  }
}

/** Field values by ref as observations tell them, the newest position winning: written apart from the pipeline's own ledger. */
export function latest(observations: readonly Observation[]): ReadonlyMap<string, Readonly<Record<string, Value>>> {
  const values = new Map<string, Record<string, Value>>();
  const times = new Map<string, readonly [number, number]>();
  for (const { ref, fields, at } of observations) {
    const record = values.get(ref) ?? {};
    values.set(ref, record);
    for (const [field, value] of Object.entries(fields)) {
      const [time, seq] = times.get(`${ref}/${field}`) ?? [-1, -1];
      if (at.time < time || (at.time === time && at.seq < seq)) continue;
      record[field] = value;
      times.set(`${ref}/${field}`, [at.time, at.seq]);
    }
  }
  return values;
}

export async function person(
  twin: SalesforceTwin,
  path: 'transaction' | 'load' | 'deliveries' | 'faults' | 'habits',
  body: unknown,
): Promise<unknown> {
  const response = await fetch(`${twin.restUrl}/__twin/${path}`, { method: 'POST', body: JSON.stringify(body) });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}
