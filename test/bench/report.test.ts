import { describe, expect, test } from 'vitest';
import { asJson, type Measured, misses, printFigures } from '../../bench/report.ts';
import { sections } from '../../bench/sections.ts';
import { alternating, median, percentile } from '../../bench/statistics.ts';

const measured = (name: string, value: number, bounds: object): Measured => ({
  name,
  value,
  figure: { about: '', unit: 'µs', ...bounds },
});

describe('the report of the benchmark', () => {
  const all = [
    measured('fast.p50Ms', 12.34, { atMost: 80, goal: 10 }),
    measured('fast.p99Ms', 9, { atMost: 250, goal: 10 }),
    measured('perSecond', 5_900, { atLeast: 6_000, goal: 12_000 }),
    measured('told', 123_456.7, {}),
  ];

  test('says of each figure whether its bound is kept, and the goal', () => {
    const lines = printFigures(all).split('\n');
    expect(lines.map((line) => line.split(/\s{2,}/).at(-1))).toEqual([
      'GOAL',
      'met',
      'met, and the goal',
      'MISSED',
      'µs',
    ]);
    expect(all.map(misses)).toEqual([false, false, true, false]);
  });

  test('counts a figure that could not be measured as missed', () => {
    expect(misses(measured('none', Number.NaN, { atMost: 1 }))).toBe(true);
    expect(misses(measured('none', Number.NaN, { atLeast: 1 }))).toBe(true);
  });

  test('holds in JSON each figure by its name, a dot as an object', () => {
    expect(asJson(all)).toEqual({ fast: { p50Ms: 12.34, p99Ms: 9 }, perSecond: 5_900, told: 123_456.7 });
  });

  test('has the figures that a program looks for, each in one section', () => {
    const names = sections.flatMap(({ figures }) => Object.keys(figures));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining([
        'unifyCpuUs',
        'unifyOverPassThrough',
        'unifyPerSecond',
        'edit100.p50Ms',
        'edit100.p99Ms',
        'edit500.p99Ms',
        'webhook1000.p99Ms',
        'webhook1000.lost',
        'redisBytesPerCustomer',
        'cpuKeys1MOver10k',
      ]),
    );
  });
});

describe('measurements', () => {
  test('of two things are made in turns, so that a machine that slows down slows both', async () => {
    const order: string[] = [];
    const note = (name: string) => async () => order.push(name);
    const { a, b } = await alternating(2, note('a'), note('b'));
    expect(order.join('')).toBe('abbaabba');
    expect([a, b]).toEqual([
      [1, 4, 5, 8],
      [2, 3, 6, 7],
    ]);
  });

  test('come to their median, and to a percentile between two of them', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(percentile([10, 20], 95)).toBeCloseTo(19.5);
    expect(() => median([])).toThrow('nothing was measured');
  });
});
