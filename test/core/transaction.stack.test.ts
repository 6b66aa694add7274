import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TributaryError } from '../../core/errors.ts';
import type { Fault, FaultPoint } from '../../core/faults.ts';
import type { KafkaAccess } from '../../core/kafka.ts';
import { connectRedis } from '../../core/redis.ts';
import type { Change } from '../../schemas/types.ts';
import { counted, tick } from '../support/counting-fold.ts';
import { env, log, transactionalId } from '../support/loop-servers.ts';
import { codec, expected, found, right, World } from '../support/loop-world.ts';
import { openWire } from '../support/wire.ts';

let serial = 0;
/** Changes of some keys: each key comes often enough to be deleted and begun again. */
function some(n: number, keys = 7): Change[] {
  return Array.from({ length: n }, (_, i) => counted(`c${++serial}`, `k${(i * 3) % keys}`));
}

/** Does something at one passing of one point. */
function at(point: FaultPoint, passing: number, action: () => Promise<void> | void): Fault {
  let passed = 0;
  return async (here) => {
    if (here !== point) return;
    passed += 1;
    if (passed === passing) await action();
  };
}

function throwing(code: 'KAFKA_UNAVAILABLE' | 'REDIS_UNAVAILABLE'): () => void {
  return () => {
    throw new TributaryError(code, 'as if it were');
  };
}

async function inWorld(test: (world: World) => Promise<void>): Promise<void> {
  const world = await World.create();
  try {
    await test(world);
  } finally {
    await world.close();
  }
}

describe('the transactional loop', () => {
  test('decides every record once, in order, and ends with the mirror at the log', () =>
    inWorld(async (world) => {
      const changes = some(250);
      await world.offer(changes);
      const run = await world.finish({ limits: { records: 100 } });
      expect(await world.judged()).toEqual(right(changes));
      expect(run.commits.reduce((sum, { records }) => sum + records, 0)).toBe(250);
      expect(run.commits.length).toBeLessThan(20);
      // A hint for whoever asks how far behind the group is; nothing starts from it.
      expect(await world.kafka.committed('unify', 'changes')).toEqual([{ partition: 0, next: 250 }]);
    }));

  test('goes on exactly where the last one stopped', () =>
    inWorld(async (world) => {
      const changes: Change[] = [];
      for (let round = 0; round < 3; round += 1) {
        const more = some(40);
        changes.push(...more);
        await world.offer(more);
        await world.finish();
      }
      expect(await world.judged()).toEqual(right(changes));
    }));

  test('gives the same bytes for every size of batch', async () => {
    const outcomes: unknown[] = [];
    const changes = some(120);
    for (const limits of [{ records: 1 }, { records: 7, cacheBytes: 1 }, { records: 100 }, { bytes: 1_000 }]) {
      await inWorld(async (world) => {
        await world.offer(changes);
        await world.finish({ limits });
        const { outputs, state } = await world.outcome();
        expect(await world.mirrored()).toEqual(state);
        outcomes.push({ outputs, state });
      });
    }
    expect(outcomes[0]).toMatchObject({ outputs: expect.objectContaining({ length: 120 }) });
    for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0]);
  });

  test('closes a transaction where its outputs pass the limit', () =>
    inWorld(async (world) => {
      const changes = Array.from({ length: 30 }, () => counted(`c${++serial}`, 'k', 'bulky'));
      await world.offer(changes);
      const run = await world.finish({ limits: { bytes: 300_000 } });
      expect(run.commits.length).toBeGreaterThanOrEqual(10);
      for (const { bytes } of run.commits) expect(bytes).toBeLessThan(300_000 + 110_000);
      const { journal } = await world.outcome();
      expect(journal.map(({ other }) => other)).toEqual(changes.map((_, i) => i + 1));
    }));

  test('is one transaction also where its outputs need several requests', () =>
    inWorld(async (world) => {
      const changes = Array.from({ length: 25 }, () => counted(`c${++serial}`, 'k', 'bulky'));
      await world.offer(changes);
      const run = await world.finish({ limits: { bytes: 100_000_000 } });
      expect(run.commits.some(({ bytes }) => bytes > 2_000_000)).toBe(true);
      expect((await world.outcome()).journal).toHaveLength(25);
    }));

  test('writes nothing for ticks that change nothing, and a position when five seconds of log time have passed', () =>
    inWorld(async (world) => {
      const changes = some(10);
      await world.offer(changes);
      const run = world.run();
      await world.settled();
      const [before] = await world.kafka.offsets('unify.state');
      const counted = await world.lastPosition();
      await world.offer(Array.from({ length: 20 }, () => tick));
      // The tick behind which a position must stand: log time goes on while it waits for it.
      const begun = Date.now();
      for (;;) {
        await world.offer([tick]);
        const [now] = await world.kafka.offsets('unify.state');
        if (now?.latest !== before?.latest) break;
        expect(Date.now() - begun).toBeLessThan(15_000);
      }
      await run.stop();
      const [after] = await world.kafka.offsets('unify.state');
      const ticked = await world.lastPosition();
      expect((ticked?.time ?? 0) - (counted?.time ?? 0)).toBeGreaterThanOrEqual(5_000);
      // One position and one marker, for all those ticks.
      expect((after?.latest ?? 0) - (before?.latest ?? 0)).toBe(2);
      expect(await world.judged()).toEqual(right(changes));
    }));
});

