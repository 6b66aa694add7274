/**
 * The ledger against worlds that lose, repeat, delay and distort, far more crowded than life: whatever happens, both sides
 * come to agree and fall silent. Whose value it is that stands is judged by the simulation, which knows what is told.
 */
import { describe, expect, it } from 'vitest';
import { type Fault, play } from './ledger-world.ts';

/** Histories of each world in a plain run; HISTORIES asks for more. */
const runs = Number(process.env['HISTORIES'] ?? 300);

const worlds: readonly (readonly Fault[])[] = [
  [],
  ['retry', 'dup'],
  ['norm', 'refuse', 'own', 'retry'],
  ['crash', 'norm', 'refuse', 'dup'],
  ['hole', 'bf', 'long', 'crash', 'norm', 'refuse', 'retry'],
  ['late', 'retry'],
  ['lost', 'dup', 'retry'],
];

describe('two sides of one person', { timeout: 60_000 }, () => {
  it.each(worlds.map((faults) => [faults] as const))('agree and fall silent where there is: %s', (faults) => {
    const broken: string[] = [];
    let edits = 0;
    let writes = 0;
    for (let seed = 1; seed <= runs; seed++) {
      const outcome = play(seed, new Set(faults));
      edits += outcome.edits;
      writes += outcome.writes;
      for (const one of outcome.broken) broken.push(`seed ${seed}: ${one}`);
    }
    expect(broken).toEqual([]);
    expect(writes).toBeLessThanOrEqual(edits);
  });
});
