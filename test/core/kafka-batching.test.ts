import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assertAcknowledged, byTopic, limits, place, takeRequest } from '../../core/kafka/batching.ts';

const bare = (topic: string): string => topic;

describe('placing a record', () => {
  test('takes the partition given over that of the key', () => {
    expect(place({ topic: 'intercom.commands', key: 'a', value: null, partition: 3 }).partition).toBe(3);
  });

  test('needs a key where a topic has several partitions, and none where it has one', () => {
    expect(place({ topic: 'changes', key: null, value: null }).partition).toBe(0);
    expect(() => place({ topic: 'customer.events', key: null, value: null })).toThrow(/without key and partition/);
  });

  test('weighs headers too', () => {
    const light = place({ topic: 'changes', key: 'k', value: Buffer.alloc(10) });
    const heavy = place({ topic: 'changes', key: 'k', value: Buffer.alloc(10), headers: { name: 'x'.repeat(100) } });
    expect(heavy.bytes - light.bytes).toBeGreaterThan(100);
    const headers = { name: Buffer.alloc(limits.recordBytes) };
    expect(() => place({ topic: 'changes', key: null, value: null, headers })).toThrow(
      expect.objectContaining({ code: 'RECORD_TOO_LARGE' }),
    );
  });
});

test('requests keep every record, in order, within the limits of a partition and of a request', () => {
  const records = fc.array(
    fc.record({
      topic: fc.constantFrom('changes', 'journal'),
      partition: fc.integer({ min: 0, max: 2 }),
      bytes: fc.integer({ min: 1, max: limits.recordBytes }),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(records, (queue) => {
      const cut = [];
      for (let from = 0; from < queue.length; ) {
        const end = takeRequest(queue, from);
        expect(end).toBeGreaterThan(from);
        cut.push(queue.slice(from, end));
        from = end;
      }
      expect(cut.flat()).toEqual(queue);
      for (const request of cut.filter(({ length }) => length > 1)) {
        for (const part of Map.groupBy(request, ({ topic, partition }) => `${topic}/${partition}`).values()) {
          const bytes = part.reduce((sum, record) => sum + record.bytes, 0);
          expect(part.length === 1 || bytes <= limits.partitionBytes).toBe(true);
        }
        expect(request.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(limits.requestBytes);
      }
    }),
  );
});

describe('acknowledgements', () => {
  const sent = [
    place({ topic: 'customer.events', key: 'a', value: null, partition: 0 }),
    place({ topic: 'customer.events', key: 'b', value: null, partition: 1 }),
  ];
  const ack = (partition: number, errorCode = 0) => ({ topicName: 'customer.events', partition, errorCode });

  test('of every partition written are enough', () => {
    expect(() => assertAcknowledged(sent, bare, [ack(1), ack(0)])).not.toThrow();
  });

  test.each([
    ['a partition is missing, as after a leader moved within one send', [ack(0)]],
    ['a partition answered with an error', [ack(0), ack(1, 6)]],
    ['there is no answer', []],
  ])('are refused when %s', (_name, answer) => {
    expect(() => assertAcknowledged(sent, bare, answer)).toThrow(expect.objectContaining({ code: 'SEND_UNVERIFIED' }));
  });
});

test('a topic stands once in a request, under its name at the wire', () => {
  const records = ['1', '2'].map((key) => place({ topic: 'changes', key, value: null }));
  const grouped = byTopic(records, (topic) => `prod.${topic}`);
  expect(grouped.map(({ topic, messages }) => [topic, messages.length])).toEqual([['prod.changes', 2]]);
});
