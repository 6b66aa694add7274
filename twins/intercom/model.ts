/**
 * Intercom as a machine: people, companies, who belongs to which, and the rules between them. Time is an argument and
 * chance a generator passed in, so a history can be replayed to the byte; every call either throws a Refusal and
 * changes nothing, or says which fields it changed.
 */
import type { Random } from '../common/random.ts';
import { AttributeBook } from './attributes.ts';
import { type Body, changedFields, readCompany, readContact } from './fields.ts';
import { SearchIndex } from './search.ts';
import {
  type Admin,
  type Company,
  type Contact,
  defaultSwitches,
  Refusal,
  refusals,
  type Switches,
  type Written,
} from './types.ts';

export interface ModelOptions {
  readonly random: Random;
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
  readonly #random: Random;
  readonly #admins: Admin[] = [];
  readonly #contacts = new Map<string, Contact>();
  readonly #companies = new Map<string, Company>();
  /** Users only, archived ones included: both still hold their address and external id. */
  readonly #userByEmail = new Map<string, string>();
  readonly #userByExternalId = new Map<string, string>();
  readonly #companyByCompanyId = new Map<string, string>();
  readonly #members = new Map<string, Set<string>>();
  readonly #index = new SearchIndex();
  #switches: Switches;
  #serial = 0;

  constructor(options: ModelOptions) {
    this.workspaceId = options.workspaceId;
    this.timezone = options.timezone;
    this.#random = options.random;
    this.#switches = { ...defaultSwitches, ...options.switches };
  }

  get switches(): Switches {
    return this.#switches;
  }

