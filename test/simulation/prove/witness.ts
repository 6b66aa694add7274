/**
 * By what it is noticed that a defence is gone: a history, one of those that are kept or one of a world, or a unit test.
 * `witnesses.json` keeps them as they were found, so that each can be looked at again in no time.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { attacks } from '../attacks.ts';
import { isOurs, type Judged } from '../judge.ts';
import type { Promise as Kept } from '../promises.ts';
import { historyOf, kept } from '../seeds.ts';
import { generate, type History, readWorld } from '../world.ts';
import type { UnitTest } from './defences.ts';

export type Place = { readonly kept: string } | { readonly world: string; readonly seed: number };
/** A history, and the promises that it breaks. */
export type Broken = Place & { readonly promises: readonly Kept[] };
export type Witness = Broken | UnitTest;

/** Histories that are kept as what people did. */
export const known = [...kept, ...attacks];

const file = new URL('./witnesses.json', import.meta.url);

/** By the name of the defence. */
export const witnesses = (): Readonly<Record<string, Witness>> =>
  JSON.parse(readFileSync(file, 'utf8')) as Record<string, Witness>;

export const keepWitnesses = (all: Readonly<Record<string, Witness>>): void =>
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);

/** @throws Error when no such history is kept any more. */
export function historyAt(place: Place): History {
  if ('world' in place) return generate(place.seed, readWorld(place.world));
  const one = known.find(({ shows }) => shows === place.kept);
  if (one === undefined) throw new Error(`no history is kept that shows: ${place.kept}`);
  return historyOf(one);
}

export const isTest = (witness: Witness): witness is UnitTest => 'file' in witness;

export const nameOf = (witness: Place | UnitTest): string => {
  if ('file' in witness) return `the test *${witness.name}* of \`${witness.file}\``;
  return 'kept' in witness ? `the history *${witness.kept}*` : `the history \`${witness.world}\` ${witness.seed}`;
};

/**
 * The promises that a history broke. None where it threw or unify could not decide a record: then it noticed by failing, not
 * by being wrong, which says nothing of the rule.
 */
export function brokenBy(judged: Judged | Error): readonly Kept[] {
  if (judged instanceof Error) return [];
  const { unify } = judged.ran;
  if (unify.poisons.length > 0 || unify.outputs.some(({ topic }) => topic === 'unify.dlq')) return [];
  return [...new Set(judged.violations.filter(isOurs).map(({ promise }) => promise))];
}
