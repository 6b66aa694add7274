import { describe, expect, test } from 'vitest';
import { waitUntil } from '../../cli/demo/waiting.ts';
import { TributaryError } from '../../core/errors.ts';

const signal = new AbortController().signal;
const wait = (lacks: () => Promise<string | undefined>, limitMs: number, by = signal) =>
  waitUntil({ what: 'it is there', lacks, limitMs, signal: by });

describe('waiting', () => {
  test('goes on while something is lacking or a look fails, and ends when nothing is', async () => {
    const answers = [
      () => Promise.reject(new TypeError('fetch failed')),
      () => Promise.reject(new TributaryError('PLATFORM_REFUSED', 'not yet')),
      () => Promise.resolve('one of two'),
      () => Promise.resolve(undefined),
    ];
    await wait(() => answers.shift()?.() ?? Promise.reject(new Error('looked once too often')), 60_000);
    expect(answers).toEqual([]);
  });

  test.each(['STACK_FAILED', 'CONFIG_INVALID', 'INTERNAL'] as const)(
    'ends at the first look that fails with %s',
    async (code) => {
      const final = new TributaryError(code, 'the services ended');
      let looks = 0;
      const failing = () => {
        looks += 1;
        return Promise.reject(final);
      };
      await expect(wait(failing, 60_000)).rejects.toBe(final);
      expect(looks).toBe(1);
    },
  );

  test('says at the limit what was lacking last, and does not lead to the stack', async () => {
    const answers = [() => Promise.reject(new Error('away')), () => Promise.resolve('3 records wait')];
    await expect(
      wait(() => (answers.shift() ?? (() => Promise.resolve('2 records wait')))(), 150),
    ).rejects.toMatchObject({ code: 'INTERNAL', message: 'gave up waiting until it is there: 2 records wait' });
    const refused = new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });
    await expect(wait(() => Promise.reject(refused), 0)).rejects.toMatchObject({
      message: 'gave up waiting until it is there: fetch failed (connect ECONNREFUSED)',
      cause: refused,
    });
  });

  test('ends when it is called off', async () => {
    const off = new AbortController();
    const waiting = wait(() => Promise.resolve('everything'), 60_000, off.signal);
    off.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });
});
