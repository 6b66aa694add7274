/** What twins/README.md tells a stranger to type is typed here, as it stands, and prints what it says. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startIntercomTwin } from '../../twins/intercom/server.ts';
import { startSalesforceTwin } from '../../twins/salesforce/server.ts';
import { root } from '../support/sources.ts';

/** Its lines for a shell: what is typed, and what the output must have in it. */
const lines = [...readFileSync(join(root, 'twins/README.md'), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```/gm)]
  .flatMap(([, block = '']) => block.trim().split('\n'))
  .map((line) => {
    const [typed = '', prints = ''] = line.split(/ {3}# → /);
    return { typed, prints };
  });

/** Some lines set variables for those after them: all of it is one shell. Outputs stand between lines of one separator. */
const separator = '-- end of output --';
const script = lines.map(({ typed }) => `${typed}\necho; echo '${separator}'`).join('\n');

test('the README of the twins holds to the letter', async () => {
  const salesforce = await startSalesforceTwin();
  const intercom = await startIntercomTwin();
  const posts: (string | undefined)[] = [];
  const receiver = createServer((request, response) => {
    posts.push(request.method);
    request.resume().on('end', () => response.end());
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  try {
    const env = {
      ...process.env,
      SALESFORCE_LOGIN_URL: salesforce.restUrl,
      SALESFORCE_CLIENT_ID: 'tributary',
      SALESFORCE_CLIENT_SECRET: 'tributary-secret',
      INTERCOM_BASE_URL: intercom.url,
      INTERCOM_TOKEN: intercom.token,
      RECEIVER: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
    };
    const { stdout } = await promisify(execFile)('bash', ['-eu', '-c', script], { env, timeout: 30_000 });
    const outputs = stdout.split(`${separator}\n`).slice(0, -1);
    expect(lines.length).toBeGreaterThan(15);
    expect(outputs).toHaveLength(lines.length);
    const other = lines.filter(({ prints }, index) => outputs[index]?.includes(prints) !== true);
    expect(other).toEqual([]);
    expect(posts).toEqual(['HEAD', 'POST']);
  } finally {
    await salesforce.close();
    await intercom.close();
    receiver.close();
  }
}, 60_000);
