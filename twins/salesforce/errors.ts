/** What the platform answers when it refuses: its own code and text, and the fields it blames. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly fields: readonly string[];
  /** Of a duplicate rule's refusal: the rule, and the records it found. */
  readonly duplicates?: Duplicates;
}

export interface Duplicates {
  readonly rule: string;
  readonly object: string;
  /** Whether the caller could have insisted. */
  readonly allowSave: boolean;
  readonly matches: readonly { readonly object: string; readonly id: string }[];
}

export const refusal = (code: string, message: string, fields: readonly string[] = []): Refusal => ({
  code,
  message,
  fields,
});

/** One row of a transaction refused: what it did so far is undone, its neighbours stand. */
export class RowRefused extends Error {
  readonly id: string | null;
  readonly refusals: readonly Refusal[];
  /** Records that an external id could mean. */
  readonly matches: readonly string[] | undefined;

  constructor(id: string | null, refusals: readonly Refusal[], matches?: readonly string[]) {
    super(textOf(refusals));
    this.name = 'RowRefused';
    this.id = id;
    this.refusals = refusals;
    this.matches = matches;
  }
}

/** A request refused as a whole, with the HTTP status that goes with it. */
export class RequestRefused extends Error {
  readonly status: number;
  readonly refusals: readonly Refusal[];

  constructor(status: number, refusals: readonly Refusal[]) {
    super(textOf(refusals));
    this.name = 'RequestRefused';
    this.status = status;
    this.refusals = refusals;
  }
}

const textOf = (refusals: readonly Refusal[]): string =>
  refusals.map(({ code, message }) => `${code}: ${message}`).join('; ');

export const refuse = (status: number, code: string, message: string, fields: readonly string[] = []): RequestRefused =>
  new RequestRefused(status, [refusal(code, message, fields)]);
