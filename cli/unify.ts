/**
 * The role unify: the transactional loop around the pure fold, and its clock.
 *
 * The fold has no time of its own, so the active unify writes ticks into the log; a standby writes none (one too many would
 * be harmless). The configuration goes the same way: it takes effect where it stands in the log, so that a replay decides as
 * the first run did, whatever the file says by then.
 */
import { decisionConfig } from '../core/config.ts';
import type { OutRecord } from '../core/kafka.ts';
import { metrics } from '../core/metrics.ts';
import { delay } from '../core/patience.ts';
import type { Role, RoleContext } from '../core/role.ts';
import { runTransactionalFold } from '../core/transaction.ts';
import { createUnify } from '../processors/unify/index.ts';
import { changeOf } from '../schemas/change.ts';
import type { Change } from '../schemas/types.ts';
import { type ConfigInLog, forgetStatus, observed, recordCommit } from './measure.ts';

/** The grain of gates and timers; finer would be noticed by nobody and fill the log. */
const tickMs = 250;
/**
 * A transaction costs some 25 ms whatever is in it; records and bytes bound what a failed one costs to do again. The cache
 * is counted as encoded; decoded, its values take about ten times that.
 */
const limits = { records: 500, bytes: 4 * 1024 * 1024, cacheBytes: 8 * 1024 * 1024 };

export const unifyRole: Role = {
  async run(context) {
    const ended = new AbortController();
    const signal = AbortSignal.any([context.signal, ended.signal]);
    const tenure: Tenure = { active: false, config: undefined };
    const fold = observed(createUnify(context.config), (config) => {
      tenure.config = config;
    });
    const onTenure = (active: boolean): void => {
      if (active) metrics.takeOvers.inc();
      else forgetStatus();
      tenure.active = active;
      tenure.config = undefined;
    };
    const names = { group: 'unify', transactionalId: 'unify' };
    const parts = [
      runTransactionalFold({ ...context, ...names, signal, fold, limits, onTenure, onCommitted: recordCommit }),
      runClock({ ...context, signal }, tenure),
    ];
    // Whichever fails ends the other: without its clock unify would stand still and look well.
    try {
      await Promise.all(parts);
    } finally {
      ended.abort();
      await Promise.allSettled(parts);
    }
  },
};

interface Tenure {
  active: boolean;
  /** As unify read it in this tenure; undefined before its first decision. */
  config: ConfigInLog | undefined;
}

async function runClock({ kafka, codec, config, log, signal }: RoleContext, tenure: Tenure): Promise<void> {
  const wanted = decisionConfig(config);
  const producer = await kafka.producer(signal);
  /** Number under which ours was announced last; it may stand in the log and not be read yet. */
  let announced = 0;
  try {
    while (!signal.aborted) {
      await delay(tickMs, signal);
      if (signal.aborted || !tenure.active) continue;
      const inLog = tenure.config;
      const records = [changeRecord({ kind: 'tick' })];
      if (inLog !== undefined && inLog.hash !== wanted.hash && inLog.n >= announced) {
        announced = Math.max(Date.now(), inLog.n + 1);
        records.push(changeRecord({ kind: 'config', config: { n: announced, ...wanted } }));
        log.info({ from: inLog.hash, to: wanted.hash }, 'the configuration changed');
      }
      await producer.send(records);
    }
  } finally {
    await producer.close();
  }

  function changeRecord(part: Partial<Change> & Pick<Change, 'kind'>): OutRecord {
    return { topic: 'changes', key: part.kind, value: codec.encode('changes', 'Change', changeOf(part)) };
  }
}
