/** What the rest of the code believes of core/kafka.ts, on a real broker. A client that takes its place must pass this. */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { kafkajs } from '../../core/kafka/kafkajs.ts';
import { connectKafka, type InBatch, type InRecord, type KafkaAccess, type OutRecord } from '../../core/kafka.ts';
import { wantedConfig } from '../../core/topics.ts';
import { type TopicName, topics } from '../../schemas/topics.ts';
import { type KafkaProxy, openKafkaProxy } from '../support/kafka-proxy.ts';

const brokers = process.env['KAFKA_BROKERS'] ?? '';
const log = pino({ level: process.env['LOG'] ?? 'silent' });

let prefix = '';
let kafka: KafkaAccess;
let proxy: KafkaProxy;
const open: KafkaAccess[] = [];
const stops: (() => Promise<void>)[] = [];

function connect(at = brokers): KafkaAccess {
  const access = connectKafka({ brokers: at, prefix, clientId: 'contract', log });
  open.push(access);
  return access;
}

async function makeTopic(topic: TopicName, config: Readonly<Record<string, string>> = {}): Promise<void> {
  const { partitions } = topics[topic];
  const wanted = { partitions, replication: 1, config: { ...wantedConfig(topics[topic], 1), ...config } };
  await kafka.admin.create(new Map([[topic, wanted]]));
}

const record = (topic: TopicName, key: string, value = key): OutRecord => ({ topic, key, value: Buffer.from(value) });
const numbered = (topic: TopicName, from: number, to: number): OutRecord[] =>
  Array.from({ length: to - from }, (_, i) => record(topic, String(from + i)));
const textOf = ({ value }: InRecord): string => value?.toString() ?? '';

async function everything(topic: TopicName, access = kafka): Promise<string[][]> {
  const found: string[][] = [];
  for (const { partition, earliest, latest } of await access.offsets(topic)) {
    const values: string[] = [];
    await access.read(topic, partition, earliest, latest, (records) => void values.push(...records.map(textOf)));
    found.push(values);
  }
  return found;
}

/** A consumer that runs until the test ends or stops it; `until` settles when what it has seen satisfies. */
function consume(
  access: KafkaAccess,
  topic: TopicName,
  options: {
    group?: string;
    handle?: (batch: InBatch) => Promise<void>;
    onAssign?: (partitions: readonly { partition: number }[]) => Promise<Map<string, number> | undefined>;
    onRevoke?: () => Promise<void>;
    maxBatch?: number;
  } = {},
): {
  seen: InRecord[];
  until(enough: (seen: InRecord[]) => boolean): Promise<void>;
  stop(): Promise<void>;
  ended: Promise<void>;
} {
  const controller = new AbortController();
  const seen: InRecord[] = [];
  const waiting: { enough: (seen: InRecord[]) => boolean; resolve: () => void }[] = [];
  const ended = access.consume({
    group: options.group ?? 'readers',
    topics: [topic],
    signal: controller.signal,
    ...(options.maxBatch !== undefined && { maxBatch: options.maxBatch }),
    ...(options.onAssign && { onAssign: options.onAssign }),
    ...(options.onRevoke && { onRevoke: options.onRevoke }),
    async handle(batch) {
      await options.handle?.(batch);
      seen.push(...batch.records);
      batch.commit((batch.records.at(-1)?.offset ?? -1) + 1);
      for (const { enough, resolve } of waiting) if (enough(seen)) resolve();
    },
  });
  const failed = ended.then(() => new Promise<never>(() => undefined));
  failed.catch(() => undefined);
  const stop = async (): Promise<void> => {
    controller.abort();
    await ended;
  };
  stops.push(() => stop().catch(() => undefined));
  return {
    seen,
    stop,
    ended,
    until: (enough) =>
      Promise.race([
        failed,
        enough(seen) ? Promise.resolve() : new Promise<void>((resolve) => waiting.push({ enough, resolve })),
      ]),
  };
}

