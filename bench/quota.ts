/**
 * What becomes of a quota while there is more to write than it allows: how much of the budget is used, and whether any ten
 * seconds, wherever they are cut, held more calls than it.
 */
import { editEvenly, linkedPeople, loadPeople } from './people.ts';
import { roles, withPipeline } from './pipeline.ts';
import type { Section } from './section.ts';

const windowMs = 10_000;
/** `intercom.budget.share`, as by default: the rest is left to others who call on the same quota. */
const share = 0.8;

export const quota: Section<'quotaUsed' | 'quotaOvershoot'> = {
  name: 'quota',
  about: "calls to Intercom while there are more to make than the budget's window of ten seconds allows",
  figures: {
    quotaUsed: {
      about: 'calls made while it was saturated, of those that the budget allows',
      unit: 'share',
      atLeast: 0.95,
    },
    quotaOvershoot: {
      about: 'calls beyond the budget in the worst ten seconds, and any that Intercom refused',
      unit: 'calls',
      atMost: 0,
    },
  },
  run: (bench) =>
    withPipeline(bench, true, async (pipeline) => {
      const { platforms } = pipeline;
      const count = bench.quick ? 60 : 3_000;
      const perMinute = bench.quick ? 300 : 6_000;
      await loadPeople(pipeline, count);
      await platforms.startRoles(roles);
      await platforms.subscribe();
      await platforms.settled(() => undefined);
      const people = await linkedPeople(pipeline);
      await platforms.limitIntercom(perMinute);
      // The answer to any call tells the limit.
      await editEvenly(pipeline, people.slice(0, 1), { perSecond: 1, seconds: 1, signal: bench.signal });
      await platforms.settled(() => undefined);
      const from = (await platforms.intercomCalls()).at(-1)?.n ?? 0;
      await editEvenly(pipeline, people, { perSecond: count / 6, seconds: 6, signal: bench.signal });
      await platforms.settled(() => undefined);
      const calls = (await platforms.intercomCalls(from)).filter(({ client }) => client === 'app');
      const allowed = Math.floor((perMinute / 60_000) * windowMs * share);
      const times = calls.map(({ time }) => time);
      const refused = calls.filter(({ status }) => status === 429).length;
      return { quotaUsed: used(times, allowed), quotaOvershoot: Math.max(0, fullest(times) - allowed) + refused };
    }),
};

/** Its first and its last second are left out: it is not yet, or no longer, saturated. */
export function used(times: readonly number[], allowed: number): number {
  const [first, last] = [Math.min(...times) + 1_000, Math.max(...times) - 1_000];
  const made = times.filter((time) => time >= first && time < last).length;
  return made / (allowed * ((last - first) / windowMs));
}

/** Calls of the fullest window. */
export function fullest(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  let most = 0;
  let from = 0;
  for (const [index, time] of sorted.entries()) {
    while ((sorted[from] ?? time) <= time - windowMs) from += 1;
    most = Math.max(most, index - from + 1);
  }
  return most;
}
