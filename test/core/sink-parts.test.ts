import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { type Breaker, closed, failed, stateOf } from '../../core/breaker.ts';
import { CommandQueue } from '../../core/command-queue.ts';
import { TributaryError } from '../../core/errors.ts';
import type { OutRecord, SafeProducer } from '../../core/kafka.ts';
import { Gate, LogClock, Outbox, windowFor } from '../../core/sink-parts.ts';
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
  doubt: false,
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

  test('what could not be done after all waits before those that came later', () => {
    const queue = queueOf(command('a'), command('b'));
    const first = queue.next();
    if (first !== undefined) {
      queue.done(first);
      queue.putBack(first);
    }
    expect([queue.next(), queue.next()].map((one) => one?.command.id)).toEqual(['a', 'b']);
  });

  test('hands out only what fits', () => {
    const queue = queueOf(command('a', { lane: 'urgent' }), command('b'));
    expect(queue.next((one) => one.command.lane === 'live')?.command.id).toBe('b');
    expect(queue.next((one) => one.command.lane === 'live')).toBeUndefined();
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
  const rule = { limit: 3, probes: 1, pauseMs: 100, longestMs: 300 };
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

  test('takes as many failures as the rule has probes before it stays away again', () => {
    const probing = { ...rule, probes: 2 };
    let breaker = after([
      ['x', 'a'],
      ['x', 'b'],
      ['x', 'c'],
    ]);
    breaker = failed(breaker, probing, 'x', 'd', 100);
    expect(stateOf(breaker, 100)).toBe('half-open');
    breaker = failed(breaker, probing, 'x', 'e', 100);
    expect([stateOf(breaker, 299), stateOf(breaker, 300)]).toEqual(['open', 'half-open']);
    breaker = failed(breaker, probing, 'x', 'f', 300);
    expect(stateOf(breaker, 300)).toBe('half-open');
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
    expect(windowFor(level, 'closed', { perCall: 1, partitions: 4 })).toEqual([100, 70]);
    expect(windowFor({ ...level, perWindow: 10 }, 'closed', { perCall: 1, partitions: 4 })).toEqual([15, 10]);
    expect(windowFor({ ...level, perWindow: 10, pausedMs: 30_000 }, 'closed', { perCall: 1, partitions: 4 })).toEqual([
      7, 4,
    ]);
  });

  test('is as many calls full of commands where a call carries many', () => {
    expect(windowFor(level, 'closed', { perCall: 200, partitions: 1 })).toEqual([800, 560]);
    // 1,000 calls a day are less than one in a minute.
    expect(
      windowFor({ ...level, perWindow: 1_000, windowMs: 86_400_000 }, 'closed', { perCall: 200, partitions: 1 }),
    ).toEqual([138, 96]);
  });

  test('is never nothing for a small budget, and nothing only when nothing can be done', () => {
    expect(windowFor({ ...level, perWindow: 1, windowMs: 60_000 }, 'closed', { perCall: 1, partitions: 4 })).toEqual([
      1, 1,
    ]);
    expect(windowFor({ ...level, pausedMs: 60_000 }, 'closed', { perCall: 1, partitions: 4 })).toEqual([0, 0]);
    expect(windowFor(level, 'open', { perCall: 1, partitions: 4 })).toEqual([0, 0]);
    expect(windowFor(level, 'half-open', { perCall: 1, partitions: 4 })).toEqual([1, 1]);
  });
});

describe('log clock', () => {
  test('follows the log, whose clock is ahead of ours or behind', () => {
    const clock = new LogClock();
    clock.appended(5_990, 1_000);
    clock.appended(5_950, 1_000);
    // A timer of what is left of a command takes whole ms only.
    expect(clock.at(1_100.4)).toBe(6_090);
    const behind = new LogClock();
    behind.appended(100, 1_100.4);
    expect(behind.at(1_100.4)).toBe(100);
  });

  test('before it has seen anything of the log, says no time at which anything has expired', () => {
    expect(new LogClock().at(1_000)).toBe(Number.NEGATIVE_INFINITY);
  });

  test('comes down within minutes after the log’s clock was ahead for a while and was put right', () => {
    const clock = new LogClock();
    const start = 1_790_000_000_000;
    clock.appended(start + 120_000, 0);
    let now = 0;
    for (; now <= 150_000; now += 1_000) clock.appended(start + now, now);
    expect(clock.at(now)).toBe(start + now);
  });

  test('keeps what it knew through any silence', () => {
    const clock = new LogClock();
    clock.appended(1_790_000_000_000, 0);
    const now = 3_600_000;
    expect(clock.at(now)).toBe(1_790_003_600_000);
    // Late by a minute: what was known before is too old to correct it.
    clock.appended(1_790_003_540_000, now);
    expect(clock.at(now)).toBe(1_790_003_540_000);
  });
});

