import { beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../twins/common/random.ts';
import { SalesforceModel } from '../../twins/salesforce/model.ts';
import { RestApi } from '../../twins/salesforce/rest.ts';
import { eventsOf, start } from './salesforce-support.ts';

/** The REST API as the simulation calls it: no socket, no clock. */
let model: SalesforceModel;
let rest: RestApi;
beforeEach(() => {
  model = new SalesforceModel({ random: seededRandom(3), now: start, dailyLimit: 50 });
  rest = new RestApi(model, seededRandom(4));
});

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}, now = start) =>
  rest.answer(
    {
      method,
      url: `/services/data/v67.0${path}`,
      headers,
      body: body === undefined ? '' : JSON.stringify(body),
      userId: model.integrationUserId,
    },
    now,
  );
const query = (soql: string, all = false, now = start) =>
  (
    call('GET', `/${all ? 'queryAll' : 'query'}?q=${encodeURIComponent(soql)}`, undefined, {}, now).body as {
      records: Record<string, unknown>[];
    }
  ).records;
const idIn = (body: unknown): string => (body as { id: string }).id;
const contact = (row: object) => ({ attributes: { type: 'Contact' }, ...row });

describe('a call without a socket', () => {
  test('is answered as over the wire: status, body, clock, use of the allocation', () => {
    const created = call('POST', '/sobjects/Lead', { LastName: 'A', Company: 'C', Email: 'a@x.example' });
    expect(created).toMatchObject({
      status: 201,
      headers: { Date: 'Wed, 04 Mar 2026 09:15:22 GMT', 'Sforce-Limit-Info': 'api-usage=1/50' },
    });
    expect(call('GET', `/sobjects/Lead/${idIn(created.body)}`).body).toMatchObject({ Email: 'a@x.example' });
    expect(call('POST', '/sobjects/Lead', { LastName: 'A' })).toMatchObject({
      status: 400,
      body: [{ errorCode: 'REQUIRED_FIELD_MISSING', fields: ['Company'] }],
    });
    expect(call('GET', '/nowhere')).toMatchObject({ status: 404, body: [{ errorCode: 'NOT_FOUND' }] });
  });

  test('is refused once the allocation is used up', () => {
    for (let n = 0; n < 50; n++) call('GET', '/limits');
    expect(call('GET', '/limits')).toMatchObject({
      status: 403,
      body: [{ errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'TotalRequests Limit exceeded.' }],
      headers: { 'Sforce-Limit-Info': 'api-usage=50/50' },
    });
    expect(call('GET', '/limits', undefined, {}, start + 25 * 3_600_000).status).toBe(200);
  });

  test('reads what was saved since a moment, and with queryAll what a merge has deleted', () => {
    const [a = '', b = ''] = model.load('Contact', [{ LastName: 'A' }, { LastName: 'B' }], start);
    model.merge('Contact', a, [b], { userId: model.personUserId, changeOrigin: '' }, start + 60_000);
    const since = 'SELECT Id, IsDeleted, MasterRecordId FROM Contact WHERE SystemModstamp >= 2026-03-04T09:16:00Z';
    const later = start + 61_000;
    expect(query(`${since} ORDER BY Id`, false, later)).toMatchObject([
      { Id: a, IsDeleted: false, MasterRecordId: null },
    ]);
    expect(query(`${since} AND IsDeleted = true`, true, later)).toMatchObject([
      { Id: b, IsDeleted: true, MasterRecordId: a },
    ]);
    expect(call('PATCH', `/sobjects/Contact/${b}`, { Title: 'T' })).toMatchObject({
      status: 404,
      body: [{ errorCode: 'ENTITY_IS_DELETED' }],
    });
  });
});

