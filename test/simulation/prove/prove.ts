/**
 * `npm run prove:tests`: takes the rules and defences of the product away, one at a time, and has the simulation find out.
 *
 * Each is taken away in a process of its own (hook.ts), which runs the histories of its worlds seed after seed. A history
 * that breaks a promise there is judged here as well, with the code as it is: only a promise that the whole code keeps for
 * that very seed says anything, and keeps in that world: first the whole code runs some histories of each, and what it
 * breaks there might be broken anywhere. A history that merely throws proves nothing, nor does one that unify could not
 * decide.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { isOurs, judgeSafely } from '../judge.ts';
import type { Promise as Kept } from '../promises.ts';
import { generate, readWorld } from '../world.ts';
import { type Defence, defences, root } from './defences.ts';

const longest = Math.max(...defences.map(({ name }) => name.length));
const help = `npm run prove:tests -- [options]
  --only NAME   one defence, or several by commas (default: all ${defences.length})
  --baseline N  seeds of each world with the whole code (200)
  --runs N      the most seeds in each of a defence's worlds (4000)
  --jobs K      processes at the same time (2)
  --json FILE   the table as JSON
defences:
${defences.map(({ name, protects }) => `  ${name.padEnd(longest + 2)}${protects}`).join('\n')}`;

/** What a process of one defence says. */
export type Told =
  | {
      readonly kind: 'broken';
      readonly world: string;
      readonly seed: number;
      readonly promises: readonly Kept[];
      /** Judged so far, with this one. */
      readonly histories: number;
    }
  | { readonly kind: 'progress'; readonly histories: number; readonly threw: number };

/** A history, and promises that it breaks. */
interface Caught {
  readonly world: string;
  readonly seed: number;
  readonly promises: readonly Kept[];
}

export interface Proof {
  readonly name: string;
  readonly protects: string;
  readonly worlds: readonly string[];
  /** Null: nobody noticed that it is gone. */
  readonly caught: Caught | null;
  readonly histories: number;
  /** What says nothing: these break the same promises with the whole code. */
  readonly subtracted: readonly Caught[];
  /** Histories that threw with the defence gone. */
  readonly threw: number;
}

/** What the whole code breaks, as `world promise`. */
type Noise = ReadonlySet<string>;

/** The promises of these that the whole code keeps in this history, and in its world. */
function keptAnyway({ world, seed, promises }: Caught, noise: Noise): readonly Kept[] {
  const judged = judgeSafely(generate(seed, readWorld(world)));
  if (judged instanceof Error) return [];
  const broken = new Set(judged.violations.filter(isOurs).map(({ promise }) => promise));
  return promises.filter((promise) => !broken.has(promise) && !noise.has(`${world} ${promise}`));
}

const children = new Set<ChildProcess>();

/** Runs histories with a defence gone, or with none; resolves when they are used up, or `told` has heard enough (true). */
function run(name: string, worlds: readonly string[], runs: number, told: (one: Told) => boolean): Promise<void> {
  const file = (path: string): string => `${root}test/simulation/prove/${path}`;
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--import', file('hook.ts'), file('child.ts'), JSON.stringify(worlds), String(runs)],
      { env: { ...process.env, TAKE_AWAY: name }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.add(child);
    let isEnough = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (isEnough) return;
      isEnough = told(JSON.parse(line) as Told);
      if (isEnough) child.kill();
    });
    child.once('error', reject);
    child.once('close', (code) => {
      children.delete(child);
      if (isEnough || code === 0) resolve();
      else reject(new Error(`without ${name === '' ? 'anything' : name} nothing runs: exit code ${code}`));
    });
  });
}

async function prove({ name, protects, worlds }: Defence, runs: number, noise: Noise): Promise<Proof> {
  let proof: Proof = { name, protects, worlds, caught: null, histories: 0, subtracted: [], threw: 0 };
  await run(name, worlds, runs, (told) => {
    proof = { ...proof, histories: told.histories };
    if (told.kind === 'progress') {
      proof = { ...proof, threw: told.threw };
      return false;
    }
    const { world, seed } = told;
    const promises = keptAnyway(told, noise);
    if (promises.length > 0) proof = { ...proof, caught: { world, seed, promises } };
    else proof = { ...proof, subtracted: [...proof.subtracted, { world, seed, promises: told.promises }] };
    return promises.length > 0;
  });
  return proof;
}

/** Works the list off, so many at a time. */
async function inTurn<T>(list: readonly T[], jobs: number, work: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...list];
  const worker = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

const cellsOf = ({ name, protects, worlds, caught, histories }: Proof): readonly string[] => [
  name,
  protects,
  caught?.world ?? worlds.join(' '),
  caught?.promises.join(' ') ?? 'NOT NOTICED',
  String(caught?.seed ?? '-'),
  String(histories),
];

/** A row per defence, as Markdown: the same table stands in docs/simulation.md. */
export function table(proofs: readonly Proof[]): string {
  const head = ['defence', 'without it', 'world', 'promise broken', 'seed', 'histories'];
  const rows = proofs.map(cellsOf);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      baseline: { type: 'string', default: '200' },
      runs: { type: 'string', default: '4000' },
      jobs: { type: 'string', default: '2' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const [baseline, runs, jobs] = [values.baseline, values.runs, values.jobs].map((text) => atLeastOne(text)) as [
    number,
    number,
    number,
  ];
  const names = values.only?.split(',') ?? defences.map(({ name }) => name);
  const unknown = names.filter((name) => defences.every((one) => one.name !== name));
  if (unknown.length > 0) throw new Error(`no defence is called ${unknown.join(', ')}`);
  const asked = defences.filter(({ name }) => names.includes(name));
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      for (const child of children) child.kill();
      process.exit(130);
    });
  const begun = performance.now();
  const say = (text: string): void =>
    void process.stderr.write(`  ${((performance.now() - begun) / 1000).toFixed(0)} s: ${text}\n`);
  const noise = new Set<string>();
  const worlds = [...new Set(asked.flatMap((one) => one.worlds))];
  let looked = 0;
  await inTurn(worlds, jobs, async (world) => {
    await run('', [world], baseline, (told) => {
      if (told.kind === 'broken') for (const promise of told.promises) noise.add(`${world} ${promise}`);
      return false;
    });
    looked += 1;
    say(`the whole code in ${world}: ${looked} of ${worlds.length} worlds`);
  });
  say(`the whole code breaks ${noise.size === 0 ? 'nothing' : [...noise].join(', ')}`);
  const proofs = new Map<string, Proof>();
  await inTurn(asked, jobs, async (defence) => {
    const proof = await prove(defence, runs, noise);
    proofs.set(proof.name, proof);
    const { caught, histories, threw, subtracted } = proof;
    const what =
      caught === null
        ? `NOT NOTICED in ${histories} histories (${threw} threw, ${subtracted.length} say nothing)`
        : `breaks ${caught.promises.join(', ')} in ${caught.world} ${caught.seed} after ${histories} histories`;
    say(`${proofs.size} of ${asked.length}: ${proof.name} ${what}`);
  });
  const all = asked.flatMap(({ name }) => proofs.get(name) ?? []);
  console.log(table(all));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, null, 2)}\n`);
  const missed = all.filter(({ caught }) => caught === null);
  console.log(`${all.length - missed.length} of ${all.length} are noticed when they are gone`);
  return missed.length > 0 ? 1 : 0;
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
