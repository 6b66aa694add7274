/** What unify writes to, as values: `unify.state` as its log of transactions, and the mirror in Redis, with what may happen to it. */
import { TributaryError } from '../../core/errors.ts';
import { type Base, compareAndSet, type Entries, type MirrorState, type Swap } from '../../core/mirror-state.ts';
import type { LogPart } from '../../core/work.ts';
import type { UnifyPosition } from '../../schemas/types.ts';

/** Its records take the offsets from `from` on: the entries, the position, and Kafka's own marker of how it ended. */
interface Transaction {
  readonly from: number;
  readonly to: number;
  readonly at: number;
  readonly entries: Entries<object>;
  readonly position: UnifyPosition;
  state: 'open' | 'committed' | 'aborted';
}

interface Writer {
  readonly epoch: number;
}

/** When compaction comes by what was written. */
const compactedAfterMs = 3_000;

/** How many records one look brings at most. */
const partRecords = 20;

export class StateLog {
  /** Whoever has the newest is the one writer. */
  epoch = 0;
  readonly #transactions: Transaction[] = [];
  readonly #keepMs: number;
  #open: Transaction | undefined;
  /** Of each key, the transaction that put it last; made anew when something was committed since. */
  #last = new Map<string, Transaction>();
  #lastOf = 0;

  /** @param keepMs how long tombstones are kept once compaction has come by */
  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  get end(): number {
    return this.#transactions.at(-1)?.to ?? 0;
  }

  /** Of the last transaction that counts. */
  get position(): UnifyPosition | undefined {
    return this.#transactions.findLast(({ state }) => state === 'committed')?.position;
  }

  /** A new epoch: nobody of an older one commits any more, and what they had open is aborted. */
  begin(): number {
    if (this.#open !== undefined) this.#open.state = 'aborted';
    this.#open = undefined;
    this.epoch += 1;
    return this.epoch;
  }

  /** Writes a transaction that does not count yet. @throws TributaryError FENCED */
  write({ epoch }: Writer, entries: Entries<object>, position: UnifyPosition, now: number): void {
    this.#mustBe(epoch);
    const from = this.end;
    this.#open = { from, to: from + entries.size + 2, at: now, entries, position, state: 'open' };
    this.#transactions.push(this.#open);
  }

  /** @throws TributaryError FENCED */
  commit({ epoch }: Writer): void {
    this.#mustBe(epoch);
    if (this.#open === undefined) throw new Error('no transaction is open');
    this.#open.state = 'committed';
    this.#open = undefined;
  }

  /** Something before this offset may still come to count: who reads committed waits for it. */
  isOpenBefore(to: number): boolean {
    return this.#open !== undefined && this.#open.from < to;
  }

  lastPosition(from: number, to: number): UnifyPosition | undefined {
    return this.#transactions.findLast((one) => one.state === 'committed' && one.to - 2 >= from && one.to - 2 < to)
      ?.position;
  }

  /** The first records between two offsets that there are. */
  part(from: number, to: number, now: number): LogPart<object> {
    const found = this.#transactions.find((one) => one.state === 'committed' && one.to - 1 > from);
    if (found === undefined || found.from >= to) return { entries: new Map(), position: undefined, next: to };
    const begin = Math.max(from, found.from);
    const end = Math.min(to, begin + partRecords, found.to - 1);
    const records = [...found.entries].slice(begin - found.from, end - found.from);
    return {
      entries: new Map(records.filter(([key, value]) => !this.#isCompacted(found, key, value, now))),
      position: end === found.to - 1 ? found.position : undefined,
      next: end === found.to - 1 ? found.to : end,
    };
  }

  /** What was written over goes when compaction comes by; so does a tombstone, but only when it has been kept from then on. */
  #isCompacted(of: Transaction, key: string, value: object | null, now: number): boolean {
    if (now - of.at <= compactedAfterMs) return false;
    if (this.#lastOf !== this.#transactions.length) {
      this.#lastOf = this.#transactions.length;
      this.#last = new Map();
      for (const one of this.#transactions)
        if (one.state === 'committed') for (const written of one.entries.keys()) this.#last.set(written, one);
    }
    const last = this.#last.get(key) ?? of;
    if (last !== of) return now - last.at > compactedAfterMs;
    return value === null && now - of.at > compactedAfterMs + this.#keepMs;
  }

  #mustBe(epoch: number): void {
    if (epoch !== this.epoch) throw new TributaryError('FENCED', 'a newer producer has the id');
  }
}

/** What one write replaced. */
interface Undo {
  readonly position: string;
  readonly base: Base | undefined;
  readonly values: readonly (readonly [key: string, value: object | undefined])[];
}

const scanned = 20;

export class MirrorModel implements MirrorState<object> {
  position = '';
  base: Base | undefined;
  readonly values = new Map<string, object>();
  readonly #undo: Undo[] = [];

  swap(swap: Swap<object>): string {
    const { position, base } = this;
    const values = [...swap.entries.keys()].map((key) => [key, this.values.get(key)] as const);
    const at = compareAndSet(this, swap);
    // One that did nothing undoes nothing.
    this.#undo.push({ position, base, values });
    return at;
  }

  /** In the order of the keys: one that stands there all the while is told, whatever else comes and goes. */
  scan(cursor: string): { readonly cursor: string; readonly keys: readonly string[] } {
    const keys = [...this.values.keys()].filter((key) => key > cursor).sort();
    return { cursor: keys.length > scanned ? (keys[scanned - 1] ?? '') : '', keys: keys.slice(0, scanned) };
  }

  /** As it was so many writes ago: a failover to a replica, or an old copy that was put back. */
  rollBack(writes: number): void {
    for (let left = writes; left > 0; left -= 1) {
      const undo = this.#undo.pop();
      if (undo === undefined) return;
      this.position = undo.position;
      this.base = undo.base;
      for (const [key, value] of undo.values) {
        if (value === undefined) this.values.delete(key);
        else this.values.set(key, value);
      }
    }
  }

  lose(what: 'everything' | 'position' | 'base'): void {
    if (what !== 'base') this.position = '';
    if (what !== 'position') this.base = undefined;
    if (what === 'everything') this.values.clear();
    this.#undo.length = 0;
  }
}
