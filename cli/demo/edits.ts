/** What people do in Salesforce while the demo runs: a seeded stream of edits, each with the Intercom fields it must change. */
import type { Faker } from '@faker-js/faker';
import { industries, languages, levels, type Row, tiers } from './population.ts';

export interface Person {
  readonly id: string;
  row: Row;
}

export interface World {
  readonly contacts: Person[];
  readonly accounts: Person[];
  /** Users who are teammates in Intercom, too: only they can be shown there as owners. */
  readonly teammates: readonly string[];
}

export interface Edit {
  readonly object: 'Contact' | 'Account';
  readonly id: string;
  readonly fields: Row;
  /** The record as it was. */
  readonly before: Row;
  /** Intercom fields that must change for it, as the twin's call log names them; empty: nothing may be written. */
  readonly shows: readonly string[];
}

interface Kind {
  readonly weight: number;
  readonly object: Edit['object'];
  /** Salesforce values; undefined where it would change nothing. */
  readonly make: (faker: Faker, now: Row, world: World) => Row;
  readonly shows: readonly string[];
}

const attribute = (name: string): string => `custom_attributes.${name}`;
const day = (at: Date): string => at.toISOString().slice(0, 10);

const kinds: readonly Kind[] = [
  { weight: 14, object: 'Contact', make: (f) => ({ Title: f.person.jobTitle() }), shows: [attribute('job_title')] },
  { weight: 8, object: 'Contact', make: (f) => ({ Phone: `+1${f.string.numeric(10)}` }), shows: ['phone'] },
  { weight: 3, object: 'Contact', make: () => ({ Phone: null }), shows: ['phone'] },
  { weight: 4, object: 'Contact', make: (f) => ({ LastName: f.person.lastName() }), shows: ['name'] },
  {
    weight: 3,
    object: 'Contact',
    make: (f) => ({ Email: `new.${f.string.alphanumeric(10).toLowerCase()}@moved.example` }),
    shows: ['email'],
  },
  {
    weight: 4,
    object: 'Contact',
    make: (f) => ({ Level__c: f.helpers.arrayElement(levels) }),
    shows: [attribute('level')],
  },
  { weight: 6, object: 'Contact', make: (f) => ({ Seats__c: f.number.int(5000) }), shows: [attribute('seats')] },
  {
    weight: 3,
    object: 'Contact',
    make: (_, now) => ({ Newsletter__c: now['Newsletter__c'] !== true }),
    shows: [attribute('newsletter')],
  },
  {
    weight: 3,
    object: 'Contact',
    make: (f) => ({ Renewal_Date__c: day(f.date.future()) }),
    shows: [attribute('renewal_date')],
  },
  { weight: 3, object: 'Contact', make: () => ({ Score__c: null }), shows: [attribute('score')] },
  {
    weight: 4,
    object: 'Contact',
    make: (f) => ({ Score__c: f.number.int(10_000) / 100 }),
    shows: [attribute('score')],
  },
  {
    weight: 3,
    object: 'Contact',
    make: (f) => ({
      Languages__c: f.helpers
        .arrayElements([...languages], 2)
        .sort()
        .join(';'),
    }),
    shows: [attribute('languages')],
  },
  {
    weight: 4,
    object: 'Contact',
    make: (f, _, world) => ({ AccountId: f.helpers.arrayElement(world.accounts).id }),
    shows: ['companies'],
  },
  { weight: 2, object: 'Contact', make: () => ({ AccountId: null }), shows: ['companies'] },
  {
    weight: 3,
    object: 'Contact',
    make: (f, _, world) => ({ OwnerId: f.helpers.arrayElement([...world.teammates]) }),
    shows: ['owner_id'],
  },
  {
    weight: 4,
    object: 'Contact',
    make: (f) => ({ Title: f.person.jobTitle(), Phone: `+1${f.string.numeric(10)}`, Seats__c: f.number.int(5000) }),
    shows: [attribute('job_title'), 'phone', attribute('seats')],
  },
  // Nothing of this is mapped, and nothing may be written for it.
  { weight: 3, object: 'Contact', make: (f) => ({ Department: f.commerce.department() }), shows: [] },
  // Saved without a change: the platform sends no event.
  { weight: 3, object: 'Contact', make: (_, now) => ({ Title: now['Title'] ?? null }), shows: [] },
  {
    weight: 3,
    object: 'Account',
    make: (f) => ({ Industry: f.helpers.arrayElement(industries) }),
    shows: ['industry'],
  },
  { weight: 2, object: 'Account', make: (f) => ({ Name: f.company.name() }), shows: ['name'] },
  {
    weight: 3,
    object: 'Account',
    make: (f) => ({ Tier__c: f.helpers.arrayElement(tiers) }),
    shows: [attribute('tier')],
  },
  { weight: 2, object: 'Account', make: (f) => ({ NumberOfEmployees: f.number.int(50_000) }), shows: ['size'] },
];
const total = kinds.reduce((sum, kind) => sum + kind.weight, 0);

/** Draws the next edit and applies it to the world as it will be. */
export function nextEdit(faker: Faker, world: World): Edit {
  let draw = faker.number.float() * total;
  const kind = kinds.find((one) => {
    draw -= one.weight;
    return draw < 0;
  });
  if (kind === undefined) return nextEdit(faker, world);
  const target = faker.helpers.arrayElement(kind.object === 'Contact' ? world.contacts : world.accounts);
  const fields = kind.make(faker, target.row, world);
  const before = target.row;
  const changed = Object.keys(fields).filter((field) => (fields[field] ?? null) !== (before[field] ?? null));
  target.row = { ...before, ...fields };
  return { object: kind.object, id: target.id, fields, before, shows: changed.length === 0 ? [] : kind.shows };
}
