/** Intercom's side of the demo's people: who is there before the first link, and what somebody types there. Pure. */
import type { Faker } from '@faker-js/faker';
import type { Edit, Person } from './edits.ts';
import { companyRow, personRow, type Row } from './population.ts';

type Body = Readonly<Record<string, unknown>>;

/** Salesforce field → Intercom field, of those that people edit there. */
const names: Readonly<Record<Edit['object'], Readonly<Record<string, string>>>> = {
  Contact: {
    Email: 'email',
    Phone: 'phone',
    Title: 'custom_attributes.job_title',
    Level__c: 'custom_attributes.level',
    Seats__c: 'custom_attributes.seats',
    Newsletter__c: 'custom_attributes.newsletter',
    Renewal_Date__c: 'custom_attributes.renewal_date',
    Last_Order_At__c: 'custom_attributes.last_order_at',
    Score__c: 'custom_attributes.score',
    Languages__c: 'custom_attributes.languages',
  },
  Account: {
    Name: 'name',
    Website: 'website',
    Industry: 'industry',
    NumberOfEmployees: 'size',
    Tier__c: 'custom_attributes.tier',
    Contract_Value__c: 'custom_attributes.contract_value',
  },
};
const dates = new Set(['Renewal_Date__c', 'Last_Order_At__c']);
/** Attributes that a workspace with years of data has already; the others are created by the services. */
const attributes = [
  { name: 'job_title', model: 'contact', data_type: 'string' },
  { name: 'level', model: 'contact', data_type: 'string' },
  { name: 'seats', model: 'contact', data_type: 'integer' },
  { name: 'tier', model: 'company', data_type: 'string' },
  { name: 'salesforce_account_id', model: 'company', data_type: 'string' },
];
const there = new Set(attributes.map(({ name }) => `custom_attributes.${name}`));

/** A record's fields as a call of Intercom has them. `admins`: teammates by Salesforce user. */
export function intercomBody(object: Edit['object'], row: Row, now: Row, admins: ReadonlyMap<string, number>): Body {
  const body: Record<string, unknown> = {};
  const custom: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(row)) {
    const name = names[object][field];
    const said = dates.has(field) && typeof value === 'string' ? Math.floor(Date.parse(value) / 1000) : value;
    if (name?.startsWith('custom_attributes.') === true) custom[name.slice('custom_attributes.'.length)] = said;
    else if (name !== undefined) body[name] = said;
  }
  if ('OwnerId' in row) body['owner_id'] = admins.get(String(row['OwnerId'])) ?? null;
  if (object === 'Contact' && ('LastName' in row || 'FirstName' in row))
    body['name'] = [now['FirstName'], now['LastName']].filter((part) => part != null && part !== '').join(' ');
  return Object.keys(custom).length === 0 ? body : { ...body, custom_attributes: custom };
}

/** Part of a row that a workspace without all attributes can hold. */
const held = (object: Edit['object'], row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).filter(([field, value]) => {
      const name = names[object][field] ?? field;
      return value !== null && field !== 'OwnerId' && (!name.startsWith('custom_attributes.') || there.has(name));
    }),
  );

/**
 * Who is in Intercom before the first link: every second person of Salesforce, some of them with another phone or title;
 * some who are only there, some of those with a company of their own; and leads, who are nobody's contact yet.
 */
export function intercomPopulation(
  faker: Faker,
  { contacts, accounts }: { readonly contacts: readonly Person[]; readonly accounts: readonly Person[] },
): Body {
  const none = new Map<string, number>();
  const companies: Body[] = [];
  const people: Body[] = [];
  const shared = accounts.filter((_, n) => n % 2 === 0);
  for (const [n, { id, row }] of shared.entries()) {
    const body = intercomBody('Account', held('Account', row), row, none);
    const custom = (body['custom_attributes'] ?? {}) as Body;
    companies.push({ ...body, company_id: `crm-${n}`, custom_attributes: { ...custom, salesforce_account_id: id } });
  }
  const companyOf = new Map(shared.map(({ id }, n) => [id, `crm-${n}`]));
  const emails = new Set<unknown>();
  for (const [n, { row }] of contacts.entries()) {
    if (n % 2 !== 0 || emails.has(row['Email'])) continue;
    emails.add(row['Email']);
    const own: Row = { ...row };
    if (n % 10 === 0) own['Phone'] = `+1${faker.string.numeric(10)}`;
    if (n % 14 === 0) own['Title'] = faker.person.jobTitle();
    const company = companyOf.get(String(row['AccountId']));
    people.push({
      ...intercomBody('Contact', held('Contact', own), own, none),
      role: 'user',
      ...(company !== undefined && { companies: [company] }),
    });
  }
  const alone = Math.round(contacts.length * 0.15);
  for (let n = 0; n < alone; n++) {
    const row = { ...personRow(faker, 2_000_000 + n), FirstName: faker.person.firstName() };
    const own = n % 3 === 0 ? `own-${n}` : undefined;
    if (own !== undefined)
      companies.push({ ...intercomBody('Account', held('Account', companyRow(faker)), {}, none), company_id: own });
    people.push({
      ...intercomBody('Contact', held('Contact', row), row, none),
      role: 'user',
      ...(own !== undefined && { companies: [own] }),
    });
  }
  for (let n = 0; n < Math.round(contacts.length * 0.04); n++) {
    const row = personRow(faker, 3_000_000 + n);
    people.push({ role: 'lead', email: row['Email'], name: `${row['LastName']}` });
  }
  // Companies without people are in no list of the platform, and so not in this world either.
  const named = new Set(people.flatMap((person) => (person['companies'] ?? []) as readonly string[]));
  return { attributes, companies: companies.filter((one) => named.has(String(one['company_id']))), contacts: people };
}
