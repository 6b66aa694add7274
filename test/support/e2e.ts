/** What the end-to-end tests do to the demo's world, and wait for. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { World, type WorldOptions } from '../../cli/demo/world.ts';
import { startLeashed } from '../../cli/stack/processes.ts';
import { connectRedis } from '../../core/redis.ts';

/** A seed that is printed with the test's name; `E2E_SEED` runs a history again. */
export const seed = Number(process.env['E2E_SEED'] ?? randomInt(1_000_000));

export const startWorld = (more: Partial<WorldOptions> = {}): Promise<World> =>
  World.start({ seed, log: () => undefined, signal: new AbortController().signal, ...more });

/** Waits for a fact; the test's own time limit is the limit. */
export async function until<T>(look: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    await sleep(20);
  }
}

/** Until the services have written to Intercom so many times more. */
export async function moreWrites(world: World, count: number): Promise<void> {
  const writes = async (): Promise<number> =>
    Number(((await world.get(`${world.intercomUrl}/__twin/stats`)) as { writes: unknown }).writes);
  const from = await writes();
  await until(writes, (now) => now >= from + count);
}

export async function fault(url: string, order: object): Promise<void> {
  const answer = await fetch(`${url}/__twin/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order),
  });
  if (!answer.ok) throw new Error(`the double refused the fault: ${await answer.text()}`);
}

/** Intercom's answers take their time, as the platform's do: what was applied and not yet answered is in doubt. */
export function slowIntercom(world: World, delayMs: number): Promise<void> {
  return fault(world.intercomUrl, { match: '* /co*', kind: 'slow', delayMs, times: 1_000_000 });
}

/** Intercom's notifications come twice, late and in disorder, and are tried again sooner than by the platform. */
export async function unreliableWebhooks({ intercomUrl }: World): Promise<void> {
  const habits = {
    delayMs: [0, 400],
    lateChance: 0.1,
    lateMs: [500, 4_000],
    duplicateChance: 0.1,
    retryAfterMs: 4_000,
    attempts: 4,
  };
  const answer = await fetch(`${intercomUrl}/__twin/webhooks/habits`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(habits),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

const log = pino({ level: process.env['LOG'] ?? 'silent' });

async function withRedis(
  { env }: World,
  work: (redis: ReturnType<typeof connectRedis>) => Promise<unknown>,
): Promise<void> {
  const redis = connectRedis({ url: env['REDIS_URL'] ?? '', log });
  try {
    await once(redis, 'ready');
    await work(redis);
  } finally {
    redis.disconnect();
  }
}

export const flushRedis = (world: World): Promise<void> => withRedis(world, (redis) => redis.flushall());

/** Takes everything in Redis as it is now; the answer puts exactly that back, as a failover to a late replica does. */
export async function photographRedis(world: World): Promise<() => Promise<void>> {
  const taken: [key: string, dump: Buffer, leftMs: number][] = [];
  await withRedis(world, async (redis) => {
    for (const key of await redis.keys('*')) {
      const [dump, leftMs] = [await redis.dumpBuffer(key), await redis.pttl(key)];
      if (dump !== null) taken.push([key, dump, Math.max(0, leftMs)]);
    }
  });
  return () =>
    withRedis(world, async (redis) => {
      const back = redis.multi().flushall();
      for (const [key, dump, leftMs] of taken) back.restore(key, leftMs, dump);
      await back.exec();
    });
}

/** The mirror says no more up to where it goes, and can be trusted with nothing. */
export const forgetPosition = (world: World): Promise<void> =>
  withRedis(world, (redis) => redis.del(`${world.env['TRIBUTARY_PREFIX'] ?? ''}{unify}:position`));

/** Everything that Redis keeps of this world, where others use it too. */
export const forgetInRedis = (world: World): Promise<void> =>
  withRedis(world, async (redis) => {
    const keys = await redis.keys(`*${world.env['TRIBUTARY_PREFIX'] ?? ''}*`);
    if (keys.length === 0) throw new Error('Redis held nothing of this world');
    await redis.del(...keys);
  });

export function readiness(url: string): () => Promise<{ readonly status: number; readonly text: string }> {
  return async () => {
    try {
      const answer = await fetch(`${url}/readyz`);
      return { status: answer.status, text: await answer.text() };
    } catch {
      // It does not listen yet.
      return { status: 0, text: '' };
    }
  };
}

const main = join(import.meta.dirname, '../../cli/main.ts');

/** One command to its end. On a leash, as everything is that a broken test run could leave behind. */
export async function tributary(args: readonly string[], env: NodeJS.ProcessEnv) {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-e2e-'));
  try {
    const [out, err] = [join(folder, 'out'), join(folder, 'err')];
    const status = await startLeashed({ file: process.execPath, args: [main, ...args], env }, out, err).ended;
    return { status, out: readFileSync(out, 'utf8'), err: readFileSync(err, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
