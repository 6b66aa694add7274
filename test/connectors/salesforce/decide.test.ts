import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answered,
  asked,
  type Currency,
  closed,
  margin,
  noStream,
  opened,
  received,
  settle,
  written,
} from '../../../connectors/salesforce/decide-currency.ts';
import {
  afterLoss,
  afterRecord,
  afterSnapshotOf,
  type ConnectorState,
  claimOf,
  type Debt,
  datedAfter,
  debtOf,
  type Hole,
  header,
  mostRechecks,
  nextSnapshot,
  RecentIds,
  type RowNote,
  tooEarlyBy,
  unborn,
} from '../../../connectors/salesforce/decide-state.ts';
import { PlatformClock } from '../../../core/platform-clock.ts';
import { changeEventHeader } from '../../../processors/decode/salesforce.ts';
import { contactSchema, type EventParts, eventValue } from '../../processors/decode/change-events.ts';

const objects = ['User', 'Account', 'Contact'];
const lostHole: Hole = { detail: '', objects, since: 5, until: 0, lost: true, told: true, place: null };
const event = (replay: string, more: Record<string, string> = {}) => ({
  [header.eventId]: `event ${replay}`,
  [header.replayId]: Buffer.from(replay, 'hex'),
  ...more,
});
const owing = (ids: readonly string[], commit: number, object = 'Contact', more: Partial<Debt> = {}) =>
  event('01', {
    [header.debt]: JSON.stringify({ object, ids, commit, gone: false, hole: null, ...more } satisfies Debt),
  });
const row = (note: RowNote) => ({ [header.row]: JSON.stringify(note) });
const mark = (state: ConnectorState) => ({ [header.state]: JSON.stringify(state) });

