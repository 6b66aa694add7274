import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Dml } from '../../twins/salesforce/dml.ts';
import { makeId, normalizeId } from '../../twins/salesforce/ids.ts';
import { parseInstant, roundHalfUp } from '../../twins/salesforce/values.ts';
import { idOf, makeModel, refusalsOf, start, take } from './salesforce-support.ts';

const createContact = (row: Record<string, unknown>): Dml => ({ op: 'create', object: 'Contact', row });

describe('ids', () => {
  test('have the checksum suffix of the platform', () => {
    expect(normalizeId('001D000000IqhSL')).toBe('001D000000IqhSLIAZ');
    expect(normalizeId('001D000000IqhSLIAZ')).toBe('001D000000IqhSLIAZ');
    expect(normalizeId('001D000000IqhSLIAA')).toBeUndefined();
    expect(normalizeId('001D000000Iqh')).toBeUndefined();
  });

  test('grow in byte order, so that paging by Id meets every record once', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        fc.pre(a < b);
        expect(makeId('003', a) < makeId('003', b)).toBe(true);
      }),
    );
  });
});

describe('values', () => {
  test('decimals are rounded half up at the field’s scale', () => {
    expect([1.005, 1.004, -1.005, 2.5, 1e-9].map((n) => roundHalfUp(n, 2))).toEqual([1.01, 1, -1.01, 2.5, 0]);
    expect(roundHalfUp(2.5, 0)).toBe(3);
  });

  test.each([
    ['2026-01-02T03:04:05.000+0000', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05+02:00', '2026-01-02T01:04:05.000Z'],
    ['2026-01-02', '2026-01-02T00:00:00.000Z'],
  ])('the instant %s is read', (text, iso) => {
    expect(parseInstant(text)).toBe(Date.parse(iso));
  });

  test('are stored trimmed, empty as null, rounded, chosen values in the order of their definition', () => {
    const org = makeModel();
    const [id = ''] = take(
      org,
      start,
      createContact({
        LastName: '  Byron ',
        Title: '   ',
        Score__c: 12.345,
        Seats__c: '41.6',
        Languages__c: 'Spanish;English;Spanish',
        Renewal_Date__c: '2026-02-28',
        Last_Order_At__c: '2026-01-02T03:04:05.999+0100',
        AccountId: null,
      }),
    );
    expect(org.model.store.get('Contact', id)?.values).toMatchObject({
      LastName: 'Byron',
      Name: 'Byron',
      Title: null,
      Score__c: 12.35,
      Seats__c: 42,
      Languages__c: 'English;Spanish',
      Renewal_Date__c: '2026-02-28',
      Last_Order_At__c: Date.parse('2026-01-02T02:04:05Z'),
      Newsletter__c: false,
      OwnerId: org.model.personUserId,
    });
  });
});

describe('validation', () => {
  test.each<[string, Record<string, unknown>, [string, string][]]>([
    ['a missing required field', {}, [['REQUIRED_FIELD_MISSING', 'Required fields are missing: [LastName]']]],
    [
      'an unknown field',
      { LastName: 'X', Nope__c: 1 },
      [['INVALID_FIELD', "No such column 'Nope__c' on sobject of type Contact"]],
    ],
    [
      'text over its length',
      { LastName: 'X', FirstName: 'y'.repeat(41) },
      [['STRING_TOO_LONG', `First Name: data value too large: ${'y'.repeat(41)} (max length=40)`]],
    ],
    [
      'text over its length in a required field, which is not missing',
      { LastName: 'x'.repeat(81) },
      [['STRING_TOO_LONG', `Last Name: data value too large: ${'x'.repeat(81)} (max length=80)`]],
    ],
    [
      'a value outside a restricted picklist',
      { LastName: 'X', Level__c: 'Seventh' },
      [['INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST', 'Level: bad value for restricted picklist field: Seventh']],
    ],
    [
      'an email that is none',
      { LastName: 'X', Email: 'not an address' },
      [['INVALID_EMAIL_ADDRESS', 'Email: invalid email address: not an address']],
    ],
    [
      'a number with too many digits',
      { LastName: 'X', Score__c: 1000 },
      [['NUMBER_OUTSIDE_VALID_RANGE', 'Score: value outside of valid range on numeric field: 1000']],
    ],
    [
      'a parent that does not exist',
      { LastName: 'X', AccountId: '001Tw0000000099' },
      [['INVALID_CROSS_REFERENCE_KEY', 'invalid cross reference id']],
    ],
    [
      'an id that is none',
      { LastName: 'X', AccountId: 'abc' },
      [['MALFORMED_ID', 'Account ID: id value of incorrect type: abc']],
    ],
    [
      'a day that no calendar has',
      { LastName: 'X', Renewal_Date__c: '2026-02-30' },
      [
        [
          'JSON_PARSER_ERROR',
          'Cannot deserialize instance of date from VALUE_STRING value 2026-02-30 or request may be missing a required field',
        ],
      ],
    ],
  ])('%s is refused in the platform’s words', (_, row, refusals) => {
    const { model, caller } = makeModel();
    expect(refusalsOf(model.execute([createContact(row)], caller, start)[0])).toEqual(refusals);
    expect([...model.store.all('Contact')]).toEqual([]);
  });

  test('several faults of one row are all told', () => {
    const { model, caller } = makeModel();
    const [result] = model.execute(
      [createContact({ Email: 'x', Level__c: 'y', Title: 'z'.repeat(129) })],
      caller,
      start,
    );
    expect(refusalsOf(result).map(([code]) => code)).toEqual([
      'REQUIRED_FIELD_MISSING',
      'INVALID_EMAIL_ADDRESS',
      'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST',
      'STRING_TOO_LONG',
    ]);
  });

  test('fields of the platform cannot be written', () => {
    const { model, caller } = makeModel();
    const [result] = model.execute(
      [createContact({ LastName: 'X', Name: 'Y', CreatedDate: '2026-01-01' })],
      caller,
      start,
    );
    expect(refusalsOf(result)).toEqual([
      [
        'INVALID_FIELD_FOR_INSERT_UPDATE',
        'Unable to create/update fields: Name, CreatedDate. Please check the security settings of this field and verify that it is read/write for your profile or permission set.',
      ],
    ]);
  });

  test('an unrestricted picklist stores what it does not know', () => {
    const org = makeModel();
    const [id = ''] = take(org, start, { op: 'create', object: 'Account', row: { Name: 'A', Industry: 'Alchemy' } });
    expect(org.model.store.get('Account', id)?.values['Industry']).toBe('Alchemy');
  });

  test('a unique value is taken whatever its case, and free again when its record is deleted', () => {
    const org = makeModel();
    const [first = ''] = take(org, start, createContact({ LastName: 'A', Tributary_Id__c: 'k-1' }));
    const again = createContact({ LastName: 'B', Tributary_Id__c: 'K-1' });
    expect(refusalsOf(org.model.execute([again], org.caller, start)[0])).toEqual([
      [
        'DUPLICATE_VALUE',
        `duplicate value found: Tributary_Id__c duplicates value on record with id: ${first.slice(0, 15)}`,
      ],
    ]);
    take(org, start, { op: 'delete', object: 'Contact', id: first }, again);
    const back = org.model.execute([{ op: 'undelete', object: 'Contact', id: first }], org.caller, start)[0];
    expect(refusalsOf(back)[0]?.[0]).toBe('DUPLICATE_VALUE');
  });

  test('an inactive user owns nothing new', () => {
    const { model, caller } = makeModel();
    const [gone] = model.load(
      'User',
      [{ Username: 'gone@org.example', LastName: 'Gone', Email: 'gone@org.example', IsActive: false }],
      start,
    );
    const [result] = model.execute([createContact({ LastName: 'X', OwnerId: gone })], caller, start);
    expect(refusalsOf(result)[0]?.[0]).toBe('INACTIVE_OWNER_OR_USER');
  });
});

describe('operations', () => {
  test('an upsert creates once and updates from then on', () => {
    const { model, caller } = makeModel();
    const upsert = (row: Record<string, unknown>): Dml => ({
      op: 'upsert',
      object: 'Contact',
      field: 'Tributary_Id__c',
      value: 'k',
      row,
    });
    const [first] = model.execute([upsert({ LastName: 'A' })], caller, start);
    const [second] = model.execute([upsert({ Title: 'CTO' })], caller, start);
    expect(first).toMatchObject({ success: true, created: true });
    expect(second).toMatchObject({ success: true, created: false, id: idOf(first) });
    expect(model.store.get('Contact', idOf(first))?.values).toMatchObject({
      LastName: 'A',
      Title: 'CTO',
      Tributary_Id__c: 'k',
    });
  });

  test('an upsert by a value that several records have writes nothing', () => {
    const org = makeModel();
    take(
      org,
      start,
      createContact({ LastName: 'A', Email: 'x@y.example' }),
      createContact({ LastName: 'B', Email: 'X@y.example' }),
    );
    const [result] = org.model.execute(
      [{ op: 'upsert', object: 'Contact', field: 'Email', value: 'x@y.example', row: { Title: 'T' } }],
      org.caller,
      start,
    );
    expect(refusalsOf(result)[0]?.[0]).toBe('DUPLICATE_EXTERNAL_ID');
    expect([...org.model.store.all('Contact')].map(({ values }) => values['Title'])).toEqual([null, null]);
  });

  test('rows stand alone, or all fall together where the caller wants it', () => {
    const { model, caller } = makeModel();
    const rows = [createContact({ LastName: 'A' }), createContact({}), createContact({ LastName: 'C' })];
    expect(model.execute(rows, caller, start).map(({ success }) => success)).toEqual([true, false, true]);
    const before = model.bus.size;
    expect(model.execute(rows, caller, start, true).map(({ success }) => success)).toEqual([false, false, false]);
    expect([...model.store.all('Contact')]).toHaveLength(2);
    expect(model.bus.size).toBe(before);
  });

  test('a rolled-back row takes its unique value with it', () => {
    const { model, caller } = makeModel();
    const taken = createContact({ LastName: 'A', Tributary_Id__c: 'k' });
    model.execute([taken, createContact({})], caller, start, true);
    expect(model.execute([taken], caller, start)[0]).toMatchObject({ success: true });
  });

  test('a deleted account takes its people along, an undeletion brings back those and no others', () => {
    const org = makeModel();
    const [account = ''] = take(org, start, { op: 'create', object: 'Account', row: { Name: 'A' } });
    const [one = '', two = ''] = take(
      org,
      start,
      createContact({ LastName: 'One', AccountId: account }),
      createContact({ LastName: 'Two', AccountId: account }),
    );
    const deleted = () => [one, two].map((id) => org.model.store.get('Contact', id)?.deleted);
    take(org, start, { op: 'delete', object: 'Contact', id: two }, { op: 'delete', object: 'Account', id: account });
    expect(deleted()).toEqual([true, true]);
    take(org, start, { op: 'undelete', object: 'Account', id: account });
    expect(deleted()).toEqual([false, true]);
  });

  test('a person undeleted alone belongs to no deleted account', () => {
    const org = makeModel();
    const [account = ''] = take(org, start, { op: 'create', object: 'Account', row: { Name: 'A' } });
    const [id = ''] = take(org, start, createContact({ LastName: 'One', AccountId: account }));
    take(org, start, { op: 'delete', object: 'Account', id: account }, { op: 'undelete', object: 'Contact', id });
    expect(org.model.store.get('Contact', id)).toMatchObject({ deleted: false, values: { AccountId: null } });
    take(org, start, { op: 'undelete', object: 'Account', id: account });
    expect(org.model.store.get('Contact', id)).toMatchObject({ deleted: false, values: { AccountId: null } });
  });

  test('15-character ids reach the record, deleted ones are said to be deleted', () => {
    const org = makeModel();
    const [id = ''] = take(org, start, createContact({ LastName: 'A' }));
    take(org, start, { op: 'update', object: 'contact', id: id.slice(0, 15), row: { Title: 'T' } });
    take(org, start, { op: 'delete', object: 'Contact', id });
    const [late] = org.model.execute([{ op: 'update', object: 'Contact', id, row: { Title: 'U' } }], org.caller, start);
    expect(refusalsOf(late)).toEqual([['ENTITY_IS_DELETED', 'entity is deleted']]);
  });

  test('the stamp is in whole seconds, at or before the commit, and never goes back', () => {
    const org = makeModel({ habits: { modstampLagMs: 3000 } });
    const [id = ''] = take(org, start, createContact({ LastName: 'A' }));
    let previous = 0;
    for (let now = start; now < start + 20_000; now += 333) {
      take(org, now, { op: 'update', object: 'Contact', id, row: { Title: `T${now}` } });
      const stamp = Number(org.model.store.get('Contact', id)?.values['SystemModstamp']);
      expect(stamp % 1000).toBe(0);
      expect(stamp).toBeLessThanOrEqual(now);
      expect(stamp).toBeGreaterThanOrEqual(previous);
      previous = stamp;
    }
    expect(previous).toBeGreaterThan(start);
  });

  test('the allocation rolls over 24 hours', () => {
    const { model } = makeModel();
    for (let hour = 0; hour < 30; hour++) model.countCall(start + hour * 3_600_000);
    expect(model.usage(start + 29 * 3_600_000)).toBe(24);
  });

  test('the same seed and the same calls give the same org to the byte', () => {
    const run = () => {
      const org = makeModel();
      const [id = ''] = take(org, start, createContact({ LastName: 'A' }));
      take(org, start + 900, { op: 'update', object: 'Contact', id, row: { Title: 'T' } });
      return org.model.bus.read(0n, () => true, 10, start + 1000).events.map((e) => [e.replayId, e.eventId, e.payload]);
    };
    expect(run()).toEqual(run());
  });
});
