/**
 * Kafka, registry and Redis for the stack and e2e tiers: what the environment names, else containers where an engine
 * really answers, else the native stack. What cannot be had is an error here, before any test runs: a tier that skips
 * itself looks exactly like one that passes.
 *
 * Both tiers name this file and Vitest runs it once for each, one after the other. The first start is found in the
 * environment by the second, so a whole run has one stack.
 */
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers';
import { addressesFrom, freePort, type PartName, partNames, parts } from '../../cli/stack/parts.ts';
import { startStack } from '../../cli/stack/stack.ts';

interface Servers {
  readonly addresses: Readonly<Partial<Record<PartName, string>>>;
  stop(): Promise<void>;
}

const log = (line: string): void => void process.stderr.write(`stack: ${line}\n`);

async function containerEngineAnswers(): Promise<boolean> {
  try {
    await getContainerRuntimeClient();
    return true;
  } catch (error) {
    log(
      `no container engine answers (${error instanceof Error ? error.message : String(error)}); using the native stack`,
    );
    return false;
  }
}

/** The same versions as the native stack and docker-compose.yml. Ports are ours to choose: Kafka must be told its own. */
const containers: Readonly<Record<PartName, (port: number) => GenericContainer>> = {
  kafka: (port) =>
    new GenericContainer('apache/kafka:4.4.0')
      .withExposedPorts({ container: 9092, host: port })
      .withEnvironment({
        KAFKA_NODE_ID: '1',
        KAFKA_PROCESS_ROLES: 'broker,controller',
        // The broker calls itself when it verifies a transaction: the port we are given leads nowhere inside the container.
        KAFKA_LISTENERS: 'OUTSIDE://:9092,INSIDE://:9094,CONTROLLER://:9093',
        KAFKA_ADVERTISED_LISTENERS: `OUTSIDE://127.0.0.1:${port},INSIDE://127.0.0.1:9094`,
        KAFKA_INTER_BROKER_LISTENER_NAME: 'INSIDE',
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'OUTSIDE:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT',
        KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
        KAFKA_CONTROLLER_QUORUM_VOTERS: '1@127.0.0.1:9093',
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
        KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
        KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
        KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
        KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      })
      .withWaitStrategy(Wait.forLogMessage('Kafka Server started')),
  registry: (port) =>
    new GenericContainer('apicurio/apicurio-registry:3.3.3')
      .withExposedPorts({ container: 8080, host: port })
      .withWaitStrategy(Wait.forHttp('/apis/ccompat/v7/subjects', 8080)),
  redis: (port) =>
    new GenericContainer('redis:7.4-alpine')
      .withExposedPorts({ container: 6379, host: port })
      .withWaitStrategy(Wait.forLogMessage('Ready to accept connections')),
};

async function startContainers(names: readonly PartName[]): Promise<Servers> {
  const started: StartedTestContainer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((container) => container.stop()));
  };
  const addresses: Partial<Record<PartName, string>> = {};
  try {
    for (const name of names) {
      const port = await freePort();
      started.push(await containers[name](port).start());
      addresses[name] = parts[name].address(port);
    }
    return { addresses, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startNative(names: readonly PartName[], signal: AbortSignal): Promise<Servers> {
  const stack = await startStack({ parts: names, log, signal });
  return {
    addresses: { kafka: stack.brokers, registry: stack.registryUrl, redis: stack.redisUrl },
    stop: () => stack.stop(),
  };
}

/** Vitest's globalSetup; what it returns is the teardown. */
export async function setup(): Promise<() => Promise<void>> {
  const given = addressesFrom(process.env);
  const missing = partNames.filter((name) => given[name] === undefined);
  if (missing.length === 0) return async () => undefined;
  const interrupted = new AbortController();
  const starting = containerEngineAnswers().then((containersRun) =>
    containersRun ? startContainers(missing) : startNative(missing, interrupted.signal),
  );
  const stop = (): Promise<void> => starting.then((servers) => servers.stop());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Vitest's handlers end the process within a millisecond, without any teardown. Ours ends the servers first; what
    // theirs do besides (the cursor) they do on exit as well.
    process.removeAllListeners(signal);
    process.once(signal, (_name: NodeJS.Signals, number: number) => {
      interrupted.abort();
      // A start that was interrupted has cleaned up after itself by the time it rejects.
      void stop()
        .catch(() => undefined)
        .finally(() => process.exit(128 + number));
    });
  }
  const servers = await starting;
  for (const name of missing) process.env[parts[name].variable] = servers.addresses[name];
  return async () => {
    for (const name of missing) delete process.env[parts[name].variable];
    await stop();
  };
}
