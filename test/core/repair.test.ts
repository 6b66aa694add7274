import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { carriersOf } from '../../core/carriers.ts';
import type { InRecord, KafkaAccess } from '../../core/kafka.ts';
import { chunkLimits, Mirror } from '../../core/mirror.ts';
import { distrust, positionText } from '../../core/mirror-state.ts';
import { memoryCodec } from '../../core/registry.ts';
import { Keeper, positionKey } from '../../core/repair.ts';
import { tenureLimits } from '../../core/transaction.ts';
import { drive } from '../../core/work.ts';
import { topics } from '../../schemas/topics.ts';

const codec = memoryCodec();
const now = 1_790_000_000_000;
const ours = { lineage: 7, offset: 110, time: now, transaction: 11 };

/** unify.state with one record, its position; anything else asked of Kafka would be a mistake. */
function logAt(position: typeof ours): KafkaAccess {
  const record: InRecord = {
    topic: 'unify.state',
    partition: 0,
    offset: 499,
    time: now,
    key: Buffer.from(positionKey),
    value: codec.encode('unify.state', 'UnifyPosition', position),
    headers: {},
  };
  const part: Pick<KafkaAccess, 'offsets' | 'read'> = {
    offsets: () => Promise.resolve([{ partition: 0, earliest: 0, latest: 500 }]),
    read: async (_topic, _partition, from, to, each) => {
      if (from <= record.offset && record.offset < to) await each([record]);
    },
  };
  return part as KafkaAccess;
}

/** Redis with a head and no keys; remembers the scripts that were to write. */
function redisAt(position: string): { readonly redis: Redis; readonly written: string[] } {
  const written: string[] = [];
  const part = {
    mget: () => Promise.resolve([position, `0/${now}`]),
    scan: () => Promise.resolve(['0', []]),
    eval: (_script: string, keys: number, ...rest: string[]) => {
      const next = rest[keys + 1] ?? '';
      written.push(next);
      return Promise.resolve(next);
    },
  };
  return { redis: part as unknown as Redis, written };
}

function repair(redis: Redis, kafka: KafkaAccess, wipe?: string): Promise<void> {
  const clock = (): number => now;
  const keeper = new Keeper<Buffer>({
    limits: { chunk: chunkLimits, trustedMs: 1_000 },
    sizeOf: (value) => value.length,
    clock,
    name: () => 'a1',
  });
  const mirror = new Mirror(redis, '');
  return drive(keeper.repair(ours, wipe), {
    ...carriersOf({ kafka, codec, mirror, clock, log: pino({ level: 'silent' }) }),
    epoch: unasked,
    transact: unasked,
    pause: unasked,
    resumed: unasked,
    ours: () => undefined,
    passing: () => undefined,
  });
}

function unasked(): never {
  throw new Error('a repair does not ask for this');
}

describe('a mirror that is ahead', () => {
  const ahead = { ...ours, offset: 120, transaction: 12 };

  test('of one who slept while another took over is left alone: the log is ahead of him as well', async () => {
    const { redis, written } = redisAt(positionText(ahead));
    await expect(repair(redis, logAt(ahead))).rejects.toMatchObject({ code: 'FENCED' });
    expect(written).toEqual([]);
  });

  test('of the log itself is emptied and made again', async () => {
    const { redis, written } = redisAt(positionText(ahead));
    await repair(redis, logAt(ours));
    expect(written.at(-1)).toBe(positionText(ours));
  });
});

describe('a mirror that stands where it should', () => {
  test('is left as it is', async () => {
    const { redis, written } = redisAt(positionText(ours));
    await repair(redis, logAt(ours));
    expect(written).toEqual([]);
  });

  test('is made again for a reason given, unless another has taken over', async () => {
    const { redis, written } = redisAt(positionText(ours));
    await expect(repair(redis, logAt(ahead()), 'a value is broken')).rejects.toMatchObject({ code: 'FENCED' });
    expect(written).toEqual([]);
    await repair(redis, logAt(ours), 'a value is broken');
    expect(written.at(-1)).toBe(positionText(ours));
  });

  const ahead = () => ({ ...ours, offset: 111, transaction: 12 });
});

describe('a mirror is folded on from where it is', () => {
  const day = 86_400_000;
  const head = fc.record({
    lineage: fc.integer({ min: 6, max: 8 }),
    offset: fc.integer({ min: 100, max: 120 }),
    transaction: fc.integer({ min: 9, max: 13 }),
    rebuilt: fc.boolean(),
    lost: fc.constantFrom('nothing', 'nothing', 'nothing', 'position', 'base'),
    from: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 600 })),
    age: fc.nat(8 * day),
  });

  test('only where every value of it is one that unify.state told, and no deletion may be forgotten', () => {
    fc.assert(
      fc.property(head, ({ lineage, offset, transaction, rebuilt, lost, from, age }) => {
        const at = rebuilt ? `rebuild:${lineage}-0a-1b:3` : positionText({ lineage, offset, transaction, time: now });
        const told = {
          position: lost === 'position' ? '' : at,
          base: lost === 'base' ? undefined : { from, time: now - age },
        };
        const ours7 = lineage === ours.lineage;
        const behind = rebuilt || (offset <= ours.offset && transaction <= ours.transaction);
        const fresh = age <= topics['unify.state'].keepMs - day;
        const sound = lost === 'nothing' && from >= 0 && from <= 500 && fresh && ours7 && behind;
        expect(distrust(told, ours, 500, now, tenureLimits.trustedMs) === undefined).toBe(sound);
      }),
      { numRuns: 500 },
    );
  });
});
