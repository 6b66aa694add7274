/**
 * Every error of ours carries a code, the cause and the way out. The code's comment here is its documentation.
 * `verdict` says what the one place that handles it does: retry (wait and try again), reject (dead-letter the record),
 * stop (configuration or credentials: exit, nothing to gain from trying again), crash (a bug: let the supervisor restart us).
 */
export type Verdict = 'retry' | 'reject' | 'stop' | 'crash';

interface CodeSpec {
  readonly verdict: Verdict;
  /** What it means. */
  readonly means: string;
  /** What the operator does. */
  readonly fix: string;
}
const code = (verdict: Verdict, means: string, fix: string): CodeSpec => ({ verdict, means, fix });

export const codes = {
  CONFIG_INVALID: code(
    'stop',
    'The configuration does not fit its schema.',
    'Correct the field named; `tributary config schema` prints what is allowed.',
  ),
  MAPPING_UNKNOWN_FIELD: code(
    'stop',
    'A mapping names a field that the platform does not have.',
    'Correct the field named, create it on the platform, or give the integration user access to it.',
  ),
  HTTP_TAKEN: code(
    'stop',
    'An address of ours cannot be listened on.',
    'Give another: of /healthz, /readyz and /metrics by --http-port, HTTP_PORT or http.port (0: any free one) and http.host, of the webhook by intercom.webhook; or end what listens there.',
  ),
  API_VERSION_REFUSED: code(
    'stop',
    'The platform does not serve the API version that is asked for.',
    'Set salesforce.apiVersion or intercom.version to one that it serves; an org lists its own under /services/data.',
  ),
  CREDENTIALS_REFUSED: code(
    'stop',
    'The platform refuses the credentials.',
    'Check the client id, secret or token, and that the integration user is active.',
  ),
  PLATFORM_OTHER_ORG: code(
    'stop',
    'The credentials lead to another org or workspace than the one this deployment is pinned to.',
    'Use the pinned org, or start a new deployment with another prefix.',
  ),
  NODE_TOO_OLD: code(
    'stop',
    'The Node.js runtime is too old.',
    'Run through the npm scripts, which bring their own runtime, or install the version named.',
  ),
  KAFKA_UNAVAILABLE: code(
    'retry',
    'Kafka does not answer.',
    'Check KAFKA_BROKERS and the brokers; nothing is lost, work goes on when they are back.',
  ),
  OFFSETS_LOST: code(
    'stop',
    'Records that this reader had not read yet are no longer in the topic.',
    'Raise the retention, and set the group to the first offset kept (kafka-consumer-groups --reset-offsets). What the lost records said comes with the next change of each.',
  ),
  TOPICS_DIFFER: code(
    'stop',
    'A topic or schema is not what this version needs and cannot be changed in place.',
    'See the difference named; `tributary topics apply` makes everything that can be made.',
  ),
  REGISTRY_UNAVAILABLE: code(
    'retry',
    'The schema registry does not answer.',
    'Check SCHEMA_REGISTRY_URL and the registry; work goes on when it is back.',
  ),
  REDIS_UNAVAILABLE: code(
    'retry',
    'Redis does not answer.',
    'Check REDIS_URL and the server; the mirror repairs itself when it is back.',
  ),
  PLATFORM_UNAVAILABLE: code(
    'retry',
    'The platform does not answer or answers with a server error.',
    'Nothing to do; it is tried again with growing pauses.',
  ),
  PLATFORM_LIMIT: code(
    'retry',
    'The platform says that a limit is reached.',
    'Nothing to do; it waits for the limit to reset. Lower the budget if it happens often.',
  ),
  PLATFORM_REFUSED: code(
    'reject',
    'The platform refused the record.',
    'Correct the value or the rule on the platform that the text names; the next change of the value is tried again, or `tributary dlq redrive` asks at once.',
  ),
  PLATFORM_NONSENSE: code(
    'retry',
    'The platform answered something that is not its own format.',
    'Look at the text; a proxy between us and the platform is the usual cause. It is asked again with growing pauses.',
  ),
  REJECTING: code(
    'stop',
    'A stage rejects most of what it reads; it stopped rather than emptying the topic into its dead letters.',
    'The dead letters so far name the cause (`tributary dlq list`); correct it, often a schema or a version, start again, and put them back by `tributary dlq redrive`.',
  ),
  SCHEMA_UNKNOWN: code(
    'reject',
    'A record names an Avro schema id that the registry does not know.',
    'Register the schema: the next records that name it are read, and `tributary dlq redrive --code SCHEMA_UNKNOWN` puts this one back.',
  ),
  PAYLOAD_UNDECODABLE: code(
    'reject',
    'The bytes of a record do not fit its schema.',
    'Find out who wrote the bytes, or whether the schema belongs to them. What a stage could not read is kept in its dead letters.',
  ),
  RECORD_POISON: code(
    'reject',
    'Deciding a record failed.',
    'A defect: report it with the dead letter; the record is held and the rest goes on.',
  ),
  RECORD_TOO_LARGE: code(
    'reject',
    'A record is larger than the broker or the state takes.',
    'Raise max.message.bytes or shorten the value named.',
  ),
  STATE_TOO_LARGE: code('reject', 'A state value would pass 64 kB.', 'A defect: report it with the key named.'),
  FENCED: code(
    'retry',
    'A rival took over this role.',
    'Nothing to do; this one waits until it is given the work again.',
  ),
  MIRROR_MOVED: code(
    'retry',
    'The mirror is not at the position expected.',
    'Nothing to do; it is repaired from unify.state.',
  ),
  SEND_UNVERIFIED: code(
    'retry',
    'Kafka did not confirm every partition written to.',
    'Nothing to do; the batch is written again.',
  ),
  ACTION_UNANSWERED: code(
    'retry',
    'An action of an operator was sent, and no unify has decided it.',
    'See that `tributary run unify` runs; the action is in the log and is decided as soon as one does, once.',
  ),
  STACK_FAILED: code(
    'stop',
    'A part of the local stack did not start.',
    'The last lines of its log are above; `tributary stack reset` starts from nothing.',
  ),
  HOST_LACKS: code(
    'stop',
    'The host lacks a program that the local stack needs.',
    'Install what is named, or name servers of your own in KAFKA_BROKERS, SCHEMA_REGISTRY_URL and REDIS_URL.',
  ),
  USAGE: code('stop', 'The command line is not understood.', 'See --help.'),
  INTERNAL: code('crash', 'Something happened that the code did not expect.', 'A defect: report it with the log.'),
} as const satisfies Record<string, CodeSpec>;

