import type { Random } from '../common/random.ts';

export interface BusEvent {
  readonly replayId: Buffer;
  /** Of the event, not of its delivery: a repetition carries the same. */
  readonly eventId: string;
  readonly entity: string;
  readonly schemaId: string;
  readonly payload: Buffer;
}
interface Slot extends BusEvent {
  readonly counter: bigint;
  readonly at: number;
}

/** Where a reader stands: after everything up to this counter. */
export type Cursor = bigint;
export type Preset = 'LATEST' | 'EARLIEST' | 'CUSTOM';

/**
 * The event bus: an order, opaque ids with gaps (the real bus carries other orgs' events in between), 72 hours of
 * memory. Ten bytes per id, as captured from real orgs: a counter and two zero bytes.
 */
export class EventBus {
  readonly #random: Random;
  readonly #retentionMs: number;
  readonly #listeners = new Set<() => void>();
  /** Ids ever given out and still valid. A number that was never given out is as corrupted as an expired one. */
  #issued = new Map<bigint, number>();
  #slots: Slot[] = [];
  #counter: bigint;

  constructor(random: Random, retentionMs: number) {
    this.#random = random;
    this.#retentionMs = retentionMs;
    this.#counter = BigInt(20_000_000 + random.int(1_000_000));
  }

  onPublish(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  publish(event: Omit<BusEvent, 'replayId'>, now: number): void {
    this.#advance(now);
    this.#slots.push({ ...event, replayId: idOf(this.#counter), counter: this.#counter, at: now });
    this.#expire(now);
    for (const listener of this.#listeners) listener();
  }

  /** The platform's own retries: the last events once more, under new replay ids. */
  redeliver(count: number, now: number): void {
    for (const { eventId, entity, schemaId, payload } of this.#slots.slice(-count)) {
      this.publish({ eventId, entity, schemaId, payload }, now);
    }
  }

  /** An id at the tip, now and then beyond the last event, as keepalives carry it. */
  tip(now: number): Buffer {
    if (!this.#issued.has(this.#counter) || this.#random.next() < 0.5) this.#advance(now);
    return idOf(this.#counter);
  }

  /** Undefined: the id is corrupted, expired, or of before a reset; the platform does not tell which. */
  open(preset: Preset, replayId: Buffer, now: number): Cursor | undefined {
    this.#expire(now);
    if (preset === 'EARLIEST') return 0n;
    if (preset === 'LATEST') return this.#counter;
    const counter = replayId.length === 10 && replayId.readUInt16BE(8) === 0 ? replayId.readBigUInt64BE() : -1n;
    return this.#issued.has(counter) ? counter : undefined;
  }

  /** The next events after the cursor that the reader cares for, and the cursor after them. */
  read(
    after: Cursor,
    wants: (entity: string) => boolean,
    limit: number,
    now: number,
  ): { events: readonly BusEvent[]; cursor: Cursor } {
    this.#expire(now);
    const events: Slot[] = [];
    let cursor = after;
    for (let i = this.#indexAfter(after); i < this.#slots.length && events.length < limit; i++) {
      const slot = this.#slots[i];
      if (slot === undefined) break;
      cursor = slot.counter;
      if (wants(slot.entity)) events.push(slot);
    }
    return { events, cursor };
  }

  /** Maintenance or an org migration: the stream starts anew and every id given out before is void. */
  reset(): void {
    this.#slots = [];
    this.#issued = new Map();
    this.#counter += 1_000_000n;
  }

  get size(): number {
    return this.#slots.length;
  }

  #advance(now: number): void {
    this.#counter += BigInt(1 + this.#random.int(40));
    this.#issued.set(this.#counter, now);
  }

  #expire(now: number): void {
    const horizon = now - this.#retentionMs;
    for (const [counter, at] of this.#issued) {
      if (at >= horizon) break;
      this.#issued.delete(counter);
    }
    const kept = this.#slots.findIndex(({ at }) => at >= horizon);
    if (kept !== 0 && this.#slots.length > 0) this.#slots = kept === -1 ? [] : this.#slots.slice(kept);
  }

  #indexAfter(cursor: Cursor): number {
    let low = 0;
    let high = this.#slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#slots[middle]?.counter ?? 0n) <= cursor) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function idOf(counter: bigint): Buffer {
  const id = Buffer.alloc(10);
  id.writeBigUInt64BE(counter);
  return id;
}
