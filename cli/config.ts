/** `tributary config`: what is configured, whether it holds, what may be said. */
import { Command } from 'commander';
import { stringify } from 'yaml';
import { decisionConfig, jsonSchema, shownConfig } from '../core/config.ts';
import { json, say } from './output.ts';
import { settings, withConfig } from './settings.ts';

export function configCommand(): Command {
  const config = new Command('config');
  withConfig(config.command('check'))
    .description('check tributary.yaml and the environment; every wrong field is named')
    .addHelpText('after', '\nExample:\n  tributary config check --config staging.yaml')
    .action((options: { config?: string }) => {
      const { hash } = decisionConfig(settings(options));
      say(`valid; the part that decides (entities, flows, capture) has the hash ${hash}`);
    });
  withConfig(config.command('show'))
    .description('print the configuration as it counts, defaults and environment included; secrets are hidden')
    .action((options: { config?: string }) => say(stringify(shownConfig(settings(options))).trimEnd()));
  config
    .command('schema')
    .description('print the JSON Schema of tributary.yaml')
    .action(() => say(json(jsonSchema(), 2)));
  return config;
}
