import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FaultPoint, loopPoints } from '../../core/faults.ts';
import type { Change } from '../../schemas/types.ts';
import { counted } from '../support/counting-fold.ts';
import { right, World } from '../support/loop-world.ts';

const child = fileURLToPath(new URL('../support/loop-child.ts', import.meta.url));

/** What must be the matter with the mirror for a repair to come by its points. */
const spoiled: Partial<Record<FaultPoint, (world: World) => Promise<unknown>>> = {
  'repair:begun': (world) => world.redis.set(world.key('position'), 'lost'),
  'repair:wiping': (world) => world.redis.del(world.key('position')),
  'repair:folding': (world) => world.wipe(),
  'repair:before-end': (world) => world.redis.set(world.key('position'), 'lost'),
};

/** Runs the loop in its own process until it is killed there; a process that ends in another way is told. */
async function killedAt(world: World, point: FaultPoint, group: string): Promise<void> {
  const running = spawn(process.execPath, [child, world.prefix, group], {
    env: { ...process.env, TRIBUTARY_FAULTS: `${point}:1:kill` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code, signal] = (await once(running, 'exit')) as [number | null, string | null];
  expect({ point, code, signal }).toEqual({ point, code: null, signal: 'SIGKILL' });
}

describe('kill -9', () => {
  let world: World;
  const changes: Change[] = [];
  beforeAll(async () => {
    world = await World.create();
  });
  afterAll(() => world.close());

  // One world for all: each death finds the traces of those before it. The group is another one each time, for it would
  // keep the place of the dead one for as long as its session lasts; who may write is not the group's to say anyway.
  test.each(Object.keys(loopPoints) as FaultPoint[])(
    'at %s costs nothing: the next one ends in the same state',
    async (point) => {
      // 1,000 keys at a time, so that a commit of the mirror has several chunks.
      const more = Array.from({ length: 1_000 }, (_, i) => counted(`${point}/${i}`, `k${(i * 7) % 1_000}`));
      changes.push(...more);
      await world.offer(more);
      await spoiled[point]?.(world);
      await killedAt(world, point, `${point.replace(':', '.')}.first`);
      await world.finish({ group: `${point.replace(':', '.')}.second` });
      expect(await world.judged()).toEqual(right(changes));
    },
  );
});
