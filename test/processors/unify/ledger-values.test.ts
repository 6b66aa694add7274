/** Laws of the pure parts of the ledger. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  comparable,
  echoOf,
  fitting,
  landedWith,
  markDone,
  originOf,
  wasOvertaken,
} from '../../../processors/unify/asks.ts';
import { newRef } from '../../../processors/unify/identity.ts';
import {
  alike,
  comparePositions,
  isExact,
  isShownWhole,
  laterOf,
  noPosition,
  shown,
} from '../../../processors/unify/values.ts';
import type { Ask, Position, RefState, Value } from '../../../schemas/types.ts';

/** Positions of one platform: a stream with reads beside it, or webhooks with answers beside them. */
const salesforce: fc.Arbitrary<Position> = fc.record({
  time: fc.nat(5).map((second) => second * 1000),
  seq: fc.integer({ min: -1, max: 4 }),
  second: fc.constant(true),
});
const intercom: fc.Arbitrary<Position> = fc.oneof(
  fc.record({ time: fc.nat(5_000), seq: fc.constant(-1), second: fc.constant(false) }),
  fc.record({ time: fc.nat(5).map((second) => second * 1000), seq: fc.constant(-1), second: fc.constant(true) }),
);
const positions = (count: number): fc.Arbitrary<readonly Position[]> => {
  const length = { minLength: count, maxLength: count };
  return fc.oneof(fc.array(salesforce, length), fc.array(intercom, length));
};

describe('the order of positions', () => {
  it('is told the same from both sides', () => {
    fc.assert(
      fc.property(positions(2), ([a = noPosition, b = noPosition]) => {
        expect(comparePositions(a, b) + comparePositions(b, a)).toBe(0);
      }),
    );
  });

  it('is strict where it decides: what is later than the later is later', () => {
    fc.assert(
      fc.property(positions(3), ([a = noPosition, b = noPosition, c = noPosition]) => {
        const chained = comparePositions(a, b) > 0 && comparePositions(b, c) > 0;
        expect(!chained || comparePositions(a, c) > 0).toBe(true);
      }),
    );
  });

  it('never says of a position that it is later than itself, and cannot order one second known only as such', () => {
    fc.assert(
      fc.property(positions(2), ([a = noPosition, b = noPosition]) => {
        expect(comparePositions(a, a)).toBe(0);
        const oneSecond = Math.floor(a.time / 1000) === Math.floor(b.time / 1000);
        const known = !oneSecond || (isExact(a) && isExact(b));
        expect(known || comparePositions(a, b) === 0).toBe(true);
      }),
    );
  });

  it('keeps the later of two, whichever comes first, or the better known where it cannot be told', () => {
    fc.assert(
      fc.property(positions(2), ([a = noPosition, b = noPosition]) => {
        expect(comparePositions(laterOf(a, b), a)).toBeGreaterThanOrEqual(0);
        expect(comparePositions(laterOf(a, b), b)).toBeGreaterThanOrEqual(0);
        const isKnownBest = isExact(laterOf(a, b)) === (isExact(a) || isExact(b));
        expect(comparePositions(a, b) !== 0 || isKnownBest).toBe(true);
      }),
    );
  });
});

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom(null, '', 'a', 'b', 1, 0, true, false),
  fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 }),
);

describe('values', () => {
  it('alike are an equivalence, in which every spelling of no value is one', () => {
    fc.assert(
      fc.property(value, value, value, (a, b, c) => {
        expect(alike(a, a)).toBe(true);
        expect(alike(a, b)).toBe(alike(b, a));
        expect(!(alike(a, b) && alike(b, c)) || alike(a, c)).toBe(true);
      }),
    );
    // Else it would be asked for ever.
    expect(alike(Number.NaN, Number.NaN)).toBe(true);
    expect(alike(null, '')).toBe(true);
    expect(alike([], undefined)).toBe(true);
    expect(alike(0, null)).toBe(false);
    expect(alike(false, null)).toBe(false);
  });

  it('kept for people are short', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 3_000 }), fc.array(fc.string(), { maxLength: 40 }), (text, list) => {
        expect(JSON.stringify(shown(text)).length).toBeLessThan(1_500);
        expect((shown(list) as readonly string[]).length).toBeLessThanOrEqual(10);
      }),
    );
    const kept = fc.oneof(
      fc.string({ maxLength: 400 }),
      fc.array(fc.string({ maxLength: 250 }), { maxLength: 20 }),
      value,
    );
    fc.assert(fc.property(kept, (one) => !isShownWhole(shown(one)) || alike(shown(one), one)));
    const face = `${'x'.repeat(199)}\u{1f600}`;
    for (const kept of [shown(`${face} and more`), ...(shown([face]) as readonly string[])])
      expect(Buffer.from(String(kept)).toString()).toBe(kept);
  });
});

