/**
 * What we ask of Salesforce's REST API, as data, so that whoever decides what to ask can be run without a client; and the
 * one table from each request to its call.
 */

/** A record's fields in REST spelling. */
export type Row = Readonly<Record<string, string | number | boolean | null>>;

export type SalesforceRequest =
  /** `all`: with the rows in the Recycle Bin. Answered with `records`, `done` and, where it is not, `nextRecordsUrl`. */
  | { readonly kind: 'query'; readonly soql: string; readonly all: boolean }
  /** The next page of a query: `nextRecordsUrl` of the one before. */
  | { readonly kind: 'more'; readonly path: string }
  /** Up to 200 rows of one object, each with its `Id`; every row is answered in its place. */
  | { readonly kind: 'update'; readonly object: string; readonly rows: readonly Row[] }
  /** The same for rows found, or else created, by an external id that each of them holds. */
  | {
      readonly kind: 'upsert';
      readonly object: string;
      readonly externalIdField: string;
      readonly rows: readonly Row[];
    }
  /**
   * One row, answered as a call: where a duplicate rule refuses it, that answer names the records it found, which the
   * published example of a row's error does not.
   */
  | { readonly kind: 'upsertOne'; readonly object: string; readonly externalIdField: string; readonly row: Row };

/** Rows that one call of the collections resource takes. */
export const mostRows = 200;

export interface SalesforceCall {
  readonly method: 'GET' | 'PATCH';
  /** `/composite/…` is below the API version; `/services/…` stands as it is. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Assignment rules run on API writes unless told not to, and would give the record another owner. */
const writeHeaders = { 'Sforce-Auto-Assign': 'FALSE' } as const;

export function callOf(request: SalesforceRequest): SalesforceCall {
  switch (request.kind) {
    case 'query':
      return { method: 'GET', path: `/${request.all ? 'queryAll' : 'query'}?q=${encodeURIComponent(request.soql)}` };
    case 'more':
      return { method: 'GET', path: request.path };
    case 'update':
      return collection('/composite/sobjects', request.object, request.rows);
    case 'upsert': {
      const { object, externalIdField, rows } = request;
      return collection(`/composite/sobjects/${object}/${externalIdField}`, object, rows);
    }
    case 'upsertOne': {
      const { object, externalIdField, row } = request;
      const { [externalIdField]: value, ...body } = row;
      const path = `/sobjects/${object}/${externalIdField}/${encodeURIComponent(String(value))}`;
      return { method: 'PATCH', path, headers: writeHeaders, body };
    }
  }
}

function collection(path: string, object: string, rows: readonly Row[]): SalesforceCall {
  const records = rows.map((row) => ({ attributes: { type: object }, ...row }));
  return { method: 'PATCH', path, headers: writeHeaders, body: { allOrNone: false, records } };
}
