/** Verdicts on a call that settle nothing about its record, the same on every platform. */
import type { ErrorCode } from './errors.ts';

export type Passing =
  /** Try again later. `doubt`: it may have been applied, or may yet be. */
  | { readonly kind: 'retry'; readonly doubt: boolean; readonly code: ErrorCode; readonly text: string }
  /** A limit: wait, then go on; it is not an attempt. */
  | { readonly kind: 'wait'; readonly ms: number; readonly text: string }
  /** Nothing will succeed until a person acts. */
  | { readonly kind: 'stop'; readonly code: ErrorCode; readonly text: string };
