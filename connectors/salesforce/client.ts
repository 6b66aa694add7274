/** Salesforce's REST API as everything of ours calls it: one session, one budget, one count of what came of the calls. */
import type { Budget, BudgetLane, EpochHolder } from '../../core/budget.ts';
import { TributaryError } from '../../core/errors.ts';
import { metrics } from '../../core/metrics.ts';
import type { RoleContext } from '../../core/role.ts';
import { dailyBudget } from './budget.ts';
import { classify, type SalesforceVerdict } from './classify.ts';
import { callOf, type SalesforceRequest } from './requests.ts';
import { type CallReport, SalesforceRest } from './rest.ts';

/** On whose account a sink makes a call. */
export interface Caller {
  readonly lane: BudgetLane;
  readonly holder: EpochHolder;
  /** Aborted: no call is begun. One under way is seen to its end, which is near: it has a deadline. */
  readonly signal: AbortSignal;
}

export interface SalesforceOpening {
  readonly rest: SalesforceRest;
  readonly budget: Budget;
}

/**
 * @param onAnswer hears of every answer, when the budget has heard of it
 * @param ends ends calls under way; absent: they are seen to their end
 */
export function openSalesforce(
  context: RoleContext,
  { onAnswer, ends }: { readonly onAnswer?: (report: CallReport) => void; readonly ends?: AbortSignal } = {},
): SalesforceOpening {
  const { loginUrl, clientId, clientSecret, apiVersion, client } = context.config.salesforce;
  const budget = dailyBudget(context);
  const rest = new SalesforceRest({
    loginUrl,
    clientId,
    clientSecret: () => clientSecret.reveal(),
    apiVersion,
    client,
    ...(ends !== undefined && { signal: ends }),
    // Whoever reads has pauses of its own and says why it stands still; a sink's command waits for its turn.
    spend: ({ lane, holder, signal }) =>
      holder === undefined || signal === undefined ? budget.spend(lane) : budget.take(lane, holder, signal),
    onAnswer: async (report) => {
      metrics.calls.inc({ platform: 'salesforce', outcome: outcomeOf(report.status) });
      onAnswer?.(report);
      if (report.usage !== undefined) await budget.tell(report.usage);
    },
  });
  return { rest, budget };
}

/** One call of a sink. Rejects only with the reasons of `Budget.take`. */
export async function callSalesforce(
  { rest, budget }: SalesforceOpening,
  caller: Caller,
  request: SalesforceRequest,
): Promise<SalesforceVerdict> {
  const verdict = await judged(rest, caller, request);
  // Told to wait: everybody who draws on this budget stops, not only this call.
  if (verdict.kind === 'wait') await budget.tell({ pauseMs: verdict.ms });
  return verdict;
}

async function judged(rest: SalesforceRest, caller: Caller, request: SalesforceRequest): Promise<SalesforceVerdict> {
  const begun = performance.now();
  try {
    const verdict = classify(await rest.exchange({ ...callOf(request), ...caller }));
    metrics.callSeconds.observe({ platform: 'salesforce' }, (performance.now() - begun) / 1000);
    return verdict;
  } catch (error) {
    // A session was not to be had: the call was not made.
    if (!(error instanceof TributaryError) || error.code === 'FENCED') throw error;
    const { code, message: text } = error;
    if (code === 'PLATFORM_LIMIT') return { kind: 'wait', ms: error.retryAfterMs ?? sessionWaitMs, text };
    if (error.verdict === 'stop') return { kind: 'stop', code, text };
    return { kind: 'retry', doubt: false, code, text };
  }
}

/** A login rate limit says nothing of its end. */
const sessionWaitMs = 60_000;

const outcomeOf = (status: number): 'ok' | 'limited' | 'refused' | 'failed' =>
  status < 300 ? 'ok' : status === 429 ? 'limited' : status < 500 ? 'refused' : 'failed';
