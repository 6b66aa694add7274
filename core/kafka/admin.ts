/** Topics as the broker has them, and how far a group is behind. */
import type { Admin } from 'kafkajs';
import { TributaryError } from '../errors.ts';
import { hasType, type KafkaLink } from './client.ts';
import { kafkajs } from './kafkajs.ts';
import type { PartitionReader } from './offsets.ts';
import type { KafkaAdmin } from './types.ts';

const entries = (config: Readonly<Record<string, string>>): { name: string; value: string }[] =>
  Object.entries(config).map(([name, value]) => ({ name, value }));

export function createAdmin(link: KafkaLink, reader: PartitionReader): KafkaAdmin {
  const resourceOf = (topic: string): { type: number; name: string } => ({
    type: kafkajs.ConfigResourceTypes.TOPIC,
    name: topic,
  });

  async function shape(client: Admin, wire: string): Promise<{ partitions: number; replication: number } | undefined> {
    try {
      const { topics } = await client.fetchTopicMetadata({ topics: [wire] });
      const partitions = topics[0]?.partitions ?? [];
      return { partitions: partitions.length, replication: partitions[0]?.replicas.length ?? 0 };
    } catch (error) {
      if (hasType(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return undefined;
      throw error;
    }
  }

  return {
    describe: (topic) =>
      reader.withAdmin(`describing ${topic}`, async (client) => {
        const wire = link.wire(topic);
        // Asking for the metadata of a topic that is not there makes kafkajs retry for seconds: the list says it at once.
        if (!(await client.listTopics()).includes(wire)) return undefined;
        const found = await shape(client, wire);
        if (found === undefined) return undefined;
        const { resources } = await client.describeConfigs({ includeSynonyms: false, resources: [resourceOf(wire)] });
        const config: Record<string, string> = {};
        for (const { configName, configValue } of resources[0]?.configEntries ?? []) config[configName] = configValue;
        return { ...found, config };
      }),
    create: (topic, { partitions, replication, config }) =>
      reader.withAdmin(`creating ${topic}`, async (client) => {
        await client.createTopics({
          waitForLeaders: true,
          topics: [
            {
              topic: link.wire(topic),
              numPartitions: partitions,
              replicationFactor: replication,
              configEntries: entries(config),
            },
          ],
        });
      }),
    configure: (topic, config) =>
      reader.withAdmin(`configuring ${topic}`, async (client) => {
        await client.alterConfigs({
          validateOnly: false,
          resources: [{ ...resourceOf(link.wire(topic)), configEntries: entries(config) }],
        });
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
