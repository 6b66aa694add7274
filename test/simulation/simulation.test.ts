/**
 * Histories of every named world, and those that once broke a promise. SIMULATION_RUNS: how many, over all worlds; the kept
 * ones always.
 */
import { availableParallelism } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { attacks } from './attacks.ts';
import { isOurs, judge, type Tally } from './judge.ts';
import { historyOf, kept } from './seeds.ts';
import { simulate } from './simulate.ts';
import { inWorkers } from './workers.ts';
import { generate, named, readWorld } from './world.ts';

const names = Object.keys(named);
const runs = Number(process.env['SIMULATION_RUNS'] ?? 20_000);
const each = Math.max(1, Math.ceil(runs / names.length));
const jobs = Math.min(4, availableParallelism(), each);

describe('every promise is kept', () => {
  let tallies: readonly Tally[] = [];

  beforeAll(
    async () => {
      tallies = await inWorkers({ worlds: names, seed: 1, runs: each, jobs, progress: () => undefined });
    },
    300_000 + runs * 100,
  );

  it.each(names)('in the world %s', (world) => {
    const tally = tallies.find((one) => one.world === world);
    expect(tally?.histories).toBe(each);
    // Each with its seeds: `npm run simulate -- --runs 1 --seed S --world W` tells its story.
    const { threw, broken, seeds } = tally ?? {};
    expect({ threw, broken, seeds }).toEqual({ threw: [], broken: {}, seeds: {} });
  });
});

describe('histories that once broke a promise, and those that each attack one rule', { timeout: 60_000 }, () => {
  it.each([...kept, ...attacks].map((one) => [one.shows, one] as const))('%s', (_, one) => {
    const { violations } = judge(historyOf(one));
    expect(violations.filter(isOurs).map(({ promise, text }) => `${promise}: ${text}`)).toEqual([]);
  });
});

describe('a history', () => {
  it('happens again in the very same way', () => {
    const [first, second] = [1, 2].map(() => simulate(generate(11, readWorld('everything')), true));
    expect(second?.trace.lines).toEqual(first?.trace.lines);
    expect(first?.trace.lines.length).toBeGreaterThan(50);
  });

  it('happens the same way whether it is told or not', () => {
    const history = generate(12, readWorld('everything'));
    const [told, silent] = [simulate(history, true), simulate(history)];
    expect(silent.stores.shown()).toEqual(told.stores.shown());
    expect(silent.trace.lines).toEqual([]);
  });
});
