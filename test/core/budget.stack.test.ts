import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Bucket, bucketScript, burst, connectBudget, correct, type Plan, pause, take } from '../../core/budget.ts';
import { connectRedis } from '../../core/redis.ts';
import { env, log } from '../support/loop-servers.ts';

let redis: Redis;
let other: Redis;
let key = '';

beforeAll(async () => {
  redis = connectRedis({ url: env('REDIS_URL'), log });
  other = connectRedis({ url: env('REDIS_URL'), log });
  await Promise.all([once(redis, 'ready'), once(other, 'ready')]);
});
beforeEach(() => {
  key = `budget-${randomUUID()}`;
});
afterAll(() => {
  redis.disconnect();
  other.disconnect();
});

const budget = (client: Redis, perWindow: number | null = 40, windowMs = 1_000) =>
  connectBudget({ redis: client, key, windowMs, perWindow, share: 0.5, reserveLive: 0.3 });
const forever = new AbortController().signal;

/** The script with `redis.call('TIME')` answered by the test: the arithmetic alone. */
const scriptAt = (now: number): string =>
  bucketScript.replace("redis.call('TIME')", `{ ${Math.floor(now / 1000)}, ${(now % 1000) * 1000} }`);

describe('the bucket in Redis', () => {
  test('does the arithmetic that the property tests prove', async () => {
    const steps = fc.array(
      fc.record({
        wait: fc.integer({ min: 0, max: 4_000 }),
        wanted: fc.integer({ min: 1, max: 60 }),
        lane: fc.constantFrom('live' as const, 'bulk' as const),
        tell: fc.option(
          fc.record({ remaining: fc.integer({ min: -1, max: 60 }), stop: fc.integer({ min: 0, max: 3_000 }) }),
        ),
      }),
      { minLength: 1, maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 500 }), steps, async (perWindow, sequence) => {
        await redis.del(key);
        const plan: Plan = { perWindow, windowMs: 1_000, reserveLive: 0.3 };
        const args = [perWindow, 1, plan.windowMs, plan.reserveLive];
        let now = 1_700_000_000_000;
        let model: Bucket = { tokens: 0, at: now, pausedUntil: 0 };
        await redis.eval(scriptAt(now), 1, key, 'tell', ...args, 0, -1, 0);
        for (const { wait, wanted, lane, tell } of sequence) {
          now += wait;
          if (tell !== null) {
            if (tell.remaining >= 0) model = correct(model, plan, now, tell.remaining);
            if (tell.stop > 0) model = pause(model, plan, now, now + tell.stop);
            await redis.eval(scriptAt(now), 1, key, 'tell', ...args, 0, tell.remaining, tell.stop);
          }
          const expected = take(model, plan, now, wanted, lane);
          model = expected.bucket;
          const answer = await redis.eval(scriptAt(now), 1, key, 'take', ...args, wanted, lane, '', 0);
          expect(answer).toEqual([
            expected.granted,
            expected.granted > 0 ? 0 : expected.waitMs,
            perWindow,
            Math.max(0, model.pausedUntil - now),
            0,
            Math.floor(model.tokens),
          ]);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('shared by two clients it gives no more than the plan, and it gives it', async () => {
    const given: number[] = [];
    const end = new AbortController();
    const hungry = async (client: Redis): Promise<void> => {
      const mine = budget(client);
      while (!end.signal.aborted) {
        await mine.take('live', null, end.signal);
        given.push(performance.now());
        if (given.length >= 100) end.abort();
      }
    };
    await Promise.allSettled([redis, other, redis, other].map((client) => hungry(client)));
    expect(given.length).toBeGreaterThanOrEqual(100);
    for (const from of given) {
      // A grant is noticed a little after it was given.
      const inside = given.filter((at) => at >= from && at < from + 950);
      expect(inside.length).toBeLessThanOrEqual(40);
    }
  });

  test('restarts empty when Redis forgot it', async () => {
    const started = performance.now();
    const mine = budget(redis, 4);
    await mine.take('live', null, forever);
    expect(performance.now() - started).toBeGreaterThan(150);
    await redis.del(`{${key}}`);
    const again = performance.now();
    await mine.take('live', null, forever);
    expect(performance.now() - again).toBeGreaterThan(150);
  });

  test('learns the limit from the platform, keeps to our share of it, and tells every client', async () => {
    const mine = budget(redis, null);
    await mine.tell({ limit: 166 });
    const theirs = budget(other, null);
    await theirs.tell({});
    expect([mine.level().perWindow, theirs.level().perWindow]).toEqual([83, 83]);
  });

  test('a stop holds for everybody until it is over', async () => {
    const mine = budget(redis);
    await mine.tell({ pauseMs: 400 });
    const started = performance.now();
    await budget(other).take('live', null, forever);
    expect(performance.now() - started).toBeGreaterThanOrEqual(390);
  });

  test('refuses a sink whose partition has a newer epoch, and nobody else', async () => {
    const zombie = budget(redis);
    const owner = budget(other);
    await zombie.take('live', { partition: 0, fence: 1_000 }, forever);
    await owner.claim({ partition: 0, fence: 2_000 });
    await expect(zombie.take('live', { partition: 0, fence: 1_000 }, forever)).rejects.toMatchObject({
      code: 'FENCED',
    });
    await zombie.take('live', { partition: 1, fence: 1_000 }, forever);
    await zombie.take('live', null, forever);
    await owner.take('live', { partition: 0, fence: 2_000 }, forever);
  });

  test('after Redis forgot who is who, the newer epoch still wins', async () => {
    await budget(other).claim({ partition: 0, fence: 2_000 });
    await redis.del(`{${key}}`);
    await budget(redis).take('live', { partition: 0, fence: 1_000 }, forever);
    await budget(other).take('live', { partition: 0, fence: 2_000 }, forever);
    await expect(budget(redis).take('live', { partition: 0, fence: 1_000 }, forever)).rejects.toMatchObject({
      code: 'FENCED',
    });
  });

  test('makes no call while Redis is away, and says so', async () => {
    const lone = connectRedis({ url: env('REDIS_URL'), log });
    await once(lone, 'ready');
    const mine = budget(lone);
    lone.disconnect();
    await expect(mine.take('live', null, AbortSignal.timeout(300))).rejects.toThrow(/abort/);
    expect(mine.level().away).toBe(true);
    await lone.connect();
    await mine.take('live', null, forever);
    expect(mine.level().away).toBe(false);
    lone.disconnect();
  });

  test('the burst is a fortieth of the plan', () => {
    expect(burst({ perWindow: 160, windowMs: 1_000, reserveLive: 0 })).toBe(4);
  });
});
