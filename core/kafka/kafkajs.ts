/**
 * kafkajs 2.2.4 with the defects closed that no option reaches. The project is unmaintained since 2023, so each change
 * stands here once, on prototypes, and refuses any other version; the contract suite (test/contract) holds it.
 *
 * 1. One millisecond timer per connection, for ever (issue 1704): 4 % of a core when idle, and a warning on Node 24.
 * 2. Offset out of range is answered by jumping to another offset and committing it (issue 1119): records lost unseen.
 * 3. Stale metadata during a fetch joins the group again while other workers still run, and swaps their offsets under
 *    them (issue 558).
 * 4. Assignments are announced by an event that nobody waits for: a fetch could start before the start offsets are known,
 *    and partitions are given away before the last commit.
 * 5. The position advances by records. Compaction leaves batches without their last record, or without any: a reader that
 *    meets an empty one at the end of a segment fetches it for ever. The Java client goes on from the batch header.
 * 6. Records are written through a growing buffer each and read through a decoder each, and a partition's messages are
 *    copied for each message: most of the CPU of a stage (record-batch.ts; docs/performance.md).
 */
import { createRequire } from 'node:module';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type * as KafkaJs from 'kafkajs';
import { TributaryError } from '../errors.ts';
import {
  type BatchContext,
  type BatchHeader,
  decodeRecord,
  type EncodedRecord,
  encodeBatch,
  isPlain,
} from './record-batch.ts';

const require = createRequire(import.meta.url);
const supported = '2.2.4';
const { version } = require('kafkajs/package.json') as { version: string };
if (version !== supported) {
  throw new TributaryError(
    'INTERNAL',
    `kafkajs ${version} is installed, but its corrections are made for ${supported}`,
  );
}

/** The parts of a group member that the consumer works with. */
export interface GroupMember {
  readonly memberId: string | null;
  readonly assigners: readonly { readonly membership?: Membership }[];
  assigned(): { topic: string; partitions: number[] }[];
  seek(position: { topic: string; partition: number; offset: string }): void;
  heartbeat(options: { interval: number }): Promise<void>;
  commitOffsets(offsets: {
    topics: { topic: string; partitions: { partition: number; offset: string }[] }[];
  }): Promise<void>;
}

/** Awaited around every change of assignment. Rides on the assigner, the one object of ours that a group member holds. */
export interface Membership {
  /** Handlers have ended, the member still owns its partitions. Never throws. */
  release(member: GroupMember): Promise<void>;
  /** Joined, nothing fetched yet. */
  assigned(member: GroupMember): Promise<void>;
}

interface GroupInternals extends GroupMember {
  cluster: { refreshMetadata(): Promise<void> };
  joinAndSync: (this: GroupInternals) => Promise<void>;
  leave: (this: GroupInternals) => Promise<void>;
  recoverFromFetch: (this: GroupInternals, error: Error & { type?: string }) => Promise<void>;
  recoverFromOffsetOutOfRange: (this: GroupInternals, error: Error) => Promise<void>;
}

interface QueueInternals {
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

interface RawRecord {
  offset: string;
  key: Buffer | null;
  isControlRecord: boolean;
  batchContext: object;
}
interface RawBatch {
  firstOffset: string;
  lastOffsetDelta: number;
  producerId: string;
  inTransaction: boolean;
  records: RawRecord[];
}

/** Puts other exports where the client will look for its own: before whoever uses them is loaded. */
function replace<Original>(path: string, make: (original: Original) => unknown): void {
  const file = require.resolve(path);
  const original = require(file) as Original;
  const loaded = require.cache[file];
  if (loaded === undefined) throw new TributaryError('INTERNAL', `kafkajs did not load ${path}`);
  loaded.exports = make(original);
}

interface Encoder {
  readonly buffer: Buffer;
  size(): number;
}
type BatchEncoder = (
  batch: BatchHeader & { readonly compression: number; readonly records: readonly unknown[] },
) => Promise<Encoder>;

/** The client makes an encoder of each record first: here that is left to the batch, which knows them all. */
function speedUpRecords(): void {
  let encodeRecord: ((record: EncodedRecord) => unknown) | undefined;
  replace<NonNullable<typeof encodeRecord>>('kafkajs/src/protocol/recordBatch/record/v0', (original) => {
    encodeRecord = original;
    return (record: EncodedRecord) => record;
  });
  replace<{ readonly RecordBatch: BatchEncoder }>('kafkajs/src/protocol/recordBatch/v0', (original) => ({
    ...original,
    RecordBatch: async (batch: Parameters<BatchEncoder>[0]) => {
      const records = batch.records as readonly EncodedRecord[];
      if (batch.compression !== 0 || !isPlain(records))
        return await original.RecordBatch({ ...batch, records: records.map((record) => encodeRecord?.(record)) });
      const bytes = encodeBatch(batch, records);
      return { buf: bytes, buffer: bytes, size: () => bytes.length };
    },
  }));
  replace('kafkajs/src/protocol/recordBatch/record/v0/decoder', () => {
    return ({ buffer }: { readonly buffer: Buffer }, context: BatchContext) => decodeRecord(buffer, context);
  });
  replace('kafkajs/src/producer/groupMessagesPerPartition', () => groupMessages);
}

interface Grouping {
  readonly topic: string;
  readonly partitionMetadata: readonly unknown[];
  readonly messages: readonly object[];
  readonly partitioner: (options: object) => number;
}

function groupMessages({ topic, partitionMetadata, messages, partitioner }: Grouping): Record<string, object[]> {
  const grouped: Record<string, object[]> = {};
  if (partitionMetadata.length === 0) return grouped;
  for (const message of messages) (grouped[partitioner({ topic, partitionMetadata, message })] ??= []).push(message);
  return grouped;
}

/** Puts a control record, which every reader skips, where compaction took the last record of a batch. */
function replaceBatchDecoder(): void {
  replace<(decoder: unknown) => Promise<RawBatch>>('kafkajs/src/protocol/recordBatch/v0/decoder', (decode) => {
    return async (decoder: unknown): Promise<RawBatch> => {
      const batch = await decode(decoder);
      const last = String(BigInt(batch.firstOffset) + BigInt(batch.lastOffsetDelta));
      if (batch.records.at(-1)?.offset === last) return batch;
      return { ...batch, records: [...batch.records, { ...emptyRecord, offset: last, batchContext: batch }] };
    };
  });
}
const emptyRecord = { key: null, value: null, headers: {}, timestamp: '0', isControlRecord: true };

function stopTimerStorm(): void {
  const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: QueueInternals };
  const pollMs = 10;
  prototype.scheduleCheckPendingRequests = function schedule(this: QueueInternals): void {
    if (this.throttleCheckTimeoutId !== null) return;
    const throttledFor = this.throttledUntil - Date.now();
    if (this.pending.length === 0 && throttledFor <= 0) return;
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      throttledFor > 0 ? throttledFor : pollMs,
    );
  };
}

