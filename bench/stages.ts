/** CPU per change of the stages before and behind unify, each in a process of its own on real Kafka. */
import { setTimeout as sleep } from 'node:timers/promises';
import { itemPartition } from '../processors/unify/commands.ts';
import type { Change, Command } from '../schemas/types.ts';
import { inChild } from './child.ts';
import type { Moved } from './pass-through.ts';
import type { Bench, Section } from './section.ts';
import { median } from './statistics.ts';
import { changeEvents, contactId, notifications } from './voices.ts';
import { type Deployment, type World, withWorld } from './world.ts';

export interface StageTask extends Deployment {
  readonly records: number;
}

export interface SinkTask extends StageTask {
  readonly platform: Command['platform'];
}

const childOf = (name: string): string => `${import.meta.dirname}/${name}-child.ts`;
const cpuUs = ({ cpuUs: cpu, records }: Moved): number => cpu / records;

async function decodeOnce(bench: Bench, records: number): Promise<number> {
  const deployment = { servers: bench.servers, prefix: bench.prefix() };
  await withWorld(deployment, async ({ kafka, codec }) => {
    const producer = await kafka.producer(bench.signal);
    await producer.send(await changeEvents(codec, records / 2));
    await producer.send(notifications(codec, records / 2));
  });
  return cpuUs(await inChild<Moved>(bench, childOf('decode'), { ...deployment, records }));
}

/** As many as a sink takes of each partition. */
const windows = { intercom: 100, salesforce: 800 } as const;

async function sinkOnce(bench: Bench, platform: Command['platform'], records: number): Promise<number> {
  const deployment = { servers: bench.servers, prefix: bench.prefix() };
  return withWorld(deployment, async (world) => {
    const ended = new AbortController();
    const measured = inChild<Moved>(bench, childOf('sink'), { ...deployment, platform, records });
    const fed = feed(world, platform, records, AbortSignal.any([bench.signal, ended.signal]));
    // Whichever fails first is the reason.
    try {
      return cpuUs((await Promise.all([measured, fed]))[0]);
    } finally {
      ended.abort();
    }
  });
}

/** What unify does: commands under the epochs of the sink, never more at once than a window. */
async function feed(world: World, platform: Command['platform'], records: number, signal: AbortSignal): Promise<void> {
  const { kafka, codec } = world;
  const topic = `${platform}.commands` as const;
  const producer = await kafka.producer(signal);
  const partitions = (await kafka.offsets(topic)).length;
  const epochs = new Map<number, string>();
  let [read, answered] = [0, 0];
  const look = async (): Promise<void> => {
    const [range] = await kafka.offsets('changes');
    const to = range?.latest ?? read;
    await kafka.read('changes', 0, read, to, (part) => {
      for (const { value } of part) {
        const { epoch, result } = codec.decode(value ?? Buffer.alloc(0)).value as Change;
        if (epoch !== null) epochs.set(epoch.partition, epoch.epoch);
        if (result !== null) answered += 1;
      }
    });
    read = to;
  };
  for (; epochs.size < partitions; await sleep(50, undefined, { signal })) await look();
  for (let sent = 0; sent < records; ) {
    const window = Math.min(records - sent, windows[platform] * partitions);
    const commands = Array.from({ length: window }, (_, n) => commandOf(platform, sent + n, epochs));
    await producer.send(
      commands.map(({ command, partition }) => {
        return { topic, partition, key: command.ref, value: codec.encode(topic, 'Command', command) };
      }),
    );
    sent += window;
    for (await look(); answered < sent; await sleep(5, undefined, { signal })) await look();
  }
}

function commandOf(platform: Command['platform'], n: number, epochs: ReadonlyMap<number, string>) {
  const isIntercom = platform === 'intercom';
  const ref = isIntercom
    ? `intercom:contact:${contactId(n)}`
    : `salesforce:Contact:003${String(n).padStart(12, '0')}AAA`;
  const partition = itemPartition(platform, ref);
  const now = Date.now();
  const command: Command = {
    id: `${ref}#2`,
    platform,
    epoch: epochs.get(partition) ?? '',
    verb: 'update',
    object: isIntercom ? 'contact' : 'Contact',
    ref,
    key: 'fa14ffdc0ea168a6e8b24125',
    fields: isIntercom
      ? { phone: `+49 30 ${n}`, 'custom_attributes.level': `Level ${n}` }
      : { Phone: `+49 30 ${n}`, Level__c: `Level ${n}` },
    before: {},
    lane: 'live',
    askedAt: now,
    expiresAt: now + 60_000,
    doubt: false,
    lineage: `changes/${n}`,
  };
  return { command, partition };
}

export const stages: Section<'decodeCpuUs' | 'sinkIntercomCpuUs' | 'sinkSalesforceCpuUs'> = {
  name: 'stages',
  about:
    'the stages before and behind unify: decode of change events and webhooks in halves, and the sinks without HTTP',
  figures: {
    decodeCpuUs: { about: 'CPU to decode what a platform said', unit: 'µs' },
    sinkIntercomCpuUs: { about: 'CPU of the Intercom sink for a command', unit: 'µs' },
    sinkSalesforceCpuUs: { about: 'CPU of the Salesforce sink for a command, 200 in a call', unit: 'µs' },
  },
  async run(bench) {
    const records = bench.quick ? 400 : 12_000;
    const repeated = async (once: () => Promise<number>): Promise<number> => {
      const all: number[] = [];
      for (let run = 0; run < bench.runs; run += 1) all.push(await once());
      return median(all);
    };
    return {
      decodeCpuUs: await repeated(() => decodeOnce(bench, records)),
      sinkIntercomCpuUs: await repeated(() => sinkOnce(bench, 'intercom', records)),
      sinkSalesforceCpuUs: await repeated(() => sinkOnce(bench, 'salesforce', records)),
    };
  },
};
