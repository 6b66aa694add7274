/**
 * The pure half of the transactional loop: records in, what one transaction must write out. No I/O and no clock, so the
 * same records give the same bytes however they are cut into batches.
 *
 * What a record puts is encoded with it, not at the end of the batch: the next record must see what it would see after a
 * restart, so it sees those bytes decoded, and a value that is too large or does not fit its schema must be this record's
 * fault alone. Within the record what was put is seen as it was put; encoded is only what is left of it at its end, but for
 * what may be undone alone: that is refused where it is put.
 */
import { stateSchemas } from '../schemas/topics.ts';
import type { Codec } from './codec.ts';
import { TributaryError } from './errors.ts';
import { type Fold, type FoldRecord, type Output, type State, StateMiss } from './fold.ts';
import { limits } from './kafka/batching.ts';
import type { OutRecord } from './kafka.ts';

/** What is known of a key; an undefined value: that it has none. */
export interface Known {
  readonly value: object | undefined;
}

const nothing: Known = { value: undefined };

/** A value that a record put: its bytes on the wire, and what the next record sees. Decoded when somebody looks: few do. */
export class Stored implements Known {
  readonly bytes: Buffer;
  readonly known: Known;

  constructor(codec: Pick<Codec, 'decode'>, bytes: Buffer) {
    this.bytes = bytes;
    this.known = new Encoded(codec, bytes);
  }

  get value(): object {
    return this.known.value as object;
  }
}

class Encoded implements Known {
  readonly #codec: Pick<Codec, 'decode'>;
  #bytes: Buffer | undefined;
  #value: object | undefined;

  constructor(codec: Pick<Codec, 'decode'>, bytes: Buffer) {
    this.#codec = codec;
    this.#bytes = bytes;
  }

  get value(): object | undefined {
    if (this.#bytes !== undefined) {
      this.#value = this.#codec.decode(this.#bytes).value;
      // It is kept as long as it is used: once is enough.
      this.#bytes = undefined;
    }
    return this.#value;
  }
}

/** What the record at hand has put; without `stored` it is not encoded yet. */
interface Put extends Known {
  readonly stored?: Stored;
}

/** No state value may be larger: each is read, cached and written whole. */
export const stateLimit = 64 * 1024;
/** Largest single output, so that what the producer refuses is refused while it is still the fault of one record. */
const outputLimit = limits.recordBytes - 16 * 1024;

export class MicroBatch {
  /** In the order of the records. */
  readonly outputs: OutRecord[] = [];
  /** Last value of each key touched. */
  readonly puts = new Map<string, Stored | undefined>();
  /** Fetched for this batch: held here, for the cache may drop what the batch still needs. */
  readonly #fetched = new Map<string, { readonly known: Known; readonly size: number }>();
  readonly #cached: (key: string) => Known | undefined;
  readonly #fold: Fold;
  readonly #codec: Codec;
  #bytes = 0;

  constructor(fold: Fold, codec: Codec, cached: (key: string) => Known | undefined) {
    this.#fold = fold;
    this.#codec = codec;
    this.#cached = cached;
  }

