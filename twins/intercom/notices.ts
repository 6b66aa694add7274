/**
 * Which notifications a change leads to. One change may be told by several topics, and topics about people name the
 * role. Pure; the shapes of the items are those of captured notifications where there are any.
 */
import { companyNotice, contactNotice, memberCompanyNotice, type WebhookSpelling } from './present.ts';
import type { Company, Contact, Switches } from './types.ts';

export interface Notice {
  readonly topic: string;
  readonly item: object;
}

export interface Telling {
  readonly workspaceId: string;
  readonly now: number;
  readonly switches: Switches;
}

const spelling = ({ workspaceId, switches }: Telling): WebhookSpelling => ({
  workspaceId,
  version: switches.webhookVersion,
  emptyPhone: switches.emptyPhone,
});

export const contactCreated = (contact: Contact, telling: Telling): readonly Notice[] => [
  { topic: `contact.${contact.role}.created`, item: contactNotice(contact, spelling(telling)) },
];

export function contactUpdated(before: Contact, after: Contact, telling: Telling): readonly Notice[] {
  const item = contactNotice(after, spelling(telling));
  const notices: Notice[] = [];
  if (before.role !== after.role) notices.push({ topic: 'contact.lead.signed_up', item });
  if (before.email !== after.email) {
    const added = after.role === 'lead' && before.email === null;
    notices.push({ topic: added ? 'contact.lead.added_email' : 'contact.email.updated', item });
  }
  if (before.unsubscribed_from_emails !== after.unsubscribed_from_emails)
    notices.push(consentNotice(after.unsubscribed_from_emails ? 'unsubscribe' : 'subscribe', item, telling.now));
  return [...notices, { topic: `contact.${after.role}.updated`, item }];
}

const consentNotice = (verb: 'subscribe' | 'unsubscribe', contact: object, now: number): Notice => ({
  topic: `contact.${verb}d`,
  item: {
    type: `contact_${verb}`,
    contact,
    subscription_types: { type: 'list', data: [] },
    created_at: Math.floor(now / 1000),
  },
});

export const contactArchived = ({ id, external_id }: Contact): readonly Notice[] => [
  { topic: 'contact.archived', item: { id, external_id, type: 'contact', archived: true } },
];

export const contactUnarchived = (contact: Contact, telling: Telling): readonly Notice[] => [
  { topic: telling.switches.unarchiveTopic, item: contactNotice(contact, spelling(telling)) },
];

/** Without the external id. */
export const contactDeleted = ({ id }: Contact): readonly Notice[] => [
  { topic: 'contact.deleted', item: { id, type: 'contact', deleted: true } },
];

export function contactMerged(survivor: Contact, loser: Contact, telling: Telling): readonly Notice[] {
  const { mergedFrom, mergeNotifiesDeleted } = telling.switches;
  const item = {
    ...contactNotice(survivor, spelling(telling)),
    ...(mergedFrom && { merged_from: { type: 'contact', id: loser.id } }),
  };
  return [{ topic: 'contact.merged', item }, ...(mergeNotifiesDeleted ? contactDeleted(loser) : [])];
}

export const companyCreated = (company: Company, userCount: number, telling: Telling): readonly Notice[] => [
  { topic: 'company.created', item: companyNotice(company, userCount, spelling(telling)) },
];

export const companyUpdated = (company: Company, userCount: number, telling: Telling): readonly Notice[] => [
  { topic: 'company.updated', item: companyNotice(company, userCount, spelling(telling)) },
];

/** Without the company_id. */
export const companyDeleted = ({ id }: Company): readonly Notice[] => [
  { topic: 'company.deleted', item: { id, type: 'company', deleted: true } },
];

/** The item has no type of its own. */
export function membershipChanged(
  verb: 'attached' | 'detached',
  company: Company,
  contact: Contact,
  userCount: number,
  telling: Telling,
): readonly Notice[] {
  const told = contactNotice(contact, spelling(telling));
  const membership = { company: memberCompanyNotice(company, userCount, spelling(telling)), contact: told };
  return [
    { topic: `company.contact.${verb}`, item: membership },
    ...(telling.switches.attachNotifiesContact ? [{ topic: `contact.${contact.role}.updated`, item: told }] : []),
  ];
}
