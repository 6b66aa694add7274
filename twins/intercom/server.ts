/**
 * The protocol skin of the Intercom twin: the model over HTTP, as the official client and curl see the
 * platform. One request runs down one function: token, quota, version, fault ordered, call, log, answer.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { seededRandom } from '../common/random.ts';
import { CallLog } from './calls.ts';
import { type Controlled, control } from './control.ts';
import { type FaultOrder, Faults, faultCode } from './faults.ts';
import { type Body, isRecord } from './fields.ts';
import { type Quota, RateWindows } from './limits.ts';
import { IntercomModel } from './model.ts';
import { findRoute, type Reply } from './routes.ts';
import { Scrolls } from './scroll.ts';
import { Refusal, type Switches } from './types.ts';

export interface IntercomTwinOptions {
  /** Loopback unless told: the control plane asks nobody who he is. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port?: number;
  readonly seed?: number;
  /** The app's access token. A token that begins with `person` is somebody working in Intercom, logged under it. */
  readonly token?: string;
  readonly workspaceId?: string;
  readonly timezone?: string;
  readonly ratePerMinute?: number;
  readonly switches?: Partial<Switches>;
  /** Clock of the platform, ms. */
  readonly now?: () => number;
}

export interface IntercomTwin {
  readonly url: string;
  readonly token: string;
  readonly workspaceId: string;
  readonly model: IntercomModel;
  close(): Promise<void>;
}

/** Of the twin only: it opens nothing but a double. */
export const defaultToken = 'intercom-twin-token';

const versions: ReadonlySet<string> = new Set([
  '2.7',
  '2.8',
  '2.9',
  '2.10',
  '2.11',
  '2.12',
  '2.13',
  '2.14',
  '2.15',
  '2.16',
  'Preview',
  'Unstable',
]);
const defaultVersion = '2.14';

interface Twin extends Controlled {
  readonly token: string;
  readonly scrolls: Scrolls;
  readonly requestId: () => string;
  readonly now: () => number;
}

