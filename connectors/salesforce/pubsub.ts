/**
 * Salesforce's Pub/Sub API over grpc-js. Replay ids are bytes whose meaning is Salesforce's: they are stored and sent
 * back as they came, never read, computed or shortened.
 *
 * credit: how many events the server may still send; 100 at most. The server waits without it, so asking again only
 * when Kafka has acknowledged keeps at most 100 events of ours in memory.
 */
import { fileURLToPath } from 'node:url';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { type ErrorCode, TributaryError } from '../../core/errors.ts';
import { metrics } from '../../core/metrics.ts';
import type { Session } from './rest.ts';

export const maxCredit = 100;

export interface StreamEvent {
  /** The same when the event is delivered again. */
  readonly id: string;
  readonly schemaId: string;
  /** Salesforce's Avro datum. */
  readonly payload: Buffer;
  readonly replayId: Buffer;
}

export interface Delivery {
  readonly events: readonly StreamEvent[];
  /** Place after this delivery; may be ahead of its last event. Empty when the server names none. */
  readonly latestReplayId: Buffer;
}

export type Start = { readonly preset: 'LATEST' } | { readonly preset: 'CUSTOM'; readonly replayId: Buffer };

export interface Identity extends Session {
  readonly orgId: string;
}

/**
 * unauthenticated: get another session. lost: the replay id is corrupted or too old, which one does not say. usedUp: the org
 * may be sent no more events for now, of those that it may be sent in any 24 hours; they are kept for 72 hours.
 */
export type PubSubReason = 'unauthenticated' | 'lost' | 'usedUp' | 'other';

export class PubSubError extends TributaryError {
  readonly reason: PubSubReason;
  constructor(code: ErrorCode, reason: PubSubReason, message: string, cause: unknown) {
    super(code, message, code === 'CONFIG_INVALID' ? { cause, field: 'salesforce.channel' } : { cause });
    this.reason = reason;
  }
}

const definition = loadSync(fileURLToPath(new URL('./pubsub.proto', import.meta.url)), {
  keepCase: false,
  longs: String,
  enums: String,
  defaults: true,
  arrays: true,
  oneofs: true,
});

type Method = MethodDefinition<object, object>;

/** Exported for the test that holds the wire format: CUSTOM encoded as 0 would be LATEST, and lose everything since. */
export function method(name: 'Subscribe' | 'GetSchema' | 'GetTopic'): Method {
  return (definition['eventbus.v1.PubSub'] as Readonly<Record<string, Method>>)[name] as Method;
}

const methods = { subscribe: method('Subscribe'), schema: method('GetSchema'), topic: method('GetTopic') };

export class PubSub {
  readonly #client: Client;

  constructor(options: { readonly endpoint: string; readonly insecure: boolean }) {
    this.#client = new Client(
      options.endpoint,
      options.insecure ? credentials.createInsecure() : credentials.createSsl(),
      {
        // Without pings a peer that vanished is never noticed: no event and no error, for ever.
        'grpc.keepalive_time_ms': 30_000,
        'grpc.keepalive_timeout_ms': 10_000,
        'grpc.keepalive_permit_without_calls': 1,
        // 100 events of up to 1 MB may come in one message; the default of 4 MB ends the stream instead.
        'grpc.max_receive_message_length': 128 * 1024 * 1024,
        'grpc.enable_retries': 0,
        'grpc.initial_reconnect_backoff_ms': 500,
        'grpc.max_reconnect_backoff_ms': 30_000,
      },
    );
  }

  /** @throws PubSubError */
  async topic(identity: Identity, topicName: string): Promise<{ readonly canSubscribe: boolean }> {
    const { canSubscribe } = await this.#unary<{ canSubscribe: boolean }>(methods.topic, identity, { topicName });
    return { canSubscribe };
  }

  /** The schema's JSON. @throws PubSubError, with SCHEMA_UNKNOWN when Salesforce does not know the id. */
  async schema(identity: Identity, schemaId: string): Promise<string> {
    return (await this.#unary<{ schemaJson: string }>(methods.schema, identity, { schemaId })).schemaJson;
  }

  /** Asks for `maxCredit` at once. */
  subscribe(identity: Identity, topicName: string, start: Start): Subscription {
    const { path, requestSerialize, responseDeserialize } = methods.subscribe;
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadataOf(identity));
    return new Subscription(call, {
      topicName,
      replayPreset: start.preset,
      ...(start.preset === 'CUSTOM' ? { replayId: start.replayId } : {}),
      numRequested: maxCredit,
    });
  }

  close(): void {
    this.#client.close();
  }

  #unary<T>(to: Method, identity: Identity, message: object): Promise<T> {
    return new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = to;
      const options = { deadline: Date.now() + 10_000 };
      const metadata = metadataOf(identity);
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        metadata,
        options,
        (error, value) => {
          if (error === null) resolve(value as T);
          else reject(explain(error, to === methods.schema));
        },
      );
    });
  }
}

