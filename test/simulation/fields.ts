/** The small mapping that the simulated worlds run with, as the one table that configuration, people and oracle read. */
import { configSchema } from '../../core/config-schema.ts';
import type { RulesConfig } from '../../processors/unify/rules.ts';
import type { World } from './world.ts';

export type PlatformName = 'salesforce' | 'intercom';

export interface MappedField {
  readonly canonical: string;
  readonly type: 'text' | 'email' | 'integer' | 'optOut';
  readonly salesforce: string;
  readonly intercom: string;
  readonly owner?: PlatformName;
  readonly fillIfEmpty?: boolean;
  /** Of a Salesforce lead. */
  readonly lead?: string;
  /** May stand empty on both platforms. */
  readonly nullable: boolean;
  /** Mapped by the configuration change of the world `config` only. */
  readonly later?: boolean;
}

export const personFields: readonly MappedField[] = [
  { canonical: 'email', type: 'email', salesforce: 'Email', lead: 'Email', intercom: 'email', nullable: false },
  { canonical: 'lastName', type: 'text', salesforce: 'LastName', lead: 'LastName', intercom: 'name', nullable: false },
  { canonical: 'phone', type: 'text', salesforce: 'Phone', intercom: 'phone', owner: 'intercom', nullable: true },
  {
    canonical: 'title',
    type: 'text',
    salesforce: 'Title',
    intercom: 'custom_attributes.job_title',
    owner: 'salesforce',
    nullable: true,
  },
  {
    canonical: 'department',
    type: 'text',
    salesforce: 'Department',
    intercom: 'custom_attributes.department',
    nullable: true,
  },
  { canonical: 'seats', type: 'integer', salesforce: 'Seats__c', intercom: 'custom_attributes.seats', nullable: true },
  {
    canonical: 'assistant',
    type: 'text',
    salesforce: 'AssistantName',
    intercom: 'custom_attributes.assistant',
    fillIfEmpty: true,
    nullable: true,
  },
  {
    canonical: 'optedOut',
    type: 'optOut',
    salesforce: 'HasOptedOutOfEmail',
    intercom: 'unsubscribed_from_emails',
    nullable: false,
  },
  {
    canonical: 'fax',
    type: 'text',
    salesforce: 'Fax',
    intercom: 'custom_attributes.fax',
    nullable: true,
    later: true,
  },
];

/** Fields that people of a world edit. */
export const personFieldsOf = (on: ReadonlySet<string>): readonly MappedField[] =>
  on.has('config') ? personFields : personFields.filter(({ later }) => later !== true);

export const companyFields: readonly MappedField[] = [
  { canonical: 'name', type: 'text', salesforce: 'Name', intercom: 'name', nullable: false },
  { canonical: 'domain', type: 'text', salesforce: 'Website', intercom: 'website', nullable: true },
  { canonical: 'employees', type: 'integer', salesforce: 'NumberOfEmployees', intercom: 'size', nullable: true },
  {
    canonical: 'site',
    type: 'text',
    salesforce: 'Site',
    intercom: 'custom_attributes.site',
    owner: 'salesforce',
    nullable: true,
  },
];

/** Of the world `names`, where people are edited and judged by the joined name. */
export const givenName = { canonical: 'firstName', salesforce: 'FirstName' } as const;

export const idFields = {
  person: 'custom_attributes.salesforce_id',
  company: 'custom_attributes.salesforce_account_id',
} as const;

export const markers = {
  contact: 'custom_attributes.tributary_id',
  company: 'company_id',
  salesforce: 'Tributary_Id__c',
} as const;

export const client = 'tributary';

interface Variant {
  readonly twoWay: boolean;
  readonly leads: boolean;
  readonly changed: boolean;
  readonly names: boolean;
  readonly read: boolean;
}

function entry(field: MappedField, { leads, changed }: Variant): object {
  const { canonical, type, salesforce, intercom, owner, fillIfEmpty = false, lead } = field;
  const owned = changed && canonical === 'phone' ? 'salesforce' : owner;
  return {
    canonical,
    type,
    salesforce,
    intercom,
    fillIfEmpty,
    ...(owned === undefined ? {} : { owner: owned }),
    ...(leads && lead !== undefined ? { lead } : {}),
  };
}

/** Given name and family name: one in Intercom, two in Salesforce. */
function entries(field: MappedField, variant: Variant): readonly object[] {
  if (!variant.names || field.canonical !== 'lastName') return [entry(field, variant)];
  const { canonical, intercom, ...last } = field;
  return [
    { canonical: givenName.canonical, type: 'text', salesforce: givenName.salesforce },
    { canonical, type: 'text', salesforce: last.salesforce, ...(variant.leads ? { lead: last.lead } : {}) },
    { canonical: [givenName.canonical, canonical], type: 'fullName', intercom },
  ];
}

function build(variant: Variant): RulesConfig {
  const to = { create: true };
  const flow = variant.twoWay ? { intercom: to, salesforce: to } : { intercom: to };
  return configSchema.parse({
    salesforce: { client },
    capture: { salesforce: true, intercom: variant.read },
    flows: { 'contact-sync': flow, 'account-sync': flow },
    entities: {
      customer: {
        salesforce: { lead: variant.leads ? 'Lead' : null },
        fields: [
          ...personFields
            .filter(({ later }) => later !== true || variant.changed)
            .flatMap((field) => entries(field, variant)),
          { canonical: 'account', type: 'account', salesforce: 'AccountId', intercom: 'companies' },
          { canonical: 'salesforceId', type: 'text', salesforce: 'Id', intercom: idFields.person },
        ],
      },
      account: {
        fields: [
          ...companyFields.map((field) => entry(field, variant)),
          { canonical: 'salesforceId', type: 'text', salesforce: 'Id', intercom: idFields.company },
        ],
      },
    },
  });
}

const built = new Map<string, RulesConfig>();

/** `changed`: after the configuration change of the world `config`, in which the phone gets another owner. */
export function rulesOf({ on }: World, changed = false): RulesConfig {
  const [twoWay, read] = [!on.has('oneway'), !on.has('unread')];
  const variant = { twoWay, leads: on.has('convert'), changed, names: on.has('names'), read };
  const name = JSON.stringify(variant);
  const known = built.get(name) ?? build(variant);
  built.set(name, known);
  return known;
}
