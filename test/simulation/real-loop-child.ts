/**
 * unify in a process of its own over a history's log, so that a test can kill it where TRIBUTARY_FAULTS says:
 * node real-loop-child.ts <prefix> <group> <prefix of the schemas> <world> <limits as JSON>
 */
import { connectKafka } from '../../core/kafka.ts';
import { connectRedis } from '../../core/redis.ts';
import { connectRegistry } from '../../core/registry.ts';
import { type FoldLimits, runTransactionalFold } from '../../core/transaction.ts';
import { createUnify } from '../../processors/unify/index.ts';
import { env, log, transactionalId } from '../support/loop-servers.ts';
import { rulesOf } from './fields.ts';
import { readWorld } from './world.ts';

const [prefix = '', group = '', schemas = '', world = '', limits = ''] = process.argv.slice(2);
await runTransactionalFold({
  kafka: connectKafka({ brokers: env('KAFKA_BROKERS'), prefix, clientId: 'child', log }),
  redis: connectRedis({ url: env('REDIS_URL'), log }),
  codec: await connectRegistry({ url: env('SCHEMA_REGISTRY_URL'), prefix: schemas, log }),
  group,
  transactionalId,
  fold: createUnify(rulesOf(readWorld(world))),
  limits: JSON.parse(limits) as FoldLimits,
  signal: new AbortController().signal,
  ready: () => undefined,
  log,
});
