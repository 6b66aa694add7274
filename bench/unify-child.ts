/** The role unify, as `tributary run unify` runs it, over changes that stand in the log already. */
import { setTimeout as sleep } from 'node:timers/promises';
import { unifyRole } from '../cli/unify.ts';
import { metrics } from '../core/metrics.ts';
import { asChild } from './child.ts';
import type { Decided, UnifyTask } from './unify-once.ts';
import { openWorld } from './world.ts';

const sum = (values: readonly { readonly value: number }[]): number =>
  values.reduce((total, { value }) => total + value, 0);

async function decided(outcome: string): Promise<number> {
  const { values } = await metrics.records.get();
  return sum(values.filter(({ labels }) => labels.stage === 'unify' && labels.outcome === outcome));
}

async function run({ changes, ...deployment }: UnifyTask): Promise<Decided> {
  const world = await openWorld(deployment);
  const stop = new AbortController();
  const begun = performance.now();
  const role = unifyRole.run({ ...world, signal: stop.signal, ready: () => undefined });
  // Whatever ends it before its time ends the measuring.
  const failed = role.then(() => Promise.reject(new Error('unify ended by itself')));
  failed.catch(() => undefined);
  const until = async (holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds())) await Promise.race([sleep(5), failed]);
  };
  await until(async () => sum((await metrics.takeOvers.get()).values) > 0);
  const takeOverMs = performance.now() - begun;
  // What is compiled at first is no cost of the change that it is compiled for.
  await until(async () => (await decided('decided')) >= changes / 4);
  const [from, cpu, at] = [await decided('decided'), process.cpuUsage(), performance.now()];
  await until(async () => (await decided('decided')) >= changes);
  const records = (await decided('decided')) - from;
  const [{ user, system }, ms] = [process.cpuUsage(cpu), performance.now() - at];
  const rejected = await decided('rejected');
  if (rejected > 0) throw new Error(`${rejected} changes were rejected`);
  stop.abort();
  await role;
  return { records, cpuUs: user + system, ms, takeOverMs };
}

await asChild(run);
