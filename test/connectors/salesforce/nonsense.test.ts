/** Salesforce answers nonsense to whoever reads: it is called so, nothing is taken from it, and it is asked again. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fieldsOf, orgIdOf } from '../../../connectors/salesforce/client.ts';
import { method, PubSub } from '../../../connectors/salesforce/pubsub.ts';
import { byId, byIds, type ObjectShape, pages as pagesOf } from '../../../connectors/salesforce/reads.ts';
import { SalesforceRest } from '../../../connectors/salesforce/rest.ts';
import { endless, type Nonsense, pages, shapes, tell } from '../../support/nonsense.ts';

const isPutOff = expect.objectContaining({
  code: expect.stringMatching(/^PLATFORM_(NONSENSE|UNAVAILABLE)$/),
  verdict: 'retry',
});

describe('over REST', () => {
  let server: Server;
  let url: string;
  let says: Nonsense;
  let token: Nonsense | undefined;
  let rest: SalesforceRest;
  beforeEach(async () => {
    token = undefined;
    server = createServer((request, response) => {
      request.resume();
      if (!String(request.url).includes('token')) return tell(says, response);
      if (token !== undefined) return tell(token, response);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: 't', instance_url: url }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    rest = new SalesforceRest({
      loginUrl: url,
      clientId: 'tributary',
      clientSecret: () => 'tributary-secret',
      apiVersion: '67.0',
      client: 'tributary',
    });
  });
  afterEach(async () => {
    await rest.close();
    server.closeAllConnections();
    server.close();
  });

  const shape: ObjectShape = { object: 'Contact', fields: ['Id'], multiSelects: [], deletable: true };
  const ask: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['which org it is', () => orgIdOf(rest)],
    ['which fields there are', () => fieldsOf(rest, 'Contact')],
    ['for rows', () => pagesOf(rest, byId(shape, '')).next()],
    ['for rows by their ids, none of which is gone then', () => byIds(rest, shape, ['003Dp00000A0001AAA']).next()],
  ];
  describe.each(ask)('asked %s', (_what, asking) => {
    test.each([...pages, ...shapes])('$name is put off', async (nonsense) => {
      says = nonsense;
      await expect(asking()).rejects.toEqual(isPutOff);
    });
  });

  test('an answer without end is put off, and is not held', async () => {
    says = endless;
    await expect(orgIdOf(rest)).rejects.toMatchObject({
      code: 'PLATFORM_UNAVAILABLE',
      message: expect.stringContaining('UND_ERR_RES_EXCEEDED_MAX_SIZE'),
    });
  });

  test.each([...pages, ...shapes])('$name is no session, and no refusal of the credentials', async (nonsense) => {
    token = nonsense;
    await expect(rest.session()).rejects.toEqual(isPutOff);
  });
});

describe('over Pub/Sub', () => {
  const identity = { accessToken: 't', instanceUrl: 'u', orgId: 'o' };
  const refused = expect.objectContaining({ code: 'PLATFORM_UNAVAILABLE', verdict: 'retry' });

  /** What a question and a stream come to there. */
  async function ask(endpoint: string): Promise<readonly unknown[]> {
    const pubsub = new PubSub({ endpoint, insecure: true });
    const question = pubsub.topic(identity, '/data/x');
    const stream = pubsub.subscribe(identity, '/data/x', { preset: 'LATEST' })[Symbol.asyncIterator]().next();
    const came = await Promise.all([question, stream].map((one) => one.catch((error: unknown) => error)));
    pubsub.close();
    return came;
  }

  test('a web page breaks the stream and is no end of it', async () => {
    const server = createServer((_request, response) => void response.end('<html>')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    expect(await ask(`127.0.0.1:${(server.address() as AddressInfo).port}`)).toEqual([refused, refused]);
    server.closeAllConnections();
    server.close();
  });

  test('messages that are none break the stream and are no end of it', async () => {
    const garbage = (): Buffer => Buffer.from([0xff, 0xff, 0xff]);
    const server = new GrpcServer();
    server.addService(
      {
        GetTopic: { ...method('GetTopic'), responseSerialize: garbage },
        Subscribe: { ...method('Subscribe'), responseSerialize: garbage },
      },
      {
        GetTopic: (_call: unknown, answer: (error: null, value: object) => void) => answer(null, {}),
        Subscribe: (call: { write(value: object): void }) => call.write({}),
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    expect(await ask(`127.0.0.1:${port}`)).toEqual([refused, refused]);
    server.forceShutdown();
  });
});
