/**
 * `npm run prove:tests`: takes the rules and defences of the product away, one at a time, and has the simulation find out,
 * or the unit test that a defence names.
 * The exit code is 1 when one can go unnoticed.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { defences, root } from './defences.ts';
import { counted, page, table } from './page.ts';
import { proofs } from './proof.ts';
import type { Found } from './search.ts';
import { keepWitnesses, nameOf, type Witness, witnesses } from './witness.ts';

const longest = Math.max(...defences.map(({ name }) => name.length));
const help = `npm run prove:tests -- [options]
  --only NAME   one defence, or several by commas (default: all ${defences.length})
  --runs N      the most seeds of each world (300)
  --jobs K      threads (2)
  --recorded    look only at the histories and tests that noticed before: minutes instead of hours
  --record      write down what notices, for --recorded, for the tests and for docs/defences.md
defences:
${defences.map(({ name, protects }) => `  ${name.padEnd(longest + 2)}${protects}`).join('\n')}`;

const noticed = (found: readonly Found[]): Readonly<Record<string, Witness>> =>
  Object.fromEntries(found.flatMap(({ name, witness }) => (witness === null ? [] : [[name, witness]])));

/** Writes down what was found, and of what was not looked at what was known. */
function record(found: readonly Found[]): void {
  const looked = new Set(found.map(({ name }) => name));
  const others = Object.entries(witnesses()).filter(([name]) => !looked.has(name));
  const all: Readonly<Record<string, Witness>> = { ...Object.fromEntries(others), ...noticed(found) };
  const kept = Object.fromEntries(defences.flatMap(({ name }) => (all[name] === undefined ? [] : [[name, all[name]]])));
  keepWitnesses(kept);
  writeFileSync(`${root}docs/defences.md`, page(kept));
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      runs: { type: 'string', default: '300' },
      jobs: { type: 'string', default: '2' },
      recorded: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const [runs, jobs] = [values.runs, values.jobs].map((text) => atLeastOne(text)) as [number, number];
  const names = values.only?.split(',') ?? defences.map(({ name }) => name);
  const unknown = names.filter((name) => defences.every((one) => one.name !== name));
  if (unknown.length > 0) throw new Error(`no defence is called ${unknown.join(', ')}`);
  const begun = performance.now();
  let done = 0;
  const found = await proofs({ names, runs: values.recorded ? null : runs }, jobs, ({ name, witness, histories }) => {
    done += 1;
    const what = witness === null ? `NOT NOTICED in ${histories} histories` : `is noticed by ${nameOf(witness)}`;
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    process.stderr.write(`  ${seconds} s: ${done} of ${names.length}: ${name} ${what}\n`);
  });
  console.log(table(names, noticed(found)));
  if (values.record) record(found);
  const missed = found.filter(({ witness }) => witness === null);
  console.log(`${counted(noticed(found))}, of ${names.length}`);
  return missed.length > 0 || found.length < names.length ? 1 : 0;
}

function atLeastOne(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`"${text}" is no whole number above 0`);
  return value;
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
