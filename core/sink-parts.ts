/** The parts of the sink loop that have a life of their own: the log's clock, the gate, the window, the outbox. */
import type { Logger } from 'pino';
import type { Result } from '../schemas/types.ts';
import { type Breaker, closed, failed, stateOf } from './breaker.ts';
import type { BudgetLevel } from './budget.ts';
import { TributaryError } from './errors.ts';
import type { OutRecord, SafeProducer } from './kafka.ts';

/**
 * The log's time, as far as it can be told without asking: asks expire by it, and machines' clocks differ. An append time
 * seen is a time the log has reached; what passed since then our own clock measures. The best guess is the largest, since
 * every delay between append and arrival makes it too small: a command is then called a little too long, never dropped
 * too early.
 */
export class LogClock {
  readonly #now: () => number;
  #ahead = Number.NEGATIVE_INFINITY;
  constructor(now: () => number) {
    this.#now = now;
  }
  appended(time: number, arrivedAt: number): void {
    this.#ahead = Math.max(this.#ahead, time - arrivedAt);
  }
  now(): number {
    return this.#now() + (Number.isFinite(this.#ahead) ? this.#ahead : 0);
  }
}

/** Twenty records in a row refused in the same words are not twenty bad records. */
const refusalRule = { limit: 20, pauseMs: 30_000, longestMs: 300_000 };
const troubleRule = { limit: 5, pauseMs: 15_000, longestMs: 60_000 };

export type GateState = 'closed' | 'open' | 'half-open';

/** Stops a sink rather than letting it refuse everything. open: nothing is called. half-open: one call at a time. */
export class Gate {
  #refusals: Breaker = closed;
  #trouble: Breaker = closed;

  answered(subject: string, { outcome, refusals }: Pick<Result, 'outcome' | 'refusals'>, now: number): void {
    if (outcome === 'expired') return;
    this.#trouble = closed;
    const [first] = refusals;
    // The platform's own code; the rest of its text names the record.
    const kind = first === undefined ? '' : `${first.code} ${first.message.split(':', 1)[0] ?? ''}`;
    this.#refusals = outcome === 'refused' ? failed(this.#refusals, refusalRule, kind, subject, now) : closed;
  }

  /** A try failed for no fault of the record's. */
  failed(code: string, now: number): void {
    this.#trouble = failed(this.#trouble, troubleRule, code, '', now);
  }

  state(now: number): GateState {
    const states = [stateOf(this.#refusals, now), stateOf(this.#trouble, now)];
    return states.find((state) => state === 'open') ?? states.find((state) => state === 'half-open') ?? 'closed';
  }

  /** Empty while it is closed. */
  why(now: number): string {
    if (stateOf(this.#refusals, now) !== 'closed') return `the platform refuses everything: ${this.#refusals.kind}`;
    return stateOf(this.#trouble, now) === 'closed' ? '' : `the platform does not answer: ${this.#trouble.kind}`;
  }
}

/** An ask lives about a minute: a window is at most what the budget allows in that time. */
const askLifeMs = 60_000;
/** Per partition. Enough to keep every call slot busy over a round trip through unify; more would only age in memory. */
const widest = 100;
/** The partitions of a commands topic share one budget. */
const partitions = 4;
const bulkShare = 0.7;

/** Window and bulk window of each partition. Half-open: one command, to see whether the platform takes it. */
export function windowFor(level: BudgetLevel, gate: GateState): readonly [number, number] {
  if (gate === 'open' || level.pausedMs >= askLifeMs) return [0, 0];
  if (gate === 'half-open') return [1, 1];
  const usable = Math.max(0, askLifeMs - level.pausedMs);
  const affordable = Math.floor((level.perWindow / level.windowMs) * usable) / partitions;
  const window = Math.max(1, Math.min(widest, Math.floor(affordable)));
  return [window, Math.max(1, Math.floor(window * bulkShare))];
}

/** Results arrive one by one and are sent in batches; a few ms of patience make one send of twenty. */
const lingerMs = 4;

/** Records on their way to Kafka, in order. A failure is kept until somebody asks: `healthy`, `flush` and `close` throw it. */
export class Outbox {
  readonly #producer: SafeProducer;
  readonly #log: Logger;
  #waiting: OutRecord[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(producer: SafeProducer, log: Logger) {
    this.#producer = producer;
    this.#log = log;
  }

  add(records: readonly OutRecord[]): void {
    this.#waiting.push(...records);
    this.#timer ??= setTimeout(() => this.#sendNow(), lingerMs);
  }

  async send(records: readonly OutRecord[]): Promise<void> {
    this.#waiting.push(...records);
    await this.flush();
  }

  async flush(): Promise<void> {
    this.#sendNow();
    await this.#sending;
    await this.healthy();
  }

  healthy(): Promise<void> {
    return this.#failure === undefined
      ? Promise.resolve()
      : Promise.reject(TributaryError.from(this.#failure, 'KAFKA_UNAVAILABLE'));
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#producer.close();
    }
  }

  #sendNow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#waiting.splice(0);
    if (batch.length === 0) return;
    // The producer waits while Kafka is away; what it rejects will never be sent.
    this.#sending = Promise.all([this.#sending, this.#producer.send(batch)]).then(
      () => undefined,
      (error: unknown) => {
        this.#failure ??= error;
        this.#log.error({ err: error, records: batch.length }, 'results could not be written');
      },
    );
  }
}
