import { TributaryError } from '../../../core/errors.ts';

/** What it gives, or the code of what it throws; any other error as it is, for the expectation to stumble over. */
export function outcomeOf(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error instanceof TributaryError ? error.code : error;
  }
}
