import { describe, expect, test } from 'vitest';
import { RequestRefused } from '../../twins/salesforce/errors.ts';
import { runQuery } from '../../twins/salesforce/soql.ts';
import { makeModel, start, take } from './salesforce-support.ts';

function population() {
  const org = makeModel({ habits: { modstampLagMs: 0 } });
  const [owner = ''] = org.model.load(
    'User',
    [{ Username: 'o@org.example', LastName: 'Owner', Email: 'o@org.example' }],
    start,
  );
  const [acme = ''] = take(org, start, { op: 'create', object: 'Account', row: { Name: 'Acme' } });
  const rows = [
    { LastName: "O'Brien", Email: 'Ann@x.example', Seats__c: 5, AccountId: acme, Languages__c: 'English;French' },
    { LastName: 'Zed\\', Email: 'zed@x.example', Seats__c: 7, OwnerId: owner, Renewal_Date__c: '2026-05-01' },
    { LastName: '50% off', Seats__c: null, Newsletter__c: true, Languages__c: 'English;German' },
    { LastName: '50 cents', Seats__c: 7, Level__c: 'Primary' },
  ];
  const ids = rows.map((row, n) => take(org, start + n * 1000, { op: 'create', object: 'Contact', row })[0] ?? '');
  return { ...org, acme, ids };
}

const people = population();
const ask = (soql: string, all = false) => runQuery(people.model, soql, { all, version: '67.0' });
const lastNames = (where: string): unknown[] =>
  ask(`SELECT LastName FROM Contact WHERE ${where} ORDER BY Id`).records.map((row) => row['LastName']);
const second = (n: number): string => new Date(Math.floor(start / 1000) * 1000 + n * 1000).toISOString();

describe('WHERE', () => {
  test.each<[string, string[]]>([
    ["LastName = 'o\\'brien'", ["O'Brien"]],
    ["LastName = 'Zed\\\\'", ['Zed\\']],
    ["LastName LIKE '50%'", ['50% off', '50 cents']],
    ["LastName LIKE '50\\\\%%'", []],
    ["LastName LIKE '50\\%%'", ['50% off']],
    ["LastName LIKE '_ed_'", ['Zed\\']],
    ["Email = 'ann@X.example'", ["O'Brien"]],
    ['Email = null', ['50% off', '50 cents']],
    ["Email != 'ann@x.example'", ['Zed\\', '50% off', '50 cents']],
    ['Seats__c >= 7', ['Zed\\', '50 cents']],
    ['Seats__c < 7', ["O'Brien"]],
    ['Seats__c IN (5, 7) AND Newsletter__c = false', ["O'Brien", 'Zed\\', '50 cents']],
    ['NOT Seats__c = 7', ["O'Brien", '50% off']],
    ["NOT (Seats__c = 7 OR Email = 'ann@x.example')", ['50% off']],
    ['Renewal_Date__c = 2026-05-01', ['Zed\\']],
    ["Languages__c INCLUDES ('French', 'English;German')", ["O'Brien", '50% off']],
    ["Languages__c EXCLUDES ('English')", ['Zed\\', '50 cents']],
    ["Account.Name = 'acme'", ["O'Brien"]],
    ["Owner.Email = 'o@org.example'", ['Zed\\']],
    ["(Seats__c = 5 OR Seats__c = 7) AND (NOT LastName LIKE '5%')", ["O'Brien", 'Zed\\']],
    [`SystemModstamp > ${second(1)}`, ['50% off', '50 cents']],
    [
      `SystemModstamp > ${second(2)} OR (SystemModstamp = ${second(1)} AND Id > '000000000000000')`,
      ['Zed\\', '50 cents'],
    ],
  ])('%s', (where, expected) => {
    expect(lastNames(where)).toEqual(expected);
  });

  test('compares ids by their fifteen case-sensitive characters', () => {
    const [first = '', next = ''] = people.ids;
    expect(lastNames(`Id = '${first.slice(0, 15)}'`)).toEqual(["O'Brien"]);
    expect(lastNames(`Id > '${next}'`)).toEqual(['50% off', '50 cents']);
  });

  test.each<[string, string, string]>([
    ["SELECT Id FROM Contact WHERE Nope__c = 'x'", 'INVALID_FIELD', "No such column 'Nope__c' on entity 'Contact'."],
    [
      "SELECT Id FROM Contact WHERE Nope.Name = 'x'",
      'INVALID_FIELD',
      "Didn't understand relationship 'Nope' in field path.",
    ],
    [
      "SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-01T00:00:00Z'",
      'INVALID_FIELD',
      'must be of type dateTime and should not be enclosed in quotes',
    ],
    [
      'SELECT Id FROM Contact WHERE LastName = 5',
      'INVALID_FIELD',
      'must be of type string and should be enclosed in quotes',
    ],
    ["SELECT Id FROM Contact WHERE Id = 'x'", 'INVALID_QUERY_FILTER_OPERATOR', 'invalid ID field: x'],
    [
      'SELECT Id FROM Contact WHERE Seats__c = 1 AND Seats__c = 2 OR Seats__c = 3',
      'MALFORMED_QUERY',
      "unexpected token: 'or'",
    ],
    ['SELECT Id FROM Ticket', 'INVALID_TYPE', "sObject type 'Ticket' is not supported."],
    ['SELECT Id FROM', 'MALFORMED_QUERY', 'Identifier'],
    ['SELECT LastName FROM Contact GROUP BY LastName', 'MALFORMED_QUERY', 'groupBy'],
  ])('%s is refused', (soql, code, text) => {
    const refusals = (() => {
      try {
        ask(soql);
      } catch (error) {
        if (error instanceof RequestRefused) return error.refusals;
        throw error;
      }
      return [];
    })();
    expect(refusals).toMatchObject([{ code, message: expect.stringContaining(text) as string }]);
  });
});

