/** Timers, marks and sets over keys and values, against plain references. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createUnify } from '../../../processors/unify/index.ts';
import { setKey, timersKey } from '../../../processors/unify/keys.ts';
import {
  addMember,
  hasMembers,
  removeMember,
  setSlots,
  slotsUsed,
  someMembers,
} from '../../../processors/unify/sets.ts';
import { addTimer, fireTimers } from '../../../processors/unify/timers.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Change, CursorState, IndexState } from '../../../schemas/types.ts';
import { second } from '../../support/changes.ts';
import { change, FoldRunner } from '../../support/fold-runner.ts';
import { plainWorld } from '../../support/plain-world.ts';
import { StructureWorld } from '../../support/structure-world.ts';
import { twoWay } from '../../support/two-way.ts';

const rules = twoWay();
const perRecord = 50;

describe('timers', { timeout: 60_000 }, () => {
  type Step =
    | { readonly do: 'add'; readonly kind: 'gate' | 'echo'; readonly count: number; readonly in: number }
    | { readonly do: 'pass'; readonly by: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        kind: fc.constantFrom('gate' as const, 'echo' as const),
        count: fc.integer({ min: 1, max: 90 }),
        in: fc.nat(200_000),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), by: fc.nat(90_000) }) },
  );

  it('whose count says more than there are come to an end: deciding would go on for ever', () => {
    const world = new StructureWorld(rules, false);
    const fired = world.run((one) => {
      addTimer(one, 'gate', second * 1000, 'first');
      const [bucket = ''] = Object.keys(one.cursor(timersKey('gate')).n);
      one.putCursor(timersKey('gate'), { n: { [bucket]: 1_000 }, s: {} });
      const items: string[] = [];
      for (let record = 0; record < 30; record++) {
        fireTimers(one, 'gate', second * 1000, {
          load: () => undefined,
          fire: (_, item) => items.push(item),
          fail: () => undefined,
          subject: (item) => item,
        });
      }
      return { items, left: one.cursor(timersKey('gate')).n };
    });
    expect(fired).toEqual({ items: ['first'], left: {} });
  });

  it('fire once each, never before the sources have passed them, a portion at a time, and none is forgotten', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, forgetful) => {
        const world = new StructureWorld(rules, forgetful);
        const due = new Map<string, number>();
        let now = second * 1000;
        let names = 0;
        const fire = (): void => {
          for (const kind of ['gate', 'echo'] as const) {
            const fired = world.run((one) => {
              const items: string[] = [];
              fireTimers(one, kind, now, {
                load: () => undefined,
                fire: (_, item) => items.push(item),
                fail: () => undefined,
                subject: (item) => item,
              });
              return items;
            });
            expect(fired.length).toBeLessThanOrEqual(perRecord);
            for (const item of fired) {
              expect(item.startsWith(kind)).toBe(true);
              expect(due.get(item) ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(now);
              due.delete(item);
            }
          }
        };
        for (const one of steps) {
          if (one.do === 'pass') now += one.by;
          else {
            const items = Array.from({ length: one.count }, () => `${one.kind}${names++}`);
            world.run((w) => {
              for (const item of items) addTimer(w, one.kind, now + one.in, item);
            });
            for (const item of items) due.set(item, now + one.in);
          }
          fire();
        }
        // An hour is the coarsest a timer may be.
        now += 200_000 + 3_600_000;
        for (let n = 0; due.size > 0; n++) {
          if (n > 500) throw new Error('a timer never fires');
          fire();
        }
        expect([...world.runner.committed.keys()]).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('that stand still for days keep their list small', () => {
    const world = new StructureWorld(rules);
    for (let n = 0; n < 2_000; n++) world.run((one) => addTimer(one, 'gate', (second + n * 100) * 1000, `t${n}`));
    const list = world.runner.committed.get(timersKey('gate')) as CursorState;
    expect(Object.keys(list.n).length).toBeLessThan(300);
  });

  it('that stand still for years keep it small enough to be kept', () => {
    const { world } = plainWorld(rules);
    const hours = Array.from({ length: 1_000 }, (_, n) => [String(second + n * 3_600), 1]);
    world.putCursor(timersKey('gate'), { n: Object.fromEntries(hours), s: {} });
    for (let n = 1_000; n < 2_000; n++) addTimer(world, 'gate', (second + n * 3_600) * 1000, `t${n}`);
    expect(Object.keys(world.cursor(timersKey('gate')).n).length).toBeLessThan(1_050);
  });
});

describe('marks', () => {
  type Kind = 'mark' | 'holeOpen' | 'holeClosed' | 'snapshotComplete';
  const said = fc.record({
    platform: fc.constantFrom('salesforce' as const, 'intercom' as const),
    kind: fc.constantFrom<Kind>('mark', 'mark', 'holeOpen', 'holeClosed', 'snapshotComplete'),
    upTo: fc.nat(1_000),
  });

  it('never go back, and a hole is as it was told last, however often older ones come again', () => {
    fc.assert(
      fc.property(fc.array(said, { maxLength: 40 }), fc.array(fc.nat(), { maxLength: 40 }), (all, again) => {
        const runner = new FoldRunner(createUnify(rules));
        const told = (index: number): Change =>
          change({
            kind: 'mark',
            source: { topic: `${all[index]?.platform ?? 'salesforce'}.raw`, partition: 0, offset: index + 1, index: 0 },
            mark: { platform: 'salesforce', kind: 'mark', upTo: 0, detail: '', ...all[index] },
          });
        const plain: Record<string, number> = {};
        const compare = (): void => {
          const { n } = (runner.committed.get('cur:marks') ?? { n: {} }) as CursorState;
          for (const [name, value] of Object.entries(plain)) expect([name, n[name] ?? 0]).toEqual([name, value]);
        };
        for (const [index, { platform, kind, upTo }] of all.entries()) {
          runner.decide(told(index));
          if (kind === 'mark') plain[`upTo:${platform}`] = Math.max(plain[`upTo:${platform}`] ?? 0, upTo);
          else if (kind === 'snapshotComplete') plain[`complete:${platform}:`] = 1;
          else plain[`hole:${platform}`] = kind === 'holeOpen' ? 1 : 0;
          compare();
          // A slow decoder repeats what it had said before.
          const earlier = again[index];
          if (earlier !== undefined) runner.decide(told(earlier % (index + 1)));
          compare();
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a set', { timeout: 60_000 }, () => {
  /** Names of which two thirds fall into one slot of the middle level, so that it overflows into the last. */
  const crowded: string[] = [];
  for (let n = 0; crowded.length < 700; n++) if (partitionOf(`member-${n}`, 64) === 7) crowded.push(`member-${n}`);
  const names = [...crowded, ...Array.from({ length: 300 }, (_, n) => `other-${n}`)];
  const step = fc.record({
    add: fc.boolean(),
    from: fc.nat(names.length - 1),
    count: fc.integer({ min: 1, max: 600 }),
  });
  /** Members put in or taken out in one decision. */
  const portion = 40;

  it('holds what a plain set holds, through all its levels, and nothing but keys and values lives on', () => {
    let deepest = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), fc.boolean(), (steps, forgetful) => {
        const world = new StructureWorld(rules, forgetful);
        const plain = new Set<string>();
        for (const { add, from, count } of [{ add: true, from: 0, count: 702 }, ...steps]) {
          const members = Array.from({ length: count }, (_, n) => names[(from + n) % names.length] ?? '');
          for (let at = 0; at < count; at += portion) {
            world.run((one) => {
              for (const member of members.slice(at, at + portion)) (add ? addMember : removeMember)(one, 's', member);
            });
          }
          for (const member of members) {
            if (add) plain.add(member);
            else plain.delete(member);
          }
          const all = [...world.runner.committed].flatMap(([key, value]) =>
            key.startsWith(setKey('s', 0).slice(0, -1)) ? (value as IndexState).items : [],
          );
          expect([...all].sort()).toEqual([...plain].sort());
          const { has, some, used } = world.run((one) => ({
            has: hasMembers(one, 's'),
            some: someMembers(one, 's', 10),
            used: slotsUsed(one, 's'),
          }));
          deepest = Math.max(deepest, used);
          expect(has).toBe(plain.size > 0);
          expect(some.length).toBe(Math.min(10, plain.size));
          expect(some.every((member) => plain.has(member))).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
    expect(deepest).toBe(setSlots);
  });
});
