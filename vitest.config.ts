import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/** A tier that shares real servers: one file at a time, after the tiers before it, so that timings mean something. */
function onServers(name: string, groupOrder: number, testTimeout: number): TestProjectInlineConfiguration {
  return {
    test: {
      name,
      include: [`test/**/*.${name}.test.ts`],
      globalSetup: ['test/support/stack-setup.ts'],
      testTimeout,
      hookTimeout: 120_000,
      maxWorkers: 1,
      sequence: { groupOrder },
    },
  };
}

/** Tiers by suffix: `.test.ts` needs nothing; `.stack.test.ts` needs Kafka, registry and Redis; `.e2e.test.ts` runs whole processes. */
export default defineConfig({
  test: {
    reporters: ['default', './test/support/tally.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{stack,e2e}.test.ts'],
          // From 1: Vitest puts what has group 0 and a single worker (two cores) behind every other group.
          sequence: { groupOrder: 1 },
        },
      },
      onServers('stack', 2, 60_000),
      onServers('e2e', 3, 300_000),
    ],
  },
});
