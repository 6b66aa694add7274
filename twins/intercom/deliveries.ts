/**
 * The webhook subscription of one app: what is due when, what becomes of a delivery that failed, and what is lost for
 * good. Pure: time is an argument, chance a generator, and whoever carries the deliveries reports back how each went.
 *
 * The rules are Intercom's published ones for webhook notifications: no order is promised; a failure is sent once more
 * after a minute and is then lost; 429 throttles the whole subscription, one minute doubling up to two hours; 410
 * disables it; more than 1,000 errors in a row within 15 minutes pause it, seven days of errors suspend it.
 */
import type { Random } from '../common/random.ts';

const minuteMs = 60_000;
const firstThrottleMs = minuteMs;
const longestThrottleMs = 120 * minuteMs;
const pauseMs = 15 * minuteMs;
const suspendAfterMs = 7 * 24 * 60 * minuteMs;

/** How the platform delivers here. All times in ms. */
export interface DeliveryHabits {
  /** From the event to the first attempt: at least, at most. */
  readonly delayMs: readonly [number, number];
  /** Chance in [0, 1] that a notification is late, by `lateMs` more: at least, at most. */
  readonly lateChance: number;
  readonly lateMs: readonly [number, number];
  /** Chance that a notification is lost without an attempt. */
  readonly dropChance: number;
  /** Chance that a notification is delivered once more, as the platform does when an answer came slowly. */
  readonly duplicateChance: number;
  /** Of what is due at the same moment the newest goes first, as after an incident of the platform. */
  readonly newestFirst: boolean;
  /** How often a failing notification is sent: the published pages say twice, and elsewhere three times. */
  readonly attempts: number;
  readonly retryAfterMs: number;
  /** So many errors in a row pause the subscription. */
  readonly pauseAfter: number;
  /** What happens in a pause is lost, as one page says; else it is sent at its end. */
  readonly pauseDrops: boolean;
}

const defaultHabits: DeliveryHabits = {
  delayMs: [50, 500],
  lateChance: 0,
  lateMs: [minuteMs, 10 * minuteMs],
  dropChance: 0,
  duplicateChance: 0,
  newestFirst: false,
  attempts: 2,
  retryAfterMs: minuteMs,
  pauseAfter: 1_000,
  pauseDrops: true,
};

export interface Notification {
  /** `notif_<uuid>`, the same in every attempt and copy; null for a ping. */
  readonly id: string | null;
  readonly topic: string;
  /** When it happened. */
  readonly created_ms: number;
  readonly item: object;
}

export interface Delivery {
  /** To report back with: a notification and its copy are two deliveries. */
  readonly id: number;
  readonly notification: Notification;
  /** From 1. */
  readonly attempt: number;
  readonly first_sent_ms: number;
}

/** `off`: no subscription. `disabled` and `suspended` end only by subscribing again. */
export type SubscriptionState = 'off' | 'live' | 'throttled' | 'paused' | 'suspended' | 'disabled';

export type LossReason = 'dropped' | 'failed' | 'throttled' | 'paused' | 'suspended' | 'disabled';

export interface DeliveryCounts {
  readonly notified: number;
  readonly attempts: number;
  readonly delivered: number;
  readonly lost: Readonly<Partial<Record<LossReason, number>>>;
}

interface Pending {
  readonly id: number;
  readonly notification: Notification;
  readonly dueAt: number;
  /** Attempts made, the first of them when, and how many of them count as failed. */
  readonly sent: number;
  readonly firstSentAt: number | undefined;
  readonly failures: number;
}

export class Deliveries {
  readonly #random: Random;
  #habits = defaultHabits;
  #topics: ReadonlySet<string> | 'all' | undefined;
  #stopped: 'suspended' | 'disabled' | undefined;
  /** By due time, then by number. */
  #pending: Pending[] = [];
  readonly #inFlight = new Map<number, Pending>();
  #serial = 0;
  #throttledUntil = Number.NEGATIVE_INFINITY;
  #throttleMs = 0;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  /** Errors in a row, and since when; a window of them begins anew after `pauseMs`. */
  #errors = 0;
  #errorsSince = 0;
  /** The first error after the last success. */
  #failingSince: number | undefined;
  readonly #counts = { notified: 0, attempts: 0, delivered: 0, lost: {} as Partial<Record<LossReason, number>> };

  constructor(random: Random) {
    this.#random = random;
  }

