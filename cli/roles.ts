/** Every role, in the order in which a change passes them. A new platform is its lines here. */
import { intercomConnector } from '../connectors/intercom/connector.ts';
import { salesforceConnector } from '../connectors/salesforce/connector.ts';
import type { Config } from '../core/config.ts';
import { metrics } from '../core/metrics.ts';
import { delay } from '../core/patience.ts';
import { runPipe } from '../core/pipe.ts';
import type { Role, RoleContext } from '../core/role.ts';
import { decodeStep } from '../processors/decode/index.ts';
import { intercomSink } from '../sinks/intercom/index.ts';
import { salesforceSink } from '../sinks/salesforce/index.ts';
import { unifyRole } from './unify.ts';

const servers = ['kafka.brokers', 'registry.url', 'redis.url'];
const salesforce = ['salesforce.loginUrl', 'salesforce.clientId', 'salesforce.clientSecret'];
const intercom = ['intercom.token'];

const raw = ['salesforce.raw', 'intercom.raw'] as const;

const decodeRole: Role = {
  name: 'decode',
  summary: 'Raw records of both platforms into changes; stateless, any number',
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

export interface RoleEntry {
  readonly role: Role;
  /** Settings it cannot do without: a pod is given the secrets of its own role and no others. */
  readonly needs: readonly string[];
  /** Is there anything for it to do? `run all` leaves it out where there is not; absent: always. */
  readonly wanted?: (config: Config) => boolean;
}

export const roles: readonly RoleEntry[] = [
  { role: salesforceConnector, needs: [...servers, ...salesforce] },
  { role: intercomConnector, needs: [...servers, ...intercom] },
  { role: decodeRole, needs: servers },
  { role: unifyRole, needs: servers },
  { role: intercomSink, needs: [...servers, ...intercom] },
  {
    role: salesforceSink,
    needs: [...servers, ...salesforce],
    wanted: ({ flows }) => Object.values(flows).some((flow) => flow.salesforce !== undefined),
  },
];
