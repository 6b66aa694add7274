import { describe, expect, test } from 'vitest';
import type { Dml } from '../../twins/salesforce/dml.ts';
import { eventLayout } from '../../twins/salesforce/schema.ts';
import { eventsOf, idOf, makeModel, namesIn, origin, refusalsOf, start, take } from './salesforce-support.ts';

const createLead = (row: Record<string, unknown> = {}): Dml => ({
  op: 'create',
  object: 'Lead',
  row: { LastName: 'Byron', Company: 'Acme', ...row },
});
const org = (options: Parameters<typeof makeModel>[0] = {}) => {
  const made = makeModel(options);
  const values = (object: string, id: unknown) => made.model.store.get(object, String(id))?.values;
  const events = (from = 0) =>
    eventsOf(made.model, start + 60_000)
      .slice(from)
      .map(({ json, value }) => {
        const { entityName, changeType, changedFields } = value.ChangeEventHeader;
        return { name: `${entityName} ${changeType}`, value, changed: namesIn(json, changedFields) };
      });
  return { ...made, values, events };
};

describe('a lead', () => {
  test('needs a name and a company, and begins open, unread, owned by its creator', () => {
    const { model, caller, values } = org();
    const [refused, taken] = model.execute(
      [{ op: 'create', object: 'Lead', row: { FirstName: 'Ada' } }, createLead({ Tributary_Id__c: 'k' })],
      caller,
      start,
    );
    expect(refusalsOf(refused)).toEqual([
      ['REQUIRED_FIELD_MISSING', 'Required fields are missing: [LastName, Company]'],
    ]);
    expect(values('Lead', idOf(taken))).toMatchObject({
      Status: 'Open - Not Contacted',
      IsConverted: false,
      IsUnreadByOwner: true,
      OwnerId: caller.userId,
      ConvertedContactId: null,
      MasterRecordId: null,
      Tributary_Id__c: 'k',
    });
    expect(idOf(taken)).toMatch(/^00Q/);
  });

  test('keeps a status, whatever it is, but not none', () => {
    const made = org();
    const [id = ''] = take(made, start, createLead());
    const update = (Status: string | null) =>
      made.model.execute([{ op: 'update', object: 'Lead', id, row: { Status } }], made.caller, start)[0];
    expect(update('Nurturing')).toMatchObject({ success: true });
    expect(refusalsOf(update(null))[0]?.[0]).toBe('REQUIRED_FIELD_MISSING');
  });

  test('has the published positions in its events', () => {
    const lead = org().model.object('Lead');
    const position = (name: string) => lead && eventLayout(lead).find((field) => field.name === name)?.position;
    const names = ['Status', 'IsConverted', 'ConvertedOpportunityId', 'LastModifiedDate', 'LastModifiedById'];
    expect(names.map(position)).toEqual([12, 19, 23, 27, 28]);
  });

  test('tells its changes as any object does', () => {
    const made = org();
    const [id = ''] = take(made, start, createLead({ City: 'Leeds' }));
    take(made, start + 1000, { op: 'update', object: 'Lead', id, row: { Phone: '1', City: null } });
    const [creation, update] = made.events();
    expect([creation?.name, update?.name]).toEqual(['Lead CREATE', 'Lead UPDATE']);
    expect(creation?.value).toMatchObject({ Address: { City: 'Leeds' }, Status: 'Open - Not Contacted' });
    expect(update?.changed).toEqual(['Phone', 'LastModifiedDate', 'Address.City']);
  });
});

