/** The ledger against worlds that lose, repeat, delay and distort: whatever happens, both sides come to agree and fall silent. */
import { describe, expect, it } from 'vitest';
import { type Fault, play } from './ledger-world.ts';

/** Histories of each world in a plain run; HISTORIES asks for more. */
const runs = Number(process.env['HISTORIES'] ?? 300);

/**
 * Shares of histories in which the platforms do not tell enough: an own older value that beat a newer one (`order`), a
 * newest value that lost by more than the platforms' second (`newest`). Intercom dates a whole snapshot by `updated_at`,
 * which our own writes move too, and REST knows only the second; the histories are far more crowded than life.
 */
const worlds: readonly { readonly faults: readonly Fault[]; readonly order: number; readonly newest: number }[] = [
  { faults: [], order: 0.003, newest: 0.02 },
  { faults: ['retry', 'dup'], order: 0.01, newest: 0.02 },
  { faults: ['norm', 'refuse', 'own', 'retry'], order: 0.01, newest: 0.02 },
  { faults: ['crash', 'norm', 'refuse', 'dup'], order: 0.015, newest: 0.025 },
  { faults: ['hole', 'bf', 'long', 'crash', 'norm', 'refuse', 'retry'], order: 0.02, newest: 0.05 },
  { faults: ['late', 'retry'], order: 0.02, newest: 0.04 },
  { faults: ['lost', 'dup', 'retry'], order: 0.02, newest: 0.04 },
];

describe('two sides of one person', { timeout: 60_000 }, () => {
  it.each(worlds)('agree and fall silent where there is: $faults', ({ faults, order, newest }) => {
    const told = { order: 0, newest: 0 };
    const broken: string[] = [];
    let edits = 0;
    let writes = 0;
    for (let seed = 1; seed <= runs; seed++) {
      const outcome = play(seed, new Set(faults));
      edits += outcome.edits;
      writes += outcome.writes;
      for (const one of outcome.broken) {
        if (one === 'order' || one === 'newest') told[one] += 1;
        else broken.push(`seed ${seed}: ${one}`);
      }
    }
    expect(broken).toEqual([]);
    expect(writes).toBeLessThanOrEqual(edits);
    expect(told.order).toBeLessThanOrEqual(Math.ceil(runs * order));
    expect(told.newest).toBeLessThanOrEqual(Math.ceil(runs * newest));
  });
});
