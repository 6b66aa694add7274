import { beforeEach, describe, expect, test } from 'vitest';
import type { BudgetLevel } from '../../core/budget.ts';
import { type Answer, expired, SinkState, type Turn } from '../../core/sink-state.ts';
import type { Command } from '../../schemas/types.ts';

const level: BudgetLevel = { perWindow: 1_000, windowMs: 10_000, pausedMs: 0, left: 100, away: false };
/** The log's clock is ahead of ours by this. */
const logAhead = 1_790_000_000_000;
const applied: Answer = { ...expired, outcome: 'applied', platformTime: 1_000, calls: 1 };
const refused = (message = 'no'): Answer => ({
  ...applied,
  outcome: 'refused',
  refusals: [{ field: '', code: 'PLATFORM_REFUSED', message }],
});

let state: SinkState<string>;
let asked: number;
beforeEach(() => {
  state = new SinkState('salesforce', 2, 1);
  asked = 0;
});

const command = (given: Partial<Command> = {}): Command => {
  asked++;
  return {
    id: `ask-${asked}`,
    platform: 'salesforce',
    epoch: 'e0',
    verb: 'update',
    object: 'Contact',
    ref: `salesforce:Contact:${asked}`,
    key: 'customer',
    fields: {},
    before: {},
    lane: 'live',
    askedAt: logAhead,
    expiresAt: logAhead + 60_000,
    doubt: false,
    lineage: '',
    ...given,
  };
};
const take = (partition = 0, now = 0) => {
  const epoch = state.take(partition, `e${partition}`, level, now);
  state.appended(logAhead + now, now);
  return epoch;
};
const offer = (given: Partial<Command> = {}, partition = 0): Command => {
  const one = command({ epoch: `e${partition}`, ...given });
  expect(state.offer(partition, one, `from ${one.id}`)).toBe(true);
  return one;
};
const ids = (turn: Turn<string> | undefined) => turn?.entries.map((entry) => entry.command.id);

describe('epochs', () => {
  test('a partition taken is announced with its window, as the first word of its epoch', () => {
    expect(take(3)).toEqual({
      platform: 'salesforce',
      partition: 3,
      epoch: 'e3',
      n: 0,
      window: 100,
      bulkWindow: 70,
      reason: 'a sink took the partition',
    });
  });

  test('a command is taken in once, and only under the epoch of its own partition', () => {
    take(0);
    take(1);
    const one = offer();
    expect(state.offer(0, one, '')).toBe(false);
    expect(state.offer(1, command({ epoch: 'e0' }), '')).toBe(false);
    expect(state.offer(0, command({ epoch: 'older' }), '')).toBe(false);
    expect(state.offer(2, command({ epoch: 'e2' }), '')).toBe(false);
    expect(ids(state.next(0))).toEqual([one.id]);
  });

  test('one that was answered is not taken in again, until it could only expire', () => {
    take();
    const one = offer();
    const turn = state.next(0);
    if (turn === undefined) throw new Error('nothing began');
    state.answered(turn.entries[0], applied, 0);
    state.ended(turn);
    expect(state.offer(0, one, '')).toBe(false);
    state.due(level, 61_000);
    expect(state.offer(0, one, '')).toBe(true);
    expect(state.next(61_000)?.leftMs).toBeLessThan(0);
  });

  test('given up, nothing begins and what waits is forgotten; what runs is reported under its own epoch', () => {
    take();
    const [one] = [offer(), offer()];
    const turn = state.next(0);
    state.giveUp();
    expect(state.next(0)).toBeUndefined();
    if (turn === undefined) throw new Error('nothing began');
    expect(state.answered(turn.entries[0], applied, 0).result).toMatchObject({ command: one.id, epoch: 'e0' });
    expect(state.interrupted(turn.entries[0], 0)).toBeUndefined();
    state.ended(turn);
    expect(state.next(0)).toBeUndefined();
  });
});

