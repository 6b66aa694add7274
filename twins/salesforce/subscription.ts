import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Random } from '../common/random.ts';
import type { Cursor, Preset } from './bus.ts';
import type { SalesforceModel } from './model.ts';
import { Failure, grpcError, invalid } from './pubsub-errors.ts';

export interface FetchRequest {
  readonly topicName: string;
  readonly replayPreset: Preset;
  readonly replayId: Buffer;
  readonly numRequested: number;
}
export interface FetchResponse {
  readonly events: readonly { event: { id: string; schemaId: string; payload: Buffer }; replayId: Buffer }[];
  readonly latestReplayId: Buffer;
  readonly rpcId: string;
  readonly pendingNumRequested: number;
}
export type Stream = ServerDuplexStream<FetchRequest, FetchResponse>;

export interface SubscriptionContext {
  readonly model: SalesforceModel;
  readonly random: Random;
  readonly now: () => number;
  /** Silence after which an empty response tells that the stream lives; 270 s on the platform. */
  readonly keepaliveMs: number;
  /** How long a stream whose credit is used up waits for a new request; 60 s on the platform. */
  readonly idleCloseMs: number;
  readonly counts: { delivered: number; keepalives: number };
  /** The object whose events a topic carries; none: all of them. Throws when there is no such topic. */
  readonly topic: (name: string) => { entity: string | undefined };
  readonly onOver: (subscription: Subscription) => void;
}

/** However much a client asks for, no more than this is ever outstanding on a stream. */
const maxCredit = 100;

const usedUp = (): Failure =>
  new Failure(
    status.RESOURCE_EXHAUSTED,
    'subscription.limit.exceeded',
    'You have exceeded the event delivery limit for your org',
  );

/** One Subscribe call: the first request fixes topic and position, every request adds credit. */
export class Subscription {
  readonly #call: Stream;
  readonly #rpcId: string;
  readonly #context: SubscriptionContext;
  #topicName: string | undefined;
  #entity: string | undefined;
  #cursor: Cursor = 0n;
  #credit = 0;
  #over = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(call: Stream, rpcId: string, context: SubscriptionContext) {
    this.#call = call;
    this.#rpcId = rpcId;
    this.#context = context;
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

  stop(): void {
    this.#end(() => undefined);
  }

  fail(error: unknown): void {
    this.#end(() => this.#call.emit('error', grpcError(error, this.#rpcId)));
  }

  pump(): void {
    const { model, now } = this.#context;
    const { bus } = model;
    while (!this.#over && this.#topicName !== undefined && this.#credit > 0) {
      const left = model.deliveriesLeft(now());
      const limit = Math.min(this.#credit, Math.max(left, 1), 1 + this.#context.random.int(maxCredit));
      const wants = (entity: string) => this.#entity === undefined || entity === this.#entity;
      const { events, cursor } = bus.read(this.#cursor, wants, limit, now());
      const last = events.at(-1);
      if (last !== undefined && left === 0) return this.fail(usedUp());
      this.#cursor = cursor;
      if (last === undefined) return;
      this.#credit -= events.length;
      this.#context.counts.delivered += events.length;
      model.countDeliveries(now(), events.length);
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
      this.#entity = this.#context.topic(topicName).entity;
      if (replayPreset === 'CUSTOM' && replayId.length === 0) {
        throw invalid('subscription.fetch.replayid.validation.failed', 'a replay id is needed with CUSTOM');
      }
      const cursor = this.#context.model.bus.open(replayPreset, replayId, this.#context.now());
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
        ? setTimeout(() => this.#keepAlive(), this.#context.keepaliveMs)
        : setTimeout(() => this.#end(() => this.#call.end()), this.#context.idleCloseMs);
  }

  #keepAlive(): void {
    this.#context.counts.keepalives += 1;
    this.#respond([], this.#context.model.bus.tip(this.#context.now()));
  }

  #end(say: () => void): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    say();
    this.#context.onOver(this);
  }
}
