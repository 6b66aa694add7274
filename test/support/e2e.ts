/** What the end-to-end tests share besides the demo's world: what they read, wait for and do to it. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { judge, type Verdict } from '../../cli/demo/judge.ts';
import { World, type WorldOptions } from '../../cli/demo/world.ts';
import { connectKafka, type InRecord, type KafkaAccess } from '../../core/kafka.ts';
import { connectRedis } from '../../core/redis.ts';
import { connectRegistry, type RegistryCodec } from '../../core/registry.ts';
import type { TopicName } from '../../schemas/topics.ts';
import type { AccountEvent, Change, CustomerEvent } from '../../schemas/types.ts';
import { type Doubts, doubtsOf } from './doubt.ts';

const log = pino({ level: process.env['LOG'] ?? 'silent' });

/** The world's own topics, read as anybody may read them: without a group, committed records only. */
export class Topics {
  readonly kafka: KafkaAccess;
  readonly codec: RegistryCodec;

  private constructor(kafka: KafkaAccess, codec: RegistryCodec) {
    this.kafka = kafka;
    this.codec = codec;
  }

  static async open({ env }: World): Promise<Topics> {
    const prefix = env['TRIBUTARY_PREFIX'] ?? '';
    const brokers = env['KAFKA_BROKERS'] ?? '';
    const kafka = connectKafka({ brokers, prefix, clientId: 'e2e', log });
    return new Topics(kafka, await connectRegistry({ url: env['SCHEMA_REGISTRY_URL'] ?? '', prefix, log }));
  }

  close(): Promise<void> {
    return this.kafka.close();
  }

  async records(topic: TopicName): Promise<readonly InRecord[]> {
    const all: InRecord[] = [];
    for (const { partition, earliest, latest } of await this.kafka.offsets(topic))
      await this.kafka.read(topic, partition, earliest, latest, (records) => void all.push(...records));
    return all;
  }

  async values<T>(topic: TopicName): Promise<readonly { readonly record: InRecord; readonly value: T }[]> {
    const records = await this.records(topic);
    await this.codec.prepare(records.map(({ value }) => value));
    return records.flatMap((record) =>
      record.value === null ? [] : [{ record, value: this.codec.decode(record.value).value as T }],
    );
  }

  /** Events in all: the ids, for a version that is told twice would be told twice here. */
  async eventIds(): Promise<readonly string[]> {
    const [customers, accounts] = await Promise.all([
      this.values<CustomerEvent>('customer.events'),
      this.values<AccountEvent>('account.events'),
    ]);
    return [...customers, ...accounts].map(({ value }) => value.eventId);
  }

  async doubts(world: World): Promise<Doubts> {
    const changes = await this.values<Change>('changes');
    return doubtsOf(
      await world.intercomCalls(),
      changes.map(({ record, value }) => ({ time: record.time, change: value })),
    );
  }
}

/** Customers whose events do not count 1, 2, 3…: one was lost, or told twice. */
export async function brokenHistories(topics: Topics): Promise<readonly string[]> {
  const versions = new Map<string, number[]>();
  for (const { value } of await topics.values<CustomerEvent>('customer.events'))
    versions.set(value.customerId, [...(versions.get(value.customerId) ?? []), value.version]);
  return [...versions]
    .filter(([, seen]) => seen.some((version, n) => version !== n + 1))
    .map(([id, seen]) => `${id}: ${seen.join(' ')}`);
}

/** A seed that is printed with the test's name; `E2E_SEED` runs a history again. */
export const seed = Number(process.env['E2E_SEED'] ?? randomInt(1_000_000));

export async function startWorld(more: Partial<WorldOptions> = {}): Promise<World> {
  const world = await World.start({ seed, log: () => undefined, signal: new AbortController().signal, ...more });
  onTestFinished(async ({ task }) => {
    const failed = task.result?.state === 'fail';
    if (failed) await world.keepEvidence([]).catch(() => undefined);
    await world.stop(failed);
  });
  return world;
}

/** Waits for a fact; the test's own time limit is the limit. */
export async function until<T>(look: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    await sleep(20);
  }
}

/** Until the services have written to Intercom so many times more. */
export async function moreWrites(world: World, count: number): Promise<void> {
  const writes = async (): Promise<number> =>
    Number(((await world.get(`${world.intercomUrl}/__twin/stats`)) as { writes: unknown }).writes);
  const from = await writes();
  await until(writes, (now) => now >= from + count);
}

export async function fault(url: string, order: object): Promise<void> {
  const answer = await fetch(`${url}/__twin/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order),
  });
  if (!answer.ok) throw new Error(`the double refused the fault: ${await answer.text()}`);
}

/** Intercom's answers take their time, as the platform's do: what was applied and not yet answered is in doubt. */
export function slowIntercom(world: World, delayMs: number): Promise<void> {
  return fault(world.intercomUrl, { match: '* /co*', kind: 'slow', delayMs, times: 1_000_000 });
}

export async function verdictOf(world: World): Promise<Verdict> {
  const [salesforceStore, intercomStore, calls] = await Promise.all([
    world.salesforceStore(),
    world.intercomStore(),
    world.intercomCalls(),
  ]);
  return judge({ salesforceStore, intercomStore, calls });
}

export async function flushRedis({ env }: World): Promise<void> {
  const redis = connectRedis({ url: env['REDIS_URL'] ?? '', log });
  await once(redis, 'ready');
  await redis.flushall();
  redis.disconnect();
}
