import { expect, test } from 'vitest';
import { collectProcessMetrics, metrics, registry } from '../../core/metrics.ts';

test('the page of metrics holds the whole catalogue, the process and its event loop', async () => {
  collectProcessMetrics();
  metrics.records.inc({ stage: 'decode', outcome: 'emitted' }, 3);
  const page = await registry.metrics();
  expect(page).toContain('tributary_records_total{stage="decode",outcome="emitted"} 3');
  expect(page).toContain('nodejs_eventloop_lag_p99_seconds');
  const helped = page.matchAll(/^# HELP (tributary_\w+) \S.*$/gm);
  expect([...helped]).toHaveLength(Object.keys(metrics).length);
});

test('no label can hold an id or a value of a customer', async () => {
  const closed = new Set(['stage', 'outcome', 'reason', 'code', 'group', 'topic', 'platform']);
  for (const label of ['partition', 'lane', 'role']) closed.add(label);
  for (const metric of Object.values(metrics)) {
    const { labelNames } = metric as unknown as { labelNames: readonly string[] };
    expect(labelNames.filter((label) => !closed.has(label))).toEqual([]);
  }
});
