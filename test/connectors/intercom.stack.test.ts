import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { intercomConnector } from '../../connectors/intercom/connector.ts';
import { exitCodeOf } from '../../core/errors.ts';
import { connectKafka, type KafkaAccess } from '../../core/kafka.ts';
import { connectRedis } from '../../core/redis.ts';
import { memoryCodec } from '../../core/registry.ts';
import type { Role, RoleContext } from '../../core/role.ts';
import { wantedConfig } from '../../core/topics.ts';
import { type TopicName, topics } from '../../schemas/topics.ts';
import type { Change, Command, SourceMark } from '../../schemas/types.ts';
import { intercomSink } from '../../sinks/intercom/index.ts';
import { type IntercomTwin, type IntercomTwinOptions, startIntercomTwin } from '../../twins/intercom/server.ts';
import { callsOf, configFor } from '../support/intercom-access.ts';
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

const teammatesRead = (): Promise<void> =>
  until(async () => {
    const marks = (await read<SourceMark>('intercom.raw')).filter(({ schema }) => schema === 'SourceMark');
    expect(marks.map(({ value, org }) => `${value.kind} ${value.detail} of ${org}`)).toContain(
      'snapshotComplete admin of twin0001',
    );
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
      await teammatesRead();
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

test('connect-intercom refuses to be waited for by creates where it could receive nothing', async () => {
  const started = start(intercomConnector, await twinOf(), { capture: { intercom: true } });
  const error: unknown = await started.done.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', field: 'intercom.clientSecret' });
  expect(exitCodeOf(error)).toBe(78);
});

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
