/**
 * The loop that runs unify: folds `changes`, in order and once, into one Kafka transaction per micro-batch, and keeps
 * the Redis mirror at the position of the last one.
 *
 * tenure: the time between being given the partition and losing it. position: what the last transaction says of itself;
 * it, and not the group's offset, is where the next tenure goes on. Within a tenure the cache is exact, for nobody else
 * can commit.
 *
 * Whatever goes wrong with a transaction (failed, fenced, answer lost) ends the tenure and the group membership with it:
 * the next epoch ends that transaction either way, but only the group says who may begin it. Taking over without asking,
 * two processes would fence each other for ever. Redis or the registry away is waited for: the log alone would do, but whoever takes over next would find the
 * mirror ever further behind.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Change, UnifyPosition } from '../schemas/types.ts';
import type { Codec } from './codec.ts';
import { createRejectGuard, deadLetter } from './dead-letter.ts';
import { MicroBatch } from './decide.ts';
import { describeError, TributaryError } from './errors.ts';
import { type Fault, fault as faultFromEnvironment } from './faults.ts';
import { type Fold, type FoldRecord, StateMiss } from './fold.ts';
import type { InBatch, InRecord, KafkaAccess, OutRecord, TransactionalProducer } from './kafka.ts';
import { Lru } from './lru.ts';
import { Mirror, positionText } from './mirror.ts';
import { lastPosition, positionKey, repairMirror } from './repair.ts';

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

/** A position is written at the latest after this much log time, so that a take-over has little to fold again. */
const positionEveryMs = 5_000;
/** State records after which the base of the mirror is moved up: bounds what a repair has to fold. */
const rebaseEvery = 20_000;

/** Settles after the signal, with nothing in hand. Rejects for what trying again cannot cure. */
export async function runTransactionalFold(options: FoldOptions): Promise<void> {
  const { kafka, group, limits, signal } = options;
  // Of the process, not of a tenure: taking over again and again must not begin its sample anew.
  const guard = createRejectGuard();
  let tenure: Tenure | undefined;
  await kafka.consume({
    group,
    topics: ['changes'],
    signal,
    maxBatch: limits.records,
    ready: (state, why) => options.ready(state, why),
    onAssign: async (partitions) => {
      if (partitions.length === 0) return undefined;
      tenure = new Tenure(options, guard);
      const start = await tenure.begin();
      options.onTenure?.(true);
      return new Map([['changes/0', start]]);
    },
    onRevoke: async () => {
      options.onTenure?.(false);
      await tenure?.end();
      tenure = undefined;
    },
    // An error ends the membership: the next one begins with a take-over, from ourselves if nobody else came.
    handle: async (batch) => {
      const cut = AbortSignal.any([batch.signal, signal]);
      try {
        await tenure?.handle(batch, cut);
      } catch (error) {
        if (!cut.aborted || !cutShort(error, cut)) throw error;
      }
    },
  });
}

interface Decoded {
  readonly record: InRecord;
  /** What the fold gets, or why it cannot. */
  readonly given: { readonly record: FoldRecord } | { readonly error: unknown };
  readonly recalls: readonly string[];
}

class Tenure {
  readonly #options: FoldOptions;
  readonly #guard: ReturnType<typeof createRejectGuard>;
  readonly #fault: Fault;
  readonly #clock: () => number;
  readonly #mirror: Mirror;
  readonly #cache: Lru<object | undefined>;
  #producer: TransactionalProducer | undefined;
  #position: UnifyPosition = { offset: 0, time: 0, lineage: 0, transaction: 0 };
  /** Next record to decide: ahead of the position by records that changed nothing. */
  #next = 0;
  /** Base of the mirror, and the state records written since. */
  #from = 0;
  #sinceBase = 0;

