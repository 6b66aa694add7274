import { describe, expect, test } from 'vitest';
import type { Dml } from '../../twins/salesforce/dml.ts';
import { runQuery } from '../../twins/salesforce/soql.ts';
import { eventsOf, makeModel, namesIn, refusalsOf, start, take } from './salesforce-support.ts';

const create = (object: string, row: Record<string, unknown>): Dml => ({ op: 'create', object, row });
const person = (LastName: string, row: Record<string, unknown> = {}): Dml => create('Contact', { LastName, ...row });

const org = (options: Parameters<typeof makeModel>[0] = {}) => {
  const made = makeModel(options);
  return {
    ...made,
    record: (object: string, id = '') => made.model.store.get(object, id),
    merge: (object: string, winner = '', losers: readonly string[] = [], row = {}) =>
      made.model.merge(object, winner, losers, made.caller, start + 5000, row),
    events: (from: number) =>
      eventsOf(made.model, start + 60_000)
        .slice(from)
        .map(({ json, value }) => {
          const { changeType, recordIds, changedFields } = value.ChangeEventHeader;
          return [changeType, ...recordIds, ...namesIn(json, changedFields)];
        }),
  };
};

describe('a merge', () => {
  test('deletes the losers, each naming the winner, and tells of the winner only if it changed', () => {
    const made = org();
    const [winner = '', one = '', two = ''] = take(made, start, person('A'), person('B', { Title: 'T' }), person('C'));
    expect(made.merge('Contact', winner, [one, two])).toEqual({
      success: true,
      id: winner,
      created: false,
      changed: true,
    });
    expect(made.events(3)).toEqual([
      ['DELETE', one],
      ['DELETE', two],
    ]);
    const soql = 'SELECT Id, IsDeleted, MasterRecordId FROM Contact ORDER BY Id';
    const rows = (all: boolean) =>
      runQuery(made.model, soql, { all, version: '67.0' }).records.map((row) => [
        row['Id'],
        row['IsDeleted'],
        row['MasterRecordId'],
      ]);
    expect(rows(true)).toEqual([
      [winner, false, null],
      [one, true, winner],
      [two, true, winner],
    ]);
    expect(rows(false)).toEqual([[winner, false, null]]);
  });

  test.each([false, true])('takes a unique value over; the losers’ events come first: %s', (mergeDeletesFirst) => {
    const made = org({ habits: { mergeDeletesFirst } });
    const [winner = '', loser = ''] = take(made, start, person('A'), person('B', { Tributary_Id__c: 'k' }));
    made.merge('Contact', winner, [loser], { Tributary_Id__c: 'k', Title: 'T' });
    expect(made.record('Contact', winner)?.values).toMatchObject({ Tributary_Id__c: 'k', Title: 'T' });
    const update = ['UPDATE', winner, 'Title', 'LastModifiedDate', 'Tributary_Id__c'];
    const deletion = ['DELETE', loser];
    expect(made.events(2)).toEqual(mergeDeletesFirst ? [deletion, update] : [update, deletion]);
    const headers = eventsOf(made.model, start + 60_000)
      .slice(2)
      .map(({ value }) => value.ChangeEventHeader);
    expect(new Set(headers.map(({ transactionKey }) => transactionKey)).size).toBe(1);
    expect(headers.map(({ sequenceNumber }) => sequenceNumber)).toEqual([1, 2]);
  });

  test.each<['announced' | 'stamped' | 'silent', boolean, boolean]>([
    ['announced', true, true],
    ['stamped', false, true],
    ['silent', false, false],
  ])('moves the children of an account: %s', (reparenting, heard, stamped) => {
    const made = org({ habits: { reparenting, modstampLagMs: 0 } });
    const [winner = '', loser = ''] = take(
      made,
      start,
      create('Account', { Name: 'A' }),
      create('Account', { Name: 'B' }),
    );
    const [child = ''] = take(made, start, person('C', { AccountId: loser }));
    const before = made.record('Contact', child)?.values;
    made.merge('Account', winner, [loser]);
    const after = made.record('Contact', child);
    expect(after).toMatchObject({ deleted: false, values: { AccountId: winner } });
    expect(after?.values['SystemModstamp'] !== before?.['SystemModstamp']).toBe(stamped);
    expect(after?.values['LastModifiedDate'] !== before?.['LastModifiedDate']).toBe(heard);
    const moved = ['UPDATE', child, 'AccountId', 'LastModifiedDate'];
    expect(made.events(3)).toEqual(heard ? [['DELETE', loser], moved] : [['DELETE', loser]]);
  });

  test('makes nobody a child of itself', () => {
    const made = org();
    const [loser = ''] = take(made, start, create('Account', { Name: 'Parent' }));
    const [winner = ''] = take(made, start, create('Account', { Name: 'Child', ParentId: loser }));
    made.merge('Account', winner, [loser]);
    expect(made.record('Account', winner)?.values['ParentId']).toBeNull();
    expect(made.events(2)).toEqual([
      ['UPDATE', winner, 'ParentId', 'LastModifiedDate'],
      ['DELETE', loser],
    ]);
  });

  test('of leads works, of users and of converted leads does not', () => {
    const made = org();
    const lead = (LastName: string) => create('Lead', { LastName, Company: 'X' });
    const [a = '', b = '', c = ''] = take(made, start, lead('A'), lead('B'), lead('C'));
    expect(made.merge('Lead', a, [b])).toMatchObject({ success: true });
    made.model.convertLead(c, {}, made.caller, start);
    expect(refusalsOf(made.merge('Lead', a, [c]))[0]?.[0]).toBe('CANNOT_UPDATE_CONVERTED_LEAD');
    const users = made.merge('User', made.model.personUserId, [made.model.integrationUserId]);
    expect(refusalsOf(users)[0]?.[0]).toBe('INVALID_TYPE');
  });

  test('refused leaves everything as it was', () => {
    const made = org();
    const [winner = '', a = '', b = '', c = ''] = take(made, start, person('W'), person('A'), person('B'), person('C'));
    expect(refusalsOf(made.merge('Contact', winner, [a, b, c]))[0]?.[0]).toBe('EXCEEDED_ID_LIMIT');
    expect(refusalsOf(made.merge('Contact', winner, [winner]))[0]?.[0]).toBe('INVALID_ID_FIELD');
    expect(refusalsOf(made.merge('Contact', winner, [a], { LastName: null }))[0]?.[0]).toBe('REQUIRED_FIELD_MISSING');
    expect(made.record('Contact', a)).toMatchObject({ deleted: false, values: { MasterRecordId: null } });
    expect(made.events(4)).toEqual([]);
    take(made, start, { op: 'delete', object: 'Contact', id: a });
    expect(refusalsOf(made.merge('Contact', winner, [a]))[0]?.[0]).toBe('ENTITY_IS_DELETED');
  });

  test('undone brings the loser back alone, unless its unique value has gone to the winner', () => {
    const made = org();
    const [winner = '', loser = ''] = take(
      made,
      start,
      create('Account', { Name: 'A' }),
      create('Account', { Name: 'B', Tributary_Id__c: 'k' }),
    );
    const [child = ''] = take(made, start, person('C', { AccountId: loser }));
    made.merge('Account', winner, [loser]);
    take(made, start + 9000, { op: 'undelete', object: 'Account', id: loser });
    expect(made.record('Account', loser)).toMatchObject({ deleted: false, values: { MasterRecordId: null } });
    expect(made.record('Contact', child)?.values['AccountId']).toBe(winner);
    expect(made.events(4)).toEqual([['UNDELETE', loser]]);
    made.merge('Account', winner, [loser], { Tributary_Id__c: 'k' });
    const [again] = made.model.execute([{ op: 'undelete', object: 'Account', id: loser }], made.caller, start + 9000);
    expect(refusalsOf(again)[0]?.[0]).toBe('DUPLICATE_VALUE');
  });

  test('of a winner that lost before makes a chain of masters', () => {
    const made = org();
    const [a = '', b = '', c = ''] = take(made, start, person('A'), person('B'), person('C'));
    made.merge('Contact', b, [a]);
    made.merge('Contact', c, [b]);
    expect([a, b].map((id) => made.record('Contact', id)?.values['MasterRecordId'])).toEqual([b, c]);
  });
});
