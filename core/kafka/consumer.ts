/**
 * Group consumption. kafkajs runs one membership; what it does on errors (restart by itself, give up for good, come back
 * after a stop) is replaced by one rule: whatever goes wrong ends the session, and a new one starts on a new connection
 * after a pause. Positions are committed by the batch, written lazily here.
 */
import type { Batch, EachBatchPayload } from 'kafkajs';
import { TributaryError } from '../errors.ts';
import { doing } from '../faults.ts';
import { hasType, type KafkaLink, kafkaError, patient, pause } from './client.ts';
import { type GroupMember, kafkajs, type Membership } from './kafkajs.ts';
import { checkStart, type PartitionReader } from './offsets.ts';
import { discard } from './producer.ts';
import { toInRecord } from './records.ts';
import type { ConsumeOptions, InBatch, TopicPartition } from './types.ts';

const timing = { rebalanceTimeout: 30_000, maxWaitTimeInMs: 500 };
/** Of a session: when the broker is told that we live, at the latest, and how often we look whether it is time to. */
const beat = { within: 1 / 5, every: 1 / 10 };
const commitEveryMs = 1_000;
const defaults = { maxBatch: 500, concurrency: 4 };
/** A membership that lasted this long ends the growth of pauses. */
const steadyMs = 30_000;

export async function consumeGroup(link: KafkaLink, reader: PartitionReader, options: ConsumeOptions): Promise<void> {
  for (let tries = 0; !options.signal.aborted; tries += 1) {
    const began = performance.now();
    try {
      await runSession(link, reader, options);
    } catch (error) {
      const ours = kafkaError(error, `consuming ${options.topics.join(', ')}`);
      options.ready?.(false, ours.message);
      if (ours.verdict !== 'retry') throw ours;
      if (options.signal.aborted) return;
      if (ours.code === 'KAFKA_UNAVAILABLE') link.health.down(error);
      else link.log.warn({ code: ours.code, why: ours.message }, 'the batch is taken up again');
      if (performance.now() - began > steadyMs) tries = 0;
      await pause(tries, options.signal);
    }
  }
}

