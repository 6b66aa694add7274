/**
 * Makes the mirror exactly what unify.state says at a position: a chain of compare-and-sets, so that a wipe, a failover
 * or a rival in the middle of it is noticed and it starts again.
 *
 * A mirror that is merely behind is folded forward from its base. One that cannot be trusted is emptied first: keys that
 * were deleted since would survive a fold once compaction has dropped their tombstones.
 */

import type { Logger } from 'pino';
import { topics } from '../schemas/topics.ts';
import type { UnifyPosition } from '../schemas/types.ts';
import type { Codec } from './codec.ts';
import { TributaryError } from './errors.ts';
import type { Fault } from './faults.ts';
import type { KafkaAccess } from './kafka.ts';
import { chunked, type Mirror, type MirrorHead, positionText, rebuildPositions } from './mirror.ts';

/** A day less than tombstones are kept: our clock is not the broker's, and the fold takes time. */
const trustedMs = topics['unify.state'].keepMs - 86_400_000;
/** Key of the position record, the last of each transaction. */
export const positionKey = 'position';

/** The last committed position and the end of unify.state. Sound only while our epoch is the newest: nobody else appends. */
export async function lastPosition(
  kafka: KafkaAccess,
  codec: Codec,
): Promise<{ readonly position: UnifyPosition | undefined; readonly end: number }> {
  const { earliest, latest } = await bounds(kafka);
  // Usually among the last records; aborted transactions and markers may stand behind it, so look further back each time.
  for (let span = 1_000; ; span *= 10) {
    const from = Math.max(earliest, latest - span);
    let found: Buffer | null = null;
    await kafka.read('unify.state', 0, from, latest, (records) => {
      for (const { key, value } of records)
        if (key?.toString() === positionKey && value !== null) found = Buffer.from(value);
    });
    if (found !== null) return { position: await decodePosition(codec, found), end: latest };
    if (from === earliest) return { position: undefined, end: latest };
  }
}

/** Why the mirror has to be emptied before it is folded; undefined: it is sound, only behind. */
export function distrust(head: MirrorHead, target: UnifyPosition, end: number, now: number): string | undefined {
  const { position, base } = head;
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

/**
 * Settles when the mirror stands at `target`. `wipe`: why it must be emptied although it says that it stands there.
 * @throws TributaryError MIRROR_MOVED when it changed meanwhile: to be called again; FENCED, REDIS_UNAVAILABLE, KAFKA_UNAVAILABLE
 */
export async function repairMirror(options: {
  readonly mirror: Mirror;
  readonly kafka: KafkaAccess;
  readonly codec: Codec;
  readonly target: UnifyPosition;
  readonly clock: () => number;
  readonly fault: Fault;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly wipe?: string;
}): Promise<void> {
  const { mirror, kafka, codec, target, clock, fault, signal, log, wipe } = options;
  const head = await mirror.head();
  if (wipe === undefined && head.position === positionText(target)) return;
  const { earliest, latest: end } = await bounds(kafka);
  const wipeBecause = wipe ?? distrust(head, target, end, clock());
  // A mirror that is ahead of us may be the one of whoever took over while we slept: not ours to empty.
  if (wipeBecause !== undefined) assertOurs((await lastPosition(kafka, codec)).position ?? target, target);
  log.info({ from: head.position, to: positionText(target), wipeBecause }, 'repairing the mirror');

  const between = rebuildPositions(target.lineage);
  let n = 0;
  let at = head.position;
  const step = async (entries: ReadonlyMap<string, Buffer | null>, base?: { from: number; time: number }) => {
    signal.throwIfAborted();
    at = await mirror.step(at, between(n), entries, base);
    n += 1;
  };
  let from = head.base?.from ?? 0;
  if (wipeBecause === undefined) {
    await step(new Map());
    await fault('repair:begun');
  } else {
    await step(new Map(), { from: -1, time: clock() });
    await fault('repair:begun');
    for await (const keys of mirror.keys()) {
      await step(new Map(keys.map((key) => [key, null])));
      await fault('repair:wiping');
    }
    from = 0;
    await step(new Map(), { from, time: clock() });
  }

  let last: Buffer | null = null;
  await kafka.read('unify.state', 0, Math.max(earliest, from), end, async (records) => {
    const latest = new Map<string, Buffer | null>();
    for (const { key, value } of records) {
      const name = key?.toString() ?? '';
      if (name === positionKey) last = value === null ? last : Buffer.from(value);
      else latest.set(name, value);
    }
    for (const chunk of chunked(latest)) {
      await step(chunk);
      await fault('repair:folding');
    }
  });
  assertOurs(last === null ? target : await decodePosition(codec, last), target);
  await fault('repair:before-end');
  await mirror.step(at, positionText(target), new Map(), { from: end, time: clock() });
  log.info({ at: positionText(target), steps: n }, 'the mirror is repaired');
}

function assertOurs(reached: UnifyPosition, target: UnifyPosition): void {
  if (positionText(reached) === positionText(target)) return;
  throw new TributaryError('FENCED', `unify.state is at ${positionText(reached)}, ours is ${positionText(target)}`);
}

async function bounds(kafka: KafkaAccess): Promise<{ readonly earliest: number; readonly latest: number }> {
  const [only] = await kafka.offsets('unify.state');
  if (only === undefined) throw new TributaryError('KAFKA_UNAVAILABLE', 'unify.state has no partition');
  return only;
}

async function decodePosition(codec: Codec, bytes: Buffer): Promise<UnifyPosition> {
  await codec.prepare([bytes]);
  const { schema, value } = codec.decode(bytes);
  if (schema !== 'UnifyPosition') {
    throw new TributaryError('PAYLOAD_UNDECODABLE', `the position in unify.state is a ${schema}`);
  }
  return value as UnifyPosition;
}
