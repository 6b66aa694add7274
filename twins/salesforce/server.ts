import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom } from '../common/random.ts';
import { answerHeaders, type RestAnswer, refusedAnswer } from './answers.ts';
import { control, type LoggedCall } from './control.ts';
import { RequestRefused, refuse } from './errors.ts';
import { Faults } from './faults.ts';
import { type ModelOptions, SalesforceModel } from './model.ts';
import { PubSubSkin } from './pubsub.ts';
import { clientOf, RestApi } from './rest.ts';
import { type Session, Sessions } from './sessions.ts';

export interface SalesforceTwinOptions extends Partial<Omit<ModelOptions, 'random' | 'now'>> {
  readonly restPort?: number;
  readonly pubsubPort?: number;
  /** Loopback unless a container has to be reached from its neighbours. */
  readonly host?: string;
  readonly seed?: number;
  /** The integration's connected app. A person's edits come through `person` / `person-secret`. */
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly tokenTtlMs?: number;
  readonly channels?: readonly string[];
  readonly keepaliveMs?: number;
  readonly idleCloseMs?: number;
}

export interface SalesforceTwin {
  readonly restUrl: string;
  readonly pubsubAddress: string;
  readonly orgId: string;
  readonly model: SalesforceModel;
  readonly calls: readonly LoggedCall[];
  /** The twin's clock, which the control plane may put forward. */
  now(): number;
  close(): Promise<void>;
}

/** The integration's connected app, unless told otherwise: a double has nothing to keep secret. */
export const defaultClient = { clientId: 'tributary', clientSecret: 'tributary-secret' } as const;

export async function startSalesforceTwin(options: SalesforceTwinOptions = {}): Promise<SalesforceTwin> {
  const host = options.host ?? '127.0.0.1';
  let ahead = 0;
  const now = (): number => Date.now() + ahead;
  const seed = options.seed ?? 1;
  const model = new SalesforceModel({ ...options, random: seededRandom(seed), now: now() });
  // The skin's chances are its own: how a stream is cut into batches must not change the ids the org gives out.
  const random = seededRandom(seed + 1);
  const clients = [
    {
      clientId: options.clientId ?? defaultClient.clientId,
      clientSecret: options.clientSecret ?? defaultClient.clientSecret,
      userId: model.integrationUserId,
    },
    { clientId: 'person', clientSecret: 'person-secret', userId: model.personUserId },
  ];
  const sessions = new Sessions(model, clients, options.tokenTtlMs ?? 2 * 3_600_000, random);
  const pubsub = new PubSubSkin({
    model,
    sessions,
    random,
    now,
    channels: options.channels ?? ['/data/Tributary__chn'],
    keepaliveMs: options.keepaliveMs ?? 270_000,
    idleCloseMs: options.idleCloseMs ?? 60_000,
  });
  const faults = new Faults();
  const calls: LoggedCall[] = [];
  const skin = new HttpSkin({ model, sessions, faults, calls, now, rest: new RestApi(model, random) });

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request);
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? host}`);
    if (!url.pathname.startsWith('/__twin/')) return skin.serve(request, response, url, body);
    const advance = (ms: number) => void (ahead += ms);
    const context = { model, sessions, pubsub, faults, calls, now, advance };
    const answer = control(context, request.method ?? '', url, body);
    send(response, answer.status, answer.body, {});
  };
  const http = createServer((request, response) => {
    // A request that breaks off or cannot be read has nobody left to answer to.
    serve(request, response).catch((error: Error) => response.destroy(error));
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      pubsub.close();
      http.close(() => resolve());
      http.closeAllConnections();
    });
  const listen = (): Promise<void> =>
    new Promise((resolve, reject) => {
      http.once('error', reject);
      http.listen(options.restPort ?? 0, host, resolve);
    });
  const pubsubPort = await listen()
    .then(() => pubsub.listen(host, options.pubsubPort ?? 0))
    .catch(async (error: unknown) => {
      await close();
      throw error;
    });
  return {
    restUrl: `http://${host}:${(http.address() as AddressInfo).port}`,
    pubsubAddress: `${host}:${pubsubPort}`,
    orgId: model.orgId,
    model,
    calls,
    now,
    close,
  };
}

interface HttpContext {
  readonly model: SalesforceModel;
  readonly sessions: Sessions;
  readonly faults: Faults;
  readonly calls: LoggedCall[];
  readonly now: () => number;
  readonly rest: RestApi;
}

/** HTTP around the REST API: authentication, allocation, faults, headers on every answer, and the log of calls. */
class HttpSkin {
  readonly #context: HttpContext;
  #logged = 0;

  constructor(context: HttpContext) {
    this.#context = context;
  }

