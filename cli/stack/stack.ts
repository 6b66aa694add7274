/**
 * A stack that lives as long as the process that asked for it: for tests and the demo. `tributary stack up` starts the
 * same servers to outlive the command (command.ts).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TributaryError } from '../../core/errors.ts';
import { bringPrograms, localFolder } from './jars.ts';
import { describeJava, findJava } from './java.ts';
import { folderOf, freePort, type PartName, type Place, partNames, parts } from './parts.ts';
import { identify, isAlive, type Leashed, lastLines, type ProcessId, startLeashed } from './processes.ts';

export interface Stack {
  readonly brokers: string;
  readonly registryUrl: string;
  readonly redisUrl: string;
  /** One server goes away and comes back at its address with its data (Redis: without), as in an outage. */
  stopPart(name: PartName): Promise<void>;
  startPart(name: PartName): Promise<void>;
  /** Settles when every server has ended; a throw-away folder is gone then too. */
  stop(): Promise<void>;
}

export interface StackOptions {
  /** Data, configuration and logs; kept after the stop. Without it: a throw-away folder. */
  readonly dir?: string;
  readonly log?: (line: string) => void;
  /** Default: all. The address of a part not started is an empty string. */
  readonly parts?: readonly PartName[];
  readonly signal?: AbortSignal;
}

/** A cold start takes 6 s on an idle machine with two cores and 16 s on a busy one. */
const readyLimitMs = 120_000;
const logLines = 20;

export function logFileOf(dir: string, name: PartName): string {
  return join(dir, `${name}.log`);
}

/** Waits until the server answers; its death or the limit is an error that carries what it said last. */
export async function untilReady(
  name: PartName,
  port: number,
  id: ProcessId,
  dir: string,
  signal?: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + readyLimitMs;
  for (;;) {
    signal?.throwIfAborted();
    if (await parts[name].answers(port, 1_000)) return;
    const dead = !isAlive(id);
    if (dead || performance.now() > deadline) {
      const what = dead ? 'ended while starting' : `did not answer within ${readyLimitMs / 1_000} s`;
      const logFile = logFileOf(dir, name);
      const said = existsSync(logFile) ? lastLines(readFileSync(logFile, 'utf8'), logLines) : '';
      throw new TributaryError('STACK_FAILED', `${name} ${what}; the end of ${logFile}:\n${said}\n`);
    }
    await sleep(100);
  }
}

/** What every part needs before it starts, worked out once per stack. */
export async function preparePlaces(
  dir: string,
  names: readonly PartName[],
  portOf: (name: PartName) => Promise<number>,
  log: (line: string) => void,
  signal?: AbortSignal,
): Promise<Map<PartName, Place>> {
  mkdirSync(dir, { recursive: true });
  const java = findJava();
  if (names.some((name) => name !== 'redis')) log(`using ${describeJava(java)}`);
  const programs = await bringPrograms(log, signal);
  const places = new Map<PartName, Place>();
  for (const name of names) {
    places.set(name, {
      folder: folderOf(dir, name),
      port: await portOf(name),
      innerPort: await freePort(),
      java,
      programs,
    });
  }
  return places;
}

const runsFolder = join(localFolder, 'runs');

/** Folders whose owner was killed: their servers ended with it (the leash), their files are ours to remove. */
function sweepRuns(): void {
  if (!existsSync(runsFolder)) return;
  for (const entry of readdirSync(runsFolder)) {
    const ownerFile = join(runsFolder, entry, 'owner.json');
    if (!existsSync(ownerFile)) continue;
    const owner = JSON.parse(readFileSync(ownerFile, 'utf8')) as ProcessId;
    if (!isAlive(owner)) rmSync(join(runsFolder, entry), { recursive: true, force: true });
  }
}

function throwAwayFolder(): string {
  sweepRuns();
  const folder = join(runsFolder, `${process.pid}-${Math.round(performance.timeOrigin + performance.now())}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'owner.json'), JSON.stringify(identify(process.pid)));
  return folder;
}

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { log = () => undefined, parts: names = partNames, signal } = options;
  const dir = options.dir ?? throwAwayFolder();
  const servers = new Map<PartName, Leashed>();
  const stop = async (): Promise<void> => {
    await Promise.all([...servers.values()].map((server) => server.stop()));
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
  };
  try {
    const places = await preparePlaces(dir, names, () => freePort(), log, signal);
    const startOne = async ([name, place]: [PartName, Place]): Promise<void> => {
      const began = performance.now();
      await parts[name].prepare(place);
      signal?.throwIfAborted();
      const server = startLeashed(parts[name].command(place), logFileOf(dir, name));
      servers.set(name, server);
      await untilReady(name, place.port, server.id, dir, signal);
      log(
        `${name} is up at ${parts[name].address(place.port)} after ${((performance.now() - began) / 1_000).toFixed(1)} s`,
      );
    };
    const outcomes = await Promise.allSettled([...places].map(startOne));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    const addressOf = (name: PartName): string => {
      const place = places.get(name);
      return place === undefined ? '' : parts[name].address(place.port);
    };
    return {
      brokers: addressOf('kafka'),
      registryUrl: addressOf('registry'),
      redisUrl: addressOf('redis'),
      async stopPart(name) {
        await servers.get(name)?.stop();
      },
      async startPart(name) {
        const place = places.get(name);
        if (place === undefined) throw new TributaryError('STACK_FAILED', `${name} is not part of this stack`);
        await startOne([name, place]);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
