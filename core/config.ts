/**
 * tributary.yaml and the environment become one checked `Config`, or one error that names every field that is wrong.
 *
 * Addresses and secrets come from the environment (or, for mounted secrets, from the file that `<NAME>_FILE` names) and
 * win over the file. Secrets come from nowhere else: a file with a secret in it ends up in a repository.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import {
  configSchema,
  crossCheck,
  type EntityMapping,
  type FieldMapping,
  type Problem,
  type Settings,
} from './config-schema.ts';
import { TributaryError } from './errors.ts';
import { isRecord } from './json.ts';

export type { EntityMapping, EntityName, FieldMapping } from './config-schema.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Settings that the environment may give. */
const addresses = {
  TRIBUTARY_PREFIX: 'prefix',
  KAFKA_BROKERS: 'kafka.brokers',
  SCHEMA_REGISTRY_URL: 'registry.url',
  REDIS_URL: 'redis.url',
  HTTP_HOST: 'http.host',
  HTTP_PORT: 'http.port',
  SALESFORCE_LOGIN_URL: 'salesforce.loginUrl',
  SALESFORCE_PUBSUB_ENDPOINT: 'salesforce.pubsub.endpoint',
  SALESFORCE_PUBSUB_INSECURE: 'salesforce.pubsub.insecure',
  SALESFORCE_CLIENT_ID: 'salesforce.clientId',
  SALESFORCE_ORG_ID: 'salesforce.orgId',
  INTERCOM_BASE_URL: 'intercom.baseUrl',
  INTERCOM_WORKSPACE_ID: 'intercom.workspaceId',
  INTERCOM_WEBHOOK_HOST: 'intercom.webhook.host',
  INTERCOM_WEBHOOK_PORT: 'intercom.webhook.port',
} as const;
const secrets = {
  SALESFORCE_CLIENT_SECRET: 'salesforce.clientSecret',
  INTERCOM_TOKEN: 'intercom.token',
  INTERCOM_CLIENT_SECRET: 'intercom.clientSecret',
} as const;
/** What `tributary stack` runs; a command finds it there by itself. */
const servers: ReadonlySet<string> = new Set(['kafka.brokers', 'registry.url', 'redis.url']);
const variableOf = new Map<string, string>(
  Object.entries({ ...addresses, ...secrets }).map(([variable, field]) => [field, variable]),
);

