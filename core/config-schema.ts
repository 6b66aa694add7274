/**
 * The shape of tributary.yaml: every key with its meaning, its bounds and its default. This is the only place that knows
 * them; the published JSON Schema (schemas/config.schema.json) and the error texts are derived from it.
 */
import { z } from 'zod';

/**
 * Strict: a misspelt key is refused rather than ignored. Sections are given `prefault({})`, not a default: an absent section
 * is parsed like an empty one, so each key's own default is the only one there is.
 */
const section = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape);

const share = z.number().gt(0).max(1);
const reserve = z.number().min(0).lt(1);
const url = (scheme: RegExp, example: string) =>
  z.string().regex(new RegExp(`^$|^(?:${scheme.source})//[^\\s/]+`), `must be a URL such as ${example}`);
/** Absent addresses are empty: which of them a command needs is its own affair (`requireSettings`). */
const httpUrl = (example: string) => url(/https?:/, example).default('');
/** Fields are kept in objects by their names: one that every object has would be found in a record that lacks it. */
const fieldName = (spelling: RegExp, rule: string) =>
  z
    .string()
    .regex(spelling, rule)
    .refine((name) => !(name in {}), 'is a name that every JavaScript object has, such as constructor: choose another');
const salesforceName = fieldName(
  /^[A-Za-z](?:\w{0,78}\w)?$/,
  'must be the API name of a Salesforce object or field, such as Level__c',
);
const intercomField = fieldName(
  /^(?:[a-z][a-z_]*|custom_attributes\.[^.\s]{1,190})$/,
  'must be a field of Intercom, such as phone or custom_attributes.level',
);
const canonicalName = fieldName(/^[a-z][A-Za-z0-9]{0,63}$/, 'must be a camelCase name, such as renewalDate');
const platform = z.enum(['salesforce', 'intercom']);

const fieldTypes = [
  'text',
  'email',
  'integer',
  'number',
  'boolean',
  'optOut',
  'date',
  'datetime',
  'set',
  'owner',
  'account',
  'fullName',
] as const;

const fieldMapping = section({
  canonical: z
    .union([canonicalName, z.array(canonicalName).length(2)], {
      error: 'must be one camelCase name, or two ([firstName, lastName]) for the type fullName',
    })
    .describe('Name in the canonical events; two names for the compound type fullName.'),
  type: z
    .enum(fieldTypes)
    .describe(
      'How values are compared and spelled on each platform. optOut: a boolean of which true is taken from anybody, false only from the owner.',
    ),
  salesforce: salesforceName.optional().describe('API name of the Salesforce field.'),
  lead: salesforceName
    .optional()
    .describe('API name of the same field on the Salesforce Lead; absent: a lead does not carry it.'),
  intercom: intercomField.optional().describe('Intercom field, custom attributes as custom_attributes.<name>.'),
  owner: platform
    .optional()
    .describe(
      'Only this platform decides the value; edits elsewhere are written back. intercom needs capture.intercom. Where Salesforce is not written it owns what is mapped there.',
    ),
  fillIfEmpty: z
    .boolean()
    .default(false)
    .describe('A value from the other platform counts only where there is none. Needs capture.intercom.'),
});
export type FieldMapping = z.output<typeof fieldMapping>;

/** Canonical names that unify and the events know by their meaning, and the types that they may have. */
const reservedNames: Readonly<
  Record<'customer' | 'account', Readonly<Record<string, readonly FieldMapping['type'][]>>>
> = {
  customer: { ownerEmail: ['owner'], account: ['account'] },
  account: { ownerEmail: ['owner'], employees: ['integer', 'number'] },
};

/** With more than some 300 what is known of a person would pass the 64 kB of a state value. */
const fieldsMost = 200;
/** Both mappings are kept together, in one state value. */
const mappingBytes = 28_000;

const fields = (...given: z.input<typeof fieldMapping>[]) =>
  z
    .array(fieldMapping)
    .min(1)
    .max(fieldsMost)
    .prefault(given)
    .describe('Mapped fields. A list given here replaces the default list whole.');

