/**
 * The one place that says what an error of Salesforce means. By error code, never by HTTP status alone: one status
 * carries limits that pass in seconds, limits that pass in hours, and refusals for good.
 */
import { type ErrorCode, TributaryError } from '../../core/errors.ts';

/** One error as Salesforce says it: `errorCode` for a whole request, `statusCode` for a row of a collection. */
export interface PlatformError {
  readonly code: string;
  readonly message: string;
  readonly fields: readonly string[];
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

export function classifyPlatformError(error: PlatformError): TributaryError {
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
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return [];
  }
  return (Array.isArray(json) ? json : [json]).flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { errorCode, statusCode, error, message, error_description, fields } = entry as Record<string, unknown>;
    const code = errorCode ?? statusCode ?? error;
    if (typeof code !== 'string') return [];
    const text = message ?? error_description;
    return [
      {
        code,
        message: typeof text === 'string' ? text : '',
        fields: Array.isArray(fields) ? fields.map(String) : [],
      },
    ];
  });
}
