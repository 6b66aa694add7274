/**
 * The loop that runs unify: folds `changes`, in order and once, into one Kafka transaction per micro-batch, and keeps
 * the Redis mirror at the position of the last one.
 *
 * tenure: the time between being given the partition and losing it. What is decided in it stands in tenure.ts and
 * repair.ts; here it is carried out.
 *
 * Whatever goes wrong with a transaction (failed, fenced, answer lost) ends the tenure and the group membership with it:
 * the next epoch ends that transaction either way, but only the group says who may begin it. Taking over without asking,
 * two processes would fence each other for ever. Redis or the registry away is waited for: the log alone would do, but
 * whoever takes over next would find the mirror ever further behind.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { topics } from '../schemas/topics.ts';
import type { Change, UnifyPosition } from '../schemas/types.ts';
import { carriersOf } from './carriers.ts';
import type { Codec } from './codec.ts';
import { createRejectGuard, deadLetter } from './dead-letter.ts';
import { type Known, MicroBatch } from './decide.ts';
import { describeError, TributaryError } from './errors.ts';
import { type Fault, fault as faultFromEnvironment } from './faults.ts';
import { type Fold, type FoldRecord, StateMiss } from './fold.ts';
import type { InBatch, InRecord, KafkaAccess, OutRecord, TransactionalProducer } from './kafka.ts';
import { Lru } from './lru.ts';
import { chunkLimits, Mirror } from './mirror.ts';
import { type Entries, positionText } from './mirror-state.ts';
import { positionKey } from './repair.ts';
import { Tenure, type TenureLimits } from './tenure.ts';
import { drive, type Work } from './work.ts';

export interface FoldLimits {
  /** Most records of one transaction. */
  readonly records: number;
  /** A transaction is closed by the record that passes it: encoded size of outputs and state. */
  readonly bytes: number;
  /** Encoded size of the state kept decoded in memory. */
  readonly cacheBytes: number;
}

/** What a transaction did, for metrics. */
export interface Committed {
  readonly records: number;
  readonly outputs: number;
  readonly puts: number;
  readonly deadLetters: number;
  readonly bytes: number;
  /** Records of `changes` not decided yet. */
  readonly lag: number;
  /** Deciding, the transaction, the mirror, in ms. */
  readonly decideMs: number;
  readonly transactionMs: number;
  readonly mirrorMs: number;
}

export interface FoldOptions {
  readonly kafka: KafkaAccess;
  readonly codec: Codec;
  readonly redis: Redis;
  readonly group: string;
  /** Whoever begins its newest epoch is the one writer. */
  readonly transactionalId: string;
  readonly fold: Fold;
  readonly limits: FoldLimits;
  readonly signal: AbortSignal;
  ready(state: boolean, why: string): void;
  readonly log: Logger;
  /** This one became, or ceased to be, the one writer. */
  onTenure?(active: boolean): void;
  onCommitted?(done: Committed): void;
  readonly fault?: Fault;
  readonly clock?: () => number;
}

export const tenureLimits: TenureLimits = {
  chunk: chunkLimits,
  // A day less than tombstones are kept: our clock is not the broker's, and the fold takes time.
  trustedMs: topics['unify.state'].keepMs - 86_400_000,
  positionEveryMs: 5_000,
  rebaseEvery: 20_000,
};

/** Settles after the signal, with nothing in hand. Rejects for what trying again cannot cure. */
export async function runTransactionalFold(options: FoldOptions): Promise<void> {
  const { kafka, group, limits, signal } = options;
  // Of the process, not of a tenure: taking over again and again must not begin its sample anew.
  const guard = createRejectGuard();
  const cache = new Lru<Known>(limits.cacheBytes);
  let writer: Writer | undefined;
  await kafka.consume({
    group,
    topics: ['changes'],
    signal,
    maxBatch: limits.records,
    ready: (state, why) => options.ready(state, why),
    onAssign: async (partitions) => {
      if (partitions.length === 0) return undefined;
      writer = new Writer(options, guard, cache);
      const start = await writer.begin();
      options.onTenure?.(true);
      return new Map([['changes/0', start]]);
    },
    onRevoke: async () => {
      options.onTenure?.(false);
      await writer?.end();
      writer = undefined;
    },
    // An error ends the membership: the next one begins with a take-over, from ourselves if nobody else came.
    handle: async (batch) => {
      const cut = AbortSignal.any([batch.signal, signal]);
      try {
        await writer?.handle(batch, cut);
      } catch (error) {
        if (!cut.aborted || !cutShort(error, cut)) throw error;
      }
    },
  });
}

/** From a record to its customer, to their other records and account, to that account's records. */
const recallRounds = 4;

interface Decoded {
  readonly record: InRecord;
  /** What the fold gets, or why it cannot. */
  readonly given: { readonly record: FoldRecord } | { readonly error: unknown };
}

/** A transaction being made: what it puts out, and the moment it stood. */
interface Making {
  readonly outputs: readonly OutRecord[];
  committedAt: number;
}

