import { describe, expect, test } from 'vitest';
import { Lru } from '../../core/lru.ts';
import { chunkLimits } from '../../core/mirror.ts';
import { chunked, compareAndSet, distrust, type MirrorHead } from '../../core/mirror-state.ts';
import { swaps } from '../support/swaps.ts';

describe('the cache', () => {
  test('keeps what was used last within its weight', () => {
    const lru = new Lru<string>(1_000);
    for (const key of ['a', 'b', 'c']) lru.set(key, key, 200);
    lru.find('a');
    lru.set('d', 'd', 200);
    expect(['a', 'b', 'c', 'd'].filter((key) => lru.find(key) !== undefined)).toEqual(['a', 'c', 'd']);
  });

  test('weighs a value set again once', () => {
    const lru = new Lru<number>(1_000);
    for (let i = 0; i < 50; i += 1) lru.set('same', i, 500);
    expect(lru.find('same')).toMatchObject({ value: 49 });
    lru.set('other', 1, 100);
    expect(lru.size).toBe(2);
  });

  test('tells a key that is known to have no value from one that is not known', () => {
    const lru = new Lru<object | undefined>(1_000);
    lru.set('gone', undefined, 0);
    expect(lru.find('gone')).toMatchObject({ value: undefined });
    expect(lru.find('never')).toBeUndefined();
    lru.clear();
    expect(lru.find('gone')).toBeUndefined();
  });

  test('does not keep what is heavier than itself', () => {
    const lru = new Lru<string>(1_000);
    lru.set('light', 'x', 10);
    lru.set('heavy', 'x', 5_000);
    expect(lru.size).toBe(0);
  });
});

describe('chunks of a commit', () => {
  test('hold everything once, in order, none too large for one script', () => {
    const entries = new Map<string, Buffer | null>();
    for (let i = 0; i < 1_234; i += 1) entries.set(`key:${i}`, i % 3 === 0 ? null : Buffer.alloc((i % 60) * 1_000));
    const sizeOf = (value: Buffer): number => value.length;
    const chunks = chunked(entries, chunkLimits, sizeOf);
    expect(chunks.flatMap((chunk) => [...chunk.keys()])).toEqual([...entries.keys()]);
    for (const chunk of chunks) {
      const bytes = [...chunk.values()].reduce((sum, value) => sum + (value?.length ?? 0), 0);
      expect(chunk.size).toBeLessThanOrEqual(500);
      expect(bytes).toBeLessThanOrEqual(1024 * 1024);
    }
    expect(chunked(new Map<string, Buffer | null>(), chunkLimits, sizeOf)).toEqual([]);
  });
});

describe('a compare-and-set, as the simulation has it', () => {
  test.each(swaps.map((one) => [one.name, one] as const))('%s', (_, { before, swap, at, after }) => {
    const { position, base } = before;
    const mirror = { position, base, values: new Map(Object.entries(before.values)) };
    expect(compareAndSet(mirror, swap)).toBe(at);
    expect({ ...mirror, values: Object.fromEntries(mirror.values) }).toEqual(after);
  });
});

describe('whether a mirror can be folded forward', () => {
  const now = 1_790_000_000_000;
  const day = 86_400_000;
  const target = { lineage: 7, offset: 100, transaction: 10, time: now };
  const head = (position: string, from = 50, time = now - day): MirrorHead => ({ position, base: { from, time } });
  const judged = (one: MirrorHead): string | undefined => distrust(one, target, 60, now, 6 * day);

  test.each(['7:90:9', '7:0:0', 'rebuild:7-0a-1b:3'])('%s is behind, and sound', (position) => {
    expect(judged(head(position))).toBeUndefined();
  });

  test.each([
    ['no position', head('')],
    ['no base', { position: '7:90:9', base: undefined }],
    ['a wipe that was interrupted', head('rebuild:7-0a:3', -1)],
    ['a base beyond the end of the log', head('7:90:9', 61)],
    ['a mirror older than the tombstones', head('7:90:9', 50, now - 6.5 * day)],
    ['another lineage', head('6:90:9')],
    ['a rebuild of another lineage', head('rebuild:6-0a:3')],
    ['a transaction that the log does not know', head('7:90:11')],
    ['an offset that the log does not know', head('7:101:9')],
  ])('%s means that it is emptied first', (_, one) => {
    expect(judged(one)).toEqual(expect.any(String));
  });
});
