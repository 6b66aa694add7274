/**
 * Search and list over an index that lags behind the store. The traps of the platform are kept: dates compare by whole
 * calendar days of the workspace's time zone and know only `=`, `<` and `>`; e-mail addresses compare as stored; the
 * cursor is opaque and points into a moving list.
 */
import { type Body, isRecord } from './fields.ts';
import { type Contact, Refusal, refusals } from './types.ts';

interface Version {
  readonly from: number;
  /** `undefined`: the contact is gone. */
  readonly contact: Contact | undefined;
}

export class SearchIndex {
  readonly #versions = new Map<string, readonly Version[]>();

  put(id: string, contact: Contact | undefined, now: number, lagMs: number): void {
    this.#versions.set(id, [...since(this.#versions.get(id) ?? [], now), { from: now + lagMs, contact }]);
  }

  visible(now: number): readonly Contact[] {
    const found: Contact[] = [];
    for (const versions of this.#versions.values()) {
      const current = since(versions, now)[0];
      if (current === undefined || current.from > now) continue;
      if (current.contact !== undefined && !current.contact.archived) found.push(current.contact);
    }
    return found;
  }
}

/** The version visible now and those still to come. */
function since(versions: readonly Version[], now: number): readonly Version[] {
  const current = versions.findLastIndex((version) => version.from <= now);
  return current < 0 ? versions : versions.slice(current);
}

const dates: Readonly<Record<string, (contact: Contact) => number | null>> = {
  created_at: (contact) => contact.created_ms,
  updated_at: (contact) => contact.updated_ms,
  signed_up_at: (contact) => (contact.signed_up_at === null ? null : contact.signed_up_at * 1000),
  last_seen_at: (contact) => (contact.last_seen_at === null ? null : contact.last_seen_at * 1000),
};
const values: Readonly<Record<string, (contact: Contact) => unknown>> = {
  id: (contact) => contact.id,
  role: (contact) => contact.role,
  name: (contact) => contact.name,
  email: (contact) => contact.email,
  phone: (contact) => contact.phone,
  external_id: (contact) => contact.external_id,
  owner_id: (contact) => contact.owner_id,
};

const deepest = 2;
const widest = 15;

export type Predicate = (contact: Contact) => boolean;

/** @throws Refusal for whatever the platform does not search by. */
export function readQuery(query: unknown, timezone: string, depth = 0): Predicate {
  if (!isRecord(query)) throw refusals.invalid('query is missing', 'query');
  const { operator, value } = query;
  if (operator === 'AND' || operator === 'OR') {
    if (depth >= deepest) throw refusals.invalid(`Queries nest at most ${deepest} levels`, 'query');
    if (!Array.isArray(value) || value.length === 0 || value.length > widest)
      throw refusals.invalid(`A group takes 1 to ${widest} filters`, 'query');
    const parts = value.map((part: unknown) => readQuery(part, timezone, depth + 1));
    return operator === 'AND'
      ? (contact) => parts.every((part) => part(contact))
      : (contact) => parts.some((part) => part(contact));
  }
  return readFilter(query, timezone);
}

function readFilter({ field, operator, value }: Body, timezone: string): Predicate {
  if (typeof field !== 'string' || typeof operator !== 'string') throw refusals.invalid('query is invalid', 'query');
  const date = dates[field];
  if (date !== undefined) return dateFilter(date, field, operator, value, timezone);
  const custom = /^custom_attributes\.(.+)$/.exec(field)?.[1];
  const read = custom === undefined ? values[field] : (contact: Contact) => contact.custom_attributes[custom] ?? null;
  if (read === undefined) throw new Refusal(400, 'invalid_field', `${field} cannot be searched`, field);
  switch (operator) {
    case '=':
      return (contact) => read(contact) === value;
    case '!=':
      return (contact) => read(contact) !== value;
    case 'IN':
    case 'NIN': {
      if (!Array.isArray(value)) throw refusals.invalid(`${operator} takes a list`, field);
      const among = new Set<unknown>(value);
      return (contact) => among.has(read(contact)) === (operator === 'IN');
    }
    default:
      throw refusals.invalid(`Operator ${operator} is not known for ${field}`, field);
  }
}

