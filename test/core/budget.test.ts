import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Bucket,
  burst,
  correct,
  emptyBucket,
  type Plan,
  pause,
  perWindowOf,
  refill,
  take,
} from '../../core/budget.ts';

const plans = fc.record({
  perWindow: fc.integer({ min: 1, max: 3000 }),
  windowMs: fc.constantFrom(1000, 10_000, 60_000),
  reserveLive: fc.double({ min: 0, max: 0.9, noNaN: true }),
});

const steps = fc.array(
  fc.record({
    wait: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 30_000 })),
    wanted: fc.integer({ min: 1, max: 500 }),
    lane: fc.constantFrom('live' as const, 'bulk' as const),
    event: fc.oneof(
      { weight: 8, arbitrary: fc.constant({ kind: 'take' as const }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('pause' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('tell' as const), left: fc.integer({ min: 0, max: 3000 }) }),
      },
    ),
  }),
  { maxLength: 120 },
);

const full = (plan: Plan): Bucket => ({ tokens: burst(plan), at: 0, pausedUntil: 0 });

describe('budget', () => {
  test('never gives more than the plan in any window, wherever it is cut, whatever arrives', () => {
    fc.assert(
      fc.property(plans, steps, (plan, arrivals) => {
        let bucket = full(plan);
        let now = 0;
        const given: { at: number; n: number }[] = [];
        for (const { wait, wanted, lane, event } of arrivals) {
          now += wait;
          if (event.kind === 'pause') bucket = pause(bucket, plan, now, now + event.ms);
          if (event.kind === 'tell') bucket = correct(bucket, plan, now, event.left);
          const taken = take(bucket, plan, now, wanted, lane);
          bucket = taken.bucket;
          if (taken.granted > 0) given.push({ at: now, n: taken.granted });
        }
        for (const { at: from } of given) {
          const inside = given.filter(({ at }) => at >= from && at < from + plan.windowMs);
          expect(inside.reduce((sum, { n }) => sum + n, 0)).toBeLessThanOrEqual(plan.perWindow);
        }
      }),
    );
  });

  test('a hungry caller gets 95 % of the plan and never more than the plan', () => {
    const hungry = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 300, maxLength: 300 });
    fc.assert(
      // A burst of a few tokens: with one alone, what flows while the caller is up to 20 ms late finds no room.
      fc.property(fc.integer({ min: 160, max: 800 }), hungry, (perWindow, waits) => {
        const plan: Plan = { perWindow, windowMs: 1000, reserveLive: 0 };
        let bucket = full(plan);
        let now = 0;
        const given: { at: number; n: number }[] = [];
        for (const wait of waits) {
          const taken = take(bucket, plan, now, Number.MAX_SAFE_INTEGER, 'live');
          bucket = taken.bucket;
          if (taken.granted > 0) given.push({ at: now, n: taken.granted });
          now += wait;
        }
        const within = (from: number): number =>
          given.filter(({ at }) => at >= from && at < from + plan.windowMs).reduce((sum, { n }) => sum + n, 0);
        for (const { at } of given) expect(within(at)).toBeLessThanOrEqual(perWindow);
        const total = given.reduce((sum, { n }) => sum + n, 0);
        expect(total).toBeGreaterThanOrEqual(Math.floor((perWindow * 0.95 * (now - 20)) / plan.windowMs));
      }),
    );
  });

  test('grants after the wait it names, so that nobody waits for ever', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom('live' as const, 'bulk' as const), (plan, lane) => {
        const first = take(emptyBucket(0), plan, 0, 1, lane);
        expect(first.granted).toBe(0);
        expect(take(first.bucket, plan, first.waitMs, 1, lane).granted).toBe(1);
      }),
    );
  });

  const plan: Plan = { perWindow: 400, windowMs: 10_000, reserveLive: 0.3 };

  test('keeps the last part of the burst for live changes', () => {
    const bulk = take(full(plan), plan, 0, 100, 'bulk');
    expect(bulk.granted).toBe(7);
    expect(take(bulk.bucket, plan, 0, 100, 'live').granted).toBe(3);
  });

  test('gives nothing while paused, and starts slowly afterwards', () => {
    const paused = pause(full(plan), plan, 0, 5_000);
    expect(take(paused, plan, 4_999, 1, 'live')).toMatchObject({ granted: 0, waitMs: 1 });
    const slow = refill(paused, plan, 5_200).tokens;
    const usual = refill(emptyBucket(5_000), plan, 5_200).tokens;
    expect(slow).toBeCloseTo(usual / 4);
  });

  test('a shorter stop does not end a longer one', () => {
    const paused = pause(pause(full(plan), plan, 0, 8_000), plan, 10, 2_000);
    expect(take(paused, plan, 7_000, 1, 'live')).toMatchObject({ granted: 0, waitMs: 1_000 });
  });

  test('spends no more than the platform says is left, and never regains by being told more', () => {
    expect(correct(full(plan), plan, 0, 2).tokens).toBe(2);
    expect(correct(full(plan), plan, 0, 500).tokens).toBe(10);
  });

  test('a bucket that was lost restarts empty', () => {
    expect(take(emptyBucket(1_000), plan, 1_000, 5, 'live').granted).toBe(0);
  });

  test.each([
    ['nothing known', 0, 0.8, 0, 10],
    ['only a cap', 0, 0.8, 50, 50],
    ['our share', 1666, 0.8, 0, 1332],
    ['the cap below our share', 1666, 0.8, 100, 100],
    ['a share below one call', 1, 0.5, 0, 1],
  ])('plan: %s', (_case, limit, share, cap, expected) => {
    expect(perWindowOf(limit, share, cap)).toBe(expected);
  });
});
