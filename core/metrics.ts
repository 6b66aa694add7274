/**
 * The catalogue of metrics: every name there is, with its meaning. Labels are small closed sets (stages, platforms, codes,
 * outcomes); an id or a value of a customer is never one, it would be personal data and a series without end.
 * Intended drops and errors are different metrics: an alert on one is noise on the other.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export const registry = new Registry();
const registers = [registry];

const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
  new Counter({ name: `tributary_${name}`, help, labelNames, registers });
const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
  new Gauge({ name: `tributary_${name}`, help, labelNames, registers });
const seconds = <L extends string>(name: string, help: string, labelNames: readonly L[], buckets: number[]) =>
  new Histogram({ name: `tributary_${name}_seconds`, help, labelNames, buckets, registers });

const quick = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const slow = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const metrics = {
  records: counter('records_total', 'Records a stage finished, by outcome: decided, emitted, dropped, rejected.', [
    'stage',
    'outcome',
  ]),
  drops: counter('drops_total', 'Records dropped on purpose, by reason.', ['stage', 'reason']),
  deadLetters: counter('dead_letters_total', 'Records written to a dead-letter topic, by error code.', [
    'stage',
    'code',
  ]),
  lag: gauge('lag_records', 'Records a group is behind the end of a topic.', ['group', 'topic']),
  transactionSeconds: seconds('transaction', 'One transaction of unify, from its first send to its commit.', [], slow),
  transactionRecords: new Histogram({
    name: 'tributary_transaction_records',
    help: 'Records of changes decided in one transaction.',
    buckets: [1, 3, 10, 30, 100, 300, 1000],
    registers,
  }),
  takeOvers: counter('take_overs_total', 'Times unify took the topic over.', []),
  mirrorSeconds: seconds('mirror', 'Writing the state of one transaction to the mirror.', [], quick),
  window: gauge('window', 'Open asks a sink takes, in all lanes and of them in bulk.', [
    'platform',
    'partition',
    'lane',
  ]),
  budgetLeft: gauge('budget_left', 'Calls left in the budget now.', ['platform']),
  dirty: gauge('dirty_records', 'Records that wait for a write.', ['platform', 'lane']),
  openAsks: gauge('open_asks', 'Asks sent and not yet answered.', ['platform']),
  markTime: gauge('mark_timestamp_seconds', 'Up to when a source is current; its age is time() minus this.', [
    'platform',
  ]),
  holeOpen: gauge('hole_open', '1 while a source misses changes that are being read again; creates wait for it.', [
    'platform',
  ]),
  waitingCreates: gauge('waiting_creates', 'Creates that wait for the other platform to be heard first.', []),
  jobs: gauge('jobs', 'Long pieces of work that ticks advance.', []),
  calls: counter('calls_total', 'Calls to a platform, by outcome: ok, refused, limited, failed.', [
    'platform',
    'outcome',
  ]),
  retries: counter(
    'retries_total',
    'Work that failed for no fault of a record and is tried again after a pause, by error code.',
    ['code'],
  ),
  callSeconds: seconds('call', 'One call to a platform.', ['platform'], slow),
  notifications: counter(
    'notifications_total',
    'Webhook notifications of Intercom, by outcome: accepted, rejected (a dead letter), busy (429), unsigned, oversized, broken.',
    ['outcome'],
  ),
  notificationSeconds: seconds('notification', 'Answering a notification, from its headers on.', [], quick),
  results: counter('results_total', 'Commands answered, by outcome.', ['platform', 'outcome']),
  ready: gauge('ready', '1 while a role is ready.', ['role']),
} as const;

/** Process, memory, garbage collection and event-loop lag; not at import, since their observers never end. */
export function collectProcessMetrics(): void {
  if (registry.getSingleMetric('process_cpu_seconds_total') === undefined)
    collectDefaultMetrics({ register: registry });
}
