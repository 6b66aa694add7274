import { describe, expect, test } from 'vitest';
import { type Evidence, judge } from '../../cli/demo/judge.ts';

const agreed: Evidence = {
  salesforceStore: {
    User: [
      { Id: '005A', Email: 'Owner@orchard.example' },
      { Id: '005B', Email: 'elsewhere@orchard.example' },
    ],
    Account: [
      {
        Id: '001A',
        Name: 'Orchard',
        Website: 'orchard.example',
        Industry: 'Agriculture',
        NumberOfEmployees: 120,
        OwnerId: '005B',
        Tier__c: 'Gold',
        Contract_Value__c: 1200.5,
      },
      { Id: '001B', Name: 'Nobody works here', OwnerId: '005A' },
    ],
    Contact: [
      {
        Id: '003A',
        Email: 'Mara@orchard.example',
        FirstName: 'Mara',
        LastName: 'Ilves',
        Phone: '+37255501234',
        Title: 'Buyer',
        OwnerId: '005A',
        AccountId: '001A',
        Level__c: 'A',
        Seats__c: 14,
        Newsletter__c: true,
        Renewal_Date__c: '2027-01-01',
        Last_Order_At__c: '2026-01-02T03:04:05.000+0000',
        Score__c: 98.25,
        Languages__c: 'French;English',
      },
      {
        Id: '003B',
        Email: 'bo@orchard.example',
        FirstName: null,
        LastName: 'Bo',
        OwnerId: '005B',
        AccountId: null,
        Newsletter__c: false,
      },
      { Id: '003C', Email: null, LastName: 'Has no email', OwnerId: '005A', AccountId: '001B' },
    ],
  },
  intercomStore: {
    admins: [{ id: 81, name: 'Owner', email: 'owner@orchard.example' }],
    companies: [
      {
        id: 'c1',
        company_id: 'ours-1',
        name: 'Orchard',
        plan: null,
        size: 120,
        website: 'orchard.example',
        industry: 'Agriculture',
        monthly_spend: null,
        remote_created_at: null,
        custom_attributes: {
          salesforce_account_id: '001A',
          tier: 'Gold',
          contract_value: 1200.5,
          owner_email: 'elsewhere@orchard.example',
        },
        created_ms: 1,
        updated_ms: 1,
      },
    ],
    contacts: [
      {
        id: 'u1',
        role: 'user',
        external_id: null,
        email: 'mara@orchard.example',
        phone: '+37255501234',
        name: 'Mara Ilves',
        avatar: null,
        owner_id: 81,
        unsubscribed_from_emails: false,
        signed_up_at: null,
        last_seen_at: null,
        language_override: null,
        custom_attributes: {
          salesforce_id: '003A',
          job_title: 'Buyer',
          level: 'A',
          seats: 14,
          newsletter: true,
          renewal_date: Date.UTC(2027, 0, 1) / 1000,
          last_order_at: Date.UTC(2026, 0, 2, 3, 4, 5) / 1000,
          score: 98.25,
          languages: 'English;French',
        },
        companies: ['c1'],
        archived: false,
        blocked: false,
        created_ms: 1,
        updated_ms: 1,
      },
      {
        id: 'u2',
        role: 'user',
        external_id: null,
        email: 'bo@orchard.example',
        phone: '',
        name: 'Bo',
        avatar: null,
        owner_id: null,
        unsubscribed_from_emails: false,
        signed_up_at: null,
        last_seen_at: null,
        language_override: null,
        custom_attributes: { salesforce_id: '003B', newsletter: false },
        companies: [],
        archived: false,
        blocked: false,
        created_ms: 1,
        updated_ms: 1,
      },
    ],
  },
  calls: [],
  salesforceCalls: [],
};

type Intercom = Evidence['intercomStore'];
type User = Intercom['contacts'][number];
type Company = Intercom['companies'][number];

/** The agreed world with one record edited. */
const withContact = (id: string, edit: object): Evidence => ({
  ...agreed,
  salesforceStore: {
    ...agreed.salesforceStore,
    Contact: agreed.salesforceStore.Contact.map((row) => (row['Id'] === id ? { ...row, ...edit } : row)),
  },
});
const withAccount = (edit: object): Evidence => ({
  ...agreed,
  salesforceStore: {
    ...agreed.salesforceStore,
    Account: agreed.salesforceStore.Account.map((row) => (row['Id'] === '001A' ? { ...row, ...edit } : row)),
  },
});
const withUsers = (edit: (users: readonly User[]) => readonly User[]): Evidence => ({
  ...agreed,
  intercomStore: { ...agreed.intercomStore, contacts: edit(agreed.intercomStore.contacts) },
});
const withUser = (id: string, edit: Partial<User>): Evidence =>
  withUsers((users) => users.map((user) => (user.id === id ? { ...user, ...edit } : user)));