describe('a record that cannot be decided', () => {
  test('goes to the dead letters with its bytes, leaves no trace in the state, and the rest goes on', () =>
    inWorld(async (world) => {
      const good = some(30);
      const poison = counted('poison', 'k1', 'poison');
      const large = counted('large', 'k2', 'large');
      const noise = Buffer.from('no framed Avro at all');
      await world.offer([...good.slice(0, 10), poison, ...good.slice(10, 20), noise, large, ...good.slice(20)]);
      const run = await world.finish();

      const outcome = await world.outcome();
      const letters = outcome.deadLetters;
      expect(letters.map(({ code, offset }) => [code, offset])).toEqual([
        ['RECORD_POISON', 10],
        ['PAYLOAD_UNDECODABLE', 21],
        ['STATE_TOO_LARGE', 22],
      ]);
      expect(letters[0]?.original?.equals(codec.encode('changes', 'Change', poison))).toBe(true);
      expect(letters[1]?.original?.equals(noise)).toBe(true);
      expect(letters[0]).toMatchObject({
        stage: 'unify',
        topic: 'changes',
        ref: 'k1',
        message: expect.stringContaining('cannot'),
      });
      // Held by what the fold says instead: for the two that it could read.
      expect(outcome.journal.filter(({ kind }) => kind === 'held').map(({ offset }) => offset)).toEqual([10, 22]);

      const { said, counts } = found(outcome);
      const { held, ...rest } = counts;
      expect(held).toBe(2);
      expect({ said: said.filter((text) => !text.startsWith('poison')), counts: rest }).toEqual(expected(good));
      expect(run.commits.reduce((sum, { deadLetters }) => sum + deadLetters, 0)).toBe(3);
      expect(await world.mirrored()).toEqual(outcome.state);
    }));

  test('is poison too when it asks for ever for a key that it was given', () =>
    inWorld(async (world) => {
      const good = some(5);
      await world.offer([...good, counted('restless', 'k1', 'restless')]);
      await world.finish();
      const outcome = await world.outcome();
      expect(outcome.deadLetters).toMatchObject([{ code: 'RECORD_POISON', offset: 5 }]);
      expect(outcome.journal.filter(({ kind }) => kind === 'set')).toHaveLength(5);
    }));

  test('is not what a state miss is: the record is decided again, with no double effect', () =>
    inWorld(async (world) => {
      const changes = some(40);
      await world.offer(changes);
      // Nothing is cached from one transaction to the next, and the total is never recalled: every one begins with a miss.
      await world.finish({ limits: { records: 3, cacheBytes: 1 } });
      expect(await world.judged()).toEqual(right(changes));
    }));
});

describe('when nearly every record cannot be decided', () => {
  test('unify stops before it has written a dead letter or moved its position', () =>
    inWorld(async (world) => {
      await world.offer(Array.from({ length: 300 }, (_, i) => counted(`p${i}`, `k${i % 7}`, 'poison')));
      const run = world.run();
      await expect(run.ended).rejects.toMatchObject({ code: 'REJECTING' });
      await expect(run.stop()).rejects.toMatchObject({ code: 'REJECTING' });
      expect((await world.outcome()).deadLetters).toEqual([]);
      expect(await world.lastPosition()).toBeUndefined();
    }));
});

