/**
 * The stack of `tributary stack`: servers that outlive the command that started them, in one folder with their data, logs
 * and `stack.json`, which says what runs where. It is written the moment a server is started, before it is ready, so that
 * a command that is killed half-way leaves nothing that the next one does not find.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TributaryError } from '../../core/errors.ts';
import { localFolder } from './jars.ts';
import { addressesFrom, freePort, type PartName, partNames, parts } from './parts.ts';
import { end, identify, isAlive, type ProcessId, startDetached } from './processes.ts';
import { logFileOf, preparePlaces, untilReady } from './stack.ts';

export const stackFolder = join(localFolder, 'stack');

interface Recorded {
  /** Kept when the server is down: the next start takes the same port where it is still free. */
  readonly port: number;
  readonly id: ProcessId;
}
type Records = Partial<Record<PartName, Recorded>>;

const fileOf = (dir: string): string => join(dir, 'stack.json');

function recall(dir: string): Records {
  if (!existsSync(fileOf(dir))) return {};
  try {
    return JSON.parse(readFileSync(fileOf(dir), 'utf8')) as Records;
  } catch (error) {
    throw new TributaryError('STACK_FAILED', `${fileOf(dir)} is not readable as JSON`, { cause: error });
  }
}

/** Renamed into place: a reader sees the old record or the new one, never half of one. */
function remember(dir: string, record: Records): void {
  writeFileSync(`${fileOf(dir)}.new`, JSON.stringify(record, null, 2));
  renameSync(`${fileOf(dir)}.new`, fileOf(dir));
}

/** Two commands at once would start two brokers on one data folder; the second is told who the first is. */
async function alone<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const lock = join(dir, 'lock.json');
  mkdirSync(dir, { recursive: true });
  if (existsSync(lock)) {
    const holder = JSON.parse(readFileSync(lock, 'utf8')) as ProcessId;
    if (isAlive(holder)) {
      throw new TributaryError(
        'STACK_FAILED',
        `Another \`tributary stack\` command is at work (process ${holder.pid})`,
      );
    }
    rmSync(lock);
  }
  writeFileSync(lock, JSON.stringify(identify(process.pid)), { flag: 'wx' });
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

export interface PartStatus {
  readonly part: PartName;
  /** `given`: the environment names a server of one's own; `silent`: the process lives and does not answer. */
  readonly state: 'up' | 'down' | 'silent' | 'given';
  readonly address: string | null;
  readonly pid: number | null;
  readonly log: string | null;
}

export async function status(dir = stackFolder, env: NodeJS.ProcessEnv = process.env): Promise<PartStatus[]> {
  const record = recall(dir);
  const given = addressesFrom(env);
  return Promise.all(
    partNames.map(async (part): Promise<PartStatus> => {
      const recorded = record[part];
      const own = recorded === undefined ? null : parts[part].address(recorded.port);
      const foreign = given[part];
      // Our own address, exported from what `up` printed, is not somebody else's server.
      if (foreign !== undefined && foreign !== own)
        return { part, state: 'given', address: foreign, pid: null, log: null };
      const alive = recorded !== undefined && isAlive(recorded.id);
      if (!alive) return { part, state: 'down', address: null, pid: null, log: null };
      const state = (await parts[part].answers(recorded.port, 2_000)) ? 'up' : 'silent';
      return { part, state, address: own, pid: recorded.id.pid, log: logFileOf(dir, part) };
    }),
  );
}

/** Starts what is not up; what is up stays untouched, so a second call changes nothing. */
export async function up(
  log: (line: string) => void,
  signal: AbortSignal,
  dir = stackFolder,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  await alone(dir, async () => {
    const before = await status(dir, env);
    const record: Records = recall(dir);
    for (const { part, state, address } of before) {
      if (state === 'up') log(`${part} is already up at ${address ?? ''}`);
      if (state === 'given') log(`${part} is given by ${parts[part].variable}`);
      const recorded = record[part];
      // A crash of ours, or of the server, left it half alive.
      if (state === 'silent' && recorded !== undefined) await end(recorded.id);
    }
    const missing = before.filter(({ state }) => state === 'down' || state === 'silent').map(({ part }) => part);
    if (missing.length === 0) return;
    const places = await preparePlaces(dir, missing, (name) => freePort(record[name]?.port), log, signal);
    const started: ProcessId[] = [];
    const outcomes = await Promise.allSettled(
      [...places].map(async ([name, place]) => {
        const began = performance.now();
        await parts[name].prepare(place);
        signal.throwIfAborted();
        const id = startDetached(parts[name].command(place), logFileOf(dir, name));
        started.push(id);
        record[name] = { port: place.port, id };
        remember(dir, record);
        await untilReady(name, place.port, id, dir, signal);
        log(`${name} is up after ${((performance.now() - began) / 1_000).toFixed(1)} s`);
      }),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) return;
    await Promise.all(started.map(end));
    signal.throwIfAborted();
    throw failed.reason;
  });
}

/** Ends every server of the stack; the names of those that were running. */
export async function down(dir = stackFolder): Promise<PartName[]> {
  return alone(dir, async () => {
    const record = recall(dir);
    const running = partNames.flatMap((name) => {
      const recorded = record[name];
      return recorded !== undefined && isAlive(recorded.id) ? [{ name, id: recorded.id }] : [];
    });
    await Promise.all(running.map(({ id }) => end(id)));
    return running.map(({ name }) => name);
  });
}

/** Ends the servers and forgets their data. The downloaded programs stay. */
export async function reset(dir = stackFolder): Promise<void> {
  await down(dir);
  rmSync(dir, { recursive: true, force: true });
}
