/** `npm run bench`: what it costs, measured on real servers, against what it may cost. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { type Addresses, addressesFrom } from '../cli/stack/parts.ts';
import { startStack } from '../cli/stack/stack.ts';
import { describeError, exitCodeOf, TributaryError } from '../core/errors.ts';
import { asJson, type Measured, measured, misses, printFigures } from './report.ts';
import type { Bench } from './section.ts';
import { sections } from './sections.ts';

interface Options {
  readonly json?: string;
  readonly only?: readonly string[];
  readonly runs: number;
  readonly customers: number;
  readonly quick?: true;
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a whole number of at least 1.');
}

function sectionNames(text: string): string[] {
  const names = text.split(',');
  const unknown = names.filter((name) => !sections.some((section) => section.name === name));
  if (unknown.length === 0) return names;
  throw new InvalidArgumentError(`There is no section ${unknown.join(', ')}; see --help.`);
}

/** Told before the run: minutes of work must not end at a folder that is not there. */
function writableFile(file: string): string {
  try {
    closeSync(openSync(file, 'a'));
    return file;
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function command(): Command {
  const told = sections.map(
    ({ name, about, figures }) => `  ${name}: ${about}\n    ${Object.keys(figures).join(', ')}`,
  );
  return new Command('npm run bench --')
    .exitOverride()
    .description('measure the pipeline on real servers, and hold the figures to their bounds')
    .option('--only <sections>', 'these sections by commas, instead of all', sectionNames)
    .option('--runs <count>', 'how often each comparison is made, as A B B A; figures are medians', whole, 2)
    .option('--customers <count>', 'customers of the large deployments', whole, 1_000_000)
    .option('--quick', 'tiny sizes, to see that everything works; the figures mean nothing')
    .option('--json <file>', 'write the figures as JSON, too', writableFile)
    .addHelpText(
      'after',
      `
Sections and their figures:
${told.join('\n')}

It starts Kafka, a schema registry and Redis (or uses KAFKA_BROKERS, SCHEMA_REGISTRY_URL and REDIS_URL) and measures one
thing after the other; nothing else should run on the machine. What it makes on servers of yours stays there, each with a
prefix that begins with bench-. It ends with status 0 when every bound is kept, with 1 when one is missed.
docs/performance.md holds the last table and tells how to read it.

Examples:
  npm run bench
  npm run bench -- --only unify --runs 3
  npm run bench -- --json bench.json --customers 100000`,
    )
    .action(async (options: Options) => {
      process.exitCode = await bench(options);
    });
}

async function bench(options: Options): Promise<number> {
  const begun = performance.now();
  const ended = new AbortController();
  const interrupt = (): void => ended.abort();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupt);
  const log = (line: string): void => {
    process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
  };
  let stop = async (): Promise<void> => undefined;
  const all: Measured[] = [];
  try {
    let servers = addressesFrom(process.env);
    if (Object.keys(servers).length < 3) {
      log('starting Kafka, the schema registry and Redis');
      const stack = await startStack({ log, signal: ended.signal });
      stop = () => stack.stop();
      servers = { kafka: stack.brokers, registry: stack.registryUrl, redis: stack.redisUrl };
    }
    const chosen = sections.filter(({ name }) => options.only?.includes(name) ?? true);
    const given = benchOf(servers as Addresses, options, ended.signal);
    for (const section of chosen) {
      log(`${section.name}: ${section.about}`);
      const inSection = (line: string): void => log(`  ${line}`);
      const found = measured(section, await section.run({ ...given, log: inSection }));
      for (const { name, value, figure } of found) log(`  ${name} ${value.toPrecision(4)} ${figure.unit}`);
      all.push(...found);
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    log('interrupted; ending what was started');
    return 130;
  } finally {
    await stop();
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, interrupt);
  }
  process.stdout.write(`${printFigures(all)}\n`);
  const seconds = (performance.now() - begun) / 1000;
  if (options.json !== undefined) {
    const [processor] = cpus();
    const machine = { processors: cpus().length, model: processor?.model, node: process.version };
    const about = { seconds, runs: options.runs, customers: options.customers, quick: options.quick === true, machine };
    writeFileSync(options.json, `${JSON.stringify({ ...asJson(all), about }, null, 2)}\n`);
  }
  return options.quick !== true && all.some(misses) ? 1 : 0;
}

function benchOf(servers: Addresses, { runs, customers, quick }: Options, signal: AbortSignal): Omit<Bench, 'log'> {
  let made = 0;
  const run = Date.now().toString(36);
  return {
    servers,
    prefix: () => `bench-${run}-${++made}.`,
    runs: quick ? 1 : runs,
    customers: quick ? Math.min(customers, 1_000) : customers,
    quick: quick === true,
    signal,
  };
}

if (import.meta.main) {
  command()
    .parseAsync()
    .catch((error: unknown) => {
      // It has been said already; 1 would say that a bound is missed.
      if (error instanceof CommanderError) {
        process.exitCode = error.exitCode === 0 ? 0 : 64;
        return;
      }
      process.stderr.write(`${describeError(error)}\n`);
      process.exitCode = error instanceof TributaryError ? exitCodeOf(error) : 70;
    });
}