const entity = (
  salesforceObject: string,
  intercomObject: 'contact' | 'company',
  intercomMarker: string,
  mapped: ReturnType<typeof fields>,
) =>
  section({
    salesforce: section({
      object: salesforceName.default(salesforceObject).describe('Salesforce object.'),
      lead: salesforceName
        .nullable()
        .default(null)
        .describe('Object of people who are no contacts yet, Lead; null: not read. Customers only.'),
      marker: salesforceName
        .default('Tributary_Id__c')
        .describe('External-id field that holds our id of the record: unique, text, 36 or longer.'),
    }).prefault({}),
    intercom: section({
      object: z.literal(intercomObject).default(intercomObject).describe('Intercom model.'),
      marker: intercomField.default(intercomMarker).describe('Field that holds our id of the record.'),
    }).prefault({}),
    fields: mapped,
  });

const customer = entity(
  'Contact',
  'contact',
  'custom_attributes.tributary_id',
  fields(
    { canonical: 'email', type: 'email', salesforce: 'Email', intercom: 'email' },
    { canonical: 'firstName', type: 'text', salesforce: 'FirstName' },
    { canonical: 'lastName', type: 'text', salesforce: 'LastName' },
    { canonical: ['firstName', 'lastName'], type: 'fullName', intercom: 'name' },
    { canonical: 'phone', type: 'text', salesforce: 'Phone', intercom: 'phone' },
    { canonical: 'title', type: 'text', salesforce: 'Title', intercom: 'custom_attributes.job_title' },
    { canonical: 'ownerEmail', type: 'owner', salesforce: 'OwnerId', intercom: 'owner_id' },
    { canonical: 'account', type: 'account', salesforce: 'AccountId', intercom: 'companies' },
    { canonical: 'salesforceId', type: 'text', salesforce: 'Id', intercom: 'custom_attributes.salesforce_id' },
    { canonical: 'level', type: 'text', salesforce: 'Level__c', intercom: 'custom_attributes.level' },
    { canonical: 'seats', type: 'integer', salesforce: 'Seats__c', intercom: 'custom_attributes.seats' },
    { canonical: 'newsletter', type: 'boolean', salesforce: 'Newsletter__c', intercom: 'custom_attributes.newsletter' },
    {
      canonical: 'renewalDate',
      type: 'date',
      salesforce: 'Renewal_Date__c',
      intercom: 'custom_attributes.renewal_date',
    },
    {
      canonical: 'lastOrderAt',
      type: 'datetime',
      salesforce: 'Last_Order_At__c',
      intercom: 'custom_attributes.last_order_at',
    },
    { canonical: 'score', type: 'number', salesforce: 'Score__c', intercom: 'custom_attributes.score' },
    { canonical: 'languages', type: 'set', salesforce: 'Languages__c', intercom: 'custom_attributes.languages' },
  ),
);

const account = entity(
  'Account',
  'company',
  'company_id',
  fields(
    { canonical: 'name', type: 'text', salesforce: 'Name', intercom: 'name' },
    { canonical: 'domain', type: 'text', salesforce: 'Website', intercom: 'website' },
    { canonical: 'industry', type: 'text', salesforce: 'Industry', intercom: 'industry' },
    { canonical: 'employees', type: 'integer', salesforce: 'NumberOfEmployees', intercom: 'size' },
    { canonical: 'ownerEmail', type: 'owner', salesforce: 'OwnerId', intercom: 'custom_attributes.owner_email' },
    { canonical: 'tier', type: 'text', salesforce: 'Tier__c', intercom: 'custom_attributes.tier' },
    {
      canonical: 'contractValue',
      type: 'number',
      salesforce: 'Contract_Value__c',
      intercom: 'custom_attributes.contract_value',
    },
    { canonical: 'salesforceId', type: 'text', salesforce: 'Id', intercom: 'custom_attributes.salesforce_account_id' },
  ),
);

export type EntityName = 'customer' | 'account';
export type EntityMapping = z.output<typeof customer>;

const written = (name: string) =>
  section({
    create: z.boolean().default(true).describe(`Create records that ${name} does not have; false: only update.`),
  });
const intercomWritten = written('Intercom').prefault({});
const salesforceWritten = written('Salesforce')
  .optional()
  .describe('Present: changes made in Intercom are written to Salesforce. Needs capture.intercom.');

