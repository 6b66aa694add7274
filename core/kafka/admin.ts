/** Topics as the broker has them, and how far a group is behind. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TopicName } from '../../schemas/topics.ts';
import { TributaryError } from '../errors.ts';
import type { KafkaLink } from './client.ts';
import { kafkajs } from './kafkajs.ts';
import type { PartitionReader } from './offsets.ts';
import type { KafkaAdmin, TopicState } from './types.ts';

/** kafkajs's default of 5 s is short for sixteen topics on a busy machine. */
const createWithinMs = 20_000;
const listEveryMs = 50;
const listedWithinMs = 30_000;

const entries = (config: Readonly<Record<string, string>>): { name: string; value: string }[] =>
  Object.entries(config).map(([name, value]) => ({ name, value }));

export function createAdmin(link: KafkaLink, reader: PartitionReader): KafkaAdmin {
  const resourceOf = (topic: string): { type: number; name: string } => ({
    type: kafkajs.ConfigResourceTypes.TOPIC,
    name: topic,
  });

  return {
    describe: (topics) =>
      reader.withAdmin(`describing ${topics.join(', ')}`, async (client) => {
        // Asking for the metadata of a topic that is not there makes kafkajs retry for seconds: the list says it at once.
        const listed = new Set(await client.listTopics());
        const there = topics.map(link.wire).filter((wire) => listed.has(wire));
        if (there.length === 0) return new Map();
        const resources = there.map(resourceOf);
        const [metadata, configs] = await Promise.all([
          client.fetchTopicMetadata({ topics: there }),
          client.describeConfigs({ includeSynonyms: false, resources }),
        ]);
        const configOf = new Map(configs.resources.map((found) => [found.resourceName, found.configEntries]));
        return new Map(
          metadata.topics.map(({ name, partitions }): [TopicName, TopicState] => {
            const config: Record<string, string> = {};
            for (const { configName, configValue } of configOf.get(name) ?? []) config[configName] = configValue;
            const replication = partitions[0]?.replicas.length ?? 0;
            return [link.bare(name), { partitions: partitions.length, replication, config }];
          }),
        );
      }),
    create: (wanted) =>
      reader.withAdmin(`creating ${[...wanted.keys()].join(', ')}`, async (client) => {
        const topics = [...wanted].map(([topic, { partitions, replication, config }]) => ({
          topic: link.wire(topic),
          numPartitions: partitions,
          replicationFactor: replication,
          configEntries: entries(config),
        }));
        // kafkajs's own wait for leaders fails where the broker asked has not heard of the topic yet, as a busy one has not.
        await client.createTopics({ waitForLeaders: false, timeout: createWithinMs, topics });
        const names = topics.map(({ topic }) => topic);
        for (const begun = performance.now(); ; await sleep(listEveryMs)) {
          const listed = new Set(await client.listTopics());
          const left = names.filter((name) => !listed.has(name));
          if (left.length === 0) return;
          if (performance.now() - begun > listedWithinMs)
            throw new TributaryError('KAFKA_UNAVAILABLE', `created, but not listed yet: ${left.join(', ')}`);
        }
      }),
    configure: (wanted) =>
      reader.withAdmin(`configuring ${[...wanted.keys()].join(', ')}`, async (client) => {
        const resources = [...wanted].map(([topic, config]) => ({
          ...resourceOf(link.wire(topic)),
          configEntries: entries(config),
        }));
        await client.alterConfigs({ validateOnly: false, resources });
      }),
    async lag(group, topic) {
      const offsets = await reader.offsets(topic);
      const committed = new Map((await reader.committed(group, topic)).map(({ partition, next }) => [partition, next]));
      let lag = 0;
      for (const { partition, earliest, latest } of offsets) {
        const next = committed.get(partition);
        if (next === undefined) throw new TributaryError('KAFKA_UNAVAILABLE', `no position of ${group} for ${topic}`);
        lag += latest - Math.max(next, earliest);
      }
      return lag;
    },
  };
}
