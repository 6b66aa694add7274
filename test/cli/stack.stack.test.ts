import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { down, type PartStatus, reset, status, up } from '../../cli/stack/detached.ts';
import { startStack } from '../../cli/stack/stack.ts';

const dir = mkdtempSync(join(tmpdir(), 'tributary-stack-'));
afterAll(async () => {
  await reset(dir);
  rmSync(dir, { recursive: true, force: true });
});

const lines: string[] = [];
const start = (): Promise<void> => up((line) => lines.push(line), new AbortController().signal, dir, {});
const rows = (): Promise<PartStatus[]> => status(dir, {});
const states = async (): Promise<string[]> => (await rows()).map(({ part, state }) => `${part} ${state}`);
const pids = async (): Promise<(number | null)[]> => (await rows()).map(({ pid }) => pid);

async function register(subject: string, schema: unknown): Promise<number> {
  const base = (await rows()).find(({ part }) => part === 'registry')?.address ?? '';
  const answer = await fetch(`${base}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { id: number }).id;
}

test('the stack comes up, stays as it is at the second call, and mends what a crash took away', async () => {
  await start();
  expect(await states()).toEqual(['kafka up', 'registry up', 'redis up']);
  const first = await pids();
  await start();
  expect(await pids()).toEqual(first);

  process.kill(first[2] ?? 0, 'SIGKILL');
  while ((await states())[2] !== 'redis down') await sleep(20);
  await start();
  expect(await states()).toEqual(['kafka up', 'registry up', 'redis up']);
  expect((await pids()).slice(0, 2)).toEqual(first.slice(0, 2));
});

test('schema ids and addresses survive a stop and a start', async () => {
  const record = (name: string) => ({ type: 'record', name, fields: [] });
  await register('a-value', record('A'));
  const id = await register('b-value', record('B'));
  const addresses = (await rows()).map(({ address }) => address);
  expect(await down(dir)).toEqual(['kafka', 'registry', 'redis']);
  expect(await states()).toEqual(['kafka down', 'registry down', 'redis down']);
  await start();
  expect((await rows()).map(({ address }) => address)).toEqual(addresses);
  expect(await register('b-value', record('B'))).toBe(id);
});

test('reset leaves neither servers nor data', async () => {
  await reset(dir);
  expect(await states()).toEqual(['kafka down', 'registry down', 'redis down']);
  expect(() => readdirSync(dir)).toThrow('ENOENT');
});

test('a start that is interrupted leaves no server behind', async () => {
  const interrupted = new AbortController();
  const log = (line: string): void => {
    if (line.startsWith('redis is up')) interrupted.abort();
  };
  await expect(up(log, interrupted.signal, dir, {})).rejects.toThrow('aborted');
  expect(await states()).toEqual(['kafka down', 'registry down', 'redis down']);
});

test('a stack of one part is that part alone', async () => {
  const stack = await startStack({ parts: ['redis'] });
  expect(stack).toMatchObject({ brokers: '', registryUrl: '', redisUrl: expect.stringMatching(/^redis:/) });
  await stack.stop();
});
