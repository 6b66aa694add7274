/** A person and the accounts they may work for, on both platforms: each is a store whose commands are carried out. */
import { createUnify } from '../../../processors/unify/index.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Change, Command, Value } from '../../../schemas/types.ts';
import {
  createdEvent,
  deletedEvent,
  epoch,
  event,
  mark,
  result,
  row,
  second,
  snapshotComplete,
} from '../../support/changes.ts';
import { FoldRunner } from '../../support/fold-runner.ts';
import { type TwoWayOptions, twoWay } from '../../support/two-way.ts';

type Fields = Readonly<Record<string, Value>>;
type Platform = Command['platform'];

export const contact = 'salesforce:Contact:003A';
export const ada = { Email: 'ada@x.example', LastName: 'Byron', FirstName: 'Ada' };

/**
 * Both platforms as two stores: commands are carried out and answered, people's edits are told as they would be. Intercom
 * gives out ids in order.
 */
export class Both {
  readonly runner: FoldRunner;
  readonly store = new Map<string, Fields>();
  readonly ran: Command[] = [];
  /** Refs that are gone without anybody having told of it. */
  readonly gone = new Set<string>();
  /** Of no call is known how often it was carried out. */
  doubtful = false;
  /** The calls of one ask of Intercom are seconds apart, and what stands between them is told before the answer. */
  apart = false;
  #at = 10;
  #seq = 10;
  #ids = 0;
  readonly #done = new Set<Command>();

  constructor(options: TwoWayOptions = {}) {
    this.runner = new FoldRunner(createUnify(twoWay(options)));
    for (const platform of ['salesforce', 'intercom'] as const) {
      for (let partition = 0; partition < 4; partition++) {
        const announced = epoch(partition, `${platform}${partition}`, 0, 50);
        this.runner.decide({ ...announced, epoch: announced.epoch === null ? null : { ...announced.epoch, platform } });
      }
    }
    this.runner.decide(snapshotComplete('intercom', 'admin'));
  }

  say(...changes: readonly Change[]): this {
    for (const one of changes) this.runner.decide(one);
    return this;
  }