export const configSchema = section({
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,40}$/, 'may hold letters, digits, dots, dashes and underscores, 40 at most')
    .default('tributary.')
    .describe('Of every topic, group, transactional id and Redis key, so that deployments share a cluster.'),
  kafka: section({
    brokers: z
      .string()
      .regex(/^$|^[^\s,:]+:\d{1,5}(?:,[^\s,:]+:\d{1,5})*$/, 'must be host:port, several separated by commas')
      .default('')
      .describe('host:port, several separated by commas. KAFKA_BROKERS wins.'),
  }).prefault({}),
  registry: section({
    url: httpUrl('http://127.0.0.1:8081').describe(
      'Confluent-compatible base URL, path included. SCHEMA_REGISTRY_URL wins.',
    ),
  }).prefault({}),
  redis: section({
    url: url(/rediss?:/, 'redis://127.0.0.1:6379')
      .default('')
      .describe('REDIS_URL wins.'),
  }).prefault({}),
  failover: section({
    afterMs: z
      .int()
      .min(2_000)
      .max(120_000)
      .default(10_000)
      .describe(
        'A process that nothing was heard of for so long is taken for dead, and another does its work: term of the leases, session time-out of the consumer groups. Brokers refuse less than their group.min.session.timeout.ms, 6 s by default.',
      ),
  }).prefault({}),
  http: section({
    host: z.string().min(1).default('127.0.0.1').describe('Where /healthz, /readyz and /metrics listen.'),
    port: z.int().min(0).max(65_535).default(0).describe('0: any free port; the log says which.'),
  }).prefault({}),
  salesforce: section({
    loginUrl: httpUrl('https://acme.my.salesforce.com').describe(
      'My Domain of the org: the client-credentials flow has no other endpoint. SALESFORCE_LOGIN_URL wins.',
    ),
    pubsub: section({
      endpoint: z
        .string()
        .regex(/^[^\s/:]+:\d{1,5}$/, 'must be host:port')
        .default('api.pubsub.salesforce.com:7443')
        .describe('Pub/Sub API, host:port. SALESFORCE_PUBSUB_ENDPOINT wins.'),
      insecure: z
        .boolean()
        .default(false)
        .describe('Plain text instead of TLS, for a twin only. SALESFORCE_PUBSUB_INSECURE wins.'),
    }).prefault({}),
    clientId: z.string().default('').describe('Consumer key of the connected app. SALESFORCE_CLIENT_ID wins.'),
    orgId: z
      .string()
      .regex(/^00D[A-Za-z0-9]{15}$/, 'must be an 18-character org id, 00D…')
      .nullable()
      .default(null)
      .describe('The only org this deployment may talk to. null: pinned at first start.'),
    apiVersion: z
      .string({ error: 'must be quoted, such as "67.0"' })
      .regex(/^\d\d\.0$/, 'must be quoted, such as "67.0"')
      .default('67.0')
      .describe('REST API version.'),
    channel: z
      .string()
      .regex(/^\/data\/\w+$/, 'must be a change-event channel, such as /data/Tributary__chn')
      .default('/data/Tributary__chn')
      .describe('Multi-entity channel: one stream keeps the order across objects.'),
    client: z
      .string()
      .regex(/^[\w-]{1,40}$/, 'may hold letters, digits, dashes and underscores')
      .default('tributary')
      .describe('Client id of our calls; change events name it, and so echoes are recognised.'),
    budget: section({
      share: share.default(0.5).describe("Our share of the org's daily API calls."),
      reserveLive: reserve.default(0.2).describe('Part of it that bulk work may not use.'),
      daily: z.int().positive().nullable().default(null).describe('Absolute cap of calls per day.'),
    }).prefault({}),
  }).prefault({}),
  intercom: section({
    baseUrl: url(/https?:/, 'https://api.intercom.io')
      .min(1, 'must be a URL such as https://api.intercom.io')
      .default('https://api.intercom.io')
      .describe('Region of the workspace: api, api.eu or api.au .intercom.io. INTERCOM_BASE_URL wins.'),
    workspaceId: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('The only workspace this deployment may talk to. null: pinned at first start.'),
    version: z
      .string({ error: 'must be quoted, such as "2.14"' })
      .regex(/^\d\.\d+$/, 'must be quoted, such as "2.14"')
      .default('2.14')
      .describe('Intercom-Version of every call.'),
    createAttributes: z
      .boolean()
      .default(true)
      .describe('Create missing data attributes; false: refuse to start without them.'),
    webhook: section({
      host: z
        .string()
        .min(1)
        .default('127.0.0.1')
        .describe('Where notifications are received, in front of it what ends TLS. INTERCOM_WEBHOOK_HOST wins.'),
      port: z
        .int()
        .min(0)
        .max(65_535)
        .default(0)
        .describe('0: any free port; the log says which. INTERCOM_WEBHOOK_PORT wins.'),
      path: z
        .string()
        .regex(/^\/[\w./~-]{0,200}$/, 'must be a path such as /intercom')
        .default('/intercom')
        .describe('Of the URL that the app names in the Developer Hub; every other path is not found.'),
      maxBytes: z
        .int()
        .min(10_000)
        .max(1_500_000)
        .default(1_000_000)
        .describe('Longest notification that is taken; a longer one is answered with 413.'),
    }).prefault({}),
    budget: section({
      perMinute: z.int().positive().nullable().default(null).describe('Absolute cap of calls per minute.'),
      share: share.default(0.8).describe('Our share of the rate limit that Intercom tells.'),
      reserveLive: reserve.default(0.3).describe('Part of it that bulk work may not use.'),
      concurrency: z.int().min(1).max(200).default(20).describe('Calls in flight.'),
    }).prefault({}),
  }).prefault({}),
  entities: section({ customer: customer.prefault({}), account: account.prefault({}) }).prefault({}),
  flows: section({
    'contact-sync': section({
      intercom: intercomWritten,
      salesforce: salesforceWritten,
      createGateMs: z
        .int()
        .min(0)
        .max(600_000)
        .default(2000)
        .describe('How long a create waits for the other platform to be heard first, ms of marks.'),
      primaryCompany: z
        .enum(['current', 'attached'])
        .default('current')
        .describe(
          'Of several Intercom companies that are accounts: current keeps the account a person has for as long as its company is attached; attached moves the person to the company attached last.',
        ),
    }).prefault({}),
    'account-sync': section({ intercom: intercomWritten, salesforce: salesforceWritten }).prefault({}),
  }).prefault({}),
  freeze: section({
    alternations: z
      .int()
      .min(2)
      .max(100)
      .default(6)
      .describe(
        'A field whose value goes to and fro between two writers this often is frozen until an operator ends it.',
      ),
    withinMs: z.int().min(1_000).max(86_400_000).default(600_000).describe('In this span of platform time, ms.'),
  }).prefault({}),
  capture: section({
    salesforce: z.boolean().default(true).describe('A Salesforce source is running; creates wait for its marks.'),
    intercom: z
      .boolean()
      .default(false)
      .describe(
        'An Intercom source is running; creates wait for its marks. connect-intercom then needs the app’s client secret.',
      ),
  }).prefault({}),
  snapshot: section({
    objects: z
      .array(salesforceName)
      .min(1)
      .prefault(['User', 'Account', 'Contact'])
      .describe(
        'Read whole at first start, and what was missed after a gap in the stream, in this order: who is referred to comes first. Every mapped object has to be among them, and User where an owner is mapped.',
      ),
    maxLag: z.int().min(1).default(2000).describe('Records unify may be behind before the snapshot waits.'),
  }).prefault({}),
});
export type Settings = z.output<typeof configSchema>;

