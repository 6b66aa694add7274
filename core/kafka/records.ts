import type { KafkaMessage } from 'kafkajs';
import type { TopicName } from '../../schemas/topics.ts';
import type { InRecord } from './types.ts';

export function toInRecord(topic: TopicName, partition: number, message: KafkaMessage): InRecord {
  return {
    topic,
    partition,
    offset: Number(message.offset),
    time: Number(message.timestamp),
    key: message.key,
    value: message.value,
    headers: headersOf(message.headers ?? {}),
  };
}

const none = Object.freeze({});

/** Kafka allows a header to repeat; ours never do, and the last one counts where another writer's does. */
function headersOf(headers: NonNullable<KafkaMessage['headers']>): Readonly<Record<string, Buffer>> {
  const entries = Object.entries(headers);
  if (entries.length === 0) return none;
  const result: Record<string, Buffer> = {};
  for (const [name, content] of entries) {
    const last = Array.isArray(content) ? content.at(-1) : content;
    if (last !== undefined && last !== null) result[name] = Buffer.from(last);
  }
  return result;
}
