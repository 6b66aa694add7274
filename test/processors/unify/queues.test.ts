/** Dirty queues and windows against a plain reference: lists in memory. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closed } from '../../../processors/unify/commands.ts';
import { dispatch, enqueueRef, lanes } from '../../../processors/unify/dirty.ts';
import { newRef } from '../../../processors/unify/identity.ts';
import { partitionKey } from '../../../processors/unify/keys.ts';
import { noPosition } from '../../../processors/unify/values.ts';
import type { Lane, World } from '../../../processors/unify/world.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import type { CanonicalField, Command, EntityState, RefState } from '../../../schemas/types.ts';
import { StructureWorld } from '../../support/structure-world.ts';
import { twoWay } from '../../support/two-way.ts';

const partitions = 4;
const people = 90;
const field = 'custom_attributes.job_title';
const marker = 'custom_attributes.tributary_id';
const refOf = (n: number): string => `intercom:contact:c${n}`;
const partitionOfRef = (n: number): number => partitionOf(refOf(n), partitions);

type Step =
  | { readonly do: 'edit'; readonly who: number; readonly value: number; readonly lane: Lane }
  | { readonly do: 'burst'; readonly from: number; readonly value: number; readonly lane: Lane }
  | { readonly do: 'window'; readonly partition: number; readonly window: number; readonly bulk: number }
  | { readonly do: 'answer'; readonly which: number };

const lane = fc.constantFrom<Lane>('urgent', 'live', 'bulk');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('edit' as const), who: fc.nat(people - 1), value: fc.nat(2), lane }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('burst' as const), from: fc.nat(people - 1), value: fc.nat(2), lane }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('window' as const),
      partition: fc.nat(partitions - 1),
      window: fc.nat(6),
      bulk: fc.nat(3),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(30) }) },
);

interface Person {
  wanted: number;
  seen: number;
  queued: Lane | null;
  open: { readonly lane: Lane; readonly value: number } | null;
}

/** What should happen, in plain lists. */
class Reference {
  readonly people = Array.from({ length: people }, (): Person => ({ wanted: 0, seen: 0, queued: null, open: null }));
  readonly windows = Array.from({ length: partitions }, () => ({ window: 0, bulk: 0 }));
  readonly #lists = new Map<string, number[]>();

  #list(partition: number, of: Lane): number[] {
    const key = `${partition} ${of}`;
    const list = this.#lists.get(key) ?? [];
    this.#lists.set(key, list);
    return list;
  }

  enqueue(who: number, into: Lane): void {
    const person = this.people[who] as Person;
    if (person.open !== null || person.wanted === person.seen) return;
    if (person.queued !== null && lanes.indexOf(person.queued) <= lanes.indexOf(into)) return;
    person.queued = into;
    this.#list(partitionOfRef(who), into).push(who);
  }

  open(partition: number, of?: Lane): number {
    return this.people.filter(
      ({ open }, who) => open !== null && partitionOfRef(who) === partition && (of === undefined || open.lane === of),
    ).length;
  }

  /** Asks what the window takes; returns who was asked. */
  ask(partition: number): readonly number[] {
    const asked: number[] = [];
    const { window, bulk } = this.windows[partition] ?? { window: 0, bulk: 0 };
    for (const from of lanes) {
      const list = this.#list(partition, from);
      while (this.open(partition) < window && (from !== 'bulk' || this.open(partition, 'bulk') < bulk)) {
        const who = list.shift();
        if (who === undefined) break;
        const person = this.people[who] as Person;
        if (person.queued !== from) continue;
        person.queued = null;
        if (person.wanted === person.seen) continue;
        person.open = { lane: from, value: person.wanted };
        asked.push(who);
      }
    }
    return asked;
  }

  answer(who: number): void {
    const person = this.people[who] as Person;
    const { open } = person;
    if (open === null) return;
    person.seen = open.value;
    person.open = null;
    this.enqueue(who, open.lane);
  }
}

/** The same over keys and values. */
class Queues {
  readonly #world: StructureWorld;
  #asked = 0;

