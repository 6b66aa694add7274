/**
 * `tributary run`: the composition root. It makes the connections, hands them to the roles named and frames them with
 * health, signals and exit codes. The registry and its cache, and the access to Kafka, serve all roles of a process; Redis
 * is one connection per role, so that a lease is not renewed behind another role's long answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Argument, Command, InvalidArgumentError } from 'commander';
import type { Config } from '../core/config.ts';
import { TributaryError } from '../core/errors.ts';
import { connectKafka, type KafkaAccess } from '../core/kafka.ts';
import { createLog, type Logger, maskText } from '../core/log.ts';
import { patiently } from '../core/patience.ts';
import { connectRedis } from '../core/redis.ts';
import { connectRegistry, type RegistryCodec } from '../core/registry.ts';
import { type Job, runService } from '../core/service.ts';
import { applyTopics } from '../core/topics.ts';
import { table } from './output.ts';
import { type RoleEntry, roles } from './roles.ts';
import { settings, settingsWithServers, withConfig } from './settings.ts';

const closeLimitMs = 3_000;

interface RunOptions {
  readonly config?: string;
  readonly httpPort?: number;
  readonly applyTopics?: boolean;
  readonly debug?: true;
}

export function runCommand(): Command {
  const names = roles.map((role) => role.name);
  const command = new Command('run').addArgument(new Argument('<role>', 'what to run').choices([...names, 'all']));
  return withConfig(command)
    .option('--http-port <port>', 'port of /healthz, /readyz and /metrics, instead of http.port', port)
    .option(
      '--apply-topics',
      'create and correct topics, new ones with one replica, and schemas first; the default of `run all`',
    )
    .option('--no-apply-topics', 'leave topics and schemas as they are; the default of a single role')
    .addHelpText(
      'after',
      `
Roles:
${table([...roles.map((role) => [`  ${role.name}`, role.summary]), ['  all', 'every role above that the configuration has work for, in one process']])}

Secrets come from the environment: SALESFORCE_CLIENT_SECRET, INTERCOM_TOKEN, INTERCOM_CLIENT_SECRET, or the same with
_FILE. The last one, the app's, is connect-intercom's: with it webhooks are received at intercom.webhook and people and
companies are read; without it only teammates are, and capture.intercom: true is refused.
SIGTERM or Ctrl-C finishes what is in hand and ends, a second one ends at once.
Kafka, registry or Redis that are away are waited for; wrong credentials or another org end it with status 78.

On a cluster, make the topics with \`tributary topics apply --replication 3\` before the roles start.

Examples:
  tributary run all
  tributary run unify --config /etc/tributary.yaml --http-port 8080`,
    )
    .action(run);
}

async function run(name: string, _options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<RunOptions>();
  const given = settings(options);
  const chosen = roles.filter((role) => (name === 'all' ? (role.wanted?.(given) ?? true) : role.name === name));
  const needs = new Set(chosen.flatMap((entry) => entry.needs));
  const config = await settingsWithServers(options, [...needs]);
  const log = createLog({ level: options.debug ? 'debug' : 'info', stream: process.stdout });
  const http = { host: config.http.host, port: options.httpPort ?? config.http.port };
  const composed = compose(config, chosen, options.applyTopics ?? name === 'all', log);
  const exitCode = await runService({
    ...composed,
    http,
    log,
    process,
    serverAway: () => (composed.kafka.away() ? 'Kafka' : undefined),
    // A terminal on stdout shows the log as plain text already.
    onFatal: (line) => {
      if (!process.stdout.isTTY) process.stderr.write(`${maskText(line)}\n`);
    },
  });
  // What was in hand is done; a broker that hangs, or a timer that a library keeps, must not hold up a pod that has drained.
  await Promise.race([composed.kafka.close(), sleep(closeLimitMs)]);
  process.exit(exitCode);
}

/** Every role as a job, behind one that makes what they share. */
function compose(
  config: Config,
  chosen: readonly RoleEntry[],
  topicsFirst: boolean,
  log: Logger,
): { readonly kafka: KafkaAccess; readonly prepare: Job; readonly jobs: readonly Job[] } {
  const { prefix } = config;
  const kafka = connectKafka({
    brokers: config.kafka.brokers,
    prefix,
    clientId: 'tributary',
    log,
    sessionMs: config.failover.afterMs,
  });
  let codec: RegistryCodec | undefined;
  const prepare: Job = {
    name: 'start',
    async run(signal, ready) {
      ready(false, 'waiting for the schema registry');
      const known = await connectRegistry({ url: config.registry.url, prefix, log, signal });
      ready(false, 'waiting for Kafka');
      if (topicsFirst) await patiently({ signal, ready }, () => makeTopics(kafka, known, log));
      codec = known;
    },
  };
  const jobs = chosen.map(
    ({ name, load }): Job => ({
      name,
      async run(signal, ready) {
        if (codec === undefined) throw new TributaryError('INTERNAL', 'a role was started before its connections');
        const roleLog = log.child({ role: name });
        const redis = connectRedis({ url: config.redis.url, log: roleLog });
        try {
          const role = await load();
          await role.run({ config, log: roleLog, kafka, codec, redis, signal, ready });
        } finally {
          redis.disconnect();
        }
      },
    }),
  );
  return { kafka, prepare, jobs };
}

async function makeTopics(kafka: KafkaAccess, codec: RegistryCodec, log: Logger): Promise<void> {
  const changed = (await applyTopics(kafka, codec, { replication: 1 })).filter((report) => report.did !== 'as wanted');
  if (changed.length > 0) log.info({ changed: changed.length }, 'topics and schemas were made as they should be');
}

function port(text: string): number {
  const number = Number(text);
  if (/^\d{1,5}$/.test(text) && number <= 65_535) return number;
  throw new InvalidArgumentError('It must be a port number, 0 for any free one.');
}
