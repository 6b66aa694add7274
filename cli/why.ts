/** `tributary why`: for any field, which change set it, which rule won, which value lost, which write carried it. */
import { Command } from 'commander';
import { TributaryError } from '../core/errors.ts';
import type { Carried, Explanation } from '../processors/unify/explain.ts';
import { type Why, why } from '../processors/unify/why.ts';
import type { Claim, Value } from '../schemas/types.ts';
import { json, say } from './output.ts';
import { settings, withConfig } from './settings.ts';
import { askState } from './state.ts';

interface Options {
  readonly config?: string;
  readonly debug?: true;
  readonly json?: true;
}

export function whyCommand(): Command {
  return withConfig(new Command('why'))
    .description('say of each field of a person or company what set it, what lost, and what carried it where')
    .argument('<subject>', 'an email, a record such as salesforce:Contact:003…, or a customer or account id')
    .argument('[field]', 'canonical name of one field; default: all of them')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Five lines a field: the value, what set it, what lost, and each platform's record with the write that carried it there.
It reads the mirror of unify's state in Redis and writes nothing. The decisions before stand in the topic journal.

Examples:
  tributary why mary@example.com
  tributary why salesforce:Contact:003000000000001AAA phone`,
    )
    .action(run);
}

async function run(subject: string, field: string | undefined, _options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const rules = settings(options);
  const found = await askState(options, (state) => why((key) => state.get(key), rules, subject, field ?? ''));
  if (found.length === 0) throw new TributaryError('USAGE', `nothing is known of ${subject}`, { field: 'subject' });
  const names = found.flatMap(({ entity }) => Object.keys(entity.fields)).sort();
  if (field !== undefined && !names.includes(field)) {
    const known = [...new Set(names)].join(', ');
    throw new TributaryError('USAGE', `${subject} has no field ${field}; it has ${known}`, { field: 'field' });
  }
  say(options.json ? json(found, 2) : found.map((one) => whyText(one)).join('\n\n'));
}

export function whyText({ entity, refs, fields }: Why): string {
  const records = refs.map((ref) => `${ref.ref}${ref.deleted ? ' (deleted)' : ''}`).join(', ');
  const head = `${entity.entity} ${entity.id}: ${records === '' ? 'no records' : records}`;
  const ambiguous = entity.ambiguous.length === 0 ? [] : [`ambiguous with ${entity.ambiguous.join(', ')}`];
  const creates = entity.creates.map(
    ({ platform, state, why: reason }) =>
      `not on ${platform}: ${state === 'none' || state === 'refused' ? `${state}, ${oneLine(reason)}` : state}`,
  );
  return [head, ...ambiguous, ...creates, ...fields.map(fieldText)].join('\n');
}

function fieldText({ field, value, set, lost, carried }: Explanation): string {
  const lines = [
    `${field} = ${text(value)}, version ${set.version}`,
    `  set by  ${claim(set)}, changes/${set.offset}`,
    `  lost    ${lost === null ? 'nothing' : `${text(lost.value)} of ${claim(lost)}`}`,
    ...carried.map((one) => `  ${one.ref.slice(0, one.ref.indexOf(':'))}  ${carriedText(one)}`),
  ];
  return lines.join('\n');
}

function carriedText({ ref, field, seen, wanted, state, ask, outcome }: Carried): string {
  const differs = state === 'equal' ? '' : `, wanted ${wanted === undefined ? 'cannot be said yet' : text(wanted)}`;
  const by = ask === '' ? '' : `; ${ask}${outcome === '' ? '' : ` ${oneLine(outcome)}`}`;
  return `${state}: ${ref} ${field} ${text(seen)}${differs}${by}`;
}

const claim = ({ source, by, time, reason }: Claim): string => {
  const who = by === '' ? '' : ` (${by})`;
  return `${source}${who} at ${new Date(time).toISOString()}: ${reason}`;
};

/** A platform's own words may have lines in them. */
const oneLine = (words: string): string => words.replace(/\s+/g, ' ').trim();

const text = (value: Value): string => JSON.stringify(value);
