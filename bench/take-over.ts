/**
 * A role is killed as a crash kills it, and started again at once, as a supervisor does: how long until the successor has its
 * first effect, while people edit. Nobody told Kafka or Redis that the dead one is dead; that is what takes the time.
 */
import { waitUntil } from '../cli/demo/waiting.ts';
import { eachSince, type Followed, type Tips, tipsOf } from './follow.ts';
import { editEvenly, linkedPeople, loadPeople } from './people.ts';
import { type Pipeline, roles, withPipeline } from './pipeline.ts';
import type { Bench, Section } from './section.ts';

const killed = ['unify', 'connect-salesforce', 'sink-intercom'] as const;
type Killed = (typeof killed)[number];
/** What was sent before the kill may arrive so much later. */
const afterglowMs = 500;

const seconds = (role: Killed) => ({
  about: `after kill -9 of ${role}, until its successor's first effect`,
  unit: 's',
});

export const takeOver: Section<'takeOverSeconds' | `takeOver.${Killed}`> = {
  name: 'take-over',
  about: 'kill -9 of each role that is alone in its work, until its successor has its first effect',
  figures: {
    takeOverSeconds: { about: 'the longest of them', unit: 's', atMost: 15 },
    'takeOver.unify': seconds('unify'),
    'takeOver.connect-salesforce': seconds('connect-salesforce'),
    'takeOver.sink-intercom': seconds('sink-intercom'),
  },
  run: (bench) =>
    withPipeline(bench, true, async (pipeline) => {
      await loadPeople(pipeline, bench.quick ? 20 : 200);
      const processes = await pipeline.platforms.startRoles(roles);
      await pipeline.platforms.subscribe();
      await pipeline.platforms.settled(() => undefined);
      const found: number[] = [];
      for (const role of bench.quick ? killed.slice(0, 1) : killed) {
        const victim = processes.find((process) => process.role === role);
        await victim?.kill();
        const at = Date.now();
        await pipeline.platforms.startRoles([role]);
        const took = (await firstEffect(pipeline, role, at, bench)) - at;
        bench.log(`${role}: ${(took / 1_000).toFixed(1)} s`);
        found.push(took / 1_000);
        await pipeline.platforms.settled(() => undefined);
      }
      const [unify = 0, connector = unify, sink = unify] = found;
      return {
        takeOverSeconds: Math.max(...found),
        'takeOver.unify': unify,
        'takeOver.connect-salesforce': connector,
        'takeOver.sink-intercom': sink,
      };
    }),
};

/** When it was, ms; people edit until then. */
async function firstEffect(pipeline: Pipeline, role: Killed, killedAt: number, { signal }: Bench): Promise<number> {
  const people = await linkedPeople(pipeline);
  const tips = await tipsOf(pipeline);
  const seen = new AbortController();
  const until = AbortSignal.any([signal, seen.signal]);
  const editing = editEvenly(pipeline, people, { perSecond: 20, seconds: 60, signal: until });
  let first: number | undefined;
  try {
    const lacks = async (): Promise<string | undefined> => {
      const effects = await effectsOf[role](pipeline, tips);
      first = effects.find((time) => time > killedAt + afterglowMs);
      return first === undefined ? `${role} has done nothing` : undefined;
    };
    await waitUntil({ what: 'the successor has its first effect', lacks, limitMs: 60_000, signal });
  } finally {
    seen.abort();
    await editing;
  }
  return first ?? Number.NaN;
}

const timesIn =
  (topic: Followed, isEffect: (value: object) => boolean) =>
  async (pipeline: Pipeline, tips: Tips): Promise<readonly number[]> => {
    const times: number[] = [];
    await eachSince(pipeline, topic, tips, ({ time }, value) => {
      if (isEffect(value)) times.push(time);
    });
    return times;
  };

/** When each was, in order. */
const effectsOf: Readonly<Record<Killed, (pipeline: Pipeline, tips: Tips) => Promise<readonly number[]>>> = {
  unify: async (pipeline, tips) =>
    (await timesIn('intercom.commands', () => true)(pipeline, tips)).toSorted((a, b) => a - b),
  'connect-salesforce': timesIn('salesforce.raw', (value) => 'ChangeEventHeader' in value),
  'sink-intercom': async ({ platforms }, { calls }) =>
    (await platforms.intercomCalls(calls)).flatMap(({ method, client, time }) =>
      client === 'app' && method === 'PUT' ? [time] : [],
    ),
};
