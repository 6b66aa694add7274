/**
 * Every topic as data: key, partitions, retention, schemas, writer. `tributary topics apply` makes it true.
 * Names here carry no prefix; core/kafka.ts adds the configured one at the wire.
 */
const day = 86_400_000;

export interface TopicSpec {
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  /** How long records (delete) or tombstones (compact) stay, ms. */
  readonly keepMs: number;
  /** Record schemas that may stand in it; the subject is `<topic>-<record name>`. `salesforce:*`: Salesforce's own. */
  readonly schemas: readonly string[];
  readonly compatibility: 'FULL_TRANSITIVE' | 'NONE';
  readonly key: string;
  readonly writer: string;
}

const spec = (
  key: string,
  partitions: number,
  cleanup: 'delete' | 'compact',
  keepMs: number,
  writer: string,
  ...schemas: string[]
): TopicSpec => ({
  key,
  partitions,
  cleanup,
  keepMs,
  writer,
  schemas,
  compatibility: 'FULL_TRANSITIVE',
});

export const topics = {
  'salesforce.raw': spec(
    'record id',
    1,
    'delete',
    30 * day,
    'connectors/salesforce',
    'salesforce:*',
    'RawRecord',
    'SourceMark',
  ),
  'intercom.raw': spec('record id', 1, 'delete', 30 * day, 'connectors/intercom', 'RawRecord', 'SourceMark'),
  changes: spec('ref', 1, 'delete', 30 * day, 'decode, sinks, clock, cli', 'Change'),
  'unify.state': spec(
    'state key',
    1,
    'compact',
    7 * day,
    'unify',
    'RefState',
    'EntityState',
    'IndexState',
    'CursorState',
    'JobState',
    'UnifyPosition',
  ),
  'customer.events': spec('customer id', 4, 'delete', 30 * day, 'unify', 'CustomerEvent'),
  'account.events': spec('account id', 4, 'delete', 30 * day, 'unify', 'AccountEvent'),
  'customer.latest': spec('customer id', 4, 'compact', 7 * day, 'unify', 'CustomerEvent'),
  'account.latest': spec('account id', 4, 'compact', 7 * day, 'unify', 'AccountEvent'),
  journal: spec('customer, account id or ref', 1, 'delete', 90 * day, 'unify', 'JournalEntry'),
  // One: a call carries up to 200 rows, and what lies in another partition cannot go with it.
  'salesforce.commands': spec('ref or creation key', 1, 'delete', 7 * day, 'unify', 'Command'),
  'intercom.commands': spec('ref or creation key', 4, 'delete', 7 * day, 'unify', 'Command'),
  'intercom.intents': spec('command id', 4, 'compact', 7 * day, 'sinks/intercom', 'Intent'),
  'connectors.dlq': spec('original key', 1, 'delete', 30 * day, 'connectors', 'DeadLetter'),
  'decode.dlq': spec('original key', 1, 'delete', 30 * day, 'decode', 'DeadLetter'),
  'unify.dlq': spec('original key', 1, 'delete', 30 * day, 'unify', 'DeadLetter'),
  'sinks.dlq': spec('original key', 1, 'delete', 30 * day, 'sinks', 'DeadLetter'),
} as const satisfies Record<string, TopicSpec>;

export type TopicName = keyof typeof topics;

/** State key prefix (up to the first `:`) → record schema of its values. */
export const stateSchemas: Readonly<Record<string, string>> = {
  ref: 'RefState',
  ent: 'EntityState',
  idx: 'IndexState',
  cur: 'CursorState',
  job: 'JobState',
  position: 'UnifyPosition',
};

/** Partition of a key: murmur2 like every Kafka client, computed here because kafkajs does it in BigInt and ten times slower. */
export function partitionOf(key: string | Buffer, partitions: number): number {
  const data = typeof key === 'string' ? Buffer.from(key) : key;
  const m = 0x5bd1e995;
  const length = data.length;
  let h = 0x9747b28c ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = data.readInt32LE(i);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    k = Math.imul(k, m);
    h = Math.imul(h, m) ^ k;
  }
  const rest = length - i;
  if (rest === 3) h ^= (data[i + 2] ?? 0) << 16;
  if (rest >= 2) h ^= (data[i + 1] ?? 0) << 8;
  if (rest >= 1) h = Math.imul(h ^ (data[i] ?? 0), m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  h ^= h >>> 15;
  return (h & 0x7fffffff) % partitions;
}
