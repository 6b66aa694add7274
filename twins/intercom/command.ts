import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { defaultToken, startIntercomTwin } from './server.ts';

/** `tributary twin intercom`: runs until it is told to stop. */
export function intercomTwinCommand(): Command {
  return new Command('intercom')
    .description('a local double of an Intercom workspace')
    .option('--port <number>', 'port on 127.0.0.1; 0: any free one', whole, 0)
    .option('--seed <number>', 'seed of the ids it gives out', whole, 1)
    .option('--workspace <id>', 'id code of the workspace', 'twin0001')
    .option('--timezone <name>', 'time zone of the workspace; search compares dates by its days', 'Etc/UTC')
    .option('--rate <number>', 'calls per minute and app', whole, 10_000)
    .addHelpText(
      'after',
      `\nThe access token is INTERCOM_TOKEN or the content of INTERCOM_TOKEN_FILE; without them it is "${defaultToken}".`,
    )
    .action(async (options: { port: number; seed: number; workspace: string; timezone: string; rate: number }) => {
      const token = tokenFromEnvironment();
      const twin = await startIntercomTwin({
        port: options.port,
        seed: options.seed,
        workspaceId: options.workspace,
        timezone: options.timezone,
        ratePerMinute: options.rate,
        ...(token !== undefined && { token }),
      });
      process.stdout.write(
        [
          `Intercom twin      ${twin.url}   (INTERCOM_BASE_URL)`,
          `workspace          ${twin.workspaceId}`,
          `token              ${token === undefined ? defaultToken : 'the one given'}   (INTERCOM_TOKEN; person:<name> is a person)`,
          `everything in it   ${twin.url}/__twin/store`,
          `calls              ${twin.url}/__twin/calls`,
          '',
        ].join('\n'),
      );
      await new Promise<void>((resolve) => {
        process.once('SIGINT', () => resolve());
        process.once('SIGTERM', () => resolve());
      });
      await twin.close();
    });
}

function tokenFromEnvironment(): string | undefined {
  const file = process.env['INTERCOM_TOKEN_FILE'];
  return process.env['INTERCOM_TOKEN'] ?? (file === undefined ? undefined : readFileSync(file, 'utf8').trim());
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number, please');
  return value;
}
