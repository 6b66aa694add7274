/**
 * What putting a dead letter back means, by the stage that rejected it. Pure.
 *
 * None of these can pass a newer fact by an older one: an observation has its own position wherever it stands in the log, an
 * action asks for what is wanted now, and results and windows of old do nothing.
 */
import type { Codec } from '../core/codec.ts';
import { TributaryError } from '../core/errors.ts';
import type { InRecord, OutRecord } from '../core/kafka.ts';
import { type Decision, decide } from '../core/pipe.ts';
import { decodeStep } from '../processors/decode/index.ts';
import type { TopicName } from '../schemas/topics.ts';
import type { Command, DeadLetter } from '../schemas/types.ts';
import type { Order } from './act.ts';

export type Redrive =
  | { readonly kind: 'records'; readonly records: readonly OutRecord[] }
  | { readonly kind: 'action'; readonly order: Order }
  | { readonly kind: 'cannot'; readonly why: string };

type Reader = Pick<Codec, 'encode' | 'decode'>;

/** `codec` knows the schema of the original, if anybody does. */
export function redriveOf(letter: DeadLetter, codec: Reader): Redrive {
  if (letter.original === null) return cannot(`it was too large to be kept; it stands in ${placeOf(letter)}`);
  switch (letter.stage) {
    case 'decode':
      return decodedAgain(letter, letter.original, codec);
    case 'unify':
      // As it stood in the log; unify decides it as the record that it is now, at the end.
      return {
        kind: 'records',
        records: [{ topic: 'changes', key: letter.key, value: letter.original }],
      };
    case 'sinks':
      return askedAgain(letter, letter.original, codec);
    default:
      return cannot('it never became a record; what it said comes with the next change, or is read again');
  }
}

const cannot = (why: string): Redrive => ({ kind: 'cannot', why });
export const placeOf = ({ topic, partition, offset }: Omit<DeadLetter, 'original'>): string =>
  `${topic}/${partition}@${offset}`;

/** decode keeps nothing, so that it may be done here: the raw topic, in which a connector has its place, is left alone. */
function decodedAgain(letter: DeadLetter, original: Buffer, codec: Reader): Redrive {
  const record: InRecord = {
    topic: letter.topic as TopicName,
    partition: letter.partition,
    offset: letter.offset,
    time: letter.at,
    key: letter.key,
    value: original,
    headers: letter.headers,
  };
  const decision: Decision = decide(codec, 'decode', decodeStep, record);
  if (decision.rejected !== undefined) return cannot(`it is rejected as before: ${decision.rejected.message}`);
  if (decision.dropped !== undefined) return cannot(`there is nothing in it: ${decision.dropped}`);
  return { kind: 'records', records: decision.out };
}

/** A level and no edge: not the command is repeated, what is wanted now is asked. */
function askedAgain(letter: DeadLetter, original: Buffer, codec: Reader): Redrive {
  if (letter.ref !== '') return { kind: 'action', order: { verb: 'redrive', subject: letter.ref, argument: '' } };
  try {
    const { key } = codec.decode(original).value as Command;
    return { kind: 'action', order: { verb: 'redrive', subject: key, argument: '' } };
  } catch (error) {
    return cannot(`the command cannot be read: ${TributaryError.from(error).message}`);
  }
}
