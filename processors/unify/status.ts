/** What an operator wants to know of unify, read from its state: how much waits, where, and up to when sources are current. */
import type { CursorState } from '../../schemas/types.ts';
import { lanes } from './dirty.ts';
import { commandPartitions, gatesKey, jobsKey, marksKey, partitionKey, queueKey } from './keys.ts';
import { platforms } from './rules.ts';
import type { Lane, Platform } from './world.ts';

export interface PlatformStatus {
  readonly platform: Platform;
  readonly open: number;
  readonly window: number;
  readonly dirty: Readonly<Record<Lane, number>>;
  /** Source time up to which the platform has told everything, ms; 0 when it has never said. */
  readonly currentTo: number;
  readonly hole: boolean;
  /** What was read whole, as its connector names it. */
  readonly complete: readonly string[];
}

export interface UnifyStatus {
  readonly platforms: readonly PlatformStatus[];
  /** Creates that wait for the marks. */
  readonly gated: number;
  readonly jobs: number;
}

const partitionsOf = (platform: Platform): readonly number[] =>
  Array.from({ length: commandPartitions[platform] }, (_, i) => i);

/** Every key that `readStatus` reads, for one round trip. */
export const statusKeys: readonly string[] = [
  marksKey,
  gatesKey,
  jobsKey,
  ...platforms.flatMap((platform) =>
    partitionsOf(platform).flatMap((partition) => [
      partitionKey(platform, partition),
      ...lanes.map((lane) => queueKey(platform, partition, lane)),
    ]),
  ),
];

/** Of figures, the names that begin so, without that. */
const namesAfter = (prefix: string, n: Readonly<Record<string, number>>): readonly string[] =>
  Object.keys(n)
    .filter((name) => name.startsWith(prefix) && n[name] === 1)
    .map((name) => name.slice(prefix.length))
    .sort();

export function readStatus(state: ReadonlyMap<string, object>): UnifyStatus {
  const n = (key: string): Readonly<Record<string, number>> => (state.get(key) as CursorState | undefined)?.n ?? {};
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const marks = n(marksKey);
  return {
    platforms: platforms.map((platform) => {
      const partitions = partitionsOf(platform);
      const dirtyIn = (lane: Lane): number =>
        sum(
          partitions.map((partition) => {
            const queue = n(queueKey(platform, partition, lane));
            return (queue['tail'] ?? 0) - (queue['head'] ?? 0);
          }),
        );
      return {
        platform,
        open: sum(partitions.map((partition) => n(partitionKey(platform, partition))['open'] ?? 0)),
        window: sum(partitions.map((partition) => n(partitionKey(platform, partition))['window'] ?? 0)),
        dirty: { urgent: dirtyIn('urgent'), live: dirtyIn('live'), bulk: dirtyIn('bulk') },
        currentTo: marks[`upTo:${platform}`] ?? 0,
        hole: (marks[`hole:${platform}`] ?? 0) > 0,
        complete: namesAfter(`complete:${platform}:`, marks),
      };
    }),
    gated: sum(Object.values(n(gatesKey))),
    jobs: (n(jobsKey)['tail'] ?? 0) - (n(jobsKey)['head'] ?? 0),
  };
}
