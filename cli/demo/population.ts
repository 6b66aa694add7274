/** Realistic people and companies, the same for the same seed. Shared by nobody: the pipeline never sees this file. */
import { base, en, Faker } from '@faker-js/faker';

export type Row = Record<string, string | number | boolean | null>;

export interface Population {
  /** Salesforce rows by object, in the order in which they must be loaded; ids are given by the twin. */
  readonly users: readonly Row[];
  readonly accounts: readonly Row[];
  /** `account` and `owner` are indexes into the lists above, null for none. */
  readonly contacts: readonly { readonly row: Row; readonly account: number | null; readonly owner: number }[];
  /** Teammates of Intercom: most users, not all. */
  readonly admins: readonly { readonly name: string; readonly email: string }[];
}

export const levels = ['Primary', 'Secondary', 'Tertiary'] as const;
export const tiers = ['Gold', 'Silver', 'Bronze'] as const;
export const industries = ['Agriculture', 'Banking', 'Education', 'Energy', 'Retail', 'Technology'] as const;
export const languages = ['English', 'French', 'German', 'Spanish'] as const;

const date = (at: Date): string => at.toISOString().slice(0, 10);
const datetime = (at: Date): string => `${at.toISOString().slice(0, 19)}.000+0000`;

export function makeFaker(seed: number): Faker {
  const faker = new Faker({ locale: [en, base] });
  faker.seed(seed);
  // Dates are drawn around a fixed day, so that a seed means the same people tomorrow.
  faker.setDefaultRefDate('2026-06-01T00:00:00.000Z');
  return faker;
}

/** Values of one person's mapped fields. The number keeps emails apart. */
export function personRow(faker: Faker, n: number): Row {
  const first = faker.person.firstName();
  const last = faker.person.lastName();
  const maybe = <T extends string | number | boolean>(chance: number, value: () => T): T | null =>
    faker.number.float() < chance ? value() : null;
  return {
    FirstName: maybe(0.97, () => first),
    LastName: last,
    Email: `${first}.${last}.${n}@${faker.internet.domainWord()}.example`.replaceAll("'", ''),
    Phone: maybe(0.8, () => `+1${faker.string.numeric(10)}`),
    Title: maybe(0.9, () => faker.person.jobTitle()),
    Level__c: maybe(0.7, () => faker.helpers.arrayElement(levels)),
    Seats__c: maybe(0.6, () => faker.number.int({ min: 1, max: 5000 })),
    Newsletter__c: faker.datatype.boolean(),
    Renewal_Date__c: maybe(0.5, () => date(faker.date.future())),
    Last_Order_At__c: maybe(0.5, () => datetime(faker.date.past())),
    Score__c: maybe(0.6, () => faker.number.int({ min: 0, max: 10_000 }) / 100),
    Languages__c: maybe(0.5, () =>
      faker.helpers
        .arrayElements([...languages], { min: 1, max: 3 })
        .sort()
        .join(';'),
    ),
  };
}

export function companyRow(faker: Faker): Row {
  return {
    Name: faker.company.name(),
    Website: `https://${faker.internet.domainWord()}.example`,
    Industry: faker.helpers.arrayElement(industries),
    NumberOfEmployees: faker.number.int({ min: 3, max: 40_000 }),
    Tier__c: faker.helpers.arrayElement(tiers),
    Contract_Value__c: faker.number.int({ min: 0, max: 100_000_000 }) / 100,
  };
}

/** @param sharing one in so many has the email of somebody else; 0: nobody */
export function makePopulation(people: number, seed: number, sharing = 0): Population {
  const faker = makeFaker(seed);
  const userCount = Math.max(2, Math.min(12, Math.round(people / 50)));
  const users = Array.from({ length: userCount }, (_, n) => {
    const first = faker.person.firstName();
    const last = faker.person.lastName();
    const email = `${first}.${last}.${n}@tributary.example`.replaceAll("'", '').toLowerCase();
    return { Username: email, FirstName: first, LastName: last, Email: email, IsActive: true };
  });
  const accounts = Array.from({ length: Math.max(1, Math.round(people / 6)) }, () => companyRow(faker));
  const contacts = Array.from({ length: people }, (_, n) => ({
    row: personRow(faker, n),
    // One in ten belongs to nobody; some accounts stay without people and are never made a company.
    account: faker.number.float() < 0.1 ? null : faker.number.int({ min: 0, max: accounts.length - 1 }),
    owner: faker.number.int({ min: 0, max: users.length - 1 }),
  }));
  for (let n = sharing; n < people && sharing > 0; n += sharing) {
    const [one, other] = [contacts[n], contacts[n - 1]];
    if (one !== undefined && other !== undefined) one.row['Email'] = other.row['Email'] ?? null;
  }
  const admins = users
    .slice(0, Math.max(1, users.length - 1))
    .map((user) => ({ name: `${user.FirstName} ${user.LastName}`, email: user.Email }));
  return { users, accounts, contacts, admins };
}