const withCompanies = (edit: (companies: readonly Company[]) => readonly Company[]): Evidence => ({
  ...agreed,
  intercomStore: { ...agreed.intercomStore, companies: edit(agreed.intercomStore.companies) },
});
const copyOf = <T extends { readonly id: string }>(items: readonly T[], id: string, edit: Partial<T>): readonly T[] =>
  items.flatMap((item) => (item.id === id ? [item, { ...item, ...edit }] : [item]));

describe('the judge', () => {
  test('finds nothing where both sides agree, an empty value being none', () => {
    expect(judge(agreed)).toEqual({
      people: { salesforce: 2, intercom: 2, linked: 2 },
      sharing: 0,
      duplicates: 0,
      differences: 0,
      noopWrites: 0,
      details: [],
    });
  });

  test('sees an edit that did not arrive, whichever field it was in', () => {
    for (const [field, value] of Object.entries({
      Email: 'other@orchard.example',
      FirstName: 'Maria',
      LastName: null,
      Phone: null,
      Title: 'Seller',
      OwnerId: '005B',
      AccountId: null,
      Level__c: 'B',
      Seats__c: 15,
      Newsletter__c: false,
      Renewal_Date__c: '2027-01-02',
      Last_Order_At__c: '2026-01-02T03:04:06.000+0000',
      Score__c: 98.5,
      Languages__c: 'French',
    })) {
      const { differences, details } = judge(withContact('003A', { [field]: value }));
      // Leaving the Account also leaves it without a person, so that no company is needed for it any more.
      expect([field, differences, details.length]).toEqual([field, 1, 1]);
      expect(details[0]).toContain('Contact 003A');
    }
  });

  test('sees a change of an Account that did not arrive, whichever field it was in', () => {
    for (const [field, value] of Object.entries({
      Name: 'Orchards',
      Website: null,
      Industry: 'Retail',
      NumberOfEmployees: 121,
      OwnerId: '005A',
      Tier__c: 'Silver',
      Contract_Value__c: 1200,
    }))
      expect([field, judge(withAccount({ [field]: value })).differences]).toEqual([field, 1]);
  });

  test('names the field, what is there and what should be', () => {
    expect(judge(withContact('003A', { Seats__c: null })).details).toEqual([
      'Contact 003A: seats is 14 in Intercom, expected null',
    ]);
  });

  test('sees a value that should have been cleared or is of another type', () => {
    expect(judge(withUser('u2', { phone: '123' })).differences).toBe(1);
    expect(judge(withContact('003A', { Seats__c: '14' })).differences).toBe(1);
  });

  test('misses the user of a Contact with an email, and asks for none without', () => {
    const verdict = judge(withUsers((users) => users.filter((user) => user.id !== 'u2')));
    expect(verdict).toMatchObject({ differences: 1, people: { salesforce: 2, intercom: 1, linked: 1 } });
    expect(judge(withUser('u2', { archived: true }))).toMatchObject({ differences: 1, people: { linked: 1 } });
    expect(judge(withUser('u2', { role: 'lead' }))).toMatchObject({ differences: 1, people: { linked: 1 } });
    expect(judge(withContact('003C', { Email: 'c@orchard.example' })).details).toEqual([
      'Contact 003C has no user in Intercom',
      'Account 001B has no company in Intercom',
    ]);
  });

  test('wants exactly the company of the Account', () => {
    const stranger = 'Company c2 in Intercom belongs to no Account';
    const second = withCompanies((companies) => copyOf(companies, 'c1', { id: 'c2', custom_attributes: {} }));
    const both = {
      ...second.intercomStore,
      contacts: withUser('u1', { companies: ['c1', 'c2'] }).intercomStore.contacts,
    };
    const other = { ...second.intercomStore, contacts: withUser('u1', { companies: ['c2'] }).intercomStore.contacts };
    expect(judge({ ...second, intercomStore: both }).details).toEqual([
      'Contact 003A: companies are ["c1","c2"], expected the one of Account "001A"',
      stranger,
    ]);
    expect(judge({ ...second, intercomStore: other }).details).toEqual([
      'Contact 003A: companies are ["c2"], expected the one of Account "001A"',
      stranger,
    ]);
    expect(judge(withUser('u1', { companies: [] })).differences).toBe(1);
    expect(judge(withUser('u2', { companies: ['c1'] })).details).toEqual([
      'Contact 003B: companies are ["c1"], expected the one of Account null',
    ]);
  });

  test('misses the company of an Account', () => {
    expect(judge(withCompanies(() => [])).details).toEqual([
      'Contact 003A: companies are ["c1"], expected the one of Account "001A"',
      'Account 001A has no company in Intercom',
    ]);
  });

  test('counts each user too many once, by Contact and by email', () => {
    const twice = withUsers((users) => copyOf(users, 'u1', { id: 'u3', email: 'm@orchard.example' }));
    expect(judge(twice)).toMatchObject({ duplicates: 1, differences: 0, people: { linked: 2 } });
    const same = withUsers((users) => copyOf(users, 'u1', { id: 'u3' }));
    expect(judge(same).duplicates).toBe(1);
    const stranger = withUsers((users) =>
      copyOf(users, 'u1', { id: 'u3', email: 'MARA@orchard.example', custom_attributes: {} }),
    );
    expect(judge(stranger).details).toEqual(['User u3 in Intercom has the email of another user']);
    const archived = withUsers((users) => copyOf(users, 'u1', { id: 'u3', archived: true }));
    expect(judge(archived).duplicates).toBe(0);
  });

  test('counts each company too many', () => {
    const verdict = judge(withCompanies((companies) => copyOf(companies, 'c1', { id: 'c2', company_id: 'ours-2' })));
    expect(verdict).toMatchObject({ duplicates: 1, differences: 0 });
    expect(verdict.details).toEqual(['Account 001A has more than one of the companies in Intercom: c2']);
  });

  test('counts a company that no Account claims, and none whose people have all left', () => {
    const with2 = (custom: Company['custom_attributes']) =>
      judge(withCompanies((companies) => copyOf(companies, 'c1', { id: 'c2', custom_attributes: custom })));
    const stranger = ['Company c2 in Intercom belongs to no Account'];
    expect(with2({})).toMatchObject({ differences: 1, details: stranger });
    expect(with2({ salesforce_account_id: '001Z' })).toMatchObject({ differences: 1, details: stranger });
    expect(with2({ salesforce_account_id: '001B' }).details).toEqual([]);
  });

  test('counts as no-op writes the accepted writes of ours to people and companies that changed nothing', () => {
    const call = { client: 'app', method: 'PUT', path: '/contacts/u1', noop: true };
    const calls = [
      call,
      { ...call, method: 'POST', path: '/contacts/u1/companies' },
      { ...call, method: 'DELETE', path: '/contacts/u1/companies/c1' },
      { ...call, method: 'POST', path: '/companies' },
      { ...call, noop: false },
      { ...call, client: 'person:editor' },
      { ...call, method: 'GET' },
      { ...call, path: '/data_attributes/1' },
    ];
    expect(judge({ ...agreed, calls }).noopWrites).toBe(4);
    const row = { id: '003A', fields: ['Title'], created: false };
    const salesforceCalls = [
      {
        written: [
          { ...row, changed: true },
          { ...row, changed: false },
        ],
      },
      { written: [] },
    ];
    expect(judge({ ...agreed, salesforceCalls }).noopWrites).toBe(1);
  });

  test('does not ask whose the user is whose email two contacts share, and wants no second user of it', () => {
    const twin = { ...agreed.salesforceStore.Contact[1], Id: '003D' };
    const Contact = [...agreed.salesforceStore.Contact, twin];
    const shared = { ...agreed, salesforceStore: { ...agreed.salesforceStore, Contact } };
    expect(judge(shared)).toMatchObject({
      sharing: 2,
      differences: 0,
      duplicates: 0,
      people: { salesforce: 1, linked: 1 },
    });
    const users = agreed.intercomStore.contacts;
    const doubled = copyOf(users, users[1]?.id ?? '', { id: 'u9', custom_attributes: {} });
    expect(judge({ ...shared, intercomStore: { ...agreed.intercomStore, contacts: doubled } }).duplicates).toBe(1);
  });

  test('takes a box that is not checked for nothing said', () => {
    expect(judge(withUser('u2', { custom_attributes: { salesforce_id: '003B' } })).details).toEqual([]);
    expect(judge(withUser('u2', { custom_attributes: { salesforce_id: '003B', newsletter: true } })).differences).toBe(
      1,
    );
  });
});