/** One membership, from joining to leaving. Rejects with what ended it, resolves after the signal. */
async function runSession(link: KafkaLink, reader: PartitionReader, options: ConsumeOptions): Promise<void> {
  const { signal } = options;
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  const membership = createMembership(link, reader, options);
  const consumer = link.open(patient).consumer({
    ...timing,
    sessionTimeout: link.sessionMs,
    heartbeatInterval: link.sessionMs * beat.within,
    groupId: link.prefix + options.group,
    allowAutoTopicCreation: false,
    maxBytesPerPartition: 4 * 1024 * 1024,
    partitionAssigners: [(config) => Object.assign(kafkajs.PartitionAssigners.roundRobin(config), { membership })],
    retry: { ...patient, retries: 4, restartOnFailure: async () => false },
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => failure.reject(payload.error));

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= consumer.stop();
    return stopping;
  };
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: options.topics.map(link.wire), fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: options.concurrency ?? defaults.concurrency,
      eachBatch: async (payload) => {
        // A queued batch is still handed out while the session ends; nothing of it may be done any more.
        if (stopping !== undefined) return;
        await handOver(link, options, membership, payload, (error) => {
          failure.reject(TributaryError.from(error));
          void stop();
        });
      },
    });
    await Promise.race([untilAborted(signal), failure.promise]);
  } finally {
    await stop();
    await membership.end();
    await discard(link, consumer);
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

interface SessionMembership extends Membership {
  /** Aborted when the partitions at hand are being taken away. */
  readonly lost: AbortSignal;
  lose(): void;
  commit(topic: string, partition: number, next: number): void;
  end(): Promise<void>;
}

function createMembership(link: KafkaLink, reader: PartitionReader, options: ConsumeOptions): SessionMembership {
  let lost = new AbortController();
  let owning = false;
  let timer: NodeJS.Timeout | undefined;
  let pending = new Map<string, { topic: string; partition: number; offset: string }>();
  let committing: Promise<void> | undefined;

  async function flush(member: GroupMember): Promise<void> {
    const due = pending;
    if (due.size === 0) return;
    pending = new Map();
    const topics = [...Map.groupBy(due.values(), ({ topic }) => topic)].map(([topic, partitions]) => ({
      topic,
      partitions: partitions.map(({ partition, offset }) => ({ partition, offset })),
    }));
    try {
      await doing('position', () => member.commitOffsets({ topics }));
    } catch (error) {
      // Newer positions stay; the rest comes again. A lost commit repeats records and loses none.
      pending = new Map([...due, ...pending]);
      link.log.debug({ err: error, group: options.group }, 'committing failed');
    }
  }

  async function revoke(): Promise<void> {
    clearInterval(timer);
    lost.abort();
    if (owning) {
      owning = false;
      try {
        await options.onRevoke?.();
      } catch (error) {
        link.log.warn({ err: error, group: options.group }, 'giving partitions away failed');
      }
    }
    await committing;
  }

  return {
    get lost() {
      return lost.signal;
    },
    lose: () => lost.abort(),
    commit: (topic, partition, next) => {
      pending.set(`${topic}/${partition}`, { topic, partition, offset: String(next) });
    },
    async release(member) {
      await revoke();
      if (member.memberId !== null) await flush(member);
      pending.clear();
    },
    async assigned(member) {
      lost = new AbortController();
      pending = new Map();
      owning = true;
      const beating = setInterval(() => {
        member.heartbeat({ interval: link.sessionMs * beat.within }).catch((error: unknown) => {
          link.log.debug({ err: error, group: options.group }, 'heartbeat failed while taking over');
        });
      }, link.sessionMs * beat.every);
      try {
        await start(member);
      } finally {
        clearInterval(beating);
      }
      timer = setInterval(() => {
        committing ??= flush(member).finally(() => {
          committing = undefined;
        });
      }, commitEveryMs);
      link.health.up();
      options.ready?.(true, 'group joined');
    },
    end: revoke,
  };

  /** Every partition gets its start explicitly: kafkajs's own defaults jump where the position is not kept any more. */
  async function start(member: GroupMember): Promise<void> {
    const partitions: TopicPartition[] = member
      .assigned()
      .flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic: link.bare(topic), partition })));
    const given = await options.onAssign?.(partitions);
    for (const topic of new Set(partitions.map((at) => at.topic))) {
      const offsets = new Map((await reader.offsets(topic)).map((known) => [known.partition, known]));
      const committed = await reader.committed(options.group, topic);
      for (const { partition } of partitions.filter((at) => at.topic === topic)) {
        const kept = offsets.get(partition);
        if (kept === undefined) throw new TributaryError('KAFKA_UNAVAILABLE', `${topic}/${partition} is not known`);
        const position = committed.find((at) => at.partition === partition)?.next ?? -1;
        const fallback = options.from === 'latest' ? kept.latest : kept.earliest;
        const from = given?.get(`${topic}/${partition}`) ?? (position >= 0 ? position : fallback);
        checkStart(topic, kept, from);
        member.seek({ topic: link.wire(topic), partition, offset: String(from) });
      }
    }
  }
}

/** Answered by kafkajs with joining again, once every handler has ended. */
const takenAway = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'NOT_COORDINATOR_FOR_GROUP'];

/**
 * kafkajs knows its own errors by type, so they pass unwrapped. Errors of the handler never go through it: it counts them
 * towards giving up for good, and gives up on a TypeError at once.
 */
async function handOver(
  link: KafkaLink,
  options: ConsumeOptions,
  membership: SessionMembership,
  payload: EachBatchPayload,
  fail: (error: unknown) => void,
): Promise<void> {
  const { batch } = payload;
  const topic = link.bare(batch.topic);
  const { lost } = membership;
  let evicted: unknown;
  const beating = setInterval(() => {
    payload.heartbeat().catch((error: unknown) => {
      evicted ??= error;
      if (hasType(error, ...takenAway)) membership.lose();
    });
  }, link.sessionMs * beat.every);
  try {
    const size = options.maxBatch ?? defaults.maxBatch;
    for (let from = 0; from < batch.messages.length; from += size) {
      if (lost.aborted || !payload.isRunning()) break;
      const messages = batch.messages.slice(from, from + size);
      try {
        const given: InBatch = {
          topic,
          partition: batch.partition,
          records: messages.map((message) => toInRecord(topic, batch.partition, message)),
          highWatermark: Number(batch.highWatermark),
          signal: lost,
          commit: (next) => {
            if (membership.lost === lost) membership.commit(batch.topic, batch.partition, next);
          },
        };
        await doing('batch', () => options.handle(given));
      } catch (error) {
        fail(error);
        return;
      }
      payload.resolveOffset(lastOffsetOf(messages));
    }
  } finally {
    clearInterval(beating);
  }
  if (evicted !== undefined) throw evicted;
}

function lastOffsetOf(messages: Batch['messages']): string {
  const last = messages.at(-1);
  if (last === undefined) throw new TributaryError('INTERNAL', 'kafkajs handed over a batch without records');
  return last.offset;
}
