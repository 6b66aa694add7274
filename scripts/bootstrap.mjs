/**
 * What the npm scripts run: everything a fresh clone needs, then the real thing on the Node that we pinned. It has no
 * dependencies and runs on the host's Node, whichever that is; built-in modules are imported by their bare names and the
 * syntax is plain (no top-level await) because even a Node too old for us must get as far as the sentence that says so.
 */
import { spawn, spawnSync } from 'child_process';
import { existsSync, statSync } from 'fs';
import { constants } from 'os';
import { dirname, join } from 'path';
import { fileURLToPath } from 'url';

const oldestHost = 20;
const oldestOwn = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ownNode = join(root, 'node_modules', '.bin', 'node');

/** What each npm script stands for; the arguments after `--` follow. */
const scripts = {
  demo: ['cli/main.ts', 'demo'],
  simulate: ['test/simulation/main.ts'],
  bench: ['bench/main.ts'],
  'prove:tests': ['test/simulation/prove/main.ts'],
  tributary: ['cli/main.ts'],
  test: ['node_modules/vitest/vitest.mjs', 'run'],
};

const say = (line) => process.stderr.write(`${line}\n`);
const majorOf = (version) => Number(version.replace(/^v/, '').split('.')[0]);

function fail(sentence, status) {
  say(sentence);
  process.exit(status);
}

/**
 * Runs a program to its end and passes signals on. The program leads a group of its own, so that a Ctrl-C reaches it once
 * and through us: in our group it would come from the terminal, from npm and from us, and the second one means "at once".
 * npm repeats the terminal's signal to us within milliseconds; a person's second Ctrl-C comes later.
 */
function run(file, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: root, stdio: 'inherit', detached: true });
    let last = -Infinity;
    const passOn = (signal) => {
      if (performance.now() - last < 300) return;
      last = performance.now();
      child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, passOn);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const name of signals) process.off(name, passOn);
      resolve(signal === null ? code : 128 + constants.signals[signal]);
    });
  });
}

/** npm keeps a copy of the lock file's state inside node_modules and writes it last; older than the lock file means stale. */
function packagesAreCurrent() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
}

/** The pinned runtime from node_modules; the host's own where it is new enough and the package brought none. */
function runtime() {
  const asked = existsSync(ownNode) ? spawnSync(ownNode, ['--version'], { encoding: 'utf8' }) : undefined;
  if (asked !== undefined && asked.status === 0 && majorOf(asked.stdout) >= oldestOwn) return ownNode;
  return majorOf(process.version) >= oldestOwn ? process.execPath : undefined;
}

async function main() {
  if (majorOf(process.version) < oldestHost) {
    fail(
      `NODE_TOO_OLD: This is Node ${process.version}; install Node ${oldestHost} or newer (the project brings its own Node ${oldestOwn} from there).`,
      78,
    );
  }
  const [name, ...args] = process.argv.slice(2);
  if (!(name in scripts)) fail(`USAGE: node scripts/bootstrap.mjs ${Object.keys(scripts).join('|')} [arguments]`, 64);

  if (!packagesAreCurrent()) {
    say(
      'installing the packages of package-lock.json (npm ci), Node 24 among them; this takes a minute the first time',
    );
    // The package `node` fetches the runtime in its install script, whatever the user's own npm settings say of scripts.
    const status = await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts=false', '--loglevel=error']);
    if (status !== 0) fail(`HOST_LACKS: npm ci ended with status ${status}; its own words are above.`, status);
  }
  const node = runtime();
  if (node === undefined) {
    fail(
      `NODE_TOO_OLD: node_modules holds no Node ${oldestOwn} and this is ${process.version}; run \`npm rebuild node --ignore-scripts=false\` or install Node ${oldestOwn}.`,
      78,
    );
  }
  process.exitCode = await run(node, [...scripts[name], ...args]);
}

main().catch((error) => fail(`INTERNAL: ${error.message}`, 70));
