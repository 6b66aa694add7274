/**
 * unify's state in Redis: a copy of what unify.state says up to a position, so that any pod goes on at once. The log is
 * the truth; the mirror may be behind it, rolled back by a failover, or gone, and must only never be believed then.
 * Therefore the position stands in the same slot as the values, is read with them and moves with them in one script.
 *
 * position: `<lineage>:<offset>:<transaction>` while the values are exactly those of that transaction,
 * `rebuild:<lineage>-<id>:<n>` while they are between two such moments. base: where a fold of unify.state makes them exact again,
 * and the wall clock of the last exact moment.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { UnifyPosition } from '../schemas/types.ts';
import { TributaryError } from './errors.ts';
import type { Fault } from './faults.ts';
import { asking } from './redis.ts';

export interface Base {
  /** Offset of unify.state at or before the first record that the values lack; -1: wiping, the values are worth nothing. */
  readonly from: number;
  /** Wall clock, ms. Deletions after it must still have their tombstones when the fold is made. */
  readonly time: number;
}

export interface MirrorHead {
  /** Empty when there is none. */
  readonly position: string;
  readonly base: Base | undefined;
}

/** A value or, as null, its deletion. */
export type Entries = ReadonlyMap<string, Buffer | null>;

export const positionText = (at: UnifyPosition): string => `${at.lineage}:${at.offset}:${at.transaction}`;
/** Positions of one chain of steps: nobody else's step can be taken for one of them. */
export function rebuildPositions(lineage: string | number): (n: number) => string {
  const id = randomUUID();
  return (n) => `rebuild:${lineage}-${id}:${n}`;
}

/** Scripts block every other client: 200 values take about a millisecond. */
const chunkKeys = 500;
const chunkBytes = 1024 * 1024;

/** `next` found in place of `expected` is our own write whose answer was lost: done, and not to be done again. */
const swapScript = `
local at = redis.call('GET', KEYS[1]) or ''
if at == ARGV[2] or at ~= ARGV[1] then return at end
local puts = tonumber(ARGV[4])
for i = 1, puts do redis.call('SET', KEYS[2 + i], ARGV[4 + i]) end
for i = 3 + puts, #KEYS do redis.call('DEL', KEYS[i]) end
redis.call('SET', KEYS[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('SET', KEYS[2], ARGV[3]) end
return ARGV[2]`;

export class Mirror {
  readonly #redis: Redis;
  readonly #root: string;
  readonly #clock: () => number;
  readonly #fault: Fault;

  constructor(options: {
    readonly redis: Redis;
    readonly prefix: string;
    readonly clock: () => number;
    readonly fault: Fault;
  }) {
    this.#redis = options.redis;
    this.#root = `${options.prefix}{unify}:`;
    this.#clock = options.clock;
    this.#fault = options.fault;
  }

  /** @throws TributaryError MIRROR_MOVED when the values are not those of `expected`. */
  async read(expected: string, keys: readonly string[]): Promise<(Buffer | null)[]> {
    const values: (Buffer | null)[] = [];
    for (let i = 0; i < keys.length; i += chunkKeys) {
      const chunk = keys.slice(i, i + chunkKeys);
      const [position, ...found] = await asking(() =>
        this.#redis.mgetBuffer(this.#key('position'), ...chunk.map((key) => this.#key(key))),
      );
      this.#mustBe(expected, position?.toString() ?? '');
      values.push(...found);
    }
    return values;
  }

  async head(): Promise<MirrorHead> {
    const [position, base] = await asking(() => this.#redis.mget(this.#key('position'), this.#key('base')));
    const [from, time] = (base ?? '').split('/').map(Number);
    const sound = from !== undefined && time !== undefined && Number.isSafeInteger(from) && Number.isSafeInteger(time);
    return { position: position ?? '', base: sound ? { from, time } : undefined };
  }

  /**
   * Moves the values of one transaction and the position together. What one script should not carry goes in steps under
   * a rebuild position, so that a reader or a crash between the steps is told that the values are in between.
   * `from`: see Base.
   * @throws TributaryError MIRROR_MOVED, REDIS_UNAVAILABLE (it may stand: say it again)
   */
  async commit(expected: string, next: string, entries: Entries, from: number): Promise<void> {
    const chunks = chunked(entries);
    const last = chunks.pop() ?? new Map<string, Buffer | null>();
    const between = rebuildPositions(next.split(':', 1)[0] ?? '');
    let at = expected;
    for (const [n, chunk] of chunks.entries()) {
      at = await this.step(at, between(n + 1), chunk);
      await this.#fault('mirror:between-chunks');
    }
    await this.step(at, next, last, { from, time: this.#clock() });
  }

  /** One compare-and-set; returns the new position. Without a base the old one goes on to hold. */
  async step(expected: string, next: string, entries: Entries, base?: Base): Promise<string> {
    const puts = [...entries].filter((entry): entry is [string, Buffer] => entry[1] !== null);
    const deletes = [...entries].filter(([, value]) => value === null);
    const keys = ['position', 'base', ...puts.map(([key]) => key), ...deletes.map(([key]) => key)];
    const at = await asking(() =>
      this.#redis.eval(
        swapScript,
        keys.length,
        ...keys.map((key) => this.#key(key)),
        expected,
        next,
        base === undefined ? '' : `${base.from}/${base.time}`,
        puts.length,
        ...puts.map(([, value]) => value),
      ),
    );
    this.#mustBe(next, String(at));
    return next;
  }

  /** Every state key that Redis holds, in portions; a key may come twice. */
  async *keys(): AsyncIterable<string[]> {
    let cursor = '0';
    const pattern = `${this.#root.replace(/[\\*?[\]]/g, '\\$&')}*`;
    do {
      const [next, found] = await asking(() => this.#redis.scan(cursor, 'MATCH', pattern, 'COUNT', chunkKeys));
      cursor = next;
      const keys = found
        .map((key) => key.slice(this.#root.length))
        .filter((key) => key !== 'position' && key !== 'base');
      if (keys.length > 0) yield keys;
    } while (cursor !== '0');
  }

  #key(stateKey: string): string {
    return this.#root + stateKey;
  }

  #mustBe(wanted: string, found: string): void {
    if (found === wanted) return;
    throw new TributaryError('MIRROR_MOVED', `the mirror is at "${found}", expected "${wanted}"`);
  }
}

/** Cuts what one script should not carry at once; keeps the order. */
export function chunked(entries: Entries): Map<string, Buffer | null>[] {
  const chunks: Map<string, Buffer | null>[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const [key, value] of entries) {
    const size = key.length + (value?.length ?? 0);
    let chunk = chunks.at(-1);
    if (chunk === undefined || chunk.size >= chunkKeys || bytes + size > chunkBytes) {
      chunk = new Map();
      chunks.push(chunk);
      bytes = 0;
    }
    chunk.set(key, value);
    bytes += size;
  }
  return chunks;
}
