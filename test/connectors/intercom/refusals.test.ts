import { describe, expect, test } from 'vitest';
import { adopted, noteOf, type Refusals, refused, taken, told } from '../../../connectors/intercom/refusals.ts';

const minute = 60_000;
const start = 5_000;

/** What was told of, looked at every second; `at` are moments at which a notification is refused or taken. */
function notes(
  until: number,
  at: { readonly refused: readonly number[]; readonly taken?: readonly number[] },
): readonly { readonly since: number; readonly until: number; readonly isOver: boolean }[] {
  const found = [];
  let refusals: Refusals | null = null;
  for (let now = start; now <= until; now += 1_000) {
    for (const one of at.refused) if (one > now - 1_000 && one <= now) refusals = refused(refusals, one, one);
    for (const one of at.taken ?? []) if (one > now - 1_000 && one <= now) refusals = taken(refusals, one);
    const note = noteOf(refusals, now);
    if (note === null) continue;
    found.push(note);
    refusals = told(refusals, note);
  }
  return found;
}

describe('notifications that were put off', () => {
  test('are told of at once, every half minute, and a last time when the platform sends again', () => {
    const found = notes(start + 3 * minute, { refused: [start + 200], taken: [start + 65_000] });
    expect(found.map(({ until, isOver }) => [until - start, isOver])).toEqual([
      [1_000, false],
      [31_000, false],
      [61_000, false],
      [65_000, true],
    ]);
    expect(new Set(found.map(({ since }) => since))).toEqual(new Set([start + 200]));
  });

  test('are not over because others were taken in the same moment: the platform has begun to wait', () => {
    const found = notes(start + 40_000, { refused: [start + 200], taken: [start + 300, start + 20_000] });
    expect(found.map(({ isOver }) => isOver)).toEqual([false, false]);
  });

  test('are over without a word when the platform must have sent what it held back', () => {
    // Refused at once, after one minute and after two more: the pause in force is of four.
    const last = start + 3 * minute;
    const over = notes(last + 20 * minute, { refused: [start, start + minute, last] }).at(-1);
    expect(over).toMatchObject({ since: start, isOver: true });
    expect((over?.until ?? 0) - last).toBeGreaterThanOrEqual(4 * minute);
    expect((over?.until ?? 0) - last).toBeLessThan(5 * minute);
  });

  test('of a day are over two hours later: no pause is longer', () => {
    const before = refused(refused(null, start, start), start + 24 * 60 * minute, start + 24 * 60 * minute);
    expect(noteOf(before, before.last + 119 * minute)?.isOver).toBe(false);
    expect(noteOf(before, before.last + 121 * minute)?.isOver).toBe(true);
  });

  test('that were refused while the last of them was told of are told of as well', () => {
    const first = refused(null, start, start);
    const note = noteOf(taken(first, start + minute), start + 2 * minute);
    expect(note?.isOver).toBe(true);
    const again = refused(first, start + 2 * minute + 1, start + 2 * minute + 1);
    expect(note && told(again, note)).toMatchObject({ since: start, last: start + 2 * minute + 1 });
  });
});

test('what another one told of is told on, though our clock began after it', () => {
  const other = adopted(null, -90_000, -20_000);
  expect(noteOf(other, 5_000)).toBeNull();
  expect(noteOf(other, 10_000)).toEqual({ since: -90_000, until: 10_000, isOver: false });
  expect(noteOf(taken(other, 35_000), 35_000)?.isOver).toBe(true);
  // Nobody says a word: over when the pause must be.
  expect(noteOf(other, 110_000)?.isOver).toBe(false);
  expect(noteOf(other, 121_000)?.isOver).toBe(true);
});

test('where all were taken there is nothing to tell', () => {
  expect(noteOf(taken(null, start), start)).toBeNull();
});
