/** The call log: what a judge asks instead of trusting the pipeline's own counters. Ids and names of fields only, no values. */
export interface LoggedCall {
  readonly n: number;
  /** When it was received, ms. */
  readonly time: number;
  /** `app`, or the person whose token it was. */
  readonly client: string;
  readonly method: string;
  readonly path: string;
  /** What the platform made of it; with a fault the client may have seen something else, or nothing. */
  readonly status: number;
  readonly objectId: string | null;
  /** Of a write that was accepted: the fields that changed. */
  readonly changed: readonly string[] | null;
  /** An accepted write that changed nothing. */
  readonly noop: boolean;
  readonly fault: string | null;
}

const kept = 200_000;

export class CallLog {
  #calls: LoggedCall[] = [];
  #n = 0;
  readonly #stats = {
    calls: 0,
    byClient: {} as Record<string, number>,
    byStatus: {} as Record<string, number>,
    writes: 0,
    noops: 0,
  };

  add(call: Omit<LoggedCall, 'n' | 'noop'>): void {
    this.#n += 1;
    const noop = call.changed !== null && call.changed.length === 0;
    this.#calls.push({ n: this.#n, ...call, noop });
    if (this.#calls.length > kept * 1.1) this.#calls = this.#calls.slice(-kept);
    const stats = this.#stats;
    stats.calls += 1;
    stats.byClient[call.client] = (stats.byClient[call.client] ?? 0) + 1;
    stats.byStatus[call.status] = (stats.byStatus[call.status] ?? 0) + 1;
    if (call.changed !== null) stats.writes += 1;
    if (noop) stats.noops += 1;
  }

  since(n: number): readonly LoggedCall[] {
    return this.#calls.filter((call) => call.n > n);
  }

  stats(): object {
    return structuredClone(this.#stats);
  }
}
