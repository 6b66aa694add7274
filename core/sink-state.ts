/**
 * What the loop under a sink decides, as a state machine without clock, Kafka or platform: which commands are taken in,
 * in what order and how many of them are carried out, when the window is said anew, and what is reported. Time is an
 * argument; sink-loop.ts drives it in production.
 *
 * epoch: a partition taken, under an id that is given in. Only commands of the partition's epoch run, each once.
 * turn: commands carried out together, of one partition, each of another record; bulk ones apart, for a turn is answered
 * when the last of its calls is. Where a call carries many, the next turn of a kind in a partition waits for the one under
 * way, and the longer the more that one carries: what comes meanwhile fills it. A record that changes alone waits for nobody,
 * a burst takes few calls of the day's, and no turn waits longer than a second, for a call may hang.
 * now: ms of a clock that only goes forward. Asks expire by the log's time, which is told by append times (`appended`).
 */
import { topics } from '../schemas/topics.ts';
import type { Command, Epoch, Result } from '../schemas/types.ts';
import type { BudgetLevel } from './budget.ts';
import { CommandQueue, subjectOf } from './command-queue.ts';
import type { ErrorCode } from './errors.ts';
import { Gate, LogClock, type SinkShape, windowFor } from './sink-parts.ts';

/** What became of a command; the state adds whose it was. */
export type Answer = Omit<Result, 'command' | 'platform' | 'partition' | 'epoch'>;

/**
 * A sink was told to stop before it made any call. Once one was made it has to answer, `expired` if need be, with `calls`
 * and `doubt`: unify asks again for what was never called as if it had not asked, and for nothing else.
 */
export class Interrupted extends Error {}

/** Time ran out before a call was made. */
export const expired: Answer = {
  outcome: 'expired',
  ref: '',
  returned: null,
  platformTime: 0,
  refusals: [],
  doubt: false,
  sentAt: 0,
  calls: 0,
  into: null,
};

/** A command taken in, and where it came from (`origin`: whatever its driver needs to know of it). */
export interface Entry<Origin> {
  readonly command: Command;
  readonly partition: number;
  readonly epoch: string;
  readonly origin: Origin;
}

export interface Turn<Origin> {
  readonly entries: readonly [Entry<Origin>, ...Entry<Origin>[]];
  /** Ms until the first of them expires: no call is begun later. */
  readonly leftMs: number;
}

/** What to append to `changes`, in order. */
export interface Due<Origin> {
  readonly epochs: readonly Epoch[];
  /** Commands whose time ran out while they waited. */
  readonly results: readonly Reported<Origin>[];
}
export interface Reported<Origin> {
  readonly entry: Entry<Origin>;
  readonly result: Result;
}

/** Windows are said anew at least this often, so that a lost one is not missed for long. */
const heartbeatMs = 10_000;

interface Held {
  readonly epoch: string;
  /** Commands taken in, with the log time after which they could only be answered `expired`. */
  readonly known: Map<string, number>;
  n: number;
  window: number;
  bulkWindow: number;
  announcedAt: number;
}

/** Ms that the next turn waits for each command of the last one, from when that began; and at most, for its end as well. */
const filling = { perCommandMs: 30, mostMs: 1_000 } as const;

const isBulk = ({ lane }: Command): boolean => lane === 'bulk';
const fillMs = ({ entries }: Turn<unknown>): number => Math.min(filling.mostMs, entries.length * filling.perCommandMs);
const kindOf = ({ partition, command }: Entry<unknown>): string => `${partition} ${isBulk(command)}`;
const goTogether = (a: Entry<unknown>, b: Entry<unknown>): boolean => kindOf(a) === kindOf(b);

export class SinkState<Origin> {
  readonly #platform: Command['platform'];
  readonly #concurrency: number;
  readonly #clock = new LogClock();
  readonly #gate = new Gate();
  readonly #held = new Map<number, Held>();
  readonly #queue = new CommandQueue<Entry<Origin>>();
  readonly #shape: SinkShape;
  readonly #running = new Set<Turn<Origin>>();
  /** The last turn of a kind in a partition. */
  readonly #last = new Map<string, { readonly turn: Turn<Origin>; readonly at: number }>();

  /** @param concurrency turns at the same time @param perCall commands that one call carries, and so a turn, at most */
  constructor(platform: Command['platform'], concurrency: number, perCall: number) {
    this.#platform = platform;
    this.#concurrency = concurrency;
    this.#shape = { perCall, partitions: topics[`${platform}.commands`].partitions };
  }

  // ---- partitions

