/**
 * What stands in `salesforce.raw`, as changes.
 *
 * event: a change event, Salesforce's own Avro. row: a record read over REST. mark: our connector's own word.
 * Events and rows of one record must compare equal field by field, or every snapshot would look like edits: both are
 * given in REST spelling with the value types of schemas/types.ts.
 */
import { TributaryError } from '../../core/errors.ts';
import { foreignType } from '../../core/foreign-avro.ts';
import { changeOf } from '../../schemas/change.ts';
import type { Change, Mark, Observation, RawRecord, Source, SourceMark, Value } from '../../schemas/types.ts';
import {
  allLeaves,
  type EventSchema,
  eventSchema,
  expandBitmaps,
  type Leaf,
  multiSelect,
} from './salesforce-schema.ts';
import { parseDateTime } from './time.ts';

/** Name of the header that a row carries with its multi-select fields: JSON spells them as text like any other. */
export const multiSelectHeader = 'multi-select';

export type SalesforceRaw =
  | { readonly form: 'event'; readonly schema: object; readonly value: unknown }
  | { readonly form: 'row'; readonly value: RawRecord; readonly multiSelects: readonly string[] }
  | { readonly form: 'mark'; readonly value: SourceMark };

/** @throws TributaryError PAYLOAD_UNDECODABLE */
export function decodeSalesforce(raw: SalesforceRaw, source: Source): readonly Change[] {
  switch (raw.form) {
    case 'event':
      return decodeEvent(eventSchema(raw.schema), raw.value, source);
    case 'row':
      return [observed(source, observeRow(raw.value, raw.multiSelects))];
    case 'mark':
      return [marked(source, raw.value)];
  }
}

const observed = (source: Source, observation: Observation): Change =>
  changeOf({ kind: 'observation', source, observation });
const marked = (source: Source, mark: Mark): Change =>
  changeOf({
    kind: 'mark',
    source,
    mark: {
      platform: mark.platform,
      kind: mark.kind,
      upTo: mark.upTo,
      detail: mark.detail,
      certificate: mark.certificate ?? null,
    },
  });

export const salesforceRef = (object: string, id: string): string => `salesforce:${object}:${id}`;

export interface ChangeEventHeader {
  readonly entityName: string;
  readonly recordIds: readonly string[];
  readonly changeType: string;
  readonly changeOrigin: string;
  readonly transactionKey: string;
  readonly sequenceNumber: number;
  readonly commitTimestamp: number;
  /** A database number above 2^53: kept as digits where a double would bend it. */
  readonly commitNumber: number | string;
  readonly commitUser: string;
  readonly nulledFields: readonly string[];
  readonly diffFields: readonly string[];
  readonly changedFields: readonly string[];
}

type Body = Readonly<Record<string, unknown>>;

/** @throws TributaryError PAYLOAD_UNDECODABLE */
export function changeEventHeader(value: unknown): ChangeEventHeader {
  const raw = isBody(value) ? value['ChangeEventHeader'] : undefined;
  if (!isBody(raw)) throw new TributaryError('PAYLOAD_UNDECODABLE', 'the change event has no header');
  const text = (name: string): string => (typeof raw[name] === 'string' ? raw[name] : '');
  const texts = (name: string): readonly string[] => (Array.isArray(raw[name]) ? raw[name].map(String) : []);
  const exact = BigInt(integer(raw['commitNumber']));
  const commitNumber = Number(exact);
  return {
    entityName: text('entityName'),
    recordIds: texts('recordIds'),
    changeType: text('changeType'),
    changeOrigin: text('changeOrigin'),
    transactionKey: text('transactionKey'),
    sequenceNumber: Number(integer(raw['sequenceNumber'])),
    commitTimestamp: Number(integer(raw['commitTimestamp'])),
    commitNumber: Number.isSafeInteger(commitNumber) ? commitNumber : String(exact),
    commitUser: text('commitUser'),
    nulledFields: texts('nulledFields'),
    diffFields: texts('diffFields'),
    changedFields: texts('changedFields'),
  };
}

const isBody = (value: unknown): value is Body => typeof value === 'object' && value !== null && !Array.isArray(value);

function integer(value: unknown): number | bigint {
  if (typeof value === 'bigint' || Number.isInteger(value)) return value as number | bigint;
  throw new TributaryError('PAYLOAD_UNDECODABLE', 'a number of the change event header is missing');
}

/** `com/salesforce/api/soap/67.0;client=SfdcInternalAPI/` → `SfdcInternalAPI`; the trailing slash comes and goes. */
export function clientOf(changeOrigin: string): string | null {
  const at = changeOrigin.indexOf(';');
  const rest = at < 0 ? '' : changeOrigin.slice(at + 1);
  if (!rest.startsWith('client=')) return null;
  return rest.slice('client='.length).replace(/\/$/, '') || null;
}

/** An id that names no record: `001*` after a lossy type conversion, the dummy of an overflow. */
export const isRecordId = (id: string): boolean => /^[A-Za-z0-9]{18}$/.test(id) && !id.startsWith('000000000000000');

