import { type Refusal, refusal } from './errors.ts';
import { normalizeId } from './ids.ts';
import type { Field } from './metadata.ts';

/**
 * A stored value: datetimes as epoch milliseconds, dates as `YYYY-MM-DD`, multi-select lists `;`-joined in the order
 * of the definition. Two stored values are the same exactly when `===` says so, which is what "nothing changed" needs.
 */
export type Value = string | number | boolean | null;
export type Row = Readonly<Record<string, unknown>>;

type Parsed = { readonly value: Value } | { readonly refused: Refusal };
const ok = (value: Value): Parsed => ({ value });
const no = (code: string, message: string, field: Field): Parsed => ({ refused: refusal(code, message, [field.name]) });
const notJson = (field: Field, raw: unknown, what: string): Parsed =>
  no(
    'JSON_PARSER_ERROR',
    `Cannot deserialize instance of ${what} from ${jsonToken(raw)} value ${String(raw)} or request may be missing a required field`,
    field,
  );

function jsonToken(raw: unknown): string {
  if (typeof raw === 'string') return 'VALUE_STRING';
  if (typeof raw === 'number') return Number.isInteger(raw) ? 'VALUE_NUMBER_INT' : 'VALUE_NUMBER_FLOAT';
  return Array.isArray(raw)
    ? 'START_ARRAY'
    : typeof raw === 'boolean'
      ? `VALUE_${String(raw).toUpperCase()}`
      : 'START_OBJECT';
}

/** Reads one JSON value for a field the way the platform stores it: trimmed, empty as null, rounded to its scale. */
export function parseValue(field: Field, raw: unknown): Parsed {
  if (raw === null) return field.type === 'boolean' ? notJson(field, raw, 'boolean') : ok(null);
  switch (field.type) {
    case 'boolean':
      if (typeof raw === 'boolean') return ok(raw);
      return raw === 'true' || raw === 'false' ? ok(raw === 'true') : notJson(field, raw, 'boolean');
    case 'int':
    case 'double':
    case 'currency':
      return parseNumber(field, raw);
    case 'date':
      return parseDate(field, raw);
    case 'datetime':
      return parseDatetime(field, raw);
    case 'id':
    case 'string':
    case 'textarea':
    case 'email':
    case 'phone':
    case 'url':
    case 'picklist':
    case 'multipicklist':
    case 'reference':
      return typeof raw === 'string' || typeof raw === 'number'
        ? parseText(field, String(raw))
        : notJson(field, raw, 'string');
    case 'address':
      return notJson(field, raw, 'address');
  }
}

function parseText(field: Field, raw: string): Parsed {
  const text = raw.trim();
  if (text === '') return ok(null);
  if (field.type === 'reference') {
    const id = normalizeId(text);
    return id === undefined ? no('MALFORMED_ID', `${field.label}: id value of incorrect type: ${text}`, field) : ok(id);
  }
  if (field.type === 'multipicklist') return parseChoices(field, text);
  if (field.restricted && !field.picklist?.includes(text)) return badChoice(field, text);
  if (field.length !== undefined && text.length > field.length) {
    return no('STRING_TOO_LONG', `${field.label}: data value too large: ${text} (max length=${field.length})`, field);
  }
  if (field.type === 'email' && !/^[^\s@,;"<>]+@[^\s@,;"<>]+\.[^\s@,;"<>]+$/.test(text)) {
    return no('INVALID_EMAIL_ADDRESS', `${field.label}: invalid email address: ${text}`, field);
  }
  return ok(text);
}

const badChoice = (field: Field, value: string): Parsed =>
  no(
    'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST',
    `${field.label}: bad value for restricted picklist field: ${value}`,
    field,
  );

function parseChoices(field: Field, text: string): Parsed {
  const known = field.picklist ?? [];
  const chosen = new Set(
    text
      .split(';')
      .map((choice) => choice.trim())
      .filter((choice) => choice !== ''),
  );
  const foreign = [...chosen].filter((choice) => !known.includes(choice));
  if (field.restricted && foreign[0] !== undefined) return badChoice(field, foreign[0]);
  return ok([...known.filter((choice) => chosen.has(choice)), ...foreign].join(';') || null);
}

function parseNumber(field: Field, raw: unknown): Parsed {
  const number = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw;
  if (raw === '') return ok(null);
  if (typeof number !== 'number' || !Number.isFinite(number))
    return notJson(field, raw, field.type === 'int' ? 'int' : 'double');
  if (field.type === 'int' && !Number.isInteger(number)) return notJson(field, raw, 'int');
  const scale = field.scale ?? 0;
  const rounded = roundHalfUp(number, scale);
  if (Math.abs(rounded) >= 10 ** ((field.precision ?? 18) - scale)) {
    return no(
      'NUMBER_OUTSIDE_VALID_RANGE',
      `${field.label}: value outside of valid range on numeric field: ${number}`,
      field,
    );
  }
  return ok(rounded);
}

/** Away from zero at the half, decided on the decimal text: 1.005 to two places is 1.01 although its double lies below. */
export function roundHalfUp(number: number, scale: number): number {
  const [mantissa = '0', exponent = '0'] = String(Math.abs(number)).split('e');
  const shifted = Math.round(Number(`${mantissa}e${Number(exponent) + scale}`));
  const [digits = '0', power = '0'] = String(shifted).split('e');
  return (Math.sign(number) || 1) * Number(`${digits}e${Number(power) - scale}`) || 0;
}

function parseDate(field: Field, raw: unknown): Parsed {
  if (raw === '') return ok(null);
  const match = typeof raw === 'string' ? /^(\d{4}-\d\d-\d\d)(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?$/.exec(raw) : null;
  const date = match?.[1];
  const at = date === undefined ? Number.NaN : Date.parse(`${date}T00:00:00Z`);
  return date !== undefined && !Number.isNaN(at) && new Date(at).toISOString().startsWith(date)
    ? ok(date)
    : notJson(field, raw, 'date');
}

function parseDatetime(field: Field, raw: unknown): Parsed {
  if (raw === '') return ok(null);
  const at = typeof raw === 'string' ? parseInstant(raw) : undefined;
  return at === undefined ? notJson(field, raw, 'datetime') : ok(Math.floor(at / 1000) * 1000);
}

/** `2026-01-02T03:04:05.000+0000`, with `Z` or a colon in the zone as well; a date alone is its midnight in UTC. */
export function parseInstant(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.test(text)) return undefined;
  if (!text.includes('T')) return Date.parse(`${text}T00:00:00Z`);
  const zoned = text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2');
  const at = Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(zoned) ? zoned : `${zoned}Z`);
  return Number.isNaN(at) ? undefined : at;
}

export const formatInstant = (at: number): string => new Date(at).toISOString().replace('Z', '+0000');

/** A stored value as REST spells it. */
export function toJson(field: Field, value: Value): Value {
  return field.type === 'datetime' && typeof value === 'number' ? formatInstant(value) : value;
}