export type ErrorCode = keyof typeof codes;

export interface ErrorDetails {
  readonly cause?: unknown;
  /** Field concerned, as the user spells it. */
  readonly field?: string;
  /** Milliseconds that the other side asked us to wait. */
  readonly retryAfterMs?: number;
}

/** sysexits: 64 usage, 69 unavailable, 70 software, 78 configuration or credentials. */
export class TributaryError extends Error {
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(errorCode: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TributaryError';
    this.code = errorCode;
    this.field = details.field;
    this.retryAfterMs = details.retryAfterMs;
  }

  get verdict(): Verdict {
    return codes[this.code].verdict;
  }

  get fix(): string {
    return codes[this.code].fix;
  }

  /** One door for foreign errors: ours pass, the rest become INTERNAL with their cause. */
  static from(error: unknown, errorCode: ErrorCode = 'INTERNAL'): TributaryError {
    if (error instanceof TributaryError) return error;
    return new TributaryError(errorCode, error instanceof Error ? error.message : String(error), { cause: error });
  }
}

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof TributaryError)) return 70;
  if (error.code === 'USAGE') return 64;
  if (error.verdict === 'stop') return 78;
  return error.verdict === 'retry' ? 69 : 70;
}

/** One line a person can act on: `CODE: cause. Way out.` */
export function describeError(error: unknown): string {
  const ours = TributaryError.from(error);
  return `${ours.code}: ${ours.message.replace(/[.\s]+$/, '')}. ${ours.fix}`;
}
