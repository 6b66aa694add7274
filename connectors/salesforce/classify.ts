/**
 * The one place that says what an error of Salesforce means. By error code, never by HTTP status alone: one status
 * carries limits that pass in seconds, limits that pass in hours, and refusals for good.
 */
import { type ErrorCode, TributaryError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { Passing } from '../../core/passing.ts';
import type { Unanswered } from '../../core/unanswered.ts';

/** One error as Salesforce says it: `errorCode` for a whole request, `statusCode` for a row of a collection. */
export interface PlatformError {
  readonly code: string;
  readonly message: string;
  readonly fields: readonly string[];
  /** Of a duplicate rule: the records it found, where the answer names them. */
  readonly matches: readonly Match[];
}

export interface Match {
  readonly object: string;
  readonly id: string;
}

const codesOf: Partial<Record<ErrorCode, readonly string[]>> = {
  API_VERSION_REFUSED: ['UNSUPPORTED_API_VERSION'],
  CREDENTIALS_REFUSED: [
    'INVALID_SESSION_ID',
    'INVALID_AUTH_HEADER',
    'INVALID_LOGIN',
    'API_DISABLED_FOR_ORG',
    'API_CURRENTLY_DISABLED',
    'CLIENT_NOT_ACCESSIBLE_FOR_USER',
    'INVALID_OPERATION_WITH_EXPIRED_PASSWORD',
    'LOGIN_DURING_RESTRICTED_DOMAIN',
    'LOGIN_DURING_RESTRICTED_TIME',
    'ORG_LOCKED',
    'TRIAL_EXPIRED',
    'TXN_SECURITY_NO_ACCESS',
    'TXN_SECURITY_TWO_FA_REQUIRED',
    'TXN_SECURITY_END_A_SESSION',
    'TXN_SECURITY_FAIL_CLOSE',
    'invalid_client',
    'invalid_client_id',
    'invalid_client_credentials',
    'invalid_grant',
    'unauthorized_client',
    'unsupported_grant_type',
    'inactive_user',
    'inactive_org',
    'invalid_scope',
  ],
  PLATFORM_LIMIT: [
    'REQUEST_LIMIT_EXCEEDED',
    'TOO_MANY_APEX_REQUESTS',
    'STORAGE_LIMIT_EXCEEDED',
    'LIMIT_EXCEEDED',
    'LICENSE_LIMIT_EXCEEDED',
    'rate_limit_exceeded',
  ],
  PLATFORM_UNAVAILABLE: [
    'UNABLE_TO_LOCK_ROW',
    'SERVER_UNAVAILABLE',
    'UNKNOWN_EXCEPTION',
    'INTERNAL_ERROR',
    'QUERY_TIMEOUT',
    'REQUEST_RUNNING_TOO_LONG',
    'OPERATION_TOO_LARGE',
    'INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE',
    'ORG_IN_MAINTENANCE',
    'FUNCTIONALITY_TEMPORARILY_UNAVAILABLE',
    'ALREADY_IN_PROCESS',
    'TXN_SECURITY_METERING_ERROR',
    'TXN_SECURITY_RUNTIME_ERROR',
    'TXN_SECURITY_APEX_ERROR',
    'ALL_OR_NONE_OPERATION_ROLLED_BACK',
    'PROCESSING_HALTED',
  ],
};
const verdicts = new Map(
  Object.entries(codesOf).flatMap(([ours, theirs]) => theirs.map((code) => [code, ours as ErrorCode] as const)),
);
/** A trigger's or a flow's exception hides the reason that counts in its text. */
const hidden = /UNABLE_TO_LOCK_ROW|Too many SOQL|CPU time limit/i;

function classifyPlatformError(error: PlatformError): TributaryError {
  const code = verdicts.get(error.code) ?? (hidden.test(error.message) ? 'PLATFORM_UNAVAILABLE' : 'PLATFORM_REFUSED');
  const text = `Salesforce: ${error.code}${error.message === '' ? '' : `: ${error.message}`}`;
  const field = error.fields[0];
  return new TributaryError(code, text, field === undefined ? {} : { field });
}

/** An answer of 300 or above. Several errors in one answer: the first decides, for they all refuse the same request. */
export function classifyAnswer(status: number, body: string): TributaryError {
  const [first] = errorsIn(body);
  if (first !== undefined) return classifyPlatformError(first);
  const text = `Salesforce: HTTP ${status} without an error of its own format`;
  if (status === 401) return new TributaryError('CREDENTIALS_REFUSED', text);
  if (status === 429) return new TributaryError('PLATFORM_LIMIT', text);
  // A proxy or a maintenance page speaks HTML; what the platform did with the request is not known.
  return new TributaryError(status >= 500 ? 'PLATFORM_UNAVAILABLE' : 'PLATFORM_NONSENSE', text);
}

/** Errors of a body in each of the platform's shapes: `[{errorCode}]`, `{error, error_description}`, row `{statusCode}`. */
export function errorsIn(body: string): readonly PlatformError[] {
  try {
    return platformErrors(JSON.parse(body));
  } catch {
    return [];
  }
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function platformErrors(json: unknown): readonly PlatformError[] {
  return [json].flat().flatMap((entry: unknown) => {
    if (!isRecord(entry)) return [];
    const { errorCode, statusCode, error, message, error_description, fields } = entry;
    const code = errorCode ?? statusCode ?? error;
    if (typeof code !== 'string') return [];
    const text = message ?? error_description;
    return [
      {
        code,
        message: typeof text === 'string' ? text : '',
        fields: list(fields).filter((field) => typeof field === 'string'),
        // The platform spells it with a letter missing; should that be put right one day, both are read.
        matches: matchesIn(entry['duplicateResut'] ?? entry['duplicateResult']),
      },
    ];
  });
}

function matchesIn(result: unknown): readonly Match[] {
  const results = isRecord(result) ? list(result['matchResults']) : [];
  return results.flatMap((one) =>
    (isRecord(one) ? list(one['matchRecords']) : []).flatMap((match) => {
      const record = isRecord(match) ? match['record'] : undefined;
      if (!isRecord(record) || typeof record['Id'] !== 'string') return [];
      const { attributes } = record;
      const type = isRecord(attributes) ? attributes['type'] : isRecord(one) ? one['entityType'] : undefined;
      return [{ object: typeof type === 'string' ? type : '', id: record['Id'] }];
    }),
  );
}

// ---- what a sink makes of one call, and of each row in it

/** What one HTTP exchange brought, before anybody judged it. */
export type Exchange =
  | {
      readonly answered: true;
      readonly status: number;
      /** Parsed body; undefined when there is none, or it is not JSON. */
      readonly body: unknown;
      readonly text: string;
      /** The platform's clock when it answered (`Date`), ms, whole seconds. */
      readonly time: number;
      /** The platform's clock when the call was sent, from below, ms: rows are no younger than that. */
      readonly sentAt: number;
    }
  | Unanswered;

export type SalesforceVerdict =
  | { readonly kind: 'ok'; readonly body: unknown; readonly time: number; readonly sentAt: number }
  | Passing
  /** Too much for one call: nothing was done, less of it may succeed. */
  | { readonly kind: 'tooLarge'; readonly text: string; readonly time: number }
  /** The request as a whole was refused, and will be again. */
  | { readonly kind: 'refuse'; readonly errors: readonly PlatformError[]; readonly time: number };

/** What became of one row. */
export type RowVerdict =
  | { readonly kind: 'done'; readonly id: string }
  /** Not written, for a reason that passes. `busy`: somebody else has the record locked; it is no trouble of the platform's. */
  | { readonly kind: 'later'; readonly busy: boolean; readonly code: ErrorCode; readonly text: string }
  /** The record is deleted, merged, converted or unknown; or a record that a value names is: the platform says both alike. */
  | { readonly kind: 'gone'; readonly errors: readonly PlatformError[] }
  /** A duplicate rule found other records; `matches` of the error names them, or nothing does. */
  | { readonly kind: 'duplicate'; readonly error: PlatformError }
  | { readonly kind: 'refuse'; readonly errors: readonly PlatformError[] };

/** Codes that a call of fewer rows need not meet. */
const tooLarge = new Set([
  'QUERY_TIMEOUT',
  'REQUEST_RUNNING_TOO_LONG',
  'OPERATION_TOO_LARGE',
  'EXCEEDED_MAX_SIZE_REQUEST',
  'EXCEEDED_ID_LIMIT',
]);
const tooLargeStatus = new Set([413, 414, 431]);
const gone = new Set([
  'ENTITY_IS_DELETED',
  'NOT_FOUND',
  'RECORD_NOT_FOUND',
  'MISSING_RECORD',
  'CANNOT_UPDATE_CONVERTED_LEAD',
]);

/** Too many long requests at once clears in seconds; the day's allocation in hours, and is asked for once a minute. */
const shortWaitMs = 5_000;
const longWaitMs = 60_000;

/** @returns what a call means for whoever made it; a 401 that a new session did not cure has to be passed in as it is */
export function classify(exchange: Exchange): SalesforceVerdict {
  if (!exchange.answered)
    return { kind: 'retry', doubt: exchange.sent, code: 'PLATFORM_UNAVAILABLE', text: exchange.cause };
  const { status, body, time, sentAt } = exchange;
  if (status < 300) {
    if (body !== undefined || exchange.text === '') return { kind: 'ok', body, time, sentAt };
    const text = `HTTP ${status} whose body is not Salesforce's`;
    return { kind: 'retry', doubt: true, code: 'PLATFORM_NONSENSE', text };
  }
  const errors = platformErrors(body);
  const [first] = errors;
  const text = first === undefined ? `HTTP ${status} without an error of its own format` : textOf(first);
  if (tooLargeStatus.has(status) || (first !== undefined && tooLarge.has(first.code)))
    return { kind: 'tooLarge', text, time };
  const { code } = first === undefined ? classifyAnswer(status, exchange.text) : classifyPlatformError(first);
  switch (code) {
    case 'CREDENTIALS_REFUSED':
    case 'API_VERSION_REFUSED':
      return { kind: 'stop', code, text };
    case 'PLATFORM_LIMIT':
      return { kind: 'wait', ms: /ConcurrentRequests/i.test(text) ? shortWaitMs : longWaitMs, text };
    case 'PLATFORM_UNAVAILABLE':
      // An error of the platform's own with a 4xx was said before anything was written.
      return { kind: 'retry', doubt: status >= 500, code, text };
    case 'PLATFORM_NONSENSE':
      // A proxy's page says nothing of the rows.
      return { kind: 'retry', doubt: true, code, text };
    default:
      return { kind: 'refuse', errors, time };
  }
}

export const textOf = ({ code, message }: PlatformError): string =>
  [code, message].filter((part) => part !== '').join(': ');

/** One row of a collection's answer. */
export function classifyRow(row: unknown): RowVerdict {
  if (isRecord(row) && row['success'] === true && typeof row['id'] === 'string') return { kind: 'done', id: row['id'] };
  const errors = isRecord(row) ? platformErrors(row['errors']) : [];
  if (errors.length === 0) {
    const text = 'a row was answered with neither success nor error';
    return { kind: 'later', busy: false, code: 'PLATFORM_NONSENSE', text };
  }
  return classifyRowErrors(errors);
}

/** The same of a call for a single row that was refused. */
export function classifyRowErrors(errors: readonly PlatformError[]): RowVerdict {
  for (const error of errors) {
    const { code } = classifyPlatformError(error);
    if (code === 'PLATFORM_UNAVAILABLE' || code === 'PLATFORM_LIMIT')
      return { kind: 'later', busy: /UNABLE_TO_LOCK_ROW/.test(textOf(error)), code, text: textOf(error) };
  }
  // Of an unknown Id and of an unknown parent the platform says the same; only the latter may name a field.
  const lost = (error: PlatformError): boolean =>
    gone.has(error.code) || (error.code === 'INVALID_CROSS_REFERENCE_KEY' && error.fields.length === 0);
  if (errors.some(lost)) return { kind: 'gone', errors };
  const duplicate = errors.find(({ code }) => code === 'DUPLICATES_DETECTED');
  if (duplicate !== undefined) return { kind: 'duplicate', error: duplicate };
  return { kind: 'refuse', errors: errors.map(withColumn) };
}

/** An unknown field is named in the text only, and one whose value is taken perhaps. */
function withColumn(error: PlatformError): PlatformError {
  const named = /No such column '(\w+)'|^duplicate value found: (\w+) duplicates/.exec(error.message);
  const column = error.fields.length > 0 ? undefined : (named?.[1] ?? named?.[2]);
  return column === undefined ? error : { ...error, fields: [column] };
}
