import { hasText, type SyncFlow } from './flow.ts';

/** People of Salesforce become Intercom users, people of Intercom become contacts, and what is mapped is kept in step. */
export const contactSync: SyncFlow = {
  // Intercom needs an email or an external id for a user (so its documentation); the external id is the customer's own.
  // Without an email nobody is recognised on the other platform either: the next edit would make a second one of them.
  reasonAgainstCreate: (customer, platform) => {
    if (!hasText(customer, 'email')) return 'no email';
    // Salesforce requires the last name of a contact.
    return platform === 'salesforce' && !hasText(customer, 'lastName') ? 'no last name' : '';
  },
};
