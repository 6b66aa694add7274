import { accountSync } from './account-sync.ts';
import { contactSync } from './contact-sync.ts';
import type { SyncFlow } from './flow.ts';

/** Every flow there is. Adding one is a file and a line here. */
export const flows: readonly SyncFlow[] = [contactSync, accountSync];

const byEntity = { customer: contactSync, account: accountSync } as const;

export const flowOf = (entity: 'customer' | 'account'): SyncFlow => byEntity[entity];
