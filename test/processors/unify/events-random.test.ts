/** Canonical events under any history: each is what the one before it and its own changes make of it, and none says nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { namedFields } from '../../../processors/unify/rules.ts';
import type {
  Account,
  AccountEvent,
  Customer,
  CustomerEvent,
  EntityState,
  FieldChange,
  Value,
} from '../../../schemas/types.ts';
import type { Emitted } from '../../support/fold-runner.ts';
import { histories, Play } from './people-play.ts';

type AnyEvent = CustomerEvent | AccountEvent;
type Image = Customer | Account;

const imageOf = (event: AnyEvent): Image => ('customer' in event ? event.customer : event.account);
const kindOf = (event: AnyEvent): EntityState['entity'] => ('customer' in event ? 'customer' : 'account');
/** Links are told as what they name, which moves by itself. */
const links = ['ownerEmail', 'account'];

const sorted = (all: readonly [string, Value][]): ReadonlyMap<string, Value> =>
  new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));

/** Canonical values of an image, by field; what has none is left out. */
function valuesOf(event: AnyEvent): ReadonlyMap<string, Value> {
  const image = imageOf(event);
  const named = namedFields[kindOf(event)].filter((name) => !links.includes(name));
  const all: [string, Value][] = [
    ...named.map((name): [string, Value] => [name, image[name as keyof Image] as Value]),
    ...Object.entries(image.attributes),
  ];
  return sorted(all.filter(([, value]) => value !== null));
}

/** The values after changes. */
function after(before: ReadonlyMap<string, Value>, changed: readonly FieldChange[]): ReadonlyMap<string, Value> {
  const values = new Map(before);
  for (const { field, new: value } of changed) {
    if (links.includes(field)) continue;
    if (value === null) values.delete(field);
    else values.set(field, value);
  }
  return sorted([...values]);
}

class Watch {
  readonly wrong: string[] = [];
  readonly #last = new Map<string, AnyEvent>();
  readonly #latest = new Map<string, AnyEvent>();

  put(emitted: readonly Emitted[]): readonly AnyEvent[] {
    for (const { topic, key, value } of emitted) {
      if (topic === 'customer.latest' || topic === 'account.latest') this.#latest.set(key, value as AnyEvent);
    }
    const events = emitted.filter(({ topic }) => topic === 'customer.events' || topic === 'account.events');
    for (const { key, value } of events) this.#event(key, value as AnyEvent);
    for (const [key, event] of this.#last)
      if (JSON.stringify(this.#latest.get(key)) !== JSON.stringify(event))
        this.wrong.push(`latest of ${key} is not its last`);
    return events.map(({ value }) => value as AnyEvent);
  }

  #event(key: string, event: AnyEvent): void {
    const { changed, version, type } = event;
    const say = (what: string): number => this.wrong.push(`${type} ${version} of ${key}: ${what}`);
    const before = this.#last.get(key);
    this.#last.set(key, event);
    if (version !== (before?.version ?? 0) + 1) say('does not follow the one before');
    if (before?.type === 'merged') say('comes after its end');
    if ((type === 'created') !== (before === undefined)) say('is not the first, or the first is another');
    if (type === 'changed' && changed.length === 0) say('changed nothing');
    if ((type === 'merged' || type === 'joined') && changed.length > 0) say('changed something');
    const expected = after(before === undefined ? new Map() : valuesOf(before), changed);
    const shown = valuesOf(event);
    if (JSON.stringify([...shown]) !== JSON.stringify([...expected]))
      say(`shows ${JSON.stringify([...shown])}, not ${JSON.stringify([...expected])}`);
    const values = new Map(before === undefined ? [] : valuesOf(before));
    for (const one of changed) {
      // What waited for an answer comes before what was told with it: one field may change twice.
      const was = links.includes(one.field) ? one.old : (values.get(one.field) ?? null);
      values.set(one.field, one.new);
      if (JSON.stringify(one.old) !== JSON.stringify(was)) say(`${one.field} was not what it says`);
      if (JSON.stringify(one.old) === JSON.stringify(one.new)) say(`${one.field} did not change`);
    }
  }
}

/** Histories of a plain run; HISTORIES asks for more. */
const runs = Number(process.env['HISTORIES'] ?? 40);

describe('events at random', { timeout: 300_000 }, () => {
  it('follow each other by one, are what their changes say, and stand in latest as the last', () => {
    fc.assert(
      fc.property(histories(40), (steps) => {
        const play = new Play();
        const watch = new Watch();
        watch.put(play.people.runner.outputs);
        play.people.runner.onDecided = (_, emitted) => watch.put(emitted);
        // Who is gone and taken apart is told of when they are back, without what they had.
        // Not held yet: where a call finds its record merged away, a change may name a value before it that no event had shown.
        const isLeftOut = (one: (typeof steps)[number]): boolean =>
          one.do === 'unlink' || (one.do === 'answer' && one.how === 'gone');
        for (const one of steps) if (!isLeftOut(one)) play.step(one);
        play.settle();
        expect(watch.wrong).toEqual([]);
      }),
      { numRuns: runs },
    );
  });

  it('are not said of an observation that comes again at once', () => {
    let repeated = 0;
    fc.assert(
      fc.property(histories(25), (steps) => {
        const play = new Play();
        const said: unknown[] = [];
        for (const one of steps) {
          const before = play.said.length;
          play.step(one);
          const last = play.said.at(-1);
          // A copied id is looked at once more when it comes again: whom it names may have become free.
          if (play.said.length === before || last?.observation?.op !== 'seen' || one.do === 'marked') continue;
          repeated += 1;
          const { outputs } = play.people.runner;
          const from = outputs.length;
          play.people.say(last);
          said.push(...outputs.slice(from).filter(({ topic }) => topic.endsWith('.events')));
        }
        expect(said).toEqual([]);
      }),
      { numRuns: runs },
    );
    expect(repeated).toBeGreaterThan(runs);
  });
});
