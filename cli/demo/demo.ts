/** The main job from end to end: load, snapshot, live edits, settle, judge, report. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Edit, type World as Edited, nextEdits, type Person } from './edits.ts';
import { intercomBody, intercomPopulation } from './intercom.ts';
import { companyRow, makeFaker, makePopulation, personRow, type Row } from './population.ts';
import type { MadeEdit } from './report.ts';
import type { Pulse, World } from './world.ts';

export interface DemoOptions {
  readonly people: number;
  readonly rate: number;
  readonly seconds: number;
  readonly seed: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

const tellEveryMs = 2_000;
/** Where people edit: three of ten edits are made in Intercom, one in twenty on both platforms at once. */
const sides = { intercom: 0.3, both: 0.05 } as const;

export interface Loaded extends Edited {
  readonly users: readonly string[];
  /** Teammates of Intercom by Salesforce user. */
  readonly admins: ReadonlyMap<string, number>;
}

/** One person in so many has somebody else's email. */
const sharing = 100;

/** Fills the doubles and returns what is in Salesforce, with ids. */
export async function load(world: World, options: Pick<DemoOptions, 'people' | 'seed'>): Promise<Loaded> {
  const { bothWays } = world;
  const population = makePopulation(options.people, options.seed, bothWays ? sharing : 0);
  await world.loadIntercom({ admins: population.admins });
  const users = (await world.loadSalesforce({ User: population.users }))['User'] ?? [];
  const owned = (rows: readonly Row[]): Row[] =>
    rows.map((row, n) => ({ ...row, OwnerId: users[n % users.length] ?? null }));
  const accountRows = owned(population.accounts);
  const accountIds = (await world.loadSalesforce({ Account: accountRows }))['Account'] ?? [];
  const contactRows = population.contacts.map(({ row, account, owner }) => ({
    ...row,
    AccountId: account === null ? null : (accountIds[account] ?? null),
    OwnerId: users[owner] ?? null,
  }));
  const contactIds = (await world.loadSalesforce({ Contact: contactRows }))['Contact'] ?? [];
  const people = (ids: readonly string[], rows: readonly Row[]): Person[] =>
    ids.map((id, n) => ({ id, intercomId: '', row: rows[n] ?? {} }));
  const teammates = users.slice(0, population.admins.length);
  const byEmail = new Map((await world.intercomStore()).admins.map(({ id, email }) => [email, id]));
  const admins = new Map(population.admins.map(({ email }, n) => [users[n] ?? '', byEmail.get(email) ?? 0]));
  const [accounts, contacts] = [people(accountIds, accountRows), people(contactIds, contactRows)];
  if (bothWays) await world.loadIntercom(intercomPopulation(makeFaker(options.seed + 2), { accounts, contacts }));
  return { users, teammates, admins, accounts, contacts };
}

/** What people find after the first link: everybody there is, as they stand now, but for those who share an email. */
export async function look(world: World, loaded: Loaded): Promise<void> {
  const [{ Account, Contact }, { companies, contacts }] = await Promise.all([
    world.salesforceStore(),
    world.intercomStore(),
  ]);
  const peopleOf = new Map(contacts.map((one) => [one.custom_attributes['salesforce_id'], one.id]));
  const companyOf = new Map(companies.map((one) => [one.custom_attributes['salesforce_account_id'], one.id]));
  const found = (rows: readonly Readonly<Record<string, unknown>>[], pairs: ReadonlyMap<unknown, string>): Person[] =>
    rows.map((row) => ({ id: String(row['Id']), intercomId: pairs.get(row['Id']) ?? '', row: { ...row } as Row }));
  const alone = Map.groupBy(Contact, ({ Email: email }) => String(email).toLowerCase());
  loaded.accounts.splice(0, loaded.accounts.length, ...found(Account, companyOf));
  const single = Contact.filter(({ Email: email }) => alone.get(String(email).toLowerCase())?.length === 1);
  loaded.contacts.splice(0, loaded.contacts.length, ...found(single, peopleOf));
}

/** Two calls for each person and one for some company, at 8,000 a minute; twice that. */
const callsTakeMs = 40;

