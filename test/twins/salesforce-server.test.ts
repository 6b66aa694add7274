import { request as httpRequest } from 'node:http';
import { Connection } from 'jsforce';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SalesforceTwin, startSalesforceTwin } from '../../twins/salesforce/server.ts';
import { connect, controlTwin } from './salesforce-client.ts';

let twin: SalesforceTwin;
let connection: Connection;
beforeEach(async () => {
  twin = await startSalesforceTwin();
  connection = await connect(twin);
});
afterEach(() => twin.close());

type Init = Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> };
const rest = (path: string, init: Init = {}): Promise<Response> =>
  fetch(`${twin.restUrl}/services/data/v67.0${path}`, {
    ...init,
    headers: { authorization: `Bearer ${connection.accessToken}`, ...init.headers },
  });
const contacts = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ LastName: `L${n}`, Email: `p${n}@x.example` }));

describe('signing in', () => {
  test('gives a token for client credentials, with the identity URL and without an expiry', async () => {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'tributary',
      client_secret: 'tributary-secret',
    });
    const response = await fetch(`${twin.restUrl}/services/oauth2/token`, { method: 'POST', body: form });
    const body = (await response.json()) as Record<string, string>;
    expect(Object.keys(body).sort()).toEqual([
      'access_token',
      'id',
      'instance_url',
      'issued_at',
      'scope',
      'signature',
      'token_type',
    ]);
    expect(body).toMatchObject({ instance_url: twin.restUrl, token_type: 'Bearer' });
    expect(await connection.identity()).toMatchObject({
      organization_id: twin.orgId,
      user_id: twin.model.integrationUserId,
      email: 'integration@org.example',
    });
    expect(twin.orgId).toMatch(/^00D[0-9A-Za-z]{15}$/);
  });

  test('refuses a wrong secret in the token endpoint’s own shape', async () => {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'tributary',
      client_secret: 'guess',
    });
    const response = await fetch(`${twin.restUrl}/services/oauth2/token`, { method: 'POST', body: form });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: 'invalid_client', error_description: 'invalid client credentials' });
  });

  test('ends with the token’s life, and jsforce gets a new one', async () => {
    await controlTwin(twin, 'faults', { kind: 'token-expire' });
    const refused = await rest('/limits');
    expect(refused.status).toBe(401);
    expect(await refused.json()).toEqual([{ message: 'Session expired or invalid', errorCode: 'INVALID_SESSION_ID' }]);
    const before = connection.accessToken;
    expect(await connection.sobject('Contact').create({ LastName: 'A' })).toMatchObject({ success: true });
    expect(connection.accessToken).not.toBe(before);
    await controlTwin(twin, 'clock', { advanceMs: 2 * 3_600_000 });
    expect((await rest('/limits')).status).toBe(401);
  });
});

