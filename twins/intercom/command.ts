import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { defaultClientSecret, defaultToken, startIntercomTwin } from './server.ts';

interface Options {
  readonly host: string;
  readonly port: number;
  readonly seed: number;
  readonly workspace: string;
  readonly timezone: string;
  readonly rate: number;
}

/** `tributary twin intercom`: runs until it is told to stop. */
export function intercomTwinCommand(): Command {
  return new Command('intercom')
    .description('a local double of an Intercom workspace')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port, 0: any free one', whole, 0)
    .option('--seed <number>', 'seed of the ids it gives out', whole, 1)
    .option('--workspace <id>', 'id code of the workspace', 'twin0001')
    .option('--timezone <name>', 'time zone of the workspace; search compares dates by its days', 'Etc/UTC')
    .option('--rate <number>', 'calls per minute and app', whole, 10_000)
    .addHelpText(
      'after',
      `\nThe access token is INTERCOM_TOKEN or the content of INTERCOM_TOKEN_FILE; without them it is "${defaultToken}".
Webhooks are signed with INTERCOM_CLIENT_SECRET or the content of INTERCOM_CLIENT_SECRET_FILE; without them with "${defaultClientSecret}".`,
    )
    .action(async (options: Options) => {
      const token = secretFromEnvironment('INTERCOM_TOKEN');
      const clientSecret = secretFromEnvironment('INTERCOM_CLIENT_SECRET');
      const twin = await startIntercomTwin({
        host: options.host,
        port: options.port,
        seed: options.seed,
        workspaceId: options.workspace,
        timezone: options.timezone,
        ratePerMinute: options.rate,
        ...(token !== undefined && { token }),
        ...(clientSecret !== undefined && { clientSecret }),
      });
      // Before anything is printed: whoever has read the address may stop us at once.
      const stopped = new Promise<void>((resolve) => {
        process.once('SIGINT', () => resolve());
        process.once('SIGTERM', () => resolve());
      });
      process.stdout.write(
        `${[
          `# Intercom twin, workspace ${twin.workspaceId}; everything in it: ${twin.url}/__twin/store, calls: ${twin.url}/__twin/calls`,
          '# a token that begins with "person" is somebody at work there',
          `# for webhooks POST {"url": "http://127.0.0.1:…"} to ${twin.url}/__twin/webhooks`,
          `export INTERCOM_BASE_URL=${twin.url}`,
          token === undefined ? `export INTERCOM_TOKEN=${defaultToken}` : '# the token is the one given',
          clientSecret === undefined
            ? `export INTERCOM_CLIENT_SECRET=${defaultClientSecret}`
            : '# the client secret is the one given',
        ].join('\n')}\n`,
      );
      await stopped;
      await twin.close();
    });
}

function secretFromEnvironment(name: string): string | undefined {
  const file = process.env[`${name}_FILE`];
  return process.env[name] ?? (file === undefined ? undefined : readFileSync(file, 'utf8').trim());
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number, please');
  return value;
}
