/**
 * One token bucket per platform, in Redis, shared by everything of ours that calls that platform: the quota belongs to the
 * org, not to a process. Pure arithmetic here; the script below applies the same arithmetic to Redis's own clock, because
 * the clocks of pods differ by more than a window of a platform may be long. A test holds the two together.
 *
 * The promise: in no window of `windowMs`, wherever it is cut, more than `perWindow` tokens are given. It needs no
 * knowledge of where the platform cuts its own windows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { TributaryError } from './errors.ts';
import { doing } from './faults.ts';
import { asking, unlessAway } from './redis.ts';

/** What may be spent. */
export interface Plan {
  /** Tokens per window; at least 1. */
  readonly perWindow: number;
  readonly windowMs: number;
  /** Part of the burst that bulk work leaves for live changes, 0 to below 1. */
  readonly reserveLive: number;
}

export interface Bucket {
  readonly tokens: number;
  /** When `tokens` was true, ms. */
  readonly at: number;
  /** The platform said stop; nothing is given or refilled before. */
  readonly pausedUntil: number;
}

export type BudgetLane = 'live' | 'bulk';

/** Tokens per window until the platform has told its limit: enough for the first calls, which tell it. */
const unknownLimit = 10;

/** Tokens per window: our share of the platform's limit (0: not told yet), under the operator's cap (0: none). */
export function perWindowOf(limit: number, share: number, cap: number): number {
  const ours = Math.floor(limit * share);
  if (limit === 0) return cap === 0 ? unknownLimit : cap;
  return Math.max(1, cap === 0 ? ours : Math.min(ours, cap));
}

/** After a stop the bucket refills at a quarter of its rate for one window: whatever filled the quota may still be there. */
const slowStart = 0.25;

/** Parts of the window's tokens; one of them may be spent at once, the rest flows, and no more than the rest ever does. */
const parts = 40;
export const burst = (plan: Plan): number => Math.max(1, Math.floor(plan.perWindow / parts));

/**
 * Tokens per ms. Burst plus what flows in one whole window stays below perWindow + 1, so that perWindow whole tokens is
 * the most that any window can hold. A hundredth of the window is added to it: calls arrive at the platform a little after
 * they were granted, and not all of them as late; and it absorbs the rounding of floating point.
 */
const stretch = 1.01;
const rate = (plan: Plan): number => (plan.perWindow + 1 - burst(plan)) / (plan.windowMs * stretch + 1);

/** A bucket nobody remembers may have been full or empty: it restarts empty. */
export const emptyBucket = (now: number): Bucket => ({ tokens: 0, at: now, pausedUntil: 0 });

export function refill(bucket: Bucket, plan: Plan, now: number): Bucket {
  const from = Math.max(bucket.at, bucket.pausedUntil);
  if (now <= from) return bucket;
  const slowUntil = bucket.pausedUntil === 0 ? 0 : bucket.pausedUntil + plan.windowMs;
  const slow = Math.max(0, Math.min(now, slowUntil) - from);
  const flown = (now - from - slow + slow * slowStart) * rate(plan);
  return { ...bucket, tokens: Math.min(burst(plan), bucket.tokens + flown), at: now };
}

export interface Taken {
  readonly bucket: Bucket;
  /** Of the tokens asked for, 0 to all. */
  readonly granted: number;
  /** When nothing was granted: ask again after this many ms. */
  readonly waitMs: number;
}

export function take(bucket: Bucket, plan: Plan, now: number, wanted: number, lane: BudgetLane): Taken {
  const full = refill(bucket, plan, now);
  const kept = lane === 'bulk' ? Math.floor(plan.reserveLive * burst(plan)) : 0;
  if (now < full.pausedUntil) return { bucket: full, granted: 0, waitMs: full.pausedUntil - now };
  const granted = Math.max(0, Math.min(wanted, Math.floor(full.tokens - kept)));
  const waitMs = granted > 0 ? 0 : Math.ceil((kept + 1 - full.tokens) / rate(plan));
  return { bucket: { ...full, tokens: full.tokens - granted }, granted, waitMs };
}

/** The platform's own count: others spend the same quota, so less than ours may be left; never more. */
export function correct(bucket: Bucket, plan: Plan, now: number, remaining: number): Bucket {
  const full = refill(bucket, plan, now);
  return { ...full, tokens: Math.min(full.tokens, Math.max(0, remaining)) };
}

