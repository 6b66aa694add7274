/** Work that fails for reasons that pass (verdict `retry`) is tried again, with growing pauses, until the signal. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TributaryError } from './errors.ts';
import { metrics } from './metrics.ts';

const firstMs = 200;
const longestMs = 10_000;

/** Settles after so long, or early when the signal ends it: whoever waits looks at the signal. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, signal && { signal }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
}

/** @throws whatever does not pass; the signal's reason when it aborts. */
export async function patiently<T>(
  options: { readonly signal: AbortSignal; ready(state: boolean, why: string): void },
  work: () => Promise<T>,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    options.signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TributaryError) || error.verdict !== 'retry') throw error;
      metrics.retries.inc({ code: error.code });
      options.ready(false, error.message);
      const pause = Math.max(error.retryAfterMs ?? 0, Math.min(firstMs * 2 ** Math.min(tries, 10), longestMs));
      await sleep(pause * (0.75 + Math.random() / 4), undefined, { signal: options.signal });
    }
  }
}
