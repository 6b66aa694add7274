/** Exactly-once writing: one transaction per call, one id per role, a rival with the id fences whoever had it before. */
import type { Producer, Transaction } from 'kafkajs';
import { TributaryError } from '../errors.ts';
import { fault } from '../faults.ts';
import { assertAcknowledged, byTopic, place, takeRequest } from './batching.ts';
import { hasType, type KafkaLink, kafkaError, patient, pause, untilReachable } from './client.ts';
import { kafkajs } from './kafkajs.ts';
import { discard, produceTimeoutMs } from './producer.ts';
import type { TransactionalProducer } from './types.ts';

/**
 * The next transaction may begin while the broker still writes the last one's markers; it answers CONCURRENT_TRANSACTIONS
 * and kafkajs's default pause of 300 ms would be most of the time (30 ms with these).
 */
const eager = { initialRetryTime: 5, factor: 0.2, multiplier: 2, maxRetryTime: 200, retries: 60 };

/** How long an abandoned transaction may hold back readers of its topics when nobody takes over. */
const transactionTimeoutMs = 30_000;

const fenced = ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'];

/** kafkajs means to retry these, but spells them as no broker does, and fails on a coordinator that is just loading. */
const coordinatorMoving = ['NOT_COORDINATOR_FOR_GROUP', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'GROUP_LOAD_IN_PROGRESS'];
const coordinatorTries = 10;

async function sendOffsets(
  transaction: Transaction,
  consumerGroupId: string,
  topics: { topic: string; partitions: { partition: number; offset: string }[] }[],
): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await transaction.sendOffsets({ consumerGroupId, topics });
      return;
    } catch (error) {
      if (tries === coordinatorTries || !hasType(error, ...coordinatorMoving)) throw error;
      await pause(tries);
    }
  }
}

export async function openTransactional(
  link: KafkaLink,
  id: string,
  signal: AbortSignal,
): Promise<TransactionalProducer> {
  const transactionalId = link.prefix + id;
  const doing = `transactional producer ${transactionalId}`;

  const begun = await untilReachable(link, doing, signal, async () => {
    const producer = link.open(patient).producer({
      transactionalId,
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      transactionTimeout: transactionTimeoutMs,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      retry: eager,
    });
    try {
      await producer.connect();
      // kafkajs begins the epoch with its first transaction, so that one is taken here and used by the first call.
      return { producer, transaction: await producer.transaction() };
    } catch (error) {
      await discard(link, producer);
      throw error;
    }
  });

  const producer: Producer = begun.producer;
  let next: Transaction | undefined = begun.transaction;
  let failure: TributaryError | undefined;
  let busy = false;

  return {
    async transact(records, offsets) {
      if (failure !== undefined) throw failure;
      if (busy) throw new TributaryError('INTERNAL', `${doing}: two transactions at once`);
      const placed = records.map(place);
      busy = true;
      try {
        const transaction = next ?? (await producer.transaction());
        next = undefined;
        for (let from = 0; from < placed.length; ) {
          const end = takeRequest(placed, from);
          const request = placed.slice(from, end);
          const answer = await transaction.sendBatch({
            acks: -1,
            timeout: produceTimeoutMs,
            topicMessages: byTopic(request, link.wire),
          });
          assertAcknowledged(request, link.wire, answer);
          from = end;
        }
        if (offsets !== undefined) {
          const { group, topic, partition, next: offset } = offsets;
          const topics = [{ topic: link.wire(topic), partitions: [{ partition, offset: String(offset) }] }];
          await sendOffsets(transaction, link.prefix + group, topics);
        }
        await fault('transaction:before-commit');
        await transaction.commit();
      } catch (error) {
        failure = hasType(error, ...fenced)
          ? new TributaryError('FENCED', `${doing}: a newer producer has the id`, { cause: error })
          : kafkaError(error, `${doing}: outcome unknown`);
        void discard(link, producer);
        throw failure;
      } finally {
        busy = false;
      }
    },
    async close() {
      failure ??= new TributaryError('KAFKA_UNAVAILABLE', `${doing}: closed`);
      await discard(link, producer);
    },
  };
}
