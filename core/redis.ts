/**
 * The one way to Redis. What Redis holds (mirror, leases, budgets) can always be made again, so the client is tuned to
 * say quickly and honestly that Redis is away, never to be helpful about it: ioredis's own defaults hold a command back
 * for 73 s, send it a second time after a reconnect, and play queued writes in one burst when another pod may long own
 * the work.
 */
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { TributaryError } from './errors.ts';

/**
 * Why the last connection failed, until one succeeds. ioredis refuses commands without a connection with an error that
 * does not say; the code is known to the connection only, and a process has one Redis, however many connections.
 */
let trouble: string | undefined;

export function connectRedis(options: { readonly url: string; readonly log: Logger }): Redis {
  const { url, log } = options;
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 1,
    connectTimeout: 2_000,
    commandTimeout: 2_000,
    // A peer that vanished without a FIN is noticed here; commandTimeout alone would leave the dead socket in place.
    socketTimeout: 10_000,
    keepAlive: 5_000,
    retryStrategy: (tries) => Math.min(50 * 2 ** Math.min(tries - 1, 5), 1_000) + Math.floor(Math.random() * 200),
    // A demoted primary still answers, with READONLY: only a new connection finds the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  let away: string | undefined;
  // Without a listener an ioredis error ends the process; with a plain one every try of an outage is a line.
  redis.on('error', (error: Error) => {
    const why = plainReason(error);
    trouble = why;
    if (why === away) return;
    away = why;
    log.warn({ code: 'REDIS_UNAVAILABLE', why }, 'redis is away');
  });
  redis.on('ready', () => {
    trouble = undefined;
    if (away !== undefined) log.info('redis is back');
    away = undefined;
  });
  return redis;
}

/** Codes, not messages: a message can hold the address with its password. */
function plainReason(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== undefined) return code;
  if (error.name === 'ReplyError') return error.message.split(' ', 1)[0] ?? error.name;
  if (error.name !== 'Error') return error.name;
  return error.message === 'Command timed out' ? 'timed out' : (trouble ?? 'no connection');
}

/**
 * Runs commands and gives their failure our name. Replies that blame the command (ERR, WRONGTYPE) are defects of ours;
 * everything else (no connection, time-out, LOADING, READONLY, OOM, NOAUTH…) is Redis not doing its part.
 */
export async function asking<T>(commands: () => Promise<T>): Promise<T> {
  try {
    return await commands();
  } catch (error) {
    if (error instanceof TributaryError) throw error;
    if (!(error instanceof Error)) throw error;
    const blamesUs = error.name === 'ReplyError' && /^(ERR|WRONGTYPE|CROSSSLOT) /.test(error.message);
    const reason = plainReason(error);
    throw new TributaryError(blamesUs ? 'INTERNAL' : 'REDIS_UNAVAILABLE', `Redis: ${reason}`, { cause: error });
  }
}

/** Where Redis away is a state of what asks, and no error of it. @throws anything else */
export function unlessAway(error: unknown): undefined {
  if (error instanceof TributaryError && error.code === 'REDIS_UNAVAILABLE') return undefined;
  throw error;
}
