/** unify against the floor: the same changes decided, and only moved. */
import { passThroughOnce } from './pass-through.ts';
import { Population } from './population.ts';
import type { Section } from './section.ts';
import { alternating, median } from './statistics.ts';
import { unifyOnce } from './unify-once.ts';

export const unify: Section<
  'passThroughCpuUs' | 'passThroughPerSecond' | 'unifyCpuUs' | 'unifyOverPassThrough' | 'unifyPerSecond'
> = {
  name: 'unify',
  about:
    'unify, its transactions and its mirror, against a stock kafkajs that moves the same changes in batches of 500',
  figures: {
    passThroughCpuUs: { about: 'CPU to move a change from topic to topic, in transactions too', unit: 'µs' },
    passThroughPerSecond: { about: 'changes moved by one process', unit: '1/s' },
    unifyCpuUs: { about: 'CPU to decide a change', unit: 'µs' },
    unifyOverPassThrough: { about: 'the one over the other', unit: '', atMost: 3, goal: 2 },
    unifyPerSecond: { about: 'changes decided by one process', unit: '1/s', atLeast: 6_000, goal: 12_000 },
  },
  async run(bench) {
    const [customers, changes] = bench.quick ? [200, 600] : [10_000, 30_000];
    const population = await Population.make(bench, customers);
    const { deployment } = population;
    const told = await population.tell(changes);
    let first = true;
    const { a: moved, b: decided } = await alternating(
      bench.runs,
      () => passThroughOnce(bench, { ...deployment, records: told, batch: 500 }),
      async () => {
        const more = first ? told : await population.tell(changes);
        first = false;
        const once = await unifyOnce(bench, { ...deployment, changes: more });
        bench.log(`${Math.round((once.records / once.ms) * 1_000)} changes a second`);
        return once;
      },
    );
    const [passThroughCpuUs, unifyCpuUs] = [moved, decided].map((runs) =>
      median(runs.map((one) => one.cpuUs / one.records)),
    ) as [number, number];
    const [passThroughPerSecond, unifyPerSecond] = [moved, decided].map((runs) =>
      median(runs.map((one) => (one.records / one.ms) * 1_000)),
    ) as [number, number];
    return {
      passThroughCpuUs,
      passThroughPerSecond,
      unifyCpuUs,
      unifyOverPassThrough: unifyCpuUs / passThroughCpuUs,
      unifyPerSecond,
    };
  },
};
