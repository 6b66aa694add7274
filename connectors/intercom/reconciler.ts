/**
 * Reads over REST what notifications do not tell, and says every second up to when Intercom is in the raw topic. One at a
 * time, under the lease. What is asked and what follows from an answer is decided in decide-reconcile.ts; here are the
 * calls, the pace and the waiting.
 *
 * Two loops: one hears what receivers wrote and claims, the other asks. Reading everybody goes on the bulk part of the
 * budget and only while unify keeps up; a record that somebody waits for interrupts its waiting.
 */
import type { BudgetLane } from '../../core/budget.ts';
import { type ErrorCode, TributaryError } from '../../core/errors.ts';
import type { KafkaAdmin } from '../../core/kafka.ts';
import type { Logger } from '../../core/log.ts';
import { metrics } from '../../core/metrics.ts';
import { waitingForUnify } from '../../core/pace.ts';
import { delay, patiently } from '../../core/patience.ts';
import type { PlatformClock } from '../../core/platform-clock.ts';
import { pause, together, Wake } from '../../core/tasks.ts';
import type { RawRecord } from '../../schemas/types.ts';
import type { IntercomAccess } from './client.ts';
import { answered, next, type Task } from './decide-reconcile.ts';
import type { RawPen } from './raw-pen.ts';
import { topic } from './raw-records.ts';
import { claimed, type Part, type ReconcileState, resumed, type Step } from './reconcile-state.ts';
import type { TeammateMemory } from './teammate-memory.ts';

/** REDIS_UNAVAILABLE: the budget cannot be asked. PLATFORM_REFUSED: of a whole list; somebody may set right what is wrong. */
const putOff: ReadonlySet<ErrorCode> = new Set([
  'PLATFORM_UNAVAILABLE',
  'PLATFORM_NONSENSE',
  'PLATFORM_LIMIT',
  'PLATFORM_REFUSED',
  'REDIS_UNAVAILABLE',
]);
const hearMs = 250;
const claimMs = 1_000;
const lagCheckMs = 250;
const stallMs = 5_000;
/** The clock is that of the platform and may turn out to be later than thought: no rest is trusted for longer. */
const longestRestMs = 30_000;

export interface ReconcilerOptions {
  readonly access: IntercomAccess;
  readonly pen: RawPen;
  readonly teammates: Pick<TeammateMemory, 'told' | 'keep'>;
  readonly admin: Pick<KafkaAdmin, 'lag'>;
  readonly maxLag: number;
  readonly parts: readonly Part[];
  readonly clock: PlatformClock;
  /** Notifications are taken, as far as is known here. */
  readonly isReceiving: () => boolean;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly log: Logger;
  readonly ready: (state: boolean, why: string) => void;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #wake = new Wake();
  /** Ends the waiting of a bulk call. */
  #urgent = new AbortController();
  /** Why nothing can be read at the moment. */
  #trouble: string | undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { parts, pen } = this.#options;
    const now = this.#at();
    if (now === undefined) throw new TributaryError('PLATFORM_UNAVAILABLE', 'Intercom does not tell the time');
    // Of teammates alone nobody is told, and so nothing of them is missed.
    if (parts.includes('contact')) await pen.step((state) => resumed(state, now), signal);
    const ended = new AbortController();
    const until = AbortSignal.any([signal, ended.signal]);
    await together([() => this.#hearing(until), () => this.#asking(until)], () => ended.abort());
  }

  /** The platform's clock, whole seconds, never ahead of its own; undefined: it has not answered for an hour. */
  #at(): number | undefined {
    const at = this.#options.clock.at(this.#options.now());
    return at === undefined ? undefined : Math.floor(at / 1_000) * 1_000;
  }

  // ---- hearing and claiming

