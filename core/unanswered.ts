/** Calls that brought no answer: what is said of them, and whether the other side can have received them. */

/** Failures before anything was sent: nobody can have carried out what never reached them. */
const unsent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** A longer answer is not read to its end, and counts as none: the platforms' own stay far below. */
export const mostAnswerBytes = 32 * 1024 * 1024;

export interface Unanswered {
  readonly answered: false;
  /** The system's code of the failure where there is one, such as ECONNRESET. */
  readonly cause: string;
  /** The request may have reached the other side. */
  readonly sent: boolean;
}

/** `late`: our own deadline ended the wait, in words for people. */
export function unanswered(error: unknown, late?: string): Unanswered {
  const cause = late ?? causeOf(error);
  return { answered: false, cause, sent: late !== undefined || !unsent.has(cause) };
}

/** Clients wrap what the socket said, some of them twice. */
function causeOf(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
  }
  return error instanceof Error ? error.message : String(error);
}
