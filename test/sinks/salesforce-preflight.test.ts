import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SalesforceRest } from '../../connectors/salesforce/rest.ts';
import { checkConfig } from '../../core/config.ts';
import { writtenObjects } from '../../sinks/salesforce/preflight.ts';
import { type SalesforceTwin, startSalesforceTwin } from '../../twins/salesforce/server.ts';

let twin: SalesforceTwin;
let rest: SalesforceRest;
beforeAll(async () => {
  twin = await startSalesforceTwin();
  rest = new SalesforceRest({
    loginUrl: twin.restUrl,
    clientId: 'tributary',
    clientSecret: () => 'tributary-secret',
    apiVersion: '67.0',
    client: 'tributary',
  });
});
afterAll(async () => {
  await rest.close();
  await twin.close();
});

const email = { canonical: 'email', type: 'email', salesforce: 'Email', intercom: 'email' };
const objects = (customer: object, ...flows: readonly ('contact-sync' | 'account-sync')[]) =>
  writtenObjects(
    { rest },
    checkConfig(
      {
        capture: { intercom: true },
        flows: Object.fromEntries(flows.map((name) => [name, { salesforce: {} }])),
        entities: { customer },
      },
      {},
    ),
  );
const mapped = (...fields: readonly object[]) => ({ fields: [email, ...fields] });
const text = (salesforce: string, more: object = {}) => ({
  canonical: 'one',
  type: 'text',
  salesforce,
  intercom: 'custom_attributes.one',
  ...more,
});

describe('before the first write to Salesforce', () => {
  test('the objects that flows write are known, with what is read of them and where people are looked for', async () => {
    const languages = { ...text('Languages__c'), type: 'set' };
    expect(await objects(mapped(languages), 'contact-sync')).toEqual({
      Contact: {
        marker: 'Tributary_Id__c',
        email: 'Email',
        fields: ['Tributary_Id__c', 'Email', 'Languages__c'],
        multiSelects: ['Languages__c'],
      },
    });
    expect(Object.keys(await objects({}, 'contact-sync', 'account-sync'))).toEqual(['Contact', 'Account']);
    expect(await objects({})).toEqual({});
  });

  test('a lead has the fields that are mapped to it', async () => {
    const customer = { ...mapped(text('Title', { lead: 'Title' })), salesforce: { lead: 'Lead' } };
    expect((await objects(customer, 'contact-sync'))['Lead']).toMatchObject({ fields: ['Tributary_Id__c', 'Title'] });
  });

  test('a field that is missing, or that may not be written, is named with the way out', async () => {
    await expect(objects(mapped(text('Nowhere__c')), 'contact-sync')).rejects.toMatchObject({
      code: 'MAPPING_UNKNOWN_FIELD',
      field: 'Nowhere__c',
      message: 'Salesforce: Contact.Nowhere__c does not exist, or the user may not see it',
    });
    await expect(objects(mapped(text('CreatedDate')), 'contact-sync')).rejects.toMatchObject({
      field: 'CreatedDate',
      message: expect.stringContaining('give it owner: salesforce'),
    });
  });

  test('what Salesforce owns need not be writable', async () => {
    const created = text('CreatedDate', { owner: 'salesforce' });
    expect((await objects(mapped(created), 'contact-sync'))['Contact']?.fields).toContain('CreatedDate');
  });

  test('a marker that is no unique external id is refused: a repeated create would make a second record', async () => {
    const customer = { ...mapped(), salesforce: { marker: 'Title' } };
    await expect(objects(customer, 'contact-sync')).rejects.toMatchObject({
      field: 'Title',
      message: expect.stringContaining('is not an external id'),
    });
  });
});
