import avsc from 'avsc';
import { seededRandom } from '../../twins/common/random.ts';
import type { BusEvent } from '../../twins/salesforce/bus.ts';
import type { Dml, RowResult } from '../../twins/salesforce/dml.ts';
import { type Caller, type ModelOptions, SalesforceModel } from '../../twins/salesforce/model.ts';

export const start = Date.parse('2026-03-04T09:15:22.250Z');
export const origin = 'com/salesforce/api/rest/67.0;client=test';

export interface ChangeEventHeader {
  readonly entityName: string;
  readonly recordIds: readonly string[];
  readonly changeType: string;
  readonly changeOrigin: string;
  readonly transactionKey: string;
  readonly sequenceNumber: number;
  readonly commitTimestamp: bigint;
  readonly commitNumber: bigint;
  readonly commitUser: string;
  readonly nulledFields: readonly string[];
  readonly diffFields: readonly string[];
  readonly changedFields: readonly string[];
}
export type ChangeEvent = Readonly<Record<string, unknown>> & { readonly ChangeEventHeader: ChangeEventHeader };

export function makeModel(options: Partial<ModelOptions> = {}): { model: SalesforceModel; caller: Caller } {
  const model = new SalesforceModel({ random: seededRandom(7), now: start, ...options });
  return { model, caller: { userId: model.personUserId, changeOrigin: origin } };
}

/** Runs rows one call each and expects every one to be taken. */
export function take(
  { model, caller }: { model: SalesforceModel; caller: Caller },
  now: number,
  ...rows: Dml[]
): string[] {
  return rows.map((row) => idOf(model.execute([row], caller, now)[0]));
}

export function idOf(result: RowResult | undefined): string {
  if (!result?.success) throw new Error(`refused: ${JSON.stringify(result)}`);
  return result.id;
}

export function refusalsOf(result: RowResult | undefined): readonly [code: string, message: string][] {
  if (result === undefined || result.success) throw new Error('a refusal was expected');
  return result.refusals.map(({ code, message }) => [code, message]);
}

const long = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => Number(a - b),
});

/** Reads a payload with nothing but the schema text that GetSchema hands out. */
export function decode(schemaJson: string, payload: Buffer): ChangeEvent {
  const type = avsc.Type.forSchema(JSON.parse(schemaJson) as avsc.Schema, { wrapUnions: 'never', registry: { long } });
  return type.fromBuffer(payload) as ChangeEvent;
}

interface AvroField {
  readonly name: string;
  readonly type: unknown;
}
interface AvroRecord {
  readonly name: string;
  readonly type: 'record';
  readonly fields: readonly AvroField[];
}
const isRecord = (type: unknown): type is AvroRecord =>
  typeof type === 'object' && type !== null && (type as { type?: unknown }).type === 'record';

/** Bitmaps to names, from the schema text alone and bit by bit over the hex digits: shares nothing with the encoder. */
export function namesIn(schemaJson: string, bitmaps: readonly string[]): string[] {
  const { fields } = JSON.parse(schemaJson) as AvroRecord;
  const records = new Map<string, AvroRecord>();
  const recordOf = ({ type }: AvroField): AvroRecord | undefined => {
    for (const branch of [type].flat()) {
      if (isRecord(branch)) records.set(branch.name, branch);
      const named = isRecord(branch) ? branch : records.get(String(branch));
      if (named) return named;
    }
    return undefined;
  };
  const byField = fields.map((field) => ({ field, record: recordOf(field) }));
  return bitmaps.flatMap((bitmap) => {
    const [, position, hex = ''] = /^(?:(\d+)-)?0x((?:[0-9A-F]{2})+)$/.exec(bitmap) ?? [];
    const parent = position === undefined ? undefined : byField[Number(position)];
    const candidates = parent ? (parent.record?.fields ?? []) : fields;
    return bitsOf(hex).map((bit) => `${parent ? `${parent.field.name}.` : ''}${candidates[bit]?.name ?? `?${bit}`}`);
  });
}

function bitsOf(hex: string): number[] {
  const digits = hex.split('').reverse();
  return digits.flatMap((digit, nibble) =>
    [0, 1, 2, 3].filter((bit) => (Number.parseInt(digit, 16) >> bit) % 2 === 1).map((bit) => nibble * 4 + bit),
  );
}

/** Everything on the bus, decoded as a client would. */
export function eventsOf(
  model: SalesforceModel,
  now: number,
): (BusEvent & { readonly value: ChangeEvent; readonly json: string })[] {
  const { events } = model.bus.read(0n, () => true, Number.POSITIVE_INFINITY, now);
  return events.map((event) => {
    const json = model.schema(event.schemaId)?.json ?? '';
    return { ...event, json, value: decode(json, event.payload) };
  });
}
