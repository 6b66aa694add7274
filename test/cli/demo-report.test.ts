import { describe, expect, it } from 'vitest';
import { nextEdits } from '../../cli/demo/edits.ts';
import { intercomBody, intercomPopulation } from '../../cli/demo/intercom.ts';
import { makeFaker, makePopulation } from '../../cli/demo/population.ts';
import {
  conflictsIn,
  countWrites,
  failures,
  intercomWrites,
  latencies,
  type MadeEdit,
  minimumEditCalls,
  outcomes,
  percentile,
  type Report,
  salesforceWrites,
} from '../../cli/demo/report.ts';
import type { LoggedCall } from '../../twins/intercom/calls.ts';

const call = (
  time: number,
  method: string,
  path: string,
  objectId: string,
  changed: readonly string[] | null,
): LoggedCall => ({
  n: time,
  time,
  client: 'app',
  method,
  path,
  status: 200,
  objectId,
  changed,
  noop: changed?.length === 0,
  fault: null,
});
const edit = (
  at: number,
  id: string,
  fields: MadeEdit['fields'],
  shows: readonly string[],
  before: MadeEdit['before'] = {},
  on: MadeEdit['on'] = 'salesforce',
): MadeEdit => ({ on, object: 'Contact', id, intercomId: `i-${id}`, fields, before, shows, at });
const each = <T>(salesforce: T, intercom: T = salesforce) => ({ salesforce, intercom });
const good: Report = {
  people: { salesforce: 10, intercom: 10, linked: 10 },
  sharing: 2,
  edits: each(5),
  firstLink: { seconds: 1, written: each(5), calls: each(5) },
  writesPerEdit: each(1),
  conflicts: { made: 1, salesforce: 1, intercom: 0, later: 0 },
  duplicates: 0,
  differences: 0,
  latencyMs: each({ p50: 1, p95: 2, p99: 3 }),
  calls: each(8, 105),
  minimumCalls: each(8, 100),
  burst: { rows: 100, calls: 2 },
  noopWrites: 0,
  coalesced: 0,
  seconds: 1,
  residentMiB: 300,
};

describe('latency', () => {
  it('is from the edit to the first write of one of its fields to the paired record', () => {
    const calls = [
      call(90, 'PUT', '/contacts/i-a', 'i-a', ['phone']),
      call(110, 'PUT', '/contacts/i-a', 'i-a', ['name']),
      call(120, 'PUT', '/contacts/i-b', 'i-b', ['phone']),
      call(150, 'PUT', '/contacts/i-a', 'i-a', ['phone']),
    ];
    const { values } = latencies([edit(100, 'a', { Phone: '1' }, ['phone'])], intercomWrites(calls));
    expect(values).toEqual([50]);
  });

  it('goes the other way by the rows of Salesforce’s calls', () => {
    const row = { created: false, changed: true };
    const written = [
      { ...row, id: 'b', fields: ['Phone'] },
      { ...row, id: 'a', fields: ['Id', 'Phone'] },
    ];
    const made = edit(100, 'a', { Phone: '1' }, ['Phone'], {}, 'intercom');
    const writes = salesforceWrites([
      {
        n: 1,
        time: 130,
        method: 'PATCH',
        path: '',
        client: null,
        origin: null,
        status: 200,
        rows: 2,
        changed: 2,
        written,
      },
    ]);
    expect(latencies([made], writes)).toEqual({ values: [30], coalesced: 0 });
  });

  it('counts an edit without a write of its own as overtaken and leaves out what need not show', () => {
    const edits = [edit(100, 'a', { Phone: '1' }, ['phone']), edit(100, 'a', { Department: 'x' }, [])];
    expect(latencies(edits, [])).toEqual({ values: [], coalesced: 1 });
  });

  it('has nearest-rank percentiles', () => {
    const values = Array.from({ length: 100 }, (_, n) => n + 1);
    expect([percentile(values, 0.5), percentile(values, 0.95), percentile([], 0.5)]).toEqual([50, 95, 0]);
  });
});

