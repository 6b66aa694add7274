/** The Intercom source against real Kafka, registry and Redis, and a twin that delivers signed webhooks. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../cli/stack/parts.ts';
import { connectKafka } from '../../../core/kafka.ts';
import { contactItem, notification } from '../../processors/decode/intercom-notifications.ts';
import { callsOf, twinControl } from '../../support/intercom-access.ts';
import { openKafkaProxy } from '../../support/kafka-proxy.ts';
import { env, log } from '../../support/loop-servers.ts';
import { Harness, type MovableTwin, person, signed, subscribe } from './harness.ts';

let harness: Harness;
let twin: MovableTwin;

beforeEach(async () => {
  harness = await Harness.open();
  twin = await harness.twin();
});
afterEach(() => harness.close());

const parts = ['snapshotComplete admin', 'snapshotComplete company', 'snapshotComplete contact'];
const snapshot = (times = 1) =>
  harness.until(async () => {
    expect((await harness.marks()).filter((mark) => mark === parts[2])).toHaveLength(times);
  });

const main = new URL('../../../cli/main.ts', import.meta.url).pathname;
const tributary = (...args: readonly string[]): Promise<string> =>
  promisify(execFile)(process.execPath, [main, ...args], {
    env: { ...process.env, TRIBUTARY_PREFIX: harness.prefix },
    timeout: 60_000,
  }).then(({ stdout }) => stdout);

function people(count: number): readonly string[] {
  const company = twin.model.upsertCompany({ company_id: 'acc-1', name: 'Orchard' }, twin.now()).value;
  return Array.from({ length: count }, (_, n) => {
    const { value } = twin.model.createContact({ email: `p${n}@x.example`, name: `P${n}` }, twin.now() - 3_600_000);
    twin.model.attach(value.id, company.id, twin.now() - 3_600_000);
    return value.id;
  });
}

/** A notification that only names a contact. */
const names = (id: string): Buffer =>
  notification(
    'contact.subscribed',
    { type: 'contact_subscribe', contact: { type: 'contact', id } },
    { app_id: twin.workspaceId, created_at: Math.floor(twin.now() / 1_000) },
  );

