import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { TributaryError } from '../../core/errors.ts';
import { createLog } from '../../core/log.ts';
import { checkRuntime, type Job, runService } from '../../core/service.ts';

const http = { host: '127.0.0.1', port: 0 };
const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

/** A frame under test with its own process, so that signals hit it and nothing else. */
async function start(jobs: readonly Job[], drainLimitMs?: number, prepare?: Job, away?: string) {
  const lines: string[] = [];
  const plain: string[] = [];
  const process = new EventEmitter() as EventEmitter & { exit(code: number): void };
  const exits: number[] = [];
  const exited = new Promise<number>((resolve) => {
    process.exit = (code) => {
      exits.push(code);
      resolve(code);
    };
  });
  const log = createLog({ level: 'info', stream: { write: (line) => void lines.push(line) } });
  const listening = Promise.withResolvers<string>();
  const onListening = listening.resolve;
  const limit = drainLimitMs === undefined ? {} : { drainLimitMs };
  const before = prepare === undefined ? {} : { prepare };
  const told = { onListening, onFatal: (line: string) => void plain.push(line), serverAway: () => away };
  const done = runService({ ...before, jobs, http, log, process, ...told, ...limit });
  const url = await listening.promise;
  const get = async (path: string) => {
    const answer = await fetch(`${url}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  return { process, exits, exited, done, get, plain, said: () => lines.join('') };
}

describe('health and readiness', () => {
  test('ready only while every role is, with the reason of each', async () => {
    const told: ((state: boolean, why: string) => void)[] = [];
    const job = (name: string): Job => ({
      name,
      run: async (signal, ready) => {
        told.push(ready);
        await untilAborted(signal);
      },
    });
    const frame = await start([job('decode'), job('unify')]);
    told[0]?.(true, 'reading');
    told[1]?.(false, 'Kafka is away');
    const waiting = await frame.get('/readyz');
    expect(waiting.status).toBe(503);
    expect(JSON.parse(waiting.text)).toEqual({
      ready: false,
      stopping: false,
      roles: { decode: { ready: true, why: 'reading' }, unify: { ready: false, why: 'Kafka is away' } },
    });
    expect((await frame.get('/healthz')).status).toBe(200);
    told[1]?.(true, 'deciding');
    expect((await frame.get('/readyz')).status).toBe(200);
    expect((await frame.get('/metrics')).text).toContain('tributary_ready{role="unify"} 1');
    frame.process.emit('SIGTERM');
    expect(await frame.done).toBe(0);
  });

  test('a drain is not ready but alive', async () => {
    const finish = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    const frame = await start([
      {
        name: 'sink',
        run: async (signal, ready) => {
          ready(true, 'writing');
          await untilAborted(signal);
          aborted.resolve();
          await finish.promise;
        },
      },
    ]);
    frame.process.emit('SIGINT');
    await aborted.promise;
    expect((await frame.get('/readyz')).status).toBe(503);
    expect((await frame.get('/healthz')).status).toBe(200);
    finish.resolve();
    expect(await frame.done).toBe(0);
    expect(frame.exits).toEqual([]);
  });

  test('a crashed role is unhealthy while the others still drain', async () => {
    const finish = Promise.withResolvers<void>();
    const frame = await start([
      { name: 'bad', run: () => Promise.reject(new Error('boom')) },
      {
        name: 'good',
        run: async (signal) => {
          await untilAborted(signal);
          await finish.promise;
        },
      },
    ]);
    const health = await frame.get('/healthz');
    expect([health.status, JSON.parse(health.text)]).toEqual([503, { ok: false, crashed: ['bad'] }]);
    finish.resolve();
    expect(await frame.done).toBe(70);
  });
});

describe('what the roles share', () => {
  const prepare = (run: Job['run']): Job => ({ name: 'start', run });

  test('is made first: until then nothing is ready and the reason is told', async () => {
    const made = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    const role: Job = {
      name: 'role',
      run: async (signal, ready) => {
        ready(true, 'working');
        began.resolve();
        await untilAborted(signal);
      },
    };
    const waiting = prepare(async (_signal, ready) => {
      ready(false, 'the registry is away');
      await made.promise;
    });
    const frame = await start([role], undefined, waiting);
    const early = await frame.get('/readyz');
    expect([early.status, JSON.parse(early.text)]).toMatchObject([
      503,
      { roles: { start: { ready: false, why: 'the registry is away' } } },
    ]);
    made.resolve();
    await began.promise;
    expect((await frame.get('/readyz')).status).toBe(200);
    frame.process.emit('SIGTERM');
    expect(await frame.done).toBe(0);
  });

  test('that cannot be made ends the process without a role being started', async () => {
    const started: string[] = [];
    const role: Job = { name: 'role', run: () => Promise.resolve(void started.push('role')) };
    const failing = prepare(() => Promise.reject(new TributaryError('CONFIG_INVALID', 'registry.url is not set')));
    const frame = await start([role], undefined, failing);
    expect(await frame.done).toBe(78);
    expect(started).toEqual([]);
  });

  test('a signal while it is waited for starts no role and is no failure', async () => {
    const frame = await start([], undefined, prepare(untilAborted));
    frame.process.emit('SIGTERM');
    expect(await frame.done).toBe(0);
  });
});

describe('the end', () => {
  test.each([
    [new TributaryError('CREDENTIALS_REFUSED', 'invalid_client'), 78, 'CREDENTIALS_REFUSED: invalid_client. Check'],
    [new TributaryError('KAFKA_UNAVAILABLE', 'no broker'), 69, 'KAFKA_UNAVAILABLE: no broker.'],
    [new TypeError('x is undefined'), 70, 'INTERNAL: x is undefined.'],
  ])('%s ends the process with its own code and one line', async (error, code, line) => {
    const frame = await start([{ name: 'role', run: () => Promise.reject(error) }]);
    expect(await frame.done).toBe(code);
    expect(frame.said()).toContain(line);
  });

  test('the first failure decides, not what breaks while draining', async () => {
    const frame = await start([
      { name: 'first', run: () => Promise.reject(new TributaryError('PLATFORM_OTHER_ORG', 'it is 00D2')) },
      {
        name: 'second',
        run: async (signal) => {
          await untilAborted(signal);
          throw new Error('broken while draining');
        },
      },
    ]);
    expect(await frame.done).toBe(78);
  });

  test.each([
    ['the reason of the signal', (signal: AbortSignal) => signal.reason as unknown],
    ['an AbortError', () => new DOMException('aborted', 'AbortError')],
    ['the absence of whom it waited for', () => new TributaryError('REGISTRY_UNAVAILABLE', 'no answer')],
  ])('a wait that the signal ends with %s is a drain', async (_name, errorOf) => {
    const waiting: Job = {
      name: 'waiting',
      run: async (signal) => {
        await untilAborted(signal);
        throw errorOf(signal);
      },
    };
    const frame = await start([waiting]);
    frame.process.emit('SIGTERM');
    expect(await frame.done).toBe(0);
  });

  test('roles that fail of one cause say it once', async () => {
    const refused = async (): Promise<void> => {
      throw new TributaryError('CREDENTIALS_REFUSED', 'the token is not valid');
    };
    const frame = await start([
      { name: 'connector', run: refused },
      { name: 'sink', run: refused },
    ]);
    expect(await frame.done).toBe(78);
    expect(frame.said().match(/"level":"fatal"/g)).toHaveLength(1);
    expect(frame.plain).toEqual([expect.stringMatching(/^CREDENTIALS_REFUSED: the token is not valid\. Check /)]);
  });

  test('a role that ends by itself is a defect, not a success', async () => {
    const frame = await start([{ name: 'short', run: () => Promise.resolve() }]);
    expect(await frame.done).toBe(70);
    expect(frame.said()).toContain('short ended without being asked to');
  });

  test('a second Ctrl-C does not wait for the drain', async () => {
    const finish = Promise.withResolvers<void>();
    const frame = await start([{ name: 'slow', run: () => finish.promise }]);
    frame.process.emit('SIGINT');
    expect(frame.exits).toEqual([]);
    frame.process.emit('SIGINT');
    expect(frame.exits).toEqual([130]);
    finish.resolve();
    await frame.done;
  });

  test('a drain that hangs is cut at its limit, naming who hangs', async () => {
    const finish = Promise.withResolvers<void>();
    const frame = await start([{ name: 'stuck', run: () => finish.promise }], 5);
    frame.process.emit('SIGTERM');
    expect(await frame.exited).toBe(70);
    expect(frame.said()).toContain('"still":["stuck"]');
    finish.resolve();
    await frame.done;
  });

  test('a drain that a server keeps from ending is no defect', async () => {
    const finish = Promise.withResolvers<void>();
    const frame = await start([{ name: 'stuck', run: () => finish.promise }], 5, undefined, 'Kafka');
    frame.process.emit('SIGTERM');
    expect(await frame.exited).toBe(69);
    expect(frame.said()).toContain('"away":"Kafka"');
    finish.resolve();
    await frame.done;
  });

  test('a stray rejection ends the process at once, in one line', async () => {
    const frame = await start([{ name: 'role', run: untilAborted }]);
    frame.process.emit('unhandledRejection', new TypeError('nobody waited for me'));
    expect(frame.exits).toEqual([70]);
    expect(frame.said()).toContain('INTERNAL: nobody waited for me.');
    frame.process.emit('SIGTERM');
    await frame.done;
  });

  test('a port that is taken is a configuration error that says what to give instead', async () => {
    const holder = await start([{ name: 'role', run: untilAborted }]);
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(holder.said())?.[1]);
    const log = createLog({ level: 'silent', stream: { write: () => undefined } });
    const plain: string[] = [];
    const onFatal = (line: string): void => void plain.push(line);
    const process = Object.assign(new EventEmitter(), { exit: () => undefined });
    const jobs = [{ name: 'role', run: untilAborted }];
    expect(await runService({ jobs, http: { host: '127.0.0.1', port }, log, process, onFatal })).toBe(78);
    expect(plain).toEqual([expect.stringMatching(/^HTTP_TAKEN: .*EADDRINUSE.*--http-port/)]);
    holder.process.emit('SIGTERM');
    await holder.done;
  });

  test('no listener is left behind', async () => {
    const frame = await start([{ name: 'role', run: untilAborted }]);
    frame.process.emit('SIGTERM');
    await frame.done;
    expect(frame.process.eventNames()).toEqual([]);
  });
});

test('too old a runtime is refused in one sentence, a newer one passes', () => {
  expect(() => checkRuntime('v20.20.2')).toThrow('this is Node.js v20.20.2, Tributary needs 24 or newer');
  expect(() => checkRuntime('v24.0.0')).not.toThrow();
  expect(() => checkRuntime('v100.1.0')).not.toThrow();
});
