import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

/**
 * The last line of every run: `N passed, N failed`. It is written when the process ends, after whatever teardown has to
 * say, and it never contradicts the exit status: a file that does not load, an error outside any test, a run that broke
 * off, all count as failed.
 */
export default class Tally implements Reporter {
  #passed = 0;
  #failed = 0;

  onInit(): void {
    process.once('exit', (status) => {
      const failed = status !== 0 && this.#failed === 0 ? 1 : this.#failed;
      process.stdout.write(`${this.#passed} passed, ${failed} failed\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], _reason: TestRunEndReason): void {
    this.#passed = 0;
    this.#failed = errors.length;
    for (const module of modules) {
      let failedHere = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') this.#passed += 1;
        else if (state !== 'skipped') failedHere += 1;
      }
      this.#failed += failedHere === 0 && module.state() === 'failed' ? 1 : failedHere;
    }
  }
}