describe('one pod', () => {
  test('reads everybody once, then says every second up to when it is current', async () => {
    const ids = people(200);
    await harness.pod(twin);
    await snapshot();
    expect(await harness.marks()).toEqual(parts);
    const contacts = (await harness.observations()).filter(({ ref }) => ref.startsWith('intercom:contact:'));
    expect(new Set(contacts.map(({ ref }) => ref))).toEqual(new Set(ids.map((id) => `intercom:contact:${id}`)));
    const claims = await harness.until(async () => {
      const told = await harness.claims();
      expect(told.length).toBeGreaterThan(2);
      return told.map(({ upTo }) => upTo);
    });
    expect(claims).toEqual(claims.toSorted((a, b) => a - b));
    expect(twin.now() - (claims.at(-1) ?? 0)).toBeGreaterThan(9_000);
    expect(twin.now() - (claims.at(-1) ?? 0)).toBeLessThan(15_000);
  });

  test('brings an edit to `changes` within three seconds, and a company, and who is gone', async () => {
    const [id = '', other = ''] = people(2);
    const pod = await harness.pod(twin);
    harness.decode();
    await snapshot();
    await subscribe(twin, pod);
    await twinControl(twin, 'webhooks/habits', { delayMs: [0, 0] });
    const began = performance.now();
    await person(twin, 'PUT', `/contacts/${id}`, { name: 'Mara' });
    await harness.until(async () => {
      const names = (await harness.decoded()).flatMap(({ observation }) =>
        observation?.ref === `intercom:contact:${id}` ? [observation.fields['name']] : [],
      );
      expect(names.at(-1)).toBe('Mara');
    });
    expect(performance.now() - began).toBeLessThan(3_000);
    await person(twin, 'POST', '/companies', { company_id: 'acc-2', name: 'Grove' });
    await person(twin, 'DELETE', `/contacts/${other}`);
    await harness.until(async () => {
      const seen = await harness.observations();
      expect(seen.some(({ fields }) => fields['company_id'] === 'acc-2')).toBe(true);
      expect(seen.filter(({ ref }) => ref.endsWith(other)).at(-1)?.op).toBe('deleted');
    });
    expect(await harness.deadLetters()).toEqual([]);
  });

  test('reads what a notification only names: who was merged away', async () => {
    const [id = ''] = people(1);
    await twinControl(twin, 'switches', { mergedFrom: false });
    const pod = await harness.pod(twin);
    await snapshot();
    await subscribe(twin, pod);
    const lead = twin.model.createContact({ role: 'lead', email: 'p0@x.example' }, twin.now()).value;
    await twinControl(twin, 'merge', { from: lead.id, into: id });
    await harness.until(async () => {
      const moved = (await harness.observations()).filter(({ op }) => op === 'moved');
      expect(moved).toMatchObject([{ ref: `intercom:contact:${lead.id}`, into: `intercom:contact:${id}` }]);
    });
  });

  test('reads again what an operator asks for: those who changed since, and who is gone by their ids', async () => {
    const [id = '', other = ''] = people(3);
    // Else the one pass made at once may come before search shows the edit, and the next is minutes away.
    await twinControl(twin, 'switches', { searchLagMs: 0 });
    await harness.pod(twin);
    await snapshot();
    // Nobody is notified of either.
    await person(twin, 'PUT', `/contacts/${id}`, { name: 'Mara' });
    await person(twin, 'DELETE', `/contacts/${other}`);
    expect(await tributary('reread', '--contact', other, id)).toMatch(/^asked/);
    await harness.until(async () => {
      expect((await harness.observations()).filter(({ ref }) => ref.endsWith(other)).at(-1)?.op).toBe('deleted');
      expect((await harness.told(id)).at(-1)).toBe('Mara');
    });
    expect(await harness.marks()).toEqual(parts);
    const told = (await harness.told(id)).length;
    expect(await tributary('reread', '--since', new Date(twin.now() - 60_000).toISOString())).toMatch(/^asked/);
    await harness.until(async () => expect((await harness.told(id)).length).toBeGreaterThan(told));
    expect(await harness.marks()).toEqual([...parts, 'holeOpen notifications lost, 1']);
  });

  test('puts posts off while Kafka is away, and reads what was put off when it is back', async () => {
    const [id = ''] = people(3);
    const proxy = await openKafkaProxy(env('KAFKA_BROKERS'));
    const far = connectKafka({ brokers: proxy.brokers, prefix: harness.prefix, clientId: 'test', log });
    const pod = await harness.pod(twin, { kafka: far });
    await twinControl(twin, 'switches', { searchLagMs: 0 });
    await snapshot();
    await subscribe(twin, pod);
    await proxy.cut();
    await person(twin, 'PUT', `/contacts/${id}`, { name: 'Mara' });
    // One that waited for Kafka is held by us; the platform sends none after it for a minute.
    await harness.until(async () => expect(await twinControl(twin, 'webhooks')).toMatchObject({ state: 'throttled' }));
    await person(twin, 'PUT', `/contacts/${id}`, { name: 'Maja' });
    const bytes = notification('contact.user.updated', contactItem, { app_id: twin.workspaceId });
    expect(await signed(pod.url, twin.clientSecret, bytes)).toBe(429);
    // Whoever is taken off the balancer cannot even say 429.
    expect(pod.said()).toMatch(/^ready: /);
    await proxy.restore();
    await harness.until(async () => {
      expect(await harness.marks()).toEqual([...parts, 'holeOpen notifications lost, 1']);
    });
    await harness.until(async () => expect(await harness.told(id)).toContain('Maja'), 40_000);
    expect(await signed(pod.url, twin.clientSecret, bytes)).toBe(200);
    await pod.stop();
    await far.close();
    await proxy.close();
  }, 120_000);

  test('refuses what is not signed with the secret, and keeps what it cannot read', async () => {
    const pod = await harness.pod(twin);
    await snapshot();
    const [range] = await harness.kafka.offsets('connectors.dlq');
    expect(range?.latest).toBe(0);
    const bytes = notification('contact.user.updated', contactItem, { app_id: 'other001' });
    expect(await signed(pod.url, 'guessed', bytes)).toBe(401);
    expect(await signed(pod.url, twin.clientSecret, bytes)).toBe(200);
    expect(await harness.deadLetters()).toMatchObject([{ code: 'PLATFORM_OTHER_ORG', original: bytes }]);
  });
});