  turn(switches: Partial<Switches>): void {
    this.#switches = { ...this.#switches, ...switches };
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

  createContact(body: Body, now: number, version = '2.14'): Written<Contact> {
    const patch = this.#normalised(readContact(body, version));
    const role = patch.role ?? 'user';
    if (body['email'] === undefined && body['external_id'] === undefined && body['role'] === undefined)
      throw new Refusal(400, 'parameter_not_found', 'One of email, external_id or role is required');
    const contact: Contact = {
      id: '',
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
      companies: [],
      archived: false,
      created_ms: now,
      updated_ms: now,
      ...patch,
      role,
      custom_attributes: this.attributes.merge('contact', {}, body['custom_attributes'], this.#switches.cutLongStrings),
    };
    this.#checkContact(contact, patch.external_id);
    const external_id = role === 'lead' ? this.#random.uuid() : contact.external_id;
    const created = { ...contact, external_id, id: this.#objectId(now) };
    this.#store(created, now);
    return { value: created, changed: ['id', ...changedFields({}, patch), ...customNames(created)] };
  }

  updateContact(id: string, body: Body, now: number, version = '2.14'): Written<Contact> {
    const before = this.contact(id);
    const patch = this.#normalised(readContact(body, version));
    const after: Contact = {
      ...before,
      ...patch,
      custom_attributes: this.attributes.merge(
        'contact',
        before.custom_attributes,
        body['custom_attributes'],
        this.#switches.cutLongStrings,
      ),
    };
    if (before.role === 'user' && after.role === 'lead') throw refusals.invalid('A user cannot become a lead', 'role');
    this.#checkContact(after, patch.external_id);
    return this.#changeContact(before, after, now);
  }

  /** An archived contact is not found by its id either; unarchiving brings it back. */
  contact(id: string): Contact {
    const contact = this.#contacts.get(id);
    if (contact === undefined || contact.archived) throw refusals.contactNotFound();
    return contact;
  }

  /** Users only: the external id of a lead is the platform's own. */
  userByExternalId(externalId: string): Contact {
    return this.contact(this.#userByExternalId.get(externalId) ?? '');
  }

  archive(id: string, archived: boolean, now: number): Written<Contact> {
    const before = this.#contacts.get(id);
    if (before === undefined) throw refusals.contactNotFound();
    return this.#changeContact(before, { ...before, archived }, now);
  }

  deleteContact(id: string, now: number): Written<Contact> {
    const contact = this.#contacts.get(id);
    if (contact === undefined) throw refusals.contactNotFound();
    for (const company of contact.companies) this.#members.get(company)?.delete(id);
    this.#release(contact);
    this.#contacts.delete(id);
    this.#index.put(id, undefined, now, this.#switches.searchLagMs);
    return { value: contact, changed: ['deleted'] };
  }

  /** What search and list see, which is older than what a read by id sees. */
  searchable(now: number): readonly Contact[] {
    return this.#index.visible(now);
  }

  // Companies

  /** Creates or updates by `company_id`, which never changes afterwards: the only natural key that makes a repeat harmless. */
  upsertCompany(body: Body, now: number): Written<Company> {
    const companyId = body['company_id'];
    if (typeof companyId !== 'string' || companyId === '')
      throw new Refusal(400, 'parameter_not_found', 'company_id not specified', 'company_id');
    const known = this.#companyByCompanyId.get(companyId);
    if (known !== undefined) return this.#changeCompany(known, body, now, 'upsert');
    const patch = readCompany(body, 'upsert');
    const custom_attributes = this.attributes.merge(
      'company',
      {},
      body['custom_attributes'],
      this.#switches.cutLongStrings,
    );
    const company: Company = {
      id: this.#objectId(now),
      company_id: companyId,
      name: null,
      plan: null,
      size: null,
      website: null,
      industry: null,
      monthly_spend: null,
      remote_created_at: null,
      created_ms: now,
      updated_ms: now,
      ...patch,
      custom_attributes,
    };
    this.#companies.set(company.id, company);
    this.#companyByCompanyId.set(companyId, company.id);
    return { value: company, changed: ['id', 'company_id', ...changedFields({}, patch), ...customNames(company)] };
  }

  updateCompany(id: string, body: Body, now: number): Written<Company> {
    return this.#changeCompany(id, body, now, 'update');
  }

  company(id: string): Company {
    const company = this.#companies.get(id);
    if (company === undefined) throw refusals.companyNotFound();
    return company;
  }

  companyByCompanyId(companyId: string): Company {
    return this.company(this.#companyByCompanyId.get(companyId) ?? '');
  }

  /** Names are not unique; the platform answers one. */
  companyByName(name: string): Company {
    for (const company of this.#companies.values()) if (company.name === name) return company;
    throw refusals.companyNotFound();
  }

  /** A company without people exists but is shown in no list. */
  listedCompanies(): readonly Company[] {
    return [...this.#companies.values()].filter((company) => this.userCount(company.id) > 0);
  }

  userCount(companyId: string): number {
    return this.contactsOf(companyId).length;
  }

  /** The platform does it in the background; here the answer and the deed are one. */
  deleteCompany(id: string, now: number): Written<Company> {
    const company = this.company(id);
    for (const contactId of this.#members.get(id) ?? []) {
      const contact = this.#contacts.get(contactId);
      if (contact !== undefined) this.#setCompanies(contact, without(contact.companies, id), now);
    }
    this.#members.delete(id);
    this.#companies.delete(id);
    this.#companyByCompanyId.delete(company.company_id);
    return { value: company, changed: ['deleted'] };
  }

  // Who belongs to which

  companiesOf(contactId: string): readonly Company[] {
    return this.contact(contactId).companies.map((id) => this.company(id));
  }

  contactsOf(companyId: string): readonly Contact[] {
    const members: Contact[] = [];
    for (const id of this.#members.get(companyId) ?? []) {
      const contact = this.#contacts.get(id);
      if (contact !== undefined && !contact.archived) members.push(contact);
    }
    return members;
  }

  attach(contactId: string, companyId: unknown, now: number): Written<Company> {
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
    this.#setCompanies(contact, [...contact.companies, companyId], now);
    this.#members.set(companyId, (this.#members.get(companyId) ?? new Set()).add(contactId));
    return { value: company, changed: ['companies'] };
  }

  detach(contactId: string, companyId: string, now: number): Written<Company> {
    const contact = this.contact(contactId);
    const company = this.company(companyId);
    if (!contact.companies.includes(companyId)) return { value: company, changed: [] };
    this.#setCompanies(contact, without(contact.companies, companyId), now);
    this.#members.get(companyId)?.delete(contactId);
    return { value: company, changed: ['companies'] };
  }

  /** Everything there is, archived people and companies without people included: for judges, not for clients. */
  everything(): { readonly contacts: readonly Contact[]; readonly companies: readonly Company[] } {
    return { contacts: [...this.#contacts.values()], companies: [...this.#companies.values()] };
  }

  // Rules

  #checkContact(contact: Contact, externalIdSent: string | null | undefined): void {
    if (contact.owner_id !== null && !this.#admins.some((admin) => admin.id === contact.owner_id))
      throw refusals.invalid('The owner specified is not a member of this workspace', 'owner_id');
    if (contact.role === 'lead') {
      if (externalIdSent !== undefined) throw refusals.invalid('A lead takes no external_id', 'external_id');
      return;
    }
    if (contact.email === null && contact.external_id === null)
      throw refusals.invalid('A user needs an email or an external_id', 'email');
    const holders = [
      contact.external_id === null ? undefined : this.#userByExternalId.get(contact.external_id),
      contact.email === null ? undefined : this.#userByEmail.get(contact.email),
    ];
    for (const holder of holders) {
      if (holder === undefined || holder === contact.id) continue;
      const article = this.#contacts.get(holder)?.archived === true ? 'An archived' : 'A';
      throw new Refusal(409, 'conflict', `${article} contact matching those details already exists with id=${holder}`);
    }
  }

  #normalised<T extends { readonly email?: string | null; readonly name?: string | null }>(patch: T): T {
    return {
      ...patch,
      ...(typeof patch.email === 'string' && this.#switches.lowerCaseEmails && { email: patch.email.toLowerCase() }),
      ...(typeof patch.name === 'string' && this.#switches.trimNames && { name: patch.name.trim() }),
    };
  }

  #changeContact(before: Contact, after: Contact, now: number): Written<Contact> {
    const changed = changedFields(before, after);
    if (changed.length === 0) return { value: before, changed };
    const stored = { ...after, updated_ms: Math.max(now, before.updated_ms) };
    this.#release(before);
    this.#store(stored, now);
    return { value: stored, changed };
  }

  #changeCompany(id: string, body: Body, now: number, call: 'upsert' | 'update'): Written<Company> {
    const before = this.company(id);
    const patch = readCompany(body, call);
    const custom_attributes = this.attributes.merge(
      'company',
      before.custom_attributes,
      body['custom_attributes'],
      this.#switches.cutLongStrings,
    );
    const after: Company = { ...before, ...patch, custom_attributes };
    const changed = changedFields(before, after);
    if (changed.length === 0) return { value: before, changed };
    const stored = { ...after, updated_ms: Math.max(now, before.updated_ms) };
    this.#companies.set(id, stored);
    return { value: stored, changed };
  }

  #setCompanies(contact: Contact, companies: readonly string[], now: number): void {
    const updated_ms = this.#switches.attachTouchesContact ? Math.max(now, contact.updated_ms) : contact.updated_ms;
    this.#store({ ...contact, companies, updated_ms }, now);
  }

  #store(contact: Contact, now: number): void {
    this.#contacts.set(contact.id, contact);
    if (contact.role === 'user') {
      if (contact.email !== null) this.#userByEmail.set(contact.email, contact.id);
      if (contact.external_id !== null) this.#userByExternalId.set(contact.external_id, contact.id);
    }
    this.#index.put(contact.id, contact, now, this.#switches.searchLagMs);
  }

  /** Frees the address and external id that a user held. */
  #release(contact: Contact): void {
    if (contact.role !== 'user') return;
    if (contact.email !== null) this.#userByEmail.delete(contact.email);
    if (contact.external_id !== null) this.#userByExternalId.delete(contact.external_id);
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

const without = (ids: readonly string[], id: string): readonly string[] => ids.filter((one) => one !== id);
const customNames = (of: { readonly custom_attributes: object }): readonly string[] =>
  Object.keys(of.custom_attributes).map((name) => `custom_attributes.${name}`);
