/** The demo's world when something in it fails: told at once, with the reason, by the one who knows it. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { World } from '../../cli/demo/world.ts';
import { startWorld } from '../support/e2e.ts';

let world: World | undefined;
afterEach(async () => {
  vi.unstubAllEnvs();
  await world?.stop();
  world = undefined;
});

test('services that end by themselves are reported at once, with the end of their log', async () => {
  world = await startWorld({ args: ['--config', 'no-such-file.yaml'] });
  world.startServices();
  // Far under the two minutes that the wait would last.
  const from = performance.now();
  await expect(world.settled(() => undefined)).rejects.toMatchObject({
    code: 'INTERNAL',
    message: expect.stringContaining('no-such-file.yaml: cannot be read (ENOENT)') as string,
  });
  expect(performance.now() - from).toBeLessThan(30_000);
});

test('a shell that is set up for another deployment changes nothing', async () => {
  vi.stubEnv('SALESFORCE_ORG_ID', '00D000000000009EAA');
  vi.stubEnv('INTERCOM_TOKEN_FILE', '/no/such/secret');
  vi.stubEnv('HTTP_PORT', 'http');
  world = await startWorld();
  expect(readFileSync(join(dirname(world.logFile('services')), 'defaults.yaml'), 'utf8')).toBe('{}\n');
  world.startServices();
  await world.settled(() => undefined);
  expect((await world.intercomStore()).attributes).not.toEqual([]);
});
