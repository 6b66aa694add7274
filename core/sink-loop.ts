/**
 * The loop under every sink: commands in, calls out, exactly one result per command. It knows no platform, and decides
 * nothing: sink-state.ts does.
 *
 * Taking a partition it begins an *epoch*: it starts at the topic's end, announces a new epoch id and its window in
 * `changes`, and unify sends the partition's open asks again under it. The newest epoch in the log is the only valid one, so
 * nothing depends on committed offsets, a command read twice runs once, and whatever an older sink still holds is void: its
 * results close nothing and the budget refuses its calls.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { changeOf } from '../schemas/change.ts';
import type { TopicName } from '../schemas/topics.ts';
import type { Change, Command, Epoch } from '../schemas/types.ts';
import type { Budget, EpochHolder } from './budget.ts';
import type { Codec } from './codec.ts';
import { subjectOf } from './command-queue.ts';
import { deadLetter } from './dead-letter.ts';
import { type ErrorCode, TributaryError } from './errors.ts';
import type { InBatch, InRecord, KafkaAccess, OutRecord, TopicPartition } from './kafka.ts';
import { metrics } from './metrics.ts';
import { delay } from './patience.ts';
import { Outbox } from './sink-parts.ts';
import { type Answer, type Entry, expired, Interrupted, type Reported, SinkState, type Turn } from './sink-state.ts';

/** What a sink's `execute` gets besides the commands. */
export interface Execution {
  readonly holder: EpochHolder;
  /** Aborted when a command expires, their partition is lost or we stop: begin no further call. */
  readonly signal: AbortSignal;
  /** A try failed for no fault of the record's. */
  trouble(code: ErrorCode, text: string): void;
}

export interface SinkOptions {
  readonly kafka: Pick<KafkaAccess, 'producer' | 'consume' | 'read' | 'offsets'>;
  readonly codec: Codec;
  readonly platform: Command['platform'];
  readonly budget: Budget;
  /** Turns at the same time. */
  readonly concurrency: number;
  /** Commands that one call of the platform carries, and so a turn, at most. */
  readonly perCall: number;
  /**
   * Answers by command id; a command without one was never called. Rejections: Interrupted, when none was; FENCED, or an
   * error that stops the sink.
   */
  execute(commands: readonly [Command, ...Command[]], run: Execution): Promise<ReadonlyMap<string, Answer>>;
  readonly signal: AbortSignal;
  ready(state: boolean, why: string): void;
  readonly log: Logger;
  /** A clock that only goes forward, ms: `performance.now`, never the wall clock. */
  now(): number;
}

const tickMs = 1_000;
const rejoinMs = 500;

/** A partition that is ours. */
interface Held {
  readonly holder: EpochHolder;
  /** Ends with the partition. */
  readonly lost: AbortController;
}

