/** The companies of a workspace by their keys, and who belongs to them. */
import { type Company, refusals } from './types.ts';

export class Companies {
  readonly #companies = new Map<string, Company>();
  readonly #byCompanyId = new Map<string, string>();
  readonly #members = new Map<string, Set<string>>();

  all(): readonly Company[] {
    return [...this.#companies.values()];
  }

  /** @throws Refusal 404 */
  get(id: string): Company {
    const company = this.#companies.get(id);
    if (company === undefined) throw refusals.companyNotFound();
    return company;
  }

  idOf(companyId: string): string | undefined {
    return this.#byCompanyId.get(companyId);
  }

  /** `company_id` never changes after the first time. */
  put(company: Company): void {
    this.#companies.set(company.id, company);
    this.#byCompanyId.set(company.company_id, company.id);
  }

  remove({ id, company_id }: Company): void {
    this.#companies.delete(id);
    this.#byCompanyId.delete(company_id);
    this.#members.delete(id);
  }

  /** Ids of contacts, archived ones included. */
  members(id: string): ReadonlySet<string> {
    return this.#members.get(id) ?? new Set();
  }

  enter(id: string, contactId: string): void {
    this.#members.set(id, (this.#members.get(id) ?? new Set()).add(contactId));
  }

  leave(id: string, contactId: string): void {
    this.#members.get(id)?.delete(contactId);
  }
}
