import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shapesOf } from '../../../connectors/salesforce/preflight.ts';
import { byId, byIds, describe as describeObject, modifiedSince, pages } from '../../../connectors/salesforce/reads.ts';
import { type CallReport, type Counted, SalesforceRest } from '../../../connectors/salesforce/rest.ts';
import { TributaryError } from '../../../core/errors.ts';
import { type SalesforceTwin, startSalesforceTwin } from '../../../twins/salesforce/server.ts';

const client = (loginUrl: string, more: object = {}): SalesforceRest =>
  new SalesforceRest({
    loginUrl,
    clientId: 'tributary',
    clientSecret: () => 'tributary-secret',
    apiVersion: '67.0',
    client: 'tributary',
    ...more,
  });

describe('against the Salesforce twin', () => {
  let twin: SalesforceTwin;
  let rest: SalesforceRest;
  const reports: CallReport[] = [];
  beforeEach(async () => {
    twin = await startSalesforceTwin();
    rest = client(twin.restUrl, { onAnswer: async (report: CallReport) => void reports.push(report) });
  });
  afterEach(async () => {
    await rest.close();
    await twin.close();
  });

  it("gives the platform's clock and usage with every answer, and names itself", async () => {
    const { body, at } = await rest.call({ method: 'GET', path: '/sobjects/Contact/describe', lane: 'live' });
    expect(body).toMatchObject({ name: 'Contact' });
    expect(at % 1000).toBe(0);
    expect(Math.abs(twin.now() - at)).toBeLessThan(5_000);
    expect(reports.at(-1)).toMatchObject({ status: 200, usage: { limit: twin.model.dailyLimit } });
    expect(twin.calls.at(-1)).toMatchObject({ origin: 'tributary' });
  });

  it('dates an answer by when it was asked for, however long it took: rows are older than the Date beside them', async () => {
    await rest.session();
    const delay = { kind: 'delay', match: 'GET /', ms: 1_200 };
    await fetch(`${twin.restUrl}/__twin/faults`, { method: 'POST', body: JSON.stringify(delay) });
    const asked = twin.now();
    const { at } = await rest.call({ method: 'GET', path: '/sobjects/User/describe', lane: 'live' });
    expect(at).toBeLessThanOrEqual(asked);
    expect(asked - at).toBeLessThan(4_000);
  });

  it('renews a session that ran out once for many calls, and repeats them', async () => {
    await rest.session();
    await fetch(`${twin.restUrl}/__twin/faults`, { method: 'POST', body: '{"kind":"token-expire"}' });
    const before = twin.calls.length;
    const calls = Array.from({ length: 5 }, () =>
      rest.call({ method: 'GET', path: '/sobjects/User/describe', lane: 'live' }),
    );
    await Promise.all(calls);
    const paths = twin.calls.slice(before).map(({ path }) => path);
    expect(paths.filter((path) => path.includes('token'))).toHaveLength(1);
    expect(paths.filter((path) => path.includes('describe'))).toHaveLength(10);
  });

  it('spends a call of the budget for each request, a repeated one too, and makes none that is refused', async () => {
    const spent: string[] = [];
    const careful = client(twin.restUrl, {
      spend: async ({ lane }: Counted) => {
        spent.push(lane);
        if (spent.length > 2) throw new TributaryError('PLATFORM_LIMIT', 'used up');
      },
    });
    await careful.call({ method: 'GET', path: '/services/data', lane: 'free' });
    await fetch(`${twin.restUrl}/__twin/faults`, { method: 'POST', body: '{"kind":"token-expire"}' });
    await careful.call({ method: 'GET', path: '/sobjects/User/describe', lane: 'bulk' });
    expect(spent).toEqual(['bulk', 'bulk']);
    const { length } = twin.calls;
    const third = careful.call({ method: 'GET', path: '/sobjects/User/describe', lane: 'live' });
    await expect(third).rejects.toMatchObject({ code: 'PLATFORM_LIMIT' });
    expect(twin.calls).toHaveLength(length);
    await careful.close();
  });

  it('says CREDENTIALS_REFUSED for a wrong secret, without the secret', async () => {
    const wrong = client(twin.restUrl, { clientSecret: () => 'hunter2' });
    const error = await wrong.session().catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    expect(String(error)).not.toContain('hunter2');
    await wrong.close();
  });

  it('reads any slice, page by page, each row once', async () => {
    const rows = Array.from({ length: 2_100 }, (_, n) => ({ LastName: `P${n}` }));
    const ids = twin.model.load('Contact', rows, twin.now());
    const shape = (await describeObject(rest, 'Contact')).shape(['Email']);
    const read = async (slice: Parameters<typeof pages>[1]): Promise<readonly string[]> => {
      const found: string[] = [];
      for await (const page of pages(rest, slice)) found.push(...page.rows.map(({ id }) => id));
      return found;
    };
    const sorted = [...ids].sort();
    expect([...(await read(byId(shape, '')))].sort()).toEqual(sorted);
    expect(await read(byId(shape, ids[1_999] ?? ''))).toEqual(ids.slice(2_000));
    expect([...(await read(modifiedSince(shape, twin.now() - 60_000, null)))].sort()).toEqual(sorted);
    expect(await read(modifiedSince(shape, twin.now() + 60_000, null))).toEqual([]);
  });

  it('reads leads with what became of them, and wants the fields that are mapped to them', async () => {
    const entity = (lead: string | null, field: string) => ({
      salesforce: { object: 'Contact', lead, marker: 'Tributary_Id__c' },
      fields: [{ canonical: 'website', salesforce: 'Email', lead: field }],
    });
    const shapes = (lead: string | null, field: string, objects: readonly string[]) =>
      shapesOf(rest, { customer: entity(lead, field), account: entity(null, '') } as never, objects);
    const shape = (await shapes('Lead', 'Website', ['Contact'])).get('Lead');
    expect(shape?.fields.slice(0, 8)).toEqual([
      'Id',
      'SystemModstamp',
      'IsDeleted',
      'MasterRecordId',
      'IsConverted',
      'ConvertedContactId',
      'Tributary_Id__c',
      'Website',
    ]);
    await expect(shapes('Lead', 'Nowhere__c', [])).rejects.toMatchObject({
      code: 'MAPPING_UNKNOWN_FIELD',
      message: expect.stringContaining('Lead.Nowhere__c'),
    });
    expect((await shapes(null, 'Nowhere__c', ['Contact'])).has('Lead')).toBe(false);
  });

  it('gives an id without a row as deleted', async () => {
    const [id = ''] = twin.model.load('Contact', [{ LastName: 'One' }], twin.now());
    const shape = (await describeObject(rest, 'Contact')).shape([]);
    for await (const { rows } of byIds(rest, shape, [id, '003000000000001AAA'])) {
      expect(rows.map((row) => [row.id, row.deleted])).toEqual([
        [id, false],
        ['003000000000001AAA', true],
      ]);
    }
  });
});

