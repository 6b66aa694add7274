/**
 * `tributary reread`: has people and companies of Intercom read again, as after notifications that were lost. The order is
 * a note in the raw topic, where whoever reads Intercom finds it, now or after its next start.
 */
import { Command, InvalidArgumentError } from 'commander';
import { RawRecords } from '../connectors/intercom/raw-records.ts';
import { TributaryError } from '../core/errors.ts';
import { pinnedInRaw } from '../core/pin.ts';
import { say } from './output.ts';
import { type ServerOptions, withServers } from './servers.ts';
import { withConfig } from './settings.ts';

interface Options extends ServerOptions {
  readonly since?: number;
  readonly contact?: readonly string[];
  readonly company?: readonly string[];
}

export function rereadCommand(): Command {
  return withConfig(new Command('reread'))
    .option('--since <time>', 'everybody who changed since then, such as 2026-11-30T08:00Z', moment)
    .option('--contact <ids...>', 'these contacts, by Intercom’s id')
    .option('--company <ids...>', 'these companies, by Intercom’s id')
    .addHelpText(
      'after',
      `
connect-intercom does it by itself after every time in which it could not receive webhooks, and looks every five minutes for
what changed. By their ids also those are found who are gone, which no list tells. While it reads what changed since a time,
creates wait, as they do in any hole.

Examples:
  tributary reread --since 2026-11-30T08:00Z
  tributary reread --contact 66f1a0b7c2d94e0012ab34cd 66f2bb90c2d94e0012ab9f77`,
    )
    .action(reread);
}

async function reread(_options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const { since, contact = [], company = [] } = options;
  const owed = [
    ...contact.map((id) => ({ what: 'contact' as const, id })),
    ...company.map((id) => ({ what: 'company' as const, id })),
  ];
  if (since === undefined && owed.length === 0)
    throw new TributaryError('USAGE', 'say what is to be read again: --since, --contact or --company');
  await withServers(options, async ({ kafka, codec, signal }) => {
    const workspace = await pinnedInRaw(kafka, 'intercom');
    if (workspace === undefined)
      throw new TributaryError(
        'USAGE',
        'nothing of Intercom was read yet: connect-intercom begins by reading everybody',
      );
    const raw = new RawRecords(codec, workspace);
    const producer = await kafka.producer(signal);
    try {
      await producer.send([
        ...(since === undefined ? [] : [raw.loss({ since, until: Date.now(), isOver: true })]),
        ...(owed.length === 0 ? [] : [raw.owing({ owed, since: 0 })]),
      ]);
    } finally {
      await producer.close();
    }
  });
  say('asked; `tributary topics tail intercom.raw --quiet` shows what is read');
}

function moment(text: string): number {
  const time = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time) && time > 0 && time <= Date.now()) return time;
  throw new InvalidArgumentError('It must be a time that is past, such as 2026-11-30T08:00Z, or a day.');
}
