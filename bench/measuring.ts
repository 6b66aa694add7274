/** What every measured process does: waits until it is warm, and takes what the rest of the work costs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { metrics } from '../core/metrics.ts';
import type { Moved } from './pass-through.ts';

const lookEveryMs = 5;

type Counter = Pick<typeof metrics.records | typeof metrics.results | typeof metrics.takeOvers, 'get'>;

/** Of a counter, over those of its series whose labels are these. */
export async function count(counter: Counter, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const { values } = await counter.get();
  const wanted = Object.entries(labels);
  return values
    .filter((one) => wanted.every(([name, value]) => (one.labels as Record<string, unknown>)[name] === value))
    .reduce((total, { value }) => total + value, 0);
}

/** Rejects with what ended the role: nothing that is measured ends by itself. */
export async function untilHolds(role: Promise<void>, holds: () => Promise<boolean>): Promise<void> {
  const ended = role.then(() => Promise.reject(new Error('it ended before it was measured')));
  ended.catch(() => undefined);
  while (!(await holds())) await Promise.race([sleep(lookEveryMs), ended]);
}

/**
 * The first quarter is not counted: what is compiled and connected then is no cost of the records that it is done for. Of so
 * few that they are done in one go everything is.
 */
export async function measure(role: Promise<void>, records: number, done: () => Promise<number>): Promise<Moved> {
  const look = async () => ({ done: await done(), cpu: process.cpuUsage(), at: performance.now() });
  const cold = await look();
  await untilHolds(role, async () => (await done()) >= records / 4);
  const warm = await look();
  await untilHolds(role, async () => (await done()) >= records);
  const end = await look();
  const from = warm.done < end.done ? warm : cold;
  const cpu = (of: typeof end): number => of.cpu.user + of.cpu.system;
  return { records: end.done - from.done, cpuUs: cpu(end) - cpu(from), ms: end.at - from.at };
}
