import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  checkConfig,
  decisionConfig,
  jsonSchema,
  loadConfig,
  requireSettings,
  shownConfig,
} from '../../core/config.ts';
import { TributaryError } from '../../core/errors.ts';

const root = new URL('../../', import.meta.url);
const refusal = (given: unknown, env: Record<string, string> = {}): string => {
  try {
    checkConfig(given, env);
  } catch (error) {
    if (error instanceof TributaryError && error.code === 'CONFIG_INVALID') return error.message;
    throw error;
  }
  throw new Error('the configuration was accepted');
};
const file = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'tributary-config-')), 'tributary.yaml');
  writeFileSync(path, text);
  return path;
};
const customerFields = (...fields: unknown[]) => ({
  entities: {
    customer: { fields: [{ canonical: 'email', type: 'email', salesforce: 'Email', intercom: 'email' }, ...fields] },
  },
});

describe('the file', () => {
  test('an empty file, a file of empty sections and no file are the same full configuration', () => {
    const none = shownConfig(loadConfig({ env: {} }));
    expect(shownConfig(loadConfig({ file: file(''), env: {} }))).toEqual(none);
    expect(shownConfig(loadConfig({ file: file('kafka:\nsalesforce:\n  pubsub:\n'), env: {} }))).toEqual(none);
  });

  test('tributary.yaml at the top of the repository equals the defaults', () => {
    const example = loadConfig({ file: new URL('tributary.yaml', root).pathname, env: {} });
    expect(shownConfig(example)).toEqual(shownConfig(checkConfig({}, {})));
  });

  test('the published JSON Schema is current', () => {
    const published: unknown = JSON.parse(readFileSync(new URL('schemas/config.schema.json', root), 'utf8'));
    expect(published, 'run `tributary config schema > schemas/config.schema.json`').toEqual(jsonSchema());
  });

  test('one that is not there, or not YAML, is refused by its name', () => {
    expect(() => loadConfig({ file: '/nowhere/tributary.yaml', env: {} })).toThrow(
      '/nowhere/tributary.yaml: cannot be read (ENOENT)',
    );
    const broken = file('kafka:\n  brokers: [a\nredis: {}\n');
    expect(() => loadConfig({ file: broken, env: {} })).toThrow(/tributary\.yaml: .* at line 3/);
    expect(() => loadConfig({ file: file('prefix: a.\nprefix: b.\n'), env: {} })).toThrow('Map keys must be unique');
  });
});

