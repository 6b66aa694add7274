import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Customizing, formulas } from '../../twins/salesforce/customizing.ts';
import type { Dml } from '../../twins/salesforce/dml.ts';
import type { Caller } from '../../twins/salesforce/model.ts';
import { eventsOf, idOf, makeModel, namesIn, refusalsOf, start, take } from './salesforce-support.ts';

const create = (row: Record<string, unknown>, object = 'Contact'): Dml => ({ op: 'create', object, row });
const update = (id: string, row: Record<string, unknown>): Dml => ({ op: 'update', object: 'Contact', id, row });
const org = (customizing: Partial<Customizing> = {}, habits = {}) => {
  const made = makeModel({ customizing, habits });
  return {
    ...made,
    one: (dml: Dml, now = start, caller: Partial<Caller> = {}) =>
      made.model.execute([dml], { ...made.caller, ...caller }, now)[0],
    values: (id: string) => made.model.store.get('Contact', id)?.values,
    changes: (from: number) =>
      eventsOf(made.model, start + 60_000)
        .slice(from)
        .map(({ json, value }) => {
          const { changeType, changedFields } = value.ChangeEventHeader;
          return [changeType, ...namesIn(json, changedFields)];
        }),
  };
};

describe('a validation rule', () => {
  const rule = { object: 'Contact', field: 'Phone', pattern: /^\+?0/, message: 'Phones have a country code' };

  test('refuses in its own words every save of a record that breaks it, about whatever the save is', () => {
    const made = org();
    const [id = ''] = take(made, start, create({ LastName: 'A', Phone: '0123' }));
    made.model.customize({ validationRules: [rule] });
    const refused = [['FIELD_CUSTOM_VALIDATION_EXCEPTION', 'Phones have a country code']];
    expect(refusalsOf(made.one(create({ LastName: 'B', Phone: '01' })))).toEqual(refused);
    expect(refusalsOf(made.one(update(id, { Title: 'T' })))).toEqual(refused);
    expect(made.one(update(id, { Phone: null, Title: 'T' }))).toMatchObject({ success: true });
  });

  test('fails its row alone', () => {
    const made = org({ validationRules: [rule] });
    const rows = [create({ LastName: 'A' }), create({ LastName: 'B', Phone: '0' }), create({ LastName: 'C' })];
    const results = made.model.execute(rows, made.caller, start);
    expect(results.map(({ success }) => success)).toEqual([true, false, true]);
  });

  test('about a field that nobody has is not taken', () => {
    expect(() => org({ validationRules: [{ ...rule, field: 'phone' }] })).toThrow("No such column 'phone'");
    const stranger = { object: 'Contact', field: 'Email', against: ['Person'], action: 'alert' } as const;
    expect(() => org({ duplicateRules: [stranger] })).toThrow('sobject of type Person');
  });
});

describe('a duplicate rule', () => {
  const against = ['Contact', 'Lead'];
  const rule = { object: 'Contact', field: 'Email', against, action: 'alert' } as const;

  test('refuses a person whose email somebody has, and names everybody', () => {
    const made = org({ duplicateRules: [rule] });
    const [contact = '', lead = ''] = take(
      made,
      start,
      create({ LastName: 'A', Email: 'x@y.example' }),
      create({ LastName: 'B', Company: 'C', Email: 'X@y.example' }, 'Lead'),
    );
    const result = made.one(create({ LastName: 'C', Email: 'x@Y.example' }));
    expect(refusalsOf(result)).toEqual([['DUPLICATES_DETECTED', 'Use one of these records?']]);
    expect(result).toMatchObject({
      refusals: [
        {
          duplicates: {
            object: 'Contact',
            allowSave: true,
            matches: [
              { object: 'Contact', id: contact },
              { object: 'Lead', id: lead },
            ],
          },
        },
      ],
    });
  });

  test('looks at a record when the field changes, and only then', () => {
    const made = org();
    const row = (Email: string) => create({ LastName: 'A', Email });
    const [one = ''] = take(made, start, row('a@x.example'), row('a@x.example'), row('b@x.example'));
    made.model.customize({ duplicateRules: [rule] });
    expect(made.one(update(one, { Title: 'T', Email: 'a@x.example' }))).toMatchObject({ success: true });
    expect(refusalsOf(made.one(update(one, { Email: 'b@x.example' })))[0]?.[0]).toBe('DUPLICATES_DETECTED');
    expect(made.one(update(one, { Email: null }))).toMatchObject({ success: true });
  });

  test.each([
    ['alert', true],
    ['block', false],
  ] as const)('of the kind %s lets a caller insist: %s', (action, success) => {
    const made = org({ duplicateRules: [{ ...rule, action }] });
    take(made, start, create({ LastName: 'A', Email: 'a@x.example' }));
    const again = create({ LastName: 'B', Email: 'a@x.example' });
    expect(made.one(again, start, { allowDuplicates: true })).toMatchObject({ success });
    expect(made.one(again)).toMatchObject({ success: false });
  });

  test('sees neither deleted records, nor converted leads, nor the neighbours of its own call', () => {
    const made = org({ duplicateRules: [rule] });
    const same = { LastName: 'A', Email: 'a@x.example' };
    const [gone = '', lead = ''] = take(made, start, create(same), create({ ...same, Company: 'C' }, 'Lead'));
    take(made, start, { op: 'delete', object: 'Contact', id: gone });
    expect(made.model.convertLead(lead, {}, made.caller, start)).toMatchObject({ success: true });
    const contact = String(made.model.store.get('Lead', lead)?.values['ConvertedContactId']);
    take(made, start, { op: 'delete', object: 'Contact', id: contact });
    const results = made.model.execute([create(same), create(same)], made.caller, start);
    expect(results.map(({ success }) => success)).toEqual([true, true]);
    expect(made.one(create(same))).toMatchObject({ success: false });
  });
});

