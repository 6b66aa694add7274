/**
 * The judge of the demo: reads what is stored on both platforms and says where they differ. It knows the mapping from
 * the documentation, not from the pipeline: it imports nothing of it, because a judge that shares the pipeline's mapping
 * shares its mistakes and finds both sides in agreement.
 */
import type { LoggedCall } from '../../twins/intercom/calls.ts';
import type { Store as IntercomStore } from '../../twins/intercom/control.ts';
import type { LoggedCall as SalesforceCall } from '../../twins/salesforce/control.ts';

type Row = Readonly<Record<string, unknown>>;
type IntercomPerson = IntercomStore['contacts'][number];
type IntercomCompany = IntercomStore['companies'][number];

/** Living records in REST spelling, by object. */
export interface SalesforceStore {
  readonly User: readonly Row[];
  readonly Account: readonly Row[];
  readonly Contact: readonly Row[];
}

export interface Evidence {
  readonly salesforceStore: SalesforceStore;
  readonly intercomStore: Pick<IntercomStore, 'admins' | 'contacts' | 'companies'>;
  readonly calls: readonly Pick<LoggedCall, 'client' | 'method' | 'path' | 'noop'>[];
  /** Of ours, to Salesforce. */
  readonly salesforceCalls: readonly Pick<SalesforceCall, 'written'>[];
}

export interface Verdict {
  /** Contacts with an email, Intercom users, and how many of the first have their user. */
  readonly people: { readonly salesforce: number; readonly intercom: number; readonly linked: number };
  /** Contacts with the email of another one: nobody can know whose the user of that email is, so they wait for a person. */
  readonly sharing: number;
  /** Users and companies that are there once too often. */
  readonly duplicates: number;
  readonly differences: number;
  /** Calls of ours that wrote what was already there. */
  readonly noopWrites: number;
  /** One line for each duplicate and difference. */
  readonly details: readonly string[];
}

export function judge({ salesforceStore, intercomStore, calls, salesforceCalls }: Evidence): Verdict {
  const owners = new Map(salesforceStore.User.map((user) => [user['Id'], lower(user['Email'])]));
  const admins = new Map(intercomStore.admins.map((admin) => [lower(admin.email), admin.id]));
  const reachable = salesforceStore.Contact.filter((contact) => given(contact['Email']) !== null);
  const byEmail = Map.groupBy(reachable, (contact) => lower(contact['Email']));
  const contacts = reachable.filter((contact) => byEmail.get(lower(contact['Email']))?.length === 1);
  const employers = new Set(contacts.map((contact) => contact['AccountId']));
  const accounts = salesforceStore.Account.filter((account) => employers.has(account['Id']));
  const everybody = intercomStore.contacts.filter((person) => person.role === 'user' && !person.archived);
  const users = everybody.filter((user) => (byEmail.get(lower(user.email))?.length ?? 0) <= 1);
  const usersByContact = Map.groupBy(users, (user) => user.custom_attributes['salesforce_id']);
  const companiesByAccount = companiesOf(accounts, intercomStore.companies);

  const duplicates = [
    ...surplus('Contact', 'users', contacts, (contact) => usersByContact.get(idOf(contact)) ?? []),
    ...surplusByEmail(everybody),
    ...surplus('Account', 'companies', accounts, (account) => companiesByAccount.get(idOf(account)) ?? []),
  ];
  const differences: string[] = [];
  let linked = 0;
  for (const contact of contacts) {
    const [user] = usersByContact.get(idOf(contact)) ?? [];
    if (user === undefined) {
      differences.push(`Contact ${idOf(contact)} has no user in Intercom`);
      continue;
    }
    linked += 1;
    const owner = admins.get(owners.get(contact['OwnerId']) ?? null) ?? null;
    differences.push(...compare(`Contact ${idOf(contact)}`, expectedPerson(contact, owner), seenPerson(user)));
    const employer = membership(contact, user, companiesByAccount);
    if (employer !== undefined) differences.push(employer);
  }
  for (const account of accounts) {
    const [company] = companiesByAccount.get(idOf(account)) ?? [];
    if (company === undefined) differences.push(`Account ${idOf(account)} has no company in Intercom`);
    else {
      const owner = owners.get(account['OwnerId']) ?? null;
      differences.push(...compare(`Account ${idOf(account)}`, expectedCompany(account, owner), seenCompany(company)));
    }
  }
  differences.push(...unclaimed(salesforceStore.Account, intercomStore.companies));
  return {
    people: { salesforce: contacts.length, intercom: users.length, linked },
    duplicates: duplicates.length,
    sharing: reachable.length - contacts.length,
    differences: differences.length,
    noopWrites:
      calls.filter(isNoopWrite).length +
      salesforceCalls.reduce((sum, { written }) => sum + written.filter(({ changed }) => !changed).length, 0),
    details: [...duplicates, ...differences],
  };
}

// People

