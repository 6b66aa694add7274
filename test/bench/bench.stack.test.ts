import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { root } from '../support/sources.ts';

/** Twenty seconds on an idle machine. */
const limitMs = 170_000;
const folder = mkdtempSync(join(tmpdir(), 'tributary-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

function bench(...args: string[]): Promise<{ readonly status: number | null; readonly out: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['bench/main.ts', ...args],
      { cwd: root, timeout: limitMs },
      (_error, out, err) => {
        resolve({ status: child.exitCode, out: out + err });
      },
    );
  });
}

describe('npm run bench', () => {
  test('measures unify against the floor, and says so as a table and as JSON', async () => {
    const file = join(folder, 'figures.json');
    const { status, out } = await bench('--quick', '--only', 'unify', '--json', file);
    expect(out).toContain('FIGURE');
    expect(status).toBe(0);
    const figures = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    for (const name of ['passThroughCpuUs', 'unifyCpuUs', 'unifyOverPassThrough', 'unifyPerSecond'])
      expect(figures[name]).toBeGreaterThan(0);
  }, 180_000);

  test('refuses a section that there is not, and tells where the others are named', async () => {
    const { status, out } = await bench('--only', 'everything');
    expect([status, out]).toEqual([64, expect.stringContaining('There is no section everything; see --help.')]);
  });
});
