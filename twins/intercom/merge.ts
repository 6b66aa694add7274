/** What the survivor of a merge has afterwards. Pure. */
import type { Contact } from './types.ts';

/** Where the survivor has nothing, it takes what the other one had. */
const filled = ['phone', 'name', 'avatar', 'owner_id', 'signed_up_at', 'language_override'] as const;

/**
 * The survivor's own values stand, also its role and external id; what it has not is filled from the other one, and it
 * belongs to the companies of both. The platform says only that what is known of a lead moves to the user: what happens
 * where both have a value is a guess, and so is that an unsubscription outlives the merge.
 * @param emailIsFree No third contact holds the other one's email.
 */
export function joined(into: Contact, from: Contact, emailIsFree: boolean): Contact {
  const values = Object.fromEntries(filled.map((field) => [field, into[field] ?? from[field]]));
  return {
    ...into,
    ...values,
    email: into.email ?? (emailIsFree ? from.email : null),
    unsubscribed_from_emails: into.unsubscribed_from_emails || from.unsubscribed_from_emails,
    last_seen_at: latest(into.last_seen_at, from.last_seen_at),
    custom_attributes: { ...from.custom_attributes, ...into.custom_attributes },
  };
}

/** The survivor's, then those that the other one adds; what is above the limit is left out. */
export function joinedCompanies(into: Contact, from: Contact, limit: number): readonly string[] {
  const added = from.companies.filter((id) => !into.companies.includes(id)).slice(0, limit - into.companies.length);
  return added.length === 0 ? into.companies : [...into.companies, ...added];
}

/** The platform's own idea of the same person (published with 2.16). */
export const areDuplicates = (a: Contact, b: Contact): boolean =>
  (a.email !== null && a.email.toLowerCase() === b.email?.toLowerCase()) || (a.phone !== null && a.phone === b.phone);

const latest = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.max(a, b);
