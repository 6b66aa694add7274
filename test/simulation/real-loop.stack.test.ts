/**
 * A sample of simulated histories on real Kafka, registry and Redis: the loop of production with the fold of production
 * works their `changes` off while it is killed, robbed of its mirror and overtaken, and what stands in the topics at the
 * end is to the byte what folding the same log in memory, in one go, comes to.
 *
 * SAMPLE=n histories (4), from SEED=s on (1), one world after the other.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { MicroBatch } from '../../core/decide.ts';
import type { Fault } from '../../core/faults.ts';
import type { FoldRecord } from '../../core/fold.ts';
import { connectRegistry, type RegistryCodec } from '../../core/registry.ts';
import { lastPosition } from '../../core/repair.ts';
import { createUnify } from '../../processors/unify/index.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { env, log } from '../support/loop-servers.ts';
import { type Found, World } from '../support/loop-world.ts';
import { rulesOf } from './fields.ts';
import {
  type Appender,
  commandsOf,
  type Entry,
  entriesOf,
  foldRecords,
  historyTopics,
  inOneGo,
  type Lines,
  linesOf,
  openAppender,
  outputTopics,
  stateLines,
} from './real-log.ts';
import { type Damage, type Death, type Schedule, scheduleOf, tellSchedule, type Zombie } from './real-schedule.ts';
import { simulate } from './simulate.ts';
import { generate, type History, readWorld } from './world.ts';
import type { Emitted } from './writer.ts';

const sample = Number(process.env['SAMPLE'] ?? 4);
const firstSeed = Number(process.env['SEED'] ?? 1);
const worlds = ['everything', 'processes', 'identity', 'companies'];

const child = fileURLToPath(new URL('./real-loop-child.ts', import.meta.url));
/** Ends a child that does not come by where it was to die. */
const childLivesMs = 30_000;

/** Schemas are registered once for all deployments of this file. */
const schemas = `test.${randomUUID()}.`;
let codec: RegistryCodec;
beforeAll(async () => {
  codec = await connectRegistry({ url: env('SCHEMA_REGISTRY_URL'), prefix: schemas, log });
  for (const topic of Object.keys(historyTopics) as TopicName[]) await codec.registerTopic(topic);
});

/** A history's deployment, and how far its log is offered. */
interface Scene {
  readonly world: World;
  readonly history: History;
  readonly schedule: Schedule;
  readonly entries: readonly Entry[];
  readonly appender: Appender;
  offered: number;
  portion: number;
  /** Puts an older state of the mirror back. */
  rollBack: () => Promise<void>;
  close(): Promise<void>;
}

/** Offsets of the records that change the state or put something out. */
function loudOf(records: readonly FoldRecord[], history: History): number[] {
  const state = new Map<string, object | undefined>();
  const fold = createUnify(rulesOf(history.world));
  return records.flatMap((record) => {
    const batch = new MicroBatch(fold, codec, (key) => ({ value: state.get(key) }));
    batch.decide(record);
    for (const [key, stored] of batch.puts) state.set(key, stored?.value);
    return batch.outputs.length + batch.puts.size > 0 ? [record.offset] : [];
  });
}

async function open(history: History, records: readonly FoldRecord[]): Promise<Scene> {
  const entries = entriesOf(records, codec);
  const asRead = entries.map((entry, offset) => ({ partition: 0, offset, ...entry }));
  const schedule = scheduleOf(history.seed, loudOf(foldRecords(asRead, codec, 1), history));
  const world = await World.create({ fold: createUnify(rulesOf(history.world)), codec, topics: historyTopics });
  const appender = await openAppender(world.prefix);
  return {
    world,
    history,
    schedule,
    entries,
    appender,
    offered: 0,
    portion: 0,
    rollBack: () => Promise.reject(new Error('nothing was photographed yet')),
    close: async () => {
      await appender.close();
      await world.close();
    },
  };
}

async function offerPortion(scene: Scene): Promise<void> {
  const end = scene.schedule.ends[scene.portion];
  if (end === undefined) throw new Error('everything is offered');
  await scene.appender.append(scene.entries.slice(scene.offered, end));
  scene.offered = end;
  scene.portion += 1;
}

async function damage({ world, rollBack }: Scene, how: Damage): Promise<void> {
  if (how === 'wipe') await world.wipe();
  else if (how === 'position') await world.redis.del(world.key('position'));
  else if (how === 'rollback') await rollBack();
}

/** Offers two portions in peace, and keeps what the mirror was between them. */
async function begin(scene: Scene): Promise<void> {
  const { world, schedule } = scene;
  await offerPortion(scene);
  const run = world.run({ group: 'first', limits: schedule.limits });
  await Promise.race([world.settled(), run.ended]);
  scene.rollBack = await world.photograph();
  await offerPortion(scene);
  await Promise.race([world.settled(), run.ended]);
  await run.stop();
}

