import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { holdLease, type Lease } from '../../core/lease.ts';
import { asking, connectRedis } from '../../core/redis.ts';
import { openWire } from '../support/wire.ts';

const log = pino({ level: 'silent' });
const url = process.env['REDIS_URL'] ?? '';
const clients: Redis[] = [];
const leases: Lease[] = [];
let key = '';

async function client(at = url): Promise<Redis> {
  const redis = connectRedis({ url: at, log });
  clients.push(redis);
  await once(redis, 'ready');
  return redis;
}

async function hold(
  redis: Redis,
  owner: string,
  termMs: number,
  signal = new AbortController().signal,
  ready: (state: boolean, why: string) => void = () => undefined,
): Promise<Lease> {
  const lease = await holdLease({ redis, key, owner, termMs, signal, log, ready });
  leases.push(lease);
  return lease;
}

describe('a lease', () => {
  let redis: Redis;
  beforeAll(async () => {
    redis = await client();
  });
  afterEach(async () => {
    await Promise.all(leases.splice(0).map((lease) => lease.release()));
    key = '';
  });
  afterAll(() => {
    for (const one of clients) one.disconnect();
  });

  test('is held by one at a time and goes on to whoever waits, with a higher token', async () => {
    key = `test.${randomUUID()}:lease`;
    const first = await hold(redis, 'first', 600);
    let granted = false;
    const waiting = hold(redis, 'second', 600).then((lease) => {
      granted = true;
      return lease;
    });
    // Two terms pass, a quarter by each renewal: only renewing keeps the second one out.
    for (let renewals = 0, left = 0; renewals < 9; ) {
      const now = await redis.pttl(`{${key}}`);
      if (now > left) renewals += 1;
      left = now;
    }
    expect(granted).toBe(false);
    expect(first.signal.aborted).toBe(false);
    await first.release();
    const second = await waiting;
    expect(second.token).toBeGreaterThan(first.token);
    expect(second.signal.aborted).toBe(false);
  });

  test('aborts its signal within its term when Redis cannot be reached, before another can be granted it', async () => {
    key = `test.${randomUUID()}:lease`;
    const wire = await openWire(url);
    const far = await client(wire.url);
    const first = await hold(far, 'first', 1_000);
    const waiting = hold(redis, 'second', 1_000);
    wire.freeze();
    const frozenAt = performance.now();
    await once(first.signal, 'abort');
    expect(performance.now() - frozenAt).toBeLessThan(1_000);
    const holder = await redis.get(`{${key}}`);
    expect(holder === null || holder.startsWith('first/')).toBe(true);
    const second = await waiting;
    expect(second.token).toBeGreaterThan(first.token);
    await wire.close();
  });

  test('is lost at once when Redis forgot it, and its tokens go on rising', async () => {
    key = `test.${randomUUID()}:lease`;
    const first = await hold(redis, 'first', 800);
    await redis.del(`{${key}}`, `{${key}}:token`);
    await once(first.signal, 'abort');
    expect(first.signal.reason).toMatchObject({ code: 'FENCED' });
    await first.release();
    const second = await hold(redis, 'second', 800);
    expect(second.token).toBeGreaterThan(first.token);
  });

  test('is not given back over the head of a later holder', async () => {
    key = `test.${randomUUID()}:lease`;
    const first = await hold(redis, 'first', 60_000);
    await redis.del(`{${key}}`);
    const second = await hold(redis, 'second', 60_000);
    await first.release();
    expect(await redis.get(`{${key}}`)).toMatch(/^second\//);
    expect(second.signal.aborted).toBe(false);
  });

  test('makes whoever waits a ready standby, unless Redis is away', async () => {
    key = `test.${randomUUID()}:lease`;
    const first = await hold(redis, 'first', 3_000);
    const wire = await openWire(url);
    const ready = vi.fn<(state: boolean, why: string) => void>();
    const waiting = hold(await client(wire.url), 'second', 600, undefined, ready);
    const standby = [true, 'waiting for the lease, another holds it'] as const;
    await vi.waitFor(() => expect(ready).toHaveBeenLastCalledWith(...standby));
    await wire.cut();
    await vi.waitFor(() => expect(ready).toHaveBeenLastCalledWith(false, 'waiting for the lease, redis is away'));
    await wire.restore();
    await vi.waitFor(() => expect(ready).toHaveBeenLastCalledWith(...standby), 5_000);
    await first.release();
    await waiting;
    await wire.close();
  });

  test('leaves nothing behind when the wait for it is given up', async () => {
    key = `test.${randomUUID()}:lease`;
    const first = await hold(redis, 'first', 60_000);
    const stop = new AbortController();
    const waiting = hold(redis, 'second', 60_000, stop.signal);
    stop.abort(new Error('shutting down'));
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    await first.release();
    expect(await redis.exists(`{${key}}`)).toBe(0);
  });
});

describe('asking Redis', () => {
  test('tells a server that is away from a command that is wrong, and never shows the address', async () => {
    const away = connectRedis({ url: 'redis://:secret@127.0.0.1:1', log });
    clients.push(away);
    await once(away, 'error');
    await expect(asking(() => away.get('x'))).rejects.toMatchObject({
      code: 'REDIS_UNAVAILABLE',
      message: 'Redis: ECONNREFUSED',
    });
    away.disconnect();
    const redis = await client();
    await expect(asking(() => redis.eval('return nonsense(', 0))).rejects.toMatchObject({ code: 'INTERNAL' });
    redis.disconnect();
  });
});