describe('gate', () => {
  const refused = (message: string) => ({
    outcome: 'refused' as const,
    refusals: [{ field: '', code: 'PLATFORM_REFUSED', message }],
  });
  const fine = { outcome: 'applied' as const, refusals: [] };
  const refuse = (gate: Gate, times: number): void => {
    for (let n = 0; n < times; n++)
      gate.answered(`ref-${n}`, refused(`parameter_invalid: contact 66f${n} "Mara ${n}" m${n}@x.example is bad`), 0);
  };

  test('opens after twenty records refused in the same words, whatever names the record in them', () => {
    const gate = new Gate();
    refuse(gate, 19);
    expect(gate.state(0)).toBe('closed');
    gate.answered('ref-19', refused('parameter_invalid: contact 66fff0 "Olev" olev@x.example is bad'), 0);
    expect([gate.state(0), gate.state(30_000)]).toEqual(['open', 'half-open']);
    expect(gate.why(0)).toBe('the platform refuses everything: PLATFORM_REFUSED parameter_invalid');
    gate.answered('ref-20', fine, 30_000);
    expect([gate.state(30_000), gate.why(30_000)]).toEqual(['closed', '']);
  });

  test('other words begin another run: what the records have in common is not the platform', () => {
    const gate = new Gate();
    refuse(gate, 19);
    gate.answered('ref-19', refused('parameter_invalid: the segment is bad'), 0);
    expect(gate.state(0)).toBe('closed');
  });

  test('an import of rows with a bad value of their own goes through at full speed', () => {
    const gate = new Gate();
    const message = 'parameter_invalid: email is invalid';
    const own = { outcome: 'refused' as const, refusals: [{ field: 'email', code: 'PLATFORM_REFUSED', message }] };
    for (let n = 0; n < 1_000; n++) {
      gate.answered(`ref-${n}`, own, n);
      expect(gate.state(n)).toBe('closed');
    }
  });

  test('such rows neither hide that everything else is refused, nor count towards it', () => {
    const gate = new Gate();
    const own = { outcome: 'refused' as const, refusals: [{ field: 'email', code: 'PLATFORM_REFUSED', message: 'x' }] };
    const noScope = { ...refused('api_plan_restricted: no scope') };
    for (let n = 0; n < 20; n++) {
      expect(gate.state(0)).toBe('closed');
      gate.answered(`bad-${n}`, own, 0);
      gate.answered(`ref-${n}`, noScope, 0);
    }
    expect(gate.state(0)).toBe('open');
  });

  test('a permission that is missing is missing for every record, whichever field is named with it', () => {
    const gate = new Gate();
    const refusals = [{ field: 'name', code: 'CREDENTIALS_REFUSED', message: 'forbidden: no right to write names' }];
    for (let n = 0; n < 20; n++) gate.answered(`ref-${n}`, { outcome: 'refused', refusals }, 0);
    expect(gate.state(0)).toBe('open');
  });

  test('half-open it tries several records before it stays away again, and stays away while all are refused', () => {
    const gate = new Gate();
    refuse(gate, 20);
    let now = 30_000;
    for (let n = 0; n < 5; n++) {
      expect(gate.state(now)).toBe('half-open');
      gate.answered(`probe-${n}`, refused('parameter_invalid: contact 1 "a" a@x.example is bad'), now);
    }
    expect([gate.state(now), gate.state(now + 59_999)]).toEqual(['open', 'open']);
    now += 60_000;
    expect(gate.state(now)).toBe('half-open');
  });

  test('one record taken in between shows that the platform takes records', () => {
    const gate = new Gate();
    refuse(gate, 19);
    gate.answered('other', fine, 0);
    refuse(gate, 19);
    expect(gate.state(0)).toBe('closed');
  });

  test('opens after five tries that failed, and closes with the first definite answer, a refusal too', () => {
    const gate = new Gate();
    for (let n = 0; n < 5; n++) gate.failed('PLATFORM_UNAVAILABLE', 0);
    expect([gate.state(0), gate.state(15_000)]).toEqual(['open', 'half-open']);
    gate.answered('a', { outcome: 'expired', refusals: [] }, 1);
    expect(gate.state(1)).toBe('open');
    gate.answered('a', refused('x: y'), 2);
    expect(gate.state(2)).toBe('closed');
  });
});

describe('outbox', () => {
  const record = (key: string): OutRecord => ({ topic: 'changes', key, value: Buffer.from(key) });
  const log = pino({ level: 'silent' });

  test('sends what came together in one batch, in order, and everything before it closes', async () => {
    const sent: string[][] = [];
    let closed = false;
    const producer: SafeProducer = {
      send: async (records) => void sent.push(records.map(({ key }) => String(key))),
      close: async () => {
        closed = true;
      },
    };
    const outbox = new Outbox(producer, log);
    outbox.add([record('a')]);
    outbox.add([record('b'), record('c')]);
    await outbox.flush();
    outbox.add([record('d')]);
    await outbox.close();
    expect(sent).toEqual([['a', 'b', 'c'], ['d']]);
    expect(closed).toBe(true);
  });

  test('a result that cannot be written is not forgotten: whoever asks next learns of it', async () => {
    const producer: SafeProducer = {
      send: () => Promise.reject(new TributaryError('RECORD_TOO_LARGE', 'too large')),
      close: () => Promise.resolve(),
    };
    const outbox = new Outbox(producer, log);
    outbox.add([record('a')]);
    await expect(outbox.flush()).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
    await expect(outbox.healthy()).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
  });
});
