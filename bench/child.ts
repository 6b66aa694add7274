/**
 * What is measured runs in a process of its own, so that its CPU time is its own: not the benchmark's, and not that of what
 * was measured before. It is given its task as JSON and says what came of it in one message.
 */
import { fork } from 'node:child_process';
import { TributaryError } from '../core/errors.ts';
import type { Bench } from './section.ts';

/** As in the image and the demo: what is measured is what runs. */
const nodeFlags = ['--max-semi-space-size=8', '--heap-growing-percent=25'];

/** @throws TributaryError INTERNAL when it ends without a result; what it said is on stderr. */
export async function inChild<Result>({ signal }: Pick<Bench, 'signal'>, file: string, task: object): Promise<Result> {
  signal.throwIfAborted();
  const child = fork(file, [JSON.stringify(task)], {
    execArgv: [...nodeFlags, ...flagsFromEnvironment()],
    stdio: ['ignore', 2, 2, 'ipc'],
    serialization: 'advanced',
  });
  const kill = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  try {
    let result: Result | undefined;
    child.once('message', (message) => {
      result = message as Result;
    });
    const status = await new Promise<unknown>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, ended) => resolve(code ?? ended));
    });
    signal.throwIfAborted();
    if (result === undefined)
      throw new TributaryError('INTERNAL', `${file} ended with ${String(status)} and no result`);
    return result;
  } finally {
    signal.removeEventListener('abort', kill);
    kill();
  }
}

/** To look into what is slow: BENCH_NODE_FLAGS="--cpu-prof --cpu-prof-dir=/tmp/profiles". */
function flagsFromEnvironment(): string[] {
  return (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');
}

/** The other side: does the task, says the result and ends. Whoever asked being gone is the end of it, too. */
export async function asChild<Task, Result>(work: (task: Task) => Promise<Result>): Promise<void> {
  process.once('disconnect', () => process.exit(1));
  const result = await work(JSON.parse(process.argv[2] ?? '{}') as Task);
  await new Promise<void>((resolve, reject) => {
    process.send?.(result, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
  process.exit(0);
}
