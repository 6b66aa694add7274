/**
 * Loaded before everything else (`node --import`), it takes one defence out of the sources as they are read: the program that
 * runs is the real one but for that piece of text. So no rule needs a switch in the product to be proven necessary.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { patched, patchesOf, root, sourceOf } from './defences.ts';

const name = process.env['TAKE_AWAY'] ?? '';
const patches = patchesOf(name);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.startsWith('file:') || patches.length === 0) return loaded;
    const path = fileURLToPath(url);
    const ours = patches.filter(({ file }) => path === `${root}${file}`);
    const [first] = ours;
    return first === undefined ? loaded : { ...loaded, source: patched(sourceOf(first.file), ours) };
  },
});
