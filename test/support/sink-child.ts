/** A sink in a process of its own, so that a test can kill it in the middle of a call: node sink-child.ts <prefix> <platform url> */
import { connectKafka } from '../../core/kafka.ts';
import { connectRedis } from '../../core/redis.ts';
import { runSink } from '../../core/sink-loop.ts';
import { env, log } from './loop-servers.ts';
import { applied, budgetOn, codec, each } from './sink-world.ts';

const [prefix = '', url = ''] = process.argv.slice(2);
const redis = connectRedis({ url: env('REDIS_URL'), log });
await runSink({
  kafka: connectKafka({ brokers: env('KAFKA_BROKERS'), prefix, clientId: 'child', log }),
  codec,
  platform: 'intercom',
  budget: budgetOn(redis, prefix, 1_000),
  concurrency: 4,
  perCall: 1,
  execute: each(async ({ id }) => {
    await fetch(`${url}/${id}`, { method: 'POST' });
    return applied;
  }),
  signal: new AbortController().signal,
  ready: () => undefined,
  log,
  now: () => performance.now(),
});
