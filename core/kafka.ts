/** Kafka as the rest of the code sees it. kafkajs is known below core/kafka/ and nowhere else. */
import { createAdmin } from './kafka/admin.ts';
import { createLink, type LinkOptions } from './kafka/client.ts';
import { consumeGroup } from './kafka/consumer.ts';
import { createReader } from './kafka/offsets.ts';
import { openProducer } from './kafka/producer.ts';
import { openTransactional } from './kafka/transaction.ts';
import type { KafkaAccess } from './kafka/types.ts';

export { limits } from './kafka/batching.ts';
export type * from './kafka/types.ts';

/** Connects nothing yet; every use waits for Kafka by itself. */
export function connectKafka(options: LinkOptions): KafkaAccess {
  const link = createLink(options);
  const reader = createReader(link);
  const ended = new AbortController();
  const until = (signal: AbortSignal | undefined): AbortSignal =>
    signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
  const opened = new Set<{ close(): Promise<void> }>();

  async function keep<T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> {
    const client = await opening;
    opened.add(client);
    const close = async (): Promise<void> => {
      opened.delete(client);
      await client.close();
    };
    return { ...client, close };
  }

  return {
    prefix: options.prefix,
    producer: (signal) => keep(openProducer(link, ended.signal, until(signal))),
    transactional: (id, signal) => keep(openTransactional(link, id, until(signal))),
    consume: (consume) => consumeGroup(link, reader, { ...consume, signal: until(consume.signal) }),
    read: reader.read,
    offsets: reader.offsets,
    committed: reader.committed,
    admin: createAdmin(link, reader),
    away: () => link.health.away,
    async close() {
      ended.abort();
      await Promise.all([...opened].map((client) => client.close()));
      await reader.close();
    },
  };
}
