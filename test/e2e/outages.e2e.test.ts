/**
 * `kill -9` of everything in one process, again and again, at instants that mean nothing to it, with a broker that restarts
 * and a Redis that forgets in between. People go on working meanwhile; in the end both platforms agree.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { editFor, load } from '../../cli/demo/demo.ts';
import type { MadeEdit } from '../../cli/demo/report.ts';
import type { World } from '../../cli/demo/world.ts';
import { type Stack, startStack } from '../../cli/stack/stack.ts';
import { type Random, seededRandom } from '../../twins/common/random.ts';
import {
  brokenHistories,
  flushRedis,
  moreWrites,
  seed,
  slowIntercom,
  startWorld,
  Topics,
  verdictOf,
} from '../support/e2e.ts';

const people = 120;
const rate = 3;

/** Its own servers: a broker that restarts and a Redis that is emptied are no company for other tests. */
let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.stop());

/**
 * The next kill: in the middle of work, so many writes from now, or so long after the start, at whatever it is doing by
 * then. Either is followed by a few milliseconds that nothing decides but the seed.
 */
async function moment(world: World, random: Random, n: number, mostWrites: number): Promise<void> {
  if (n % 2 === 0) await moreWrites(world, 1 + random.int(mostWrites));
  else await sleep(random.int(6_000));
  await sleep(random.int(200));
}

async function killAndStart(world: World): Promise<void> {
  await world.killServices();
  world.startServices();
}

test(`ten kills, a broker restart and an emptied Redis leave both platforms equal and nobody twice (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const servers = { kafka: stack.brokers, registry: stack.registryUrl, redis: stack.redisUrl };
  const world = await startWorld({ servers });
  const loaded = await load(world, { people, seed });
  await slowIntercom(world, 150);
  world.startServices();
  for (let n = 0; n < 4; n++) {
    await moment(world, random, n, 40);
    await killAndStart(world);
  }

  const working = { done: false };
  const edits: MadeEdit[] = [];
  const work = (async () => {
    for (let n = 1; !working.done; n++) {
      const options = { people, rate, seconds: 2, seed: seed + n, log: () => undefined };
      edits.push(...(await editFor(world, loaded, { ...options, signal: new AbortController().signal })));
    }
  })();
  for (let n = 0; n < 6; n++) {
    await moment(world, random, n, 10);
    if (n === 2) {
      await stack.stopPart('kafka');
      await stack.startPart('kafka');
      await moment(world, random, 0, 10);
    }
    if (n === 4) {
      await flushRedis(world);
      await moment(world, random, 0, 10);
    }
    await killAndStart(world);
  }
  working.done = true;
  await work;
  await world.settled(() => undefined);

  const verdict = await verdictOf(world);
  expect(verdict.details).toEqual([]);
  expect(verdict.people.linked).toBe(verdict.people.salesforce);
  expect(edits.length).toBeGreaterThan(20);
  const topics = await Topics.open(world);
  try {
    const { excused, unexcused } = await topics.doubts(world);
    console.log(`seed ${seed}: ${edits.length} edits, ${excused.length} calls repeated after a kill`);
    expect(unexcused).toEqual([]);
    expect(verdict.noopWrites).toBe(excused.length);
    expect(await brokenHistories(topics)).toEqual([]);
  } finally {
    await topics.close();
  }
});
