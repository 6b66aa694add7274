/** The two platforms of one history: their twins, who is there at the start, and a look at what stands in them. */
import { IntercomModel } from '../../twins/intercom/model.ts';
import type { Company as IntercomCompany, Contact as IntercomContact } from '../../twins/intercom/types.ts';
import { SalesforceModel } from '../../twins/salesforce/model.ts';
import type { Clock } from './clock.ts';
import { overflowAfter } from './conditions.ts';
import {
  companyFields,
  givenName,
  idFields,
  type MappedField,
  markers,
  type PlatformName,
  personFields,
} from './fields.ts';
import type { Chance } from './random.ts';
import type { History } from './world.ts';

export type Stored = string | number | boolean | null;
export type Kind = 'person' | 'company';

/** A record as it stands on its platform, in the mapping's canonical names. */
export interface Shown {
  readonly platform: PlatformName;
  readonly kind: Kind;
  readonly id: string;
  readonly alive: boolean;
  readonly values: Readonly<Record<string, Stored>>;
  /** Our mark: what a record that we made or linked carries. */
  readonly marker: string | null;
  /** Salesforce: its own id. Intercom: the id of its Salesforce record, once it was told. */
  readonly salesforceId: string | null;
  /** Ids of the companies it belongs to, on its own platform. */
  readonly companies: readonly string[];
}

const plain = (value: unknown): Stored =>
  value === undefined || value === '' || (typeof value === 'object' && value !== null) ? null : (value as Stored);

export function intercomValue(record: IntercomContact | IntercomCompany, field: string): Stored {
  const custom = /^custom_attributes\.(.*)$/.exec(field)?.[1];
  if (custom !== undefined) return plain(record.custom_attributes[custom]);
  return plain((record as unknown as Readonly<Record<string, unknown>>)[field]);
}

/** Fields by canonical name → body of a call of Intercom. */
export function intercomBody(values: Readonly<Record<string, Stored>>): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  const custom: Record<string, Stored> = {};
  for (const [field, value] of Object.entries(values)) {
    const name = /^custom_attributes\.(.*)$/.exec(field)?.[1];
    if (name === undefined) body[field] = value;
    else custom[name] = value;
  }
  if (Object.keys(custom).length > 0) body['custom_attributes'] = custom;
  return body;
}

const attributes = (model: 'contact' | 'company'): readonly object[] => {
  const [fields, id, marker] =
    model === 'contact'
      ? [personFields, idFields.person, markers.contact]
      : [companyFields, idFields.company, markers.company];
  return [...fields.map(({ intercom, type }) => [intercom, type] as const), [id, 'text'], [marker, 'text']].flatMap(
    ([field, type]) => {
      const name = /^custom_attributes\.(.*)$/.exec(String(field))?.[1];
      return name === undefined ? [] : [{ name, model, data_type: type === 'integer' ? 'integer' : 'string' }];
    },
  );
};
const allAttributes = [...attributes('contact'), ...attributes('company')] as Readonly<Record<string, unknown>>[];

export const admin = { name: 'Owner', email: 'person@org.example' } as const;

/** A record of Salesforce is dated when its row is written, at most so long before it is committed. */
export const lagMs = ({ on }: History['world']): number => (on.has('long') ? 4_000 : 0);

/** Whose email a person has. */
export function emailHolder({ people }: Pick<History, 'people'>, who: number): number {
  const shared = people[who]?.sharesEmailOf ?? null;
  return shared === null ? who : emailHolder({ people }, shared);
}

export class Stores {
  readonly salesforce: SalesforceModel;
  readonly intercom: IntercomModel;
  /** What a person's or company's record shows when it is founded. */
  readonly #emailOf: (who: number) => string;
  readonly #hasTwoNames: boolean;

  constructor(history: History, chance: Chance, { now, salesforceNow }: Clock) {
    const { world } = history;
    this.#hasTwoNames = world.on.has('names');
    this.salesforce = new SalesforceModel({
      random: chance.stream('salesforce'),
      now: salesforceNow,
      habits: {
        modstampLagMs: lagMs(world),
        ...(world.on.has('overflow') ? { overflowAfter } : {}),
      },
    });
    this.intercom = new IntercomModel({
      random: chance.stream('intercom'),
      deliveryRandom: chance.stream('webhooks'),
      workspaceId: 'sim',
      timezone: 'UTC',
      switches: { trimNames: world.on.has('norm') },
    });
    for (const attribute of allAttributes) this.intercom.attributes.create(attribute, now);
    this.intercom.addAdmin(admin);
    this.#emailOf = (who) => `p${emailHolder(history, who)}@x.example`;
  }

