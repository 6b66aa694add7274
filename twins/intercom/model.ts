/**
 * Intercom as a machine: people, companies, who belongs to which, and the rules between them. Time is an argument and
 * chance a generator passed in, so a history can be replayed to the byte; every call either throws a Refusal and
 * changes nothing, or says which fields it changed. What an app would be notified of waits in `deliveries`.
 */
import type { Random } from '../common/random.ts';
import { AttributeBook } from './attributes.ts';
import { type Automation, automated } from './automations.ts';
import { Companies } from './companies.ts';
import { Deliveries } from './deliveries.ts';
import { type Body, changedFields, readCompany, readContact } from './fields.ts';
import { areDuplicates, joined, joinedCompanies } from './merge.ts';
import {
  companyCreated,
  companyDeleted,
  companyUpdated,
  contactArchived,
  contactCreated,
  contactDeleted,
  contactMerged,
  contactUnarchived,
  contactUpdated,
  membershipChanged,
  type Notice,
  type Telling,
} from './notices.ts';
import { type MergedAway, People } from './people.ts';
import {
  type Admin,
  type Caller,
  type Company,
  type Contact,
  defaultSwitches,
  Refusal,
  refusals,
  type Switches,
  somebody,
  type Written,
} from './types.ts';
import { atLeast } from './versions.ts';

export interface ModelOptions {
  readonly random: Random;
  /** Of deliveries, so that their chances move no id; the other generator if not given. */
  readonly deliveryRandom?: Random;
  readonly workspaceId: string;
  /** Of the workspace; the days of search are its days. */
  readonly timezone: string;
  readonly switches?: Partial<Switches>;
}

const companiesPerContact = 1_000;
const firstAdminId = 8_120_001;

export class IntercomModel {
  readonly workspaceId: string;
  readonly timezone: string;
  readonly attributes = new AttributeBook();
  readonly deliveries: Deliveries;
  readonly #random: Random;
  readonly #admins: Admin[] = [];
  readonly #people = new People();
  readonly #companies = new Companies();
  #automations: readonly Automation[] = [];
  #switches: Switches;
  #serial = 0;

  constructor(options: ModelOptions) {
    this.workspaceId = options.workspaceId;
    this.timezone = options.timezone;
    this.deliveries = new Deliveries(options.deliveryRandom ?? options.random);
    this.#random = options.random;
    this.#switches = { ...defaultSwitches, ...options.switches };
  }

  get switches(): Switches {
    return this.#switches;
  }

  turn(switches: Partial<Switches>): void {
    this.#switches = { ...this.#switches, ...switches };
  }

  /** The automations of the workspace from now on. */
  automate(automations: readonly Automation[]): void {
    this.#automations = automations;
  }

  // Admins

  admins(): readonly Admin[] {
    return this.#admins;
  }

