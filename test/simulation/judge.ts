/** Runs a history and judges it; some are judged a second time, by folding and offering all of it again. */
import { Oracle } from './oracle.ts';
import { type Promise, promises, type Violation } from './promises.ts';
import { refolded } from './refold.ts';
import { shrink } from './shrink.ts';
import { type Ran, simulate } from './simulate.ts';
import { generate, type History, readWorld } from './world.ts';

export interface Judged {
  readonly ran: Ran;
  readonly violations: readonly Violation[];
}

export function judge(history: History, tracing = false): Judged {
  const ran = simulate(history, tracing);
  const { violations } = new Oracle(ran);
  return { ran, violations: [...violations, ...refolded(ran)] };
}

export const isOurs = ({ excuse }: Violation): boolean => excuse === '';

export interface Tally {
  readonly world: string;
  histories: number;
  edits: number;
  readonly writes: Record<'salesforce' | 'intercom', number>;
  rereads: number;
  calls: number;
  changes: number;
  steps: number;
  /** Seeds at which something threw. */
  threw: number[];
  readonly broken: Partial<Record<Promise, number>>;
  /** What the platforms do not tell, by the reason. */
  readonly excused: Record<string, number>;
  /** Seeds by promise, the first few. */
  readonly seeds: Partial<Record<Promise, number[]>>;
}

const seedsKept = 60;

export const newTally = (world: string): Tally => ({
  world,
  histories: 0,
  edits: 0,
  writes: { salesforce: 0, intercom: 0 },
  rereads: 0,
  calls: 0,
  changes: 0,
  steps: 0,
  threw: [],
  broken: {},
  excused: {},
  seeds: {},
});

function count(tally: Tally, { ran, violations }: Judged): void {
  tally.histories += 1;
  // Somebody who changes companies has edited, too.
  tally.edits += ran.people.edits.filter(({ first }) => !first).length + ran.people.moves.length;
  for (const platform of ['salesforce', 'intercom'] as const) {
    tally.writes[platform] += ran.writes[platform].filter(({ at }) => at >= ran.firstAction).length;
    tally.calls += ran.network.begun[platform].length;
  }
  tally.rereads += ran.rereads;
  tally.changes += ran.log.records.length;
  tally.steps += ran.clock.steps;
  for (const { promise, excuse } of violations) {
    if (excuse === '') continue;
    const name = `${promise}: ${excuse}`;
    tally.excused[name] = (tally.excused[name] ?? 0) + 1;
  }
  for (const promise of new Set(violations.filter(isOurs).map((one) => one.promise))) {
    tally.broken[promise] = (tally.broken[promise] ?? 0) + 1;
    const seeds = (tally.seeds[promise] ??= []);
    if (seeds.length < seedsKept) seeds.push(ran.history.seed);
  }
}

export function merge(into: Tally, from: Tally): void {
  for (const name of ['histories', 'edits', 'rereads', 'calls', 'changes', 'steps'] as const) into[name] += from[name];
  for (const platform of ['salesforce', 'intercom'] as const) into.writes[platform] += from.writes[platform];
  for (const [name, times] of Object.entries(from.excused)) into.excused[name] = (into.excused[name] ?? 0) + times;
  into.threw = [...into.threw, ...from.threw].sort((a, b) => a - b);
  for (const promise of Object.keys(from.broken) as Promise[]) {
    into.broken[promise] = (into.broken[promise] ?? 0) + (from.broken[promise] ?? 0);
    into.seeds[promise] = [...(into.seeds[promise] ?? []), ...(from.seeds[promise] ?? [])]
      .sort((a, b) => a - b)
      .slice(0, seedsKept);
  }
}

/** An error of the machinery itself, or of what it runs, is a broken promise too: nothing may throw. */
export function judgeSafely(history: History): Judged | Error {
  try {
    return judge(history);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

export interface Share {
  readonly world: string;
  readonly from: number;
  readonly until: number;
}

const progressMs = 2_000;

/** @param progress told every two seconds how many are done */
export function tallyOf({ world, from, until }: Share, progress: (done: number) => void): Tally {
  const tally = newTally(world);
  const on = readWorld(world);
  let told = performance.now();
  for (let seed = from; seed < until; seed += 1) {
    const judged = judgeSafely(generate(seed, on));
    if (judged instanceof Error) {
      tally.histories += 1;
      tally.threw.push(seed);
    } else count(tally, judged);
    if (performance.now() - told > progressMs) {
      told = performance.now();
      progress(tally.histories);
    }
  }
  return tally;
}

/** The smallest history that breaks a promise that this one breaks. */
export function shrinkTo(history: History, promise: Promise | 'threw'): History {
  return shrink(history, (candidate) => {
    const judged = judgeSafely(candidate);
    if (judged instanceof Error) return promise === 'threw';
    return judged.violations.some((one) => one.promise === promise && isOurs(one));
  });
}

export { promises };
