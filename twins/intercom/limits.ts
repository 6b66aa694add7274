/**
 * The quota: a number of calls per minute, enforced in fixed windows of ten seconds, for each app and once more for all
 * apps of the workspace together. A client that spreads its calls over the minute never notices; one that sends them in
 * the first second is refused for the other nine.
 */
export interface Quota {
  /** Of this app, in this window. */
  readonly limit: number;
  readonly remaining: number;
  /** Unix seconds at which the window ends. */
  readonly reset: number;
  readonly allowed: boolean;
}

const windowMs = 10_000;
const windowsPerMinute = 6;
/** Every private app of the workspace draws on this one as well. */
const workspacePerApp = 2.5;

export class RateWindows {
  ratePerMinute: number;
  #window = -1;
  readonly #used = new Map<string, number>();
  #usedTogether = 0;

  constructor(ratePerMinute: number) {
    this.ratePerMinute = ratePerMinute;
  }

  /** Counts one call of an app. */
  take(app: string, now: number): Quota {
    const window = Math.floor(now / windowMs);
    if (window !== this.#window) {
      this.#window = window;
      this.#used.clear();
      this.#usedTogether = 0;
    }
    const limit = Math.floor(this.ratePerMinute / windowsPerMinute);
    const together = Math.floor((this.ratePerMinute * workspacePerApp) / windowsPerMinute);
    const used = this.#used.get(app) ?? 0;
    const allowed = used < limit && this.#usedTogether < together;
    if (allowed) {
      this.#used.set(app, used + 1);
      this.#usedTogether += 1;
    }
    const reset = ((window + 1) * windowMs) / 1000;
    return { limit, remaining: limit - (allowed ? used + 1 : used), reset, allowed };
  }
}
