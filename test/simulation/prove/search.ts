/**
 * One defence is gone: who notices? A history counts where the code as it is keeps every promise and the code without the
 * defence breaks one. The kept histories come first, for they are small and each was kept for a rule; then the worlds that
 * suit the defence, seed by seed, then every world.
 */
import { isOurs, judgeSafely } from '../judge.ts';
import { named } from '../world.ts';
import type { Defence } from './defences.ts';
import { judgesWithout } from './without.ts';
import { type Broken, brokenBy, historyAt, known, type Place, type Witness } from './witness.ts';

export interface Found {
  readonly name: string;
  /** Null: nobody noticed that it is gone. */
  readonly witness: Witness | null;
  /** Judged without it. */
  readonly histories: number;
}

function* placesOf({ worlds }: Defence, runs: number): Generator<Place> {
  for (const { shows } of known) yield { kept: shows };
  for (const some of [worlds, Object.keys(named).filter((world) => !worlds.includes(world))])
    for (let seed = 1; seed <= runs; seed += 1) for (const world of some) yield { world, seed };
}

/** Does the code as it is keep every promise there? Asked only of what the code without a defence breaks. */
function isKept(place: Place): boolean {
  const judged = judgeSafely(historyAt(place));
  return !(judged instanceof Error) && !judged.violations.some(isOurs);
}

async function firstOf(name: string, places: Iterable<Place>): Promise<Found> {
  const without = await judgesWithout(name);
  let histories = 0;
  for (const place of places) {
    histories += 1;
    const promises = brokenBy(without.judgeSafely(historyAt(place)));
    if (promises.length > 0 && isKept(place)) return { name, witness: { ...place, promises }, histories };
  }
  return { name, witness: null, histories };
}

/** @param runs seeds of each world */
export const search = (defence: Defence, runs: number): Promise<Found> =>
  firstOf(defence.name, placesOf(defence, runs));

/** Looks at the one history by which it was noticed before. */
export const confirm = ({ name }: Defence, witness: Broken): Promise<Found> => firstOf(name, [witness]);
