/** What the rest of the code sees of Kafka. Topic, group and transactional names are bare here; the prefix is added at the wire. */
import type { TopicName } from '../../schemas/topics.ts';

export interface OutRecord {
  readonly topic: TopicName;
  /** Decides the partition unless `partition` is given; null only for topics of one partition. */
  readonly key: string | Buffer | null;
  /** null is a tombstone. */
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, string | Buffer>>;
  readonly partition?: number;
}

/** Key, value and headers are slices of the fetched block: valid as long as they are held, but holding one keeps the whole block; copy what outlives the batch. */
export interface InRecord {
  readonly topic: TopicName;
  readonly partition: number;
  readonly offset: number;
  /** Append time of the log, ms. */
  readonly time: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
}

export interface TopicPartition {
  readonly topic: TopicName;
  readonly partition: number;
}

export interface SafeProducer {
  /**
   * Settles when every record is acknowledged by all in-sync replicas, and waits as long as Kafka is away. Calls are
   * written in the order in which they were made.
   * @throws TributaryError RECORD_TOO_LARGE, nothing of the call was sent
   */
  send(records: readonly OutRecord[]): Promise<void>;
  /** Sends what is queued, then disconnects; what cannot be sent rejects with KAFKA_UNAVAILABLE. */
  close(): Promise<void>;
}

/** A producer whose epoch has begun: whoever had the same id before is fenced and its open transaction is ended. */
export interface TransactionalProducer {
  /**
   * All records and the group's position, or nothing.
   * @throws TributaryError RECORD_TOO_LARGE: nothing was sent, the producer is still good
   * @throws TributaryError FENCED: a rival began a newer epoch; nothing was committed
   * @throws TributaryError KAFKA_UNAVAILABLE: the outcome is unknown. After this and FENCED the producer is unusable; a
   *   new one with the same id ends the transaction either way, after which the committed position can be read.
   */
  transact(
    records: readonly OutRecord[],
    offsets?: TopicPartition & { readonly group: string; readonly next: number },
  ): Promise<void>;
  close(): Promise<void>;
}

export interface InBatch extends TopicPartition {
  /** At least one, in offset order. */
  readonly records: readonly InRecord[];
  readonly highWatermark: number;
  /** Aborted when the partition is being taken away: stop before the next side effect and return. */
  readonly signal: AbortSignal;
  /**
   * `next` becomes the group's position: written about once a second, before the partition is given away and at the end.
   * A batch whose position is not committed comes again after a rebalance or restart.
   */
  commit(next: number): void;
}

export interface ConsumeOptions {
  readonly group: string;
  readonly topics: readonly TopicName[];
  /** Where a partition without a committed position starts. Default earliest. */
  readonly from?: 'earliest' | 'latest';
  /** Aborted: finish the batches in hand, commit, leave the group, settle. */
  readonly signal: AbortSignal;
  /** Most records handed over at once. Default 500. */
  readonly maxBatch?: number;
  /**
   * Before the first batch of every assignment; the group's membership is kept alive meanwhile. What it returns are start
   * offsets by `topic/partition`; the others start at the group's position.
   */
  onAssign?(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, number> | undefined>;
  /** After the last batch of an assignment, before the partitions are given away. */
  onRevoke?(): Promise<void>;
  /**
   * One call at a time per partition. A TributaryError with the verdict `retry` starts again from the committed position
   * after a pause; any other error ends `consume` with it.
   */
  handle(batch: InBatch): Promise<void>;
  /** Partitions handled at the same time. Default 4. */
  readonly concurrency?: number;
  /** Told when the group is joined and when Kafka is lost. */
  ready?(state: boolean, why: string): void;
}

export interface PartitionOffsets {
  readonly partition: number;
  /** First offset that is still kept. */
  readonly earliest: number;
  /** Offset that the next record gets. */
  readonly latest: number;
}

export interface TopicState {
  readonly partitions: number;
  readonly replication: number;
  /** Every setting that the broker names, its defaults too. */
  readonly config: Readonly<Record<string, string>>;
}

export interface KafkaAdmin {
  /** Those of the topics that exist. */
  describe(topics: readonly TopicName[]): Promise<ReadonlyMap<TopicName, TopicState>>;
  /** Settles when the cluster lists them. */
  create(wanted: ReadonlyMap<TopicName, TopicState>): Promise<void>;
  /** The whole wanted set: the old call that kafkajs speaks puts every setting not named back to its default. */
  configure(wanted: ReadonlyMap<TopicName, TopicState['config']>): Promise<void>;
  /** Records of `topic` that the group has not done yet, over all partitions. */
  lag(group: string, topic: TopicName): Promise<number>;
}

/** Said of a batch, it ends the reading. */
export type Enough = 'enough' | void;

export interface KafkaAccess {
  readonly prefix: string;
  /** Waits for Kafka until `signal`. */
  producer(signal?: AbortSignal): Promise<SafeProducer>;
  /** Waits for Kafka until `signal`. The id gets the prefix. */
  transactional(id: string, signal?: AbortSignal): Promise<TransactionalProducer>;
  /** Group consumer: batches per partition in order, at least once, read committed. Waits for Kafka as long as it takes; settles after the signal. */
  consume(options: ConsumeOptions): Promise<void>;
  /**
   * Reads [from, to) of one partition without a group, read committed, in batches, until `each` has enough. Terminates
   * although the last offsets may be transaction markers.
   */
  read(
    topic: TopicName,
    partition: number,
    from: number,
    to: number,
    each: (records: readonly InRecord[]) => Promise<Enough> | Enough,
  ): Promise<void>;
  offsets(topic: TopicName): Promise<readonly PartitionOffsets[]>;
  /** Position of a group per partition; -1: none. */
  committed(group: string, topic: TopicName): Promise<readonly { readonly partition: number; readonly next: number }[]>;
  readonly admin: KafkaAdmin;
  /** Something waits for Kafka, or waited last, in vain. */
  away(): boolean;
  /** Ends every wait and connection that this access opened; consumers end by their own signal. */
  close(): Promise<void>;
}
