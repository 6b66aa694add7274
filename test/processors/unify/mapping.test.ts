import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../core/config.ts';
import { fromPlatform, toPlatform } from '../../../processors/unify/mapping.ts';
import { compileRules, type Link } from '../../../processors/unify/rules.ts';
import { alike, noPosition } from '../../../processors/unify/values.ts';
import { World } from '../../../processors/unify/world.ts';
import type { CanonicalField, Value } from '../../../schemas/types.ts';
import { change } from '../../support/fold-runner.ts';
import { twoWay } from '../../support/two-way.ts';

const rules = compileRules(loadConfig({ env: {} }));
const world = new World(
  { get: () => undefined, put: () => undefined, savepoint: () => () => undefined },
  { offset: 0, time: 0, key: '', lineage: 0, change: change({ kind: 'tick' }) },
  rules,
);
const field = (value: Value): CanonicalField => ({
  value,
  version: 1,
  time: 0,
  at: noPosition,
  source: '',
  by: '',
  reason: '',
  offset: 0,
  previous: null,
  lost: null,
  turns: [],
  frozen: false,
});
const link = (platform: 'salesforce' | 'intercom', name: string): Link => {
  const found = rules.entities.customer.sides[platform].byField.get(name);
  if (found === undefined) throw new Error(`no link ${name}`);
  return found;
};

/** What Intercom is asked for when Salesforce says a value of a field. */
function across(salesforce: string, intercom: string, value: Value): Value | undefined {
  const canonical = fromPlatform(world, link('salesforce', salesforce), value);
  const fields = Object.fromEntries(Object.entries(canonical).map(([name, one]) => [name, field(one)]));
  return toPlatform(world, link('intercom', intercom), fields, undefined);
}

describe('values on their way from Salesforce to Intercom', () => {
  it('never shift a date by a day, whatever the date', () => {
    const days = fc.integer({ min: -20_000, max: 40_000 });
    fc.assert(
      fc.property(days, (day) => {
        const text = new Date(day * 86_400_000).toISOString().slice(0, 10);
        expect(across('Renewal_Date__c', 'custom_attributes.renewal_date', text)).toBe(day * 86_400);
        const back = fromPlatform(world, link('intercom', 'custom_attributes.renewal_date'), day * 86_400);
        expect(back).toEqual({ renewalDate: text });
      }),
    );
  });

  it('keep the instant of a datetime in any offset', () => {
    const name = 'custom_attributes.last_order_at';
    const expected = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000;
    for (const text of [
      '2026-01-02T03:04:05.000+0000',
      '2026-01-02T17:04:05.000+1400',
      '2026-01-01T16:04:05.000-1100',
    ]) {
      expect(across('Last_Order_At__c', name, text)).toBe(expected);
    }
    expect(fromPlatform(world, link('intercom', name), expected)).toEqual({
      lastOrderAt: '2026-01-02T03:04:05.000+0000',
    });
  });

  it('take a set for the same whatever its order', () => {
    const one = across('Languages__c', 'custom_attributes.languages', ['German', 'English']);
    expect(across('Languages__c', 'custom_attributes.languages', 'English;German')).toBe(one);
  });

  it('lower the case of an email and never ask for an empty one', () => {
    expect(across('Email', 'email', 'Ada@Orchard.Example')).toBe('ada@orchard.example');
    expect(across('Email', 'email', null)).toBe(undefined);
  });

  it('clear every other field with null, for null and for empty text', () => {
    for (const [from, to] of [
      ['Phone', 'phone'],
      ['Title', 'custom_attributes.job_title'],
      ['Score__c', 'custom_attributes.score'],
      ['Languages__c', 'custom_attributes.languages'],
    ] as const) {
      expect(across(from, to, null)).toBe(null);
      expect(across(from, to, '')).toBe(null);
    }
  });

  it('make one name of two parts, and of the last name alone', () => {
    const name = link('intercom', 'name');
    expect(toPlatform(world, name, { firstName: field('Ada'), lastName: field('Byron') }, undefined)).toBe('Ada Byron');
    expect(toPlatform(world, name, { firstName: field(null), lastName: field('Byron') }, undefined)).toBe('Byron');
    expect(toPlatform(world, name, {}, undefined)).toBe(undefined);
  });

  it('keep text exactly, emoji, apostrophes and right-to-left included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        expect(across('Title', 'custom_attributes.job_title', text)).toBe(text);
      }),
    );
  });
});

// ---- round trips: what one platform says, written to the other, comes back as nothing new on either.

