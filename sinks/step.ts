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

/**
 * Makes a call until the platform has said something definite of it.
 * @param platform its name, for people
 * @param told hears every verdict, the passing ones too
 * @throws TributaryError of a `stop`
 */
export function* insist<Request, Verdict extends { readonly kind: string }>(
  platform: string,
  call: Extract<Step<Request>, { kind: 'call' }>,
  told: (verdict: Verdict) => void,
): Generator<Step<Request>, Exclude<Verdict, Passing>, Verdict> {
  for (let tries = 0; ; ) {
    const verdict = yield call;
    told(verdict);
    if (isPassing(verdict)) {
      const { text } = verdict;
      if (verdict.kind === 'stop') throw new TributaryError(verdict.code, `${platform} says ${text}`);
      if (verdict.kind === 'wait') yield { kind: 'pause', ms: verdict.ms, code: 'PLATFORM_LIMIT', text };
      else yield { kind: 'pause', ms: pauseAfter(tries++), code: verdict.code, text };
    } else return verdict as Exclude<Verdict, Passing>;
  }
}

const isPassing = (verdict: { readonly kind: string }): verdict is Passing =>
  verdict.kind === 'retry' || verdict.kind === 'wait' || verdict.kind === 'stop';