describe('answers', () => {
  test('nest relations, null where there is no parent, and spell values as REST does', () => {
    const [first, next] = ask(
      'SELECT Id, Account.Name, Languages__c, SystemModstamp, IsDeleted FROM Contact ORDER BY Id LIMIT 2',
    ).records;
    expect(first).toEqual({
      attributes: { type: 'Contact', url: `/services/data/v67.0/sobjects/Contact/${people.ids[0]}` },
      Id: people.ids[0],
      Account: {
        attributes: { type: 'Account', url: `/services/data/v67.0/sobjects/Account/${people.acme}` },
        Name: 'Acme',
      },
      Languages__c: 'English;French',
      SystemModstamp: '2026-03-04T09:15:22.000+0000',
      IsDeleted: false,
    });
    expect(next?.['Account']).toBeNull();
  });

  test('are ordered by several keys, nulls first unless told otherwise', () => {
    const order = (by: string) =>
      ask(`SELECT LastName FROM Contact ORDER BY ${by}`).records.map((row) => row['LastName']);
    expect(order('Seats__c, LastName')).toEqual(['50% off', "O'Brien", '50 cents', 'Zed\\']);
    expect(order('Seats__c DESC NULLS LAST, LastName DESC')).toEqual(['Zed\\', '50 cents', "O'Brien", '50% off']);
  });

  test('count, limit and skip', () => {
    expect(ask('SELECT COUNT() FROM Contact WHERE Seats__c = 7')).toEqual({ totalSize: 2, records: [] });
    expect(
      ask('SELECT LastName FROM Contact ORDER BY Id LIMIT 2 OFFSET 1').records.map((row) => row['LastName']),
    ).toEqual(['Zed\\', '50% off']);
  });

  test('hold deleted records only where all are asked for', () => {
    const org = population();
    take(org, start, { op: 'delete', object: 'Contact', id: org.ids[0] ?? '' });
    const count = (all: boolean) => runQuery(org.model, 'SELECT Id FROM Contact', { all, version: '67.0' }).totalSize;
    expect([count(false), count(true)]).toEqual([3, 4]);
  });

  test('keyset paging by stamp and id meets every record once', () => {
    const seen: unknown[] = [];
    let after = '';
    for (;;) {
      const page = ask(`SELECT Id, SystemModstamp FROM Contact ${after} ORDER BY SystemModstamp, Id LIMIT 1`)
        .records[0];
      if (page === undefined) break;
      seen.push(page['Id']);
      const at = String(page['SystemModstamp']).replace('+0000', 'Z');
      after = `WHERE SystemModstamp > ${at} OR (SystemModstamp = ${at} AND Id > '${String(page['Id'])}')`;
    }
    expect(seen).toEqual(people.ids);
  });
});
