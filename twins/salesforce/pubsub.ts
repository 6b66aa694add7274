import { fileURLToPath } from 'node:url';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Random } from '../common/random.ts';
import type { SalesforceModel } from './model.ts';
import { Failure, grpcError } from './pubsub-errors.ts';
import type { Sessions } from './sessions.ts';
import { type Stream, Subscription } from './subscription.ts';

export interface PubSubOptions {
  readonly model: SalesforceModel;
  readonly sessions: Sessions;
  readonly random: Random;
  readonly now: () => number;
  /** Names of channels that carry the events of all objects. */
  readonly channels: readonly string[];
  /** Silence after which an empty response tells that the stream lives; 270 s on the platform. */
  readonly keepaliveMs: number;
  /** How long a stream whose credit is used up waits for a new request; 60 s on the platform. */
  readonly idleCloseMs: number;
}

/** The Pub/Sub API over the model's bus: credit, replay, keepalives and errors as the platform's clients meet them. */
export class PubSubSkin {
  readonly #options: PubSubOptions;
  readonly #server = new Server({ 'grpc.max_send_message_length': 16 * 1024 * 1024 });
  readonly #streams = new Set<Subscription>();
  readonly #stopListening: () => void;
  #pumping = false;
  /** For the call log: how often each method was called, and events sent out. */
  readonly counts = { subscribe: 0, getTopic: 0, getSchema: 0, delivered: 0, keepalives: 0 };

  constructor(options: PubSubOptions) {
    this.#options = options;
    const proto = fileURLToPath(new URL('./pubsub.proto', import.meta.url));
    const definition = loadSync(proto, { keepCase: false, longs: String, enums: String, defaults: true });
    this.#server.addService(definition['eventbus.v1.PubSub'] as ServiceDefinition, {
      Subscribe: (call: Stream) => this.#subscribe(call),
      GetTopic: this.#unary<{ topicName: string }>(({ topicName }, rpcId) => this.#topicInfo(topicName, rpcId)),
      GetSchema: this.#unary<{ schemaId: string }>(({ schemaId }, rpcId) => this.#schemaInfo(schemaId, rpcId)),
    });
    // A transaction publishes event by event; delivery looks at the bus once it is through, so that batches form.
    this.#stopListening = options.model.bus.onPublish(() => {
      if (this.#pumping) return;
      this.#pumping = true;
      setImmediate(() => {
        this.#pumping = false;
        for (const stream of this.#streams) stream.pump();
      });
    });
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
  }

  /** Ends every stream, as a network failure (no code) or with one of the platform's own error codes. */
  dropStreams(suffix: string | undefined): number {
    const count = this.#streams.size;
    for (const stream of this.#streams) {
      stream.fail(new Failure(status.UNAVAILABLE, suffix ?? '', suffix ?? 'connection reset'));
    }
    return count;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  close(): void {
    this.#stopListening();
    for (const stream of this.#streams) stream.stop();
    this.#server.forceShutdown();
  }

  #subscribe(call: Stream): void {
    this.counts.subscribe += 1;
    const stream = new Subscription(call, this.#options.random.uuid(), {
      ...this.#options,
      counts: this.counts,
      topic: (name) => this.#topic(name),
      onOver: (over) => this.#streams.delete(over),
    });
    this.#streams.add(stream);
    try {
      this.#authenticate(call.metadata);
      stream.start();
    } catch (error) {
      stream.fail(error);
    }
  }

  #unary<Request>(handle: (request: Request, rpcId: string) => object) {
    return (call: ServerUnaryCall<Request, object>, reply: sendUnaryData<object>): void => {
      const rpcId = this.#options.random.uuid();
      try {
        this.#authenticate(call.metadata);
        reply(null, handle(call.request, rpcId));
      } catch (error) {
        reply(grpcError(error, rpcId));
      }
    };
  }

  #topicInfo(topicName: string, rpcId: string): object {
    this.counts.getTopic += 1;
    const { entity } = this.#topic(topicName);
    const object = entity === undefined ? undefined : this.#options.model.object(entity);
    const schemaId = object ? this.#options.model.currentSchema(object).id : '';
    return { topicName, tenantGuid: this.#options.model.orgId, canPublish: false, canSubscribe: true, schemaId, rpcId };
  }

  #schemaInfo(schemaId: string, rpcId: string): object {
    this.counts.getSchema += 1;
    const schema = this.#options.model.schema(schemaId);
    if (schema === undefined) {
      throw new Failure(status.INVALID_ARGUMENT, 'schema.validation.failed', `Schema id not found: ${schemaId}`);
    }
    return { schemaJson: schema.json, schemaId: schema.id, rpcId };
  }

  /** Topic names are case-sensitive, unlike everything else. No entity: a channel that carries all of them. */
  #topic(name: string): { entity: string | undefined } {
    if (name === '') throw new Failure(status.INVALID_ARGUMENT, 'topic.validation.empty', 'topic name is empty');
    if (name === '/data/ChangeEvents' || this.#options.channels.includes(name)) return { entity: undefined };
    const object = this.#options.model
      .objects()
      .find((candidate) => name === `/data/${candidate.name.replace(/__c$/, '__')}ChangeEvent`);
    if (object === undefined) throw new Failure(status.NOT_FOUND, 'topic.not.found', `The topic ${name} is not found`);
    return { entity: object.name };
  }

  #authenticate(metadata: Metadata): void {
    const header = (name: string): string => String(metadata.get(name)[0] ?? '').trim();
    const [token, instanceUrl, tenantId] = [header('accesstoken'), header('instanceurl'), header('tenantid')];
    if (token === '' || !/^https?:\/\/./.test(instanceUrl) || tenantId === '') {
      throw new Failure(status.UNAUTHENTICATED, 'service.auth.headers.invalid', 'a call header is missing or invalid');
    }
    const session = this.#options.sessions.find(token, this.#options.now());
    if (session === undefined || !this.#options.sessions.isOrg(tenantId)) {
      throw new Failure(status.UNAUTHENTICATED, 'service.auth.error', 'authentication failed');
    }
  }
}