beforeEach(async () => {
  prefix = `c${randomUUID().slice(0, 8)}.`;
  kafka = connect();
  proxy = await openKafkaProxy(brokers);
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await proxy.restore().catch(() => undefined);
  await Promise.all(open.splice(0).map((access) => access.close()));
  await proxy.close();
});

describe('sending', () => {
  test('keeps the order of calls within a partition, and puts a key where every Kafka client would', async () => {
    await makeTopic('customer.events');
    const producer = await kafka.producer();
    const calls = Array.from({ length: 40 }, (_, i) => producer.send(numbered('customer.events', i * 5, i * 5 + 5)));
    await Promise.all(calls);
    const found = await everything('customer.events');
    expect(found.flat().toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 200 }, (_, i) => `${i}`),
    );
    for (const values of found) {
      expect(values).toEqual(values.toSorted((a, b) => Number(a) - Number(b)));
      expect(values.length).toBeGreaterThan(0);
    }
    // What kafkajs's own (Java-compatible) partitioner says of one of them.
    const java = kafkajs.Partitioners.DefaultPartitioner()({
      topic: '',
      message: { key: '17', value: '' },
      partitionMetadata: Array.from({ length: 4 }, (_, partitionId) => ({
        partitionId,
        partitionErrorCode: 0,
        leader: 0,
        replicas: [0],
        isr: [0],
      })),
    });
    expect(found[java]).toContain('17');
  });

  test('writes a record once although the answer to it was lost', async () => {
    await makeTopic('changes');
    const producer = await connect(proxy.brokers).producer();
    await producer.send([record('changes', 'before')]);
    const lost = proxy.loseAnswers('produce', 2);
    await producer.send([record('changes', 'doubtful')]);
    await lost;
    await producer.send([record('changes', 'after')]);
    expect(await everything('changes')).toEqual([['before', 'doubtful', 'after']]);
  });

  test('writes a record in doubt once although every attempt for seconds after it fails', async () => {
    await makeTopic('changes');
    const producer = await connect(proxy.brokers).producer();
    await producer.send([record('changes', 'before')]);
    const lost = proxy.loseAnswers('produce', 1);
    const sent = producer.send([record('changes', 'doubtful')]);
    await lost;
    await proxy.refuse(12);
    await sent;
    expect(await everything('changes')).toEqual([['before', 'doubtful']]);
  });

  test('waits while Kafka is away and loses nothing of what was asked meanwhile', async () => {
    await makeTopic('changes');
    const producer = await connect(proxy.brokers).producer();
    await producer.send([record('changes', '0')]);
    await proxy.cut();
    const waiting = Promise.all([1, 2, 3].map((i) => producer.send([record('changes', String(i))])));
    await proxy.restore();
    await waiting;
    const [values] = await everything('changes');
    expect([...new Set(values)]).toEqual(['0', '1', '2', '3']);
  });

  test('refuses a record that no broker would take, and sends large amounts in several requests', async () => {
    await makeTopic('changes');
    const producer = await kafka.producer();
    const huge = { topic: 'changes', key: 'huge', value: Buffer.alloc(3_000_000) } as const;
    await expect(producer.send([record('changes', 'fine'), huge])).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
    const large = Array.from({ length: 30 }, (_, i) => record('changes', String(i), `${i}`.padEnd(100_000)));
    await producer.send(large);
    const [values] = await everything('changes');
    expect(values?.map((value) => value.trim())).toEqual(large.map(({ key }) => key));
  });

  test('a topic that does not exist yet is waited for', async () => {
    await makeTopic('journal');
    const producer = await kafka.producer();
    const sent = producer.send([record('changes', 'early')]);
    await makeTopic('changes');
    await sent;
    expect(await everything('changes')).toEqual([['early']]);
  });
});

