import { describe, expect, it } from 'vitest';
import type { Output } from '../../core/fold.ts';
import { changeOf } from '../../schemas/change.ts';
import type { Command, Result } from '../../schemas/types.ts';
import { doubtfulCalls } from './doubts.ts';

const ref = 'intercom:contact:abc';

const asked = (id: string, more: Partial<Command> = {}): Output => {
  const value: Command = {
    id,
    platform: 'intercom',
    epoch: 'e',
    verb: 'update',
    object: 'contact',
    ref,
    key: 'c',
    fields: { name: 'Ada' },
    before: {},
    lane: 'live',
    askedAt: 5_000,
    expiresAt: 65_000,
    doubt: false,
    lineage: '',
    ...more,
  };
  return { topic: `${value.platform}.commands`, key: ref, schema: 'Command', value };
};

const answered = (command: string, platformTime: number, doubt: boolean) => {
  const result: Result = {
    command,
    platform: 'intercom',
    partition: 0,
    epoch: 'e',
    ref,
    outcome: 'applied',
    returned: null,
    platformTime,
    refusals: [],
    doubt,
    sentAt: 0,
    calls: 1,
    into: null,
  };
  return { offset: 0, time: 0, key: ref, lineage: 0, change: changeOf({ kind: 'result', result }) };
};

describe('the calls in doubt of a history', () => {
  const of = (outputs: readonly Output[], records: readonly ReturnType<typeof answered>[]) =>
    doubtfulCalls({
      unify: { outputs: outputs.map((one) => ({ partition: 0, ...one })) },
      log: { records: [...records] },
    });

  it('are those of Intercom whose answer says so, from when they were asked until two minutes after its second', () => {
    expect(of([asked('a#1')], [answered('a#1', 10_000, true)])).toEqual([
      { ref, fields: { name: 'Ada' }, from: 5_000, until: 130_999 },
    ]);
  });

  it('are none of those that were answered well, not at all, or on the other platform', () => {
    const records = [answered('a#1', 10_000, false), answered('b#1', 10_000, true)];
    expect(of([asked('a#1'), asked('c#1'), asked('b#1', { platform: 'salesforce' })], records)).toEqual([]);
  });

  it('may be carried out until the last of their answers says', () => {
    const records = [answered('a#1', 10_000, true), answered('a#1', 40_000, true)];
    expect(of([asked('a#1')], records).map(({ until }) => until)).toEqual([160_999]);
  });
});
