/**
 * Salesforce's REST API over jsforce, with a transport of ours. jsforce brings what is tedious (OAuth, one refresh for
 * many 401s, call options, URLs); its own HTTP layer can hang for ever when a connection dies inside a body, which no
 * time-out of its covers.
 *
 * answer: what a call returned, with the platform's clock (its Date header) that dates every value in it.
 * renewal: a new access token by client credentials; the flow knows no refresh token.
 */
import { PassThrough } from 'node:stream';
import { Connection, type HttpRequest, type HttpResponse } from 'jsforce';
import { Transport } from 'jsforce/lib/transport.js';
import { Agent, request as send } from 'undici';
import type { BudgetLane } from '../../core/budget.ts';
import { TributaryError } from '../../core/errors.ts';
import { classifyAnswer } from './classify.ts';

export interface Session {
  readonly accessToken: string;
  readonly instanceUrl: string;
}

export interface Answer<T> {
  readonly body: T;
  /** The platform's clock when it was asked, from below, ms; whole seconds. */
  readonly at: number;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** `/sobjects/…` is put under the API version; `/services/…` stands as it is. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the call is for; free: it counts towards no limit. */
  readonly lane: BudgetLane | 'free';
}

/** What a hook is told of every answer: for the budget and the metrics, without a word of its content. */
export interface CallReport {
  readonly status: number;
  /** The org's calls of the last 24 hours, all integrations together (`Sforce-Limit-Info`). */
  readonly usage: { readonly used: number; readonly limit: number } | undefined;
  /** Platform's clock, ms; undefined when it gave none. */
  readonly at: number | undefined;
}

export interface RestOptions {
  readonly loginUrl: string;
  readonly clientId: string;
  readonly clientSecret: () => string;
  readonly apiVersion: string;
  /** Sforce-Call-Options client: what change events of our writes carry as their origin. */
  readonly client: string;
  /** Longest a call may take, headers and body together. */
  readonly deadlineMs?: number;
  /** Settles when the call may be made; whatever it throws, the call throws. */
  readonly spend?: (lane: BudgetLane) => Promise<void>;
  readonly onAnswer?: (report: CallReport) => Promise<void>;
  /** Ends calls under way. */
  readonly signal?: AbortSignal;
}

export class SalesforceRest {
  readonly #connection: Connection;
  readonly #transport: BoundedTransport;
  readonly #options: RestOptions;
  #renewal: Promise<Session> | undefined;