describe('a conflict', () => {
  const here = edit(1_000, 'a', { Phone: '1', Title: 'x' }, ['phone']);
  const there = (at: number, fields: MadeEdit['fields']) => edit(at, 'a', fields, [], {}, 'intercom');

  it('is one field given two values on two platforms within seconds', () => {
    expect(conflictsIn([here, there(2_000, { Phone: '2' })])).toMatchObject([{ id: 'a', field: 'Phone', at: 2_000 }]);
    expect(conflictsIn([here, there(2_000, { Phone: '1' })])).toEqual([]);
    expect(conflictsIn([here, there(2_000, { Seats__c: 1 })])).toEqual([]);
    expect(conflictsIn([here, there(5_000, { Phone: '2' })])).toEqual([]);
  });

  it('ends by the value that stands', () => {
    const conflicts = conflictsIn([here, there(2_000, { Phone: '2', Title: 'y' })]);
    const stands = (values: Readonly<Record<string, string>>) => outcomes(conflicts, (_, field) => values[field]);
    expect(stands({ Phone: '2', Title: 'x' })).toEqual({ made: 2, salesforce: 1, intercom: 1, later: 0 });
    expect(stands({ Phone: '3', Title: 'y' })).toEqual({ made: 2, salesforce: 0, intercom: 1, later: 1 });
  });
});

describe('writes', () => {
  it('count a company left and another joined at once as one, in either order, and each alone as one', () => {
    const leave = (time: number, person: string) =>
      call(time, 'DELETE', `/contacts/${person}/companies/x`, person, ['companies']);
    const join = (time: number, person: string) =>
      call(time, 'POST', `/contacts/${person}/companies`, person, ['companies']);
    expect(countWrites([leave(1, 'a'), join(2, 'a')])).toBe(1);
    expect(countWrites([join(1, 'a'), leave(2, 'a')])).toBe(1);
    expect(countWrites([leave(1, 'a'), join(2, 'b')])).toBe(2);
    expect(countWrites([leave(1, 'a'), join(60_000, 'a')])).toBe(2);
    expect(countWrites([leave(1, 'a'), join(2, 'a'), leave(3, 'a'), join(4, 'a')])).toBe(2);
  });

  it('leave out reads and refusals', () => {
    expect(countWrites([call(1, 'GET', '/contacts/a', 'a', null), call(2, 'PUT', '/contacts/a', 'a', null)])).toBe(0);
  });
});

describe('the fewest calls', () => {
  const all = () => true;
  it('are one for each group of edits of a record that lie close together', () => {
    const edits = [
      edit(0, 'a', { Title: '1' }, ['x']),
      edit(100, 'a', { Title: '2' }, ['x']),
      edit(1_000, 'a', { Title: '3' }, ['x']),
    ];
    expect(minimumEditCalls(edits, all)).toBe(2);
  });

  it('are none where a group changes nothing in sum', () => {
    const edits = [
      edit(0, 'a', { Title: '2' }, ['x'], { Title: '1' }),
      edit(10, 'a', { Title: '1' }, ['x'], { Title: '2' }),
    ];
    expect(minimumEditCalls(edits, all)).toBe(0);
  });

  it('are one for each company left and joined, beside the one for the other fields', () => {
    const move = edit(0, 'a', { AccountId: '002', Title: 'x' }, ['companies'], { AccountId: '001', Title: null });
    expect(minimumEditCalls([move], all)).toBe(3);
    expect(minimumEditCalls([move], (id) => id === '002')).toBe(2);
  });
});

