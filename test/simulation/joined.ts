/** What events tell of a person's company: the account as it was told last, whoever changed it. */
import type { Account, AccountEvent, CustomerEvent } from '../../schemas/types.ts';
import type { Emitted } from './writer.ts';

/** Customers whose last event carries another account than the account's own last event, with both. */
export function joinedWrong(outputs: readonly Emitted[]): readonly string[] {
  const accounts = new Map<string, Account>();
  const customers = new Map<string, CustomerEvent>();
  for (const { topic, value } of outputs) {
    if (value === null) continue;
    if (topic === 'account.events') {
      const { accountId, account } = value as AccountEvent;
      accounts.set(accountId, account);
    } else if (topic === 'customer.events') customers.set((value as CustomerEvent).customerId, value as CustomerEvent);
  }
  return [...customers.values()].flatMap(({ customerId, type, account }) => {
    if (account === null || type === 'merged' || type === 'deleted') return [];
    const own = accounts.get(account.accountId);
    const [told, is] = [account, own].map((one) => one && text(one));
    return told === is ? [] : [`${customerId} is told with ${told}, the account is ${is ?? 'told by no event'}`];
  });
}

/** Without its refs: which records it is known by is not what a person's event is about. */
const text = ({ name, domain, industry, employees, attributes }: Account): string =>
  JSON.stringify([name, domain, industry, employees, Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))]);
