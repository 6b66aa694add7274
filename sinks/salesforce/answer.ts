/** What Salesforce's answers say about the records and fields that were asked. Pure. */
import { type PlatformError, textOf } from '../../connectors/salesforce/classify.ts';
import { isRecord } from '../../core/json.ts';
import { observeSalesforceRow } from '../../processors/decode/salesforce.ts';
import type { FieldRefusal, Observation } from '../../schemas/types.ts';
import type { Fields, SalesforceObject } from './plan.ts';

/** A record as a query gives it. */
export type Found = Readonly<Record<string, unknown>> & { readonly Id: string };

export interface Page {
  readonly records: readonly Found[];
  /** Where the next page is; undefined: this was the last. */
  readonly next: string | undefined;
}

/** undefined: not an answer to a query; one that is cut short would read as if what it leaves out were gone. */
export function pageOf(body: unknown): Page | undefined {
  if (!isRecord(body)) return undefined;
  const { records, done, nextRecordsUrl: next } = body;
  if (!Array.isArray(records) || !records.every(isFound)) return undefined;
  if (done === true) return { records, next: undefined };
  return done === false && typeof next === 'string' ? { records, next } : undefined;
}

const isFound = (row: unknown): row is Found => isRecord(row) && typeof row['Id'] === 'string';

/**
 * A row as an observation: of a record that is there (`seen`), or that is not, `into` the winner of its merge or the
 * contact it was converted to.
 * @param sentAt the platform's clock when it was asked for: the row is no younger than that, ms
 */
export function observed(object: string, row: Found, { multiSelects }: SalesforceObject, sentAt: number): Observation {
  const record = { object, id: row.Id, body: row, deleted: row['IsDeleted'] === true };
  return observeSalesforceRow(record, { via: 'answer', at: sentAt, multiSelects });
}

/** Refusals that name fields asked, and those that are about the record. */
export interface Blame {
  readonly fields: readonly FieldRefusal[];
  readonly whole: readonly FieldRefusal[];
}

export function blame(asked: Fields, errors: readonly PlatformError[]): Blame {
  const fields: FieldRefusal[] = [];
  const whole: FieldRefusal[] = [];
  for (const error of errors) {
    const names = error.fields.flatMap((field) => namesake(asked, field) ?? []);
    const culprits = names.length > 0 ? names : loneReference(asked, error);
    const code = error.code === '' ? 'PLATFORM_NONSENSE' : 'PLATFORM_REFUSED';
    if (culprits.length === 0) whole.push({ field: '', code, message: textOf(error) });
    else for (const field of culprits) fields.push({ field, code, message: textOf(error) });
  }
  return { fields, whole };
}

/** The platform's names know no case. */
const namesake = (asked: Fields, field: string): string | undefined =>
  Object.keys(asked).find((name) => name.toLowerCase() === field.toLowerCase());

/** A link that leads nowhere need not be named: where only one was asked, it is that one. */
function loneReference(asked: Fields, { code }: PlatformError): readonly string[] {
  const links = Object.keys(asked).filter((name) => name.endsWith('Id'));
  const nowhere = code === 'INVALID_CROSS_REFERENCE_KEY' || code === 'ENTITY_IS_DELETED';
  return nowhere && links.length === 1 ? links : [];
}