/** One stream. It never resumes: whatever ends it, another is opened from the place reached. */
export class Subscription implements AsyncIterable<Delivery> {
  readonly #call: ClientDuplexStream<object, object>;

  constructor(call: ClientDuplexStream<object, object>, first: object) {
    this.#call = call;
    // A cancelled call still emits its error when nobody iterates any more, which would end the process.
    call.on('error', () => undefined);
    call.write(first);
  }

  ask(credit: number): void {
    if (credit > 0 && this.#call.writable) this.#call.write({ numRequested: credit });
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** Ends when the server ends the stream. @throws PubSubError */
  async *[Symbol.asyncIterator](): AsyncGenerator<Delivery> {
    try {
      for await (const message of this.#call) yield delivery(message as WireResponse);
    } catch (error) {
      throw explain(error as ServiceError, false);
    } finally {
      this.#call.cancel();
    }
  }
}

interface WireResponse {
  readonly events: readonly {
    readonly event: { readonly id: string; readonly schemaId: string; readonly payload: Buffer } | null;
    readonly replayId: Buffer;
  }[];
  readonly latestReplayId: Buffer;
}

function delivery({ events, latestReplayId }: WireResponse): Delivery {
  return {
    latestReplayId,
    events: events.flatMap(({ event, replayId }) => {
      if (event !== null) return [{ id: event.id, schemaId: event.schemaId, payload: event.payload, replayId }];
      metrics.drops.inc({ stage: 'connectors', reason: 'empty' });
      return [];
    }),
  };
}

/** Fresh for every call, so that a renewed session is used at once. */
function metadataOf(identity: Identity): Metadata {
  const metadata = new Metadata();
  metadata.set('accesstoken', identity.accessToken);
  metadata.set('instanceurl', identity.instanceUrl);
  metadata.set('tenantid', identity.orgId);
  return metadata;
}

const codePrefix = 'sfdc.platform.eventbus.grpc.';

const settings = [
  'topic.not.found',
  'topic.meta.permission',
  'schema.meta.permission',
  'subscription.topic.cannot.subscribe',
  'service.tenant.license',
];
const limits = [
  'concurrent.client.limit.exceeded',
  'service.protection.triggered',
  'service.protection.stream.limit.triggered',
];

/** By the `error-code` trailer where there is one: one gRPC status stands for many of them. */
function explain(error: ServiceError, schema: boolean): PubSubError {
  const trailer = error.metadata?.get('error-code')[0];
  const name = String(trailer ?? '').replace(codePrefix, '');
  const text = `Salesforce Pub/Sub: ${name || (status[error.code] ?? error.code)}: ${error.details ?? error.message}`;
  const failure = (code: ErrorCode, reason: PubSubReason = 'other'): PubSubError =>
    new PubSubError(code, reason, text, error);
  if (name === 'service.auth.error' || error.code === status.UNAUTHENTICATED) {
    return failure('PLATFORM_UNAVAILABLE', 'unauthenticated');
  }
  if (name === 'subscription.fetch.replayid.corrupted') return failure('PLATFORM_UNAVAILABLE', 'lost');
  if (settings.includes(name)) return failure('CONFIG_INVALID');
  if (name === 'subscription.limit.exceeded') return failure('PLATFORM_LIMIT', 'usedUp');
  if (limits.includes(name)) return failure('PLATFORM_LIMIT');
  const unknown = error.code === status.NOT_FOUND || error.code === status.INVALID_ARGUMENT;
  if (schema && unknown) return failure('SCHEMA_UNKNOWN');
  if (error.code === status.NOT_FOUND) return failure('CONFIG_INVALID');
  return failure('PLATFORM_UNAVAILABLE');
}