/** What a hole is called, the same when it opens (here) and when it closes (the connector). */
export const holeOf = (header: ChangeEventHeader): string =>
  `${header.entityName} ${header.changeType} ${header.transactionKey}/${header.sequenceNumber}`;

/**
 * Bits of changed fields that the event's schema does not reach: something changed that cannot be named, and the record
 * has to be read again.
 */
export function unreachedBits(schema: EventSchema, header: ChangeEventHeader): number {
  const lists = [header.changedFields, header.nulledFields, header.diffFields];
  return lists.reduce((sum, bitmaps) => sum + expandBitmaps(schema, bitmaps, {}).outOfRange, 0);
}

/** A conversion without the Contact that came of it: a user who may not see that field is not told it. */
export const hidesConversion = (header: ChangeEventHeader, value: unknown): boolean =>
  isBody(value) && isConverted(header.entityName, value) && survivorOf(header.entityName, value) === null;

const isConverted = (object: string, record: Body): boolean => object === 'Lead' && record['IsConverted'] === true;

/**
 * The record that this one lives on as. A conversion tells it in the Lead itself, in its change event too
 * (`ConvertedContactId`); a merge only in the deleted row (`MasterRecordId`), which no event carries.
 */
function survivorOf(object: string, record: Body): string | null {
  const [survivor, id] = isConverted(object, record)
    ? ['Contact', record['ConvertedContactId']]
    : [object, record['IsDeleted'] === true ? record['MasterRecordId'] : null];
  return typeof id === 'string' && isRecordId(id) ? salesforceRef(survivor, id) : null;
}

function decodeEvent(schema: EventSchema, value: unknown, source: Source): readonly Change[] {
  const header = changeEventHeader(value);
  const base = {
    ...toldBy(schema, header, value as Body),
    via: 'event',
    modified: null,
    origin: clientOf(header.changeOrigin),
    by: header.commitUser || null,
    transaction: header.transactionKey || null,
  } as const;
  return header.recordIds.map((id, index) => {
    const from = { ...source, index };
    if (!isRecordId(id)) {
      return marked(from, {
        platform: 'salesforce',
        kind: 'holeOpen',
        upTo: header.commitTimestamp,
        detail: holeOf(header),
      });
    }
    // One event never names a record twice, so only its place among other events of that record matters.
    const seq = source.offset * 1024 + Math.min(index, 1023);
    const at = { time: header.commitTimestamp, seq, second: true };
    return observed(from, { ...base, ref: salesforceRef(header.entityName, id), at });
  });
}

type Told = Pick<Observation, 'op' | 'whole' | 'created' | 'fields' | 'unknown' | 'into'>;
const bare = { whole: false, created: false, fields: {}, unknown: [], into: null } as const;

/** Of a converted Lead nothing counts any more but where it lives on; its row will tell, where the event does not. */
function toldBy(schema: EventSchema, header: ChangeEventHeader, body: Body): Told {
  if (!isConverted(header.entityName, body)) return valuesToldBy(schema, header, body);
  const into = survivorOf(header.entityName, body);
  return into === null ? { ...bare, op: 'gap' } : { ...bare, op: 'moved', into };
}

function valuesToldBy(schema: EventSchema, header: ChangeEventHeader, body: Body): Told {
  switch (header.changeType) {
    case 'CREATE':
    case 'UNDELETE': {
      const leaves = allLeaves(schema, body);
      // An undelete was once seen with an empty body: that tells nothing, least of all that every field is empty.
      const whole = leaves.some((leaf) => leaf.read(body) !== null);
      const created = header.changeType === 'CREATE';
      const op = created ? 'seen' : 'undeleted';
      return { ...bare, op, whole, created, fields: whole ? wholeFields(leaves, body) : {} };
    }
    case 'UPDATE': {
      const changed = expandBitmaps(schema, header.changedFields, body);
      const nulled = expandBitmaps(schema, header.nulledFields, body);
      const diff = expandBitmaps(schema, header.diffFields, body);
      const untold = new Set(diff.leaves);
      const fields: Record<string, Value> = {};
      for (const leaf of changed.leaves) if (!untold.has(leaf)) fields[leaf.name] = leaf.read(body);
      for (const leaf of nulled.leaves) fields[leaf.name] = null;
      const unknown = diff.leaves.map((leaf) => leaf.name);
      return { ...bare, op: 'seen', fields, unknown };
    }
    case 'DELETE':
    case 'GAP_DELETE':
      return { ...bare, op: 'deleted' };
    case 'GAP_CREATE':
    case 'GAP_UPDATE':
    case 'GAP_UNDELETE':
    case 'GAP_OVERFLOW':
      return { ...bare, op: 'gap' };
    default:
      throw new TributaryError('PAYLOAD_UNDECODABLE', `change type ${JSON.stringify(header.changeType)} is not known`);
  }
}

