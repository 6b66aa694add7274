/** What Salesforce's answers say about the records and fields that were asked. Pure. */
import { type PlatformError, textOf } from '../../connectors/salesforce/classify.ts';
import { rowFields, salesforceRef } from '../../processors/decode/salesforce.ts';
import { parseDateTime } from '../../processors/decode/time.ts';
import type { FieldRefusal, Observation } from '../../schemas/types.ts';
import type { Fields, SalesforceObject } from './plan.ts';

/** A record as a query gives it. */
export type Found = Readonly<Record<string, unknown>> & { readonly Id: string };

export interface Page {
  readonly records: readonly Found[];
  /** Where the next page is; undefined: this was the last. */
  readonly next: string | undefined;
}

/** undefined: not an answer to a query. */
export function pageOf(body: unknown): Page | undefined {
  if (typeof body !== 'object' || body === null || !('records' in body) || !Array.isArray(body.records))
    return undefined;
  const records: readonly unknown[] = body.records;
  if (!records.every(isFound)) return undefined;
  const next = 'nextRecordsUrl' in body ? body.nextRecordsUrl : undefined;
  return { records, next: typeof next === 'string' ? next : undefined };
}

const isFound = (row: unknown): row is Found =>
  typeof row === 'object' && row !== null && 'Id' in row && typeof row.Id === 'string';

/** Where a record lives on that is no more: the winner of its merge, or the contact it was converted to. */
export type Whereabouts = 'here' | { readonly into: string | null };

export function whereaboutsOf(object: string, row: Found | undefined): Whereabouts {
  if (row === undefined) return { into: null };
  const { IsDeleted, MasterRecordId, IsConverted, ConvertedContactId } = row;
  if (IsDeleted === true)
    return { into: typeof MasterRecordId === 'string' ? salesforceRef(object, MasterRecordId) : null };
  if (IsConverted !== true) return 'here';
  return { into: typeof ConvertedContactId === 'string' ? salesforceRef('Contact', ConvertedContactId) : null };
}

/**
 * A row as an observation. It stands at the platform's clock when it was asked for: it may be younger, never older.
 * @param sentAt ms
 */
export function told(object: string, row: Found, { multiSelects }: SalesforceObject, sentAt: number): Observation {
  const modified = row['SystemModstamp'];
  return {
    ref: salesforceRef(object, row.Id),
    op: 'seen',
    via: 'answer',
    whole: true,
    created: false,
    fields: rowFields(row, multiSelects),
    unknown: [],
    at: { time: sentAt, seq: -1, second: true },
    modified: typeof modified === 'string' ? (parseDateTime(modified) ?? null) : null,
    origin: null,
    by: null,
    transaction: null,
    into: null,
  };
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
