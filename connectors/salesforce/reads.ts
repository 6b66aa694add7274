/**
 * Rows over REST: any slice of an object, page by page. Paging is by keyset, a condition on the last row's own values,
 * not by the platform's cursors: those die after a while, and a slice must be resumable days later by any pod.
 */
import type { BudgetLane } from '../../core/budget.ts';
import { TributaryError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { type DescribedField, fieldsOf } from './client.ts';
import type { SalesforceRest } from './rest.ts';
import { all, among, any, type Condition, compare, soql } from './soql.ts';

/** What describe says of an object, as far as reading it goes. */
export interface ObjectShape {
  readonly object: string;
  /** Every field that a row holds, those first that must be read. */
  readonly fields: readonly string[];
  readonly multiSelects: readonly string[];
  /** Rows can be in the Recycle Bin. */
  readonly deletable: boolean;
}

export interface Row {
  readonly id: string;
  readonly deleted: boolean;
  /** Null: there is no such row, not even in the Recycle Bin. */
  readonly body: Readonly<Record<string, unknown>> | null;
}

export interface Page {
  readonly rows: readonly Row[];
  /** The platform's clock when it was asked, from below, ms. */
  readonly at: number;
}

/** What became of a record, and when; a cut list must not cut these. */
const fateFields = ['Id', 'SystemModstamp', 'IsDeleted', 'MasterRecordId', 'IsConverted', 'ConvertedContactId'];
/** URI and headers together may take 16,384 bytes. */
const mostFieldText = 8_000;
const pageSize = 2_000;
const mostIds = 100;

export async function describe(
  rest: SalesforceRest,
  object: string,
): Promise<{
  readonly described: ReadonlyMap<string, DescribedField>;
  readonly shape: (first: readonly string[]) => ObjectShape;
}> {
  const described = await fieldsOf(rest, object);
  return {
    described,
    shape: (first) => ({
      object,
      fields: bounded(
        [...new Set([...fateFields, ...first, ...described.keys()])].filter((name) => described.has(name)),
      ),
      multiSelects: [...described.values()].filter(({ type }) => type === 'multipicklist').map(({ name }) => name),
      deletable: described.has('IsDeleted'),
    }),
  };
}

function bounded(fields: readonly string[]): readonly string[] {
  let length = 0;
  return fields.filter((name) => (length += name.length + 6) <= mostFieldText);
}

interface QueryResult {
  readonly done: boolean;
  readonly rows: readonly Row[];
  /** The platform's clock when it was asked, from below, ms. */
  readonly at: number;
}

interface Slice {
  readonly shape: ObjectShape;
  readonly where: (last: Row | undefined) => Condition | undefined;
  readonly orderBy: readonly string[];
  /** With rows in the Recycle Bin. */
  readonly deletedToo: boolean;
}

/** Rows in the order of their ids, after one of them. */
export const byId = (shape: ObjectShape, after: string): Slice => ({
  shape,
  where: (last) => {
    const id = last?.id ?? after;
    return id === '' ? undefined : compare('Id', '>', id);
  },
  orderBy: ['Id'],
  deletedToo: false,
});

/** Rows modified since a moment, deletions among them, after one of them. */
export const modifiedSince = (
  shape: ObjectShape,
  since: number,
  after: { readonly id: string; readonly modified: number } | null,
): Slice => ({
  shape,
  where: (last) => {
    const place = last === undefined ? after : { id: last.id, modified: modifiedAt(last) };
    if (place === null) return since <= 0 ? undefined : compare('SystemModstamp', '>=', new Date(since));
    const at = new Date(place.modified);
    return any(
      compare('SystemModstamp', '>', at),
      all(compare('SystemModstamp', '=', at), compare('Id', '>', place.id)),
    );
  },
  orderBy: ['SystemModstamp', 'Id'],
  deletedToo: shape.deletable,
});

export async function* pages(rest: SalesforceRest, slice: Slice): AsyncGenerator<Page> {
  let last: Row | undefined;
  for (;;) {
    const answer = await query(rest, 'bulk', slice.deletedToo, {
      fields: slice.shape.fields,
      from: slice.shape.object,
      where: slice.where(last),
      orderBy: slice.orderBy,
      limit: pageSize,
    });
    const { rows, done, at } = answer;
    // An empty one too: it says until when there was nothing.
    yield { rows, at };
    last = rows.at(-1);
    // The platform may hand out fewer rows than asked where rows are wide, and says then that it is not done.
    if (last === undefined || (done && rows.length < pageSize)) return;
  }
}

/**
 * The rows of these ids, for people wait for them, from the Recycle Bin too: only there stands into which record another
 * one was merged. An id without a row is given as deleted: it was seen, and is not there any more.
 */
export async function* byIds(rest: SalesforceRest, shape: ObjectShape, ids: readonly string[]): AsyncGenerator<Page> {
  for (let from = 0; from < ids.length; from += mostIds) {
    const some = ids.slice(from, from + mostIds);
    const { rows, at } = await query(rest, 'live', shape.deletable, {
      fields: shape.fields,
      from: shape.object,
      where: among('Id', some),
    });
    const found = new Map(rows.map((row) => [row.id, row]));
    yield { at, rows: some.map((id) => found.get(id) ?? { id, deleted: true, body: null }) };
  }
}

/** A query that is answered with no list of rows must not read as one that found none: what is not there is deleted. */
async function query(
  rest: SalesforceRest,
  lane: BudgetLane,
  deletedToo: boolean,
  parts: Parameters<typeof soql>[0],
): Promise<QueryResult> {
  const path = `/${deletedToo ? 'queryAll' : 'query'}?q=${encodeURIComponent(soql(parts))}`;
  const { body, at } = await rest.call({ method: 'GET', path, lane });
  if (!isRecord(body) || !Array.isArray(body['records']) || typeof body['done'] !== 'boolean')
    throw new TributaryError('PLATFORM_NONSENSE', 'Salesforce: a query was answered without its rows');
  return { rows: body['records'].map(rowOf), done: body['done'], at };
}

function rowOf(body: unknown): Row {
  const id = isRecord(body) ? body['Id'] : undefined;
  if (!isRecord(body) || typeof id !== 'string' || id === '')
    throw new TributaryError('PLATFORM_NONSENSE', 'Salesforce: a row came without its Id');
  return { id, deleted: body['IsDeleted'] === true, body };
}

/** SystemModstamp, ms. */
export function modifiedAt({ body }: Row): number {
  const at = Date.parse(String(body?.['SystemModstamp']).replace(/\+0000$/, 'Z'));
  if (Number.isNaN(at)) {
    throw new TributaryError('PLATFORM_NONSENSE', 'Salesforce: a row came without its SystemModstamp');
  }
  return at;
}