interface Case {
  readonly salesforce: string;
  readonly intercom: string;
  readonly types: { readonly salesforce: fc.Arbitrary<Value>; readonly intercom: fc.Arbitrary<Value> };
}

const word = fc.constantFrom('Ada', 'Mary', 'Ann', 'Lee', 'van', 'der', 'Berg', 'O’Neil', '李', 'عمر', '🙂');
const spaced = fc.tuple(
  fc.constantFrom('', ' '),
  fc.array(word, { minLength: 1, maxLength: 4 }),
  fc.constantFrom(' ', '  '),
);
const someText = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => text.trim() === text && text !== ''),
);
const name = spaced.map(([lead, words, gap]): Value => `${lead}${words.join(gap)}`);
const plainName = fc.array(word, { minLength: 1, maxLength: 3 }).map((words): Value => words.join(' '));
const email = fc.constantFrom<Value>('ada@x.example', 'Ada@X.example', 'BO@y.example', 'bo@y.example');
const digits = fc.oneof(
  fc.constant(null),
  fc.double({ min: -1e9, max: 1e9, noNaN: true }).map((n) => n + 0),
);
const whole = fc.oneof(fc.constant(null), fc.integer());
const tick = fc.oneof(fc.constant(null), fc.boolean());
const seconds = fc.integer({ min: -2_000_000_000, max: 4_000_000_000 });
const iso = (n: number): string => new Date(n * 1000).toISOString();
const languages = fc.subarray(['German', 'English', 'Thai', 'Greek']);
const none = fc.constant<Value>(null);
const cases: readonly Case[] = [
  {
    salesforce: 'Email',
    intercom: 'email',
    types: {
      salesforce: fc.oneof(none, email),
      intercom: fc.oneof(
        none,
        email.map((one) => String(one).toLowerCase()),
      ),
    },
  },
  { salesforce: 'Phone', intercom: 'phone', types: { salesforce: someText, intercom: fc.oneof(someText, name) } },
  {
    salesforce: 'Title',
    intercom: 'custom_attributes.job_title',
    types: { salesforce: someText, intercom: fc.oneof(someText, name) },
  },
  {
    salesforce: 'Seats__c',
    intercom: 'custom_attributes.seats',
    types: { salesforce: fc.oneof(whole, digits), intercom: whole },
  },
  {
    salesforce: 'Score__c',
    intercom: 'custom_attributes.score',
    types: {
      salesforce: digits,
      intercom: fc.oneof(
        digits,
        whole.map((n) => (n === null ? null : String(n))),
      ),
    },
  },
  {
    salesforce: 'Newsletter__c',
    intercom: 'custom_attributes.newsletter',
    types: { salesforce: fc.boolean(), intercom: tick },
  },
  {
    salesforce: 'No_Email__c',
    intercom: 'unsubscribed_from_emails',
    types: { salesforce: fc.boolean(), intercom: fc.boolean() },
  },
  {
    salesforce: 'Renewal_Date__c',
    intercom: 'custom_attributes.renewal_date',
    types: {
      salesforce: fc.oneof(
        none,
        seconds.map((n) => iso(n).slice(0, 10)),
      ),
      intercom: fc.oneof(none, seconds),
    },
  },
  {
    salesforce: 'Last_Order_At__c',
    intercom: 'custom_attributes.last_order_at',
    types: {
      salesforce: fc.oneof(
        none,
        fc.tuple(seconds, fc.constantFrom('.000', '.250')).map(([n, ms]) => iso(n).replace('.000Z', `${ms}+0000`)),
      ),
      intercom: fc.oneof(none, seconds),
    },
  },
  {
    salesforce: 'Languages__c',
    intercom: 'custom_attributes.languages',
    types: {
      salesforce: fc.oneof(
        none,
        languages.filter((some) => some.length > 0).map((some) => [...some].sort()),
      ),
      intercom: fc.oneof(
        none,
        fc.tuple(languages, fc.constantFrom(';', '; ')).map(([some, gap]) => some.join(gap) || null),
      ),
    },
  },
  {
    salesforce: 'OwnerId',
    intercom: 'owner_id',
    types: {
      salesforce: fc.constantFrom('005A', '005B', '005C', '005X'),
      intercom: fc.oneof(none, fc.constantFrom<Value>(71, 72, 79, 0)),
    },
  },
];

