/** `tributary status`: how the pipeline is, from Kafka and the mirror alone; no role has to answer. */
import { Command } from 'commander';
import { openIntercom } from '../connectors/intercom/client.ts';
import { dailyBudget } from '../connectors/salesforce/budget.ts';
import type { KafkaAccess } from '../core/kafka.ts';
import { connectRedis } from '../core/redis.ts';
import type { CallContext } from '../core/role.ts';
import { type PlatformStatus, readStatus, statusKeys, type UnifyStatus } from '../processors/unify/status.ts';
import { type Frozen, frozen } from '../processors/unify/why.ts';
import { commandLog, json, say, table } from './output.ts';
import { type ServerOptions, withServers } from './servers.ts';
import { settings, settingsWithServers, withConfig } from './settings.ts';
import { askState, connected, type ReadState } from './state.ts';

export interface Lag {
  readonly stage: string;
  readonly topic: string;
  /** Records; null: nobody of it has begun. */
  readonly records: number | null;
}

const stages = [
  ['decode', 'salesforce.raw'],
  ['decode', 'intercom.raw'],
  ['unify', 'changes'],
] as const;

export function statusCommand(): Command {
  return withConfig(new Command('status'))
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Lag is in records. Window is how many asks the platform's sink takes at once: 0 while it has to wait. A source is current up
to the time shown; while a hole is open, changes are being read again and no record is created. Calls left are those of our
share: of the day in Salesforce, at once in Intercom.

Example:
  watch -n 2 tributary status`,
    )
    .action(show);
}

async function show(_options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<ServerOptions & { json?: true }>();
  const config = settings(options);
  const { lags, left } = await withServers(options, async ({ kafka }) => ({
    lags: await lagsIn(kafka),
    left: await callsLeft(options, kafka),
  }));
  const unify = await askState(options, (state) => ({
    ...unifyStatus(state),
    frozen: frozen((key) => state.get(key), config),
  }));
  const status = { lags, left, ...unify };
  say(options.json ? json(status, 2) : statusText(status, Date.now()));
}

export const lagsIn = (kafka: Pick<KafkaAccess, 'committed' | 'admin'>): Promise<readonly Lag[]> =>
  Promise.all(
    stages.map(async ([stage, topic]): Promise<Lag> => {
      const places = await kafka.committed(stage, topic);
      // -1: none of its records was done yet.
      const begun = places.some(({ next }) => next >= 0);
      return { stage, topic, records: begun ? await kafka.admin.lag(stage, topic) : null };
    }),
  );

/** What of unify's state a status tells. */
export function unifyStatus(state: ReadState): UnifyStatus {
  const values = new Map<string, object>();
  for (const key of statusKeys) {
    const value = state.get(key);
    if (value !== undefined) values.set(key, value);
  }
  return readStatus(values);
}

async function callsLeft(options: ServerOptions, kafka: KafkaAccess): Promise<Status['left']> {
  const config = await settingsWithServers(options, ['redis.url']);
  const redis = connectRedis({ url: config.redis.url, log: commandLog(options.debug === true) });
  try {
    await connected(redis);
    return await leftIn({ config, redis, kafka });
  } finally {
    redis.disconnect();
  }
}

/** Calls left of our share: of the day's in Salesforce, at once in Intercom. */
export async function leftIn(context: CallContext): Promise<Status['left']> {
  const { access, budget: intercom } = openIntercom(context);
  const salesforce = dailyBudget(context);
  await Promise.all([salesforce.tell({}), intercom.tell({}), access.close()]);
  return { salesforce: salesforce.level().left, intercom: intercom.level().left };
}

export interface Status extends UnifyStatus {
  readonly lags: readonly Lag[];
  /** Calls that each platform's budget has left. */
  readonly left: Readonly<Record<PlatformStatus['platform'], number>>;
  readonly frozen: readonly Frozen[];
}

export function statusText({ lags, left, platforms, gated, jobs, frozen: held }: Status, now: number): string {
  const age = (upTo: number): string =>
    upTo === 0 ? 'not heard yet' : `${Math.max(0, Math.round((now - upTo) / 1000))} s ago`;
  const row = ({ platform, currentTo, hole, dirty, open, window }: PlatformStatus): readonly string[] => [
    platform,
    age(currentTo),
    hole ? 'open' : 'none',
    `${dirty.urgent + dirty.live} live, ${dirty.bulk} bulk`,
    String(open),
    String(window),
    String(left[platform]),
  ];
  return [
    table([
      ['STAGE', 'READS', 'LAG'],
      ...lags.map((one) => [one.stage, one.topic, one.records === null ? 'not begun' : String(one.records)]),
    ]),
    table([['PLATFORM', 'CURRENT', 'HOLE', 'WAITING', 'OPEN', 'WINDOW', 'CALLS LEFT'], ...platforms.map(row)]),
    `${gated} creates wait for both platforms to be heard, ${jobs} jobs run`,
    ...(held.length === 0
      ? []
      : [
          table([['FROZEN', 'FIELDS'], ...held.map(({ id, fields }) => [id, fields.join(', ')])]),
          'see `tributary why`, then `tributary unfreeze`',
        ]),
  ].join('\n\n');
}
