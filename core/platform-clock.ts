/**
 * The platform's clock, from below. An answer's Date is cut to the second and was written before we received it, so
 * Date less the moment of receipt never exceeds the true distance of the two clocks; of several such bounds the largest
 * is the best. Bounds grow old, for quartz drifts by some seconds a day: only those of the last hour count.
 */
const hour = 3_600_000;

export class PlatformClock {
  readonly #bounds: { readonly offset: number; readonly taken: number }[] = [];

  /** `now` is a monotonic local clock, the same one everywhere: the wall clock is set back by whoever likes to. */
  observe(platformAt: number, now: number): void {
    const offset = platformAt - now;
    // A bound that is older and no larger will never be the best again: what remains falls with time.
    while ((this.#bounds.at(-1)?.offset ?? Infinity) <= offset) this.#bounds.pop();
    this.#bounds.push({ offset, taken: now });
    while (this.#bounds.length > 1 && now - (this.#bounds[0]?.taken ?? now) > hour) this.#bounds.shift();
  }

  /** Not ahead of the platform's own; undefined when no answer came in the last hour. */
  at(now: number): number | undefined {
    const best = this.#bounds.find(({ taken }) => now - taken <= hour);
    return best === undefined ? undefined : now + best.offset;
  }
}
