/** How far behind unify is with what a source brings: whoever writes much at once waits by it, so that live changes do not. */
import type { KafkaAdmin } from './kafka.ts';

/** Records that lie before unify, decoded or not. */
export async function waitingForUnify(
  admin: Pick<KafkaAdmin, 'lag'>,
  raw: 'salesforce.raw' | 'intercom.raw',
): Promise<number> {
  return (await admin.lag('decode', raw)) + (await admin.lag('unify', 'changes'));
}
