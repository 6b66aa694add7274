/**
 * Stop rather than refuse everything. A platform that refuses one record tells something about the record; one that
 * refuses a run of different records in the same words tells something about us (a permission withdrawn, a field made
 * required, a plan that ended), and each further call would turn a good change into a dead letter. The same holds for
 * calls that fail. Pure: time is an argument.
 *
 * closed → (a run of `limit` failures alike) → open, nothing is called → (the pause is over) → half-open, one call at a
 * time → a success closes it, a run of `probes` failures opens it again for twice as long: the next record may be one of
 * many that are bad for a reason of their own.
 */
export interface BreakerRule {
  readonly limit: number;
  readonly probes: number;
  readonly pauseMs: number;
  readonly longestMs: number;
}

export interface Breaker {
  /** What the run of failures has in common. */
  readonly kind: string;
  /** Subject of the last one: a record that is tried again counts once. */
  readonly subject: string;
  readonly run: number;
  readonly openUntil: number;
  readonly pauses: number;
}

export const closed: Breaker = { kind: '', subject: '', run: 0, openUntil: 0, pauses: 0 };

export function failed(breaker: Breaker, rule: BreakerRule, kind: string, subject: string, now: number): Breaker {
  // Calls begun before it opened still come back.
  if (now < breaker.openUntil) return breaker;
  const alike = kind === breaker.kind;
  const run = !alike ? 1 : breaker.run + (subject === '' || subject !== breaker.subject ? 1 : 0);
  const next = { ...breaker, kind, subject, run };
  if (run < (breaker.pauses === 0 ? rule.limit : rule.probes)) return next;
  const pause = Math.min(rule.pauseMs * 2 ** breaker.pauses, rule.longestMs);
  return { ...next, run: 0, openUntil: now + pause, pauses: breaker.pauses + 1 };
}

export function stateOf(breaker: Breaker, now: number): 'closed' | 'open' | 'half-open' {
  if (breaker.pauses === 0) return 'closed';
  return now < breaker.openUntil ? 'open' : 'half-open';
}
