import { describe, expect, test } from 'vitest';
import { planTopic, wantedConfig } from '../../core/topics.ts';
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
