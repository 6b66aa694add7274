/**
 * Metrics of unify, taken from outside: the fold is pure and stays so. With every tick its status is read from its state, so
 * all levels are of one moment, and right from the first tick after a take-over on.
 */
import type { Fold, State } from '../core/fold.ts';
import { metrics } from '../core/metrics.ts';
import type { Committed } from '../core/transaction.ts';
import { configKey } from '../processors/unify/keys.ts';
import { readStatus, statusKeys } from '../processors/unify/status.ts';
import type { CursorState } from '../schemas/types.ts';

/** The configuration that the log holds, as far as unify has read it. */
export interface ConfigInLog {
  readonly n: number;
  readonly hash: string;
}

/** `onConfig` is told with every tick which configuration is in force: only the state knows. */
export function observed(fold: Fold, onConfig: (config: ConfigInLog) => void): Fold {
  return {
    ...fold,
    recalls: (record, known) =>
      record.change.kind === 'tick'
        ? [...fold.recalls(record, known), ...statusKeys, configKey]
        : fold.recalls(record, known),
    decide(state, record) {
      const outputs = fold.decide(state, record);
      if (record.change.kind !== 'tick') return outputs;
      const { n, s } = (state.get(configKey) as CursorState | undefined) ?? { n: {}, s: {} };
      onConfig({ n: n['n'] ?? 0, hash: s['hash'] ?? '' });
      recordStatus(state);
      return outputs;
    },
  };
}

function recordStatus(state: State): void {
  const values = new Map<string, object>();
  for (const key of statusKeys) {
    const value = state.get(key);
    if (value !== undefined) values.set(key, value);
  }
  const status = readStatus(values);
  metrics.waitingCreates.set(status.gated);
  metrics.jobs.set(status.jobs);
  for (const { platform, open, dirty, currentTo, hole } of status.platforms) {
    metrics.openAsks.set({ platform }, open);
    metrics.holeOpen.set({ platform }, hole ? 1 : 0);
    for (const [lane, count] of Object.entries(dirty)) metrics.dirty.set({ platform, lane }, count);
    if (currentTo > 0) metrics.markTime.set({ platform }, currentTo / 1000);
  }
}

/** Of a standby they would be those of long ago, beside the right ones of whoever has the work. */
export function forgetStatus(): void {
  const { waitingCreates, jobs, openAsks, holeOpen, dirty, markTime, lag } = metrics;
  for (const gauge of [waitingCreates, jobs, openAsks, holeOpen, dirty, markTime]) gauge.reset();
  lag.remove({ group: 'unify', topic: 'changes' });
}

export function recordCommit(done: Committed): void {
  metrics.records.inc({ stage: 'unify', outcome: 'decided' }, done.records - done.deadLetters);
  metrics.records.inc({ stage: 'unify', outcome: 'rejected' }, done.deadLetters);
  metrics.lag.set({ group: 'unify', topic: 'changes' }, done.lag);
  metrics.transactionSeconds.observe(done.transactionMs / 1000);
  metrics.transactionRecords.observe(done.records);
  metrics.mirrorSeconds.observe(done.mirrorMs / 1000);
}
