/** A rejected record with everything needed to understand it and to put it back: nothing is lost, and the rest goes on. */
import type { TopicName } from '../schemas/topics.ts';
import type { DeadLetter } from '../schemas/types.ts';
import type { Codec } from './codec.ts';
import { TributaryError } from './errors.ts';
import { type InRecord, limits, type OutRecord } from './kafka.ts';

type StageOf<T> = T extends `${infer Stage}.dlq` ? Stage : never;
export type DeadLetterStage = StageOf<TopicName>;

export interface Rejection {
  readonly codec: Pick<Codec, 'encode'>;
  readonly stage: DeadLetterStage;
  readonly record: InRecord;
  readonly error: TributaryError;
  /** Ref concerned, where it is known. */
  readonly ref?: string;
  /** Source value of the field refused, as text. */
  readonly value?: string;
}

/** Room for our own words around the original. */
const envelopeBytes = 64 * 1024;

export function deadLetter({ codec, stage, record, error, ref = '', value = '' }: Rejection): OutRecord {
  const { topic, partition, offset, time, key, headers } = record;
  // A record that leaves no room for the envelope stays where it is: its topic keeps it as long as the dead letter.
  const fits = (record.value?.length ?? 0) + (key?.length ?? 0) < limits.recordBytes - envelopeBytes;
  const letter: DeadLetter = {
    stage,
    code: error.code,
    message: error.message,
    fix: error.fix,
    field: error.field ?? '',
    value,
    ref,
    topic,
    partition,
    offset,
    at: time,
    key,
    original: fits ? record.value : null,
    headers,
  };
  const to: TopicName = `${stage}.dlq`;
  return { topic: to, key, value: codec.encode(to, 'DeadLetter', letter) };
}

const guardLimits = { sample: 200, memory: 2_000, share: 0.5 };

/**
 * A wrong schema or version makes every record look bad. Told of each record why it was rejected, if it was; weighs recent
 * records more by halving what it remembers.
 * @throws TributaryError REJECTING: to be asked before anything of the batch is written
 */
export function createRejectGuard(): (stage: string, rejections: readonly (TributaryError | undefined)[]) => void {
  let seen = 0;
  let rejected = 0;
  return (stage, rejections) => {
    for (const rejection of rejections) {
      seen += 1;
      if (rejection !== undefined) rejected += 1;
      if (seen < guardLimits.sample) continue;
      if (rejected > seen * guardLimits.share) {
        throw new TributaryError(
          'REJECTING',
          `${stage} rejected ${rejected} of its last ${seen} records, last: ${rejection?.message ?? ''}`,
        );
      }
      if (seen >= guardLimits.memory) {
        seen /= 2;
        rejected /= 2;
      }
    }
  };
}
