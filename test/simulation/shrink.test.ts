import { describe, expect, it } from 'vitest';
import { shrink } from './shrink.ts';
import { generate, named, readWorld, switches } from './world.ts';

const first = (holds: (seed: number) => boolean): number => {
  for (let seed = 1; ; seed++) if (holds(seed)) return seed;
};

describe('shrinking', () => {
  const world = readWorld('everything');

  it('leaves the one action that matters, nobody but who is needed, and no fault', () => {
    const seed = first((one) => generate(one, world).actions.filter(({ do: what }) => what === 'delete').length === 1);
    const least = shrink(generate(seed, world), ({ actions }) => actions.some(({ do: what }) => what === 'delete'));
    expect(least.actions.map(({ do: what }) => what)).toEqual(['delete']);
    expect(least.people.length).toBe(1);
    expect(least.companies).toEqual([]);
    expect([...least.world.on]).toEqual([]);
  });

  it('keeps a fault that is needed', () => {
    const least = shrink(generate(1, world), (one) => one.world.on.has('late'));
    expect([...least.world.on]).toEqual(['late']);
    expect(least.actions).toEqual([]);
  });

  it('never takes a deployment for a fault', () => {
    const least = shrink(generate(1, readWorld('oneway,delay')), () => true);
    expect([...least.world.on]).toEqual(['oneway']);
  });
});

describe('histories', () => {
  it('are the same for the same seed, and time never runs back in them', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const history = generate(seed, readWorld('everything'));
      expect(generate(seed, readWorld('everything'))).toEqual(history);
      const times = history.actions.map(({ at }) => at);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
  });

  it('know every switch and world by name, and no other', () => {
    expect(Object.keys(named).filter((name) => name in switches)).toEqual([]);
    expect(readWorld('calm,late').on).toEqual(new Set(['late']));
    expect(() => readWorld('lat')).toThrow('no switch or world is called "lat"');
  });
});
