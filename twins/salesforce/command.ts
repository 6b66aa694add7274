import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { defaultClient, startSalesforceTwin } from './server.ts';

interface Options {
  readonly host: string;
  readonly restPort: number;
  readonly pubsubPort: number;
  readonly seed: number;
  readonly dailyLimit: number;
  readonly keepaliveSeconds: number;
}

/** `tributary twin salesforce`: runs until it is told to stop. */
export function salesforceTwinCommand(): Command {
  return new Command('salesforce')
    .description('a local double of a Salesforce org: OAuth, REST, change events over Pub/Sub')
    .option('--host <address>', 'address to listen on; another one only inside a container', '127.0.0.1')
    .option('--rest-port <number>', 'port of REST; 0: any free one', whole, 0)
    .option('--pubsub-port <number>', 'port of the Pub/Sub API (gRPC without TLS); 0: any free one', whole, 0)
    .option('--seed <number>', 'seed of the ids it gives out', whole, 1)
    .option('--daily-limit <number>', 'API calls of the org in 24 hours', whole, 150_000)
    .option('--keepalive-seconds <number>', 'silence on a stream before an empty response', whole, 270)
    .addHelpText(
      'after',
      `\nThe connected app is SALESFORCE_CLIENT_ID with the secret in SALESFORCE_CLIENT_SECRET or in the file that\nSALESFORCE_CLIENT_SECRET_FILE names; without them it is "${defaultClient.clientId}" / "${defaultClient.clientSecret}".`,
    )
    .action(async ({ keepaliveSeconds, ...options }: Options) => {
      const clientId = process.env['SALESFORCE_CLIENT_ID'] ?? defaultClient.clientId;
      const clientSecret = secretFromEnvironment();
      const twin = await startSalesforceTwin({
        ...options,
        keepaliveMs: keepaliveSeconds * 1000,
        clientId,
        ...(clientSecret !== undefined && { clientSecret }),
      });
      // Before anything is printed: whoever has read the address may stop us at once.
      const stopped = new Promise<void>((resolve) => {
        process.once('SIGINT', () => resolve());
        process.once('SIGTERM', () => resolve());
      });
      process.stdout.write(
        [
          `# Salesforce twin, org ${twin.orgId}; everything in it: ${twin.restUrl}/__twin/store, calls: ${twin.restUrl}/__twin/calls`,
          '# somebody at work there logs in as person / person-secret',
          `export SALESFORCE_LOGIN_URL=${twin.restUrl}`,
          `export SALESFORCE_PUBSUB_ENDPOINT=${twin.pubsubAddress} SALESFORCE_PUBSUB_INSECURE=true`,
          `export SALESFORCE_CLIENT_ID=${clientId}`,
          clientSecret === undefined
            ? `export SALESFORCE_CLIENT_SECRET=${defaultClient.clientSecret}`
            : '# the client secret is the one given',
          '',
        ].join('\n'),
      );
      await stopped;
      await twin.close();
    });
}

function secretFromEnvironment(): string | undefined {
  const file = process.env['SALESFORCE_CLIENT_SECRET_FILE'];
  return (
    process.env['SALESFORCE_CLIENT_SECRET'] ?? (file === undefined ? undefined : readFileSync(file, 'utf8').trim())
  );
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number, please');
  return value;
}
