/** A deployment of its own on the servers: connections, topics and schemas, as `tributary run` has them. */

import type { Addresses } from '../cli/stack/parts.ts';
import { connected } from '../cli/state.ts';
import { type Config, checkConfig } from '../core/config.ts';
import { connectKafka, type KafkaAccess } from '../core/kafka.ts';
import { createLog, type Logger } from '../core/log.ts';
import { connectRedis } from '../core/redis.ts';
import { connectRegistry, type RegistryCodec } from '../core/registry.ts';
import { applyTopics } from '../core/topics.ts';

export interface Deployment {
  readonly servers: Addresses;
  readonly prefix: string;
}

export interface World {
  readonly config: Config;
  readonly log: Logger;
  readonly kafka: KafkaAccess;
  readonly codec: RegistryCodec;
  readonly redis: ReturnType<typeof connectRedis>;
  close(): Promise<void>;
}

/** The settings under which people go both ways; everything else as by default. */
const bothWays = {
  capture: { intercom: true },
  flows: {
    'contact-sync': { salesforce: { create: true } },
    'account-sync': { salesforce: { create: true } },
  },
};

/** Topics and schemas are made where they are not there yet. */
export async function openWorld({ servers, prefix }: Deployment): Promise<World> {
  const log = createLog({ level: 'warn', stream: process.stderr });
  const config = checkConfig(
    { ...bothWays, prefix },
    {
      KAFKA_BROKERS: servers.kafka,
      SCHEMA_REGISTRY_URL: servers.registry,
      REDIS_URL: servers.redis,
      INTERCOM_CLIENT_SECRET: 'bench',
    },
  );
  const kafka = connectKafka({ brokers: servers.kafka, prefix, clientId: 'bench', log });
  const redis = connectRedis({ url: servers.redis, log });
  await connected(redis);
  const codec = await connectRegistry({ url: servers.registry, prefix, log });
  await applyTopics(kafka, codec, { replication: 1 });
  return {
    config,
    log,
    kafka,
    codec,
    redis,
    async close() {
      redis.disconnect();
      await kafka.close();
    },
  };
}

export async function withWorld<T>(deployment: Deployment, work: (world: World) => Promise<T>): Promise<T> {
  const world = await openWorld(deployment);
  try {
    return await work(world);
  } finally {
    await world.close();
  }
}
