/** What the tests of the loop and the process that they kill must agree on. */
import { type Logger, pino } from 'pino';
import type { FoldLimits } from '../../core/transaction.ts';

/** TRIBUTARY_TEST_LOG=debug shows what the loop says. */
export const log: Logger = pino({ level: process.env['TRIBUTARY_TEST_LOG'] ?? 'silent' }, pino.destination(2));
export const limits: FoldLimits = { records: 1_000, bytes: 500_000, cacheBytes: 1_000_000 };
export const transactionalId = 'unify';

export function env(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: is this test in the stack tier?`);
  return value;
}
