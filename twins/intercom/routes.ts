/** The calls of the REST API: one line each, from method and path to a question or a write to the model. */
import { type Body, isRecord } from './fields.ts';
import type { IntercomModel } from './model.ts';
import type { MergedAway } from './people.ts';
import {
  adminView,
  attributeView,
  companyView,
  contactStump,
  contactView,
  mergeView,
  meView,
  pageView,
} from './present.ts';
import type { Scrolls } from './scroll.ts';
import { contactPage, pageSize, readQuery } from './search.ts';
import { type Caller, type Company, type Contact, type ModelName, Refusal, refusals, type Written } from './types.ts';
import { atLeast } from './versions.ts';

export interface Workspace {
  readonly model: IntercomModel;
  readonly scrolls: Scrolls;
}

export interface Call extends Workspace {
  /** Name of the client, as its token says. */
  readonly client: string;
  readonly version: string;
  readonly now: number;
  readonly query: URLSearchParams;
  readonly body: Body;
}

export interface Reply {
  readonly body: object;
  readonly objectId?: string;
  /** Only of writes: the fields that changed. */
  readonly changed?: readonly string[];
}

type Handler = (call: Call, id: string, other: string) => Reply;

const callerOf = ({ client, version }: Call): Caller => ({ version, as: client === 'app' ? 'app' : 'person' });

/** The history is shown of users, on request, since 2.16. */
const shown = (call: Call, contact: Contact): object => ({
  ...contactView(contact, call.model.workspaceId, call.version),
  ...(call.query.get('include_merge_history') === 'true' &&
    contact.role === 'user' &&
    atLeast(call.version, '2.16') && { merge_history: call.model.mergedInto(contact.id).map(mergeView) }),
});

const contactReply = (call: Call, contact: Contact): Reply => ({ body: shown(call, contact), objectId: contact.id });
const contactWritten = (call: Call, written: Written<Contact>): Reply => ({
  ...contactReply(call, written.value),
  changed: written.changed,
});
const stump = (written: Written<Contact>, state: object): Reply => ({
  body: contactStump(written.value, state),
  objectId: written.value.id,
  changed: written.changed,
});
const companyReply = (call: Call, company: Company): Reply => ({
  body: companyView(company, call.model),
  objectId: company.id,
});
const companyWritten = (call: Call, written: Written<Company>): Reply => ({
  ...companyReply(call, written.value),
  changed: written.changed,
});
/** What changed is the person: the log names it, the answer is the company. */
const membershipWritten = (call: Call, contactId: string, written: Written<Company>): Reply => ({
  body: companyView(call.model.company(written.value.id), call.model),
  objectId: contactId,
  changed: written.changed,
});

const listContacts: Handler = (call) => ({
  body: pageView(
    contactPage(
      call.model.searchable(call.now),
      { startingAfter: call.query.get('starting_after'), perPage: call.query.get('per_page') },
      10,
    ),
    (contact) => shown(call, contact),
  ),
});

const searchContacts: Handler = (call) => {
  const matches = readQuery(call.body['query'], call.model.timezone);
  const pagination = isRecord(call.body['pagination']) ? call.body['pagination'] : {};
  const page = contactPage(
    call.model.searchable(call.now).filter(matches),
    { sort: call.body['sort'], startingAfter: pagination['starting_after'], perPage: pagination['per_page'] },
    50,
  );
  return { body: pageView(page, (contact) => shown(call, contact)) };
};

/** Lists of companies and sub-lists go by page number; past the last page they are empty. */
function numbered<T>(
  call: Call,
  all: readonly T[],
  size: number,
  view: (item: T) => object,
): Reply & { readonly from: number } {
  const perPage = pageSize(call.query.get('per_page') ?? call.body['per_page'], size);
  const page = Math.max(1, Number(call.query.get('page') ?? call.body['page'] ?? 1) || 1);
  const from = (page - 1) * perPage;
  const data = all.slice(from, from + perPage);
  return { body: pageView({ data, total: all.length, page, perPage, next: undefined }, view), from };
}

/** Further than the list goes there is only the scroll. */
const listedAtMost = 10_000;

const listCompanies: Handler = (call) => {
  const reply = numbered(call, call.model.listedCompanies(), 15, (company) => companyView(company, call.model));
  if (reply.from >= listedAtMost)
    throw new Refusal(400, 'bad_request', `Only ${listedAtMost} companies can be listed, please use the scroll API`);
  return reply;
};

const findCompany: Handler = (call, id, other) => {
  const companyId = call.query.get('company_id');
  if (companyId !== null) return companyReply(call, call.model.companyByCompanyId(companyId));
  const name = call.query.get('name');
  return name === null ? listCompanies(call, id, other) : companyReply(call, call.model.companyByName(name));
};

const scrollCompanies: Handler = (call) => {
  const { param, page } = call.scrolls.next(
    call.client,
    call.query.get('scroll_param'),
    call.model.listedCompanies(),
    call.now,
  );
  const data = page.map((company) => companyView(company, call.model));
  return { body: { type: 'list', data, pages: null, total_count: null, scroll_param: param } };
};

