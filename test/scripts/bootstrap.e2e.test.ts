import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { localFolder } from '../../cli/stack/jars.ts';
import { root } from '../support/sources.ts';

interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function run(file: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { cwd: root }, (_error, out, err) => {
      resolve({ status: child.exitCode, out, err });
    });
  });
}
const bootstrap = join(root, 'scripts/bootstrap.mjs');

describe('npm run …', () => {
  test('hands arguments on and takes the exit status over', async () => {
    expect(await run(process.execPath, [bootstrap, 'tributary', 'version'])).toMatchObject({
      status: 0,
      out: expect.stringContaining(`Node.js ${process.version}`),
    });
    const wrong = await run(process.execPath, [bootstrap, 'tributary', 'run', 'nothing']);
    expect(wrong).toMatchObject({ status: 64, err: expect.stringContaining('USAGE') });
  });

  test('refuses a Node that is too old with one sentence', async () => {
    const asOld = `Object.defineProperty(process, 'version', { value: 'v18.19.1' }); import(${JSON.stringify(bootstrap)});`;
    expect(await run(process.execPath, ['-e', asOld])).toEqual({
      status: 78,
      out: '',
      err: 'NODE_TOO_OLD: This is Node v18.19.1; install Node 20 or newer (the project brings its own Node 24 from there).\n',
    });
  });

  test('passes a Ctrl-C on once, though npm repeats it, and ends when the program has', async () => {
    const child = spawn(process.execPath, [bootstrap, 'tributary', 'twin', 'intercom']);
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const url = await new Promise<string>((resolve) => {
      let said = '';
      child.stdout.on('data', (text) => {
        said += text;
        const found = /INTERCOM_BASE_URL=(\S+)/.exec(said)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    // A second one that arrived would kill the twin while it closes: its handler takes only the first.
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });
});

describe('the last line of a test run', () => {
  // Inside the checkout, so that the files find Vitest.
  mkdirSync(localFolder, { recursive: true });
  const dir = mkdtempSync(join(localFolder, 'tally-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const lastLineOf = async (files: Readonly<Record<string, string>>): Promise<[string | undefined, number | null]> => {
    const folder = mkdtempSync(join(dir, 'run-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const tally = JSON.stringify(join(root, 'test/support/tally.ts'));
    writeFileSync(join(folder, 'vitest.config.js'), `export default { test: { reporters: ['default', ${tally}] } };`);
    const { out, status } = await run(process.execPath, [vitest, 'run', '--root', folder]);
    return [out.trimEnd().split('\n').at(-1), status];
  };
  const passes = "import { test } from 'vitest'; test('a', () => {}); test('b', () => {});";

  test('counts what passed', async () => {
    expect(await lastLineOf({ 'a.test.js': passes })).toEqual(['2 passed, 0 failed', 0]);
  });

  test('counts a failed test, a file that does not load and an error outside any test', async () => {
    const files = {
      'a.test.js': passes,
      'b.test.js': "import { test } from 'vitest'; test('c', () => { throw new Error('no'); });",
      'c.test.js': "import './missing.js';",
      'd.test.js': "import { test } from 'vitest'; test('d', () => { Promise.reject(new Error('lost')); });",
    };
    expect(await lastLineOf(files)).toEqual(['3 passed, 3 failed', 1]);
  });

  test('counts a check that says why it cannot run, and no test that is left out', async () => {
    const file =
      "import { test } from 'vitest'; test('a', ({ skip }) => skip('no server')); test.skip('b', () => {}); test('c', () => {});";
    expect(await lastLineOf({ 'a.test.js': file })).toEqual(['1 passed, 0 failed, 1 skipped', 0]);
  });

  test('never says that nothing failed of a run that found no tests', async () => {
    expect(await lastLineOf({})).toEqual(['0 passed, 1 failed', 1]);
  });
});
