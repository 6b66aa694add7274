import type { SyncFlow } from './flow.ts';

/** People of Salesforce become Intercom users, and what is mapped is kept in step. */
export const contactSync: SyncFlow = {
  // Intercom needs an email or an external id for a user (so its documentation); the external id is the customer's own.
  reasonAgainstCreate: (customer) => {
    const email = customer.fields['email']?.value;
    return typeof email === 'string' && email !== '' ? '' : 'no email';
  },
};
