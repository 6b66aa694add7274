/** `tributary stack`: the local Kafka, registry and Redis, for people. */
import { Command } from 'commander';
import { json, say, table } from '../output.ts';
import { down, type PartStatus, reset, stackFolder, status, up } from './detached.ts';
import { parts } from './parts.ts';

const lines = (rows: readonly PartStatus[]): string =>
  table([
    ['PART', 'STATE', 'ADDRESS', 'PID', 'LOG'],
    ...rows.map((row) => [row.part, row.state, row.address ?? '-', String(row.pid ?? '-'), row.log ?? '-']),
  ]);

/** The lines that point everything else at these servers, ready to be pasted. */
function exports(rows: readonly PartStatus[]): string {
  return rows.map((row) => `export ${parts[row.part].variable}=${row.address ?? ''}`).join('\n');
}

async function upCommand(): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    await up(say, interrupted.signal);
    say(exports(await status()));
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    say('interrupted; what was started has been stopped');
    process.exitCode = 130;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

export function stackCommand(): Command {
  const stack = new Command('stack')
    .description('the local Kafka, schema registry and Redis: real servers from published jars, without Docker')
    .addHelpText(
      'after',
      `
Needs a JDK 21 or newer and Maven. Everything is kept in ${stackFolder}.
A server named by KAFKA_BROKERS, SCHEMA_REGISTRY_URL or REDIS_URL is used instead of a local one.`,
    );
  stack
    .command('up')
    .description('start what is not running, wait until it answers, print the addresses; they keep running')
    .action(upCommand);
  stack
    .command('down')
    .description('stop the servers; their data stays')
    .action(async () => {
      const stopped = await down();
      say(stopped.length === 0 ? 'nothing was running' : `stopped ${stopped.join(', ')}`);
    });
  stack
    .command('status')
    .description('show what runs where; exit status 1 when something is missing')
    .option('--json', 'print JSON instead of a table')
    .action(async (options: { json?: true }) => {
      const rows = await status();
      say(options.json ? json(rows, 2) : lines(rows));
      if (rows.some(({ state }) => state !== 'up' && state !== 'given')) process.exitCode = 1;
    });
  stack
    .command('reset')
    .description('stop the servers and delete their data')
    .action(async () => {
      await reset();
      say(`removed ${stackFolder}`);
    });
  return stack;
}
