/** What bad input gets, what a stop and a replay change: nothing but what they have to. One world, met as its operator meets it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { editFor, type Loaded, load } from '../../cli/demo/demo.ts';
import type { MadeEdit } from '../../cli/demo/report.ts';
import type { World } from '../../cli/demo/world.ts';
import type { DeadLetter } from '../../schemas/types.ts';
import { startIntercomTwin } from '../../twins/intercom/server.ts';
import { startSalesforceTwin } from '../../twins/salesforce/server.ts';
import { forgetInRedis, moreWrites, seed, startWorld, tributary, until } from '../support/e2e.ts';
import { endWorld, Topics, verdictOf } from '../support/evidence.ts';

const people = 40;
const folder = mkdtempSync(join(tmpdir(), 'tributary-e2e-'));

/** The published configuration with one thing changed; the path is that of the file. */
function configured(name: string, change: (text: string) => string): string {
  const text = readFileSync(join(import.meta.dirname, '../../tributary.yaml'), 'utf8');
  const changed = change(text);
  if (changed === text || parseDocument(changed).errors.length > 0) throw new Error(`${name} is not a changed file`);
  const file = join(folder, name);
  writeFileSync(file, changed);
  return file;
}

const notes = '- { canonical: notes, type: text, salesforce: Description, intercom: custom_attributes.notes }';
const withNotes = (): string =>
  configured('notes.yaml', (text) => text.replace(/^( *)(- \{ canonical: email, .*)$/m, `$1$2\n$1${notes}`));

let world: World;
let loaded: Loaded;
let topics: Topics;
let failed = false;
const edits: MadeEdit[] = [];

beforeAll(async () => {
  world = await startWorld({ args: ['--config', withNotes()] });
  loaded = await load(world, { people, seed });
  world.startServices();
  await world.settled(() => undefined);
  topics = await Topics.open(world);
});
afterEach(({ task }) => {
  failed ||= task.result?.state === 'fail';
});
afterAll(async () => {
  await endWorld(world, topics, failed, edits);
  rmSync(folder, { recursive: true });
});

const contact = (n: number): string => loaded.contacts[n]?.id ?? '';
const title = (value: string) => ({ Title: value });

async function userOf(contactId: string) {
  const { contacts } = await world.intercomStore();
  return contacts.find(({ custom_attributes: custom }) => custom['salesforce_id'] === contactId);
}

/** A change in Salesforce that has come through says that everything before it has. */
async function comesThrough(contactId: string, value: string): Promise<void> {
  await world.edit('Contact', contactId, title(value));
  await until(
    () => userOf(contactId),
    (user) => user?.custom_attributes['job_title'] === value,
  );
}

async function edit(seconds: number): Promise<void> {
  const options = { people, rate: 8, seconds, seed: seed + edits.length + 1, log: () => undefined };
  edits.push(...(await editFor(world, loaded, { ...options, signal: new AbortController().signal })));
}

/** A deployment of its own on the same servers, so that it does not take over the work of the one that runs. */
const elsewhere = (): NodeJS.ProcessEnv => ({ ...world.env, TRIBUTARY_PREFIX: `bad-${world.env['TRIBUTARY_PREFIX']}` });
const fatalOf = (out: string): readonly string[] => out.split('\n').filter((line) => line.includes('"level":"fatal"'));

describe(`bad input, seed ${seed}`, () => {
  test('a value that Intercom refuses is a dead letter in its words; the rest of the row and the neighbours are written', async () => {
    const long = 'x'.repeat(300);
    await Promise.all([
      world.edit('Contact', contact(0), { ...title('Keeper of long notes'), Description: long }),
      world.edit('Contact', contact(1), { ...title('Neighbour'), Description: 'short' }),
    ]);
    await world.settled(() => undefined);
    expect((await userOf(contact(0)))?.custom_attributes).toMatchObject({ job_title: 'Keeper of long notes' });
    expect((await userOf(contact(0)))?.custom_attributes['notes']).toBeUndefined();
    expect((await userOf(contact(1)))?.custom_attributes).toMatchObject({ job_title: 'Neighbour', notes: 'short' });

    const tail = ['topics', 'tail', 'sinks.dlq', '--from', 'earliest', '--no-follow', '--json'];
    const { status, out } = await tributary(tail, world.env);
    expect(status).toBe(0);
    const letters = out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { value: unknown }).value);
    expect(letters).toHaveLength(1);
    expect(letters[0]).toMatchObject({
      stage: 'sinks',
      code: 'PLATFORM_REFUSED',
      field: 'custom_attributes.notes',
      message: expect.stringContaining("Custom attribute 'notes' is longer than 255 characters") as string,
      ref: expect.stringMatching(/^intercom:contact:/) as string,
      value: JSON.stringify(long),
    });
  });

  test('raw records of an unknown schema, or that do not decode, are dead letters byte for byte; later ones go on', async () => {
    const event = (await topics.records('salesforce.raw')).findLast(
      ({ key }) => key?.toString().startsWith('003') === true,
    );
    const whole = event?.value ?? Buffer.alloc(0);
    expect(whole.length).toBeGreaterThan(40);
    const bad = [
      Buffer.concat([Buffer.from([0, 0x7f, 0xff, 0xff, 0xfe]), Buffer.from('of a schema that nobody registered')]),
      // A real event that was cut off.
      Buffer.from(whole.subarray(0, Math.floor(whole.length / 2))),
      Buffer.from('{"not": "Avro"}'),
    ];
    const producer = await topics.kafka.producer();
    await producer.send(bad.map((value) => ({ topic: 'salesforce.raw', key: 'somebody else', value })));
    await producer.close();
    await comesThrough(contact(2), 'Came after the bad ones');
    const letters = (await topics.values<DeadLetter>('decode.dlq')).map(({ value }) => value);
    expect(letters.map(({ code }) => code)).toEqual(['SCHEMA_UNKNOWN', 'PAYLOAD_UNDECODABLE', 'PAYLOAD_UNDECODABLE']);
    expect(letters.map(({ original }) => original)).toEqual(bad);
    expect(letters.every(({ key }) => key?.toString() === 'somebody else')).toBe(true);
  });

  const wrongSecrets: readonly (readonly [string, NodeJS.ProcessEnv])[] = [
    ['Salesforce secret', { SALESFORCE_CLIENT_SECRET: 'wrong-secret' }],
    ['Intercom token', { INTERCOM_TOKEN: 'wrong-secret' }],
  ];
  test.each(wrongSecrets)('a wrong %s ends the service with 78 and one line', async (_what, more) => {
    const { status, out } = await tributary(['run', 'all'], { ...elsewhere(), ...more });
    expect(fatalOf(out)).toEqual([expect.stringContaining('CREDENTIALS_REFUSED: ')]);
    expect(out).not.toContain('wrong-secret');
    expect(status).toBe(78);
  });

  const misspelt: readonly (readonly [string, string, string])[] = [
    ['Salesforce', 'salesforce: Seats__c', 'salesforce: Seat__c'],
    ['Intercom', 'intercom: phone', 'intercom: telephone'],
  ];
  test.each(misspelt)(
    'a mapping of a field that %s does not have is refused by its name',
    async (_where, right, wrong) => {
      const file = configured('misspelt.yaml', (text) => text.replace(right, wrong));
      const { status, out } = await tributary(['run', 'all', '--config', file], elsewhere());
      const [line = '', ...more] = fatalOf(out);
      expect(line).toContain('MAPPING_UNKNOWN_FIELD: ');
      expect(line).toContain(wrong.replace(/^\w+: /, ''));
      expect(more).toEqual([]);
      expect(status).toBe(78);
    },
  );
});