/** The record that a command came in, for the dead letters. */
type Waiting = Entry<InRecord>;

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
      if (!signal.aborted) await delay(rejoinMs, signal);
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
  readonly #state: SinkState<InRecord>;
  readonly #held = new Map<number, Held>();
  readonly #running = new Set<Promise<void>>();
  /** Ends this round: the signal, a rival, or an error. */
  readonly #end = new AbortController();
  #wake: NodeJS.Timeout | undefined;
  #failure: unknown;
  #joined = { state: false, why: 'joining the consumer group' };
  #said = '';
  readonly #drained: (() => void)[] = [];

  constructor(options: SinkOptions, outbox: Outbox) {
    this.#options = options;
    this.#outbox = outbox;
    this.#topic = `${options.platform}.commands`;
    this.#state = new SinkState(options.platform, options.concurrency, options.perCall);
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
      clearTimeout(this.#wake);
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
    const { kafka, budget } = this.#options;
    const ends = await kafka.offsets(this.#topic);
    const starts = new Map<string, number>();
    for (const { partition } of partitions) {
      const end = ends.find((one) => one.partition === partition)?.latest;
      if (end === undefined)
        throw new TributaryError('KAFKA_UNAVAILABLE', `the end of ${this.#topic}/${partition} is not known`);
      starts.set(`${this.#topic}/${partition}`, end);
    }
    const [tip] = await kafka.offsets('changes');
    const now = this.#options.now();
    const taken = partitions.map(({ partition }) => this.#state.take(partition, randomUUID(), budget.level(), now));
    await this.#outbox.send(taken.map((epoch) => this.#announcement(epoch)));
    const appended = await this.#readBack(tip?.latest ?? 0);
    for (const { partition, epoch } of taken) {
      // Append times order the epochs of a partition as the log does, and outlive a topic that is made anew.
      const fence = appended.get(epoch);
      if (fence === undefined)
        throw new TributaryError('KAFKA_UNAVAILABLE', `the epoch announced for ${partition} is not in the log`);
      const holder = { partition, fence };
      this.#held.set(partition, { holder, lost: new AbortController() });
      await budget.claim(holder);
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
        this.#state.appended(time, this.#options.now());
      }
    });
    return times;
  }

  #announcement(epoch: Epoch): OutRecord {
    const { codec } = this.#options;
    const { platform, partition, window, bulkWindow } = epoch;
    metrics.window.set({ platform, partition, lane: 'all' }, window);
    metrics.window.set({ platform, partition, lane: 'bulk' }, bulkWindow);
    const value = codec.encode('changes', 'Change', changeOf({ kind: 'epoch', epoch }));
    return { topic: 'changes', key: `${platform}/${partition}`, value };
  }

  async #tick(): Promise<void> {
    const { budget, platform } = this.#options;
    // An idle sink would not notice that a pause ended, that the limit changed, or that Redis is away.
    await budget.tell({});
    metrics.budgetLeft.set({ platform }, budget.level().left);
    const { epochs, results } = this.#state.due(budget.level(), this.#options.now());
    this.#outbox.add(epochs.map((epoch) => this.#announcement(epoch)));
    this.#report(results);
    this.#sayReady();
    // Where the gate is open no turn ends: there is room because what waited has expired, or the windows are wide again.
    this.#wakeReaders();
    this.#pump();
    await this.#outbox.healthy();
  }

  #sayReady(): void {
    const stopped = this.#state.why(this.#options.now());
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
      this.#state.appended(record.time, arrived);
      const command = this.#decode(record);
      if (command === undefined) continue;
      await this.#room(batch.signal);
      if (!this.#state.offer(batch.partition, command, record))
        metrics.drops.inc({ stage: 'sinks', reason: 'not of this epoch' });
    }
    // Not one by one: the first of them would get a call of its own.
    this.#pump();
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
    while (this.#state.full && !signal.aborted && !this.#end.signal.aborted) {
      this.#pump();
      await new Promise<void>((resolve) => {
        this.#drained.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
        this.#end.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  #wakeReaders(): void {
    for (const wake of this.#drained.splice(0)) wake();
  }

  #pump(): void {
    const { signal } = this.#options;
    if (signal.aborted || this.#end.signal.aborted) return;
    for (;;) {
      // One moment for both: what is begun has time left.
      const now = this.#options.now();
      this.#report(this.#state.expire(now));
      const turn = this.#state.next(now);
      if (turn === undefined) break;
      const work = this.#perform(turn);
      this.#running.add(work);
      this.#guard(
        work.finally(() => {
          this.#running.delete(work);
          this.#state.ended(turn);
          this.#wakeReaders();
          this.#pump();
        }),
      );
    }
    clearTimeout(this.#wake);
    const at = this.#state.wakeAt(this.#options.now());
    if (at !== undefined) this.#wake = setTimeout(() => this.#pump(), at - this.#options.now());
  }

  async #perform({ entries, leftMs }: Turn<InRecord>): Promise<void> {
    const [{ partition }] = entries;
    const held = this.#held.get(partition);
    if (held === undefined) return;
    const expiry = AbortSignal.timeout(leftMs);
    const run: Execution = {
      holder: held.holder,
      signal: AbortSignal.any([held.lost.signal, this.#end.signal, this.#options.signal, expiry]),
      trouble: (code, text) => {
        metrics.retries.inc({ code });
        this.#state.trouble(code, this.#options.now());
        this.#options.log.debug({ command: entries[0].command.id, code, why: text }, 'a try failed');
        this.#sayReady();
      },
    };
    try {
      await this.#execute(entries, run);
    } catch (error) {
      const ours = TributaryError.from(error);
      if (ours.verdict === 'stop' || ours.verdict === 'retry') throw ours;
      // A record's fault, or a defect of ours that one brings out: either way the others go on. Which it is, each shows alone.
      if (entries.length === 1) return this.#fail(entries[0], ours);
      for (const entry of entries)
        await this.#execute([entry], run).catch((alone: unknown) => this.#fail(entry, TributaryError.from(alone)));
    }
  }

  async #execute(entries: readonly [Waiting, ...Waiting[]], run: Execution): Promise<void> {
    const [first, ...others] = entries;
    const commands = [first.command, ...others.map(({ command }) => command)] as const;
    const answers = await this.#options.execute(commands, run).catch((error: unknown) => {
      if (error instanceof Interrupted) return new Map<string, Answer>();
      throw error;
    });
    for (const entry of entries) {
      const answer = answers.get(entry.command.id);
      const now = this.#options.now();
      const reported =
        answer === undefined ? this.#state.interrupted(entry, now) : this.#state.answered(entry, answer, now);
      if (reported !== undefined) this.#report([reported]);
    }
  }

  #fail(entry: Waiting, ours: TributaryError): void {
    const { command } = entry;
    if (ours.verdict === 'stop' || ours.verdict === 'retry') throw ours;
    if (ours.verdict === 'crash') this.#options.log.error({ err: ours, command: command.id }, 'a command failed');
    const field = Object.hasOwn(command.fields, ours.field ?? '') ? (ours.field ?? '') : '';
    const refusals = [{ field, code: ours.code, message: ours.message }];
    const answer: Answer = { ...expired, outcome: 'refused', refusals };
    this.#report([this.#state.answered(entry, answer, this.#options.now())]);
  }

  #report(reported: readonly Reported<InRecord>[]): void {
    const { codec } = this.#options;
    for (const { entry, result } of reported) {
      const { command, origin } = entry;
      metrics.results.inc({ platform: result.platform, outcome: result.outcome });
      const value = codec.encode('changes', 'Change', changeOf({ kind: 'result', result }));
      this.#outbox.add([{ topic: 'changes', key: subjectOf(command), value }]);
      if (result.outcome !== 'refused' && result.outcome !== 'applied') continue;
      for (const { field, code, message } of result.refusals) {
        const given = command.fields[field];
        const error = new TributaryError(code as ErrorCode, message, { field });
        this.#bury(error, origin, given === undefined ? '' : JSON.stringify(given), command.ref);
      }
    }
  }

  #bury(error: TributaryError, record: InRecord, value: string, ref: string): void {
    metrics.deadLetters.inc({ stage: 'sinks', code: error.code });
    this.#outbox.add([deadLetter({ codec: this.#options.codec, stage: 'sinks', record, error, value, ref })]);
  }

  /** The partitions are lost or given back: begin nothing, let calls under way end, send what they brought, drop the rest. */
  async #giveUp(): Promise<void> {
    this.#state.giveUp();
    for (const held of this.#held.values()) held.lost.abort();
    this.#held.clear();
    await Promise.allSettled(this.#running);
    await this.#outbox.flush();
  }
}
