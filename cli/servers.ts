/** Kafka and the registry for one command, closed whatever becomes of it; Ctrl-C ends it in order, a second one at once. */
import { connectKafka, type KafkaAccess } from '../core/kafka.ts';
import { connectRegistry, type RegistryCodec } from '../core/registry.ts';
import { commandLog } from './output.ts';
import { settingsWithServers } from './settings.ts';

export interface ServerOptions {
  readonly config?: string;
  readonly debug?: true;
}

export interface Servers {
  readonly kafka: KafkaAccess;
  readonly codec: RegistryCodec;
  readonly signal: AbortSignal;
}

export async function withServers<T>(options: ServerOptions, work: (servers: Servers) => Promise<T>): Promise<T> {
  const { kafka: servers, registry, prefix } = await settingsWithServers(options, ['kafka.brokers', 'registry.url']);
  const log = commandLog(options.debug === true);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const kafka = connectKafka({ brokers: servers.brokers, prefix, clientId: 'tributary-cli', log });
  try {
    const codec = await connectRegistry({ url: registry.url, prefix, log, signal: stop.signal });
    return await work({ kafka, codec, signal: stop.signal });
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    await kafka.close();
  }
}