describe('turns', () => {
  test('hold commands of one partition and of different records, the most urgent first, bulk ones apart', () => {
    state = new SinkState('salesforce', 4, 10);
    take(0);
    take(1);
    const a = offer({ ref: 'r' });
    const again = offer({ ref: 'r' });
    const bulk = offer({ lane: 'bulk' });
    const other = offer({}, 1);
    const urgent = offer({ lane: 'urgent' });
    expect(ids(state.next(0))).toEqual([urgent.id, a.id]);
    expect(ids(state.next(0))).toEqual([other.id]);
    expect(ids(state.next(0))).toEqual([bulk.id]);
    expect(state.next(0)).toBeUndefined();
    expect(again.ref).toBe('r');
  });

  test('are as large as a call, and of a partition one of each kind at a time, so that what comes meanwhile goes together', () => {
    state = new SinkState('salesforce', 4, 2);
    take(0);
    take(1);
    const all = [offer(), offer(), offer(), offer()].map(({ id }) => id);
    const first = state.next(0);
    expect(ids(first)).toEqual(all.slice(0, 2));
    expect(state.next(0)).toBeUndefined();
    const [bulk, elsewhere] = [offer({ lane: 'bulk' }), offer({}, 1)];
    expect([ids(state.next(0)), ids(state.next(0))]).toEqual([[elsewhere.id], [bulk.id]]);
    if (first !== undefined) state.ended(first);
    expect(ids(state.next(60))).toEqual(all.slice(2));
  });

  test('wait a second at most for one that is under way: its call may hang', () => {
    state = new SinkState('salesforce', 4, 10);
    take();
    const first = offer();
    expect(ids(state.next(0))).toEqual([first.id]);
    const second = offer();
    expect([state.next(999), state.wakeAt(999)]).toEqual([undefined, 1_000]);
    expect(ids(state.next(1_000))).toEqual([second.id]);
  });

  test('fill the longer the more the last one carried; urgent ones, and one that is full, wait for nothing', () => {
    state = new SinkState('salesforce', 4, 10);
    take();
    const end = (turn: Turn<string> | undefined) => {
      if (turn !== undefined) state.ended(turn);
      return ids(turn);
    };
    const many = [offer(), offer(), offer(), offer()].map(({ id }) => id);
    expect(end(state.next(0))).toEqual(many);
    const late = [offer()];
    expect([state.next(119), state.wakeAt(119)]).toEqual([undefined, 120]);
    late.push(offer());
    expect(end(state.next(120))).toEqual(late.map(({ id }) => id));
    const waits = offer();
    const urgent = offer({ lane: 'urgent' });
    expect(end(state.next(121))).toEqual([urgent.id, waits.id]);
    const full = Array.from({ length: 10 }, () => offer());
    expect(end(state.next(122))).toEqual(full.map(({ id }) => id));
    expect(state.wakeAt(122)).toBeUndefined();
  });

  test('are full of their own kind only: bulk commands that wait send no live one off alone', () => {
    state = new SinkState('salesforce', 4, 3);
    take();
    for (const kind of ['live', 'bulk'] as const) {
      offer({ lane: kind });
      const turn = state.next(0);
      if (turn !== undefined) state.ended(turn);
    }
    offer({ lane: 'bulk' });
    offer({ lane: 'bulk' });
    const live = offer();
    expect(state.next(1)).toBeUndefined();
    expect(ids(state.next(30))).toEqual([live.id]);
  });

  test('are no more at a time than may run, and a record is free when its turn has ended', () => {
    take();
    const commands = [offer({ ref: 'r' }), offer(), offer({ ref: 'r' })];
    const first = state.next(0);
    state.next(0);
    expect(state.next(0)).toBeUndefined();
    if (first !== undefined) state.ended(first);
    expect(ids(state.next(0))).toEqual([commands[2]?.id]);
  });

  test.each([1, 10])(
    'of bulk never have all of the places, for their calls may wait while live ones may be made: %i a call',
    (perCall) => {
      state = new SinkState('salesforce', 3, perCall);
      take();
      for (const at of [0, 1_000, 2_000]) {
        offer({ lane: 'bulk' });
        expect(ids(state.next(at))?.length).toBe(at === 2_000 ? undefined : 1);
      }
      const live = offer();
      expect(ids(state.next(2_000))).toEqual([live.id]);
    },
  );

  test('have the time that is left of the first to expire, by the log’s clock', () => {
    state = new SinkState('salesforce', 2, 2);
    take(0, 500);
    offer();
    offer({ expiresAt: logAhead + 20_000 });
    expect(state.next(1_500)?.leftMs).toBe(18_500);
  });

  test('a command interrupted before any call waits again, before those that came later', () => {
    take();
    const [one, two] = [offer(), offer()];
    const turn = state.next(0);
    if (turn === undefined) throw new Error('nothing began');
    expect(state.interrupted(turn.entries[0], 0)).toBeUndefined();
    state.ended(turn);
    expect([state.next(0), state.next(0)].map(ids)).toEqual([[one.id], [two.id]]);
  });

  test('and is answered as expired when its time is over', () => {
    take();
    const one = offer();
    const turn = state.next(0);
    if (turn === undefined) throw new Error('nothing began');
    expect(state.interrupted(turn.entries[0], 60_000)?.result).toMatchObject({
      command: one.id,
      outcome: 'expired',
      calls: 0,
      epoch: 'e0',
      partition: 0,
    });
  });

  test('more than twice the window waits in the topic', () => {
    state.take(0, 'e0', { ...level, perWindow: 1, windowMs: 60_000 }, 0);
    offer();
    expect(state.full).toBe(false);
    offer();
    expect(state.full).toBe(true);
    state.next(0);
    expect(state.full).toBe(false);
  });
});

