import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Caller, callSalesforce, type SalesforceOpening } from '../../../connectors/salesforce/client.ts';
import type { SalesforceRequest } from '../../../connectors/salesforce/requests.ts';
import { type Counted, SalesforceRest } from '../../../connectors/salesforce/rest.ts';
import type { LimitTold } from '../../../core/budget.ts';
import { type SalesforceTwin, startSalesforceTwin } from '../../../twins/salesforce/server.ts';

const spent: Counted[] = [];
const told: LimitTold[] = [];
function open(loginUrl: string, more: object = {}): SalesforceOpening {
  const rest = new SalesforceRest({
    loginUrl,
    clientId: 'tributary',
    clientSecret: () => 'tributary-secret',
    apiVersion: '67.0',
    client: 'tributary',
    deadlineMs: 300,
    spend: async (call) => void spent.push(call),
    ...more,
  });
  const budget = {
    take: () => Promise.reject(new Error('not asked here')),
    claim: () => Promise.resolve(),
    tell: async (one: LimitTold) => void told.push(one),
    level: () => ({ perWindow: 1, windowMs: 1, pausedMs: 0, left: 0, away: false }),
  };
  return { rest, budget };
}
const caller: Caller = { lane: 'live', holder: { partition: 1, fence: 2 }, signal: new AbortController().signal };
const upsert = (...rows: readonly object[]): SalesforceRequest => ({
  kind: 'upsert',
  object: 'Contact',
  externalIdField: 'Tributary_Id__c',
  rows: rows as Extract<SalesforceRequest, { kind: 'upsert' }>['rows'],
});

beforeEach(() => {
  spent.length = 0;
  told.length = 0;
});

describe('a call of the Salesforce sink, against the twin', () => {
  let twin: SalesforceTwin;
  let opening: SalesforceOpening;
  beforeEach(async () => {
    twin = await startSalesforceTwin();
    opening = open(twin.restUrl, { deadlineMs: 5_000 });
  });
  afterEach(async () => {
    await opening.rest.close();
    await twin.close();
  });

  test('writes many rows at once, each answered in its place, and names us and its epoch', async () => {
    const rows = [{ Tributary_Id__c: 'c-1', LastName: 'Byron' }, { Tributary_Id__c: 'c-2' }];
    const verdict = await callSalesforce(opening, caller, upsert(...rows));
    expect(verdict).toMatchObject({ kind: 'ok', body: [{ success: true, created: true }, { success: false }] });
    if (verdict.kind !== 'ok') return;
    expect(verdict.sentAt).toBeLessThanOrEqual(verdict.time);
    expect(Math.abs(twin.now() - verdict.time)).toBeLessThan(5_000);
    expect(spent).toEqual([expect.objectContaining({ lane: 'live', holder: caller.holder })]);
    expect(twin.calls.at(-1)).toMatchObject({ origin: 'tributary' });
  });

  test('survives a session that ran out, at the price of one call more', async () => {
    await opening.rest.session();
    await fetch(`${twin.restUrl}/__twin/faults`, { method: 'POST', body: '{"kind":"token-expire"}' });
    expect(await callSalesforce(opening, caller, upsert({ Tributary_Id__c: 'c', LastName: 'L' }))).toMatchObject({
      kind: 'ok',
    });
    expect(spent).toHaveLength(2);
  });

  test('has a query of whatever is asked', async () => {
    const soql = "SELECT Id FROM Contact WHERE Email IN ('o\\'neill@orchard.example')";
    expect(await callSalesforce(opening, caller, { kind: 'query', soql, all: false })).toMatchObject({
      kind: 'ok',
      body: { done: true, records: [] },
    });
  });

  test('a refused secret stops the sink, and is no doubt about the record', async () => {
    const wrong = open(twin.restUrl, { clientSecret: () => 'hunter2', deadlineMs: 5_000 });
    const verdict = await callSalesforce(wrong, caller, upsert({ Tributary_Id__c: 'c', LastName: 'L' }));
    expect(verdict).toMatchObject({ kind: 'stop', code: 'CREDENTIALS_REFUSED' });
    expect(JSON.stringify(verdict)).not.toContain('hunter2');
    await wrong.rest.close();
  });
});

describe('a call of the Salesforce sink, against a server that misbehaves', () => {
  let server: Server;
  let url: string;
  let misbehave: (response: ServerResponse) => void;
  let opening: SalesforceOpening;
  beforeEach(async () => {
    server = createServer((request, response) => {
      request.resume();
      if (!String(request.url).includes('token')) return misbehave(response);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: 't', instance_url: url }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    opening = open(url);
  });
  afterEach(async () => {
    await opening.rest.close();
    server.closeAllConnections();
    server.close();
  });
  const error =
    (status: number, errorCode: string, message = '') =>
    (response: ServerResponse) =>
      void response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify([{ errorCode, message }]));

  test.each<[string, (response: ServerResponse) => void, object]>([
    ['answers never', () => undefined, { kind: 'retry', doubt: true, text: 'no answer within 300 ms' }],
    [
      'stops in the middle of a body',
      (response) => void response.writeHead(200, { 'content-length': '100' }).write('[{"success":'),
      { kind: 'retry', doubt: true },
    ],
    [
      'drops the connection in the middle of a body',
      (response) => response.writeHead(200, { 'content-length': '100' }).write('[', () => response.destroy()),
      { kind: 'retry', doubt: true },
    ],
    [
      'speaks HTML',
      (response) => void response.setHeader('content-type', 'text/html').end('<p>maintenance</p>'),
      { kind: 'retry', doubt: true, code: 'PLATFORM_NONSENSE' },
    ],
    ['cuts its JSON', (response) => void response.end('[{"success":tr'), { kind: 'retry', doubt: true }],
    ['fails', (response) => void response.writeHead(503).end('<p>'), { kind: 'retry', doubt: true }],
    ['refuses every session', error(401, 'INVALID_SESSION_ID'), { kind: 'stop', code: 'CREDENTIALS_REFUSED' }],
    [
      'has no call left today',
      error(403, 'REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.'),
      { kind: 'wait', ms: 60_000 },
    ],
    ['is asked for too much', error(400, 'REQUEST_RUNNING_TOO_LONG'), { kind: 'tooLarge' }],
    ['says something new', error(400, 'SOMETHING_NEW'), { kind: 'refuse', errors: [{ code: 'SOMETHING_NEW' }] }],
  ])('one that %s', async (_, answer, expected) => {
    misbehave = answer;
    const verdict = await callSalesforce(opening, caller, upsert({ Tributary_Id__c: 'c', LastName: 'L' }));
    expect(verdict).toMatchObject(expected);
    expect(told).toEqual(verdict.kind === 'wait' ? [{ pauseMs: 60_000 }] : []);
  });

  test('without the platform’s clock an answer proves nothing', async () => {
    misbehave = (response) => {
      response.sendDate = false;
      response.end('[{"success":true,"id":"003"}]');
    };
    const verdict = await callSalesforce(opening, caller, upsert({ Tributary_Id__c: 'c', LastName: 'L' }));
    expect(verdict).toMatchObject({ kind: 'retry', doubt: true, text: 'the answer carries no Date' });
  });

  test('a server that is not there received nothing', async () => {
    await opening.rest.session();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    const verdict = await callSalesforce(opening, caller, upsert({ Tributary_Id__c: 'c', LastName: 'L' }));
    expect(verdict).toMatchObject({ kind: 'retry', doubt: false, text: 'ECONNREFUSED' });
  });
});
