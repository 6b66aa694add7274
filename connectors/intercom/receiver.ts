/**
 * Receives notifications, in any number of processes at once: the endpoint, what it takes, and the telling of what it did
 * not take. Whoever reads Intercom over REST learns all of it from the raw topic and needs to know no receiver.
 */
import type { Codec } from '../../core/codec.ts';
import type { Config } from '../../core/config.ts';
import type { SafeProducer } from '../../core/kafka.ts';
import type { Logger } from '../../core/log.ts';
import { delay } from '../../core/patience.ts';
import type { PlatformClock } from '../../core/platform-clock.ts';
import { type Endpoint, openEndpoint } from './endpoint.ts';
import { Intake } from './intake.ts';
import type { RawRecords } from './raw-records.ts';
import { type LossNote, margin, standstillMs } from './reconcile-state.ts';
import { adopted, noteOf, refused, told } from './refusals.ts';

const lookMs = 1_000;
/** So long nobody may have had anything to tell. */
const quietMs = 900_000;
/** A look that is later than this was held up: nobody knows yet for how long nobody answered. */
const lateMs = 5_000;

export interface ReceiverOptions {
  readonly intercom: Pick<Config['intercom'], 'webhook' | 'clientSecret'>;
  readonly codec: Pick<Codec, 'encode'>;
  readonly clock: PlatformClock;
  readonly log: Logger;
  /** Monotonic, ms. */
  readonly now: () => number;
}

export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #intake: Intake;
  #endpoint: Endpoint | undefined;
  #lookedAt: number;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#intake = new Intake(options);
    this.#lookedAt = options.now();
  }

  /** Listens; until it is known whose notifications are taken and where they go, they are put off. */
  async listen(): Promise<string> {
    const { intercom, log } = this.#options;
    const { webhook, clientSecret } = intercom;
    // Before the first post: a secret that is missing is said at start.
    const secret = clientSecret.reveal();
    this.#endpoint = await openEndpoint({ webhook, secret, intake: this.#intake, log });
    log.info({ url: this.#endpoint.url }, 'notifications of Intercom are received here');
    return this.#endpoint.url;
  }

  /** Takes notifications, and tells of those not taken, until the signal. */
  async run(raw: RawRecords, producer: SafeProducer, signal: AbortSignal): Promise<void> {
    this.#intake.open(raw, producer);
    const { now, log } = this.#options;
    // Until here everything was put off, and is known.
    this.#lookedAt = now();
    let doubtAt = now() + quietMs;
    while (!signal.aborted) {
      await delay(lookMs, signal);
      const at = now();
      if (at >= doubtAt && !this.#intake.isHeard) {
        doubtAt = Number.POSITIVE_INFINITY;
        log.warn('no webhook has come yet: does the app in the Developer Hub name this address, and is it set live?');
      }
      // Asleep or starved, we answered nobody; a notification that failed is sent once more, after a minute.
      if (at - this.#lookedAt > standstillMs)
        this.#intake.refusals = refused(this.#intake.refusals, this.#lookedAt, at);
      this.#lookedAt = at;
      await this.#tell(raw, producer, at);
      // Kafka was waited for, and what was refused meanwhile is known.
      this.#lookedAt = now();
    }
  }

  /** Notifications are taken here as far as can be seen. */
  get isReceiving(): boolean {
    return this.#intake.refusals === null && this.#options.now() - this.#lookedAt < lateMs;
  }

  /** Goes on telling of what another one told of: it may have ended while the platform still holds notifications back. */
  adopt({ since, until }: LossNote): void {
    const now = this.#options.now();
    const at = this.#options.clock.at(now);
    if (at === undefined) return;
    this.#intake.refusals = adopted(this.#intake.refusals, now - (at - since), now - (at - until));
  }

  async close(): Promise<void> {
    await this.#endpoint?.close();
  }

  async #tell(raw: RawRecords, producer: SafeProducer, now: number): Promise<void> {
    const note = noteOf(this.#intake.refusals, now);
    if (note === null) return;
    const { clock, log } = this.#options;
    const [since, until] = [clock.at(note.since), clock.at(note.until)];
    // Without the platform's clock the time cannot be named: it is once the platform answers.
    if (since === undefined || until === undefined) return;
    const loss = { since: Math.floor(since - margin), until: Math.ceil(until), isOver: note.isOver };
    log.warn(loss, 'notifications were put off; what changed is read instead');
    await producer.send([raw.loss(loss)]);
    this.#intake.refusals = told(this.#intake.refusals, note);
  }
}