describe('against a server that misbehaves', () => {
  let server: Server;
  let url: string;
  let misbehave: (response: ServerResponse) => void;
  beforeEach(async () => {
    server = createServer((request, response) => {
      request.resume();
      if (!String(request.url).includes('token')) return misbehave(response);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: 't', instance_url: url }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it.each<[string, (response: ServerResponse) => void, string]>([
    ['answers never', () => undefined, 'PLATFORM_UNAVAILABLE'],
    [
      'stops in the middle of a body',
      (response) => void response.writeHead(200, { 'content-length': '100' }).write('{"a":'),
      'PLATFORM_UNAVAILABLE',
    ],
    [
      'drops the connection in the middle of a body',
      (response) => response.writeHead(200, { 'content-length': '100' }).write('{"a":', () => response.destroy()),
      'PLATFORM_UNAVAILABLE',
    ],
    ['speaks HTML', (response) => void response.setHeader('content-type', 'text/html').end('<p>'), 'PLATFORM_NONSENSE'],
    [
      'refuses every session',
      (response) => void response.writeHead(401).end('[{"errorCode":"INVALID_SESSION_ID","message":""}]'),
      'CREDENTIALS_REFUSED',
    ],
  ])('one that %s', async (_, answer, code) => {
    misbehave = answer;
    const rest = client(url, { deadlineMs: 300 });
    await expect(rest.call({ method: 'GET', path: '/limits', lane: 'live' })).rejects.toMatchObject({ code });
    await rest.close();
  });
});
