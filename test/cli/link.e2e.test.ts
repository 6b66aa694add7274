/**
 * The dry run against the link itself: two platforms with people on both sides that overlap in part. What was foreseen is what
 * is written, nothing else is, and the looking itself writes nothing.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { load } from '../../cli/demo/demo.ts';
import type { SalesforceStore } from '../../cli/demo/judge.ts';
import type { Row } from '../../cli/demo/population.ts';
import type { World } from '../../cli/demo/world.ts';
import type { LinkReport, Write } from '../../cli/link/report.ts';
import { loadConfig } from '../../core/config.ts';
import { createLog } from '../../core/log.ts';
import { connectRedis } from '../../core/redis.ts';
import type { Certificate, Value } from '../../schemas/types.ts';
import type { Store as IntercomStore } from '../../twins/intercom/control.ts';
import { fault, seed, startWorld, tributary, until } from '../support/e2e.ts';

const silent = createLog({ level: 'fatal', stream: process.stderr });
const main = join(import.meta.dirname, '../../cli/main.ts');
const folder = mkdtempSync(join(tmpdir(), 'tributary-link-'));
const file = join(folder, 'two-way.yaml');
writeFileSync(
  file,
  `capture: { intercom: true }
flows:
  contact-sync: { intercom: { create: true }, salesforce: { create: true } }
  account-sync: { intercom: { create: true }, salesforce: { create: true } }
`,
);

interface Stores {
  readonly salesforce: SalesforceStore;
  readonly intercom: IntercomStore;
}

let world: World;
let report: LinkReport;
let before: Stores;

const storesOf = async (): Promise<Stores> => ({
  salesforce: await world.salesforceStore(),
  intercom: await world.intercomStore(),
});

async function populate(): Promise<void> {
  const { User = [] } = await world.loadSalesforce({
    User: ['olga', 'pavel'].map((one) => ({
      Username: `${one}@tributary.example`,
      LastName: one,
      Email: `${one}@tributary.example`,
      IsActive: true,
    })),
  });
  const owner = (n: number) => ({ OwnerId: User[n % 2] ?? null });
  const { Account = [] } = await world.loadSalesforce({
    Account: ['Orchard', 'Mill', 'Empty'].map((Name, n) => ({
      Name,
      Industry: 'Retail',
      Tier__c: 'Gold',
      ...owner(n),
    })),
  });
  const pairs = Array.from({ length: 12 }, (_, n) => ({
    FirstName: 'Pair',
    LastName: `Number${n}`,
    Email: `pair${n}@example.com`,
    Phone: n % 3 === 0 ? `+100${n}` : null,
    Seats__c: n,
    AccountId: n % 4 === 0 ? (Account[0] ?? null) : null,
    ...owner(n),
  }));
  const contact = (LastName: string, Email: string | null, more: Row = {}) => ({
    LastName,
    Email,
    ...owner(0),
    ...more,
  });
  await world.loadSalesforce({
    Contact: [
      contact('Byron', 'ada@example.com', { FirstName: 'Ada', Phone: '+1', AccountId: Account[0] ?? null }),
      contact('Cay', 'cay@example.com', { AccountId: Account[1] ?? null, Level__c: 'Primary' }),
      contact('Fay', 'fay@example.com', { Phone: '+61' }),
      contact('Fay Again', 'fay@example.com', { Phone: '+62' }),
      contact('Gus', 'gus@example.com'),
      contact('Gus Again', 'gus@example.com'),
      contact('Ivy', 'ivy@example.com', { Title: 'CEO' }),
      contact('Nobody', null),
      ...pairs,
    ],
  });
  await world.loadIntercom({
    admins: [{ name: 'Olga', email: 'olga@tributary.example' }],
    companies: [
      { company_id: 'theirs-1', name: 'Orchard Ltd', custom_attributes: { salesforce_account_id: Account[0] } },
      { company_id: 'theirs-2', name: 'Harbour', industry: 'Energy' },
    ],
    contacts: [
      {
        role: 'user',
        email: 'ada@example.com',
        name: 'Ada Byron',
        phone: '+2',
        custom_attributes: { job_title: 'CTO' },
      },
      { role: 'user', email: 'dan@example.com', name: 'Dan Defoe', phone: '+4', companies: ['theirs-2'] },
      { role: 'user', email: 'eve@example.com' },
      { role: 'user', email: 'fay@example.com', name: 'Fay' },
      { role: 'lead', email: 'hal@example.com', name: 'Hal Lead' },
      { role: 'lead', email: 'ivy@example.com', name: 'Ivy', phone: '+9' },
      { role: 'user', email: 'member@example.com', name: 'Member Orchard', companies: ['theirs-1'] },
      ...pairs.map(({ Email, LastName }, n) => ({
        role: 'user',
        email: Email.toUpperCase(),
        name: n % 2 === 0 ? `Pair ${LastName}` : `Other ${LastName}`,
        phone: n % 4 === 0 ? `+200${n}` : null,
        custom_attributes: n % 5 === 0 ? { seats: n + 100 } : {},
      })),
    ],
  });
}

beforeAll(async () => {
  world = await startWorld({ bothWays: true });
  // Who came a moment ago is not in search yet; these have been there for long.
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ searchLagMs: 0 });
  await fetch(`${world.intercomUrl}/__twin/switches`, { method: 'POST', headers, body });
  // Many with values drawn, half of them on both sides with some other values.
  await load(world, { people: 60, seed });
  await populate();
  before = await storesOf();
});
afterAll(async () => {
  await world?.stop();
  rmSync(folder, { recursive: true });
});

const redisKeys = async (): Promise<readonly string[]> => {
  const redis = connectRedis({ url: world.env['REDIS_URL'] ?? '', log: silent });
  try {
    await new Promise<void>((resolve) => void redis.once('ready', resolve));
    return (await redis.keys(`*${world.env['TRIBUTARY_PREFIX'] ?? ''}*`)).toSorted();
  } finally {
    redis.disconnect();
  }
};

describe(`looking, seed ${seed}`, () => {
  test('needs neither Kafka nor registry, ends with 0, and writes nothing but the count of its calls', async () => {
    const { KAFKA_BROKERS: _, SCHEMA_REGISTRY_URL: __, ...env } = world.env;
    const nowhere = { KAFKA_BROKERS: '127.0.0.1:1', SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' };
    const output = join(folder, 'report.json');
    const args = ['link', '--dry-run', '--details', '--output', output, '--config', file];
    const { status, out, err } = await tributary(args, { ...env, ...nowhere });
    expect([
      status,
      err.split('\n').filter((line) => line !== '' && !line.startsWith('reading,') && !line.startsWith('deciding,')),
    ]).toEqual([0, []]);
    expect(out).toContain('nothing was written');
    report = JSON.parse(readFileSync(output, 'utf8')) as LinkReport;

    expect(await storesOf()).toEqual(before);
    const salesforce = (await world.salesforceCalls()).filter(({ client }) => client === 'tributary');
    expect(salesforce.filter(({ method, path }) => method !== 'GET' && !path.includes('/oauth2/'))).toEqual([]);
    // The call for a session is nobody's yet.
    expect(salesforce.length + 1).toBe(report.calls.salesforce);
    const intercom = (await world.intercomCalls()).filter(({ client }) => client === 'app');
    const isRead = ({ method, path }: { method: string; path: string }): boolean =>
      method === 'GET' || path.startsWith('/contacts/search');
    expect(intercom.filter((call) => !isRead(call))).toEqual([]);
    expect(intercom.length).toBe(report.calls.intercom);
    const prefix = world.env['TRIBUTARY_PREFIX'] ?? '';
    expect(await redisKeys()).toEqual([`{${prefix}budget:intercom}`, `{${prefix}budget:salesforce}`]);
  });

  test('may be of a part, to try it out', async () => {
    const { status, out } = await tributary(
      ['link', '--dry-run', '--limit', '2', '--json', '--config', file],
      world.env,
    );
    const { read, limit } = JSON.parse(out) as LinkReport;
    expect([status, limit, Math.max(...Object.values(read))]).toEqual([0, 2, 2]);
  });

  test('is ended by Ctrl-C at once, with a line that says so', async () => {
    await fault(world.salesforceUrl, { kind: 'delay', match: 'GET /query', ms: 20_000, times: 1 });
    const child = spawn(process.execPath, [main, 'link', '--dry-run', '--config', file], { env: world.env });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await until(
      async () => said,
      (lines) => lines.includes('reading,'),
    );
    child.kill('SIGINT');
    const [status] = (await once(child, 'exit')) as [number | null];
    expect([status, said.trim().split('\n').at(-1)]).toEqual([130, 'interrupted; nothing was written']);
    await fault(world.salesforceUrl, { kind: 'clear' });
  });

  test('tells who is one person, who is not known to be, and who stands alone', () => {
    const people = (parties: LinkReport['matched']) =>
      parties.filter(({ entity }) => entity === 'customer').map(({ name }) => name.toLowerCase());
    const pairs = Array.from({ length: 12 }, (_, n) => `pair${n}@example.com`);
    expect(people(report.matched)).toEqual(expect.arrayContaining(['ada@example.com', 'ivy@example.com', ...pairs]));
    const companies = report.matched.filter(({ entity }) => entity === 'account');
    expect(companies.map(({ records }) => records.length)).toContain(2);
    expect(report.undecided.filter(({ what }) => what === 'who it is').map(({ name }) => name)).toContain(
      'fay@example.com',
    );
    const alone = [...report.onlySalesforce, ...report.onlyIntercom].map(({ name, becomes }) => [
      name,
      becomes.includes(':new-') ? 'created' : becomes,
    ]);
    expect(alone).toEqual(
      expect.arrayContaining([
        ['cay@example.com', 'created'],
        ['dan@example.com', 'created'],
        ['member@example.com', 'created'],
        ['Harbour', 'created'],
        ['Mill', 'created'],
        ['Empty', 'not created: no people'],
        ['eve@example.com', 'not created: no last name'],
        ['hal@example.com', 'not created: only a lead'],
        ['Nobody', 'not created: no email'],
      ]),
    );
    expect(report.ambiguous.filter(({ name }) => name === 'gus@example.com')).toHaveLength(2);
  });
});

describe(`the link, seed ${seed}`, () => {
  test('writes what was foreseen and nothing else, and makes nobody twice', async () => {
    // It may begin before there is anything to watch.
    const watching = tributary(['link', '--config', file], world.env);
    world.startServices();
    await world.subscribe();
    await world.settled(() => undefined);
    const watched = await watching;
    expect([watched.status, watched.out]).toEqual([
      0,
      expect.stringMatching(/^linked: people: \d+ matched, \d+ created; .*; nothing waits$/m),
    ]);
    expect(watched.out).toContain('salesforce read (');
    expect(watched.err.split('\n').filter((line) => line !== '' && !line.startsWith('waiting: '))).toEqual([]);
    const after = await storesOf();
    const unsure = report.undecided.map(({ record, what }) =>
      what === 'who it is' ? `${record} ` : `${record} ${what} `,
    );
    const foreseen = report.writes.flatMap((write) => valuesOf(write, namesOf(before, after)));
    const certain = (line: string): boolean => !unsure.some((start) => line.startsWith(start));
    expect(foreseen.filter(certain).length).toBeGreaterThan(60);
    expect(changesOf(before, after).filter(certain)).toEqual(foreseen.filter(certain).toSorted());

    const count = ({ salesforce, intercom }: Stores) => ({
      'salesforce customer': salesforce.Contact.length,
      'salesforce account': salesforce.Account.length,
      'intercom customer': intercom.contacts.length,
      'intercom account': intercom.companies.length,
    });
    const creates = Map.groupBy(
      report.writes.filter(({ verb }) => verb === 'create'),
      ({ platform, entity }) => `${platform} ${entity}`,
    );
    const expected = Object.fromEntries(
      Object.entries(count(before)).map(([what, n]) => [what, n + (creates.get(what)?.length ?? 0)]),
    );
    expect(count(after)).toEqual(expected);
    const inVain = (await world.intercomCalls()).filter(({ client, noop }) => client === 'app' && noop);
    expect(inVain).toEqual([]);
    const written = (await world.salesforceCalls()).filter(
      ({ client, method }) => client === 'tributary' && method === 'PATCH',
    );
    expect(written.filter(({ rows, changed }) => rows !== changed)).toEqual([]);
  });
});

describe('a hole', () => {
  test('that was read again leaves one certificate, with what it counted and what it cannot know', async () => {
    const [contact] = before.salesforce.Contact;
    expect(await world.stopServices()).toBe(0);
    await world.edit('Contact', String(contact?.['Id']), { Title: 'Missed' });
    await fault(world.salesforceUrl, { kind: 'expire-replay' });
    world.startServices();
    await world.subscribe();
    await world.settled(() => undefined);
    const { status, out, err } = await tributary(['certificates', '--json', '--config', file], world.env);
    expect([status, err]).toEqual([0, '']);
    const told = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Certificate & { platform: string });
    expect(told).toMatchObject([{ platform: 'salesforce', hole: 'stream lost, 1', method: 'modified', deleted: 0 }]);
    const { since = 0, changed = 0, read = 0, unknown = [] } = told[0] ?? {};
    const { Contact, Account, User } = await world.salesforceStore();
    const stamps = [Contact, Account, User]
      .flat()
      .map((row) => Date.parse(String(row['SystemModstamp']).replace('+0000', 'Z')));
    expect(changed).toBe(stamps.filter((at) => at >= since).length);
    expect(changed).toBeGreaterThan(0);
    expect(read).toBe(stamps.filter((at) => at >= since - 600_000).length);
    expect(unknown.length).toBeGreaterThan(0);
    expect((await tributary(['certificates', '--config', file], world.env)).out).toContain('stream lost, 1');
  });
});

// ---- what changed, in one spelling

const { entities } = loadConfig({ file, env: {} });
type Fields = Readonly<Record<string, unknown>>;

const mapped = (entity: 'customer' | 'account', platform: 'salesforce' | 'intercom'): readonly string[] =>
  entities[entity].fields.flatMap((field) => field[platform] ?? []).filter((name) => name !== 'Id');

function recordsOf({ salesforce, intercom }: Stores): ReadonlyMap<string, Fields> {
  const records = new Map<string, Fields>();
  for (const [object, entity] of [
    ['Contact', 'customer'],
    ['Account', 'account'],
  ] as const) {
    for (const row of salesforce[object])
      records.set(
        `salesforce:${object}:${String(row['Id'])}`,
        Object.fromEntries(mapped(entity, 'salesforce').map((name) => [name, row[name]])),
      );
  }
  for (const [object, entity, all] of [
    ['contact', 'customer', intercom.contacts],
    ['company', 'account', intercom.companies],
  ] as const) {
    for (const one of all) {
      const { custom_attributes: own, ...fields } = { ...one } as Fields & { id: string; custom_attributes: Fields };
      const value = (name: string): unknown =>
        name.startsWith('custom_attributes.') ? own[name.slice('custom_attributes.'.length)] : fields[name];
      const told = mapped(entity, 'intercom').filter((name) => name !== 'company_id');
      records.set(`intercom:${object}:${one.id}`, Object.fromEntries(told.map((name) => [name, value(name)])));
    }
  }
  return records;
}

const isNothing = (value: unknown): boolean =>
  value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
const spelled = (value: unknown): string =>
  JSON.stringify(isNothing(value) ? null : Array.isArray(value) ? value.map(String).sort() : plain(value));

/** Salesforce spells one instant in two ways, and Intercom spells every email in small letters. */
function plain(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (value.includes('@')) return value.toLowerCase();
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return Date.parse(value.replace('+0000', 'Z'));
  return value;
}