/** A value that no log line, JSON or template can show; only `reveal` does, at the call that needs it. */
export class Secret {
  readonly #value: string | undefined;
  readonly #field: string;
  constructor(value: string | undefined, field: string) {
    this.#value = value;
    this.#field = field;
  }
  get given(): boolean {
    return this.#value !== undefined;
  }
  /** @throws TributaryError CONFIG_INVALID when it was not given: only roles that use a secret need it. */
  reveal(): string {
    if (this.#value === undefined) throw invalid([missing(this.#field)]);
    return this.#value;
  }
  toString(): string {
    return this.given ? '[hidden]' : '[not set]';
  }
  toJSON(): string {
    return this.toString();
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

export type Config = Settings & {
  readonly salesforce: { readonly clientSecret: Secret };
  /** `clientSecret` is the app's, which signs its webhooks. */
  readonly intercom: { readonly token: Secret; readonly clientSecret: Secret };
};

/** @throws TributaryError CONFIG_INVALID, naming each field, what is wrong with it and what is allowed. */
export function loadConfig({ file, env }: { file?: string | undefined; env: Env }): Config {
  return checkConfig(file === undefined ? {} : readYaml(file), env);
}

/** The same for a tree that is already read. */
export function checkConfig(given: unknown, env: Env): Config {
  const tree = dropNulls(given) ?? {};
  if (!isRecord(tree)) throw invalid([{ field: '(file)', message: 'must be a mapping of sections' }]);
  for (const field of Object.values(secrets))
    if (at(tree, field) !== undefined)
      throw invalid([{ field, message: `is a secret and may not stand in the file; ${giveBy(field)}` }]);
  for (const [variable, field] of Object.entries(addresses)) {
    const value = fromEnvironment(variable, env);
    if (value !== undefined) put(tree, field, plainScalar(field, value));
  }
  const parsed = configSchema.safeParse(tree, { reportInput: true });
  if (!parsed.success) throw invalid(parsed.error.issues.map((issue) => problemOf(issue)));
  const problems = crossCheck(parsed.data);
  if (problems.length > 0) throw invalid(problems);
  const secret = (variable: keyof typeof secrets): Secret =>
    new Secret(fromEnvironment(variable, env), secrets[variable]);
  return {
    ...parsed.data,
    salesforce: { ...parsed.data.salesforce, clientSecret: secret('SALESFORCE_CLIENT_SECRET') },
    intercom: {
      ...parsed.data.intercom,
      token: secret('INTERCOM_TOKEN'),
      clientSecret: secret('INTERCOM_CLIENT_SECRET'),
    },
  };
}

/** Fails unless every setting named is given: what a command needs is known to the command, not to the schema. */
export function requireSettings(config: Config, fields: readonly string[]): void {
  const absent = fields.filter((field) => {
    const value = at(config, field);
    return value instanceof Secret ? !value.given : value === undefined || value === null || value === '';
  });
  if (absent.length > 0) throw invalid(absent.map(missing));
}

/** The part that decisions depend on, as it goes into `changes`: key order does not change the hash, values do. */
export function decisionConfig(config: Config): { readonly hash: string; readonly json: string } {
  const { entities, flows, capture, freeze, salesforce } = config;
  const json = canonicalJson({ entities, flows, capture, freeze, salesforce: { client: salesforce.client } });
  return { hash: createHash('sha256').update(json).digest('hex').slice(0, 16), json };
}

/** For `config show`: secrets say only whether they are set, and passwords leave the URLs. */
export function shownConfig(config: Config): unknown {
  return JSON.parse(JSON.stringify(config), (_key, value: unknown) =>
    typeof value === 'string' ? withoutPassword(value) : value,
  );
}

export function jsonSchema(): Record<string, unknown> {
  return { title: 'tributary.yaml', ...z.toJSONSchema(configSchema, { io: 'input', reused: 'inline' }) };
}

/** Every mapped field of both entities, with its entity's name: what a preflight walks. */
export function mappedFields(
  config: Config,
): readonly { entity: 'customer' | 'account'; mapping: EntityMapping; field: FieldMapping }[] {
  return (['customer', 'account'] as const).flatMap((entity) =>
    config.entities[entity].fields.map((field) => ({ entity, mapping: config.entities[entity], field })),
  );
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new TributaryError('CONFIG_INVALID', `${file}: cannot be read (${reason(cause)})`, { cause, field: file });
  }
  const document = parseDocument(text, { lineCounter: new LineCounter(), prettyErrors: true });
  const first = document.errors[0];
  if (first !== undefined)
    throw new TributaryError('CONFIG_INVALID', `${file}: ${first.message.split('\n')[0]?.replace(/:$/, '') ?? ''}`, {
      cause: first,
      field: file,
    });
  return document.toJS();
}

const reason = (cause: unknown): string =>
  isRecord(cause) && typeof cause['code'] === 'string' ? cause['code'] : String(cause);

/** A section whose keys are all commented out is null in YAML; so is "no value": both mean the default. */
function dropNulls(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map((item) => dropNulls(item));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, dropNulls(inner)]),
  );
}

