/** The role decode, and how far it is behind. */
import { metrics } from '../core/metrics.ts';
import { delay } from '../core/patience.ts';
import { runPipe } from '../core/pipe.ts';
import type { Role, RoleContext } from '../core/role.ts';
import { decodeStep } from '../processors/decode/index.ts';

const raw = ['salesforce.raw', 'intercom.raw'] as const;

export const decodeRole: Role = {
  async run(context) {
    const ended = new AbortController();
    const signal = AbortSignal.any([context.signal, ended.signal]);
    // Not waited for at the end: a question to a broker that hangs would outlast the drain.
    void watchLag({ ...context, signal });
    try {
      await runPipe({ ...context, group: 'decode', input: raw, stage: 'decode', step: decodeStep });
    } finally {
      ended.abort();
    }
  },
};

/** Of the group, not of this pod: any pod tells the same, and one that reads nothing at the moment tells it too. */
async function watchLag({ kafka, log, signal }: RoleContext): Promise<void> {
  while (!signal.aborted) {
    try {
      for (const topic of raw) metrics.lag.set({ group: 'decode', topic }, await kafka.admin.lag('decode', topic));
    } catch (error) {
      // Kafka away is told by the loop itself; a figure that is missing for a while stops nothing.
      log.debug({ err: error }, 'the lag could not be read');
    }
    await delay(2_000, signal);
  }
}
