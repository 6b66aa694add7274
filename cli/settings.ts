/** Where a command's configuration comes from. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type Config, loadConfig, requireSettings } from '../core/config.ts';
import { status } from './stack/detached.ts';
import { parts } from './stack/parts.ts';

const usual = 'tributary.yaml';

export const withConfig = (command: Command): Command =>
  command.option(
    '--config <file>',
    `configuration; default: ${usual} in this folder if there is one, else the defaults`,
  );

export function settings(options: { config?: string | undefined }): Config {
  const file = options.config ?? (existsSync(usual) ? usual : undefined);
  return loadConfig({ file, env: process.env });
}

/**
 * The same with the servers that are named nowhere taken from the local stack, when it runs: `tributary stack up` and then
 * `tributary run all` need no export in between. What the environment or the file names always wins.
 */
export async function settingsWithServers(
  options: { config?: string | undefined },
  needed: readonly string[],
): Promise<Config> {
  const given = settings(options);
  const local: Record<string, string> = {};
  const absent = [given.kafka.brokers, given.registry.url, given.redis.url].includes('');
  if (absent) for (const row of await status()) if (row.address !== null) local[parts[row.part].variable] = row.address;
  const or = (value: string, variable: string): string => (value === '' ? (local[variable] ?? '') : value);
  const config = {
    ...given,
    kafka: { brokers: or(given.kafka.brokers, 'KAFKA_BROKERS') },
    registry: { url: or(given.registry.url, 'SCHEMA_REGISTRY_URL') },
    redis: { url: or(given.redis.url, 'REDIS_URL') },
  };
  requireSettings(config, needed);
  return config;
}
