/** The defences are taken away one at a time, on several threads. */
import { Worker } from 'node:worker_threads';
import type { Found } from './search.ts';

/** Each copy of the program stays in the memory of its thread as long as that lives. */
const namesOfThread = 10;

export interface Share {
  readonly names: readonly string[];
  /** Seeds of each world to search; null: only what noticed before is looked at. */
  readonly runs: number | null;
}

const prove = (share: Share, told: (one: Found) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: share });
    worker.on('message', told);
    worker.once('error', reject);
    worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
  });

/**
 * Whatever the number of threads, each defence is judged by itself: the result is the same.
 * @throws what a worker throws
 */
export async function proofs(
  { names, runs }: Share,
  jobs: number,
  told: (one: Found) => void = () => undefined,
): Promise<readonly Found[]> {
  const all = new Map<string, Found>();
  const shares = Array.from({ length: Math.ceil(names.length / namesOfThread) }, (_, n) =>
    names.slice(n * namesOfThread, (n + 1) * namesOfThread),
  );
  const thread = async (): Promise<void> => {
    for (let share = shares.shift(); share !== undefined; share = shares.shift())
      await prove({ names: share, runs }, (one) => {
        all.set(one.name, one);
        told(one);
      });
  };
  await Promise.all(Array.from({ length: jobs }, thread));
  return names.flatMap((name) => all.get(name) ?? []);
}
