import { hasText, type SyncFlow } from './flow.ts';

/**
 * Accounts of Salesforce become Intercom companies as soon as they have people; companies of Intercom become accounts.
 *
 * A company that we create has our accountId as its `company_id`, which Intercom never changes afterwards. A company that
 * somebody else made keeps its own: it is linked by the attribute that names its Salesforce account, by our mark, or by
 * an operator's pin, and its `company_id` is never written. So when the key of an account changes (it was unlinked, and
 * is another account from then on) its company stays with the account that it names; to link it anew, change what the
 * company names as its Salesforce account, or pin it.
 */
export const accountSync: SyncFlow = {
  reasonAgainstCreate: (account, platform, view) => {
    // Salesforce requires the name of an account, and a company without one would tell nobody anything.
    if (!hasText(account, 'name')) return 'no name';
    // A company is invisible in Intercom until somebody is attached to it: it waits for its people.
    return platform === 'salesforce' || view.hasMembers() ? '' : 'no people';
  },
};
