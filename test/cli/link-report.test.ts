/** How the dry run of a link is asked for, and what a person reads. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { progressText } from '../../cli/link/dry-run.ts';
import { cannotKnow, type LinkReport, linkText } from '../../cli/link/report.ts';
import { main } from '../../cli/main.ts';

const ada = { id: 'a', entity: 'customer', name: 'ada@example.com' } as const;
const report: LinkReport = {
  matched: [{ ...ada, records: ['intercom:contact:7', 'salesforce:Contact:003A'], by: 'email' }],
  ambiguous: [
    {
      id: 'f',
      entity: 'customer',
      name: 'fay@example.com',
      records: ['intercom:contact:8'],
      candidates: [
        { id: 'g', entity: 'customer', name: 'fay@example.com', records: ['salesforce:Contact:003F'] },
        { id: 'h', entity: 'customer', name: 'fay@example.com', records: ['salesforce:Contact:003G'] },
      ],
      why: 'others claim the same email',
    },
  ],
  onlySalesforce: [
    {
      id: 'n',
      entity: 'customer',
      name: 'Nobody',
      records: ['salesforce:Contact:003N'],
      becomes: 'not created: no email',
    },
  ],
  onlyIntercom: [
    {
      id: 'o',
      entity: 'account',
      name: 'Orchard',
      records: ['intercom:company:3'],
      becomes: 'salesforce:Account:new-1',
    },
  ],
  writes: [
    {
      platform: 'salesforce',
      verb: 'create',
      record: 'salesforce:Account:new-1',
      entity: 'account',
      name: 'Orchard',
      beside: ['intercom:company:3'],
      asks: 1,
      fields: [
        {
          field: 'Name',
          from: null,
          to: 'Orchard',
          why: 'nobody else says anything: intercom:company:3',
          marker: false,
        },
      ],
    },
    {
      platform: 'salesforce',
      verb: 'update',
      record: 'salesforce:Contact:003A',
      entity: 'customer',
      name: 'ada@example.com',
      beside: ['intercom:contact:7'],
      asks: 1,
      fields: [
        { field: 'Phone', from: '+1', to: '+2', why: 'the newest value: intercom:contact:7', marker: false },
        { field: 'Title', from: null, to: 'CTO', why: 'nobody else says anything: intercom:contact:7', marker: false },
      ],
    },
  ],
  held: [],
  waiting: 0,
  undecided: [
    {
      record: 'intercom:contact:8',
      name: 'fay@example.com',
      what: 'who it is',
      salesforceFirst: 'ambiguous',
      intercomFirst: 'one with salesforce:Contact:003F',
    },
  ],
  attributes: ['contact.seats'],
  read: { 'salesforce Contact': 4, 'intercom contact': 2 },
  unreadable: [],
  calls: { salesforce: 6, intercom: 5 },
  limit: null,
  cannotKnow,
};

test('a person reads how many, then which fields would change, and what cannot be known', () => {
  expect(linkText(report, false)).toMatchInlineSnapshot(`
    "                    PEOPLE  COMPANIES
    matched             1       0
    ambiguous           1       0
    only in Salesforce  1       0
    only in Intercom    0       1

    WOULD WRITE TO                     RECORDS  VALUES  WRITES
    salesforce      create  companies  1        1       1
    salesforce      update  people     1        2       1

    CHANGES IN          FIELD  FILLED  REPLACED  CLEARED
    salesforce  people  Phone  0       1         0
    salesforce  people  Title  1       0         0

    attributes to be created in Intercom: contact.seats

    1  people not created: no email

    values and records that depend on whose record is told of first: 1

    read by 6 calls to Salesforce and 5 to Intercom; nothing was written

    what this cannot know:
      - what people change between this reading and the link, and what they changed in the minutes before, which Intercom’s search may not show yet
      - what a platform refuses, cuts or spells anew, and what its rules, triggers and defaults do with our writes
      - how often a record is written: what arrives in parts may take a second write, with the same end
      - our own ids, which depend on whose record is told of first

    every pair, candidate and value: --details, or --output FILE for JSON"
  `);
});

test('with details they read every pair, candidate and value with its reason', () => {
  expect(linkText(report, true)).toMatchInlineSnapshot(`
    "                    PEOPLE  COMPANIES
    matched             1       0
    ambiguous           1       0
    only in Salesforce  1       0
    only in Intercom    0       1

    WOULD WRITE TO                     RECORDS  VALUES  WRITES
    salesforce      create  companies  1        1       1
    salesforce      update  people     1        2       1

    CHANGES IN          FIELD  FILLED  REPLACED  CLEARED
    salesforce  people  Phone  0       1         0
    salesforce  people  Title  1       0         0

    attributes to be created in Intercom: contact.seats

    1  people not created: no email

    matched:
      ada@example.com  intercom:contact:7 salesforce:Contact:003A  email

    ambiguous, with candidates:
      fay@example.com: intercom:contact:8: others claim the same email
        fay@example.com: salesforce:Contact:003F
        fay@example.com: salesforce:Contact:003G

    only in Salesforce:
      Nobody  salesforce:Contact:003N  not created: no email

    only in Intercom:
      Orchard  intercom:company:3  salesforce:Account:new-1

    would be written:
      create salesforce:Account:new-1 (Orchard)
        Name  null → "Orchard"  nobody else says anything: intercom:company:3
      update salesforce:Contact:003A (ada@example.com)
        Phone  "+1" → "+2"   the newest value: intercom:contact:7
        Title  null → "CTO"  nobody else says anything: intercom:contact:7

    values and records that depend on whose record is told of first: 1
      RECORD              WHAT       SALESFORCE FIRST  INTERCOM FIRST
      intercom:contact:8  who it is  ambiguous         one with salesforce:Contact:003F

    read by 6 calls to Salesforce and 5 to Intercom; nothing was written

    what this cannot know:
      - what people change between this reading and the link, and what they changed in the minutes before, which Intercom’s search may not show yet
      - what a platform refuses, cuts or spells anew, and what its rules, triggers and defaults do with our writes
      - how often a record is written: what arrives in parts may take a second write, with the same end
      - our own ids, which depend on whose record is told of first"
  `);
});

test('of a part that was read the text says first that it is a part', () => {
  expect(linkText({ ...report, limit: 100 }, false)).toMatch(/^a part only: at most 100 records/);
});

test('progress says how far the reading is, and what it waits for', () => {
  const progress = {
    read: { 'salesforce Contact': 4_000 },
    calls: { salesforce: 3, intercom: 0 },
    waiting: { salesforce: '', intercom: 'no answer' },
    unreadable: [],
  };
  expect(progressText('reading', progress)).toBe(
    'reading, salesforce Contact 4000, 3 calls to Salesforce, 0 to Intercom, intercom waits: no answer',
  );
});

const folder = mkdtempSync(join(tmpdir(), 'tributary-link-'));
const file = join(folder, 'config.yaml');

async function tributary(...args: string[]) {
  let err = '';
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean((err += String(text))));
  try {
    return { status: await main(['node', 'tributary', ...args]), err };
  } finally {
    stderr.mockRestore();
  }
}

beforeEach(() => {
  writeFileSync(file, 'capture: { intercom: true }\n');
  const given = {
    REDIS_URL: 'redis://127.0.0.1:1',
    KAFKA_BROKERS: '127.0.0.1:1',
    SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
    SALESFORCE_LOGIN_URL: 'http://127.0.0.1:1',
    SALESFORCE_CLIENT_ID: 'id',
    SALESFORCE_CLIENT_SECRET: 'secret',
    INTERCOM_TOKEN: 'token',
  };
  for (const [name, value] of Object.entries(given)) vi.stubEnv(name, value);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

test('where Intercom is not read nothing can be foreseen, and that is said', async () => {
  writeFileSync(file, '{}\n');
  const { status, err } = await tributary('link', '--dry-run', '--config', file);
  expect([status, err]).toEqual([78, expect.stringContaining('capture.intercom')]);
});

test('without the count of the budget no call is made', async () => {
  const { status, err } = await tributary('link', '--dry-run', '--config', file);
  expect([status, err]).toEqual([69, expect.stringContaining('REDIS_UNAVAILABLE')]);
});

test('a report that cannot be written is refused before anything is read', async () => {
  const { status, err } = await tributary('link', '--dry-run', '--config', file, '--output', join(folder, 'no/such'));
  expect([status, err]).toEqual([64, expect.stringContaining('--output')]);
});
