/** What every use of kafkajs here has in common: the connection's settings, its log, its errors, waiting for Kafka. */
import type { Kafka, LogEntry, RetryOptions } from 'kafkajs';
import type { Logger } from 'pino';
import { type TopicName, topics } from '../../schemas/topics.ts';
import { TributaryError } from '../errors.ts';
import { delay } from '../patience.ts';
import { kafkajs } from './kafkajs.ts';

/** kafkajs takes other defaults when NODE_ENV is `test`, so every value is named. */
export const patient: RetryOptions = {
  initialRetryTime: 50,
  factor: 0.2,
  multiplier: 2,
  maxRetryTime: 1_000,
  retries: 8,
};

/**
 * A producer that gives up and is replaced may write a batch in doubt twice, for the broker knows a repetition by the
 * producer's id only. So it lives through anything that lasts no longer than about a minute, a broker's restart above all.
 */
export const steadfast: RetryOptions = { ...patient, retries: 60 };

/** A connection in use; consumers and producers each get their own, for kafkajs shares offset caches within one. */
export interface KafkaLink {
  readonly prefix: string;
  /** A killed process holds its partitions until its session times out, so the time-out is the pause after a crash. */
  readonly sessionMs: number;
  readonly log: Logger;
  readonly health: Health;
  readonly open: (retry: RetryOptions) => Kafka;
  readonly wire: (topic: TopicName) => string;
  readonly bare: (wire: string) => TopicName;
}

export interface LinkOptions {
  readonly brokers: string;
  readonly prefix: string;
  readonly clientId: string;
  readonly log: Logger;
  /** `failover.afterMs`; default: that of the configuration. */
  readonly sessionMs?: number;
}

export function createLink({ brokers, prefix, clientId, log, sessionMs = 10_000 }: LinkOptions): KafkaLink {
  const byWire = new Map(Object.keys(topics).map((name) => [prefix + name, name as TopicName]));
  return {
    prefix,
    sessionMs,
    log,
    health: createHealth(log),
    open: (retry) =>
      new kafkajs.Kafka({
        brokers: brokers.split(',').map((broker) => broker.trim()),
        clientId,
        connectionTimeout: 5_000,
        requestTimeout: 30_000,
        retry,
        logLevel: kafkajs.logLevel.INFO,
        logCreator: () => (entry) => writeLog(log, entry),
      }),
    wire: (topic) => prefix + topic,
    bare: (wire) => {
      const name = byWire.get(wire);
      if (name === undefined) throw new TributaryError('INTERNAL', `${wire} is no topic of this deployment`);
      return name;
    },
  };
}

/**
 * kafkajs reports as errors what it then retries with success (a coordinator that loads, a leader that moves) and what
 * we report ourselves in one line. So its log is detail, whatever its level says.
 */
function writeLog(log: Logger, { namespace, level, log: entry }: LogEntry): void {
  const { broker, groupId, error, retryCount } = entry as { [name: string]: unknown };
  const details = { kafkajs: namespace, broker, groupId, error, retryCount };
  if (level >= kafkajs.logLevel.INFO) log.trace(details, entry.message);
  else log.debug(details, entry.message);
}

/** Says once that Kafka is away and once that it is back, however many connections try. */
export interface Health {
  readonly away: boolean;
  down(error: unknown): void;
  up(): void;
}

function createHealth(log: Logger): Health {
  let away = false;
  return {
    get away() {
      return away;
    },
    down(error) {
      if (!away) log.warn({ code: 'KAFKA_UNAVAILABLE', why: reasonOf(error) }, 'kafka is away, waiting for it');
      away = true;
    },
    up() {
      if (away) log.info('kafka is back');
      away = false;
    },
  };
}

/** kafkajs wraps causes several deep; the protocol's name of the error is in any of them. */
function* causesOf(error: unknown): Generator<Error & { type?: string }> {
  for (let at = error; at instanceof Error; at = at.cause) yield at as Error & { type?: string };
}

export function hasType(error: unknown, ...types: readonly string[]): boolean {
  for (const { type, name } of causesOf(error)) if (types.includes(type ?? name)) return true;
  return false;
}

function reasonOf(error: unknown): string {
  let reason = String(error);
  for (const { message } of causesOf(error)) reason = message;
  return reason;
}

/** Errors of ours pass. Anything else that comes out of kafkajs is Kafka not doing its part. */
export function kafkaError(error: unknown, doing: string): TributaryError {
  for (const cause of causesOf(error)) if (cause instanceof TributaryError) return cause;
  // What we send is measured first (batching.ts), so the topic's own limit is not the one of `topics apply`.
  if (hasType(error, 'MESSAGE_TOO_LARGE')) {
    return new TributaryError('TOPICS_DIFFER', `${doing}: max.message.bytes is too small`, { cause: error });
  }
  if (hasType(error, 'UNKNOWN_TOPIC_OR_PARTITION')) {
    return new TributaryError('KAFKA_UNAVAILABLE', `${doing}: a topic is missing (tributary topics apply)`, {
      cause: error,
    });
  }
  return new TributaryError('KAFKA_UNAVAILABLE', `${doing}: ${reasonOf(error)}`, { cause: error });
}

const pauseMs = { first: 100, most: 5_000 };

/** Growing pauses between tries, shared by everything that waits for Kafka; ends early when the signal does. */
export async function pause(tries: number, signal?: AbortSignal): Promise<void> {
  const ms = Math.min(pauseMs.first * 2 ** Math.min(tries, 10), pauseMs.most);
  await delay(ms * (0.8 + Math.random() * 0.4), signal);
}

const slowMs = 5_000;

/** Kafka's client is patient inside one call: what takes long is reported meanwhile, and left when the signal ends it. */
export async function watched<T>(link: KafkaLink, doing: string, signal: AbortSignal, call: Promise<T>): Promise<T> {
  const slow = setTimeout(() => link.health.down(new Error(`${doing} takes more than ${slowMs / 1_000} s`)), slowMs);
  const ended = Promise.withResolvers<never>();
  const end = (): void => ended.reject(new TributaryError('KAFKA_UNAVAILABLE', `${doing}: stopped while waiting`));
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    return await Promise.race([call, ended.promise]);
  } finally {
    clearTimeout(slow);
    signal.removeEventListener('abort', end);
  }
}

/** Tries until it works or the signal ends it; only errors that say `retry` are tried again. */
export async function untilReachable<T>(
  link: KafkaLink,
  doing: string,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    if (signal.aborted) throw new TributaryError('KAFKA_UNAVAILABLE', `${doing}: stopped while waiting`);
    try {
      const result = await attempt();
      link.health.up();
      return result;
    } catch (error) {
      const ours = kafkaError(error, doing);
      if (ours.verdict !== 'retry') throw ours;
      // Whoever was told to stop learns nothing of Kafka by not waiting for it any longer.
      if (!signal.aborted) link.health.down(error);
      await pause(tries, signal);
    }
  }
}
