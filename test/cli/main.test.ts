import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { main, program } from '../../cli/main.ts';
import { roles } from '../../cli/roles.ts';
import { codes } from '../../core/errors.ts';
import { topics } from '../../schemas/topics.ts';
import { contactBytes, contactSchema } from '../support/change-event.ts';

/** The environment of whoever runs the tests may name servers and a prefix of their own. */
const variables = ['TRIBUTARY_PREFIX', 'KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'REDIS_URL', 'INTERCOM_TOKEN'];
const folder = mkdtempSync(join(tmpdir(), 'tributary-cli-'));
const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** Runs the command line in this process: what it printed and the status it would end with. */
async function tributary(...args: string[]) {
  let out = '';
  let err = '';
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((out += String(text))));
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean((err += String(text))));
  try {
    const status = await main(['node', 'tributary', ...args]);
    return { status, out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

beforeEach(() => {
  for (const name of variables) vi.stubEnv(name, '');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe('help teaches', () => {
  test('the program', async () => {
    expect((await tributary('--help')).out).toMatchInlineSnapshot(`
      "Usage: tributary [options] [command]

      keeps customers in step between Salesforce and Intercom

      Options:
        -V, --version   print the version
        --debug         show stack traces and debug lines
        -h, --help      display help for command

      Commands:
        demo            run the main job on real servers and doubles of both platforms, and judge it
        run             run one role of the pipeline, or all of them in one process
        topics          the topics: list what there should be, make it so, read them
        decode          decode one Salesforce change event: header, changed, nulled and diff fields by name, values
        why             why a field has its value: what set it, what lost, what carried it where
        status          how the pipeline is: what lags, waits, is open, held back by a limit, missing or frozen, per
                        platform
        link            what linking two populated platforms would do, before anything is written
        identity        whose records these are: show it, pin a record to somebody, take one away from them
        unfreeze        write a field again that two writers fought over
        dlq             the dead letters: what was rejected and why, and how to put it back
        reread          read people and companies of Intercom again: what changed since a time, or some by their ids
        certificates    what was missed and read again: when, how, how much, and what stays unknown
        config          the configuration: check it, show it, print its JSON Schema
        stack           the local Kafka, schema registry and Redis: real servers from published jars, without Docker
        twin            a local double of a platform that speaks its own protocol
        version         print the version and the runtime
        help [command]  display help for command

      First steps, on this machine alone:
        tributary stack up                  Kafka, registry and Redis
        tributary twin salesforce           a local Salesforce; prints what to export
        tributary twin intercom             a local Intercom; prints what to export
        tributary run all                   the pipeline
        tributary topics tail customer.events

      Exit status: 0 done, 1 not all is well (demo, dlq redrive, stack status), 64 usage, 69 a server is away,
      70 a defect, 78 configuration or credentials.
      "
    `);
  });
  test('run', async () => {
    expect((await tributary('run', '--help')).out).toMatchInlineSnapshot(`
      "Usage: tributary run [options] <role>

      run one role of the pipeline, or all of them in one process

      Arguments:
        role                what to run (choices: "connect-salesforce", "connect-intercom", "decode", "unify",
                            "sink-intercom", "sink-salesforce", "all")

      Options:
        --config <file>     configuration; default: tributary.yaml in this folder if there is one, else the defaults
        --http-port <port>  port of /healthz, /readyz and /metrics, instead of http.port
        --apply-topics      create and correct topics, new ones with one replica, and schemas first; the default of
                            \`run all\`
        --no-apply-topics   leave topics and schemas as they are; the default of a single role
        -h, --help          display help for command

      Roles:
        connect-salesforce  Salesforce change events, and rows read over REST, into salesforce.raw; one active, others stand by
        connect-intercom    Webhooks and what is read over REST into intercom.raw; any number receive, one of them reads
        decode              Raw records of both platforms into changes; stateless, any number
        unify               The one writer: changes into canonical events and commands; one is active, others stand by
        sink-intercom       Carries out what unify asks of Intercom, within the budget
        sink-salesforce     Carries out what unify asks of Salesforce, up to 200 records per call, within the budget
        all                 every role above that the configuration has work for, in one process

      Secrets come from the environment: SALESFORCE_CLIENT_SECRET, INTERCOM_TOKEN, INTERCOM_CLIENT_SECRET, or the same with
      _FILE. The last one, the app's, is connect-intercom's: with it webhooks are received at intercom.webhook and people and
      companies are read; without it only teammates are, and capture.intercom: true is refused.
      SIGTERM or Ctrl-C finishes what is in hand and ends, a second one ends at once.
      Kafka, registry or Redis that are away are waited for; wrong credentials or another org end it with status 78.

      On a cluster, make the topics with \`tributary topics apply --replication 3\` before the roles start.

      Examples:
        tributary run all
        tributary run unify --config /etc/tributary.yaml --http-port 8080
      "
    `);
  });
  test('topics', async () => {
    expect((await tributary('topics', '--help')).out).toMatchInlineSnapshot(`
      "Usage: tributary topics [options] [command]

      the topics: list what there should be, make it so, read them

      Options:
        -h, --help              display help for command

      Commands:
        list [options]          list every topic with its key, partitions, retention, schemas and writer; no server
                                is asked
        apply [options]         create and correct the topics and register the schemas; may be repeated, changes
                                nothing that is right
        tail [options] <topic>  print the records of a topic, decoded, until Ctrl-C
        help [command]          display help for command
      "
    `);
    expect((await tributary('topics', 'apply', '--help')).out).toMatchInlineSnapshot(`
      "Usage: tributary topics apply [options]

      create and correct the topics and register the schemas; may be repeated, changes nothing that is right

      Options:
        --config <file>        configuration; default: tributary.yaml in this folder if there is one, else the
                               defaults
        --replication <count>  replicas of each topic; never more than there are brokers (default: 1)
        --json                 print JSON instead of a table
        -h, --help             display help for command

      Example:
        tributary topics apply --replication 3
      "
    `);
    expect((await tributary('topics', 'tail', '--help')).out).toMatchInlineSnapshot(`
      "Usage: tributary topics tail [options] <topic>

      print the records of a topic, decoded, until Ctrl-C

      Arguments:
        topic            name without the prefix; see \`tributary topics list\`

      Options:
        --config <file>  configuration; default: tributary.yaml in this folder if there is one, else the defaults
        --from <place>   earliest, latest, an offset, or -N for the last N of each partition (default: "latest")
        --limit <count>  end after so many records
        --key <key>      only records of this key
        --quiet          leave out marks, ticks and epochs, which come every second
        --no-follow      end at what is the end now
        --json           print one JSON object per line
        -h, --help       display help for command

      Salesforce events show header, changed, nulled, diff (field names, parts as Name.FirstName) and values.

      Examples:
        tributary topics tail salesforce.raw --quiet
        tributary topics tail journal --from -5 --no-follow
        tributary topics tail customer.events --from earliest --limit 10 --json
        tributary topics tail changes --key salesforce:Contact:003000000000001AAA
      "
    `);
  });
  test('decode', async () => {
    expect((await tributary('decode', '--help')).out).toMatchInlineSnapshot(`
      "Usage: tributary decode [options]

      decode one Salesforce change event: header, changed, nulled and diff fields by name, values

      Options:
        --schema <file>     Avro schema of the event, as GetSchema or the REST eventSchema resource gives it
        --base64 <payload>  the bytes of the event in base64; - reads them from stdin
        --json              print one JSON object instead of text
        -h, --help          display help for command

      Fields are named as Salesforce spells them, parts of compounds as Name.FirstName.

      Example:
        tributary decode --schema ContactChangeEvent.avsc --base64 - --json < event.b64
      "
    `);
  });
  test('config', async () => {
    expect((await tributary('config', '--help')).out).toMatchInlineSnapshot(`
      "Usage: tributary config [options] [command]

      the configuration: check it, show it, print its JSON Schema

      Options:
        -h, --help       display help for command

      Commands:
        check [options]  check tributary.yaml and the environment; every wrong field is named
        show [options]   print the configuration as it counts, defaults and environment included; secrets are hidden
        schema           print the JSON Schema of tributary.yaml
        help [command]   display help for command
      "
    `);
  });
});

describe('a command that the way out of an error names', () => {
  const named = Object.values(codes).flatMap(({ means, fix }) =>
    [...`${means} ${fix}`.matchAll(/`(tributary [^`]+)`/g)].flatMap(([, command]) => command ?? []),
  );

  /** Understood but not run: every action is taken out. */
  function disarm(command: Command): Command {
    if (command.commands.length === 0) command.action(() => undefined);
    command.commands.forEach(disarm);
    return command;
  }
  const understand = async (line: string): Promise<unknown> => {
    const argv = ['node', ...line.split(' ')];
    return disarm(await program(argv)).parseAsync(argv);
  };

  test.each([...new Set(named)])('%s is understood', async (line) => {
    await expect(understand(line)).resolves.toBeInstanceOf(Command);
  });

  test('is found in the texts, and one that does not exist would be refused', async () => {
    expect(named).toContain('tributary config schema');
    await expect(understand('tributary dlq empty')).rejects.toThrow("unknown command 'empty'");
    await expect(understand('tributary topics tail a b')).rejects.toThrow('too many arguments');
  });
});

describe('what is not understood gets one line, the way out and status 64', () => {
  test.each([
    [['rnu'], "USAGE: unknown command 'rnu' (Did you mean run?). See --help."],
    [['run', 'sink'], "USAGE: command-argument value 'sink' is invalid for argument 'role'. Allowed choices are"],
    [
      ['run', 'unify', '--http-port', 'web'],
      "USAGE: option '--http-port <port>' argument 'web' is invalid. It must be",
    ],
    [['topics', 'tail', 'custmer.events'], 'USAGE: there is no topic custmer.events; there are salesforce.raw'],
    [['topics', 'tail', 'changes', '--from', 'noon'], "USAGE: option '--from <place>' argument 'noon' is invalid."],
    [['decode', '--base64', 'AA=='], "USAGE: required option '--schema <file>' not specified"],
    [
      ['decode', '--schema', '/nowhere.avsc', '--base64', 'AA=='],
      'USAGE: --schema /nowhere.avsc cannot be used: ENOENT',
    ],
  ])('%j', async (args, line) => {
    const { status, out, err } = await tributary(...args);
    expect(err).toContain(line);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
    expect([status, out]).toEqual([64, '']);
  });

  test('a command group alone prints its help', async () => {
    const { status, err } = await tributary('topics');
    expect(err).toContain('Usage: tributary topics');
    expect(status).toBe(64);
  });
});

describe('decode', () => {
  const schema = file('ContactChangeEvent.avsc', JSON.stringify(contactSchema));
  const payload = contactBytes().toString('base64');

  test('prints header, changed, nulled, diff and values as JSON', async () => {
    const { status, out } = await tributary('decode', '--schema', schema, '--base64', payload, '--json');
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      header: { entityName: 'Contact', recordIds: ['003000000000001AAA'], changeType: 'UPDATE' },
      changed: ['Name.FirstName', 'Email', 'Phone', 'Description'],
      nulled: ['Phone'],
      diff: ['Description'],
      values: { 'Name.FirstName': 'Mara', Email: 'mara@orchard.example', Description: '--- a/Description' },
    });
  });

  test('prints the same for people', async () => {
    const { out } = await tributary('decode', '--schema', schema, '--base64', payload);
    expect(out).toContain('changed   Name.FirstName, Email, Phone, Description');
  });

  test('says what is wrong with bytes, text and schema', async () => {
    const cut = contactBytes().subarray(0, 30).toString('base64');
    const short = await tributary('decode', '--schema', schema, '--base64', cut);
    expect([short.status, short.err]).toEqual([70, expect.stringContaining('PAYLOAD_UNDECODABLE: ')]);
    const noBase64 = await tributary('decode', '--schema', schema, '--base64', '{}');
    expect([noBase64.status, noBase64.err]).toEqual([64, expect.stringContaining('is not base64')]);
    const other = file('other.avsc', '{"type":"record","name":"X","fields":[]}');
    const noEvent = await tributary('decode', '--schema', other, '--base64', payload);
    expect(noEvent.err).toContain('the schema is not that of a Salesforce change event');
  });
});

describe('config', () => {
  test('check names the wrong field and ends with 78', async () => {
    const wrong = file('wrong.yaml', 'flows:\n  contact-sync:\n    createGateMs: soon\n');
    const { status, err } = await tributary('config', 'check', '--config', wrong);
    expect(err).toMatch(
      /^CONFIG_INVALID: flows\.contact-sync\.createGateMs = "soon" must be .*tributary config schema/,
    );
    expect(status).toBe(78);
  });

  test('show prints what counts and hides secrets', async () => {
    vi.stubEnv('INTERCOM_TOKEN', 'hunter2');
    const { out } = await tributary('config', 'show', '--config', file('own.yaml', 'prefix: acme.\n'));
    expect(out).toContain('prefix: acme.');
    expect(out).toContain('token: "[hidden]"');
    expect(out).not.toContain('hunter2');
  });

  test('schema prints a JSON Schema that describes every section', async () => {
    const { out } = await tributary('config', 'schema');
    expect(Object.keys((JSON.parse(out) as { properties: object }).properties)).toContain('entities');
  });
});

describe('reread', () => {
  test.each([
    [[], 'say what is to be read again'],
    [['--since', 'tomorrow'], 'must be a time that is past'],
    [['--since', '2999-01-01'], 'must be a time that is past'],
    [['--since', '12'], 'must be a time that is past'],
  ])('of %j is refused', async (args, message) => {
    const { status, err } = await tributary('reread', ...args);
    expect([status, err]).toEqual([64, expect.stringContaining(message)]);
  });
});

describe('run', () => {
  test('refuses to start without what its role needs, and asks for no secret of another role', async () => {
    vi.stubEnv('KAFKA_BROKERS', '127.0.0.1:1');
    vi.stubEnv('SCHEMA_REGISTRY_URL', 'http://127.0.0.1:1');
    vi.stubEnv('REDIS_URL', 'redis://127.0.0.1:1');
    const { status, err } = await tributary('run', 'sink-intercom');
    expect(err).toContain('CONFIG_INVALID: intercom.token is not set; set INTERCOM_TOKEN or INTERCOM_TOKEN_FILE.');
    expect(err).not.toContain('salesforce');
    expect(status).toBe(78);
  });

  test('has every role of the pipeline, each with a sentence', () => {
    expect(roles.map(({ name }) => name)).toEqual([
      'connect-salesforce',
      'connect-intercom',
      'decode',
      'unify',
      'sink-intercom',
      'sink-salesforce',
    ]);
    for (const { summary } of roles) expect(summary).toMatch(/^\S.{20,}$/);
  });
});

test('topics list shows every topic with its prefix, as a table and as JSON', async () => {
  const config = file('prefix.yaml', 'prefix: acme.\n');
  const { out } = await tributary('topics', 'list', '--json', '--config', config);
  expect((JSON.parse(out) as { topic: string }[]).map(({ topic }) => topic)).toEqual(
    Object.keys(topics).map((name) => `acme.${name}`),
  );
  const { out: text } = await tributary('topics', 'list', '--config', config);
  expect(text).toMatch(/^acme\.unify\.state +state key +1 +compacted +unify +RefState EntityState/m);
});

test('--debug adds the stack and its causes', async () => {
  const plain = await tributary('config', 'check', '--config', '/nowhere.yaml');
  const full = await tributary('--debug', 'config', 'check', '--config', '/nowhere.yaml');
  expect(plain.err).not.toContain('    at ');
  expect(full.err).toContain('    at ');
  expect(full.err).toContain('caused by Error: ENOENT');
});

test('version tells the program and its runtime', async () => {
  expect((await tributary('version')).out).toMatch(/^tributary \d+\.\d+\.\d+, Node\.js v\d+/);
  expect((await tributary('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});
