import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Deliveries, delivered, pauseOf } from '../../../connectors/salesforce/decide-allocation.ts';

const hour = 3_600_000;
const day = 24 * hour;

describe('a delivery allocation that is used up', () => {
  test('is free again when what was delivered first is a day old, at the latest', () => {
    const told = delivered(delivered([], 100, 2.5 * hour), 50, 9 * hour);
    expect(pauseOf(told, 0, 10 * hour).freeInMs).toBe(17 * hour);
    // The oldest is out of the count, and the allocation still used up: the next ones are waited for.
    expect(pauseOf(told, 0, 28 * hour).freeInMs).toBe(6 * hour);
  });

  test('used up by others alone is free within a day', () => {
    expect(pauseOf([], 0, 5 * hour).freeInMs).toBe(day);
  });

  test('is tried again soon, and then less often, but every quarter of an hour', () => {
    const waits = [0, 1, 2, 7, 8, 40].map((refusals) => pauseOf([], refusals, 0).tryInMs);
    expect(waits).toEqual([5_000, 10_000, 20_000, 640_000, 900_000, 900_000]);
  });

  test('costs a bounded memory, and nothing of the last day is forgotten', () => {
    const events = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 * hour }), fc.integer({ min: 0, max: 100 })), {
      maxLength: 100,
    });
    fc.assert(
      fc.property(events, (steps) => {
        let now = 0;
        let told: Deliveries = [];
        const all: { at: number; count: number }[] = [];
        for (const [later, count] of steps) {
          now += later;
          told = delivered(told, count, now);
          all.push({ at: now, count });
        }
        const counted = told.reduce((sum, { count }) => sum + count, 0);
        const lately = all.filter(({ at }) => at > now - day).reduce((sum, { count }) => sum + count, 0);
        expect(told.length).toBeLessThanOrEqual(26);
        expect(counted).toBeGreaterThanOrEqual(lately);
        const { freeInMs } = pauseOf(told, 0, now);
        const first = all.find(({ at, count }) => count > 0 && at > now - day)?.at ?? now;
        expect(now + freeInMs).toBeGreaterThanOrEqual(first + day);
        expect(freeInMs).toBeLessThanOrEqual(day);
      }),
    );
  });
});
