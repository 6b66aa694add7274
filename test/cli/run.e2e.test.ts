/** `tributary run` and `tributary topics` as a supervisor and a person meet them: processes, ports, signals, exit statuses. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { topics } from '../../schemas/topics.ts';
import { startIntercomTwin } from '../../twins/intercom/server.ts';
import { startSalesforceTwin } from '../../twins/salesforce/server.ts';

const main = join(import.meta.dirname, '../../cli/main.ts');
const prefix = `run-${Date.now().toString(36)}.`;
/** Nothing listens there: port 1 needs a right that nobody here has. */
const nowhere = {
  KAFKA_BROKERS: '127.0.0.1:1',
  SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
  REDIS_URL: 'redis://127.0.0.1:1',
};

const running = new Set<ChildProcess>();
let twins: {
  salesforce: Awaited<ReturnType<typeof startSalesforceTwin>>;
  intercom: Awaited<ReturnType<typeof startIntercomTwin>>;
};
let env: Record<string, string> = {};

beforeAll(async () => {
  twins = { salesforce: await startSalesforceTwin(), intercom: await startIntercomTwin() };
  env = {
    TRIBUTARY_PREFIX: prefix,
    SALESFORCE_LOGIN_URL: twins.salesforce.restUrl,
    SALESFORCE_PUBSUB_ENDPOINT: twins.salesforce.pubsubAddress,
    SALESFORCE_PUBSUB_INSECURE: 'true',
    SALESFORCE_CLIENT_ID: 'tributary',
    SALESFORCE_CLIENT_SECRET: 'tributary-secret',
    INTERCOM_BASE_URL: twins.intercom.url,
    INTERCOM_TOKEN: 'intercom-twin-token',
  };
});
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await twins.salesforce.close();
  await twins.intercom.close();
});

function tributary(args: readonly string[], more: Record<string, string> = {}) {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env, ...more } });
  running.add(child);
  const ended = (async () => {
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    running.delete(child);
    return { status: child.exitCode, out, err };
  })();
  return { child, ended };
}

/** A service whose address is known once it has said it. */
async function service(args: readonly string[], more: Record<string, string> = {}) {
  const { child, ended } = tributary(['run', ...args], more);
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const found = /"url":"([^"]+)"/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', () => reject(new Error(said)));
  });
  const get = async (path: string) => {
    const answer = await fetch(new URL(path, url));
    return { status: answer.status, text: await answer.text() };
  };
  const until = async (path: string, holds: (answer: { status: number; text: string }) => boolean) => {
    for (;;) {
      const answer = await get(path);
      if (holds(answer)) return answer;
      await sleep(50);
    }
  };
  return { child, ended, get, until };
}

test('servers that are away are waited for: alive, not ready, saying why; a signal ends the wait', async () => {
  const { child, ended, get, until } = await service(['decode'], nowhere);
  const waiting = await until('/readyz', ({ text: body }) => body.includes('waiting for the schema registry'));
  expect(waiting.status).toBe(503);
  expect((await get('/healthz')).status).toBe(200);
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ status: 0 });
});

describe('on real servers', () => {
  test('topics apply makes every topic, and finds nothing to do the second time', async () => {
    const first = await tributary(['topics', 'apply', '--json']).ended;
    expect(first).toMatchObject({ status: 0, err: '' });
    const made = JSON.parse(first.out) as { topic: string; did: string }[];
    expect(made.map(({ topic }) => topic)).toEqual(Object.keys(topics));
    expect(made.every(({ did }) => did.startsWith('created'))).toBe(true);
    const second = JSON.parse((await tributary(['topics', 'apply', '--json']).ended).out) as { did: string }[];
    expect(new Set(second.map(({ did }) => did))).toEqual(new Set(['as wanted']));
  });

  test('wrong credentials end the process with 78 and one line that says what to do', async () => {
    const more = { INTERCOM_TOKEN: 'not-the-token' };
    const { status, out, err } = await tributary(['run', 'all'], more).ended;
    const fatal = out.split('\n').filter((line) => line.includes('"level":"fatal"'));
    expect(fatal).toHaveLength(1);
    expect(fatal[0]).toContain('CREDENTIALS_REFUSED: ');
    expect(err).toMatch(/^CREDENTIALS_REFUSED: .*\n$/);
    expect(out).not.toContain('stopped while waiting');
    expect(out).not.toContain('not-the-token');
    expect(status).toBe(78);
  });

  test('run all becomes ready, brings a person over, stays small and drains', async () => {
    const Contact = [{ FirstName: 'Mara', LastName: 'Ilves', Email: 'mara@orchard.example' }];
    const load = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ Contact }) };
    await fetch(`${twins.salesforce.restUrl}/__twin/load`, load);
    const { child, ended, get, until } = await service(['all']);
    await until('/readyz', ({ status }) => status === 200);
    await until(`${twins.intercom.url}/__twin/store`, ({ text: store }) => store.includes('mara@orchard.example'));
    await until('/metrics', ({ text: page }) =>
      page.includes('tributary_results_total{platform="intercom",outcome="applied"} 1'),
    );
    const page = (await get('/metrics')).text;
    const resident = Number(/^process_resident_memory_bytes (\d+)/m.exec(page)?.[1]);
    expect(resident).toBeLessThan(512 * 1024 * 1024);
    child.kill('SIGTERM');
    const { status, out } = await ended;
    expect(status).toBe(0);
    expect(out).not.toMatch(/"level":"(?:error|fatal)"/);
    for (const hidden of ['tributary-secret', 'intercom-twin-token', 'mara@orchard.example', 'Ilves'])
      expect(out).not.toContain(hidden);
  });

  test('topics tail shows the last records of a topic although transaction markers follow them', async () => {
    const tail = ['topics', 'tail', 'unify.state', '--from', '-1', '--no-follow', '--json'];
    const { status, out, err } = await tributary(tail).ended;
    expect([status, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toMatchObject({ topic: 'unify.state', key: 'position', schema: 'UnifyPosition' });
  });

  test('topics tail counts back what it shows, not what the options leave out', async () => {
    const tail = ['topics', 'tail', 'changes', '--from', '-1', '--no-follow', '--json'];
    const shown = async (...more: string[]) => {
      const { status, out } = await tributary([...tail, ...more]).ended;
      expect(status).toBe(0);
      return out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { value: { kind: string } }).value.kind);
    };
    expect(await shown('--key', 'config')).toEqual(['config']);
    const quiet = await shown('--quiet');
    expect(quiet).toHaveLength(1);
    expect(['tick', 'mark', 'epoch']).not.toContain(quiet[0]);
  });

  test('topics tail follows until it has seen enough', async () => {
    const tail = tributary([
      'topics',
      'tail',
      'changes',
      '--from',
      'earliest',
      '--key',
      'config',
      '--limit',
      '1',
      '--json',
    ]);
    const { status, out } = await tail.ended;
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      key: 'config',
      value: { kind: 'config', config: { hash: expect.any(String) as string } },
    });
  });
});
