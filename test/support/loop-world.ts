/**
 * A small deployment of its own on the real Kafka and Redis: topics and keys under a prefix that nobody else has, the
 * counting fold unless another is given, and readers that judge what came of it without asking the loop.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { vi } from 'vitest';
import type { Codec } from '../../core/codec.ts';
import type { Fault } from '../../core/faults.ts';
import type { Fold } from '../../core/fold.ts';
import { connectKafka, type KafkaAccess, limits as kafkaLimits } from '../../core/kafka.ts';
import { unpack } from '../../core/pack.ts';
import { connectRedis } from '../../core/redis.ts';
import { memoryCodec } from '../../core/registry.ts';
import { type Committed, type FoldLimits, runTransactionalFold } from '../../core/transaction.ts';
import { type TopicName, topics } from '../../schemas/topics.ts';
import type { Change, CursorState, DeadLetter, JournalEntry, UnifyPosition } from '../../schemas/types.ts';
import { countingFold } from './counting-fold.ts';
import { env, limits, log, transactionalId } from './loop-servers.ts';

export const codec = memoryCodec();

/** What a world runs, and its topics with the settings that they have besides every topic's own. */
export interface Loop {
  readonly fold: Fold;
  readonly codec: Codec;
  readonly topics: Readonly<Partial<Record<TopicName, Readonly<Record<string, string>>>>>;
}

const counting: Loop = {
  fold: countingFold,
  codec,
  topics: { changes: {}, 'unify.state': {}, journal: {}, 'unify.dlq': {} },
};

export interface RunOptions {
  readonly group?: string;
  readonly limits?: Partial<FoldLimits>;
  readonly fault?: Fault;
  readonly kafka?: KafkaAccess;
  readonly redis?: Redis;
  readonly clock?: () => number;
}

export interface Run {
  readonly commits: readonly Committed[];
  /** Every readiness it showed, in order. */
  readonly states: readonly { readonly ready: boolean; readonly why: string }[];
  /** Rejects with what ended it. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface Outcome {
  readonly journal: readonly JournalEntry[];
  readonly deadLetters: readonly DeadLetter[];
  /** Framed bytes as hex: of every output in order, and of unify.state folded, its position left out. */
  readonly outputs: readonly string[];
  readonly state: Readonly<Record<string, string>>;
}

/** A record of a topic as it was read. */
export interface Found {
  readonly partition: number;
  readonly offset: number;
  readonly time: number;
  readonly key: string;
  readonly value: Buffer | null;
}

export interface Verdict {
  /** Outputs in order, as `<change> <count of its key>/<total>`. */
  readonly said: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  /** Keys whose bytes in Redis are not those of unify.state. */
  readonly mirrorDiffers: readonly string[];
}

export class World {
  readonly prefix = `test.${randomUUID()}.`;
  readonly kafka: KafkaAccess;
  readonly redis: Redis;
  readonly #loop: Loop;
  readonly #running = new Set<Run>();

  constructor(loop: Loop) {
    this.#loop = loop;
    this.kafka = connectKafka({ brokers: env('KAFKA_BROKERS'), prefix: this.prefix, clientId: 'test', log });
    this.redis = connectRedis({ url: env('REDIS_URL'), log });
  }

