/**
 * A simulated history as a real log holds it, what folding it in memory comes to, and both as lines to compare: a line
 * says whose it is, what it means and which bytes it is.
 */
import { createHash } from 'node:crypto';
import type { Codec } from '../../core/codec.ts';
import { MicroBatch, type Stored } from '../../core/decide.ts';
import type { Fold, FoldRecord } from '../../core/fold.ts';
import { kafkajs } from '../../core/kafka/kafkajs.ts';
import { positionKey } from '../../core/repair.ts';
import { partitionOf, type TopicName, topics } from '../../schemas/topics.ts';
import type { Change, Command, UnifyPosition } from '../../schemas/types.ts';
import { env } from '../support/loop-servers.ts';
import type { Found, Loop } from '../support/loop-world.ts';
import type { Emitted } from './writer.ts';

/** Everything that unify writes but its state. */
export const outputTopics: readonly TopicName[] = [
  'customer.events',
  'account.events',
  'customer.latest',
  'account.latest',
  'journal',
  'salesforce.commands',
  'intercom.commands',
  'unify.dlq',
];

/**
 * The topics of unify. `changes` keeps the history's own times instead of the times of appending: unify's clock is the
 * log's, and in a history pressed into a second nothing would wait, be late or expire.
 */
export const historyTopics: Loop['topics'] = {
  changes: {
    'message.timestamp.type': 'CreateTime',
    'message.timestamp.after.max.ms': '9223372036854775807',
    'retention.ms': '-1',
  },
  'unify.state': {},
  ...Object.fromEntries(outputTopics.map((topic) => [topic, {}])),
};

/** A record to be appended: whole milliseconds, encoded. */
export interface Entry {
  readonly time: number;
  readonly key: string;
  readonly value: Buffer;
}

/** The virtual clock knows parts of a millisecond, a log does not. */
export const entriesOf = (records: readonly FoldRecord[], codec: Codec): Entry[] =>
  records.map(({ time, key, change }) => ({
    time: Math.floor(time),
    key,
    value: codec.encode('changes', 'Change', change),
  }));

export interface Appender {
  append(entries: readonly Entry[]): Promise<void>;
  close(): Promise<void>;
}

/** Appends with times of one's own, which nothing in production does. */
export async function openAppender(prefix: string): Promise<Appender> {
  const client = new kafkajs.Kafka({ brokers: env('KAFKA_BROKERS').split(','), logLevel: kafkajs.logLevel.NOTHING });
  const producer = client.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  return {
    append: async (entries) => {
      const messages = entries.map(({ time, key, value }) => ({ key, value, timestamp: String(time) }));
      await producer.send({ topic: `${prefix}changes`, acks: -1, messages });
    },
    close: () => producer.disconnect(),
  };
}

/** What was read from `changes`, as the loop hands it to its fold. */
export const foldRecords = (found: readonly Found[], codec: Codec, lineage: number): FoldRecord[] =>
  found.map(({ offset, time, key, value }) => {
    if (value === null) throw new Error(`changes/${offset} has no value`);
    return { offset, time, key, lineage, change: codec.decode(value).value as Change };
  });

/** By place (topic and partition), its records in order. */
export type Lines = Readonly<Record<string, readonly string[]>>;

/** The records folded in memory, from one position to the next. */
export class InMemory {
  readonly records: readonly FoldRecord[];
  readonly state = new Map<string, Stored>();
  readonly #fold: Fold;
  readonly #codec: Codec;
  #next = 0;

  constructor(fold: Fold, codec: Codec, records: readonly FoldRecord[]) {
    this.#fold = fold;
    this.#codec = codec;
    this.records = records;
  }

