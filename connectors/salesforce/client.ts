/** Salesforce's REST API as everything of ours calls it: one session, one budget, one count of what came of the calls. */
import type { Budget, BudgetLane, EpochHolder } from '../../core/budget.ts';
import { TributaryError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { metrics } from '../../core/metrics.ts';
import { pinPlatform } from '../../core/pin.ts';
import type { CallContext, RoleContext } from '../../core/role.ts';
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
  context: CallContext,
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

// ---- questions that change nothing

/** Ids of 18 characters: of the org, and of the user as whom we call. */
export async function orgIdOf(
  rest: SalesforceRest,
): Promise<{ readonly org: string; readonly user: string; readonly at: number }> {
  const { body, at } = await rest.call({ method: 'GET', path: '/services/oauth2/userinfo', lane: 'live' });
  const { organization_id: org, user_id: user } = isRecord(body) ? body : {};
  if (typeof org !== 'string' || org === '')
    throw new TributaryError('PLATFORM_NONSENSE', 'Salesforce: userinfo names no organization_id');
  return { org, user: typeof user === 'string' ? user : '', at };
}

/**
 * The org behind the credentials, checked against the pin.
 * @throws TributaryError CREDENTIALS_REFUSED, PLATFORM_OTHER_ORG, or one that passes
 */
export async function identifyOrg(context: RoleContext, { rest }: SalesforceOpening): Promise<string> {
  const { config, redis, kafka } = context;
  const { org } = await orgIdOf(rest);
  await pinPlatform({ redis, kafka, platform: 'salesforce', id: org, configured: config.salesforce.orgId });
  return org;
}

export interface DescribedField {
  readonly name: string;
  readonly type: string;
  readonly createable: boolean;
  readonly updateable: boolean;
  readonly externalId: boolean;
  readonly unique: boolean;
}

const isDescribed = (field: unknown): field is DescribedField =>
  isRecord(field) &&
  typeof field['name'] === 'string' &&
  typeof field['type'] === 'string' &&
  (['createable', 'updateable', 'externalId', 'unique'] as const).every((name) => typeof field[name] === 'boolean');

/** Compounds repeat their parts; blobs are no values. */
const unread = new Set(['address', 'location', 'base64', 'complexvalue', 'anyType']);

/** The fields of an object that hold values and that the user may see, by name. @throws TributaryError PLATFORM_REFUSED when there is no such object */
export async function fieldsOf(rest: SalesforceRest, object: string): Promise<ReadonlyMap<string, DescribedField>> {
  const { body } = await rest.call({
    method: 'GET',
    path: `/sobjects/${encodeURIComponent(object)}/describe`,
    lane: 'live',
  });
  const fields = isRecord(body) ? body['fields'] : undefined;
  if (!Array.isArray(fields) || !fields.every(isDescribed))
    throw new TributaryError('PLATFORM_NONSENSE', `Salesforce: the description of ${object} has no fields`);
  return new Map(fields.filter(({ type }) => !unread.has(type)).map((field) => [field.name, field]));
}

/** A login rate limit says nothing of its end. */
const sessionWaitMs = 60_000;

const outcomeOf = (status: number): 'ok' | 'limited' | 'refused' | 'failed' =>
  status < 300 ? 'ok' : status === 429 ? 'limited' : status < 500 ? 'refused' : 'failed';
