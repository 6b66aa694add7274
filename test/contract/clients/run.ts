/**
 * Clients that are not ours, in another language, against the Salesforce twin: simple-salesforce for REST; for Pub/Sub
 * Salesforce's published proto with grpcio and fastavro. Run by hand, for it needs Python 3.9 and the package registries:
 *
 *   node_modules/.bin/node test/contract/clients/run.ts
 *
 * It installs into .tributary/clients, prints what each client saw, and ends with status 0 if all of it was as it should be.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startSalesforceTwin } from '../../../twins/salesforce/server.ts';
import { root } from '../../support/sources.ts';

const here = import.meta.dirname;
const place = join(root, '.tributary', 'clients');
const python = join(place, 'bin', 'python');
/** Brings Salesforce's pubsub_api.proto (CC0) as it is published. */
const published = 'salesforce-pubsub-api-client@5.5.2';

async function run(file: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<void> {
  const child = spawn(file, args, { cwd: place, stdio: 'inherit', env: { ...process.env, ...more } });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with status ${status}`);
}

/** Each with an org of its own. */
async function meet(client: string): Promise<void> {
  const twin = await startSalesforceTwin();
  process.stdout.write(`\n${client}\n`);
  try {
    await run(python, [join(here, client)], {
      SALESFORCE_LOGIN_URL: twin.restUrl,
      SALESFORCE_PUBSUB_ENDPOINT: twin.pubsubAddress,
      SALESFORCE_CLIENT_ID: 'tributary',
      SALESFORCE_CLIENT_SECRET: 'tributary-secret',
      STUBS: place,
    });
  } finally {
    await twin.close();
  }
}

mkdirSync(place, { recursive: true });
if (!existsSync(python)) await run('python3', ['-m', 'venv', place]);
await run(python, ['-m', 'pip', 'install', '--quiet', '--requirement', join(here, 'requirements.txt')]);
await run('npm', ['pack', '--silent', published]);
await run('tar', ['xzf', `${published.replace('@', '-')}.tgz`, 'package/pubsub_api.proto']);
const stubs = ['--python_out=.', '--grpc_python_out=.', 'pubsub_api.proto'];
await run(python, ['-m', 'grpc_tools.protoc', '--proto_path=package', ...stubs]);
await meet('rest.py');
await meet('pubsub.py');