  /** Takes a partition, at the end of its topic. Its announcement goes to `changes` before anything it brings. */
  take(partition: number, epoch: string, level: BudgetLevel, now: number): Epoch {
    const [window, bulkWindow] = windowFor(level, this.#gate.state(now), this.#shape);
    const held = { epoch, known: new Map(), n: 0, window, bulkWindow, announcedAt: now };
    this.#held.set(partition, held);
    return this.#announcement(partition, held, 'a sink took the partition');
  }

  /** The partitions are lost or given back: nothing begins any more, what waits is dropped, for the next epoch gets it again. */
  giveUp(): void {
    this.#held.clear();
    this.#last.clear();
    this.#queue.take(() => true);
  }

  #announcement(partition: number, { epoch, n, window, bulkWindow }: Held, reason: string): Epoch {
    return { platform: this.#platform, partition, epoch, n, window, bulkWindow, reason };
  }

  // ---- commands

  /** A record of the log was appended at `time` and arrived `now`. */
  appended(time: number, now: number): void {
    this.#clock.appended(time, now);
  }

  /** Takes a command in, once. False: it is of no epoch of ours, or known already. */
  offer(partition: number, command: Command, origin: Origin): boolean {
    const held = this.#held.get(partition);
    if (held === undefined || command.epoch !== held.epoch || held.known.has(command.id)) return false;
    held.known.set(command.id, command.expiresAt);
    this.#queue.add({ command, partition, epoch: held.epoch, origin });
    return true;
  }

  /** More than twice the windows wait: unify keeps to them, and whoever does not shall wait in the topic, not in our memory. */
  get full(): boolean {
    const windows = [...this.#held.values()].reduce((sum, { window }) => sum + window, 0);
    return this.#queue.size >= Math.max(1, windows) * 2;
  }

  /**
   * The next turn; undefined: nothing may begin now. To be asked after `due`, which answers what has expired. Every turn
   * ends with `ended`.
   */
  next(now: number): Turn<Origin> | undefined {
    const gate = this.#gate.state(now);
    if (gate === 'open' || this.#running.size >= (gate === 'half-open' ? 1 : this.#concurrency)) return undefined;
    const isBulkFull = this.#isBulkFull();
    const first = this.#queue.next(
      (entry) => !(isBulkFull && isBulk(entry.command)) && (this.#shape.perCall === 1 || this.#mayBegin(entry, now)),
    );
    if (first === undefined) return undefined;
    const entries: [Entry<Origin>, ...Entry<Origin>[]] = [first];
    while (entries.length < (gate === 'half-open' ? 1 : this.#shape.perCall)) {
      const more = this.#queue.next((entry) => goTogether(entry, first));
      if (more === undefined) break;
      entries.push(more);
    }
    const soonest = Math.min(...entries.map(({ command }) => command.expiresAt));
    const turn = { entries, leftMs: soonest - this.#clock.at(now) };
    this.#running.add(turn);
    if (this.#shape.perCall > 1) this.#last.set(kindOf(first), { turn, at: now });
    return turn;
  }

  /**
   * Bulk never has all of the places: what is kept in the budget for live calls would be of no use while bulk ones, which
   * may not have it, sit in every place and wait.
   */
  #isBulkFull(): boolean {
    const bulk = [...this.#running].filter(({ entries: [{ command }] }) => isBulk(command));
    return bulk.length >= Math.max(1, this.#concurrency - 1);
  }

  #mayBegin(entry: Entry<Origin>, now: number): boolean {
    const last = this.#last.get(kindOf(entry));
    if (last === undefined || now >= last.at + filling.mostMs) return true;
    if (this.#running.has(last.turn)) return false;
    if (entry.command.lane === 'urgent' || now >= last.at + fillMs(last.turn)) return true;
    return this.#queue.count((other) => goTogether(other, entry)) >= this.#shape.perCall;
  }

  /** When something that waits only to go with more may begin at the latest, ms; undefined: nothing does. */
  wakeAt(now: number): number | undefined {
    if (this.#queue.size === 0) return undefined;
    const until = [...this.#last.values()].map(
      ({ turn, at }) => at + (this.#running.has(turn) ? filling.mostMs : fillMs(turn)),
    );
    const soonest = Math.min(...until.filter((one) => one > now));
    return Number.isFinite(soonest) ? soonest : undefined;
  }

  ended(turn: Turn<Origin>): void {
    this.#running.delete(turn);
    for (const entry of turn.entries) this.#queue.done(entry);
  }

  /** A command was answered; the result to report. */
  answered(entry: Entry<Origin>, answer: Answer, now: number): Reported<Origin> {
    this.#gate.answered(subjectOf(entry.command), answer, now);
    return this.#report(entry, answer);
  }

  /**
   * A command's turn ended before any call was made for it. Out of time it is answered so; else it waits again, or, where
   * we lost its partition, is forgotten: the next epoch gets it again.
   */
  interrupted(entry: Entry<Origin>, now: number): Reported<Origin> | undefined {
    if (entry.command.expiresAt <= this.#clock.at(now)) return this.#report(entry, expired);
    if (this.#held.get(entry.partition)?.epoch === entry.epoch) this.#queue.putBack(entry);
    return undefined;
  }

  #report(entry: Entry<Origin>, answer: Answer): Reported<Origin> {
    const { command, partition, epoch } = entry;
    return { entry, result: { ...answer, command: command.id, platform: this.#platform, partition, epoch } };
  }

  /** A try failed for no fault of the record's. */
  trouble(code: ErrorCode, now: number): void {
    this.#gate.failed(code, now);
  }

  // ---- time

  /** What is to be said now: windows that changed or were not said for long, and commands that expired while they waited. */
  due(level: BudgetLevel, now: number): Due<Origin> {
    const [window, bulkWindow] = windowFor(level, this.#gate.state(now), this.#shape);
    const logNow = this.#clock.at(now);
    const reason = this.why(now) || (level.pausedMs > 0 ? 'the platform told us to wait' : 'within the budget');
    const epochs: Epoch[] = [];
    for (const [partition, held] of this.#held) {
      for (const [id, until] of held.known) if (until < logNow) held.known.delete(id);
      const changed =
        (held.window === 0) !== (window === 0) || Math.abs(held.window - window) > Math.max(2, held.window / 4);
      if (!changed && now - held.announcedAt < heartbeatMs) continue;
      Object.assign(held, { n: held.n + 1, window, bulkWindow, announcedAt: now });
      epochs.push(this.#announcement(partition, held, reason));
    }
    return { epochs, results: this.expire(now) };
  }

  /** Answers what expired while it waited. */
  expire(now: number): readonly Reported<Origin>[] {
    const logNow = this.#clock.at(now);
    return this.#queue.take(({ command }) => command.expiresAt <= logNow).map((entry) => this.#report(entry, expired));
  }

  /** Why nothing or little is called; empty while all is well. */
  why(now: number): string {
    return this.#gate.why(now);
  }
}
