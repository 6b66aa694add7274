/** Waiting for facts of a world that may be broken: patient with what passes, quick with what does not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TributaryError } from '../../core/errors.ts';

export interface Wait {
  /** Ends "gave up waiting until …". */
  readonly what: string;
  /** What is still lacking, in words for the one who waited in vain; undefined: nothing. */
  readonly lacks: () => Promise<string | undefined>;
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/**
 * Looks until nothing is lacking. A look that fails is repeated, for a server that starts refuses connections, unless the
 * error says that no other look will help: a process that has ended would else be reported after the whole limit.
 * @throws TributaryError INTERNAL at the limit, with what was lacking or failed last
 */
export async function waitUntil({ what, lacks, limitMs, signal }: Wait): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    signal.throwIfAborted();
    const last = await lacks().catch((error: unknown) => {
      if (isFinal(error)) throw error;
      return error;
    });
    if (last === undefined) return;
    if (performance.now() > deadline)
      throw new TributaryError('INTERNAL', `gave up waiting until ${what}: ${inWords(last)}`, { cause: last });
    await sleep(100, undefined, { signal });
  }
}

const isFinal = (error: unknown): boolean =>
  error instanceof TributaryError && (error.verdict === 'stop' || error.verdict === 'crash');

/** `fetch` says only that it failed; why is in its cause. */
function inWords(last: unknown): string {
  if (!(last instanceof Error)) return String(last);
  return last.cause instanceof Error ? `${last.message} (${last.cause.message})` : last.message;
}
