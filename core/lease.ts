/**
 * One holder at a time, across pods. Salesforce lets any number of subscribers read one channel, and each would write
 * every event to raw, so the connector that holds the lease subscribes and the others wait.
 *
 * term: how long a grant lives unless renewed. token: fencing number, higher with every grant, also after Redis lost
 * everything: it never falls behind the server's clock.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { TributaryError } from './errors.ts';
import { doing } from './faults.ts';
import { delay } from './patience.ts';
import { asking, unlessAway } from './redis.ts';

export interface Lease {
  readonly token: number;
  /** Aborted when the lease is lost or its term ran out unrenewed, before anyone else can be granted it. */
  readonly signal: AbortSignal;
  /** Gives it up at once; also ends the renewing after a loss. */
  release(): Promise<void>;
}

/** Asking again after a lost answer must not wait for our own grant to run out: the owner it names is unique to this call. */
const grantScript = `
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return false end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local token = math.max(now, tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
redis.call('SET', KEYS[2], string.format('%.0f', token))
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return string.format('%.0f', token)`;

const renewScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

const releaseScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

/** Part of the term that we trust ourselves with; the rest is for a timer that fires late and work that stops slowly. */
const trusted = 0.8;

export async function holdLease(options: {
  readonly redis: Redis;
  readonly key: string;
  /** Shown to whoever asks Redis who has it. */
  readonly owner: string;
  readonly termMs: number;
  /** Ends the waiting, by rejecting with its reason; a lease that is held is given back by `release`. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Of the role that waits. A standby does all that is asked of it, so it is ready; one that cannot ask Redis is not. */
  ready(state: boolean, why: string): void;
}): Promise<Lease> {
  const { redis, key, termMs, signal, log } = options;
  const owner = `${options.owner}/${randomUUID()}`;
  const keys = [`{${key}}`, `{${key}}:token`] as const;

  /** The moment of asking counts, not that of the answer: Redis's own term cannot have begun before it. */
  let grantedAt = 0;
  const ask = async (): Promise<number | undefined> => {
    const askedAt = performance.now();
    const token = await doing('lease', () => asking(() => redis.eval(grantScript, 2, ...keys, owner, termMs)));
    grantedAt = askedAt;
    return typeof token === 'string' ? Number(token) : undefined;
  };

  let token: number | undefined;
  let told = '';
  const tell = (state: string): void => {
    if (state !== told) log.info({ lease: key }, state);
    told = state;
  };
  const wait = (standby: boolean): void => {
    const why = `waiting for the lease, ${standby ? 'another holds it' : 'redis is away'}`;
    tell(why);
    options.ready(standby, why);
  };
  try {
    for (;;) {
      let answered = true;
      token = await ask().catch((error: unknown) => {
        answered = false;
        return unlessAway(error);
      });
      if (token !== undefined) break;
      wait(answered);
      await sleep(termMs / 6, undefined, { signal });
    }
    signal.throwIfAborted();
  } catch (error) {
    // Stopped while asking: the grant may stand although its answer never came.
    await asking(() => redis.eval(releaseScript, 1, keys[0], owner)).catch(unlessAway);
    throw error;
  }
  tell('the lease is ours');

  const lost = new AbortController();
  const ended = new AbortController();
  const lose = (why: string): void => {
    if (lost.signal.aborted || ended.signal.aborted) return;
    log.warn({ lease: key, why }, 'the lease is lost');
    lost.abort(new TributaryError('FENCED', `lease ${key}: ${why}`));
  };
  let deadline: NodeJS.Timeout | undefined;
  const trustUntil = (from: number): void => {
    clearTimeout(deadline);
    deadline = setTimeout(() => lose('it could not be renewed in time'), from + termMs * trusted - performance.now());
  };
  trustUntil(grantedAt);

  const renewing = (async () => {
    while (!ended.signal.aborted && !lost.signal.aborted) {
      await delay(termMs / 4, ended.signal);
      if (ended.signal.aborted || lost.signal.aborted) return;
      const askedAt = performance.now();
      const renew = () => asking(() => redis.eval(renewScript, 1, keys[0], owner, termMs));
      const renewed = await doing('lease-renewal', renew).catch(unlessAway);
      if (renewed === 0) lose('another holds it, or Redis forgot it');
      else if (renewed === 1 && !lost.signal.aborted && !ended.signal.aborted) trustUntil(askedAt);
    }
  })().catch((error: unknown) => lose(TributaryError.from(error).message));

  return {
    token,
    signal: lost.signal,
    async release() {
      ended.abort();
      clearTimeout(deadline);
      await renewing;
      await asking(() => redis.eval(releaseScript, 1, keys[0], owner)).catch(unlessAway);
    },
  };
}