describe('the state in the headers of raw', () => {
  it('is the last mark and what came after it', () => {
    let state = afterRecord(unborn, 'x', event('0a'));
    state = afterRecord(state, 'mark', mark({ ...state, org: '00D', claim: 5000 }));
    state = afterRecord(state, 'x', event('000b00'));
    expect(state).toEqual({ ...unborn, org: '00D', claim: 5000, cursor: '000b00' });
  });

  it('remembers how far a snapshot came, and goes on there', () => {
    expect(nextSnapshot(unborn, objects)).toEqual({ object: 'User', after: '' });
    const users = afterSnapshotOf(unborn, 'User');
    const state = afterRecord(users, '001B', row({ reason: 'snapshot', object: 'Account' }));
    expect(nextSnapshot(state, objects)).toEqual({ object: 'Account', after: '001B' });
    const done = afterSnapshotOf(afterSnapshotOf(state, 'Account'), 'Contact');
    expect(nextSnapshot(done, objects)).toBeUndefined();
    expect(nextSnapshot(done, [...objects, 'Lead'])).toEqual({ object: 'Lead', after: '' });
  });

  it('owes a recheck until its row stands in raw', () => {
    const owed = afterRecord(unborn, '003A', owing(['003A'], 5_000));
    expect(owed.rechecks).toEqual([
      { object: 'Contact', id: '003A', debt: 1, since: 5_000, until: 5_000, gone: false },
    ]);
    expect(afterRecord(owed, '003A', row({ reason: 'recheck', object: 'Contact', debt: 1 })).rechecks).toEqual([]);
    expect(afterRecord(owed, '003A', row({ reason: 'snapshot', object: 'Contact' })).rechecks).toEqual(owed.rechecks);
  });

  it('still owes a record whose row was read for an older gap than the last', () => {
    const once = afterRecord(unborn, '003A', owing(['003A', '003B'], 5_000));
    const twice = afterRecord(once, '003A', owing(['003A'], 7_000));
    expect(twice.rechecks.map(({ id, debt, since, until }) => [id, debt, since, until])).toEqual([
      ['003B', 1, 5_000, 5_000],
      ['003A', 2, 5_000, 7_000],
    ]);
    const first = ['003A', '003B'].reduce(
      (state, id) => afterRecord(state, id, row({ reason: 'recheck', object: 'Contact', debt: 1 })),
      twice,
    );
    expect(first.rechecks.map(({ id }) => id)).toEqual(['003A']);
    expect(afterRecord(first, '003A', row({ reason: 'recheck', object: 'Contact', debt: 2 })).rechecks).toEqual([]);
  });

  it('owes a record once, however many gaps it has', () => {
    let state = unborn;
    for (let n = 0; n < 50; n++) state = afterRecord(state, '003A', owing(['003A'], n));
    expect(state.rechecks).toEqual([{ object: 'Contact', id: '003A', debt: 50, since: 0, until: 49, gone: false }]);
  });

  it('owes all rows of an object instead of more records than a mark can hold, and goes on being small', () => {
    let state = afterRecord(unborn, '001A', owing(['001A'], 1_000, 'Account'));
    let longest = 0;
    for (let n = 0; n < 45_000; n++) {
      state = afterRecord(state, 'x', owing([`003Dp0000${String(n).padStart(9, '0')}`], n));
      if (n % 999 === 0) longest = Math.max(longest, JSON.stringify(state).length);
    }
    expect(longest).toBeLessThan(400_000);
    expect(state.rechecks.length).toBeLessThanOrEqual(mostRechecks);
    expect(state.rechecks).toContainEqual(expect.objectContaining({ object: 'Account', id: '001A' }));
    // One that may be under way, and one for all that came after it.
    expect(state.holes).toMatchObject([
      { objects: ['Contact'], since: 0, told: false, place: null },
      { objects: ['Contact'], since: 0, told: false, place: null },
    ]);
    const open = state.rechecks.filter(({ object }) => object === 'Contact').map(({ since }) => since);
    expect(state.holes.at(-1)?.until).toBe(Math.min(...open) - 1);
  });

  it('remembers how far a hole was read, and keeps it through another one', () => {
    const hole = (detail: string) => ({ ...lostHole, detail });
    const holes = [hole('stream lost, 1'), hole('other')];
    const note: RowNote = { reason: 'hole', object: 'Account', hole: 'stream lost, 1', modified: 9_000 };
    const state = afterRecord({ ...unborn, holes }, '001B', row(note));
    const place = { object: 'Account', id: '001B', modified: 9_000 };
    expect(state.holes).toEqual([{ ...holes[0], place, counts: { read: 1, changed: 1, deleted: 0 } }, holes[1]]);
    const more = afterRecord(state, 'x', owing([], 5, 'Lead', { hole: { ...lostHole, detail: 'Lead', lost: false } }));
    expect(more.holes[0]).toEqual(state.holes[0]);
  });

  const debtFor = (parts: EventParts['header'], unreached = false) =>
    debtOf(changeEventHeader(eventValue(contactSchema, { header: parts ?? {} })), unreached);

  it('owes nothing for an ordinary event, the records for a gap and for bits that cannot be named', () => {
    expect(debtFor({})).toBeNull();
    expect(debtFor({ entityName: 'Task', changeType: 'DELETE' })).toBeNull();
    expect(debtFor({ entityName: 'Task', changeType: 'GAP_DELETE' })).toBeNull();
    const owed = { object: 'Contact', ids: ['003Dp00000A1b2CIAR'], commit: 1_790_000_000_123, gone: false, hole: null };
    const commitTimestamp = BigInt(owed.commit);
    expect(debtFor({ changeType: 'GAP_UPDATE', commitTimestamp })).toEqual({ ...owed, gap: true });
    expect(debtFor({ changeType: 'UNDELETE', commitTimestamp })).toEqual(owed);
    expect(debtFor({ commitTimestamp }, true)).toEqual(owed);
  });

  it.each(['Contact', 'Lead', 'Account'])(
    'owes the row of a deleted %s, which alone says that it was merged',
    (name) => {
      for (const changeType of ['DELETE', 'GAP_DELETE'])
        expect(debtFor({ entityName: name, changeType })).toMatchObject({
          object: name,
          ids: [expect.any(String)],
          gone: true,
        });
    },
  );

  it('owes the rows modified since, instead of more deleted records than a mark can hold', () => {
    let state = unborn;
    for (let n = 0; n < 5 * mostRechecks; n++)
      state = afterRecord(
        state,
        'x',
        owing([`003Dp0000${String(n).padStart(9, '0')}`], 5_000 + n, 'Contact', { gone: true }),
      );
    // The first may be under way; the next stands for all that come after it.
    expect(state.holes.map(({ since }) => since)).toEqual([5_000, 5_000 + mostRechecks + 1]);
    const [only = ''] = state.rechecks.map(({ id }) => id);
    const back = afterRecord(state, 'x', owing([only], 20_000));
    expect(back.rechecks.at(-1)).toMatchObject({ id: only, gone: false });
    const again = afterRecord(back, 'x', owing([only], 21_000, 'Contact', { gone: true }));
    expect(again.rechecks.at(-1)).toMatchObject({ id: only, gone: false });
  });

  it('owes all rows for an event that names none', () => {
    const debt = debtFor({ changeType: 'GAP_OVERFLOW', recordIds: ['000000000000000AAA'] });
    expect(debt).toMatchObject({ ids: [], hole: { objects: ['Contact'], since: 0, told: true } });
  });

  it('makes every loss of the stream a hole of its own, read from the oldest on', () => {
    const begun = { ...afterSnapshotOf({ ...unborn, startedAt: 7000 }, 'User'), cursor: '0a' };
    const once = afterLoss(begun, objects);
    expect(once).toMatchObject({ cursor: null, holes: [{ objects, since: 7000 }] });
    const twice = afterLoss({ ...once, claim: 9000 }, objects);
    expect(twice.holes).toHaveLength(1);
    expect(twice.holes[0]?.since).toBe(7000);
    expect(twice.holes[0]?.detail).not.toBe(once.holes[0]?.detail);
    expect(afterLoss({ ...unborn, cursor: '0a' }, objects)).toEqual(unborn);
  });

  it('allows no claim while rows are missing', () => {
    expect(claimOf(unborn, objects, 9_000)).toBe(0);
    const done = objects.reduce(afterSnapshotOf, unborn);
    expect(claimOf(done, objects, 9_000)).toBe(9_000);
    expect(claimOf({ ...afterLoss(done, objects), claim: 4_000 }, objects, 9_000)).toBe(4_000);
  });

  it('allows no claim past the first gap of a record that is still to be read, and takes none back', () => {
    const done = objects.reduce(afterSnapshotOf, unborn);
    const stale = ['003A', '003B'].reduce((state, id, n) => afterRecord(state, id, owing([id], 5_200 + n)), done);
    const again = afterRecord(stale, '003A', owing(['003A'], 8_000));
    expect(claimOf(again, objects, 4_000)).toBe(4_000);
    expect(claimOf(again, objects, 9_000)).toBe(5_000);
    expect(claimOf({ ...again, claim: 6_000 }, objects, 9_000)).toBe(6_000);
  });
});

