import { Command, InvalidArgumentError } from 'commander';
import { startSalesforceTwin } from './server.ts';

const whole = (text: string): number => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError('a whole number, please');
  return number;
};

interface Options {
  readonly host: string;
  readonly restPort: number;
  readonly pubsubPort: number;
  readonly seed: number;
  readonly dailyLimit: number;
  readonly keepaliveSeconds: number;
}

/** Credentials are no options: command lines are for everybody to read. The twin's are `tributary` / `tributary-secret`. */
export function salesforceTwinCommand(): Command {
  return new Command('salesforce')
    .description('a local double of a Salesforce org: REST, OAuth, Pub/Sub with change events, and a control plane')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--rest-port <port>', 'port of REST and of the control plane, 0: any free one', whole, 0)
    .option('--pubsub-port <port>', 'port of the Pub/Sub API (gRPC without TLS), 0: any free one', whole, 0)
    .option('--seed <number>', 'seed of everything random', whole, 1)
    .option('--daily-limit <calls>', 'API calls of the org in 24 hours', whole, 150_000)
    .option('--keepalive-seconds <seconds>', 'silence before an empty response on an open stream', whole, 270)
    .addHelpText('after', '\nExample:\n  tributary twin salesforce --rest-port 8080 --pubsub-port 7443\n')
    .action((options: Options) => runSalesforceTwin(options));
}

/** Runs until it is interrupted, and closes what it opened. */
async function runSalesforceTwin({ keepaliveSeconds, ...options }: Options): Promise<void> {
  const twin = await startSalesforceTwin({ ...options, keepaliveMs: keepaliveSeconds * 1000 });
  process.stdout.write(
    `${[
      `Salesforce twin, org ${twin.orgId}`,
      `  SALESFORCE_LOGIN_URL=${twin.restUrl}`,
      `  SALESFORCE_PUBSUB_ENDPOINT=${twin.pubsubAddress}`,
      `  control plane: ${twin.restUrl}/__twin/stats`,
    ].join('\n')}\n`,
  );
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await twin.close();
}