// ---- asks

const side = { memberships: 'companies' };
const field = 'Title';
const second = (n: number): Position => ({ time: n * 1000, seq: -1, second: true });

function ask(id: number, asked: Value, more: Partial<Ask> = {}): Ask {
  return {
    id: `salesforce:Contact:003#${id}`,
    verb: 'update',
    partition: 0,
    lane: 'live',
    askedAt: 0,
    expiresAt: 0,
    after: second(0),
    fields: { [field]: asked },
    before: { [field]: null },
    expected: {},
    got: {},
    done: [],
    resultAt: null,
    doubt: false,
    sentAt: 0,
    lineage: '',
    late: false,
    ...more,
  };
}
const landed = (id: number, asked: Value, at: number, more: Partial<Ask> = {}): Ask =>
  ask(id, asked, { fields: {}, expected: { [field]: asked }, resultAt: at * 1000, ...more });
const refWith = (open: Ask | null, ...asks: readonly Ask[]): RefState => ({
  ...newRef('salesforce:Contact:003', 'customer', 'c'),
  open,
  landed: asks,
});

describe('an echo without a name', () => {
  it('is any value that the open ask wants, whenever it is seen', () => {
    expect(echoOf(side, refWith(ask(1, 'new')), field, 'new', second(999))).toBe(0);
    expect(echoOf(side, refWith(ask(1, 'new')), field, 'other', second(1))).toBe(-1);
  });

  it('of an answered ask is not later than its result, or two minutes later where the call was in doubt', () => {
    const at = (n: number, more: Partial<Ask> = {}): number =>
      echoOf(side, refWith(null, landed(1, 'new', 100, more)), field, 'new', second(n));
    expect([at(99), at(100), at(101)]).toEqual([0, 0, -1]);
    expect([at(220, { doubt: true }), at(221, { doubt: true })]).toEqual([0, -1]);
  });

  it('has the date of the answer on Intercom, where one call was made and none is in doubt', () => {
    const at = (n: number, more: Partial<Ask> = {}): number =>
      echoOf(
        side,
        { ...refWith(null, landed(1, 'new', 100, more)), ref: 'intercom:contact:1' },
        field,
        'new',
        second(n),
      );
    expect([at(99), at(100), at(101)]).toEqual([-1, 0, -1]);
    expect(at(99, { doubt: true })).toBe(0);
    expect(at(99, { before: { [field]: null, companies: [] } })).toBe(0);
  });

  it('is not older than its call', () => {
    const at = (time: number, isSecond: boolean): number =>
      echoOf(side, refWith(null, landed(1, 'new', 100, { sentAt: 99_400 })), field, 'new', {
        time,
        seq: -1,
        second: isSecond,
      });
    expect([at(99_399, false), at(99_400, false), at(99_000, true), at(98_000, true)]).toEqual([-1, 0, 0, -1]);
  });

  it('is not seen twice, but where the call was in doubt, or it is the answer itself', () => {
    const again = (more: Partial<Ask>, answered = ''): number =>
      echoOf(
        side,
        refWith(null, landed(1, 'new', 100, { done: [field], ...more })),
        field,
        'new',
        second(100),
        answered,
      );
    expect([again({}), again({ doubt: true }), again({}, landed(1, 'new', 100).id)]).toEqual([-1, 0, 0]);
  });

  it('is also what the platform made of a value', () => {
    expect(
      echoOf(side, refWith(null, landed(1, 'new', 100, { got: { [field]: 'NEW' } })), field, 'NEW', second(100)),
    ).toBe(0);
  });
});

