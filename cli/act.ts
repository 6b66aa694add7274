/**
 * An operator's action: a record of `changes` like any other, so it has its place in the one order. It is done when the
 * state knows its id, and what became of it stands in the journal.
 */
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { TributaryError } from '../core/errors.ts';
import type { KafkaAccess, OutRecord } from '../core/kafka.ts';
import { actionsKey } from '../processors/unify/keys.ts';
import { hashId } from '../processors/unify/values.ts';
import { changeOf } from '../schemas/change.ts';
import type { Action, Change, IndexState, JournalEntry } from '../schemas/types.ts';
import { json, say } from './output.ts';
import { type ServerOptions, type Servers, withServers } from './servers.ts';
import { askState } from './state.ts';

export interface ActOptions extends ServerOptions {
  readonly by: string;
  readonly json?: true;
}

/** Adds who says it, and how it is answered. */
export const withActor = (command: Command): Command =>
  command
    .option('--by <name>', 'who says so, for the journal', userInfo().username)
    .option('--json', 'print what the journal says of it as JSON');

export type Order = Pick<Action, 'verb' | 'subject' | 'argument'>;

export const actionOf = (order: Order, by: string): Action => ({ id: randomUUID(), by, ...order });

export const actionRecord = ({ codec }: Pick<Servers, 'codec'>, action: Action): OutRecord => ({
  topic: 'changes',
  key: action.subject,
  value: codec.encode('changes', 'Change', changeOf({ kind: 'action', action })),
});

/** A unify that runs is some transactions behind at most; a longer silence means that none runs. */
const patienceMs = 20_000;
const lookMs = 100;

/**
 * Sends the action, waits until it is done, and says what the journal says of it.
 * @throws TributaryError USAGE when it was refused, with the reason; ACTION_UNANSWERED when no unify decided it in time
 */
export async function act(order: Order, options: ActOptions): Promise<void> {
  const action = actionOf(order, options.by);
  const told = await withServers(options, async (servers) => {
    const { kafka, signal } = servers;
    const from = { changes: await endOf(kafka, 'changes'), journal: await endOf(kafka, 'journal') };
    const producer = await kafka.producer(signal);
    try {
      await producer.send([actionRecord(servers, action)]);
    } finally {
      await producer.close();
    }
    await decided(options, action, signal);
    let place = -1;
    await readSince<Change>(servers, 'changes', from.changes, (change, offset) => {
      if (change.action?.id === action.id) place = offset;
    });
    // By the place of the action: another operator may have said something of the same record meanwhile.
    const entries: JournalEntry[] = [];
    await readSince<JournalEntry>(servers, 'journal', from.journal, (entry) => {
      if (entry.offset === place) entries.push(entry);
    });
    return entries;
  });
  const refused = told.find(({ kind, reason }) => kind === 'rejected' && reason.startsWith(`${action.verb}: `));
  if (refused !== undefined) throw new TributaryError('USAGE', refused.reason, { field: 'subject' });
  if (options.json) return say(json(told, 2));
  say(told.length === 0 ? 'done; it changed nothing' : told.map(entryText).join('\n'));
}

async function endOf(kafka: KafkaAccess, topic: 'changes' | 'journal'): Promise<number> {
  const [range] = await kafka.offsets(topic);
  return range?.latest ?? 0;
}

/** What was appended to a topic of one partition since then. */
async function readSince<T>(
  { kafka, codec }: Servers,
  topic: 'changes' | 'journal',
  from: number,
  each: (value: T, offset: number) => void,
): Promise<void> {
  await kafka.read(topic, 0, from, await endOf(kafka, topic), async (records) => {
    await codec.prepare(records.map(({ value }) => value));
    for (const { value, offset } of records) if (value !== null) each(codec.decode(value).value as T, offset);
  });
}

const entryText = ({ kind, source, field, reason }: JournalEntry): string =>
  `${kind}${field === '' ? '' : ` ${field}`}: ${source}, ${reason}`;

async function decided(options: ServerOptions, { id, verb }: Action, signal: AbortSignal): Promise<void> {
  const hash = hashId(id);
  for (const until = performance.now() + patienceMs; ; ) {
    const done = await askState(options, (state) => (state.get(actionsKey) as IndexState | undefined)?.items ?? []);
    if (done.includes(hash)) return;
    signal.throwIfAborted();
    if (performance.now() > until) {
      throw new TributaryError('ACTION_UNANSWERED', `${verb}: nobody decided it within ${patienceMs / 1000} s`);
    }
    await sleep(lookMs, undefined, { signal });
  }
}