/** An empty variable is one that a compose file passed on without a value: not set. */
function fromEnvironment(variable: string, env: Env): string | undefined {
  const plain = env[variable] === '' ? undefined : env[variable];
  const path = env[`${variable}_FILE`] === '' ? undefined : env[`${variable}_FILE`];
  if (path === undefined) return plain;
  const field = `${variable}_FILE`;
  if (plain !== undefined) throw invalid([{ field, message: `and ${variable} are both set; give one` }]);
  try {
    const value = readFileSync(path, 'utf8').trim();
    if (value !== '') return value;
  } catch (cause) {
    throw new TributaryError('CONFIG_INVALID', `${field}: ${path} cannot be read (${reason(cause)})`, { cause, field });
  }
  throw invalid([{ field, message: `${path} is empty` }]);
}

/** Variables are text; some settings are not. What is neither stays text, so that the schema says what is wrong. */
function plainScalar(field: string, text: string): unknown {
  if (field === 'salesforce.pubsub.insecure') return text === 'true' ? true : text === 'false' ? false : text;
  return field.endsWith('.port') && /^\d+$/.test(text) ? Number(text) : text;
}

const at = (tree: unknown, field: string): unknown =>
  field.split('.').reduce<unknown>((node, key) => (isRecord(node) ? node[key] : undefined), tree);

function put(tree: Record<string, unknown>, field: string, value: unknown): void {
  const keys = field.split('.');
  const last = keys.pop() ?? '';
  let node = tree;
  for (const key of keys) {
    const next = node[key] ?? {};
    // A section that is not one stays as it is: the schema reports it.
    if (!isRecord(next)) return;
    node[key] = next;
    node = next;
  }
  node[last] = value;
}

const giveBy = (field: string): string => {
  const variable = variableOf.get(field);
  if (variable === undefined) return 'give it in tributary.yaml';
  const local = servers.has(field) ? ', or start a local one by `tributary stack up`' : '';
  return `set ${variable} or ${variable}_FILE${local}`;
};
const missing = (field: string): Problem => ({ field, message: `is not set; ${giveBy(field)}` });

function invalid(problems: readonly Problem[]): TributaryError {
  const [first] = problems;
  const text = problems.map(({ field, message }) => `${field} ${message}`).join('; ');
  return new TributaryError('CONFIG_INVALID', text, { field: first?.field ?? '' });
}

/** `entities.customer.fields[3].type`, as people write it. */
const spell = (path: readonly PropertyKey[]): string =>
  path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`)).join('');

function problemOf(issue: z.core.$ZodIssue): Problem {
  if (issue.code === 'unrecognized_keys') {
    const place = spell(issue.path);
    const allowed = allowedKeys(issue.path);
    return {
      field: [...issue.keys].map((key) => (place === '' ? key : `${place}.${key}`)).join(', '),
      message: `is not a setting; allowed here: ${allowed.join(', ')}`,
    };
  }
  const field = spell(issue.path);
  const variable = variableOf.get(field);
  const says = issue.message
    .replace(/^(?:Invalid (?:input|option)|Too (?:small|big)): expected/, 'must be')
    .replace(/^must be (?:number|string|array|int) to (?:be|have) /, 'must be ');
  const value = issue.input === undefined ? '' : `= ${withoutPassword(JSON.stringify(issue.input).slice(0, 80))} `;
  return { field: `${field}${variable === undefined ? '' : ` (${variable})`}`, message: `${value}${says}` };
}

/** Keys of the object at `path`, read off the JSON Schema so that they are never listed twice. */
function allowedKeys(path: readonly PropertyKey[]): readonly string[] {
  let node: unknown = jsonSchema();
  for (const key of path) {
    if (!isRecord(node)) return [];
    const properties = node['properties'];
    node = typeof key === 'number' ? node['items'] : isRecord(properties) ? properties[String(key)] : undefined;
  }
  const properties = isRecord(node) ? node['properties'] : undefined;
  return isRecord(properties) ? Object.keys(properties) : [];
}

/** `//user:password@host` → `//user:***@host`. */
const withoutPassword = (text: string): string => text.replace(/(\/\/[^:@/\s]*):[^@/\s]*@/g, '$1:***@');

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`)
    .join(',')}}`;
}