describe('a value in the mirror that cannot be decoded', () => {
  test.each([
    ['no framed Avro', Buffer.from('garbage')],
    ['a schema that nobody knows', Buffer.from([0, 0x77, 0x35, 0x94, 0, 1, 2])],
    ['cut short', Buffer.from([0, 0, 0, 0])],
  ])('is taken from the log again: %s', (_, bytes) =>
    inWorld(async (world) => {
      const changes = some(30);
      await world.offer(changes.slice(0, 20));
      await world.finish();
      for (const key of Object.keys(await world.mirrored())) await world.redis.set(world.key(key), bytes);
      await world.offer(changes.slice(20));
      await world.finish();
      expect(await world.judged()).toEqual(right(changes));
      expect((await world.outcome()).deadLetters).toEqual([]);
    }),
  );
});

describe('a transaction', () => {
  test('of an owner who was overtaken commits nothing', () =>
    inWorld(async (world) => {
      const changes = some(20);
      await world.offer(changes.slice(0, 10));
      await world.finish();

      const held = Promise.withResolvers<void>();
      const overtaken = Promise.withResolvers<void>();
      const old = world.run({
        fault: at('transaction:before', 1, async () => {
          held.resolve();
          await overtaken.promise;
        }),
      });
      await world.offer(changes.slice(10));
      await held.promise;
      // The same role in another group: only the transactional id stands between the two.
      const rival = world.run({ group: 'rival' });
      await world.settled();
      const stopped = old.stop();
      overtaken.resolve();
      await stopped;
      await rival.stop();
      expect(old.commits).toEqual([]);
      expect(await world.judged()).toEqual(right(changes));
    }));

  test('that is fenced leads back through the group, not to a duel', () =>
    inWorld(async (world) => {
      const changes = some(30);
      const run = world.run();
      await world.offer(changes.slice(0, 10));
      await world.settled();
      const rival = await world.kafka.transactional(transactionalId);
      await rival.close();
      await world.offer(changes.slice(10));
      await world.settled();
      await run.stop();
      // Taken over twice: at the start, and once after the fence.
      expect(run.states.filter(({ why }) => why === 'taking over')).toHaveLength(2);
      expect(await world.judged()).toEqual(right(changes));
    }));

  test('whose answer was lost although it was applied is not done again', () =>
    inWorld(async (world) => {
      const changes = some(60);
      await world.offer(changes);
      const run = await world.finish({
        limits: { records: 10 },
        fault: at('transaction:after', 2, throwing('KAFKA_UNAVAILABLE')),
      });
      expect(run.states.filter(({ why }) => why === 'taking over')).toHaveLength(2);
      expect(await world.judged()).toEqual(right(changes));
    }));

  test('whose answer was lost because it was never applied is done again', () =>
    inWorld(async (world) => {
      const changes = some(60);
      await world.offer(changes);
      let transactions = 0;
      const kafka: KafkaAccess = {
        ...world.kafka,
        transactional: async (id, signal) => {
          const producer = await world.kafka.transactional(id, signal);
          return {
            ...producer,
            async transact(records, offsets) {
              transactions += 1;
              if (transactions !== 3) return await producer.transact(records, offsets);
              await producer.close();
              throw new TributaryError('KAFKA_UNAVAILABLE', 'the broker went away');
            },
          };
        },
      };
      await world.finish({ limits: { records: 10 }, kafka });
      expect(transactions).toBeGreaterThan(6);
      expect(await world.judged()).toEqual(right(changes));
    }));
});

