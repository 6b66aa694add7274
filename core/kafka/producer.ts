/**
 * At-least-once writing. One request is outstanding at a time, and whatever was asked meanwhile goes out together in the
 * next: two sends to one partition in flight would share a sequence number when the first one is in doubt, and the
 * broker would drop the second as a repetition. For the same reason a producer that failed is never used again.
 */
import type { Producer } from 'kafkajs';
import { TributaryError } from '../errors.ts';
import { doing } from '../faults.ts';
import { assertAcknowledged, byTopic, type PlacedRecord, place, takeRequest } from './batching.ts';
import { type KafkaLink, kafkaError, pause, steadfast, untilReachable, watched } from './client.ts';
import { kafkajs } from './kafkajs.ts';
import type { SafeProducer } from './types.ts';

/** Answered by the broker before kafkajs gives up on the request, so that doubt stays rare. */
export const produceTimeoutMs = 15_000;

interface Call {
  records: number;
  resolve(): void;
  reject(error: TributaryError): void;
}
type Queued = PlacedRecord & { readonly call: Call };

export async function openProducer(link: KafkaLink, ended: AbortSignal, signal: AbortSignal): Promise<SafeProducer> {
  const connect = (until: AbortSignal): Promise<Producer> =>
    untilReachable(link, 'connecting a producer', until, async () => {
      const producer = link.open(steadfast).producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
        retry: steadfast,
      });
      try {
        await watched(link, 'connecting a producer', until, producer.connect());
        return producer;
      } catch (error) {
        await discard(link, producer);
        throw error;
      }
    });

  let producer: Producer | undefined = await connect(signal);
  let queue: Queued[] = [];
  let sending: Promise<void> | undefined;
  let closed = false;

  async function write(request: readonly Queued[]): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      producer ??= await connect(ended);
      try {
        const topicMessages = byTopic(request, link.wire);
        const connected = producer;
        const send = () => connected.sendBatch({ acks: -1, timeout: produceTimeoutMs, topicMessages });
        const answer = await doing('append', () => watched(link, 'sending', ended, send()));
        assertAcknowledged(request, link.wire, answer);
        link.health.up();
        return;
      } catch (error) {
        void discard(link, producer);
        producer = undefined;
        const ours = kafkaError(error, 'sending');
        if (ours.verdict !== 'retry' || ended.aborted) throw ours;
        link.health.down(error);
        await pause(tries, ended);
      }
    }
  }

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      const request = queue.slice(0, takeRequest(queue, 0));
      queue = queue.slice(request.length);
      try {
        await write(request);
        for (const { call } of request) {
          call.records -= 1;
          if (call.records === 0) call.resolve();
        }
      } catch (error) {
        const ours = kafkaError(error, 'sending');
        const failed = new Set(request.map(({ call }) => call));
        for (const call of failed) call.reject(ours);
        queue = queue.filter(({ call }) => !failed.has(call));
      }
    }
    // In the same turn in which the queue was found empty: a call made a moment later must start the next drain.
    sending = undefined;
  }

  return {
    send(records) {
      if (closed) return Promise.reject(new TributaryError('KAFKA_UNAVAILABLE', 'the producer is closed'));
      if (records.length === 0) return Promise.resolve();
      return new Promise<void>((resolve, reject) => {
        const call: Call = { records: records.length, resolve, reject };
        queue = queue.concat(records.map((record) => ({ ...place(record), call })));
        sending ??= drain();
      });
    },
    async close() {
      closed = true;
      await sending;
      if (producer !== undefined) await discard(link, producer);
      producer = undefined;
    },
  };
}

/**
 * Its connection is gone or worthless: that closing it fails too is no news, but worth a line for whoever looks closely.
 * After a failure nobody waits for it: kafkajs lets requests in flight time out first, 30 s on a frozen connection.
 */
export async function discard(link: KafkaLink, client: { disconnect(): Promise<void> }): Promise<void> {
  await client.disconnect().catch((error: unknown) => link.log.debug({ err: error }, 'disconnecting failed'));
}
