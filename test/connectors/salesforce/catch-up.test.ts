/** Reading over REST against the Salesforce twin, with the raw topic in memory. */
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CatchUp } from '../../../connectors/salesforce/catch-up.ts';
import {
  afterRecord,
  type ConnectorState,
  type Debt,
  header,
  unborn,
} from '../../../connectors/salesforce/decide-state.ts';
import { RawWriter } from '../../../connectors/salesforce/raw-writer.ts';
import { describe as describeObject } from '../../../connectors/salesforce/reads.ts';
import { SalesforceRest } from '../../../connectors/salesforce/rest.ts';
import type { BudgetLane } from '../../../core/budget.ts';
import { TributaryError } from '../../../core/errors.ts';
import type { OutRecord } from '../../../core/kafka.ts';
import { memoryCodec } from '../../../core/registry.ts';
import { Wake } from '../../../core/tasks.ts';
import { decodeSalesforce } from '../../../processors/decode/salesforce.ts';
import type { RawRecord, SourceMark } from '../../../schemas/types.ts';
import { type SalesforceTwin, startSalesforceTwin } from '../../../twins/salesforce/server.ts';

const codec = memoryCodec();
const wake = new Wake();
let twin: SalesforceTwin;
let rest: SalesforceRest;
let raw: OutRecord[];
let writer: RawWriter;
let stop: AbortController;
let stands: boolean;
let running: Promise<void>;
let spend: (lane: BudgetLane) => void;
let onWritten: (records: readonly OutRecord[]) => Promise<void>;

beforeEach(async () => {
  twin = await startSalesforceTwin();
  rest = new SalesforceRest({
    loginUrl: twin.restUrl,
    clientId: 'tributary',
    clientSecret: () => 'tributary-secret',
    apiVersion: '67.0',
    client: 'tributary',
    spend: async ({ lane }) => spend(lane),
  });
  spend = () => undefined;
  stop = new AbortController();
  running = Promise.resolve();
  stands = true;
  onWritten = async () => undefined;
});
afterEach(async () => {
  stop.abort();
  await running;
  await rest.close();
  await twin.close();
});

/** Goes on from this state. */
async function start(state: Partial<ConnectorState>): Promise<void> {
  raw = [];
  const producer = {
    send: async (records: readonly OutRecord[]) => {
      raw.push(...records);
      await onWritten(records);
    },
    close: async () => undefined,
  };
  const recalled = { state: { ...unborn, snapshot: { done: ['Contact'], place: null }, ...state }, seen: ids };
  writer = new RawWriter(producer, codec, recalled, () => undefined);
  const catchUp = new CatchUp({
    rest,
    writer,
    kafka: { admin: { lag: async () => 0 } },
    shapes: new Map([['Contact', (await describeObject(rest, 'Contact')).shape(['Email'])]]),
    objects: ['Contact'],
    maxLag: 10_000,
    wake,
    stands: () => stands,
    now: () => performance.now(),
    log: pino({ level: 'silent' }),
  });
  running = catchUp.run(stop.signal);
}
const ids = { has: () => false, add: () => undefined } as unknown as ConstructorParameters<typeof RawWriter>[2]['seen'];

const fault = (body: object): Promise<unknown> =>
  fetch(`${twin.restUrl}/__twin/faults`, { method: 'POST', body: JSON.stringify(body) });
const load = (count: number): readonly string[] =>
  twin.model.load(
    'Contact',
    Array.from({ length: count }, (_, n) => ({ LastName: `P${n}` })),
    twin.now(),
  );

/** An event of the stream that tells only that a record changed. */
async function gap(id: string, commit: number, isGapEvent = false): Promise<void> {
  const debt: Debt = {
    object: 'Contact',
    ids: [id],
    commit,
    gone: false,
    ...(isGapEvent && { gap: true }),
    hole: null,
  };
  const headers = { [header.replayId]: Buffer.from([1]), [header.debt]: JSON.stringify(debt) };
  await writer.write(() => [{ topic: 'salesforce.raw', key: id, value: null, headers }]);
  wake.wake();
}

const rows = (): readonly RawRecord[] =>
  raw.flatMap(({ value, headers }) =>
    headers?.[header.row] === undefined ? [] : [codec.decode(value ?? Buffer.alloc(0)).value as RawRecord],
  );
