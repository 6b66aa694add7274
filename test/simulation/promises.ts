/** What is promised of every history, and what is kept of a promise that broke. */
import type { JournalEntry } from '../../schemas/types.ts';
import type { Alike } from './ends.ts';
import type { Ran } from './simulate.ts';

export const promises = {
  agree: 'both sides say the same, but for what a platform normalises or refuses',
  silent: 'it falls silent after the last edit',
  duplicates: 'nobody is there twice',
  merged: 'who was merged is one person with all records, and nothing is asked of the record that ended',
  operators: 'what an operator says is answered in the journal, and stands',
  joined: 'events of people carry their account as it is',
  accounted: 'every accepted change ends as an event, a counted drop or a dead letter',
  told: 'what lost against a newer value is told in the journal',
  quiet: 'no field is given up without a reason of the platform',
  order: "nobody's own older value beats their newer one",
  newest: 'the newest value wins, as far as the platforms tell',
  owner: "the owner's value stands",
  consent: 'who opted out on either side stays opted out',
  fill: 'what is only filled where it is empty keeps its value',
  writes: 'one write per edit and side, one more for each write-back and each call in doubt',
  prompt: 'where nothing fails an edit is carried over within ten seconds, whatever else is to be written',
  known: 'when all is silent, what is known of each record is what stands there, and nothing is under way',
  quota: 'never a call beyond the budget',
  fresh:
    'what cannot be written yet waits to be asked with its newest values: no more is asked than fits, nor called later than a minute',
  bytes: 'the same changes give the same bytes, however they are cut',
  replay: 'all observations once more write nothing',
} as const;
export type Promise = keyof typeof promises;

export interface Violation {
  readonly promise: Promise;
  readonly text: string;
  /** Records concerned, for telling their history. */
  readonly about: readonly string[];
  /** Why the platforms do not tell better; empty: it is ours. */
  readonly excuse: string;
}

/** One history before its judges. */
export interface Judging {
  readonly ran: Ran;
  /** Only to tell what a difference is to be called that was found without it. */
  readonly journal: readonly JournalEntry[];
  readonly alike: Alike;
  readonly broken: (promise: Promise, text: string, about?: readonly string[], excuse?: string) => void;
}
