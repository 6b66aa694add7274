/**
 * A proxy between a client and the server it means, which holds every call and every answer to an OpenAPI description: the
 * path, the query, the body and its content type. It judges and changes nothing.
 *
 * Each call is held to the description of the version that it asks for, since a platform serves several at once.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Document, OpenAPIBackend, type Operation } from 'openapi-backend';
import { parse } from 'yaml';

export interface Violation {
  readonly version: string;
  /** As the description spells it: `PUT /contacts/{contact_id}`. */
  readonly operation: string;
  /** `request`, or `200` and so on of an answer. */
  readonly of: string;
  /** Where in it, list indexes left out, and what is wrong. */
  readonly says: string;
}

export interface Described {
  readonly version: string;
  readonly api: OpenAPIBackend;
}

/** @param paths of descriptions, one for each version */
export async function readDescriptions(paths: readonly string[]): Promise<ReadonlyMap<string, Described>> {
  const all = new Map<string, Described>();
  for (const path of paths) {
    const definition = parse(readFileSync(path, 'utf8'), reviver) as Document;
    // Quick: only what is called is compiled. Not strict: descriptions have keywords that JSON Schema does not know.
    const api = new OpenAPIBackend({ definition, quick: true, ajvOpts: { strict: false, allErrors: true, formats } });
    await api.init();
    const { version } = definition.info;
    all.set(version, { version, api });
  }
  return all;
}

/** OpenAPI 3.0.3: `nullable` says nothing where its schema has no `type`; the validator takes it for an error. */
const reviver = (_key: unknown, value: unknown): unknown => {
  if (typeof value === 'object' && value !== null && 'nullable' in value && !('type' in value)) delete value.nullable;
  return value;
};

/** `uri`: the published samples are paths. `timestamp`: a number, and no format that anybody defines. */
const formats = {
  uri: true,
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  timestamp: true,
  'date-time': /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/,
} as const;

export interface Judging {
  readonly url: string;
  readonly violations: Violation[];
  /** Operations called, as the description spells them. */
  readonly called: Set<string>;
  close(): Promise<void>;
}

/** @param versionOf the version that a call asks for */
export async function judge(
  descriptions: ReadonlyMap<string, Described>,
  target: string,
  versionOf: (headers: IncomingMessage['headers']) => string,
): Promise<Judging> {
  const violations: Violation[] = [];
  const called = new Set<string>();
  const server = createServer((request, response) => {
    pass(request, response).catch((error: unknown) => {
      // 400: nobody asks again.
      violations.push({ version: '', operation: request.url ?? '', of: 'proxy', says: String(error) });
      response.writeHead(400).end();
    });
  });

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const version = versionOf(request.headers);
    const body = await text(request);
    const accuse = findings(version, violations);
    const { method = 'GET', url = '/' } = request;
    const operation = judgeRequest(descriptions.get(version), { method, url, headers: request.headers, body }, accuse);
    if (operation !== undefined) called.add(nameOf(operation));
    const headers = Object.entries(request.headers).filter(([name]) => !hopByHop.has(name));
    const answer = await fetch(`${target}${url}`, {
      method,
      headers: headers.map(([name, value]) => [name, String(value)]),
      ...(body !== '' && { body }),
    });
    const told = await answer.text();
    const described = descriptions.get(version);
    if (described !== undefined && operation !== undefined) {
      const type = mediaType(answer.headers.get('content-type') ?? undefined);
      judgeAnswer(described.api, operation, { status: answer.status, type, body: told }, accuse);
    }
    response.writeHead(
      answer.status,
      [...answer.headers].filter(([name]) => !hopByHop.has(name)),
    );
    response.end(told);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    violations,
    called,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const hopByHop = new Set([
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'content-encoding',
]);

type Accuse = (operation: string, of: string, says: string) => void;

const findings =
  (version: string, violations: Violation[]): Accuse =>
  (operation, of, says) => {
    const same = (one: Violation): boolean =>
      one.version === version && one.operation === operation && one.of === of && one.says === says;
    if (!violations.some(same)) violations.push({ version, operation, of, says });
  };

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

function judgeRequest(described: Described | undefined, asked: Asked, accuse: Accuse): Operation | undefined {
  const [path = '', query = ''] = asked.url.split('?', 2);
  if (described === undefined) {
    accuse(`${asked.method} ${path}`, 'request', 'asks for a version of which there is no description');
    return undefined;
  }
  const { api } = described;
  const request = { method: asked.method, path, query, headers: headersOf(asked.headers), body: parsed(asked.body) };
  const operation = api.matchOperation(request);
  if (operation === undefined) {
    accuse(`${asked.method} ${path}`, 'request', 'is not described');
    return undefined;
  }
  const name = nameOf(operation);
  if (asked.body !== '') {
    const type = mediaType(asked.headers['content-type']);
    const { requestBody } = operation;
    const types = requestBody !== undefined && 'content' in requestBody ? Object.keys(requestBody.content) : [];
    if (!types.includes(type))
      accuse(name, 'request', `has a body of the type ${type}, described: ${types.join(', ')}`);
  }
  for (const error of api.validateRequest(request, operation).errors ?? []) accuse(name, 'request', textOf(error));
  return operation;
}

function judgeAnswer(
  api: OpenAPIBackend,
  operation: Operation,
  answer: { readonly status: number; readonly type: string; readonly body: string },
  accuse: Accuse,
): void {
  const name = nameOf(operation);
  const status = String(answer.status);
  const described = operation.responses?.[status];
  if (described === undefined) return accuse(name, status, 'is not described');
  const types = 'content' in described ? Object.keys(described.content ?? {}) : [];
  if (!types.includes(answer.type))
    accuse(name, status, `is of the type ${answer.type}, described: ${types.join(', ')}`);
  const body = parsed(answer.body);
  for (const error of api.validateResponse(body, operation, answer.status).errors ?? [])
    accuse(name, status, textOf(error));
}

const nameOf = ({ method, path }: Operation): string => `${method.toUpperCase()} ${path}`;
const mediaType = (header: string | undefined): string => (header ?? '').split(';')[0]?.trim() ?? '';

const headersOf = (headers: IncomingMessage['headers']): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

function parsed(body: string): unknown {
  try {
    return body === '' ? undefined : JSON.parse(body);
  } catch {
    return body;
  }
}

interface Complaint {
  readonly instancePath: string;
  readonly message?: string;
  readonly params: object;
}

const textOf = ({ instancePath, message = '', params }: Complaint): string => {
  const extra = 'additionalProperty' in params ? ` (${String(params.additionalProperty)})` : '';
  const allowed = 'allowedValues' in params ? ` (${String(params.allowedValues)})` : '';
  return `${instancePath.replace(/\/\d+(?=\/|$)/g, '/*')} ${message}${extra}${allowed}`.trim();
};