describe('a transaction', () => {
  test('shows all of its records and the position of the group, or nothing', async () => {
    await makeTopic('changes');
    await makeTopic('customer.events');
    const producer = await kafka.transactional('unify');
    await producer.transact([...numbered('customer.events', 0, 20), record('changes', 'mark')], {
      group: 'unify',
      topic: 'changes',
      partition: 0,
      next: 7,
    });
    expect((await everything('customer.events')).flat()).toHaveLength(20);
    expect(await kafka.committed('unify', 'changes')).toEqual([{ partition: 0, next: 7 }]);
  });

  test('of a fenced producer commits nothing', async () => {
    await makeTopic('changes');
    const old = await kafka.transactional('unify');
    await old.transact([record('changes', 'old')]);
    const rival = await connect().transactional('unify');
    await expect(old.transact([record('changes', 'zombie')])).rejects.toMatchObject({ code: 'FENCED' });
    await expect(old.transact([record('changes', 'zombie')])).rejects.toMatchObject({ code: 'FENCED' });
    await rival.transact([record('changes', 'rival')]);
    expect(await everything('changes')).toEqual([['old', 'rival']]);
  });

  test('whose commit was done but not heard of is doubtful, and its successor finds it done', async () => {
    await makeTopic('changes');
    const doubtful = await connect(proxy.brokers).transactional('unify');
    await doubtful.transact([record('changes', 'first')]);
    const lost = proxy.loseAnswers('endTxn', 1);
    await expect(doubtful.transact([record('changes', 'second')])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    await lost;
    await expect(doubtful.transact([record('changes', 'again')])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    const successor = await kafka.transactional('unify');
    await successor.transact([record('changes', 'third')]);
    expect(await everything('changes')).toEqual([['first', 'second', 'third']]);
  });

  test('left open is invisible, holds back what comes after, and ends when a successor begins', async () => {
    await makeTopic('changes');
    const raw = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
    const producer = raw.producer({
      transactionalId: `${prefix}unify`,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic: `${prefix}changes`, messages: [{ key: 'open', value: 'open' }] });
    await (await kafka.producer()).send([record('changes', 'behind')]);
    const reading = everything('changes');
    const reader = consume(kafka, 'changes');
    const successor = await kafka.transactional('unify');
    await successor.transact([record('changes', 'next')]);
    expect(await reading).toEqual([['behind']]);
    await reader.until((seen) => seen.some((one) => textOf(one) === 'next'));
    expect(reader.seen.map(textOf)).toEqual(['behind', 'next']);
    await producer.disconnect();
  });

  test('larger than one request is still one transaction', async () => {
    await makeTopic('changes');
    const producer = await kafka.transactional('unify');
    const large = Array.from({ length: 25 }, (_, i) => record('changes', String(i), `${i}`.padEnd(100_000)));
    await producer.transact(large);
    const [values] = await everything('changes');
    expect(values?.map((value) => value.trim())).toEqual(large.map(({ key }) => key));
  });

  test('with a record that is too large is refused before anything is sent, and the producer is still good', async () => {
    await makeTopic('changes');
    const producer = await kafka.transactional('unify');
    const huge = { topic: 'changes', key: 'huge', value: Buffer.alloc(3_000_000) } as const;
    await expect(producer.transact([huge])).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
    await producer.transact([record('changes', 'fine')]);
    expect(await everything('changes')).toEqual([['fine']]);
  });
});

describe('reading a range', () => {
  test('ends although the last offsets are markers, and takes just the range asked for', async () => {
    await makeTopic('changes');
    const producer = await kafka.transactional('unify');
    for (let i = 0; i < 5; i += 1) await producer.transact(numbered('changes', i * 2, i * 2 + 2));
    const [all] = await kafka.offsets('changes');
    expect(all).toEqual({ partition: 0, earliest: 0, latest: 15 });
    const part: number[] = [];
    await kafka.read('changes', 0, 4, 10, (records) => void part.push(...records.map(({ offset }) => offset)));
    expect(part).toEqual([4, 6, 7, 9]);
  });

  test('from offsets that are gone or not there yet says what was lost', async () => {
    await makeTopic('changes');
    await (await kafka.producer()).send(numbered('changes', 0, 10));
    await deleteBefore('changes', 6);
    const ignore = (): void => undefined;
    await expect(kafka.read('changes', 0, 2, 10, ignore)).rejects.toMatchObject({
      code: 'OFFSETS_LOST',
      message: expect.stringContaining('offsets 2 to 5 were deleted'),
    });
    await expect(kafka.read('changes', 0, 8, 99, ignore)).rejects.toMatchObject({ code: 'OFFSETS_LOST' });
  });

  test('understands batches that others compressed', async () => {
    await makeTopic('changes');
    const raw = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
    const producer = raw.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    for (const compression of [kafkajs.CompressionTypes.GZIP, kafkajs.CompressionTypes.ZSTD]) {
      const messages = [1, 2, 3].map((i) => ({ key: 'k', value: `${compression}-${i}` }));
      await producer.send({ topic: `${prefix}changes`, compression, messages });
    }
    await producer.disconnect();
    expect(await everything('changes')).toEqual([['1-1', '1-2', '1-3', '4-1', '4-2', '4-3']]);
  });
});

async function deleteBefore(topic: TopicName, offset: number): Promise<void> {
  const admin = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.fetchTopicOffsets(prefix + topic);
  await admin.deleteTopicRecords({ topic: prefix + topic, partitions: [{ partition: 0, offset: String(offset) }] });
  await admin.disconnect();
}

describe('consuming', () => {
  test('goes on from the committed position, and from the start without one', async () => {
    await makeTopic('changes');
    const producer = await kafka.producer();
    await producer.send(numbered('changes', 0, 10));
    const first = consume(kafka, 'changes', { maxBatch: 3 });
    await first.until((seen) => seen.length === 10);
    await first.stop();
    expect(await kafka.committed('readers', 'changes')).toEqual([{ partition: 0, next: 10 }]);
    await producer.send(numbered('changes', 10, 15));
    const second = consume(kafka, 'changes');
    await second.until((seen) => seen.length >= 5);
    await second.stop();
    expect(second.seen.map(textOf)).toEqual(['10', '11', '12', '13', '14']);
  });

  test('begins where the assignment says, before it fetches anything', async () => {
    await makeTopic('changes');
    await (await kafka.producer()).send(numbered('changes', 0, 10));
    let told = false;
    const reader = consume(kafka, 'changes', {
      onAssign: async (partitions) => {
        expect(partitions).toEqual([{ topic: 'changes', partition: 0 }]);
        await kafka.offsets('changes');
        told = true;
        return new Map([['changes/0', 7]]);
      },
      handle: async () => expect(told).toBe(true),
    });
    await reader.until((seen) => seen.length === 3);
    expect(reader.seen.map(textOf)).toEqual(['7', '8', '9']);
  });

  test('stops with what was lost when its position is no longer kept', async () => {
    await makeTopic('changes');
    const producer = await kafka.producer();
    await producer.send(numbered('changes', 0, 10));
    const first = consume(kafka, 'changes', { maxBatch: 4 });
    await first.until((seen) => seen.length === 10);
    await first.stop();
    await producer.send(numbered('changes', 10, 20));
    await deleteBefore('changes', 15);
    const second = consume(kafka, 'changes');
    await expect(second.ended).rejects.toMatchObject({
      code: 'OFFSETS_LOST',
      message: expect.stringContaining('offsets 10 to 14 were deleted'),
    });
    expect(second.seen).toEqual([]);
  });

  test('loses nothing and keeps the order when members come and go', async () => {
    await makeTopic('customer.events');
    const producer = await kafka.producer();
    const one = consume(kafka, 'customer.events', { maxBatch: 10 });
    await producer.send(numbered('customer.events', 0, 200));
    await one.until((seen) => seen.length > 0);
    const two = consume(connect(), 'customer.events', { maxBatch: 10 });
    let sent = 200;
    while (two.seen.length === 0) {
      await producer.send(numbered('customer.events', sent, sent + 20));
      sent += 20;
    }
    const leaving = one.stop();
    await producer.send(numbered('customer.events', sent, sent + 200));
    sent += 200;
    await leaving;
    const values = (): Set<string> => new Set([...one.seen, ...two.seen].map(textOf));
    await two.until(() => values().size === sent);
    for (const { seen } of [one, two]) {
      for (const partition of [0, 1, 2, 3]) {
        const offsets = seen.filter((each) => each.partition === partition).map(({ offset }) => offset);
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      }
    }
  });

  test('tells a batch in hand that its partition is being taken away', async () => {
    await makeTopic('changes');
    await (await kafka.producer()).send([record('changes', 'long')]);
    const order: string[] = [];
    const one = consume(kafka, 'changes', {
      onRevoke: async () => void order.push('given away'),
      handle: async ({ signal }) => {
        order.push('begun');
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        order.push('told');
      },
    });
    const begun = one.until((seen) => seen.length > 0);
    while (order.length === 0) await kafka.offsets('changes');
    const two = consume(connect(), 'changes', { handle: async () => void order.push('other') });
    await begun;
    await Promise.all([one.stop(), two.stop()]);
    expect(order.slice(0, 3)).toEqual(['begun', 'told', 'given away']);
  });

  test('stopping finishes the batch in hand and commits it', async () => {
    await makeTopic('changes');
    await (await kafka.producer()).send(numbered('changes', 0, 10));
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const reader = consume(kafka, 'changes', {
      maxBatch: 4,
      handle: async () => {
        begun.resolve();
        await gate.promise;
      },
    });
    await begun.promise;
    const stopped = reader.stop();
    gate.resolve();
    await stopped;
    expect(reader.seen.map(textOf)).toEqual(['0', '1', '2', '3']);
    expect(await kafka.committed('readers', 'changes')).toEqual([{ partition: 0, next: 4 }]);
  });

  test('takes a batch up again after an error that passes, and ends with one that does not', async () => {
    await makeTopic('changes');
    await (await kafka.producer()).send(numbered('changes', 0, 3));
    const { TributaryError } = await import('../../core/errors.ts');
    let tries = 0;
    const reader = consume(kafka, 'changes', {
      handle: async () => {
        tries += 1;
        if (tries === 1) throw new TributaryError('REGISTRY_UNAVAILABLE', 'away');
        if (tries === 3) throw new TypeError('a defect');
      },
    });
    await reader.until((seen) => seen.length === 3);
    expect(tries).toBe(2);
    await (await kafka.producer()).send([record('changes', 'last')]);
    await expect(reader.ended).rejects.toMatchObject({ code: 'INTERNAL', message: 'a defect' });
  });

  test('comes back by itself when Kafka was away', async () => {
    await makeTopic('changes');
    const producer = await kafka.producer();
    await producer.send(numbered('changes', 0, 3));
    const reader = consume(connect(proxy.brokers), 'changes');
    await reader.until((seen) => seen.length === 3);
    await proxy.cut();
    await producer.send(numbered('changes', 3, 6));
    await proxy.restore();
    await reader.until((seen) => new Set(seen.map(textOf)).size === 6);
    expect(reader.seen.map(textOf).slice(0, 3)).toEqual(['0', '1', '2']);
  });

  test('starts before Kafka does', async () => {
    await makeTopic('changes');
    await (await kafka.producer()).send(numbered('changes', 0, 3));
    await proxy.cut();
    const reader = consume(connect(proxy.brokers), 'changes');
    await proxy.restore();
    await reader.until((seen) => seen.length === 3);
    expect(reader.seen.map(textOf)).toEqual(['0', '1', '2']);
  });

  test('knows how far a group is behind', async () => {
    await makeTopic('changes');
    await (await kafka.producer()).send(numbered('changes', 0, 10));
    expect(await kafka.admin.lag('readers', 'changes')).toBe(10);
    const reader = consume(kafka, 'changes');
    await reader.until((seen) => seen.length === 10);
    await reader.stop();
    expect(await kafka.admin.lag('readers', 'changes')).toBe(0);
  });
});
