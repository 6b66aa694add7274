import { expect, test } from 'vitest';
import { type ConfigInLog, forgetStatus, observed } from '../../cli/measure.ts';
import type { Fold, FoldRecord, State } from '../../core/fold.ts';
import { metrics } from '../../core/metrics.ts';
import type { Change } from '../../schemas/types.ts';

const tick: Change = {
  kind: 'tick',
  source: null,
  observation: null,
  result: null,
  epoch: null,
  mark: null,
  config: null,
  action: null,
};
const record: FoldRecord = { offset: 0, time: 0, key: 'tick', lineage: 0, change: tick };
const stateOf = (values: Record<string, object>): State => ({
  get: (key) => values[key],
  put: () => expect.unreachable('measuring writes nothing'),
  savepoint: () => expect.unreachable('measuring writes nothing'),
});
const idle: Fold = { recalls: () => ['own'], decide: () => [] };
const cursor = (n: Record<string, number>, s: Record<string, string> = {}) => ({ n, s });
interface Readable {
  get(): Promise<{ values: { labels: object; value: number }[] }>;
}
const valueOf = async (gauge: Readable, labels: object) =>
  (await gauge.get()).values.find((one) => JSON.stringify(one.labels) === JSON.stringify(labels))?.value;

test('with a tick the levels of all partitions are read from the state', async () => {
  const state = stateOf({
    'cur:queue:intercom:0:live': cursor({ head: 2, tail: 5 }),
    'cur:queue:intercom:1:live': cursor({ tail: 4 }),
    'cur:queue:intercom:1:bulk': cursor({ tail: 9 }),
    'cur:part:intercom:0': cursor({ open: 3 }),
    'cur:part:intercom:1': cursor({ open: 1 }),
    'cur:marks': cursor({ 'upTo:salesforce': 1_700_000_000_000, 'hole:salesforce': 1 }),
    'cur:gates': cursor({ 1700000000: 2, 1700000001: 3 }),
  });
  observed(idle, () => undefined).decide(state, record);
  expect(await valueOf(metrics.dirty, { platform: 'intercom', lane: 'live' })).toBe(7);
  expect(await valueOf(metrics.dirty, { platform: 'intercom', lane: 'bulk' })).toBe(9);
  expect(await valueOf(metrics.openAsks, { platform: 'intercom' })).toBe(4);
  expect(await valueOf(metrics.markTime, { platform: 'salesforce' })).toBe(1_700_000_000);
  expect(await valueOf(metrics.markTime, { platform: 'intercom' })).toBeUndefined();
  expect(await valueOf(metrics.holeOpen, { platform: 'salesforce' })).toBe(1);
  expect(await valueOf(metrics.waitingCreates, {})).toBe(5);
});

test('a standby tells no levels: those it knew are long past, and another pod tells the right ones', async () => {
  const state = stateOf({
    'cur:part:intercom:0': cursor({ open: 3 }),
    'cur:marks': cursor({ 'upTo:salesforce': 1_000 }),
  });
  observed(idle, () => undefined).decide(state, record);
  metrics.lag.set({ group: 'unify', topic: 'changes' }, 8);
  metrics.lag.set({ group: 'decode', topic: 'salesforce.raw' }, 2);
  forgetStatus();
  const levels = [metrics.openAsks, metrics.markTime, metrics.holeOpen, metrics.dirty];
  expect(await Promise.all(levels.map(async (level) => (await level.get()).values))).toEqual([[], [], [], []]);
  expect(await valueOf(metrics.waitingCreates, {})).toBe(0);
  expect(await valueOf(metrics.lag, { group: 'unify', topic: 'changes' })).toBeUndefined();
  expect(await valueOf(metrics.lag, { group: 'decode', topic: 'salesforce.raw' })).toBe(2);
});

test('what a tick reads is fetched with the batch, and other records cost nothing', () => {
  const fold = observed(idle, () => undefined);
  expect(fold.recalls(record)).toEqual(
    expect.arrayContaining(['own', 'cur:config', 'cur:marks', 'cur:part:intercom:3']),
  );
  expect(fold.recalls({ ...record, change: { ...tick, kind: 'mark' } })).toEqual(['own']);
});

test('the configuration in force is told with each tick', () => {
  const told: ConfigInLog[] = [];
  const fold = observed(idle, (config) => told.push(config));
  fold.decide(stateOf({}), record);
  fold.decide(stateOf({ 'cur:config': cursor({ n: 5 }, { hash: 'abc' }) }), record);
  expect(told).toEqual([
    { n: 0, hash: '' },
    { n: 5, hash: 'abc' },
  ]);
});
