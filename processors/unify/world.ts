/**
 * What one decision sees and does: typed reads and writes over the state, the record at hand, the outputs so far.
 * Everything in processors/unify takes a World; nothing else knows how state is kept.
 */
import type { FoldRecord, Output, State } from '../../core/fold.ts';
import { StateMiss } from '../../core/fold.ts';
import type {
  CursorState,
  DeadLetter,
  EntityState,
  IndexState,
  JobState,
  JournalEntry,
  RefState,
  Value,
} from '../../schemas/types.ts';
import { entityKey, jobKey, refKey } from './keys.ts';
import type { Rules } from './rules.ts';

export type Lane = 'urgent' | 'live' | 'bulk';
export type Platform = 'salesforce' | 'intercom';

type JournalNote = Pick<JournalEntry, 'kind' | 'id' | 'reason'> &
  Partial<Pick<JournalEntry, 'field' | 'value' | 'other' | 'source' | 'certificate'>>;

/** Of the record that a lineage names. */
export const offsetOf = (lineage: string): number => Number(lineage.slice(lineage.lastIndexOf('/') + 1));

export class World {
  readonly #state: State;
  readonly record: FoldRecord;
  readonly rules: Rules;
  readonly outputs: Output[] = [];
  /** Partitions that may have room for an ask now, as `platform:partition`. */
  readonly stirred = new Set<string>();

  constructor(state: State, record: FoldRecord, rules: Rules) {
    this.#state = state;
    this.record = record;
    this.rules = rules;
  }

  /** Log time, ms: the only clock. */
  get now(): number {
    return this.record.time;
  }

  /** What to name as the cause. */
  get lineage(): string {
    return `changes/${this.record.offset}`;
  }

  ref(ref: string): RefState | undefined {
    return this.#state.get(refKey(ref)) as RefState | undefined;
  }

  putRef(value: RefState): void {
    this.#state.put(refKey(value.ref), value);
  }

  entity(id: string): EntityState | undefined {
    return this.#state.get(entityKey(id)) as EntityState | undefined;
  }

  /**
   * Follows `mergedInto` to the one that lives, however often it was merged. That ends: only who lives is merged, into one
   * who lives, and nobody comes back to life, so every step leads to one who was merged later.
   */
  living(id: string): EntityState | undefined {
    let entity = this.entity(id);
    while (entity?.mergedInto != null) entity = this.entity(entity.mergedInto);
    return entity;
  }

  putEntity(value: EntityState): void {
    this.#state.put(entityKey(value.id), value);
  }

  items(key: string): readonly string[] {
    return (this.#state.get(key) as IndexState | undefined)?.items ?? [];
  }

  /** An empty index is deleted: absence and emptiness are one thing. */
  putItems(key: string, items: readonly string[]): void {
    this.#state.put(key, items.length > 0 ? { items } : undefined);
  }

  cursor(key: string): CursorState {
    return (this.#state.get(key) as CursorState | undefined) ?? { n: {}, s: {} };
  }

  /** Adds to numbers of a cursor. */
  count(key: string, by: Readonly<Record<string, number>>): void {
    const cursor = this.cursor(key);
    const n = Object.entries(by).map(([name, more]) => [name, (cursor.n[name] ?? 0) + more] as const);
    this.putCursor(key, { ...cursor, n: { ...cursor.n, ...Object.fromEntries(n) } });
  }

  putCursor(key: string, value: CursorState | undefined): void {
    this.#state.put(key, value);
  }

  job(id: string): JobState | undefined {
    return this.#state.get(jobKey(id)) as JobState | undefined;
  }

  putJob(id: string, value: JobState | undefined): void {
    this.#state.put(jobKey(id), value);
  }

  /**
   * Decides one item of many. If it throws (a value too large included), its writes are undone, it goes to the dead letters,
   * `onFailure` says what holds it, and the world goes on: one bad record must not stop the queue it stands in.
   */
  attempt(subject: string, decideOne: (world: World) => void, onFailure: (world: World, reason: string) => void): void {
    const rollBack = this.#state.savepoint();
    const world = new World(this.#state, this.record, this.rules);
    try {
      decideOne(world);
    } catch (error) {
      if (error instanceof StateMiss) throw error;
      rollBack();
      const reason = error instanceof Error ? error.message : String(error);
      this.emit({ topic: 'unify.dlq', key: subject, schema: 'DeadLetter', value: this.#deadLetter(subject, reason) });
      this.journal({ id: subject, kind: 'held', source: subject, reason });
      onFailure(this, reason);
      return;
    }
    this.outputs.push(...world.outputs);
    for (const partition of world.stirred) this.stirred.add(partition);
  }

  #deadLetter(subject: string, reason: string): DeadLetter {
    return {
      stage: 'unify',
      code: 'RECORD_POISON',
      message: reason,
      fix: 'A defect: report it with this dead letter; the record is held and the rest goes on.',
      field: '',
      value: '',
      ref: subject,
      topic: 'changes',
      partition: 0,
      offset: this.record.offset,
      at: this.now,
      key: null,
      original: null,
      headers: {},
    };
  }

  /** Loads several keys in one round trip instead of one after the other. */
  load(keys: readonly string[]): void {
    const missing: string[] = [];
    for (const key of keys) {
      try {
        this.#state.get(key);
      } catch (error) {
        if (!(error instanceof StateMiss)) throw error;
        missing.push(...error.keys);
      }
    }
    if (missing.length > 0) throw new StateMiss(missing);
  }

  emit(output: Output): void {
    this.outputs.push(output);
  }

  journal(note: JournalNote): void {
    const value: JournalEntry = {
      at: this.now,
      offset: this.record.offset,
      field: '',
      value: null as Value,
      other: null as Value,
      source: '',
      certificate: null,
      ...note,
    };
    this.emit({ topic: 'journal', key: note.id, schema: 'JournalEntry', value });
  }
}