describe('a conversion', () => {
  test('makes an account and a contact and marks the lead, in this order and in one transaction', () => {
    const made = org();
    const [id = ''] = take(
      made,
      start,
      createLead({ FirstName: 'Ada', Email: 'ada@acme.example', Level__c: 'Primary', City: 'Leeds', DoNotCall: true }),
    );
    const result = made.model.convertLead(id, {}, made.caller, start + 5000);
    expect(result).toEqual({ success: true, id, created: false, changed: true });
    const lead = made.values('Lead', id);
    expect(lead).toMatchObject({ IsConverted: true, ConvertedDate: '2026-03-04', Status: 'Closed - Converted' });
    expect(made.values('Account', lead?.['ConvertedAccountId'])).toMatchObject({ Name: 'Acme', BillingCity: 'Leeds' });
    expect(made.values('Contact', lead?.['ConvertedContactId'])).toMatchObject({
      Name: 'Ada Byron',
      Email: 'ada@acme.example',
      AccountId: lead?.['ConvertedAccountId'],
      MailingCity: 'Leeds',
      Level__c: 'Primary',
      DoNotCall: true,
      Tributary_Id__c: null,
    });
    const events = made.events(1);
    expect(events.map(({ name }) => name)).toEqual(['Account CREATE', 'Contact CREATE', 'Lead UPDATE']);
    const headers = events.map(({ value }) => value.ChangeEventHeader);
    expect(headers.map(({ sequenceNumber }) => sequenceNumber)).toEqual([1, 2, 3]);
    expect(new Set(headers.map(({ transactionKey }) => transactionKey)).size).toBe(1);
    expect(new Set(headers.map(({ changeOrigin }) => changeOrigin))).toEqual(new Set([origin]));
    expect(events[2]?.changed).toEqual([
      'Status',
      'IsConverted',
      'ConvertedDate',
      'ConvertedAccountId',
      'ConvertedContactId',
      'LastModifiedDate',
    ]);
    expect(events[2]?.value).toMatchObject({
      IsConverted: true,
      ConvertedContactId: lead?.['ConvertedContactId'],
      ConvertedDate: BigInt(Date.UTC(2026, 2, 4)),
    });
  });

  test('into a contact that is there fills what is empty there and nothing else', () => {
    const made = org();
    const [accountId = ''] = take(made, start, { op: 'create', object: 'Account', row: { Name: 'Old', Phone: '9' } });
    const contact = { LastName: 'Lovelace', AccountId: accountId, Title: 'Countess' };
    const [contactId = '', id = ''] = take(
      made,
      start,
      { op: 'create', object: 'Contact', row: contact },
      createLead({ Title: 'CTO', Email: 'ada@acme.example' }),
    );
    made.model.convertLead(id, { contactId }, made.caller, start + 1000);
    expect(made.values('Contact', contactId)).toMatchObject({
      LastName: 'Lovelace',
      Title: 'Countess',
      Email: 'ada@acme.example',
    });
    expect(made.values('Lead', id)).toMatchObject({ ConvertedAccountId: accountId, ConvertedContactId: contactId });
    expect(made.events(3).map(({ name, changed }) => [name, ...changed].join(' '))).toEqual([
      'Contact UPDATE Email LastModifiedDate',
      expect.stringMatching(/^Lead UPDATE /) as string,
    ]);
  });

  test('into an account and a contact with nothing empty tells of the lead alone', () => {
    const made = org();
    const [accountId = ''] = take(made, start, { op: 'create', object: 'Account', row: { Name: 'Old' } });
    const row = { LastName: 'L', AccountId: accountId };
    const [contactId = '', id = ''] = take(made, start, { op: 'create', object: 'Contact', row }, createLead());
    made.model.convertLead(id, { accountId, contactId, status: 'Won' }, made.caller, start + 1000);
    expect(made.events(3).map(({ name }) => name)).toEqual(['Lead UPDATE']);
    expect(made.values('Lead', id)).toMatchObject({ Status: 'Won' });
  });

  test('is final: the lead can be neither changed nor converted again, but deleted', () => {
    const made = org();
    const [id = ''] = take(made, start, createLead({ Email: 'a@x.example' }));
    made.model.convertLead(id, {}, made.caller, start);
    const again = [
      made.model.convertLead(id, {}, made.caller, start),
      made.model.execute([{ op: 'update', object: 'Lead', id, row: { Phone: '1' } }], made.caller, start)[0],
      made.model.execute(
        [{ op: 'upsert', object: 'Lead', field: 'Email', value: 'a@x.example', row: { Phone: '1' } }],
        made.caller,
        start,
      )[0],
    ];
    for (const result of again) {
      expect(refusalsOf(result)).toEqual([['CANNOT_UPDATE_CONVERTED_LEAD', 'cannot reference converted lead']]);
    }
    take(made, start, { op: 'delete', object: 'Lead', id });
  });

  test.each([true, false])(
    'is no duplicate of the lead it comes from; into a contact that is there: %s',
    (existing) => {
      const rule = { object: 'Contact', field: 'Email', against: ['Contact', 'Lead'], action: 'block' } as const;
      const made = org({ customizing: { duplicateRules: [rule] } });
      const [id = '', contactId = ''] = take(made, start, createLead({ Email: 'a@x.example' }), {
        op: 'create',
        object: 'Contact',
        row: { LastName: 'A' },
      });
      const into = existing ? { contactId } : {};
      expect(made.model.convertLead(id, into, made.caller, start)).toMatchObject({ success: true });
      expect(made.values('Contact', made.values('Lead', id)?.['ConvertedContactId'])).toMatchObject({
        Email: 'a@x.example',
      });
    },
  );

  test('that fails half way leaves nothing behind', () => {
    const noPhones = { object: 'Contact', field: 'Phone', pattern: /^0/, message: 'no leading zero' };
    const made = org({ customizing: { validationRules: [noPhones] } });
    const [id = ''] = take(made, start, createLead({ Phone: '0123' }));
    const result = made.model.convertLead(id, {}, made.caller, start);
    expect(refusalsOf(result)).toEqual([['FIELD_CUSTOM_VALIDATION_EXCEPTION', 'no leading zero']]);
    expect([...made.model.store.all('Account'), ...made.model.store.all('Contact')]).toEqual([]);
    expect(made.values('Lead', id)).toMatchObject({ IsConverted: false });
    expect(made.events(1)).toEqual([]);
  });
});