describe('time', () => {
  test('what expires while it waits is answered without a call, and names where it came from', () => {
    take();
    const one = offer({ expiresAt: logAhead + 1_000 });
    offer();
    expect(state.due(level, 999).results).toEqual([]);
    const { results } = state.due(level, 1_000);
    expect(results).toMatchObject([{ entry: { origin: `from ${one.id}` }, result: { command: one.id, calls: 0 } }]);
    expect(state.expire(1_000)).toEqual([]);
  });

  test('a window is said anew when it changed much, began or ended, and every ten seconds', () => {
    take();
    expect(state.due(level, 1_000).epochs).toEqual([]);
    expect(state.due({ ...level, perWindow: 10 }, 2_000).epochs).toMatchObject([
      { n: 1, window: 60, bulkWindow: 42, reason: 'within the budget' },
    ]);
    expect(state.due({ ...level, perWindow: 11 }, 3_000).epochs).toEqual([]);
    expect(state.due({ ...level, pausedMs: 60_000 }, 4_000).epochs).toMatchObject([
      { n: 2, window: 0, bulkWindow: 0, reason: 'the platform told us to wait' },
    ]);
    expect(state.due({ ...level, pausedMs: 60_000 }, 13_999).epochs).toEqual([]);
    expect(state.due({ ...level, pausedMs: 60_000 }, 14_000).epochs).toMatchObject([{ n: 3, window: 0 }]);
  });
});

describe('stopping rather than refusing everything', () => {
  const refuseRun = (count: number, from = 0): void => {
    for (let n = 0; n < count; n++) {
      offer();
      const turn = state.next(from);
      if (turn === undefined) throw new Error('nothing began');
      state.answered(turn.entries[0], refused(), from);
      state.ended(turn);
    }
  };

  test('a run of refusals in the same words closes the window; then one command at a time tries', () => {
    take();
    refuseRun(20);
    offer();
    offer();
    expect(state.next(0)).toBeUndefined();
    expect(state.due(level, 1).epochs).toMatchObject([{ window: 0, bulkWindow: 0 }]);
    expect(state.why(1)).toContain('the platform refuses everything: PLATFORM_REFUSED');
    const probe = state.next(30_000);
    expect(probe?.entries).toHaveLength(1);
    expect(state.next(30_000)).toBeUndefined();
    if (probe === undefined) return;
    state.answered(probe.entries[0], applied, 30_000);
    state.ended(probe);
    expect(state.why(30_000)).toBe('');
  });

  test('so does a run of tries that fail', () => {
    take();
    for (let n = 0; n < 5; n++) state.trouble('PLATFORM_UNAVAILABLE', 0);
    offer();
    expect(state.next(0)).toBeUndefined();
    expect(state.why(0)).toBe('the platform does not answer: PLATFORM_UNAVAILABLE');
    expect(state.next(15_000)).toBeDefined();
  });
});
