/**
 * One defence is gone: does the unit test that it names notice? The test is run twice, each time in a process of its own
 * (vitest.config.ts): over the sources as they are, where it has to pass, and without the defence, where it has to fail.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, type UnitTest } from './defences.ts';
import type { Found } from './search.ts';

/** One file of unit tests takes some seconds. */
const patienceMs = 180_000;

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

/**
 * How a test ended, of several cases the first that did not pass: "passed", "failed", or nothing when it did not come
 * to run, or not to its end in time.
 */
function outcomeOf({ file, name }: UnitTest, without: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'take-away-'));
  const report = join(folder, 'report.json');
  const titled = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const options = ['--config', 'test/simulation/prove/vitest.config.ts', '--reporter=json', `--outputFile=${report}`];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', ...options, file, '-t', titled],
      { cwd: root, env: { ...process.env, TAKE_AWAY: without }, timeout: patienceMs, killSignal: 'SIGKILL' },
      // The exit code says less than the report, which is missing when there was no time for it.
      () => {
        const { testResults } = existsSync(report)
          ? (JSON.parse(readFileSync(report, 'utf8')) as Report)
          : { testResults: [] };
        rmSync(folder, { recursive: true });
        const ended = testResults
          .flatMap(({ assertionResults }) => assertionResults)
          .filter(({ title }) => title.startsWith(name));
        resolve((ended.find(({ status }) => status !== 'passed') ?? ended[0])?.status ?? '');
      },
    );
  });
}

/** Whether there is such a test, without running it. */
export const isThere = ({ file, name }: UnitTest): boolean =>
  [`'${name}`, `"${name}`].some((quoted) => readFileSync(`${root}${file}`, 'utf8').includes(quoted));

export async function noticedBy(name: string, test: UnitTest): Promise<Found> {
  const isNoticed = (await outcomeOf(test, '')) === 'passed' && (await outcomeOf(test, name)) === 'failed';
  return { name, witness: isNoticed ? test : null, histories: 0 };
}
