/**
 * kafkajs as it comes from npm, none of our corrections: reads `changes` from its start in batches, writes each record to
 * `customer.events` with its partition given, and commits records and position in one transaction.
 */
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { partitionOf, topics } from '../schemas/topics.ts';
import { asChild } from './child.ts';
import type { Moved, PassThroughTask } from './pass-through.ts';

/** With the default pause of 300 ms the next transaction waits longer than it takes. */
const eager = { initialRetryTime: 5, factor: 0.2, multiplier: 2, maxRetryTime: 200, retries: 60 };

async function move({ servers, prefix, records, batch: size }: PassThroughTask): Promise<Moved> {
  const kafka = new Kafka({ brokers: [servers.kafka], clientId: 'bench', logLevel: logLevel.NOTHING });
  const id = `${prefix}pass-through-${process.pid}`;
  const consumer = kafka.consumer({ groupId: id, maxBytesPerPartition: 4 * 1024 * 1024 });
  const producer = kafka.producer({
    transactionalId: id,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
    retry: eager,
  });
  await Promise.all([consumer.connect(), producer.connect()]);
  const [input, output] = [`${prefix}changes`, `${prefix}customer.events`];
  const { partitions } = topics['customer.events'];
  await consumer.subscribe({ topics: [input], fromBeginning: true });
  const ended = Promise.withResolvers<Moved>();
  let [done, counted, cpu, began] = [0, 0, process.cpuUsage(), 0];
  // What is compiled and connected at first is not the floor.
  const warm = Math.max(1, Math.floor(records / 4));
  consumer.on(consumer.events.CRASH, ({ payload }) => ended.reject(payload.error));
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async (payload) => {
      const { batch } = payload;
      for (let from = 0; from < batch.messages.length; from += size) {
        const part = batch.messages.slice(from, from + size);
        const transaction = await producer.transaction();
        const messages = part.map(({ key, value }) => ({ key, value, partition: partitionOf(key ?? '', partitions) }));
        await transaction.sendBatch({ acks: -1, topicMessages: [{ topic: output, messages }] });
        const next = String(Number(part.at(-1)?.offset) + 1);
        const positions = [{ topic: input, partitions: [{ partition: batch.partition, offset: next }] }];
        await transaction.sendOffsets({ consumerGroupId: id, topics: positions });
        await transaction.commit();
        payload.resolveOffset(part.at(-1)?.offset ?? '');
        done += part.length;
        if (began === 0 && done >= warm) [counted, cpu, began] = [done, process.cpuUsage(), performance.now()];
        if (done < records || began === 0) continue;
        const { user, system } = process.cpuUsage(cpu);
        ended.resolve({ records: done - counted, cpuUs: user + system, ms: performance.now() - began });
        return;
      }
    },
  });
  return await ended.promise;
}

await asChild(move);
