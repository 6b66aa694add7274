import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TributaryError } from '../../core/errors.ts';
import { pack, unpack } from '../../core/pack.ts';

/** Framed Avro begins with 0; what follows repeats itself, more or less. */
const value = fc
  .tuple(
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 }),
    fc.array(fc.nat(5), { maxLength: 400 }),
  )
  .map(([parts, order]) =>
    Buffer.concat(
      [Buffer.from([0]), ...order.map((n) => parts[n % parts.length] ?? parts[0] ?? [])].map((one) => Buffer.from(one)),
    ),
  );

describe('a packed value', () => {
  test('is the value again, whatever it was, and never longer', () => {
    fc.assert(
      fc.property(value, (bytes) => {
        const packed = pack(bytes);
        expect(packed.length).toBeLessThanOrEqual(bytes.length);
        expect(unpack(packed).equals(bytes)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('is a fraction of what repeats itself, runs of one byte and matches far apart included', () => {
    const names = Array.from({ length: 40 }, (_, n) => `salesforce:Contact:003000000000001AAA ${n}`).join('');
    const far = Buffer.concat([Buffer.from([0]), Buffer.from(names), Buffer.alloc(70_000, 'x'), Buffer.from(names)]);
    for (const bytes of [Buffer.from(`\0${names}`), Buffer.alloc(60_000), far]) {
      expect(pack(bytes).length).toBeLessThan(bytes.length / 3);
      expect(unpack(pack(bytes)).equals(bytes)).toBe(true);
    }
  });

  test('stays as it is where nothing is to be gained', () => {
    const short = Buffer.from('\0short');
    expect(pack(short)).toBe(short);
    expect(unpack(short)).toBe(short);
  });

  test('that somebody damaged is undecodable or another value, never more than it may be', () => {
    fc.assert(
      fc.property(
        value,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        fc.nat(),
        (bytes, hits, cut) => {
          const packed = Buffer.from(pack(bytes));
          for (const [at, byte] of hits) packed[at % packed.length] = byte;
          const damaged = packed.subarray(0, packed.length - (cut % 3));
          const length = (): number => {
            try {
              return unpack(damaged).length;
            } catch (error) {
              if (error instanceof TributaryError) return 0;
              throw error;
            }
          };
          expect(length()).toBeLessThanOrEqual(damaged.length * 255);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