/** Newest first unless `order=asc`; the cursor is opaque, and absent on the last page. */
const mergeHistory: Handler = (call, id) => {
  if (!atLeast(call.version, '2.16'))
    throw new Refusal(400, 'intercom_version_invalid', 'The requested version could not be found');
  const { role } = call.model.contact(id);
  if (role === 'lead') throw new Refusal(404, 'not_found', 'Contact not found');
  const merges: readonly MergedAway[] = call.model.mergedInto(id);
  const ordered = call.query.get('order') === 'asc' ? merges : merges.toReversed();
  const perPage = pageSize(call.query.get('per_page'), 50);
  const from = readOffset(call.query.get('cursor'));
  const next = from + perPage;
  const more = next < ordered.length;
  const data = ordered.slice(from, next).map(mergeView);
  return { body: { type: 'list', data, ...(more && { next_cursor: btoa(String(next)) }), has_more: more } };
};

function readOffset(cursor: string | null): number {
  if (cursor === null) return 0;
  const text = /^[A-Za-z0-9+/]+=*$/.test(cursor) && cursor.length % 4 === 0 ? atob(cursor) : '';
  if (!/^\d+$/.test(text)) throw refusals.invalid('cursor is not one of ours', 'cursor');
  return Number(text);
}

const readModelName = (text: string | null): ModelName | undefined => {
  if (text === null || text === 'contact' || text === 'company') return text ?? undefined;
  throw refusals.invalid('The Data Attribute model field must be either contact or company', 'model');
};

const routes: readonly (readonly [string, Handler])[] = [
  ['GET /me', ({ model }) => ({ body: meView(model) })],
  ['GET /admins', ({ model }) => ({ body: { type: 'admin.list', admins: model.admins().map(adminView) } })],
  ['POST /contacts', (call) => contactWritten(call, call.model.createContact(call.body, call.now, callerOf(call)))],
  ['GET /contacts', listContacts],
  ['POST /contacts/search', searchContacts],
  ['POST /contacts/merge', (call) => contactWritten(call, call.model.mergeByCall(call.body, call.now, callerOf(call)))],
  ['GET /contacts/find_by_external_id/:id', (call, id) => contactReply(call, call.model.userByExternalId(id))],
  ['GET /contacts/:id', (call, id) => contactReply(call, call.model.contact(id))],
  [
    'PUT /contacts/:id',
    (call, id) => contactWritten(call, call.model.updateContact(id, call.body, call.now, callerOf(call))),
  ],
  [
    'DELETE /contacts/:id',
    (call, id) => stump(call.model.deleteContact(id, call.now, callerOf(call)), { deleted: true }),
  ],
  [
    'POST /contacts/:id/archive',
    (call, id) => stump(call.model.archive(id, true, call.now, callerOf(call)), { archived: true }),
  ],
  [
    'POST /contacts/:id/unarchive',
    (call, id) => stump(call.model.archive(id, false, call.now, callerOf(call)), { archived: false }),
  ],
  ['POST /contacts/:id/block', (call, id) => stump(call.model.block(id, true, call.now), { blocked: true })],
  ['GET /contacts/:id/merge_history', mergeHistory],
  [
    'GET /contacts/:id/companies',
    (call, id) => numbered(call, call.model.companiesOf(id), 50, (company) => companyView(company, call.model)),
  ],
  [
    'POST /contacts/:id/companies',
    (call, id) => membershipWritten(call, id, call.model.attach(id, call.body['id'], call.now, callerOf(call))),
  ],
  [
    'DELETE /contacts/:id/companies/:other',
    (call, id, other) => membershipWritten(call, id, call.model.detach(id, other, call.now, callerOf(call))),
  ],
  ['POST /companies', (call) => companyWritten(call, call.model.upsertCompany(call.body, call.now, callerOf(call)))],
  ['GET /companies', findCompany],
  ['POST /companies/list', listCompanies],
  ['GET /companies/scroll', scrollCompanies],
  ['GET /companies/:id', (call, id) => companyReply(call, call.model.company(id))],
  [
    'PUT /companies/:id',
    (call, id) => companyWritten(call, call.model.updateCompany(id, call.body, call.now, callerOf(call))),
  ],
  [
    'DELETE /companies/:id',
    (call, id) => ({
      body: { id, object: 'company', deleted: true },
      objectId: id,
      changed: call.model.deleteCompany(id, call.now, callerOf(call)).changed,
    }),
  ],
  [
    'GET /companies/:id/contacts',
    (call, id) =>
      numbered(call, call.model.contactsOf(call.model.company(id).id), 50, (contact) => shown(call, contact)),
  ],
  [
    'GET /data_attributes',
    ({ model, query }) => ({
      body: {
        type: 'list',
        data: model.attributes
          .list(readModelName(query.get('model')), query.get('include_archived') === 'true')
          .map(attributeView),
      },
    }),
  ],
  ['POST /data_attributes', ({ model, body, now }) => ({ body: attributeView(model.attributes.create(body, now)) })],
  [
    'PUT /data_attributes/:id',
    ({ model, body, now }, id) => ({ body: attributeView(model.attributes.update(Number(id), body, now)) }),
  ],
];

const table = routes.map(([route, handler]) => {
  const [method = '', path = ''] = route.split(' ');
  return { method, segments: path.split('/'), handler };
});

/** Literal segments stand before parameters in the table, so the first that fits is the right one. */
export function findRoute(method: string, path: string): ((call: Call) => Reply) | undefined {
  const asked = path.split('/');
  for (const { method: of, segments, handler } of table) {
    if (of !== method || segments.length !== asked.length) continue;
    if (!segments.every((segment, at) => segment.startsWith(':') || segment === asked[at])) continue;
    const param = (name: string): string => decodeURIComponent(asked[segments.indexOf(name)] ?? '');
    return (call) => handler(call, param(':id'), param(':other'));
  }
  return undefined;
}
