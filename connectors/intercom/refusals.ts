/**
 * How long notifications are held back or lost because we did not take them. Pure; times are of one monotonic clock, ms.
 *
 * Who is answered with 429 sends nothing at all for a minute, then for two, up to two hours: what happens meanwhile is told
 * late, and what became too old is never told. So the trouble is over only when that pause is, and for as long as it lasts
 * it is told of again and again (`noteEveryMs`), which has everything that changed read over REST.
 */

export interface Refusals {
  /** The first one, or since when nobody was here to answer. */
  readonly since: number;
  readonly last: number;
  /** When the last notification was taken after them. */
  readonly takenAt: number;
  /** When it was told of last. */
  readonly notedAt: number;
}

/** Before any moment: a clock may have begun after what is spoken of. */
const never = Number.NEGATIVE_INFINITY;
/** What the platform pauses after the first refusal. */
const firstPauseMs = 60_000;
const longestPauseMs = 7_200_000;
/** For what is on its way, and timers that are late. */
const slackMs = 10_000;
/** More often than a hole is closed: one that was told of stays open until it is told of for the last time. */
const noteEveryMs = 30_000;

export function refused(before: Refusals | null, since: number, now: number): Refusals {
  return {
    since: Math.min(before?.since ?? since, since),
    last: now,
    takenAt: never,
    notedAt: before?.notedAt ?? never,
  };
}

/** What another one told of until then, and did not call over. */
export const adopted = (before: Refusals | null, since: number, until: number): Refusals => ({
  since: Math.min(before?.since ?? since, since),
  last: Math.max(before?.last ?? until, until),
  takenAt: before?.takenAt ?? never,
  notedAt: Math.max(before?.notedAt ?? until, until),
});

export const taken = (before: Refusals | null, now: number): Refusals | null => before && { ...before, takenAt: now };

/**
 * Nothing comes while the platform pauses: what is taken later than the shortest pause says that it is over. Where nobody
 * has anything to tell, the pause ends at the latest when as much time has passed again as was refused: each is twice as
 * long as the one before.
 */
function isOver({ since, last, takenAt }: Refusals, now: number): boolean {
  const longest = Math.min(last - since + firstPauseMs, longestPauseMs) + slackMs;
  return takenAt - last >= firstPauseMs - slackMs || now - last >= longest;
}

export interface Note {
  readonly since: number;
  readonly until: number;
  readonly isOver: boolean;
}

/** What is to be told now, if anything. */
export function noteOf(refusals: Refusals | null, now: number): Note | null {
  if (refusals === null) return null;
  const { since, notedAt } = refusals;
  const over = isOver(refusals, now);
  const isDue = over || now - notedAt >= noteEveryMs;
  return isDue ? { since, until: now, isOver: over } : null;
}

/** Once it was told: what was refused since the note was written is told of another time. */
export function told(refusals: Refusals | null, { until, isOver: over }: Note): Refusals | null {
  if (refusals === null || (over && refusals.last <= until)) return null;
  return { ...refusals, notedAt: until };
}
