import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type IntercomTwin, startIntercomTwin } from '../../twins/intercom/server.ts';

const start = Date.UTC(2026, 7, 19, 15, 2, 40);
let now = start;
let twin: IntercomTwin;
let endpoint: Server;
let url: string;
/** What the endpoint answers a POST; `silence`: nothing, for ever. */
let status: number | 'silence';
let headStatus: number;
let posts: { readonly headers: IncomingMessage['headers']; readonly bytes: Buffer }[];

beforeEach(async () => {
  now = start;
  status = headStatus = 200;
  posts = [];
  twin = await startIntercomTwin({ now: () => now, switches: { searchLagMs: 0 } });
  endpoint = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.method === 'POST') posts.push({ headers: request.headers, bytes: Buffer.concat(chunks) });
      if (request.method === 'POST' && status === 'silence') return;
      response.writeHead(request.method === 'HEAD' ? headStatus : Number(status)).end();
    });
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/webhooks`;
});
afterEach(async () => {
  await twin.close();
  endpoint.closeAllConnections();
  await new Promise((resolve) => endpoint.close(resolve));
});

const view = z.looseObject({
  url: z.string().nullable(),
  state: z.string(),
  waiting: z.number(),
  delivered: z.number(),
  lost: z.record(z.string(), z.number()),
});

async function control(path: string, body?: unknown): Promise<z.output<typeof view>> {
  const response = await fetch(`${twin.url}/__twin/${path}`, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return view.parse(answer);
}

async function subscribe(topics?: readonly string[]): Promise<void> {
  await control('webhooks', { url, ...(topics !== undefined && { topics }) });
  await control('webhooks/habits', { delayMs: [0, 0] });
}

const asApp = { authorization: 'Bearer intercom-twin-token' };
async function create(email: string, headers: Record<string, string> = asApp): Promise<void> {
  const response = await fetch(`${twin.url}/contacts`, { method: 'POST', headers, body: JSON.stringify({ email }) });
  expect(response.status).toBe(200);
}
const bodies = (): readonly Record<string, unknown>[] =>
  posts.map(({ bytes }) => z.record(z.string(), z.unknown()).parse(JSON.parse(bytes.toString())));
const until = (check: () => unknown) => vi.waitFor(check, { timeout: 3_000 });

describe('an endpoint', () => {
  test('gets what happened, signed over the bytes, from the user agent of the platform', async () => {
    await subscribe();
    await create('mära@orchard.example');
    await until(() => expect(posts).toHaveLength(1));
    const [{ headers, bytes }] = posts as [(typeof posts)[0]];
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'intercom-parrot-service-client/1.0',
    });
    const sign = (text: Buffer | string) => `sha1=${createHmac('sha1', twin.clientSecret).update(text).digest('hex')}`;
    expect(headers['x-hub-signature']).toBe(sign(bytes));
    expect(headers['x-hub-signature']).not.toBe(sign(JSON.stringify(JSON.parse(bytes.toString()))));
    expect(bodies()).toMatchObject([
      {
        type: 'notification_event',
        app_id: twin.workspaceId,
        topic: 'contact.user.created',
        data: { item: { email: 'mära@orchard.example' } },
      },
    ]);
    await until(async () =>
      expect(await control('webhooks')).toMatchObject({ url, state: 'live', delivered: 1, waiting: 0 }),
    );
  });

  test('that fails gets the same notification again after a minute, and nothing after that', async () => {
    await subscribe();
    status = 503;
    await create('mara@orchard.example');
    await until(async () => expect(await control('webhooks')).toMatchObject({ attempts: 1, nextDueAt: now + 60_000 }));
    now += 60_000;
    await until(async () => expect(await control('webhooks')).toMatchObject({ lost: { failed: 1 }, waiting: 0 }));
    const [first, second] = bodies();
    expect(second).toMatchObject({ id: first?.['id'], delivery_attempts: 2, delivery_status: 'retry' });
    now += 60_000;
    await control('webhooks');
    expect(posts).toHaveLength(2);
  });

  test('that cannot be reached counts as one that does not answer', async () => {
    await subscribe();
    endpoint.closeAllConnections();
    await new Promise((resolve) => endpoint.close(resolve));
    await create('mara@orchard.example');
    await until(async () => expect(await control('webhooks')).toMatchObject({ attempts: 1, nextDueAt: now + 60_000 }));
  });

  test('that answers 410 hears nothing more until it is subscribed again', async () => {
    await subscribe();
    status = 410;
    await create('mara@orchard.example');
    await until(async () => expect((await control('webhooks')).state).toBe('disabled'));
    await create('other@orchard.example');
    expect(await control('webhooks')).toMatchObject({ lost: { disabled: 2 }, waiting: 0 });
    status = 200;
    await subscribe(['contact.user.created']);
    await create('third@orchard.example');
    await until(() => expect(bodies().at(-1)).toMatchObject({ data: { item: { email: 'third@orchard.example' } } }));
  });

  test('must be on loopback and answer HEAD', async () => {
    await expect(control('webhooks', { url: 'http://10.0.0.1/' })).rejects.toThrow('loopback');
    await expect(control('webhooks', { url: 'https://127.0.0.1/' })).rejects.toThrow('loopback');
    await expect(control('webhooks', { url: 'nonsense' })).rejects.toThrow('loopback');
    headStatus = 405;
    await expect(control('webhooks', { url })).rejects.toThrow('405');
    expect(await control('webhooks')).toMatchObject({ url: null, state: 'off' });
  });

  test('is pinged on request, suspended by hand, and forgotten', async () => {
    await subscribe();
    await control('webhooks/ping', {});
    await until(() => expect(bodies()).toMatchObject([{ topic: 'ping', id: null }]));
    expect((await control('webhooks/suspend', {})).state).toBe('suspended');
    const response = await fetch(`${twin.url}/__twin/webhooks`, { method: 'DELETE' });
    expect(await response.json()).toMatchObject({ url: null, state: 'off', topics: [] });
  });

  test('hears what people do as well, and nothing of what is loaded', async () => {
    await subscribe();
    await fetch(`${twin.url}/__twin/switches`, { method: 'POST', body: '{"echoOwnWrites":false}' });
    await fetch(`${twin.url}/__twin/load`, {
      method: 'POST',
      body: '{"contacts":[{"email":"loaded@orchard.example"}]}',
    });
    await create('ours@orchard.example');
    await create('theirs@orchard.example', { authorization: 'Bearer person:editor' });
    await until(() => expect(posts).toHaveLength(1));
    expect(bodies()).toMatchObject([{ data: { item: { email: 'theirs@orchard.example' } } }]);
  });

  test('is not waited for when the twin ends', async () => {
    await subscribe();
    status = 'silence';
    await create('mara@orchard.example');
    await until(() => expect(posts).toHaveLength(1));
    const asked = performance.now();
    await twin.close();
    expect(performance.now() - asked).toBeLessThan(1_000);
    twin = await startIntercomTwin();
  });
});

test('the platform merges two contacts and blocks one by the control plane', async () => {
  const make = (body: object) => twin.model.createContact({ ...body }, now).value.id;
  const [from, into] = [make({ role: 'lead' }), make({ email: 'mara@orchard.example' })];
  const order = async (path: string, body: object) => {
    const response = await fetch(`${twin.url}/__twin/${path}`, { method: 'POST', body: JSON.stringify(body) });
    return [response.status, await response.json()];
  };
  expect(await order('merge', { from, into })).toEqual([200, twin.model.contact(into)]);
  expect(await order('merge', { from, into })).toMatchObject([404, { type: 'error.list' }]);
  expect(await order('block', { id: into, blocked: true })).toMatchObject([200, { blocked: true, archived: true }]);
  const headers = { ...asApp, 'intercom-version': '2.16' };
  const gone = await fetch(`${twin.url}/contacts/${from}`, { headers });
  expect([gone.status, gone.headers.get('link')]).toEqual([410, `</contacts/${into}>; rel="canonical"`]);
});
