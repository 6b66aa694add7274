import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { countScript, dailyBudget } from '../../../connectors/salesforce/budget.ts';
import type { BudgetLane } from '../../../core/budget.ts';
import { loadConfig } from '../../../core/config.ts';
import { connectRedis } from '../../../core/redis.ts';
import { env, log } from '../../support/loop-servers.ts';

const hour = 3_600_000;
const day = 24 * hour;
const start = 1_790_000_000_000;
const share = 0.1;
const reserveLive = 0.2;

let redis: Redis;
let key = '';
beforeAll(async () => {
  redis = connectRedis({ url: env('REDIS_URL'), log });
  await once(redis, 'ready');
});
beforeEach(() => {
  key = `budget-${randomUUID()}`;
});
afterAll(() => {
  redis.disconnect();
});

/** The script with `redis.call('TIME')` answered by the test. */
async function run(now: number, operation: string, ...rest: readonly (string | number)[]): Promise<readonly number[]> {
  const clock = `{ ${Math.floor(now / 1000)}, ${(now % 1000) * 1000} }`;
  const script = countScript.replace("redis.call('TIME')", clock);
  return (await redis.eval(script, 1, key, operation, 0, share, reserveLive, ...rest)) as readonly number[];
}
const tell = (now: number, used: number, limit = 1_000) => run(now, 'tell', used, limit, 0);
/** How many of so many calls are granted. */
async function take(now: number, lane: BudgetLane, wanted: number): Promise<number> {
  const answers = await Promise.all(Array.from({ length: wanted }, () => run(now, 'take', lane, '', 0)));
  return answers.filter(([granted]) => granted === 1).length;
}

describe('the calls of a day', () => {
  test('are the share at once, bulk work leaving some of it, and the next when the first are a day old', async () => {
    await tell(start, 0);
    expect(await take(start, 'bulk', 200)).toBe(80);
    expect(await take(start, 'live', 200)).toBe(20);
    const untilNextHour = hour - (start % hour);
    expect(await run(start, 'take', 'live', '', 0)).toEqual([0, untilNextHour, 0, untilNextHour, 0, 100]);
    expect(await take(start + day, 'live', 1)).toBe(0);
    expect(await take(start + day + hour, 'live', 200)).toBe(100);
  });

  test('are never more than the share, wherever the day is cut', async () => {
    const steps = fc.array(fc.record({ pause: fc.nat(9 * hour), wanted: fc.nat(70) }), { minLength: 5, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        await redis.del(key);
        await tell(start, 0);
        let now = start;
        const calls: number[] = [];
        for (const { pause, wanted } of history) {
          now += pause;
          const granted = await take(now, 'live', wanted);
          for (let n = 0; n < granted; n++) calls.push(now);
          expect(calls.filter((at) => at > now - day).length).toBeLessThanOrEqual(100);
        }
      }),
      { numRuns: 25 },
    );
  });

  test('stop when all integrations together have used up the org, bulk work sooner, and go on by themselves', async () => {
    await tell(start, 0);
    await tell(start, 800);
    expect(await take(start, 'bulk', 1)).toBe(0);
    expect(await take(start, 'live', 1)).toBe(1);
    await tell(start, 1_000);
    expect(await run(start, 'take', 'live', '', 0)).toEqual([0, 600_000, 99, 600_000, 0, 100]);
    expect(await take(start + 600_000, 'live', 1)).toBe(1);
    await tell(start + 600_000, 799);
    expect(await take(start + 600_000, 'bulk', 1)).toBe(1);
  });

  test('are few until the limit is told', async () => {
    expect(await take(start, 'live', 50)).toBe(10);
    await tell(start, 10);
    expect(await take(start, 'live', 200)).toBe(90);
  });

  test('are not had twice because Redis lost the count', async () => {
    await tell(start, 0);
    expect(await take(start, 'live', 100)).toBe(100);
    await redis.del(key);
    await tell(start, 100);
    expect(await take(start, 'live', 100)).toBeLessThanOrEqual(4);
    expect(await take(start + hour, 'live', 100)).toBeLessThanOrEqual(4);
    expect(await take(start + day + hour, 'live', 100)).toBeGreaterThan(90);
  });
});

describe('a sink', () => {
  test('is refused the calls of an epoch that is over, whether the newer one has called yet or not', async () => {
    await tell(start, 0);
    expect(await run(start, 'take', 'live', '2', 5)).toMatchObject({ 0: 1, 4: 0 });
    expect(await run(start, 'take', 'none', '2', 6)).toMatchObject({ 0: 0, 4: 0 });
    expect(await run(start, 'take', 'live', '2', 5)).toEqual([0, 0, 99, 0, 1, 100]);
    expect(await run(start, 'take', 'live', '2', 6)).toMatchObject({ 0: 1, 4: 0 });
    expect(await run(start, 'take', 'live', '3', 1)).toMatchObject({ 0: 1, 4: 0 });
  });

  test('that was told to wait makes everybody wait, and the usage told meanwhile does not end it', async () => {
    await tell(start, 0);
    await run(start, 'tell', 0, 0, 5_000);
    await tell(start, 10);
    expect(await run(start + 1_000, 'take', 'live', '', 0)).toEqual([0, 4_000, 100, 4_000, 0, 100]);
    expect(await take(start + 5_000, 'live', 1)).toBe(1);
  });
});

test('the budget of the configuration refuses what is too much, and says until when', async () => {
  const config = loadConfig({ env: {} });
  const { salesforce } = config;
  const budget = dailyBudget({
    config: { ...config, salesforce: { ...salesforce, budget: { ...salesforce.budget, daily: 2 } } },
    redis,
    kafka: { prefix: `${key}.` } as Parameters<typeof dailyBudget>[0]['kafka'],
  });
  await budget.tell({ limit: 15_000, remaining: 15_000 });
  await budget.spend('live');
  await budget.spend('live');
  const error: unknown = await budget.spend('live').catch((one: unknown) => one);
  expect(error).toMatchObject({ code: 'PLATFORM_LIMIT', verdict: 'retry', retryAfterMs: expect.any(Number) });
});
