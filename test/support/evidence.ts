/** What is known of a world after a test: its topics, the judge's verdict, and which writes were made in vain. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import type { Edit } from '../../cli/demo/edits.ts';
import { judge, type Verdict } from '../../cli/demo/judge.ts';
import type { World } from '../../cli/demo/world.ts';
import { connectKafka, type InRecord, type KafkaAccess } from '../../core/kafka.ts';
import { connectRegistry, type RegistryCodec } from '../../core/registry.ts';
import type { TopicName } from '../../schemas/topics.ts';
import type { AccountEvent, Change, CustomerEvent, DeadLetter } from '../../schemas/types.ts';
import { type Doubts, doubtsOf } from './doubt.ts';
import { seed, until } from './e2e.ts';

const log = pino({ level: process.env['LOG'] ?? 'silent' });

/** The world's own topics, read as anybody may read them: without a group, committed records only. */
export class Topics {
  readonly kafka: KafkaAccess;
  readonly codec: RegistryCodec;

  private constructor(kafka: KafkaAccess, codec: RegistryCodec) {
    this.kafka = kafka;
    this.codec = codec;
  }

  static async open({ env }: World): Promise<Topics> {
    const prefix = env['TRIBUTARY_PREFIX'] ?? '';
    const brokers = env['KAFKA_BROKERS'] ?? '';
    const kafka = connectKafka({ brokers, prefix, clientId: 'e2e', log });
    return new Topics(kafka, await connectRegistry({ url: env['SCHEMA_REGISTRY_URL'] ?? '', prefix, log }));
  }

  close(): Promise<void> {
    return this.kafka.close();
  }

  async records(topic: TopicName): Promise<readonly InRecord[]> {
    const all: InRecord[] = [];
    for (const { partition, earliest, latest } of await this.kafka.offsets(topic))
      await this.kafka.read(topic, partition, earliest, latest, (records) => void all.push(...records));
    return all;
  }

  async values<T>(topic: TopicName): Promise<readonly { readonly record: InRecord; readonly value: T }[]> {
    const records = await this.records(topic);
    await this.codec.prepare(records.map(({ value }) => value));
    return records.flatMap((record) =>
      record.value === null ? [] : [{ record, value: this.codec.decode(record.value).value as T }],
    );
  }

  /** Events in all: the ids, for a version that is told twice would be told twice here. */
  async eventIds(): Promise<readonly string[]> {
    const [customers, accounts] = await Promise.all([
      this.values<CustomerEvent>('customer.events'),
      this.values<AccountEvent>('account.events'),
    ]);
    return [...customers, ...accounts].map(({ value }) => value.eventId);
  }

  /** Until the group has done everything that stands in the topic now. */
  async done(group: string, topic: TopicName): Promise<void> {
    const ends = new Map((await this.kafka.offsets(topic)).map(({ partition, latest }) => [partition, latest]));
    await until(
      () => this.kafka.committed(group, topic),
      (positions) =>
        [...ends].every(([at, end]) => end === 0 || positions.some((one) => one.partition === at && one.next >= end)),
    );
  }

  async doubts(world: World): Promise<Doubts> {
    const changes = await this.values<Change>('changes');
    return doubtsOf(
      await world.intercomCalls(),
      changes.map(({ record, value }) => ({ time: record.time, change: value })),
    );
  }
}

/** What any stage rejected: nothing that people do in Salesforce is a reason to. */
export async function deadLetters(topics: Topics): Promise<readonly string[]> {
  const stages = ['connectors.dlq', 'decode.dlq', 'unify.dlq', 'sinks.dlq'] as const;
  const letters = await Promise.all(stages.map((topic) => topics.values<DeadLetter>(topic)));
  return letters.flat().map(({ value: { stage, code, message, ref } }) => `${stage} ${code} ${ref}: ${message}`);
}

/** Customers whose events do not count 1, 2, 3…: one was lost, or told twice. */
export async function brokenHistories(topics: Topics): Promise<readonly string[]> {
  const versions = new Map<string, number[]>();
  for (const { value } of await topics.values<CustomerEvent>('customer.events'))
    versions.set(value.customerId, [...(versions.get(value.customerId) ?? []), value.version]);
  return [...versions]
    .filter(([, seen]) => seen.some((version, n) => version !== n + 1))
    .map(([id, seen]) => `${id}: ${seen.join(' ')}`);
}

/**
 * Fields of which the last edit does not stand. Of those that were edited on both platforms nobody is asked here: which of the
 * two counts is decided by times that only the platforms know. Nor of accounts: a membership has no moment of its own in
 * Intercom, and one of ours that was made while somebody ended it, its answer lost, is told like a person's.
 */
export async function lostEdits(world: World, edits: readonly Edit[]): Promise<readonly string[]> {
  const { Contact, Account } = await world.salesforceStore();
  const rows = new Map([...Contact, ...Account].map((row) => [row['Id'], row]));
  const last = new Map<string, { readonly on: Set<string>; readonly edit: Edit }>();
  for (const edit of edits) {
    for (const field of Object.keys(edit.fields)) {
      if (field === 'AccountId') continue;
      const place = `${edit.id} ${field}`;
      last.set(place, { on: (last.get(place)?.on ?? new Set()).add(edit.on), edit });
    }
  }
  return [...last].flatMap(([place, { on, edit }]) => {
    const [id = '', field = ''] = place.split(' ');
    const [stands, entered] = [rows.get(id)?.[field], edit.fields[field]].map(plainly);
    return on.size > 1 || stands === entered ? [] : [`${place}: ${entered} of ${edit.on} was lost to ${stands}`];
  });
}

/** Of names that are picked the order means nothing. */
const plainly = (value: unknown): string =>
  typeof value === 'string' ? value.split(';').toSorted().join(';') : JSON.stringify(value ?? null);

/** The whole story of a failure, beside the logs: what was learned, in its order, and every call that both doubles received. */
async function keepEvidence(world: World, topics: Topics | undefined, edits: readonly unknown[]): Promise<void> {
  await world.keepEvidence(edits);
  const told = topics === undefined ? [] : await topics.values<Change>('changes');
  const lines = told
    .filter(({ value }) => value.kind !== 'tick' && value.kind !== 'mark')
    .map(({ record: { offset, time }, value }) => JSON.stringify({ offset, time, ...value }));
  writeFileSync(join(dirname(world.logFile('services')), 'changes.jsonl'), `${lines.join('\n')}\n`);
}

export async function endWorld(
  world: World | undefined,
  topics: Topics | undefined,
  failed: boolean,
  edits: readonly unknown[],
): Promise<void> {
  if (failed && world !== undefined) {
    await keepEvidence(world, topics, edits);
    console.error(`seed ${seed}; what explains it is in ${dirname(world.logFile('services'))}`);
  }
  await topics?.close();
  await world?.stop(failed);
}

export async function verdictOf(world: World): Promise<Verdict> {
  const [salesforceStore, intercomStore, calls, salesforce] = await Promise.all([
    world.salesforceStore(),
    world.intercomStore(),
    world.intercomCalls(),
    world.salesforceCalls(),
  ]);
  const salesforceCalls = salesforce.filter(({ origin }) => origin === 'tributary');
  return judge({ salesforceStore, intercomStore, calls, salesforceCalls });
}
