/**
 * Every entity that was ever told of, so that a change of the configuration can reach all of them. Append-only, because
 * entities are never forgotten: a merged one is an alias. One more entity costs one small value, half a segment on average.
 */
import { rosterKey, rosterSegmentKey } from './keys.ts';
import type { World } from './world.ts';

const segmentSize = 32;

/** Adds an entity at its first event. */
export function enroll(world: World, id: string): void {
  const { n, s } = world.cursor(rosterKey);
  const tail = n['tail'] ?? 0;
  const key = rosterSegmentKey(Math.floor(tail / segmentSize));
  world.putItems(key, [...world.items(key), id]);
  world.putCursor(rosterKey, { n: { ...n, tail: tail + 1 }, s });
}

export const rosterSegments = (world: World): number =>
  Math.ceil((world.cursor(rosterKey).n['tail'] ?? 0) / segmentSize);
