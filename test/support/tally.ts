import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

/**
 * The last line of every run: `N passed, N failed`. It is written when the process ends, after whatever teardown has to
 * say, and it never contradicts the exit status: a file that does not load, an error outside any test, a run that broke
 * off, all count as failed.
 *
 * A check that says it cannot run here, and why, is counted as skipped, and its reason stands right above the last line: a
 * run without it is not the same as one with it. Tests that a filter left out are no such check.
 */
export default class Tally implements Reporter {
  #passed = 0;
  #failed = 0;
  #notRun: string[] = [];

  onInit(): void {
    process.once('exit', (status) => {
      const failed = status !== 0 && this.#failed === 0 ? 1 : this.#failed;
      const skipped = this.#notRun.length === 0 ? '' : `, ${this.#notRun.length} skipped`;
      for (const line of this.#notRun) process.stdout.write(`NOT RUN ${line}\n`);
      process.stdout.write(`${this.#passed} passed, ${failed} failed${skipped}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], _reason: TestRunEndReason): void {
    this.#passed = 0;
    this.#failed = errors.length;
    this.#notRun = [];
    for (const module of modules) {
      let failedHere = 0;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') this.#passed += 1;
        else if (result.state !== 'skipped') failedHere += 1;
        else if (result.note !== undefined) this.#notRun.push(`${test.fullName}: ${result.note}`);
      }
      this.#failed += failedHere === 0 && module.state() === 'failed' ? 1 : failedHere;
    }
  }
}
