/**
 * Salesforce delivers an org so many events in any 24 hours, to all of its subscribers together; then it ends the streams.
 * When the next one may be opened it does not say. What was delivered to us is known, and leaves the count 24 hours after it
 * came: by then something is free again, and sooner if others had a part in it. So we try now and then, and say by when.
 * Pure; times in ms of one clock that only goes forward.
 */

const hour = 3_600_000;
const day = 24 * hour;
/** Trying is free, and what is free again is delivered at once. */
const tries = { first: 5_000, most: 900_000 } as const;

/** Events delivered to us by the hour of `now`; of the last day, oldest first. */
export type Deliveries = readonly { readonly hour: number; readonly count: number }[];

export function delivered(deliveries: Deliveries, count: number, now: number): Deliveries {
  if (count === 0) return deliveries;
  const current = Math.floor(now / hour);
  const kept = deliveries.filter((one) => one.hour < current && (one.hour + 1) * hour > now - day);
  const so = deliveries.at(-1)?.hour === current ? (deliveries.at(-1)?.count ?? 0) : 0;
  return [...kept, { hour: current, count: so + count }];
}

/** The allocation is used up: how long until we try again, and until some of it is free at the latest, ms. */
export function pauseOf(
  deliveries: Deliveries,
  refusals: number,
  now: number,
): { readonly tryInMs: number; readonly freeInMs: number } {
  const oldest = deliveries.find((one) => (one.hour + 1) * hour > now - day);
  const freeInMs = oldest === undefined ? day : Math.min(day, Math.max(0, (oldest.hour + 1) * hour + day - now));
  return { tryInMs: Math.min(tries.most, tries.first * 2 ** Math.min(refusals, 10)), freeInMs };
}
