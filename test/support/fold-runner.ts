/** Runs a fold over changes in memory: the same overlay semantics as the transactional loop, without its servers. */
import { type Fold, type Output, type State, StateMiss } from '../../core/fold.ts';
import type { Change, Command, EntityState, JournalEntry, RefState } from '../../schemas/types.ts';

const blank: Omit<Change, 'kind'> = {
  source: null,
  observation: null,
  result: null,
  epoch: null,
  mark: null,
  config: null,
  action: null,
};

export const change = (part: Partial<Change> & Pick<Change, 'kind'>): Change => ({ ...blank, ...part });

export class FoldRunner {
  readonly fold: Fold;
  readonly committed = new Map<string, object>();
  readonly outputs: Output[] = [];
  /** Keys that were asked for and not in the cache: each cost a second decision. */
  misses = 0;
  offset = 0;
  time = 1_790_000_000_000;
  readonly #cached = new Set<string>();
  readonly #forgetful: boolean;

  /** `forgetful`: every key is missed once per record, as after a take-over. */
  constructor(fold: Fold, forgetful = false) {
    this.fold = fold;
    this.#forgetful = forgetful;
  }

  /** Decides one change; returns what it put out. */
  decide(part: Change, key = 'key'): readonly Output[] {
    const record = { offset: this.offset++, time: this.time, key, change: part };
    if (this.#forgetful) this.#cached.clear();
    for (;;) {
      const puts = new Map<string, object | undefined>();
      const state: State = {
        get: (name) => {
          if (puts.has(name)) return puts.get(name);
          if (!this.#cached.has(name)) throw new StateMiss([name]);
          return this.committed.get(name);
        },
        put: (name, value) => void puts.set(name, value),
      };
      try {
        const outputs = this.fold.decide(state, record);
        for (const [name, value] of puts) {
          if (value === undefined) this.committed.delete(name);
          else this.committed.set(name, value);
          this.#cached.add(name);
        }
        this.outputs.push(...outputs);
        return outputs;
      } catch (error) {
        if (!(error instanceof StateMiss)) throw error;
        this.misses += 1;
        for (const name of error.keys) this.#cached.add(name);
      }
    }
  }

  tick(ms = 250): readonly Output[] {
    this.time += ms;
    return this.decide(change({ kind: 'tick' }));
  }

  ref(ref: string): RefState | undefined {
    return this.committed.get(`ref:${ref}`) as RefState | undefined;
  }

  entities(): readonly EntityState[] {
    return [...this.committed.entries()]
      .filter(([key]) => key.startsWith('ent:'))
      .map(([, value]) => value as EntityState);
  }

  entityOf(ref: string): EntityState | undefined {
    const id = this.ref(ref)?.id;
    return id === undefined ? undefined : (this.committed.get(`ent:${id}`) as EntityState | undefined);
  }

  commands(): readonly Command[] {
    return this.outputs
      .filter((output) => output.topic === 'intercom.commands')
      .map((output) => output.value as Command);
  }

  journal(): readonly JournalEntry[] {
    return this.outputs.filter((output) => output.topic === 'journal').map((output) => output.value as JournalEntry);
  }
}