/** A checkbox is never empty; the platform leaves an unticked one out of whole records. */
function wholeFields(leaves: readonly Leaf[], body: Body): Record<string, Value> {
  const fields: Record<string, Value> = {};
  for (const leaf of leaves) fields[leaf.name] = leaf.read(body) ?? (leaf.boolean ? false : null);
  return fields;
}

function observeRow(row: RawRecord, multiSelects: readonly string[]): Observation {
  // Gone without a trace is told without a body; gone with one tells where it went.
  const body = row.deleted && row.body.length === 0 ? {} : parseRow(row.body);
  const { object, recordId, deleted, takenAt } = row;
  return observeSalesforceRow({ object, id: recordId, body, deleted }, { via: 'read', at: takenAt, multiSelects });
}

/** A record as REST tells it. */
export interface ToldRow {
  readonly object: string;
  readonly id: string;
  readonly body: Body;
  readonly deleted: boolean;
}

/**
 * What a row says: of a record that is there (`seen`), that lives on as another one (`moved`), or that is gone (`deleted`).
 * @param taken `at`: the platform's clock when it was asked for, ms. Its place within that second is not known, even where the
 * row was last changed before: SystemModstamp is of before the commit, by as much as a transaction lasts.
 */
export function observeSalesforceRow(
  row: ToldRow,
  taken: { readonly via: 'read' | 'answer'; readonly at: number; readonly multiSelects: readonly string[] },
): Observation {
  const stamp = row.body['SystemModstamp'];
  const modified = typeof stamp === 'string' ? (parseDateTime(stamp) ?? null) : null;
  return {
    ...toldByRow(row, taken.multiSelects),
    ref: salesforceRef(row.object, row.id),
    via: taken.via,
    at: { time: taken.at, seq: -1, second: true },
    modified,
    origin: null,
    by: null,
    transaction: null,
  };
}

function toldByRow({ object, body, deleted }: ToldRow, multiSelects: readonly string[]): Told {
  const into = survivorOf(object, body);
  if (into !== null) return { ...bare, op: 'moved', into };
  // Converted to a Contact that is gone or hidden, a Lead is read-only: nothing will ever be kept in step with it.
  if (deleted || isConverted(object, body)) return { ...bare, op: 'deleted' };
  return { ...bare, op: 'seen', whole: true, fields: rowFields(body, multiSelects) };
}

/** A REST row's values in the spelling of observations. */
export function rowFields(row: Body, multiSelects: readonly string[]): Record<string, Value> {
  const sets = new Set(multiSelects);
  const fields: Record<string, Value> = {};
  for (const [name, value] of Object.entries(row)) {
    // A person's Name is put together from its parts, which events tell instead of it.
    if (name === 'Name' && typeof row['LastName'] === 'string') continue;
    if (typeof value === 'string') fields[name] = sets.has(name) ? multiSelect(value) : value;
    else if (value === null || typeof value === 'number' || typeof value === 'boolean') fields[name] = value;
    // What is left is `attributes`, parents asked for with the row, and compounds whose parts stand beside them.
  }
  return fields;
}

function parseRow(bytes: Buffer): Body {
  let row: unknown;
  try {
    row = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new TributaryError('PAYLOAD_UNDECODABLE', 'the row is not JSON', { cause: error });
  }
  if (!isBody(row)) throw new TributaryError('PAYLOAD_UNDECODABLE', 'the row is not a JSON object');
  return row;
}

export interface PresentedEvent {
  readonly header: ChangeEventHeader;
  /** Field names as Salesforce spells them, parts as `Name.FirstName`. */
  readonly changed: readonly string[];
  readonly nulled: readonly string[];
  readonly diff: readonly string[];
  /** Only what holds a value. */
  readonly values: Readonly<Record<string, Value>>;
}

/** A change event as a person needs it. @throws TributaryError PAYLOAD_UNDECODABLE */
export function presentChangeEvent(schemaJson: string, payload: Buffer): PresentedEvent {
  const { schema, body } = readPayload(schemaJson, payload);
  const header = changeEventHeader(body);
  const paths = (bitmaps: readonly string[]): readonly string[] =>
    expandBitmaps(schema, bitmaps, body).leaves.map((leaf) => leaf.path);
  const values: Record<string, Value> = {};
  for (const leaf of allLeaves(schema, body)) {
    const value = leaf.read(body);
    if (value !== null) values[leaf.path] = value;
  }
  return {
    header,
    changed: paths(header.changedFields),
    nulled: paths(header.nulledFields),
    diff: paths(header.diffFields),
    values,
  };
}

function readPayload(schemaJson: string, payload: Buffer): { schema: EventSchema; body: Body } {
  try {
    const json = JSON.parse(schemaJson) as object;
    return { schema: eventSchema(json), body: foreignType(json).fromBuffer(payload) as Body };
  } catch (error) {
    throw TributaryError.from(error, 'PAYLOAD_UNDECODABLE');
  }
}
