import { expect, test } from 'vitest';
import { fullest, used } from '../../bench/quota.ts';

const every = (ms: number, count: number): number[] => Array.from({ length: count }, (_, n) => n * ms);

test('the fullest ten seconds are found wherever they begin', () => {
  expect(fullest(every(100, 300))).toBe(100);
  const burst = Array.from({ length: 7 }, () => 12_345);
  expect(fullest([...every(100, 300), ...burst])).toBe(107);
  expect(fullest([0, 9_999])).toBe(2);
  expect(fullest([0, 10_000])).toBe(1);
});

test('the share used is of the time in which there was more to do, its first and last second left out', () => {
  expect(used(every(100, 300), 100)).toBeCloseTo(1, 1);
  expect(used(every(200, 300), 100)).toBeCloseTo(0.5, 1);
});
