/**
 * The servers' programs, brought by Maven into a cache that every stack of this checkout shares. The cache is named after
 * the pom, so that another version never meets the files of the last one, and is renamed into place when it is whole, so
 * that an interrupted download is not taken for a finished one and two first starts at once do not harm each other.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { TributaryError } from '../../core/errors.ts';
import { lastLines } from './processes.ts';

const pom = join(import.meta.dirname, 'pom.xml');

/** The one git-ignored folder of everything local: `cache/` (programs), `stack/` (`tributary stack`), `runs/` (throw-away stacks). */
export const localFolder = join(import.meta.dirname, '../../.tributary');

export interface Programs {
  readonly kafkaClasspath: string;
  readonly registryJar: string;
  readonly redisServer: string;
}

function onPath(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder: the next one may have it, and having none is an answer too.
    }
  }
  return undefined;
}

/** Binaries in the embedded-redis jar, by `<os>-<processor>`. */
const bundledRedis: Readonly<Record<string, string>> = {
  'linux-x64': 'redis-server-6.2.6-v5-linux-amd64',
  'linux-arm64': 'redis-server-6.2.7-linux-arm64',
  'darwin-x64': 'redis-server-6.2.6-v5-darwin-amd64',
  'darwin-arm64': 'redis-server-6.2.6-v5-darwin-arm64',
};

/** The host's own redis-server where it is 6.2 or newer, the oldest we promise to run on; else the one from the jar. */
async function redisServer(cache: string): Promise<string> {
  const own = onPath('redis-server');
  if (own !== undefined) {
    const { stdout } = await promisify(execFile)(own, ['--version']);
    const [major = 0, minor = 0] = (/v=(\d+)\.(\d+)/.exec(stdout) ?? []).slice(1).map(Number);
    if (major > 6 || (major === 6 && minor >= 2)) return own;
  }
  const name = bundledRedis[`${platform()}-${arch()}`];
  if (name === undefined) {
    throw new TributaryError(
      'HOST_LACKS',
      `No redis-server 6.2 or newer on the PATH, and none is published for ${platform()} on ${arch()}`,
    );
  }
  return join(cache, 'redis', name);
}

async function download(into: string, log: (line: string) => void, signal: AbortSignal | undefined): Promise<void> {
  const maven = onPath('mvn');
  if (maven === undefined) {
    throw new TributaryError(
      'HOST_LACKS',
      'The local stack needs Maven (`mvn`) on the PATH to bring Kafka, the registry and Redis',
    );
  }
  log('bringing Kafka, the registry and Redis with Maven (about 250 MB, only this once)');
  const partial = `${into}.partial-${process.pid}`;
  try {
    await promisify(execFile)(maven, ['-B', '-q', '-f', pom, `-Dstack.dir=${partial}`, 'package'], {
      maxBuffer: 16_000_000,
      timeout: 600_000,
      ...(signal ? { signal } : {}),
    });
    for (const name of Object.values(bundledRedis)) chmodSync(join(partial, 'redis', name), 0o755);
    if (!existsSync(into)) renameSync(partial, into);
  } catch (error) {
    signal?.throwIfAborted();
    if (existsSync(into)) return;
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    throw new TributaryError(
      'HOST_LACKS',
      `Maven could not bring the stack's jars:\n${lastLines(said || String(error), 12)}`,
      {
        cause: error,
      },
    );
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

export async function bringPrograms(log: (line: string) => void, signal?: AbortSignal): Promise<Programs> {
  const cacheFolder = join(localFolder, 'cache');
  mkdirSync(cacheFolder, { recursive: true });
  const cache = join(cacheFolder, createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12));
  if (!existsSync(cache)) await download(cache, log, signal);
  return {
    kafkaClasspath: join(cache, 'kafka', '*'),
    registryJar: join(cache, 'registry', 'quarkus-run.jar'),
    redisServer: await redisServer(cache),
  };
}
