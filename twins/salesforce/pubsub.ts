import { fileURLToPath } from 'node:url';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Random } from '../shared/random.ts';
import type { Cursor, Preset } from './bus.ts';
import type { SalesforceModel } from './model.ts';
import type { Sessions } from './sessions.ts';

interface FetchRequest {
  readonly topicName: string;
  readonly replayPreset: Preset;
  readonly replayId: Buffer;
  readonly numRequested: number;
}
interface FetchResponse {
  readonly events: readonly { event: { id: string; schemaId: string; payload: Buffer }; replayId: Buffer }[];
  readonly latestReplayId: Buffer;
  readonly rpcId: string;
  readonly pendingNumRequested: number;
}
type Stream = ServerDuplexStream<FetchRequest, FetchResponse>;

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

/** However much a client asks for, no more than this is ever outstanding on a stream. */
const maxCredit = 100;

class Failure extends Error {
  readonly grpc: status;
  readonly suffix: string;
  constructor(grpc: status, suffix: string, message: string) {
    super(message);
    this.grpc = grpc;
    this.suffix = suffix;
  }
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
    const rpcId = this.#options.random.uuid();
    const stream = new Subscription(call, rpcId, this.#options, this.counts, (topic) => this.#topic(topic));
    this.#streams.add(stream);
    call.on('close', () => this.#streams.delete(stream));
    call.on('cancelled', () => this.#streams.delete(stream));
    try {
      this.#authenticate(call.metadata);
      stream.start();
    } catch (error) {
      stream.fail(error);
    }
    stream.whenOver(() => this.#streams.delete(stream));
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

/** One Subscribe call: the first request fixes topic and position, every request adds credit. */
class Subscription {
  readonly #call: Stream;
  readonly #rpcId: string;
  readonly #options: PubSubOptions;
  readonly #counts: PubSubSkin['counts'];
  readonly #topic: (name: string) => { entity: string | undefined };
  readonly #overListeners: (() => void)[] = [];
  #topicName: string | undefined;
  #entity: string | undefined;
  #cursor: Cursor = 0n;
  #credit = 0;
  #over = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    call: Stream,
    rpcId: string,
    options: PubSubOptions,
    counts: PubSubSkin['counts'],
    topic: (name: string) => { entity: string | undefined },
  ) {
    this.#call = call;
    this.#rpcId = rpcId;
    this.#options = options;
    this.#counts = counts;
    this.#topic = topic;
  }

  start(): void {
    this.#call.on('data', (request: FetchRequest) => {
      try {
        this.#request(request);
      } catch (error) {
        this.fail(error);
      }
    });
    this.#call.on('end', () => this.#end(() => this.#call.end()));
    this.#call.on('cancelled', () => this.stop());
  }

  whenOver(listener: () => void): void {
    this.#overListeners.push(listener);
  }

  stop(): void {
    this.#end(() => undefined);
  }

  fail(error: unknown): void {
    this.#end(() => this.#call.emit('error', grpcError(error, this.#rpcId)));
  }

  pump(): void {
    const { bus } = this.#options.model;
    while (!this.#over && this.#topicName !== undefined && this.#credit > 0) {
      const limit = Math.min(this.#credit, 1 + this.#options.random.int(maxCredit));
      const wants = (entity: string) => this.#entity === undefined || entity === this.#entity;
      const { events, cursor } = bus.read(this.#cursor, wants, limit, this.#options.now());
      this.#cursor = cursor;
      const last = events.at(-1);
      if (last === undefined) return;
      this.#credit -= events.length;
      this.#counts.delivered += events.length;
      this.#respond(
        events.map(({ eventId, schemaId, payload, replayId }) => ({
          event: { id: eventId, schemaId, payload },
          replayId,
        })),
        last.replayId,
      );
    }
  }

  #request({ topicName, replayPreset, replayId, numRequested }: FetchRequest): void {
    if (numRequested <= 0) {
      throw invalid('subscription.fetch.requested.events.invalid', 'number of requested events must be positive');
    }
    if (this.#topicName === undefined) {
      this.#entity = this.#topic(topicName).entity;
      if (replayPreset === 'CUSTOM' && replayId.length === 0) {
        throw invalid('subscription.fetch.replayid.validation.failed', 'a replay id is needed with CUSTOM');
      }
      const cursor = this.#options.model.bus.open(replayPreset, replayId, this.#options.now());
      if (cursor === undefined) {
        throw invalid(
          'subscription.fetch.replayid.corrupted',
          'The Replay ID validation failed. Ensure that the Replay ID is valid and not older than the retention',
        );
      }
      this.#cursor = cursor;
      this.#topicName = topicName;
    } else if (topicName !== '' && topicName !== this.#topicName) {
      throw invalid('subscription.fetch.topic.mismatch', `the stream is subscribed to ${this.#topicName}`);
    }
    this.#credit = Math.min(this.#credit + numRequested, maxCredit);
    this.#rest();
    this.pump();
  }

  #respond(events: FetchResponse['events'], latestReplayId: Buffer): void {
    this.#call.write({ events, latestReplayId, rpcId: this.#rpcId, pendingNumRequested: this.#credit });
    this.#rest();
  }

  /** What happens if nothing happens: a sign of life while credit is open, the end where there is none. */
  #rest(): void {
    clearTimeout(this.#timer);
    if (this.#over) return;
    this.#timer =
      this.#credit > 0
        ? setTimeout(() => this.#keepAlive(), this.#options.keepaliveMs)
        : setTimeout(() => this.#end(() => this.#call.end()), this.#options.idleCloseMs);
  }

  #keepAlive(): void {
    this.#counts.keepalives += 1;
    this.#respond([], this.#options.model.bus.tip(this.#options.now()));
  }

  #end(say: () => void): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    say();
    for (const listener of this.#overListeners) listener();
  }
}

const invalid = (suffix: string, message: string): Failure => new Failure(status.INVALID_ARGUMENT, suffix, message);

/** The trailer tells errors apart, the gRPC status hardly does; the rpc id stands in both trailer and text. */
function grpcError(error: unknown, rpcId: string): { code: status; details: string; metadata: Metadata } {
  const known =
    error instanceof Failure ? error : new Failure(status.INTERNAL, 'subscription.internal.error', String(error));
  const metadata = new Metadata();
  metadata.set('rpc-id', rpcId);
  if (known.suffix !== '') metadata.set('error-code', `sfdc.platform.eventbus.grpc.${known.suffix}`);
  return { code: known.grpc, details: `${known.message} rpcId: ${rpcId}`, metadata };
}