  addAdmin(person: { readonly name: string; readonly email: string }): Admin {
    const admin = { id: firstAdminId + this.#admins.length, ...person };
    this.#admins.push(admin);
    return admin;
  }

  // People

  createContact(body: Body, now: number, caller = somebody): Written<Contact> {
    const patch = readContact(body, caller.version);
    if (body['email'] === undefined && body['external_id'] === undefined && body['role'] === undefined)
      throw new Refusal(400, 'parameter_not_found', 'One of email, external_id or role is required');
    const blank: Contact = { ...blankContact, created_ms: now, updated_ms: now };
    const contact = this.#automatedContact(blank, this.#writtenContact(blank, body, caller), caller);
    this.#checkContact(contact, patch.external_id);
    const external_id = contact.role === 'lead' ? this.#random.uuid() : contact.external_id;
    const created = { ...contact, external_id, id: this.#objectId(now) };
    this.#store(created, now);
    this.#announce(now, caller, (telling) => contactCreated(created, telling));
    return { value: created, changed: changedFields(blank, created) };
  }

  updateContact(id: string, body: Body, now: number, caller = somebody): Written<Contact> {
    const before = this.contact(id);
    const after = this.#automatedContact(before, this.#writtenContact(before, body, caller), caller);
    if (before.role === 'user' && after.role === 'lead') throw refusals.invalid('A user cannot become a lead', 'role');
    this.#checkContact(after, readContact(body, caller.version).external_id);
    const written = this.#changeContact(before, after, now);
    if (written.changed.length > 0)
      this.#announce(now, caller, (telling) => contactUpdated(before, written.value, telling));
    return written;
  }

  /** An archived contact is not found by its id either; unarchiving brings it back. */
  contact(id: string): Contact {
    return this.#people.get(id);
  }

  /** Users only: the external id of a lead is the platform's own. */
  userByExternalId(externalId: string): Contact {
    return this.#people.byExternalId(externalId);
  }

  archive(id: string, archived: boolean, now: number, caller = somebody): Written<Contact> {
    if (!archived && this.#people.isMerged(id))
      throw new Refusal(400, 'bad_request', 'User has been merged and is not restorable.');
    const before = this.#people.evenArchived(id);
    if (!archived && before.blocked) throw new Refusal(400, 'not_restorable', 'Contact is blocked and not restorable');
    const written = this.#changeContact(before, { ...before, archived }, now);
    if (written.changed.length > 0)
      this.#announce(now, caller, (telling) =>
        archived ? contactArchived(written.value) : contactUnarchived(written.value, telling),
      );
    return written;
  }

  /** Archives as spam, which only a person undoes, in the settings. The published topics have none for it. */
  block(id: string, blocked: boolean, now: number): Written<Contact> {
    const before = this.#people.evenArchived(id);
    const archived = blocked === before.blocked ? before.archived : blocked;
    return this.#changeContact(before, { ...before, blocked, archived }, now);
  }

  deleteContact(id: string, now: number, caller = somebody): Written<Contact> {
    const contact = this.#people.evenArchived(id);
    for (const company of contact.companies) this.#companies.leave(company, id);
    this.#people.remove(contact, now, this.#switches.searchLagMs);
    this.#announce(now, caller, () => contactDeleted(contact));
    return { value: contact, changed: ['deleted'] };
  }

  /** `POST /contacts/merge`: a lead into a user, from 2.16 only where an email or a phone says that they are one. */
  mergeByCall(body: Body, now: number, caller: Caller): Written<Contact> {
    const { from, into, skip_duplicate_validation } = body;
    if (typeof from !== 'string' || typeof into !== 'string')
      throw new Refusal(400, 'parameter_not_found', 'from and into are required');
    const [lead, user] = [this.contact(from), this.contact(into)];
    if (lead.role !== 'lead') throw refusals.invalid('Only a lead can be merged into a user', 'from');
    if (atLeast(caller.version, '2.16') && skip_duplicate_validation !== true && !areDuplicates(lead, user))
      throw new Refusal(
        400,
        'invalid_merge',
        'Contacts can only be merged when they are duplicates (matching email or phone). Pass skip_duplicate_validation=true to override this check.',
      );
    return this.merge(from, into, now, caller);
  }

  /** What the platform itself may do as well, also with two users: its merge history knows such a source. */
  merge(fromId: string, intoId: string, now: number, caller = somebody): Written<Contact> {
    const [from, into] = [this.contact(fromId), this.contact(intoId)];
    if (into.role !== 'user' || fromId === intoId) throw refusals.invalid('Contacts are merged into a user', 'into');
    const { mergeFills, searchLagMs } = this.#switches;
    const holder = this.#people.holder({ ...into, email: from.email });
    const values = mergeFills ? joined(into, from, holder === undefined || holder === fromId) : into;
    const companies = joinedCompanies(into, from, companiesPerContact);
    const survivor = { ...values, companies, updated_ms: Math.max(now, into.updated_ms) };
    for (const company of from.companies) this.#companies.leave(company, fromId);
    for (const company of companies) this.#companies.enter(company, intoId);
    this.#people.mergeAway(from, intoId, now, searchLagMs);
    this.#store(survivor, now);
    this.#announce(now, caller, (telling) => contactMerged(survivor, from, telling));
    const changed = changedFields({ ...into, updated_ms: survivor.updated_ms }, survivor);
    return { value: survivor, changed: ['merged', ...changed] };
  }

  /** Who was merged into a contact, in the order of the merges. */
  mergedInto(id: string): readonly MergedAway[] {
    return this.#people.mergedInto(id);
  }

  /** What search and list see, which is older than what a read by id sees. */
  searchable(now: number): readonly Contact[] {
    return this.#people.searchable(now);
  }

  // Companies

  /** Creates or updates by `company_id`, which never changes afterwards: the only natural key that makes a repeat harmless. */
  upsertCompany(body: Body, now: number, caller = somebody): Written<Company> {
    const companyId = body['company_id'];
    if (typeof companyId !== 'string' || companyId === '')
      throw new Refusal(400, 'parameter_not_found', 'company_id not specified', 'company_id');
    const known = this.#companies.idOf(companyId);
    if (known !== undefined) return this.#changeCompany(known, body, now, 'upsert', caller);
    const blank: Company = { ...blankCompany, created_ms: now, updated_ms: now };
    const written = { ...this.#writtenCompany(blank, body, 'upsert'), company_id: companyId };
    const company = { ...this.#automatedCompany(blank, written), id: this.#objectId(now) };
    this.#companies.put(company);
    this.#announce(now, caller, (telling) => companyCreated(company, 0, telling));
    return { value: company, changed: changedFields(blank, company) };
  }

  updateCompany(id: string, body: Body, now: number, caller = somebody): Written<Company> {
    return this.#changeCompany(id, body, now, 'update', caller);
  }

  company(id: string): Company {
    return this.#companies.get(id);
  }

  companyByCompanyId(companyId: string): Company {
    return this.company(this.#companies.idOf(companyId) ?? '');
  }

  /** Names are not unique; the platform answers one. */
  companyByName(name: string): Company {
    const company = this.#companies.all().find((one) => one.name === name);
    if (company === undefined) throw refusals.companyNotFound();
    return company;
  }

  /** A company without people exists but is shown in no list. */
  listedCompanies(): readonly Company[] {
    return this.#companies.all().filter((company) => this.userCount(company.id) > 0);
  }

  userCount(companyId: string): number {
    return this.contactsOf(companyId).length;
  }

  /** The platform does it in the background; here the answer and the deed are one, and only the notification is later. */
  deleteCompany(id: string, now: number, caller = somebody): Written<Company> {
    const company = this.company(id);
    for (const contactId of this.#companies.members(id)) {
      const contact = this.#people.find(contactId);
      if (contact !== undefined) this.#setCompanies(contact, without(contact.companies, id), now);
    }
    this.#companies.remove(company);
    this.#announce(now, caller, () => companyDeleted(company));
    return { value: company, changed: ['deleted'] };
  }

  // Who belongs to which

  companiesOf(contactId: string): readonly Company[] {
    return this.contact(contactId).companies.map((id) => this.company(id));
  }

  contactsOf(companyId: string): readonly Contact[] {
    const members: Contact[] = [];
    for (const id of this.#companies.members(companyId)) {
      const contact = this.#people.find(id);
      if (contact !== undefined && !contact.archived) members.push(contact);
    }
    return members;
  }

  attach(contactId: string, companyId: unknown, now: number, caller = somebody): Written<Company> {
    const contact = this.contact(contactId);
    if (typeof companyId !== 'string') throw new Refusal(400, 'parameter_not_found', 'company not specified', 'id');
    const company = this.company(companyId);
    if (contact.companies.includes(companyId)) return { value: company, changed: [] };
    if (contact.companies.length >= companiesPerContact)
      throw new Refusal(
        400,
        'contact_company_limit_exceeded',
        `Contact has reached the maximum of ${companiesPerContact} company associations`,
      );
    this.#companies.enter(companyId, contactId);
    const member = this.#setCompanies(contact, [...contact.companies, companyId], now);
    this.#announce(now, caller, (telling) =>
      membershipChanged('attached', company, member, this.userCount(companyId), telling),
    );
    return { value: company, changed: ['companies'] };
  }

  detach(contactId: string, companyId: string, now: number, caller = somebody): Written<Company> {
    const contact = this.contact(contactId);
    const company = this.company(companyId);
    if (!contact.companies.includes(companyId)) return { value: company, changed: [] };
    this.#companies.leave(companyId, contactId);
    const member = this.#setCompanies(contact, without(contact.companies, companyId), now);
    this.#announce(now, caller, (telling) =>
      membershipChanged('detached', company, member, this.userCount(companyId), telling),
    );
    return { value: company, changed: ['companies'] };
  }

  /** Everything there is, archived people and companies without people included: for judges, not for clients. */
  everything(): { readonly contacts: readonly Contact[]; readonly companies: readonly Company[] } {
    return { contacts: this.#people.all(), companies: this.#companies.all() };
  }

  // Writing

  #writtenContact(before: Contact, body: Body, { version }: Caller): Contact {
    const { lowerCaseEmails, trimNames, cutLongStrings } = this.#switches;
    const patch = readContact(body, version);
    return {
      ...before,
      ...patch,
      ...(typeof patch.email === 'string' && lowerCaseEmails && { email: patch.email.toLowerCase() }),
      ...(typeof patch.name === 'string' && trimNames && { name: patch.name.trim() }),
      custom_attributes: this.attributes.merge(
        'contact',
        before.custom_attributes,
        body['custom_attributes'],
        cutLongStrings,
      ),
    };
  }

  #automatedContact(before: Contact, after: Contact, caller: Caller): Contact {
    const rules = this.#automations.filter((automation) => automation.object === 'contact');
    return automated(rules, before, after, (contact, body) => this.#writtenContact(contact, body, caller));
  }

  #checkContact(contact: Contact, externalIdSent: string | null | undefined): void {
    if (contact.owner_id !== null && !this.#admins.some((admin) => admin.id === contact.owner_id))
      throw refusals.invalid('The owner specified is not a member of this workspace', 'owner_id');
    if (contact.role === 'lead') {
      if (externalIdSent !== undefined) throw refusals.invalid('A lead takes no external_id', 'external_id');
      return;
    }
    if (contact.email === null && contact.external_id === null)
      throw refusals.invalid('A user needs an email or an external_id', 'email');
    this.#people.checkUnique(contact);
  }

  #changeContact(before: Contact, after: Contact, now: number): Written<Contact> {
    const changed = changedFields(before, after);
    if (changed.length === 0) return { value: before, changed };
    const stored = { ...after, updated_ms: Math.max(now, before.updated_ms) };
    this.#store(stored, now);
    return { value: stored, changed };
  }

  #writtenCompany(before: Company, body: Body, call: 'upsert' | 'update'): Company {
    const { cutLongStrings } = this.#switches;
    const sent = body['custom_attributes'];
    return {
      ...before,
      ...readCompany(body, call),
      custom_attributes: this.attributes.merge('company', before.custom_attributes, sent, cutLongStrings),
    };
  }

  #automatedCompany(before: Company, after: Company): Company {
    const rules = this.#automations.filter((automation) => automation.object === 'company');
    return automated(rules, before, after, (company, body) => this.#writtenCompany(company, body, 'update'));
  }

  #changeCompany(id: string, body: Body, now: number, call: 'upsert' | 'update', caller: Caller): Written<Company> {
    const before = this.company(id);
    const after = this.#automatedCompany(before, this.#writtenCompany(before, body, call));
    const changed = changedFields(before, after);
    if (changed.length === 0) return { value: before, changed };
    const stored = { ...after, updated_ms: Math.max(now, before.updated_ms) };
    this.#companies.put(stored);
    this.#announce(now, caller, (telling) => companyUpdated(stored, this.userCount(id), telling));
    return { value: stored, changed };
  }

