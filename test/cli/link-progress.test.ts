/** How far a link is said to be, and when it is said to be done. */
import { describe, expect, test } from 'vitest';
import { isLinked, type Look, type Needed, progressLine, secondsLeft, Tallying } from '../../cli/link/progress.ts';
import type { PlatformStatus } from '../../processors/unify/status.ts';

const needed: Needed = { salesforce: ['User,Account,Contact'], intercom: ['admin', 'company', 'contact'] };
const still = { open: 0, window: 10, dirty: { urgent: 0, live: 0, bulk: 0 }, currentTo: 1, hole: false };
const salesforce: PlatformStatus = { ...still, platform: 'salesforce', complete: ['User,Account,Contact'] };
const intercom: PlatformStatus = { ...still, platform: 'intercom', complete: ['admin', 'company', 'contact'] };
const done: Look = {
  at: 60_000,
  platforms: [salesforce, intercom],
  gated: 0,
  jobs: 0,
  lags: [{ stage: 'decode', topic: 'salesforce.raw', records: 3 }],
  left: { salesforce: 900, intercom: 40 },
  read: { salesforce: 1_200, intercom: 800 },
  asked: 100,
};

describe('a link', () => {
  test('is done when both platforms were read and nothing waits', () => {
    expect(isLinked(done, needed)).toBe(true);
  });

  test.each<[string, Look]>([
    ['a part is not read yet', { ...done, platforms: [salesforce, { ...intercom, complete: ['admin', 'company'] }] }],
    ['something is read again', { ...done, platforms: [{ ...salesforce, hole: true }, intercom] }],
    ['creates wait for both to be heard', { ...done, gated: 1 }],
    ['an answer is open', { ...done, platforms: [salesforce, { ...intercom, open: 1 }] }],
    [
      'records wait to be written',
      { ...done, platforms: [salesforce, { ...intercom, dirty: { urgent: 0, live: 0, bulk: 1 } }] },
    ],
    ['a stage is behind', { ...done, lags: [{ stage: 'unify', topic: 'changes', records: 500 }] }],
    ['a stage has not begun', { ...done, lags: [{ stage: 'unify', topic: 'changes', records: null }] }],
  ])('is not done while %s', (_, look) => {
    expect(isLinked(look, needed)).toBe(false);
  });
});

describe('how long it will take', () => {
  const before: Look = { ...done, at: 50_000, asked: 60, platforms: [salesforce, { ...intercom, open: 20 }] };
  const now: Look = {
    ...done,
    platforms: [salesforce, { ...intercom, open: 20, dirty: { urgent: 0, live: 10, bulk: 90 } }],
  };

  test('is what waits, at the pace of the answers of the last looks', () => {
    // 40 answers in ten seconds; 100 records and 20 open asks are left.
    expect(secondsLeft([before, now], needed)).toBe(30);
  });

  test('nobody can say before both are read, nor while no answer comes', () => {
    const half = { ...now, platforms: [{ ...salesforce, complete: [] }, ...now.platforms.slice(1)] };
    expect(secondsLeft([before, half], needed)).toBeUndefined();
    expect(secondsLeft([now], needed)).toBeUndefined();
    expect(secondsLeft([{ ...now, at: 0 }, now], needed)).toBeUndefined();
  });
});

test('who was matched or created counts once, by record; who is ambiguous by themselves', () => {
  const tally = new Tallying();
  const linked = { kind: 'linked', id: 'a', source: 'intercom:contact:7', reason: 'email' } as const;
  for (const entry of [linked, linked, { ...linked, source: 'intercom:contact:8', reason: 'created' }])
    tally.hear(entry);
  tally.hear({ ...linked, source: 'salesforce:Account:001A', reason: 'marker' });
  tally.hear({ kind: 'ambiguous', id: 'f', source: '', reason: '' });
  tally.hear({ kind: 'rejected', id: 'f', source: '', reason: '' });
  const look = {
    ...done,
    gated: 3,
    platforms: [salesforce, { ...intercom, complete: ['admin'], open: 2 }],
    lags: [{ stage: 'unify', topic: 'changes', records: null }],
  };
  expect(progressLine([look], needed, tally)).toBe(
    'salesforce read (1200 records); intercom reading company, contact (800 records); unify has not begun; ' +
      'people: 1 matched, 1 created; companies: 1 matched, 0 created; 1 ambiguous; ' +
      '3 creates wait for both to be heard; intercom 0 to write, 2 asked, 40 calls left',
  );
});