/** The config with a consent field, and a directory: A and B work in both platforms, C only in Salesforce, 79 only in Intercom. */
const base = loadConfig({ env: {} });
const both = compileRules({
  ...twoWay(),
  entities: {
    ...base.entities,
    customer: {
      ...base.entities.customer,
      fields: [
        ...base.entities.customer.fields,
        {
          canonical: 'noEmail',
          type: 'optOut',
          salesforce: 'No_Email__c',
          intercom: 'unsubscribed_from_emails',
          fillIfEmpty: false,
        },
      ],
    },
  },
});
const staff = new Map<string, object>();
for (const [ref, mail] of [
  ['salesforce:User:005A', 'a@us'],
  ['salesforce:User:005B', 'b@us'],
  ['salesforce:User:005C', 'c@us'],
  ['intercom:admin:71', 'a@us'],
  ['intercom:admin:72', 'b@us'],
  ['intercom:admin:79', 'd@us'],
] as const) {
  const at = noPosition;
  const seen = { [ref.startsWith('salesforce') ? 'Email' : 'email']: { value: mail, at, answer: false, ask: '' } };
  staff.set(`ref:${ref}`, { ref, entity: null, id: '', deleted: false, seen, newest: at });
  const key = `idx:directory:${mail}`;
  staff.set(key, { items: [...((staff.get(key) as { items: string[] } | undefined)?.items ?? []), ref].sort() });
}
const office = new World(
  { get: (key) => staff.get(key), put: () => undefined, savepoint: () => () => undefined },
  { offset: 0, time: 0, key: '', lineage: 0, change: change({ kind: 'tick' }) },
  both,
);
const sides = both.entities.customer.sides;
const linkOf = (platform: 'salesforce' | 'intercom', named: string): Link => {
  const found = sides[platform].byField.get(named);
  if (found === undefined) throw new Error(`no link ${named}`);
  return found;
};
type Canonical = Readonly<Record<string, CanonicalField>>;
const takenIn = (link: Link, value: Value, fields: Canonical, before?: Value): Canonical => ({
  ...fields,
  ...Object.fromEntries(
    Object.entries(fromPlatform(office, link, value, { fields, before })).map(([one, said]) => [one, field(said)]),
  ),
});
const isSame = (a: Value | undefined, b: Value | undefined): boolean => alike(a, b);

/** What the platforms make of a value that is written: independent of the mapping. */
function stored(platform: 'salesforce' | 'intercom', named: string, value: Value): Value {
  if (platform === 'intercom') return named === 'email' ? String(value).toLowerCase() : value;
  return typeof value === 'string' ? value.trim() || null : value;
}

describe('a round trip', () => {
  it.each(cases)('of $salesforce and $intercom adds no write on either side, and is answered as expected', (one) => {
    for (const from of ['salesforce', 'intercom'] as const) {
      const to = from === 'salesforce' ? 'intercom' : 'salesforce';
      const [source, target] = [linkOf(from, one[from]), linkOf(to, one[to])];
      fc.assert(
        fc.property(one.types[from], one.types[to], (value, standing) => {
          const fields = takenIn(source, value, takenIn(target, standing, {}));
          const home = toPlatform(office, source, fields, value);
          expect(home === undefined || isSame(home, value), `${from} ${JSON.stringify([value, home])}`).toBe(true);
          const wanted = toPlatform(office, target, fields, standing);
          if (wanted === undefined) return;
          const answer = stored(to, one[to], wanted);
          expect(isSame(answer, wanted), `${to} keeps ${JSON.stringify(answer)} of ${JSON.stringify(wanted)}`).toBe(
            true,
          );
          // What comes back is agreement: it changes nothing, and nothing is asked on either side.
          expect(toPlatform(office, target, fields, answer)).toEqual(answer);
        }),
        { numRuns: 300 },
      );
    }
  });

  it('of a joined name keeps both parts where they are, and writes nothing', () => {
    const joinedLink = linkOf('intercom', 'name');
    fc.assert(
      fc.property(fc.oneof(none, plainName), plainName, name, (first, last, edited) => {
        const fields = { firstName: field(first), lastName: field(last) };
        const shown = toPlatform(office, joinedLink, fields, undefined) ?? null;
        expect(fromPlatform(office, joinedLink, shown, { fields })).toEqual({ firstName: first, lastName: last });
        const after = takenIn(joinedLink, edited, fields);
        expect(toPlatform(office, joinedLink, after, edited)).toBe(edited);
        expect(after['lastName']?.value).not.toBe(null);
        for (const part of ['FirstName', 'LastName']) {
          const wanted = toPlatform(office, linkOf('salesforce', part), after, null);
          expect(isSame(wanted, stored('salesforce', part, wanted ?? null))).toBe(true);
        }
        expect(takenIn(joinedLink, edited, after)).toEqual(after);
      }),
    );
  });
});

