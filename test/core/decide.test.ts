import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Codec } from '../../core/codec.ts';
import { MicroBatch, stateLimit } from '../../core/decide.ts';
import { TributaryError } from '../../core/errors.ts';
import { type Fold, type FoldRecord, StateMiss } from '../../core/fold.ts';
import type { CursorState } from '../../schemas/types.ts';
import { tick } from '../support/counting-fold.ts';

/** Bytes are JSON behind the schema's name: enough to see what would be written. */
const plain: Codec = {
  encode: (_topic, schema, value) => Buffer.from(`${schema}\n${JSON.stringify(value)}`),
  decode: (bytes) => {
    const [schema = '', json = ''] = bytes.toString().split('\n');
    return { schema, value: JSON.parse(json) as object, foreign: false, definition: null };
  },
  frame: () => {
    throw new Error('nothing foreign here');
  },
  prepare: async () => undefined,
};

const record = (offset: number, key: string): FoldRecord => ({ offset, time: offset, key, lineage: 0, change: tick });
const count = (n: number): CursorState => ({ n: { count: n }, s: {} });
const counting: Fold = {
  recalls: (of) => [`cur:${of.key}`],
  decide(state, of) {
    const known = state.get(`cur:${of.key}`) as CursorState | undefined;
    const next = count((known?.n['count'] ?? 0) + 1);
    state.put(`cur:${of.key}`, next);
    return [{ topic: 'journal', key: of.key, value: next, schema: 'JournalEntry' }];
  },
};

function batchOf(fold: Fold, known: ReadonlyMap<string, object> = new Map()): MicroBatch {
  return new MicroBatch(fold, plain, (key) => ({ value: known.get(key) }));
}

describe('a micro-batch', () => {
  test('gives the same outputs and state however the records are cut into batches', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        (keys, cuts) => {
          const whole = batchOf(counting);
          for (const [offset, key] of keys.entries()) whole.decide(record(offset, key));

          const known = new Map<string, object>();
          const outputs: unknown[] = [];
          const bytes = new Map<string, string>();
          for (let at = 0, n = 0; at < keys.length; n += 1) {
            const batch = batchOf(counting, known);
            const end = Math.min(keys.length, at + (cuts[n % cuts.length] ?? 1));
            for (; at < end; at += 1) batch.decide(record(at, keys[at] ?? ''));
            outputs.push(...batch.outputs);
            for (const [key, { value }] of batch.learnt()) if (value !== undefined) known.set(key, value);
            for (const [key, stored] of batch.puts) bytes.set(key, stored?.bytes.toString() ?? '');
          }
          expect(outputs).toEqual(whole.outputs);
          expect(bytes).toEqual(new Map([...whole.puts].map(([key, stored]) => [key, stored?.bytes.toString()])));
        },
      ),
    );
  });

  test('names the keys that somebody has to fetch, and keeps nothing of the record that missed them', () => {
    const batch = new MicroBatch(counting, plain, () => undefined);
    expect(() => batch.decide(record(0, 'a'))).toThrow(StateMiss);
    expect(batch.missing(['cur:a', 'cur:a'])).toEqual(['cur:a']);
    batch.fetched('cur:a', count(41), 10);
    batch.decide(record(0, 'a'));
    expect(batch.missing(['cur:a'])).toEqual([]);
    expect(batch.puts.get('cur:a')?.value).toEqual(count(42));
    expect(batch.outputs).toHaveLength(1);
  });

  test('discards everything of a record that throws and shows the next one the state before it', () => {
    const fold: Fold = {
      recalls: () => [],
      decide(state, of) {
        const outputs = counting.decide(state, of);
        if (of.offset === 1) throw new Error('poison');
        return outputs;
      },
    };
    const batch = batchOf(fold);
    batch.decide(record(0, 'a'));
    expect(() => batch.decide(record(1, 'a'))).toThrow('poison');
    batch.decide(record(2, 'a'));
    expect(batch.puts.get('cur:a')?.value).toEqual(count(2));
    expect(batch.outputs).toHaveLength(2);
  });

  test('shows a later record what a restart would show it, not the object that was put', () => {
    const seen: unknown[] = [];
    const fold: Fold = {
      recalls: () => [],
      decide(state, of) {
        seen.push(state.get('cur:a'));
        state.put('cur:a', { n: { count: of.offset }, s: {}, stray: undefined });
        return [];
      },
    };
    const batch = batchOf(fold);
    batch.decide(record(0, 'a'));
    batch.decide(record(1, 'a'));
    expect(seen).toStrictEqual([undefined, count(0)]);
  });

  test('refuses a state value above the limit, and a key that no schema is known for', () => {
    const put = (key: string, value: object): Fold => ({
      recalls: () => [],
      decide(state) {
        state.put(key, value);
        return [];
      },
    });
    const large = batchOf(put('cur:a', { n: {}, s: { text: 'x'.repeat(stateLimit) } }));
    expect(() => large.decide(record(0, 'a'))).toThrow(
      expect.objectContaining({ code: 'STATE_TOO_LARGE', field: 'cur:a' }),
    );
    expect(large.puts.size).toBe(0);
    expect(() => batchOf(put('stray:a', {})).decide(record(0, 'a'))).toThrow(TributaryError);
  });

  test('counts the bytes that the transaction would carry: a value put again replaces itself', () => {
    const batch = batchOf(counting);
    batch.decide(record(0, 'a'));
    const one = batch.bytes;
    batch.decide(record(1, 'a'));
    const output = batch.outputs[1];
    expect(batch.bytes - one).toBe((output?.key?.length ?? 0) + (output?.value?.length ?? 0));
  });
});

