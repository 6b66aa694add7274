/**
 * The loop under every sink: commands in, calls out, exactly one result per command. It knows no platform.
 *
 * Taking a partition it begins an *epoch*: it starts at the topic's end, announces a new epoch id and its window in
 * `changes`, and unify sends the partition's open asks again under it. The newest epoch in the log is the only valid one, so
 * nothing depends on committed offsets, a command read twice runs once, and whatever an older sink still holds is void: its
 * results close nothing and the budget refuses its calls.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { changeOf } from '../schemas/change.ts';
import type { TopicName } from '../schemas/topics.ts';
import type { Change, Command, Result } from '../schemas/types.ts';
import type { Budget, EpochHolder } from './budget.ts';
import type { Codec } from './codec.ts';
import { CommandQueue, subjectOf } from './command-queue.ts';
import { deadLetter } from './dead-letter.ts';
import { type ErrorCode, TributaryError } from './errors.ts';
import type { InBatch, InRecord, KafkaAccess, OutRecord, TopicPartition } from './kafka.ts';
import { metrics } from './metrics.ts';
import { Gate, LogClock, Outbox, windowFor } from './sink-parts.ts';

/** What became of a command; the loop adds whose it was. */
export type Answer = Omit<Result, 'command' | 'platform' | 'partition' | 'epoch'>;

/** What a sink's `execute` gets besides the command. */
export interface Execution {
  readonly holder: EpochHolder;
  /** Aborted when the command expires, its partition is lost or we stop: begin no further call. */
  readonly signal: AbortSignal;
  /** A try failed for no fault of the record's. */
  trouble(code: ErrorCode, text: string): void;
}

/**
 * `execute` was told to stop before it began any call. Once one was begun it has to answer, `expired` if need be, with
 * `calls` and `doubt`: unify asks again for what was never called as if it had not asked, and for nothing else.
 */
export class Interrupted extends Error {}

export interface SinkOptions {
  readonly kafka: KafkaAccess;
  readonly codec: Codec;
  readonly platform: Command['platform'];
  readonly budget: Budget;
  /** Commands run at the same time. */
  readonly concurrency: number;
  /** Rejections: Interrupted, FENCED, or an error that stops the sink. */
  execute(command: Command, run: Execution): Promise<Answer>;
  readonly signal: AbortSignal;
  ready(state: boolean, why: string): void;
  readonly log: Logger;
  /** A clock that only goes forward, ms: `performance.now`, never the wall clock. */
  now(): number;
}

/** Windows are said anew at least this often, so that a lost one is not missed for long. */
const heartbeatMs = 10_000;
const tickMs = 1_000;
const rejoinMs = 500;

/** A partition under our epoch. */
interface Held {
  readonly partition: number;
  readonly epoch: string;
  readonly holder: EpochHolder;
  /** Ends with the partition. */
  readonly lost: AbortController;
  /** Commands taken in, with the time after which they could only be answered `expired`. */
  readonly known: Map<string, number>;
  n: number;
  window: number;
  bulkWindow: number;
  announcedAt: number;
}

interface Entry {
  readonly command: Command;
  readonly held: Held;
  readonly record: InRecord;
}

/**
 * Runs until the signal. Rejects with an error whose verdict is `stop` or `crash`; everything else is waited for.
 * FENCED means that another sink has our partition and our membership is old news: the group is left and joined again,
 * never fenced back.
 */
