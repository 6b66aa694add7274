/**
 * Edits followed through every stage, to the call that writes them to the other platform.
 *
 * Each stage's time stands somewhere anyway: the topics' append times, and the log of calls of Intercom's double. Clocks are
 * those of one machine. `sent` is when the edit was sent to Salesforce's double, a millisecond or two before its event goes
 * out on the stream: what the double takes for it counts as ours.
 */

import type { InRecord } from '../core/kafka.ts';
import { changeEventHeader } from '../processors/decode/salesforce.ts';
import type { Change, Command } from '../schemas/types.ts';
import type { Pipeline } from './pipeline.ts';

/** A person on both platforms. */
export interface Linked {
  readonly salesforce: string;
  readonly intercom: string;
}

export interface SentEdit {
  readonly person: Linked;
  /** ms. */
  readonly at: number;
}

/** When an edit was where, ms. */
export interface Way {
  readonly sent: number;
  readonly raw: number;
  readonly change: number;
  readonly command: number;
  readonly called: number;
}

const followed = ['salesforce.raw', 'changes', 'intercom.commands'] as const;
export type Followed = (typeof followed)[number];

/** Where topics and calls end before the edits. */
export interface Tips {
  readonly offsets: ReadonlyMap<string, number>;
  readonly calls: number;
}

export async function tipsOf({ kafka, platforms }: Pipeline): Promise<Tips> {
  const offsets = new Map<string, number>();
  for (const topic of followed)
    for (const { partition, latest } of await kafka.offsets(topic)) offsets.set(`${topic}/${partition}`, latest);
  return { offsets, calls: (await platforms.intercomCalls()).at(-1)?.n ?? 0 };
}

/**
 * The nth edit of a person is the nth record of theirs at every stage. Where the numbers differ some were overtaken by the
 * next, and all edits of that person are left out and counted.
 */
export async function followEdits(
  pipeline: Pipeline,
  edits: readonly SentEdit[],
  tips: Tips,
): Promise<{ readonly ways: readonly Way[]; readonly overtaken: number }> {
  const [sent, raw, change, command, called] = [new Times(), new Times(), new Times(), new Times(), new Times()];
  for (const { person, at } of edits) sent.add(person.salesforce, at);
  await eachSince(pipeline, 'salesforce.raw', tips, ({ time }, value) => {
    if ('ChangeEventHeader' in value) for (const id of changeEventHeader(value).recordIds) raw.add(id, time);
  });
  await eachSince(pipeline, 'changes', tips, ({ time }, value) => {
    const [platform, , id = ''] = (value as Change).observation?.ref.split(':') ?? [];
    if (platform === 'salesforce') change.add(id, time);
  });
  await eachSince(pipeline, 'intercom.commands', tips, ({ time }, value) => {
    command.add((value as Command).ref.slice('intercom:contact:'.length), time);
  });
  for (const { method, objectId, time, client } of await pipeline.platforms.intercomCalls(tips.calls))
    if (client === 'app' && method === 'PUT' && objectId !== null) called.add(objectId, time);

  const ways: Way[] = [];
  let overtaken = 0;
  for (const { salesforce, intercom } of new Set(edits.map(({ person }) => person))) {
    const made = sent.of(salesforce);
    const stages = [raw.of(salesforce), change.of(salesforce), command.of(intercom), called.of(intercom)];
    if (stages.some(({ length }) => length !== made.length)) {
      overtaken += made.length;
      continue;
    }
    for (const [n, at] of made.entries()) {
      const [first = at, second = at, third = at, fourth = at] = stages.map((times) => times[n]);
      ways.push({ sent: at, raw: first, change: second, command: third, called: fourth });
    }
  }
  return { ways, overtaken };
}

/** By record, in the order in which they were told. */
class Times {
  readonly #times = new Map<string, number[]>();
  add(record: string, time: number): void {
    const times = this.#times.get(record);
    if (times === undefined) this.#times.set(record, [time]);
    else times.push(time);
  }
  of(record: string): readonly number[] {
    return this.#times.get(record) ?? [];
  }
}

export async function eachSince(
  { kafka, codec }: Pipeline,
  topic: Followed,
  { offsets }: Tips,
  each: (record: InRecord, value: object) => void,
): Promise<void> {
  for (const { partition, latest } of await kafka.offsets(topic)) {
    await kafka.read(topic, partition, offsets.get(`${topic}/${partition}`) ?? 0, latest, async (records) => {
      await codec.prepare(records.map(({ value }) => value));
      for (const record of records) if (record.value !== null) each(record, codec.decode(record.value).value as object);
    });
  }
}
