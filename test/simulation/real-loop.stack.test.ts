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
import { beforeAll, describe, expect, onTestFailed, test, vi } from 'vitest';
import type { Fault } from '../../core/faults.ts';
import type { FoldRecord } from '../../core/fold.ts';
import { connectRegistry, type RegistryCodec } from '../../core/registry.ts';
import { createUnify } from '../../processors/unify/index.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { env, log } from '../support/loop-servers.ts';
import { type Run, World } from '../support/loop-world.ts';
import { rulesOf } from './fields.ts';
import {
  type Appender,
  commandsOf,
  type Entry,
  entriesOf,
  foldRecords,
  historyTopics,
  InMemory,
  type Lines,
  linesOf,
  openAppender,
  outputLines,
  outputTopics,
  stateLines,
  transactionsIn,
  transactionsOf,
} from './real-log.ts';
import {
  type Damage,
  type Death,
  type Deed,
  type Schedule,
  scheduleOf,
  tellSchedule,
  type Zombie,
} from './real-schedule.ts';
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
  readonly inMemory: (lineage: number) => InMemory;
  offered: number;
  portion: number;
  /** Position at which the mirror was last compared with the fold in memory, and where it was another. */
  judged: number;
  readonly spoiled: string[];
  /** Puts an older state of the mirror back. */
  rollBack: () => Promise<void>;
  close(): Promise<void>;
}

/** The records that change the state or put something out. */
function loudOf(memory: InMemory, records: readonly FoldRecord[]): Deed[] {
  return records.flatMap(({ offset }) => {
    const { outputs, puts } = memory.advance(offset + 1);
    return outputs.length + puts.size > 0 ? [{ offset, tells: outputs.length > 0 }] : [];
  });
}

async function open(history: History, simulated: readonly FoldRecord[]): Promise<Scene> {
  const entries = entriesOf(simulated, codec);
  const fold = createUnify(rulesOf(history.world));
  const asRead = entries.map((entry, offset) => ({ partition: 0, offset, ...entry }));
  const inMemory = (lineage: number): InMemory => new InMemory(fold, codec, foldRecords(asRead, codec, lineage));
  const schedule = scheduleOf(history.seed, loudOf(inMemory(1), simulated));
  const world = await World.create({ fold, codec, topics: historyTopics });
  const appender = await openAppender(world.prefix);
  return {
    world,
    history,
    schedule,
    entries,
    appender,
    inMemory,
    offered: 0,
    portion: 0,
    judged: 0,
    spoiled: [],
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

/** Runs unify here, and compares the mirror after each of its transactions with the fold in memory. */
function run(scene: Scene, group: string): Run {
  const { world, inMemory, schedule } = scene;
  let memory: InMemory | undefined;
  const fault: Fault = async (point) => {
    if (point !== 'mirror:after-commit') return;
    const [lineage = 0, offset = 0] = (await world.redis.get(world.key('position')))?.split(':').map(Number) ?? [];
    memory ??= inMemory(lineage);
    memory.advance(offset);
    const wanted = memory.stateLines();
    const found = stateLines(codec, await world.mirrored());
    if (found.join('\n') !== wanted.join('\n')) scene.spoiled.push(`${group} at ${offset}`);
    scene.judged = offset;
  };
  return world.run({ group, limits: schedule.limits, fault });
}

/** Offers two portions in peace, and keeps what the mirror was between them. */
async function begin(scene: Scene): Promise<void> {
  const { world } = scene;
  await offerPortion(scene);
  const first = run(scene, 'first');
  await Promise.race([world.settled(), first.ended]);
  scene.rollBack = await world.photograph();
  await offerPortion(scene);
  await Promise.race([world.settled(), first.ended]);
  await first.stop();
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
  const rival = run(scene, `rival.${scene.portion}`);
  await Promise.race([world.settled(), rival.ended]);
  await vi.waitFor(() => expect(scene.judged).toBe(scene.offered));
  const stopped = zombie.stop();
  overtaken.resolve();
  await stopped;
  expect(zombie.commits).toEqual([]);
  await expectMirrored(world);
  await damage(scene, how);
  await offerPortion(scene);
  await Promise.race([world.settled(), rival.ended]);
  await rival.stop();
}

async function expectMirrored(world: World): Promise<void> {
  expect(stateLines(codec, await world.mirrored())).toEqual(stateLines(codec, await world.folded()));
}

/** What stands in the output topics. */
async function outputsOf(world: World): Promise<Lines> {
  let lines: Lines = {};
  for (const topic of outputTopics) lines = { ...lines, ...linesOf(codec, topic, await world.records(topic)) };
  return lines;
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
      const { world, schedule, entries, inMemory } = scene;
      onTestFailed(() => void process.stderr.write(`history ${seed} of ${name}: ${tellSchedule(schedule)}\n`));
      try {
        await begin(scene);
        for (const incident of schedule.incidents) {
          if (incident.do === 'die') await die(scene, incident);
          else await overtake(scene, incident);
        }
        const last = run(scene, 'last');
        await Promise.race([world.settled(), last.ended]);
        await last.stop();

        const log = await world.records('changes');
        expect(log).toEqual(
          entries.map((entry, offset) => ({ partition: 0, offset, ...entry })).slice(0, scene.offered),
        );
        // One transaction after the other, none twice and none missing, and each holds what its records put.
        const transactions = transactionsOf(codec, await world.records('unify.state'));
        const ends = transactions.map(({ position }) => position.offset);
        const lineage = transactions[0]?.position.lineage ?? 0;
        expect(ends.at(-1)).toBe(log.length);
        expect(transactions).toEqual(transactionsIn(codec, inMemory(lineage), lineage, ends));
        // All of it in one go.
        const memory = new InMemory(createUnify(rulesOf(history.world)), codec, foldRecords(log, codec, lineage));
        expect(await outputsOf(world)).toEqual(outputLines(codec, memory.advance(log.length)));
        expect(stateLines(codec, await world.folded())).toEqual(memory.stateLines());
        expect(stateLines(codec, await world.mirrored())).toEqual(memory.stateLines());
        expect(scene.spoiled).toEqual([]);
        // And it is that history: both platforms were asked for what they were asked for in it.
        for (const topic of ['salesforce.commands', 'intercom.commands'] as const)
          expect(commandsOf(await commandsIn(world, topic), topic)).toEqual(commandsOf(ran.unify.outputs, topic));
      } finally {
        await scene.close();
      }
    },
  );
});
