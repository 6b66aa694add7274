/** The main job from end to end: load, snapshot, live edits, settle, judge, report. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Edit, type World as Edited, nextEdit, type Person } from './edits.ts';
import { judge } from './judge.ts';
import { companyRow, makeFaker, makePopulation, personRow, type Row } from './population.ts';
import {
  countWrites,
  latencies,
  type MadeEdit,
  minimumEditCalls,
  minimumFirstCalls,
  percentile,
  type Report,
} from './report.ts';
import type { Pulse, World } from './world.ts';

export interface DemoOptions {
  readonly people: number;
  readonly rate: number;
  readonly seconds: number;
  readonly seed: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Salesforce rows a snapshot page may hold. */
const pageSize = 2_000;
const tellEveryMs = 2_000;

export interface Loaded extends Edited {
  readonly users: readonly string[];
}

/** Fills both twins and returns what is in Salesforce, with ids. */
export async function load(world: World, options: Pick<DemoOptions, 'people' | 'seed'>): Promise<Loaded> {
  const population = makePopulation(options.people, options.seed);
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
    ids.map((id, n) => ({ id, row: rows[n] ?? {} }));
  const teammates = users.slice(0, population.admins.length);
  return { users, teammates, accounts: people(accountIds, accountRows), contacts: people(contactIds, contactRows) };
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
    const edit: Edit = nextEdit(faker, loaded);
    // Edits of one record reach the platform in the order in which they were made.
    const previous = lastOf.get(edit.id) ?? Promise.resolve();
    const sent = previous.then(() => {
      made.push({ ...edit, at: Date.now() });
      return world.edit(edit.object, edit.id, edit.fields);
    });
    lastOf.set(edit.id, sent);
    if (n % 50 === 25) await newPerson(world, loaded, faker, n);
    if (performance.now() - told > tellEveryMs) {
      told = performance.now();
      options.log(`  ${n + 1} of ${total} edits`);
    }
  }
  await Promise.all(lastOf.values());
  return made;
}

/** Now and then somebody new comes, sometimes with a company of their own. */
async function newPerson(world: World, loaded: Loaded, faker: ReturnType<typeof makeFaker>, n: number): Promise<void> {
  const ownerId = loaded.users[n % loaded.users.length] ?? null;
  let account = faker.helpers.arrayElement(loaded.accounts).id;
  if (n % 100 === 25) {
    const row = { ...companyRow(faker), OwnerId: ownerId };
    account = await world.create('Account', row);
    loaded.accounts.push({ id: account, row });
  }
  const row = { ...personRow(faker, 1_000_000 + n), AccountId: account, OwnerId: ownerId };
  loaded.contacts.push({ id: await world.create('Contact', row), row });
}

/** Numbers of the last calls before a phase began. */
export interface Marks {
  /** Salesforce's, before the services were started: what came before was not theirs. */
  readonly services: number;
  /** Intercom's, before people began to edit. */
  readonly live: number;
}

/** Judges the stores and works the report out. */
export async function report(
  world: World,
  edits: readonly MadeEdit[],
  from: Marks,
  seconds: number,
): Promise<{ readonly report: Report; readonly details: readonly string[] }> {
  const [salesforceStore, intercomStore, calls, salesforceCalls] = await Promise.all([
    world.salesforceStore(),
    world.intercomStore(),
    world.intercomCalls(),
    world.salesforceCalls(),
  ]);
  const verdict = judge({ salesforceStore, intercomStore, calls });
  const ours = calls.filter((call) => !call.client.startsWith('person'));
  const live = ours.filter((call) => call.n > from.live);
  const { contacts, companies } = intercomStore;
  const pairs = new Map([
    ...contacts.map((one): [string, string] => [String(one.custom_attributes['salesforce_id']), one.id]),
    ...companies.map((one): [string, string] => [String(one.custom_attributes['salesforce_account_id']), one.id]),
  ]);
  const companyIds = new Set(companies.map((one) => String(one.custom_attributes['salesforce_account_id'])));
  const created = live.filter(
    (call) => call.method === 'POST' && /^\/(contacts|companies)$/.test(call.path) && call.status === 200,
  );
  const madeLive = new Set(created.map((call) => call.objectId));
  const attachedWithCreate = live.filter(
    (call) =>
      call.path.endsWith('/companies') &&
      call.method === 'POST' &&
      madeLive.has(/\/contacts\/([^/]+)\//.exec(call.path)?.[1] ?? ''),
  );
  const effective = edits.filter((edit) => edit.shows.length > 0 && pairs.has(edit.id));
  const { values, coalesced } = latencies(effective, live, pairs);
  const memberships = contacts.reduce((sum, one) => sum + one.companies.length, 0);
  const membershipMoves = edits.filter((edit) => 'AccountId' in edit.fields);
  const editedMemberships = minimumEditCalls(effective, (id) => companyIds.has(id));
  const rows = Object.entries(salesforceStore).filter(([name]) => ['User', 'Account', 'Contact'].includes(name));
  const oursInSalesforce = salesforceCalls.filter((call) => call.n > from.services && call.origin !== 'person');
  const writes = countWrites(live) - created.length - attachedWithCreate.length;
  return {
    details: verdict.details,
    report: {
      people: verdict.people,
      edits: edits.length,
      writesPerEdit: { intercom: effective.length === 0 ? 0 : round(writes / effective.length) },
      duplicates: verdict.duplicates,
      differences: verdict.differences,
      latencyMs: { p50: percentile(values, 0.5), p95: percentile(values, 0.95), p99: percentile(values, 0.99) },
      calls: { salesforce: oursInSalesforce.length, intercom: ours.length },
      minimumCalls: {
        // A token, who we are, one look at each object's fields, and the pages of the snapshot.
        salesforce:
          2 + rows.length + rows.reduce((sum, [, list]) => sum + Math.max(1, Math.ceil(list.length / pageSize)), 0),
        intercom:
          minimumFirstCalls(intercomStore.attributes.length) +
          contacts.length +
          companies.length +
          initialMemberships(memberships, membershipMoves, companyIds) +
          editedMemberships,
      },
      noopWrites: verdict.noopWrites,
      coalesced,
      seconds: Math.round(seconds),
      residentMiB: world.residentMiB,
    },
  };
}

/** Memberships made by a create: those there are now, less what edits joined, plus what edits left. */
function initialMemberships(now: number, moves: readonly MadeEdit[], companies: ReadonlySet<string>): number {
  let joined = 0;
  for (const edit of moves) {
    const before = edit.before['AccountId'];
    const after = edit.fields['AccountId'];
    if (before === after) continue;
    if (typeof after === 'string' && companies.has(after)) joined += 1;
    if (typeof before === 'string' && companies.has(before)) joined -= 1;
  }
  return now - joined;
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
