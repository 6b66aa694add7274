/**
 * A fold with its state in memory and nothing written anywhere: what would be decided, without any server. Values are neither
 * encoded nor copied, so what a limit of the log or the state would reject is not noticed.
 */
import type { Change } from '../schemas/types.ts';
import type { Fold, FoldRecord, Output, State } from './fold.ts';

export class MemoryFold {
  readonly fold: Fold;
  readonly state = new Map<string, object>();
  /** Of records that could not be decided. */
  readonly poisons: string[] = [];
  offset = 0;
  /** Log time, ms. */
  time: number;

  constructor(fold: Fold, time: number) {
    this.fold = fold;
    this.time = time;
  }

  /** All of it or nothing, as the loop does it. */
  decide(change: Change): readonly Output[] {
    const record: FoldRecord = { offset: this.offset++, time: this.time, key: 'key', lineage: 7, change };
    try {
      return this.#attempt((state) => this.fold.decide(state, record));
    } catch (error) {
      this.poisons.push(error instanceof Error ? (error.stack ?? error.message) : 'not an error');
      return this.#attempt((state) => this.fold.poisoned?.(state, record, error) ?? []);
    }
  }

  #attempt(decision: (state: State) => readonly Output[]): readonly Output[] {
    const undo: (() => void)[] = [];
    const put = (key: string, value: object | undefined): void => {
      if (value === undefined) this.state.delete(key);
      else this.state.set(key, value);
    };
    const back = (to: number): void => {
      while (undo.length > to) undo.pop()?.();
    };
    try {
      return decision({
        get: (key) => this.state.get(key),
        put: (key, value) => {
          const before = this.state.get(key);
          undo.push(() => put(key, before));
          put(key, value);
        },
        savepoint: () => {
          const at = undo.length;
          return () => back(at);
        },
      });
    } catch (error) {
      back(0);
      throw error;
    }
  }
}
