/**
 * The configuration compiled for deciding: which object of which platform is which entity, how platform fields and
 * canonical fields translate, who owns what, what is created where. Pure data and pure functions.
 */
import type { Config, FieldMapping } from '../../core/config.ts';
import { parseRef } from './keys.ts';
import type { Platform } from './world.ts';

export type EntityKind = 'customer' | 'account';
export const platforms: readonly Platform[] = ['salesforce', 'intercom'];

/** One platform field and the canonical fields that it carries (one, or several for a compound such as a full name). */
export interface Link {
  readonly platform: Platform;
  readonly field: string;
  readonly canonical: readonly string[];
  /** marker: our id of the record, written into it. role: user or lead, read only. Neither carries a canonical field. */
  readonly type: FieldMapping['type'] | 'marker' | 'role';
}

export interface Side {
  readonly object: string;
  /** Platform field that holds our id. */
  readonly marker: string;
  readonly links: readonly Link[];
  readonly byField: ReadonlyMap<string, Link>;
  /** Does any flow write this entity to this platform? */
  readonly written: boolean;
  readonly creates: boolean;
  /**
   * Does a create asked twice make one record? Salesforce and Intercom's companies are upserted by our id. A contact of
   * Intercom has no such key: an email that another contact has is all that stands in its way.
   */
  readonly keyed: boolean;
  /** Field of which each value is a call of its own, after that of the other fields: Intercom's list of companies. */
  readonly memberships: string | null;
}

export interface EntityRules {
  readonly kind: EntityKind;
  readonly sides: Readonly<Record<Platform, Side>>;
  /** Salesforce leads, the second object of a customer; null: not read. */
  readonly lead: Side | null;
  readonly fields: ReadonlyMap<string, CanonicalRule>;
  readonly createGateMs: number;
}

export interface CanonicalRule {
  readonly name: string;
  readonly type: FieldMapping['type'];
  /** Only this platform's values count; null: the newest counts. */
  readonly owner: Platform | null;
  readonly fillIfEmpty: boolean;
}

export interface Rules {
  readonly entities: Readonly<Record<EntityKind, EntityRules>>;
  /** `salesforce:Contact` → customer. */
  readonly kindOf: ReadonlyMap<string, EntityKind>;
  /** Platforms with a source running: create gates wait for their marks. */
  readonly captured: readonly Platform[];
  readonly freeze: RulesConfig['freeze'];
  /** Of several companies of a person that are accounts, the one that counts (companies.ts). */
  readonly primaryCompany: RulesConfig['flows']['contact-sync']['primaryCompany'];
  /** Client id of our own calls, as Salesforce names it in changeOrigin. */
  readonly client: string;
}

/** The part of the configuration that decides; it travels through `changes` as canonical JSON. */
export type RulesConfig = Pick<Config, 'entities' | 'flows' | 'capture' | 'freeze'> & {
  readonly salesforce: Pick<Config['salesforce'], 'client'>;
};

export function compileRules(config: RulesConfig): Rules {
  const flows = { customer: config.flows['contact-sync'], account: config.flows['account-sync'] } as const;
  const compile = (kind: EntityKind): EntityRules => {
    const entity = config.entities[kind];
    const flow = flows[kind];
    const written: Record<Platform, boolean> = { salesforce: flow.salesforce !== undefined, intercom: true };
    const side = (platform: Platform, source: Platform | 'lead' = platform): Side => {
      const mapped = entity.fields.flatMap((field): Link[] => {
        const name = field[source];
        const canonical = typeof field.canonical === 'string' ? [field.canonical] : field.canonical;
        return name === undefined ? [] : [{ platform, field: name, canonical, type: field.type }];
      });
      const marker: Link = { platform, field: entity[platform].marker, canonical: [], type: 'marker' };
      // Intercom keeps users and leads in one object; a lead alone creates nobody.
      const role: Link[] =
        platform === 'intercom' && kind === 'customer'
          ? [{ platform, field: 'role', canonical: [], type: 'role' }]
          : [];
      const links = [...mapped, ...role, marker];
      return {
        object: source === 'lead' ? (entity.salesforce.lead ?? '') : entity[platform].object,
        marker: entity[platform].marker,
        links,
        byField: new Map(links.map((link) => [link.field, link])),
        written: written[platform],
        // Leads come from the lead flow alone.
        creates: source !== 'lead' && flow[platform]?.create === true,
        keyed: platform === 'salesforce' || kind === 'account',
        memberships: platform === 'intercom' ? (mapped.find((link) => link.type === 'account')?.field ?? null) : null,
      };
    };
    const fields = new Map<string, CanonicalRule>();
    for (const field of entity.fields) {
      if (typeof field.canonical !== 'string') continue;
      // Where nothing is written to a platform, it owns what it says: else the sides would differ for ever.
      const readOnly = platforms.find((platform) => !written[platform] && field[platform] !== undefined);
      // An id is given out by its platform and cannot be written there.
      const issuer = field.salesforce === 'Id' ? 'salesforce' : undefined;
      fields.set(field.canonical, {
        name: field.canonical,
        type: field.type,
        owner: issuer ?? readOnly ?? field.owner ?? null,
        fillIfEmpty: field.fillIfEmpty ?? false,
      });
    }
    return {
      kind,
      sides: { salesforce: side('salesforce'), intercom: side('intercom') },
      lead: entity.salesforce.lead === null ? null : side('salesforce', 'lead'),
      fields,
      createGateMs: config.flows['contact-sync'].createGateMs,
    };
  };
  const entities = { customer: compile('customer'), account: compile('account') };
  const kindOf = new Map<string, EntityKind>();
  for (const kind of ['customer', 'account'] as const) {
    for (const platform of platforms) kindOf.set(`${platform}:${entities[kind].sides[platform].object}`, kind);
    const { lead } = entities[kind];
    if (lead !== null) kindOf.set(`salesforce:${lead.object}`, kind);
  }
  return {
    entities,
    kindOf,
    captured: platforms.filter((platform) => config.capture[platform]),
    freeze: config.freeze,
    primaryCompany: config.flows['contact-sync'].primaryCompany,
    client: config.salesforce.client,
  };
}

/** How a record is mapped: by its object, for a customer may be a contact and a lead on one platform. */
export function sideOf(rules: EntityRules, ref: string): Side {
  const { platform, object } = parseRef(ref);
  return rules.lead !== null && platform === 'salesforce' && object === rules.lead.object
    ? rules.lead
    : rules.sides[platform];
}

/** Is it a Salesforce lead, by its object? */
export const isLeadObject = (rules: EntityRules, ref: string): boolean => sideOf(rules, ref) === rules.lead;

/** Directory objects: people who work in the platforms. They are looked up, never synchronised. */
export const directoryObjects: Readonly<Record<string, { readonly email: string }>> = {
  'salesforce:User': { email: 'Email' },
  'intercom:admin': { email: 'email' },
};

/** Canonical fields with a column of their own in the canonical events; the others stand under `attributes`. */
export const namedFields: Readonly<Record<EntityKind, readonly string[]>> = {
  customer: ['email', 'firstName', 'lastName', 'phone', 'title', 'ownerEmail'],
  account: ['name', 'domain', 'industry', 'employees', 'ownerEmail'],
};