export async function runSink(options: SinkOptions): Promise<void> {
  const { signal, log } = options;
  const outbox = new Outbox(await options.kafka.producer(signal), log);
  try {
    while (!signal.aborted) {
      const round = new SinkRound(options, outbox);
      await round.run();
      // Only after FENCED: a rival that is there to stay must not be answered with a rain of epochs.
      if (!signal.aborted) await sleep(rejoinMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await outbox.close();
  }
}

/** One membership in the consumer group. */
class SinkRound {
  readonly #options: SinkOptions;
  readonly #outbox: Outbox;
  readonly #topic: TopicName;
  readonly #clock: LogClock;
  readonly #held = new Map<number, Held>();
  readonly #queue = new CommandQueue<Entry>();
  readonly #running = new Set<Promise<void>>();
  /** Ends this round: the signal, a rival, or an error. */
  readonly #end = new AbortController();
  #failure: unknown;
  readonly #gate = new Gate();
  #joined = { state: false, why: 'joining the consumer group' };
  #said = '';
  readonly #drained: (() => void)[] = [];

  constructor(options: SinkOptions, outbox: Outbox) {
    this.#options = options;
    this.#outbox = outbox;
    this.#topic = `${options.platform}.commands`;
    this.#clock = new LogClock(() => options.now());
  }

  async run(): Promise<void> {
    const { kafka, signal, platform } = this.#options;
    const stop = AbortSignal.any([signal, this.#end.signal]);
    const timer = setInterval(() => this.#guard(this.#tick()), tickMs);
    try {
      await kafka.consume({
        group: `sink-${platform}`,
        topics: [this.#topic],
        signal: stop,
        onAssign: (partitions) => this.#take(partitions),
        onRevoke: () => this.#giveUp(),
        handle: (batch) => this.#handle(batch),
        ready: (state, why) => {
          this.#joined = { state, why };
          this.#sayReady();
        },
      });
    } finally {
      clearInterval(timer);
      await this.#giveUp();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Errors of work that nobody awaits end the round; `run` rejects with them, but for a rival's coming. */
  #guard(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (error instanceof TributaryError && error.code === 'FENCED')
        this.#options.log.warn({ err: error }, 'another sink holds a newer epoch; joining the group again');
      else this.#failure ??= error;
      this.#end.abort();
    });
  }

  // ---- epochs and windows

  async #take(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, number>> {
    const { kafka } = this.#options;
    const ends = await kafka.offsets(this.#topic);
    const starts = new Map<string, number>();
    for (const { partition } of partitions) {
      const end = ends.find((one) => one.partition === partition)?.latest;
      if (end === undefined)
        throw new TributaryError('KAFKA_UNAVAILABLE', `the end of ${this.#topic}/${partition} is not known`);
      starts.set(`${this.#topic}/${partition}`, end);
    }
    const [tip] = await kafka.offsets('changes');
    const taken = partitions.map(({ partition }): Omit<Held, 'holder'> => {
      const [window, bulkWindow] = this.#windowNow();
      const epoch = randomUUID();
      const lost = new AbortController();
      return { partition, epoch, lost, known: new Map(), n: 0, window, bulkWindow, announcedAt: this.#options.now() };
    });
    await this.#outbox.send(taken.map((held) => this.#announcement(held, 'a sink took the partition')));
    const appended = await this.#readBack(tip?.latest ?? 0);
    for (const held of taken) {
      // Append times order the epochs of a partition as the log does, and outlive a topic that is made anew.
      const fence = appended.get(held.epoch);
      if (fence === undefined)
        throw new TributaryError('KAFKA_UNAVAILABLE', `the epoch announced for ${held.partition} is not in the log`);
      const holder = { partition: held.partition, fence };
      this.#held.set(held.partition, { ...held, holder });
      await this.#options.budget.claim(holder);
    }
    return starts;
  }

  /** Append times of our announcements: the log's clock, and what the budget tells old epochs from new ones by. */
  async #readBack(from: number): Promise<ReadonlyMap<string, number>> {
    const { kafka, codec, platform } = this.#options;
    const [tip] = await kafka.offsets('changes');
    const times = new Map<string, number>();
    await kafka.read('changes', 0, from, tip?.latest ?? from, async (records) => {
      // By key: what others wrote there meanwhile is not ours to judge.
      const said = records.filter(({ key }) => key?.toString().startsWith(`${platform}/`) === true);
      await codec.prepare(said.map(({ value }) => value));
      for (const { value, time } of said) {
        const change = value === null ? undefined : (codec.decode(value).value as Change);
        if (change?.epoch != null) times.set(change.epoch.epoch, time);
        this.#clock.appended(time, this.#options.now());
      }
    });
    return times;
  }

  #announcement(held: Omit<Held, 'holder'>, reason: string): OutRecord {
    const { platform, codec } = this.#options;
    const { partition, epoch, n, window, bulkWindow } = held;
    metrics.window.set({ platform, partition, lane: 'all' }, window);
    metrics.window.set({ platform, partition, lane: 'bulk' }, bulkWindow);
    const change = changeOf({ kind: 'epoch', epoch: { platform, partition, epoch, n, window, bulkWindow, reason } });
    return { topic: 'changes', key: `${platform}/${partition}`, value: codec.encode('changes', 'Change', change) };
  }

  #windowNow(): readonly [number, number] {
    return windowFor(this.#options.budget.level(), this.#gate.state(this.#options.now()));
  }

  async #tick(): Promise<void> {
    // An idle sink would not notice that a pause ended, that the limit changed, or that Redis is away.
    await this.#options.budget.tell({});
    metrics.budgetLeft.set({ platform: this.#options.platform }, this.#options.budget.level().left);
    const now = this.#options.now();
    const logNow = this.#clock.now();
    const [window, bulkWindow] = this.#windowNow();
    for (const held of this.#held.values()) {
      for (const [id, until] of held.known) if (until < logNow) held.known.delete(id);
      const changed =
        (held.window === 0) !== (window === 0) || Math.abs(held.window - window) > Math.max(2, held.window / 4);
      if (!changed && now - held.announcedAt < heartbeatMs) continue;
      Object.assign(held, { n: held.n + 1, window, bulkWindow, announcedAt: now });
      this.#outbox.add([this.#announcement(held, this.#whyWindow())]);
    }
    for (const entry of this.#queue.take(({ command }) => command.expiresAt <= logNow)) this.#reply(entry, expired);
    this.#sayReady();
    this.#pump();
    await this.#outbox.healthy();
  }

  #whyWindow(): string {
    const why = this.#gate.why(this.#options.now());
    if (why !== '') return why;
    return this.#options.budget.level().pausedMs > 0 ? 'the platform told us to wait' : 'within the budget';
  }

  #sayReady(): void {
    const stopped = this.#gate.why(this.#options.now());
    const { away } = this.#options.budget.level();
    const trouble = away ? 'Redis is away: no call is made without the budget' : stopped;
    const why = !this.#joined.state ? this.#joined.why : trouble === '' ? 'running' : trouble;
    if (why === this.#said) return;
    this.#said = why;
    if (stopped !== '')
      this.#options.log.error({ platform: this.#options.platform, why }, 'the sink stops for a while');
    this.#options.ready(why === 'running', why);
  }

  // ---- commands

  async #handle(batch: InBatch): Promise<void> {
    const { codec } = this.#options;
    await codec.prepare(batch.records.map(({ value }) => value));
    const arrived = this.#options.now();
    for (const record of batch.records) {
      this.#clock.appended(record.time, arrived);
      const held = this.#held.get(batch.partition);
      const command = this.#decode(record);
      if (command === undefined || held === undefined || command.epoch !== held.epoch || held.known.has(command.id)) {
        if (command !== undefined) metrics.drops.inc({ stage: 'sinks', reason: 'not of this epoch' });
        continue;
      }
      held.known.set(command.id, command.expiresAt);
      await this.#room(batch.signal);
      this.#queue.add({ command, held, record });
      this.#pump();
    }
    const last = batch.records.at(-1);
    if (last !== undefined) batch.commit(last.offset + 1);
  }

  #decode(record: InRecord): Command | undefined {
    const { codec } = this.#options;
    try {
      if (record.value !== null) return codec.decode(record.value).value as Command;
    } catch (error) {
      this.#bury(TributaryError.from(error, 'PAYLOAD_UNDECODABLE'), record, '', '');
    }
    return undefined;
  }

  /** Unify keeps to the window; whoever does not waits in the topic, not in our memory. */
  async #room(signal: AbortSignal): Promise<void> {
    const most =
      Math.max(
        1,
        [...this.#held.values()].reduce((sum, { window }) => sum + window, 0),
      ) * 2;
    while (this.#queue.size >= most && !signal.aborted && !this.#end.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#drained.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
        this.#end.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  #pump(): void {
    const { signal, concurrency } = this.#options;
    if (signal.aborted || this.#end.signal.aborted) return;
    for (;;) {
      const gate = this.#gate.state(this.#options.now());
      if (gate === 'open' || this.#running.size >= (gate === 'half-open' ? 1 : concurrency)) break;
      const entry = this.#queue.next();
      if (entry === undefined) break;
      const work = this.#perform(entry);
      this.#running.add(work);
      this.#guard(
        work.finally(() => {
          this.#running.delete(work);
          this.#queue.done(entry);
          for (const wake of this.#drained.splice(0)) wake();
          this.#pump();
        }),
      );
    }
  }

  async #perform(entry: Entry): Promise<void> {
    const { command, held } = entry;
    const left = command.expiresAt - this.#clock.now();
    if (held.lost.signal.aborted) return;
    if (left <= 0) return this.#reply(entry, expired);
    const expiry = AbortSignal.timeout(left);
    const run: Execution = {
      holder: held.holder,
      signal: AbortSignal.any([held.lost.signal, this.#end.signal, this.#options.signal, expiry]),
      trouble: (code, text) => {
        this.#gate.failed(code, this.#options.now());
        this.#options.log.debug({ command: command.id, code, why: text }, 'a try failed');
        this.#sayReady();
      },
    };
    try {
      const answer = await this.#options.execute(command, run);
      this.#judgeAndReply(entry, answer);
    } catch (error) {
      if (error instanceof Interrupted) {
        // Nothing was called. Not expired: we stop or lost the partition, and the next epoch gets the command again.
        if (expiry.aborted) this.#reply(entry, expired);
        return;
      }
      const ours = TributaryError.from(error);
      if (ours.verdict === 'stop' || ours.verdict === 'retry') throw ours;
      // The record's fault, or a defect of ours that this record brings out: either way the others go on.
      if (ours.verdict === 'crash') this.#options.log.error({ err: ours, command: command.id }, 'a command failed');
      this.#judgeAndReply(entry, {
        ...expired,
        outcome: 'refused',
        refusals: [
          {
            field: Object.hasOwn(command.fields, ours.field ?? '') ? (ours.field ?? '') : '',
            code: ours.code,
            message: ours.message,
          },
        ],
      });
    }
  }

  #judgeAndReply(entry: Entry, answer: Answer): void {
    this.#gate.answered(subjectOf(entry.command), answer, this.#options.now());
    this.#reply(entry, answer);
  }

  #reply({ command, held, record }: Entry, answer: Answer): void {
    const { codec, platform } = this.#options;
    const result: Result = { ...answer, command: command.id, platform, partition: held.partition, epoch: held.epoch };
    metrics.results.inc({ platform, outcome: answer.outcome });
    const value = codec.encode('changes', 'Change', changeOf({ kind: 'result', result }));
    this.#outbox.add([{ topic: 'changes', key: subjectOf(command), value }]);
    if (answer.outcome === 'refused' || answer.outcome === 'applied')
      for (const { field, code, message } of answer.refusals) {
        const given = command.fields[field];
        const error = new TributaryError(code as ErrorCode, message, { field });
        this.#bury(error, record, given === undefined ? '' : JSON.stringify(given), command.ref);
      }
  }

  #bury(error: TributaryError, record: InRecord, value: string, ref: string): void {
    metrics.deadLetters.inc({ stage: 'sinks', code: error.code });
    this.#outbox.add([deadLetter({ codec: this.#options.codec, stage: 'sinks', record, error, value, ref })]);
  }

  /** The partitions are lost or given back: begin nothing, let calls under way end, send what they brought, drop the rest. */
  async #giveUp(): Promise<void> {
    for (const held of this.#held.values()) held.lost.abort();
    this.#held.clear();
    this.#queue.take(() => true);
    await Promise.allSettled(this.#running);
    await this.#outbox.flush();
  }
}

/** Time ran out before a call was made. */
const expired: Answer = {
  outcome: 'expired',
  ref: '',
  returned: null,
  platformTime: 0,
  refusals: [],
  doubt: false,
  calls: 0,
  into: null,
};
