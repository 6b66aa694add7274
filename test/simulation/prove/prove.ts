/**
 * `npm run prove:tests`: takes the rules and defences of the product away, one at a time, and has the simulation find out.
 *
 * Each is taken away in a process of its own (hook.ts), which runs the histories of its worlds seed after seed. A history
 * that breaks a promise there is judged here as well, with the code as it is: only a promise that the whole code keeps for
 * that very seed says anything. A history that merely throws proves nothing, nor does one that unify could not decide.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { isOurs, judgeSafely } from '../judge.ts';
import type { Promise as Kept } from '../oracle.ts';
import { generate, readWorld } from '../world.ts';
import { type Defence, defences, root } from './defences.ts';

const help = `npm run prove:tests -- [options]
  --only NAME   one defence, or several by commas (default: all ${defences.length})
  --runs N      the most seeds in each of a defence's worlds (4000)
  --jobs K      processes at the same time (2)
  --json FILE   the table as JSON
defences:
${defences.map(({ name, protects }) => `  ${name.padEnd(26)}${protects}`).join('\n')}`;

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

/** A unify that gives up on a record notices by failing, not by being wrong. */
const failures: ReadonlySet<Kept> = new Set<Kept>(['accounted']);

/** The promises of these that the whole code keeps in this history. */
function keptAnyway(world: string, seed: number, promises: readonly Kept[]): readonly Kept[] {
  const judged = judgeSafely(generate(seed, readWorld(world)));
  if (judged instanceof Error) return [];
  const broken = new Set(judged.violations.filter(isOurs).map(({ promise }) => promise));
  return promises.filter((promise) => !broken.has(promise) && !failures.has(promise));
}

function prove(
  { name, protects, worlds }: Defence,
  runs: number,
  started: (child: ChildProcess) => void,
): Promise<Proof> {
  const file = (path: string): string => `${root}test/simulation/prove/${path}`;
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--import', file('hook.ts'), file('child.ts'), JSON.stringify(worlds), String(runs)],
      { env: { ...process.env, TAKE_AWAY: name }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    started(child);
    let proof: Proof = { name, protects, worlds, caught: null, histories: 0, subtracted: [], threw: 0 };
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (proof.caught !== null) return;
      const told = JSON.parse(line) as Told;
      proof = { ...proof, histories: told.histories };
      if (told.kind === 'progress') {
        proof = { ...proof, threw: told.threw };
        return;
      }
      const { world, seed } = told;
      const promises = keptAnyway(world, seed, told.promises);
      if (promises.length === 0) {
        proof = { ...proof, subtracted: [...proof.subtracted, { world, seed, promises: told.promises }] };
        return;
      }
      proof = { ...proof, caught: { world, seed, promises } };
      child.kill();
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (proof.caught === null && code !== 0) reject(new Error(`without ${name} nothing runs: exit code ${code}`));
      else resolve(proof);
    });
  });
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
  const [runs, jobs] = [values.runs, values.jobs].map((text) => atLeastOne(text)) as [number, number];
  const names = values.only?.split(',') ?? defences.map(({ name }) => name);
  const unknown = names.filter((name) => defences.every((one) => one.name !== name));
  if (unknown.length > 0) throw new Error(`no defence is called ${unknown.join(', ')}`);
  const asked = defences.filter(({ name }) => names.includes(name));
  const children = new Set<ChildProcess>();
  process.once('exit', () => {
    for (const child of children) child.kill();
  });
  const begun = performance.now();
  const proofs = new Map<string, Proof>();
  const waiting = [...asked];
  const work = async (): Promise<void> => {
    for (let defence = waiting.shift(); defence !== undefined; defence = waiting.shift()) {
      let running: ChildProcess | undefined;
      const proof = await prove(defence, runs, (child) => children.add((running = child)));
      if (running !== undefined) children.delete(running);
      proofs.set(proof.name, proof);
      const seconds = ((performance.now() - begun) / 1000).toFixed(0);
      const { caught, histories, threw, subtracted } = proof;
      const what =
        caught === null
          ? `NOT NOTICED in ${histories} histories (${threw} threw, ${subtracted.length} break as well with the whole code)`
          : `breaks ${caught.promises.join(', ')} in ${caught.world} ${caught.seed} after ${histories} histories`;
      process.stderr.write(`  ${proofs.size} of ${asked.length}, ${seconds} s: ${proof.name} ${what}\n`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
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
