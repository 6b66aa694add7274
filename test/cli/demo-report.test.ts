import { describe, expect, it } from 'vitest';
import { nextEdit } from '../../cli/demo/edits.ts';
import { makeFaker, makePopulation } from '../../cli/demo/population.ts';
import {
  countWrites,
  failures,
  latencies,
  type MadeEdit,
  minimumEditCalls,
  minimumFirstCalls,
  percentile,
  type Report,
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
): MadeEdit => ({
  object: 'Contact',
  id,
  fields,
  before,
  shows,
  at,
});
const good: Report = {
  people: { salesforce: 10, intercom: 10, linked: 10 },
  edits: 5,
  writesPerEdit: { intercom: 1 },
  duplicates: 0,
  differences: 0,
  latencyMs: { p50: 1, p95: 2, p99: 3 },
  calls: { salesforce: 8, intercom: 105 },
  minimumCalls: { salesforce: 8, intercom: 100 },
  noopWrites: 0,
  coalesced: 0,
  seconds: 1,
  residentMiB: 300,
};

describe('latency', () => {
  it('is from the edit to the first write of one of its fields to the paired record', () => {
    const calls = [
      call(90, 'PUT', '/contacts/c1', 'c1', ['phone']),
      call(110, 'PUT', '/contacts/c1', 'c1', ['name']),
      call(120, 'PUT', '/contacts/c2', 'c2', ['phone']),
      call(150, 'PUT', '/contacts/c1', 'c1', ['phone']),
    ];
    const { values } = latencies([edit(100, '003', { Phone: '1' }, ['phone'])], calls, new Map([['003', 'c1']]));
    expect(values).toEqual([50]);
  });

  it('counts an edit without a write of its own as overtaken and leaves out what need not show', () => {
    const edits = [edit(100, '003', { Phone: '1' }, ['phone']), edit(100, '003', { Department: 'x' }, [])];
    expect(latencies(edits, [], new Map([['003', 'c1']]))).toEqual({ values: [], coalesced: 1 });
  });

  it('has nearest-rank percentiles', () => {
    const values = Array.from({ length: 100 }, (_, n) => n + 1);
    expect([percentile(values, 0.5), percentile(values, 0.95), percentile([], 0.5)]).toEqual([50, 95, 0]);
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

  it('begin with five looks and a creation for each custom attribute', () => {
    expect([minimumFirstCalls(0), minimumFirstCalls(14)]).toEqual([5, 19]);
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
    ['more than one write per edit', { writesPerEdit: { intercom: 1.01 } }],
    ['a slow edit', { latencyMs: { p50: 1, p95: 2_000, p99: 2_000 } }],
    ['too many calls to Intercom', { calls: { salesforce: 8, intercom: 106 } }],
    ['too many calls to Salesforce', { calls: { salesforce: 9, intercom: 100 } }],
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
      contacts: contacts.map(({ row }, n) => ({ id: `003${n}`, row })),
      accounts: [{ id: '001', row: { Name: 'Orchard' } }],
      teammates: ['005'],
    };
    const drawn = Array.from({ length: 500 }, () => nextEdit(faker, world));
    const vain = drawn.filter(({ fields, before }) =>
      Object.keys(fields).every((field) => (fields[field] ?? null) === (before[field] ?? null)),
    );
    expect(vain.length).toBeGreaterThan(0);
    expect(vain.filter(({ shows }) => shows.length > 0)).toEqual([]);
  });
});