/** One tenure of this process. */
class Writer {
  readonly #options: FoldOptions;
  readonly #guard: ReturnType<typeof createRejectGuard>;
  readonly #cache: Lru<Known>;
  readonly #tenure: Tenure<Buffer>;
  readonly #carriers: ReturnType<typeof carriersOf>;
  readonly #fault: Fault;
  #producer: TransactionalProducer | undefined;

  constructor(options: FoldOptions, guard: ReturnType<typeof createRejectGuard>, cache: Lru<Known>) {
    const { kafka, codec, redis, log } = options;
    const clock = options.clock ?? Date.now;
    this.#options = options;
    this.#guard = guard;
    this.#cache = cache;
    this.#fault = options.fault ?? faultFromEnvironment;
    this.#tenure = new Tenure({
      limits: tenureLimits,
      sizeOf: (value) => value.length,
      clock,
      name: randomUUID,
      cache,
    });
    this.#carriers = carriersOf({ kafka, codec, mirror: new Mirror(redis, kafka.prefix), clock, log });
  }

  /** Returns where reading starts. */
  async begin(): Promise<number> {
    const { signal, log } = this.#options;
    this.#options.ready(false, 'taking over');
    await this.#carryOut(this.#tenure.begin(), signal);
    const { position, next } = this.#tenure;
    log.info({ at: positionText(position), founding: position.transaction === 0 }, 'the work is ours');
    return next;
  }

  async end(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.close();
  }

  async handle(batch: InBatch, cut: AbortSignal): Promise<void> {
    const records = batch.records.filter((record) => record.offset >= this.#tenure.next);
    const values = records.map((record) => record.value);
    await this.#carryOut(this.#tenure.schemas(values), cut);
    const decoded = records.map((record) => this.#decode(record));
    for (let done = 0; done < decoded.length && !cut.aborted; ) {
      done += await this.#transaction(decoded.slice(done), batch, cut);
    }
  }

  /** Decides as many of the records as fit in one transaction, commits it, and says how many. */
  async #transaction(given: readonly Decoded[], { highWatermark }: InBatch, cut: AbortSignal): Promise<number> {
    const { fold, codec, limits } = this.#options;
    const begun = performance.now();
    const batch = new MicroBatch(fold, codec, (key) => this.#cache.find(key)?.value);
    await this.#recall(batch, given, cut);
    const rejections: (TributaryError | undefined)[] = [];
    let last = given[0]?.record;
    for (const one of given) {
      rejections.push(await this.#decide(batch, one, cut));
      last = one.record;
      if (batch.bytes >= limits.bytes) break;
    }
    this.#guard('unify', rejections);
    const done = rejections.length;
    if (last === undefined) return 0;
    const { outputs, puts, bytes } = batch;
    const next = last.offset + 1;
    const entries = new Map([...puts].map(([key, stored]) => [key, stored?.bytes ?? null] as const));
    const decidedAt = performance.now();
    const making: Making = { outputs, committedAt: decidedAt };
    const written = await this.#carryOut(this.#tenure.commit(next, last.time, entries, outputs.length), cut, making);
    if (written) {
      this.#options.onCommitted?.({
        records: done,
        outputs: outputs.length,
        puts: puts.size,
        deadLetters: rejections.filter((rejection) => rejection !== undefined).length,
        bytes,
        lag: highWatermark - next,
        decideMs: decidedAt - begun,
        transactionMs: making.committedAt - decidedAt,
        mirrorMs: performance.now() - making.committedAt,
      });
    }
    for (const [key, known, size] of batch.learnt()) this.#cache.set(key, known, size);
    return done;
  }

  /** Why the record went to the dead letters, if it did. */
  async #decide(batch: MicroBatch, { record, given }: Decoded, cut: AbortSignal): Promise<TributaryError | undefined> {
    if ('error' in given) return this.#deadLetter(batch, record, given.error);
    const poison = await this.#attempt(batch, cut, () => batch.decide(given.record));
    if (poison === undefined) return undefined;
    const rejection = this.#deadLetter(batch, record, poison.error);
    const worse = await this.#attempt(batch, cut, () => batch.poisoned(given.record, poison.error));
    if (worse !== undefined) {
      const cause = TributaryError.from(worse.error);
      this.#options.log.error(
        { code: cause.code, offset: record.offset },
        'a poisoned record could not be held either',
      );
    }
    return rejection;
  }

  /** Runs a decision, fetching what it misses; returns what else it threw. */
  async #attempt(
    batch: MicroBatch,
    cut: AbortSignal,
    decide: () => void,
  ): Promise<{ readonly error: unknown } | undefined> {
    for (;;) {
      let missing: readonly string[];
      try {
        decide();
        return undefined;
      } catch (error) {
        missing = error instanceof StateMiss ? batch.missing(error.keys) : [];
        if (missing.length === 0) return { error };
      }
      await this.#fetch(batch, missing, cut);
    }
  }

  /** A few round trips for all of them, each for what the one before it led to. */
  async #recall(batch: MicroBatch, all: readonly Decoded[], cut: AbortSignal): Promise<void> {
    const { fold } = this.#options;
    let left = all.flatMap(({ given }) => ('record' in given ? [given.record] : []));
    for (let round = 0; round < recallRounds && left.length > 0; round += 1) {
      const missing = new Set<string>();
      left = left.filter((record) => {
        const keys = batch.missing(fold.recalls(record, (key) => batch.known(key)));
        for (const key of keys) missing.add(key);
        return keys.length > 0;
      });
      await this.#fetch(batch, [...missing], cut);
    }
  }

  async #fetch(batch: MicroBatch, wanted: readonly string[], cut: AbortSignal): Promise<void> {
    const keys = batch.missing(wanted);
    if (keys.length === 0) return;
    try {
      await this.#load(batch, keys, cut);
    } catch (error) {
      if (!isCode(error, 'PAYLOAD_UNDECODABLE', 'SCHEMA_UNKNOWN')) throw error;
      // Written by nobody of us: a fault of Redis or a hand in it. The log still has the value.
      await this.#carryOut(this.#tenure.disbelieve('a value of it cannot be decoded'), cut);
      try {
        await this.#load(batch, keys, cut);
      } catch (again) {
        if (!isCode(again, 'PAYLOAD_UNDECODABLE', 'SCHEMA_UNKNOWN')) throw again;
        throw new TributaryError('INTERNAL', 'a value of unify.state itself cannot be decoded', { cause: again });
      }
    }
  }

  async #load(batch: MicroBatch, keys: readonly string[], cut: AbortSignal): Promise<void> {
    const { codec } = this.#options;
    const values = await this.#carryOut(this.#tenure.load(keys), cut);
    for (const [i, key] of keys.entries()) {
      const bytes = values[i] ?? null;
      batch.fetched(key, bytes === null ? undefined : codec.decode(bytes).value, bytes?.length ?? 0);
    }
  }

  #decode(record: InRecord): Decoded {
    try {
      if (record.value === null) throw new TributaryError('PAYLOAD_UNDECODABLE', 'a record of changes has no value');
      const { schema, value } = this.#options.codec.decode(record.value);
      if (schema !== 'Change') throw new TributaryError('PAYLOAD_UNDECODABLE', `a record of changes is a ${schema}`);
      const key = record.key?.toString() ?? '';
      const given = {
        offset: record.offset,
        time: record.time,
        key,
        lineage: this.#tenure.position.lineage,
        change: value as Change,
      };
      return { record, given: { record: given } };
    } catch (error) {
      return { record, given: { error } };
    }
  }

  #deadLetter(batch: MicroBatch, record: InRecord, thrown: unknown): TributaryError {
    const cause = TributaryError.from(thrown, 'RECORD_POISON');
    const error =
      cause.verdict === 'reject' ? cause : new TributaryError('RECORD_POISON', cause.message, { cause: thrown });
    this.#options.log.error(
      { code: error.code, offset: record.offset },
      'a record of changes goes to the dead letters',
    );
    const ref = record.key?.toString() ?? '';
    batch.write(deadLetter({ codec: this.#options.codec, stage: 'unify', record, error, ref }));
    return error;
  }

  #producing(): TransactionalProducer {
    if (this.#producer === undefined) throw new TributaryError('FENCED', 'the partition was given away');
    return this.#producer;
  }

  #carryOut<Result>(work: Work<Buffer, Result>, cut: AbortSignal, making?: Making): Promise<Result> {
    const { kafka, transactionalId, group, signal } = this.#options;
    return drive(work, {
      ...this.#carriers,
      epoch: async () => {
        this.#producer = await kafka.transactional(transactionalId, signal);
      },
      transact: async ({ entries, position }) => {
        const records = this.#written(making?.outputs ?? [], entries, position);
        await this.#producing().transact(records, { group, topic: 'changes', partition: 0, next: position.offset });
        if (making !== undefined) making.committedAt = performance.now();
      },
      ours: () => cut.throwIfAborted(),
      passing: ({ point }) => this.#fault(point),
      pause: async ({ ms, error }) => {
        this.#options.ready(false, describeError(error));
        await sleep(ms, undefined, { signal: cut });
      },
      resumed: () => this.#options.ready(true, 'active'),
    });
  }

  /** Everything one transaction writes; the position last, so that a reader who meets it has met the rest. */
  #written(outputs: readonly OutRecord[], entries: Entries<Buffer>, position: UnifyPosition): OutRecord[] {
    const { codec } = this.#options;
    return [
      ...outputs,
      ...[...entries].map(([key, value]): OutRecord => ({ topic: 'unify.state', key, value })),
      { topic: 'unify.state', key: positionKey, value: codec.encode('unify.state', 'UnifyPosition', position) },
    ];
  }
}

/** Did it end only because the work was taken away? What was in doubt then is settled by whoever takes over. */
function cutShort(error: unknown, cut: AbortSignal): boolean {
  if (error === cut.reason || (error instanceof Error && error.name === 'AbortError')) return true;
  return error instanceof TributaryError && error.verdict === 'retry';
}

function isCode(error: unknown, ...wanted: readonly string[]): boolean {
  return error instanceof TributaryError && wanted.includes(error.code);
}
