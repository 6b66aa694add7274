/** Runs a fold over changes in memory, on the loop's own micro-batch: the same overlay, encoding, limits and poison. */
import { MicroBatch } from '../../core/decide.ts';
import { type Fold, type FoldRecord, type Output, StateMiss } from '../../core/fold.ts';
import { MemoryFold } from '../../core/memory-fold.ts';
import { memoryCodec } from '../../core/registry.ts';
import { changeOf } from '../../schemas/change.ts';
import type { TopicName } from '../../schemas/topics.ts';
import type { Change, Command, EntityState, JournalEntry, RefState } from '../../schemas/types.ts';

export { changeOf as change };

const codec = memoryCodec();

export interface Emitted {
  readonly topic: Output['topic'];
  readonly key: string;
  readonly value: object;
}

export class FoldRunner {
  readonly fold: Fold;
  readonly committed = new Map<string, object>();
  readonly outputs: Emitted[] = [];
  /** Records that could not be decided, with the reason. */
  readonly poisons: string[] = [];
  /** Round trips that fetching state would have cost. */
  misses = 0;
  offset = 0;
  time = 1_790_000_000_000;
  /** Told of every decision: what was decided, what it put out, and the state before it. */
  onDecided: ((part: Change, emitted: readonly Emitted[], before: ReadonlyMap<string, object>) => void) | undefined;
  readonly #cached = new Set<string>();
  readonly #forgetful: boolean;

  /** `forgetful`: every key has to be fetched for every record, as after a take-over. */
  constructor(fold: Fold, forgetful = false) {
    this.fold = fold;
    this.#forgetful = forgetful;
  }

  /** Decides one change; returns what it put out. */
  decide(part: Change, key = 'key'): readonly Emitted[] {
    const record: FoldRecord = { offset: this.offset++, time: this.time, key, lineage: 7, change: part };
    const before = this.onDecided === undefined ? undefined : new Map(this.committed);
    if (this.#forgetful) this.#cached.clear();
    for (const name of this.fold.recalls(record)) this.#cached.add(name);
    const batch = new MicroBatch(this.fold, codec, (name) =>
      this.#cached.has(name) ? { value: this.committed.get(name) } : undefined,
    );
    const poison = this.#fetching(() => batch.decide(record));
    if (poison !== undefined) {
      this.poisons.push(poison instanceof Error ? poison.message : 'not an error');
      const again = this.#fetching(() => batch.poisoned(record, poison));
      if (again !== undefined) throw again;
    }
    for (const [name, stored] of batch.puts) {
      if (stored === undefined) this.committed.delete(name);
      else this.committed.set(name, stored.value);
      this.#cached.add(name);
    }
    const emitted = batch.outputs.map(
      ({ topic, key: of, value }): Emitted => ({
        topic: topic as TopicName,
        key: String(of),
        value: value === null ? {} : codec.decode(value).value,
      }),
    );
    this.outputs.push(...emitted);
    if (before !== undefined) this.onDecided?.(part, emitted, before);
    return emitted;
  }

  /** Runs until no key is missing; returns what it threw otherwise. */
  #fetching(run: () => void): unknown {
    for (;;) {
      try {
        run();
        return undefined;
      } catch (error) {
        if (!(error instanceof StateMiss)) return error;
        this.misses += 1;
        for (const name of error.keys) this.#cached.add(name);
      }
    }
  }

  tick(ms = 250): readonly Emitted[] {
    this.time += ms;
    return this.decide(changeOf({ kind: 'tick' }));
  }

  ref(ref: string): RefState | undefined {
    return this.committed.get(`ref:${ref}`) as RefState | undefined;
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

/** The same without encoding, limits and misses: for many small histories. */
export class PlainRunner extends MemoryFold {
  readonly outputs: Output[] = [];

  constructor(fold: Fold) {
    super(fold, 1_790_000_000_000);
  }

  override decide(part: Change): readonly Output[] {
    const made = super.decide(part);
    this.outputs.push(...made);
    return made;
  }

  ref(ref: string): RefState | undefined {
    return this.state.get(`ref:${ref}`) as RefState | undefined;
  }

  entityOf(ref: string): EntityState | undefined {
    return this.state.get(`ent:${this.ref(ref)?.id ?? ''}`) as EntityState | undefined;
  }
}
