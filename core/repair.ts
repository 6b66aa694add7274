/**
 * What is done with the mirror, decided: moved by one transaction, and made again from unify.state. A repair is a chain of
 * compare-and-sets, so that a wipe, a failover or a rival in the middle of it is noticed and it starts again.
 *
 * A mirror that is merely behind is folded forward from its base. One that cannot be trusted is emptied first: keys that
 * were deleted since would survive a fold once compaction has dropped their tombstones.
 */
import type { UnifyPosition } from '../schemas/types.ts';
import { TributaryError } from './errors.ts';
import { type Base, type ChunkLimits, chunked, distrust, type Entries, mustBe, positionText } from './mirror-state.ts';
import { ask, type Effect, pass, type Work } from './work.ts';

/** Key of the position record, the last of each transaction. */
export const positionKey = 'position';

export interface KeeperLimits {
  /** What one compare-and-set carries at most. */
  readonly chunk: ChunkLimits;
  /** How long a deletion has a tombstone in unify.state for certain. */
  readonly trustedMs: number;
}

export interface KeeperOptions<Value> {
  readonly limits: KeeperLimits;
  readonly sizeOf: (value: Value) => number;
  readonly clock: () => number;
  /** Another one each time: names a chain of steps, so that nobody else's step is taken for one of them. */
  readonly name: () => string;
}

/** Steps that follow each other: a position that is none of theirs means that somebody else was there. */
interface Chain {
  at: string;
  readonly name: string;
  n: number;
}

export class Keeper<Value> {
  readonly #options: KeeperOptions<Value>;

  constructor(options: KeeperOptions<Value>) {
    this.#options = options;
  }

  /** @throws TributaryError MIRROR_MOVED when the values are not those of `expected` */
  *read(expected: string, keys: readonly string[]): Work<Value, readonly (Value | null)[]> {
    const { position, values } = yield* this.#ask({ kind: 'read', keys });
    mustBe(expected, position);
    return values;
  }

  /**
   * Moves the values of one transaction and the position together. What one script should not carry goes in steps under
   * a rebuild position, so that a reader or a crash between the steps is told that the values are in between.
   * `from`: see Base.
   * @throws TributaryError MIRROR_MOVED, REDIS_UNAVAILABLE (it may stand: say it again)
   */
  *move(before: UnifyPosition, after: UnifyPosition, entries: Entries<Value>, from: number): Work<Value, void> {
    const chunks = this.#chunked(entries);
    const last = chunks.pop() ?? new Map<string, Value | null>();
    const chain = this.#chain(positionText(before), after);
    for (const chunk of chunks) {
      yield* this.#link(chain, chunk);
      yield* pass('mirror:between-chunks');
    }
    yield* this.#swap(chain.at, positionText(after), last, { from, time: this.#options.clock() });
  }

  /** The last committed position and the end of unify.state. Sound only while our epoch is the newest: nobody else appends. */
  *lastPosition(): Work<Value, { readonly position: UnifyPosition | undefined; readonly end: number }> {
    const { earliest, latest } = yield* this.#ask({ kind: 'bounds' });
    // Usually among the last records; aborted transactions and markers may stand behind it, so look further back each time.
    for (let span = 1_000; ; span *= 10) {
      const from = Math.max(earliest, latest - span);
      const position = yield* this.#ask({ kind: 'position', from, to: latest });
      if (position !== undefined || from === earliest) return { position, end: latest };
    }
  }

  /**
   * Ends when the mirror stands at `target`. `wipe`: why it must be emptied although it says that it stands there.
   * @throws TributaryError MIRROR_MOVED when it changed meanwhile: to be called again; FENCED, REDIS_UNAVAILABLE, KAFKA_UNAVAILABLE
   */
  *repair(target: UnifyPosition, wipe?: string): Work<Value, void> {
    const { clock, limits } = this.#options;
    const head = yield* this.#ask({ kind: 'head' });
    if (wipe === undefined && head.position === positionText(target)) return;
    const { earliest, latest: end } = yield* this.#ask({ kind: 'bounds' });
    const because = wipe ?? distrust(head, target, end, clock(), limits.trustedMs);
    // A mirror that is ahead of us may be the one of whoever took over while we slept: not ours to empty.
    if (because !== undefined) assertOurs((yield* this.lastPosition()).position ?? target, target);
    yield* this.#ask({ kind: 'repairing', from: head.position, to: positionText(target), because });

    const chain = this.#chain(head.position, target);
    let from = head.base?.from ?? 0;
    if (because === undefined) {
      yield* this.#rebuild(chain, new Map());
      yield* pass('repair:begun');
    } else {
      yield* this.#rebuild(chain, new Map(), { from: -1, time: clock() });
      yield* pass('repair:begun');
      let cursor = '';
      do {
        const found = yield* this.#ask({ kind: 'scan', cursor });
        if (found.keys.length > 0) {
          yield* this.#rebuild(chain, new Map(found.keys.map((key) => [key, null])));
          yield* pass('repair:wiping');
        }
        cursor = found.cursor;
      } while (cursor !== '');
      from = 0;
      yield* this.#rebuild(chain, new Map(), { from, time: clock() });
    }

    let reached: UnifyPosition | undefined;
    for (let next = Math.max(earliest, from); next < end; ) {
      const part = yield* this.#ask({ kind: 'log', from: next, to: end });
      reached = part.position ?? reached;
      for (const chunk of this.#chunked(part.entries)) {
        yield* this.#rebuild(chain, chunk);
        yield* pass('repair:folding');
      }
      next = part.next;
    }
    assertOurs(reached ?? target, target);
    yield* pass('repair:before-end');
    yield* this.#swap(chain.at, positionText(target), new Map(), { from: end, time: clock() });
    yield* this.#ask({ kind: 'repaired', at: positionText(target), steps: chain.n });
  }

  #chain(at: string, { lineage }: UnifyPosition): Chain {
    return { at, name: `rebuild:${lineage}-${this.#options.name()}`, n: 0 };
  }

  /** A step of a repair: none that is not ours to take. */
  *#rebuild(chain: Chain, entries: Entries<Value>, base?: Base): Work<Value, void> {
    yield* this.#ask({ kind: 'ours' });
    yield* this.#link(chain, entries, base);
  }

  *#link(chain: Chain, entries: Entries<Value>, base?: Base): Work<Value, void> {
    const next = `${chain.name}:${chain.n}`;
    yield* this.#swap(chain.at, next, entries, base);
    chain.at = next;
    chain.n += 1;
  }

  /** Without a base the old one goes on to hold. */
  *#swap(expected: string, next: string, entries: Entries<Value>, base?: Base): Work<Value, void> {
    const swap = { expected, next, entries, ...(base === undefined ? {} : { base }) };
    mustBe(next, yield* this.#ask({ kind: 'swap', swap }));
  }

  #chunked(entries: Entries<Value>): Map<string, Value | null>[] {
    return chunked(entries, this.#options.limits.chunk, this.#options.sizeOf);
  }

  #ask<E extends Effect<Value>>(effect: E) {
    return ask<Value, E>(effect);
  }
}

function assertOurs(reached: UnifyPosition, target: UnifyPosition): void {
  if (positionText(reached) === positionText(target)) return;
  throw new TributaryError('FENCED', `unify.state is at ${positionText(reached)}, ours is ${positionText(target)}`);
}
