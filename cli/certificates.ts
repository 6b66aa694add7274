/** `tributary certificates`: what was missed and read again, with what stays unknown, as the journal has it. */
import { Command } from 'commander';
import type { Certificate, JournalEntry } from '../schemas/types.ts';
import { json, say, table } from './output.ts';
import { type ServerOptions, type Servers, withServers } from './servers.ts';
import { withConfig } from './settings.ts';

export function certificatesCommand(): Command {
  return withConfig(new Command('certificates'))
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      `
A hole is a time in which changes may have been missed: the stream's place was lost, an event said that something changed and
not what, nobody received notifications. What was missed is read again; when it is, the connector certifies it: from when to
when, how it was read (modified: rows changed since then; all: every row; named: single records), how many records were read,
how many of them had changed or gone in that time, and what no reading can tell. A hole without a certificate is still open:
\`tributary status\`.

Certificates stand in the topic journal and are kept as long as it keeps its records.

Example:
  tributary certificates --json | tail -1`,
    )
    .action(list);
}

/** A certificate and where it was told. */
export interface Told {
  readonly at: number;
  readonly platform: string;
  readonly certificate: Certificate;
}

async function list(_options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<ServerOptions & { json?: true }>();
  const found = await withServers(options, certificatesIn);
  if (options.json) for (const { at, platform, certificate } of found) say(json({ at, platform, ...certificate }));
  else say(certificatesText(found));
}

async function certificatesIn({ kafka, codec }: Servers): Promise<readonly Told[]> {
  const found: Told[] = [];
  for (const { partition, earliest, latest } of await kafka.offsets('journal')) {
    await kafka.read('journal', partition, earliest, latest, async (records) => {
      await codec.prepare(records.map(({ value }) => value));
      for (const { value } of records) {
        if (value === null) continue;
        const { at, id, certificate } = codec.decode(value).value as JournalEntry;
        if (certificate) found.push({ at, platform: id, certificate });
      }
    });
  }
  return found;
}

export function certificatesText(found: readonly Told[]): string {
  if (found.length === 0) return 'no certificates: nothing was missed, or what was is still being read';
  const time = (at: number): string => (at === 0 ? 'the beginning' : new Date(at).toISOString());
  const rows = found.map(({ at, platform, certificate: { hole, since, until, method, ...counts } }) => [
    new Date(at).toISOString(),
    platform,
    hole,
    time(since),
    time(until),
    method,
    ...[counts.read, counts.changed, counts.deleted].map(String),
  ]);
  const unknown = [...new Set(found.flatMap(({ certificate }) => certificate.unknown))].sort();
  return [
    table([['CERTIFIED', 'PLATFORM', 'HOLE', 'FROM', 'TO', 'METHOD', 'READ', 'CHANGED', 'DELETED'], ...rows]),
    `what stays unknown:\n${unknown.map((one) => `  - ${one}`).join('\n')}`,
  ].join('\n\n');
}
