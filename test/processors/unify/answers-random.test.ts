/** Answers, and what waits for them, under any history of a person who is on both platforms and whose calls end in any way. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partitionKey } from '../../../processors/unify/keys.ts';
import { standingOf } from '../../../processors/unify/standing.ts';
import { alike } from '../../../processors/unify/values.ts';
import type { Command, CursorState, RefState, Value } from '../../../schemas/types.ts';
import { second } from '../../support/changes.ts';
import { plainWorld } from '../../support/plain-world.ts';
import { config, intercom, ours, Pair, salesforce } from './ledger-pair.ts';

const names = { salesforce: ['Title', 'Phone', 'Tier__c'], intercom: ['title', 'phone', 'tier'] } as const;
const values = ['a', 'b', 'c', null] as const;

const field = fc.nat(2);
const value = fc.nat(3);
/** What is told of a field that was asked: what was asked, another value, what was there before, nothing. */
const told = fc.constantFrom('asked', 'asked', 'asked', 'other', 'before', 'nothing');
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('salesforce' as const), field, value }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('intercom' as const), field, value }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      how: fc.constantFrom('applied', 'applied', 'applied', 'refused', 'field refused', 'expired'),
      told: fc.array(told, { minLength: 3, maxLength: 3 }),
      doubt: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'marks' as const }) },
);
const steps = fc.array(step, { maxLength: 25, size: 'max' });
/** Many who say something of one field while few calls are answered. */
const crowd = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('intercom' as const), field: fc.nat(1), value }),
    },
    { weight: 1, arbitrary: step },
  ),
  { maxLength: 25, size: 'max' },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Plays a history: each step happens a few seconds after the one before it. */
class History {
  readonly pair = new Pair({ Tier__c: 'a' }, { 'custom_attributes.tier': 'a' });
  readonly wrong: string[] = [];
  at = 10;
  /** Answers after which the very same could have been asked again. */
  judged = 0;
  /** Asks while which somebody said something of their record, or another write of it was not over: they may be asked once more. */
  readonly #overtaken = new Set<string>();
  /** Most notifications that waited at once. */
  waited = 0;

  play(all: readonly Step[]): this {
    for (const one of all) {
      this.#one(one);
      this.at += 3;
      this.#watch();
    }
    return this;
  }

  /** Every call is carried out and told of, until nobody asks any more. */
  rest(): this {
    for (let rounds = 0; rounds < 30; rounds++) {
      this.pair.runner.tick();
      const open = this.pair.open();
      if (open.length === 0 && rounds > 1) return this;
      for (const command of open) this.#answer(command, 'applied', ['asked', 'asked', 'asked'], false);
      this.at += 100;
      this.pair.marks(this.at);
      this.#watch();
    }
    this.wrong.push('it never comes to rest');
    return this;
  }

  ref(name: string): RefState {
    const ref = this.pair.runner.ref(name);
    if (ref === undefined) throw new Error(`${name} is not known`);
    return ref;
  }

