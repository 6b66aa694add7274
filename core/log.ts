/**
 * One JSON object per line on one stream; plain text where a person's terminal reads it.
 *
 * Two things must never reach a log: secrets and personal data. Nobody remembers that at every call, so it is done here,
 * twice: keys known to hold them are masked at any depth, and what looks like an e-mail address, a bearer token or a
 * password in a URL is masked in the finished line, wherever it came from (platforms quote values in their error texts).
 */
import { styleText } from 'node:util';
import { type DestinationStream, type Logger, pino } from 'pino';
import { TributaryError } from './errors.ts';

export type { Logger } from 'pino';

const masked = '[masked]';
const secretKeys = /^(?:.*secret|.*token|password|authorization|cookie|assertion|sasl|api-?key|private-?key)$/i;
const personalKeys =
  /^(?:.*email|.*phone|first-?name|last-?name|full-?name|fields|values?|original|body|attributes|custom_attributes|customer|contact)$/i;
/** Of the ledger: masked where they hold values by field, not where they are a count or a place. */
const recordKeys = /^(?:old|new|before|after|expected|got)$/;
const texts: readonly [RegExp, string][] = [
  [/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, '[email]'],
  [/\b(Bearer|OAuth) [\w.!~+/=-]+/gi, `$1 ${masked}`],
  [/(\/\/[^:@/\s"]*):[^@/\s"]+@/g, `$1:${masked}@`],
];

export interface LogOptions {
  /** debug, info, warn, error; `silent` for none. */
  readonly level: string;
  readonly stream: DestinationStream & { readonly isTTY?: boolean };
}

/** Child loggers carry `role`; nothing else identifies a line, since the platform that collects logs adds host and pod. */
export function createLog({ level, stream }: LogOptions): Logger {
  const log = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: maskObject },
      serializers: { err: describe, error: describe },
      hooks: { streamWrite: (line) => (stream.isTTY === true ? forPeople(maskText(line)) : maskText(line)) },
    },
    stream,
  );
  // pino drops the bindings formatter for children; they inherit methods instead.
  // oxlint-disable-next-line typescript/unbound-method -- called below with the `this` of the child
  const child = log.child;
  log.child = function maskedChild(this: typeof log, bindings, options) {
    return child.call(this, maskObject(bindings), options);
  } as typeof log.child;
  return log;
}

export const maskText = (text: string): string =>
  texts.reduce((line, [pattern, replacement]) => line.replace(pattern, replacement), text);

function maskObject(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, mask(key, value, 0)]));
}

function mask(key: string, value: unknown, depth: number): unknown {
  if (value === null || value === undefined || value instanceof Error) return value;
  if (secretKeys.test(key)) return masked;
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (personalKeys.test(key)) return masked;
  if (recordKeys.test(key) && typeof value === 'object') return masked;
  if (typeof value !== 'object') return typeof value === 'bigint' ? String(value) : value;
  if (Buffer.isBuffer(value)) return `[${value.length} bytes]`;
  if (depth === 5) return '[…]';
  if (Array.isArray(value)) return value.slice(0, 50).map((item) => mask('', item, depth + 1));
  if ('toJSON' in value) return value;
  return Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, mask(inner, item, depth + 1)]));
}

/**
 * The chain of causes as data. Foreign errors carry whole requests as properties, headers with tokens and bodies with people
 * in them, so only these few are taken. The stack is kept where it says something: for what nobody foresaw.
 */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  const foreseen = error instanceof TributaryError && error.code !== 'INTERNAL';
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(typeof statusCode === 'number' ? { statusCode } : {}),
    ...(error instanceof TributaryError && error.field !== undefined ? { field: error.field } : {}),
    ...(foreseen ? { fix: error.fix } : { stack: error.stack }),
    ...(error instanceof AggregateError ? { errors: error.errors.slice(0, 3).map((inner) => describe(inner)) } : {}),
    ...(error.cause === undefined ? {} : { cause: describe(error.cause) }),
  };
}

const colours = { fatal: 'red', error: 'red', warn: 'yellow', info: 'green', debug: 'gray', trace: 'gray' } as const;

/** `12:00:01 info  unify took over offset=12`. */
function forPeople(line: string): string {
  const { time, level, role, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const name = plain(level);
  const colour = name in colours ? colours[name as keyof typeof colours] : 'white';
  const pairs = Object.entries(rest).map(([key, value]) => styleText('gray', `${key}=${plain(value)}`));
  const parts = [plain(time).slice(11, 19), styleText(colour, name.padEnd(5)), plain(role), plain(msg), ...pairs];
  return `${parts.filter((part) => part !== '').join(' ')}\n${causes(err)}`;
}

const plain = (value: unknown): string =>
  value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);

function causes(err: unknown): string {
  if (err === undefined) return '';
  if (typeof err !== 'object' || err === null) return `  ${plain(err)}\n`;
  const { message, code, fix, stack, cause } = err as Record<string, unknown>;
  const own = stack === undefined ? [code, message, fix].map(plain).filter((part) => part !== '') : [plain(stack)];
  return `  ${own.join(' · ')}\n${causes(cause)}`;
}