  async #hearing(signal: AbortSignal): Promise<void> {
    const { pen, ready, now } = this.#options;
    for (let claimAt = 0; !signal.aborted; ) {
      const owed = pen.state.owed.length;
      const { hole } = pen.state;
      // Behind a write that Kafka does not acknowledge, this waits too.
      const stalled = setTimeout(() => ready(false, 'Kafka does not acknowledge'), stallMs);
      await patiently({ signal, ready }, () => pen.hear()).finally(() => clearTimeout(stalled));
      if (pen.state.owed.length > owed || pen.state.hole !== hole) {
        this.#urgent.abort();
        this.#wake.wake();
      }
      if (now() >= claimAt) {
        claimAt = now() + claimMs;
        await this.#claim(signal);
        const well = pen.state.hole === null ? 'reading' : 'reading again what was missed';
        ready(this.#trouble === undefined, this.#trouble ?? well);
      }
      await delay(hearMs, signal);
    }
  }

  async #claim(signal: AbortSignal): Promise<void> {
    const { pen, parts, isReceiving } = this.#options;
    const at = this.#at();
    // A hole, while which nothing is claimed, is told of in any case.
    if (at === undefined || (!isReceiving() && pen.state.hole === null)) return;
    await pen.step((state) => claimed(state, parts, at), signal);
  }

  // ---- asking

  async #asking(signal: AbortSignal): Promise<void> {
    const { log, ready } = this.#options;
    for (let tries = 0; !signal.aborted; ) {
      try {
        await this.#next(signal);
        tries = 0;
        this.#trouble = undefined;
      } catch (error) {
        if (signal.aborted) return;
        const ours = TributaryError.from(error);
        if (!putOff.has(ours.code)) throw ours;
        metrics.retries.inc({ code: ours.code });
        log.warn({ err: ours }, 'reading is put off');
        this.#trouble = ours.message;
        ready(false, ours.message);
        await delay(ours.retryAfterMs ?? 0, signal);
        await pause((tries += 1), signal);
      }
    }
  }

  async #next(signal: AbortSignal): Promise<void> {
    const { pen, parts } = this.#options;
    const at = this.#at();
    const task = at === undefined ? undefined : next(pen.state, parts, at);
    if (at === undefined || task === undefined || task.kind === 'rest') {
      const rest = task?.kind === 'rest' ? task.until - (at ?? 0) : longestRestMs;
      const late = AbortSignal.timeout(Math.ceil(Math.min(rest, longestRestMs)));
      return this.#wake.wait(AbortSignal.any([signal, late]));
    }
    const lane = laneOf(task);
    if (lane === 'bulk' && (await this.#isTooMuch())) return delay(lagCheckMs, signal);
    await this.#ask(task, lane, at, signal);
  }

  async #ask(task: Task, lane: BudgetLane, at: number, signal: AbortSignal): Promise<void> {
    const { access, pen, teammates } = this.#options;
    this.#urgent = new AbortController();
    const urgent = this.#urgent.signal;
    const caller = { lane, holder: null, signal: lane === 'bulk' ? AbortSignal.any([signal, urgent]) : signal };
    let verdict: Awaited<ReturnType<IntercomAccess['call']>>;
    try {
      verdict = await access.call(caller, task.request);
    } catch (error) {
      if (lane === 'bulk' && urgent.aborted && !signal.aborted) return;
      throw error;
    }
    const told = task.kind === 'admins' ? await teammates.told() : {};
    let records: readonly RawRecord[] = [];
    const step = (state: ReconcileState): Step => {
      const decided = answered(state, task, verdict, at, told);
      records = decided.records;
      return decided;
    };
    await pen.step(step, signal);
    if (task.kind === 'admins') await teammates.keep(records);
  }

  async #isTooMuch(): Promise<boolean> {
    const { admin, maxLag } = this.#options;
    return (await waitingForUnify(admin, topic)) >= maxLag;
  }
}

/** Somebody waits for a record that a notification only named, and everybody for those who own them. */
const laneOf = ({ kind }: Task): BudgetLane => (kind === 'owed' || kind === 'admins' ? 'live' : 'bulk');