const expectedPerson = (contact: Row, owner: number | null): Row => ({
  email: lower(contact['Email']),
  name: [contact['FirstName'], contact['LastName']].flatMap((part) => text(part) ?? []).join(' '),
  phone: text(contact['Phone']),
  owner_id: owner,
  job_title: contact['Title'],
  level: contact['Level__c'],
  seats: contact['Seats__c'],
  newsletter: checked(contact['Newsletter__c']),
  renewal_date: seconds(contact['Renewal_Date__c']),
  last_order_at: seconds(contact['Last_Order_At__c']),
  score: contact['Score__c'],
  languages: text(contact['Languages__c'])?.split(';').toSorted().join(';'),
});

const seenPerson = ({ email, name, phone, owner_id, custom_attributes: custom }: IntercomPerson): Row => ({
  email: lower(email),
  name,
  phone,
  owner_id,
  job_title: custom['job_title'],
  level: custom['level'],
  seats: custom['seats'],
  newsletter: checked(custom['newsletter']),
  renewal_date: custom['renewal_date'],
  last_order_at: custom['last_order_at'],
  score: custom['score'],
  languages: custom['languages'],
});

/** Exactly the company of the Contact's Account; a person without Account belongs to none. */
function membership(
  contact: Row,
  user: IntercomPerson,
  companies: ReadonlyMap<unknown, readonly IntercomCompany[]>,
): string | undefined {
  const account = given(contact['AccountId']);
  const allowed = (companies.get(account) ?? []).map((company) => company.id);
  const [first, ...others] = user.companies;
  const right = account === null ? first === undefined : first !== undefined && allowed.includes(first);
  if (right && others.length === 0) return undefined;
  return `Contact ${idOf(contact)}: companies are ${show(user.companies)}, expected the one of Account ${show(account)}`;
}

// Companies

/** By Account id, in whichever attribute: an attribute name belongs to people or to companies, so it is not the people's one. */
function companiesOf(
  accounts: readonly Row[],
  companies: readonly IntercomCompany[],
): ReadonlyMap<unknown, readonly IntercomCompany[]> {
  const ids = new Set(accounts.map((account) => account['Id']));
  const accountOf = (company: IntercomCompany) => Object.values(company.custom_attributes).find((id) => ids.has(id));
  return Map.groupBy(companies, accountOf);
}

const expectedCompany = (account: Row, owner: string | null): Row => ({
  name: account['Name'],
  website: account['Website'],
  industry: account['Industry'],
  size: account['NumberOfEmployees'],
  tier: account['Tier__c'],
  contract_value: account['Contract_Value__c'],
  owner_email: owner,
});

const seenCompany = ({ name, website, industry, size, custom_attributes: custom }: IntercomCompany): Row => ({
  name,
  website,
  industry,
  size,
  tier: custom['tier'],
  contract_value: custom['contract_value'],
  owner_email: lower(custom['owner_email']),
});

// Comparing

function compare(who: string, expected: Row, seen: Row): readonly string[] {
  return Object.keys(expected).flatMap((field) => {
    const [wanted, found] = [given(expected[field]), given(seen[field])];
    return wanted === found ? [] : [`${who}: ${field} is ${show(found)} in Intercom, expected ${show(wanted)}`];
  });
}

function surplus(
  what: string,
  ofThem: string,
  rows: readonly Row[],
  found: (row: Row) => readonly { readonly id: string }[],
): readonly string[] {
  return rows.flatMap((row) =>
    found(row)
      .slice(1)
      .map(({ id }) => `${what} ${idOf(row)} has more than one of the ${ofThem} in Intercom: ${id}`),
  );
}

/** Companies of no Account. One whose people have all left is still its Account's. */
function unclaimed(accounts: readonly Row[], companies: readonly IntercomCompany[]): readonly string[] {
  return (companiesOf(accounts, companies).get(undefined) ?? []).map(
    ({ id }) => `Company ${id} in Intercom belongs to no Account`,
  );
}

/** Users of one Contact are counted there; here those that no Contact or another one claims. */
function surplusByEmail(users: readonly IntercomPerson[]): readonly string[] {
  const lines: string[] = [];
  for (const [email, sharing] of Map.groupBy(users, (user) => lower(user.email))) {
    if (email === null) continue;
    const claims = new Map(sharing.map((user) => [user.custom_attributes['salesforce_id'] ?? user.id, user]));
    for (const user of [...claims.values()].slice(1))
      lines.push(`User ${user.id} in Intercom has the email of another user`);
  }
  return lines;
}

const isNoopWrite = ({ client, method, path, noop }: Evidence['calls'][number]): boolean =>
  noop && client === 'app' && ['POST', 'PUT', 'DELETE'].includes(method) && /^\/(contacts|companies)(\/|$)/.test(path);

const idOf = (row: Row): string => String(row['Id']);
/** A checkbox of Salesforce is never empty: not checked and nothing said are one. */
const checked = (value: unknown): boolean => value === true;
/** Null, absent and empty are one: nothing. */
const given = (value: unknown): unknown => (value === undefined || value === '' ? null : value);
const text = (value: unknown): string | null => (given(value) === null ? null : String(value));
const lower = (value: unknown): string | null => text(value)?.toLowerCase() ?? null;
/** A date means its midnight in UTC; Intercom keeps whole seconds. */
const seconds = (value: unknown): number | null =>
  given(value) === null ? null : Math.floor(Date.parse(String(value)) / 1000);
const show = (value: unknown): string => JSON.stringify(value);