describe('what does not fit is refused with the field, its value and what is allowed', () => {
  test.each([
    [
      { salesforce: { budget: { shar: 1 } } },
      'salesforce.budget.shar is not a setting; allowed here: share, reserveLive, daily',
    ],
    [{ salesforce: { budget: { share: 1.5 } } }, 'salesforce.budget.share = 1.5 must be <=1'],
    [{ salesforce: { apiVersion: 67 } }, 'salesforce.apiVersion = 67 must be quoted, such as "67.0"'],
    [{ kafka: 'localhost:9092' }, 'kafka = "localhost:9092" must be object, received string'],
    [{ kafka: { brokers: 'localhost' } }, 'kafka.brokers (KAFKA_BROKERS) = "localhost" must be host:port'],
    [{ capture: { intercom: 'yes' } }, 'capture.intercom = "yes" must be boolean, received string'],
    [
      { flows: { 'contact-sink': {} } },
      'flows.contact-sink is not a setting; allowed here: contact-sync, account-sync',
    ],
    [['a'], '(file) must be a mapping of sections'],
    [
      customerFields({ canonical: 'constructor', type: 'text', salesforce: 'A' }),
      'entities.customer.fields[1].canonical = "constructor"',
    ],
    [
      customerFields({ canonical: 'a', type: 'text', salesforce: 'valueOf' }),
      'entities.customer.fields[1].salesforce = "valueOf" is a name that every JavaScript object has',
    ],
    [customerFields({ canonical: 'a', type: 'txt', salesforce: 'A' }), 'entities.customer.fields[1].type = "txt"'],
    [
      customerFields({ canonical: 'a', type: 'text', salesforce: 'A', colour: 1 }),
      'entities.customer.fields[1].colour is not a setting; allowed here: canonical, type, salesforce',
    ],
  ])('%j', (given, message) => {
    expect(refusal(given)).toContain(message);
  });

  test('a mapping too large for the state of one person', () => {
    const many = Array.from({ length: 200 }, (_, n) => ({ canonical: `a${n}`, type: 'text', salesforce: `A${n}__c` }));
    expect(refusal(customerFields(...many))).toContain('entities.customer.fields');
    const long = many
      .slice(0, 150)
      .map((field, n) => ({ ...field, intercom: `custom_attributes.${'x'.repeat(100)}${n}` }));
    expect(refusal(customerFields(...long))).toContain('more than the 28000 that can be kept of it');
  });

  test('every problem is named at once', () => {
    const message = refusal({ snapshot: { objects: [] }, intercom: { budget: { concurrency: 0 } } });
    expect(message).toContain('intercom.budget.concurrency = 0');
    expect(message).toContain('snapshot.objects = []');
  });

  test.each([
    ['an entry without a platform', [{ canonical: 'a', type: 'text' }], 'names no platform field'],
    [
      'one canonical field twice',
      [
        { canonical: 'a', type: 'text', salesforce: 'A' },
        { canonical: 'a', type: 'text', intercom: 'a' },
      ],
      'canonical field "a" stands in fields[1] already',
    ],
    [
      'one platform field twice',
      [
        { canonical: 'a', type: 'text', salesforce: 'A' },
        { canonical: 'b', type: 'text', salesforce: 'A' },
      ],
      'salesforce field "A" stands in fields[1] already',
    ],
    [
      'two fields of one platform holding one canonical value',
      [
        { canonical: 'a', type: 'text', intercom: 'a' },
        { canonical: 'b', type: 'text', intercom: 'b' },
        { canonical: ['a', 'b'], type: 'fullName', intercom: 'name' },
      ],
      'intercom source of "a" stands in fields[1] already',
    ],
    [
      'a compound of parts nobody declares',
      [{ canonical: ['a', 'b'], type: 'fullName', intercom: 'name' }],
      'part "a", "b" has no entry of its own',
    ],
    [
      'a compound that is not a full name',
      [{ canonical: ['a', 'b'], type: 'text', intercom: 'name' }],
      'two canonical names and the type fullName go together',
    ],
    [
      'two owners',
      [
        { canonical: 'a', type: 'owner', salesforce: 'OwnerId' },
        { canonical: 'b', type: 'owner', intercom: 'owner_id' },
      ],
      'type "owner" stands in fields[1] already',
    ],
    [
      'an owner platform without a field',
      [{ canonical: 'a', type: 'text', salesforce: 'A', owner: 'intercom' }],
      'owner is intercom, which has no field here',
    ],
    [
      'Intercom as an owner',
      [{ canonical: 'a', type: 'text', salesforce: 'A', intercom: 'a', owner: 'intercom' }],
      'entities.customer.fields[1] owner is intercom, but capture.intercom is false',
    ],
    [
      'a value to fill in',
      [{ canonical: 'a', type: 'text', salesforce: 'A', intercom: 'a', fillIfEmpty: true }],
      'entities.customer.fields[1] fillIfEmpty is true, but capture.intercom is false',
    ],
    [
      'the marker as a field',
      [{ canonical: 'a', type: 'text', salesforce: 'Tributary_Id__c' }],
      'salesforce field "Tributary_Id__c" is the marker',
    ],
  ])('a mapping with %s', (_name, fields, message) => {
    expect(refusal(customerFields(...fields))).toContain(message);
  });

  test.each([
    [
      'customer',
      { canonical: 'ownerEmail', type: 'text', salesforce: 'Csm__c' },
      '"ownerEmail" is of type owner and no',
    ],
    [
      'customer',
      { canonical: 'csm', type: 'owner', salesforce: 'OwnerId' },
      'belongs to the canonical field ownerEmail',
    ],
    ['customer', { canonical: 'account', type: 'text', salesforce: 'A' }, '"account" is of type account and no other'],
    [
      'customer',
      { canonical: 'firm', type: 'account', salesforce: 'AccountId' },
      'belongs to the canonical field account',
    ],
    ['account', { canonical: 'employees', type: 'text', salesforce: 'A' }, '"employees" is of type integer or number'],
  ])('a %s field that is known by its meaning and has another: %j', (entity, field, message) => {
    expect(refusal({ entities: { [entity]: { fields: [field] } } })).toContain(message);
  });

  test('an opt-out without an owner where both platforms are written: nobody could take it back', () => {
    const optOut = { canonical: 'optOut', type: 'optOut', salesforce: 'HasOptedOutOfEmail', intercom: 'unsubscribed' };
    const both = { flows: { 'contact-sync': { salesforce: {} } } };
    const message = 'entities.customer.fields[1] type optOut needs an owner';
    expect(refusal({ ...customerFields(optOut), ...both })).toContain(message);
    expect(refusal({ ...customerFields({ ...optOut, owner: 'salesforce' }), ...both })).not.toContain(message);
    expect(() => checkConfig(customerFields(optOut), {})).not.toThrow();
  });

  test.each(['intercom', '/intercom/:id', '/*', '/a b'])('a webhook path that is %j', (path) => {
    expect(refusal({ intercom: { webhook: { path } } })).toContain('must be a path such as /intercom');
  });

  test('writing to Salesforce what nobody reads in Intercom', () => {
    const flows = { 'account-sync': { salesforce: {} } };
    expect(refusal({ flows })).toContain('flows.account-sync.salesforce is given, but capture.intercom is false');
    expect(() => checkConfig({ flows, capture: { intercom: true } }, {})).not.toThrow();
  });

  test.each([
    [['User', 'Account'], 'snapshot.objects lacks Contact: entities.customer maps it'],
    [['User', 'Contact'], 'snapshot.objects lacks Account: entities.account maps it'],
    [['Account', 'Contact'], 'snapshot.objects lacks User: owners are looked up in it'],
  ])('reading only %j', (objects, message) => {
    expect(refusal({ snapshot: { objects } })).toBe(message);
  });

  test('users need not be read where no owner is mapped, and an object of its own name has to be', () => {
    const account = { fields: [{ canonical: 'name', type: 'text', salesforce: 'Name', intercom: 'name' }] };
    const { customer } = customerFields().entities;
    const given = { entities: { customer, account }, snapshot: { objects: ['Account', 'Contact'] } };
    expect(checkConfig(given, {}).snapshot.objects).toEqual(['Account', 'Contact']);
    const renamed = { ...customer, salesforce: { object: 'Person__c' } };
    expect(refusal({ ...given, entities: { account, customer: renamed } })).toContain('lacks Person__c');
  });

  test('an account of an account, and a customer without an email', () => {
    const fields = [{ canonical: 'a', type: 'account', salesforce: 'ParentId' }];
    expect(refusal({ entities: { account: { fields } } })).toContain('the type account belongs to customers');
    expect(
      refusal({ entities: { customer: { fields: [{ canonical: 'a', type: 'text', salesforce: 'A' }] } } }),
    ).toContain('lacks the canonical field email');
  });
});

