#!/usr/bin/env node
/**
 * The command line. Every command is a factory in a file of its own and one line here. Only the file of the command that is
 * asked for is loaded: the clients of both platforms take two seconds and a hundred MiB that a twin or a decode has no use for.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { describeError, exitCodeOf, TributaryError } from '../core/errors.ts';
import { checkRuntime } from '../core/service.ts';

const helpWidth = 110;

interface Entry {
  readonly name: string;
  readonly description: string;
  readonly load: () => Promise<Command>;
}
const entries: readonly Entry[] = [
  {
    name: 'demo',
    description: 'run the main job on real servers and doubles of both platforms, and judge it',
    load: async () => (await import('./demo/command.ts')).demoCommand(),
  },
  {
    name: 'run',
    description: 'run one role of the pipeline, or all of them in one process',
    load: async () => (await import('./run.ts')).runCommand(),
  },
  {
    name: 'topics',
    description: 'the topics: list what there should be, make it so, read them',
    load: async () => (await import('./topics.ts')).topicsCommand(),
  },
  {
    name: 'decode',
    description: 'decode one Salesforce change event: header, changed, nulled and diff fields by name, values',
    load: async () => (await import('./decode.ts')).decodeCommand(),
  },
  {
    name: 'why',
    description: 'why a field has its value: what set it, what lost, what carried it where',
    load: async () => (await import('./why.ts')).whyCommand(),
  },
  {
    name: 'status',
    description:
      'how the pipeline is: what lags, waits, is open, held back by a limit, missing or frozen, per platform',
    load: async () => (await import('./status.ts')).statusCommand(),
  },
  {
    name: 'link',
    description: 'what linking two populated platforms would do, before anything is written',
    load: async () => (await import('./link/command.ts')).linkCommand(),
  },
  {
    name: 'identity',
    description: 'whose records these are: show it, pin a record to somebody, take one away from them',
    load: async () => (await import('./identity.ts')).identityCommand(),
  },
  {
    name: 'unfreeze',
    description: 'write a field again that two writers fought over',
    load: async () => (await import('./identity.ts')).unfreezeCommand(),
  },
  {
    name: 'dlq',
    description: 'the dead letters: what was rejected and why, and how to put it back',
    load: async () => (await import('./dlq.ts')).dlqCommand(),
  },
  {
    name: 'reread',
    description: 'read people and companies of Intercom again: what changed since a time, or some by their ids',
    load: async () => (await import('./reread.ts')).rereadCommand(),
  },
  {
    name: 'certificates',
    description: 'what was missed and read again: when, how, how much, and what stays unknown',
    load: async () => (await import('./certificates.ts')).certificatesCommand(),
  },
  {
    name: 'config',
    description: 'the configuration: check it, show it, print its JSON Schema',
    load: async () => (await import('./config.ts')).configCommand(),
  },
  {
    name: 'stack',
    description: 'the local Kafka, schema registry and Redis: real servers from published jars, without Docker',
    load: async () => (await import('./stack/command.ts')).stackCommand(),
  },
  {
    name: 'twin',
    description: 'a local double of a platform that speaks its own protocol',
    load: async () =>
      new Command('twin')
        .addCommand((await import('../twins/salesforce/command.ts')).salesforceTwinCommand())
        .addCommand((await import('../twins/intercom/command.ts')).intercomTwinCommand()),
  },
  {
    name: 'version',
    description: 'print the version and the runtime',
    load: async () =>
      new Command('version').action(() => {
        process.stdout.write(`tributary ${version()}, Node.js ${process.version}\n`);
      }),
  },
];

/** `tributary` with the command that `argv` names; the others are there by name and description. */
export async function program(argv: readonly string[]): Promise<Command> {
  const root = new Command('tributary')
    .description('keeps customers in step between Salesforce and Intercom')
    .version(version(), '-V, --version', 'print the version')
    .option('--debug', 'show stack traces and debug lines')
    .addHelpText(
      'after',
      `
First steps, on this machine alone:
  tributary stack up                  Kafka, registry and Redis
  tributary twin salesforce           a local Salesforce; prints what to export
  tributary twin intercom             a local Intercom; prints what to export
  tributary run all                   the pipeline
  tributary topics tail customer.events

Exit status: 0 done, 1 not all is well (demo, dlq redrive, stack status), 64 usage, 69 a server is away,
70 a defect, 78 configuration or credentials.`,
    );
  const words = argv.slice(2).filter((word) => !word.startsWith('-'));
  const asked = words[0] === 'help' ? words[1] : words[0];
  for (const { name, description, load } of entries) {
    const command = name === asked ? await load() : new Command(name);
    root.addCommand(command.description(description));
  }
  settle(root);
  return root;
}

/** Commander would print and exit by itself; errors have one place, and help one width wherever it is read. */
function settle(command: Command): void {
  command
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      outputError: () => undefined,
      getOutHelpWidth: () => helpWidth,
      getErrHelpWidth: () => helpWidth,
    });
  for (const inner of command.commands) settle(inner);
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return text;
}

/** Settles with the exit status; every error becomes one line on stderr: what, why, and the way out. */
export async function main(argv: readonly string[]): Promise<number> {
  const debug = argv.includes('--debug');
  try {
    checkRuntime(process.version);
    const root = await program(argv);
    await root.parseAsync(argv);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // `tributary` or `tributary topics` alone: commander has printed the help.
    if (error instanceof CommanderError && error.code === 'commander.help') return exitCodeOf(usage(error));
    const ours = error instanceof CommanderError ? usage(error) : error;
    process.stderr.write(`${describeError(ours)}\n`);
    if (debug && ours instanceof Error) process.stderr.write(`${stackOf(ours)}\n`);
    return exitCodeOf(ours);
  }
}

const usage = (error: CommanderError): TributaryError =>
  new TributaryError('USAGE', error.message.replace(/^error: /, '').replaceAll('\n', ' '), { cause: error });

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

if (import.meta.main) {
  // `tributary topics tail … | head` ends by a closed pipe, which is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.exitCode = await main(process.argv);
}
