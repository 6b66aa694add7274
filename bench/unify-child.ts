/** The role unify, as `tributary run unify` runs it, over changes that stand in the log already. */
import { unifyRole } from '../cli/unify.ts';
import { metrics } from '../core/metrics.ts';
import { asChild } from './child.ts';
import { count, measure, untilHolds } from './measuring.ts';
import type { Decided, UnifyTask } from './unify-once.ts';
import { openWorld } from './world.ts';

async function run({ changes, ...deployment }: UnifyTask): Promise<Decided> {
  const world = await openWorld(deployment);
  const stop = new AbortController();
  const begun = performance.now();
  const role = unifyRole.run({ ...world, signal: stop.signal, ready: () => undefined });
  await untilHolds(role, async () => (await count(metrics.takeOvers)) > 0);
  const takeOverMs = performance.now() - begun;
  const moved = await measure(role, changes, () => count(metrics.records, { stage: 'unify', outcome: 'decided' }));
  const rejected = await count(metrics.records, { stage: 'unify', outcome: 'rejected' });
  if (rejected > 0) throw new Error(`${rejected} changes were rejected`);
  stop.abort();
  await role;
  return { ...moved, takeOverMs };
}

await asChild(run);
