/** What the platform answers when it refuses: its own code and text, and the fields it blames. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly fields: readonly string[];
}

export const refusal = (code: string, message: string, fields: readonly string[] = []): Refusal => ({
  code,
  message,
  fields,
});

/** A request refused as a whole, with the HTTP status that goes with it. */
export class RequestRefused extends Error {
  readonly status: number;
  readonly refusals: readonly Refusal[];

  constructor(status: number, refusals: readonly Refusal[]) {
    super(refusals.map(({ code, message }) => `${code}: ${message}`).join('; '));
    this.name = 'RequestRefused';
    this.status = status;
    this.refusals = refusals;
  }
}

export const refuse = (status: number, code: string, message: string, fields: readonly string[] = []): RequestRefused =>
  new RequestRefused(status, [refusal(code, message, fields)]);
