/** The defences are taken away one at a time, on several threads; those that name a unit test, in processes. */
import { Worker } from 'node:worker_threads';
import { defences } from './defences.ts';
import type { Found } from './search.ts';
import { noticedBy } from './tests.ts';

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
  const take = (one: Found): void => {
    all.set(one.name, one);
    told(one);
  };
  const tested = defences.flatMap(({ name, test }) =>
    test !== undefined && names.includes(name) ? { name, test } : [],
  );
  const searched = names.filter((name) => tested.every((one) => one.name !== name));
  const shares = Array.from({ length: Math.ceil(searched.length / namesOfThread) }, (_, n) =>
    searched.slice(n * namesOfThread, (n + 1) * namesOfThread),
  );
  const thread = async (): Promise<void> => {
    for (let share = shares.shift(); share !== undefined; share = shares.shift())
      await prove({ names: share, runs }, take);
    for (let one = tested.shift(); one !== undefined; one = tested.shift()) take(await noticedBy(one.name, one.test));
  };
  await Promise.all(Array.from({ length: jobs }, thread));
  return names.flatMap((name) => all.get(name) ?? []);
}
