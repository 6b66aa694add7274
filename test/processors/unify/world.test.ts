/** One item of many: what fails leaves nothing of itself but its dead letter, and the others are as if it had not been. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StateMiss } from '../../../core/fold.ts';
import type { World } from '../../../processors/unify/world.ts';
import { plainWorld } from '../../support/plain-world.ts';
import { twoWay } from '../../support/two-way.ts';

interface Item {
  readonly puts: readonly { readonly key: number; readonly value: number | null }[];
  readonly fails: boolean;
  readonly inner: readonly Item[];
}
const puts = fc.array(fc.record({ key: fc.nat(4), value: fc.option(fc.nat(9)) }), { maxLength: 4 });
const { item } = fc.letrec<{ item: Item }>((tie) => ({
  item: fc.record({
    puts,
    fails: fc.boolean(),
    inner: fc.oneof({ maxDepth: 2 }, fc.constant([]), fc.array(tie('item'), { maxLength: 3 })),
  }),
}));

const keyOf = (key: number): string => `idx:k${key}`;

/** Does an item; its inner ones between its writes and its end. */
function run(world: World, { puts: own, fails, inner }: Item, name: string): void {
  for (const { key, value } of own) world.putItems(keyOf(key), value === null ? [] : [`${value}`]);
  world.journal({ id: name, kind: 'set', reason: 'done' });
  world.stirred.add(name);
  inner.forEach((one, n) => attempt(world, one, `${name}.${n}`));
  if (fails) throw new Error(`${name} fails`);
}
const attempt = (world: World, one: Item, name: string): void =>
  world.attempt(
    name,
    (within) => run(within, one, name),
    (outer, reason) => outer.putItems(`idx:held:${name}`, [reason]),
  );

/** The same over a plain map: what failed is a map thrown away. */
function plain(
  state: ReadonlyMap<string, string>,
  one: Item,
  name: string,
  done: Set<string>,
): ReadonlyMap<string, string> {
  let next = new Map(state);
  const mine = new Set([name]);
  for (const { key, value } of one.puts) {
    if (value === null) next.delete(keyOf(key));
    else next.set(keyOf(key), `${value}`);
  }
  one.inner.forEach((inner, n) => (next = new Map(plain(next, inner, `${name}.${n}`, mine))));
  if (one.fails) return new Map(state).set(`idx:held:${name}`, `${name} fails`);
  for (const each of mine) done.add(each);
  return next;
}

describe('an item of many', () => {
  it('that fails leaves no write, no output and no stir, but is told and held; the rest stands', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 4 }), (all) => {
        const { world, state } = plainWorld(twoWay());
        let expected: ReadonlyMap<string, string> = new Map();
        const done = new Set<string>();
        all.forEach((one, n) => {
          attempt(world, one, `${n}`);
          expected = plain(expected, one, `${n}`, done);
        });
        const shown = [...state].map(([key, value]) => [key, (value as { items: readonly string[] }).items[0]]);
        expect(new Map(shown as [string, string][])).toEqual(expected);
        expect(new Set(world.stirred)).toEqual(done);
        const told = world.outputs.flatMap(({ value }) => {
          const { id, kind } = value as { readonly id?: string; readonly kind?: string };
          return kind === 'set' ? [id] : [];
        });
        expect(new Set(told)).toEqual(done);
        const held = [...expected.keys()].filter((key) => key.startsWith('idx:held:')).length;
        expect(world.outputs.filter(({ topic }) => topic === 'unify.dlq').length).toBe(held);
      }),
      { numRuns: 150 },
    );
  });

  it('that lacks a key is no failure: it is decided again when the key is there', () => {
    const { world } = plainWorld(twoWay());
    const miss = new StateMiss(['idx:k']);
    const missing = (): void => {
      throw miss;
    };
    expect(() => world.attempt('x', missing, missing)).toThrow(miss);
    expect(world.outputs).toEqual([]);
  });
});
