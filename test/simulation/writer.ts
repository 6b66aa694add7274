/**
 * What decides a micro-batch of unify: the fold over plain values, or the loop's own micro-batch.
 */
import type { Codec } from '../../core/codec.ts';
import { MicroBatch } from '../../core/decide.ts';
import { type Fold, type FoldRecord, type Output, type State, StateMiss } from '../../core/fold.ts';
import type { TopicName } from '../../schemas/topics.ts';

export interface Emitted {
  readonly topic: TopicName;
  readonly key: string;
  readonly value: object | null;
  readonly partition: number | undefined;
}

/** By key; null deletes. */
export type Puts = ReadonlyMap<string, object | null>;

export interface Decided {
  readonly outputs: readonly Emitted[];
  readonly puts: Puts;
  /** Records that could not be decided, with the reason. */
  readonly poisons: readonly string[];
}

/** The state that a batch is decided upon. */
export interface Base {
  get(key: string): object | undefined;
}

/** What decides a batch over a state that is all at hand. */
export type Decider = (records: readonly FoldRecord[], base: Base) => Decided;

/** Stands for a key that was deleted, so that one look tells it from one that was not put. */
const gone: object = {};

/** Plain maps and no encoding: values are never mutated, so nothing has to be copied. */
export function plainDecider(fold: Fold): Decider {
  return (records, base) => {
    const puts = new Map<string, object>();
    const undo: (readonly [string, object | undefined])[] = [];
    const rollBackTo = (length: number): void => {
      while (undo.length > length) {
        const [key, before] = undo.pop() ?? ['', undefined];
        if (before !== undefined) puts.set(key, before);
        else puts.delete(key);
      }
    };
    const state: State = {
      get: (key) => {
        const value = puts.get(key) ?? base.get(key);
        return value === gone ? undefined : value;
      },
      put: (key, value = gone) => {
        undo.push([key, puts.get(key)]);
        puts.set(key, value);
      },
      savepoint: () => {
        const length = undo.length;
        return () => rollBackTo(length);
      },
    };
    const outputs: Emitted[] = [];
    const poisons: string[] = [];
    const keep = (some: readonly Output[]): void => {
      for (const { topic, key, value, partition } of some) outputs.push({ topic, key, value, partition });
    };
    for (const record of records) {
      undo.length = 0;
      try {
        keep(fold.decide(state, record));
      } catch (error) {
        rollBackTo(0);
        poisons.push(`${record.offset}: ${error instanceof Error ? error.message : String(error)}`);
        keep(fold.poisoned?.(state, record, error) ?? []);
      }
    }
    return {
      outputs,
      puts: new Map([...puts].map(([key, value]) => [key, value === gone ? null : value])),
      poisons,
    };
  };
}

/** The loop's own micro-batch: the same overlay, encoding, limits and misses. Everything is missed once. */
export function encodedDecider(fold: Fold, codec: Codec): Decider {
  return (records, base) => {
    const known = new Set<string>();
    const batch = new MicroBatch(fold, codec, (key) => (known.has(key) ? { value: base.get(key) } : undefined));
    const poisons: string[] = [];
    const fetching = (run: () => void): unknown => {
      for (;;) {
        try {
          run();
          return undefined;
        } catch (error) {
          if (!(error instanceof StateMiss)) return error;
          for (const key of error.keys) known.add(key);
        }
      }
    };
    for (const record of records) {
      for (const key of fold.recalls(record)) known.add(key);
      const poison = fetching(() => batch.decide(record));
      if (poison === undefined) continue;
      poisons.push(`${record.offset}: ${poison instanceof Error ? poison.message : 'not an error'}`);
      const again = fetching(() => batch.poisoned(record, poison));
      if (again !== undefined) throw again;
    }
    return {
      outputs: batch.outputs.map(({ topic, key, value, partition }) => ({
        topic: topic as TopicName,
        key: String(key),
        value: value === null ? null : codec.decode(value).value,
        partition,
      })),
      puts: new Map([...batch.puts].map(([key, stored]) => [key, stored?.value ?? null])),
      poisons,
    };
  };
}

export function applyPuts(base: Map<string, object>, puts: Puts): void {
  for (const [key, value] of puts) {
    if (value === null) base.delete(key);
    else base.set(key, value);
  }
}
