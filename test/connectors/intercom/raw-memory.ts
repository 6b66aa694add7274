/** A raw topic in memory, for whoever writes it and reads it back. */
import type { InRecord, KafkaAccess, OutRecord, SafeProducer } from '../../../core/kafka.ts';
import { memoryCodec } from '../../../core/registry.ts';
import type { RawRecord, SourceMark } from '../../../schemas/types.ts';

export class RawMemory {
  readonly codec = memoryCodec();
  readonly records: InRecord[] = [];
  /** Asked before a write is acknowledged. */
  onSend: (records: readonly OutRecord[]) => Promise<void> = async () => undefined;

  readonly producer: Pick<SafeProducer, 'send'> = {
    send: async (records) => {
      await this.onSend(records);
      for (const { topic, key, value, headers = {} } of records) {
        const copied = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]));
        const place = { topic, partition: 0, offset: this.records.length, time: 0 };
        this.records.push({ ...place, key: key === null ? null : Buffer.from(key), value, headers: copied });
      }
    },
  };

  readonly kafka: Pick<KafkaAccess, 'offsets' | 'read'> = {
    offsets: async () => [{ partition: 0, earliest: 0, latest: this.records.length }],
    read: async (_topic, _partition, from, to, each) => {
      for (let at = from; at < to; at += 100) await each(this.records.slice(at, Math.min(at + 100, to)));
    },
  };

  get values(): readonly (RawRecord | SourceMark)[] {
    return this.records.map(({ value }) => this.codec.decode(value ?? Buffer.alloc(0)).value as RawRecord | SourceMark);
  }

  get rows(): readonly RawRecord[] {
    return this.values.filter((value) => 'object' in value);
  }

  get marks(): readonly SourceMark[] {
    return this.values.filter((value) => 'kind' in value);
  }
}
