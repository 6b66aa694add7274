/**
 * The protocol skin of the Intercom twin: the model over HTTP, as the official client and curl see the
 * platform. One request runs down one function: token, quota, version, fault ordered, call, log, answer.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { seededRandom } from '../common/random.ts';
import { type Answer, answer, perform } from './answer.ts';
import { CallLog } from './calls.ts';
import { type Controlled, control } from './control.ts';
import { type FaultOrder, Faults, faultCode } from './faults.ts';
import { type Quota, RateWindows } from './limits.ts';
import { IntercomModel } from './model.ts';
import type { Reply } from './routes.ts';
import { Scrolls } from './scroll.ts';
import { Refusal, type Switches } from './types.ts';
import { defaultVersion } from './versions.ts';
import { WebhookCarrier } from './webhooks.ts';

export interface IntercomTwinOptions {
  /** Loopback unless told: the control plane asks nobody who he is. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port?: number;
  readonly seed?: number;
  /** The app's access token. A token that begins with `person` is somebody working in Intercom, logged under it. */
  readonly token?: string;
  /** The app's, which signs its webhooks. */
  readonly clientSecret?: string;
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
  readonly clientSecret: string;
  readonly workspaceId: string;
  readonly model: IntercomModel;
  close(): Promise<void>;
}

/** Of the twin only: they open and sign nothing but a double. */
export const defaultToken = 'intercom-twin-token';
export const defaultClientSecret = 'intercom-twin-secret';

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
    deliveryRandom: seededRandom((options.seed ?? 1) + 2),
    workspaceId: options.workspaceId ?? 'twin0001',
    timezone: options.timezone ?? 'Etc/UTC',
    ...(options.switches !== undefined && { switches: options.switches }),
  });
  model.addAdmin({ name: 'Workspace owner', email: 'owner@twin.example' });
  const now = options.now ?? Date.now;
  const clientSecret = options.clientSecret ?? defaultClientSecret;
  const webhooks = new WebhookCarrier(model, clientSecret, now);
  const twin: Twin = {
    model,
    webhooks,
    token: options.token ?? defaultToken,
    calls: new CallLog(),
    faults: new Faults(),
    rates: new RateWindows(options.ratePerMinute ?? 10_000),
    scrolls: new Scrolls(() => chance.hex(32)),
    requestId: () => chance.uuid(),
    now,
  };
  const delayed = new Set<NodeJS.Timeout>();
  const server = createServer((request, response) => {
    serve(twin, request, response, delayed).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) response.destroy();
      else {
        const text = error instanceof Error ? error.message : String(error);
        send(response, refusedBy(twin, defaultVersion, new Refusal(500, 'server_error', text)));
      }
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
    clientSecret,
    workspaceId: model.workspaceId,
    model,
    close: async () => {
      await webhooks.close();
      await new Promise<void>((resolve, reject) => {
        for (const timer of delayed) clearTimeout(timer);
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      });
    },
  };
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
    send(response, await controlled(twin, method, url, text, now));
    twin.webhooks.wake();
    return;
  }
  const client = clientOf(twin.token, request.headers.authorization);
  const quota = twin.rates.take(client ?? 'nobody', now);
  setQuota(response, quota);
  let fault: FaultOrder | undefined;
  const version = headerOf(request, 'intercom-version') ?? defaultVersion;
  const act = (): Reply => {
    if (client === undefined) throw unauthorized(request.headers.authorization);
    if (!quota.allowed)
      throw new Refusal(429, 'rate_limit_exceeded', `Exceeded rate limit of ${quota.limit} in 10_seconds`);
    fault = twin.faults.take(method, url.pathname);
    if (fault !== undefined && !actsBefore(fault)) throw refusalOf(fault);
    checkAccept(request.headers.accept ?? '*/*');
    return perform(twin, { method, path: url.pathname + url.search, body: parse(text), client, version, now });
  };
  const outcome = answer(act, { version, requestId: twin.requestId() });
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
  deliver(twin, response, outcome, fault, version, delayed);
  twin.webhooks.wake();
}

async function controlled(twin: Twin, method: string, url: URL, text: string, now: number): Promise<Answer> {
  try {
    return { status: 200, headers: {}, body: await control(twin, method, url, parse(text), now) };
  } catch (error) {
    if (error instanceof Refusal) return refusedBy(twin, defaultVersion, error);
    throw error;
  }
}

function checkAccept(accept: string): void {
  if (!/\*\/\*|application\/(\*|json)/.test(accept))
    throw new Refusal(
      406,
      'media_type_not_acceptable',
      'The Accept header should send a media type of application/json',
    );
}

/** An error list for what no call of the API refused. */
const refusedBy = (twin: Twin, version: string, refusal: Refusal): Answer =>
  answer(
    () => {
      throw refusal;
    },
    { version, requestId: twin.requestId() },
  );

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
  outcome: Answer,
  fault: FaultOrder | undefined,
  version: string,
  delayed: Set<NodeJS.Timeout>,
): void {
  const { status, body } = outcome;
  switch (fault?.kind) {
    case undefined:
      send(response, fault?.applied === true ? refusedBy(twin, version, refusalOf(fault)) : outcome);
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
        send(response, outcome);
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
function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'bad_request', 'The body is not JSON');
  }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
