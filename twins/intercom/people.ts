/**
 * The people of a workspace, and what each of them holds: the email and external id of a user are his alone, and stay so
 * while he is archived or merged away. An id that was merged away leads to the one it lives on under.
 */
import { SearchIndex } from './search.ts';
import { type Contact, Refusal, type Role, refusals } from './types.ts';

/** What is left of a contact that was merged into another one. */
export interface MergedAway {
  readonly id: string;
  readonly role: Role;
  readonly into: string;
  readonly merged_ms: number;
}

/** A `Link` leads over at most so many merges (published with 2.16). */
const furthest = 3;

export class People {
  readonly #contacts = new Map<string, Contact>();
  readonly #merged = new Map<string, MergedAway>();
  /** Of users; leads share addresses, and their external id is the platform's own. */
  readonly #byEmail = new Map<string, string>();
  readonly #byExternalId = new Map<string, string>();
  readonly #index = new SearchIndex();

  all(): readonly Contact[] {
    return [...this.#contacts.values()];
  }

  /** An archived contact is not found by its id either. @throws Refusal 404, 410 */
  get(id: string): Contact {
    const contact = this.evenArchived(id);
    if (contact.archived) throw refusals.contactNotFound();
    return contact;
  }

  /** @throws Refusal 404, 410 */
  evenArchived(id: string): Contact {
    const contact = this.#contacts.get(id);
    if (contact !== undefined) return contact;
    const survivor = this.#survivor(id);
    throw survivor === undefined ? refusals.contactNotFound() : refusals.contactMerged(survivor);
  }

  find(id: string): Contact | undefined {
    return this.#contacts.get(id);
  }

  /** @throws Refusal 404, 410 */
  byExternalId(externalId: string): Contact {
    return this.get(this.#byExternalId.get(externalId) ?? '');
  }

  isMerged(id: string): boolean {
    return this.#merged.has(id);
  }

  mergedInto(id: string): readonly MergedAway[] {
    return [...this.#merged.values()].filter(({ into }) => into === id);
  }

  /** Who else holds the email or the external id of a user. */
  holder({ id, role, email, external_id }: Contact): string | undefined {
    if (role === 'lead') return undefined;
    const holders = [
      external_id === null ? undefined : this.#byExternalId.get(external_id),
      email === null ? undefined : this.#byEmail.get(email),
    ];
    return holders.find((holder) => holder !== undefined && holder !== id);
  }

  /** @throws Refusal 409, with the id of the holder in its text and nowhere else */
  checkUnique(contact: Contact): void {
    const holder = this.holder(contact);
    if (holder === undefined) return;
    // A contact merged away still holds what was its own, and the platform calls it archived.
    const article = this.#contacts.get(holder)?.archived === false ? 'A' : 'An archived';
    throw new Refusal(409, 'conflict', `${article} contact matching those details already exists with id=${holder}`);
  }

  put(contact: Contact, now: number, lagMs: number): void {
    const before = this.#contacts.get(contact.id);
    if (before !== undefined) this.#release(before);
    this.#contacts.set(contact.id, contact);
    if (contact.role === 'user') {
      if (contact.email !== null) this.#byEmail.set(contact.email, contact.id);
      if (contact.external_id !== null) this.#byExternalId.set(contact.external_id, contact.id);
    }
    this.#index.put(contact.id, contact, now, lagMs);
  }

  remove(contact: Contact, now: number, lagMs: number): void {
    this.#release(contact);
    this.#releaseMergedInto(contact.id);
    this.#contacts.delete(contact.id);
    this.#index.put(contact.id, undefined, now, lagMs);
  }

  /** Its email and external id stay taken, unless the survivor takes them over. */
  mergeAway({ id, role }: Contact, into: string, now: number, lagMs: number): void {
    this.#contacts.delete(id);
    this.#merged.set(id, { id, role, into, merged_ms: now });
    this.#index.put(id, undefined, now, lagMs);
  }

  /** What search and list see, which is older than what a read by id sees. */
  searchable(now: number): readonly Contact[] {
    return this.#index.visible(now);
  }

  /** Undefined when the trail ends at a contact that was deleted. */
  #survivor(id: string): string | undefined {
    let at = this.#merged.get(id)?.into;
    for (let hops = 1; hops < furthest && at !== undefined && this.#merged.has(at); hops += 1)
      at = this.#merged.get(at)?.into;
    return at !== undefined && (this.#contacts.has(at) || this.#merged.has(at)) ? at : undefined;
  }

  #release({ id, email, external_id }: Pick<Contact, 'id' | 'email' | 'external_id'>): void {
    if (email !== null && this.#byEmail.get(email) === id) this.#byEmail.delete(email);
    if (external_id !== null && this.#byExternalId.get(external_id) === id) this.#byExternalId.delete(external_id);
  }

  #releaseMergedInto(id: string): void {
    for (const { id: loser } of this.mergedInto(id)) {
      for (const held of [this.#byEmail, this.#byExternalId])
        for (const [key, holder] of held) if (holder === loser) held.delete(key);
      this.#releaseMergedInto(loser);
    }
  }
}
