/** Loops that live and end together. */
import { TributaryError } from './errors.ts';
import { metrics } from './metrics.ts';
import { delay } from './patience.ts';

const pauses = { first: 500, most: 30_000 };

/** Growing, jittered pauses: a platform that comes back must not meet everyone at once. Ends early with the signal. */
export async function pause(tries: number, signal: AbortSignal): Promise<void> {
  const ms = Math.min(pauses.first * 2 ** Math.min(tries, 10), pauses.most);
  await delay(ms * (0.5 + Math.random() / 2), signal);
}

/** Tries again what says `retry`, as long as the signal lets it; `onFailure` is told of each. */
export async function persistently<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  onFailure: (error: TributaryError) => void,
): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const ours = TributaryError.from(error);
      if (ours.verdict !== 'retry' || signal.aborted) throw ours;
      metrics.retries.inc({ code: ours.code });
      onFailure(ours);
      await pause(tries, signal);
    }
  }
}

/** Runs loops side by side. The first that ends, well or badly, ends the others; settles when all have. */
export async function together(loops: readonly (() => Promise<void>)[], end: () => void): Promise<void> {
  const failures: unknown[] = [];
  await Promise.all(
    loops.map((loop) =>
      loop()
        .catch((error: unknown) => void failures.push(error))
        .finally(end),
    ),
  );
  if (failures.length > 0) throw failures[0];
}

/** Wakes one waiting loop; a wake that comes while nobody waits is kept. */
export class Wake {
  #woken = false;
  #resume: (() => void) | undefined;

  wake(): void {
    this.#woken = true;
    this.#resume?.();
  }

  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#woken && !signal.aborted) {
      await new Promise<void>((resolve) => {
        // Taken off again: the signal of a quiet stream outlives thousands of waits.
        const resume = (): void => {
          signal.removeEventListener('abort', resume);
          resolve();
        };
        this.#resume = resume;
        signal.addEventListener('abort', resume, { once: true });
      });
    }
    this.#resume = undefined;
    this.#woken = false;
  }
}
