/**
 * What people do while the demo runs: a seeded stream of edits, each with the fields that it must change on the other
 * platform. Values are spelled as in Salesforce; `intercom.ts` says what somebody types in Intercom to the same end.
 */
import type { Faker } from '@faker-js/faker';
import { industries, languages, levels, type Row, tiers } from './population.ts';

export interface Person {
  /** In Salesforce. */
  readonly id: string;
  /** In Intercom; empty while it is not known there. */
  intercomId: string;
  row: Row;
}

export type Platform = 'salesforce' | 'intercom';

export interface World {
  readonly contacts: Person[];
  readonly accounts: Person[];
  /** Users who are teammates in Intercom, too: only they can be shown there as owners. */
  readonly teammates: readonly string[];
}

export interface Edit {
  /** Where somebody makes it. */
  readonly on: Platform;
  readonly object: 'Contact' | 'Account';
  readonly id: string;
  readonly intercomId: string;
  readonly fields: Row;
  /** The record as it was. */
  readonly before: Row;
  /** Fields of the other platform that must change for it, as its double's call log names them; empty: nothing may be written. */
  readonly shows: readonly string[];
}

interface Kind {
  readonly weight: number;
  readonly object: Edit['object'];
  readonly make: (faker: Faker, now: Row, world: World) => Row;
  /** Fields in Intercom. */
  readonly shows: readonly string[];
  /** People do it in Intercom too; false: it has no such field, or means more than one call there. */
  readonly both: boolean;
}

const attribute = (name: string): string => `custom_attributes.${name}`;
const day = (at: Date): string => at.toISOString().slice(0, 10);

const kinds: readonly Kind[] = [
  {
    weight: 14,
    object: 'Contact',
    make: (f) => ({ Title: f.person.jobTitle() }),
    shows: [attribute('job_title')],
    both: true,
  },
  { weight: 8, object: 'Contact', make: (f) => ({ Phone: `+1${f.string.numeric(10)}` }), shows: ['phone'], both: true },
  { weight: 3, object: 'Contact', make: () => ({ Phone: null }), shows: ['phone'], both: true },
  { weight: 4, object: 'Contact', make: (f) => ({ LastName: f.person.lastName() }), shows: ['name'], both: true },
  {
    weight: 3,
    object: 'Contact',
    make: (f) => ({ Email: `new.${f.string.alphanumeric(10).toLowerCase()}@moved.example` }),
    shows: ['email'],
    both: true,
  },
  {
    weight: 4,
    object: 'Contact',
    make: (f) => ({ Level__c: f.helpers.arrayElement(levels) }),
    shows: [attribute('level')],
    both: true,
  },
  {
    weight: 6,
    object: 'Contact',
    make: (f) => ({ Seats__c: f.number.int(5000) }),
    shows: [attribute('seats')],
    both: true,
  },
  {
    weight: 3,
    object: 'Contact',
    make: (_, now) => ({ Newsletter__c: now['Newsletter__c'] !== true }),
    shows: [attribute('newsletter')],
    both: true,
  },
  {
    weight: 3,
    object: 'Contact',
    make: (f) => ({ Renewal_Date__c: day(f.date.future()) }),
    shows: [attribute('renewal_date')],
    both: true,
  },
  { weight: 3, object: 'Contact', make: () => ({ Score__c: null }), shows: [attribute('score')], both: true },
  {
    weight: 4,
    object: 'Contact',
    make: (f) => ({ Score__c: f.number.int(10_000) / 100 }),
    shows: [attribute('score')],
    both: true,
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
    both: true,
  },
  {
    weight: 4,
    object: 'Contact',
    make: (f, _, world) => ({ AccountId: f.helpers.arrayElement(world.accounts).id }),
    shows: ['companies'],
    both: false,
  },
  { weight: 2, object: 'Contact', make: () => ({ AccountId: null }), shows: ['companies'], both: false },
  {
    weight: 3,
    object: 'Contact',
    make: (f, _, world) => ({ OwnerId: f.helpers.arrayElement([...world.teammates]) }),
    shows: ['owner_id'],
    both: true,
  },
  {
    weight: 4,
    object: 'Contact',
    make: (f) => ({ Title: f.person.jobTitle(), Phone: `+1${f.string.numeric(10)}`, Seats__c: f.number.int(5000) }),
    shows: [attribute('job_title'), 'phone', attribute('seats')],
    both: true,
  },
  // Nothing of this is mapped, and nothing may be written for it.
  { weight: 3, object: 'Contact', make: (f) => ({ Department: f.commerce.department() }), shows: [], both: false },
  // Saved without a change: the platform sends no event.
  { weight: 3, object: 'Contact', make: (_, now) => ({ Title: now['Title'] ?? null }), shows: [], both: false },
  {
    weight: 3,
    object: 'Account',
    make: (f) => ({ Industry: f.helpers.arrayElement(industries) }),
    shows: ['industry'],
    both: true,
  },
  { weight: 2, object: 'Account', make: (f) => ({ Name: f.company.name() }), shows: ['name'], both: true },
  {
    weight: 3,
    object: 'Account',
    make: (f) => ({ Tier__c: f.helpers.arrayElement(tiers) }),
    shows: [attribute('tier')],
    both: true,
  },
  {
    weight: 2,
    object: 'Account',
    make: (f) => ({ NumberOfEmployees: f.number.int(50_000) }),
    shows: ['size'],
    both: true,
  },
];
const total = kinds.reduce((sum, kind) => sum + kind.weight, 0);

/**
 * Draws the next edits and applies them to the world as it will be: one, or two where two people change the same field of
 * one record on both platforms at once.
 * @param sides how likely each is: made in Intercom, and made on both
 */
export function nextEdits(
  faker: Faker,
  world: World,
  sides: { readonly intercom: number; readonly both: number } = { intercom: 0, both: 0 },
): readonly Edit[] {
  let draw = faker.number.float() * total;
  const kind = kinds.find((one) => {
    draw -= one.weight;
    return draw < 0;
  });
  if (kind === undefined) return nextEdits(faker, world, sides);
  const target = faker.helpers.arrayElement(kind.object === 'Contact' ? world.contacts : world.accounts);
  const side = faker.number.float();
  const isLinked = target.intercomId !== '' && kind.both;
  const isConflict = isLinked && side < sides.both;
  // Of one name alone Intercom does not tell which it is.
  const isNamed = (target.row['FirstName'] ?? '') !== '' || !kind.shows.includes('name');
  const on = isLinked && isNamed && side < sides.both + sides.intercom ? 'intercom' : 'salesforce';
  const edits = [edit(faker, world, kind, target, on)];
  if (isConflict && on === 'intercom') edits.push(edit(faker, world, kind, target, 'salesforce'));
  return edits;
}

function edit(faker: Faker, world: World, kind: Kind, target: Person, on: Platform): Edit {
  const fields = kind.make(faker, target.row, world);
  const before = target.row;
  const changed = Object.keys(fields).filter((field) => (fields[field] ?? null) !== (before[field] ?? null));
  target.row = { ...before, ...fields };
  const shows = changed.length === 0 ? [] : on === 'salesforce' ? kind.shows : changed;
  return { on, object: kind.object, id: target.id, intercomId: target.intercomId, fields, before, shows };
}
