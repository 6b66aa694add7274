/** The loop in a process of its own, so that a test can kill it where TRIBUTARY_FAULTS says: node loop-child.ts <prefix> <group> */
import { connectKafka } from '../../core/kafka.ts';
import { connectRedis } from '../../core/redis.ts';
import { memoryCodec } from '../../core/registry.ts';
import { runTransactionalFold } from '../../core/transaction.ts';
import { countingFold } from './counting-fold.ts';
import { env, limits, log, transactionalId } from './loop-servers.ts';

const [prefix = '', group = ''] = process.argv.slice(2);
await runTransactionalFold({
  kafka: connectKafka({ brokers: env('KAFKA_BROKERS'), prefix, clientId: 'child', log }),
  redis: connectRedis({ url: env('REDIS_URL'), log }),
  codec: memoryCodec(),
  group,
  transactionalId,
  fold: countingFold,
  limits,
  signal: new AbortController().signal,
  ready: () => undefined,
  log,
});
