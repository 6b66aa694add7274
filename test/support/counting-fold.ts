/**
 * A small fold for the tests of the loop: counts its records per key and over all, so that a record which was lost or
 * decided twice shows in every later output and in the state. A change says by its argument what else it does.
 */
import { type Fold, type Output, StateMiss } from '../../core/fold.ts';
import type { Change, CursorState, JournalEntry } from '../../schemas/types.ts';

const nothing = { source: null, observation: null, result: null, epoch: null, mark: null, config: null, action: null };

export const tick: Change = { ...nothing, kind: 'tick' };

/** poison: throws after it put. large: puts more than a state value may hold. bulky: 100 kB of output. restless: misses a key that is there. */
export type Effect = '' | 'poison' | 'large' | 'bulky' | 'restless';

export const counted = (id: string, key: string, effect: Effect = ''): Change => ({
  ...nothing,
  kind: 'action',
  action: { id, verb: 'resync', subject: key, argument: effect, by: 'test' },
});

/** A key that was counted this often is deleted and begins again: the state has tombstones. */
const wrap = 5;
const cursor = (count: number): CursorState => ({ n: { count }, s: {} });

export const countingFold: Fold = {
  // The total is left out on purpose: its first use in every cold cache is a miss, after a put.
  recalls: ({ change }) => (change.action === null ? [] : [`cur:${change.action.subject}`]),
  decide(state, { change, offset }) {
    if (change.action === null) return [];
    const { id, subject, argument } = change.action;
    const read = (key: string): number => (state.get(key) as CursorState | undefined)?.n['count'] ?? 0;
    const count = read(`cur:${subject}`) + 1;
    state.put(`cur:${subject}`, count === wrap ? undefined : cursor(count));
    const total = read('cur:total') + 1;
    state.put('cur:total', cursor(total));
    if (argument === 'poison') throw new Error('this record cannot be decided');
    if (argument === 'restless') throw new StateMiss(['cur:total']);
    if (argument === 'large') state.put('cur:large', { n: {}, s: { text: 'x'.repeat(70_000) } });
    const reason = argument === 'bulky' ? id.padEnd(100_000, '.') : id;
    return [entry(subject, { kind: 'set', value: count, other: total, reason, offset })];
  },
  poisoned(state, { key, offset }) {
    const held = ((state.get('cur:held') as CursorState | undefined)?.n['count'] ?? 0) + 1;
    state.put('cur:held', cursor(held));
    return [entry(key, { kind: 'held', value: held, other: null, reason: 'poison', offset })];
  },
};

function entry(id: string, rest: Omit<JournalEntry, 'id' | 'at' | 'field' | 'source'>): Output {
  // No time in it: two logs of the same changes must give the same bytes.
  const value: JournalEntry = { id, at: 0, field: '', source: '', ...rest };
  return { topic: 'journal', key: id, value, schema: 'JournalEntry' };
}
