import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Directory, intercomConnector } from '../../connectors/intercom/directory.ts';
import { teammatesIn } from '../../connectors/intercom/teammates.ts';
import { exitCodeOf } from '../../core/errors.ts';
import { connectKafka, type KafkaAccess } from '../../core/kafka.ts';
import { connectRedis } from '../../core/redis.ts';
import { memoryCodec } from '../../core/registry.ts';
import type { Role, RoleContext } from '../../core/role.ts';
import { wantedConfig } from '../../core/topics.ts';
import { type TopicName, topics } from '../../schemas/topics.ts';
import type { Change, Command, RawRecord, SourceMark } from '../../schemas/types.ts';
import { intercomSink } from '../../sinks/intercom/index.ts';
import { type IntercomTwin, type IntercomTwinOptions, startIntercomTwin } from '../../twins/intercom/server.ts';
import { accessTo, callsOf, configFor } from '../support/intercom-access.ts';
import { openKafkaProxy } from '../support/kafka-proxy.ts';
import { env, log } from '../support/loop-servers.ts';

const codec = memoryCodec();
const twins: IntercomTwin[] = [];
const ends: (() => Promise<void>)[] = [];
let prefix = '';
let kafka: KafkaAccess;
let redis: Redis;

beforeEach(async () => {
  prefix = `intercom-${randomUUID().slice(0, 8)}.`;
  kafka = connectKafka({ brokers: env('KAFKA_BROKERS'), prefix, clientId: 'test', log });
  redis = connectRedis({ url: env('REDIS_URL'), log });
  await once(redis, 'ready');
  const names: TopicName[] = ['intercom.raw', 'changes', 'intercom.commands', 'sinks.dlq'];
  const wanted = names.map((topic) => {
    const { partitions } = topics[topic];
    return [topic, { partitions, replication: 1, config: wantedConfig(topics[topic], 1) }] as const;
  });
  await kafka.admin.create(new Map(wanted));
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  for (const twin of twins.splice(0)) await twin.close();
  const keys = await redis.keys(`*${prefix}*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
  await kafka.close();
});

async function twinOf(options: IntercomTwinOptions = {}): Promise<IntercomTwin> {
  const twin = await startIntercomTwin(options);
  twins.push(twin);
  return twin;
}

interface Started {
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

function start(
  role: Role,
  at: { readonly url: string; readonly token: string },
  given: object = {},
  more: Partial<RoleContext> = {},
): Started {
  const end = new AbortController();
  const context: RoleContext = {
    config: configFor(at, given),
    log,
    kafka,
    codec,
    redis,
    signal: end.signal,
    ready: () => undefined,
    ...more,
  };
  const done = role.run(context);
  done.catch(() => undefined);
  const stop = async (): Promise<void> => {
    end.abort();
    await done;
  };
  ends.push(() => stop().catch(() => undefined));
  return { done, stop };
}

async function read<T>(topic: TopicName): Promise<readonly { schema: string; value: T; org: string }[]> {
  const found: { schema: string; value: T; org: string }[] = [];
  for (const { partition, earliest, latest } of await kafka.offsets(topic))
    await kafka.read(topic, partition, earliest, latest, (records) => {
      for (const { value, headers } of records) {
        if (value === null) continue;
        const { schema, value: decoded } = codec.decode(value);
        found.push({ schema, value: decoded as T, org: headers['org']?.toString() ?? '' });
      }
    });
  return found;
}
const until = <T>(fact: () => Promise<T>): Promise<T> => vi.waitFor(fact, { timeout: 30_000, interval: 50 });

const told = async (): Promise<readonly string[]> =>
  (await read<RawRecord & SourceMark>('intercom.raw')).map(({ schema, value }) =>
    schema === 'SourceMark' ? `${value.kind} ${value.detail}` : `${value.deleted ? 'left' : 'is'} ${value.recordId}`,
  );
const complete = (times: number) =>
  until(async () => {
    const all = await told();
    expect(all.filter((line) => line === 'snapshotComplete admin')).toHaveLength(times);
    return all;
  });

describe('the directory', () => {
  test('tells every teammate, then that it is whole', async () => {
    const twin = await twinOf();
    const { id } = twin.model.addAdmin({ name: 'Olev', email: 'olev@orchard.example' });
    const owner = twin.model.admins()[0]?.id;
    start(intercomConnector, twin);
    expect(await complete(1)).toEqual([`is ${owner}`, `is ${id}`, 'snapshotComplete admin']);
    const [record] = await read<RawRecord>('intercom.raw');
    expect(record).toMatchObject({ org: twin.workspaceId, value: { object: 'admin', reason: 'poll' } });
    expect(record?.value.takenAt).toBeGreaterThan(1_700_000_000_000);
  });

  test('tells everybody again after a restart: Redis may remember what was told to topics made anew since', async () => {
    const twin = await twinOf();
    const owner = twin.model.admins()[0]?.id;
    const first = start(intercomConnector, twin);
    await complete(1);
    await first.stop();
    start(intercomConnector, twin);
    expect((await complete(2)).slice(2)).toEqual([`is ${owner}`, 'snapshotComplete admin']);
  });

  test('between restarts tells only what changed', async () => {
    const twin = await twinOf();
    const { signal } = new AbortController();
    const context: RoleContext = { config: configFor(twin), log, kafka, codec, redis, signal, ready: () => undefined };
    const access = accessTo(twin);
    const producer = await kafka.producer(signal);
    ends.push(async () => {
      await producer.close();
      await access.close();
    });
    const directory = new Directory(context, access, producer, twin.workspaceId);
    await directory.poll(signal, true);
    await directory.poll(signal, false);
    expect(await told()).toHaveLength(2);
    const later = twin.model.addAdmin({ name: 'Kaja', email: 'kaja@orchard.example' });
    await directory.poll(signal, false);
    expect((await told()).slice(2)).toEqual([`is ${later.id}`]);
  });

  test('tells who left', async () => {
    const before = await twinOf();
    const gone = before.model.addAdmin({ name: 'Olev', email: 'olev@orchard.example' });
    const first = start(intercomConnector, before);
    await complete(1);
    await first.stop();
    const after = await twinOf();
    const owner = after.model.admins()[0]?.id;
    start(intercomConnector, after);
    expect((await complete(2)).slice(3)).toEqual([`is ${owner}`, `left ${gone.id}`, 'snapshotComplete admin']);
  });

  test('a list that is none does not read as everybody having left', () => {
    expect(() => teammatesIn({ admins: null })).toThrow(expect.objectContaining({ code: 'PLATFORM_UNAVAILABLE' }));
  });
});

test('between polls the directory is not ready while Kafka is away', async () => {
  const proxy = await openKafkaProxy(env('KAFKA_BROKERS'));
  const far = connectKafka({ brokers: proxy.brokers, prefix, clientId: 'test', log });
  const ready = vi.fn<RoleContext['ready']>();
  const started = start(intercomConnector, await twinOf(), {}, { kafka: far, ready });
  const last = (state: boolean, why: RegExp): Promise<void> =>
    vi.waitFor(() => expect(ready).toHaveBeenLastCalledWith(state, expect.stringMatching(why)), 30_000);
  await last(true, /^polling$/);
  await proxy.cut();
  await last(false, /^offsets of intercom\.raw: /);
  await proxy.restore();
  await last(true, /^polling$/);
  await started.stop();
  await far.close();
  await proxy.close();
});

describe.each([['connect-intercom', intercomConnector] as const, ['sink-intercom', intercomSink] as const])(
  '%s',
  (_name, role) => {
    test('refuses another workspace than the one configured, with exit status 78', async () => {
      const twin = await twinOf();
      const started = start(role, twin, { intercom: { workspaceId: 'other001' } });
      const error: unknown = await started.done.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'PLATFORM_OTHER_ORG', field: 'intercom.workspaceId' });
      expect(exitCodeOf(error)).toBe(78);
    });

    test('refuses another workspace than the first one met, also after Redis forgot it', async () => {
      const first = start(intercomConnector, await twinOf());
      await complete(1);
      await first.stop();
      await redis.del(`${prefix}pin:intercom`);
      const started = start(role, await twinOf({ workspaceId: 'other001' }));
      await expect(started.done).rejects.toMatchObject({ code: 'PLATFORM_OTHER_ORG' });
    });

    test('refuses a wrong token, with exit status 78', async () => {
      const started = start(role, { url: (await twinOf()).url, token: 'wrong' });
      const error: unknown = await started.done.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
      expect(exitCodeOf(error)).toBe(78);
    });
  },
);

test('the sink role writes what is asked of it, with the marker, and answers with what Intercom made of it', async () => {
  const twin = await twinOf();
  start(intercomSink, twin);
  const epoch = await until(async () => {
    const found = (await read<Change>('changes')).find(({ value }) => value.epoch?.partition === 0);
    expect(found).toBeDefined();
    return found?.value.epoch?.epoch ?? '';
  });
  const command: Command = {
    id: 'ask-1',
    platform: 'intercom',
    epoch,
    verb: 'create',
    object: 'contact',
    ref: '',
    key: 'customer-1',
    fields: { email: 'Mara@Orchard.example', 'custom_attributes.tributary_id': 'customer-1' },
    before: {},
    lane: 'live',
    askedAt: Date.now(),
    expiresAt: Date.now() + 60_000,
    doubt: false,
    lineage: '',
  };
  const producer = await kafka.producer();
  await producer.send([
    {
      topic: 'intercom.commands',
      key: 'customer-1',
      partition: 0,
      value: codec.encode('intercom.commands', 'Command', command),
    },
  ]);
  await producer.close();
  const result = await until(async () => {
    const found = (await read<Change>('changes')).find(({ value }) => value.result !== null);
    expect(found).toBeDefined();
    return found?.value.result;
  });
  expect(result).toMatchObject({
    command: 'ask-1',
    epoch,
    outcome: 'applied',
    calls: 1,
    returned: {
      fields: { email: 'mara@orchard.example', 'custom_attributes.tributary_id': 'customer-1' },
      via: 'answer',
    },
  });
  expect((await callsOf(twin)).filter(({ call }) => call === 'POST /contacts')).toHaveLength(1);
});