export interface Problem {
  readonly field: string;
  readonly message: string;
}

/** The canonical names an entry maps, one or two. */
const canonicalNames = (field: FieldMapping): readonly string[] =>
  typeof field.canonical === 'string' ? [field.canonical] : field.canonical;

/**
 * What one key alone cannot tell: rules that unify relies on when it turns a value into another platform's, and settings
 * that would be taken and then do nothing, or stop everything without a word.
 */
export function crossCheck(settings: Settings): readonly Problem[] {
  return [
    ...(['customer', 'account'] as const).flatMap((name) =>
      checkEntity(name, settings.entities[name], settings.capture.intercom),
    ),
    ...checkDirection(settings),
    ...checkSnapshot(settings),
  ];
}

function checkDirection({ flows, entities, capture }: Settings): readonly Problem[] {
  const problems: Problem[] = [];
  for (const name of ['contact-sync', 'account-sync'] as const) {
    if (flows[name].salesforce !== undefined && !capture.intercom)
      problems.push({
        field: `flows.${name}.salesforce`,
        message: 'is given, but capture.intercom is false: there would be nothing to write',
      });
  }
  for (const [name, flow] of [
    ['customer', flows['contact-sync']],
    ['account', flows['account-sync']],
  ] as const) {
    // Where Salesforce is not written it owns what it says.
    if (flow.salesforce === undefined) continue;
    for (const [index, { type, owner }] of entities[name].fields.entries()) {
      if (type === 'optOut' && owner === undefined)
        problems.push({
          field: `entities.${name}.fields[${index}]`,
          message: 'type optOut needs an owner where both platforms are written: nobody else can take an opt-out back',
        });
    }
  }
  if (entities.account.salesforce.lead !== null)
    problems.push({ field: 'entities.account.salesforce.lead', message: 'is given, but leads are customers' });
  return problems;
}

