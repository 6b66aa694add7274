/** Work that touches many records, advanced by ticks: against a plain reference, over keys and values alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stateLimit } from '../../../core/decide.ts';
import { memoryCodec } from '../../../core/registry.ts';
import { advanceJobs, fanOut, realignAll } from '../../../processors/unify/jobs.ts';
import { jobsKey } from '../../../processors/unify/keys.ts';
import { enroll } from '../../../processors/unify/roster.ts';
import { compileRules } from '../../../processors/unify/rules.ts';
import { addMember, removeMember } from '../../../processors/unify/sets.ts';
import { World } from '../../../processors/unify/world.ts';
import type { EntityState, JobState } from '../../../schemas/types.ts';
import { change } from '../../support/fold-runner.ts';
import { StructureWorld } from '../../support/structure-world.ts';
import { twoWay } from '../../support/two-way.ts';

const rules = twoWay();
const perTick = 50;

const entity = (id: string): EntityState => ({
  id,
  entity: 'customer',
  founder: `salesforce:Contact:${id}`,
  generation: 0,
  mergedInto: null,
  refs: [],
  fields: {},
  version: 1,
  asks: 0,
  creates: [],
  ambiguous: [],
  entries: [],
});

/** Fills a world without the cost of a decision for each member; what is kept is the same. */
function filled(world: StructureWorld, fill: (world: World) => void): StructureWorld {
  const { committed } = world.runner;
  fill(
    new World(
      {
        get: (key) => committed.get(key),
        put: (key, value) => void (value === undefined ? committed.delete(key) : committed.set(key, value)),
        savepoint: () => () => undefined,
      },
      { offset: 0, time: 0, key: '', lineage: 0, change: change({ kind: 'tick' }) },
      compileRules(rules),
    ),
  );
  return world;
}

const name = (n: number): string => `m${String(n).padStart(5, '0')}`;

/** One portion of one job; who was visited, and for which job. A step may be decided several times: the last one counts. */
function tick(world: StructureWorld): readonly { readonly member: string; readonly job: JobState }[] {
  return world.run((one) => {
    const visits: { member: string; job: JobState }[] = [];
    advanceJobs(one, (_, member, job) => visits.push({ member: member.id, job }));
    return visits;
  });
}

const waiting = (world: StructureWorld): number => {
  const line = world.runner.committed.get(jobsKey) as { n: Record<string, number> } | undefined;
  return (line?.n['tail'] ?? 0) - (line?.n['head'] ?? 0);
};

const start = (world: StructureWorld, set: string, kind: JobState['kind'] = 'fanout'): readonly string[] =>
  world.run((one) => {
    const visits: string[] = [];
    fanOut(one, set, kind, 'live', (_, member) => visits.push(member.id));
    return visits;
  });

type Step =
  | { readonly do: 'change'; readonly set: number }
  | { readonly do: 'join' | 'leave'; readonly set: number; readonly member: number }
  | { readonly do: 'tick'; readonly times: number };

const sets = 3;
const members = 260;
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('change' as const), set: fc.nat(sets - 1) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('join' as const, 'leave' as const),
      set: fc.nat(sets - 1),
      member: fc.nat(members - 1),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('tick' as const), times: fc.nat(4) }) },
);