describe('a lock', () => {
  test('holds a record and the children of an account for a span of time', () => {
    const made = org();
    const [account = '', other = ''] = take(
      made,
      start,
      create({ Name: 'A' }, 'Account'),
      create({ Name: 'B' }, 'Account'),
    );
    const [child = '', stranger = ''] = take(
      made,
      start,
      create({ LastName: 'C', AccountId: account }),
      create({ LastName: 'S' }),
    );
    made.model.lock(account.slice(0, 15), start + 1000, start + 5000);
    const text = `unable to obtain exclusive access to this record or 1 records: ${account}`;
    const locked = [['UNABLE_TO_LOCK_ROW', text]];
    const during = (dml: Dml) => refusalsOf(made.one(dml, start + 1000));
    expect(during({ op: 'update', object: 'Account', id: account, row: { Phone: '1' } })).toEqual(locked);
    expect(during(update(child, { Title: 'T' }))).toEqual(locked);
    expect(during(update(child, { AccountId: other }))).toEqual(locked);
    expect(during(update(stranger, { AccountId: account }))).toEqual(locked);
    expect(during(create({ LastName: 'N', AccountId: account }))).toEqual(locked);
    expect(during({ op: 'delete', object: 'Contact', id: child })).toEqual(locked);
    const events = made.model.bus.size;
    expect(made.one(update(stranger, { Title: 'T' }), start + 1000)).toMatchObject({ success: true });
    expect(made.one(update(child, { Title: 'T' }), start + 999)).toMatchObject({ success: true });
    expect(made.one(update(child, { Title: 'U' }), start + 5000)).toMatchObject({ success: true });
    expect(made.model.bus.size).toBe(events + 3);
  });
});

describe('an automation', () => {
  test('works inside the write: the event shows the net effect under the writer’s name', () => {
    const made = org({
      automations: [
        { object: 'Contact', when: 'LastName', set: 'LastName', to: (v) => formulas.properCase(v['LastName'] ?? null) },
        { object: 'Contact', when: 'Title', set: 'Department', to: (v) => `  of the ${v['Title']} ` },
      ],
    });
    const [id = ''] = take(made, start, create({ LastName: 'ADA-MARIA byron', Title: 'CTO' }));
    expect(made.values(id)).toMatchObject({ LastName: 'Ada-Maria Byron', Name: 'Ada-Maria Byron' });
    expect(made.values(id)).toMatchObject({ Department: 'of the CTO' });
    take(made, start, update(id, { LastName: 'ada-maria BYRON', Title: 'CEO' }));
    expect(made.changes(1)).toEqual([['UPDATE', 'Title', 'Department', 'LastModifiedDate']]);
    take(made, start, update(id, { LastName: 'ada-maria byron' }), update(id, { Department: 'Mine' }));
    expect(made.changes(2)).toEqual([['UPDATE', 'Department', 'LastModifiedDate']]);
  });

  test('sees what the ones before it did, and may change the same value at every save', () => {
    const made = org({
      automations: [
        { object: 'Contact', when: 'Title', set: 'Title', to: ({ Title }) => `${String(Title)}!` },
        { object: 'Contact', when: 'Title', set: 'Department', to: ({ Title }) => formulas.copy(Title ?? null) },
      ],
    });
    const [id = ''] = take(made, start, create({ LastName: 'A', Title: 'T' }));
    take(made, start, update(id, { Title: 'T' }));
    expect(made.values(id)).toMatchObject({ Title: 'T!', Department: 'T!' });
    take(made, start, update(id, { Title: 'U' }));
    expect(made.values(id)).toMatchObject({ Title: 'U!', Department: 'U!' });
  });

  test('that sets what the field cannot hold fails the save; one that breaks a rule is refused by the rule', () => {
    const made = org({
      automations: [{ object: 'Contact', when: 'Title', set: 'Level__c', to: ({ Title }) => Title ?? null }],
      validationRules: [{ object: 'Contact', field: 'Level__c', pattern: /^Tertiary$/, message: 'too low' }],
    });
    expect(refusalsOf(made.one(create({ LastName: 'A', Title: 'Seventh' })))[0]?.[0]).toBe(
      'CANNOT_EXECUTE_FLOW_TRIGGER',
    );
    expect(refusalsOf(made.one(create({ LastName: 'A', Title: 'Tertiary' })))).toEqual([
      ['FIELD_CUSTOM_VALIDATION_EXCEPTION', 'too low'],
    ]);
  });
});

