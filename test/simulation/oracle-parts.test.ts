/** What the oracle computes of dates, delays and joined accounts: each part alone, and that it can find something. */
import { describe, expect, it } from 'vitest';
import type { FoldRecord } from '../../core/fold.ts';
import { changeOf } from '../../schemas/change.ts';
import type { Account, Change, JournalEntry } from '../../schemas/types.ts';
import { event } from '../support/changes.ts';
import { firstHeard, whyAsNew } from './dates.ts';
import { whyFrozen } from './frozen.ts';
import { joinedWrong } from './joined.ts';
import type { Edit } from './people.ts';
import { lateOnes } from './prompt.ts';
import { whyReplayed } from './replay.ts';
import type { Emitted } from './writer.ts';

const edit = (platform: 'salesforce' | 'intercom', at: number, field = 'department'): Edit => ({
  n: 0,
  at,
  platform,
  kind: 'person',
  whose: 0,
  id: platform === 'salesforce' ? '003' : 'abc',
  field,
  before: null,
  value: `${at}`,
  first: false,
});

describe('the date of an edit in Intercom', () => {
  const [name, title] = [edit('intercom', 900, 'lastName'), edit('intercom', 1_590, 'title')];
  const whole = { edits: [name, title], writes: [], heard: [{ id: 'abc', happened: 1_590, at: 1_700 }] };

  it('is that of the first notification that tells of it, which may be of a later edit of another field', () => {
    expect(firstHeard(name, whole)?.happened).toBe(1_590);
    expect(whyAsNew(name, edit('salesforce', 1_972), whole, 1_000)).toMatch(/dated the whole record/);
  });

  it('excuses nothing where its own notification came first', () => {
    const heard = [{ id: 'abc', happened: 900, at: 1_000 }, ...whole.heard];
    expect(whyAsNew(name, edit('salesforce', 1_972), { ...whole, heard }, 1_000)).toBe('');
  });

  it('excuses nothing that is a second newer even so', () => {
    expect(whyAsNew(name, edit('salesforce', 2_100), whole, 1_000)).toBe('');
  });

  it('is no date of a value that the record showed no longer', () => {
    const again = edit('intercom', 1_200, 'lastName');
    expect(firstHeard(name, { ...whole, edits: [name, again, title] })).toBeUndefined();
  });
});

describe('an edit that is carried over', () => {
  const carried = (after: number) => ({
    people: { edits: [edit('salesforce', 0)], entered: new Map([['intercom:person:abc', 0]]) },
    writes: {
      salesforce: [],
      intercom: [
        {
          at: after,
          what: 'abc',
          fields: ['custom_attributes.department'],
          record: 'abc',
          asked: {},
          decidedAt: 0,
          told: true,
        },
      ],
    },
  });

  it('is late after more than ten seconds, and not before', () => {
    expect(lateOnes(carried(10_000))).toEqual([]);
    expect(lateOnes(carried(10_001))).toMatchObject([{ id: '003' }]);
  });
});

describe("a person's event", () => {
  const account = (name: string): Account => ({
    accountId: 'a1',
    name,
    domain: null,
    industry: null,
    employees: null,
    ownerEmail: null,
    attributes: {},
    refs: [],
  });
  const told = (topic: 'account.events' | 'customer.events', name: string): Emitted => ({
    topic,
    key: 'k',
    value:
      topic === 'account.events'
        ? { accountId: 'a1', account: account(name) }
        : { customerId: 'c1', type: 'changed', account: account(name) },
    partition: 0,
  });

  it('carries the account as it was told last', () => {
    expect(joinedWrong([told('account.events', 'old'), told('customer.events', 'old')])).toEqual([]);
    const outputs = [told('customer.events', 'old'), told('account.events', 'new')];
    expect(joinedWrong(outputs)).toHaveLength(1);
    expect(joinedWrong([...outputs, told('customer.events', 'new')])).toEqual([]);
  });
});

describe('a write that a replay leads to', () => {
  const contact = 'salesforce:Contact:003';
  const config = changeOf({ kind: 'config', config: { n: 1, hash: 'changed', json: '' } });
  const why = (changes: readonly Change[], asked: Readonly<Record<string, unknown>>): string =>
    whyReplayed(
      { platform: 'intercom', write: { what: 'abc', record: 'abc', fields: Object.keys(asked), asked } },
      changes.map((change, offset): FoldRecord => ({ offset, time: offset, key: '', lineage: 1, change })),
      (_, a, b) => a === b,
    );
  const fax = { 'custom_attributes.fax': '7' };

  it('is excused where it carries what was told before the field was mapped, and not since', () => {
    expect(why([event(contact, { Fax: '7' }, 1, 1), config, event(contact, { Phone: '1' }, 2, 2)], fax)).not.toBe('');
  });

  it.each([
    ['told once more since', [event(contact, { Fax: '7' }, 1, 1), config, event(contact, { Fax: '8' }, 2, 2)], fax],
    ['told whole since', [event(contact, { Fax: '7' }, 1, 1), config, event(contact, {}, 2, 2, { whole: true })], fax],
    ['first told since', [config, event(contact, { Fax: '7' }, 1, 1)], fax],
    ['another value', [event(contact, { Fax: '8' }, 1, 1), config], fax],
    [
      'a field that was always mapped',
      [event(contact, { Fax: '7', Phone: '1' }, 1, 1), config],
      { ...fax, phone: '1' },
    ],
    ['no field', [event(contact, { Fax: '7' }, 1, 1), config], {}],
    ['where nothing was mapped', [event(contact, { Fax: '7' }, 1, 1)], fax],
  ] as const)('is not excused: %s', (_, changes, asked) => {
    expect(why(changes, asked)).toBe('');
  });
});

describe('a field that is frozen', () => {
  const freeze = { alternations: 2, withinMs: 1_000 };
  const told = { kind: 'frozen', field: 'department', source: 'intercom:contact:abc' } as JournalEntry;
  const edits = [edit('intercom', 100), edit('salesforce', 400), edit('intercom', 700)];
  const why = (made: readonly Edit[], journal: readonly JournalEntry[]): string =>
    whyFrozen('department', ['003', 'abc'], { edits: made, journal }, freeze);

  it('is excused where people changed it often enough in that time, on both sides', () => {
    expect(why(edits, [told])).not.toBe('');
  });

  it.each([
    ['nobody tells', edits, []],
    ['another field is told of', edits, [{ ...told, field: 'title' }]],
    ['it was too few times', edits.slice(1), [told]],
    ['it was too slow', [...edits.slice(0, 2), edit('intercom', 1_100)], [told]],
    ['one side alone changed it', edits.map((one, n) => edit('intercom', one.at + n)), [told]],
    ['it was another record', edits.map((one) => ({ ...one, id: 'other' })), [told]],
    ['one of them only entered it', [{ ...edits[0], first: true } as Edit, ...edits.slice(1)], [told]],
  ])('is not excused where %s', (_, made, journal) => {
    expect(why(made, journal)).toBe('');
  });
});
