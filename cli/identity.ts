/** `tributary identity`: whose records these are, and what an operator says about it. */
import { Command } from 'commander';
import { TributaryError } from '../core/errors.ts';
import { isRef } from '../processors/unify/keys.ts';
import { type Why, why } from '../processors/unify/why.ts';
import { type ActOptions, act, withActor } from './act.ts';
import { json, say, table } from './output.ts';
import { settings, withConfig } from './settings.ts';
import { askState, type StateOptions } from './state.ts';

export function identityCommand(): Command {
  const command = new Command('identity');
  withConfig(command.command('show'))
    .description('show which records of both platforms are one person or company, and what waits for a decision')
    .argument('<subject>', 'an email, a record such as salesforce:Contact:003…, or a customer or account id')
    .option('--json', 'print JSON')
    .action(show);
  withActor(withConfig(command.command('pin')))
    .description('put a record with a person or company, whatever the rules say, and keep it there')
    .argument('<record>', 'salesforce:Contact:003… or intercom:contact:66f…', record)
    .argument('<whose>', 'whose it is: a customer or account id, another record of theirs, or their email')
    .addHelpText(
      'after',
      '\nExample:\n  tributary identity pin intercom:contact:66f100000000000000000001 mary@example.com',
    )
    .action((subject: string, argument: string, _: unknown, own: Command) =>
      act({ verb: 'pin', subject, argument }, own.optsWithGlobals<ActOptions>()),
    );
  withActor(withConfig(command.command('unlink')))
    .description('take a record away from a person or company: it becomes one of its own')
    .argument('<record>', 'salesforce:Contact:003… or intercom:contact:66f…', record)
    .action((subject: string, _: unknown, own: Command) =>
      act({ verb: 'unlink', subject, argument: '' }, own.optsWithGlobals<ActOptions>()),
    );
  return command;
}

export function unfreezeCommand(): Command {
  return withActor(withConfig(new Command('unfreeze')))
    .argument('<subject>', 'an email, a record, or a customer or account id')
    .argument('[field]', 'canonical name of one field; default: all that are frozen')
    .addHelpText(
      'after',
      `
A field is frozen when two writers answered each other too often (freeze in tributary.yaml); the journal names both. Find
and stop one of them first, or it is frozen again.

Example:
  tributary unfreeze mary@example.com phone`,
    )
    .action((subject: string, field: string | undefined, _: unknown, own: Command) =>
      act({ verb: 'unfreeze', subject, argument: field ?? '' }, own.optsWithGlobals<ActOptions>()),
    );
}

function record(text: string): string {
  if (isRef(text)) return text;
  throw new TributaryError('USAGE', `${text} is no record; one is spelled platform:object:id`, { field: 'record' });
}

async function show(subject: string, _options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<StateOptions & { json?: true }>();
  const rules = settings(options);
  const found = await askState(options, (state) => why((key) => state.get(key), rules, subject));
  if (found.length === 0) throw new TributaryError('USAGE', `nothing is known of ${subject}`, { field: 'subject' });
  if (options.json) return say(json(found.map(identityOf), 2));
  say(found.map((one) => identityText(one)).join('\n\n'));
}

/** What identity knows, without the fields' values. */
const identityOf = ({ entity, refs }: Why) => ({
  id: entity.id,
  entity: entity.entity,
  ambiguous: entity.ambiguous,
  creates: entity.creates.map(({ platform, state, why: reason }) => ({ platform, state, why: reason })),
  records: refs.map(({ ref, into, deleted, bound, held }) => ({ ref, into, deleted, bound, held })),
});

export function identityText(found: Why): string {
  const { id, entity, ambiguous, creates, records } = identityOf(found);
  const bounds = { rule: '', pin: 'pinned', apart: 'taken apart by an operator' } as const;
  const state = ({ into, deleted, bound, held }: (typeof records)[number]): string =>
    [into === null ? (deleted ? 'deleted' : '') : `lives on as ${into}`, bounds[bound], held && `held: ${held}`]
      .filter((part) => part !== '')
      .join(', ');
  return [
    `${entity} ${id}`,
    ...(records.length === 0 ? ['no records'] : [table(records.map((one) => [`  ${one.ref}`, state(one)]))]),
    ...creates.map(
      ({ platform, state: at, why: reason }) => `  not on ${platform}: ${at}${reason === '' ? '' : `, ${reason}`}`,
    ),
    ...(ambiguous.length === 0
      ? []
      : [
          '  nothing is written to it, for it may be one of these; `tributary identity pin` decides:',
          ...ambiguous.map((one) => `    ${one}`),
        ]),
  ].join('\n');
}
