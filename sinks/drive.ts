/** Carries out what a sink decides: calls within the budget, pauses, and the end of both. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BudgetLane, EpochHolder } from '../core/budget.ts';
import { TributaryError } from '../core/errors.ts';
import type { Execution } from '../core/sink-loop.ts';
import { Interrupted } from '../core/sink-state.ts';
import type { Step } from './step.ts';

/** On whose account a call is made. */
interface Caller {
  readonly lane: BudgetLane;
  readonly holder: EpochHolder;
  readonly signal: AbortSignal;
}

/**
 * @param call makes one call when the budget has a token for it; once begun it is seen to its end
 * @throws what `decision` throws, Interrupted among it; FENCED and other errors of ours that `call` brings
 */
export async function drive<Request, Verdict, Answer>(
  decision: Generator<Step<Request>, Answer, Verdict>,
  run: Execution,
  call: (caller: Caller, request: Request) => Promise<Verdict>,
): Promise<Answer> {
  const { holder, signal } = run;
  let at = decision.next();
  while (!at.done) {
    const step = at.value;
    const interrupted = (error: unknown): { readonly interrupted: true } => {
      if (!signal.aborted || error instanceof TributaryError) throw error;
      return { interrupted: true };
    };
    if (step.kind === 'call') {
      const came = await call({ lane: step.lane, holder, signal }, step.request).then(
        (verdict) => ({ verdict }),
        interrupted,
      );
      at = 'verdict' in came ? decision.next(came.verdict) : decision.throw(new Interrupted());
      continue;
    }
    // The client told the budget of the limit: everybody's next call waits there.
    const limit = step.code === 'PLATFORM_LIMIT';
    if (!limit && step.code !== null) run.trouble(step.code, step.text);
    const ms = step.ms * (0.5 + Math.random() / 2);
    const cut = limit ? undefined : await sleep(ms, undefined, { signal }).catch(interrupted);
    at = cut === undefined ? decision.next() : decision.throw(new Interrupted());
  }
  return at.value;
}
