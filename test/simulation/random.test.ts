import { describe, expect, it } from 'vitest';
import { Chance, chanceAt } from './random.ts';

describe('chance', () => {
  it('is the same for the same seed, label and number, and spreads evenly', () => {
    const throws = Array.from({ length: 10_000 }, (_, n) => chanceAt(7, 'coin', n));
    expect(throws).toEqual(Array.from({ length: 10_000 }, (_, n) => chanceAt(7, 'coin', n)));
    for (const share of [0.1, 0.5, 0.9]) {
      expect(throws.filter((one) => one < share).length / throws.length).toBeCloseTo(share, 1);
    }
  });

  it('counts each label for itself, so that a throw left out of one moves no other', () => {
    const all = new Chance(1);
    const less = new Chance(1);
    all.next('a');
    all.next('b');
    less.next('b');
    expect(less.next('b')).toBe(all.next('b'));
  });

  it('gives whole numbers within their bounds, both of them reached', () => {
    const chance = new Chance(3);
    const seen = new Set(Array.from({ length: 500 }, () => chance.int('die', 1, 6)));
    expect([...seen].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('differs from seed to seed', () => {
    expect(new Set(Array.from({ length: 1_000 }, (_, seed) => chanceAt(seed, 'x', 0))).size).toBe(1_000);
  });
});
