/** Raw records of every platform into changes. A new platform is its line in `platforms`. */
import { TributaryError } from '../../core/errors.ts';
import type { Outcome, PipeRecord } from '../../core/pipe.ts';
import type { TopicName } from '../../schemas/topics.ts';
import type { Change, RawRecord, Source, SourceMark } from '../../schemas/types.ts';
import { decodeIntercom } from './intercom.ts';
import { decodeSalesforce, multiSelectHeader } from './salesforce.ts';

type Decoder = (record: PipeRecord, source: Source) => readonly Change[];

const platforms: Partial<Record<TopicName, Decoder>> = {
  'salesforce.raw': salesforce,
  'intercom.raw': (record, source) => decodeIntercom(ours(record), source),
};

export function decodeStep(record: PipeRecord): Outcome {
  const { topic, partition, offset } = record;
  const decode = platforms[topic];
  if (decode === undefined) throw new TributaryError('INTERNAL', `nothing decodes ${topic}`);
  const changes = decode(record, { topic, partition, offset, index: 0 });
  return { emit: changes.map((change) => ({ topic: 'changes', key: keyOf(change), schema: 'Change', value: change })) };
}

/** Marks are not about a record; they share a key of their own. */
const keyOf = ({ observation, mark }: Change): string => observation?.ref ?? `mark:${mark?.platform ?? ''}`;

function salesforce(record: PipeRecord, source: Source): readonly Change[] {
  if (record.definition !== null) {
    return decodeSalesforce({ form: 'event', schema: record.definition, value: record.value }, source);
  }
  const raw = ours(record);
  if (raw.schema === 'SourceMark') return decodeSalesforce({ form: 'mark', value: raw.value }, source);
  const names = record.headers[multiSelectHeader]?.toString() ?? '';
  return decodeSalesforce({ form: 'row', value: raw.value, multiSelects: names.split(',') }, source);
}

type Ours =
  | { readonly schema: 'RawRecord'; readonly value: RawRecord }
  | { readonly schema: 'SourceMark'; readonly value: SourceMark };

function ours({ schema, value, definition, topic }: PipeRecord): Ours {
  if (definition === null && schema === 'RawRecord') return { schema, value: value as RawRecord };
  if (definition === null && schema === 'SourceMark') return { schema, value: value as SourceMark };
  throw new TributaryError('PAYLOAD_UNDECODABLE', `a ${schema} has no place in ${topic}`);
}
