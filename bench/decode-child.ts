/** The role decode over raw records that stand in the log already. */
import { decodeRole } from '../cli/decode-role.ts';
import { metrics } from '../core/metrics.ts';
import { asChild } from './child.ts';
import { count, measure } from './measuring.ts';
import type { Moved } from './pass-through.ts';
import type { StageTask } from './stages.ts';
import { openWorld } from './world.ts';

async function run({ records, ...deployment }: StageTask): Promise<Moved> {
  const world = await openWorld(deployment);
  const stop = new AbortController();
  const role = decodeRole.run({ ...world, signal: stop.signal, ready: () => undefined });
  const moved = await measure(role, records, () => count(metrics.records, { stage: 'decode', outcome: 'emitted' }));
  stop.abort();
  await role;
  return moved;
}

await asChild(run);
