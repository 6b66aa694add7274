import { accountSync } from './account-sync.ts';
import { contactSync } from './contact-sync.ts';
import type { SyncFlow } from './flow.ts';

/** The flow that keeps each kind of entity in step. */
export const syncFlows: Readonly<Record<'customer' | 'account', SyncFlow>> = {
  customer: contactSync,
  account: accountSync,
};
