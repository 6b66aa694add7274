/**
 * The three servers: how each is prepared, started and asked whether it is up. All of it on loopback, small enough for a
 * laptop: about 650 MB together.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TributaryError } from '../../core/errors.ts';
import type { Programs } from './jars.ts';
import type { Java } from './java.ts';
import { type Command, lastLines } from './processes.ts';

export const partNames = ['kafka', 'registry', 'redis'] as const;
export type PartName = (typeof partNames)[number];

/** What a part is started with: its own folder, its port, and the programs. */
export interface Place {
  readonly folder: string;
  readonly port: number;
  /** The second listener: Kafka's controller, the registry's management interface. Redis has none. */
  readonly innerPort: number;
  readonly java: Java;
  readonly programs: Programs;
}

export interface Part {
  /** The environment variable that names a server of one's own in its stead. */
  readonly variable: string;
  address(port: number): string;
  prepare(place: Place): Promise<void>;
  command(place: Place): Command;
  /** Answers as a client would see it: true only when the server does its work. */
  answers(port: number, timeoutMs: number): Promise<boolean>;
}

const loopback = '127.0.0.1';
const smallJvm = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.awt.headless=true'];

/** One request and the first bytes of its answer; any failure is "does not answer". */
function exchange(port: number, request: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = connect({ host: loopback, port, timeout: timeoutMs });
    const finish = (answer: Buffer): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => socket.write(request));
    socket.once('data', finish);
    for (const failure of ['error', 'timeout', 'end'] as const) socket.once(failure, () => finish(Buffer.alloc(0)));
  });
}

/** ApiVersions, version 0, correlation id 7, no client id: the one request that every broker answers to everybody. */
const apiVersions = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]);

function kafkaProperties({ folder, port, innerPort }: Place): string {
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@${loopback}:${innerPort}`,
    listeners: `PLAINTEXT://${loopback}:${port},CONTROLLER://${loopback}:${innerPort}`,
    'advertised.listeners': `PLAINTEXT://${loopback}:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(folder, 'data'),
    // One node: every internal topic has one copy, or the first group and the first transaction wait for ever.
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    // The defaults are 50 partitions each, made for clusters; here they only lengthen the start.
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.num.partitions': 1,
    // A lone consumer would wait three seconds for company.
    'group.initial.rebalance.delay.ms': 0,
    // Whoever runs this on a laptop may have a dead process replaced sooner than a cluster would allow.
    'group.min.session.timeout.ms': 2_000,
    // A misspelt topic must be an error, not a topic with the wrong settings.
    'auto.create.topics.enable': false,
    'log.cleaner.dedupe.buffer.size': 33_554_432,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

const kafka: Part = {
  variable: 'KAFKA_BROKERS',
  address: (port) => `${loopback}:${port}`,
  async prepare(place) {
    const properties = join(place.folder, 'server.properties');
    writeFileSync(properties, kafkaProperties(place));
    if (existsSync(join(place.folder, 'data', 'meta.properties'))) return;
    // A cluster id is 16 bytes in base64url; a leading dash would be read as an option.
    const clusterId = `T${randomBytes(16).toString('base64url').slice(1, 22)}`;
    const format = promisify(execFile)(join(place.java.home, 'bin/java'), [
      ...jvmOf(place),
      'kafka.tools.StorageTool',
      'format',
      '--ignore-formatted',
      '-t',
      clusterId,
      '-c',
      properties,
    ]);
    await format.catch((error: unknown) => {
      const said = lastLines(String(error), 12);
      throw new TributaryError('STACK_FAILED', `Kafka's data folder could not be formatted:\n${said}\n`, {
        cause: error,
      });
    });
  },
  command: (place) => ({
    file: join(place.java.home, 'bin/java'),
    args: ['-Xmx512m', ...jvmOf(place), 'kafka.Kafka', join(place.folder, 'server.properties')],
  }),
  async answers(port, timeoutMs) {
    const answer = await exchange(port, apiVersions, timeoutMs);
    return answer.length >= 10 && answer.readInt32BE(4) === 7 && answer.readInt16BE(8) === 0;
  },
};

function jvmOf(place: Place): string[] {
  const log = `-Dlog4j2.configurationFile=${join(import.meta.dirname, 'log4j2.properties')}`;
  return [...smallJvm, log, '-cp', place.programs.kafkaClasspath];
}

const registry: Part = {
  variable: 'SCHEMA_REGISTRY_URL',
  address: (port) => `http://${loopback}:${port}/apis/ccompat/v7`,
  async prepare() {
    // H2 makes its own files. In memory (the default) ids would change under Kafka data that names them.
  },
  command: ({ folder, port, innerPort, java, programs }) => ({
    file: join(java.home, 'bin/java'),
    args: [
      '-Xmx256m',
      ...smallJvm,
      `-Dquarkus.http.host=${loopback}`,
      `-Dquarkus.http.port=${port}`,
      '-Dquarkus.http.access-log.enabled=false',
      // Left alone, it listens on port 9000 of every interface, and a second registry finds that port taken.
      `-Dquarkus.management.host=${loopback}`,
      `-Dquarkus.management.port=${innerPort}`,
      '-Dapicurio.storage.kind=sql',
      '-Dapicurio.storage.sql.kind=h2',
      `-Dapicurio.datasource.url=jdbc:h2:file:${join(folder, 'schemas')}`,
      '-jar',
      programs.registryJar,
    ],
  }),
  async answers(port, timeoutMs) {
    try {
      const answer = await fetch(`${this.address(port)}/subjects`, { signal: AbortSignal.timeout(timeoutMs) });
      await answer.arrayBuffer();
      return answer.status === 200;
    } catch {
      return false;
    }
  },
};

const redis: Part = {
  variable: 'REDIS_URL',
  address: (port) => `redis://${loopback}:${port}`,
  async prepare() {
    // Nothing is kept on disk: what Redis holds is a mirror, and losing it at every stop keeps its repair honest.
  },
  command: ({ folder, port, programs }) => ({
    file: programs.redisServer,
    args: ['--bind', loopback, '--port', String(port), '--dir', folder, '--save', '', '--appendonly', 'no'],
  }),
  async answers(port, timeoutMs) {
    return (await exchange(port, Buffer.from('PING\r\n'), timeoutMs)).toString() === '+PONG\r\n';
  },
};

export const parts: Readonly<Record<PartName, Part>> = { kafka, registry, redis };

const randomPort = (): number => 10_000 + (randomBytes(2).readUInt16BE() % 20_000);

/**
 * A free port below every system's ephemeral range: one inside it may be taken, between our look and the server's bind,
 * by any outgoing connection of the machine.
 */
export async function freePort(preferred?: number): Promise<number> {
  for (let port = preferred ?? randomPort(); ; port = randomPort()) {
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen({ host: loopback, port, exclusive: true }, () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

export function folderOf(stackFolder: string, name: PartName): string {
  const folder = join(stackFolder, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Where a client finds each server. */
export type Addresses = Readonly<Record<PartName, string>>;

/** The servers that the environment names; they win over anything we could start. Empty counts as not given. */
export function addressesFrom(env: NodeJS.ProcessEnv): Partial<Addresses> {
  const given: Partial<Record<PartName, string>> = {};
  for (const name of partNames) {
    const address = env[parts[name].variable];
    if (address) given[name] = address;
  }
  return given;
}
