/** The unit tests as they are, over sources out of which one defence is taken: TAKE_AWAY names it, empty for none. */
import { defineConfig } from 'vitest/config';
import { patched, patchesOf, root, sourceOf } from './defences.ts';

const patches = patchesOf(process.env['TAKE_AWAY'] ?? '');

export default defineConfig({
  root,
  plugins: [
    {
      name: 'take-away',
      enforce: 'pre',
      load(id) {
        const ours = patches.filter(({ file }) => id === `${root}${file}`);
        const [first] = ours;
        return first === undefined ? null : patched(sourceOf(first.file), ours);
      },
    },
  ],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.{stack,e2e}.test.ts'],
    // It goes by the files: what one run has patched would be taken for the source by the next.
    fsModuleCache: false,
    // So that nothing is left of a process that is ended because it took too long.
    pool: 'threads',
    maxWorkers: 1,
    // Nothing is noticed by being slow.
    testTimeout: 60_000,
  },
});