const marks = (): readonly SourceMark[] =>
  raw.flatMap(({ key, value }) => (key === 'mark' ? [codec.decode(value ?? Buffer.alloc(0)).value as SourceMark] : []));
const queries = (): readonly string[] => twin.calls.map(({ path }) => path).filter((path) => path.includes('/query'));

test('a record with another gap while it is being read is read once more', async () => {
  const [id = ''] = load(1);
  const commit = twin.now() - 20_000;
  await start({});
  await fault({ kind: 'delay', match: 'GET /query', ms: 400, apply: 'after' });
  const asked = vi.spyOn(rest, 'call');
  await gap(id, commit);
  await vi.waitFor(() => expect(asked).toHaveBeenCalledTimes(1), { interval: 5 });
  expect(rows()).toEqual([]);
  await gap(id, commit + 1_000);
  await vi.waitFor(() => expect(writer.state.rechecks).toEqual([]), { timeout: 5_000 });
  expect(rows().map(({ recordId }) => recordId)).toEqual([id, id]);
});

test('a record is read until the date of its row is past the second of the gap', async () => {
  const [id = ''] = load(1);
  await start({});
  const commit = twin.now();
  await gap(id, commit);
  await vi.waitFor(() => expect(writer.state.rechecks).toEqual([]), { timeout: 8_000 });
  expect(rows()).toHaveLength(1);
  expect(rows()[0]?.takenAt).toBeGreaterThan(commit);
  expect(queries().length).toBeGreaterThan(1);
  expect(queries().length).toBeLessThan(5);
}, 10_000);

test('a deleted record is read from the Recycle Bin, and its row says into which one it was merged', async () => {
  const [winner = '', loser = '', lost = ''] = load(3);
  const caller = { userId: twin.model.personUserId, changeOrigin: '' };
  const commit = twin.now() - 20_000;
  twin.model.merge('Contact', winner, [loser], caller, commit);
  twin.model.execute([{ op: 'delete', object: 'Contact', id: lost }], caller, commit);
  await start({});
  for (const id of [loser, lost, '003000000000001AAA']) await gap(id, commit);
  await vi.waitFor(() => expect(writer.state.rechecks).toEqual([]), { timeout: 5_000 });
  const source = { topic: 'salesforce.raw', partition: 0, offset: 0, index: 0 };
  const told = rows()
    .flatMap((value) => decodeSalesforce({ form: 'row', value, multiSelects: [] }, source))
    .map(({ observation }) => [observation?.ref, [observation?.op, observation?.into]] as const);
  expect(Object.fromEntries(told)).toEqual({
    [`salesforce:Contact:${loser}`]: ['moved', `salesforce:Contact:${winner}`],
    [`salesforce:Contact:${lost}`]: ['deleted', null],
    'salesforce:Contact:003000000000001AAA': ['deleted', null],
  });
});

const hole = {
  detail: 'gaps of Contact, 1',
  objects: ['Contact'],
  since: 0,
  until: 0,
  lost: false,
  told: false,
  place: null,
};

test('a hole goes on after the last row in raw when an answer fails', async () => {
  const loaded = load(2_600);
  let armed = false;
  onWritten = async (records) => {
    if (armed || !records.some(({ headers }) => headers?.[header.row] !== undefined)) return;
    armed = true;
    await fault({ kind: 'http', match: 'GET /queryAll', status: 503, times: 1 });
  };
  await start({ holes: [hole] });
  await vi.waitFor(() => expect(writer.state.holes).toEqual([]), { timeout: 8_000 });
  const read = rows().map(({ recordId }) => recordId);
  expect(read).toHaveLength(2_600);
  expect(new Set(read)).toEqual(new Set(loaded));
  expect(marks().map(({ kind, detail }) => [kind, detail])).toEqual([
    ['holeOpen', hole.detail],
    ['holeClosed', hole.detail],
  ]);
  expect(marks().at(-1)?.certificate).toMatchObject({
    method: 'all',
    since: 0,
    read: 2_600,
    changed: 2_600,
    deleted: 0,
  });
}, 10_000);

