/**
 * The contract between the transactional loop and what it runs.
 *
 * fold: a pure function over the ordered topic `changes`. state: keys and values. overlay: what the records of a
 * micro-batch have put and not yet committed. miss: a key that is not in the cache; the loop fetches it and the record
 * is decided again. output: a record to be written in the same transaction. position: the next offset to decide.
 */
import type { TopicName } from '../schemas/topics.ts';
import type { Change } from '../schemas/types.ts';

/** Thrown by `State.get` for a key that is not loaded; carries every key the decision is known to need. */
export class StateMiss extends Error {
  readonly keys: readonly string[];
  constructor(keys: readonly string[]) {
    // Nobody asks where a miss came from, and to find out costs more than deciding the record.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(`state not loaded: ${keys.join(', ')}`);
    Error.stackTraceLimit = stackTraceLimit;
    this.keys = keys;
  }
}

/** Values are decoded records of the schema that the key's prefix names (schemas/topics.ts stateSchemas). Never mutate one. */
export interface State {
  /** @throws StateMiss when the key is not in the cache. */
  get(key: string): object | undefined;
  /**
   * `undefined` deletes. A value that cannot be kept, STATE_TOO_LARGE or PAYLOAD_UNDECODABLE, is thrown here once there is a
   * savepoint, and nothing was put then; else at the end of the record, which is refused with it.
   */
  put(key: string, value: object | undefined): void;
  /** Returns a function that undoes every put made since. */
  savepoint(): () => void;
}

/** One record of `changes` as the loop hands it over. */
export interface FoldRecord {
  readonly offset: number;
  /** Append time of the log, ms: the only clock there is. */
  readonly time: number;
  readonly key: string;
  /** Of the state: a later one when it was founded anew, in which versions begin at 1 again. */
  readonly lineage: number;
  readonly change: Change;
}

export interface Output {
  readonly topic: TopicName;
  readonly key: string;
  /** null is a tombstone. */
  readonly value: object | null;
  /** Record schema of the value. */
  readonly schema: string;
  /** Given where the reader depends on it (commands); else murmur2 of the key. */
  readonly partition?: number;
}

export interface Fold {
  /**
   * Keys that the record is known to need, fetched for the whole batch in one round trip. `known` shows what is loaded by
   * then: asked again, it names what those values lead to. A key that is left out costs a round trip of its own.
   */
  recalls(record: FoldRecord, known?: (key: string) => object | undefined): readonly string[];
  /** Synchronous and pure. Whatever it throws but StateMiss dead-letters the record; its puts are discarded. */
  decide(state: State, record: FoldRecord): readonly Output[];
  /** What is written instead when a record cannot be decided: its ref is held and the journal says so. Must not throw. */
  poisoned?(state: State, record: FoldRecord, error: unknown): readonly Output[];
}
