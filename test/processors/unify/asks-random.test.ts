/** What our own asks brought about, against a plain reading of the rules; and a stream that tells of all of them in order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stateLimit } from '../../../core/decide.ts';
import {
  asksOf,
  comparable,
  echoOf,
  expectedOf,
  fitting,
  markDone,
  originOf,
  wasOvertaken,
} from '../../../processors/unify/asks.ts';
import { newRef } from '../../../processors/unify/identity.ts';
import { isQuiet, putQuiet } from '../../../processors/unify/standing.ts';
import { alike } from '../../../processors/unify/values.ts';
import type { Ask, Position, RefState, Value } from '../../../schemas/types.ts';

const field = 'Title';
const side = { memberships: 'companies' };
const values = ['a', 'b', 'c', null] as const;
const at = (second: number, seq = -1): Position => ({ time: second * 1000, seq, second: true });

const drawn = fc.record({
  asked: fc.nat(3),
  before: fc.option(fc.nat(3), { nil: undefined }),
  after: fc.nat(10),
  answered: fc.nat(10),
  sent: fc.nat(10),
  got: fc.option(fc.nat(3), { nil: undefined }),
  done: fc.boolean(),
  doubt: fc.boolean(),
  /** Memberships were asked too. */
  listed: fc.boolean(),
  other: fc.boolean(),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

function askOf(one: Drawn, n: number, isOpen: boolean): Ask {
  const name = one.other ? 'Phone' : field;
  const asked = { [name]: values[one.asked] ?? null };
  const after = n * 5 + one.after;
  return {
    id: `${n}`,
    verb: 'update',
    partition: 0,
    lane: 'live',
    askedAt: 0,
    expiresAt: 0,
    after: at(after),
    fields: isOpen ? asked : {},
    before: {
      ...(one.before !== undefined && { [name]: values[one.before] ?? null }),
      ...(one.listed && { [side.memberships]: [] }),
    },
    expected: isOpen ? {} : asked,
    got: one.got === undefined || isOpen ? {} : { [name]: values[one.got] ?? null },
    done: one.done ? [name] : [],
    resultAt: isOpen ? null : (after + one.answered) * 1000,
    doubt: one.doubt,
    lineage: '',
    sentAt: isOpen ? 0 : (after + Math.min(one.sent, one.answered)) * 1000,
    late: false,
  };
}
const refOf = (all: readonly Drawn[], hasOpen: boolean, platform = 'salesforce'): RefState => {
  const asks = all.map((one, n) => askOf(one, n, hasOpen && n === all.length - 1));
  return {
    ...newRef(`${platform}:contact:003`, 'customer', 'c'),
    landed: hasOpen ? asks.slice(0, -1) : asks,
    open: hasOpen ? (asks.at(-1) ?? null) : null,
  };
};
const some = fc.array(drawn, { maxLength: 6, size: 'max' });
const value = fc.constantFrom(...values);
const platform = fc.constantFrom('salesforce', 'intercom');

/** Can a value of this second have come from the ask? Intercom dates what one call did as its answer. */
function isFrom(ask: Ask, told: Value, second: number, on: string): boolean {
  const wanted = expectedOf(ask)[field];
  const isBrought = wanted !== undefined && (wanted === told || (field in ask.got && ask.got[field] === told));
  const isSent = second >= Math.floor(ask.sentAt / 1000);
  if (ask.resultAt === null) return isBrought && isSent;
  const last = ask.resultAt / 1000 + (ask.doubt ? 120 : 0);
  const isDated = on === 'intercom' && !ask.doubt && !(side.memberships in ask.before);
  return isBrought && isSent && (isDated ? second === last : second <= last);
}

