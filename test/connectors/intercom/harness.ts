/** The connector against the real stack and the Intercom twin over its sockets, and what then stands in the topics. */
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { vi } from 'vitest';
import { freePort } from '../../../cli/stack/parts.ts';
import { intercomConnector } from '../../../connectors/intercom/connector.ts';
import { connectKafka, type InRecord, type KafkaAccess } from '../../../core/kafka.ts';
import { runPipe } from '../../../core/pipe.ts';
import { connectRedis } from '../../../core/redis.ts';
import { connectRegistry, type RegistryCodec } from '../../../core/registry.ts';
import { wantedConfig } from '../../../core/topics.ts';
import { decodeStep } from '../../../processors/decode/index.ts';
import { type TopicName, topics } from '../../../schemas/topics.ts';
import type { Change, DeadLetter, Mark, Observation } from '../../../schemas/types.ts';
import { type IntercomTwin, startIntercomTwin } from '../../../twins/intercom/server.ts';
import { configFor, twinControl } from '../../support/intercom-access.ts';
import { env, log } from '../../support/loop-servers.ts';

export interface Pod {
  readonly url: string;
  /** Last of what it said of itself. */
  readonly said: () => string;
  /** Ends it as SIGTERM would. */
  stop(): Promise<void>;
  readonly ended: Promise<unknown>;
}

/** A twin whose clock a test puts forward. */
export interface MovableTwin extends IntercomTwin {
  advance(ms: number): void;
  now(): number;
}

export class Harness {
  readonly prefix: string;
  readonly kafka: KafkaAccess;
  readonly codec: RegistryCodec;
  readonly redis: Redis;
  readonly #pods: Pod[] = [];
  readonly #twins: IntercomTwin[] = [];
  readonly #ends: (() => Promise<unknown>)[] = [];

  private constructor(kafka: KafkaAccess, codec: RegistryCodec, redis: Redis, prefix: string) {
    this.kafka = kafka;
    this.codec = codec;
    this.redis = redis;
    this.prefix = prefix;
  }

  static async open(): Promise<Harness> {
    const prefix = `capture-${randomUUID().slice(0, 8)}.`;
    const kafka = connectKafka({ brokers: env('KAFKA_BROKERS'), prefix, clientId: 'test', log });
    const codec = await connectRegistry({ url: env('SCHEMA_REGISTRY_URL'), prefix, log });
    for (const topic of ['intercom.raw', 'changes', 'connectors.dlq', 'decode.dlq'] satisfies TopicName[]) {
      const wanted = { partitions: 1, replication: 1, config: wantedConfig(topics[topic], 1) };
      await kafka.admin.create(new Map([[topic, wanted]]));
      await codec.registerTopic(topic);
    }
    const redis = connectRedis({ url: env('REDIS_URL'), log });
    await once(redis, 'ready');
    return new Harness(kafka, codec, redis, prefix);
  }

  async twin(): Promise<MovableTwin> {
    let ahead = 0;
    const now = (): number => Date.now() + ahead;
    const twin = await startIntercomTwin({ now });
    this.#twins.push(twin);
    const advance = (ms: number): void => {
      ahead += ms;
    };
    return { ...twin, advance, now };
  }

  /** One process with the connector in it, with the app's secret unless told otherwise. */
  async pod(twin: IntercomTwin, given: { kafka?: KafkaAccess; secret?: string | undefined } = {}): Promise<Pod> {
    const port = await freePort();
    const secret = 'secret' in given ? given.secret : twin.clientSecret;
    const config = configFor(twin, { intercom: { webhook: { port } } }, secret);
    const stop = new AbortController();
    let said = '';
    const ended = intercomConnector
      .run({
        config,
        log,
        kafka: given.kafka ?? this.kafka,
        codec: this.codec,
        redis: this.redis,
        signal: stop.signal,
        ready: (state, why) => {
          said = `${state ? 'ready' : 'not ready'}: ${why}`;
        },
      })
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    const end = async (): Promise<void> => {
      stop.abort();
      await ended;
    };
    const pod = { url: `http://127.0.0.1:${port}/intercom`, said: () => said, ended, stop: end };
    this.#pods.push(pod);
    return pod;
  }

