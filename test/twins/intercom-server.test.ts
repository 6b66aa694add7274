import { IntercomClient, IntercomError } from 'intercom-client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type IntercomTwin, startIntercomTwin } from '../../twins/intercom/server.ts';

const start = Date.UTC(2026, 7, 19, 15, 2, 40);
let now = start;
let twin: IntercomTwin;
let client: IntercomClient;

beforeEach(async () => {
  now = start;
  twin = await startIntercomTwin({ now: () => now, ratePerMinute: 600, switches: { searchLagMs: 0 } });
  client = clientFor(twin.token);
  await load({
    attributes: [
      { name: 'job_title', model: 'contact', data_type: 'string' },
      { name: 'seats', model: 'contact', data_type: 'integer' },
    ],
  });
});
afterEach(() => twin.close());

const clientFor = (token: string) =>
  new IntercomClient({ token, baseUrl: twin.url, maxRetries: 0, timeoutInSeconds: 5 });

async function failure(call: PromiseLike<unknown>): Promise<IntercomError> {
  const error = await Promise.resolve(call).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof IntercomError)) throw new Error('expected an IntercomError', { cause: error });
  return error;
}
const errorList = z.object({
  type: z.literal('error.list'),
  request_id: z.string(),
  errors: z.array(z.object({ code: z.string(), message: z.string(), field: z.string().optional() })),
});
const firstError = (error: IntercomError) => errorList.parse(error.body).errors[0];

