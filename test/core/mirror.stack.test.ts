import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Mirror } from '../../core/mirror.ts';
import { connectRedis } from '../../core/redis.ts';
import { env, log } from '../support/loop-servers.ts';
import { type MirrorText, swaps } from '../support/swaps.ts';

const redis = connectRedis({ url: env('REDIS_URL'), log });
const prefixes: string[] = [];
beforeAll(async () => {
  if (redis.status !== 'ready') await once(redis, 'ready');
});
afterAll(async () => {
  for (const prefix of prefixes) await redis.del(...(await redis.keys(`${prefix}*`)));
  redis.disconnect();
});

const fresh = (): string => {
  const prefix = `test.${randomUUID()}.`;
  prefixes.push(prefix);
  return prefix;
};

async function put(prefix: string, { position, base, values }: MirrorText): Promise<void> {
  const root = `${prefix}{unify}:`;
  if (position !== '') await redis.set(`${root}position`, position);
  if (base !== undefined) await redis.set(`${root}base`, `${base.from}/${base.time}`);
  for (const [key, value] of Object.entries(values)) await redis.set(root + key, value);
}

async function found(mirror: Mirror): Promise<MirrorText> {
  const keys: string[] = [];
  let cursor = '';
  do {
    const part = await mirror.scan(cursor);
    keys.push(...part.keys);
    cursor = part.cursor;
  } while (cursor !== '');
  const names = [...new Set(keys)];
  const { position, base } = await mirror.head();
  const read = names.length === 0 ? { position, values: [] } : await mirror.read(names);
  expect(read.position).toBe(position);
  return {
    position,
    base,
    values: Object.fromEntries(names.map((name, i) => [name, read.values[i]?.toString() ?? 'gone'])),
  };
}

describe('a compare-and-set in Redis', () => {
  test.each(swaps.map((one) => [one.name, one] as const))('%s', async (_, { before, swap, at, after }) => {
    const prefix = fresh();
    await put(prefix, before);
    const mirror = new Mirror(redis, prefix);
    const entries = new Map([...swap.entries].map(([key, value]) => [key, value === null ? null : Buffer.from(value)]));
    expect(await mirror.swap({ ...swap, entries })).toBe(at);
    expect(await found(mirror)).toEqual(after);
  });
});

describe('reading the mirror', () => {
  test('of more keys than one request has brings all of them, and the keys that are not there as null', async () => {
    const prefix = fresh();
    const values = Object.fromEntries(Array.from({ length: 1_100 }, (_, i) => [`cur:${i}`, `v${i}`]));
    await put(prefix, { position: '7:10:1', base: undefined, values });
    const mirror = new Mirror(redis, prefix);
    expect(await found(mirror)).toEqual({ position: '7:10:1', base: undefined, values });
    expect(await mirror.read(['cur:0', 'cur:none'])).toEqual({ position: '7:10:1', values: [Buffer.from('v0'), null] });
  });
});
