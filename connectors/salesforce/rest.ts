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
import type { BudgetLane, EpochHolder } from '../../core/budget.ts';
import { TributaryError } from '../../core/errors.ts';
import { doing } from '../../core/faults.ts';
import { mostAnswerBytes, unanswered } from '../../core/unanswered.ts';
import { classifyAnswer, type Exchange } from './classify.ts';

export interface Session {
  readonly accessToken: string;
  readonly instanceUrl: string;
}

export interface Answer {
  /** JSON, looked into by nobody yet; undefined: an empty body. */
  readonly body: unknown;
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
  /** A sink's: the epoch under which it is made. */
  readonly holder?: EpochHolder;
  /** Aborted: it is not begun. One under way is seen to its end. */
  readonly signal?: AbortSignal;
}

/** A call that counts, as whoever keeps the budget is told of it. */
export type Counted = Pick<Call, 'holder' | 'signal'> & { readonly lane: BudgetLane };

/** What a hook is told of every answer: for the budget and the metrics, without a word of its content. */
export interface CallReport {
  readonly status: number;
  /** The org's calls of 24 hours and how many of them all integrations together have left (`Sforce-Limit-Info`). */
  readonly usage: { readonly limit: number; readonly remaining: number } | undefined;
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
  readonly spend?: (call: Counted) => Promise<void>;
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
   * One call as it went, judged by nobody but for a session that ran out: it is renewed and the call repeated, once.
   * jsforce's own renewal repeats without an end and hides why a renewal failed.
   * @throws TributaryError what `spend` throws; of a session that is not to be had. No call was made then.
   */
  async exchange(call: Call): Promise<Exchange> {
    const session = await this.session();
    const first = await this.#attempt(call);
    if (!first.answered || first.status !== 401) return first;
    await this.renew(session);
    return await this.#attempt(call);
  }

  /**
   * A call that changes nothing.
   * @throws TributaryError as classify.ts has it; those of `exchange`; PLATFORM_UNAVAILABLE when no answer came.
   */
  async call(call: Call): Promise<Answer> {
    const came = await this.exchange(call);
    if (!came.answered) throw new TributaryError('PLATFORM_UNAVAILABLE', `Salesforce does not answer: ${came.cause}`);
    if (came.status >= 300) throw classifyAnswer(came.status, came.text);
    if (came.body === undefined && came.text !== '') {
      const text = `Salesforce: ${call.method} was answered with something else than JSON`;
      throw new TributaryError('PLATFORM_NONSENSE', text);
    }
    return { body: came.body, at: came.sentAt };
  }

  async #attempt(call: Call): Promise<Exchange> {
    const { lane, holder, signal } = call;
    if (lane !== 'free')
      await this.#options.spend?.({ lane, ...(holder && { holder }), ...(signal !== undefined && { signal }) });
    const attempt = new Attempt(this.#transport);
    const request: HttpRequest = {
      method: call.method,
      url: call.path,
      headers: { ...(call.body === undefined ? {} : { 'content-type': 'application/json' }), ...call.headers },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    };
    // How jsforce settles says little: whatever it makes of the answer, the transport has it.
    const failure = await this.#connection.request(request, { transport: attempt }).then(
      () => undefined,
      (error: unknown) => error,
    );
    return attempt.exchange(failure);
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
        throw new TributaryError('PLATFORM_NONSENSE', noToken);
      }
      this.#connection.accessToken = token.access_token;
      this.#connection.instanceUrl = token.instance_url;
      return { accessToken: token.access_token, instanceUrl: token.instance_url };
    } catch (error) {
      throw attempt.explain(error);
    }
  }
}

const noToken = 'Salesforce: the token endpoint answered without a token';

type Sent = ReturnType<Transport['httpRequest']>;
const streamed = (answer: Promise<HttpResponse>): Sent => Object.assign(answer, { stream: () => new PassThrough() });

/** Few sockets, and one deadline over connection, headers and body of each call. */
class BoundedTransport extends Transport {
  readonly #agent: Agent;
  readonly deadlineMs: number;
  readonly #onAnswer: RestOptions['onAnswer'];
  readonly #signal: AbortSignal | undefined;

  constructor({ deadlineMs = 30_000, onAnswer, signal }: RestOptions) {
    super();
    this.deadlineMs = deadlineMs;
    this.#onAnswer = onAnswer;
    this.#signal = signal;
    this.#agent = new Agent({
      connections: 10,
      connect: { timeout: Math.min(deadlineMs, 10_000) },
      headersTimeout: deadlineMs,
      bodyTimeout: deadlineMs,
      keepAliveTimeout: 30_000,
      maxResponseSize: mostAnswerBytes,
    });
  }

  override httpRequest(request: HttpRequest): Sent {
    return streamed(doing('call', () => this.#send(request)));
  }

  async #send(request: HttpRequest): Promise<HttpResponse> {
    const deadline = AbortSignal.timeout(this.deadlineMs);
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
  if (match === null) return undefined;
  const [used, limit] = [Number(match[1]), Number(match[2])];
  return { limit, remaining: limit - used };
}

function dateOf(headers: Readonly<Record<string, string>>): number | undefined {
  const at = Date.parse(headers['date'] ?? '');
  return Number.isNaN(at) ? undefined : at;
}

/** One call's way through the transport: keeps the answer, for jsforce's errors carry neither status nor headers. */
class Attempt extends Transport {
  readonly #under: BoundedTransport;
  #answer: HttpResponse | undefined;
  /** How long the last request took, ms. */
  #took = 0;
  #late: string | undefined;

  constructor(under: BoundedTransport) {
    super();
    this.#under = under;
  }

  override httpRequest(request: HttpRequest): Sent {
    const sent = performance.now();
    return streamed(
      this.#under.httpRequest(request).then(
        (answer) => {
          this.#answer = answer;
          this.#took = performance.now() - sent;
          return answer;
        },
        (error: unknown) => {
          const { deadlineMs } = this.#under;
          if (performance.now() - sent >= deadlineMs) this.#late = `no answer within ${deadlineMs} ms`;
          throw error;
        },
      ),
    );
  }

  /** What came. `failure`: what jsforce threw, if it did. */
  exchange(failure: unknown): Exchange {
    const answer = this.#answer;
    if (answer === undefined) return unanswered(failure, this.#late);
    const time = dateOf(answer.headers);
    // Without the platform's clock nothing that the answer says can be put in order.
    if (time === undefined) return { answered: false, cause: 'the answer carries no Date', sent: true };
    // Date is of the answer, but its rows are older by up to the time that the answer took: a change committed in between
    // would be earlier than Date, later than the rows, and lost as stale.
    const sentAt = time - Math.ceil(this.#took / 1_000) * 1_000;
    return { answered: true, status: answer.statusCode, body: parsed(answer.body), text: answer.body, time, sentAt };
  }

  explain(error: unknown): TributaryError {
    if (error instanceof TributaryError) return error;
    const answer = this.#answer;
    if (answer !== undefined && answer.statusCode >= 300) return classifyAnswer(answer.statusCode, answer.body);
    // An answer came whole, and jsforce could make nothing of it.
    if (answer !== undefined) return new TributaryError('PLATFORM_NONSENSE', noToken, { cause: error });
    const { cause } = unanswered(error, this.#late);
    return new TributaryError('PLATFORM_UNAVAILABLE', `Salesforce does not answer: ${cause}`, { cause: error });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