describe('records', () => {
  test('are created, read, updated and deleted through jsforce', async () => {
    const { id = '' } = await connection
      .sobject('Contact')
      .create({ LastName: 'Byron', FirstName: 'Ada', MailingCity: 'Leeds' });
    await connection.sobject('Contact').update({ Id: id, Title: 'CTO' });
    expect(await connection.sobject('Contact').retrieve(id)).toMatchObject({
      Id: id,
      Name: 'Ada Byron',
      Title: 'CTO',
      MailingAddress: { city: 'Leeds', street: null },
      Newsletter__c: false,
    });
    await connection.sobject('Contact').destroy(id);
    await expect(connection.sobject('Contact').retrieve(id)).rejects.toMatchObject({ errorCode: 'ENTITY_IS_DELETED' });
    await expect(connection.sobject('Contact').retrieve('003Tw0000000999')).rejects.toMatchObject({
      errorCode: 'NOT_FOUND',
    });
  });

  test('are upserted by external id: 201 the first time, 200 the second', async () => {
    const put = (row: object) =>
      rest('/sobjects/Contact/Tributary_Id__c/k%2F1', { method: 'PATCH', body: JSON.stringify(row) });
    const [first, second] = [await put({ LastName: 'A' }), await put({ Title: 'T' })];
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(await second.json()).toMatchObject({ success: true, created: false });
    expect(await connection.query("SELECT Title FROM Contact WHERE Tributary_Id__c = 'k/1'")).toMatchObject({
      records: [{ Title: 'T' }],
    });
  });

  test('an ambiguous key is answered with 300 and the records it could mean', async () => {
    await connection.sobject('Contact').create([
      { LastName: 'A', Email: 'x@y.example' },
      { LastName: 'B', Email: 'x@y.example' },
    ]);
    const response = await rest('/sobjects/Contact/Email/x@y.example', { method: 'PATCH', body: '{"Title":"T"}' });
    expect(response.status).toBe(300);
    expect(await response.json()).toHaveLength(2);
  });

  test('in collections stand alone: each answer in its place, its code as statusCode', async () => {
    const body = {
      allOrNone: false,
      records: [
        { attributes: { type: 'Contact' }, LastName: 'A' },
        { attributes: { type: 'Contact' }, Email: 'b@x.example' },
        { attributes: { type: 'Account' }, Name: 'Acme' },
      ],
    };
    const response = await rest('/composite/sobjects', { method: 'POST', body: JSON.stringify(body) });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject([
      { success: true, errors: [] },
      {
        success: false,
        errors: [
          {
            statusCode: 'REQUIRED_FIELD_MISSING',
            message: 'Required fields are missing: [LastName]',
            fields: ['LastName'],
          },
        ],
      },
      { success: true, errors: [] },
    ]);
  });

  test('of one collection call are one transaction, a record named twice is taken once', async () => {
    const made = await connection.sobject('Contact').create(contacts(3));
    const ids = made.map(({ id = '' }) => id);
    const [a = '', b = ''] = ids;
    const before = twin.model.bus.size;
    const results = await connection.sobject('Contact').update([
      { Id: a, Title: 'T' },
      { Id: b, Title: 'T' },
      { Id: a.slice(0, 15), Title: 'U' },
    ]);
    expect(results.map(({ success }) => success)).toEqual([true, true, false]);
    expect(results[2]?.errors).toMatchObject([{ statusCode: 'DUPLICATE_VALUE' }]);
    expect(twin.model.bus.size).toBe(before + 1);
    expect(await connection.sobject('Contact').retrieve(ids)).toHaveLength(3);
  });

  test('more than 200 in one call are refused as a whole', async () => {
    const records = contacts(201).map((row) => ({ attributes: { type: 'Contact' }, ...row }));
    const response = await rest('/composite/sobjects', { method: 'POST', body: JSON.stringify({ records }) });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject([{ errorCode: 'EXCEEDED_ID_LIMIT' }]);
    expect([...twin.model.store.all('Contact')]).toEqual([]);
  });

  test.each<[string, string, Init, number, string]>([
    ['a body that is no JSON', '/sobjects/Contact', { method: 'POST', body: '{"LastName":' }, 400, 'JSON_PARSER_ERROR'],
    ['a query that is none', '/query?q=SELEKT', {}, 400, 'MALFORMED_QUERY'],
    ['an object that does not exist', '/sobjects/Nope/describe', {}, 404, 'NOT_FOUND'],
    ['a resource that does not exist', '/nope', {}, 404, 'NOT_FOUND'],
    ['a method that does not fit', '/sobjects/Contact', { method: 'PUT' }, 405, 'METHOD_NOT_ALLOWED'],
  ])('%s is answered with the array of errors', async (_, path, init, status, errorCode) => {
    const response = await rest(path, init);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject([{ errorCode, message: expect.any(String) as string }]);
  });
});

