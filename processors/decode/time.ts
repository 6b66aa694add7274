/**
 * Calendar arithmetic on milliseconds since the epoch, UTC, without `Date`: a decoder must give the same bytes on every
 * machine and in every replay, and `Date` is also a clock and a time zone. Proleptic Gregorian days as in H. Hinnant's
 * "chrono-compatible low-level date algorithms".
 */
const dayMs = 86_400_000;

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

function civil(days: number): string {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
}

function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function clock(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = Math.floor(ms / 1000) % 60;
  return `${pad(hours, 2)}:${pad(minutes, 2)}:${pad(seconds, 2)}.${pad(ms % 1000, 3)}`;
}

/** `2026-01-02`. */
export const dateText = (ms: number): string => civil(Math.floor(ms / dayMs));

/** `03:04:05.000`, of milliseconds since midnight. */
export const timeText = clock;

/** `2026-01-02T03:04:05.000`, without a zone: the caller adds the spelling of its platform. */
export function dateTimeText(ms: number): string {
  const days = Math.floor(ms / dayMs);
  return `${civil(days)}T${clock(ms - days * dayMs)}`;
}

const isoDateTime = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,3})\d*)?(Z|([+-])(\d{2}):?(\d{2}))$/;

/** Milliseconds at 00:00 UTC of a day; undefined when the calendar has no such day. */
function dayOf(year: string, month: string, day: string): number | undefined {
  const days = daysFromCivil(Number(year), Number(month), Number(day));
  return civil(days) === `${year}-${month}-${day}` ? days * dayMs : undefined;
}

/** Milliseconds of `2026-01-02` at 00:00 UTC; undefined when it is no date. */
export function parseDate(text: string): number | undefined {
  const [, year = '', month = '', day = ''] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? [];
  return year === '' ? undefined : dayOf(year, month, day);
}

/** Milliseconds of an ISO 8601 date-time that names its zone, `+0000` and `+00:00` alike; undefined when it is none. */
export function parseDateTime(text: string): number | undefined {
  const parts = isoDateTime.exec(text);
  if (parts === null) return undefined;
  const at = (index: number): number => Number(parts[index] ?? 0);
  const day = dayOf(parts[1] ?? '', parts[2] ?? '', parts[3] ?? '');
  if (day === undefined || at(4) > 23 || at(5) > 59 || at(6) > 59) return undefined;
  const fraction = Number((parts[7] ?? '').padEnd(3, '0'));
  const offset = (at(10) * 60 + at(11)) * 60_000 * (parts[9] === '-' ? -1 : 1);
  return day + at(4) * 3_600_000 + at(5) * 60_000 + at(6) * 1000 + fraction - offset;
}
