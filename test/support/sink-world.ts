/** A real log, a real bucket and sinks on them; what unify would do is done by the test. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { vi } from 'vitest';
import { type Budget, connectBudget } from '../../core/budget.ts';
import { connectKafka, type KafkaAccess, type SafeProducer } from '../../core/kafka.ts';
import { connectRedis } from '../../core/redis.ts';
import { memoryCodec } from '../../core/registry.ts';
import { type Execution, runSink, type SinkOptions } from '../../core/sink-loop.ts';
import type { Answer } from '../../core/sink-state.ts';
import { wantedConfig } from '../../core/topics.ts';
import { type TopicName, topics } from '../../schemas/topics.ts';
import type { Change, Command, DeadLetter, Epoch, Result } from '../../schemas/types.ts';
import { env, log } from './loop-servers.ts';

export const codec = memoryCodec();

export const budgetOn = (redis: Redis, prefix: string, perWindow: number, windowMs = 1_000): Budget =>
  connectBudget({ redis, key: `${prefix}budget`, windowMs, perWindow, share: 1, reserveLive: 0.3 });

export const applied: Answer = {
  outcome: 'applied',
  ref: '',
  returned: null,
  platformTime: 1_000,
  refusals: [],
  doubt: false,
  sentAt: 0,
  calls: 1,
  into: null,
};

type Single = (command: Command, run: Execution) => Promise<Answer>;

export const each =
  (execute: Single): SinkOptions['execute'] =>
  async (commands, run) => {
    const answers = new Map<string, Answer>();
    for (const command of commands) answers.set(command.id, await execute(command, run));
    return answers;
  };

interface RunningSink {
  /** Readiness as told, newest last. */
  readonly said: readonly (readonly [boolean, string])[];
  /** Rejects with what ended it. */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

export class SinkWorld {
  readonly prefix = `sink-${randomUUID().slice(0, 8)}.`;
  readonly kafka: KafkaAccess;
  readonly redis: Redis;
  readonly platform: Command['platform'];
  readonly #running: RunningSink[] = [];
  #producer: SafeProducer | undefined;
  #next = 0;

  private constructor(redis: Redis, platform: Command['platform']) {
    this.redis = redis;
    this.platform = platform;
    this.kafka = this.#connect();
  }

  static async open(platform: Command['platform'] = 'intercom'): Promise<SinkWorld> {
    const redis = connectRedis({ url: env('REDIS_URL'), log });
    await once(redis, 'ready');
    const world = new SinkWorld(redis, platform);
    const names: TopicName[] = ['changes', `${platform}.commands`, `${platform}.raw`, 'sinks.dlq'];
    const wanted = names.map((topic) => {
      const { partitions } = topics[topic];
      return [topic, { partitions, replication: 1, config: wantedConfig(topics[topic], 1) }] as const;
    });
    await world.kafka.admin.create(new Map(wanted));
    world.#producer = await world.kafka.producer();
    return world;
  }

  #connect(): KafkaAccess {
    return connectKafka({ brokers: env('KAFKA_BROKERS'), prefix: this.prefix, clientId: 'test', log });
  }

  start(given: Omit<Partial<SinkOptions>, 'execute'> & { execute: Single }): RunningSink {
    const { execute } = given;
    return this.startBatches({ ...given, execute: each(execute) });
  }

  startBatches(given: Partial<SinkOptions> & Pick<SinkOptions, 'execute'>): RunningSink {
    const end = new AbortController();
    const kafka = this.#connect();
    const said: (readonly [boolean, string])[] = [];
    const options: SinkOptions = {
      kafka,
      codec,
      platform: this.platform,
      budget: budgetOn(this.redis, this.prefix, 1_000),
      concurrency: 4,
      perCall: 1,
      signal: end.signal,
      ready: (state, why) => said.push([state, why]),
      log,
      now: () => performance.now(),
      ...given,
    };
    const done = (async () => {
      try {
        await runSink(options);
      } finally {
        await kafka.close();
      }
    })();
    done.catch(() => undefined);
    const sink = {
      said,
      done,
      stop: async () => {
        end.abort();
        await done;
      },
    };
    this.#running.push(sink);
    return sink;
  }

  async changes(): Promise<readonly Change[]> {
    return this.#all('changes', 0);
  }

  async #all<T>(topic: TopicName, partition: number): Promise<T[]> {
    const range = (await this.kafka.offsets(topic)).find((one) => one.partition === partition);
    const found: T[] = [];
    await this.kafka.read(topic, partition, range?.earliest ?? 0, range?.latest ?? 0, (records) => {
      for (const { value } of records) if (value !== null) found.push(codec.decode(value).value as T);
    });
    return found;
  }

  deadLetters = (): Promise<readonly DeadLetter[]> => this.#all<DeadLetter>('sinks.dlq', 0);

  async results(): Promise<readonly Result[]> {
    return (await this.changes()).flatMap(({ result }) => (result === null ? [] : [result]));
  }

  async epochs(partition = 0): Promise<readonly Epoch[]> {
    return (await this.changes()).flatMap(({ epoch }) => (epoch?.partition === partition ? [epoch] : []));
  }

  /** The newest epoch of partition 0 that is not one of `not`. */
  async epoch(...not: readonly string[]): Promise<string> {
    return this.until(async () => {
      const found = (await this.epochs()).findLast(({ epoch, n }) => n === 0 && !not.includes(epoch));
      if (found === undefined) throw new Error('no epoch yet');
      return found.epoch;
    });
  }

  resultOf(id: string, epoch?: string): Promise<Result> {
    return this.until(async () => {
      const found = (await this.results()).find((one) => one.command === id && (epoch ?? one.epoch) === one.epoch);
      if (found === undefined) throw new Error(`no result of ${id} yet`);
      return found;
    });
  }

  until<T>(fact: () => Promise<T>): Promise<T> {
    return vi.waitFor(fact, { timeout: 40_000, interval: 50 });
  }

  command(epoch: string, given: Partial<Command> = {}): Command {
    const n = this.#next++;
    return {
      id: `ask-${n}`,
      platform: this.platform,
      epoch,
      verb: 'update',
      object: 'contact',
      ref: `intercom:contact:${n}`,
      key: `customer-${n}`,
      fields: { name: 'New' },
      before: {},
      lane: 'live',
      askedAt: Date.now(),
      expiresAt: Date.now() + 60_000,
      doubt: false,
      lineage: '',
      ...given,
    };
  }

  send(...commands: readonly Command[]): Promise<void> {
    return this.sendTo(0, ...commands);
  }

  async sendTo(partition: number, ...commands: readonly Command[]): Promise<void> {
    await this.#producer?.send(
      commands.map((command) => ({
        topic: `${this.platform}.commands` as const,
        key: command.ref,
        partition,
        value: codec.encode(`${this.platform}.commands`, 'Command', command),
      })),
    );
  }

  async sendBytes(value: Buffer): Promise<void> {
    await this.#producer?.send([{ topic: 'intercom.commands', key: 'broken', partition: 0, value }]);
  }

  async close(): Promise<void> {
    for (const sink of this.#running) await sink.stop().catch(() => undefined);
    await this.#producer?.close();
    await this.kafka.close();
    const keys = await this.redis.keys(`*${this.prefix}*`);
    if (keys.length > 0) await this.redis.del(...keys);
    this.redis.disconnect();
  }
}
