/** A world over a plain map, for single steps: nothing is encoded, and no key is missing. */
import { compileRules, type RulesConfig } from '../../processors/unify/rules.ts';
import { World } from '../../processors/unify/world.ts';
import { change } from './fold-runner.ts';

export interface PlainWorld {
  readonly world: World;
  readonly state: Map<string, object>;
}

export function plainWorld(config: RulesConfig): PlainWorld {
  const state = new Map<string, object>();
  const undo: (() => void)[] = [];
  const set = (key: string, value: object | undefined): void =>
    void (value === undefined ? state.delete(key) : state.set(key, value));
  const world = new World(
    {
      get: (key) => state.get(key),
      put: (key, value) => {
        const before = state.get(key);
        undo.push(() => set(key, before));
        set(key, value);
      },
      savepoint: () => {
        const at = undo.length;
        return () => {
          while (undo.length > at) undo.pop()?.();
        };
      },
    },
    { offset: 0, time: 0, key: '', lineage: 0, change: change({ kind: 'tick' }) },
    compileRules(config),
  );
  return { world, state };
}
