/** `tributary dlq`: what was rejected, why, and how to put it back. */
import { Command, Option } from 'commander';
import type { DeadLetterStage } from '../core/dead-letter.ts';
import { TributaryError } from '../core/errors.ts';
import type { OutRecord } from '../core/kafka.ts';
import type { TopicName } from '../schemas/topics.ts';
import type { DeadLetter } from '../schemas/types.ts';
import { actionOf, actionRecord, withActor } from './act.ts';
import { json, say, table } from './output.ts';
import { shownText, showRecord } from './present.ts';
import { placeOf, redriveOf } from './redrive.ts';
import { type ServerOptions, type Servers, withServers } from './servers.ts';
import { withConfig } from './settings.ts';

const stages: readonly DeadLetterStage[] = ['connectors', 'decode', 'unify', 'sinks'];

/** A dead letter and where it lies: `sinks@17`. What was rejected stays in the topic, for there may be many and it may be large. */
interface Found {
  readonly place: string;
  readonly stage: DeadLetterStage;
  readonly partition: number;
  readonly offset: number;
  readonly letter: Omit<DeadLetter, 'original'>;
}

interface Chosen extends ServerOptions {
  readonly stage?: DeadLetterStage;
  readonly code?: string;
  readonly ref?: string;
  readonly all?: true;
  readonly json?: true;
}

const withChoice = (command: Command): Command =>
  withConfig(command)
    .addOption(new Option('--stage <stage>', 'only of this stage').choices(stages))
    .option('--code <code>', 'only of this code')
    .option('--ref <ref>', 'only of this record');

export function dlqCommand(): Command {
  const command = new Command('dlq');
  withChoice(command.command('list'))
    .description('list what was rejected and not put back: code, record, field, value, the platform’s own words')
    .option('--all', 'also those that were put back')
    .option('--json', 'print one JSON object per line')
    .action(list);
  withConfig(command.command('show'))
    .description('show one dead letter whole: the words, the way out, and what was rejected, decoded')
    .argument('<place>', 'as `tributary dlq list` names it, such as sinks@17')
    .option('--json', 'print JSON')
    .action(show);
  withActor(withChoice(command.command('redrive')))
    .description('put dead letters back, in their order, when what they were rejected for is mended')
    .argument('[place]', 'one of them; without it the options choose, and --all means every one')
    .option('--all', 'every dead letter')
    .addHelpText(
      'after',
      `
What decode could not read is decoded again; what unify could not decide is decided again; of what a platform refused, what
is wanted now is asked again. None of this passes a newer fact by an older one, and twice does no more than once.

Examples:
  tributary dlq redrive sinks@17
  tributary dlq redrive --stage sinks --code PLATFORM_REFUSED`,
    )
    .action(redrive);
  return command;
}

/** Header of the record that stands behind a letter once it was put back: its offset. */
const redriven = 'redriven';

/** @param also those that were put back */
async function read({ kafka, codec }: Servers, wanted: Chosen, also: boolean): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const stage of stages) {
    if (wanted.stage !== undefined && wanted.stage !== stage) continue;
    const topic = `${stage}.dlq` as const;
    const done = new Set<number>();
    const ofStage: Found[] = [];
    for (const { partition, earliest, latest } of await kafka.offsets(topic)) {
      await kafka.read(topic, partition, earliest, latest, async (records) => {
        await codec.prepare(records.map(({ value }) => value));
        for (const { value, offset, headers } of records) {
          if (value === null) {
            done.add(Number(headers[redriven]?.toString()));
            continue;
          }
          const { original: _, ...letter } = codec.decode(value).value as DeadLetter;
          if ((wanted.code ?? letter.code) !== letter.code || (wanted.ref ?? letter.ref) !== letter.ref) continue;
          ofStage.push({ stage, partition, offset, place: `${stage}@${offset}`, letter });
        }
      });
    }
    // One by one: as arguments of one call, some hundred thousand are more than a stack holds.
    for (const one of ofStage) if (also || !done.has(one.offset)) found.push(one);
  }
  return found;
}

