/** The shared token bucket of one platform on the virtual clock, by the same arithmetic as production's script. */
import {
  type Bucket,
  type BudgetLane,
  type BudgetLevel,
  type EpochHolder,
  emptyBucket,
  type Plan,
  pause,
  refill,
  take,
} from '../../core/budget.ts';
import type { World } from './world.ts';

/** So small that a busy history meets it, as a workspace's share would at a thousand times the people; or that any does. */
export const planOf = ({ on }: World): Plan => ({
  perWindow: on.has('tight') ? 1 : 200,
  windowMs: 10_000,
  reserveLive: 0.3,
});

export class Quota {
  readonly #plan: Plan;
  #bucket: Bucket;
  readonly #fences = new Map<number, number>();

  constructor(now: number, world: World) {
    this.#plan = planOf(world);
    this.#bucket = emptyBucket(now);
  }

  claim({ partition, fence }: EpochHolder): void {
    this.#fences.set(partition, Math.max(this.#fences.get(partition) ?? -1, fence));
  }

  /** Ms to wait before asking again; 0: a call may be made; undefined: a newer epoch holds the partition. */
  ask(lane: BudgetLane, holder: EpochHolder | null, now: number): number | undefined {
    if (holder !== null && (this.#fences.get(holder.partition) ?? -1) > holder.fence) return undefined;
    const { bucket, granted, waitMs } = take(this.#bucket, this.#plan, now, 1, lane);
    this.#bucket = bucket;
    return granted > 0 ? 0 : Math.max(1, waitMs);
  }

  pause(ms: number, now: number): void {
    this.#bucket = pause(this.#bucket, this.#plan, now, now + ms);
  }

  level(now: number): BudgetLevel {
    const bucket = refill(this.#bucket, this.#plan, now);
    return {
      perWindow: this.#plan.perWindow,
      windowMs: this.#plan.windowMs,
      pausedMs: Math.max(0, bucket.pausedUntil - now),
      left: Math.floor(bucket.tokens),
      away: false,
    };
  }
}
