/**
 * What the one writer decides from being given the partition until it loses it: where it goes on, when the mirror is
 * believed, what one micro-batch does to log and mirror. Effects are yielded, see work.ts.
 *
 * position: what the last transaction says of itself; it, and not the group's offset, is where the next tenure goes on.
 */
import type { UnifyPosition } from '../schemas/types.ts';
import { TributaryError } from './errors.ts';
import { type Entries, positionText } from './mirror-state.ts';
import { Keeper, type KeeperLimits, type KeeperOptions } from './repair.ts';
import { ask, type EffectOf, pass, type Work, whileAway } from './work.ts';

export interface TenureLimits extends KeeperLimits {
  /** A position is written at the latest after so much log time, so that a take-over has little to fold again. */
  readonly positionEveryMs: number;
  /** State records after which the base of the mirror is moved up: bounds what a repair has to fold. */
  readonly rebaseEvery: number;
}

export interface TenureOptions<Value> extends KeeperOptions<Value> {
  readonly limits: TenureLimits;
  /** What the process knows of the state: exact within a tenure, for nobody else can commit, and worth nothing before. */
  readonly cache: { clear(): void };
}

export class Tenure<Value> {
  readonly #options: TenureOptions<Value>;
  readonly #keeper: Keeper<Value>;
  #position: UnifyPosition = { offset: 0, time: 0, lineage: 0, transaction: 0 };
  #next = 0;
  /** Base of the mirror, and the state records written since. */
  #from = 0;
  #sinceBase = 0;

  constructor(options: TenureOptions<Value>) {
    this.#options = options;
    this.#keeper = new Keeper(options);
  }

  get position(): UnifyPosition {
    return this.#position;
  }

  /** Next record to decide: ahead of the position by records that changed nothing. */
  get next(): number {
    return this.#next;
  }

  /** Taking over: first our epoch, so that nobody can move the position that we then read. */
  *begin(): Work<Value, void> {
    this.#options.cache.clear();
    yield { kind: 'epoch' };
    yield* pass('takeover:after-epoch');
    const { position, end } = yield* whileAway(() => this.#keeper.lastPosition());
    this.#from = end;
    this.#position = position ?? (yield* ask<Value, EffectOf<Value, 'founding'>>({ kind: 'founding' }));
    this.#next = this.#position.offset;
    yield* pass('takeover:after-position');
    yield* whileAway(() => this.#keeper.repair(this.#position));
  }

  /** Values as of our position; they can be decoded. */
  *load(keys: readonly string[]): Work<Value, readonly (Value | null)[]> {
    const values = yield* whileAway(() => this.#read(keys));
    yield* this.schemas(values);
    return values;
  }

  *schemas(values: readonly (Value | null)[]): Work<Value, void> {
    yield* whileAway(() => ask<Value, EffectOf<Value, 'schemas'>>({ kind: 'schemas', values }));
  }

  /** The mirror says that it stands where we do, and is wrong: the log has everything still. */
  *disbelieve(why: string): Work<Value, void> {
    yield* whileAway(() => this.#keeper.repair(this.#position, why));
  }

  /**
   * What the records before `next`, the last of which is of `time`, come to is one transaction, which the mirror then
   * follows; nothing at all where nothing changed and the position is fresh. Says whether anything was written.
   * @param outputs how many the transaction has
   */
  *commit(next: number, time: number, entries: Entries<Value>, outputs: number): Work<Value, boolean> {
    const before = this.#position;
    const quiet = outputs === 0 && entries.size === 0;
    if (quiet && time - before.time < this.#options.limits.positionEveryMs) {
      this.#next = next;
      return false;
    }
    const position = { offset: next, time, lineage: before.lineage, transaction: before.transaction + 1 };
    yield { kind: 'ours' };
    yield* this.#rebase();
    yield* pass('transaction:before');
    yield { kind: 'transact', entries, position };
    yield* pass('transaction:after');
    this.#position = position;
    yield* pass('mirror:before-commit');
    yield* whileAway(() => this.#reflect(before, entries));
    yield* pass('mirror:after-commit');
    this.#sinceBase += entries.size + 1;
    this.#next = next;
    return true;
  }

  *#read(keys: readonly string[]): Work<Value, readonly (Value | null)[]> {
    try {
      return yield* this.#keeper.read(positionText(this.#position), keys);
    } catch (error) {
      if (!hasMoved(error)) throw error;
      yield* this.#keeper.repair(this.#position);
      return yield* this.#keeper.read(positionText(this.#position), keys);
    }
  }

  /** Brings the mirror to the transaction just committed; whatever Redis did meanwhile, it ends there. */
  *#reflect(before: UnifyPosition, entries: Entries<Value>): Work<Value, void> {
    try {
      yield* this.#keeper.move(before, this.#position, entries, this.#from);
    } catch (error) {
      if (!hasMoved(error)) throw error;
      yield* this.#keeper.repair(this.#position);
    }
  }

  *#rebase(): Work<Value, void> {
    if (this.#sinceBase < this.#options.limits.rebaseEvery) return;
    const { latest } = yield* ask<Value, EffectOf<Value, 'bounds'>>({ kind: 'bounds' });
    this.#from = latest;
    this.#sinceBase = 0;
  }
}

const hasMoved = (error: unknown): boolean => error instanceof TributaryError && error.code === 'MIRROR_MOVED';
