/**
 * Server processes: started so that they cannot outlive their purpose, known by more than their number, ended for certain.
 *
 * Two ways to hold one. A *leashed* server belongs to the process that started it (tests, the demo): a small shell stands
 * between them, waits for the end of a pipe that only we hold, and ends the server then. The kernel closes that pipe
 * however we die, so not even `kill -9` of a test run leaves a broker behind. A *detached* server (`tributary stack up`)
 * outlives the command on purpose; it is found again by its pid file.
 *
 * A pid alone proves nothing, since numbers come round again after a reboot or a long day. With each we keep the process's
 * birth (the kernel's start time, and which boot), and signal only where both agree.
 */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { TributaryError } from '../../core/errors.ts';

export interface ProcessId {
  readonly pid: number;
  readonly birth: string;
}

/** How long a server may take to end by itself; Kafka's orderly stop takes one to three seconds. */
const graceMs = 15_000;

/** The kernel's start time of a live process; undefined when there is none of that number (a zombie counts as none). */
function birthOf(pid: number): string | undefined {
  if (platform() === 'linux') {
    try {
      // Fields after the command's closing bracket, which may itself hold spaces: state is the first, start time the 20th.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (fields[0] === 'Z') return undefined;
      return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19] ?? ''}`;
    } catch {
      return undefined;
    }
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}

export function identify(pid: number): ProcessId {
  const birth = birthOf(pid);
  if (birth === undefined) throw new TributaryError('STACK_FAILED', `Process ${pid} ended as soon as it was started`);
  return { pid, birth };
}

export function isAlive(id: ProcessId): boolean {
  return birthOf(id.pid) === id.birth;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** Default: our own environment. Secrets go here and never into the arguments. */
  readonly env?: NodeJS.ProcessEnv;
}

/** End-of-file on the pipe (descriptor 3) ends the server, politely and then not; the server's own end ends the shell. */
const leash = `
exec 3<&0
"$@" 3<&- </dev/null & server=$!
( read -r _ <&3
  kill -TERM $server 2>/dev/null
  n=0; while kill -0 $server 2>/dev/null && [ $n -lt ${graceMs / 100} ]; do sleep 0.1; n=$((n+1)); done
  kill -KILL $server 2>/dev/null ) & watch=$!
exec 3<&-
wait $server; code=$?
kill -TERM $watch 2>/dev/null
exit $code`;

export interface Leashed {
  readonly id: ProcessId;
  /** Exit status, whatever ended it; null: it was killed with its shell. */
  readonly ended: Promise<number | null>;
  /** Asks it to end; settles with its exit status. */
  stop(): Promise<number | null>;
  /** `kill -9` of the server and its shell at once: what a crash leaves of it. */
  kill(): Promise<void>;
}

/** Either way the server leads a session of its own: a Ctrl-C in the terminal is ours to handle, in our order. */
export function startLeashed(command: Command, logFile: string, errorFile = logFile): Leashed {
  const log = openSync(logFile, 'w');
  const errors = errorFile === logFile ? log : openSync(errorFile, 'w');
  try {
    const child = spawn('/bin/sh', ['-c', leash, 'sh', command.file, ...command.args], {
      detached: true,
      stdio: ['pipe', log, errors],
      env: command.env ?? process.env,
    });
    const { pid, stdin: pipe } = child;
    if (pid === undefined || pipe === null) throw new TributaryError('STACK_FAILED', `Cannot start ${command.file}`);
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    // A server that died takes its end of the pipe along; that is seen by `ended`, not by writing.
    pipe.on('error', () => undefined);
    const id = identify(pid);
    return {
      id,
      ended,
      stop: () => {
        pipe.end();
        return ended;
      },
      kill: async () => {
        if (isAlive(id)) process.kill(-pid, 'SIGKILL');
        await ended;
      },
    };
  } finally {
    closeSync(log);
    if (errors !== log) closeSync(errors);
  }
}

export function startDetached(command: Command, logFile: string): ProcessId {
  const log = openSync(logFile, 'w');
  try {
    const child = spawn(command.file, command.args, { detached: true, stdio: ['ignore', log, log] });
    child.unref();
    if (child.pid === undefined) throw new TributaryError('STACK_FAILED', `Cannot start ${command.file}`);
    return identify(child.pid);
  } finally {
    closeSync(log);
  }
}

/** Ends a process that may not be our child: asked first, forced after the grace, and gone when this settles. */
export async function end(id: ProcessId): Promise<void> {
  if (isAlive(id)) process.kill(id.pid, 'SIGTERM');
  for (let waited = 0; isAlive(id) && waited < graceMs; waited += 50) await sleep(50);
  if (isAlive(id)) process.kill(id.pid, 'SIGKILL');
  while (isAlive(id)) await sleep(20);
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
