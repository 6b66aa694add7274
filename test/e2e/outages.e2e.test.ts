/**
 * Everything that can fall over does, under people who go on working: `kill -9` of all services at instants that mean
 * nothing to them, a broker that restarts, a Redis that forgets, platforms that fail before and after they have acted,
 * servers that are away. Each time both platforms agree in the end, and nothing was written in vain but what had to be
 * repeated because nobody knew whether it had been done.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { editFor, type Loaded, load } from '../../cli/demo/demo.ts';
import type { MadeEdit } from '../../cli/demo/report.ts';
import type { World } from '../../cli/demo/world.ts';
import { type Stack, startStack } from '../../cli/stack/stack.ts';
import { seededRandom } from '../../twins/common/random.ts';
import { fault, flushRedis, moreWrites, readiness, seed, slowIntercom, startWorld, until } from '../support/e2e.ts';
import { brokenHistories, deadLetters, endWorld, Topics, verdictOf } from '../support/evidence.ts';

const people = 120;
const rate = 3;

/** Its own servers: a broker that restarts and a Redis that is emptied are no company for other tests. */
let stack: Stack;
let world: World;
let loaded: Loaded;
let topics: Topics | undefined;
const edits: MadeEdit[] = [];
const random = seededRandom(seed);

beforeAll(async () => {
  stack = await startStack();
  world = await startWorld({ servers: { kafka: stack.brokers, registry: stack.registryUrl, redis: stack.redisUrl } });
  loaded = await load(world, { people, seed });
  await slowIntercom(world, 150);
  world.startServices();
});
let failed = false;
afterEach(({ task }) => {
  failed ||= task.result?.state === 'fail';
});
afterAll(async () => {
  await endWorld(world, topics, failed, edits);
  await stack?.stop();
});

/**
 * The next blow: in the middle of work, so many writes from now, or after so long, at whatever is being done by then.
 * Either is followed by a few milliseconds that nothing decides but the seed.
 */
async function moment(n: number, mostWrites: number): Promise<void> {
  if (n % 2 === 0) await moreWrites(world, 1 + random.int(mostWrites));
  else await sleep(random.int(6_000));
  await sleep(random.int(200));
}

async function killAndStart(): Promise<void> {
  await world.killServices();
  world.startServices();
}

/** People edit until the work is done. */
async function whilePeopleEdit(work: () => Promise<void>): Promise<void> {
  const working = { done: false };
  const editing = (async () => {
    while (!working.done) {
      const options = { people, rate, seconds: 2, seed: seed + edits.length + 1, log: () => undefined };
      edits.push(...(await editFor(world, loaded, { ...options, signal: new AbortController().signal })));
    }
  })();
  const ended = work().finally(() => {
    working.done = true;
  });
  await Promise.all([ended, editing]);
}

/** What is wrong when all has settled: differences, writes in vain that repeat no unanswered call, events lost or repeated, dead letters. */
async function wrong(): Promise<readonly unknown[]> {
  await world.settled(() => undefined);
  topics ??= await Topics.open(world);
  const { details } = await verdictOf(world);
  const { unexcused } = await topics.doubts(world);
  return [...details, ...unexcused, ...(await brokenHistories(topics)), ...(await deadLetters(topics))];
}

describe(`seed ${seed}`, () => {
  test('ten kills, a broker restart and an emptied Redis leave both platforms equal and nobody twice', async () => {
    for (let n = 0; n < 4; n++) {
      await moment(n, 40);
      await killAndStart();
    }
    await whilePeopleEdit(async () => {
      for (let n = 0; n < 6; n++) {
        await moment(n, 10);
        if (n === 2) {
          await stack.stopPart('kafka');
          await stack.startPart('kafka');
          await moment(1, 10);
        }
        if (n === 4) {
          await flushRedis(world);
          await moment(1, 10);
        }
        await killAndStart();
      }
    });
    expect(await wrong()).toEqual([]);
  });

  test('platforms that fail before and after they have acted, with kills in between, change nothing of it', async () => {
    const intercom = (orders: readonly object[]): Promise<void> => fault(world.intercomUrl, orders);
    const salesforce = (order: object): Promise<void> => fault(world.salesforceUrl, order);
    // The oldest order that fits is met first: the slowness goes, or these would never come.
    await fetch(`${world.intercomUrl}/__twin/faults`, { method: 'DELETE' });
    const writes = 'PUT /contacts/*';
    await whilePeopleEdit(async () => {
      await intercom([
        { match: writes, status: 503, times: 2 },
        { match: writes, status: 500, applied: true, times: 2 },
        { match: writes, kind: 'reset-after' },
        { match: writes, kind: 'broken-json' },
        { match: writes, kind: 'html-502', applied: true },
      ]);
      await salesforce({ kind: 'stream-drop' });
      await moreWrites(world, 8);
      await killAndStart();
      await intercom([
        { match: writes, kind: 'timeout-after' },
        { match: writes, kind: 'timeout-before' },
        { match: writes, kind: 'reset-before', times: 2 },
        { match: writes, status: 429, times: 3 },
      ]);
      await salesforce({ kind: 'redeliver', count: 40 });
      await salesforce({ kind: 'gap', ids: loaded.contacts.slice(0, 5).map(({ id }) => id) });
      await moreWrites(world, 12);
      await salesforce({ kind: 'token-expire' });
      await salesforce({ kind: 'http', match: 'POST /services/oauth2/token', status: 503, times: 2 });
      await salesforce({ kind: 'stream-drop' });
      await moreWrites(world, 5);
    });
    expect(await wrong()).toEqual([]);
    const left = (await world.get(`${world.intercomUrl}/__twin/faults`)) as unknown[];
    expect(left).toEqual([]);
  });

  test('a server that goes away makes the service not ready, says why, and loses nothing', async () => {
    await until(readiness(world), ({ status }) => status === 200);
    // Nothing is said in a schema that is not known yet, so the registry is not missed.
    await stack.stopPart('registry');
    await whilePeopleEdit(() => moreWrites(world, 3));
    await stack.startPart('registry');
    for (const part of ['redis', 'kafka'] as const) {
      await stack.stopPart(part);
      await until(readiness(world), ({ status, text }) => status === 503 && text.toLowerCase().includes(part));
      expect((await fetch(`${world.httpUrl}/healthz`)).status).toBe(200);
      await whilePeopleEdit(() => stack.startPart(part));
      await until(readiness(world), ({ status }) => status === 200);
    }
    expect(await wrong()).toEqual([]);
  });

  test('servers that are away at the start are waited for, one after the other, each by its name', async () => {
    expect(await world.stopServices()).toBe(0);
    await Promise.all([stack.stopPart('kafka'), stack.stopPart('registry'), stack.stopPart('redis')]);
    world.startServices();
    for (const part of ['registry', 'kafka', 'redis'] as const) {
      const away = await until(readiness(world), ({ text }) => text.toLowerCase().includes(part));
      expect(away.status).toBe(503);
      await stack.startPart(part);
    }
    await until(readiness(world), ({ status }) => status === 200);
    await whilePeopleEdit(() => moreWrites(world, 3));
    expect(await wrong()).toEqual([]);
  });
});
