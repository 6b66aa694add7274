/**
 * Edit → call: our own share of the way from Salesforce to Intercom, with every role a process of its own, as in production.
 * It ends when Intercom's double has received the call; no quota is in the way. At 100 a second both platforms are read and
 * written, so each call comes back as a notification; at 500 a second Intercom is only written, as by default, for that
 * much more do two processors not carry beside both doubles and the broker. What the roles hold of memory is measured, too.
 */
import type { RoleProcess } from '../cli/demo/world.ts';
import { followEdits, type Linked, tipsOf, type Way } from './follow.ts';
import { editEvenly, linkedPeople, loadPeople } from './people.ts';
import { type Pipeline, roles, withPipeline } from './pipeline.ts';
import type { Bench, Figure, Section } from './section.ts';
import { percentile } from './statistics.ts';

type Latency = 'edit100.p50Ms' | 'edit100.p99Ms' | 'edit500.p50Ms' | 'edit500.p99Ms';
type Resident = `rss.${(typeof roles)[number]}`;

const latency = (rate: number, share: string, bound: Pick<Figure, 'atMost'>): Figure => ({
  about: `edit to call at ${rate} edits a second, ${share}`,
  unit: 'ms',
  ...bound,
});
const resident = (role: string): Figure => ({
  about: `most memory that ${role} held meanwhile`,
  unit: 'MiB',
  atMost: 256,
});

export const edits: Section<Latency | Resident> = {
  name: 'edits',
  about: 'edits in Salesforce to calls to Intercom, at 100 and at 500 a second, and the memory of each role',
  figures: {
    'edit100.p50Ms': latency(100, 'median', { atMost: 80 }),
    'edit100.p99Ms': latency(100, '99th percentile', { atMost: 250 }),
    'edit500.p50Ms': latency(500, 'median', {}),
    'edit500.p99Ms': latency(500, '99th percentile', { atMost: 400 }),
    ...(Object.fromEntries(roles.map((role) => [`rss.${role}`, resident(role)])) as Record<Resident, Figure>),
  },
  async run(bench) {
    const slow = await atRate(bench, { perSecond: bench.quick ? 20 : 100, bothWays: true, names: roles });
    const oneWay = roles.filter((role) => role !== 'sink-salesforce');
    const fast = await atRate(bench, { perSecond: bench.quick ? 40 : 500, bothWays: false, names: oneWay });
    const most = (role: string): number => Math.max(slow.memory.get(role) ?? 0, fast.memory.get(role) ?? 0);
    return {
      'edit100.p50Ms': percentile(slow.times, 50),
      'edit100.p99Ms': percentile(slow.times, 99),
      'edit500.p50Ms': percentile(fast.times, 50),
      'edit500.p99Ms': percentile(fast.times, 99),
      ...(Object.fromEntries(roles.map((role) => [`rss.${role}`, most(role)])) as Record<Resident, number>),
    };
  },
};

interface Load {
  readonly perSecond: number;
  readonly bothWays: boolean;
  readonly names: readonly string[];
}

function atRate(
  bench: Bench,
  { perSecond, bothWays, names }: Load,
): Promise<{ readonly times: readonly number[]; readonly memory: ReadonlyMap<string, number> }> {
  return withPipeline(bench, bothWays, async (pipeline) => {
    const { platforms } = pipeline;
    await loadPeople(pipeline, bench.quick ? 40 : 2_000);
    const processes = await platforms.startRoles(names);
    if (bothWays) await platforms.subscribe();
    await platforms.settled(() => undefined);
    const people = await linkedPeople(pipeline);
    const memory = watchMemory(processes);
    try {
      return { times: await measure(bench, pipeline, people, perSecond), memory: memory.most };
    } finally {
      await memory.stop();
    }
  });
}

/** Every edit's way, ms. One that was overtaken before it was written never ends: left out, the slowest would not count. */
async function measure(
  bench: Bench,
  pipeline: Pipeline,
  people: readonly Linked[],
  perSecond: number,
): Promise<readonly number[]> {
  const { platforms } = pipeline;
  const { quick, signal } = bench;
  await editEvenly(pipeline, people, { perSecond, seconds: quick ? 1 : 3, signal });
  await platforms.settled(() => undefined);
  const tips = await tipsOf(pipeline);
  const sent = await editEvenly(pipeline, people, { perSecond, seconds: quick ? 1 : 15, signal });
  await platforms.settled(() => undefined);
  const { ways, overtaken } = await followEdits(pipeline, sent, tips);
  bench.log(`${perSecond} edits a second: ${ways.length} followed, ${overtaken} of people with one that was overtaken`);
  for (const [stage, of] of Object.entries(stages)) {
    if (ways.length === 0) break;
    const times = ways.map(of);
    bench.log(
      `  ${stage.padEnd(8)} p50 ${percentile(times, 50).toFixed(0)} ms, p99 ${percentile(times, 99).toFixed(0)} ms`,
    );
  }
  return [...ways.map(stages.whole), ...Array.from({ length: overtaken }, () => Number.POSITIVE_INFINITY)];
}

const stages = {
  capture: ({ sent, raw }: Way) => raw - sent,
  decode: ({ raw, change }: Way) => change - raw,
  unify: ({ change, command }: Way) => command - change,
  sink: ({ command, called }: Way) => called - command,
  whole: ({ sent, called }: Way) => called - sent,
};

const lookEveryMs = 1_000;

function watchMemory(processes: readonly RoleProcess[]): {
  /** MiB, by role. */
  readonly most: ReadonlyMap<string, number>;
  stop(): Promise<void>;
} {
  const most = new Map<string, number>();
  let looking = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(async () => {
      for (const { role, url } of processes) most.set(role, Math.max(most.get(role) ?? 0, await residentOf(url)));
    });
    // Seen when it is stopped.
    looking.catch(() => undefined);
  }, lookEveryMs);
  return {
    most,
    stop: () => {
      clearInterval(timer);
      return looking;
    },
  };
}

async function residentOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Math.round(Number(/^process_resident_memory_bytes (\d+)/m.exec(text)?.[1]) / 1_048_576);
}
