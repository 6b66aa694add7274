/**
 * Intercom over its official client, made safe. The client builds requests; sockets, deadlines and judgement are ours:
 * - it retries POST on any 5xx by default, and a 5xx may come after the write was applied: `maxRetries: 0`;
 * - its time-out ends with the headers, so a stalled body hangs for ever: the transport below reads the body itself, under
 *   one deadline;
 * - it opens a socket per call: an agent with as many as the calls allowed in flight;
 * - its errors lose headers, causes and half of the statuses: the transport keeps the exchange, `classify` judges it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { IntercomClient } from 'intercom-client';
import { Agent, type Dispatcher, request } from 'undici';
import { type Budget, type BudgetLane, connectBudget, type EpochHolder } from '../../core/budget.ts';
import type { Config } from '../../core/config.ts';
import { TributaryError } from '../../core/errors.ts';
import { doing } from '../../core/faults.ts';
import { metrics } from '../../core/metrics.ts';
import { pinPlatform } from '../../core/pin.ts';
import type { PlatformClock } from '../../core/platform-clock.ts';
import type { CallContext, RoleContext } from '../../core/role.ts';
import { mostAnswerBytes, unanswered } from '../../core/unanswered.ts';
import { classify, type Exchange, type Verdict } from './classify.ts';
import { type IntercomRequest, invoke } from './requests.ts';

/** On whose account a call is made. */
export interface Caller {
  readonly lane: BudgetLane;
  readonly holder: EpochHolder | null;
  /** Aborted: no call is begun. One under way is seen to its end, which is near: it has a deadline. */
  readonly signal: AbortSignal;
}

export interface IntercomAccess {
  /** One call, with one token of the budget. Rejects only with the reasons of `Budget.take`. */
  call(caller: Caller, request: IntercomRequest): Promise<Verdict>;
  close(): Promise<void>;
}

/** From the request to the last byte of the answer. Intercom answers in well under a second; a stalled one never does. */
const callTimeoutMs = 15_000;

const outcomes: Readonly<Record<Verdict['kind'], 'ok' | 'refused' | 'limited' | 'failed'>> = {
  ok: 'ok',
  exists: 'refused',
  gone: 'refused',
  refuse: 'refused',
  wait: 'limited',
  retry: 'failed',
  stop: 'failed',
};

interface Slot {
  readonly deadline: AbortSignal;
  exchange: Exchange | undefined;
  rate: { readonly limit: number | undefined; readonly remaining: number | undefined };
}

