/**
 * Offsets, and bounded reads without a group: joining one costs a rebalance and leaves a group behind, for a question
 * whose answer is a range. Fetches go straight to the partition's leader.
 */
import type { Admin, Cluster, Consumer, KafkaMessage } from 'kafkajs';
import type { TopicName } from '../../schemas/topics.ts';
import { TributaryError } from '../errors.ts';
import { type KafkaLink, kafkaError, patient } from './client.ts';
import { kafkajs, loadBatch } from './kafkajs.ts';
import { discard } from './producer.ts';
import { toInRecord } from './records.ts';
import type { Enough, InRecord, PartitionOffsets } from './types.ts';

export interface PartitionReader {
  readonly offsets: (topic: TopicName) => Promise<readonly PartitionOffsets[]>;
  readonly committed: (group: string, topic: TopicName) => Promise<readonly { partition: number; next: number }[]>;
  readonly read: (
    topic: TopicName,
    partition: number,
    from: number,
    to: number,
    each: (records: readonly InRecord[]) => Promise<Enough> | Enough,
  ) => Promise<void>;
  /** Runs against one shared admin connection; an error of it makes the next call connect anew. */
  withAdmin<T>(doing: string, use: (admin: Admin) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** @throws TributaryError OFFSETS_LOST when records between the position and the log are gone */
export function checkStart(topic: TopicName, { partition, earliest, latest }: PartitionOffsets, from: number): void {
  if (from >= earliest && from <= latest) return;
  const what =
    from < earliest
      ? `offsets ${from} to ${earliest - 1} were deleted before they were read`
      : `the position ${from} is beyond the end ${latest}: the topic was cut or made anew`;
  throw new TributaryError('OFFSETS_LOST', `${topic}/${partition}: ${what}`);
}

const readCommitted = 1;
const fetchWaitMs = 500;
/** Longer than any transaction may stay open (transaction.ts), so whoever waits this long waits for nothing. */
const stuckMs = 90_000;

interface FetchedPartition {
  partition: number;
  highWatermark: string;
  messages: KafkaMessage[];
}

export function createReader(link: KafkaLink): PartitionReader {
  let admin: Promise<Admin> | undefined;
  let fetcher: Promise<{ consumer: Consumer; cluster: Cluster }> | undefined;

  async function connectAdmin(): Promise<Admin> {
    const client = link.open(patient).admin();
    try {
      await client.connect();
      return client;
    } catch (error) {
      await discard(link, client);
      throw error;
    }
  }

  /** A consumer that never joins: the assigner's factory is where kafkajs hands out the connection to the cluster. */
  async function connectFetcher(): Promise<{ consumer: Consumer; cluster: Cluster }> {
    let cluster: Cluster | undefined;
    const consumer = link.open(patient).consumer({
      groupId: 'never-joined',
      // For the offsets asked of this cluster: the end of the log, not the end of what is committed by now. Fetches name
      // their own isolation.
      readUncommitted: true,
      allowAutoTopicCreation: false,
      partitionAssigners: [
        (config) => {
          cluster = config.cluster;
          return kafkajs.PartitionAssigners.roundRobin(config);
        },
      ],
    });
    try {
      await consumer.connect();
      if (cluster === undefined) throw new TributaryError('INTERNAL', 'kafkajs made no cluster');
      return { consumer, cluster };
    } catch (error) {
      await discard(link, consumer);
      throw error;
    }
  }

  async function withAdmin<T>(doing: string, use: (admin: Admin) => Promise<T>): Promise<T> {
    admin ??= connectAdmin();
    const mine = admin;
    try {
      return await use(await mine);
    } catch (error) {
      if (admin === mine) admin = undefined;
      void mine.then(
        (client) => discard(link, client),
        () => undefined,
      );
      throw kafkaError(error, doing);
    }
  }

  async function withCluster<T>(doing: string, use: (cluster: Cluster) => Promise<T>): Promise<T> {
    fetcher ??= connectFetcher();
    const mine = fetcher;
    try {
      return await use((await mine).cluster);
    } catch (error) {
      if (fetcher === mine) fetcher = undefined;
      void mine.then(
        ({ consumer }) => discard(link, consumer),
        () => undefined,
      );
      throw kafkaError(error, doing);
    }
  }

  const fetchOnce = (topic: TopicName, partition: number, from: number): Promise<FetchedPartition> =>
    withCluster(`reading ${topic}/${partition} from ${from}`, async (cluster) => {
      const wire = link.wire(topic);
      await cluster.addTargetTopic(wire);
      await cluster.refreshMetadataIfNecessary();
      const [nodeId] = Object.keys(cluster.findLeaderForPartitions(wire, [partition]));
      if (nodeId === undefined) throw new TributaryError('KAFKA_UNAVAILABLE', `${topic}/${partition} has no leader`);
      const broker = await cluster.findBroker({ nodeId });
      const { responses } = (await broker.fetch({
        isolationLevel: readCommitted,
        maxWaitTime: fetchWaitMs,
        minBytes: 1,
        topics: [{ topic: wire, partitions: [{ partition, fetchOffset: String(from), maxBytes: 4 * 1024 * 1024 }] }],
      })) as { responses: { partitions: FetchedPartition[] }[] };
      const fetched = responses[0]?.partitions[0];
      if (fetched === undefined) throw new TributaryError('KAFKA_UNAVAILABLE', `${topic}/${partition}: empty answer`);
      return fetched;
    });

  const offsets: PartitionReader['offsets'] = (topic) =>
    withCluster(`offsets of ${topic}`, async (cluster) => {
      const wire = link.wire(topic);
      await cluster.addTargetTopic(wire);
      await cluster.refreshMetadataIfNecessary();
      const partitions = cluster
        .findTopicPartitionMetadata(wire)
        .map(({ partitionId }) => ({ partition: partitionId }));
      const ask = async (fromBeginning: boolean): Promise<Map<number, number>> => {
        const [found] = await cluster.fetchTopicsOffset([{ topic: wire, partitions, fromBeginning }]);
        return new Map(found?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      };
      const [earliest, latest] = [await ask(true), await ask(false)];
      return partitions
        .map(({ partition }) => ({
          partition,
          earliest: earliest.get(partition) ?? 0,
          latest: latest.get(partition) ?? 0,
        }))
        .sort((a, b) => a.partition - b.partition);
    });

  return {
    withAdmin,
    offsets,
    committed: (group, topic) =>
      withAdmin(`positions of ${group}`, async (client) => {
        const [found] = await client.fetchOffsets({ groupId: link.prefix + group, topics: [link.wire(topic)] });
        return (found?.partitions ?? []).map(({ partition, offset }) => ({ partition, next: Number(offset) }));
      }),
    async read(topic, partition, from, to, each) {
      if (from >= to) return;
      const kept = (await offsets(topic)).find((known) => known.partition === partition);
      if (kept === undefined) throw new TributaryError('KAFKA_UNAVAILABLE', `${topic}/${partition} is not known`);
      checkStart(topic, kept, from);
      checkStart(topic, kept, to);
      let position = from;
      let moved = performance.now();
      while (position < to) {
        const fetched = await fetchOnce(topic, partition, position);
        const batch = loadBatch(link.wire(topic), position, fetched);
        if (batch.isEmptyIncludingFiltered()) {
          // Below the end and nothing comes: an open transaction holds the rest back until it ends or times out.
          if (performance.now() - moved > stuckMs) {
            throw new TributaryError(
              'KAFKA_UNAVAILABLE',
              `${topic}/${partition}: nothing after ${position}, ${to} asked`,
            );
          }
          continue;
        }
        position = Number(batch.lastOffset()) + 1;
        moved = performance.now();
        const records = batch.messages
          .filter((message) => Number(message.offset) < to)
          .map((message) => toInRecord(topic, partition, message));
        if (records.length > 0 && (await each(records)) === 'enough') return;
      }
    },
    async close() {
      const open = [admin, fetcher?.then(({ consumer }) => consumer)];
      admin = undefined;
      fetcher = undefined;
      for (const client of open) {
        await client?.then(
          (connected) => discard(link, connected),
          () => undefined,
        );
      }
    },
  };
}