  /** Values of a person whom somebody enters. */
  first(who: number, on: PlatformName): Readonly<Record<string, Stored>> {
    const values = { email: this.#emailOf(who), lastName: `p${who}`, department: `p${who} department ${on}` };
    return Object.fromEntries(
      personFields.flatMap((field) => {
        const value = (values as Record<string, Stored>)[field.canonical];
        return value === undefined ? [] : [[field[on], value]];
      }),
    );
  }

  /** Ids of the living records of a kind. */
  ids(platform: PlatformName, kind: Kind): readonly string[] {
    if (platform === 'salesforce') {
      const all = [...this.salesforce.store.all(kind === 'person' ? 'Contact' : 'Account')];
      return all.filter(({ deleted }) => !deleted).map(({ id }) => id);
    }
    const { contacts, companies } = this.intercom.everything();
    return kind === 'person'
      ? contacts.filter(({ archived }) => !archived).map(({ id }) => id)
      : companies.map(({ id }) => id);
  }

  salesforceValue(object: 'Contact' | 'Account', id: string, field: MappedField): Stored {
    return this.#salesforceValue(this.salesforce.store.get(object, id)?.values ?? {}, field);
  }

  /** Platform's clock, ms; Salesforce knows the second. */
  createdAt(platform: PlatformName, id: string): number {
    if (platform === 'salesforce') {
      const record = this.salesforce.store.get('Contact', id) ?? this.salesforce.store.get('Account', id);
      return Number(record?.values['CreatedDate'] ?? 0);
    }
    const { contacts, companies } = this.intercom.everything();
    return [...contacts, ...companies].find((one) => one.id === id)?.created_ms ?? 0;
  }

  find(platform: PlatformName, kind: Kind, id: string): Shown | undefined {
    return this.shown().find((one) => one.platform === platform && one.kind === kind && one.id === id);
  }

  shown(): readonly Shown[] {
    const { contacts, companies } = this.intercom.everything();
    return [
      ...[...this.salesforce.store.all('Contact')].map((record) =>
        this.#fromSalesforce('person', personFields, record.id, record.deleted, record.values),
      ),
      ...[...this.salesforce.store.all('Account')].map((record) =>
        this.#fromSalesforce('company', companyFields, record.id, record.deleted, record.values),
      ),
      ...contacts.map((contact) => this.#fromIntercom('person', personFields, contact)),
      ...companies.map((company) => this.#fromIntercom('company', companyFields, company)),
    ];
  }

  /** Of two names the joined one, as Intercom has it. */
  #salesforceValue(values: Readonly<Record<string, Stored>>, { canonical, salesforce }: MappedField): Stored {
    const value = values[salesforce] ?? null;
    const given = values[givenName.salesforce] ?? null;
    return this.#hasTwoNames && canonical === 'lastName' && given !== null ? `${given} ${value ?? ''}`.trim() : value;
  }

  #fromSalesforce(
    kind: Kind,
    fields: readonly MappedField[],
    id: string,
    deleted: boolean,
    values: Readonly<Record<string, Stored>>,
  ): Shown {
    const account = values['AccountId'];
    return {
      platform: 'salesforce',
      kind,
      id,
      alive: !deleted,
      values: Object.fromEntries(fields.map((field) => [field.canonical, this.#salesforceValue(values, field)])),
      marker: (values[markers.salesforce] as string | null | undefined) ?? null,
      salesforceId: id,
      companies: typeof account === 'string' ? [account] : [],
    };
  }

  #fromIntercom(kind: Kind, fields: readonly MappedField[], record: IntercomContact | IntercomCompany): Shown {
    return {
      platform: 'intercom',
      kind,
      id: record.id,
      alive: !('archived' in record && record.archived),
      values: Object.fromEntries(fields.map((field) => [field.canonical, intercomValue(record, field.intercom)])),
      marker: intercomValue(record, kind === 'person' ? markers.contact : markers.company) as string | null,
      salesforceId: intercomValue(record, kind === 'person' ? idFields.person : idFields.company) as string | null,
      companies: 'companies' in record ? record.companies : [],
    };
  }
}