describe('the mirror', () => {
  test('that is behind, for a commit did not reach it, is brought up before it is believed', () =>
    inWorld(async (world) => {
      const changes = some(60);
      await world.offer(changes);
      const fault = at('mirror:before-commit', 3, throwing('KAFKA_UNAVAILABLE'));
      await world.finish({ limits: { records: 10, cacheBytes: 1 }, fault });
      expect(await world.judged()).toEqual(right(changes));
    }));

  test.each(['between two tenures', 'under a running loop'])('that was rolled back %s is repaired', (when) =>
    inWorld(async (world) => {
      const changes = some(90);
      await world.offer(changes.slice(0, 30));
      const run = world.run({ limits: { cacheBytes: 1 } });
      await world.settled();
      const restore = await world.photograph();
      await world.offer(changes.slice(30, 60));
      await world.settled();
      if (when === 'between two tenures') await run.stop();
      await restore();
      await world.offer(changes.slice(60));
      if (when === 'between two tenures') await world.finish();
      else {
        await world.settled();
        await run.stop();
      }
      expect(await world.judged()).toEqual(right(changes));
    }),
  );

  test.each(['between two tenures', 'under a running loop'])('that was wiped %s is built again', (when) =>
    inWorld(async (world) => {
      const changes = some(60);
      await world.offer(changes.slice(0, 30));
      const run = world.run();
      await world.settled();
      if (when === 'between two tenures') await run.stop();
      await world.wipe();
      await world.offer(changes.slice(30));
      if (when === 'between two tenures') await world.finish();
      else {
        await world.settled();
        await run.stop();
      }
      expect(await world.judged()).toEqual(right(changes));
    }),
  );

  test.each(['repair:folding', 'repair:before-end'] as const)(
    'that is wiped at %s is built again from the start',
    (point) =>
      inWorld(async (world) => {
        const changes = some(60);
        await world.offer(changes.slice(0, 30));
        await world.finish();
        await world.wipe();
        await world.offer(changes.slice(30));
        let wiped = 0;
        const fault = at(point, 1, async () => {
          wiped += 1;
          await world.wipe();
        });
        await world.finish({ fault });
        expect(wiped).toBe(1);
        expect(await world.judged()).toEqual(right(changes));
      }),
  );

  test('whose position alone is lost is emptied and built from the beginning of the log', () =>
    inWorld(async (world) => {
      // Most keys of the first tenure are never touched again: only a fold from the beginning knows them.
      const changes = [...some(20, 50), ...some(40)];
      await world.offer(changes.slice(0, 20));
      await world.finish();
      // The second tenure moves the base to the end of what the first one wrote.
      await world.offer(changes.slice(20, 40));
      await world.finish();
      await world.redis.del(world.key('position'));
      await world.offer(changes.slice(40));
      await world.finish();
      expect(await world.judged()).toEqual(right(changes));
    }));

  test('that is older than the tombstones is emptied: a deleted key does not come back', () =>
    inWorld(async (world) => {
      const changes = some(40);
      await world.offer(changes.slice(0, 20));
      await world.finish({ clock: () => Date.now() - 8 * 86_400_000 });
      const restore = await world.photograph();
      await world.offer(changes.slice(20));
      await world.finish();
      await restore();
      // A key that the log deleted and whose tombstone compaction has dropped since: the fold alone would leave it.
      await world.redis.set(world.key('cur:ghost'), 'left behind');
      await world.finish();
      expect(await world.judged()).toEqual(right(changes));
    }));

  test('of another deployment under the same prefix is not taken for ours', () =>
    inWorld(async (world) => {
      await world.redis.set(world.key('position'), '0:0:0');
      await world.redis.set(world.key('base'), `0/${Date.now()}`);
      await world.redis.set(
        world.key('cur:k1'),
        codec.encode('unify.state', 'CursorState', { n: { count: 3 }, s: {} }),
      );
      const changes = some(20);
      await world.offer(changes);
      await world.finish();
      expect(await world.judged()).toEqual(right(changes));
    }));
});

describe('Redis away', () => {
  let wire: Awaited<ReturnType<typeof openWire>>;
  beforeAll(async () => {
    wire = await openWire(env('REDIS_URL'));
  });
  afterAll(() => wire.close());

  test('makes the loop wait, unready, and go on without loss when it is back', () =>
    inWorld(async (world) => {
      const redis = connectRedis({ url: wire.url, log });
      const changes = some(60);
      await world.offer(changes.slice(0, 20));
      const run = world.run({ redis, limits: { cacheBytes: 1 } });
      await world.settled();
      await wire.cut();
      await world.offer(changes.slice(20));
      await expect
        .poll(() => run.states.at(-1), { timeout: 20_000 })
        .toMatchObject({
          ready: false,
          why: expect.stringContaining('REDIS_UNAVAILABLE'),
        });
      await wire.restore();
      await world.settled();
      expect(run.states.at(-1)).toMatchObject({ ready: true });
      await run.stop();
      redis.disconnect();
      expect(await world.judged()).toEqual(right(changes));
    }));
});
