/**
 * What is shown of the store. REST tells whole seconds, webhooks ISO text with milliseconds and their own set of fields
 * (as in payloads captured until January 2026); both cut embedded lists at ten and spell by a version of the API.
 */
import type { IntercomModel } from './model.ts';
import type { MergedAway } from './people.ts';
import type { Page } from './search.ts';
import type { Admin, Attribute, Company, Contact } from './types.ts';
import { atLeast } from './versions.ts';

const embedded = 10;
const seconds = (ms: number): number => Math.floor(ms / 1000);
/** `2026-08-19T15:02:47.906+00:00`. */
const iso = (ms: number): string => new Date(ms).toISOString().replace('Z', '+00:00');
const isoSeconds = (time: number | null): string | null => (time === null ? null : iso(time * 1000));

const none = (url: string, name: string): object => ({
  type: 'list',
  data: [],
  url: `${url}/${name}`,
  total_count: 0,
  has_more: false,
});

/** What both voices spell alike. */
function contactCore(contact: Contact, workspaceId: string, version: string): object {
  return {
    type: 'contact',
    id: contact.id,
    workspace_id: workspaceId,
    external_id: contact.external_id,
    role: contact.role,
    email: contact.email,
    name: contact.name,
    avatar: contact.avatar === null ? null : { type: 'avatar', image_url: contact.avatar },
    owner_id: ownerView(contact.owner_id, version),
    social_profiles: { type: 'list', data: [] },
    has_hard_bounced: false,
    marked_email_as_spam: false,
    unsubscribed_from_emails: contact.unsubscribed_from_emails,
    last_replied_at: null,
    last_contacted_at: null,
    last_email_opened_at: null,
    last_email_clicked_at: null,
    language_override: contact.language_override,
    browser: null,
    browser_version: null,
    browser_language: null,
    os: null,
    location: { type: 'location', country: null, region: null, city: null, country_code: null, continent_code: null },
    custom_attributes: contact.custom_attributes,
    ...embeddedLists(contact),
    referrer: null,
    enabled_push_messaging: null,
  };
}

function embeddedLists(contact: Contact): object {
  const url = `/contacts/${contact.id}`;
  return {
    tags: none(url, 'tags'),
    notes: none(url, 'notes'),
    companies: {
      type: 'list',
      data: contact.companies.slice(0, embedded).map((id) => ({ id, type: 'company', url: `/companies/${id}` })),
      url: `${url}/companies`,
      total_count: contact.companies.length,
      has_more: contact.companies.length > embedded,
    },
    opted_out_subscription_types: none(url, 'subscriptions'),
    opted_in_subscription_types: none(url, 'subscriptions'),
  };
}

export const contactView = (contact: Contact, workspaceId: string, version: string): object => ({
  ...contactCore(contact, workspaceId, version),
  email_domain: contact.email?.split('@')[1] ?? null,
  phone: contact.phone,
  created_at: seconds(contact.created_ms),
  updated_at: seconds(contact.updated_ms),
  signed_up_at: contact.signed_up_at,
  last_seen_at: contact.last_seen_at,
});

/** A number up to 2.15, a string from 2.16. */
function ownerView(owner: number | null, version: string): number | string | null {
  return owner === null || !atLeast(version, '2.16') ? owner : String(owner);
}

export const mergeView = ({ id, role, merged_ms }: MergedAway): object => ({
  type: 'merge_history',
  source_contact_id: id,
  source_contact_role: role,
  merged_at: seconds(merged_ms),
});

/** Archive, unarchive, block and delete answer with a stump. */
export const contactStump = (contact: Contact, state: object): object => ({
  type: 'contact',
  id: contact.id,
  external_id: contact.external_id,
  ...state,
});

/** Unlike a contact's, the empty fields of a company are absent, not null: so do the samples of the published description. */
export function companyView(company: Company, model: IntercomModel): object {
  const { size, website, industry } = company;
  return {
    type: 'company',
    id: company.id,
    company_id: company.company_id,
    app_id: model.workspaceId,
    name: company.name,
    ...(company.remote_created_at !== null && { remote_created_at: company.remote_created_at }),
    created_at: seconds(company.created_ms),
    updated_at: seconds(company.updated_ms),
    monthly_spend: company.monthly_spend ?? 0,
    session_count: 0,
    user_count: model.userCount(company.id),
    ...(size !== null && { size }),
    ...(website !== null && { website }),
    ...(industry !== null && { industry }),
    tags: { type: 'tag.list', tags: [] },
    segments: { type: 'segment.list', segments: [] },
    plan: company.plan === null ? {} : { type: 'plan', id: company.plan, name: company.plan },
    custom_attributes: company.custom_attributes,
  };
}

