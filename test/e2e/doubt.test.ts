/** The accounting that the kill tests rest on: it must find the write in vain that nothing excuses. */
import { expect, test } from 'vitest';
import type { Change, Epoch, Result } from '../../schemas/types.ts';
import type { LoggedCall } from '../../twins/intercom/calls.ts';
import { type Appended, doubtsOf } from '../support/doubt.ts';

let n = 0;
const call = (time: number, changed: readonly string[], more: Partial<LoggedCall> = {}): LoggedCall => ({
  n: ++n,
  time,
  client: 'app',
  method: 'PUT',
  path: '/contacts/a1',
  status: 200,
  objectId: 'a1',
  changed,
  noop: changed.length === 0,
  fault: null,
  ...more,
});
const part = {
  source: null,
  observation: null,
  result: null,
  epoch: null,
  mark: null,
  config: null,
  action: null,
};
const epoch = (time: number, id: string): Appended => {
  const said: Epoch = {
    platform: 'intercom',
    partition: 0,
    epoch: id,
    n: 0,
    window: 1,
    bulkWindow: 1,
    reason: '',
  };
  return { time, change: { ...part, kind: 'epoch', epoch: said } satisfies Change };
};
const result = (time: number, id: string, returned: Result['returned'] = null): Appended => {
  const said: Result = {
    command: 'c',
    platform: 'intercom',
    partition: 0,
    epoch: id,
    ref: 'intercom:contact:a1',
    outcome: 'applied',
    returned,
    platformTime: time,
    refusals: [],
    doubt: false,
    sentAt: 0,
    calls: 1,
    into: null,
  };
  return { time, change: { ...part, kind: 'result', result: said } satisfies Change };
};
const counted = (calls: readonly LoggedCall[], changes: readonly Appended[]) => {
  const { excused, unexcused } = doubtsOf(calls, changes);
  return [excused.length, unexcused.length];
};

test('a repetition of a call whose answer nobody recorded is excused, once', () => {
  const calls = [call(10, ['name']), call(30, [])];
  expect(counted(calls, [epoch(0, 'e1'), epoch(20, 'e2'), result(31, 'e2')])).toEqual([1, 0]);
  expect(counted([...calls, call(40, [])], [epoch(0, 'e1'), epoch(20, 'e2')])).toEqual([2, 0]);
  expect(counted([...calls, call(40, [])], [epoch(0, 'e1'), result(31, 'e1')])).toEqual([1, 1]);
});

test('a write in vain after the answer was recorded is not excused', () => {
  expect(counted([call(10, ['name']), call(30, [])], [epoch(0, 'e1'), result(11, 'e1')])).toEqual([0, 1]);
});

test('a write in vain that repeats nothing is not excused', () => {
  expect(counted([call(30, [])], [epoch(0, 'e1')])).toEqual([0, 1]);
  const elsewhere = call(10, ['companies'], { method: 'POST', path: '/contacts/a1/companies' });
  expect(counted([elsewhere, call(30, [])], [epoch(0, 'e1')])).toEqual([0, 1]);
});

test('an answer under an epoch that was no longer the newest leaves the call in doubt', () => {
  const changes = [epoch(0, 'e1'), epoch(20, 'e2'), result(25, 'e1')];
  expect(counted([call(10, ['name']), call(30, [])], changes)).toEqual([1, 0]);
});

test('an answer that says nothing of the memberships leaves the calls about them in doubt, and no others', () => {
  const returned: Result['returned'] = {
    ref: 'intercom:contact:a1',
    op: 'seen',
    via: 'answer',
    whole: false,
    created: false,
    fields: {},
    unknown: ['companies'],
    at: { time: 15, seq: -1, second: true },
    modified: null,
    origin: null,
    by: null,
    transaction: null,
    into: null,
  };
  const changes = [epoch(0, 'e1'), result(15, 'e1', returned)];
  const joining = { method: 'POST', path: '/contacts/a1/companies' };
  expect(counted([call(10, ['companies'], joining), call(30, [], joining)], changes)).toEqual([1, 0]);
  expect(counted([call(10, ['name']), call(30, [])], changes)).toEqual([0, 1]);
});