  constructor(options: RestOptions) {
    this.#options = options;
    this.#transport = new BoundedTransport(options);
    this.#connection = new Connection({
      loginUrl: options.loginUrl,
      version: options.apiVersion,
      callOptions: { client: options.client },
    });
    this.#connection._transport = this.#transport;
  }

  /** The session in force; the first call gets one. @throws TributaryError CREDENTIALS_REFUSED */
  async session(): Promise<Session> {
    const { accessToken, instanceUrl } = this.#connection;
    return accessToken ? { accessToken, instanceUrl } : this.#renew();
  }

  /** Another session than the one refused; callers that were refused together share one renewal. */
  async renew(refused: Session): Promise<Session> {
    const current = await this.session();
    return current.accessToken === refused.accessToken ? this.#renew() : current;
  }

  /**
   * A session that ran out is renewed and the call repeated, once: jsforce's own renewal repeats without an end and
   * hides why a renewal failed.
   * @throws TributaryError as classify.ts has it; what `spend` throws; PLATFORM_UNAVAILABLE when no answer came, whatever became of the call.
   */
  async call<T>(call: Call): Promise<Answer<T>> {
    const session = await this.session();
    const first = await this.#attempt<T>(call);
    if (first.status !== 401) return first.result();
    await this.renew(session);
    return (await this.#attempt<T>(call)).result();
  }

  async #attempt<T>(call: Call): Promise<{ status: number | undefined; result(): Answer<T> }> {
    if (call.lane !== 'free') await this.#options.spend?.(call.lane);
    const attempt = new Attempt(this.#transport);
    const request: HttpRequest = {
      method: call.method,
      url: call.path,
      headers: { ...(call.body === undefined ? {} : { 'content-type': 'application/json' }), ...call.headers },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    };
    try {
      const body = await this.#connection.request<T>(request, { transport: attempt });
      return { status: attempt.status, result: () => ({ body: structured(body, call), at: attempt.clock() }) };
    } catch (error) {
      const result = (): never => {
        throw attempt.explain(error);
      };
      return { status: attempt.status, result };
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  #renew(): Promise<Session> {
    this.#renewal ??= this.#authorize().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #authorize(): Promise<Session> {
    const attempt = new Attempt(this.#transport);
    const { oauth2 } = this.#connection;
    oauth2.loginUrl = this.#options.loginUrl;
    oauth2._transport = attempt;
    try {
      const token = await oauth2.requestToken({
        grant_type: 'client_credentials',
        client_id: this.#options.clientId,
        client_secret: this.#options.clientSecret(),
      });
      if (typeof token?.access_token !== 'string' || typeof token.instance_url !== 'string') {
        throw new TributaryError('PLATFORM_NONSENSE', 'Salesforce: the token endpoint answered without a token');
      }
      this.#connection.accessToken = token.access_token;
      this.#connection.instanceUrl = token.instance_url;
      return { accessToken: token.access_token, instanceUrl: token.instance_url };
    } catch (error) {
      throw attempt.explain(error);
    }
  }
}

type Sent = ReturnType<Transport['httpRequest']>;
const streamed = (answer: Promise<HttpResponse>): Sent => Object.assign(answer, { stream: () => new PassThrough() });

/** Few sockets, and one deadline over connection, headers and body of each call. */
class BoundedTransport extends Transport {
  readonly #agent: Agent;
  readonly #deadlineMs: number;
  readonly #onAnswer: RestOptions['onAnswer'];
  readonly #signal: AbortSignal | undefined;

  constructor({ deadlineMs = 30_000, onAnswer, signal }: RestOptions) {
    super();
    this.#deadlineMs = deadlineMs;
    this.#onAnswer = onAnswer;
    this.#signal = signal;
    this.#agent = new Agent({
      connections: 10,
      connect: { timeout: Math.min(deadlineMs, 10_000) },
      headersTimeout: deadlineMs,
      bodyTimeout: deadlineMs,
      keepAliveTimeout: 30_000,
    });
  }

  override httpRequest(request: HttpRequest): Sent {
    return streamed(this.#send(request));
  }

  async #send(request: HttpRequest): Promise<HttpResponse> {
    const deadline = AbortSignal.timeout(this.#deadlineMs);
    const answer = await send(request.url, {
      method: request.method,
      headers: request.headers ?? {},
      body: typeof request.body === 'string' ? request.body : null,
      dispatcher: this.#agent,
      signal: this.#signal === undefined ? deadline : AbortSignal.any([deadline, this.#signal]),
    });
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(answer.headers)) headers[name] = String(value);
    const response = { statusCode: answer.statusCode, headers, body: await answer.body.text() };
    await this.#onAnswer?.({ status: response.statusCode, usage: usageOf(headers), at: dateOf(headers) });
    return response;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function usageOf(headers: Readonly<Record<string, string>>): CallReport['usage'] {
  const match = /api-usage=(\d+)\/(\d+)/.exec(headers['sforce-limit-info'] ?? '');
  return match === null ? undefined : { used: Number(match[1]), limit: Number(match[2]) };
}

function dateOf(headers: Readonly<Record<string, string>>): number | undefined {
  const at = Date.parse(headers['date'] ?? '');
  return Number.isNaN(at) ? undefined : at;
}

/** jsforce hands a body that is not JSON on as text. */
function structured<T>(body: T, call: Call): T {
  if (typeof body !== 'string' || body === '') return body;
  throw new TributaryError(
    'PLATFORM_NONSENSE',
    `Salesforce: ${call.method} was answered with something else than JSON`,
  );
}

/** One call's way through the transport: keeps the answer, for jsforce's errors carry neither status nor headers. */
class Attempt extends Transport {
  readonly #under: BoundedTransport;
  #answer: HttpResponse | undefined;
  /** How long the last request took, ms. */
  #took = 0;

  constructor(under: BoundedTransport) {
    super();
    this.#under = under;
  }

  override httpRequest(request: HttpRequest): Sent {
    const sent = performance.now();
    return streamed(
      this.#under.httpRequest(request).then((answer) => {
        this.#answer = answer;
        this.#took = performance.now() - sent;
        return answer;
      }),
    );
  }

  get status(): number | undefined {
    return this.#answer?.statusCode;
  }

  explain(error: unknown): TributaryError {
    if (error instanceof TributaryError) return error;
    const answer = this.#answer;
    if (answer !== undefined && answer.statusCode >= 300) return classifyAnswer(answer.statusCode, answer.body);
    const why = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : String(error);
    return new TributaryError('PLATFORM_UNAVAILABLE', `Salesforce does not answer: ${why}`, { cause: error });
  }

  /**
   * The platform's clock when the request was sent. Date is of the answer, but its rows are older by up to the time that
   * the answer took: a change committed in between would be earlier than Date, later than the rows, and lost as stale.
   */
  clock(): number {
    const at = dateOf(this.#answer?.headers ?? {});
    if (at === undefined) throw new TributaryError('PLATFORM_NONSENSE', 'Salesforce: the answer carries no Date');
    return at - Math.ceil(this.#took / 1_000) * 1_000;
  }
}
