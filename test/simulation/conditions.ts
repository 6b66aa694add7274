/**
 * Conditions of the platforms and of their people that histories may be given besides faults: each a switch of its own,
 * with what somebody does about it.
 */
import type { MappedField, PlatformName } from './fields.ts';
import type { Chance } from './random.ts';

export const conditions = {
  locked: 'Salesforce records are locked for seconds',
  duprule: 'a duplicate rule of Salesforce takes no email twice',
  rejects: 'Intercom refuses values',
  tight: 'a budget that any history meets, at times used up by others',
  skew: "the platforms' clocks differ by seconds",
  visitors: 'people are leads of Intercom first',
  names: 'Intercom has one name for what Salesforce has in two',
  burst: 'another integration writes to many records at once',
  overflow: 'transactions so large that events stand for many records',
} as const;
export type Condition = keyof typeof conditions;

export type ConditionDeed =
  | { readonly do: 'lock'; readonly who: number; readonly forMs: number }
  | { readonly do: 'exhaust'; readonly on: PlatformName; readonly forMs: number }
  | { readonly do: 'signup'; readonly who: number }
  /** One field of everybody, in one transaction of Salesforce. */
  | { readonly do: 'bulk'; readonly field: string; readonly text: string };

/** People of whom nothing is told but that they are written to by the hundred. */
export const crowd = 16;
/** Changed fields of one transaction, beyond which Salesforce tells no more: an edit of one person has three at most. */
export const overflowAfter = 6;

const written: readonly MappedField['canonical'][] = ['department', 'title', 'assistant'];

/** Rare deeds of the conditions that are on. */
export function deedsOf(chance: Chance, on: ReadonlySet<string>, who: number, n: number): readonly ConditionDeed[] {
  const deeds: ConditionDeed[] = [];
  if (on.has('locked')) deeds.push({ do: 'lock', who, forMs: chance.int('locked for', 100, 6_000) });
  if (on.has('tight'))
    deeds.push({
      do: 'exhaust',
      on: chance.pick('exhausted', ['salesforce', 'intercom'] as const),
      forMs: chance.int('exhausted for', 1_000, 30_000),
    });
  if (on.has('visitors')) deeds.push({ do: 'signup', who }, { do: 'signup', who });
  if (on.has('burst') || on.has('overflow'))
    deeds.push({ do: 'bulk', field: chance.pick('bulk field', written), text: `bulk ${n}` });
  return deeds;
}
