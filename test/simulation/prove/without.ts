/**
 * The program without one of its defences, beside the program as it is, in one process. A module asked for as `?without=NAME`
 * is loaded from sources out of which the patches of that defence have been taken, and so is all that it imports: what runs
 * is the real code but for that piece of text. So no rule needs a switch in the product to be proven necessary.
 */
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Patch, patched, patchesOf, root, sourceOf } from './defences.ts';

const query = '?without=';
const nameIn = (url: string | undefined): string | null => url?.split(query)[1] ?? null;
const isOurs = (url: string): boolean =>
  url.startsWith('file:') &&
  url.endsWith('.ts') &&
  fileURLToPath(url).startsWith(root) &&
  !url.includes('node_modules');

/** Most files are the same without whatever is gone. */
const stripped = new Map<string, string>();

function programOf(file: string, patches: readonly Patch[]): string {
  if (patches.length > 0) return stripTypeScriptTypes(patched(sourceOf(file), patches));
  const known = stripped.get(file) ?? stripTypeScriptTypes(sourceOf(file));
  stripped.set(file, known);
  return known;
}

registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context);
    const name = nameIn(context.parentURL);
    return name === null || !isOurs(resolved.url) ? resolved : { ...resolved, url: `${resolved.url}${query}${name}` };
  },
  load(url, context, nextLoad) {
    const name = nameIn(url);
    if (name === null) return nextLoad(url, context);
    const file = fileURLToPath(url).slice(root.length);
    const patches = patchesOf(name).filter((patch) => patch.file === file);
    return { format: 'module', source: programOf(file, patches), shortCircuit: true };
  },
});

type Judges = typeof import('../judge.ts');

/** The judge of histories, and below it everything that it judges, with this defence gone. */
export const judgesWithout = async (name: string): Promise<Judges> =>
  (await import(`${new URL('../judge.ts', import.meta.url).href}${query}${name}`)) as Judges;
