/**
 * unify's mirror as a value: what stands in it, what one compare-and-set makes of it, and when it can be believed.
 *
 * position: `<lineage>:<offset>:<transaction>` while the values are exactly those of that transaction,
 * `rebuild:<lineage>-<id>:<n>` while they are between two such moments. base: where a fold of unify.state makes them exact again,
 * and the wall clock of the last exact moment.
 */
import type { UnifyPosition } from '../schemas/types.ts';
import { TributaryError } from './errors.ts';

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
export type Entries<Value> = ReadonlyMap<string, Value | null>;

/** One compare-and-set. */
export interface Swap<Value> {
  readonly expected: string;
  readonly next: string;
  readonly entries: Entries<Value>;
  /** Without one the old base goes on to hold. */
  readonly base?: Base;
}

export interface MirrorState<Value> {
  position: string;
  base: Base | undefined;
  readonly values: Map<string, Value>;
}

/**
 * What the script of mirror.ts does, in one step that nobody sees half of: the position afterwards, which is `next` also
 * when it stood there before (a write of ours whose answer was lost), and another one when nothing was done.
 */
export function compareAndSet<Value>(
  mirror: MirrorState<Value>,
  { expected, next, entries, base }: Swap<Value>,
): string {
  if (mirror.position !== expected) return mirror.position;
  for (const [key, value] of entries) {
    if (value === null) mirror.values.delete(key);
    else mirror.values.set(key, value);
  }
  mirror.position = next;
  mirror.base = base ?? mirror.base;
  return next;
}

export const positionText = (at: UnifyPosition): string => `${at.lineage}:${at.offset}:${at.transaction}`;

/** @throws TributaryError MIRROR_MOVED */
export function mustBe(wanted: string, found: string): void {
  if (found === wanted) return;
  throw new TributaryError('MIRROR_MOVED', `the mirror is at "${found}", expected "${wanted}"`);
}

/**
 * Why the mirror has to be emptied before it is folded; undefined: it is sound, only behind.
 * @param trustedMs how long a deletion has a tombstone for certain
 */
export function distrust(
  { position, base }: MirrorHead,
  target: UnifyPosition,
  end: number,
  now: number,
  trustedMs: number,
): string | undefined {
  if (position === '') return 'it is empty, or its position is gone';
  if (base === undefined) return 'its base is gone';
  if (base.from < 0) return 'a wipe of it was interrupted';
  if (base.from > end) return 'it knows more of unify.state than there is';
  if (now - base.time > trustedMs) return 'it is older than the tombstones of unify.state';
  const [, rebuilt] = /^rebuild:(\d+)-/.exec(position) ?? [];
  const [lineage, offset, transaction] = rebuilt === undefined ? position.split(':').map(Number) : [Number(rebuilt)];
  if (lineage !== target.lineage) return 'it is of another lineage';
  const ahead = (offset ?? 0) > target.offset || (transaction ?? 0) > target.transaction;
  return ahead ? 'it is ahead of unify.state' : undefined;
}

export interface ChunkLimits {
  readonly keys: number;
  readonly bytes: number;
}

/** Cuts what one script should not carry at once; keeps the order. */
export function chunked<Value>(
  entries: Entries<Value>,
  limits: ChunkLimits,
  sizeOf: (value: Value) => number,
): Map<string, Value | null>[] {
  const chunks: Map<string, Value | null>[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const [key, value] of entries) {
    const size = key.length + (value === null ? 0 : sizeOf(value));
    let chunk = chunks.at(-1);
    if (chunk === undefined || chunk.size >= limits.keys || bytes + size > limits.bytes) {
      chunk = new Map();
      chunks.push(chunk);
      bytes = 0;
    }
    chunk.set(key, value);
    bytes += size;
  }
  return chunks;
}
