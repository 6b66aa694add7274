import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlatformClock } from '../../../connectors/salesforce/clock.ts';
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
  debtOf,
  header,
  mayClaim,
  nextSnapshot,
  RecentIds,
  unborn,
} from '../../../connectors/salesforce/decide-state.ts';
import { changeEventHeader } from '../../../processors/decode/salesforce.ts';
import { contactSchema, type EventParts, eventValue } from '../../processors/decode/change-events.ts';

const objects = ['User', 'Account', 'Contact'];
const event = (replay: string, more: Record<string, string> = {}) => ({
  [header.eventId]: `event ${replay}`,
  [header.replayId]: Buffer.from(replay, 'hex'),
  ...more,
});
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
    const state = afterRecord(users, '001B', { [header.row]: 'snapshot Account' });
    expect(nextSnapshot(state, objects)).toEqual({ object: 'Account', after: '001B' });
    const done = afterSnapshotOf(afterSnapshotOf(state, 'Account'), 'Contact');
    expect(nextSnapshot(done, objects)).toBeUndefined();
    expect(nextSnapshot(done, [...objects, 'Lead'])).toEqual({ object: 'Lead', after: '' });
  });

  it('owes a recheck until its row stands in raw', () => {
    const debt = { rechecks: [{ object: 'Contact', id: '003A' }], hole: null };
    const owing = afterRecord(unborn, '003A', event('01', { [header.debt]: JSON.stringify(debt) }));
    expect(owing.rechecks).toEqual(debt.rechecks);
    expect(afterRecord(owing, '003A', { [header.row]: 'recheck Contact' }).rechecks).toEqual([]);
    expect(afterRecord(owing, '003A', { [header.row]: 'snapshot Contact' }).rechecks).toEqual(debt.rechecks);
  });

  const debtFor = (parts: EventParts['header'], unreached = false) =>
    debtOf(changeEventHeader(eventValue(contactSchema, { header: parts ?? {} })), unreached);

  it('owes nothing for an ordinary event, the records for a gap and for bits that cannot be named', () => {
    expect(debtFor({})).toBeNull();
    expect(debtFor({ changeType: 'GAP_DELETE' })).toBeNull();
    const owed = [{ object: 'Contact', id: '003Dp00000A1b2CIAR' }];
    expect(debtFor({ changeType: 'GAP_UPDATE' })?.rechecks).toEqual(owed);
    expect(debtFor({ changeType: 'UNDELETE' })?.rechecks).toEqual(owed);
    expect(debtFor({}, true)?.rechecks).toEqual(owed);
  });

  it('owes all rows for an event that names none', () => {
    const debt = debtFor({ changeType: 'GAP_OVERFLOW', recordIds: ['000000000000000AAA'] });
    expect(debt).toMatchObject({ rechecks: [], hole: { objects: ['Contact'], since: 0 } });
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
    expect(mayClaim(unborn, objects)).toBe(false);
    const done = objects.reduce(afterSnapshotOf, unborn);
    expect(mayClaim(done, objects)).toBe(true);
    expect(mayClaim(afterLoss(done, objects), objects)).toBe(false);
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