describe('the verdict', () => {
  it('finds nothing wrong with a good report', () => {
    expect(failures(good)).toEqual([]);
  });

  it.each<[string, Partial<Report>]>([
    ['a difference', { differences: 1 }],
    ['a duplicate', { duplicates: 1 }],
    ['a write in vain', { noopWrites: 1 }],
    ['a stranger', { people: { salesforce: 10, intercom: 11, linked: 10 } }],
    ['more than one write per edit to Intercom', { writesPerEdit: each(1, 1.01) }],
    ['more than one write per edit to Salesforce', { writesPerEdit: each(1.01, 1) }],
    ['a slow edit', { latencyMs: { ...good.latencyMs, salesforce: { p50: 1, p95: 2_000, p99: 2_000 } } }],
    ['a burst in many calls', { burst: { rows: 99, calls: 2 } }],
    ['too many calls to Intercom', { calls: each(8, 106) }],
    ['too many calls to Salesforce', { calls: each(9, 100) }],
    ['too much memory', { residentMiB: 512 }],
  ])('fails for %s', (_, wrong) => {
    expect(failures({ ...good, ...wrong })).toHaveLength(1);
  });
});

describe('the people and their edits', () => {
  it('are the same for the same seed and others for another', () => {
    expect(makePopulation(50, 7)).toEqual(makePopulation(50, 7));
    expect(makePopulation(50, 8)).not.toEqual(makePopulation(50, 7));
  });

  it('have no email twice, and an edit shows exactly when it changes a value', () => {
    const { contacts } = makePopulation(300, 1);
    expect(new Set(contacts.map(({ row }) => row['Email'])).size).toBe(300);
    const faker = makeFaker(1);
    const world = {
      contacts: contacts.map(({ row }, n) => ({ id: `003${n}`, intercomId: n % 2 === 0 ? `i${n}` : '', row })),
      accounts: [{ id: '001', intercomId: '', row: { Name: 'Orchard' } }],
      teammates: ['005'],
    };
    const drawn = Array.from({ length: 500 }, () => nextEdits(faker, world, { intercom: 0.3, both: 0.1 })).flat();
    const there = drawn.filter(({ on }) => on === 'intercom');
    expect(there.length).toBeGreaterThan(50);
    expect(there.filter(({ intercomId }) => intercomId === '')).toEqual([]);
    expect(nextEdits(faker, world).map(({ on }) => on)).toEqual(['salesforce']);
    const vain = drawn.filter(({ fields, before }) =>
      Object.keys(fields).every((field) => (fields[field] ?? null) === (before[field] ?? null)),
    );
    expect(vain.length).toBeGreaterThan(0);
    expect(vain.filter(({ shows }) => shows.length > 0)).toEqual([]);
  });

  it('are in Intercom in part: the same and others, nobody twice, and companies that say whose they are', () => {
    const { contacts, accounts } = makePopulation(300, 1, 100);
    const person = (row: (typeof accounts)[number], n: number) => ({ id: `id-${n}`, intercomId: '', row });
    const there = intercomPopulation(makeFaker(2), {
      contacts: contacts.map(({ row, account }, n) => person({ ...row, AccountId: `id-${account ?? 'none'}` }, n)),
      accounts: accounts.map(person),
    });
    const people = there['contacts'] as readonly { email: string; role: string; companies?: readonly string[] }[];
    expect(new Set(people.map(({ email }) => email)).size).toBe(people.length);
    const known = new Set(contacts.map(({ row }) => row['Email']));
    expect(people.filter(({ email }) => known.has(email)).length).toBeGreaterThan(140);
    expect(people.filter(({ email, role }) => role === 'user' && !known.has(email))).toHaveLength(45);
    const companies = there['companies'] as readonly { company_id: string }[];
    const attached = new Set(people.flatMap((one) => one.companies ?? []));
    expect(companies.map(({ company_id: id }) => id).toSorted()).toEqual([...attached].toSorted());
  });

  it('say in Intercom what the same edit says in Salesforce', () => {
    const admins = new Map([['005', 7]]);
    const row = { LastName: 'Byron', OwnerId: '005', Renewal_Date__c: '2027-01-02', Phone: null, Department: 'x' };
    expect(intercomBody('Contact', row, { FirstName: 'Ada', LastName: 'Byron' }, admins)).toEqual({
      name: 'Ada Byron',
      owner_id: 7,
      phone: null,
      custom_attributes: { renewal_date: 1_798_848_000 },
    });
  });
});
