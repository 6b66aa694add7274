/**
 * Runs single steps over unify's persistent structures on the loop's own micro-batch: the same overlay, encoding and limit
 * of a value. Forgetful, nothing lives from one step to the next but keys and values.
 */
import { compileRules, type RulesConfig } from '../../processors/unify/rules.ts';
import { World } from '../../processors/unify/world.ts';
import { change, FoldRunner } from './fold-runner.ts';

export class StructureWorld {
  readonly runner: FoldRunner;
  #step: (world: World) => unknown = () => undefined;
  #answer: unknown;

  constructor(config: RulesConfig, forgetful = false) {
    const rules = compileRules(config);
    const decide = (...[state, record]: Parameters<FoldRunner['fold']['decide']>) => {
      const world = new World(state, record, rules);
      this.#answer = this.#step(world);
      return world.outputs;
    };
    this.runner = new FoldRunner({ recalls: () => [], decide }, forgetful);
  }

  /** Decides one step; a step may run several times until every key it needs is there. */
  run<T>(step: (world: World) => T): T {
    this.#step = step;
    this.runner.decide(change({ kind: 'tick' }));
    const [poison] = this.runner.poisons;
    if (poison !== undefined) throw new Error(poison);
    return this.#answer as T;
  }
}
