/**
 * What a sink decides, without doing it. A sink's `execute` is a generator: it yields steps, is given what came of each
 * call, and returns its answer. It has no clock, no randomness and no I/O; `drive.ts` carries its steps out.
 *
 * call: one request, answered by one verdict. pause: a wait, answered by nothing. A driver that may begin nothing more
 * throws `Interrupted` in at a step; a call under way is seen to its end first.
 */
import type { BudgetLane } from '../core/budget.ts';
import { type ErrorCode, TributaryError } from '../core/errors.ts';
import type { Passing } from '../core/passing.ts';

export type Step<Request> =
  | { readonly kind: 'call'; readonly request: Request; readonly lane: BudgetLane }
  /**
   * `code` says what it is for. PLATFORM_LIMIT: the platform's own limit, after `ms`; whoever keeps a budget that was told
   * of it may leave the waiting to that. Any other: a try failed for no fault of the record's, and `ms` wants jitter.
   * null: so does it here, but it says nothing of the platform (a record is locked by somebody).
   */
  | { readonly kind: 'pause'; readonly ms: number; readonly code: ErrorCode | null; readonly text: string };

const firstPauseMs = 250;
const longestPauseMs = 5_000;

/** The pause after the `tries`-th failure in a row, counted from 0. */
export const pauseAfter = (tries: number): number => Math.min(firstPauseMs * 2 ** tries, longestPauseMs);

type Call<Request> = Extract<Step<Request>, { kind: 'call' }>;
type Verdictlike = { readonly kind: string };
type Work<Request, Verdict, Came extends Passing['kind']> = Generator<
  Step<Request>,
  Exclude<Verdict, Extract<Passing, { kind: Came }>>,
  Verdict
>;

/**
 * Makes a call, again after every limit it meets.
 * @param platform its name, for people
 * @param told hears every verdict, the passing ones too
 * @throws TributaryError of a `stop`
 */
export function* attempt<Request, Verdict extends Verdictlike>(
  platform: string,
  call: Call<Request>,
  told: (verdict: Verdict) => void,
): Work<Request, Verdict, 'wait' | 'stop'> {
  for (;;) {
    const verdict = yield call;
    told(verdict);
    const passing = passingOf(verdict);
    if (passing?.kind === 'stop') throw new TributaryError(passing.code, `${platform} says ${passing.text}`);
    if (passing?.kind !== 'wait') return verdict as Exclude<Verdict, Extract<Passing, { kind: 'wait' | 'stop' }>>;
    yield { kind: 'pause', ms: passing.ms, code: 'PLATFORM_LIMIT', text: passing.text };
  }
}

/** The same until the platform has said something definite of the call. */
export function* insist<Request, Verdict extends Verdictlike>(
  platform: string,
  call: Call<Request>,
  told: (verdict: Verdict) => void,
): Work<Request, Verdict, Passing['kind']> {
  for (let tries = 0; ; tries++) {
    const verdict: Verdictlike = yield* attempt(platform, call, told);
    const passing = passingOf(verdict);
    if (passing?.kind !== 'retry') return verdict as Exclude<Verdict, Passing>;
    yield { kind: 'pause', ms: pauseAfter(tries), code: passing.code, text: passing.text };
  }
}

const passingOf = (verdict: Verdictlike): Passing | undefined =>
  verdict.kind === 'retry' || verdict.kind === 'wait' || verdict.kind === 'stop' ? (verdict as Passing) : undefined;