/** Of an object left out only what somebody changes would ever come: people without their account, owners nobody knows. */
function checkSnapshot({ entities, snapshot }: Settings): readonly Problem[] {
  const needed = new Map<string, string>();
  for (const [name, { salesforce, fields: mapped }] of Object.entries(entities)) {
    const read = mapped.filter((field) => field.salesforce !== undefined);
    if (read.length > 0) needed.set(salesforce.object, `entities.${name} maps it`);
    if (read.some(({ type }) => type === 'owner')) needed.set('User', 'owners are looked up in it');
  }
  return [...needed]
    .filter(([object]) => !snapshot.objects.includes(object))
    .map(([object, why]) => ({ field: 'snapshot.objects', message: `lacks ${object}: ${why}` }));
}

function checkEntity(name: EntityName, entityMapping: EntityMapping, intercomRead: boolean): readonly Problem[] {
  const problems: Problem[] = [];
  const seen = new Map<string, number>();
  const once = (what: string, key: string, index: number, advice: string): void => {
    const before = seen.get(`${what} ${key}`);
    seen.set(`${what} ${key}`, index);
    if (before !== undefined) report(index, `${what} "${key}" stands in fields[${before}] already; ${advice}`);
  };
  const report = (index: number, message: string): void => {
    problems.push({ field: `entities.${name}.fields[${index}]`, message });
  };

  for (const [index, field] of entityMapping.fields.entries()) {
    const names = canonicalNames(field);
    if ((field.type === 'fullName') !== names.length > 1)
      report(index, 'two canonical names and the type fullName go together');
    if (field.salesforce === undefined && field.intercom === undefined)
      report(index, 'names no platform field; give salesforce, intercom or both');
    if (field.owner !== undefined && field[field.owner] === undefined)
      report(index, `owner is ${field.owner}, which has no field here`);
    else if (field.owner === 'intercom' && !intercomRead)
      report(index, 'owner is intercom, but capture.intercom is false: no value would ever come');
    if (field.fillIfEmpty && !intercomRead)
      report(index, 'fillIfEmpty is true, but capture.intercom is false: there is no other value to fill in');
    for (const one of names) {
      const types = reservedNames[name][one];
      if (types !== undefined && !types.includes(field.type))
        report(index, `canonical field "${one}" is of type ${types.join(' or ')} and no other`);
    }
    if (field.type === 'owner' && names[0] !== 'ownerEmail')
      report(index, 'the type owner belongs to the canonical field ownerEmail');
    if (field.type === 'account' && name === 'account') report(index, 'the type account belongs to customers');
    else if (field.type === 'account' && names[0] !== 'account')
      report(index, 'the type account belongs to the canonical field account');
    if (field.type === 'owner' || field.type === 'account')
      once('type', field.type, index, 'there may be one of it per entity');
    if (names.length === 1) once('canonical field', names[0] ?? '', index, 'name both platforms in one entry');
    for (const side of ['salesforce', 'intercom'] as const) {
      const mapped = field[side];
      if (mapped === undefined) continue;
      once(`${side} field`, mapped, index, 'two sources of one value would overwrite each other');
      for (const canonical of names)
        once(`${side} source of`, canonical, index, 'two fields of one platform cannot both hold it');
      if (mapped === entityMapping[side].marker)
        report(index, `${side} field "${mapped}" is the marker, which only we write`);
    }
  }
  for (const [index, field] of entityMapping.fields.entries()) {
    const names = canonicalNames(field);
    const unknown = names.length > 1 ? names.filter((part) => !seen.has(`canonical field ${part}`)) : [];
    if (unknown.length > 0) report(index, `part "${unknown.join('", "')}" has no entry of its own`);
  }
  if (
    name === 'customer' &&
    !entityMapping.fields.some((field) => field.canonical === 'email' && field.type === 'email')
  )
    problems.push({
      field: 'entities.customer.fields',
      message: 'lacks the canonical field email of type email; identity rests on it',
    });
  const bytes = Buffer.byteLength(JSON.stringify(entityMapping));
  if (bytes > mappingBytes)
    problems.push({
      field: `entities.${name}.fields`,
      message: `takes ${bytes} bytes as JSON, more than the ${mappingBytes} that can be kept of it: map fewer fields, or give them shorter names`,
    });
  return problems;
}