describe('which ask a value comes from', () => {
  it('by a read or a webhook is the last that may have brought it about by then, and whose outcome was not seen yet', () => {
    fc.assert(
      fc.property(some, fc.boolean(), platform, value, fc.nat(60), (all, hasOpen, on, told, second) => {
        const ref = refOf(all, hasOpen, on);
        const isOver = (ask: Ask): boolean => ask.done.includes(field) && ask.resultAt !== null && !ask.doubt;
        const expected = asksOf(ref).findLastIndex((ask) => isFrom(ask, told, second, on) && !isOver(ask));
        expect(echoOf(side, ref, field, told, at(second))).toBe(expected);
      }),
      { numRuns: 400 },
    );
  });

  it('by an event of our client is one that waits for it, else one that had it, else what the platform made of one, now or late', () => {
    fc.assert(
      fc.property(some, fc.boolean(), value, fc.nat(40), (all, hasOpen, told, second) => {
        const ref = refOf(all, hasOpen);
        const asks = asksOf(ref).map((ask, index) => ({ ask, index, wanted: expectedOf(ask)[field] }));
        const ours = asks.filter(({ wanted }) => wanted !== undefined);
        const hasGot = (ask: Ask): boolean => ask.done.includes(field) && field in ask.got && ask.got[field] === told;
        const waits = ours.filter(({ ask }) => !ask.done.includes(field) && second >= ask.after.time / 1000);
        const echo = waits.find(({ wanted }) => wanted === told);
        const again = waits.find(({ wanted }) => ours.some((one) => hasGot(one.ask) && one.wanted === wanted));
        const repeat = ours.find(({ ask, wanted }) => (ask.done.includes(field) && wanted === told) || hasGot(ask));
        const outcome = waits.find(({ ask }) => !(field in ask.before && ask.before[field] === told));
        // In doubt, and nobody saw what the platform made of it: it may be carried out late.
        const late = ours.findLast(
          ({ ask }) =>
            ask.doubt &&
            ask.done.includes(field) &&
            !(field in ask.got) &&
            second >= ask.after.time / 1000 &&
            (ask.resultAt === null || second <= ask.resultAt / 1000 + 120) &&
            !(field in ask.before && ask.before[field] === told),
        );
        const origin = echo ?? again ?? repeat ?? outcome ?? late;
        const isOutcome = origin === again || (origin !== repeat && origin === outcome);
        const kind = origin === echo ? 'echo' : isOutcome ? 'outcome' : 'repeat';
        expect(originOf(ref, field, told, at(second))).toEqual(origin && { ask: origin.index, kind });
      }),
      { numRuns: 400 },
    );
  });

  it('is told by a stream of all of them in order: each event is its own ask’s, and none waits in the end', () => {
    const writes = fc.array(fc.record({ asked: fc.nat(2), kept: fc.boolean() }), { maxLength: 8, size: 'max' });
    fc.assert(
      fc.property(writes, (all) => {
        const asks = all.map(({ asked }, n) =>
          askOf(
            {
              asked,
              before: undefined,
              after: 0,
              answered: 1,
              sent: 0,
              got: undefined,
              done: false,
              doubt: false,
              listed: false,
              other: false,
            },
            n,
            false,
          ),
        );
        let ref: RefState = { ...newRef('salesforce:Contact:003', 'customer', 'c'), landed: asks };
        all.forEach(({ asked, kept }, n) => {
          // What the platform makes of a value is nobody's own value, and of the same value the same.
          const told = kept ? (values[asked] ?? null) : `made of ${asked}`;
          const origin = originOf(ref, field, told, at(5 * asks.length));
          expect(origin).toEqual({ ask: n, kind: kept ? 'echo' : 'outcome' });
          const before = ref;
          ref = markDone(ref, field, n, told);
          expect(markDone(ref, field, n, told)).toEqual(ref);
          expect(ref.landed.slice(n + 1)).toEqual(before.landed.slice(n + 1));
        });
        expect(ref.landed.every(({ done }) => done.includes(field))).toBe(true);
        expect(ref.landed.map(({ got }) => got[field])).toEqual(
          all.map(({ asked, kept }) => (kept ? undefined : `made of ${asked}`)),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('evidence that we wrote over somebody', () => {
  it('is a value that no ask of that time knows: not from it or the one before it, nor there before and not taken back; or named as theirs', () => {
    const known = fc.record({ told: fc.option(fc.nat(60), { nil: undefined }), named: fc.boolean() });
    fc.assert(
      fc.property(
        some,
        fc.boolean(),
        platform,
        value,
        fc.nat(60),
        known,
        (all, hasOpen, on, seen, second, { told, named }) => {
          const ref = refOf(all, hasOpen, on);
          const during = asksOf(ref).filter((ask) => {
            const reach = ask.resultAt === null ? Infinity : ask.resultAt / 1000 + (ask.doubt ? 120 : 0);
            return (
              field in expectedOf(ask) && field in ask.before && second >= ask.after.time / 1000 && second <= reach
            );
          });
          const knows = (ask: Ask): boolean => {
            const asked = ask.after.time / 1000;
            const isBack = told !== undefined && told > asked && second > told;
            const all = asksOf(ref);
            const earlier = all.slice(0, all.indexOf(ask)).findLast((one) => field in expectedOf(one));
            const came = earlier === undefined ? [] : [expectedOf(earlier)[field], earlier.got[field]];
            // Of the second that was known last when it was asked: perhaps of before that, when the call before had brought it.
            const isVague = second === asked && came.includes(seen);
            // Told as of before the call that was taken to have brought it: it is somebody's, who said the same.
            const isEarlier = came.includes(seen) && second < Math.floor((earlier?.sentAt ?? 0) / 1000);
            const isOld = !isEarlier && ((ask.before[field] === seen && !isBack) || isVague);
            return !(named && second > asked) && (isFrom(ask, seen, second, on) || isOld);
          };
          const expected = during.length > 0 && !during.some(knows);
          const more = { named, told: told === undefined ? undefined : at(told) };
          expect(wasOvertaken(side, ref, field, seen, at(second), more)).toBe(expected);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('what is quiet', () => {
  const any: fc.Arbitrary<Value> = fc.oneof(
    fc.constantFrom<Value>(null, '', 'a', 'b', 7, true, [], ['a'], ['a', 'b']),
    fc.nat(3).map((n) => `${n}`.repeat(2_000)),
    fc.nat(2).map((n) => Array.from({ length: 400 }, (_, item) => `company ${item} of ${n}`)),
  );

  it('is the pair that was asked and that came of it, and no other, however long its values are', () => {
    fc.assert(
      fc.property(any, any, any, any, (asked, got, wanted, seen) => {
        const known = { [field]: { value: seen, at: at(1), answer: false, ask: '' } };
        const ref = putQuiet({ ...newRef('salesforce:Contact:003', 'customer', 'c'), seen: known }, field, {
          asked,
          got,
          why: 'refused',
          note: 'x'.repeat(9_000),
          ask: '',
        });
        expect(isQuiet(ref, field, wanted)).toBe(alike(asked, wanted) && alike(got, seen));
        expect(JSON.stringify(ref.quiet).length).toBeLessThan(11_000);
        expect(isQuiet(ref, 'Phone', wanted)).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  it('compares what is kept as it compares the values', () => {
    fc.assert(
      fc.property(any, any, (a, b) => {
        expect(alike(comparable(a), comparable(b))).toBe(alike(a, b));
      }),
      { numRuns: 200 },
    );
  });
});

describe('what fits into an ask', () => {
  it('leaves room for its record while it is open and seen, takes the short ones first, and everything that is short', () => {
    const sizes = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.oneof(fc.nat(50), fc.nat(40_000)));
    fc.assert(
      fc.property(sizes, fc.nat(50_000), (lengths, there) => {
        const ref = { ...newRef('salesforce:Contact:003', 'customer', 'c'), held: 'x'.repeat(there) };
        const fields = Object.fromEntries(Object.entries(lengths).map(([name, length]) => [name, 'v'.repeat(length)]));
        const kept = fitting(ref, fields);
        const seen = Object.fromEntries(
          Object.entries(kept).map(([name, one]) => [name, { value: one, at: at(1), answer: true, ask: '' }]),
        );
        const isShort = Object.values(lengths).every((length) => length <= 1_000);
        const full = JSON.stringify({ ...ref, seen, open: { fields: kept } }).length;
        expect(isShort ? Object.keys(kept).length === Object.keys(fields).length : full < stateLimit).toBe(true);
        const dropped = Object.keys(fields).filter((name) => !(name in kept));
        const longest = Math.max(0, ...Object.keys(kept).map((name) => lengths[name] ?? 0));
        expect(dropped.every((name) => (lengths[name] ?? 0) >= longest)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
