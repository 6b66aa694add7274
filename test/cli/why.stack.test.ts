/** `tributary why` as a person runs it: a process of its own, asking a real Redis and registry. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mirror } from '../../core/mirror.ts';
import { connectRedis } from '../../core/redis.ts';
import { connectRegistry } from '../../core/registry.ts';
import { createUnify } from '../../processors/unify/index.ts';
import { stateSchemas } from '../../schemas/topics.ts';
import { createdEvent } from '../support/changes.ts';
import { FoldRunner } from '../support/fold-runner.ts';
import { env, log } from '../support/loop-servers.ts';
import { twoWay } from '../support/two-way.ts';

const prefix = `why-${randomUUID().slice(0, 8)}.`;
const contact = 'salesforce:Contact:003000000000001AAA';
const main = new URL('../../cli/main.ts', import.meta.url).pathname;
const redis = connectRedis({ url: env('REDIS_URL'), log });
const mirror = new Mirror(redis, prefix);

async function tributary(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const run = promisify(execFile)(process.execPath, [main, 'why', ...args], {
      env: { ...process.env, TRIBUTARY_PREFIX: prefix },
      timeout: 60_000,
    });
    return { code: 0, ...(await run) };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

describe('tributary why', { timeout: 90_000 }, () => {
  beforeAll(async () => {
    const runner = new FoldRunner(createUnify(twoWay()));
    runner.decide(createdEvent(contact, { Email: 'mary@x.example', LastName: 'Lee', Title: 'CTO' }, 10, 1));
    const codec = await connectRegistry({
      url: env('SCHEMA_REGISTRY_URL'),
      prefix,
      log,
      signal: AbortSignal.timeout(30_000),
    });
    await codec.registerTopic('unify.state');
    const entries = new Map(
      [...runner.committed].map(([key, value]) => [
        key,
        codec.encode('unify.state', stateSchemas[key.slice(0, key.indexOf(':'))] ?? '', value),
      ]),
    );
    await mirror.swap({ expected: '', next: '1:1:1', entries, base: { from: 0, time: 1_790_000_000_000 } });
  });

  afterAll(async () => {
    await redis.del(...(await redis.keys(`${prefix}*`)));
    redis.disconnect();
  });

  it('answers for an email, as text and as JSON', async () => {
    const { stdout } = await tributary('Mary@x.example', 'title');
    expect(stdout).toContain('title = "CTO", version 1');
    expect(stdout).toContain(`set by  ${contact}`);
    const told = JSON.parse((await tributary('mary@x.example', '--json')).stdout) as { fields: { field: string }[] }[];
    expect(told[0]?.fields.map(({ field }) => field)).toContain('title');
  });

  it('says in one line what is not known, with the way out', async () => {
    const nobody = await tributary('nobody@x.example');
    expect([nobody.code, nobody.stderr]).toEqual([64, 'USAGE: nothing is known of nobody@x.example. See --help.\n']);
    const field = await tributary('mary@x.example', 'height');
    expect(field.stderr).toMatch(/^USAGE: mary@x\.example has no field height; it has .*title/);
  });

  it('says that a mirror under repair has to be waited for', async () => {
    await redis.set(`${prefix}{unify}:position`, 'rebuild:1-x:1');
    const { code, stderr } = await tributary('mary@x.example');
    await redis.set(`${prefix}{unify}:position`, '1:1:1');
    expect([code, stderr.slice(0, 46)]).toEqual([69, 'MIRROR_MOVED: the mirror is being repaired. No']);
  });
});