describe(`an operator, seed ${seed}`, () => {
  const asked = async (...args: readonly string[]) => {
    const { status, out, err } = await tributary(args, world.env);
    expect(err).toBe('');
    expect(status).toBe(0);
    return out;
  };
  const rows = (out: string) =>
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as DeadLetter & { place: string });

  test('sees what was rejected with the way out, and puts it back in order when its cause is mended', async () => {
    const before = rows(await asked('dlq', 'list', '--json'));
    const [refused] = before.filter(({ stage }) => stage === 'sinks');
    expect(refused).toMatchObject({ code: 'PLATFORM_REFUSED', field: 'custom_attributes.notes' });
    expect(await asked('dlq', 'show', refused?.place ?? '')).toContain('Correct the value or the rule on the platform');
    // Nobody shortened it: it is refused once more, and the new letter stands for both.
    await asked('dlq', 'redrive', '--stage', 'sinks');
    const letters = await until(
      async () => rows(await asked('dlq', 'list', '--stage', 'sinks', '--json')),
      (found) => found.length > 0,
    );
    expect(letters).toMatchObject([{ ref: refused?.ref, field: 'custom_attributes.notes' }]);
    expect(letters[0]?.place).not.toBe(refused?.place);
    const { status, out } = await tributary(['dlq', 'redrive', '--stage', 'decode'], world.env);
    expect([status, out]).toEqual([1, expect.stringContaining('it is rejected as before')]);
  });

  test('sees how the pipeline is', async () => {
    const { lags, platforms } = JSON.parse(await asked('status', '--json')) as {
      readonly lags: readonly { readonly records: number | null }[];
      readonly platforms: readonly object[];
    };
    expect(lags.every(({ records }) => records !== null && records < 1_000)).toBe(true);
    expect(platforms).toMatchObject([
      { platform: 'salesforce', hole: false },
      { platform: 'intercom', open: 0, window: 400 },
    ]);
  });

  test('sees whose records these are, pins one, and is told why when nothing can be done', async () => {
    const salesforce = `salesforce:Contact:${contact(2)}`;
    const shown = await asked('identity', 'show', salesforce);
    const record = /intercom:contact:\w+/.exec(shown)?.[0] ?? '';
    expect(record).not.toBe('');
    expect(await asked('identity', 'pin', record, salesforce, '--by', 'the night shift')).toContain(
      'pinned by an operator (the night shift)',
    );
    expect(await asked('identity', 'show', salesforce)).toMatch(new RegExp(`${record} +pinned`));
    const { status, err } = await tributary(['unfreeze', salesforce], world.env);
    expect([status, err]).toEqual([64, expect.stringContaining('nothing of it is frozen')]);
  });
});

