/** The role that writes to Salesforce, on the real log and bucket, against the twin over its sockets. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkConfig } from '../../core/config.ts';
import type { Command } from '../../schemas/types.ts';
import { salesforceSink } from '../../sinks/salesforce/index.ts';
import { type SalesforceTwin, startSalesforceTwin } from '../../twins/salesforce/server.ts';
import { log } from '../support/loop-servers.ts';
import { codec, SinkWorld } from '../support/sink-world.ts';

let world: SinkWorld;
let twin: SalesforceTwin;
const ends: (() => Promise<void>)[] = [];
beforeEach(async () => {
  world = await SinkWorld.open('salesforce');
  twin = await startSalesforceTwin();
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await twin.close();
  await world.close();
});

interface Running {
  readonly ended: Promise<unknown>;
  stop(): Promise<void>;
}

function start(secret = 'tributary-secret', orgId: string | null = null): Running {
  const end = new AbortController();
  const config = checkConfig(
    {
      capture: { intercom: true },
      flows: { 'contact-sync': { salesforce: {} }, 'account-sync': { salesforce: {} } },
      salesforce: { orgId },
    },
    {
      TRIBUTARY_PREFIX: world.prefix,
      SALESFORCE_LOGIN_URL: twin.restUrl,
      SALESFORCE_CLIENT_ID: 'tributary',
      SALESFORCE_CLIENT_SECRET: secret,
    },
  );
  const { kafka, redis } = world;
  const context = { config, log, kafka, codec, redis, signal: end.signal, ready: () => undefined };
  const ended = salesforceSink.run(context).then(
    () => undefined,
    (error: unknown) => error,
  );
  const stop = async (): Promise<void> => {
    end.abort();
    await ended;
  };
  ends.push(stop);
  return { ended, stop };
}

const load = (count: number): readonly string[] =>
  twin.model.load(
    'Contact',
    Array.from({ length: count }, (_, n) => ({ LastName: `Person${n}`, Email: `person${n}@orchard.example` })),
    twin.now(),
  );
const ref = (id: string): string => `salesforce:Contact:${id}`;
const update = (epoch: string, id: string, fields: Command['fields']): Command =>
  world.command(epoch, { object: 'Contact', ref: ref(id), fields });
const create = (epoch: string, key: string, fields: Command['fields'], more: Partial<Command> = {}): Command =>
  world.command(epoch, { object: 'Contact', verb: 'create', ref: '', key, fields, ...more });
function stored(id: string): Readonly<Record<string, unknown>> | undefined {
  const object = twin.model.object('Contact');
  return object === undefined ? undefined : twin.model.record(object, id)?.values;
}
const writes = (): readonly string[] =>
  twin.calls.filter(({ method }) => method === 'PATCH').map(({ path }) => path.replace(/^.*\/v\d\d\.0/, ''));
const faults = (order: object) =>
  fetch(`${twin.restUrl}/__twin/faults`, { method: 'POST', body: JSON.stringify(order) });

describe('the Salesforce sink', () => {
  test('writes what came together in one call; a bad row is one refusal in the platform’s words, its neighbours are written', async () => {
    const ids = load(60);
    start();
    const epoch = await world.epoch();
    const commands = ids.map((id, n) => update(epoch, id, { Title: n === 7 ? 'x'.repeat(200) : `Title ${n}` }));
    await world.send(...commands);
    for (const [n, { id }] of commands.entries())
      expect(await world.resultOf(id)).toMatchObject({ outcome: n === 7 ? 'refused' : 'applied', doubt: false });
    expect(ids.map((id) => stored(id)?.['Title'])).toEqual(ids.map((_, n) => (n === 7 ? null : `Title ${n}`)));
    const { refusals } = await world.resultOf(commands[7]?.id ?? '');
    expect(refusals).toMatchObject([{ field: 'Title', code: 'PLATFORM_REFUSED' }]);
    expect(refusals[0]?.message).toContain('STRING_TOO_LONG');
    await world.until(async () =>
      expect(await world.deadLetters()).toMatchObject([{ field: 'Title', stage: 'sinks' }]),
    );
    // The batch, and nothing for those that it has written.
    expect(writes().length).toBeLessThanOrEqual(2);
  });

  test('creates by our marker: asked again, as after an answer that was lost, it makes no second record', async () => {
    const sink = start();
    const epoch = await world.epoch();
    const fields = { LastName: 'Byron', Email: 'ada@orchard.example' };
    await faults({ kind: 'drop', match: 'PATCH', apply: 'after' });
    const first = create(epoch, 'customer-a', fields);
    await world.send(first);
    const made = await world.resultOf(first.id);
    expect(made).toMatchObject({ outcome: 'applied' });
    await sink.stop();
    start();
    const next = await world.epoch(epoch);
    const again = { ...first, epoch: next };
    await world.send(again);
    expect(await world.resultOf(first.id, next)).toMatchObject({ ref: made.ref });
    expect([...twin.model.store.all('Contact')]).toHaveLength(1);
  });

  test('finds who is there already by their email, and makes nobody', async () => {
    const [id = ''] = load(1);
    start();
    const command = create(await world.epoch(), 'customer-a', { LastName: 'P', Email: 'person0@orchard.example' });
    await world.send(command);
    expect(await world.resultOf(command.id)).toMatchObject({ outcome: 'exists', ref: ref(id) });
    expect(writes()).toEqual([]);
  });

  test('a record that was merged away is told as gone, with where it lives on', async () => {
    const [winner = '', loser = ''] = load(2);
    const person = { userId: twin.model.integrationUserId, changeOrigin: '' };
    twin.model.merge('Contact', winner, [loser], person, twin.now());
    start();
    const command = update(await world.epoch(), loser, { Title: 'CTO' });
    await world.send(command);
    expect(await world.resultOf(command.id)).toMatchObject({ outcome: 'gone', into: ref(winner) });
  });

  test('names us in every change event of what it wrote', async () => {
    const [id = ''] = load(1);
    start();
    const command = update(await world.epoch(), id, { Title: 'CTO' });
    await world.send(command);
    await world.resultOf(command.id);
    expect(twin.calls.filter(({ method }) => method === 'PATCH')).toMatchObject([{ origin: 'tributary' }]);
  });

  test('goes on when the org answers again, and loses nothing by its failures', async () => {
    const ids = load(10);
    start();
    const epoch = await world.epoch();
    await faults({ kind: 'http', match: 'PATCH', status: 503 });
    for (const apply of ['before', 'after']) await faults({ kind: 'drop', match: 'PATCH', apply });
    await faults({ kind: 'http', match: 'PATCH', status: 502, html: true, apply: 'after' });
    const commands = ids.map((id) => update(epoch, id, { Title: 'CTO' }));
    await world.send(...commands);
    for (const { id } of commands) expect(await world.resultOf(id)).toMatchObject({ outcome: 'applied' });
    expect(ids.map((id) => stored(id)?.['Title'])).toEqual(ids.map(() => 'CTO'));
  });

  test('is ended by a refused secret, and by another org than the one pinned', async () => {
    expect(await start('wrong').ended).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    expect(await start('tributary-secret', '00D000000000000AAA').ended).toMatchObject({ code: 'PLATFORM_OTHER_ORG' });
  });
});
