const hour = 3_600_000;

/** How much of an allocation was used in the last 24 hours: it rolls by the hour, and does not start over at midnight. */
export class RollingDay {
  readonly #byHour = new Map<number, number>();

  add(now: number, count: number): void {
    const slot = Math.floor(now / hour);
    this.#byHour.set(slot, (this.#byHour.get(slot) ?? 0) + count);
  }

  used(now: number): number {
    const oldest = Math.floor(now / hour) - 23;
    return [...this.#byHour].reduce((sum, [slot, count]) => (slot >= oldest ? sum + count : sum), 0);
  }
}
