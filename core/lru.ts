/** Least recently used values, bounded by what they weigh together: state values differ in size a thousandfold. */
export class Lru<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly weight: number; turn: number }>();
  readonly #capacity: number;
  #weight = 0;
  /** Entries that were put at the end so far. */
  #turn = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The entry, so that a value which is known to be undefined differs from one that is not known. */
  find(key: string): { readonly value: V } | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // Near the end it is safe for long: most are found again soon, and moving them each time would cost more than finding.
    if (this.#turn - entry.turn <= this.#entries.size / 4) return entry;
    // A Map iterates in insertion order: moving it to the end is the whole of the book-keeping.
    entry.turn = ++this.#turn;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** `weight` is the value's own; the key and the book-keeping are added. */
  set(key: string, value: V, weight: number): void {
    const whole = weight + key.length + 100;
    this.#weight += whole - (this.#entries.get(key)?.weight ?? 0);
    this.#entries.delete(key);
    this.#entries.set(key, { value, weight: whole, turn: ++this.#turn });
    for (const [oldest, { weight: freed }] of this.#entries) {
      if (this.#weight <= this.#capacity) break;
      this.#entries.delete(oldest);
      this.#weight -= freed;
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }
}
