import type { SyncFlow } from './flow.ts';

/** Accounts of Salesforce become Intercom companies as soon as they have people. */
export const accountSync: SyncFlow = {
  reasonAgainstCreate: (account, view) => {
    const name = account.fields['name']?.value;
    if (typeof name !== 'string' || name === '') return 'no name';
    // A company is invisible in Intercom until somebody is attached to it: it waits for its people.
    return view.hasMembers() ? '' : 'no people';
  },
};
