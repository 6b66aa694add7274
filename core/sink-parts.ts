/** The parts of the sink loop that have a life of their own: the log's clock, the gate, the window, the outbox. */
import type { Logger } from 'pino';
import type { FieldRefusal, Result } from '../schemas/types.ts';
import { type Breaker, closed, failed, stateOf } from './breaker.ts';
import type { BudgetLevel } from './budget.ts';
import { TributaryError } from './errors.ts';
import type { OutRecord, SafeProducer } from './kafka.ts';

/** Appends older than twice this say nothing about the log's clock any more. */
const clockSpanMs = 60_000;

/**
 * The log's time, as far as it can be told without asking: asks expire by it, and machines' clocks differ. An append time
 * seen is a time the log has reached; what passed since then a clock of ours measures. The best guess is the largest,
 * since every delay between append and arrival makes it too small: a command is then called a little too long, never
 * dropped too early.
 *
 * Ours has to be a clock that only goes forward, and the largest is that of the last minutes: clocks of machines are put
 * right in steps, and a guess that is minutes too large has every command expire uncalled, be asked again, and expire.
 */
export class LogClock {
  #since = Number.NEGATIVE_INFINITY;
  #recent = Number.NEGATIVE_INFINITY;
  #before = Number.NEGATIVE_INFINITY;
  appended(time: number, arrivedAt: number): void {
    const age = arrivedAt - this.#since;
    if (age >= clockSpanMs) {
      this.#before = age >= 2 * clockSpanMs ? Number.NEGATIVE_INFINITY : this.#recent;
      this.#recent = Number.NEGATIVE_INFINITY;
      this.#since = arrivedAt;
    }
    this.#recent = Math.max(this.#recent, time - arrivedAt);
  }
  /** Whole ms. Before anything was seen of the log: no time at all, at which nothing has expired. */
  at(now: number): number {
    return Math.floor(now + Math.max(this.#recent, this.#before));
  }
}

/** Twenty records in a row refused in the same words are not twenty bad records. */
const refusalRule = { limit: 20, probes: 5, pauseMs: 30_000, longestMs: 300_000 };
const troubleRule = { limit: 5, probes: 1, pauseMs: 15_000, longestMs: 60_000 };

/**
 * What refusals of different records can have in common: our code, the platform's own, and its words without what names
 * the record (quotations, addresses, anything with a digit).
 */
function kindOf({ code, message }: FieldRefusal): string {
  const words = message.slice(0, 200).replace(/(^HTTP \d+)|"[^"]*"|\S*[@\d]\S*/g, (_, status = '*') => status);
  return `${code} ${words}`;
}

export type GateState = 'closed' | 'open' | 'half-open';

/** Stops a sink rather than letting it refuse everything. open: nothing is called. half-open: one call at a time. */
export class Gate {
  #refusals: Breaker = closed;
  #trouble: Breaker = closed;

  answered(subject: string, { outcome, refusals }: Pick<Result, 'outcome' | 'refusals'>, now: number): void {
    if (outcome === 'expired') return;
    this.#trouble = closed;
    if (outcome !== 'refused') this.#refusals = closed;
    // A refusal of one field is about the record's own value, however many records of an import have the same fault; but
    // not that of a permission, whichever field the platform names with it.
    const whole = refusals.find(({ field, code }) => field === '' || code === 'CREDENTIALS_REFUSED');
    if (outcome === 'refused' && whole !== undefined)
      this.#refusals = failed(this.#refusals, refusalRule, kindOf(whole), subject, now);
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
    // The codes only: the text may hold a person's data.
    const [codes] = this.#refusals.kind.split(':', 1);
    if (stateOf(this.#refusals, now) !== 'closed') return `the platform refuses everything: ${codes}`;
    return stateOf(this.#trouble, now) === 'closed' ? '' : `the platform does not answer: ${this.#trouble.kind}`;
  }
}

/** An ask lives about a minute: a window is at most what the budget allows in that time. */
const askLifeMs = 60_000;
/** Per partition. Enough to keep every call slot busy over a round trip through unify; more would only age in memory. */
const widest = 100;
/** Full calls of many commands per partition: one under way, and those that fill meanwhile. */
const fullCalls = 4;
const bulkShare = 0.7;

/** What a platform's sink is like. */
export interface SinkShape {
  /** Commands that one call carries, and so a turn, at most. */
  readonly perCall: number;
  /** Of the topic of its commands; they share one budget. */
  readonly partitions: number;
}

/**
 * Window and bulk window of each partition. Half-open: one command, to see whether the platform takes it.
 */
export function windowFor(
  level: BudgetLevel,
  gate: GateState,
  { perCall, partitions }: SinkShape,
): readonly [number, number] {
  if (gate === 'open' || level.pausedMs >= askLifeMs) return [0, 0];
  if (gate === 'half-open') return [1, 1];
  const usable = Math.max(0, askLifeMs - level.pausedMs);
  const affordable = Math.floor(((level.perWindow / level.windowMs) * usable * perCall) / partitions);
  const window = Math.max(1, Math.min(perCall === 1 ? widest : perCall * fullCalls, affordable));
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
