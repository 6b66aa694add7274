/** `tributary link --dry-run`: reads both platforms, decides in memory, tells what a link would do. Writes nothing. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import type { Config } from '../../core/config.ts';
import { TributaryError } from '../../core/errors.ts';
import { asking, connectRedis } from '../../core/redis.ts';
import type { CallContext } from '../../core/role.ts';
import { commandLog, json, say } from '../output.ts';
import { settingsWithServers } from '../settings.ts';
import { forecast } from './forecast.ts';
import { noProgress, type Progress, Reading } from './read.ts';
import { cannotKnow, type LinkReport, linkText, undecidedBetween } from './report.ts';

export interface DryRunOptions {
  readonly config?: string;
  readonly debug?: true;
  readonly json?: true;
  readonly details?: true;
  readonly limit?: number;
  readonly output?: string;
}

const needed = [
  'redis.url',
  'salesforce.loginUrl',
  'salesforce.clientId',
  'salesforce.clientSecret',
  'intercom.baseUrl',
  'intercom.token',
];
const progressMs = 2_000;

export async function dryRun(options: DryRunOptions, signal: AbortSignal): Promise<void> {
  const config = await settingsWithServers(options, needed);
  assertBothAreRead(config);
  // After an hour of reading it would be too late to learn that the file cannot be written.
  const file = options.output === undefined ? undefined : openFile(options.output);
  const redis = connectRedis({ url: config.redis.url, log: commandLog(options.debug === true) });
  try {
    await new Promise<void>((resolve) => {
      redis.once('ready', resolve);
      redis.once('error', () => resolve());
    });
    await asking(() => redis.ping());
    const report = await look({ config, redis, kafka: { prefix: config.prefix } }, options.limit ?? null, signal);
    if (file !== undefined) writeFileSync(file, `${json(report, 1)}\n`);
    if (options.json) say(json(report, 2));
    else say(linkText(report, options.details === true));
  } finally {
    redis.disconnect();
    if (file !== undefined) closeSync(file);
  }
}

/** Without a reading of Intercom the link finds people there one by one, when it comes to create them. */
function assertBothAreRead({ capture }: Config): void {
  for (const platform of ['salesforce', 'intercom'] as const) {
    if (capture[platform]) continue;
    const field = `capture.${platform}`;
    const text = `${field} is false, so nobody is read there and a link is not to be foreseen; set it to true`;
    throw new TributaryError('CONFIG_INVALID', text, { field });
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('USAGE', `--output ${path} cannot be written: ${why}`, { cause, field: '--output' });
  }
}

export async function look(context: CallContext, limit: number | null, signal: AbortSignal): Promise<LinkReport> {
  const progress = noProgress();
  const reading = new Reading({ context, signal, limit, progress });
  let phase = 'reading';
  const timer = setInterval(() => process.stderr.write(`${progressText(phase, progress)}\n`), progressMs);
  try {
    await reading.check();
    const [salesforce, intercom] = await Promise.all([reading.salesforce(), reading.intercom()]);
    const at = reading.now();
    const read = (first: 'salesforce' | 'intercom') => {
      phase = `deciding, ${first} first`;
      const changes = salesforce.length + intercom.length;
      return forecast({
        config: context.config,
        told: { salesforce, intercom },
        first,
        user: reading.user,
        at,
        read: (command) => reading.answer(command),
        onDecided: (count) => {
          const what = count < changes ? `${count} of ${changes} records` : `${count - changes} steps of writing`;
          phase = `deciding, ${first} first: ${what}`;
        },
        signal,
      });
    };
    const salesforceFirst = await read('salesforce');
    const intercomFirst = await read('intercom');
    return {
      ...salesforceFirst,
      undecided: undecidedBetween(salesforceFirst, intercomFirst),
      attributes: reading.attributes,
      read: progress.read,
      unreadable: progress.unreadable,
      calls: progress.calls,
      limit,
      cannotKnow,
    };
  } finally {
    clearInterval(timer);
    await reading.close();
  }
}

export function progressText(phase: string, { read, calls, waiting }: Progress): string {
  const rows = Object.entries(read).map(([name, count]) => `${name} ${count}`);
  const waits = Object.entries(waiting).flatMap(([platform, why]) => (why === '' ? [] : [`${platform} waits: ${why}`]));
  const made = `${calls.salesforce} calls to Salesforce, ${calls.intercom} to Intercom`;
  return [phase, ...rows, made, ...waits].join(', ');
}
