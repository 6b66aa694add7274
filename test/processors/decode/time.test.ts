import fc from 'fast-check';
import { expect, it } from 'vitest';
import { dateText, dateTimeText, parseDate, parseDateTime } from '../../../processors/decode/time.ts';

const moment = fc.integer({ min: Date.UTC(1600, 0, 1), max: Date.UTC(4000, 0, 1) });

it('writes and reads any moment as the platform library does', () => {
  fc.assert(
    fc.property(moment, (ms) => {
      const iso = new Date(ms).toISOString();
      expect(`${dateTimeText(ms)}Z`).toBe(iso);
      expect(parseDateTime(iso)).toBe(ms);
      expect(parseDateTime(iso.replace('Z', '+0000'))).toBe(ms);
      expect(parseDate(dateText(ms))).toBe(ms - (((ms % 86_400_000) + 86_400_000) % 86_400_000));
    }),
  );
});

it.each([
  ['2026-01-02T03:04:05+02:00', Date.UTC(2026, 0, 2, 1, 4, 5)],
  ['2026-01-02T03:04:05.5-0130', Date.UTC(2026, 0, 2, 4, 34, 5, 500)],
  ['2026-01-02T03:04:05.123456Z', Date.UTC(2026, 0, 2, 3, 4, 5, 123)],
])('reads %s', (text, ms) => {
  expect(parseDateTime(text)).toBe(ms);
});

it.each(['2026-01-02', '2026-01-02T03:04:05', '2026-02-30T03:04:05Z', '2026-01-02T24:04:05Z', 'yesterday', ''])(
  '%j names no moment',
  (text) => {
    expect(parseDateTime(text)).toBeUndefined();
  },
);

it.each(['2026-02-30', '2026-13-01', '2026-1-2', 'Jan 2 2026', 'Room 5', '5', ''])('%j is no date', (text) => {
  expect(parseDate(text)).toBeUndefined();
});