  constructor(options: FoldOptions, guard: ReturnType<typeof createRejectGuard>) {
    this.#options = options;
    this.#guard = guard;
    this.#fault = options.fault ?? faultFromEnvironment;
    this.#clock = options.clock ?? Date.now;
    this.#cache = new Lru(options.limits.cacheBytes);
    this.#mirror = new Mirror({
      redis: options.redis,
      prefix: options.kafka.prefix,
      clock: this.#clock,
      fault: this.#fault,
    });
  }

  /** Taking over: first our epoch, so that nobody can move the position we then read. Returns where reading starts. */
  async begin(): Promise<number> {
    const { kafka, codec, transactionalId, signal, log } = this.#options;
    this.#options.ready(false, 'taking over');
    this.#producer = await kafka.transactional(transactionalId, signal);
    await this.#fault('takeover:after-epoch');
    const found = await this.#whileAway(signal, () => lastPosition(kafka, codec));
    this.#from = found.end;
    this.#position = found.position ?? (await this.#founding());
    this.#next = this.#position.offset;
    await this.#fault('takeover:after-position');
    await this.#whileAway(signal, () => this.#repair(signal));
    log.info({ at: positionText(this.#position), founding: found.position === undefined }, 'the work is ours');
    return this.#next;
  }

  async end(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    this.#cache.clear();
    await producer?.close();
  }

  async handle(batch: InBatch, cut: AbortSignal): Promise<void> {
    const records = batch.records.filter((record) => record.offset >= this.#next);
    await this.#whileAway(cut, () => this.#options.codec.prepare(records.map((record) => record.value)));
    const decoded = records.map((record) => this.#decode(record));
    for (let done = 0; done < decoded.length && !cut.aborted; ) {
      done += await this.#transaction(decoded.slice(done), batch, cut);
    }
  }

  /** Decides as many of the records as fit in one transaction, commits it, and says how many. */
  async #transaction(given: readonly Decoded[], { highWatermark }: InBatch, cut: AbortSignal): Promise<number> {
    const { fold, codec, limits, group } = this.#options;
    const begun = performance.now();
    const batch = new MicroBatch(fold, codec, (key) => this.#cache.find(key));
    const recalled = given.flatMap((one) => one.recalls);
    await this.#fetch(batch, recalled, cut);
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
    const next = last.offset + 1;
    const quiet = batch.outputs.length === 0 && batch.puts.size === 0;
    if (!quiet || last.time - this.#position.time >= positionEveryMs) {
      const decidedAt = performance.now();
      const before = this.#position;
      const position = { offset: next, time: last.time, lineage: before.lineage, transaction: before.transaction + 1 };
      cut.throwIfAborted();
      await this.#rebase(cut);
      await this.#fault('transaction:before');
      await this.#producing().transact(this.#written(batch, position), { group, topic: 'changes', partition: 0, next });
      await this.#fault('transaction:after');
      const committedAt = performance.now();
      this.#position = position;
      await this.#reflect(batch, before, cut);
      this.#options.onCommitted?.({
        records: done,
        outputs: batch.outputs.length,
        puts: batch.puts.size,
        deadLetters: rejections.filter((rejection) => rejection !== undefined).length,
        bytes: batch.bytes,
        lag: highWatermark - next,
        decideMs: decidedAt - begun,
        transactionMs: committedAt - decidedAt,
        mirrorMs: performance.now() - committedAt,
      });
    }
    this.#next = next;
    for (const [key, value, size] of batch.learnt()) this.#cache.set(key, value, size);
    return done;
  }

  /** Everything one transaction writes; the position last, so that a reader who meets it has met the rest. */
  #written(batch: MicroBatch, position: UnifyPosition): OutRecord[] {
    return [
      ...batch.outputs,
      ...[...batch.puts].map(
        ([key, stored]): OutRecord => ({ topic: 'unify.state', key, value: stored?.bytes ?? null }),
      ),
      {
        topic: 'unify.state',
        key: positionKey,
        value: this.#options.codec.encode('unify.state', 'UnifyPosition', position),
      },
    ];
  }

  /** Brings the mirror to the transaction just committed; whatever Redis did meanwhile, it ends there. */
  async #reflect(batch: MicroBatch, before: UnifyPosition, cut: AbortSignal): Promise<void> {
    const entries = new Map([...batch.puts].map(([key, stored]) => [key, stored?.bytes ?? null] as const));
    await this.#fault('mirror:before-commit');
    await this.#whileAway(cut, async () => {
      try {
        await this.#mirror.commit(positionText(before), positionText(this.#position), entries, this.#from);
      } catch (error) {
        if (!isCode(error, 'MIRROR_MOVED')) throw error;
        await this.#repair(cut);
      }
    });
    await this.#fault('mirror:after-commit');
    this.#sinceBase += entries.size + 1;
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

  async #fetch(batch: MicroBatch, wanted: readonly string[], cut: AbortSignal): Promise<void> {
    const keys = batch.missing(wanted);
    if (keys.length === 0) return;
    try {
      await this.#load(batch, keys, cut);
    } catch (error) {
      if (!isCode(error, 'PAYLOAD_UNDECODABLE', 'SCHEMA_UNKNOWN')) throw error;
      // Written by nobody of us: a fault of Redis or a hand in it. The log still has the value.
      await this.#whileAway(cut, () => this.#repair(cut, 'a value of it cannot be decoded'));
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
    const values = await this.#whileAway(cut, async () => {
      try {
        return await this.#mirror.read(positionText(this.#position), keys);
      } catch (error) {
        if (!isCode(error, 'MIRROR_MOVED')) throw error;
        await this.#repair(cut);
        return await this.#mirror.read(positionText(this.#position), keys);
      }
    });
    await this.#whileAway(cut, () => codec.prepare(values));
    for (const [i, key] of keys.entries()) {
      const bytes = values[i] ?? null;
      batch.fetched(key, bytes === null ? undefined : codec.decode(bytes).value, bytes?.length ?? 0);
    }
  }

  #repair(cut: AbortSignal, wipe?: string): Promise<void> {
    return repairMirror({
      mirror: this.#mirror,
      kafka: this.#options.kafka,
      codec: this.#options.codec,
      target: this.#position,
      clock: this.#clock,
      fault: this.#fault,
      signal: cut,
      log: this.#options.log,
      ...(wipe === undefined ? {} : { wipe }),
    });
  }

  async #rebase(cut: AbortSignal): Promise<void> {
    if (this.#sinceBase < rebaseEvery) return;
    const [state] = await this.#whileAway(cut, () => this.#options.kafka.offsets('unify.state'));
    this.#from = state?.latest ?? this.#from;
    this.#sinceBase = 0;
  }

  /** Nothing was ever committed: a lineage that no older mirror can be taken for. */
  async #founding(): Promise<UnifyPosition> {
    const [changes] = await this.#options.kafka.offsets('changes');
    return { offset: changes?.earliest ?? 0, time: 0, lineage: this.#clock(), transaction: 0 };
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
        lineage: this.#position.lineage,
        change: value as Change,
      };
      return { record, given: { record: given }, recalls: this.#options.fold.recalls(given) };
    } catch (error) {
      return { record, given: { error }, recalls: [] };
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

  /** Waits while Redis or the registry is away or the mirror moves under its repair, as long as the work is ours. Tries once even when it no longer is: a drain ends with the mirror current. */
  async #whileAway<T>(cut: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      try {
        const result = await work();
        if (tries > 0) this.#options.ready(true, 'active');
        return result;
      } catch (error) {
        if (!isCode(error, 'REDIS_UNAVAILABLE', 'REGISTRY_UNAVAILABLE', 'MIRROR_MOVED')) throw error;
        this.#options.ready(false, describeError(error));
        await sleep(Math.min(50 * 2 ** tries, 1_000), undefined, { signal: cut });
      }
    }
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
