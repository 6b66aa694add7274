/** `tributary link`: what linking two populated platforms would do, and how far it is. */
import { Command, InvalidArgumentError } from 'commander';
import { TributaryError } from '../../core/errors.ts';
import { withConfig } from '../settings.ts';
import { type DryRunOptions, dryRun } from './dry-run.ts';
import { watch } from './watch.ts';

/** As a shell has it for what Ctrl-C ended: what follows by && does not go on. */
const interrupted = 130;

export function linkCommand(): Command {
  return withConfig(new Command('link'))
    .option('--dry-run', 'read both platforms and tell what a link would do; nothing is written')
    .option('--details', 'with --dry-run: every pair, candidate and value, with the reason')
    .option('--limit <count>', 'with --dry-run: read at most so many records of each object, to try it out', whole)
    .option('--output <file>', 'with --dry-run: write the whole report to a file, as JSON')
    .option('--json', 'print JSON: of --dry-run the report, else an object for each look')
    .addHelpText('after', help)
    .action(run);
}

const help = `
Linking two platforms that both have people is what the roles do by themselves: at their first start they read both, and
who has the same email, or names the other's record, is one person. So before you start them, look:

  tributary link --dry-run --details      who is one person, who stands alone, each value that would change, and why
  tributary link --dry-run --output plan.json

It decides as the pipeline does, twice: with Salesforce's records told of first, and with Intercom's. What comes out
differently is listed apart. It makes the calls that reading takes and no others, within the deployment's own budget, which
is counted in Redis: it needs Redis and both platforms, no Kafka and no registry. Everybody is held in memory, some 40 kB for each.

What it finds ambiguous (two contacts of one email and one in Intercom) is left alone until \`tributary identity pin\` says
who it is, or one of them gets another email. Merge such people first, where you can.

Then start the roles, and watch:

  tributary run all
  tributary link                          how far it is, every two seconds, until both are read and nothing waits

Both platforms are read at the pace of the budgets, creates wait until both were heard, and people may go on working on both
meanwhile. Roles that are stopped go on from where they were; so may whoever watches.

Exit status: 0 done (looked at, or linked), 130 interrupted, 69 Redis is away, 78 configuration or credentials.`;

interface LinkOptions extends DryRunOptions {
  readonly dryRun?: true;
}

async function run(_options: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<LinkOptions>();
  if (options.dryRun === true) return await lookOnly(options);
  const alone = (['details', 'limit', 'output'] as const).find((name) => options[name] !== undefined);
  if (alone !== undefined)
    throw new TributaryError('USAGE', `--${alone} is of --dry-run; without that, the link is watched`, {
      field: alone,
    });
  if (!(await watch(options))) interrupt('interrupted; the link goes on, and can be watched again at any time');
}

async function lookOnly(options: LinkOptions): Promise<void> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    await dryRun(options, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    interrupt('interrupted; nothing was written');
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

function interrupt(text: string): void {
  process.stderr.write(`${text}\n`);
  process.exitCode = interrupted;
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, 1 or more.');
  return Number(text);
}