/** In another group each time, for the group would keep the place of the dead one for as long as its session lasts. */
async function die(scene: Scene, { damage: how, at, passing }: Death): Promise<void> {
  const { world, history, schedule } = scene;
  await offerPortion(scene);
  await damage(scene, how);
  const group = `dies.${scene.portion}`;
  const running = spawn(
    process.execPath,
    [child, world.prefix, group, schemas, history.world.name, JSON.stringify(schedule.limits)],
    {
      env: { ...process.env, TRIBUTARY_FAULTS: `${at}:${passing}:kill` },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: childLivesMs,
    },
  );
  const [code, signal] = (await once(running, 'exit')) as [number | null, string | null];
  expect({ at, code, signal }).toEqual({ at, code: null, signal: 'SIGKILL' });
}

/** One is held in the middle of its work while a rival takes over; let go, it must change nothing. */
async function overtake(scene: Scene, { at, damage: how }: Zombie): Promise<void> {
  const { world, schedule } = scene;
  const held = Promise.withResolvers<void>();
  const overtaken = Promise.withResolvers<void>();
  const fault: Fault = async (here) => {
    if (here !== at) return;
    held.resolve();
    await overtaken.promise;
  };
  await offerPortion(scene);
  const zombie = world.run({ group: `zombie.${scene.portion}`, limits: schedule.limits, fault });
  await Promise.race([held.promise, zombie.ended]);
  const rival = world.run({ group: `rival.${scene.portion}`, limits: schedule.limits });
  await Promise.race([world.settled(), rival.ended]);
  const stopped = zombie.stop();
  overtaken.resolve();
  await stopped;
  expect(zombie.commits).toEqual([]);
  await expectMirrored(world);
  await damage(scene, how);
  await offerPortion(scene);
  await Promise.race([world.settled(), rival.ended]);
  await rival.stop();
  await expectMirrored(world);
}

async function expectMirrored(world: World): Promise<void> {
  expect(stateLines(codec, await world.mirrored())).toEqual(stateLines(codec, await world.folded()));
}

/** Everything that stands in the topics and in Redis at the end. */
async function outcomeOf({ world }: Scene) {
  let outputs: Lines = {};
  for (const topic of outputTopics) outputs = { ...outputs, ...linesOf(codec, topic, await world.records(topic)) };
  return {
    outputs,
    state: stateLines(codec, await world.folded()),
    mirror: stateLines(codec, await world.mirrored()),
  };
}

/** What the same log comes to in memory. */
function foldedInMemory(
  log: readonly Found[],
  lineage: number,
  { history }: Scene,
): Awaited<ReturnType<typeof outcomeOf>> {
  const records = foldRecords(log, codec, lineage);
  const { outputs, state } = inOneGo(createUnify(rulesOf(history.world)), codec, records);
  return { outputs, state: stateLines(codec, state), mirror: stateLines(codec, state) };
}

async function commandsIn(world: World, topic: 'salesforce.commands' | 'intercom.commands'): Promise<Emitted[]> {
  return (await world.records(topic)).map(({ partition, key, value }) => {
    if (value === null) throw new Error('a command without a value');
    return { topic, partition, key, value: codec.decode(value).value };
  });
}

describe('a simulated history on the real servers', () => {
  const histories = Array.from({ length: sample }, (_, i) => ({
    seed: firstSeed + i,
    name: worlds[i % worlds.length] ?? '',
  }));

  test.each(histories)(
    '$seed of $name comes to what it comes to in memory, whatever kills its unify, spoils its mirror or rivals it',
    async ({ seed, name }) => {
      const history = generate(seed, readWorld(name));
      const ran = simulate(history);
      const scene = await open(history, ran.log.records);
      const { world, schedule, entries } = scene;
      onTestFailed(() => void process.stderr.write(`history ${seed} of ${name}: ${tellSchedule(schedule)}\n`));
      try {
        await begin(scene);
        for (const incident of schedule.incidents) {
          if (incident.do === 'die') await die(scene, incident);
          else await overtake(scene, incident);
        }
        await world.finish({ group: 'last', limits: schedule.limits });

        const log = await world.records('changes');
        expect(log).toEqual(
          entries.slice(0, scene.offered).map((entry, offset) => ({ partition: 0, offset, ...entry })),
        );
        const { position } = await lastPosition(world.kafka, codec);
        expect(position?.offset).toBe(log.length);
        expect(await outcomeOf(scene)).toEqual(foldedInMemory(log, position?.lineage ?? 0, scene));
        // And it is that history: both platforms were asked for what they were asked for in it.
        for (const topic of ['salesforce.commands', 'intercom.commands'] as const)
          expect(commandsOf(await commandsIn(world, topic), topic)).toEqual(commandsOf(ran.unify.outputs, topic));
      } finally {
        await scene.close();
      }
    },
  );
});