describe('an event of our own client', () => {
  it('belongs to the oldest ask that expects its value, and ends the wait of those before it', () => {
    const ref = refWith(ask(3, 'a'), landed(1, 'a', 1), landed(2, 'b', 2));
    expect(originOf(ref, field, 'a', second(200))).toEqual({ ask: 0, kind: 'echo' });
    expect(originOf(ref, field, 'b', second(200))).toEqual({ ask: 1, kind: 'echo' });
    const after = markDone(ref, field, 1);
    expect(after.landed.map((one) => one.done)).toEqual([[field], [field]]);
    expect(originOf(after, field, 'a', second(200))).toEqual({ ask: 2, kind: 'echo' });
    expect(originOf(after, field, 'b', second(200))).toEqual({ ask: 1, kind: 'repeat' });
  });

  it('with another value is what the platform made of the oldest ask, and is remembered as that', () => {
    const ref = refWith(null, landed(1, 'a', 1));
    expect(originOf(ref, field, 'A', second(200))).toEqual({ ask: 0, kind: 'outcome' });
    const after = markDone(ref, field, 0, 'A');
    expect(after.landed[0]).toMatchObject({ done: [field], got: { [field]: 'A' } });
    expect(originOf(after, field, 'A', second(200))).toEqual({ ask: 0, kind: 'repeat' });
    expect(originOf(after, field, 'z', second(200))).toBeUndefined();
  });
});

describe('an event of our own client that comes once more', () => {
  it('is no echo of an ask that was made when more was known', () => {
    const ref = refWith(ask(2, 'a', { after: second(150) }), landed(1, 'a', 100, { done: [field] }));
    expect(originOf(ref, field, 'a', second(149))).toEqual({ ask: 0, kind: 'repeat' });
    expect(originOf(ref, field, 'a', second(151))).toEqual({ ask: 1, kind: 'echo' });
  });

  it('is no echo of an ask that was made when it was the last that was known', () => {
    const at: Position = { time: 150_000, seq: 7, second: true };
    const ref = refWith(ask(3, 'a', { after: at }), landed(1, 'a', 100, { done: [field] }));
    expect(originOf(ref, field, 'a', at)).toEqual({ ask: 0, kind: 'repeat' });
    expect(originOf(ref, field, 'a', { ...at, seq: 8 })).toEqual({ ask: 1, kind: 'echo' });
    const vague = refWith(ask(3, 'a', { after: second(150) }), landed(1, 'a', 100, { done: [field] }));
    expect(originOf(vague, field, 'a', at)).toEqual({ ask: 1, kind: 'echo' });
  });

  it('is what came of the ask that waits, where the platform made it of the very value before', () => {
    const got = { done: [field], got: { [field]: 'A' } };
    expect(originOf(refWith(ask(2, 'a'), landed(1, 'a', 1, got)), field, 'A', second(200))).toEqual({
      ask: 1,
      kind: 'outcome',
    });
    expect(originOf(refWith(ask(2, 'b'), landed(1, 'a', 1, got)), field, 'A', second(200))).toEqual({
      ask: 0,
      kind: 'repeat',
    });
  });
});

describe('an event of our own client that no ask waits for', () => {
  it('is a call in doubt that is carried out late, of which nobody has seen what the platform makes of it', () => {
    const doubtful = landed(1, 'a', 100, { doubt: true, done: [field], before: { [field]: 'old' } });
    const ref = refWith(null, doubtful, landed(2, 'b', 110, { done: [field], before: { [field]: 'A' } }));
    expect(originOf(ref, field, 'A', second(150))).toEqual({ ask: 0, kind: 'repeat' });
    expect(originOf(ref, field, 'old', second(150))).toBeUndefined();
    expect(originOf(ref, field, 'A', second(400))).toBeUndefined();
    expect(originOf(refWith(null, { ...doubtful, doubt: false }), field, 'A', second(150))).toBeUndefined();
  });
});

describe('an older event of our own client', () => {
  it('that names what was there before an ask is not its outcome', () => {
    const ref = refWith(ask(2, '001', { before: { [field]: null } }));
    expect(originOf(ref, field, null, second(200))).toBeUndefined();
    expect(originOf(ref, field, '002', second(200))).toEqual({ ask: 0, kind: 'outcome' });
  });
});

