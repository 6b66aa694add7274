import { describe, expect, test } from 'vitest';
import { callOf } from '../../../connectors/salesforce/requests.ts';

describe('a request', () => {
  test('is a question in the address, with the Recycle Bin or without', () => {
    const soql = "SELECT Id FROM Contact WHERE Email IN ('a+b@x.example')";
    expect(callOf({ kind: 'query', soql, all: false })).toEqual({
      method: 'GET',
      path: `/query?q=${encodeURIComponent(soql)}`,
    });
    expect(callOf({ kind: 'query', soql, all: true }).path).toMatch(/^\/queryAll\?q=/);
    const path = '/services/data/v67.0/query/01g-2000';
    expect(callOf({ kind: 'more', path })).toEqual({ method: 'GET', path });
  });

  test('is a collection whose rows stand or fall alone, and which gives no record another owner', () => {
    const rows = [{ Id: '003A', Title: null }];
    const headers = { 'Sforce-Auto-Assign': 'FALSE' };
    expect(callOf({ kind: 'update', object: 'Contact', rows })).toEqual({
      method: 'PATCH',
      path: '/composite/sobjects',
      headers,
      body: { allOrNone: false, records: [{ attributes: { type: 'Contact' }, Id: '003A', Title: null }] },
    });
    const externalIdField = 'Tributary_Id__c';
    expect(callOf({ kind: 'upsert', object: 'Contact', externalIdField, rows }).path).toBe(
      '/composite/sobjects/Contact/Tributary_Id__c',
    );
  });

  test('is one row by its external id, which stands in the address and not in the row', () => {
    const row = { Tributary_Id__c: 'a/b', LastName: 'Ilves' };
    expect(callOf({ kind: 'upsertOne', object: 'Contact', externalIdField: 'Tributary_Id__c', row })).toMatchObject({
      method: 'PATCH',
      path: '/sobjects/Contact/Tributary_Id__c/a%2Fb',
      body: { LastName: 'Ilves' },
    });
  });
});
