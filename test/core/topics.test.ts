import { describe, expect, test } from 'vitest';
import type { KafkaAccess, KafkaAdmin, TopicState } from '../../core/kafka.ts';
import type { RegistryAdmin } from '../../core/registry.ts';
import { applyTopics, planTopic, wantedConfig } from '../../core/topics.ts';
import { type TopicName, topics } from '../../schemas/topics.ts';

const { changes } = topics;
const as = (config: Readonly<Record<string, string>>, partitions = 1, replication = 1) => ({
  partitions,
  replication,
  config,
});

describe('a topic', () => {
  test('that is missing is created whole', () => {
    expect(planTopic(changes, undefined, 3)).toEqual({
      do: 'create',
      wanted: { partitions: 1, replication: 3, config: wantedConfig(changes, 3) },
    });
  });

  test('that is as wanted stays, whatever else the broker says of it', () => {
    const found = as({ ...wantedConfig(changes, 1), 'segment.bytes': '1073741824' });
    expect(planTopic(changes, found, 1)).toEqual({ do: 'nothing' });
  });

  test('that differs gets the whole set, for the old call resets what is not named', () => {
    const found = as({ ...wantedConfig(changes, 1), 'retention.ms': '1000' });
    expect(planTopic(changes, found, 1)).toEqual({
      do: 'configure',
      config: wantedConfig(changes, 1),
      changes: [`retention.ms 1000 → ${changes.keepMs}`],
    });
  });

  test('with another number of partitions is refused: it would move keys', () => {
    expect(planTopic(changes, as(wantedConfig(changes, 1), 8), 1)).toMatchObject({
      do: 'refuse',
      why: expect.stringContaining('has 8 partitions, 1 are wanted'),
    });
  });

  test('never needs more replicas in step than it has', () => {
    const plan = planTopic(changes, as({ ...wantedConfig(changes, 1), 'retention.ms': '1' }), 3);
    expect(plan).toMatchObject({ do: 'configure', config: { 'min.insync.replicas': '1' } });
    expect(wantedConfig(changes, 3)).toMatchObject({ 'min.insync.replicas': '2' });
  });

  test.each(Object.keys(topics) as TopicName[])('%s is stamped by the log and keeps what its table says', (topic) => {
    const { cleanup, keepMs } = topics[topic];
    expect(wantedConfig(topics[topic], 1)).toMatchObject({
      'message.timestamp.type': 'LogAppendTime',
      'cleanup.policy': cleanup,
      [cleanup === 'compact' ? 'delete.retention.ms' : 'retention.ms']: String(keepMs),
    });
  });
});

describe('applying topics', () => {
  /** A cluster without topics, and a registry without schemas. */
  function empty() {
    const calls: string[] = [];
    const there = new Map<TopicName, TopicState>();
    const admin: Omit<KafkaAdmin, 'lag'> = {
      describe: async (names) => {
        calls.push(`describe ${names.length}`);
        return new Map([...there].filter(([name]) => names.includes(name)));
      },
      create: async (wanted) => {
        calls.push(`create ${wanted.size}`);
        for (const [name, state] of wanted) there.set(name, state);
      },
      configure: async (wanted) => {
        calls.push(`configure ${wanted.size}`);
        for (const [name, config] of wanted)
          there.set(name, { partitions: 1, replication: 1, ...there.get(name), config });
      },
    };
    let asking = 0;
    let most = 0;
    const registered: TopicName[] = [];
    const registry: Pick<RegistryAdmin, 'registerTopic'> = {
      registerTopic: async (topic) => {
        asking += 1;
        most = Math.max(most, asking);
        await Promise.resolve();
        asking -= 1;
        registered.push(topic);
        return ['Schema'];
      },
    };
    const apply = () => applyTopics({ admin } as unknown as KafkaAccess, registry as RegistryAdmin, { replication: 1 });
    return { calls, there, registered, apply, mostAtOnce: () => most };
  }
  const all = Object.keys(topics) as TopicName[];

  test('takes one call of each kind, however many topics', async () => {
    const { calls, apply } = empty();
    const report = await apply();
    expect(report).toEqual(all.map((topic) => ({ topic, did: 'created; registered Schema' })));
    expect(calls).toEqual([`describe ${all.length}`, `create ${all.length}`, `describe ${all.length}`]);
    calls.length = 0;
    await apply();
    expect(calls).toEqual([`describe ${all.length}`]);
  });

  test('corrects those that differ in one call, and reads back only those', async () => {
    const { calls, there, apply } = empty();
    await apply();
    calls.length = 0;
    for (const topic of ['changes', 'journal'] as const)
      there.set(topic, as({ ...wantedConfig(topics[topic], 1), 'retention.ms': '1' }));
    expect(
      (await apply())
        .filter(({ did }) => did.startsWith('corrected'))
        .map(({ topic }) => topic)
        .sort(),
    ).toEqual(['changes', 'journal']);
    expect(calls).toEqual([`describe ${all.length}`, 'configure 2', 'describe 2']);
  });

  test('registers the schemas of every topic once, four topics at a time', async () => {
    const { registered, apply, mostAtOnce } = empty();
    await apply();
    expect([...registered].sort()).toEqual([...all].sort());
    expect(mostAtOnce()).toBe(4);
  });
});
