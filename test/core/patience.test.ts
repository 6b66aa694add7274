import { describe, expect, test } from 'vitest';
import { TributaryError } from '../../core/errors.ts';
import { patiently } from '../../core/patience.ts';

function options(signal = new AbortController().signal) {
  const said: string[] = [];
  return { said, signal, ready: (state: boolean, why: string) => void said.push(`${state} ${why}`) };
}

describe('patiently', () => {
  test('tries again what may pass, and says why it is not ready meanwhile', async () => {
    const given = options();
    let tries = 0;
    const result = await patiently(given, async () => {
      if (++tries < 3) throw new TributaryError('REDIS_UNAVAILABLE', `away ${tries}`);
      return 'done';
    });
    expect(result).toBe('done');
    expect(given.said).toEqual(['false away 1', 'false away 2']);
  });

  test('a platform that answers nonsense is asked again: an end would be met again at every start', async () => {
    let tries = 0;
    const work = async (): Promise<number> => {
      if (++tries < 2) throw new TributaryError('PLATFORM_NONSENSE', 'an HTML page');
      return tries;
    };
    expect(await patiently(options(), work)).toBe(2);
  });

  test('does not try again what will not pass', async () => {
    let tries = 0;
    const work = patiently(options(), async () => {
      tries++;
      throw new TributaryError('CREDENTIALS_REFUSED', 'no');
    });
    await expect(work).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    expect(tries).toBe(1);
  });

  test('ends in the middle of a pause when it is told to stop', async () => {
    const end = new AbortController();
    const given = options(end.signal);
    const work = patiently(given, async () => {
      setImmediate(() => end.abort());
      throw new TributaryError('PLATFORM_LIMIT', 'wait', { retryAfterMs: 600_000 });
    });
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
  });
});