describe('the overlay', () => {
  const keys = ['cur:a', 'cur:b', 'cur:c'] as const;
  type Op =
    | { readonly do: 'get' | 'delete'; readonly key: number }
    | { readonly do: 'put'; readonly key: number; readonly value: number }
    | { readonly do: 'save' | 'back' };
  const op: fc.Arbitrary<Op> = fc.oneof(
    fc.record({ do: fc.constantFrom('get' as const, 'delete' as const), key: fc.nat(2) }),
    fc.record({ do: fc.constant('put' as const), key: fc.nat(2), value: fc.nat(9) }),
    fc.record({ do: fc.constantFrom('save' as const, 'back' as const) }),
  );
  const decision = fc.record({ ops: fc.array(op, { maxLength: 12 }), poison: fc.boolean() });

  test('shows what a plain map shows, whatever is read, put, undone, missed or thrown away', () => {
    fc.assert(
      fc.property(
        fc.array(decision, { maxLength: 6 }),
        fc.subarray([...keys]),
        fc.nat(9),
        (decisions, stored, first) => {
          const before = new Map<string, object>(stored.map((key) => [key, count(first)]));
          let kept = new Map(before);
          let plainNow = kept;
          /** What the overlay showed of a key, and what the map. */
          const read: [string, unknown, unknown][] = [];
          const fold: Fold = {
            recalls: () => [],
            decide(state, { offset }) {
              const { ops, poison } = decisions[offset] ?? { ops: [], poison: false };
              // Decided again from its beginning after each miss.
              plainNow = new Map(kept);
              const saved: { readonly undo: () => void; readonly map: Map<string, object> }[] = [];
              for (const one of ops) {
                const key = 'key' in one ? (keys[one.key] ?? keys[0]) : keys[0];
                if (one.do === 'get') read.push([key, state.get(key), plainNow.get(key)]);
                else if (one.do === 'put') {
                  state.put(key, count(one.value));
                  plainNow.set(key, count(one.value));
                } else if (one.do === 'delete') {
                  state.put(key, undefined);
                  plainNow.delete(key);
                } else if (one.do === 'save') saved.push({ undo: state.savepoint(), map: new Map(plainNow) });
                else {
                  const last = saved.pop();
                  last?.undo();
                  if (last !== undefined) plainNow = last.map;
                }
              }
              if (poison) throw new Error('poison');
              return [];
            },
          };
          const batch = new MicroBatch(fold, plain, () => undefined);
          for (const offset of decisions.keys()) {
            for (let done = false; !done; ) {
              try {
                batch.decide(record(offset, 'k'));
                kept = plainNow;
                done = true;
              } catch (error) {
                if (error instanceof StateMiss) for (const key of error.keys) batch.fetched(key, before.get(key), 1);
                else if (error instanceof Error && error.message === 'poison') done = true;
                else throw error;
              }
            }
            const shown = new Map(before);
            for (const [key, value] of batch.puts) {
              if (value === undefined) shown.delete(key);
              else shown.set(key, value.value);
            }
            expect(shown).toEqual(kept);
            for (const [key, overlay, map] of read) expect([key, overlay]).toEqual([key, map]);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
