import { describe, expect, test } from 'vitest';
import { addressesFrom, partNames, parts } from '../../cli/stack/parts.ts';

describe('the stack that the tests are given', () => {
  test.each(partNames)('%s answers as a client would see it', async (name) => {
    const address = addressesFrom(process.env)[name] ?? '';
    const port = Number(/:(\d+)/.exec(address.replace(/^\w+:\/\//, ''))?.[1]);
    expect(await parts[name].answers(port, 5_000)).toBe(true);
  });
});