describe('a job', { timeout: 60_000 }, () => {
  it('visits everybody who was there all the time after the last change, however people come and go and it is started', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, forgetful) => {
        const world = filled(new StructureWorld(rules, forgetful), (one) => {
          for (let n = 0; n < members; n++) one.putEntity(entity(name(n)));
          for (let n = 0; n < 230; n++) addMember(one, 's0', name(n));
          for (let n = 0; n < 120; n++) addMember(one, 's1', name(n));
          for (let n = 0; n < 30; n++) addMember(one, 's2', name(n));
        });
        /** By set: who has still to be visited since its last change. */
        const owed = Array.from({ length: sets }, () => new Set<string>());
        const plain = [230, 120, 30].map((count) => new Set(Array.from({ length: count }, (_, n) => name(n))));
        const advance = (): void => {
          const visits = tick(world);
          expect(visits.length).toBeLessThanOrEqual(perTick);
          expect(waiting(world)).toBe(
            [...world.runner.committed.keys()].filter((key) => key.startsWith('job:')).length,
          );
          for (const { member, job } of visits) owed[Number(job.subject.slice(1))]?.delete(member);
        };
        for (const one of steps) {
          if (one.do === 'tick') for (let n = 0; n < one.times; n++) advance();
          else if (one.do === 'change') {
            owed[one.set] = new Set(plain[one.set]);
            for (const member of start(world, `s${one.set}`)) owed[one.set]?.delete(member);
          } else {
            const member = name(one.member);
            world.run((w) => (one.do === 'join' ? addMember : removeMember)(w, `s${one.set}`, member));
            if (one.do === 'join') plain[one.set]?.add(member);
            else {
              plain[one.set]?.delete(member);
              // Whoever leaves is told by leaving.
              owed[one.set]?.delete(member);
            }
          }
        }
        for (let n = 0; waiting(world) > 0; n++) {
          if (n > 2000) throw new Error('a job never ends');
          advance();
        }
        expect(owed.map((set) => [...set])).toEqual([[], [], []]);
        expect([...world.runner.committed.keys()].filter((key) => key.startsWith('job:'))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('is decided the same whether state is at hand or has to be fetched', () => {
    const run = (forgetful: boolean): string => {
      const world = filled(new StructureWorld(rules, forgetful), (one) => {
        for (let n = 0; n < 300; n++) one.putEntity(entity(name(n)));
        for (let n = 0; n < 300; n++) addMember(one, 's0', name(n));
      });
      start(world, 's0');
      const visits = [];
      for (let n = 0; n < 40; n++) visits.push(tick(world).map(({ member }) => member));
      return JSON.stringify([visits, [...world.runner.committed].sort(([a], [b]) => (a < b ? -1 : 1))]);
    };
    expect(run(true)).toBe(run(false));
  });

  it('shares the time with the others: one of five people is not behind one of five thousand', () => {
    const world = filled(new StructureWorld(rules), (one) => {
      for (let n = 0; n < 5_000; n++) one.putEntity(entity(name(n)));
      for (let n = 0; n < 5_000; n++) addMember(one, 's0', name(n));
      for (let n = 0; n < 110; n++) addMember(one, 's1', name(n));
    });
    start(world, 's0');
    start(world, 's1');
    const turns: string[] = [];
    while (waiting(world) > 0) {
      const [visit] = tick(world);
      if (visit !== undefined) turns.push(visit.job.subject);
    }
    expect(turns.slice(0, 4)).toEqual(['s0', 's1', 's0', 's1']);
    expect(turns.lastIndexOf('s1')).toBeLessThan(turns.length / 4);
  });

  it('started again before each portion reaches the last of its members all the same', () => {
    const world = filled(new StructureWorld(rules), (one) => {
      for (let n = 0; n < 700; n++) one.putEntity(entity(name(n)));
      for (let n = 0; n < 700; n++) addMember(one, 's0', name(n));
    });
    const seen = new Set<string>();
    for (let n = 0; n < 100; n++) {
      start(world, 's0');
      for (const { member } of tick(world)) seen.add(member);
    }
    expect(seen.size).toBe(700);
  });

  it('that changes its own set reaches everybody all the same', () => {
    const world = filled(new StructureWorld(rules), (one) => {
      for (let n = 0; n < 700; n++) one.putEntity(entity(name(n)));
      for (let n = 0; n < 700; n++) addMember(one, 's0', name(n));
    });
    start(world, 's0');
    const seen = new Set<string>();
    while (waiting(world) > 0) {
      for (const member of world.run((one) => {
        const visits: string[] = [];
        advanceJobs(one, (inner, member) => {
          visits.push(member.id);
          removeMember(inner, 's0', member.id);
        });
        return visits;
      }))
        seen.add(member);
    }
    expect(seen.size).toBe(700);
  });
});

describe('an account of fifty thousand people', { timeout: 60_000 }, () => {
  it('is told to each of them, fifty at a time, while no value nears 64 kB', () => {
    const people = 50_000;
    const world = filled(new StructureWorld(rules), (one) => {
      for (let n = 0; n < people; n++) {
        one.putEntity(entity(name(n)));
        addMember(one, 's0', name(n));
      }
    });
    const codec = memoryCodec();
    const sizes = [...world.runner.committed]
      .filter(([key]) => key.startsWith('idx:'))
      .map(([, value]) => codec.encode('unify.state', 'IndexState', value).length);
    expect(Math.max(...sizes)).toBeLessThan(stateLimit / 4);
    expect(start(world, 's0')).toEqual([]);
    const visits = new Map<string, number>();
    let ticks = 0;
    let changedAgain = false;
    while (waiting(world) > 0) {
      ticks += 1;
      const portion = tick(world);
      expect(portion.length).toBeLessThanOrEqual(perTick);
      if (changedAgain) for (const { member } of portion) visits.set(member, (visits.get(member) ?? 0) + 1);
      if (ticks === 300) {
        start(world, 's0');
        changedAgain = true;
      }
    }
    expect(visits.size).toBe(people);
    expect(Math.max(...visits.values())).toBeLessThanOrEqual(2);
    // It goes on from where it was: 300 portions, and once around. A slot or two may be cut short.
    expect(ticks).toBeLessThan(300 + (people / perTick) * 1.4);
  });
});

describe('a change of the configuration', () => {
  it('reaches every entity once, a few at a time, and starts over when it changes again', () => {
    const world = filled(new StructureWorld(rules, true), (one) => {
      for (let n = 0; n < 400; n++) {
        one.putEntity(entity(name(n)));
        enroll(one, name(n));
      }
    });
    world.run((one) => realignAll(one));
    for (let n = 0; n < 3; n++) tick(world);
    world.run((one) => realignAll(one));
    const visits: string[] = [];
    while (waiting(world) > 0) visits.push(...tick(world).map(({ member }) => member));
    expect(visits.length).toBe(400);
    expect(new Set(visits).size).toBe(400);
  });

  it('costs a customer 30 bytes kept and half a kilobyte written, once', () => {
    const world = filled(new StructureWorld(rules), () => undefined);
    const codec = memoryCodec();
    const ids = Array.from({ length: 640 }, (_, n) => String(n).padStart(24, '0'));
    let written = 0;
    for (const id of ids) {
      const before = new Map(world.runner.committed);
      world.run((one) => enroll(one, id));
      for (const [key, value] of world.runner.committed)
        if (before.get(key) !== value)
          written += codec.encode('unify.state', key.startsWith('cur:') ? 'CursorState' : 'IndexState', value).length;
    }
    const kept = [...world.runner.committed].reduce(
      (sum, [key, value]) =>
        sum +
        key.length +
        codec.encode('unify.state', key.startsWith('cur:') ? 'CursorState' : 'IndexState', value).length,
      0,
    );
    expect(kept / ids.length).toBeLessThan(30);
    expect(written / ids.length).toBeLessThan(512);
  });
});
