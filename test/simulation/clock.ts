/**
 * The one virtual clock: an event queue ordered by (time, order of scheduling). Nothing else in the simulation knows what
 * time it is.
 *
 * background: what goes on for ever (heartbeats, ticks). A history has fallen silent when nothing but background has
 * happened for a while.
 */
interface Event {
  readonly time: number;
  readonly order: number;
  readonly background: boolean;
  readonly run: () => void;
}

const before = (a: Event, b: Event): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);

export class Clock {
  now: number;
  /** How far Salesforce's clock is ahead of the true one, which is Intercom's. */
  readonly skewMs: number;
  /** When something other than background happened last. */
  lastActive: number;
  steps = 0;
  readonly #heap: Event[] = [];
  #order = 0;
  #foreground = 0;

  constructor(start: number, skewMs = 0) {
    this.now = start;
    this.skewMs = skewMs;
    this.lastActive = start;
  }

  /** What Salesforce takes for the time. */
  get salesforceNow(): number {
    return this.now + this.skewMs;
  }

  after(ms: number, run: () => void, background = false): void {
    this.at(this.now + ms, run, background);
  }

  at(time: number, run: () => void, background = false): void {
    if (!background) this.#foreground += 1;
    const heap = this.#heap;
    const event: Event = { time: Math.max(time, this.now), order: this.#order++, background, run };
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(event, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }

  /** Ms since anything but background happened. */
  get idleMs(): number {
    return this.now - this.lastActive;
  }

  /** Nothing but background is to come. */
  get drained(): boolean {
    return this.#foreground === 0;
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const next = this.#pop();
    if (next === undefined) return false;
    this.steps += 1;
    this.now = next.time;
    if (!next.background) {
      this.#foreground -= 1;
      this.lastActive = next.time;
    }
    next.run();
    return true;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      const a = heap[left];
      if (a === undefined) break;
      const b = heap[left + 1];
      const child = b !== undefined && before(b, a) ? left + 1 : left;
      const least = heap[child];
      if (least === undefined || !before(least, last)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}
