/**
 * The vocabulary of the Intercom twin.
 *
 * contact: a person of the workspace, `user` or `lead`. company: an organisation, upserted by the customer's own
 * `company_id`. attribute: a definition that must exist before a custom attribute is written. refusal: an answer of the
 * platform that is not 2xx. write: what an accepted call did, with the names of the fields it changed (none: a no-op).
 *
 * Fields are spelled as on the wire; times end in `_ms` because REST shows whole seconds while the platform knows
 * milliseconds (its webhooks say so), and a double that forgot them could not show two writes within one second.
 */
import { defaultVersion } from './versions.ts';

export type Scalar = string | number | boolean;
export type Attributes = Readonly<Record<string, Scalar>>;
export type ModelName = 'contact' | 'company';
export type Role = 'user' | 'lead';

export interface Contact {
  readonly id: string;
  readonly role: Role;
  readonly external_id: string | null;
  readonly email: string | null;
  readonly phone: string | null;
  readonly name: string | null;
  /** A URL going in; REST answers an object. */
  readonly avatar: string | null;
  readonly owner_id: number | null;
  readonly unsubscribed_from_emails: boolean;
  readonly signed_up_at: number | null;
  readonly last_seen_at: number | null;
  readonly language_override: string | null;
  readonly custom_attributes: Attributes;
  /** Intercom ids, in the order of attachment. */
  readonly companies: readonly string[];
  readonly archived: boolean;
  /** Archived as spam: no call brings it back. */
  readonly blocked: boolean;
  readonly created_ms: number;
  readonly updated_ms: number;
}

export interface Company {
  readonly id: string;
  readonly company_id: string;
  readonly name: string | null;
  readonly plan: string | null;
  readonly size: number | null;
  readonly website: string | null;
  readonly industry: string | null;
  readonly monthly_spend: number | null;
  readonly remote_created_at: number | null;
  readonly custom_attributes: Attributes;
  readonly created_ms: number;
  readonly updated_ms: number;
}

export interface Admin {
  readonly id: number;
  readonly name: string;
  readonly email: string;
}

export type AttributeType = 'string' | 'integer' | 'float' | 'boolean' | 'date';

export interface Attribute {
  /** Only custom attributes have one. */
  readonly id: number | null;
  readonly model: ModelName;
  readonly name: string;
  readonly description: string | null;
  readonly data_type: AttributeType;
  /** Values allowed; empty: any. */
  readonly options: readonly string[];
  readonly api_writable: boolean;
  readonly messenger_writable: boolean;
  readonly custom: boolean;
  readonly archived: boolean;
  readonly created_ms: number;
  readonly updated_ms: number;
}

/** What the published sources leave open; each can be set either way, also while the twin runs. */
export interface Switches {
  /** Stored e-mail addresses are lower-cased. */
  readonly lowerCaseEmails: boolean;
  /** Names lose the white space around them. */
  readonly trimNames: boolean;
  /** A custom string above 255 characters is cut; else refused. */
  readonly cutLongStrings: boolean;
  /** Attaching or detaching a company counts as a write to the contact. */
  readonly attachTouchesContact: boolean;
  /** How long a write stays unseen by search and list, ms; reading by id is immediate. */
  readonly searchLagMs: number;
  /** A merge fills what the survivor has not from the one merged away; else the survivor stays as it was. */
  readonly mergeFills: boolean;
  /** `contact.merged` names the one merged away, as the pages of 2026 say and a capture of January 2026 does not. */
  readonly mergedFrom: boolean;
  /** The one merged away is announced by `contact.deleted` too. */
  readonly mergeNotifiesDeleted: boolean;
  /** An app is notified of what it wrote itself. */
  readonly echoOwnWrites: boolean;
  /** Attaching and detaching announce the person as updated too, besides the membership. */
  readonly attachNotifiesContact: boolean;
  /** Documented, and as captured in January 2026. */
  readonly unarchiveTopic: 'contact.unarchive' | 'contact.unarchived';
  /** An absent phone in webhooks; captures have both. */
  readonly emptyPhone: null | '';
  /** Version of the app, by which webhooks are spelt. */
  readonly webhookVersion: string;
}

export const defaultSwitches: Switches = {
  lowerCaseEmails: true,
  trimNames: false,
  cutLongStrings: false,
  attachTouchesContact: true,
  searchLagMs: 3_000,
  mergeFills: true,
  mergedFrom: true,
  mergeNotifiesDeleted: false,
  echoOwnWrites: true,
  attachNotifiesContact: false,
  unarchiveTopic: 'contact.unarchive',
  emptyPhone: '',
  webhookVersion: defaultVersion,
};

/** Who writes. A loader is no user of the platform: nothing is announced of what it does. */
export interface Caller {
  readonly version: string;
  /** `app`: ours, whose subscription it is; `person`: somebody at work there, or another app. */
  readonly as: 'app' | 'person' | 'loader';
}

export const somebody: Caller = { version: defaultVersion, as: 'person' };

export interface Written<T> {
  readonly value: T;
  /** Names of the fields that have another value now; empty: the write was a no-op. */
  readonly changed: readonly string[];
}

/** The platform says no. Thrown before anything is touched, so a refused call leaves no trace. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly field: string | undefined;
  /** Of a contact that was merged away: the id it lives on under. */
  readonly survivor: string | undefined;
  constructor(status: number, code: string, message: string, field?: string, survivor?: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
    this.field = field;
    this.survivor = survivor;
  }
}

export const refusals = {
  invalid: (message: string, field?: string) => new Refusal(400, 'parameter_invalid', message, field),
  contactNotFound: () => new Refusal(404, 'not_found', 'User Not Found'),
  contactMerged: (survivor: string) =>
    new Refusal(
      410,
      'contact_merged',
      "This contact has been merged. See the 'Link' header for the canonical contact.",
      undefined,
      survivor,
    ),
  companyNotFound: () => new Refusal(404, 'company_not_found', 'Company Not Found'),
  routeNotFound: () => new Refusal(404, 'not_found', 'Resource Not Found'),
};
