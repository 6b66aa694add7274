import {
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Connection } from 'jsforce';
import type { SalesforceTwin } from '../../twins/salesforce/server.ts';

/** The official client, logged in by client credentials. */
export async function connect(
  twin: SalesforceTwin,
  clientId = 'tributary',
  callOptions = { client: clientId },
): Promise<Connection> {
  const connection = new Connection({
    version: '67.0',
    callOptions,
    oauth2: { loginUrl: twin.restUrl, clientId, clientSecret: `${clientId}-secret` },
    refreshFn: (expired, done) => {
      expired
        .authorize({ grant_type: 'client_credentials' })
        .then(() => done(null, expired.accessToken ?? ''))
        .catch((error: Error) => done(error));
    },
  });
  await connection.authorize({ grant_type: 'client_credentials' });
  return connection;
}

export async function controlTwin(twin: SalesforceTwin, what: string, body?: unknown): Promise<unknown> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(`${twin.restUrl}/__twin/${what}`, init);
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

export interface Response {
  readonly events: readonly {
    readonly event: { readonly id: string; readonly schemaId: string; readonly payload: Buffer };
    readonly replayId: Buffer;
  }[];
  readonly latestReplayId: Buffer;
  readonly rpcId: string;
  readonly pendingNumRequested: number;
}
export interface Request {
  readonly topicName?: string;
  readonly replayPreset?: 'LATEST' | 'EARLIEST' | 'CUSTOM';
  readonly replayId?: Buffer;
  readonly numRequested: number;
}

/** A Pub/Sub client on grpc-js with the twin's own proto file. */
export class PubSubClient {
  readonly #client: InstanceType<ServiceClientConstructor>;
  readonly metadata = new Metadata();

  constructor(twin: SalesforceTwin, accessToken: string, tenantId = twin.orgId) {
    const proto = new URL('../../twins/salesforce/pubsub.proto', import.meta.url).pathname;
    const definition = loadSync(proto, { keepCase: false, longs: String, enums: String, defaults: true });
    const loaded = loadPackageDefinition(definition) as unknown as {
      eventbus: { v1: { PubSub: ServiceClientConstructor } };
    };
    this.#client = new loaded.eventbus.v1.PubSub(twin.pubsubAddress, credentials.createInsecure());
    this.metadata.set('accesstoken', accessToken);
    this.metadata.set('instanceurl', twin.restUrl);
    this.metadata.set('tenantid', tenantId);
  }

  subscribe(first: Request): Subscriber {
    const open = this.#client['Subscribe'] as (metadata: Metadata) => ClientDuplexStream<Request, Response>;
    const subscriber = new Subscriber(open.call(this.#client, this.metadata));
    subscriber.request(first);
    return subscriber;
  }

  unary<Answer>(method: 'GetTopic' | 'GetSchema', request: object): Promise<Answer> {
    const call = this.#client[method] as (
      request: object,
      metadata: Metadata,
      done: (error: ServiceError | null, answer: Answer) => void,
    ) => void;
    return new Promise((resolve, reject) => {
      call.call(this.#client, request, this.metadata, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  close(): void {
    this.#client.close();
  }
}

export interface Ending {
  readonly code: number;
  readonly errorCode: string;
  readonly details: string;
}

export const endingOf = (error: ServiceError): Ending => ({
  code: error.code,
  errorCode: String(error.metadata.get('error-code')[0] ?? '').replace('sfdc.platform.eventbus.grpc.', ''),
  details: error.details,
});

class Subscriber {
  readonly #call: ClientDuplexStream<Request, Response>;
  readonly responses: Response[] = [];
  /** How the stream ended; code 0 when the server just closed it. */
  readonly ended: Promise<Ending>;
  #waiting: (() => void)[] = [];

  constructor(call: ClientDuplexStream<Request, Response>) {
    this.#call = call;
    call.on('data', (response: Response) => {
      this.responses.push(response);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.ended = new Promise((resolve) => {
      call.on('error', (error: ServiceError) => resolve(endingOf(error)));
      call.on('end', () => resolve({ code: 0, errorCode: '', details: '' }));
    });
  }

  get events(): Response['events'] {
    return this.responses.flatMap(({ events }) => events);
  }

  request(request: Request): void {
    this.#call.write(request);
  }

  async until(enough: (subscriber: Subscriber) => boolean): Promise<void> {
    while (!enough(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  cancel(): void {
    this.#call.cancel();
  }
}
