/**
 * How many REST calls we make: a share of what the org may make in 24 hours, counted in Redis for all who call it.
 *
 * Not the bucket of core/budget.ts: that one keeps a window of seconds by letting calls flow evenly. Over a day an even
 * flow is one call in some seconds on a small org, and after a loss of Redis a start would wait minutes for its first
 * calls; a quota of a day is to be spent when there is something to read.
 *
 * The promise: in no 24 hours, wherever they are cut, more calls than the share. Calls are counted by the hour, and a call
 * is made only while this hour and the 24 before it hold fewer than the share: they cover any 24 hours that end now.
 * What is refused now is free again hour by hour, with nobody's doing.
 *
 * The org's own count (`Sforce-Limit-Info`) has all integrations in it. Where they have left nothing we stop, whatever is
 * left of our share: bulk reading when they come near it, everything when it is used up.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Budget, BudgetLane, BudgetLevel, EpochHolder } from '../../core/budget.ts';
import { TributaryError } from '../../core/errors.ts';
import { doing } from '../../core/faults.ts';
import { metrics } from '../../core/metrics.ts';
import { asking, unlessAway } from '../../core/redis.ts';
import type { CallContext } from '../../core/role.ts';

/** Calls until the org has told its limit, which it does with the first describe. */
const unknownLimit = 10;
/** An org that had nothing left is asked again after so long: only an answer tells what it has now. */
const pauseMs = 600_000;

/**
 * KEYS[1] the count. ARGV: operation, absolute cap (0: none), share, reserveLive, then per operation: take: lane, partition
 * ('' for none), fence; tell: used, limit (0: neither told), pauseMs (0: none). Fields: calls by hour since 1970; limit as
 * told; paused, bulkPaused (the org has nothing left) and told (to wait), ms; fence:<partition>. Returns granted, waitMs, calls left, ms until
 * a live call may be made, 1 where a newer epoch holds the partition, and our calls of a day.
 *
 * A count that is new may be one that was lost: what the org has used by now is then taken for ours, evenly over the day,
 * as far as it would fit into the share. On a busy org a first start is slow for a day; a lost Redis never doubles the share.
 */
export const countScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local hour = math.floor(now / 3600000)
local facts, spent = {}, 0
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local of = tonumber(held[i])
  if of == nil then facts[held[i]] = tonumber(held[i + 1])
  elseif of < hour - 24 then redis.call('HDEL', KEYS[1], held[i])
  else spent = spent + tonumber(held[i + 1]) end
end

local limit = facts.limit or 0
if ARGV[1] == 'tell' and tonumber(ARGV[6]) > 0 then limit = tonumber(ARGV[6]) end
local ours = limit > 0 and math.max(1, math.floor(limit * tonumber(ARGV[3]))) or 0
local cap = tonumber(ARGV[2])
if cap > 0 and (ours == 0 or cap < ours) then ours = cap end
if ours == 0 then ours = ${unknownLimit} end
local reserve = tonumber(ARGV[4])

local granted, wait, fenced = 0, 0, 0
if ARGV[1] == 'take' then
  local bulk = ARGV[5] == 'bulk'
  if ARGV[6] ~= '' then
    local fence, newest = tonumber(ARGV[7]), facts['fence:' .. ARGV[6]] or -1
    if newest > fence then fenced = 1 end
    if newest < fence then redis.call('HSET', KEYS[1], 'fence:' .. ARGV[6], ARGV[7]) end
  end
  local paused = math.max(facts.told or 0, facts.paused or 0, bulk and facts.bulkPaused or 0)
  local allowed = bulk and ours - math.floor(ours * reserve) or ours
  if fenced == 1 then wait = 0
  elseif now < paused then wait = paused - now
  elseif spent >= allowed then wait = (hour + 1) * 3600000 - now
  elseif ARGV[5] ~= 'none' then
    granted = 1
    spent = spent + 1
    redis.call('HINCRBY', KEYS[1], string.format('%.0f', hour), 1)
  end