test('killed in the middle of many posts, it has lost none that it had answered', async () => {
  const [id = ''] = people(1);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/intercom`;
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [main, 'run', 'connect-intercom'], {
      env: {
        ...process.env,
        TRIBUTARY_PREFIX: harness.prefix,
        INTERCOM_BASE_URL: twin.url,
        INTERCOM_TOKEN: twin.token,
        INTERCOM_CLIENT_SECRET: twin.clientSecret,
        INTERCOM_WEBHOOK_PORT: String(port),
      },
      stdio: 'ignore',
    });
    await harness.until(async () => expect(await signed(url, twin.clientSecret, names(id))).toBe(200), 40_000);
    return child;
  };
  const answered: string[] = [];
  const put = async (name: string): Promise<void> => {
    const bytes = notification('contact.user.updated', { ...contactItem, id, name }, { app_id: twin.workspaceId });
    const status = await signed(url, twin.clientSecret, bytes).catch(() => 0);
    if (status === 200) answered.push(name);
  };
  const putMany = async (from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n += 20) await Promise.all(Array.from({ length: 20 }, (_, k) => put(`N${n + k}`)));
  };
  let child = await start();
  try {
    const putting = putMany(0, 3_000);
    await harness.until(() => expect(answered.length).toBeGreaterThan(60));
    child.kill('SIGKILL');
    await putting;
    expect(answered.length).toBeLessThan(3_000);
    const before = answered.length;
    child = await start();
    await putMany(3_000, 3_200);
    const told = new Set(await harness.told(id));
    expect(answered.filter((name) => !told.has(name))).toEqual([]);
    expect(answered.length).toBe(before + 200);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
}, 120_000);

describe('after a standstill', () => {
  test('what was notified to nobody is read again, between a mark that opens the hole and one that closes it', async () => {
    const [id = '', other = ''] = people(3);
    const first = await harness.pod(twin);
    await snapshot();
    await subscribe(twin, first);
    await harness.until(async () => expect((await harness.claims()).length).toBeGreaterThan(0));
    await first.stop();
    await person(twin, 'PUT', `/contacts/${id}`, { name: 'Mara' });
    await harness.until(async () =>
      expect(await twinControl(twin, 'webhooks')).toMatchObject({ waiting: 1, attempts: 1 }),
    );
    twin.advance(180_000);
    await harness.until(async () => expect(await twinControl(twin, 'webhooks')).toMatchObject({ waiting: 0 }));
    const second = await harness.pod(twin);
    await harness.until(async () => expect((await harness.told(id)).at(-1)).toBe('Mara'));
    expect(await harness.marks()).toEqual([...parts, 'holeOpen notifications lost, 1']);
    const claimsThen = (await harness.claims()).length;
    await subscribe(twin, second);
    await person(twin, 'PUT', `/contacts/${other}`, { name: 'Olev' });
    await harness.until(async () => expect((await harness.told(other)).at(-1)).toBe('Olev'));
    // Search may not show everything yet: the hole is closed by a pass that begins a minute later. The time is told by an
    // answer, here to what a notification only names.
    expect(await harness.marks()).toHaveLength(4);
    twin.advance(61_000);
    expect(await signed(second.url, twin.clientSecret, names(id))).toBe(200);
    await harness.until(async () => {
      expect((await harness.marks()).at(-1)).toBe('holeClosed notifications lost, 1');
      const certificates = (await harness.changes()).flatMap(({ mark }) => mark?.certificate ?? []);
      // Two people had changed since; companies are all read, and there is one.
      expect(certificates).toMatchObject([{ method: 'modified', read: 3, changed: 2, deleted: 0 }]);
      expect(certificates[0]?.unknown.join()).toContain('deletions');
    });
    await harness.until(async () => expect((await harness.claims()).length).toBeGreaterThan(claimsThen));
  });

  test('that was short, reading goes on where it was', async () => {
    people(3);
    const first = await harness.pod(twin);
    await snapshot();
    await harness.until(async () => expect((await harness.claims()).length).toBeGreaterThan(0));
    await first.stop();
    const asked = (await callsOf(twin)).length;
    const claims = (await harness.claims()).length;
    await harness.pod(twin);
    await harness.until(async () => expect((await harness.claims()).length).toBeGreaterThan(claims));
    expect(await harness.marks()).toEqual(parts);
    expect((await callsOf(twin)).slice(asked).map(({ call }) => call)).toEqual(['GET /me']);
  });
});

describe('several pods', () => {
  test('all receive and one reads; another goes on when it ends', async () => {
    const [id = ''] = people(3);
    const one = await harness.pod(twin);
    await snapshot();
    const two = await harness.pod(twin);
    await harness.until(() => expect(two.said()).toMatch(/^ready: waiting for the lease/));
    const told = (name: string): Buffer =>
      notification('contact.user.updated', { ...contactItem, id, name }, { app_id: twin.workspaceId });
    expect(await signed(one.url, twin.clientSecret, told('Mara'))).toBe(200);
    expect(await signed(two.url, twin.clientSecret, told('Maja'))).toBe(200);
    expect((await harness.told(id)).slice(-2)).toEqual(['Mara', 'Maja']);
    await one.stop();
    const claims = (await harness.claims()).length;
    await harness.until(async () => expect((await harness.claims()).length).toBeGreaterThan(claims));
    expect(await harness.marks()).toEqual(parts);
  });

  test('what one left to be read is read by the next', async () => {
    const [id = ''] = people(2);
    const one = await harness.pod(twin);
    await snapshot();
    const two = await harness.pod(twin);
    await harness.until(() => expect(two.said()).toMatch(/waiting for the lease/));
    await one.stop();
    // Only named, and nobody reads at the moment.
    const before = (await harness.told(id)).length;
    expect(await signed(two.url, twin.clientSecret, names(id))).toBe(200);
    await harness.until(async () => expect((await harness.told(id)).length).toBe(before + 1));
  });

  test('a lease that is lost ends the reading, and the receiving goes on', async () => {
    const [id = ''] = people(2);
    const pod = await harness.pod(twin);
    await snapshot();
    const key = `{${harness.prefix}lease:connect-intercom}`;
    await harness.redis.set(key, 'somebody else', 'PX', 12_000);
    await harness.until(() => expect(pod.said()).toMatch(/waiting for the lease, another holds it/));
    const claims = (await harness.claims()).length;
    const bytes = notification(
      'contact.user.updated',
      { ...contactItem, id, name: 'Mara' },
      { app_id: twin.workspaceId },
    );
    expect(await signed(pod.url, twin.clientSecret, bytes)).toBe(200);
    expect((await harness.told(id)).at(-1)).toBe('Mara');
    expect((await harness.claims()).length).toBe(claims);
    await harness.until(async () => expect((await harness.claims()).length).toBeGreaterThan(claims));
    expect(await harness.marks()).toEqual(parts);
  });
});

describe('without the client secret', () => {
  test('only teammates are read, and nothing is claimed', async () => {
    people(2);
    const { id } = twin.model.addAdmin({ name: 'Olev', email: 'olev@orchard.example' });
    await harness.redis.hset(`${harness.prefix}directory:intercom:admin`, { 999: 'told by another life' });
    const pod = await harness.pod(twin, { secret: undefined });
    await harness.until(async () => expect(await harness.marks()).toEqual(['snapshotComplete admin']));
    await harness.until(() => expect(pod.said()).toBe('ready: reading'));
    await expect(fetch(pod.url, { method: 'HEAD' })).rejects.toThrow('fetch failed');
    const seen = (await harness.observations()).map(({ ref, op }) => `${op} ${ref}`);
    const owner = twin.model.admins()[0]?.id;
    expect(seen).toEqual([`seen intercom:admin:${owner}`, `seen intercom:admin:${id}`, 'deleted intercom:admin:999']);
    expect(await harness.claims()).toEqual([]);
  });

  test('is not ready while Kafka is away', async () => {
    const proxy = await openKafkaProxy(env('KAFKA_BROKERS'));
    const far = connectKafka({ brokers: proxy.brokers, prefix: harness.prefix, clientId: 'test', log });
    const pod = await harness.pod(twin, { kafka: far, secret: undefined });
    await harness.until(() => expect(pod.said()).toBe('ready: reading'));
    await proxy.cut();
    await harness.until(() => expect(pod.said()).toMatch(/^not ready: (offsets of intercom\.raw|Kafka)/));
    await proxy.restore();
    await harness.until(() => expect(pod.said()).toBe('ready: reading'));
    await pod.stop();
    await far.close();
    await proxy.close();
  });
});