describe('a joined name', () => {
  const parts = (first: string | null, last: string | null, edited: string): unknown =>
    fromPlatform(office, linkOf('intercom', 'name'), edited, {
      fields: { firstName: field(first), lastName: field(last) },
    });

  it('that equals what stands is not cut anew', () => {
    expect(parts('Mary Ann', 'Lee', 'Mary Ann Lee')).toEqual({ firstName: 'Mary Ann', lastName: 'Lee' });
    expect(parts('Mary', 'Ann Lee', 'Mary  Ann Lee')).toEqual({ firstName: 'Mary', lastName: 'Ann Lee' });
  });

  it('keeps the part that still stands', () => {
    expect(parts('Mary Ann', 'Lee', 'Mary Ann van Berg')).toEqual({ firstName: 'Mary Ann', lastName: 'van Berg' });
    expect(parts('Mary', 'van der Berg', 'Maria van der Berg')).toEqual({
      firstName: 'Maria',
      lastName: 'van der Berg',
    });
  });

  it('else has its last word for the last name, which is never empty', () => {
    expect(parts(null, null, 'Ada King Lovelace')).toEqual({ firstName: 'Ada King', lastName: 'Lovelace' });
    expect(parts('Cher', 'Sarkisian', 'Cher')).toEqual({ firstName: null, lastName: 'Cher' });
  });

  it('that is empty says nothing: neither part is forgotten', () => {
    expect(parts('Ada', 'Byron', '')).toEqual({});
  });
});

describe('what a platform cannot do without', () => {
  it('stays as it is: last names, account names and owners in Salesforce, emails in Intercom', () => {
    const empty = { lastName: field(null), ownerEmail: field(null), email: field(null) };
    for (const [platform, named] of [
      ['salesforce', 'LastName'],
      ['salesforce', 'OwnerId'],
      ['intercom', 'email'],
    ] as const)
      expect(toPlatform(office, linkOf(platform, named), empty, 'x')).toBe(undefined);
    expect(toPlatform(office, linkOf('intercom', 'owner_id'), empty, 71)).toBe(null);
  });

  it('is not asked of Salesforce as an id: who is who is not written', () => {
    expect(toPlatform(office, linkOf('salesforce', 'Id'), { salesforceId: field('003X') }, '003A')).toBe(undefined);
  });

  it('is no date that cannot be read, nor one that another machine would read otherwise', () => {
    const link = linkOf('intercom', 'custom_attributes.renewal_date');
    for (const text of ['soon', 'Room 5', 'Jan 2 2026', '2026-02-31'])
      expect(toPlatform(office, link, { renewalDate: field(text) }, 1)).toBe(undefined);
    const moment = linkOf('intercom', 'custom_attributes.last_order_at');
    for (const text of ['2026-01-02T03:04:05', '2026-01-02 03:04'])
      expect(toPlatform(office, moment, { lastOrderAt: field(text) }, 1)).toBe(undefined);
    expect(fromPlatform(office, link, 9e15)).toEqual({});
  });
});

describe('an owner', () => {
  it('is the teammate of the same email, either way', () => {
    const fields = takenIn(linkOf('salesforce', 'OwnerId'), '005A', {});
    expect(toPlatform(office, linkOf('intercom', 'owner_id'), fields, undefined)).toBe(71);
    const back = takenIn(linkOf('intercom', 'owner_id'), 72, fields);
    expect(toPlatform(office, linkOf('salesforce', 'OwnerId'), back, '005A')).toBe('005B');
  });

  it('who is no teammate is left alone, not cleared', () => {
    const fields = takenIn(linkOf('salesforce', 'OwnerId'), '005C', {});
    expect(toPlatform(office, linkOf('intercom', 'owner_id'), fields, 72)).toBe(undefined);
    const back = takenIn(linkOf('intercom', 'owner_id'), 79, {});
    expect(toPlatform(office, linkOf('salesforce', 'OwnerId'), back, '005A')).toBe(undefined);
  });

  it('of a company is named by email, and an email that nobody has says nothing', () => {
    const link = both.entities.account.sides.intercom.byField.get('custom_attributes.owner_email');
    if (link === undefined) throw new Error('no link');
    expect(fromPlatform(office, link, 'A@us')).toEqual({ ownerEmail: 'intercom:admin:71' });
    expect(fromPlatform(office, link, 'c@us')).toEqual({ ownerEmail: 'salesforce:User:005C' });
    expect(fromPlatform(office, link, 'nobody@us')).toEqual({});
    expect(toPlatform(office, link, { ownerEmail: field('salesforce:User:005A') }, 'A@us')).toBe('A@us');
  });
});
