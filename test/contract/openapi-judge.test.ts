/** The judge itself, on a description of a few lines: what it does not notice would pass for kept. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Described, type Judging, judge, readDescriptions } from '../support/openapi-judge.ts';

const description = `
openapi: 3.0.1
info: { title: Things, version: '1.0' }
paths:
  /things/{id}:
    put:
      operationId: putThing
      parameters:
        - { name: id, in: path, required: true, schema: { type: string } }
        - { name: page, in: query, schema: { type: integer } }
      requestBody:
        content:
          application/json:
            schema: { type: object, required: [name], properties: { name: { type: string, nullable: true } } }
      responses:
        '200':
          description: done
          content:
            application/json:
              schema: { type: object, required: [id], properties: { id: { type: string }, one: { nullable: true, oneOf: [{ type: string }] } } }
`;

const folder = mkdtempSync(join(tmpdir(), 'judge-'));
let descriptions: ReadonlyMap<string, Described>;
let server: Server;
let judging: Judging;
/** Status, content type and body of what the server says next. */
let says: readonly [number, string, string];

beforeAll(async () => {
  const file = join(folder, 'things.yaml');
  writeFileSync(file, description);
  descriptions = await readDescriptions([file]);
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  says = [200, 'application/json', '{"id":"1"}'];
  server = createServer((_request, response) => {
    const [status, type, body] = says;
    response.writeHead(status, { 'content-type': type }).end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  judging = await judge(descriptions, url, (headers) => String(headers['version'] ?? '1.0'));
});
afterEach(async () => {
  await judging.close();
  server.close();
});

async function found(path: string, init: { body?: string; type?: string; method?: string; version?: string } = {}) {
  const { body = '{"name":null}', type = 'application/json', method = 'PUT', version = '1.0' } = init;
  const answer = await fetch(`${judging.url}${path}`, {
    method,
    headers: { 'content-type': type, version },
    ...(method !== 'GET' && { body }),
  });
  expect([answer.status, await answer.text()]).toEqual([says[0], says[2]]);
  return judging.violations.map(({ operation, of, says: text }) => `${operation}, ${of}: ${text}`);
}
const put = 'PUT /things/{id}';

test('what is as described is passed on and no violation', async () => {
  expect(await found('/things/1?page=2')).toEqual([]);
});

test.each<[string, Parameters<typeof found>, string]>([
  ['a path', ['/nothing'], 'PUT /nothing, request: is not described'],
  ['a method', ['/things/1', { method: 'GET' }], 'GET /things/1, request: is not described'],
  ['a query', ['/things/1?size=2'], `${put}, request: /query must NOT have additional properties (size)`],
  ['a value of the query', ['/things/1?page=x'], `${put}, request: /query/page must be integer`],
  ['a body', ['/things/1', { body: '{"name":1}' }], `${put}, request: /requestBody/name must be string`],
  [
    'a type of body',
    ['/things/1', { type: 'text/plain' }],
    `${put}, request: has a body of the type text/plain, described: application/json`,
  ],
  [
    'a version',
    ['/things/1', { version: '9' }],
    'PUT /things/1, request: asks for a version of which there is no description',
  ],
])('%s that is not described is a violation', async (_, call, expected) => {
  expect(await found(...call)).toContain(expected);
});

test.each<[string, typeof says, string]>([
  ['a status', [418, 'application/json', '{"id":"1"}'], `${put}, 418: is not described`],
  ['a body', [200, 'application/json', '{"one":1}'], `${put}, 200: must have required property 'id'`],
  ['a body in part', [200, 'application/json', '{"id":"1","one":1}'], `${put}, 200: /one must be string`],
  ['a type', [200, 'text/html', '{"id":"1"}'], `${put}, 200: is of the type text/html, described: application/json`],
  ['no JSON', [200, 'application/json', '<p>'], `${put}, 200: must be object`],
])('an answer with %s that is not described is a violation', async (_, answer, expected) => {
  says = answer;
  expect(await found('/things/1')).toContain(expected);
});
