import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { IntercomAccess } from '../../connectors/intercom/client.ts';
import { preflight } from '../../sinks/intercom/preflight.ts';
import { type IntercomTwin, startIntercomTwin } from '../../twins/intercom/server.ts';
import { accessTo, configFor, twinControl } from '../support/intercom-access.ts';

let twin: IntercomTwin;
let access: IntercomAccess;
beforeEach(async () => {
  twin = await startIntercomTwin();
  access = accessTo(twin);
});
afterEach(async () => {
  await access.close();
  await twin.close();
});

const caller = { lane: 'live', holder: null, signal: new AbortController().signal } as const;
const check = async (given: object = {}): Promise<readonly string[]> => {
  const created: string[] = [];
  await preflight(configFor(twin, given), access, caller, (model, name) => created.push(`${model}.${name}`));
  return created;
};
const email = { canonical: 'email', type: 'email', salesforce: 'Email', intercom: 'email' };
const mapped = (...fields: object[]): object => ({ entities: { customer: { fields: [email, ...fields] } } });

describe('preflight', () => {
  test('creates the attributes that the default mapping needs, once, with types that can hold them', async () => {
    const created = await check();
    expect(created).toContain('contact.tributary_id');
    expect(created).toContain('company.contract_value');
    const types = Object.fromEntries(twin.model.attributes.list().map(({ name, data_type }) => [name, data_type]));
    expect(types).toMatchObject({
      level: 'string',
      seats: 'integer',
      newsletter: 'boolean',
      renewal_date: 'date',
      score: 'float',
      contract_value: 'float',
    });
    expect(await check()).toEqual([]);
  });

  test('names a missing attribute when it may not create it', async () => {
    await expect(check({ intercom: { createAttributes: false } })).rejects.toMatchObject({
      code: 'MAPPING_UNKNOWN_FIELD',
      field: 'custom_attributes.tributary_id',
    });
  });

  test('names a standard field that does not exist', async () => {
    const wrong = mapped({ canonical: 'title', type: 'text', salesforce: 'Title', intercom: 'job_title' });
    await expect(check(wrong)).rejects.toMatchObject({ code: 'MAPPING_UNKNOWN_FIELD', field: 'job_title' });
  });

  test.each([
    ['text for a number', 'string', 'number'],
    ['an integer for a number with a fraction', 'integer', 'number'],
    ['a number for a yes or no', 'float', 'boolean'],
  ])('refuses %s', async (_case, data_type, type) => {
    await twinControl(twin, 'load', { attributes: [{ model: 'contact', name: 'score', data_type }] });
    const field = { canonical: 'score', type, salesforce: 'Score__c', intercom: 'custom_attributes.score' };
    await expect(check(mapped(field))).rejects.toMatchObject({
      code: 'MAPPING_UNKNOWN_FIELD',
      field: 'custom_attributes.score',
    });
  });

  test('says in Intercom’s words why an attribute cannot be created', async () => {
    await twinControl(twin, 'load', { attributes: [{ model: 'company', name: 'level', data_type: 'string' }] });
    await expect(check()).rejects.toThrow(/You already have 'level' in your company data/);
  });

  test('a refused token is refused credentials', async () => {
    const stranger = accessTo({ url: twin.url, token: 'wrong' });
    await expect(preflight(configFor(twin), stranger, caller, () => undefined)).rejects.toMatchObject({
      code: 'CREDENTIALS_REFUSED',
    });
    await stranger.close();
  });
});