describe('evidence that we wrote over somebody', () => {
  const ref = refWith(null, landed(1, 'ours', 100, { after: second(90), before: { [field]: 'old' } }));
  it('is a third value between the asking and its result', () => {
    expect(wasOvertaken(side, ref, field, 'theirs', second(95))).toBe(true);
    expect(wasOvertaken(side, ref, field, 'theirs', second(89))).toBe(false);
    expect(wasOvertaken(side, ref, field, 'theirs', second(101))).toBe(false);
  });
  it('is neither what was there, nor what was asked, nor a value in a field that was not asked', () => {
    expect(wasOvertaken(side, ref, field, 'old', second(95))).toBe(false);
    expect(wasOvertaken(side, ref, field, 'ours', second(95))).toBe(false);
    expect(wasOvertaken(side, ref, 'Phone', 'theirs', second(95))).toBe(false);
  });
  it('is what was there before, when the record has said something else since: it was taken back', () => {
    expect(wasOvertaken(side, ref, field, 'old', second(96), { told: second(95) })).toBe(true);
    expect(wasOvertaken(side, ref, field, 'old', second(94), { told: second(95) })).toBe(false);
    expect(wasOvertaken(side, ref, field, 'old', second(96), { told: second(80) })).toBe(false);
    expect(wasOvertaken(side, ref, field, 'ours', second(96), { told: second(95) })).toBe(false);
  });
  it('is what was there before, when another value had been shown before it', () => {
    expect(wasOvertaken(side, ref, field, 'old', second(96), { turned: true })).toBe(true);
    expect(wasOvertaken(side, ref, field, 'ours', second(96), { turned: true })).toBe(false);
  });
  it('is whatever the platform says that somebody else changed it to, later than all that was known when it was asked', () => {
    for (const value of ['old', 'ours', 'theirs'])
      expect(wasOvertaken(side, ref, field, value, second(96), { named: true })).toBe(true);
    expect(wasOvertaken(side, ref, field, 'old', second(90), { named: true })).toBe(false);
    expect(wasOvertaken(side, ref, field, 'old', second(101), { named: true })).toBe(false);
  });
  it('is not what the call before had brought, in the second of what was known last when the later one was asked', () => {
    const two = refWith(
      null,
      landed(1, 'a', 85),
      landed(2, 'ours', 100, { before: { [field]: 'old' }, after: second(90) }),
    );
    const at = (time: number): Position => ({ time, seq: -1, second: false });
    expect(wasOvertaken(side, two, field, 'a', at(90_400))).toBe(false);
    expect(wasOvertaken(side, two, field, 'b', at(90_400))).toBe(true);
    expect(wasOvertaken(side, two, field, 'a', at(91_400))).toBe(true);
  });
  it('is a long text too: what stood before is known again by its hash', () => {
    const [old, theirs] = ['o'.repeat(20_000), 't'.repeat(20_000)];
    const long = refWith(null, landed(1, 'ours', 100, { after: second(90), before: { [field]: comparable(old) } }));
    expect(wasOvertaken(side, long, field, theirs, second(95))).toBe(true);
    expect(wasOvertaken(side, long, field, old, second(95))).toBe(false);
    expect(JSON.stringify(long).length).toBeLessThan(1_000);
  });
});

describe('landed asks', () => {
  it('are the newest eight, fewer where their values are long', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(6_000), { maxLength: 20 }), (lengths) => {
        let kept: readonly Ask[] = [];
        lengths.forEach((length, n) => (kept = landedWith(kept, landed(n, 'x'.repeat(length), n))));
        expect(kept.length).toBeLessThanOrEqual(8);
        expect(JSON.stringify(kept.map((one) => one.expected)).length).toBeLessThan(8_500);
        const ids = kept.map((one) => Number(one.id.split('#')[1]));
        expect(ids).toEqual([...ids].sort((a, b) => a - b));
      }),
    );
  });
});

describe('the companies of somebody who has nine hundred', () => {
  const many = Array.from({ length: 900 }, (_, n) => `66f0000000000000000${String(10_000 + n)}`);
  const ref = { ...refWith(null), seen: { companies: { value: many, at: second(1), answer: false, ask: '' } } };

  it('are kept for comparing as a hash, and are the same when they come again', () => {
    expect(String(comparable(many)).length).toBeLessThan(100);
    expect(comparable([...many])).toBe(comparable(many));
    expect(comparable(many.slice(1))).not.toBe(comparable(many));
    expect(comparable(many.slice(0, 9))).toEqual(many.slice(0, 9));
  });

  it('fit into an ask, and what does not fit beside them is left out', () => {
    const others = { name: 'Ada', notes: 'x'.repeat(20_000) };
    expect(Object.keys(fitting(ref, { companies: many, name: 'Ada' }, ref.seen))).toEqual(['companies', 'name']);
    expect(Object.keys(fitting(ref, { companies: many, ...others }, ref.seen))).toEqual(['companies', 'name']);
  });
});