  async serve(request: IncomingMessage, response: ServerResponse, url: URL, body: string): Promise<void> {
    const { faults, now, sessions } = this.#context;
    const method = request.method ?? '';
    const delay = faults.take(['delay'], 'before', method, url.pathname);
    if (delay) await pause(delay.ms, undefined, { ref: false });
    const session = sessions.find(/^(?:Bearer|OAuth) (.*)$/.exec(request.headers.authorization ?? '')?.[1], now());
    const before = faults.take(['http', 'drop'], 'before', method, url.pathname);
    const done = before ? undefined : this.#answer(request, url, body, session);
    const fault = before ?? faults.take(['http', 'drop'], 'after', method, url.pathname);
    const late = faults.take(['delay'], 'after', method, url.pathname);
    if (late) await pause(late.ms, undefined, { ref: false });
    this.#log(request, url, session, done, fault?.kind === 'drop' ? 0 : (fault?.status ?? done?.status ?? 500));
    if (fault?.kind === 'drop') return void response.destroy();
    if (fault?.html) return sendHtml(response, fault.status);
    if (fault) return send(response, fault.status, failure(fault.status), this.#headers(url));
    if (done) send(response, done.status, done.body, { ...this.#headers(url), ...done.headers });
  }

  #answer(request: IncomingMessage, url: URL, body: string, session: Session | undefined): RestAnswer {
    try {
      return this.#route(request, url, body, session);
    } catch (error) {
      return refusedAnswer(error instanceof RequestRefused ? error : refuse(500, 'UNKNOWN_EXCEPTION', String(error)));
    }
  }

  #route(request: IncomingMessage, url: URL, body: string, session: Session | undefined): RestAnswer {
    const { model, sessions, now, rest } = this.#context;
    const method = request.method ?? '';
    if (url.pathname === '/services/oauth2/token' && method === 'POST') {
      return { ...sessions.grant(new URLSearchParams(body), url.origin, now()), rows: 0, changed: 0, written: [] };
    }
    if (/^\/services\/data\/?$/.test(url.pathname)) {
      const versions = [{ label: "Summer '26", url: '/services/data/v67.0', version: '67.0' }];
      return { status: 200, body: versions, rows: 0, changed: 0, written: [] };
    }
    if (session === undefined) throw refuse(401, 'INVALID_SESSION_ID', 'Session expired or invalid');
    if (url.pathname === '/services/oauth2/userinfo' || url.pathname.startsWith('/id/')) {
      return { status: 200, body: userInfo(model, session, url.origin), rows: 0, changed: 0, written: [] };
    }
    const { headers } = request;
    return rest.answer({ method, url: url.pathname + url.search, headers, body, userId: session.userId }, now());
  }

  #headers(url: URL): Record<string, string> {
    const headers = answerHeaders(this.#context.model, this.#context.now());
    return url.pathname.startsWith('/services/data/v') ? headers : { Date: headers.Date };
  }

  #log(
    request: IncomingMessage,
    url: URL,
    session: Session | undefined,
    done: RestAnswer | undefined,
    status: number,
  ): void {
    const { calls, now } = this.#context;
    this.#logged += 1;
    // A twin that is left running keeps the last calls only; numbers go on.
    if (calls.length >= 200_000) calls.splice(0, 100_000);
    calls.push({
      n: this.#logged,
      time: now(),
      method: request.method ?? '',
      path: url.pathname,
      client: session?.clientId ?? null,
      origin: clientOf(request.headers) ?? null,
      status,
      rows: done?.rows ?? 0,
      changed: done?.changed ?? 0,
      written: done?.written ?? [],
    });
  }
}

function userInfo(model: SalesforceModel, session: Session, origin: string): Record<string, unknown> {
  const user = model.store.get('User', session.userId)?.values;
  return {
    sub: `${origin}/id/${model.orgId}/${session.userId}`,
    user_id: session.userId,
    organization_id: model.orgId,
    preferred_username: user?.['Username'],
    name: user?.['Name'],
    email: user?.['Email'],
    active: true,
    user_type: 'STANDARD',
  };
}

const failure = (status: number): readonly object[] =>
  status === 503
    ? [{ message: 'The server is temporarily unable to service your request', errorCode: 'SERVER_UNAVAILABLE' }]
    : [
        {
          message: 'An unexpected error occurred. Please include this ErrorId if you contact support: 1-1 (1)',
          errorCode: 'UNKNOWN_EXCEPTION',
        },
      ];

/** A proxy's page instead of an answer: what clients meet when the platform's edge gives up. */
function sendHtml(response: ServerResponse, status: number): void {
  response
    .writeHead(status, { 'Content-Type': 'text/html' })
    .end('<html><body><h1>Down for maintenance</h1></body></html>');
}

function send(response: ServerResponse, status: number, body: unknown, headers: Record<string, string>): void {
  if (body === undefined) return void response.writeHead(status, headers).end();
  response
    .writeHead(status, { 'Content-Type': 'application/json;charset=UTF-8', ...headers })
    .end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