  get habits(): DeliveryHabits {
    return this.#habits;
  }

  turn(habits: Partial<DeliveryHabits>): void {
    this.#habits = { ...this.#habits, ...habits };
  }

  /** Subscribes, or sets a suspended or disabled subscription live again; a person does this in the Developer Hub. */
  subscribe(topics: readonly string[] | 'all' = 'all'): void {
    this.#topics = topics === 'all' ? topics : new Set(topics);
    this.#stopped = undefined;
    this.#throttledUntil = this.#pausedUntil = Number.NEGATIVE_INFINITY;
    this.#throttleMs = this.#errors = 0;
    this.#failingSince = undefined;
  }

  unsubscribe(): void {
    this.#topics = undefined;
    this.#pending = [];
    this.#inFlight.clear();
  }

  /** Suspends by hand, as seven days of errors do: what is waiting and what happens from now on is lost. */
  suspend(): void {
    this.#stop('suspended');
  }

  state(now: number): SubscriptionState {
    if (this.#topics === undefined) return 'off';
    if (this.#stopped !== undefined) return this.#stopped;
    if (now < this.#pausedUntil) return 'paused';
    return now < this.#throttledUntil ? 'throttled' : 'live';
  }

  get topics(): readonly string[] | 'all' {
    return this.#topics === undefined || this.#topics === 'all' ? (this.#topics ?? []) : [...this.#topics];
  }

  wants(topic: string): boolean {
    return this.#topics !== undefined && (this.#topics === 'all' || this.#topics.has(topic));
  }

  /** Something happened that the app subscribed to. */
  notify(topic: string, item: object, now: number): void {
    if (!this.wants(topic)) return;
    this.#counts.notified += 1;
    // Drawn always and all of them, so that turning one habit does not move the others' chances.
    const [id, drop, delay, late, lateBy, copy, copyBy] = [
      `notif_${this.#random.uuid()}`,
      this.#random.next(),
      this.#random.next(),
      this.#random.next(),
      this.#random.next(),
      this.#random.next(),
      this.#random.next(),
    ];
    const { delayMs, lateChance, lateMs, dropChance, duplicateChance } = this.#habits;
    if (this.#stopped !== undefined) return this.#lose(this.#stopped);
    if (now < this.#pausedUntil && this.#habits.pauseDrops) return this.#lose('paused');
    if (drop < dropChance) return this.#lose('dropped');
    const notification = { id, topic, created_ms: now, item };
    const dueAt = now + between(delayMs, delay) + (late < lateChance ? between(lateMs, lateBy) : 0);
    this.#add({ notification, dueAt, sent: 0, firstSentAt: undefined });
    // The first was answered too slowly to count: what follows is another attempt.
    if (copy < duplicateChance)
      this.#add({ notification, dueAt: dueAt + between(delayMs, copyBy), sent: 1, firstSentAt: dueAt });
  }

  /** Every subscription gets pings. */
  ping(now: number): void {
    if (this.#topics === undefined || this.#stopped !== undefined) return;
    const item = { type: 'ping', message: 'something something interzen' };
    this.#add({
      notification: { id: null, topic: 'ping', created_ms: now, item },
      dueAt: now,
      sent: 0,
      firstSentAt: undefined,
    });
  }

  /** When `due` will have something; undefined: nothing waits. */
  nextDueAt(): number | undefined {
    const first = this.#pending[0];
    return first === undefined ? undefined : Math.max(first.dueAt, this.#throttledUntil);
  }

  waiting(): number {
    return this.#pending.length + this.#inFlight.size;
  }

  /** Takes what is to be sent now, each to be reported by `delivered` or `failed`. */
  due(now: number, atMost = Number.POSITIVE_INFINITY): readonly Delivery[] {
    if (now < this.#throttledUntil) return [];
    const end = this.#pending.findIndex(({ dueAt }) => dueAt > now);
    const ready = end < 0 ? this.#pending : this.#pending.slice(0, end);
    const order = this.#habits.newestFirst ? ready.toReversed() : ready;
    const taken = new Set(order.slice(0, atMost));
    this.#pending = this.#pending.filter((pending) => !taken.has(pending));
    const deliveries: Delivery[] = [];
    for (const pending of taken) {
      const { id, notification } = pending;
      // Only a throttled subscription holds a notification that long.
      if (this.#throttleMs > 0 && now - notification.created_ms > longestThrottleMs) {
        this.#lose('throttled');
        continue;
      }
      const begun = { ...pending, sent: pending.sent + 1, firstSentAt: pending.firstSentAt ?? now };
      this.#inFlight.set(id, begun);
      this.#counts.attempts += 1;
      deliveries.push({ id, notification, attempt: begun.sent, first_sent_ms: begun.firstSentAt });
    }
    return deliveries;
  }

  /** A 2xx within five seconds. */
  delivered(id: number): void {
    if (!this.#inFlight.delete(id)) return;
    this.#counts.delivered += 1;
    this.#errors = this.#throttleMs = 0;
    this.#failingSince = undefined;
  }

  /** @param why The status; `timeout` for no answer within five seconds, or none at all. */
  failed(id: number, why: number | 'timeout', now: number): void {
    const pending = this.#inFlight.get(id);
    if (pending === undefined) return;
    this.#inFlight.delete(id);
    if (why === 410) {
      this.#lose('disabled');
      this.#stop('disabled');
      return;
    }
    if (why === 429) {
      this.#throttle(now);
      this.#queue({ ...pending, dueAt: this.#throttledUntil });
      return;
    }
    this.#countError(now);
    const failures = pending.failures + 1;
    if (this.#stopped !== undefined) this.#lose(this.#stopped);
    else if (failures >= this.#habits.attempts) this.#lose('failed');
    else this.#queue({ ...pending, failures, dueAt: now + this.#habits.retryAfterMs });
  }

  counts(): DeliveryCounts {
    return structuredClone(this.#counts);
  }

  /** Answers to what was sent together are one throttling, not many. */
  #throttle(now: number): void {
    if (now < this.#throttledUntil) return;
    this.#throttleMs = this.#throttleMs === 0 ? firstThrottleMs : Math.min(this.#throttleMs * 2, longestThrottleMs);
    this.#throttledUntil = now + this.#throttleMs;
  }

  #countError(now: number): void {
    this.#failingSince ??= now;
    if (now - this.#failingSince > suspendAfterMs) return this.#stop('suspended');
    if (this.#errors === 0 || now - this.#errorsSince > pauseMs) {
      this.#errors = 0;
      this.#errorsSince = now;
    }
    this.#errors += 1;
    if (this.#errors <= this.#habits.pauseAfter) return;
    this.#errors = 0;
    this.#pausedUntil = now + pauseMs;
    const waiting = this.#pending;
    this.#pending = [];
    for (const pending of waiting) this.#queue(pending);
  }

  #stop(state: 'suspended' | 'disabled'): void {
    if (this.#topics === undefined) return;
    this.#stopped = state;
    for (const _ of this.#pending) this.#lose(state);
    this.#pending = [];
  }

  #lose(reason: LossReason): void {
    this.#counts.lost[reason] = (this.#counts.lost[reason] ?? 0) + 1;
  }

  #add(pending: Omit<Pending, 'id' | 'failures'>): void {
    this.#serial += 1;
    this.#queue({ ...pending, id: this.#serial, failures: 0 });
  }

  #queue(pending: Pending): void {
    if (this.#stopped !== undefined) return this.#lose(this.#stopped);
    if (pending.dueAt < this.#pausedUntil && this.#habits.pauseDrops) return this.#lose('paused');
    const queued = { ...pending, dueAt: Math.max(pending.dueAt, this.#pausedUntil) };
    const at = this.#pending.findLastIndex(
      ({ dueAt, id }) => dueAt < queued.dueAt || (dueAt === queued.dueAt && id < queued.id),
    );
    this.#pending.splice(at + 1, 0, queued);
  }
}

const between = ([least, most]: readonly [number, number], chance: number): number =>
  least + Math.floor(chance * (most - least + 1));

const seconds = (ms: number): number => Math.floor(ms / 1000);

/** The JSON that is posted. */
export const notificationBody = ({ notification, attempt, first_sent_ms }: Delivery, workspaceId: string): object => ({
  type: 'notification_event',
  app_id: workspaceId,
  data: { type: 'notification_event_data', item: notification.item },
  links: {},
  id: notification.id,
  topic: notification.topic,
  delivery_status: notification.id === null ? null : attempt === 1 ? 'pending' : 'retry',
  delivery_attempts: attempt,
  delivered_at: 0,
  first_sent_at: seconds(first_sent_ms),
  created_at: seconds(notification.created_ms),
  self: null,
});
