import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import '../../core/avro-strings.ts';

interface Tap {
  readonly buf: Buffer;
  pos: number;
  writeString(text: string): void;
}
const { Tap } = createRequire(import.meta.url)('avsc/lib/utils') as {
  Tap: { new (buffer: Buffer, at: number): Tap; prototype: Record<symbol, (this: Tap, text: string) => void> };
};
const stock = Tap.prototype[Symbol.for('tributary.avsc.corrected')];

/** Where it ended, and what was written if there was room. */
function written(room: number, write: (tap: Tap) => void): readonly [number, string] {
  const tap = new Tap(Buffer.alloc(room), 3);
  write(tap);
  return [tap.pos, tap.pos > room ? '' : tap.buf.toString('hex', 0, tap.pos)];
}

test('texts are written byte for byte as avsc writes them, and ask for as much room where there is too little', () => {
  // Whole characters: of half of one avsc makes bytes that are no UTF-8.
  const text = fc
    .string({ unit: 'grapheme', maxLength: 200 })
    .chain((one) => fc.nat(40).map((times) => one.repeat(times)));
  fc.assert(
    fc.property(text, fc.constantFrom(8, 64, 200, 70_000), (one, room) => {
      const wanted = written(room, (tap) => stock?.call(tap, one));
      const got = written(room, (tap) => tap.writeString(one));
      expect(got).toEqual(wanted);
    }),
    { numRuns: 3_000 },
  );
});
