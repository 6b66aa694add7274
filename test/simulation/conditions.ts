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
  retried: 'notifications fail at first and come a minute later, or are lost when they fail again',
  throttled: 'Intercom is told to wait with its notifications, and waits for minutes',
  paused: 'a few notifications that fail in a row have Intercom drop all of a quarter of an hour',
  operate: 'operators pin records, take them apart, release fields and have things asked again',
} as const;
export type Condition = keyof typeof conditions;

const verbs = ['pin', 'unlink', 'unfreeze', 'redrive', 'resync'] as const;
export type Verb = (typeof verbs)[number];

export type ConditionDeed =
  | { readonly do: 'lock'; readonly who: number; readonly forMs: number }
  | { readonly do: 'exhaust'; readonly on: PlatformName; readonly forMs: number }
  | { readonly do: 'signup'; readonly who: number }
  /** Whoever receives Intercom's notifications tells it to wait. */
  | { readonly do: 'busy'; readonly forMs: number }
  /** What an operator says of a record of somebody; a pin names their record on the other platform. */
  | { readonly do: 'operate'; readonly verb: Verb; readonly who: number; readonly on: PlatformName }
  /** One field of everybody, in one transaction of Salesforce. */
  | { readonly do: 'bulk'; readonly field: string; readonly text: string };

/** People of whom nothing is told but that they are written to by the hundred. */
export const crowd = 16;
/** Changed fields of one transaction, beyond which Salesforce tells no more: an edit of one person has three at most. */
export const overflowAfter = 6;

/** Notifications that fail in a row, beyond which Intercom pauses: a history has few. */
export const pauseAfter = 2;
/** Switches by which notifications are lost, so that only a reading tells what they did not. */
export const losing = ['lost', 'retried', 'paused'] as const;

const written: readonly MappedField['canonical'][] = ['department', 'title', 'assistant'];

/** Operators come to what waits for them: who shares an email is pinned, who fights released, and released again. */
export function operations(chance: Chance, on: ReadonlySet<string>, count: number, at: number): readonly Timed[] {
  const everybody = Array.from({ length: count }, (_, who) => who).filter(() => chance.is('operated', 0.7));
  const verb: Verb = on.has('thirdwriter') ? 'unfreeze' : 'pin';
  return everybody.flatMap((who) => {
    const first = at + chance.int('operated at', 100, 30_000);
    const deed = { do: 'operate' as const, who, on: 'salesforce' as const };
    const again = first + chance.int('operated again', 1_000, 60_000);
    const last = chance.pick('operated last', verb === 'pin' ? verbs.slice(0, 2) : [verb]);
    return [
      { at: first, verb, ...deed },
      { at: again, verb: last, ...deed },
    ];
  });
}
type Timed = ConditionDeed & { readonly at: number };

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
  if (on.has('operate'))
    deeds.push({
      do: 'operate',
      verb: chance.pick('verb', verbs),
      who,
      on: chance.pick('operates on', ['salesforce', 'intercom'] as const),
    });
  if (on.has('throttled')) deeds.push({ do: 'busy', forMs: chance.int('busy for', 100, 90_000) });
  if (on.has('visitors')) deeds.push({ do: 'signup', who }, { do: 'signup', who });
  if (on.has('burst') || on.has('overflow'))
    deeds.push({ do: 'bulk', field: chance.pick('bulk field', written), text: `bulk ${n}` });
  return deeds;
}
