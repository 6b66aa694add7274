/** `npm run simulate`: histories from a seed on, a table of what was promised and kept, the first that was not. */
import { parseArgs } from 'node:util';
import { isOurs, judge, shrinkTo, type Tally, tallyOf } from './judge.ts';
import { failure, table } from './report.ts';
import { tell } from './trace.ts';
import { inWorkers } from './workers.ts';
import { generate, named, readWorld, switches } from './world.ts';

const help = `npm run simulate -- [options]
  --runs N        histories per world (200)
  --seed S        the first seed (1)
  --world FLAGS   named worlds and switches by commas (default: every named world, one row each)
  --trace         with --runs 1: everything in order of virtual time
  --jobs K        processes at the same time (1)
  --json FILE     the table as JSON
  --no-shrink     tell the broken history as it is
worlds: ${Object.keys(named).join(' ')}
switches:
${Object.entries(switches)
  .map(([name, what]) => `  ${name.padEnd(16)}${what}`)
  .join('\n')}`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      world: { type: 'string' },
      trace: { type: 'boolean', default: false },
      jobs: { type: 'string', default: '1' },
      json: { type: 'string' },
      'no-shrink': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const [runs, seed, jobs] = [values.runs, values.seed, values.jobs].map((text) => wholeNumber(text)) as [
    number,
    number,
    number,
  ];
  const worlds = values.world === undefined ? Object.keys(named) : [values.world];
  for (const world of worlds) readWorld(world);
  if (values.trace) return traced(seed, worlds[0] ?? 'calm');
  const begun = performance.now();
  const all = runs * worlds.length;
  const progress = (done: number): void =>
    void process.stderr.write(`  ${done} of ${all}, ${((performance.now() - begun) / 1000).toFixed(0)} s\n`);
  const tallies =
    jobs > 1
      ? await inWorkers({ worlds, seed, runs, jobs, progress })
      : worlds.map((world, n) =>
          tallyOf({ world, from: seed, until: seed + runs }, (done) => progress(n * runs + done)),
        );
  const seconds = (performance.now() - begun) / 1000;
  console.log(table(tallies));
  const histories = tallies.reduce((sum, one) => sum + one.histories, 0);
  console.log(
    `${histories} histories in ${seconds.toFixed(1)} s, ${((seconds * 1000 * jobs) / histories).toFixed(2)} ms each`,
  );
  if (values.json !== undefined) {
    const { writeFileSync } = await import('node:fs');
    writeFileSync(values.json, JSON.stringify({ seed, runs, seconds, tallies }, null, 2));
  }
  return tellFirst(tallies, !values['no-shrink']);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`"${text}" is no whole number`);
  return value;
}

function traced(seed: number, world: string): number {
  const { ran, violations } = judge(generate(seed, readWorld(world)), true);
  for (const line of ran.trace.lines) console.log(tell(line));
  for (const { promise, text, excuse } of violations)
    console.log(excuse === '' ? `BROKEN ${promise}: ${text}` : `excused ${promise}: ${text} (${excuse})`);
  return violations.some(isOurs) ? 1 : 0;
}

/** The first broken history of all, shrunk, and its customer's story. */
function tellFirst(tallies: readonly Tally[], shrinking: boolean): number {
  for (const { world, seeds, threw } of tallies) {
    const [promise, seed] =
      threw[0] !== undefined
        ? (['threw', threw[0]] as const)
        : (Object.entries(seeds)
            .map(([name, [first = 0]]) => [name, first] as const)
            .sort((a, b) => a[1] - b[1])[0] ?? []);
    if (promise === undefined || seed === undefined) continue;
    const history = generate(seed, readWorld(world));
    const least = shrinking ? shrinkTo(history, promise as Parameters<typeof shrinkTo>[1]) : history;
    console.log(failure(world, promise, history, least));
    return 1;
  }
  console.log('every promise was kept');
  return 0;
}

if (import.meta.main) {
  main().then(
    (code) => (process.exitCode = code),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 64;
    },
  );
}
