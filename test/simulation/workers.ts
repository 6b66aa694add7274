/** The same histories on several threads: each takes a stretch of seeds, for which seeds are judged a second time goes by their number. */
import { Worker } from 'node:worker_threads';
import { merge, newTally, type Tally } from './judge.ts';

export interface Job {
  readonly worlds: readonly string[];
  readonly seed: number;
  readonly runs: number;
  readonly jobs: number;
  readonly progress: (done: number) => void;
}

export type Told = { readonly done: number } | { readonly tally: Tally };

/** @throws what a worker throws */
export async function inWorkers({ worlds, seed, runs, jobs, progress }: Job): Promise<readonly Tally[]> {
  const all = worlds.map(newTally);
  const done = Array.from({ length: jobs }, () => 0);
  await Promise.all(
    done.map(
      (_, index) =>
        new Promise<void>((resolve, reject) => {
          const cut = (n: number): number => seed + Math.floor((runs * n) / jobs);
          const workerData = { worlds, from: cut(index), until: cut(index + 1) };
          const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData });
          worker.on('message', (told: Told) => {
            if ('tally' in told) {
              const { tally } = told;
              const row = all.find(({ world }) => world === tally.world);
              if (row !== undefined) merge(row, tally);
            } else {
              done[index] = told.done;
              if (index === 0) progress(done.reduce((sum, one) => sum + one, 0));
            }
          });
          worker.once('error', reject);
          worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
        }),
    ),
  );
  return all;
}
