/**
 * Every rule and defence that can be taken away by itself, as a change of source text, with the worlds in which the
 * simulation has to notice, or the unit test that does. A text that is not found exactly once is an error: the list cannot
 * fall behind the code.
 */
import { readFileSync } from 'node:fs';
import { identityDefences } from './identity-defences.ts';
import { ledgerDefences } from './ledger-defences.ts';
import { mirrorDefences } from './mirror-defences.ts';
import { outerDefences } from './outer-defences.ts';

export const root = new URL('../../../', import.meta.url).pathname;

export interface Patch {
  /** Path below the project's root. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface UnitTest {
  /** Path below the project's root. */
  readonly file: string;
  /** How the title of the test begins, without those of what it stands in: it may be run with several cases. */
  readonly name: string;
}

export interface Defence {
  readonly name: string;
  /** What it protects from, in one line. */
  readonly protects: string;
  readonly patches: readonly Patch[];
  /** Each as `--world` of the simulation takes it. */
  readonly worlds: readonly string[];
  /**
   * Fails when it is gone: the witness where no history was found, because it lies below what the simulation runs or takes
   * more than a history comes upon. None is looked for then.
   */
  readonly test?: UnitTest;
}

export const defences: readonly Defence[] = [
  ...ledgerDefences,
  ...identityDefences,
  ...outerDefences,
  ...mirrorDefences,
];

/** @throws Error for a name that is not in the list. */
export function patchesOf(name: string): readonly Patch[] {
  if (name === '') return [];
  const defence = defences.find((one) => one.name === name);
  if (defence === undefined) throw new Error(`no defence is called ${name}`);
  return defence.patches;
}

/** @throws Error when a text stands in the source not exactly once. */
export function patched(source: string, patches: readonly Patch[]): string {
  return patches.reduce((text, { file, find, replace }) => {
    const found = text.split(find).length - 1;
    if (found !== 1) throw new Error(`${file} holds ${found} times: ${find}`);
    return text.replace(find, () => replace);
  }, source);
}

/** The sources as they are: whether every patch still fits. */
export const sourceOf = (file: string): string => readFileSync(`${root}${file}`, 'utf8');