export async function startIntercomTwin(options: IntercomTwinOptions = {}): Promise<IntercomTwin> {
  const random = seededRandom(options.seed ?? 1);
  const chance = seededRandom((options.seed ?? 1) + 1);
  const model = new IntercomModel({
    random,
    workspaceId: options.workspaceId ?? 'twin0001',
    timezone: options.timezone ?? 'Etc/UTC',
    ...(options.switches !== undefined && { switches: options.switches }),
  });
  model.addAdmin({ name: 'Workspace owner', email: 'owner@twin.example' });
  const twin: Twin = {
    model,
    token: options.token ?? defaultToken,
    calls: new CallLog(),
    faults: new Faults(),
    rates: new RateWindows(options.ratePerMinute ?? 10_000),
    scrolls: new Scrolls(() => chance.hex(32)),
    requestId: () => chance.hex(20),
    now: options.now ?? Date.now,
  };
  const delayed = new Set<NodeJS.Timeout>();
  const server = createServer((request, response) => {
    serve(twin, request, response, delayed).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) response.destroy();
      else send(response, 500, errorList(twin, 'server_error', error instanceof Error ? error.message : String(error)));
    });
  });
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}`,
    token: twin.token,
    workspaceId: model.workspaceId,
    model,
    close: () =>
      new Promise((resolve, reject) => {
        for (const timer of delayed) clearTimeout(timer);
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

interface Outcome {
  readonly status: number;
  readonly body: object;
  readonly objectId?: string;
  readonly changed?: readonly string[];
}

async function serve(
  twin: Twin,
  request: IncomingMessage,
  response: ServerResponse,
  delayed: Set<NodeJS.Timeout>,
): Promise<void> {
  const text = await readBody(request);
  const now = twin.now();
  const method = request.method ?? 'GET';
  const url = new URL(request.url ?? '/', 'http://twin');
  response.setHeader('Date', new Date(now).toUTCString());
  if (url.pathname.startsWith('/__twin/')) {
    const { status, body } = answered(twin, () => ({ body: control(twin, method, url, parse(text), now) }));
    send(response, status, body);
    return;
  }
  const client = clientOf(twin.token, request.headers.authorization);
  const quota = twin.rates.take(client ?? 'nobody', now);
  setQuota(response, quota);
  let fault: FaultOrder | undefined;
  const act = (): Outcome =>
    answered(twin, () => {
      if (client === undefined) throw unauthorized(request.headers.authorization);
      if (!quota.allowed)
        throw new Refusal(429, 'rate_limit_exceeded', `Exceeded rate limit of ${quota.limit} in 10_seconds`);
      fault = twin.faults.take(method, url.pathname);
      if (fault !== undefined && !actsBefore(fault)) throw refusalOf(fault);
      return callOf(twin, request, url, text, client, now);
    });
  const outcome = act();
  twin.calls.add({
    time: now,
    client: client ?? 'nobody',
    method,
    path: url.pathname,
    status: outcome.status,
    objectId: outcome.objectId ?? null,
    changed: outcome.changed ?? null,
    fault: fault === undefined ? null : (fault.kind ?? `status-${fault.status}`),
  });
  deliver(twin, response, outcome, fault, delayed);
}

function callOf(twin: Twin, request: IncomingMessage, url: URL, text: string, client: string, now: number): Reply {
  const version = headerOf(request, 'intercom-version') ?? defaultVersion;
  if (!versions.has(version))
    throw new Refusal(400, 'intercom_version_invalid', 'The requested version could not be found');
  const accept = request.headers.accept ?? '*/*';
  if (!/\*\/\*|application\/(\*|json)/.test(accept))
    throw new Refusal(
      406,
      'media_type_not_acceptable',
      'The Accept header should send a media type of application/json',
    );
  const handle = findRoute(request.method ?? 'GET', url.pathname);
  if (handle === undefined) throw new Refusal(404, 'not_found', 'Resource Not Found');
  const body: unknown = parse(text) ?? {};
  if (!isRecord(body)) throw new Refusal(400, 'bad_request', 'The body must be a JSON object');
  return handle({ model: twin.model, scrolls: twin.scrolls, client, version, now, query: url.searchParams, body });
}

/** Runs a call; what the platform refuses becomes its error list. */
function answered(twin: Twin, call: () => Reply): Outcome {
  try {
    return { status: 200, ...call() };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { status: error.status, body: errorList(twin, error.code, error.message, error.field) };
  }
}

// Faults

/** Does the call take effect in spite of the fault? */
function actsBefore(fault: FaultOrder): boolean {
  if (fault.kind === undefined || fault.kind === 'html-502') return fault.applied;
  return fault.kind !== 'timeout-before' && fault.kind !== 'reset-before';
}

const refusalOf = (fault: FaultOrder): Refusal =>
  new Refusal(fault.status ?? 504, faultCode(fault), 'A fault that was ordered');

function deliver(
  twin: Twin,
  response: ServerResponse,
  { status, body }: Outcome,
  fault: FaultOrder | undefined,
  delayed: Set<NodeJS.Timeout>,
): void {
  switch (fault?.kind) {
    case undefined:
      if (fault === undefined || !fault.applied) send(response, status, body);
      else send(response, fault.status ?? 500, errorList(twin, faultCode(fault), 'A fault that was ordered'));
      return;
    case 'timeout-before':
    case 'timeout-after':
      // No answer at all: the connection stays open until the client gives up.
      return;
    case 'reset-before':
    case 'reset-after':
      response.socket?.resetAndDestroy();
      return;
    case 'html-502':
      response.writeHead(502, { 'content-type': 'text/html' });
      response.end('<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>');
      return;
    case 'broken-json': {
      const text = JSON.stringify(body);
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
      response.end(text.slice(0, Math.ceil(text.length / 2)));
      return;
    }
    case 'stall': {
      const text = JSON.stringify(body);
      response.writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
      });
      response.write(text.slice(0, Math.ceil(text.length / 2)));
      return;
    }
    case 'slow': {
      const timer = setTimeout(() => {
        delayed.delete(timer);
        send(response, status, body);
      }, fault.delayMs);
      delayed.add(timer);
      return;
    }
  }
}

// HTTP

function clientOf(token: string, authorization: string | undefined): string | undefined {
  const sent = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1];
  if (sent === token) return 'app';
  return sent?.startsWith('person') === true ? sent : undefined;
}

const unauthorized = (authorization: string | undefined): Refusal =>
  authorization === undefined
    ? new Refusal(401, 'missing_authorization', 'Access Token Missing')
    : new Refusal(401, 'unauthorized', 'Access Token Invalid');

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function setQuota(response: ServerResponse, quota: Quota): void {
  response.setHeader('X-RateLimit-Limit', quota.limit);
  response.setHeader('X-RateLimit-Remaining', quota.remaining);
  response.setHeader('X-RateLimit-Reset', quota.reset);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** An empty body is no body. */
function parse(text: string): Body | unknown[] | undefined {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as Body | unknown[];
  } catch {
    throw new Refusal(400, 'bad_request', 'The body is not JSON');
  }
}

function errorList(twin: Twin, code: string, message: string, field?: string): object {
  return {
    type: 'error.list',
    request_id: twin.requestId(),
    errors: [{ code, message, ...(field !== undefined && { field }) }],
  };
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
