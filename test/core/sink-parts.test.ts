import { describe, expect, test } from 'vitest';
import { type Breaker, closed, failed, stateOf } from '../../core/breaker.ts';
import { CommandQueue } from '../../core/command-queue.ts';
import { LogClock, windowFor } from '../../core/sink-parts.ts';
import type { Command } from '../../schemas/types.ts';

const command = (id: string, given: Partial<Command> = {}): Command => ({
  id,
  platform: 'intercom',
  epoch: 'e',
  verb: 'update',
  object: 'contact',
  ref: `intercom:contact:${id}`,
  key: 'customer',
  fields: {},
  before: {},
  lane: 'live',
  askedAt: 0,
  expiresAt: 0,
  lineage: '',
  ...given,
});

describe('command queue', () => {
  const queueOf = (...commands: Command[]): CommandQueue<{ command: Command }> => {
    const queue = new CommandQueue<{ command: Command }>();
    for (const one of commands) queue.add({ command: one });
    return queue;
  };

  test('takes urgent before live before bulk, and each lane in its order', () => {
    const queue = queueOf(
      command('b', { lane: 'bulk' }),
      command('l1'),
      command('l2'),
      command('u', { lane: 'urgent' }),
    );
    expect([1, 2, 3, 4, 5].map(() => queue.next()?.command.id)).toEqual(['u', 'l1', 'l2', 'b', undefined]);
  });

  test('runs the commands of one record one after the other, others meanwhile', () => {
    const queue = queueOf(command('a1', { ref: 'r' }), command('a2', { ref: 'r', lane: 'urgent' }), command('b'));
    const first = queue.next();
    expect(first?.command.id).toBe('a2');
    expect(queue.next()?.command.id).toBe('b');
    expect(queue.next()).toBeUndefined();
    if (first !== undefined) queue.done(first);
    expect(queue.next()?.command.id).toBe('a1');
  });

  test('knows a create by its key, since it has no ref yet', () => {
    const queue = queueOf(command('c1', { ref: '', key: 'k' }), command('c2', { ref: '', key: 'k' }));
    expect(queue.next()?.command.id).toBe('c1');
    expect(queue.next()).toBeUndefined();
  });

  test('lets go of what has to go and keeps the rest in order', () => {
    const queue = queueOf(
      command('a', { expiresAt: 5 }),
      command('b', { expiresAt: 9 }),
      command('c', { expiresAt: 5 }),
    );
    expect(queue.take(({ command: { expiresAt } }) => expiresAt < 7).map((one) => one.command.id)).toEqual(['a', 'c']);
    expect(queue.size).toBe(1);
  });
});

describe('breaker', () => {
  const rule = { limit: 3, pauseMs: 100, longestMs: 300 };
  const after = (kinds: readonly [string, string][], from: Breaker = closed): Breaker =>
    kinds.reduce((breaker, [kind, subject]) => failed(breaker, rule, kind, subject, 0), from);

  test('opens after a run of different records refused alike', () => {
    const two = after([
      ['x', 'a'],
      ['x', 'b'],
    ]);
    expect(stateOf(two, 0)).toBe('closed');
    expect(stateOf(after([['x', 'c']], two), 0)).toBe('open');
  });

  test('one record that is refused again and again is one bad record', () => {
    const run = after(Array.from({ length: 9 }, () => ['x', 'a']));
    expect(stateOf(run, 0)).toBe('closed');
  });

  test('another kind of refusal begins another run', () => {
    const mixed = after([
      ['x', 'a'],
      ['x', 'b'],
      ['y', 'c'],
      ['x', 'd'],
    ]);
    expect(stateOf(mixed, 0)).toBe('closed');
  });

  test('tries one after the pause, and stays away twice as long when that fails too, up to a limit', () => {
    let breaker = after([
      ['x', 'a'],
      ['x', 'b'],
      ['x', 'c'],
    ]);
    expect(stateOf(breaker, 99)).toBe('open');
    expect(stateOf(breaker, 100)).toBe('half-open');
    breaker = failed(breaker, rule, 'x', 'd', 100);
    expect([stateOf(breaker, 299), stateOf(breaker, 300)]).toEqual(['open', 'half-open']);
    breaker = failed(breaker, rule, 'x', 'e', 300);
    breaker = failed(breaker, rule, 'x', 'f', 600);
    expect([stateOf(breaker, 899), stateOf(breaker, 900)]).toEqual(['open', 'half-open']);
  });

  test('failures of calls begun before it opened do not lengthen the pause', () => {
    const open = after([
      ['x', 'a'],
      ['x', 'b'],
      ['x', 'c'],
    ]);
    expect(failed(open, rule, 'x', 'd', 50)).toEqual(open);
  });
});

describe('window', () => {
  const level = { perWindow: 1332, windowMs: 10_000, pausedMs: 0, left: 0, away: false };

  test('is what the budget allows in the life of an ask, shared by the partitions, and never wide', () => {
    expect(windowFor(level, 'closed')).toEqual([100, 70]);
    expect(windowFor({ ...level, perWindow: 10 }, 'closed')).toEqual([15, 10]);
    expect(windowFor({ ...level, perWindow: 10, pausedMs: 30_000 }, 'closed')).toEqual([7, 4]);
  });

  test('is never nothing for a small budget, and nothing only when nothing can be done', () => {
    expect(windowFor({ ...level, perWindow: 1, windowMs: 60_000 }, 'closed')).toEqual([1, 1]);
    expect(windowFor({ ...level, pausedMs: 60_000 }, 'closed')).toEqual([0, 0]);
    expect(windowFor(level, 'open')).toEqual([0, 0]);
    expect(windowFor(level, 'half-open')).toEqual([1, 1]);
  });
});

describe('log clock', () => {
  test('follows the log, whose clock is ahead of ours or behind', () => {
    let now = 1_000;
    const clock = new LogClock(() => now);
    expect(clock.now()).toBe(1_000);
    clock.appended(5_990, 1_000);
    clock.appended(5_950, 1_000);
    now = 1_100;
    expect(clock.now()).toBe(6_090);
    const behind = new LogClock(() => now);
    behind.appended(100, 1_100);
    expect(behind.now()).toBe(100);
  });
});
