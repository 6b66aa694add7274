/**
 * The frame around roles: start them side by side, tell the outside how they are, stop them in order, and end with an exit
 * code that means something to a supervisor.
 *
 * role: a loop that settles when it has drained. drain: what a role does between the signal and its end. limit: how long a
 * drain may take before the process ends all the same; it must be shorter than the pod's grace period, or the kernel ends
 * us in the middle of a line instead.
 */
import Fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { describeError, exitCodeOf, TributaryError } from './errors.ts';
import { collectProcessMetrics, metrics, registry } from './metrics.ts';

/** A role with its context bound: what the frame needs to know of it. */
export interface Job {
  readonly name: string;
  run(signal: AbortSignal, ready: (state: boolean, why: string) => void): Promise<void>;
}

/** The part of `process` that is used, so that a test can send signals to a frame and not to itself. */
export interface ProcessLike {
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
  exit(code: number): void;
}

export interface ServiceOptions {
  /** What the jobs share and wait for; unlike them it is meant to end. */
  readonly prepare?: Job;
  readonly jobs: readonly Job[];
  readonly http: { readonly host: string; readonly port: number };
  readonly log: Logger;
  readonly process: ProcessLike;
  /** Default 25 s, under the 30 s that Kubernetes gives when nobody says otherwise. */
  readonly drainLimitMs?: number;
  /** The server that is away, if one is: a drain that waits for it has no defect, and ends as unavailable. */
  serverAway?(): string | undefined;
  /** Told in plain words what ends the process, once, for whoever does not read the log. */
  onFatal?(line: string): void;
  /** Told the base URL once the server listens. */
  onListening?(url: string): void;
}

interface State {
  readonly ready: boolean;
  readonly why: string;
  readonly crashed: boolean;
}

const minimumNode = 24;

/** @throws TributaryError NODE_TOO_OLD, before anything fails in a way that says less. */
export function checkRuntime(version: string): void {
  if (Number(/^v?(\d+)/.exec(version)?.[1]) >= minimumNode) return;
  throw new TributaryError('NODE_TOO_OLD', `this is Node.js ${version}, Tributary needs ${minimumNode} or newer`);
}

/**
 * Runs every job until the first signal or the first failure, then drains the rest. Settles with the exit code; the signals
 * are handled from the call on, so a Ctrl-C during start-up drains too.
 */
