import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { status } from '../../cli/stack/detached.ts';
import { findJava } from '../../cli/stack/java.ts';
import { addressesFrom, freePort } from '../../cli/stack/parts.ts';
import { end, identify, isAlive, startDetached, startLeashed } from '../../cli/stack/processes.ts';
import { logFileOf, untilReady } from '../../cli/stack/stack.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tributary-stack-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const sleeper = { file: '/bin/sleep', args: ['1000'] };
const logFile = (): string => join(dir, 'out.log');
const until = async (fact: () => boolean): Promise<void> => {
  while (!fact()) await sleep(20);
};

describe('which Java runs the stack', () => {
  const jdk = (name: string, version: string): string => {
    const home = join(dir, name);
    mkdirSync(join(home, 'bin'), { recursive: true });
    writeFileSync(join(home, 'bin/java'), '');
    writeFileSync(join(home, 'release'), `IMPLEMENTOR="X"\nJAVA_VERSION="${version}"\n`);
    return home;
  };

  test('the one of JAVA_HOME, when it is new enough, even if a newer one is installed', () => {
    const own = jdk('own', '21.0.2');
    jdk('jvm/newer', '25.0.3');
    expect(findJava({ JAVA_HOME: own }, [join(dir, 'jvm')])).toMatchObject({ home: own, major: 21 });
  });

  test('the newest in the usual folders, when the one on the PATH is too old', () => {
    const old = jdk('old', '17.0.15');
    jdk('jvm/middle', '21.0.1');
    const newest = jdk('jvm/newest', '25');
    expect(findJava({ PATH: join(old, 'bin') }, [join(dir, 'jvm')])).toMatchObject({ home: newest, major: 25 });
  });

  test('none: one sentence says what is needed and what was found', () => {
    const old = jdk('jvm/old', '1.8.0_402');
    expect(() => findJava({}, [join(dir, 'jvm')])).toThrow(
      `needs a JDK of version 21 or newer; found Java 8 in ${old} (looked at`,
    );
    expect(() => findJava({}, [])).toThrow('found no Java at all');
  });
});

describe('processes', () => {
  test('a leashed server ends when its owner is killed with -9', async () => {
    const module = JSON.stringify(join(import.meta.dirname, '../../cli/stack/processes.ts'));
    const owner = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `const { startLeashed } = await import(${module});
       console.log(startLeashed(${JSON.stringify(sleeper)}, ${JSON.stringify(logFile())}).id.pid);
       setInterval(() => {}, 1000);`,
    ]);
    const pid = await new Promise<number>((resolve) => owner.stdout.once('data', (text) => resolve(Number(text))));
    const server = identify(pid);
    expect(isAlive(server)).toBe(true);
    owner.kill('SIGKILL');
    await until(() => !isAlive(server));
  });

  test('a leashed server has ended when stop settles', async () => {
    const server = startLeashed(sleeper, logFile());
    await server.stop();
    expect(isAlive(server.id)).toBe(false);
  });

  test('a detached server outlives nobody by accident: it is found by pid and birth, and ended', async () => {
    const id = startDetached(sleeper, logFile());
    expect(isAlive(id)).toBe(true);
    await end(id);
    expect(isAlive(id)).toBe(false);
  });

  test('a process that has the number of ours, but was born at another time, is left alone', async () => {
    const stranger = startDetached(sleeper, logFile());
    const ours = { pid: stranger.pid, birth: 'an earlier boot:1' };
    expect(isAlive(ours)).toBe(false);
    await end(ours);
    expect(isAlive(stranger)).toBe(true);
    await end(stranger);
  });
});

describe('starting', () => {
  test('a server that dies while starting is an error with the last lines of its log', async () => {
    const port = await freePort();
    const id = startDetached(
      { file: '/bin/sh', args: ['-c', 'echo the disk is full; sleep 0.1; exit 1'] },
      logFileOf(dir, 'kafka'),
    );
    await expect(untilReady('kafka', port, id, dir)).rejects.toMatchObject({
      code: 'STACK_FAILED',
      message: expect.stringMatching(/^kafka ended while starting; .*\nthe disk is full\n/),
    });
  });

  test('the port of the last time is taken again where it is free, and another one where it is not', async () => {
    const port = await freePort();
    expect(await freePort(port)).toBe(port);
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen({ host: '127.0.0.1', port }, resolve));
    expect(await freePort(port)).not.toBe(port);
    await new Promise((resolve) => squatter.close(resolve));
  });

  test('servers named by the environment win; an empty variable names none', async () => {
    const env = { KAFKA_BROKERS: 'broker.example:9092', REDIS_URL: '' };
    expect(addressesFrom(env)).toEqual({ kafka: 'broker.example:9092' });
    expect(await status(dir, env)).toEqual([
      { part: 'kafka', state: 'given', address: 'broker.example:9092', pid: null, log: null },
      { part: 'registry', state: 'down', address: null, pid: null, log: null },
      { part: 'redis', state: 'down', address: null, pid: null, log: null },
    ]);
  });
});
