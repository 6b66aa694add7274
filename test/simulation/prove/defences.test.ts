/** The list of defences keeps up with the sources, and the simulation misses each that is gone. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { readWorld } from '../world.ts';
import { type Defence, defences, patched, patchesOf, root, sourceOf } from './defences.ts';
import { page, table } from './page.ts';
import { proofs } from './proof.ts';
import type { Found } from './search.ts';
import { isThere } from './tests.ts';
import { isTest, witnesses } from './witness.ts';

const names = defences.map(({ name }) => name);
const filesOf = ({ patches }: Defence): readonly string[] => [...new Set(patches.map(({ file }) => file))];

describe('the defences that are taken away', () => {
  it('are at least twenty-five, each with a name of its own', () => {
    expect(defences.length).toBeGreaterThanOrEqual(25);
    expect(new Set(names).size).toBe(defences.length);
  });

  it.each(defences.map((one) => [one.name, one] as const))(
    '%s: stands in the sources, and can be taken out',
    (_, one) => {
      expect(one.patches.length).toBeGreaterThan(0);
      for (const file of filesOf(one)) {
        const source = sourceOf(file);
        const without = patched(
          source,
          one.patches.filter((patch) => patch.file === file),
        );
        expect(without).not.toBe(source);
      }
    },
  );

  it.each(defences.map((one) => [one.name, one] as const))('%s: is missed in worlds that exist', (_, one) => {
    expect(one.test === undefined ? one.worlds.length : 1).toBeGreaterThan(0);
    for (const world of one.worlds) expect(() => readWorld(world)).not.toThrow();
  });

  it.each(defences.flatMap(({ name, test }) => (test === undefined ? [] : [[name, test] as const])))(
    '%s: is missed by a test that exists, which `npm run prove:tests` runs without it',
    (name, test) => {
      expect(isThere(test)).toBe(true);
      expect(witnesses()[name]).toEqual(test);
    },
  );
});

describe('a defence that is gone is noticed', () => {
  const byHistory = Object.entries(witnesses()).flatMap(([name, one]) => (isTest(one) ? [] : [[name, one] as const]));
  const noticed = new Map<string, Found>();

  // One history each, with the defence and without it, some 100 ms of CPU.
  beforeAll(async () => {
    const jobs = Math.min(4, availableParallelism());
    for (const one of await proofs({ names: byHistory.map(([name]) => name), runs: null }, jobs))
      noticed.set(one.name, one);
  }, 900_000);

  it.each(byHistory)('%s', (name, witness) => {
    // Not by the history recorded any more? `npm run prove:tests -- --record --only NAME` looks for another.
    expect(noticed.get(name)?.witness).toEqual(witness);
  });

  it('and docs/defences.md says by what', () => {
    expect(readFileSync(`${root}docs/defences.md`, 'utf8')).toBe(page(witnesses()));
  });
});

describe('a patch', () => {
  const patch = { file: 'a.ts', find: 'one', replace: '$& two' };

  it('replaces its text to the letter', () => {
    expect(patched('zero one', [patch])).toBe('zero $& two');
  });

  it('is an error where its text is missing or stands twice', () => {
    expect(() => patched('zero', [patch])).toThrow('a.ts holds 0 times');
    expect(() => patched('one one', [patch])).toThrow('a.ts holds 2 times');
  });

  it('of nothing is none, and of an unknown name an error', () => {
    expect(patchesOf('')).toEqual([]);
    expect(() => patchesOf('nonsense')).toThrow('no defence is called nonsense');
  });
});

describe('the table', () => {
  it('names what nobody noticed', () => {
    const rows = table(['evidence'], {}).split('\n');
    expect(rows).toHaveLength(3);
    expect(rows.at(-1)).toMatch(/^\| evidence \| .* \| NOT NOTICED \| {2}\|$/);
  });

  it('names the history and the promise, or the test, of what was noticed', () => {
    const row = (witness: Parameters<typeof table>[1][string]): string | undefined =>
      table(['evidence'], { evidence: witness }).split('\n').at(-1);
    expect(row({ world: 'calm', seed: 3, promises: ['silent', 'agree'] })).toMatch(
      /\| the history `calm` 3 \| silent, agree \|$/,
    );
    expect(row({ kept: 'who waits', promises: ['agree'] })).toMatch(/\| the history \*who waits\* \| agree \|$/);
    expect(row({ file: 'a.test.ts', name: 'waits' })).toMatch(/\| the test \*waits\* of `a.test.ts` \| {2}\|$/);
  });
});
