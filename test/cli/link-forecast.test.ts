/** What the dry run of a link says, for platforms of a few people each. */
import { describe, expect, test } from 'vitest';
import { forecast, type Told } from '../../cli/link/forecast.ts';
import { type Forecast, undecidedBetween } from '../../cli/link/report.ts';
import type { Change, Value } from '../../schemas/types.ts';
import { row, second } from '../support/changes.ts';
import { twoWay } from '../support/two-way.ts';

type Fields = Readonly<Record<string, Value>>;

const user = row('salesforce:User:005000000000001AAA', { Email: 'olga@example.com' }, 0);
const admin = row('intercom:admin:1', { email: 'olga@example.com' }, 0);
const contact = (n: number, fields: Fields, at = 10): Change =>
  row(`salesforce:Contact:00300000000000${n}AAA`, { LastName: 'Byron', Newsletter__c: false, ...fields }, at);
const account = (n: number, fields: Fields, at = 10): Change =>
  row(`salesforce:Account:00100000000000${n}AAA`, fields, at);
const person = (n: number, fields: Fields, at = 20): Change =>
  row(`intercom:contact:${n}`, { role: 'user', companies: [], 'custom_attributes.newsletter': false, ...fields }, at);
const company = (n: number, fields: Fields, at = 20): Change => row(`intercom:company:${n}`, fields, at);

const run = (told: Told, first: 'salesforce' | 'intercom' = 'salesforce', config = twoWay()): Promise<Forecast> =>
  forecast({
    config,
    told: { salesforce: [user, ...told.salesforce], intercom: [admin, ...told.intercom] },
    first,
    user: { id: '005000000000001AAA' },
    at: (second + 100) * 1_000,
    read: ({ ref }) => Promise.reject(new Error(`${ref} is to be read again`)),
    signal: new AbortController().signal,
  });

/** Without our ids, which say nothing to a reader. */
const valuesOf = ({ writes }: Forecast) =>
  writes.flatMap(({ verb, record, fields }) =>
    fields.filter(({ marker }) => !marker).map(({ field, from, to }) => [verb, record, field, from, to]),
  );

