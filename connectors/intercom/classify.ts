/**
 * What Intercom's answer means for whoever called. The only place that knows its error codes; nobody
 * else looks at a status. The official client's error classes cannot be used for it: each method maps only the statuses of
 * its own specification, so a 404, 409 or 429 on a contact is a plain IntercomError (7.0.3).
 */
import type { ErrorCode } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { Passing } from '../../core/passing.ts';
import type { Unanswered } from '../../core/unanswered.ts';

/** What one HTTP exchange brought, before anybody judged it. */
export type Exchange =
  | {
      readonly answered: true;
      readonly status: number;
      /** Parsed body; undefined when it is not JSON. */
      readonly body: unknown;
      readonly text: string;
      /** The platform's clock (`Date`), ms, whole seconds; 0 when it did not say. */
      readonly time: number;
      /** The platform's clock when the call was sent, ms: at least this; 0 when it did not say. */
      readonly sentAt: number;
      /** Ms until the limit resets, in the platform's own clock; undefined when it did not say. */
      readonly resetMs: number | undefined;
      /** `Link` header. */
      readonly link: string | undefined;
    }
  | Unanswered;

export type Verdict =
  | {
      readonly kind: 'ok';
      readonly body: Readonly<Record<string, unknown>>;
      readonly time: number;
      readonly sentAt: number;
    }
  | Passing
  /** Another record holds the values that must be unique. */
  | {
      readonly kind: 'exists';
      readonly id: string;
      readonly archived: boolean;
      readonly text: string;
      readonly time: number;
    }
  /** The record addressed is deleted, or merged into `survivor`. `what` is the code, which says whose id is unknown. */
  | {
      readonly kind: 'gone';
      readonly what: string;
      readonly survivor: string | null;
      readonly text: string;
      readonly time: number;
    }
  /** Refused, and will be again: these values, or (CREDENTIALS_REFUSED) our permission to do this at all. */
  | {
      readonly kind: 'refuse';
      readonly code: ErrorCode;
      readonly field: string;
      readonly text: string;
      readonly time: number;
    };

interface PlatformError {
  readonly code: string;
  readonly message: string;
  readonly field: string;
}

/** First entry of an `error.list`. */
function errorOf(body: unknown): PlatformError {
  const list = isRecord(body) ? body['errors'] : undefined;
  const first: unknown = Array.isArray(list) ? list[0] : undefined;
  const part = (name: string): string => (isRecord(first) && typeof first[name] === 'string' ? first[name] : '');
  return { code: part('code'), message: part('message'), field: part('field') };
}

/** An HTML page of a proxy in one readable line. */
const excerpt = (text: string): string =>
  text
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 200);

const conflict = /^(An archived|A) contact matching those details already exists with id=([0-9a-f]{24})/;

/** A 404 about something that a value refers to, not about the record addressed. */
const references = new Set(['admin_not_found', 'team_not_found', 'tag_not_found', 'field_not_found', 'job_not_found']);

/** Longest wait taken from a header: more is a wrong clock, and the next answer corrects us anyway. */
const longestWaitMs = 60_000;
/** Without a reset time: one rate window of Intercom. */
const windowMs = 10_000;

/** Who knocks without the right token, too slowly or too often is told so by whatever stands in front, and means us. */
const bareStatus = new Set([401, 408, 429]);

export function classify(exchange: Exchange): Verdict {
  if (!exchange.answered)
    return { kind: 'retry', doubt: exchange.sent, code: 'PLATFORM_UNAVAILABLE', text: exchange.cause };
  const { status, body, time, sentAt } = exchange;
  if (status >= 200 && status < 300) {
    if (isRecord(body)) return { kind: 'ok', body, time, sentAt };
    // The official client resolves this as data ({ok: false}); a proxy or a cut connection made it, and it was applied.
    const text = `HTTP ${status} whose body is not Intercom's: ${excerpt(exchange.text)}`;
    return { kind: 'retry', doubt: true, code: 'PLATFORM_NONSENSE', text };
  }
  const { code, message, field } = errorOf(body);
  const text = code === '' ? `HTTP ${status} ${excerpt(exchange.text)}`.trim() : `${code}: ${message}`;
  // A proxy's page says nothing of the record: neither that it is gone nor that its values are wrong.
  if (code === '' && status < 500 && !bareStatus.has(status))
    return { kind: 'retry', doubt: true, code: 'PLATFORM_NONSENSE', text };
  switch (status) {
    case 401:
      return { kind: 'stop', code: 'CREDENTIALS_REFUSED', text };
    case 402:
    case 403:
      // The plan or the token's permissions, for this kind of call. Whether it is true for every record is for whoever sees a
      // run of them; stopping on the first would let one record that nobody may touch stop all others.
      return { kind: 'refuse', code: 'CREDENTIALS_REFUSED', field, text, time };
    case 404:
      if (references.has(code)) return { kind: 'refuse', code: 'PLATFORM_REFUSED', field, text, time };
      return { kind: 'gone', what: code, survivor: null, text, time };
    case 410: {
      const survivor =
        /<[^>]*\/contacts\/([0-9a-f]{24})[^>]*>;\s*rel="?canonical/.exec(exchange.link ?? '')?.[1] ?? null;
      return { kind: 'gone', what: code, survivor, text, time };
    }
    case 408:
      return { kind: 'retry', doubt: true, code: 'PLATFORM_UNAVAILABLE', text };
    case 409: {
      const match = conflict.exec(message);
      if (match === null) return { kind: 'refuse', code: 'PLATFORM_REFUSED', field, text, time };
      return { kind: 'exists', id: match[2] ?? '', archived: match[1] === 'An archived', text, time };
    }
    case 429:
      return { kind: 'wait', ms: Math.min(exchange.resetMs ?? windowMs, longestWaitMs), text };
    case 400:
      if (code === 'intercom_version_invalid') return { kind: 'stop', code: 'API_VERSION_REFUSED', text };
      return { kind: 'refuse', code: 'PLATFORM_REFUSED', field, text, time };
    default:
      if (status >= 500) return { kind: 'retry', doubt: true, code: 'PLATFORM_UNAVAILABLE', text };
      return { kind: 'refuse', code: 'PLATFORM_REFUSED', field, text, time };
  }
}
