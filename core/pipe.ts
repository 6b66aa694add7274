/**
 * The loop of stateless stages, at least once: what a batch leads to is acknowledged by Kafka before its position moves.
 * The step is pure; everything that touches the world is here.
 */
import type { Logger } from 'pino';
import type { TopicName } from '../schemas/topics.ts';
import type { Codec, Decoded } from './codec.ts';
import { createRejectGuard, type DeadLetterStage, deadLetter } from './dead-letter.ts';
import { TributaryError } from './errors.ts';
import { place } from './kafka/batching.ts';
import type { InBatch, InRecord, KafkaAccess, OutRecord } from './kafka.ts';
import { metrics } from './metrics.ts';

/** A record of the input with its value decoded. */
export type PipeRecord = Omit<InRecord, 'value'> & Decoded;

export interface OutValue {
  readonly topic: TopicName;
  readonly key: string;
  /** Record schema of the value. */
  readonly schema: string;
  readonly value: object;
  readonly partition?: number;
}

export type Outcome =
  | { readonly emit: readonly OutValue[] }
  /** Exact noise, by intention; the reason is a label of a metric, so of a small closed set. */
  | { readonly drop: string }
  | { readonly reject: TributaryError };

/** Pure. Whatever it throws rejects the record. */
export type Step = (record: PipeRecord) => Outcome;

export interface PipeOptions {
  readonly kafka: KafkaAccess;
  readonly codec: Codec;
  readonly group: string;
  readonly input: readonly TopicName[];
  readonly stage: DeadLetterStage;
  readonly step: Step;
  readonly signal: AbortSignal;
  readonly ready: (state: boolean, why: string) => void;
  readonly log: Logger;
}

export async function runPipe(options: PipeOptions): Promise<void> {
  const { kafka, codec, group, input, stage, step, signal, ready, log } = options;
  const producer = await kafka.producer(signal).catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  if (producer === undefined) return;
  const guard = createRejectGuard();

  async function handle(batch: InBatch): Promise<void> {
    await codec.prepare(batch.records.map(({ value }) => value));
    const done = batch.records.map((record) => decide(codec, stage, step, record));
    guard(
      stage,
      done.map(({ rejected }) => rejected),
    );
    if (batch.signal.aborted) return;
    await producer?.send(done.flatMap(({ out }) => out));
    const last = batch.records.at(-1);
    if (last !== undefined) batch.commit(last.offset + 1);
    for (const { record, rejected, dropped } of done) {
      const outcome = rejected !== undefined ? 'rejected' : dropped !== undefined ? 'dropped' : 'emitted';
      metrics.records.inc({ stage, outcome });
      if (dropped !== undefined) metrics.drops.inc({ stage, reason: dropped });
      if (rejected === undefined) continue;
      const { topic, partition, offset } = record;
      metrics.deadLetters.inc({ stage, code: rejected.code });
      log.warn({ code: rejected.code, topic, partition, offset }, 'a record went to the dead letters');
    }
  }

  try {
    await kafka.consume({ group, topics: input, signal, ready, handle });
  } finally {
    await producer.close();
  }
}

export interface Decision {
  readonly record: InRecord;
  readonly out: readonly OutRecord[];
  readonly rejected?: TributaryError;
  readonly dropped?: string;
}

/** @throws TributaryError of any verdict but `reject`: not the record's fault, so it is not the record that has to go */
export function decide(
  codec: Pick<Codec, 'encode' | 'decode'>,
  stage: DeadLetterStage,
  step: Step,
  record: InRecord,
): Decision {
  const { value, ...rest } = record;
  if (value === null) return { record, out: [], dropped: 'tombstone' };
  try {
    const outcome = step({ ...rest, ...codec.decode(value) });
    if ('drop' in outcome) return { record, out: [], dropped: outcome.drop };
    if ('reject' in outcome) throw outcome.reject;
    const out = outcome.emit.map(({ topic, key, schema, value: emitted, partition }) => ({
      topic,
      key,
      value: codec.encode(topic, schema, emitted),
      ...(partition !== undefined && { partition }),
    }));
    // Refused here, it is this record's rejection; refused by the producer, it would end the stage on every try.
    for (const each of out) place(each);
    return { record, out };
  } catch (error) {
    const rejected = TributaryError.from(error, 'RECORD_POISON');
    if (rejected.verdict !== 'reject') throw rejected;
    return { record, out: [deadLetter({ codec, stage, record, error: rejected })], rejected };
  }
}