  static async create(loop = counting): Promise<World> {
    const world = new World(loop);
    const names = Object.keys(loop.topics) as TopicName[];
    const wanted = names.map((name) => {
      const { partitions, cleanup } = topics[name];
      const config = {
        'cleanup.policy': cleanup,
        'message.timestamp.type': 'LogAppendTime',
        'max.message.bytes': String(kafkaLimits.maxMessageBytes),
        ...loop.topics[name],
      };
      return [name, { partitions, replication: 1, config }] as const;
    });
    await world.kafka.admin.create(new Map(wanted));
    if (world.redis.status !== 'ready') await once(world.redis, 'ready');
    return world;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map((run) => run.stop()));
    const keys = await this.redis.keys(`${this.prefix}*`);
    if (keys.length > 0) await this.redis.unlink(...keys);
    this.redis.disconnect();
    await this.kafka.close();
  }

  async offer(changes: readonly (Change | Buffer)[]): Promise<void> {
    const producer = await this.kafka.producer();
    const encoded = changes.map((change) => ({
      topic: 'changes' as const,
      key: Buffer.isBuffer(change) ? 'raw' : (change.action?.subject ?? 'clock'),
      value: Buffer.isBuffer(change) ? change : codec.encode('changes', 'Change', change),
    }));
    await producer.send(encoded);
    await producer.close();
  }

  run(options: RunOptions = {}): Run {
    const stop = new AbortController();
    const commits: Committed[] = [];
    const states: { ready: boolean; why: string }[] = [];
    const ended = runTransactionalFold({
      kafka: options.kafka ?? this.kafka,
      redis: options.redis ?? this.redis,
      codec: this.#loop.codec,
      group: options.group ?? 'unify',
      transactionalId,
      fold: this.#loop.fold,
      limits: { ...limits, ...options.limits },
      signal: stop.signal,
      ready: (ready, why) => states.push({ ready, why }),
      log,
      onCommitted: (done) => commits.push(done),
      ...(options.fault === undefined ? {} : { fault: options.fault }),
      ...(options.clock === undefined ? {} : { clock: options.clock }),
    });
    ended.catch(() => undefined);
    const run: Run = {
      commits,
      states,
      ended,
      stop: async () => {
        this.#running.delete(run);
        stop.abort();
        await ended;
      },
    };
    this.#running.add(run);
    return run;
  }

  /** Settles when everything in `changes` is decided and the mirror stands where the log does. */
  async settled(): Promise<void> {
    const [changes] = await this.kafka.offsets('changes');
    await vi.waitFor(
      async () => {
        const position = await this.lastPosition();
        if (position === undefined || position.offset !== changes?.latest) throw new Error(`at ${position?.offset}`);
        const text = `${position.lineage}:${position.offset}:${position.transaction}`;
        const mirror = await this.redis.get(this.key('position'));
        if (mirror !== text) throw new Error(`mirror at ${mirror}, log at ${text}`);
      },
      { timeout: 40_000, interval: 50 },
    );
  }

  /** What the last transaction says of itself; it is among the last records, for none of the tests' has more. */
  async lastPosition(): Promise<UnifyPosition | undefined> {
    const [state] = await this.kafka.offsets('unify.state');
    const { earliest = 0, latest = 0 } = state ?? {};
    let last: Buffer | null = null;
    await this.kafka.read('unify.state', 0, Math.max(earliest, latest - 10_000), latest, (records) => {
      last = records.findLast(({ key, value }) => key?.toString() === 'position' && value !== null)?.value ?? last;
    });
    return last === null ? undefined : (this.#loop.codec.decode(last).value as UnifyPosition);
  }

  /** Runs until everything is decided. */
  async finish(options: RunOptions = {}): Promise<Run> {
    const run = this.run(options);
    await Promise.race([this.settled(), run.ended]);
    await run.stop();
    return run;
  }

  async outcome(): Promise<Outcome> {
    const journal = await this.records('journal');
    return {
      journal: journal.map(({ value }) => decoded<JournalEntry>(value)),
      outputs: journal.map(({ key, value }) => `${key} ${value?.toString('hex')}`),
      deadLetters: (await this.records('unify.dlq')).map(({ value }) => decoded<DeadLetter>(value)),
      state: await this.folded(),
    };
  }

  /** unify.state folded, its position left out. */
  async folded(): Promise<Record<string, string>> {
    const state: Record<string, string> = {};
    for (const { key, value } of await this.records('unify.state')) {
      if (key === 'position') continue;
      if (value === null) delete state[key];
      else state[key] = value.toString('hex');
    }
    return state;
  }

  /** The mirror's values as Redis has them. */
  async mirrored(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    const root = this.key('');
    for (const key of await this.redis.keys(`${root}*`)) {
      const name = key.slice(root.length);
      if (name === 'position' || name === 'base') continue;
      const value = await this.redis.getBuffer(key);
      found[name] = value === null ? '' : unpack(value).toString('hex');
    }
    return found;
  }

  /** What every test ends with: see `right`. */
  async judged(): Promise<Verdict> {
    const outcome = await this.outcome();
    const mirrored = await this.mirrored();
    const keys = [...new Set([...Object.keys(mirrored), ...Object.keys(outcome.state)])];
    return { ...found(outcome), mirrorDiffers: keys.filter((key) => mirrored[key] !== outcome.state[key]) };
  }

  key(name: string): string {
    return `${this.prefix}{unify}:${name}`;
  }

  /** Takes every key of the mirror as it is now; the answer puts exactly that back. */
  async photograph(): Promise<() => Promise<void>> {
    const taken = await Promise.all(
      (await this.redis.keys(`${this.key('')}*`)).map(async (key) => [key, await this.redis.getBuffer(key)] as const),
    );
    return async () => {
      await this.wipe();
      for (const [key, value] of taken) await this.redis.set(key, value ?? '');
    };
  }

  async wipe(): Promise<void> {
    const keys = await this.redis.keys(`${this.key('')}*`);
    if (keys.length > 0) await this.redis.unlink(...keys);
  }

  /** A topic read committed, one partition after the other. */
  async records(topic: TopicName): Promise<Found[]> {
    const found: Found[] = [];
    for (const { partition, earliest, latest } of await this.kafka.offsets(topic)) {
      await this.kafka.read(topic, partition, earliest, latest, (records) => {
        for (const { offset, time, key, value } of records)
          found.push({ partition, offset, time, key: key?.toString() ?? '', value: value && Buffer.from(value) });
      });
    }
    return found;
  }
}

/** What the counting fold must have come to after these changes, worked out without any of the loop's code. */
export function expected(changes: readonly Change[]): Omit<Verdict, 'mirrorDiffers'> {
  const counts: Record<string, number> = {};
  const said: string[] = [];
  for (const { action } of changes) {
    if (action === null) continue;
    const count = (counts[action.subject] ?? 0) + 1;
    counts['total'] = (counts['total'] ?? 0) + 1;
    if (count === 5) delete counts[action.subject];
    else counts[action.subject] = count;
    said.push(`${action.id} ${count}/${counts['total']}`);
  }
  return { said, counts };
}

/** Nothing lost, nothing twice, the mirror exactly the log. */
export const right = (changes: readonly Change[]): Verdict => ({ ...expected(changes), mirrorDiffers: [] });

/** The same two things as they stand in the topics. */
export function found(outcome: Outcome): ReturnType<typeof expected> {
  const counts: Record<string, number> = {};
  for (const [key, hex] of Object.entries(outcome.state)) {
    counts[key.slice('cur:'.length)] = decoded<CursorState>(Buffer.from(hex, 'hex')).n['count'] ?? -1;
  }
  return {
    said: outcome.journal.map((entry) => `${entry.reason} ${String(entry.value)}/${String(entry.other)}`),
    counts,
  };
}

function decoded<T>(bytes: Buffer | null): T {
  if (bytes === null) throw new Error('no value');
  return codec.decode(bytes).value as T;
}