function dateFilter(
  read: (contact: Contact) => number | null,
  field: string,
  operator: string,
  value: unknown,
  timezone: string,
): Predicate {
  const seconds = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof seconds !== 'number') throw refusals.invalid(`${field} takes Unix seconds`, field);
  const day = dayOf(timezone);
  const wanted = day(seconds * 1000);
  const on = (holds: (of: string) => boolean) => (contact: Contact) => {
    const time = read(contact);
    return time !== null && holds(day(time));
  };
  switch (operator) {
    case '=':
      return on((of) => of === wanted);
    case '>':
      return on((of) => of > wanted);
    case '<':
      return on((of) => of < wanted);
    default:
      throw refusals.invalid(`Operator ${operator} is not known for dates`, field);
  }
}

/** Founding a format takes longer than many searches. */
const dayFormats = new Map<string, Intl.DateTimeFormat>();

/** `YYYY-MM-DD` in the time zone: compares as text. */
function dayOf(timezone: string): (ms: number) => string {
  const format = dayFormats.get(timezone) ?? new Intl.DateTimeFormat('en-CA', { timeZone: timezone });
  dayFormats.set(timezone, format);
  return (ms) => format.format(ms);
}

export interface Page<T> {
  readonly data: readonly T[];
  readonly total: number;
  readonly page: number;
  readonly perPage: number;
  readonly next: string | undefined;
}

/** Newest change first unless `sort` says otherwise. */
export function contactPage(
  found: readonly Contact[],
  request: { readonly sort?: unknown; readonly startingAfter?: unknown; readonly perPage?: unknown },
  defaultSize: number,
): Page<Contact> {
  const { field, descending } = readSort(request.sort);
  const perPage = pageSize(request.perPage, defaultSize);
  const rank = (contact: Contact): number => dates[field]?.(contact) ?? 0;
  const sign = descending ? -1 : 1;
  const order = (a: readonly [number, string], b: readonly [number, string]) =>
    sign * (a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0));
  const rows = found
    .map((contact) => ({ contact, at: [rank(contact), contact.id] as const }))
    .toSorted((a, b) => order(a.at, b.at));
  const cursor = readCursor(request.startingAfter);
  const start = cursor === undefined ? 0 : rows.findIndex((row) => order(row.at, cursor.after) > 0);
  const data = start < 0 ? [] : rows.slice(start, start + perPage);
  const last = data.at(-1);
  const page = cursor?.page ?? 1;
  const more = start >= 0 && start + perPage < rows.length;
  const next = more && last !== undefined ? encodeCursor(last.at, page + 1) : undefined;
  return { data: data.map((row) => row.contact), total: rows.length, page, perPage, next };
}

export function pageSize(asked: unknown, otherwise: number): number {
  if (asked === undefined || asked === null) return otherwise;
  const size = Number(asked);
  if (!Number.isInteger(size) || size < 1 || size > 150) throw refusals.invalid('per_page is 1 to 150', 'per_page');
  return size;
}

function readSort(sort: unknown): { readonly field: string; readonly descending: boolean } {
  if (!isRecord(sort)) return { field: 'updated_at', descending: true };
  const { field, order } = sort;
  if (typeof field !== 'string' || dates[field] === undefined)
    throw refusals.invalid('sort.field cannot be sorted by', 'sort');
  if (order !== 'ascending' && order !== 'descending')
    throw new Refusal(400, 'invalid_sort_order', 'sort.order is ascending or descending', 'sort');
  return { field, descending: order === 'descending' };
}

interface Cursor {
  readonly after: readonly [number, string];
  readonly page: number;
}

const encodeCursor = ([rank, id]: readonly [number, string], page: number): string =>
  btoa(JSON.stringify([rank, id, page]));

function readCursor(text: unknown): Cursor | undefined {
  if (text === undefined || text === null) return undefined;
  const wrong = () => refusals.invalid('starting_after is not a cursor of ours', 'starting_after');
  if (typeof text !== 'string') throw wrong();
  let parts: unknown;
  try {
    parts = JSON.parse(atob(text));
  } catch {
    throw wrong();
  }
  if (!Array.isArray(parts)) throw wrong();
  const [rank, id, page] = parts as unknown[];
  if (typeof rank !== 'number' || typeof id !== 'string' || typeof page !== 'number') throw wrong();
  return { after: [rank, id], page };
}