/** Waits until the snapshot has made everybody, telling how far it is. */
export function waitForSnapshot(world: World, options: Pick<DemoOptions, 'people' | 'log'>): Promise<void> {
  return world.settled(
    nowAndThen((pulse) => {
      void world.intercomStore().then(
        (store) =>
          options.log(
            `  ${store.contacts.length} of ${options.people} people and ${store.companies.length} companies in Intercom` +
              (pulse === undefined ? '' : `, ${stillToDo(pulse)}`),
          ),
        // Only a line of progress: a double that is away is told by the wait itself.
        () => undefined,
      );
    }),
    120_000 + options.people * callsTakeMs,
  );
}

/** Waits until every edit has arrived, telling what is left. */
export function waitForRest(world: World, { log }: Pick<DemoOptions, 'log'>): Promise<void> {
  return world.settled(
    nowAndThen((pulse) => log(`  ${pulse === undefined ? 'the services do not answer' : stillToDo(pulse)}`)),
  );
}

const stillToDo = ({ dirty, gated, open }: Pulse): string => `${dirty + gated} wait, ${open} asked`;

/** A line every two seconds, however often there is something to tell. */
function nowAndThen(tell: (pulse: Pulse | undefined) => void): (pulse: Pulse | undefined) => void {
  let told = performance.now();
  return (pulse) => {
    if (performance.now() - told < tellEveryMs) return;
    told = performance.now();
    tell(pulse);
  };
}

/** Edits at the given rate for the given time, several at once like people do; returns what was done and when. */
export async function editFor(world: World, loaded: Loaded, options: DemoOptions): Promise<readonly MadeEdit[]> {
  const faker = makeFaker(options.seed + 1);
  const made: MadeEdit[] = [];
  const lastOf = new Map<string, Promise<void>>();
  const begun = performance.now();
  const total = Math.round(options.rate * options.seconds);
  let told = begun;
  for (let n = 0; n < total; n++) {
    const due = begun + (n * 1000) / options.rate;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait, undefined, { signal: options.signal });
    options.signal.throwIfAborted();
    for (const edit of nextEdits(faker, loaded, world.bothWays ? sides : undefined)) {
      // Edits of one record reach a platform in the order in which they were made.
      const record = `${edit.on} ${edit.id}`;
      const sent = (lastOf.get(record) ?? Promise.resolve()).then(() => {
        made.push({ ...edit, at: Date.now() });
        return save(world, loaded, edit);
      });
      lastOf.set(record, sent);
    }
    if (n % 50 === 25) await newPerson(world, loaded, faker, n);
    if (performance.now() - told > tellEveryMs) {
      told = performance.now();
      options.log(`  ${n + 1} of ${total} edits`);
    }
  }
  await Promise.all(lastOf.values());
  return made;
}

function save(world: World, { admins }: Loaded, edit: Edit): Promise<void> {
  const { on, object, id, intercomId, fields, before } = edit;
  if (on === 'salesforce') return world.edit(object, id, fields);
  const body = intercomBody(object, fields, { ...before, ...fields }, admins);
  return world.editIntercom(object === 'Contact' ? 'contacts' : 'companies', intercomId, body);
}

/** Now and then somebody new comes, sometimes with a company of their own. */
async function newPerson(world: World, loaded: Loaded, faker: ReturnType<typeof makeFaker>, n: number): Promise<void> {
  if (world.bothWays && n % 100 === 75) {
    const row = { ...personRow(faker, 1_000_000 + n), FirstName: faker.person.firstName() };
    const body = intercomBody('Contact', row, row, loaded.admins);
    await world.createInIntercom({ ...body, role: 'user' });
    return;
  }
  const ownerId = loaded.users[n % loaded.users.length] ?? null;
  let account = faker.helpers.arrayElement(loaded.accounts).id;
  if (n % 100 === 25) {
    const row = { ...companyRow(faker), OwnerId: ownerId };
    account = await world.create('Account', row);
    loaded.accounts.push({ id: account, intercomId: '', row });
  }
  const row = { ...personRow(faker, 1_000_000 + n), AccountId: account, OwnerId: ownerId };
  loaded.contacts.push({ id: await world.create('Contact', row), intercomId: '', row });
}

/** People of an import that are changed at the same time. */
const importers = 40;

/** Everybody is changed in Intercom at once, as an import does. */
export async function importToIntercom(world: World, { contacts }: Loaded): Promise<void> {
  const waiting = contacts.filter(({ intercomId }) => intercomId !== '');
  const one = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const seats = (Number(next.row['Seats__c'] ?? 0) % 5_000) + 5_001;
      await world.editIntercom('contacts', next.intercomId, { custom_attributes: { seats } });
    }
  };
  await Promise.all(Array.from({ length: importers }, one));
}
