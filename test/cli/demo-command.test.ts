import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { demoCommand } from '../../cli/demo/command.ts';
import { withoutSettings } from '../../cli/demo/world.ts';

const demo = (...args: string[]) =>
  demoCommand()
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .parseAsync(['node', 'demo', ...args]);

test('a report that cannot be written is told before anything is started', async () => {
  const file = join(tmpdir(), 'tributary-has-no-such-folder', 'report.json');
  await expect(demo('--report', file)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(`--report ${file} cannot be written: ENOENT`) as string,
  });
});

test.each(['1.5', '0', 'many', ''])('"%s" is no number of people', async (people) => {
  await expect(demo('--people', people)).rejects.toThrow('a whole number of at least 1');
});

test('a process of the demo inherits the shell, and no setting of a deployment', () => {
  const shell = { PATH: '/bin', JAVA_HOME: '/java', NODE_OPTIONS: '' };
  const settings = [
    'TRIBUTARY_PREFIX',
    'TRIBUTARY_FAULTS',
    'KAFKA_BROKERS',
    'KAFKA_BROKERS_FILE',
    'SCHEMA_REGISTRY_URL_FILE',
    'REDIS_URL',
    'REDIS_URL_FILE',
    'HTTP_HOST',
    'HTTP_PORT',
    'SALESFORCE_ORG_ID',
    'SALESFORCE_CLIENT_SECRET_FILE',
    'INTERCOM_WORKSPACE_ID',
    'INTERCOM_TOKEN_FILE',
  ];
  const given = { ...shell, ...Object.fromEntries(settings.map((name) => [name, 'theirs'])) };
  expect(withoutSettings(given)).toEqual(shell);
});