/** How webhooks spell, which is set for the app and not asked for by a call. */
export interface WebhookSpelling {
  readonly workspaceId: string;
  readonly version: string;
  /** Captured payloads have an absent phone both as null and as empty text. */
  readonly emptyPhone: null | '';
}

const devices = Object.fromEntries(
  ['android', 'ios'].flatMap((os) =>
    ['app_name', 'app_version', 'device', 'os_version', 'sdk_version', 'last_seen_at'].map((name) => [
      `${os}_${name}`,
      null,
    ]),
  ),
);

export const contactNotice = (contact: Contact, { workspaceId, version, emptyPhone }: WebhookSpelling): object => ({
  ...contactCore(contact, workspaceId, version),
  phone: contact.phone ?? emptyPhone,
  created_at: iso(contact.created_ms),
  updated_at: iso(contact.updated_ms),
  signed_up_at: isoSeconds(contact.signed_up_at),
  last_seen_at: isoSeconds(contact.last_seen_at),
  ...devices,
  utm_campaign: null,
  utm_content: null,
  utm_medium: null,
  utm_source: null,
  utm_term: null,
  sms_consent: false,
  unsubscribed_from_sms: false,
});

/** Empty fields are null here, unlike REST's, which leaves them out; tags are ids, and segments are not told. */
export const companyNotice = (company: Company, userCount: number, { workspaceId }: WebhookSpelling): object => ({
  ...companyNoticeCore(company, userCount, workspaceId),
  plan: company.plan === null ? null : { type: 'plan', id: company.plan, name: company.plan },
  size: company.size,
  website: company.website,
  industry: company.industry,
});

/** As a notification of a membership has it: it tells less of the company than one about the company. */
export const memberCompanyNotice = (company: Company, userCount: number, { workspaceId }: WebhookSpelling): object => ({
  ...companyNoticeCore(company, userCount, workspaceId),
  plan_id: company.plan,
});

const companyNoticeCore = (company: Company, userCount: number, workspaceId: string): object => ({
  type: 'company',
  id: company.id,
  company_id: company.company_id,
  app_id: workspaceId,
  name: company.name,
  remote_created_at: isoSeconds(company.remote_created_at),
  created_at: iso(company.created_ms),
  updated_at: iso(company.updated_ms),
  last_request_at: null,
  monthly_spend: company.monthly_spend ?? 0,
  session_count: 0,
  user_count: userCount,
  tag_ids: [],
  custom_attributes: company.custom_attributes,
});

export const adminView = (admin: Admin): object => ({
  type: 'admin',
  id: String(admin.id),
  name: admin.name,
  email: admin.email,
  away_mode_enabled: false,
  away_mode_reassign: false,
  has_inbox_seat: true,
  team_ids: [],
});

/** Who the token belongs to, and which workspace it opens: how a client finds out that it talks to the right one. */
export const meView = (model: IntercomModel): object => {
  const admin = model.admins()[0];
  return {
    type: 'admin',
    id: String(admin?.id ?? 0),
    name: admin?.name ?? '',
    email: admin?.email ?? '',
    email_verified: true,
    app: {
      type: 'app',
      id_code: model.workspaceId,
      name: 'Intercom twin',
      created_at: 0,
      secure: false,
      identity_verification: false,
      timezone: model.timezone,
      region: 'US',
    },
    has_inbox_seat: true,
  };
};

export const attributeView = (attribute: Attribute): object => ({
  type: 'data_attribute',
  ...(attribute.id !== null && { id: attribute.id }),
  name: attribute.name,
  full_name: attribute.custom ? `custom_attributes.${attribute.name}` : attribute.name,
  label: attribute.name,
  ...(attribute.description !== null && { description: attribute.description }),
  data_type: attribute.data_type,
  ...(attribute.options.length > 0 && { options: attribute.options }),
  api_writable: attribute.api_writable,
  ui_writable: attribute.custom,
  messenger_writable: attribute.messenger_writable,
  custom: attribute.custom,
  archived: attribute.archived,
  ...(attribute.custom && { created_at: seconds(attribute.created_ms), updated_at: seconds(attribute.updated_ms) }),
  model: attribute.model,
});

/** `pages.next` is absent on the last page. */
export const pageView = <T>(page: Page<T>, view: (item: T) => object): object => ({
  type: 'list',
  data: page.data.map(view),
  total_count: page.total,
  pages: {
    type: 'pages',
    page: page.page,
    per_page: page.perPage,
    total_pages: Math.ceil(page.total / page.perPage),
    ...(page.next !== undefined && { next: { page: page.page + 1, starting_after: page.next } }),
  },
});
