/**
 * Histories of the worlds of one defence, which the hook has taken out of the sources: tells every broken one, seed after
 * seed, until it is stopped or the seeds are used up. One JSON object per line.
 */
import { isOurs, type Judged, judgeSafely } from '../judge.ts';
import { generate, readWorld } from '../world.ts';
import type { Told } from './prove.ts';

const [worlds = '[]', runs = '0'] = process.argv.slice(2);
const read = (JSON.parse(worlds) as string[]).map((name) => ({ name, on: readWorld(name) }));
const say = (told: Told): void => void process.stdout.write(`${JSON.stringify(told)}\n`);

/** unify could not decide a record: it noticed by failing, not by being wrong, which says nothing of the rule. */
const isGivenUp = ({ ran: { unify } }: Judged): boolean =>
  unify.poisons.length > 0 || unify.outputs.some(({ topic }) => topic === 'unify.dlq');

let histories = 0;
let threw = 0;
for (let seed = 1; seed <= Number(runs); seed++) {
  for (const { name, on } of read) {
    const judged = judgeSafely(generate(seed, on));
    histories += 1;
    if (judged instanceof Error || isGivenUp(judged)) threw += 1;
    else {
      const broken = [...new Set(judged.violations.filter(isOurs).map(({ promise }) => promise))];
      if (broken.length > 0) say({ kind: 'broken', world: name, seed, promises: broken, histories });
    }
  }
  if (seed % 20 === 0) say({ kind: 'progress', histories, threw });
}
say({ kind: 'progress', histories, threw });
