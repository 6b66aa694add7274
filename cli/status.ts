/** `tributary status`: how the pipeline is, from Kafka and the mirror alone; no role has to answer. */
import { Command } from 'commander';
import { type PlatformStatus, readStatus, statusKeys, type UnifyStatus } from '../processors/unify/status.ts';
import { json, say, table } from './output.ts';
import { type ServerOptions, withServers } from './servers.ts';
import { withConfig } from './settings.ts';
import { askState } from './state.ts';

interface Lag {
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
to the time shown; while a hole is open, changes are being read again and no record is created.

Example:
  watch -n 2 tributary status`,
    )
    .action(show);
}

async function show(_options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<ServerOptions & { json?: true }>();
  const lags = await withServers(options, ({ kafka }) =>
    Promise.all(
      stages.map(async ([stage, topic]): Promise<Lag> => {
        const places = await kafka.committed(stage, topic);
        const begun = places.every(({ next }) => next !== undefined);
        return { stage, topic, records: begun ? await kafka.admin.lag(stage, topic) : null };
      }),
    ),
  );
  const unify = await askState(options, (state) => {
    const values = new Map<string, object>();
    for (const key of statusKeys) {
      const value = state.get(key);
      if (value !== undefined) values.set(key, value);
    }
    return readStatus(values);
  });
  say(options.json ? json({ lags, ...unify }, 2) : statusText(lags, unify, Date.now()));
}

export function statusText(lags: readonly Lag[], { platforms, gated, jobs }: UnifyStatus, now: number): string {
  const age = (upTo: number): string =>
    upTo === 0 ? 'not heard yet' : `${Math.max(0, Math.round((now - upTo) / 1000))} s ago`;
  const row = ({ platform, currentTo, hole, dirty, open, window }: PlatformStatus): readonly string[] => [
    platform,
    age(currentTo),
    hole ? 'open' : 'none',
    `${dirty.urgent + dirty.live} live, ${dirty.bulk} bulk`,
    String(open),
    String(window),
  ];
  return [
    table([
      ['STAGE', 'READS', 'LAG'],
      ...lags.map((one) => [one.stage, one.topic, one.records === null ? 'not begun' : String(one.records)]),
    ]),
    table([['PLATFORM', 'CURRENT', 'HOLE', 'WAITING', 'OPEN', 'WINDOW'], ...platforms.map(row)]),
    `${gated} creates wait for both platforms to be heard, ${jobs} jobs run`,
  ].join('\n\n');
}