describe('collections', () => {
  test('upsert up to 200 rows by the marker: each in its place, created once', () => {
    const path = '/composite/sobjects/Contact/Tributary_Id__c';
    const records = Array.from({ length: 200 }, (_, n) =>
      contact({ Tributary_Id__c: `k${n}`, ...(n !== 7 && { LastName: `L${n}` }) }),
    );
    const first = call('PATCH', path, { allOrNone: false, records }).body as Record<string, unknown>[];
    expect(first).toHaveLength(200);
    expect(first.filter(({ success }) => success === false)).toMatchObject([
      { created: true, errors: [{ statusCode: 'REQUIRED_FIELD_MISSING', fields: ['LastName'] }] },
    ]);
    expect(first[7]).not.toHaveProperty('id');
    const again = call('PATCH', path, { allOrNone: false, records }).body as Record<string, unknown>[];
    expect(again.filter(({ created }) => created === false)).toHaveLength(199);
    expect(again.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect(call('PATCH', path, { records: [...records, contact({ Tributary_Id__c: 'k200' })] })).toMatchObject({
      status: 400,
      body: [{ errorCode: 'EXCEEDED_ID_LIMIT' }],
    });
  });

  test('all or none: the innocent rows are rolled back, and of an upsert say created', () => {
    const records = [contact({ Tributary_Id__c: 'a', LastName: 'A' }), contact({ Tributary_Id__c: 'b' })];
    const { body } = call('PATCH', '/composite/sobjects/Contact/Tributary_Id__c', { allOrNone: true, records });
    expect(body).toMatchObject([
      { success: false, created: true, errors: [{ statusCode: 'ALL_OR_NONE_OPERATION_ROLLED_BACK' }] },
      { success: false, created: true, errors: [{ statusCode: 'REQUIRED_FIELD_MISSING' }] },
    ]);
    expect([...model.store.all('Contact')]).toEqual([]);
  });

  test('read many by id, in the order asked, null where there is nothing living', () => {
    const [a = '', b = ''] = model.load('Contact', [{ LastName: 'A' }, { LastName: 'B' }], start);
    call('DELETE', `/sobjects/Contact/${a}`);
    const ids = [b, a, '003Tw0000000999', b.slice(0, 15)];
    const rows = [{ Id: b, LastName: 'B' }, null, null, { Id: b, LastName: 'B' }];
    expect(call('GET', `/composite/sobjects/Contact?ids=${ids.join()}&fields=Id,LastName`).body).toMatchObject(rows);
    expect(call('POST', '/composite/sobjects/Contact', { ids, fields: ['LastName'] }).body).toMatchObject(rows);
    const many = Array.from({ length: 201 }, () => b);
    expect(call('GET', `/composite/sobjects/Contact?ids=${many.join()}&fields=Id`).status).toBe(400);
    expect(call('POST', '/composite/sobjects/Contact', { ids: many, fields: ['Id'] }).status).toBe(200);
  });

  test('isolate a locked row and a row that a rule refuses', () => {
    const [acme = ''] = model.load('Account', [{ Name: 'Acme' }], start);
    model.customize({
      validationRules: [{ object: 'Contact', field: 'Phone', pattern: /^0/, message: 'no leading zero' }],
    });
    model.lock(acme, start, start + 1000);
    const records = [
      contact({ LastName: 'A', AccountId: acme }),
      contact({ LastName: 'B', Phone: '01' }),
      contact({ LastName: 'C' }),
    ];
    expect(call('POST', '/composite/sobjects', { records }).body).toMatchObject([
      { success: false, errors: [{ statusCode: 'UNABLE_TO_LOCK_ROW', fields: [] }] },
      { success: false, errors: [{ statusCode: 'FIELD_CUSTOM_VALIDATION_EXCEPTION', fields: ['Phone'] }] },
      { success: true },
    ]);
  });
});

describe('a duplicate', () => {
  const row = { LastName: 'B', Email: 'a@x.example' };
  let existing: string;
  beforeEach(() => {
    [existing = ''] = model.load('Contact', [{ LastName: 'A', Email: 'a@x.example' }], start);
    model.customize({
      duplicateRules: [{ object: 'Contact', field: 'Email', against: ['Contact', 'Lead'], action: 'alert' }],
    });
  });
  const found = (body: unknown) => (body as Record<string, unknown>[])[0];

  test('is refused with the records it could be, under the name that the platform misspells', () => {
    const refused = call('POST', '/sobjects/Contact', row);
    expect(refused.status).toBe(400);
    expect(found(refused.body)).toMatchObject({
      errorCode: 'DUPLICATES_DETECTED',
      message: 'Use one of these records?',
      duplicateResut: {
        allowSave: true,
        duplicateRuleEntityType: 'Contact',
        matchResults: [{ entityType: 'Contact', size: 1, success: true, matchRecords: [{ record: { Id: existing } }] }],
      },
    });
  });

  test.each([false, true])('in a collection names them only where rows do so: %s', (rowsNameDuplicates) => {
    model.habits = { ...model.habits, rowsNameDuplicates };
    const [result] = call('POST', '/composite/sobjects', { records: [contact(row)] }).body as [{ errors: unknown }];
    expect(found(result.errors)).toMatchObject({ statusCode: 'DUPLICATES_DETECTED', fields: [] });
    expect(Object.keys(found(result.errors) ?? {}).includes('duplicateResut')).toBe(rowsNameDuplicates);
  });

  test('is saved when the caller insists', () => {
    const headers = { 'sforce-duplicate-rule-header': 'allowSave=true; runAsCurrentUser=true' };
    expect(call('POST', '/sobjects/Contact', row, headers).status).toBe(201);
  });
});

test('the client named by the call options is the origin of the change events, in collections too', () => {
  const headers = { 'sforce-call-options': 'client=tributary, defaultNamespace=x' };
  call('POST', '/composite/sobjects', { records: [contact({ LastName: 'A' })] }, headers);
  call('POST', '/sobjects/Contact', { LastName: 'B' });
  expect(eventsOf(model, start).map(({ value }) => value.ChangeEventHeader.changeOrigin)).toEqual([
    'com/salesforce/api/rest/67.0;client=tributary',
    'com/salesforce/api/rest/67.0',
  ]);
});
