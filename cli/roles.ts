/** Every role, in the order in which a change passes them. A new platform is its lines here. */
import { intercomConnector } from '../connectors/intercom/directory.ts';
import { salesforceConnector } from '../connectors/salesforce/connector.ts';
import { runPipe } from '../core/pipe.ts';
import type { Role } from '../core/role.ts';
import { decodeStep } from '../processors/decode/index.ts';
import { intercomSink } from '../sinks/intercom/index.ts';
import { unifyRole } from './unify.ts';

const servers = ['kafka.brokers', 'registry.url', 'redis.url'];
const salesforce = ['salesforce.loginUrl', 'salesforce.clientId', 'salesforce.clientSecret'];
const intercom = ['intercom.token'];

const decodeRole: Role = {
  name: 'decode',
  summary: 'Raw records of both platforms into changes; stateless, any number',
  run: (context) =>
    runPipe({
      ...context,
      group: 'decode',
      input: ['salesforce.raw', 'intercom.raw'],
      stage: 'decode',
      step: decodeStep,
    }),
};

export interface RoleEntry {
  readonly role: Role;
  /** Settings it cannot do without: a pod is given the secrets of its own role and no others. */
  readonly needs: readonly string[];
}

export const roles: readonly RoleEntry[] = [
  { role: salesforceConnector, needs: [...servers, ...salesforce] },
  { role: intercomConnector, needs: [...servers, ...intercom] },
  { role: decodeRole, needs: servers },
  { role: unifyRole, needs: servers },
  { role: intercomSink, needs: [...servers, ...intercom] },
];