describe('the date of a row that was read because of a gap', () => {
  it('is after the second of the gap, or the row is read again', () => {
    expect(datedAfter(10_200, 11_000)).toBe(11_000);
    expect(datedAfter(10_200, 10_000)).toBeNull();
    expect(datedAfter(10_200, 9_000)).toBeNull();
    expect(tooEarlyBy(10_200, 9_000)).toBe(2_000);
    expect(datedAfter(10_200, 9_000 + tooEarlyBy(10_200, 9_000))).toBe(11_000);
  });

  it('is the second of the gap when clocks are apart or gap follows gap, so that reading comes to an end', () => {
    expect(datedAfter(60_200, 49_000)).toBe(60_000);
    expect(datedAfter(60_200, 59_000, 30_000)).toBeNull();
    expect(datedAfter(60_200, 59_000, 28_000)).toBe(60_000);
  });

  it('is never before the second of the gap', () => {
    const time = fc.nat(100_000);
    fc.assert(
      fc.property(time, time, time, (commit, at, age) => {
        const date = datedAfter(commit, at, commit - age);
        expect(date ?? Infinity).toBeGreaterThanOrEqual(Math.floor(commit / 1_000) * 1_000);
      }),
    );
  });
});

it('remembers event ids up to a number, the newest', () => {
  const ids = new RecentIds(2);
  for (const id of ['a', 'b', 'c']) ids.add(id);
  expect(['a', 'b', 'c'].map((id) => ids.has(id))).toEqual([false, true, true]);
});