describe('the environment', () => {
  test('wins over the file, an empty variable does not count', () => {
    const given = { kafka: { brokers: 'file:1' }, redis: { url: 'redis://file' } };
    const config = checkConfig(given, {
      KAFKA_BROKERS: 'env:1,env:2',
      REDIS_URL: '',
      SALESFORCE_PUBSUB_INSECURE: 'true',
    });
    expect([config.kafka.brokers, config.redis.url]).toEqual(['env:1,env:2', 'redis://file']);
    expect(config.salesforce.pubsub.insecure).toBe(true);
    expect(checkConfig({}, { INTERCOM_WEBHOOK_PORT: '8085' }).intercom.webhook).toMatchObject({ port: 8085 });
  });

  test('gives secrets directly or by a file, never both, and names the variable at fault', () => {
    const path = file('  s3cret\n');
    expect(checkConfig({}, { INTERCOM_TOKEN_FILE: path }).intercom.token.reveal()).toBe('s3cret');
    expect(refusal({}, { INTERCOM_TOKEN_FILE: path, INTERCOM_TOKEN: 'x' })).toContain(
      'INTERCOM_TOKEN_FILE and INTERCOM_TOKEN are both set',
    );
    expect(refusal({}, { INTERCOM_TOKEN_FILE: '/nowhere' })).toContain('INTERCOM_TOKEN_FILE: /nowhere cannot be read');
    expect(refusal({}, { INTERCOM_TOKEN_FILE: file('\n') })).toContain('is empty');
    expect(refusal({}, { HTTP_PORT: 'web' })).toContain('http.port (HTTP_PORT) = "web" must be number');
  });

  test('is the only source of secrets', () => {
    expect(refusal({ salesforce: { clientSecret: 'hunter2' } })).toBe(
      'salesforce.clientSecret is a secret and may not stand in the file; set SALESFORCE_CLIENT_SECRET or SALESFORCE_CLIENT_SECRET_FILE',
    );
  });

  test('a command names the settings it cannot do without', () => {
    const config = checkConfig({}, { KAFKA_BROKERS: 'a:1' });
    expect(() => requireSettings(config, ['kafka.brokers', 'redis.url', 'intercom.token'])).toThrow(
      'redis.url is not set; set REDIS_URL or REDIS_URL_FILE, or start a local one by `tributary stack up`; intercom.token is not set; set INTERCOM_TOKEN',
    );
    expect(() => config.intercom.token.reveal()).toThrow('intercom.token is not set');
  });
});

test('secrets and passwords show in no text of the configuration', () => {
  const env = {
    SALESFORCE_CLIENT_SECRET: 'hunter2',
    INTERCOM_TOKEN: 'hunter2',
    REDIS_URL: 'redis://:hunter2@cache:6379',
  };
  const config = checkConfig({}, env);
  expect(JSON.stringify(shownConfig(config))).toContain('redis://:***@cache:6379');
  const texts = [
    JSON.stringify(shownConfig(config)),
    String(config.intercom.token),
    inspect(config.salesforce, { depth: 9 }),
  ];
  texts.push(refusal({}, { REDIS_URL: 'http://u:hunter2@cache' }));
  expect(texts.join('\n')).not.toContain('hunter2');
});

test('the decision part has one hash however its keys are ordered, and another for another value', () => {
  const flows = { 'contact-sync': { createGateMs: 5, intercom: { create: true } } };
  const turned = { 'contact-sync': { intercom: { create: true }, createGateMs: 5 } };
  const [one, two, other] = [{ flows }, { flows: turned }, {}].map((given) => decisionConfig(checkConfig(given, {})));
  expect(two).toEqual(one);
  expect(other?.hash).not.toBe(one?.hash);
  expect(decisionConfig(checkConfig({ http: { port: 1 } }, { INTERCOM_TOKEN: 'x' }))).toEqual(other);
});
