/**
 * The rules of a deployment that writes to both platforms. The configuration check refuses some of it while nothing runs it
 * on the wire; what decides takes it as it is.
 */
import { type Config, loadConfig } from '../../core/config.ts';
import type { RulesConfig } from '../../processors/unify/rules.ts';

export interface TwoWayOptions {
  /** Are accounts created in Salesforce? Contacts always are. */
  readonly accounts?: boolean;
  readonly primaryCompany?: RulesConfig['flows']['contact-sync']['primaryCompany'];
}

export function twoWay({ accounts = true, primaryCompany = 'current' }: TwoWayOptions = {}): RulesConfig {
  const config: Config = loadConfig({ env: {} });
  return {
    ...config,
    flows: {
      'contact-sync': { ...config.flows['contact-sync'], salesforce: { create: true }, primaryCompany },
      'account-sync': { ...config.flows['account-sync'], salesforce: { create: accounts } },
    },
    capture: { salesforce: true, intercom: true },
  };
}