  /** A person edits, or makes, a record; it is told whole by Intercom and by the field by Salesforce. */
  edit(ref: string, fields: Fields): this {
    this.#at += 5;
    const known = this.store.get(ref);
    this.store.set(ref, { ...known, ...fields });
    return this.say(this.#told(ref, known === undefined ? undefined : fields)).settle();
  }

  #told(ref: string, changed: Fields | undefined): Change {
    this.#seq += 1;
    const all = this.store.get(ref) ?? {};
    if (ref.startsWith('salesforce:'))
      return changed === undefined
        ? createdEvent(ref, all, this.#at, this.#seq)
        : event(ref, changed, this.#at, this.#seq);
    const time = (second + this.#at) * 1000 + this.#seq;
    return event(ref, all, this.#at, -1, { whole: true, modified: time, at: { time, seq: -1, second: false } });
  }

  delete(ref: string): this {
    this.#at += 5;
    return this.say(deletedEvent(ref, this.#at, ++this.#seq)).settle();
  }

  settle(): this {
    for (let round = 0; round < 40; round++) {
      this.#at += 3;
      for (const platform of ['salesforce', 'intercom'] as const) this.say(mark(this.#at, platform));
      this.runner.tick();
      const open = this.#open();
      if (open.length === 0 && round > 2) return this;
      for (const command of open) this.#run(command);
    }
    throw new Error('never settles: asks follow asks');
  }

  #open(): readonly Command[] {
    return this.runner.outputs
      .filter(({ topic }) => topic.endsWith('.commands'))
      .map(({ value }) => value as Command)
      .filter((command) => !this.#done.has(command));
  }

  #run(command: Command): void {
    this.#done.add(command);
    this.ran.push(command);
    if (this.gone.has(command.ref)) {
      const platformTime = (second + ++this.#at) * 1000;
      this.say(result(command, partitionOf(command.ref, 4), { outcome: 'gone', platformTime }));
      return;
    }
    const { platform, object } = command;
    const prefix = platform === 'salesforce' ? (object === 'Account' ? '001n' : '003n') : `${object[0]}n`;
    const ref = command.ref === '' ? `${platform}:${object}:${prefix}${++this.#ids}` : command.ref;
    const before = this.store.get(ref) ?? {};
    if (command.verb !== 'read') {
      const changes = Object.entries(command.fields).some(
        ([field, value]) => JSON.stringify(before[field] ?? null) !== JSON.stringify(value),
      );
      if (!changes) throw new Error(`a write in vain: ${JSON.stringify(command.fields)}`);
    }
    const kept = { ...before, ...command.fields };
    this.store.set(ref, kept);
    this.#at += 1;
    const time = (second + this.#at) * 1000;
    const observation = row(ref, kept, this.#at).observation;
    const returned = observation === null ? null : { ...observation, via: 'answer' as const };
    const partition = partitionOf(command.ref === '' ? command.key : command.ref, 4);
    const wasAt = this.#at;
    if (this.apart && platform === 'intercom' && command.fields['companies'] !== undefined) {
      const lists = [before['companies'], command.fields['companies']] as readonly (readonly string[])[];
      const between = { ...kept, companies: [...new Set(lists.flat())].sort() };
      this.#at += 2;
      this.say(event(ref, between, this.#at, -1, { at: { time: (second + this.#at) * 1000, seq: -1, second: false } }));
      this.#at += 2;
    }
    this.say(
      result(command, partition, {
        ref,
        returned: platform === 'intercom' ? returned : null,
        platformTime: time + (this.#at - wasAt) * 1000,
        doubt: this.doubtful,
      }),
    );
    if (platform === 'salesforce') {
      this.#seq += 1;
      this.say(
        event(ref, command.fields, this.#at, this.#seq, { origin: 'tributary', created: command.verb === 'create' }),
      );
    }
  }

  /** Fields of the writes made since, by platform. */
  since(count: number, platform: Platform): readonly Fields[] {
    return this.ran
      .slice(count)
      .filter((command) => command.platform === platform)
      .map((command) => command.fields);
  }

  of(ref: string): Fields {
    return this.store.get(ref) ?? {};
  }

  /** Intercom's company of a Salesforce account. */
  companyOf(accountId: string): string {
    const found = [...this.store].find(([, fields]) => fields['custom_attributes.salesforce_account_id'] === accountId);
    return found?.[0].split(':')[2] ?? '';
  }

  /** Salesforce id of what a create made. */
  accountId(command: Command | undefined): string {
    const account = this.runner.committed.get(`ent:${command?.key ?? ''}`) as { refs: readonly string[] } | undefined;
    return account?.refs.find((ref) => ref.startsWith('salesforce:'))?.split(':')[2] ?? '';
  }

  get accountOfAda(): Value {
    const id = this.runner.entityOf(contact)?.fields['account']?.value;
    const account = this.runner.committed.get(`ent:${String(id)}`) as { refs: readonly string[] } | undefined;
    return account?.refs.find((ref) => ref.startsWith('salesforce:'))?.split(':')[2] ?? null;
  }
}

/** Ada works for A; B is an account too, with somebody in it. */
export function office(options: TwoWayOptions = {}): { world: Both; a: string; b: string; ref: string } {
  const world = new Both(options)
    .edit('salesforce:Account:001A', { Name: 'Orchard' })
    .edit('salesforce:Account:001B', { Name: 'Bakery' })
    .edit('salesforce:Contact:003B', { Email: 'bo@x.example', LastName: 'Bo', AccountId: '001B' })
    .edit(contact, { ...ada, AccountId: '001A' });
  const ref = world.runner.entityOf(contact)?.refs.find((one) => one.startsWith('intercom:')) ?? '';
  return { world, a: world.companyOf('001A'), b: world.companyOf('001B'), ref };
}
