/**
 * What waits for source time: until the marks of every captured platform have passed a moment. Never by our clock: a
 * silent source must not be decided ahead of.
 *
 * Kinds: gate, a create that waits for what may belong to it; echo, a write whose outcome has not been told. Each kind is
 * a list of buckets by source second; a bucket is a list of items in segments.
 */
import type { CursorState } from '../../schemas/types.ts';
import { marksKey, timerSegmentKey, timersKey } from './keys.ts';
import type { World } from './world.ts';

export type TimerKind = 'gate' | 'echo';

export interface Timers {
  /** Fetches together what a portion of items needs. */
  readonly load: (items: readonly string[]) => void;
  readonly fire: (world: World, item: string) => void;
  /** What holds an item that could not be decided. */
  readonly fail: (world: World, item: string, reason: string) => void;
  /** What its dead letter and journal entry name. */
  readonly subject: (item: string) => string;
}

const segmentSize = 64;
/** Timers of one kind that fire while deciding one record; the rest goes on with the next. */
const firedPerRecord = 50;

const bucketsOf = (cursor: CursorState): readonly number[] => Object.keys(cursor.n).map(Number);

/** While timers stand still (a hole, a long snapshot) buckets get coarser, so that their list stays small. */
function bucketFor(until: number, buckets: number): number {
  const grain = buckets < 60 ? 1 : buckets < 180 ? 60 : buckets < 1_000 ? 3_600 : 86_400;
  return Math.ceil(until / 1000 / grain) * grain;
}

/** `until`: source time, ms. The item fires once, when the marks have passed it. */
export function addTimer(world: World, kind: TimerKind, until: number, item: string): void {
  const timers = world.cursor(timersKey(kind));
  const bucket = bucketFor(until, bucketsOf(timers).length);
  const count = timers.n[String(bucket)] ?? 0;
  const segment = timerSegmentKey(kind, bucket, Math.floor(count / segmentSize));
  world.putItems(segment, [...world.items(segment), item]);
  world.putCursor(timersKey(kind), { ...timers, n: { ...timers.n, [String(bucket)]: count + 1 } });
}

/** Source time up to which every captured platform has told everything, ms. A source says no mark while it has a hole. */
export function currentTo(world: World): number {
  const marks = world.cursor(marksKey);
  return Math.min(...world.rules.captured.map((platform) => marks.n[`upTo:${platform}`] ?? 0));
}

/** Fires the timers of a kind that stand at or before `upTo`, source time in ms. */
export function fireTimers(world: World, kind: TimerKind, upTo: number, timers: Timers): void {
  let budget = firedPerRecord;
  for (const bucket of [...bucketsOf(world.cursor(timersKey(kind)))].sort((a, b) => a - b)) {
    if (bucket > Math.floor(upTo / 1000)) return;
    while (budget > 0 && world.cursor(timersKey(kind)).n[String(bucket)] !== undefined)
      budget -= fireBucket(world, kind, bucket, budget, timers);
  }
}

function fireBucket(world: World, kind: TimerKind, bucket: number, budget: number, timers: Timers): number {
  const count = world.cursor(timersKey(kind)).n[String(bucket)] ?? 0;
  const last = Math.floor(Math.max(0, count - 1) / segmentSize);
  const segment = timerSegmentKey(kind, bucket, last);
  const items = world.items(segment);
  const taken = items.slice(-budget);
  timers.load(taken);
  for (const item of taken) {
    world.attempt(
      timers.subject(item),
      (one) => timers.fire(one, item),
      (outer, reason) => timers.fail(outer, item, reason),
    );
  }
  world.putItems(segment, items.slice(0, items.length - taken.length));
  const n = { ...world.cursor(timersKey(kind)).n };
  // Counted from what the segment held: were the count wrong, it would fire for ever.
  const left = last * segmentSize + items.length - taken.length;
  if (left > 0) n[String(bucket)] = left;
  else delete n[String(bucket)];
  world.putCursor(timersKey(kind), Object.keys(n).length > 0 ? { n, s: {} } : undefined);
  return taken.length;
}