test('whoever takes over goes on in the hole from what the headers tell', async () => {
  const loaded = load(2_600);
  onWritten = async (records) => {
    if (records.some(({ headers }) => headers?.[header.row] !== undefined)) stop.abort();
  };
  const before = { snapshot: { done: ['Contact'], place: null }, holes: [{ ...hole, told: true }] };
  await start(before);
  await running;
  const first = raw;
  expect(first.length).toBeLessThan(2_600);
  let state: ConnectorState = { ...unborn, ...before };
  for (const { key, headers = {} } of first) state = afterRecord(state, String(key), headers);
  stop = new AbortController();
  onWritten = async () => undefined;
  await start(state);
  await vi.waitFor(() => expect(writer.state.holes).toEqual([]), { timeout: 5_000 });
  expect(marks().map(({ kind }) => kind)).toEqual(['holeClosed']);
  expect(marks()[0]?.certificate).toMatchObject({ read: 2_600, changed: 2_600, deleted: 0 });
  raw.unshift(...first);
  expect(rows()).toHaveLength(2_600);
  expect(new Set(rows().map(({ recordId }) => recordId))).toEqual(new Set(loaded));
}, 10_000);

test('records of gap events are vouched for together, once, when none of them is left to be read', async () => {
  const [one = '', other = ''] = load(2);
  const contact = twin.model.object('Contact');
  if (contact === undefined) throw new Error('no Contact');
  twin.model.execute(
    [{ op: 'delete', object: 'Contact', id: other }],
    { userId: twin.model.personUserId, changeOrigin: '' },
    twin.now(),
    false,
  );
  const commit = twin.now() - 60_000;
  await start({});
  await gap(one, commit, true);
  await gap(other, commit + 1_000, true);
  await vi.waitFor(() => expect(marks().filter(({ certificate }) => certificate)).not.toEqual([]), { timeout: 5_000 });
  await vi.waitFor(() => expect(writer.state.gaps).toBeNull());
  const told = marks().flatMap(({ certificate }) => certificate ?? []);
  const sum = (of: 'read' | 'changed' | 'deleted') => told.reduce((total, each) => total + each[of], 0);
  expect([sum('read'), sum('changed'), sum('deleted')]).toEqual([2, 1, 1]);
  expect(told[0]).toMatchObject({ hole: 'gaps of Contact', method: 'named', since: commit });
  expect(marks().every(({ kind }) => kind === 'mark')).toBe(true);
}, 10_000);

test('reading stops when the calls are used up and goes on by itself; a gap is read with what bulk work leaves', async () => {
  const [id = ''] = load(3);
  const asked: BudgetLane[] = [];
  spend = (lane) => {
    asked.push(lane);
    if (asked.length === 2) throw new TributaryError('PLATFORM_LIMIT', 'used up');
  };
  await start({ snapshot: { done: [], place: null } });
  await gap(id, twin.now() - 60_000);
  await vi.waitFor(() => expect(marks().map(({ kind }) => kind)).toEqual(['snapshotComplete']), { timeout: 8_000 });
  expect(asked).toEqual(['live', 'bulk', 'live', 'bulk']);
  expect(rows().map(({ reason }) => reason)).toEqual(['recheck', 'snapshot', 'snapshot', 'snapshot']);
}, 10_000);

test('a hole is not read before the stream stands: what is committed until then would be missed again', async () => {
  const [id = ''] = load(1);
  stands = false;
  await start({ holes: [hole] });
  // A recheck comes after a hole that is not read, and shows that there was time for it.
  await gap(id, twin.now() - 60_000);
  await vi.waitFor(() => expect(writer.state.rechecks).toEqual([]), { timeout: 5_000 });
  wake.wake();
  await gap(id, twin.now() - 60_000);
  await vi.waitFor(() => expect(writer.state.rechecks).toEqual([]), { timeout: 5_000 });
  expect(marks()).toEqual([]);
  stands = true;
  wake.wake();
  await vi.waitFor(() => expect(marks().map(({ kind }) => kind)).toEqual(['holeOpen', 'holeClosed']));
  expect(rows().map(({ reason }) => reason)).toEqual(['recheck', 'recheck', 'hole']);
}, 10_000);