describe(`stop and replay, seed ${seed}`, () => {
  test('SIGTERM in the middle of edits drains and ends with 0; what was edited meanwhile arrives after the start', async () => {
    const editing = edit(6);
    await moreWrites(world, 10);
    const from = performance.now();
    expect(await world.stopServices()).toBe(0);
    expect(performance.now() - from).toBeLessThan(10_000);
    await editing;
  });

  test('a pinned deployment refuses another org and another workspace, although Redis has forgotten everything', async () => {
    await forgetInRedis(world);
    const org = await startSalesforceTwin({ orgId: '00D000000000009EAA' });
    const workspace = await startIntercomTwin({ workspaceId: 'other' });
    try {
      const foreign = {
        'connect-salesforce': { SALESFORCE_LOGIN_URL: org.restUrl, SALESFORCE_PUBSUB_ENDPOINT: org.pubsubAddress },
        'sink-intercom': { INTERCOM_BASE_URL: workspace.url },
      };
      for (const [role, more] of Object.entries(foreign)) {
        const { status, out } = await tributary(['run', role], { ...world.env, ...more });
        expect(fatalOf(out)).toEqual([expect.stringContaining('PLATFORM_OTHER_ORG: ')]);
        expect(status).toBe(78);
      }
    } finally {
      await org.close();
      await workspace.close();
    }
  });

  test('started again, and with all of salesforce.raw replayed, nothing is lost, written or told a second time', async () => {
    world.startServices();
    await world.settled(() => undefined);
    const verdict = await verdictOf(world);
    expect(verdict).toMatchObject({ details: [], duplicates: 0, noopWrites: 0 });
    expect(await world.stopServices()).toBe(0);
    const events = await topics.eventIds();
    const calls = await world.intercomCalls();
    const changes = (await topics.records('changes')).length;

    await rewind('decode');
    world.startServices();
    await topics.done('decode', 'salesforce.raw');
    await topics.done('unify', 'changes');
    await world.settled(() => undefined);
    expect((await topics.records('changes')).length).toBeGreaterThan(changes + people);
    const since = await world.intercomCalls(calls.at(-1)?.n);
    expect(since.filter(({ method, path }) => method !== 'GET' && path.startsWith('/co'))).toEqual([]);
    expect((await topics.eventIds()).toSorted()).toEqual(events.toSorted());
    expect(new Set(events).size).toBe(events.length);
  });

  test('everything in one process stays under 512 MiB', () => {
    expect(world.residentMiB).toBeGreaterThan(50);
    expect(world.residentMiB).toBeLessThan(512);
  });
});

/** The group's position goes back to the beginning, as `kafka-consumer-groups --reset-offsets` would have it. */
async function rewind(group: string): Promise<void> {
  const rewound = new AbortController();
  await topics.kafka.consume({
    group,
    topics: ['salesforce.raw'],
    signal: rewound.signal,
    onAssign: async () => new Map([['salesforce.raw/0', 0]]),
    handle: async (batch) => {
      batch.commit(0);
      rewound.abort();
    },
  });
  expect(await topics.kafka.committed(group, 'salesforce.raw')).toEqual([{ partition: 0, next: 0 }]);
}
