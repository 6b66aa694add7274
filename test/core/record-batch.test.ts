import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import '../../core/kafka/kafkajs.ts';
import { crc32c, decodeRecord, type EncodedRecord, encodeBatch } from '../../core/kafka/record-batch.ts';

const require = createRequire(import.meta.url);

/** A module of kafkajs as it comes: what we put in its place is put back. */
function stock<Exports>(path: string): Exports {
  const file = require.resolve(`kafkajs/src/${path}`);
  const ours = require.cache[file];
  delete require.cache[file];
  try {
    return require(file) as Exports;
  } finally {
    if (ours !== undefined) require.cache[file] = ours;
  }
}

interface Sized {
  readonly buffer: Buffer;
}
type Batch = Parameters<typeof encodeBatch>[0];

const stockRecord = stock<(record: EncodedRecord) => object>('protocol/recordBatch/record/v0');
const { RecordBatch: stockBatch } = stock<{ RecordBatch: (batch: object) => Promise<Sized> }>(
  'protocol/recordBatch/v0',
);
const stockDecoder = stock<(decoder: object, context: object) => object>('protocol/recordBatch/record/v0/decoder');
const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => { readVarIntBytes(): Buffer };

const bytes = fc.uint8Array({ maxLength: 300 }).map((some) => Buffer.from(some));
const text = fc.string({ unit: 'binary', maxLength: 200 });
const content = fc.oneof(bytes, text);
/** kafkajs takes what every object has by that name for an earlier value. */
const name = text.filter((one) => !(one in {}));
const record = fc.record({
  key: fc.oneof(fc.constant(null), content),
  value: fc.oneof(fc.constant(null), content, fc.constant(Buffer.alloc(20_000, 'v'))),
  headers: fc.dictionary(name, fc.oneof(content, fc.array(content, { minLength: 1, maxLength: 3 })), { maxKeys: 4 }),
  timestampDelta: fc.nat(0x3fff_ffff),
});
const records = fc
  .array(record, { minLength: 1, maxLength: 200 })
  .map((all): EncodedRecord[] => all.map((one, offsetDelta) => ({ ...one, offsetDelta })));
const header = fc.record({
  firstTimestamp: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  producerId: fc.integer({ min: -1, max: 2 ** 40 }),
  producerEpoch: fc.integer({ min: 0, max: 32_767 }),
  firstSequence: fc.nat(),
  transactional: fc.boolean(),
});

describe('record batches', () => {
  test('are byte for byte those of kafkajs', async () => {
    await fc.assert(
      fc.asyncProperty(header, records, async (head, all) => {
        const batch: Batch = { ...head, maxTimestamp: head.firstTimestamp + 1, lastOffsetDelta: all.length - 1 };
        const wanted = await stockBatch({ ...batch, records: all.map(stockRecord) });
        expect(encodeBatch(batch, all).equals(wanted.buffer)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('are read as kafkajs reads them, whoever dated them', async () => {
    await fc.assert(
      fc.asyncProperty(header, records, fc.nat(1), fc.boolean(), async (head, all, timestampType, isControlBatch) => {
        const batch: Batch = { ...head, maxTimestamp: head.firstTimestamp + 1, lastOffsetDelta: all.length - 1 };
        const decoder = new Decoder(encodeBatch(batch, all).subarray(61));
        const context = {
          firstOffset: '9007199254',
          firstTimestamp: String(head.firstTimestamp),
          maxTimestamp: '1790000000000',
          magicByte: 2,
          isControlBatch,
          timestampType,
        };
        for (let left = all.length; left > 0; left -= 1) {
          const own = decoder.readVarIntBytes();
          expect(decodeRecord(own, context)).toEqual(stockDecoder(new Decoder(own), context));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('have headers of any name', () => {
    const names = ['__proto__', 'constructor', 'toString'];
    const headers = Object.fromEntries(names.map((one) => [one, [one, 'twice']]));
    const head = { firstTimestamp: 0, producerId: 1, producerEpoch: 0, firstSequence: 0, transactional: false };
    const batch = { ...head, maxTimestamp: 1, lastOffsetDelta: 0 };
    const bytes = encodeBatch(batch, [{ key: null, value: null, headers, timestampDelta: 0, offsetDelta: 0 }]);
    const context = { firstOffset: '0', firstTimestamp: '0', maxTimestamp: '1', magicByte: 2, isControlBatch: false };
    const read = decodeRecord(new Decoder(bytes.subarray(61)).readVarIntBytes(), { ...context, timestampType: 0 });
    expect(Object.entries(read.headers)).toEqual(names.map((one) => [one, [Buffer.from(one), Buffer.from('twice')]]));
  });

  test('carry the checksum of RFC 3720', () => {
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a91_36aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8_ab43);
    expect(crc32c(Buffer.from('skipped123456789'), 7)).toBe(0xe306_9283);
  });

  test('are asked for by the client, and its own code is where a record is dated long after the first', async () => {
    const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
      RecordBatch: (batch: object) => Promise<Sized>;
    };
    const own = (timestampDelta: number) => ({ key: 'k', value: Buffer.from('v'), offsetDelta: 0, timestampDelta });
    const batch = { firstTimestamp: 0, maxTimestamp: 0, producerId: 1, compression: 0 };
    for (const delta of [0, 2 ** 31]) {
      const wanted = await stockBatch({ ...batch, records: [stockRecord(own(delta))] });
      expect((await RecordBatch({ ...batch, records: [own(delta)] })).buffer).toEqual(wanted.buffer);
    }
  });
});