async function control(path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${twin.url}/__twin/${path}`, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}
const load = (body: unknown) => control('load', body);
const callLog = z.array(
  z.object({
    n: z.number(),
    time: z.number(),
    client: z.string(),
    method: z.string(),
    path: z.string(),
    status: z.number(),
    objectId: z.string().nullable(),
    changed: z.array(z.string()).nullable(),
    noop: z.boolean(),
    fault: z.string().nullable(),
  }),
);
const calls = async (since = 0) => callLog.parse(await control(`calls?since=${since}`));
const emails = () => twin.model.everything().contacts.map((contact) => contact.email);

async function create(email: string): Promise<string> {
  const { id } = await client.contacts.create({ email });
  return z.string().parse(id);
}
/** The SDK's types know no null, the platform does. */
const update = (id: string, body: object) => client.contacts.update({ contact_id: id, ...body });

describe('the official client', () => {
  test('creates, reads, updates and clears', async () => {
    const id = await create('Mara@Orchard.example');
    now += 1_500;
    await update(id, { name: 'Mara Ilves', custom_attributes: { job_title: 'Buyer', seats: 3 } });
    const cleared = await update(id, { name: null, custom_attributes: { seats: null } });
    expect(cleared).toMatchObject({
      type: 'contact',
      email: 'mara@orchard.example',
      name: null,
      custom_attributes: { job_title: 'Buyer' },
      created_at: start / 1000,
      updated_at: start / 1000 + 1,
    });
    expect(await client.contacts.find({ contact_id: id })).toEqual(cleared);
  });

  test('reads the id of the holder out of a 409', async () => {
    const id = await create('mara@orchard.example');
    const error = await failure(client.contacts.create({ email: 'mara@orchard.example' }));
    expect(error.statusCode).toBe(409);
    expect(firstError(error)?.code).toBe('conflict');
    expect(/id=([0-9a-f]{24})/.exec(firstError(error)?.message ?? '')?.[1]).toBe(id);
  });

  test('finds by external id, archives, unarchives and deletes', async () => {
    const { id } = await client.contacts.create({ external_id: 'cust-90417' });
    expect((await client.contacts.showContactByExternalId({ external_id: 'cust-90417' })).id).toBe(id);
    expect(await client.contacts.archive({ contact_id: id })).toMatchObject({ id, archived: true });
    expect((await failure(client.contacts.find({ contact_id: id }))).statusCode).toBe(404);
    expect(await client.contacts.unarchive({ contact_id: id })).toMatchObject({ id, archived: false });
    expect(await client.contacts.delete({ contact_id: id })).toMatchObject({ id, deleted: true });
    expect(firstError(await failure(client.contacts.find({ contact_id: id })))?.message).toBe('User Not Found');
  });

  test('searches and lists page by page', async () => {
    for (let n = 0; n < 7; n += 1) await create(`p${n}@orchard.example`);
    const found: unknown[] = [];
    const query = { field: 'role', operator: '=', value: 'user' } as const;
    for await (const contact of await client.contacts.search({ query, pagination: { per_page: 3 } }))
      found.push(contact.email);
    const listed: unknown[] = [];
    for await (const contact of await client.contacts.list({ per_page: 3 })) listed.push(contact.email);
    expect(new Set(found).size).toBe(7);
    expect(listed).toEqual(found);
    const one = await client.contacts.search({ query: { field: 'email', operator: '=', value: 'p3@orchard.example' } });
    expect(one.data.map((contact) => contact.email)).toEqual(['p3@orchard.example']);
  });

  test('upserts companies, attaches people to them, and sees at most ten in a person', async () => {
    const contact_id = await create('mara@orchard.example');
    for (let n = 0; n < 12; n += 1) {
      const { id } = await client.companies.createOrUpdate({ company_id: `acc-${n}`, name: `Orchard ${n}` });
      await client.companies.attachContact({ contact_id, id });
    }
    const contact = await client.contacts.find({ contact_id });
    expect(contact.companies).toMatchObject({ total_count: 12, has_more: true });
    expect(contact.companies?.data).toHaveLength(10);
    const { rawResponse, data } = await client.companies.retrieve({ company_id: 'acc-11' }).withRawResponse();
    expect(rawResponse.status).toBe(200);
    expect(data).toMatchObject({ type: 'company', company_id: 'acc-11', name: 'Orchard 11', user_count: 1 });
    const scrolled: unknown[] = [];
    const first = await client.companies.scroll({});
    for (const company of first.data) scrolled.push(company.company_id);
    expect(scrolled).toHaveLength(12);
    expect(firstError(await failure(client.companies.scroll({})))?.code).toBe('scroll_exists');
    now += 60_000;
    expect((await client.companies.scroll({})).data).toHaveLength(12);
    const { id: company_id } = z.object({ id: z.string() }).parse(data);
    await client.companies.detachContact({ contact_id, company_id });
    expect(twin.model.companiesOf(contact_id)).toHaveLength(11);
    expect(await client.companies.delete({ company_id })).toEqual({ id: company_id, object: 'company', deleted: true });
  });

  test('reads who it is, the admins, and the attributes of one model', async () => {
    await load({ admins: [{ name: 'Support', email: 'support@orchard.example' }] });
    expect((await client.admins.identify())?.app).toMatchObject({ id_code: twin.workspaceId, timezone: 'Etc/UTC' });
    const { admins = [] } = await client.admins.list();
    expect(admins.map((admin) => admin?.email)).toContain('support@orchard.example');
    const request = { name: 'tier', model: 'company', data_type: 'string' } as const;
    const made = await client.dataAttributes.create(request as Parameters<typeof client.dataAttributes.create>[0]);
    expect(made).toMatchObject({ name: 'tier', full_name: 'custom_attributes.tier', custom: true, model: 'company' });
    const { data = [] } = await client.dataAttributes.list({ model: 'company' });
    expect(data.filter((attribute) => attribute.custom).map((attribute) => attribute.name)).toEqual(['tier']);
  });

  test('gets the owner as a number up to 2.15 and as text from 2.16', async () => {
    const id = await create('mara@orchard.example');
    const owner_id = twin.model.admins()[0]?.id;
    const old = await update(id, { owner_id });
    const headers = { 'Intercom-Version': '2.16' };
    const current = await client.contacts.find({ contact_id: id }, { headers });
    expect([old.owner_id, current.owner_id]).toEqual([owner_id, String(owner_id)]);
    const unknown = await failure(client.contacts.find({ contact_id: id }, { headers: { 'Intercom-Version': '9.9' } }));
    expect(firstError(unknown)?.code).toBe('intercom_version_invalid');
  });
});

describe('refusals', () => {
  test('are error lists with a request id, on every way to fail', async () => {
    const id = await create('mara@orchard.example');
    const unknownAttribute = await failure(update(id, { custom_attributes: { shoe_size: 44 } }));
    expect(unknownAttribute.statusCode).toBe(400);
    expect(firstError(unknownAttribute)).toMatchObject({
      code: 'parameter_invalid',
      field: 'custom_attributes.shoe_size',
    });
    expect(firstError(await failure(clientFor('wrong').contacts.find({ contact_id: id })))?.code).toBe('unauthorized');
    const raw = async (path: string, init: { method?: string; body?: string; headers?: Record<string, string> }) => {
      const headers = { authorization: `Bearer ${twin.token}`, ...init.headers };
      const response = await fetch(twin.url + path, { ...init, headers });
      return [response.status, errorList.parse(await response.json()).errors[0]?.code];
    };
    expect(await raw('/contacts', { method: 'POST', body: '{"email":' })).toEqual([400, 'bad_request']);
    expect(await raw('/shoes', {})).toEqual([404, 'not_found']);
    expect(await raw('/contacts', { headers: { accept: 'text/html' } })).toEqual([406, 'media_type_not_acceptable']);
    const bare = await fetch(`${twin.url}/me`);
    expect([bare.status, errorList.parse(await bare.json()).errors[0]?.code]).toEqual([401, 'missing_authorization']);
  });
});

describe('the quota', () => {
  test('is told by three headers, refuses in windows of ten seconds and refills', async () => {
    const taken = (count: number) =>
      client.admins
        .list()
        .withRawResponse()
        .then(({ rawResponse: { headers } }) => ({
          count,
          limit: headers.get('x-ratelimit-limit'),
          remaining: headers.get('x-ratelimit-remaining'),
          reset: headers.get('x-ratelimit-reset'),
        }));
    const reset = String(start / 1000 + 10);
    for (let count = 1; count <= 100; count += 1)
      expect(await taken(count)).toEqual({ count, limit: '100', remaining: String(100 - count), reset });
    now += 9_999;
    const error = await failure(client.admins.list());
    expect(error.statusCode).toBe(429);
    expect(firstError(error)).toMatchObject({
      code: 'rate_limit_exceeded',
      message: 'Exceeded rate limit of 100 in 10_seconds',
    });
    expect(error.rawResponse?.headers.get('x-ratelimit-remaining')).toBe('0');
    expect((await clientFor('person:other').admins.list()).admins).toHaveLength(1);
    now += 1;
    expect(await taken(1)).toMatchObject({ remaining: '99', reset: String(start / 1000 + 20) });
  });

  test('is counted for the workspace as well', async () => {
    await control('switches', { ratePerMinute: 12 });
    const as = (name: string) => clientFor(name).admins.list();
    for (const name of ['person:1', 'person:1', 'person:2', 'person:2', 'person:3']) await as(name);
    expect((await failure(as('person:3'))).statusCode).toBe(429);
  });

  test('dates every answer by the clock of the platform', async () => {
    const { rawResponse } = await client.admins.list().withRawResponse();
    expect(rawResponse.headers.get('date')).toBe('Wed, 19 Aug 2026 15:02:40 GMT');
  });
});

describe('the call log', () => {
  test('names the caller, the object and what changed, and no values', async () => {
    const id = await create('mara@orchard.example');
    await update(id, { name: 'Mara' });
    await update(id, { name: 'Mara' });
    await failure(client.contacts.create({ email: 'mara@orchard.example' }));
    await clientFor('person:editor').contacts.update({ contact_id: id, name: 'Mara Ilves' });
    const log = await calls();
    expect(log.map(({ client: who, method, status, changed, noop }) => [who, method, status, changed, noop])).toEqual([
      ['app', 'POST', 200, ['id', 'email'], false],
      ['app', 'PUT', 200, ['name'], false],
      ['app', 'PUT', 200, [], true],
      ['app', 'POST', 409, null, false],
      ['person:editor', 'PUT', 200, ['name'], false],
    ]);
    expect(log.slice(0, 3).map(({ objectId }) => objectId)).toEqual([id, id, id]);
    expect(JSON.stringify(log)).not.toMatch(/mara|Ilves/i);
    expect(await calls(4)).toEqual(log.slice(4));
    expect(await control('stats')).toEqual({
      calls: 5,
      byClient: { app: 4, 'person:editor': 1 },
      byStatus: { 200: 4, 409: 1 },
      writes: 4,
      noops: 1,
    });
  });

  test('is not touched by loading, and what is loaded is in the store', async () => {
    await load({
      companies: [{ company_id: 'acc-1', name: 'Orchard' }],
      contacts: [{ email: 'mara@orchard.example', companies: ['acc-1'] }],
    });
    expect(await calls()).toEqual([]);
    const store = await control('store');
    const [company] = twin.model.everything().companies;
    expect(store).toMatchObject({
      workspaceId: twin.workspaceId,
      companies: [{ id: company?.id, company_id: 'acc-1' }],
      contacts: [{ email: 'mara@orchard.example', companies: [company?.id], updated_ms: start }],
    });
    await expect(load({ people: [] })).rejects.toThrow('people');
  });
});

describe('faults', () => {
  const hasty = () =>
    new IntercomClient({ token: twin.token, baseUrl: twin.url, maxRetries: 0, timeoutInSeconds: 0.2 });
  const sent = (from = client) => from.contacts.create({ email: 'mara@orchard.example' });
  const order = (fault: object) => control('faults', { match: 'POST /contacts', ...fault });

  test.each([
    ['timeout-before', 'timeout', []],
    ['timeout-after', 'timeout', ['mara@orchard.example']],
    ['reset-before', 'fetch failed', []],
    ['reset-after', 'fetch failed', ['mara@orchard.example']],
  ])('%s leaves the client without an answer', async (kind, message, stored) => {
    await order({ kind });
    const error = await failure(sent(kind.startsWith('timeout') ? hasty() : client));
    await vi.waitFor(async () => expect(await calls()).toHaveLength(1));
    expect(error.statusCode).toBeUndefined();
    expect(error.message).toContain(message);
    expect(emails()).toEqual(stored);
    expect((await calls())[0]).toMatchObject({ fault: kind, changed: stored.length === 0 ? null : ['id', 'email'] });
  });

  test.each([
    [false, []],
    [true, ['mara@orchard.example']],
  ])('a status can come before or after the write (applied: %s)', async (applied, stored) => {
    await order({ status: 503, applied, times: 2 });
    const error = await failure(sent());
    expect(error.statusCode).toBe(503);
    expect(firstError(error)?.code).toBe('service_unavailable');
    expect(emails()).toEqual(stored);
    expect(await control('faults')).toMatchObject([{ status: 503, left: 1 }]);
  });

  test('last as often as ordered, for the calls they match, until they are cleared', async () => {
    await order({ status: 401, code: 'token_revoked' });
    expect((await client.admins.list()).admins).toHaveLength(1);
    expect(firstError(await failure(sent()))?.code).toBe('token_revoked');
    await sent();
    await control('faults', { match: '* /contacts/*', status: 500 });
    await fetch(`${twin.url}/__twin/faults`, { method: 'DELETE' });
    const id = twin.model.everything().contacts[0]?.id ?? '';
    expect((await client.contacts.find({ contact_id: id })).email).toBe('mara@orchard.example');
    await expect(order({ kind: 'slow', status: 500 })).rejects.toThrow('not both');
  });

  test('html-502 is a page of a proxy, not an error list', async () => {
    await order({ kind: 'html-502' });
    const error = await failure(sent());
    expect(error.statusCode).toBe(502);
    expect(error.rawResponse?.headers.get('content-type')).toBe('text/html');
    expect(emails()).toEqual([]);
  });

  test('broken-json is an answer that the client takes for data without an id', async () => {
    await order({ kind: 'broken-json' });
    expect(await sent()).not.toHaveProperty('id');
    expect(emails()).toEqual(['mara@orchard.example']);
  });

  test('stall sends half a body, which only a deadline of the caller ends', async () => {
    await order({ kind: 'stall' });
    const stalled = hasty().contacts.create(
      { email: 'mara@orchard.example' },
      { abortSignal: AbortSignal.timeout(300) },
    );
    await expect(stalled).rejects.toThrow(/abort/i);
    expect(emails()).toEqual(['mara@orchard.example']);
  });

  test('slow answers late', async () => {
    await order({ kind: 'slow', delayMs: 60 });
    const asked = performance.now();
    expect(await sent()).toHaveProperty('id');
    expect(performance.now() - asked).toBeGreaterThanOrEqual(59);
  });
});