function guardMembership({ KafkaJSError, KafkaJSNonRetriableError, KafkaJSProtocolError }: typeof KafkaJs): void {
  const { prototype } = require('kafkajs/src/consumer/consumerGroup') as { prototype: GroupInternals };
  const { joinAndSync, leave, recoverFromFetch } = prototype;
  const staleMetadata = new Set([
    'LEADER_NOT_AVAILABLE',
    'NOT_LEADER_FOR_PARTITION',
    'FENCED_LEADER_EPOCH',
    'UNKNOWN_LEADER_EPOCH',
    'UNKNOWN_TOPIC_OR_PARTITION',
  ]);
  const membershipOf = (member: GroupMember): Membership | undefined => member.assigners[0]?.membership;

  prototype.joinAndSync = async function join() {
    await membershipOf(this)?.release(this);
    await joinAndSync.call(this);
    try {
      await membershipOf(this)?.assigned(this);
    } catch (error) {
      // kafkajs leaves the group only once it runs: unsaid, the next member would wait for our session to time out.
      await leave.call(this);
      if (error instanceof KafkaJSError) throw error;
      throw Object.assign(new KafkaJSNonRetriableError(String(error)), { cause: error });
    }
  };
  prototype.leave = async function leaveGroup() {
    await membershipOf(this)?.release(this);
    await leave.call(this);
  };
  prototype.recoverFromFetch = async function recover(error) {
    const stale =
      staleMetadata.has(error.type ?? '') ||
      error.name === 'KafkaJSTopicMetadataNotLoaded' ||
      error.name === 'KafkaJSStaleTopicMetadataAssignment';
    if (!stale) return await recoverFromFetch.call(this, error);
    await this.cluster.refreshMetadata();
    // The runner answers this type by stopping every worker first and joining then.
    const rejoin = Object.assign(new Error(error.message), {
      type: 'REBALANCE_IN_PROGRESS',
      code: 27,
      retriable: true,
    });
    throw new KafkaJSProtocolError(rejoin);
  };
  prototype.recoverFromOffsetOutOfRange = async function refuse(error) {
    throw new KafkaJSNonRetriableError(error);
  };
}

/** zstd is in Node; other teams choose their codec, and one unknown batch would end a consumer for good. */
function addCodecs(kafkajs: typeof KafkaJs): void {
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) =>
      zstdCompressSync(buffer, { params: { [constants.ZSTD_c_compressionLevel]: 3 } }),
    decompress: async (buffer: Buffer) => zstdDecompressSync(buffer),
  });
}

/** Once per process, however often this module is evaluated (test runners do so): wrapped twice, a release would run twice. */
function loadCorrected(): typeof KafkaJs {
  const mark = Symbol.for('tributary.kafkajs.corrected');
  const isCorrected = (loaded: unknown): loaded is typeof KafkaJs =>
    typeof loaded === 'object' && loaded !== null && mark in loaded;
  const before: unknown = require.cache[require.resolve('kafkajs')]?.exports;
  if (isCorrected(before)) return before;
  if (before !== undefined) {
    throw new TributaryError('INTERNAL', 'kafkajs was loaded past core/kafka/kafkajs.ts, which alone may import it');
  }
  speedUpRecords();
  replaceBatchDecoder();
  const loaded = require('kafkajs') as typeof KafkaJs & { [mark]?: true };
  stopTimerStorm();
  guardMembership(loaded);
  addCodecs(loaded);
  loaded[mark] = true;
  return loaded;
}

export const kafkajs: typeof KafkaJs = loadCorrected();

/** A fetched partition with aborted records and transaction markers taken out of `messages`. */
export interface FetchedBatch {
  readonly messages: readonly KafkaJs.KafkaMessage[];
  isEmptyIncludingFiltered(): boolean;
  lastOffset(): string;
}

const BatchOfFetch = require('kafkajs/src/consumer/batch') as new (
  topic: string,
  fetchedOffset: string,
  fetched: object,
) => FetchedBatch;

export function loadBatch(topic: string, from: number, fetched: object): FetchedBatch {
  return new BatchOfFetch(topic, String(from), fetched);
}