/** Stops until `until`; two stops at once are one, the longer. */
export function pause(bucket: Bucket, plan: Plan, now: number, until: number): Bucket {
  const full = refill(bucket, plan, now);
  return { ...full, tokens: 0, pausedUntil: Math.max(full.pausedUntil, until) };
}

/**
 * KEYS[1] the bucket. ARGV: operation, perWindow (0: as learned from the platform), share, windowMs, reserveLive, then per
 * operation: take: wanted, lane, partition ('' for none), fence; tell: limit (0: not told), remaining (-1), pauseMs (0).
 * Returns granted, waitMs, perWindow in force, ms until the end of a pause, 1 where a newer epoch holds the partition, and
 * the whole tokens left.
 */
export const bucketScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'pausedUntil', 'limit')
local tokens = tonumber(held[1] or '0')
local at = tonumber(held[2] or now)
local paused = tonumber(held[3] or '0')
local limit = tonumber(held[4] or '0')
local window = tonumber(ARGV[4])
if ARGV[1] == 'tell' and tonumber(ARGV[6]) > 0 then limit = tonumber(ARGV[6]) end

local plan = limit > 0 and math.floor(limit * tonumber(ARGV[3])) or 0
local cap = tonumber(ARGV[2])
if cap > 0 and (plan == 0 or cap < plan) then plan = cap end
if plan == 0 then plan = ${unknownLimit} end
plan = math.max(1, plan)
local burst = math.max(1, math.floor(plan / ${parts}))
local rate = (plan + 1 - burst) / (window * ${stretch} + 1)

local from = math.max(at, paused)
if now > from then
  local slowUntil = paused == 0 and 0 or paused + window
  local slow = math.max(0, math.min(now, slowUntil) - from)
  tokens = math.min(burst, tokens + (now - from - slow + slow * ${slowStart}) * rate)
  at = now
end

local granted, wait, fenced = 0, 0, 0
if ARGV[1] == 'take' then
  local partition, fence = ARGV[8], tonumber(ARGV[9])
  if partition ~= '' then
    local newest = tonumber(redis.call('HGET', KEYS[1], 'fence:' .. partition) or '-1')
    if newest > fence then fenced = 1 end
    if newest < fence then redis.call('HSET', KEYS[1], 'fence:' .. partition, fence) end
  end
  local kept = ARGV[7] == 'bulk' and math.floor(tonumber(ARGV[5]) * burst) or 0
  if fenced == 1 then
    wait = 0
  elseif now < paused then
    wait = paused - now
  else
    granted = math.max(0, math.min(tonumber(ARGV[6]), math.floor(tokens - kept)))
    if granted == 0 then wait = math.ceil((kept + 1 - tokens) / rate) end
    tokens = tokens - granted
  end
else
  local remaining, stop = tonumber(ARGV[7]), tonumber(ARGV[8])
  if remaining >= 0 then tokens = math.min(tokens, remaining) end
  if stop > 0 then
    tokens = 0
    paused = math.max(paused, now + stop)
  end
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.0f', at),
  'pausedUntil', string.format('%.0f', paused), 'limit', limit)
