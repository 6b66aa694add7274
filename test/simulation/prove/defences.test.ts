/** The list of defences keeps up with the sources: each patch fits, and what it leaves is still a program. */
import { stripTypeScriptTypes } from 'node:module';
import { describe, expect, it } from 'vitest';
import { readWorld } from '../world.ts';
import { type Defence, defences, patched, patchesOf, sourceOf } from './defences.ts';
import { type Proof, table } from './prove.ts';

const filesOf = ({ patches }: Defence): readonly string[] => [...new Set(patches.map(({ file }) => file))];

describe('the defences that are taken away', () => {
  it('are at least twenty-five, each with a name of its own', () => {
    expect(defences.length).toBeGreaterThanOrEqual(25);
    expect(new Set(defences.map(({ name }) => name)).size).toBe(defences.length);
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
        expect(() => stripTypeScriptTypes(without)).not.toThrow();
      }
    },
  );

  it.each(defences.map((one) => [one.name, one] as const))('%s: is missed in worlds that exist', (_, one) => {
    expect(one.worlds.length).toBeGreaterThan(0);
    for (const world of one.worlds) expect(() => readWorld(world)).not.toThrow();
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
  const proof: Proof = {
    name: 'echo',
    protects: 'loops',
    worlds: ['calm', 'network'],
    caught: null,
    histories: 8,
    subtracted: [],
    threw: 0,
  };

  it('names what nobody noticed', () => {
    expect(table([proof]).split('\n').at(-1)).toBe('| echo | loops | calm network | NOT NOTICED | - | 8 |');
  });

  it('names the seed and the promise of what was noticed', () => {
    const caught = { world: 'calm', seed: 3, promises: ['silent', 'agree'] } as const;
    expect(
      table([{ ...proof, caught }])
        .split('\n')
        .at(-1),
    ).toBe('| echo | loops | calm | silent agree | 3 | 8 |');
  });
});
