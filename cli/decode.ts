/** `tributary decode`: one change event of Salesforce, from its Avro schema and its bytes, without any server. */
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { TributaryError } from '../core/errors.ts';
import { presentChangeEvent } from '../processors/decode/salesforce.ts';
import { json, say } from './output.ts';
import { changeEventText } from './present.ts';

export function decodeCommand(): Command {
  return new Command('decode')
    .requiredOption(
      '--schema <file>',
      'Avro schema of the event, as GetSchema or the REST eventSchema resource gives it',
    )
    .requiredOption('--base64 <payload>', 'the bytes of the event in base64; - reads them from stdin')
    .option('--json', 'print one JSON object instead of text')
    .addHelpText(
      'after',
      `
Fields are named as Salesforce spells them, parts of compounds as Name.FirstName.

Example:
  tributary decode --schema ContactChangeEvent.avsc --base64 - --json < event.b64`,
    )
    .action(async (options: { schema: string; base64: string; json?: true }) => {
      const payload = bytes(options.base64 === '-' ? await text(process.stdin) : options.base64);
      const event = presentChangeEvent(schemaText(options.schema), payload);
      say(options.json ? json(event, 2) : changeEventText(event));
    });
}

function bytes(given: string): Buffer {
  const digits = given.replaceAll(/\s/g, '');
  if (digits === '' || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(digits))
    throw new TributaryError('USAGE', 'the payload of --base64 is not base64', { field: '--base64' });
  return Buffer.from(digits, 'base64');
}

function schemaText(file: string): string {
  try {
    const content = readFileSync(file, 'utf8');
    JSON.parse(content);
    return content;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('USAGE', `--schema ${file} cannot be used: ${why}`, { cause, field: '--schema' });
  }
}
