/** Trouble to come, for requests that match: which, how often, and whether the platform has done its work by then. */
export interface HttpFault {
  readonly kind: 'http' | 'drop' | 'delay';
  /** `PATCH /sobjects`: method (or `*`) and a piece of the path. */
  readonly match: string;
  readonly times: number;
  readonly apply: 'before' | 'after';
  readonly status: number;
  readonly html: boolean;
  readonly ms: number;
}

export class Faults {
  #armed: HttpFault[] = [];

  arm(fault: HttpFault): void {
    this.#armed.push(fault);
  }

  clear(): void {
    this.#armed = [];
  }

  /** Takes one use of the first fault of these kinds that fits the request. */
  take(
    kinds: readonly HttpFault['kind'][],
    apply: HttpFault['apply'],
    method: string,
    path: string,
  ): HttpFault | undefined {
    const index = this.#armed.findIndex(
      (fault) => kinds.includes(fault.kind) && fault.apply === apply && matches(fault.match, method, path),
    );
    const fault = this.#armed[index];
    if (fault === undefined) return undefined;
    if (fault.times > 1) this.#armed[index] = { ...fault, times: fault.times - 1 };
    else this.#armed.splice(index, 1);
    return fault;
  }
}

function matches(match: string, method: string, path: string): boolean {
  const [wantedMethod = '*', piece = ''] = match.split(' ');
  return (wantedMethod === '*' || wantedMethod === method) && path.includes(piece);
}