/** `record field value` of every value that is another one, of new records of every value but the owner that Salesforce gives them. */
function changesOf(earlier: Stores, later: Stores): readonly string[] {
  const known = recordsOf(earlier);
  return [...recordsOf(later)]
    .flatMap(([record, fields]) =>
      Object.entries(fields).flatMap(([field, value]) => {
        const old = spelled(known.get(record)?.[field]);
        const isGiven = !known.has(record) && field === 'OwnerId';
        return old === spelled(value) || isGiven ? [] : [`${record} ${field} ${spelled(value)}`];
      }),
    )
    .toSorted();
}

/** What the records that were made are called, by what the report calls them. */
function namesOf(earlier: Stores, later: Stores): ReadonlyMap<string, string> {
  const known = recordsOf(earlier);
  const fresh = [...recordsOf(later)].filter(([record]) => !known.has(record));
  const names = new Map<string, string>();
  for (const { verb, record, name, platform, entity } of report.writes) {
    if (verb !== 'create') continue;
    const prefix = record.slice(0, record.lastIndexOf(':') + 1);
    const field =
      entity === 'account'
        ? platform === 'salesforce'
          ? 'Name'
          : 'name'
        : platform === 'salesforce'
          ? 'Email'
          : 'email';
    const made = fresh.find(([one, fields]) => one.startsWith(prefix) && plain(fields[field]) === plain(name))?.[0];
    names.set(record, made ?? `${record}, which was not made`);
  }
  return names;
}

function valuesOf({ record, fields }: Write, names: ReadonlyMap<string, string>): readonly string[] {
  const ids = new Map([...names].map(([one, other]) => [one.split(':')[2] ?? '', other.split(':')[2] ?? '']));
  const named = (value: Value): Value =>
    typeof value === 'string'
      ? (ids.get(value) ?? value)
      : Array.isArray(value)
        ? value.map((one) => ids.get(one) ?? one)
        : value;
  return fields
    .filter(({ marker, to }) => !marker && !isNothing(to))
    .map(({ field, to }) => `${names.get(record) ?? record} ${field} ${spelled(named(to))}`);
}
