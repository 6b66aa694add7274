/**
 * Up to when the connector may say that it is current. Salesforce's stream carries no clock: an idle stream and a stuck
 * one look the same for 270 s, the longest pause between its keepalives, while creates wait for a word from us.
 *
 * beat: a unary call on the stream's own HTTP/2 connection. What the server wrote before its answer has arrived before
 * it, so an answered beat proves the stream alive up to the moment the beat was sent.
 *
 * The claim: everything that Salesforce had committed `margin` before is in the raw topic.
 * - quiet (no event since the beat before this one, credit open all the time, stream open for `settle`): then nothing was
 *   waiting for us, and the claim is the platform's clock when the beat was sent, less the margin.
 * - busy: the stream is in commit order, so the claim is the last event's commit less the margin, however far behind
 *   that is: after an outage it grows with the catching up and not with the clock.
 * The margin stands for the time between commit and delivery, which Salesforce does not bound; an event later than that
 * is still decided by its own position, only a create may then have been asked for without knowing of it.
 * A claim never falls and is made only for what was written; it may lag, it does not run ahead.
 */
export interface Currency {
  /** ms of the local clock; undefined: no stream. */
  readonly openedAt: number | undefined;
  readonly credit: number;
  /** Local time since when the credit has been open without a break. */
  readonly creditSince: number;
  readonly lastEventAt: number;
  /** Newest commit that is in raw, ms. */
  readonly lastCommit: number;
  /** Local time when the beat before was sent. */
  readonly lastBeat: number;
  readonly claim: number;
}

export const margin = 2_000;
export const settle = 3_000;

export const noStream: Currency = {
  openedAt: undefined,
  credit: 0,
  creditSince: 0,
  lastEventAt: 0,
  lastCommit: 0,
  lastBeat: 0,
  claim: 0,
};

export function opened(before: Currency, now: number, credit: number): Currency {
  return { ...closed(before), openedAt: now, lastBeat: now, credit, creditSince: now };
}

export function closed(before: Currency): Currency {
  return { ...noStream, claim: before.claim };
}

export function received(before: Currency, now: number, events: number): Currency {
  return events === 0 ? before : { ...before, credit: before.credit - events, lastEventAt: now };
}

/** Events up to this commit are in raw. */
export function written(before: Currency, commit: number): Currency {
  return { ...before, lastCommit: Math.max(before.lastCommit, commit) };
}

export function asked(before: Currency, now: number, credit: number): Currency {
  // With nothing left the server had to hold back: silence up to here says nothing.
  const creditSince = before.credit <= 0 ? now : before.creditSince;
  return { ...before, credit: before.credit + credit, creditSince };
}

export interface Beat {
  /** Local time when it was sent. */
  readonly sentAt: number;
  /** Platform's clock then, never ahead of the true one. */
  readonly platformAt: number;
}

export function answered(before: Currency, beat: Beat): Currency {
  if (before.openedAt === undefined) return before;
  const quietSince = Math.max(before.lastEventAt + 1, before.creditSince, before.openedAt);
  const quiet = before.credit > 0 && beat.sentAt - before.openedAt >= settle && quietSince <= before.lastBeat;
  const proven = (quiet ? beat.platformAt : before.lastCommit) - margin;
  // Whole seconds: the platform's own clock has no finer ones.
  return { ...before, lastBeat: beat.sentAt, claim: Math.max(before.claim, Math.floor(proven / 1000) * 1000) };
}
