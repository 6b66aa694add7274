/** What many customers cost: memory in Redis, CPU per change, and the time to make the mirror again from the log. */
import { Population } from './population.ts';
import type { Bench, Section } from './section.ts';
import { alternating, median } from './statistics.ts';
import { type Decided, unifyOnce } from './unify-once.ts';
import { withWorld } from './world.ts';

const million = 1_000_000;
const few = 10_000;

/** Tells a population of more edits, and has a new process decide them. */
async function decideMore(bench: Bench, population: Population, changes: number): Promise<Decided> {
  return unifyOnce(bench, { ...population.deployment, changes: await population.tell(changes) });
}

/** Of the server, which holds nothing else of ours that changes meanwhile. */
const usedBytes = (population: Population): Promise<number> =>
  withWorld(population.deployment, async ({ redis }) => {
    const [, used] = /used_memory:(\d+)/.exec(await redis.info('memory')) ?? [];
    return Number(used);
  });

export const customers: Section<'redisBytesPerCustomer' | 'cpuKeys1MOver10k' | 'rebuildSeconds'> = {
  name: 'customers',
  about: 'unify with many customers: its mirror in Redis, the cost of a change, and the mirror made again from the log',
  figures: {
    redisBytesPerCustomer: { about: 'Redis for a customer with both refs, all told', unit: 'B', atMost: 4_096 },
    cpuKeys1MOver10k: { about: 'CPU per change with --customers over that with 10,000', unit: '', atMost: 1.25 },
    rebuildSeconds: { about: 'taking over with an empty mirror, per million customers', unit: 's', atMost: 300 },
  },
  async run(bench) {
    const changes = bench.quick ? 600 : 20_000;
    const [small, large] = [
      await Population.make(bench, bench.quick ? 200 : few),
      await Population.make(bench, bench.customers),
    ];
    const before = await usedBytes(large);
    // The first to take over finds no mirror.
    const rebuilt = await decideMore(bench, large, changes);
    bench.log(
      `the mirror of ${large.customers.toLocaleString('en')} customers took ${(rebuilt.takeOverMs / 1000).toFixed(1)} s`,
    );
    const redisBytesPerCustomer = ((await usedBytes(large)) - before) / large.customers;
    const { a, b } = await alternating(
      bench.runs,
      () => decideMore(bench, small, changes),
      () => decideMore(bench, large, changes),
    );
    const [atFew, atMany] = [a, b].map((runs) => median(runs.map(({ cpuUs, records }) => cpuUs / records))) as [
      number,
      number,
    ];
    bench.log(`a change costs ${atFew.toFixed(0)} µs with few customers, ${atMany.toFixed(0)} µs with many`);
    return {
      redisBytesPerCustomer,
      cpuKeys1MOver10k: atMany / atFew,
      rebuildSeconds: ((rebuilt.takeOverMs / 1000) * million) / large.customers,
    };
  },
};