/** The letter as it lies in its topic, with what was rejected; the schema of that is loaded. */
async function whole({ kafka, codec }: Servers, { stage, partition, offset, place }: Found): Promise<DeadLetter> {
  let letter: DeadLetter | undefined;
  await kafka.read(`${stage}.dlq`, partition, offset, offset + 1, async ([record]) => {
    if (record?.value != null) letter = codec.decode(record.value).value as DeadLetter;
  });
  if (letter === undefined) throw new TributaryError('USAGE', `${place} is not kept any more`, { field: 'place' });
  await codec.prepare([letter.original]);
  return letter;
}

const short = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

async function list(_options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Chosen>();
  const found = await withServers(options, (servers) => read(servers, options, options.all === true));
  if (options.json) {
    for (const { place, letter } of found) say(json({ place, ...letter }));
    return;
  }
  if (found.length === 0) return say('no dead letters');
  say(
    table([
      ['PLACE', 'SINCE', 'CODE', 'RECORD', 'FIELD', 'VALUE', 'WORDS'],
      ...found.map(({ place, letter }) => [
        place,
        new Date(letter.at).toISOString(),
        letter.code,
        letter.ref === '' ? placeOf(letter) : letter.ref,
        letter.field,
        short(oneLine(letter.value), 30),
        short(oneLine(letter.message), 100),
      ]),
    ]),
  );
}

async function one(servers: Servers, place: string): Promise<Found> {
  const found = (await read(servers, {}, true)).find((each) => each.place === place);
  if (found === undefined) throw new TributaryError('USAGE', `there is no dead letter ${place}`, { field: 'place' });
  return found;
}

async function show(place: string, _options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Chosen>();
  await withServers(options, async (servers) => {
    const letter = await whole(servers, await one(servers, place));
    const { original, topic, partition, offset, at, key, headers } = letter;
    const shown = showRecord(
      { topic: topic as TopicName, partition, offset, time: at, key, value: original, headers },
      servers.codec,
    );
    if (options.json) return say(json({ place, ...letter, original: shown }, 2));
    const lines: readonly (readonly [string, string])[] = [
      ['code', letter.code],
      ['says', oneLine(letter.message)],
      ['way out', letter.fix],
      ['record', letter.ref],
      ['field', letter.field],
      ['value', letter.value],
    ];
    say(table(lines.filter(([, text]) => text !== '').map(([name, text]) => [name, text])));
    say(`\nwhat was rejected:\n${shownText(shown)}`);
  });
}

async function redrive(place: string | undefined, _options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Chosen & { by: string }>();
  const chosen = options.all ?? options.stage ?? options.code ?? options.ref;
  if (place === undefined && chosen === undefined)
    throw new TributaryError('USAGE', 'name a dead letter, or choose by --stage, --code, --ref or --all');
  const failed = await withServers(options, async (servers) => {
    const { kafka, codec, signal } = servers;
    const letters = place === undefined ? await read(servers, options, false) : [await one(servers, place)];
    const rows: (readonly string[])[] = [];
    const producer = await kafka.producer(signal);
    let cannots = 0;
    try {
      for (const found of letters) {
        signal.throwIfAborted();
        const { stage, offset, place: where } = found;
        const letter = await whole(servers, found);
        const back = redriveOf(letter, codec);
        if (back.kind === 'cannot') {
          cannots += 1;
          rows.push([where, `not put back: ${oneLine(back.why)}`]);
          continue;
        }
        const records: readonly OutRecord[] =
          back.kind === 'records' ? back.records : [actionRecord(servers, actionOf(back.order, options.by))];
        const done: OutRecord = {
          topic: `${stage}.dlq`,
          key: letter.key,
          value: null,
          headers: { [redriven]: String(offset) },
        };
        // In this order: what is put back twice does no harm, what is struck off and not put back would be lost.
        await producer.send(records);
        await producer.send([done]);
        rows.push([
          where,
          back.kind === 'records' ? `${records.length} records to changes` : `asked again for ${back.order.subject}`,
        ]);
      }
    } finally {
      await producer.close();
    }
    if (options.json)
      say(
        json(
          rows.map(([at, did]) => ({ place: at, did })),
          2,
        ),
      );
    else say(rows.length === 0 ? 'no dead letters' : table([['PLACE', 'DONE'], ...rows]));
    return cannots;
  });
  if (failed > 0) process.exitCode = 1;
}