describe('reading', () => {
  test('pages through a query, the pages being of one moment', async () => {
    await controlTwin(twin, 'load', { Contact: contacts(450) });
    const first = await connection.query('SELECT Id, LastName FROM Contact ORDER BY Id', {
      headers: { 'Sforce-Query-Options': 'batchSize=200' },
    });
    expect(first).toMatchObject({
      totalSize: 450,
      done: false,
      nextRecordsUrl: expect.stringMatching(/query\/01g\w+-200$/) as string,
    });
    await connection.sobject('Contact').create({ LastName: 'late' });
    const records = [...first.records];
    for (let next = first.nextRecordsUrl; next !== undefined; ) {
      const page = await connection.queryMore(next);
      records.push(...page.records);
      next = page.nextRecordsUrl;
    }
    expect(records.map((row) => row['LastName'])).toEqual(contacts(450).map(({ LastName }) => LastName));
  });

  test('describes what a mapping has to know', async () => {
    const { fields, keyPrefix } = await connection.sobject('Contact').describe();
    expect(keyPrefix).toBe('003');
    const facts = (name: string) => fields.find((field) => field.name === name);
    expect(facts('LastName')).toMatchObject({ nillable: false, length: 80, compoundFieldName: 'Name' });
    expect(facts('Score__c')).toMatchObject({ type: 'double', precision: 5, scale: 2 });
    expect(facts('Tributary_Id__c')).toMatchObject({ unique: true, externalId: true, idLookup: true });
    expect(facts('SystemModstamp')).toMatchObject({ createable: false, updateable: false });
    expect(facts('Level__c')?.picklistValues?.map(({ value }) => value)).toEqual(['Primary', 'Secondary', 'Tertiary']);
    expect((await connection.describeGlobal()).sobjects.map(({ name }) => name)).toEqual([
      'Account',
      'Contact',
      'User',
      'Lead',
    ]);
  });

  test('a describe that is known already is not sent again, until a field is added', async () => {
    const since = {
      'If-Modified-Since': (await rest('/sobjects/Contact/describe')).headers.get('last-modified') ?? '',
    };
    expect((await rest('/sobjects/Contact/describe', { headers: since })).status).toBe(304);
    await controlTwin(twin, 'clock', { advanceMs: 2000 });
    await controlTwin(twin, 'faults', {
      kind: 'add-field',
      object: 'Contact',
      name: 'Nickname__c',
      type: 'string',
      length: 40,
    });
    expect((await rest('/sobjects/Contact/describe', { headers: since })).status).toBe(200);
    expect(await connection.sobject('Contact').create({ LastName: 'A', Nickname__c: 'Al' })).toMatchObject({
      success: true,
    });
  });
});

describe('every answer', () => {
  test('carries the org’s clock and its use of the allocation', async () => {
    await controlTwin(twin, 'clock', { advanceMs: 86_400_000 * 3 });
    connection = await connect(twin);
    const response = await rest('/sobjects/Nope/describe');
    expect(Math.abs(Date.parse(response.headers.get('date') ?? '') - twin.now())).toBeLessThan(5000);
    expect(response.headers.get('sforce-limit-info')).toBe('api-usage=1/150000');
    await connection.query('SELECT Id FROM User');
    expect(connection.limitInfo.apiUsage).toEqual({ used: 2, limit: 150_000 });
  });

  test('is a refusal once the allocation is used up', async () => {
    await twin.close();
    twin = await startSalesforceTwin({ dailyLimit: 2 });
    connection = await connect(twin);
    await connection.query('SELECT Id FROM User');
    await connection.query('SELECT Id FROM User');
    const refused = await rest('/sobjects');
    expect(refused.status).toBe(403);
    expect(await refused.json()).toEqual([
      { message: 'TotalRequests Limit exceeded.', errorCode: 'REQUEST_LIMIT_EXCEEDED' },
    ]);
    await controlTwin(twin, 'clock', { advanceMs: 25 * 3_600_000 });
    connection = await connect(twin);
    expect((await rest('/sobjects')).status).toBe(200);
  });
});

