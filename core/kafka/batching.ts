/** How records become produce requests: pure, so that limits and order can be tested without a broker. */
import { partitionOf, type TopicName, topics } from '../../schemas/topics.ts';
import { TributaryError } from '../errors.ts';
import type { OutRecord } from './types.ts';

/** kafkajs makes one record batch per partition and request, and the broker refuses a batch above max.message.bytes. */
export const limits = {
  /** Of one partition in one request. */
  partitionBytes: 900_000,
  /** Of one request. */
  requestBytes: 8_000_000,
  /** Of one record; travels alone when it is above partitionBytes. */
  recordBytes: 2_000_000,
  /** The topics' setting: a record of the largest size and the batch around it. */
  maxMessageBytes: 2_097_152,
} as const;

/** Length, attributes, timestamp and offset deltas, length of key and value, header count: at most this. */
const recordOverhead = 40;
const headerOverhead = 10;

export interface PlacedRecord {
  readonly topic: TopicName;
  readonly partition: number;
  readonly bytes: number;
  readonly message: {
    readonly key: string | Buffer | null;
    readonly value: Buffer | null;
    readonly partition: number;
    readonly headers?: Readonly<Record<string, string | Buffer>>;
  };
}

/** @throws TributaryError RECORD_TOO_LARGE */
export function place({ topic, key, value, headers, partition }: OutRecord): PlacedRecord {
  const at = partition ?? homeOf(topic, key);
  let bytes = recordOverhead + (key === null ? 0 : Buffer.byteLength(key)) + (value?.length ?? 0);
  for (const [name, content] of Object.entries(headers ?? {})) {
    bytes += headerOverhead + Buffer.byteLength(name) + Buffer.byteLength(content);
  }
  if (bytes > limits.recordBytes) {
    throw new TributaryError('RECORD_TOO_LARGE', `a record for ${topic} has ${bytes} bytes, ${limits.recordBytes} fit`);
  }
  return { topic, partition: at, bytes, message: { key, value, partition: at, ...(headers && { headers }) } };
}

function homeOf(topic: TopicName, key: string | Buffer | null): number {
  const { partitions } = topics[topic];
  if (partitions === 1) return 0;
  if (key === null) throw new TributaryError('INTERNAL', `a record without key and partition for ${topic}`);
  return partitionOf(key, partitions);
}

/**
 * Takes from the front what fits into one request. Stops at the first record that does not fit rather than looking
 * further: order per partition would survive that, but not order across partitions, which people expect of a log.
 */
export function takeRequest<T extends { readonly bytes: number; readonly topic: string; readonly partition: number }>(
  queue: readonly T[],
  from: number,
): number {
  const perPartition = new Map<string, number>();
  let total = 0;
  let end = from;
  for (; end < queue.length; end += 1) {
    const record = queue[end] as T;
    const partition = `${record.topic}/${record.partition}`;
    const inPartition = (perPartition.get(partition) ?? 0) + record.bytes;
    total += record.bytes;
    const first = end === from;
    if (!first && (total > limits.requestBytes || inPartition > limits.partitionBytes)) break;
    perPartition.set(partition, inPartition);
  }
  return end;
}

export interface TopicMessages {
  readonly topic: string;
  readonly messages: PlacedRecord['message'][];
}

export function byTopic(records: readonly PlacedRecord[], wire: (topic: TopicName) => string): TopicMessages[] {
  const grouped = new Map<TopicName, TopicMessages>();
  for (const { topic, message } of records) {
    const group = grouped.get(topic) ?? { topic: wire(topic), messages: [] };
    group.messages.push(message);
    grouped.set(topic, group);
  }
  return [...grouped.values()];
}

/**
 * kafkajs remembers acknowledgements per broker across retries: a partition that moved meanwhile to a broker that had
 * already answered is never sent, and the send resolves. Only the answer's own list of partitions can be believed.
 */
export function assertAcknowledged(
  sent: readonly PlacedRecord[],
  wire: (topic: TopicName) => string,
  answer: readonly { topicName: string; partition: number; errorCode: number }[],
): void {
  const acknowledged = new Set(
    answer.filter(({ errorCode }) => errorCode === 0).map(({ topicName, partition }) => `${topicName}/${partition}`),
  );
  for (const { topic, partition } of sent) {
    if (!acknowledged.has(`${wire(topic)}/${partition}`)) {
      throw new TributaryError('SEND_UNVERIFIED', `no acknowledgement for ${topic}/${partition}`);
    }
  }
}
