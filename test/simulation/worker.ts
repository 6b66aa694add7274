/** One thread of `--jobs`: its share of the seeds, and word of it every two seconds. */
import { parentPort, workerData } from 'node:worker_threads';
import { tallyOf } from './judge.ts';
import type { Told } from './workers.ts';

const { worlds, from, until } = workerData as { worlds: string[]; from: number; until: number };
const say = (told: Told): void => parentPort?.postMessage(told);
let before = 0;
for (const world of worlds) {
  say({ tally: tallyOf({ world, from, until }, (done) => say({ done: before + done })) });
  before += until - from;
}