describe('trouble with events', () => {
  test('a gap event stands where the event should have been: real ids, no body, the same transaction', () => {
    const made = org({}, { gapChance: 1 });
    const [account, contact] = made.model.execute(
      [create({ Name: 'A' }, 'Account'), create({ LastName: 'B' })],
      made.caller,
      start,
    );
    take(made, start, update(idOf(contact), { Title: 'T' }), { op: 'delete', object: 'Contact', id: idOf(contact) });
    const events = eventsOf(made.model, start);
    const headers = events.map(({ value }) => value.ChangeEventHeader);
    expect(headers.map(({ changeType, recordIds }) => [changeType, ...recordIds])).toEqual([
      ['GAP_CREATE', idOf(account)],
      ['GAP_CREATE', idOf(contact)],
      ['GAP_UPDATE', idOf(contact)],
      ['GAP_DELETE', idOf(contact)],
    ]);
    expect(headers[0]?.transactionKey).toBe(headers[1]?.transactionKey);
    for (const { value } of events) {
      const { ChangeEventHeader: header, ...body } = value;
      expect([header.changedFields, header.nulledFields]).toEqual([[], []]);
      expect(Object.values(body).every((part) => part === null)).toBe(true);
    }
  });

  test('what exceeds the changes of one transaction becomes one overflow event per object', () => {
    const made = org({}, { overflowAfter: 3 });
    const rows = [1, 2].flatMap((n) => [create({ Name: `A${n}` }, 'Account'), create({ LastName: `C${n}` })]);
    made.model.execute([...rows, create({ LastName: 'C3' })], made.caller, start);
    const told = (from: number) =>
      eventsOf(made.model, start)
        .slice(from)
        .map(({ value: { ChangeEventHeader: header } }) => [
          header.sequenceNumber,
          header.entityName,
          header.changeType,
          header.recordIds.join(),
        ]);
    expect(told(0).map(([n, object, type]) => [n, object, type])).toEqual([
      [1, 'Account', 'CREATE'],
      [2, 'Contact', 'CREATE'],
      [3, 'Account', 'CREATE'],
      [4, 'Contact', 'GAP_OVERFLOW'],
    ]);
    expect([...made.model.store.all('Contact')]).toHaveLength(3);
    const ids = [...made.model.store.all('Contact')].map(({ id }) => id);
    made.model.execute(
      ids.map((id) => update(id, { Title: 'T' })),
      made.caller,
      start,
    );
    expect(told(4)).toEqual([[1, 'Contact', 'GAP_OVERFLOW', '000000000000000AAA']]);
  });

  test('a long transaction’s rows carry stamps of seconds before its commit', () => {
    fc.assert(
      fc.property(fc.nat({ max: 20 }), (tries) => {
        const made = org({}, { longChance: 1, longMs: 9000, modstampLagMs: 0 });
        const lags = Array.from({ length: tries + 20 }, (_, n) => {
          const [id = ''] = take(made, start, create({ LastName: `L${n}` }));
          return start - Number(made.values(id)?.['SystemModstamp']);
        });
        expect(Math.min(...lags)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...lags)).toBeGreaterThan(2000);
        expect(Math.max(...lags)).toBeLessThan(10_000);
      }),
      { numRuns: 5 },
    );
  });
});