export function connectIntercom(options: {
  readonly intercom: Config['intercom'];
  readonly budget: Budget;
  readonly timeoutMs?: number;
}): IntercomAccess {
  const { intercom, budget } = options;
  const timeoutMs = options.timeoutMs ?? callTimeoutMs;
  const agent = new Agent({
    connections: intercom.budget.concurrency,
    connectTimeout: 5_000,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: 30_000,
    maxResponseSize: mostAnswerBytes,
  });
  const slots = new AsyncLocalStorage<Slot>();

  /** Called once per call, inside `slots`: the client offers no other way to see status, headers and cause together. */
  async function transport(input: unknown, init: RequestInit | undefined): Promise<Response> {
    const slot = slots.getStore();
    if (slot === undefined) throw new TributaryError('INTERNAL', 'an Intercom call outside of `call`');
    let response: Dispatcher.ResponseData;
    let text: string;
    const begun = performance.now();
    try {
      const send = async (): Promise<readonly [Dispatcher.ResponseData, string]> => {
        const came = await request(String(input), {
          method: (init?.method ?? 'GET') as Dispatcher.HttpMethod,
          headers: Object.fromEntries(new Headers(init?.headers)),
          body: typeof init?.body === 'string' ? init.body : null,
          dispatcher: agent,
          signal: slot.deadline,
        });
        return [came, await came.body.text()];
      };
      [response, text] = await doing('call', send);
    } catch (error) {
      // Kept here: what the client makes of it names neither the code nor the cause.
      slot.exchange = unanswered(error, slot.deadline.aborted ? `no answer within ${timeoutMs} ms` : undefined);
      throw error;
    }
    const header = (name: string): string | undefined => {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    const number = (name: string): number | undefined => {
      const value = header(name);
      return value === undefined || !Number.isFinite(Number(value)) ? undefined : Number(value);
    };
    const time = Date.parse(header('date') ?? '');
    const reset = number('x-ratelimit-reset');
    const retryAfter = number('retry-after');
    // Against the answer's own `Date`, not our clock; `Date` is cut to the second, so this waits rather too long.
    const untilReset = reset === undefined || Number.isNaN(time) ? undefined : Math.max(0, reset * 1000 - time);
    slot.rate = { limit: number('x-ratelimit-limit'), remaining: number('x-ratelimit-remaining') };
    slot.exchange = {
      answered: true,
      status: response.statusCode,
      body: parsed(text),
      text,
      time: Number.isNaN(time) ? 0 : time,
      // `Date` is cut to the second and was said before the answer came: both only make this earlier.
      sentAt: Number.isNaN(time) ? 0 : Math.floor(time - (performance.now() - begun)),
      resetMs: retryAfter === undefined ? untilReset : retryAfter * 1000,
      link: header('link'),
    };
    return new Response(text === '' ? null : text, {
      status: response.statusCode,
      headers: { 'content-type': header('content-type') ?? 'application/octet-stream' },
    });
  }

  const client = new IntercomClient({
    token: () => intercom.token.reveal(),
    baseUrl: intercom.baseUrl,
    // The client's `version` type ends at 2.14; the header overrides it. `*/*` may meet a 406.
    headers: { 'Intercom-Version': intercom.version, Accept: 'application/json' },
    maxRetries: 0,
    fetch: transport as typeof fetch,
  });

  return {
    async call(caller, request) {
      await budget.take(caller.lane, caller.holder, caller.signal);
      const slot: Slot = {
        deadline: AbortSignal.timeout(timeoutMs),
        exchange: undefined,
        rate: { limit: undefined, remaining: undefined },
      };
      const begun = performance.now();
      // How the client settles does not matter: whatever it makes of the answer, the exchange says more.
      await slots.run(slot, () => Promise.resolve(invoke(client, request, intercom.version)).catch(() => undefined));
      const { exchange } = slot;
      if (exchange === undefined) throw new TributaryError('INTERNAL', 'an Intercom call that called nothing');
      const verdict = classify(exchange);
      metrics.callSeconds.observe({ platform: 'intercom' }, (performance.now() - begun) / 1000);
      metrics.calls.inc({ platform: 'intercom', outcome: outcomes[verdict.kind] });
      // Spent to the last call, or told to stop: everybody who draws on this budget stops, not only this call.
      const used = slot.rate.remaining === 0 && exchange.answered ? exchange.resetMs : undefined;
      await budget.tell({ ...slot.rate, pauseMs: verdict.kind === 'wait' ? verdict.ms : used });
      return verdict;
    },
    close: () => agent.close(),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Intercom enforces its quota of a minute in windows of ten seconds. */
const windowMs = 10_000;
const windowsPerMinute = 6;

export interface IntercomOpening {
  readonly access: IntercomAccess;
  readonly budget: Budget;
}

export function openIntercom({ config, redis, kafka }: CallContext): IntercomOpening {
  const { perMinute, share, reserveLive } = config.intercom.budget;
  const budget = connectBudget({
    redis,
    key: `${kafka.prefix}budget:intercom`,
    windowMs,
    perWindow: perMinute === null ? null : Math.max(1, Math.floor(perMinute / windowsPerMinute)),
    share,
    reserveLive,
  });
  return { access: connectIntercom({ intercom: config.intercom, budget }), budget };
}

export interface Told {
  readonly body: Readonly<Record<string, unknown>>;
  /** The platform's clock, ms. */
  readonly time: number;
}

/** A question that changes nothing. @throws TributaryError whose verdict says whether to ask again. */
export async function askIntercom(access: IntercomAccess, caller: Caller, question: IntercomRequest): Promise<Told> {
  const verdict = await access.call(caller, question);
  switch (verdict.kind) {
    case 'ok':
      return verdict;
    case 'wait':
      throw new TributaryError('PLATFORM_LIMIT', `Intercom: ${verdict.text}`, { retryAfterMs: verdict.ms });
    case 'retry':
    case 'stop':
    case 'refuse':
      throw new TributaryError(verdict.code, `Intercom: ${verdict.text}`);
    case 'exists':
    case 'gone':
      throw new TributaryError('PLATFORM_REFUSED', `Intercom: ${verdict.text}`);
  }
}

/** Every answer sets the clock. `now`: monotonic, ms. */
export const timed = (access: IntercomAccess, clock: PlatformClock, now: () => number): IntercomAccess => ({
  async call(caller, request) {
    const verdict = await access.call(caller, request);
    if ('time' in verdict && verdict.time > 0) clock.observe(verdict.time, now());
    return verdict;
  },
  close: () => access.close(),
});

/** The workspace behind the token. @throws TributaryError CREDENTIALS_REFUSED, or one that passes */
export async function workspaceOf(access: IntercomAccess, signal: AbortSignal): Promise<string> {
  const { body } = await askIntercom(access, { lane: 'live', holder: null, signal }, { kind: 'identify' });
  const app = body['app'];
  const id = typeof app === 'object' && app !== null && 'id_code' in app ? app.id_code : undefined;
  if (typeof id !== 'string' || id === '')
    throw new TributaryError('PLATFORM_NONSENSE', 'Intercom: GET /me does not name its workspace');
  return id;
}

/**
 * The same, checked against the pin.
 * @throws TributaryError CREDENTIALS_REFUSED, PLATFORM_OTHER_ORG, or one that passes
 */
export async function identifyWorkspace(context: RoleContext, access: IntercomAccess): Promise<string> {
  const { config, redis, kafka, signal } = context;
  const id = await workspaceOf(access, signal);
  await pinPlatform({ redis, kafka, platform: 'intercom', id, configured: config.intercom.workspaceId });
  return id;
}
