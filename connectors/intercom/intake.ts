/**
 * From a signed notification to Kafka's acknowledgement. What comes within a few milliseconds is written together: a write
 * for each would cost more than all else that is done with it. Nothing is answered with 200 before it is in Kafka, and
 * nothing waits for Kafka longer than Intercom waits for us: then it is refused, and so is everything after it until Kafka
 * has taken what waits.
 *
 * What waited too long stays in the producer's hands and is written once it can be; Intercom sends it again, and what is
 * told twice changes nothing.
 */
import type { Logger } from 'pino';
import type { Codec } from '../../core/codec.ts';
import { deadLetter } from '../../core/dead-letter.ts';
import { TributaryError } from '../../core/errors.ts';
import type { OutRecord, SafeProducer } from '../../core/kafka.ts';
import { metrics } from '../../core/metrics.ts';
import { type RawRecords, topic } from './raw-records.ts';
import { type Refusals, refused, taken } from './refusals.ts';
import { acceptNotification } from './webhook.ts';

const gatherMs = 5;
/** Intercom gives up after five seconds, and would rather have an answer within half a second. */
const answerMs = 3_000;
/** Bodies that are being received or wait for Kafka. */
const roomBytes = 32 * 1024 * 1024;

/** rejected: in the dead letters. busy: to be sent again later. */
export type Taken = 'accepted' | 'rejected' | 'busy';

/** Notifications that are written together. */
interface Batch {
  readonly since: number;
  readonly records: OutRecord[];
  held: number;
  /** False when it took too long, or cannot be written. */
  readonly isWritten: Promise<boolean>;
}

export interface IntakeOptions {
  readonly codec: Pick<Codec, 'encode'>;
  readonly log: Logger;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly answerMs?: number;
  readonly roomBytes?: number;
}

export class Intake {
  /** Of what was not taken; whoever tells of it writes it back. */
  refusals: Refusals | null = null;
  /** A signed notification came, of whatever sort. */
  isHeard = false;
  readonly #options: Required<IntakeOptions>;
  #to: { readonly raw: RawRecords; readonly producer: Pick<SafeProducer, 'send'> } | undefined;
  #held = 0;
  #gathering: Batch | undefined;
  /** That wait for Kafka, the oldest first. */
  readonly #waiting = new Set<Batch>();

  constructor(options: IntakeOptions) {
    this.#options = { answerMs, roomBytes, ...options };
  }

  /** From now on it is known whose notifications are taken, and where they go. */
  open(raw: RawRecords, producer: Pick<SafeProducer, 'send'>): void {
    this.#to = { raw, producer };
  }

  /** Room for so many more bytes; false: there is none. */
  hold(bytes: number): boolean {
    if (this.#held + bytes > this.#options.roomBytes) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }

  refuse(): 'busy' {
    const now = this.#options.now();
    this.refusals = refused(this.refusals, now, now);
    return 'busy';
  }

  /** A notification whose signature holds; its bytes are held, and released here once nothing refers to them. */
  async take(bytes: Buffer): Promise<Taken> {
    this.isHeard = true;
    const to = this.#to;
    if (to === undefined || this.#isStalled()) {
      this.release(bytes.length);
      return this.refuse();
    }
    const [outcome, records] = this.#framed(bytes, to.raw);
    const batch = (this.#gathering ??= this.#gather(to.producer));
    batch.records.push(...records);
    batch.held += bytes.length;
    if (!(await batch.isWritten)) return this.refuse();
    this.refusals = taken(this.refusals, this.#options.now());
    return outcome;
  }

  /** What cannot be made a record of, for whatever reason, comes again and again unless it is kept somewhere. */
  #framed(bytes: Buffer, raw: RawRecords): readonly ['accepted' | 'rejected', readonly OutRecord[]] {
    try {
      const answer = acceptNotification(bytes, raw.workspace);
      if (answer.kind === 'accepted') return ['accepted', raw.notification(answer)];
      return ['rejected', [this.#letter(bytes, answer.error)]];
    } catch (error) {
      return ['rejected', [this.#letter(bytes, TributaryError.from(error, 'RECORD_POISON'))]];
    }
  }

  #isStalled(): boolean {
    const [oldest] = this.#waiting;
    return oldest !== undefined && this.#options.now() - oldest.since >= this.#options.answerMs;
  }

  #gather(producer: Pick<SafeProducer, 'send'>): Batch {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const batch: Batch = { since: this.#options.now(), records: [], held: 0, isWritten: promise };
    this.#waiting.add(batch);
    const late = setTimeout(() => resolve(false), this.#options.answerMs);
    setTimeout(() => {
      this.#gathering = undefined;
      void this.#write(producer, batch).then((isWritten) => {
        clearTimeout(late);
        this.#waiting.delete(batch);
        this.release(batch.held);
        resolve(isWritten);
      });
    }, gatherMs);
    return batch;
  }

  async #write(producer: Pick<SafeProducer, 'send'>, { records }: Batch): Promise<boolean> {
    try {
      await producer.send(records);
      return true;
    } catch (error) {
      const { code, message } = TributaryError.from(error);
      this.#options.log.warn({ code, why: message }, 'notifications could not be written');
      return false;
    }
  }

  #letter(bytes: Buffer, error: TributaryError): OutRecord {
    this.#options.log.warn({ code: error.code, why: error.message }, 'a notification went to the dead letters');
    metrics.deadLetters.inc({ stage: 'connectors', code: error.code });
    // It never got a place in the topic.
    const place = { topic, partition: 0, offset: -1, time: Date.now() } as const;
    const record = { ...place, key: null, value: bytes, headers: {} };
    return deadLetter({ codec: this.#options.codec, stage: 'connectors', error, record });
  }
}
