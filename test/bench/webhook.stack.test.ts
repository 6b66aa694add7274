/** The sections that start whole roles, at a size that means nothing: that they run, find their figures and leave nothing behind. */
import { expect, test } from 'vitest';
import type { Bench } from '../../bench/section.ts';
import { webhook } from '../../bench/webhook.ts';
import { type Addresses, addressesFrom } from '../../cli/stack/parts.ts';

test('notifications are posted, answered and found again in the topic', async () => {
  const bench: Bench = {
    servers: addressesFrom(process.env) as Addresses,
    prefix: () => `bench-test-${Date.now().toString(36)}.`,
    runs: 1,
    quick: true,
    customers: 100,
    log: () => undefined,
    signal: AbortSignal.timeout(50_000),
  };
  const found = await webhook.run(bench);
  expect(found['webhook1000.lost']).toBe(0);
  expect(found['webhook1000.p99Ms']).toBeGreaterThan(0);
});
