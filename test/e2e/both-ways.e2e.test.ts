/**
 * Both ways under blows: two populated platforms are linked and edited on both sides while every service is killed, the
 * broker restarts, Redis forgets, notifications come twice, late, in disorder or not at all, and Salesforce fails before and
 * after it has written. In the end both platforms say the same and nobody is there twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { look } from '../../cli/demo/demo.ts';
import { fault, flushRedis, seed, unreliableWebhooks } from '../support/e2e.ts';
import { verdictOf } from '../support/evidence.ts';
import { trial } from '../support/trial.ts';

const people = 100;
/** A notification that nobody received is found by the next reading of what changed, which comes every five minutes. */
const limitMs = 420_000;

const its = trial({ people, rate: 4, bothWays: true }, async ({ world }) => {
  await unreliableWebhooks(world);
  world.startServices();
  await world.subscribe();
});

describe(`both ways, seed ${seed}`, () => {
  test('killed in the middle of the first link, again and again, it links everybody once', {
    timeout: 2 * limitMs,
  }, async () => {
    const { world, loaded, random } = its();
    for (let n = 0; n < 3; n++) {
      await sleep(1_500 + random.int(6_000));
      await its().killAndStart();
    }
    expect(await its().wrong(limitMs)).toEqual([]);
    const { people: found, sharing } = await verdictOf(world);
    expect(found.linked).toBe(found.intercom);
    expect(found.linked).toBeGreaterThan(people - sharing);
    await look(world, loaded);
  });

  test('people edit both sides through kills, a broker restart, an emptied Redis and a failing Salesforce', {
    timeout: 2 * limitMs,
  }, async () => {
    const { stack, world, edits, random } = its();
    const writes = 'PATCH /composite';
    const blows = async (): Promise<void> => {
      for (let n = 0; n < 4; n++) {
        await sleep(1_000 + random.int(4_000));
        await fault(world.salesforceUrl, { kind: 'drop', match: writes, apply: n % 2 === 0 ? 'after' : 'before' });
        await fault(world.salesforceUrl, {
          kind: 'http',
          match: writes,
          status: 503,
          apply: n % 2 === 0 ? 'before' : 'after',
        });
        if (n === 1) {
          await stack.stopPart('kafka');
          await stack.startPart('kafka');
        }
        if (n === 2) await flushRedis(world);
        await its().killAndStart();
      }
    };
    await Promise.all([blows(), its().edit(20)]);
    for (const side of ['salesforce', 'intercom'])
      expect(edits.filter(({ on }) => on === side).length).toBeGreaterThan(10);
    expect(await its().wrong(limitMs)).toEqual([]);
  });
});
