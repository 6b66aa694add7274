/** `tributary demo`: the main job on real servers and both doubles, in one command, with a report. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { TributaryError } from '../../core/errors.ts';
import { mark, report } from './account.ts';
import { editFor, importToIntercom, load, look, waitForRest, waitForSnapshot } from './demo.ts';
import { failures, printReport } from './report.ts';
import { World } from './world.ts';

interface Options {
  readonly people: number;
  readonly rate: number;
  readonly seconds: number;
  readonly seed: number;
  readonly report?: string;
  readonly keep?: true;
}

const number =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isFinite(value) || value < least)
      throw new InvalidArgumentError(`It must be a number of at least ${least}.`);
    return value;
  };

const whole =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
    return value;
  };

/** Told before the run: a minute's work must not end at a folder that is not there. */
function assertWritable(file: string): void {
  try {
    closeSync(openSync(file, 'a'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('USAGE', `--report ${file} cannot be written: ${reason}`, { cause });
  }
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('run the main job on real servers and doubles of both platforms, and judge it')
    .option('--people <number>', 'people loaded into Salesforce', whole(1), 500)
    .option('--rate <number>', 'edits per second', number(0.1), 20)
    .option('--seconds <number>', 'how long people edit', number(0), 20)
    .option('--seed <number>', 'the same seed, the same people and edits', whole(0), 1)
    .option('--report <file>', 'write the report as JSON, too')
    .option('--keep', 'stay up afterwards and print every address, so that you can edit and watch')
    .addHelpText(
      'after',
      `
It starts Kafka, a schema registry and Redis (or uses KAFKA_BROKERS, SCHEMA_REGISTRY_URL and REDIS_URL), a double of
Salesforce and one of Intercom that speak the platforms' own protocols, and every service. Both doubles have people, half of
them the same; they are linked, edited on both sides and at once, and one import changes everybody. It ends with status 0 when
the platforms agree, nobody is there twice, nothing was written in vain and every edit arrived in time; else with 1.

It reads no tributary.yaml and of the environment only those three. What it makes on servers of yours stays there: topics,
schemas, consumer groups and Redis keys, all of them named by the prefix that it prints.

Examples:
  npm run demo
  npm run demo -- --people 2000 --rate 50 --seconds 60 --report report.json
  npm run demo -- --people 20 --seconds 0 --keep`,
    )
    .action(async (options: Options) => {
      process.exitCode = await demo(options);
    });
}

async function demo(options: Options): Promise<number> {
  if (options.report !== undefined) assertWritable(options.report);
  const begun = performance.now();
  const ended = new AbortController();
  const interrupt = (): void => ended.abort();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupt);
  const log = (line: string): void => {
    process.stdout.write(`${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
  };
  let world: World | undefined;
  let failed = true;
  try {
    world = await World.start({ seed: options.seed, log, signal: ended.signal, bothWays: true });
    log(
      `loading ${options.people} people into Salesforce, and others and the same into Intercom (seed ${options.seed})`,
    );
    const loaded = await load(world, options);
    log('starting the services; the first link brings both platforms together');
    const linking = performance.now();
    const services = await mark(world);
    world.startServices();
    await world.subscribe();
    const running = { ...options, log, signal: ended.signal };
    await waitForSnapshot(world, running);
    const linkSeconds = (performance.now() - linking) / 1000;
    await look(world, loaded);
    const live = await mark(world);
    log(`people edit on both platforms: ${options.rate} edits a second for ${options.seconds} s`);
    const edits = await editFor(world, loaded, running);
    log('waiting until everything has arrived');
    await waitForRest(world, running);
    const burst = await mark(world);
    log('an import changes everybody in Intercom at once');
    await importToIntercom(world, loaded);
    await waitForRest(world, running);
    const { report: result, details } = await report(
      world,
      edits,
      { services, live, burst, linkSeconds },
      (performance.now() - begun) / 1000,
    );
    process.stdout.write(`\n${printReport(result)}\n\n`);
    if (options.report !== undefined) writeFileSync(options.report, `${JSON.stringify(result, null, 2)}\n`);
    const wrong = failures(result);
    for (const line of details.slice(0, 20)) log(line);
    for (const line of wrong) log(`not as it must be: ${line}`);
    failed = wrong.length > 0;
    if (failed) await world.keepEvidence(edits);
    log(failed ? `FAILED; the logs are in ${world.logFile('services')}` : 'everything is as it must be');
    if (options.keep) await keep(world, ended.signal, log);
    return failed ? 1 : 0;
  } catch (error) {
    if (!ended.signal.aborted) {
      if (world !== undefined) log(`FAILED; the logs are beside ${world.logFile('services')}`);
      throw error;
    }
    log('interrupted; ending what was started');
    return 130;
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, interrupt);
    await world?.stop(failed && !ended.signal.aborted);
  }
}

async function keep(world: World, signal: AbortSignal, log: (line: string) => void): Promise<void> {
  const { env } = world;
  process.stdout.write(
    `${[
      '',
      `  Salesforce double   ${world.salesforceUrl}   everything in it: /__twin/store   log in as person / person-secret`,
      `  Intercom double     ${world.intercomUrl}   everything in it: /__twin/store   calls: /__twin/calls`,
      `  services            ${world.httpUrl}   /healthz /readyz /metrics`,
      `  Kafka               KAFKA_BROKERS=${env['KAFKA_BROKERS'] ?? ''}   TRIBUTARY_PREFIX=${env['TRIBUTARY_PREFIX'] ?? ''}`,
      `  schema registry     SCHEMA_REGISTRY_URL=${env['SCHEMA_REGISTRY_URL'] ?? ''}`,
      `  Redis               REDIS_URL=${env['REDIS_URL'] ?? ''}`,
      '',
    ].join('\n')}\n`,
  );
  log('Ctrl-C ends it');
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