  /** Decides the records before this offset as one micro-batch. @throws what a record throws: none may be poison */
  advance(to: number): MicroBatch {
    const batch = new MicroBatch(this.#fold, this.#codec, (key) => ({ value: this.state.get(key)?.value }));
    for (const record of this.records.slice(this.#next, to)) batch.decide(record);
    this.#next = Math.max(this.#next, to);
    for (const [key, stored] of batch.puts) {
      if (stored === undefined) this.state.delete(key);
      else this.state.set(key, stored);
    }
    return batch;
  }

  stateLines(): readonly string[] {
    return [...this.state].map(([key, { bytes }]) => line(this.#codec, key, bytes)).sort();
  }
}

/** What a micro-batch puts out, as it must stand in the topics. */
export function outputLines(codec: Codec, batch: MicroBatch): Lines {
  const outputs: Record<string, string[]> = {};
  for (const topic of outputTopics) for (const place of placesOf(topic)) outputs[place] = [];
  for (const { topic, key, value, partition } of batch.outputs) {
    const at = partition ?? partitionOf(key ?? '', topics[topic].partitions);
    outputs[`${topic}/${at}`]?.push(line(codec, String(key), value));
  }
  return outputs;
}

/** One transaction of unify as unify.state holds it. */
export interface Transaction {
  readonly position: UnifyPosition;
  /** Of everything put, in the order of the keys. */
  readonly puts: readonly string[];
}

/** `found`: all of unify.state. The position is the last record of each transaction. */
export function transactionsOf(codec: Codec, found: readonly Found[]): readonly Transaction[] {
  const transactions: Transaction[] = [];
  let puts: string[] = [];
  for (const { key, value } of found) {
    if (key !== positionKey || value === null) puts.push(line(codec, key, value));
    else {
      transactions.push({ position: { ...(codec.decode(value).value as UnifyPosition) }, puts: puts.sort() });
      puts = [];
    }
  }
  if (puts.length > 0) throw new Error(`unify.state ends without a position: ${puts.join(', ')}`);
  return transactions;
}

/** The transactions that end before these offsets, when their records are folded in memory. */
export const transactionsIn = (
  codec: Codec,
  memory: InMemory,
  lineage: number,
  ends: readonly number[],
): readonly Transaction[] =>
  ends.map((offset, i) => ({
    position: { offset, time: memory.records[offset - 1]?.time ?? 0, lineage, transaction: i + 1 },
    puts: [...memory.advance(offset).puts].map(([key, stored]) => line(codec, key, stored?.bytes ?? null)).sort(),
  }));

/** The same lines of what was read from an output topic. */
export function linesOf(codec: Codec, topic: TopicName, found: readonly Found[]): Lines {
  const lines: Record<string, string[]> = Object.fromEntries(placesOf(topic).map((place) => [place, []]));
  for (const { partition, key, value } of found) lines[`${topic}/${partition}`]?.push(line(codec, key, value));
  return lines;
}

/** State or mirror, framed bytes as hex by key, as lines. */
export const stateLines = (codec: Codec, state: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(state)
    .map(([key, hex]) => line(codec, key, Buffer.from(hex, 'hex')))
    .sort();

/** The commands of a platform by partition, as the history's own unify gave them. */
export function commandsOf(emitted: readonly Emitted[], topic: TopicName): Readonly<Record<string, readonly string[]>> {
  const ids: Record<string, string[]> = Object.fromEntries(placesOf(topic).map((place) => [place, []]));
  for (const { topic: of, partition, key, value } of emitted) {
    if (of !== topic || value === null) continue;
    ids[`${topic}/${partition ?? partitionOf(key, topics[topic].partitions)}`]?.push((value as Command).id);
  }
  return ids;
}

const placesOf = (topic: TopicName): string[] =>
  Array.from({ length: topics[topic].partitions }, (_, partition) => `${topic}/${partition}`);

function line(codec: Codec, key: string, value: Buffer | null): string {
  if (value === null) return `${key} is gone`;
  const bytes = createHash('sha256').update(value).digest('hex').slice(0, 16);
  return `${key} ${JSON.stringify(codec.decode(value).value)} ${bytes}`;
}