else
  if tonumber(ARGV[6]) > 0 then
    local used = tonumber(ARGV[5])
    if facts.limit == nil then
      local each = math.floor(math.min(used, ours) / 25)
      for past = hour - 24, hour - 1 do redis.call('HSET', KEYS[1], string.format('%.0f', past), each) end
      spent = spent + each * 24
    end
    local stop = now + ${pauseMs}
    facts.paused = used >= limit and stop or 0
    redis.call('HSET', KEYS[1], 'limit', limit, 'paused', string.format('%.0f', facts.paused),
      'bulkPaused', used >= limit - math.floor(limit * reserve) and string.format('%.0f', stop) or 0)
  end
  if tonumber(ARGV[7]) > 0 then
    facts.told = math.max(facts.told or 0, now + tonumber(ARGV[7]))
    redis.call('HSET', KEYS[1], 'told', string.format('%.0f', facts.told))
  end
end
redis.call('PEXPIRE', KEYS[1], 93600000)
local free = math.max(now, facts.told or 0, facts.paused or 0)
if spent >= ours then free = math.max(free, (hour + 1) * 3600000) end
return { granted, wait, math.max(0, ours - spent), free - now, fenced, ours }`;

/** Longest sleep before the count is asked again: the limit, the share or a pause may have changed meanwhile. */
const patienceMs = 10_000;
const dayMs = 86_400_000;

export interface DailyBudget extends Budget {
  /**
   * Counts one call. Never waits, for that may be hours: whoever reads says so and tries again with its own pauses.
   * @throws TributaryError PLATFORM_LIMIT when no call may be made now; REDIS_UNAVAILABLE: a quota kept by nobody is no quota
   */
  spend(lane: BudgetLane): Promise<void>;
}

export function dailyBudget({ config, redis, kafka }: CallContext): DailyBudget {
  const { daily, share, reserveLive } = config.salesforce.budget;
  const key = `{${kafka.prefix}budget:salesforce}`;
  let level: BudgetLevel = {
    perWindow: daily ?? unknownLimit,
    windowMs: dayMs,
    pausedMs: 0,
    left: 0,
    away: false,
  };

  async function run(operation: 'take' | 'tell', ...rest: readonly (string | number)[]): Promise<readonly number[]> {
    const plan = [daily ?? 0, share, reserveLive];
    const count = () => asking(() => redis.eval(countScript, 1, key, operation, ...plan, ...rest));
    const answer = await doing('budget', count).catch((error: unknown) => {
      level = { ...level, away: true };
      throw error;
    });
    if (!Array.isArray(answer)) throw new TributaryError('INTERNAL', 'the script of the daily budget answered no list');
    const numbers = answer.map(Number);
    const [, , left = 0, pausedMs = 0, , perWindow = 1] = numbers;
    level = { perWindow, windowMs: dayMs, pausedMs, left, away: false };
    metrics.budgetLeft.set({ platform: 'salesforce' }, left);
    return numbers;
  }

  /** Ms to wait; 0: counted. */
  async function ask(lane: BudgetLane | 'none', holder: EpochHolder | null): Promise<number> {
    const fence = holder === null ? ['', 0] : [String(holder.partition), holder.fence];
    const [granted, waitMs = 0, , , fenced] = await run('take', lane, ...fence);
    if (fenced === 1)
      throw new TributaryError('FENCED', `a newer epoch holds command partition ${holder?.partition ?? ''}`);
    return granted === 1 ? 0 : Math.max(1, waitMs);
  }

  return {
    async spend(lane) {
      const retryAfterMs = await ask(lane, null);
      if (retryAfterMs === 0) return;
      const text = `Salesforce: no call is left for ${lane} work, of our share of the day or of the org's own limit`;
      throw new TributaryError('PLATFORM_LIMIT', text, { retryAfterMs });
    },
    async take(lane, holder, signal) {
      for (let tries = 0; ; tries++) {
        signal.throwIfAborted();
        const waitMs = await ask(lane, holder).catch((error: unknown) => {
          // Without the count no call is made: a quota kept by nobody is no quota.
          unlessAway(error);
          return 100 * 2 ** Math.min(tries, 5);
        });
        if (waitMs === 0) return;
        await sleep(Math.min(waitMs, patienceMs), undefined, { signal });
      }
    },
    async claim(holder) {
      await ask('none', holder).catch(unlessAway);
    },
    async tell({ limit, remaining, pauseMs }) {
      const usage = limit === undefined || remaining === undefined ? [0, 0] : [limit - remaining, limit];
      await run('tell', ...usage, Math.ceil(pauseMs ?? 0)).catch(unlessAway);
    },
    level: () => level,
  };
}
