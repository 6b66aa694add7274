/** Records as a person needs them. Pure: what was read comes in, text or plain data goes out. */
import { stringify } from 'yaml';
import type { Codec } from '../core/codec.ts';
import { describeError } from '../core/errors.ts';
import type { InRecord } from '../core/kafka.ts';
import { type PresentedEvent, presentChangeEvent } from '../processors/decode/salesforce.ts';
import { json } from './output.ts';

/** One record of a topic with its value decoded, in the order in which it is printed. */
export interface Shown {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Append time of the log, ISO. */
  readonly time: string;
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Record schema; null for a tombstone or bytes that do not decode. */
  readonly schema: string | null;
  /** A Salesforce event shows header, changed, nulled, diff and values instead of one value. */
  readonly event?: PresentedEvent;
  readonly value?: unknown;
  /** Why the bytes could not be read; `value` is their JSON, if they are that (a notification), else base64. */
  readonly error?: string;
}

/** `codec.prepare` has loaded the schemas. One record that cannot be read is shown as such; the tail goes on. */
export function showRecord(record: InRecord, codec: Codec): Shown {
  const { topic, partition, offset, value } = record;
  const headers = Object.fromEntries(Object.entries(record.headers).map(([name, bytes]) => [name, readable(bytes)]));
  const key = record.key === null ? null : readable(record.key);
  const place = { topic, partition, offset, time: new Date(record.time).toISOString(), key, headers };
  if (value === null) return { ...place, schema: null, value: null };
  try {
    const decoded = codec.decode(value);
    const { schema, definition } = decoded;
    if (definition === null) return { ...place, schema, value: readBody(decoded.value) };
    return { ...place, schema, event: presentChangeEvent(JSON.stringify(definition), value.subarray(framing)) };
  } catch (error) {
    return { ...place, schema: null, error: describeError(error), value: readJson(value) ?? value.toString('base64') };
  }
}

/** Magic byte and registry id. */
const framing = 5;

/** The body of a RawRecord is the platform's own JSON: shown as that, not as bytes. */
function readBody(value: object): object {
  const { body } = value as { body?: unknown };
  const read = Buffer.isBuffer(body) ? readJson(body) : undefined;
  return read === undefined ? value : { ...value, body: read };
}

function readJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

/** Replay ids and foreign keys are bytes; ours are text. */
const readable = (bytes: Buffer): string => {
  const text = bytes.toString();
  return /^[\x20-\x7e\u00a0-\uffff]*$/.test(text) && !text.includes('\ufffd')
    ? text
    : `base64:${bytes.toString('base64')}`;
};

/** One JSON object per line; the parts of a Salesforce event stand beside the record's own. */
export function shownJson(shown: Shown): string {
  const { event, ...rest } = shown;
  return json({ ...rest, ...event });
}

export function shownText(shown: Shown): string {
  const { time, topic, partition, offset, key, schema, event, value, error, headers } = shown;
  const title = `${time.replace('T', ' ').replace('Z', '')}  ${topic}/${partition}@${offset}  ${schema ?? (value === null ? 'tombstone' : 'undecodable')}  ${key ?? ''}`;
  const extra = Object.entries(headers)
    .map(([name, text]) => indent(`${name}: ${shortened(text)}`))
    .join('');
  const body =
    event !== undefined
      ? indent(changeEventText(event))
      : value === null
        ? ''
        : block(error === undefined ? value : { error, value });
  return `${title.trimEnd()}\n${extra}${body}`.trimEnd();
}

/** Of a Change only the parts that are set; further in, null is something that was said. */
function block(value: unknown): string {
  const plain = JSON.parse(json(value)) as object;
  const set = Object.fromEntries(Object.entries(plain).filter(([, part]) => part !== null));
  return indent(stringify(set, { lineWidth: 0 }).trimEnd());
}

const shortened = (text: string): string => (text.length > 100 ? `${text.slice(0, 97)}…` : text);

/** What connectors, sinks and the clock say every second, whether anything happened or not. */
export function isPulse({ schema, value }: Shown): boolean {
  const { kind } = (value ?? {}) as { kind?: unknown };
  if (schema === 'SourceMark') return kind === 'mark';
  return schema === 'Change' && (kind === 'tick' || kind === 'mark' || kind === 'epoch');
}

const indent = (text: string): string => `${text.replaceAll(/^/gm, '  ')}\n`;

export function changeEventText({ header, changed, nulled, diff, values }: PresentedEvent): string {
  const lines = [
    `${header.changeType} ${header.entityName} ${header.recordIds.join(' ')}`,
    `committed ${new Date(header.commitTimestamp).toISOString()} by ${header.commitUser}, number ${header.commitNumber}`,
    `origin    ${header.changeOrigin === '' ? '-' : header.changeOrigin}, transaction ${header.transactionKey} #${header.sequenceNumber}`,
    ...[{ changed }, { nulled }, { diff }].flatMap((part) =>
      Object.entries(part)
        .filter(([, names]) => names.length > 0)
        .map(([name, names]) => `${name.padEnd(10)}${names.join(', ')}`),
    ),
  ];
  const names = Object.entries(values);
  const width = Math.max(0, ...names.map(([name]) => name.length));
  lines.push(
    ...names.map(([name, value]) => `  ${name.padEnd(width)}  ${typeof value === 'string' ? value : json(value)}`),
  );
  return lines.join('\n');
}
