/** `tributary topics`: what topics there are, make it so, and read them. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Codec } from '../core/codec.ts';
import { TributaryError } from '../core/errors.ts';
import type { InRecord, KafkaAccess, PartitionOffsets } from '../core/kafka.ts';
import { delay } from '../core/patience.ts';
import { applyTopics } from '../core/topics.ts';
import { type TopicName, topics } from '../schemas/topics.ts';
import { json, say, table } from './output.ts';
import { isPulse, type Shown, shownJson, shownText, showRecord } from './present.ts';
import { type ServerOptions, withServers } from './servers.ts';
import { settings, withConfig } from './settings.ts';

interface Common extends ServerOptions {
  readonly json?: true;
}

export function topicsCommand(): Command {
  const command = new Command('topics');
  withConfig(command.command('list'))
    .description('list every topic with its key, partitions, retention, schemas and writer; no server is asked')
    .option('--json', 'print JSON instead of a table')
    .action(list);
  withConfig(command.command('apply'))
    .description(
      'create and correct the topics and register the schemas; may be repeated, changes nothing that is right',
    )
    .option('--replication <count>', 'replicas of each topic; never more than there are brokers', whole, 1)
    .option('--json', 'print JSON instead of a table')
    .addHelpText('after', '\nExample:\n  tributary topics apply --replication 3')
    .action(apply);
  withConfig(command.command('tail'))
    .description('print the records of a topic, decoded, until Ctrl-C')
    .argument('<topic>', 'name without the prefix; see `tributary topics list`')
    .option('--from <place>', 'earliest, latest, an offset, or -N for the last N of each partition', place, 'latest')
    .option('--limit <count>', 'end after so many records', whole)
    .option('--key <key>', 'only records of this key')
    .option('--quiet', 'leave out marks, ticks and epochs, which come every second')
    .addOption(new Option('--no-follow', 'end at what is the end now'))
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      `
Salesforce events show header, changed, nulled, diff (field names, parts as Name.FirstName) and values.

Examples:
  tributary topics tail salesforce.raw --quiet
  tributary topics tail journal --from -5 --no-follow
  tributary topics tail customer.events --from earliest --limit 10 --json
  tributary topics tail changes --key salesforce:Contact:003000000000001AAA`,
    )
    .action(tail);
  return command;
}

function list(options: Common): void {
  const { prefix } = settings(options);
  const rows = Object.entries(topics).map(([name, spec]) => ({ topic: `${prefix}${name}`, ...spec }));
  if (options.json) return say(json(rows, 2));
  say(
    table([
      ['TOPIC', 'KEY', 'PARTITIONS', 'KEPT', 'WRITER', 'SCHEMAS'],
      ...rows.map((row) => [
        row.topic,
        row.key,
        String(row.partitions),
        row.cleanup === 'compact' ? 'compacted' : `${row.keepMs / 86_400_000} d`,
        row.writer,
        row.schemas.join(' '),
      ]),
    ]),
  );
}

async function apply(_options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Common & { replication: number }>();
  const { replication } = options;
  const report = await withServers(options, ({ kafka, codec }) => applyTopics(kafka, codec, { replication }));
  if (options.json) return say(json(report, 2));
  say(table([['TOPIC', 'DONE'], ...report.map((row) => [row.topic, row.did])]));
}

interface TailOptions extends Common {
  readonly from: string;
  readonly limit?: number;
  readonly key?: string;
  readonly quiet?: true;
  readonly follow: boolean;
}

async function tail(topic: string, _options: unknown, command: Command): Promise<void> {
  if (!isTopic(topic))
    throw new TributaryError('USAGE', `there is no topic ${topic}; there are ${Object.keys(topics).join(', ')}`);
  const options = command.optsWithGlobals<TailOptions>();
  await withServers(options, ({ kafka, codec, signal }) => follow(kafka, codec, topic, options, signal));
}

const isTopic = (name: string): name is TopicName => Object.hasOwn(topics, name);

/** Reads without a group, so that looking at a topic moves nobody's position and needs no right to commit one. */
async function follow(
  kafka: KafkaAccess,
  codec: Codec,
  topic: TopicName,
  options: TailOptions,
  signal: AbortSignal,
): Promise<void> {
  const enough = options.limit ?? Number.POSITIVE_INFINITY;
  let printed = 0;
  const wanted: Wanted = async (records) => {
    const chosen = records.filter(({ key }) => options.key === undefined || key?.toString() === options.key);
    await codec.prepare(chosen.map((record) => record.value));
    const shown = chosen.map((record) => showRecord(record, codec));
    return options.quiet === true ? shown.filter((one) => !isPulse(one)) : shown;
  };
  const print = async (records: readonly InRecord[]): Promise<void> => {
    for (const shown of await wanted(records)) {
      if (printed >= enough || signal.aborted) throw finished;
      say(options.json ? shownJson(shown) : shownText(shown));
      printed += 1;
    }
    if (printed >= enough || signal.aborted) throw finished;
  };
  const next = new Map<number, number>();
  try {
    for (;;) {
      for (const { partition, earliest, latest } of await kafka.offsets(topic)) {
        const from =
          next.get(partition) ?? (await startOf(kafka, topic, options.from, { partition, earliest, latest }, wanted));
        if (from < latest) await kafka.read(topic, partition, from, latest, print);
        next.set(partition, Math.max(from, latest));
      }
      if (!options.follow || signal.aborted) return;
      await delay(250, signal);
    }
  } catch (error) {
    if (error !== finished) throw error;
  }
}

/** The only way out of the middle of a bounded read. */
const finished = new Error('enough records were printed');

/** What the options leave of some records. */
type Wanted = (records: readonly InRecord[]) => Promise<readonly Shown[]>;

async function startOf(
  kafka: KafkaAccess,
  topic: TopicName,
  from: string,
  { partition, earliest, latest }: PartitionOffsets,
  wanted: Wanted,
): Promise<number> {
  if (from === 'earliest') return earliest;
  if (from === 'latest') return latest;
  const offset = Number(from);
  if (offset >= 0) return Math.max(earliest, offset);
  // Transaction markers, compacted records and what the options leave out take offsets too, so the last N are looked for,
  // further and further back.
  for (let span = -offset; ; span *= 4) {
    const start = Math.max(earliest, latest - span);
    const offsets: number[] = [];
    await kafka.read(topic, partition, start, latest, async (records) => {
      for (const { offset } of await wanted(records)) offsets.push(offset);
    });
    if (start === earliest || offsets.length >= -offset) return offsets.at(offset) ?? start;
  }
}

function place(text: string): string {
  if (text === 'earliest' || text === 'latest' || /^-?\d{1,15}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be earliest, latest, an offset or -N.');
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, 1 or more.');
  return Number(text);
}
