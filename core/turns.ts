/**
 * Work that one pod at a time may do: one tenure after the other, as the lease is given. What goes wrong in a tenure ends
 * it; another begins after a pause, for us or for whoever is granted the lease first.
 */
import { hostname } from 'node:os';
import { TributaryError } from './errors.ts';
import { holdLease } from './lease.ts';
import { metrics } from './metrics.ts';
import type { RoleContext } from './role.ts';
import { pause } from './tasks.ts';

/** After so long a tenure a failure is the first of its kind, ms. */
const longTenureMs = 60_000;

/**
 * Settles when the context's signal ends it.
 * @param role its name, and that of its lease
 * @param lead one tenure, until its signal; `token` is a fencing number, higher with each
 * @throws TributaryError of `stop` or `crash`
 */
export async function takeTurns(
  { config, redis, kafka, log, signal, ready }: RoleContext,
  role: string,
  lead: (signal: AbortSignal, token: number) => Promise<void>,
): Promise<void> {
  for (let tries = 0; !signal.aborted; ) {
    const began = performance.now();
    try {
      const lease = await holdLease({
        redis,
        key: `${kafka.prefix}lease:${role}`,
        owner: `${hostname()}/${process.pid}`,
        termMs: config.failover.afterMs,
        signal,
        log,
        ready,
      });
      try {
        await lead(AbortSignal.any([signal, lease.signal]), lease.token);
      } finally {
        await lease.release();
      }
    } catch (error) {
      if (signal.aborted) return;
      const ours = TributaryError.from(error);
      if (ours.verdict === 'stop' || ours.verdict === 'crash') throw ours;
      ready(false, `${ours.code}: ${ours.message}`);
      metrics.retries.inc({ code: ours.code });
      log.warn({ err: ours }, 'starting again');
      tries = performance.now() - began > longTenureMs ? 0 : tries + 1;
      await pause(tries, signal);
    }
  }
}