  /** Encoded size of what the transaction would write now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keys of these that somebody has to fetch. */
  missing(keys: Iterable<string>): string[] {
    return [...new Set(keys)].filter((key) => this.#find(key) === undefined);
  }

  /** What is loaded of a key; undefined: nothing, or that there is none. */
  known(key: string): object | undefined {
    return this.#find(key)?.value;
  }

  /** `size`: encoded. */
  fetched(key: string, value: object | undefined, size: number): void {
    this.#fetched.set(key, { known: { value }, size });
  }

  /** What the cache should know once the batch stands: key, what is known of it, encoded size. */
  *learnt(): Iterable<readonly [string, Known, number]> {
    for (const [key, { known, size }] of this.#fetched) if (!this.puts.has(key)) yield [key, known, size];
    for (const [key, stored] of this.puts) yield [key, stored?.known ?? nothing, stored?.bytes.length ?? 0];
  }

  /**
   * Decides one record, all of it or nothing.
   * @throws StateMiss with keys to fetch before it is decided again; anything else: the record is poison.
   */
  decide(record: FoldRecord): void {
    this.#attempt((state) => this.#fold.decide(state, record));
  }

  /** What is written instead of a poisoned record. @throws StateMiss */
  poisoned(record: FoldRecord, error: unknown): void {
    this.#attempt((state) => this.#fold.poisoned?.(state, record, error) ?? []);
  }

  /** What the loop itself has to say of a record. */
  write(output: OutRecord): void {
    this.#keep([output], new Map());
  }

  #attempt(decision: (state: State) => readonly Output[]): void {
    const own = new Map<string, Put>();
    /** What each put replaced, so that it can be undone. */
    const undo: (() => void)[] = [];
    let mayBeUndone = false;
    const find = (key: string): Known | undefined => own.get(key) ?? this.#find(key);
    const state: State = {
      get: (key) => {
        const found = find(key);
        if (found === undefined) throw new StateMiss([key]);
        return found.value;
      },
      put: (key, value) => {
        // The very value that stands there: nothing changes, and nothing has to be written.
        if (value !== undefined && find(key)?.value === value) return;
        const put = mayBeUndone && value !== undefined ? { value, stored: this.#store(key, value) } : { value };
        const before = own.get(key);
        undo.push(before === undefined ? () => void own.delete(key) : () => void own.set(key, before));
        own.set(key, put);
      },
      savepoint: () => {
        mayBeUndone = true;
        const at = undo.length;
        return () => {
          while (undo.length > at) undo.pop()?.();
        };
      },
    };
    const outputs = this.#encodeAll(decision(state));
    const puts = new Map<string, Stored | undefined>();
    for (const [key, { value, stored }] of own)
      puts.set(key, stored ?? (value === undefined ? undefined : this.#store(key, value)));
    this.#keep(outputs, puts);
  }

  #find(key: string): Known | undefined {
    const stored = this.puts.get(key);
    if (stored !== undefined) return stored.known;
    if (this.puts.has(key)) return nothing;
    return this.#fetched.get(key)?.known ?? this.#cached(key);
  }

  #keep(outputs: readonly OutRecord[], puts: ReadonlyMap<string, Stored | undefined>): void {
    for (const output of outputs) {
      this.outputs.push(output);
      this.#bytes += (output.key?.length ?? 0) + (output.value?.length ?? 0);
    }
    for (const [key, stored] of puts) {
      this.#bytes += (stored?.bytes.length ?? 0) - (this.puts.get(key)?.bytes.length ?? 0);
      if (!this.puts.has(key)) this.#bytes += key.length;
      this.puts.set(key, stored);
    }
  }

  #store(key: string, value: object): Stored {
    const schema = stateSchemas[key.slice(0, Math.max(0, key.indexOf(':')))];
    if (schema === undefined) throw new TributaryError('INTERNAL', `no schema for the state key "${key}"`);
    const bytes = this.#codec.encode('unify.state', schema, value);
    if (bytes.length > stateLimit) {
      throw new TributaryError('STATE_TOO_LARGE', `state value ${key} has ${bytes.length} bytes`, { field: key });
    }
    return new Stored(this.#codec, bytes);
  }

  /** What goes to two topics, an event and the latest of its kind, is encoded once: an id names the schema, not the topic. */
  #encodeAll(outputs: readonly Output[]): OutRecord[] {
    let before: { readonly output: Output; readonly bytes: Buffer | null } | undefined;
    return outputs.map((output) => {
      const isSame = before?.output.value === output.value && before.output.schema === output.schema;
      const bytes = isSame && before !== undefined ? before.bytes : this.#encode(output);
      before = { output, bytes };
      const { topic, key, partition } = output;
      return { topic, key, value: bytes, ...(partition === undefined ? {} : { partition }) };
    });
  }

  #encode({ topic, schema, value }: Output): Buffer | null {
    if (value === null) return null;
    const bytes = this.#codec.encode(topic, schema, value);
    if (bytes.length > outputLimit)
      throw new TributaryError('RECORD_TOO_LARGE', `a record for ${topic} has ${bytes.length} bytes`);
    return bytes;
  }
}