describe('faults', () => {
  const post = () => rest('/sobjects/Contact', { method: 'POST', body: '{"LastName":"A"}' });
  const stored = () => [...twin.model.store.all('Contact')].length;

  test('come before the work is done, as often as ordered, and only where they match', async () => {
    await controlTwin(twin, 'faults', { kind: 'http', match: 'POST /sobjects', status: 503, times: 2 });
    expect((await rest('/sobjects')).status).toBe(200);
    expect([(await post()).status, (await post()).status, (await post()).status]).toEqual([503, 503, 201]);
    expect(stored()).toBe(1);
  });

  test('come after the work is done: the answer lies', async () => {
    await controlTwin(twin, 'faults', { kind: 'http', match: 'POST /sobjects', status: 500, apply: 'after' });
    const response = await post();
    expect([response.status, stored()]).toEqual([500, 1]);
    expect(await response.json()).toMatchObject([{ errorCode: 'UNKNOWN_EXCEPTION' }]);
  });

  test('drop the connection before or after the work', async () => {
    for (const apply of ['before', 'after'] as const) {
      await controlTwin(twin, 'faults', { kind: 'drop', match: 'POST /sobjects', apply });
      await expect(post()).rejects.toThrow('fetch failed');
    }
    expect(stored()).toBe(1);
  });

  test('answer with a proxy’s page', async () => {
    await controlTwin(twin, 'faults', { kind: 'http', match: '* /limits', status: 502, html: true });
    const response = await rest('/limits');
    expect([response.status, response.headers.get('content-type')]).toEqual([502, 'text/html']);
  });

  test('hold an answer back beyond the caller’s patience, the work being done', async () => {
    await controlTwin(twin, 'faults', { kind: 'delay', match: 'POST /sobjects', ms: 60_000, apply: 'after' });
    const { port } = new URL(twin.restUrl);
    const call = httpRequest({
      port,
      method: 'POST',
      path: '/services/data/v67.0/sobjects/Contact',
      headers: { authorization: `Bearer ${connection.accessToken}` },
    });
    const failed = new Promise((resolve) => call.on('error', resolve));
    call.end('{"LastName":"A"}');
    await expect.poll(stored).toBe(1);
    call.destroy(new Error('out of patience'));
    await failed;
  });

  test('that nobody knows are refused with what is known', async () => {
    await expect(controlTwin(twin, 'faults', { kind: 'sunspots' })).rejects.toThrow("'http' | 'drop'");
  });
});