  #setCompanies(contact: Contact, companies: readonly string[], now: number): Contact {
    const updated_ms = this.#switches.attachTouchesContact ? Math.max(now, contact.updated_ms) : contact.updated_ms;
    const member = { ...contact, companies, updated_ms };
    this.#store(member, now);
    return member;
  }

  #store(contact: Contact, now: number): void {
    this.#people.put(contact, now, this.#switches.searchLagMs);
  }

  /** Nothing is spelt for an app that has no subscription. */
  #announce(now: number, { as }: Caller, notices: (telling: Telling) => readonly Notice[]): void {
    if (as === 'loader' || (as === 'app' && !this.#switches.echoOwnWrites)) return;
    if (this.deliveries.state(now) === 'off') return;
    for (const { topic, item } of notices({ workspaceId: this.workspaceId, now, switches: this.#switches }))
      this.deliveries.notify(topic, item, now);
  }

  /** 24 hex digits like the platform's: seconds, chance, and a serial that keeps them unique within a second. */
  #objectId(now: number): string {
    this.#serial += 1;
    const seconds = Math.floor(now / 1000)
      .toString(16)
      .padStart(8, '0')
      .slice(-8);
    return seconds + this.#random.hex(10) + this.#serial.toString(16).padStart(6, '0').slice(-6);
  }
}

const blankContact: Omit<Contact, 'created_ms' | 'updated_ms'> = {
  id: '',
  role: 'user',
  external_id: null,
  email: null,
  phone: null,
  name: null,
  avatar: null,
  owner_id: null,
  unsubscribed_from_emails: false,
  signed_up_at: null,
  last_seen_at: null,
  language_override: null,
  custom_attributes: {},
  companies: [],
  archived: false,
  blocked: false,
};

const blankCompany: Omit<Company, 'created_ms' | 'updated_ms'> = {
  id: '',
  company_id: '',
  name: null,
  plan: null,
  size: null,
  website: null,
  industry: null,
  monthly_spend: null,
  remote_created_at: null,
  custom_attributes: {},
};

const without = (ids: readonly string[], id: string): readonly string[] => ids.filter((one) => one !== id);
