import type { RowResult } from './dml.ts';
import type { Duplicates, Refusal, RequestRefused } from './errors.ts';
import type { SalesforceModel } from './model.ts';
import { attributes, type JsonRow } from './rows.ts';

export interface RestAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Records the call returned or wrote, and how many of them really changed: for the call log. */
  readonly rows: number;
  readonly changed: number;
  /** Rows that were accepted, in their order. */
  readonly written: readonly WrittenRow[];
}

export interface WrittenRow {
  readonly id: string;
  /** Named by the call, without their values. */
  readonly fields: readonly string[];
  readonly created: boolean;
  /** The record became different. */
  readonly changed: boolean;
}

export const answer = (status: number, body?: unknown, rows = 0, written: readonly WrittenRow[] = []): RestAnswer => ({
  status,
  body,
  rows,
  changed: written.filter(({ changed }) => changed).length,
  written,
});

/** What every answer says: the org's clock, and its use of the allocation. */
export const answerHeaders = (model: SalesforceModel, now: number) => ({
  Date: new Date(now).toUTCString(),
  'Sforce-Limit-Info': `api-usage=${model.usage(now)}/${model.dailyLimit}`,
});

/** A refusal in the platform's array shape. */
export const refusedAnswer = ({ status, refusals }: RequestRefused, version = '67.0'): RestAnswer =>
  answer(
    status,
    refusals.map(({ code, message, fields, duplicates }) => ({
      ...(duplicates && { duplicateResut: duplicateResult(duplicates, version) }),
      message,
      errorCode: code,
      ...(fields.length > 0 && { fields }),
    })),
  );

/**
 * Rows of a collection spell their code `statusCode`, requests theirs `errorCode`. A row that a duplicate rule refused
 * names no records in the published example; a refused upsert that would have created says `created`.
 */
export function rowJson(result: RowResult, upsert: boolean, namesDuplicates: boolean, version: string): JsonRow {
  if (result.success) {
    return { id: result.id, success: true, errors: [], ...(upsert && { created: result.created }) };
  }
  const errors = result.refusals.map(({ code, message, fields, duplicates }: Refusal) => ({
    statusCode: code,
    message,
    fields,
    ...(namesDuplicates && duplicates && { duplicateResut: duplicateResult(duplicates, version) }),
  }));
  const { id } = result;
  return { ...(id !== null && { id }), success: false, errors, ...(upsert && { created: id === null }) };
}

/** What a duplicate rule found; answers of the platform carry it under a name with a letter missing. */
function duplicateResult({ rule, object, allowSave, matches }: Duplicates, version: string): JsonRow {
  const objects = [...new Set(matches.map((match) => match.object))];
  return {
    allowSave,
    duplicateRule: rule,
    duplicateRuleEntityType: object,
    errorMessage: 'Use one of these records?',
    matchResults: objects.map((entityType) => {
      const found = matches.filter((match) => match.object === entityType);
      return {
        entityType,
        errors: [],
        matchEngine: 'ExactMatchEngine',
        matchRecords: found.map(({ id }) => ({
          additionalInformation: [],
          fieldDiffs: [],
          matchConfidence: 100,
          record: { attributes: attributes(entityType, id, version), Id: id },
        })),
        rule: `${entityType}_Match`,
        size: found.length,
        success: true,
      };
    }),
  };
}