  /** Our decode, so that `changes` is what unify would read. */
  decode(): void {
    const stop = new AbortController();
    const { kafka, codec } = this;
    const { signal } = stop;
    const input = ['intercom.raw'] as const;
    const running = runPipe({
      kafka,
      codec,
      group: 'decode',
      input,
      stage: 'decode',
      step: decodeStep,
      signal,
      ready: () => undefined,
      log,
    });
    this.#ends.push(async () => {
      stop.abort();
      await running;
    });
  }

  async records(topic: TopicName): Promise<readonly InRecord[]> {
    const [range] = await this.kafka.offsets(topic);
    const records: InRecord[] = [];
    await this.kafka.read(topic, 0, range?.earliest ?? 0, range?.latest ?? 0, (batch) => void records.push(...batch));
    await this.codec.prepare(records.map(({ value }) => value));
    return records;
  }

  async #values<T>(topic: TopicName): Promise<readonly T[]> {
    return (await this.records(topic)).flatMap(({ value }) =>
      value === null ? [] : [this.codec.decode(value).value as T],
    );
  }

  deadLetters = (): Promise<readonly DeadLetter[]> => this.#values('connectors.dlq');
  decoded = (): Promise<readonly Change[]> => this.#values('changes');

  /** Everything in the raw topic as decode would hand it on. */
  async changes(): Promise<readonly Change[]> {
    return (await this.records('intercom.raw')).flatMap(({ value, ...rest }) => {
      if (value === null) throw new Error('a tombstone in raw');
      const outcome = decodeStep({ ...rest, ...this.codec.decode(value) });
      if (!('emit' in outcome)) throw new Error(`not decoded: ${JSON.stringify(outcome)}`);
      return outcome.emit.map((one) => one.value as Change);
    });
  }

  async observations(): Promise<readonly Observation[]> {
    return (await this.changes()).flatMap(({ observation }) => observation ?? []);
  }

  /** `kind detail` of those that are no claim, and claims apart. */
  async marks(): Promise<readonly string[]> {
    const told = (await this.changes()).flatMap(({ mark }) => (mark !== null && mark.kind !== 'mark' ? [mark] : []));
    return told.map(({ kind, detail }) => (detail === '' ? kind : `${kind} ${detail}`));
  }

  async claims(): Promise<readonly Mark[]> {
    return (await this.changes()).flatMap(({ mark }) => (mark?.kind === 'mark' && mark.upTo > 0 ? [mark] : []));
  }

  /** How a field of a record was told, in the order of the topic. */
  async told(id: string, field = 'name'): Promise<readonly unknown[]> {
    return (await this.observations())
      .filter(({ ref, fields }) => ref.endsWith(`:${id}`) && field in fields)
      .map(({ fields }) => fields[field]);
  }

  async until<T>(fact: () => Promise<T> | T, timeout = 20_000): Promise<T> {
    return vi.waitFor(fact, { timeout, interval: 100 });
  }

  async settle(): Promise<void> {
    await Promise.all(this.#pods.splice(0).map((pod) => pod.stop()));
    await Promise.all(this.#ends.splice(0).map((end) => end()));
    await Promise.all(this.#twins.splice(0).map((twin) => twin.close()));
  }

  async close(): Promise<void> {
    await this.settle();
    await this.kafka.close();
    this.redis.disconnect();
  }
}

/** Has the twin notify the pod. */
export async function subscribe(twin: IntercomTwin, { url }: Pod): Promise<void> {
  await vi.waitFor(() => twinControl(twin, 'webhooks', { url }), { timeout: 10_000, interval: 50 });
}

/** Somebody at work in Intercom. */
export async function person(twin: IntercomTwin, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${twin.url}${path}`, {
    method,
    headers: { authorization: 'Bearer person-1', 'content-type': 'application/json', 'intercom-version': '2.14' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

export function signed(url: string, secret: string, bytes: Buffer): Promise<number> {
  const signature = `sha1=${createHmac('sha1', secret).update(bytes).digest('hex')}`;
  return fetch(url, { method: 'POST', body: bytes, headers: { 'x-hub-signature': signature } }).then(
    ({ status }) => status,
  );
}
