/**
 * What the one writer and its mirror decide, without doing it: the protocol between the two. A decision is a generator
 * that yields effects and is given what came of each. It has no I/O, so that the loop (`transaction.ts`) and the
 * simulation run the same one; the places between two effects are those where a process may die.
 */
import type { UnifyPosition } from '../schemas/types.ts';
import { TributaryError } from './errors.ts';
import type { FaultPoint } from './faults.ts';
import type { Entries, MirrorHead, Swap } from './mirror-state.ts';

/** A part of unify.state, read committed. */
export interface LogPart<Value> {
  /** The last of each key but the position. */
  readonly entries: Entries<Value>;
  /** The last one of the part. */
  readonly position: UnifyPosition | undefined;
  /** Where the next part begins; the end of what was asked for when there is none. */
  readonly next: number;
}

export type Effect<Value> =
  // ---- the log
  /** Begins our epoch: whoever had an older one can commit nothing more, and what it had open is ended. */
  | { readonly kind: 'epoch' }
  /** The position of a state in which nothing was ever committed: of a lineage that no older mirror can be taken for. */
  | { readonly kind: 'founding' }
  /** Both ends of unify.state. */
  | { readonly kind: 'bounds' }
  /** The last position between two offsets of unify.state. */
  | { readonly kind: 'position'; readonly from: number; readonly to: number }
  /** The records between them, or the first part of these. */
  | { readonly kind: 'log'; readonly from: number; readonly to: number }
  /** One transaction of the outputs at hand, these entries and the position, or nothing of it. */
  | { readonly kind: 'transact'; readonly entries: Entries<Value>; readonly position: UnifyPosition }
  // ---- the mirror
  | { readonly kind: 'head' }
  /** Values, and the position of the same moment. */
  | { readonly kind: 'read'; readonly keys: readonly string[] }
  /** Some keys that stand there; a key may come twice. '' begins, and a cursor of '' is the end. */
  | { readonly kind: 'scan'; readonly cursor: string }
  /** A compare-and-set; answered by the position afterwards. */
  | { readonly kind: 'swap'; readonly swap: Swap<Value> }
  // ---- the process
  /** The schemas of these values are known. */
  | { readonly kind: 'schemas'; readonly values: readonly (Value | null)[] }
  /** Throws when the work was taken away: stop before the next side effect. */
  | { readonly kind: 'ours' }
  /** Nothing but the name of a place. */
  | { readonly kind: 'passing'; readonly point: FaultPoint }
  /** Something that everything here needs is away, or the mirror moved under a repair: wait, unless the work was taken away. */
  | { readonly kind: 'pause'; readonly ms: number; readonly error: TributaryError }
  /** It is no longer away. */
  | { readonly kind: 'resumed' }
  /** `because`: why the mirror is emptied first. */
  | { readonly kind: 'repairing'; readonly from: string; readonly to: string; readonly because: string | undefined }
  | { readonly kind: 'repaired'; readonly at: string; readonly steps: number };

export type Kind = Effect<unknown>['kind'];
export type EffectOf<Value, K extends Kind> = Extract<Effect<Value>, { readonly kind: K }>;

interface Answered<Value> {
  founding: UnifyPosition;
  bounds: { readonly earliest: number; readonly latest: number };
  position: UnifyPosition | undefined;
  log: LogPart<Value>;
  head: MirrorHead;
  read: { readonly position: string; readonly values: readonly (Value | null)[] };
  scan: { readonly cursor: string; readonly keys: readonly string[] };
  swap: string;
}

type Answer<Value, K extends Kind> = K extends keyof Answered<Value> ? Answered<Value>[K] : void;

/** What carries effects out, by their kind. */
export type Performer<Value> = {
  readonly [K in Kind]: (effect: EffectOf<Value, K>) => Answer<Value, K> | Promise<Answer<Value, K>>;
};

export type Work<Value, Result> = Generator<Effect<Value>, Result, unknown>;

export function* ask<Value, E extends Effect<Value>>(effect: E): Generator<E, Answer<Value, E['kind']>, unknown> {
  return (yield effect) as Answer<Value, E['kind']>;
}

export function* pass(point: FaultPoint): Work<never, void> {
  yield { kind: 'passing', point };
}

const passing = ['REDIS_UNAVAILABLE', 'REGISTRY_UNAVAILABLE', 'MIRROR_MOVED'];

/**
 * Does the work, and all of it again as long as Redis or the registry is away or the mirror moves under its repair. Tries
 * once even when the work was taken away: a drain ends with the mirror current.
 */
export function* whileAway<Value, Result>(work: () => Work<Value, Result>): Work<Value, Result> {
  for (let tries = 0; ; tries += 1) {
    try {
      const result = yield* work();
      if (tries > 0) yield { kind: 'resumed' };
      return result;
    } catch (error) {
      if (!(error instanceof TributaryError) || !passing.includes(error.code)) throw error;
      yield { kind: 'pause', ms: Math.min(50 * 2 ** tries, 1_000), error };
    }
  }
}

/** Carries a decision out. @throws what it throws; what an effect brings is thrown in at it */
export async function drive<Value, Result>(work: Work<Value, Result>, performer: Performer<Value>): Promise<Result> {
  let at = work.next();
  while (!at.done) {
    let answer: unknown;
    try {
      answer = await perform(performer, at.value);
    } catch (error) {
      at = work.throw(error);
      continue;
    }
    at = work.next(answer);
  }
  return at.value;
}

/** What came of one effect. */
export function perform<Value>(performer: Performer<Value>, effect: Effect<Value>): unknown {
  const carryOut = performer[effect.kind] as (effect: Effect<Value>) => unknown;
  return carryOut(effect);
}