  #one(one: Step): void {
    if (one.do === 'marks') this.pair.marks(this.at);
    else if (one.do === 'answer') {
      const [command] = this.pair.open();
      if (command !== undefined) this.#answer(command, one.how, one.told, one.doubt);
    } else {
      const now = values[one.value] ?? null;
      for (const { id, platform } of this.pair.open()) if (platform === one.do) this.#overtaken.add(id);
      if (one.do === 'salesforce') this.pair.event({ [names.salesforce[one.field] ?? '']: now }, this.at);
      else this.pair.webhook({ [`custom_attributes.${names.intercom[one.field] ?? ''}`]: now }, this.at + 0.5);
    }
  }

  #answer(command: Command, how: string, kinds: readonly string[], doubt: boolean): void {
    const { pair, at } = this;
    // What the platform made of a value is told of the oldest write whose echo has not come.
    const isAwaited = this.ref(command.ref).landed.some(({ done, expected }) =>
      Object.keys(expected).some((name) => !done.includes(name)),
    );
    if (isAwaited) this.#overtaken.add(command.id);
    if (how === 'expired') pair.result(command, { outcome: 'expired', doubt, platformTime: (second + at) * 1000 });
    else if (how === 'refused' || how === 'field refused') {
      const refusals =
        how === 'refused' ? [] : [{ field: Object.keys(command.fields)[0] ?? '', code: 'NO', message: '' }];
      pair.result(command, { outcome: 'refused', refusals, platformTime: (second + at) * 1000 });
    } else this.#applied(command, kinds, doubt);
    const ref = this.ref(command.ref);
    if (ref.open?.id === command.id) this.wrong.push(`${command.id} is answered and open`);
    if (how === 'expired' || command.verb === 'read' || this.#overtaken.has(command.id)) return;
    // A call that is refused for one field has done nothing of the others, which are asked without it.
    const [first = ''] = Object.keys(command.fields);
    const answered = how === 'field refused' ? { [first]: command.fields[first] } : command.fields;
    this.judged += 1;
    for (const [name, asked] of Object.entries(ref.open?.fields ?? {}))
      if (name in answered && alike(asked, answered[name]))
        this.wrong.push(`${name} of ${command.ref} is asked again at once`);
  }

  #applied(command: Command, kinds: readonly string[], doubt: boolean): void {
    const { pair, at } = this;
    const seen = this.ref(command.ref).seen;
    const entries = Object.entries(command.fields).flatMap(([name, asked], n): [string, Value][] => {
      const kind = kinds[n % 3];
      // An event tells only what was changed.
      if (kind === 'nothing' || (kind === 'before' && command.platform === 'salesforce')) return [];
      return [[name, kind === 'other' ? 'z' : kind === 'before' ? (seen[name]?.value ?? null) : asked]];
    });
    if (command.verb === 'read') {
      pair.answer(command, { fields: Object.fromEntries(Object.entries(seen).map(([n, one]) => [n, one.value])), at });
    } else if (command.platform === 'salesforce') {
      pair.result(command, { doubt, platformTime: (second + at) * 1000 });
      const changed = Object.fromEntries(entries);
      if (entries.length > 0) pair.event(changed, at, ours);
    } else pair.answer(command, { fields: Object.fromEntries(entries), at }, { doubt });
  }

  /** What holds whatever has happened. */
  #watch(): void {
    const refs = [salesforce, intercom].map((name) => this.ref(name));
    for (const { ref, open, landed, waiting } of refs) {
      this.waited = Math.max(this.waited, waiting.length);
      const isWriting = [...landed, ...(open === null ? [] : [open])].some(
        ({ resultAt, verb }) => resultAt === null && verb !== 'read',
      );
      if (waiting.length > 4) this.wrong.push(`${waiting.length} wait for the answer of ${ref}`);
      if (waiting.length > 0 && !isWriting) this.wrong.push(`${ref} waits for an answer that nobody gives`);
      if (landed.length > 8) this.wrong.push(`${landed.length} landed asks of ${ref}`);
    }
    for (const platform of ['salesforce', 'intercom'] as const) {
      const counted = [0, 1, 2, 3].reduce((sum, partition) => {
        const cursor = this.pair.runner.committed.get(partitionKey(platform, partition)) as CursorState | undefined;
        return sum + (cursor?.n['open'] ?? 0);
      }, 0);
      const open = refs.filter((one) => one.ref.startsWith(platform) && one.open !== null).length;
      if (counted !== open) this.wrong.push(`${counted} asks of ${platform} are counted as open, and ${open} are`);
    }
  }
}

const runs = 150;

describe('any answer', { timeout: 60_000 }, () => {
  it('ends its ask, leaves the window as wide as it is, and has nothing asked again that it answered', () => {
    let judged = 0;
    fc.assert(
      fc.property(steps, (all) => {
        const history = new History().play(all).rest();
        judged += history.judged;
        expect(history.wrong).toEqual([]);
      }),
      { numRuns: runs },
    );
    expect(judged).toBeGreaterThan(runs);
  });

  it('leaves each field as it is wanted, or in peace', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const { pair } = new History().play(all).rest();
        const { world, state } = plainWorld(config);
        for (const [key, one] of pair.runner.committed) state.set(key, one);
        const entity = pair.runner.entityOf(salesforce);
        for (const name of [salesforce, intercom]) {
          const ref = world.ref(name);
          if (ref === undefined || entity === undefined) throw new Error(`${name} is not known`);
          const side = world.rules.entities.customer.sides[name === salesforce ? 'salesforce' : 'intercom'];
          const left = side.links.filter((link) => standingOf(world, link, ref, entity).standing === 'differs');
          expect(left.map((link) => link.field)).toEqual([]);
        }
      }),
      { numRuns: runs },
    );
  });
});

describe('what waits for an answer', { timeout: 60_000 }, () => {
  it('waits for one that comes, four at most, and is taken in with it', () => {
    let waited = 0;
    const asked = { do: 'salesforce', field: 0, value: 3 } as const;
    fc.assert(
      fc.property(crowd, (all) => {
        const history = new History().play([asked, ...all]).rest();
        waited = Math.max(waited, history.waited);
        expect(history.wrong).toEqual([]);
        expect([salesforce, intercom].map((name) => history.ref(name).waiting)).toEqual([[], []]);
      }),
      { numRuns: runs },
    );
    expect(waited).toBe(4);
  });

  it('counts by its order, whether our call came before it or over it', () => {
    const said = fc.array(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(said, fc.constantFrom(12, 30), (all, at) => {
        const pair = new Pair().event({ Title: 'asked' }, 10);
        const command = pair.only();
        all.forEach((title, n) => pair.webhook({ 'custom_attributes.title': title }, 20 + n));
        expect(pair.value('title')).toBe('asked');
        const sentAt = (second + at - 1) * 1000;
        pair.answer(command, { fields: { 'custom_attributes.title': 'asked' }, at }, { sentAt });
        expect(pair.value('title')).toBe(all.at(-1));
      }),
      { numRuns: 50 },
    );
  });
});