  constructor(forgetful: boolean) {
    this.#world = new StructureWorld(twoWay(), forgetful);
    this.#world.run((world) => {
      for (let who = 0; who < people; who++) {
        world.putEntity(entity(who, 0));
        world.putRef({
          ...newRef(refOf(who), 'customer', `e${who}`),
          seen: { [field]: seen(0), [marker]: { ...seen(0), value: `e${who}` } },
        });
      }
    });
  }

  edit(some: readonly number[], value: number, into: Lane): void {
    this.#world.run((world) => {
      for (const who of some) {
        const next = entity(who, value);
        world.putEntity(next);
        enqueueRef(world, refState(world, who), next, into);
      }
      dispatch(world, () => undefined);
    });
  }

  window(partition: number, window: number, bulk: number): void {
    this.#world.run((world) => {
      const key = partitionKey('intercom', partition);
      const { n } = world.cursor(key);
      world.putCursor(key, { n: { ...n, window, bulkWindow: bulk }, s: { epoch: 'e' } });
      world.stirred.add(`intercom:${partition}`);
      dispatch(world, () => undefined);
    });
  }

  answer(who: number): void {
    this.#world.run((world) => {
      const ref = refState(world, who);
      if (ref.open === null) throw new Error('nothing is open');
      closed(world, 'intercom', ref.ref, ref.open);
      const value = Number(ref.open.fields[field]);
      const idle = { ...ref, open: null, seen: { ...ref.seen, [field]: seen(value) } };
      world.putRef(idle);
      const known = world.entity(`e${who}`);
      if (known !== undefined) enqueueRef(world, idle, known, ref.open.lane);
      dispatch(world, () => undefined);
    });
  }

  /** Who was asked since the last call, in order. */
  asked(): readonly number[] {
    const all = this.#world.runner.outputs.filter(({ topic }) => topic === 'intercom.commands');
    const fresh = all.slice(this.#asked).map(({ value }) => Number((value as Command).ref.slice(refOf(0).length - 1)));
    this.#asked = all.length;
    return fresh;
  }

  keys(): number {
    return [...this.#world.runner.committed.keys()].filter((key) => key.startsWith('idx:queue:')).length;
  }
}

const seen = (value: number): RefState['seen'][string] => ({
  value: String(value),
  at: noPosition,
  answer: false,
  ask: '',
});
const refState = (world: World, who: number): RefState => world.ref(refOf(who)) as RefState;
function entity(who: number, value: number): EntityState {
  const title: CanonicalField = {
    value: String(value),
    version: 1,
    time: 0,
    at: noPosition,
    source: '',
    by: '',
    reason: '',
    offset: 0,
    previous: null,
    lost: null,
    turns: [],
    frozen: false,
  };
  return {
    id: `e${who}`,
    entity: 'customer',
    founder: refOf(who),
    generation: 0,
    mergedInto: null,
    refs: [refOf(who)],
    fields: { title },
    version: 1,
    asks: 0,
    creates: [],
    ambiguous: [],
    entries: [],
  };
}

/** Plays the steps on both: after each of them both should have asked the same, in the same order. */
function play(
  steps: readonly Step[],
  forgetful: boolean,
): {
  readonly reference: Reference;
  readonly queues: Queues;
  /** Where the two asked for something else. */
  readonly differences: readonly object[];
} {
  const reference = new Reference();
  const queues = new Queues(forgetful);
  const differences: object[] = [];
  for (const one of steps) {
    const stirred = new Set<number>();
    const edit = (some: readonly number[], value: number, into: Lane): void => {
      for (const who of some) {
        (reference.people[who] as Person).wanted = value;
        reference.enqueue(who, into);
        stirred.add(partitionOfRef(who));
      }
      queues.edit(some, value, into);
    };
    switch (one.do) {
      case 'edit':
        edit([one.who], one.value, one.lane);
        break;
      case 'burst':
        edit(
          Array.from({ length: 40 }, (_, n) => (one.from + n) % people),
          one.value,
          one.lane,
        );
        break;
      case 'window':
        reference.windows[one.partition] = { window: one.window, bulk: one.bulk };
        stirred.add(one.partition);
        queues.window(one.partition, one.window, one.bulk);
        break;
      case 'answer': {
        const open = reference.people.flatMap((person, who) => (person.open === null ? [] : [who]));
        const who = open[one.which % Math.max(1, open.length)];
        if (who === undefined) break;
        reference.answer(who);
        stirred.add(partitionOfRef(who));
        queues.answer(who);
      }
    }
    // Only a partition in which something moved can have room for more; the others were as full as they could be.
    const expected = [...stirred].sort((a, b) => a - b).flatMap((partition) => reference.ask(partition));
    const asked = queues.asked();
    if (JSON.stringify(asked) !== JSON.stringify(expected)) differences.push({ step: one, asked, expected });
  }
  return { reference, queues, differences };
}

describe('dirty records', { timeout: 60_000 }, () => {
  it('are asked for in the order of a plain list for each lane, the better lane first, within the window and its bulk share', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 70 }), fc.boolean(), (steps, forgetful) => {
        expect(play(steps, forgetful).differences).toEqual([]);
      }),
      { numRuns: 80 },
    );
  });

  it('all get their turn when the windows open, one ask of each at a time, and leave nothing behind', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const { reference, queues } = play(steps, false);
        const open = new Set(reference.people.flatMap((person, who) => (person.open === null ? [] : [who])));
        const ask = (): void => {
          for (const who of queues.asked()) {
            expect(open.has(who)).toBe(false);
            open.add(who);
          }
        };
        for (let partition = 0; partition < partitions; partition++) {
          reference.windows[partition] = { window: 3, bulk: 2 };
          queues.window(partition, 3, 2);
          reference.ask(partition);
          ask();
        }
        for (let guard = 0; open.size > 0; guard++) {
          if (guard > 1000) throw new Error('never done');
          const [who = 0] = open;
          open.delete(who);
          reference.answer(who);
          queues.answer(who);
          reference.ask(partitionOfRef(who));
          ask();
        }
        expect(reference.people.filter((person) => person.wanted !== person.seen)).toEqual([]);
        // A segment that is not full yet stays until it is.
        expect(queues.keys()).toBeLessThanOrEqual(partitions * lanes.length);
      }),
      { numRuns: 40 },
    );
  });
});
