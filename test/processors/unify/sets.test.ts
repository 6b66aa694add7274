import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../core/config.ts';
import { setKey } from '../../../processors/unify/keys.ts';
import { addMember, hasMembers, removeMember, setSlots, slotsUsed } from '../../../processors/unify/sets.ts';
import type { World } from '../../../processors/unify/world.ts';
import { type PlainWorld, plainWorld } from '../../support/plain-world.ts';

const emptyWorld = (): PlainWorld => plainWorld(loadConfig({ env: {} }));

const all = (world: World): readonly string[] =>
  Array.from({ length: slotsUsed(world, 's') }, (_, slot) => world.items(setKey('s', slot))).flat();

describe('a large set over small values', { timeout: 30_000 }, () => {
  it('holds what a plain set would hold, each member once, after any additions and removals', () => {
    const step = fc.record({ add: fc.boolean(), member: fc.nat(250) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
        const { world } = emptyWorld();
        const plain = new Set<string>();
        for (const { add, member } of steps) {
          const name = `m${member}`;
          if (add) {
            addMember(world, 's', name);
            plain.add(name);
          } else {
            removeMember(world, 's', name);
            plain.delete(name);
          }
          expect(hasMembers(world, 's')).toBe(plain.size > 0);
        }
        expect([...all(world)].sort()).toEqual([...plain].sort());
      }),
      { numRuns: 60 },
    );
  });

  it('of fifty thousand members has no value near 64 kB, and one of five is a single value', () => {
    const { world, state } = emptyWorld();
    for (let n = 0; n < 5; n++) addMember(world, 's', `customer-${n}-0123456789`);
    expect(state.size).toBe(1);
    for (let n = 0; n < 50_000; n++) addMember(world, 's', `customer-${n}-0123456789`);
    const largest = Math.max(
      ...Array.from({ length: setSlots }, (_, slot) => world.items(setKey('s', slot)).join(' ').length),
    );
    expect(largest).toBeLessThan(32 * 1024);
    expect(all(world).length).toBe(50_000);
  });
});