redis.call('PEXPIRE', KEYS[1], 86400000)
return { granted, wait, plan, math.max(0, paused - now), fenced, math.floor(tokens) }`;

/** A command partition held under an epoch; `fence` is larger for every newer epoch. */
export interface EpochHolder {
  readonly partition: number;
  readonly fence: number;
}

/** What a platform says of its limit with an answer. */
export interface LimitTold {
  /** Calls per window; undefined: not told. */
  readonly limit?: number | undefined;
  /** Calls left in this window. */
  readonly remaining?: number | undefined;
  /** Stop for this long. */
  readonly pauseMs?: number | undefined;
}

export interface BudgetLevel {
  readonly perWindow: number;
  readonly windowMs: number;
  /** Ms until a pause ends; 0: not paused. */
  readonly pausedMs: number;
  /** Calls that could be made at once. */
  readonly left: number;
  /** Redis did not answer. */
  readonly away: boolean;
}

export interface Budget {
  /**
   * Settles when a call may be made.
   * @throws TributaryError FENCED when a newer epoch holds the partition; the signal's reason when it aborts.
   */
  take(lane: BudgetLane, holder: EpochHolder | null, signal: AbortSignal): Promise<void>;
  /** Makes an epoch known, so that older ones are refused from now on, not from its first call on. Best effort: `take` does it too. */
  claim(holder: EpochHolder): Promise<void>;
  /** While Redis is away this does nothing: what a platform says is a correction, and the next answer brings another. */
  tell(told: LimitTold): Promise<void>;
  /** As of the last answer of Redis. */
  level(): BudgetLevel;
}

interface Waiting {
  readonly lane: BudgetLane;
  readonly holder: EpochHolder | null;
  /** Ms to wait before asking again; 0: granted. */
  resolve(waitMs: number): void;
  reject(error: unknown): void;
}

/** Longest sleep before the bucket is asked again: a plan or a pause may have changed meanwhile. */
const patienceMs = 2_000;

export function connectBudget(options: {
  readonly redis: Redis;
  readonly key: string;
  readonly windowMs: number;
  /** Absolute cap per window; null: none but the platform's. */
  readonly perWindow: number | null;
  /** Our share of what the platform tells. */
  readonly share: number;
  readonly reserveLive: number;
}): Budget {
  const { redis, windowMs } = options;
  const key = `{${options.key}}`;
  const plan = [options.perWindow ?? 0, options.share, windowMs, options.reserveLive] as const;
  let level: BudgetLevel = {
    perWindow: perWindowOf(0, options.share, options.perWindow ?? 0),
    windowMs,
    pausedMs: 0,
    left: 0,
    away: false,
  };

  async function run(operation: 'take' | 'tell', ...rest: readonly (string | number)[]): Promise<readonly number[]> {
    const ask = () => asking(() => redis.eval(bucketScript, 1, key, operation, ...plan, ...rest));
    const answer = await doing('budget', ask).catch((error: unknown) => {
      level = { ...level, away: true };
      throw error;
    });
    if (!Array.isArray(answer)) throw new TributaryError('INTERNAL', 'the bucket script answered no list');
    const numbers = answer.map(Number);
    level = { perWindow: numbers[2] ?? 1, windowMs, pausedMs: numbers[3] ?? 0, left: numbers[5] ?? 0, away: false };
    return numbers;
  }

  const waiting: Waiting[] = [];
  let leasing = false;

  /** Everybody who waits for the same kind of token is served by one call: under load a lease of several tokens. */
  async function lease(): Promise<void> {
    while (waiting.length > 0) {
      const [first] = waiting;
      if (first === undefined) break;
      const alike = waiting.filter(
        ({ lane, holder }) =>
          lane === first.lane && holder?.partition === first.holder?.partition && holder?.fence === first.holder?.fence,
      );
      for (const one of alike) waiting.splice(waiting.indexOf(one), 1);
      try {
        const { holder } = first;
        const [granted = 0, waitMs = 0, , , fenced = 0] = await run(
          'take',
          alike.length,
          first.lane,
          holder === null ? '' : String(holder.partition),
          holder?.fence ?? 0,
        );
        if (fenced === 1)
          throw new TributaryError('FENCED', `a newer epoch holds command partition ${holder?.partition ?? ''}`);
        for (const [index, one] of alike.entries()) one.resolve(index < granted ? 0 : Math.max(1, waitMs));
      } catch (error) {
        for (const one of alike) one.reject(error);
      }
    }
    leasing = false;
  }

  const ask = (lane: BudgetLane, holder: EpochHolder | null): Promise<number> =>
    new Promise((resolve, reject) => {
      waiting.push({ lane, holder, resolve, reject });
      if (leasing) return;
      leasing = true;
      // After this turn of the loop, so that all who ask in it are served together.
      setImmediate(() => void lease());
    });

  return {
    async take(lane, holder, signal) {
      for (let tries = 0; ; tries++) {
        signal.throwIfAborted();
        let waitMs: number;
        try {
          waitMs = Math.min(await ask(lane, holder), patienceMs);
          if (waitMs === 0) return;
        } catch (error) {
          // Without the bucket no call is made: a quota kept by nobody is no quota.
          unlessAway(error);
          waitMs = Math.min(100 * 2 ** Math.min(tries, 5), patienceMs);
        }
        await sleep(waitMs + Math.random() * Math.min(waitMs, 50), undefined, { signal });
      }
    },
    async claim({ partition, fence }) {
      await run('take', 0, 'live', String(partition), fence).catch(unlessAway);
    },
    async tell({ limit, remaining, pauseMs }) {
      await run('tell', limit ?? 0, remaining ?? -1, Math.ceil(pauseMs ?? 0)).catch(unlessAway);
    },
    level: () => level,
  };
}
