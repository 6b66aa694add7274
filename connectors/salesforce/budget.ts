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
import type { BudgetLane } from '../../core/budget.ts';
import { TributaryError } from '../../core/errors.ts';
import { metrics } from '../../core/metrics.ts';
import { asking } from '../../core/redis.ts';
import type { RoleContext } from '../../core/role.ts';
import type { CallReport } from './rest.ts';

/** Calls until the org has told its limit, which it does with the first describe. */
const unknownLimit = 10;
/** An org that had nothing left is asked again after so long: only an answer tells what it has now. */
const pauseMs = 600_000;

/**
 * KEYS[1] the count. ARGV: operation, absolute cap (0: none), share, reserveLive, then per operation: take: lane; tell: used,
 * limit. Fields: calls by hour since 1970; limit as told; paused and bulkPaused, ms. Returns granted, waitMs, calls left.
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

local limit = ARGV[1] == 'tell' and tonumber(ARGV[6]) or facts.limit or 0
local ours = limit > 0 and math.max(1, math.floor(limit * tonumber(ARGV[3]))) or 0
local cap = tonumber(ARGV[2])
if cap > 0 and (ours == 0 or cap < ours) then ours = cap end
if ours == 0 then ours = ${unknownLimit} end
local reserve = tonumber(ARGV[4])

local granted, wait = 0, 0
if ARGV[1] == 'take' then
  local bulk = ARGV[5] == 'bulk'
  local paused = math.max(facts.paused or 0, bulk and facts.bulkPaused or 0)
  local allowed = bulk and ours - math.floor(ours * reserve) or ours
  if now < paused then wait = paused - now
  elseif spent >= allowed then wait = (hour + 1) * 3600000 - now
  else
    granted = 1
    spent = spent + 1
    redis.call('HINCRBY', KEYS[1], string.format('%.0f', hour), 1)
  end
else
  local used = tonumber(ARGV[5])
  if facts.limit == nil then
    local each = math.floor(math.min(used, ours) / 25)
    for past = hour - 24, hour - 1 do redis.call('HSET', KEYS[1], string.format('%.0f', past), each) end
    spent = spent + each * 24
  end
  local stop = string.format('%.0f', now + ${pauseMs})
  redis.call('HSET', KEYS[1], 'limit', limit, 'paused', used >= limit and stop or 0,
    'bulkPaused', used >= limit - math.floor(limit * reserve) and stop or 0)
end
redis.call('PEXPIRE', KEYS[1], 93600000)
return { granted, wait, math.max(0, ours - spent) }`;

export interface DailyBudget {
  /**
   * Counts one call. Never waits, for that may be hours: whoever reads says so and tries again with its own pauses.
   * @throws TributaryError PLATFORM_LIMIT when no call may be made now; REDIS_UNAVAILABLE: a quota kept by nobody is no quota
   */
  spend(lane: BudgetLane): Promise<void>;
  /** While Redis is away this does nothing: the next answer tells again. */
  tell(usage: NonNullable<CallReport['usage']>): Promise<void>;
}

export function dailyBudget({ config, redis, kafka }: Pick<RoleContext, 'config' | 'redis' | 'kafka'>): DailyBudget {
  const { daily, share, reserveLive } = config.salesforce.budget;
  const key = `{${kafka.prefix}budget:salesforce}`;

  async function run(operation: 'take' | 'tell', ...rest: readonly (string | number)[]): Promise<readonly number[]> {
    const plan = [daily ?? 0, share, reserveLive];
    const answer = await asking(() => redis.eval(countScript, 1, key, operation, ...plan, ...rest));
    if (!Array.isArray(answer)) throw new TributaryError('INTERNAL', 'the script of the daily budget answered no list');
    const numbers = answer.map(Number);
    metrics.budgetLeft.set({ platform: 'salesforce' }, numbers[2] ?? 0);
    return numbers;
  }

  return {
    async spend(lane) {
      const [granted, retryAfterMs = 0] = await run('take', lane);
      if (granted === 1) return;
      const text = `Salesforce: no call is left for ${lane} work, of our share of the day or of the org's own limit`;
      throw new TributaryError('PLATFORM_LIMIT', text, { retryAfterMs });
    },
    async tell({ used, limit }) {
      await run('tell', used, limit).catch((error: unknown) => {
        if (!(error instanceof TributaryError) || error.code !== 'REDIS_UNAVAILABLE') throw error;
      });
    },
  };
}
