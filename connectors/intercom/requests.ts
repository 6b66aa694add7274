/**
 * What we ask of Intercom, as data, so that whoever decides what to ask can be run without a client; and the one table
 * from each request to the official client's method.
 */
import type { Intercom, IntercomClient } from 'intercom-client';

/** A JSON body in Intercom's spelling. */
type Body = Readonly<Record<string, unknown>>;

export type IntercomRequest =
  | { readonly kind: 'createContact'; readonly body: Body }
  | { readonly kind: 'updateContact'; readonly id: string; readonly body: Body }
  | { readonly kind: 'findContact'; readonly id: string }
  | { readonly kind: 'searchContacts'; readonly body: Body }
  /** One page of a contact's companies; pages count from 1. */
  | { readonly kind: 'listCompaniesOf'; readonly contact: string; readonly page: number }
  /** By `company_id`: creates the company, or updates the one that has it. */
  | { readonly kind: 'upsertCompany'; readonly body: Body }
  /** By Intercom's own id: never creates one. */
  | { readonly kind: 'updateCompany'; readonly id: string; readonly body: Body }
  | { readonly kind: 'findCompany'; readonly id: string }
  /** The next page of all companies that have people; null: a new scroll, of which there may be one at a time. */
  | { readonly kind: 'scrollCompanies'; readonly scroll: string | null }
  /** A contact with those who were merged into it. */
  | { readonly kind: 'mergeHistory'; readonly id: string }
  | { readonly kind: 'attach'; readonly contact: string; readonly company: string }
  | { readonly kind: 'detach'; readonly contact: string; readonly company: string }
  /** The workspace and admin behind the token. */
  | { readonly kind: 'identify' }
  | { readonly kind: 'listAdmins' }
  | { readonly kind: 'listAttributes'; readonly model: 'contact' | 'company' }
  | {
      readonly kind: 'createAttribute';
      readonly model: 'contact' | 'company';
      readonly name: string;
      readonly type: string;
    };

/** Companies of a contact that one page holds at most. */
const companiesPerPage = 60;

type Methods = {
  readonly [Kind in IntercomRequest['kind']]: (
    client: IntercomClient,
    request: Extract<IntercomRequest, { kind: Kind }>,
  ) => PromiseLike<unknown>;
};

/** The client's types know the fields of its own API version and no others: bodies pass through as they are. */
const methods: Methods = {
  createContact: (client, { body }) => client.contacts.create({ ...body } as Intercom.CreateContactRequest),
  updateContact: (client, { id, body }) =>
    client.contacts.update({ ...body, contact_id: id } as Intercom.UpdateContactRequest),
  findContact: (client, { id }) => client.contacts.find({ contact_id: id }),
  searchContacts: (client, { body }) =>
    client.contacts.search({ ...body, query: body['query'] } as Intercom.SearchRequest),
  // For its URL only: the client's own page is always empty, it looks for `companies` where `data` is sent.
  listCompaniesOf: (client, { contact, page }) =>
    client.contacts.listAttachedCompanies({ contact_id: contact, page, per_page: companiesPerPage }),
  upsertCompany: (client, { body }) => client.companies.createOrUpdate(body as Intercom.CreateOrUpdateCompanyRequest),
  updateCompany: (client, { id, body }) =>
    client.companies.update({ company_id: id, body: body as Intercom.UpdateCompanyRequestBody }),
  findCompany: (client, { id }) => client.companies.find({ company_id: id }),
  scrollCompanies: (client, { scroll }) => client.companies.scroll(scroll === null ? {} : { scroll_param: scroll }),
  // The client has no method for the history alone; it is served since 2.16, whatever version the other calls ask for.
  mergeHistory: (client, { id }) =>
    client.contacts.find(
      { contact_id: id },
      { queryParams: { include_merge_history: true }, headers: { 'Intercom-Version': '2.16' } },
    ),
  attach: (client, { contact, company }) => client.companies.attachContact({ contact_id: contact, id: company }),
  detach: (client, { contact, company }) =>
    client.companies.detachContact({ contact_id: contact, company_id: company }),
  identify: (client) => client.admins.identify(),
  listAdmins: (client) => client.admins.list(),
  listAttributes: (client, { model }) => client.dataAttributes.list({ model, include_archived: true }),
  createAttribute: (client, { model, name, type }) =>
    // The client's type of this request lacks `name` and `model`; both go through.
    client.dataAttributes.create({ name, model, data_type: type } as Intercom.CreateDataAttributeRequest),
};

/**
 * Begins the call. How the client settles says little: whoever holds its transport has the exchange.
 * @param version that the call asks for, which spells
 */
export function invoke(client: IntercomClient, request: IntercomRequest, version: string): PromiseLike<unknown> {
  const method = methods[request.kind] as (client: IntercomClient, request: IntercomRequest) => PromiseLike<unknown>;
  return method(client, 'body' in request ? { ...request, body: spelled(request.body, version) } : request);
}

/** 2.15: the last minor version that has the ids of teammates written as numbers; they are text since. */
const lastOfNumbers = 15;

function spelled(body: Body, version: string): Body {
  const owner = body['owner_id'];
  const minor = Number(version.split('.')[1]);
  return typeof owner !== 'number' || minor <= lastOfNumbers ? body : { ...body, owner_id: String(owner) };
}