export async function runService(options: ServiceOptions): Promise<number> {
  const { jobs, http, log, drainLimitMs = 25_000 } = options;
  const stop = new AbortController();
  const states = new Map<string, State>();
  const running = new Set<string>();
  const said = new Set<string>();
  let exitCode = 0;
  let limit: NodeJS.Timeout | undefined;

  const drain = (why: string): void => {
    if (stop.signal.aborted) return;
    log.info({ why, limitMs: drainLimitMs }, 'stopping: finishing what is in hand');
    limit = setTimeout(() => {
      const away = options.serverAway?.();
      log.error({ still: [...running], away }, 'the drain took too long, ending now');
      const unfinished = away === undefined ? 70 : 69;
      options.process.exit(exitCode === 0 ? unfinished : exitCode);
    }, drainLimitMs);
    stop.abort(new Error(why));
  };
  const onSignal = (signal: string, code: number) => (): void => {
    if (!stop.signal.aborted) return drain(signal);
    log.warn({ signal }, 'second signal, ending now');
    options.process.exit(code);
  };
  /** Roles that share a token fail of it together; one line says it. */
  const fatal = (error: TributaryError, role?: string): void => {
    const line = describeError(error);
    if (said.has(line)) return;
    said.add(line);
    log.fatal({ ...(role !== undefined && { role }), err: error }, line);
    options.onFatal?.(line);
  };
  const onStray = (error: unknown): void => {
    // The state of the process is unknown now: no drain, whatever is in hand comes again after the restart.
    fatal(TributaryError.from(error));
    options.process.exit(exitCodeOf(error));
  };
  const listeners: readonly [string, (value: unknown) => void][] = [
    ['SIGTERM', onSignal('SIGTERM', 143)],
    ['SIGINT', onSignal('SIGINT', 130)],
    ['uncaughtException', onStray],
    ['unhandledRejection', onStray],
  ];
  for (const [event, listener] of listeners) options.process.on(event, listener);

  const tell = (name: string, state: State): void => {
    const before = states.get(name);
    states.set(name, state);
    metrics.ready.set({ role: name }, state.ready ? 1 : 0);
    if (before?.ready === state.ready && before.why === state.why) return;
    log.info({ role: name, ready: state.ready, why: state.why }, state.ready ? 'ready' : 'not ready');
  };

  const runJob = async (job: Job): Promise<void> => {
    running.add(job.name);
    tell(job.name, { ready: false, why: 'starting', crashed: false });
    try {
      await job.run(stop.signal, (ready, why) => tell(job.name, { ready, why, crashed: false }));
      if (job === options.prepare) {
        states.delete(job.name);
        metrics.ready.remove({ role: job.name });
        return;
      }
      if (!stop.signal.aborted) throw new TributaryError('INTERNAL', `${job.name} ended without being asked to`);
      tell(job.name, { ready: false, why: 'drained', crashed: false });
    } catch (error) {
      // Whoever is told to stop while it waits for somebody ends by that wait's rejection: a drain, not a failure. What was
      // not acknowledged comes again at the next start.
      if (stop.signal.aborted && endsWait(error, stop.signal)) {
        tell(job.name, { ready: false, why: 'drained', crashed: false });
      } else {
        if (exitCode === 0) exitCode = exitCodeOf(error);
        const ours = TributaryError.from(error);
        tell(job.name, { ready: false, why: ours.code, crashed: true });
        fatal(ours, job.name);
        drain(`${job.name} failed`);
      }
    } finally {
      running.delete(job.name);
    }
  };

  const server = healthServer(states, stop.signal);
  try {
    const url = await server.listen({ host: http.host, port: http.port });
    log.info({ url }, 'health, readiness and metrics are served');
    options.onListening?.(url);
    if (options.prepare !== undefined) await runJob(options.prepare);
    if (!stop.signal.aborted) await Promise.all(jobs.map(runJob));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    const ours = new TributaryError('HTTP_TAKEN', `${http.host}:${http.port} cannot be listened on (${why})`, {
      cause: error,
      field: 'http.port',
    });
    fatal(ours);
    exitCode = exitCodeOf(ours);
  } finally {
    clearTimeout(limit);
    await server.close();
    for (const [event, listener] of listeners) options.process.off(event, listener);
  }
  log.info({ exitCode }, 'stopped');
  return exitCode;
}

function endsWait(error: unknown, signal: AbortSignal): boolean {
  if (error instanceof TributaryError) return error.verdict === 'retry';
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError');
}

/**
 * healthz asks "should I be restarted", so it knows nothing of Kafka or Redis: restarting us does not bring them back, and a
 * fleet that restarts in step with its broker makes an outage longer. readyz asks "is it doing its work, and if not, why".
 */
function healthServer(states: ReadonlyMap<string, State>, stopping: AbortSignal): FastifyInstance {
  collectProcessMetrics();
  const server = Fastify({ logger: false, forceCloseConnections: true });
  server.get('/healthz', async (_request, reply) => {
    const crashed = [...states].filter(([, state]) => state.crashed).map(([name]) => name);
    return reply.code(crashed.length === 0 ? 200 : 503).send({ ok: crashed.length === 0, crashed });
  });
  server.get('/readyz', async (_request, reply) => {
    const roles = Object.fromEntries([...states].map(([name, { ready, why }]) => [name, { ready, why }]));
    const ready = !stopping.aborted && states.size > 0 && [...states.values()].every((state) => state.ready);
    return reply.code(ready ? 200 : 503).send({ ready, stopping: stopping.aborted, roles });
  });
  server.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
  return server;
}
