/** The floor: what it costs to move a change from topic to topic with a stock kafkajs, deciding nothing. */
import { inChild } from './child.ts';
import type { Bench, Section } from './section.ts';
import { median } from './statistics.ts';
import { type Deployment, withWorld } from './world.ts';

/** What a process said of the records it moved. */
export interface Moved {
  readonly records: number;
  readonly cpuUs: number;
  readonly ms: number;
}

export interface PassThroughTask extends Deployment {
  readonly records: number;
  readonly batch: number;
}

const child = `${import.meta.dirname}/pass-through-child.ts`;

export const passThroughOnce = (bench: Bench, task: PassThroughTask): Promise<Moved> => inChild(bench, child, task);

const size = ({ quick }: Bench): number => (quick ? 3_000 : 40_000);

export const passThrough: Section<'passThroughCpuUs' | 'passThroughPerSecond'> = {
  name: 'pass-through',
  about: 'the floor: records of 1 kB from topic to topic in transactions of 500, with a stock kafkajs',
  figures: {
    passThroughCpuUs: { about: 'CPU per record', unit: 'µs' },
    passThroughPerSecond: { about: 'records a second in one process', unit: '1/s' },
  },
  async run(bench) {
    const records = size(bench);
    const deployment = { servers: bench.servers, prefix: bench.prefix() };
    await withWorld(deployment, async ({ kafka }) => {
      const producer = await kafka.producer(bench.signal);
      const value = Buffer.alloc(1_000, 'v');
      for (let n = 0; n < records; n += 5_000) {
        const part = Array.from({ length: Math.min(5_000, records - n) }, (_, i) => `salesforce:Contact:${n + i}`);
        await producer.send(part.map((key) => ({ topic: 'changes', key, value })));
      }
    });
    const moved: Moved[] = [];
    for (let run = 0; run < bench.runs; run += 1) {
      moved.push(await passThroughOnce(bench, { ...deployment, records, batch: 500 }));
    }
    return {
      passThroughCpuUs: median(moved.map((one) => one.cpuUs / one.records)),
      passThroughPerSecond: median(moved.map((one) => (one.records / one.ms) * 1_000)),
    };
  },
};