describe('the control plane', () => {
  test('loads records without calls and events, and shows the store', async () => {
    const { Account: [acme = ''] = [] } = (await controlTwin(twin, 'load', { Account: [{ Name: 'Acme' }] })) as Record<
      string,
      string[]
    >;
    await controlTwin(twin, 'load', { Contact: [{ LastName: 'A', AccountId: acme }] });
    expect(twin.model.bus.size).toBe(0);
    expect(await controlTwin(twin, 'store')).toMatchObject({
      Account: [{ Id: acme, Name: 'Acme' }],
      Contact: [{ LastName: 'A', AccountId: acme }],
    });
    expect(await controlTwin(twin, 'stats')).toMatchObject({
      usage: { used: 0 },
      events: 0,
      records: { Account: 1, Contact: 1, User: 2, Lead: 0 },
    });
  });

  test('refuses to load what the org would refuse, and loads nothing of that object', async () => {
    await expect(controlTwin(twin, 'load', { Contact: [{ LastName: 'A' }, {}] })).rejects.toThrow(
      'REQUIRED_FIELD_MISSING',
    );
    expect([...twin.model.store.all('Contact')]).toEqual([]);
  });

  test('tells a person’s calls from ours, and calls that changed something from those that did not', async () => {
    const { id = '' } = await connection.sobject('Contact').create({ LastName: 'A' });
    const person = await connect(twin, 'person', { client: 'desk' });
    await person.sobject('Contact').update({ Id: id, Title: 'T' });
    await person.sobject('Contact').update({ Id: id, Title: 'T' });
    const calls = (await controlTwin(twin, 'calls?since=0')) as {
      n: number;
      method: string;
      client: string;
      origin: string;
      changed: number;
      status: number;
    }[];
    const writes = calls.filter(({ method, client }) => client !== null && method !== 'GET');
    expect(writes.map(({ client, origin, status, changed }) => [client, origin, status, changed])).toEqual([
      ['tributary', 'tributary', 201, 1],
      ['person', 'desk', 204, 1],
      ['person', 'desk', 204, 0],
    ]);
    expect(await controlTwin(twin, `calls?since=${calls.at(-1)?.n}`)).toEqual([]);
    expect(twin.model.store.get('Contact', id)?.values['LastModifiedById']).toBe(twin.model.personUserId);
  });

  test('converts and merges as somebody at work does', async () => {
    const [lead = ''] = twin.model.load('Lead', [{ LastName: 'A', Company: 'C' }], twin.now());
    const [winner = '', loser = ''] = twin.model.load('Contact', [{ LastName: 'W' }, { LastName: 'L' }], twin.now());
    expect(await controlTwin(twin, 'convert', { leadId: lead, contactId: winner })).toMatchObject({ success: true });
    const merge = { object: 'Contact', winnerId: winner, loserIds: [loser], row: { Title: 'T' } };
    expect(await controlTwin(twin, 'merge', merge)).toMatchObject({ success: true, id: winner });
    expect(await connection.sobject('Lead').retrieve(lead)).toMatchObject({
      IsConverted: true,
      ConvertedContactId: winner,
    });
    await expect(connection.sobject('Lead').update({ Id: lead, Phone: '1' })).rejects.toMatchObject({
      errorCode: 'CANNOT_UPDATE_CONVERTED_LEAD',
    });
    const soql = `SELECT MasterRecordId FROM Contact WHERE Id = '${loser}'`;
    expect((await connection.query(soql, { scanAll: true })).records).toMatchObject([{ MasterRecordId: winner }]);
    expect((await connection.query(soql)).records).toEqual([]);
    await controlTwin(twin, 'transaction', { rows: [{ op: 'undelete', object: 'Contact', id: loser }] });
    expect((await connection.query(soql)).records).toMatchObject([{ MasterRecordId: null }]);
  });

  test('sets rules and locks up, and takes none about a field that is not there', async () => {
    await controlTwin(twin, 'customizing', {
      validationRules: [{ object: 'Contact', field: 'Phone', pattern: '^0', message: 'no leading zero' }],
      duplicateRules: [{ object: 'Contact', field: 'Email', against: ['Contact'] }],
      automations: [{ object: 'Contact', when: 'LastName', set: 'LastName', to: 'properCase' }],
    });
    const { id = '' } = await connection.sobject('Contact').create({ LastName: 'BYRON', Email: 'a@x.example' });
    expect(await connection.sobject('Contact').retrieve(id)).toMatchObject({ LastName: 'Byron' });
    const update = (row: object) => connection.sobject('Contact').update({ Id: id, ...row });
    await expect(update({ Phone: '01' })).rejects.toMatchObject({ errorCode: 'FIELD_CUSTOM_VALIDATION_EXCEPTION' });
    const again = connection.sobject('Contact').create({ LastName: 'B', Email: 'A@x.example' });
    await expect(again).rejects.toMatchObject({ errorCode: 'DUPLICATES_DETECTED' });
    await controlTwin(twin, 'lock', { id, forMs: 60_000 });
    await expect(update({ Phone: '1' })).rejects.toMatchObject({ errorCode: 'UNABLE_TO_LOCK_ROW' });
    await controlTwin(twin, 'clock', { advanceMs: 60_000 });
    expect(await update({ Phone: '1' })).toMatchObject({ success: true });
    const rule = { object: 'Contact', field: 'Fone', pattern: '^0', message: '' };
    await expect(controlTwin(twin, 'customizing', { validationRules: [rule] })).rejects.toThrow('Fone');
  });

  test('runs several changes as one transaction, as automation does', async () => {
    const rows = [
      { op: 'create', object: 'Account', row: { Name: 'Acme' } },
      { op: 'create', object: 'Contact', row: { LastName: 'A' } },
    ];
    expect(await controlTwin(twin, 'transaction', { rows })).toMatchObject([{ success: true }, { success: true }]);
    expect(twin.model.bus.size).toBe(2);
  });
});
