import { describe, expect, test } from 'vitest';
import { type Fault, noFaults, plannedFaults } from '../../core/faults.ts';

const unkilled = (): void => {
  throw new Error('killed');
};

async function passes(fault: Fault, times: number): Promise<string[]> {
  const heard: string[] = [];
  for (let i = 0; i < times; i += 1) {
    try {
      await fault('mirror:before-commit');
      heard.push('passed');
    } catch (error) {
      heard.push(error instanceof Error ? error.message : 'unknown');
    }
  }
  return heard;
}

describe('fault points', () => {
  test('are nothing at all when the environment names none', () => {
    expect(plannedFaults(undefined, unkilled)).toBe(noFaults);
    expect(plannedFaults('', unkilled)).toBe(noFaults);
  });

  test('happen once, at the passing that was named, and at no other point', async () => {
    const fault = plannedFaults('takeover:after-epoch:1:kill,mirror:before-commit:2:throw=REDIS_UNAVAILABLE', unkilled);
    expect(await passes(fault, 3)).toEqual(['passed', 'fault set at mirror:before-commit', 'passed']);
    await expect(fault('takeover:after-epoch')).rejects.toThrow('killed');
  });

  test('throw the error that was asked for', async () => {
    const fault = plannedFaults('transaction:after:1:throw=KAFKA_UNAVAILABLE', unkilled);
    await expect(fault('transaction:after')).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE', verdict: 'retry' });
  });

  test.each([
    'mirror:nowhere:1:kill',
    'mirror:before-commit:0:kill',
    'mirror:before-commit:1:explode',
    'mirror:before-commit',
  ])('refuse %s rather than prove nothing', (plan) => {
    expect(() => plannedFaults(plan, unkilled)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
