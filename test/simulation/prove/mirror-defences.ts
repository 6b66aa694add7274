/** What keeps unify's state right, whoever is killed or taken over from, and whatever becomes of the mirror. */
import type { Defence, Patch } from './defences.ts';

const core = (name: string, find: string, replace: string): Patch => ({ file: `core/${name}.ts`, find, replace });

const worlds = ['crash,zombie,rollback,wipe', 'processes'];

const founding =
  "    this.#position = position ?? (yield* ask<Value, EffectOf<Value, 'founding'>>({ kind: 'founding' }));\n";

export const mirrorDefences: readonly Defence[] = [
  {
    name: 'compare-and-set',
    protects: 'one who was taken over from writes old values over those of its successor',
    worlds,
    patches: [core('mirror-state', '  if (mirror.position !== expected) return mirror.position;\n', '')],
  },
  {
    name: 'read-at-position',
    protects: 'values of a mirror that is behind, half made or empty are decided upon',
    worlds,
    patches: [core('repair', '    mustBe(expected, position);\n', '')],
  },
  {
    name: 'repair',
    protects: 'a mirror that is behind is moved on as if it were not',
    worlds,
    patches: [
      core(
        'repair',
        'for (let next = Math.max(earliest, from); next < end; )',
        'for (let next = Math.max(earliest, from); next < end - 20; )',
      ),
    ],
  },
  {
    name: 'fold-from-base',
    protects: 'what a mirror lacks is folded from later than where it stopped being exact',
    worlds,
    patches: [core('repair', 'Math.max(earliest, from)', 'Math.max(earliest, from, end - 30)')],
  },
  {
    name: 'distrust',
    protects: 'values of which nobody knows what they lack are folded on as if they were sound',
    worlds,
    patches: [core('repair', 'wipe ?? distrust(head, target, end, clock(), limits.trustedMs)', 'wipe')],
  },
  {
    name: 'older-than-tombstones',
    protects: 'what was deleted comes back when its tombstone is gone',
    worlds,
    test: {
      file: 'test/core/repair.test.ts',
      name: 'only where every value of it is one that unify.state told, and no deletion may be forgotten',
    },
    patches: [
      core(
        'mirror-state',
        "  if (now - base.time > trustedMs) return 'it is older than the tombstones of unify.state';\n",
        '',
      ),
    ],
  },
  {
    name: 'interrupted-wipe',
    protects: 'a mirror that was being emptied is folded on with what was left of it',
    worlds,
    test: {
      file: 'test/core/repair.test.ts',
      name: 'only where every value of it is one that unify.state told, and no deletion may be forgotten',
    },
    patches: [core('mirror-state', "  if (base.from < 0) return 'a wipe of it was interrupted';\n", '')],
  },
  {
    name: 'tombstones',
    protects: 'what was deleted stays in a mirror that is folded forward',
    worlds,
    patches: [
      core(
        'repair',
        'this.#chunked(part.entries)',
        'this.#chunked(new Map([...part.entries].filter(([, value]) => value !== null)))',
      ),
    ],
  },
  {
    name: 'epoch-fences',
    protects: 'one who was taken over from goes on committing',
    worlds,
    patches: [core('tenure', "    yield { kind: 'epoch' };\n", '')],
  },
  {
    name: 'epoch-before-position',
    protects: 'the position is read while somebody else may still move it',
    worlds,
    patches: [
      core('tenure', "    yield { kind: 'epoch' };\n", ''),
      core('tenure', '    this.#from = end;\n', "    yield { kind: 'epoch' };\n    this.#from = end;\n"),
    ],
  },
  {
    name: 'position-of-the-log',
    protects: 'who takes over goes on from where the mirror stands, and decides again what was decided',
    worlds,
    patches: [
      core(
        'tenure',
        founding,
        `${founding}
    const head = yield* ask<Value, EffectOf<Value, 'head'>>({ kind: 'head' });
    const [lineage, offset = 0, transaction = 0] = head.position.split(':').map(Number);
    if (lineage === this.#position.lineage) this.#position = { ...this.#position, offset, transaction };
`,
      ),
    ],
  },
  {
    name: 'cache-ends-with-tenure',
    protects: 'who takes over decides upon what it knew before somebody else went on',
    worlds,
    patches: [core('tenure', '    this.#options.cache.clear();\n', '')],
  },
];