describe('who is one person', () => {
  test('a contact of each with one email is one; each value that the other lacks or has otherwise is written, with its reason', async () => {
    const found = await run({
      salesforce: [contact(1, { FirstName: 'Ada', Email: 'ada@example.com', Phone: '1', Title: null })],
      intercom: [
        person(7, {
          name: 'Ada Byron',
          email: 'ada@example.com',
          phone: '2',
          'custom_attributes.job_title': 'CTO',
        }),
      ],
    });
    expect(found).toMatchObject({
      matched: [
        {
          name: 'ada@example.com',
          records: ['intercom:contact:7', 'salesforce:Contact:003000000000001AAA'],
          by: 'email',
        },
      ],
      ambiguous: [],
      onlySalesforce: [],
      onlyIntercom: [],
      held: [],
      waiting: 0,
    });
    expect(valuesOf(found)).toEqual([
      ['update', 'salesforce:Contact:003000000000001AAA', 'Phone', '1', '2'],
      ['update', 'salesforce:Contact:003000000000001AAA', 'Title', null, 'CTO'],
      ['update', 'intercom:contact:7', 'custom_attributes.salesforce_id', null, '003000000000001AAA'],
    ]);
    const [phone] = found.writes.flatMap(({ fields }) => fields.filter(({ field }) => field === 'Phone'));
    expect(phone?.why).toMatch(/^the later of two that met: intercom:contact:7, 2026-/);
  });

  test('who stands alone is created on the other platform, with what needs the new id in a second write; who has no email is not', async () => {
    const found = await run({
      salesforce: [
        account(1, { Name: 'Orchard' }),
        contact(1, { Email: 'ada@example.com', AccountId: '001000000000001AAA' }),
        contact(2, { Email: null, LastName: 'Nobody' }),
      ],
      intercom: [person(7, { name: 'Mary Shelley', email: 'mary@example.com' })],
    });
    const { onlySalesforce, onlyIntercom } = found;
    expect(onlySalesforce.map(({ name, becomes }) => [name, becomes])).toEqual([
      ['Orchard', expect.stringMatching(/^intercom:company:new-\d$/)],
      ['ada@example.com', expect.stringMatching(/^intercom:contact:new-\d$/)],
      ['Nobody', 'not created: no email'],
    ]);
    expect(onlyIntercom).toMatchObject([{ becomes: expect.stringMatching(/^salesforce:Contact:new-\d$/) as string }]);
    const made = onlyIntercom[0]?.becomes.split(':')[2];
    expect(valuesOf(found)).toContainEqual([
      'update',
      'intercom:contact:7',
      'custom_attributes.salesforce_id',
      null,
      made,
    ]);
    const companyId = onlySalesforce[0]?.becomes.split(':')[2];
    const contactRef = onlySalesforce[1]?.becomes;
    expect(valuesOf(found)).toContainEqual(['create', contactRef, 'companies', null, [companyId]]);
    expect(found.waiting).toBe(0);
  });

  test('of several contacts with one email nothing is written; which of them it is depends on the order, and that is said', async () => {
    const told = {
      salesforce: [contact(1, { Email: 'ada@example.com' }), contact(2, { Email: 'ada@example.com', Phone: '5' })],
      intercom: [person(7, { name: 'Ada Byron', email: 'ada@example.com' })],
    };
    const [one, other] = [await run(told), await run(told, 'intercom')];
    expect(one.writes).toEqual([]);
    expect(one.ambiguous.map(({ records }) => records)).toContainEqual(['intercom:contact:7']);
    expect(one.ambiguous.find(({ records }) => records[0] === 'intercom:contact:7')?.candidates).toHaveLength(2);
    const undecided = undecidedBetween(one, other);
    expect(undecided).toContainEqual({
      record: 'intercom:contact:7',
      name: 'ada@example.com',
      what: 'who it is',
      salesforceFirst: 'ambiguous',
      intercomFirst: 'one with salesforce:Contact:003000000000001AAA',
    });
    expect(undecidedBetween(one, one)).toEqual([]);
  });

  test('a lead of Salesforce beside a contact is one with them and is not written to; a lead alone makes nobody', async () => {
    const { entities, ...rules } = twoWay();
    const fields = entities.customer.fields.map((field) =>
      ['Email', 'FirstName', 'LastName', 'Phone'].includes(field.salesforce ?? '') && field.salesforce !== undefined
        ? { ...field, lead: field.salesforce }
        : field,
    );
    const customer = { ...entities.customer, salesforce: { ...entities.customer.salesforce, lead: 'Lead' }, fields };
    const config = { ...rules, entities: { ...entities, customer } };
    const lead = (n: number, told: Fields) =>
      row(`salesforce:Lead:00Q00000000000${n}AAA`, { LastName: 'Byron', ...told }, 10);
    const told = {
      salesforce: [
        contact(1, { Email: 'ada@example.com', Phone: '1' }),
        lead(1, { Email: 'ada@example.com', Phone: '8' }),
        lead(2, { Email: 'eve@example.com' }),
      ],
      intercom: [person(7, { name: 'Byron', email: 'ada@example.com', phone: '2' })],
    };
    const found = await run(told, 'salesforce', config);
    expect(found.matched.map(({ records }) => records)).toEqual([
      ['intercom:contact:7', 'salesforce:Contact:003000000000001AAA', 'salesforce:Lead:00Q000000000001AAA'],
    ]);
    expect(found.writes.map(({ record }) => record)).not.toContain('salesforce:Lead:00Q000000000001AAA');
    expect(found.onlySalesforce).toMatchObject([{ name: 'eve@example.com', becomes: 'not created: only a lead' }]);
  });

  test('a company that names its Salesforce account is that account', async () => {
    const found = await run({
      salesforce: [account(1, { Name: 'Orchard', Industry: 'Retail' })],
      intercom: [
        company(3, {
          name: 'Orchard',
          company_id: 'c3',
          'custom_attributes.salesforce_account_id': '001000000000001AAA',
        }),
      ],
    });
    expect(found.matched).toMatchObject([{ entity: 'account', name: 'Orchard', by: 'marker' }]);
  });
});

test('what does not depend on the order comes out the same in both, whatever new records are called', async () => {
  const told = {
    salesforce: [
      account(1, { Name: 'Orchard' }),
      contact(1, { Email: 'ada@example.com', AccountId: '001000000000001AAA' }),
      contact(2, { Email: 'bea@example.com', AccountId: '001000000000001AAA', Phone: '3' }),
    ],
    intercom: [
      company(3, { name: 'Harbour', company_id: 'c3' }),
      person(7, { name: 'Mary Shelley', email: 'mary@example.com', companies: ['3'] }),
      person(8, { name: 'Bea Byron', email: 'bea@example.com', phone: '4' }),
    ],
  };
  const [one, other] = [await run(told), await run(told, 'intercom')];
  expect(undecidedBetween(one, other)).toEqual([]);
  expect(one.writes.length).toBeGreaterThan(5);
});
