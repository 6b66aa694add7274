/**
 * Every role, in the order in which a change passes them. A new platform is its lines here. A role is loaded when it is run: the
 * clients of both platforms take half of the memory of a process that has no use for them.
 */
import type { Config } from '../core/config.ts';
import type { Role } from '../core/role.ts';

const servers = ['kafka.brokers', 'registry.url', 'redis.url'];
const salesforce = ['salesforce.loginUrl', 'salesforce.clientId', 'salesforce.clientSecret'];
const intercom = ['intercom.token'];

export interface RoleEntry {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  /** Settings it cannot do without: a pod is given the secrets of its own role and no others. */
  readonly needs: readonly string[];
  /** Is there anything for it to do? `run all` leaves it out where there is not; absent: always. */
  readonly wanted?: (config: Config) => boolean;
  readonly load: () => Promise<Role>;
}

export const roles: readonly RoleEntry[] = [
  {
    name: 'connect-salesforce',
    summary: 'Salesforce change events, and rows read over REST, into salesforce.raw; one active, others stand by',
    needs: [...servers, ...salesforce],
    load: async () => (await import('../connectors/salesforce/connector.ts')).salesforceConnector,
  },
  {
    name: 'connect-intercom',
    summary: 'Webhooks and what is read over REST into intercom.raw; any number receive, one of them reads',
    needs: [...servers, ...intercom],
    load: async () => (await import('../connectors/intercom/connector.ts')).intercomConnector,
  },
  {
    name: 'decode',
    summary: 'Raw records of both platforms into changes; stateless, any number',
    needs: servers,
    load: async () => (await import('./decode-role.ts')).decodeRole,
  },
  {
    name: 'unify',
    summary: 'The one writer: changes into canonical events and commands; one is active, others stand by',
    needs: servers,
    load: async () => (await import('./unify.ts')).unifyRole,
  },
  {
    name: 'sink-intercom',
    summary: 'Carries out what unify asks of Intercom, within the budget',
    needs: [...servers, ...intercom],
    load: async () => (await import('../sinks/intercom/index.ts')).intercomSink,
  },
  {
    name: 'sink-salesforce',
    summary: 'Carries out what unify asks of Salesforce, up to 200 records per call, within the budget',
    needs: [...servers, ...salesforce],
    wanted: ({ flows }) => Object.values(flows).some((flow) => flow.salesforce !== undefined),
    load: async () => (await import('../sinks/salesforce/index.ts')).salesforceSink,
  },
];