describe('the claim to be current', () => {
  const at = 1_000_000_000;
  const beat = (state: Currency, sentAt: number): Currency => answered(state, { sentAt, platformAt: at + sentAt });

  it('is the clock less the margin on a stream that was quiet for a while', () => {
    let state = opened(noStream, 0, 100);
    for (let now = 1000; now < settle; now += 1000) state = beat(state, now);
    expect(state.claim).toBe(0);
    state = beat(state, settle);
    expect(state.claim).toBe(at + settle - margin);
  });

  it('is the last commit less the margin on a busy one, however late the clock', () => {
    let state = opened(noStream, 0, 100);
    for (let now = 1000; now < 60_000; now += 1000) {
      state = received(state, now - 500, 10);
      state = asked(written(state, at - 3_600_000 + now), now - 400, 10);
      state = beat(state, now);
    }
    expect(state.claim).toBe(at - 3_600_000 + 59_000 - margin);
  });

  it('does not take for quiet what is silent for want of credit', () => {
    let state = opened(noStream, 0, 100);
    state = received(state, 100, 100);
    for (let now = 1000; now < 60_000; now += 1000) state = beat(state, now);
    expect(state.claim).toBe(0);
    state = beat(asked(state, 60_000, 100), 60_500);
    expect(state.claim).toBe(0);
  });

  it('never falls, over breaks of the stream neither, and is never ahead of the clock', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('event' as const), count: fc.integer({ min: 1, max: 40 }), late: fc.nat(5000) }),
      fc.record({ kind: fc.constant('beat' as const) }),
      fc.record({ kind: fc.constant('break' as const) }),
      fc.record({ kind: fc.constant('ask' as const), count: fc.integer({ min: 1, max: 100 }) }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2000), step), { maxLength: 60 }), (history) => {
        let now = 0;
        let state = opened(noStream, now, 100);
        for (const [pause, one] of history) {
          now += pause;
          const before = state.claim;
          if (one.kind === 'event') state = written(received(state, now, one.count), at + now - one.late);
          else if (one.kind === 'ask') state = asked(state, now, one.count);
          else if (one.kind === 'beat') state = beat(state, now);
          else state = opened(closed(state), now, 100);
          expect(state.claim).toBeGreaterThanOrEqual(before);
          expect(state.claim).toBeLessThanOrEqual(Math.max(0, at + now - margin));
        }
      }),
    );
  });
});

describe("the platform's clock", () => {
  it('is never told ahead of the true one, whatever answers took and when', () => {
    const answer = fc.record({ pause: fc.nat(100_000), delay: fc.nat(5000) });
    fc.assert(
      fc.property(fc.nat(1e9), fc.array(answer, { minLength: 1, maxLength: 30 }), (offset, answers) => {
        const clock = new PlatformClock();
        let now = 0;
        for (const { pause, delay } of answers) {
          now += pause;
          const dated = Math.floor((offset + now) / 1000) * 1000;
          now += delay;
          clock.observe(dated, now);
          expect(clock.at(now)).toBeLessThanOrEqual(offset + now);
          expect(clock.at(now)).toBeGreaterThanOrEqual(offset + now - delay - 1000);
        }
      }),
    );
  });

  it('is not known before the first answer', () => {
    expect(new PlatformClock().at(5)).toBeUndefined();
  });
});
