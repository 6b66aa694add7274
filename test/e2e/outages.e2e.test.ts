/**
 * Everything that can fall over does, under people who go on working: `kill -9` of all services at instants that mean
 * nothing to them, a broker that restarts, a Redis that forgets, platforms that fail before and after they have acted,
 * servers that are away. Each time both platforms agree in the end, and nothing was written in vain but what had to be
 * repeated because nobody knew whether it had been done.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { fault, flushRedis, moreWrites, readiness, seed, slowIntercom, until } from '../support/e2e.ts';
import { trial } from '../support/trial.ts';

const its = trial({ people: 120, rate: 3 }, async ({ world }) => {
  await slowIntercom(world, 150);
  world.startServices();
});

/**
 * The next blow: in the middle of work, so many writes from now, or after so long, at whatever is being done by then.
 * Either is followed by a few milliseconds that nothing decides but the seed.
 */
async function moment(n: number, mostWrites: number): Promise<void> {
  const { world, random } = its();
  if (n % 2 === 0) await moreWrites(world, 1 + random.int(mostWrites));
  else await sleep(random.int(6_000));
  await sleep(random.int(200));
}

describe(`seed ${seed}`, () => {
  test('kills in the first link and under edits, a broker restart and an emptied Redis leave both platforms equal and nobody twice', async () => {
    const { stack, world } = its();
    for (let n = 0; n < 2; n++) {
      await moment(n, 40);
      await its().killAndStart();
    }
    await its().whilePeopleEdit(async () => {
      for (let n = 0; n < 3; n++) {
        await moment(n, 10);
        if (n === 1) {
          await stack.stopPart('kafka');
          await stack.startPart('kafka');
          await moment(1, 10);
        }
        if (n === 2) {
          await flushRedis(world);
          await moment(1, 10);
        }
        await its().killAndStart();
      }
    });
    expect(await its().wrong()).toEqual([]);
  });

  test('platforms that fail before and after they have acted, with kills in between, change nothing of it', async () => {
    const { world, loaded } = its();
    const intercom = (orders: readonly object[]): Promise<void> => fault(world.intercomUrl, orders);
    const salesforce = (order: object): Promise<void> => fault(world.salesforceUrl, order);
    // The oldest order that fits is met first: the slowness goes, or these would never come.
    await fetch(`${world.intercomUrl}/__twin/faults`, { method: 'DELETE' });
    const writes = 'PUT /contacts/*';
    await its().whilePeopleEdit(async () => {
      await intercom([
        { match: writes, status: 503, times: 2 },
        { match: writes, status: 500, applied: true, times: 2 },
        { match: writes, kind: 'reset-after' },
        { match: writes, kind: 'broken-json' },
        { match: writes, kind: 'html-502', applied: true },
      ]);
      await salesforce({ kind: 'stream-drop' });
      await moreWrites(world, 8);
      await its().killAndStart();
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
    expect(await its().wrong()).toEqual([]);
    const left = (await world.get(`${world.intercomUrl}/__twin/faults`)) as unknown[];
    expect(left).toEqual([]);
  });

  test('a server that goes away makes the service not ready, says why, and loses nothing', async () => {
    const { stack, world } = its();
    await until(readiness(world.httpUrl), ({ status }) => status === 200);
    // Nothing is said in a schema that is not known yet, so the registry is not missed.
    await stack.stopPart('registry');
    await its().whilePeopleEdit(() => moreWrites(world, 3));
    await stack.startPart('registry');
    for (const part of ['redis', 'kafka'] as const) {
      await stack.stopPart(part);
      await until(readiness(world.httpUrl), ({ status, text }) => status === 503 && text.toLowerCase().includes(part));
      expect((await fetch(`${world.httpUrl}/healthz`)).status).toBe(200);
      await its().whilePeopleEdit(() => stack.startPart(part));
      await until(readiness(world.httpUrl), ({ status }) => status === 200);
    }
    expect(await its().wrong()).toEqual([]);
  });

  test('servers that are away at the start are waited for, one after the other, each by its name', async () => {
    const { stack, world } = its();
    expect(await world.stopServices()).toBe(0);
    await Promise.all([stack.stopPart('kafka'), stack.stopPart('registry'), stack.stopPart('redis')]);
    world.startServices();
    for (const part of ['registry', 'kafka', 'redis'] as const) {
      const away = await until(readiness(world.httpUrl), ({ text }) => text.toLowerCase().includes(part));
      expect(away.status).toBe(503);
      await stack.startPart(part);
    }
    await until(readiness(world.httpUrl), ({ status }) => status === 200);
    await its().whilePeopleEdit(() => moreWrites(world, 3));
    expect(await its().wrong()).toEqual([]);
  });
});
