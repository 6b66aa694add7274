/** Both platforms written and read, leads included: enough of each to answer what unify asks, and nothing of its rules. */
import { loadConfig } from '../../../core/config.ts';
import { createUnify } from '../../../processors/unify/index.ts';
import type { RulesConfig } from '../../../processors/unify/rules.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import type {
  Action,
  Change,
  Command,
  CustomerEvent,
  EntityState,
  JournalEntry,
  Observation,
  Result,
  Value,
} from '../../../schemas/types.ts';
import { epoch, event, mark, result, second, snapshotComplete } from '../../support/changes.ts';
import { FakeIntercom } from '../../support/fake-intercom.ts';
import { change, FoldRunner } from '../../support/fold-runner.ts';

export type Fields = Record<string, Value>;

export function twoWayWithLeads(): RulesConfig {
  const base = loadConfig({ env: {} });
  const onLead: Readonly<Record<string, string>> = {
    email: 'Email',
    firstName: 'FirstName',
    lastName: 'LastName',
    phone: 'Phone',
    title: 'Title',
  };
  const { customer } = base.entities;
  const fields = customer.fields.map((field) => {
    const lead = typeof field.canonical === 'string' ? onLead[field.canonical] : undefined;
    return lead === undefined ? field : { ...field, lead };
  });
  const both = { salesforce: { create: true }, intercom: { create: true } };
  return {
    ...base,
    capture: { ...base.capture, salesforce: true, intercom: true },
    flows: {
      'contact-sync': { ...base.flows['contact-sync'], ...both },
      'account-sync': { ...base.flows['account-sync'], ...both },
    },
    entities: {
      ...base.entities,
      customer: { ...customer, salesforce: { ...customer.salesforce, lead: 'Lead' }, fields },
    },
  };
}

export const contact = (id: string): string => `salesforce:Contact:003${id}`;
export const lead = (id: string): string => `salesforce:Lead:00Q${id}`;
export const account = (id: string): string => `salesforce:Account:001${id}`;
export const person = (id: string): string => `intercom:contact:${id}`;
export const company = (id: string): string => `intercom:company:${id}`;

/** An Intercom webhook: the whole record, at its millisecond. */
export const webhook = (ref: string, fields: Fields, at: number, more: Partial<Observation> = {}): Change =>
  event(ref, { role: 'user', ...fields }, at, -1, {
    whole: true,
    at: { time: (second + at) * 1000 + 1, seq: -1, second: false },
    modified: (second + at) * 1000 + 1,
    ...more,
  });

/** The record was merged or converted into another one. */
export const moved = (ref: string, into: string, at: number, seq = -1): Change =>
  event(ref, {}, at, seq, { op: 'moved', into, via: seq < 0 ? 'read' : 'event' });

/** A contact of Salesforce, and the same person in Intercom. */
export const ada = { Email: 'ada@x.example', FirstName: 'Ada', LastName: 'Byron' };
export const adaThere = { email: 'ada@x.example', name: 'Ada Byron' };

let actions = 0;
export const action = (verb: Action['verb'], subject: string, argument = '', id = `action ${actions++}`): Change =>
  change({ kind: 'action', action: { id, verb, subject, argument, by: 'Eve' } });

export class People {
  readonly runner: FoldRunner;
  readonly intercom = new FakeIntercom();
  /** Salesforce records by id, as unify wrote them. */
  readonly salesforce = new Map<string, Fields>();
  readonly ran: Command[] = [];
  #next = 1;

  /** `forgetful`: every key has to be fetched for every record. */
  constructor(config = twoWayWithLeads(), window = 50, forgetful = false) {
    this.runner = new FoldRunner(createUnify(config), forgetful);
    for (let partition = 0; partition < 4; partition++)
      for (const platform of ['salesforce', 'intercom'] as const)
        this.runner.decide(epoch(partition, `e${partition}`, 0, window, window, platform));
    this.runner.decide(snapshotComplete('intercom', 'admin'));
  }

  say(...changes: readonly Change[]): this {
    for (const one of changes) {
      this.#keep(one);
      this.runner.decide(one);
    }
    if (this.runner.poisons.length > 0) throw new Error(this.runner.poisons.join('; '));
    return this;
  }

  /** What a webhook tells is what Intercom has. */
  #keep({ observation }: Change): void {
    const [platform, object = '', id = ''] = observation?.ref.split(':') ?? [];
    if (observation === null || platform !== 'intercom' || observation.via !== 'event') return;
    if (observation.op === 'deleted' || observation.op === 'moved') this.intercom.records.delete(id);
    else {
      const updatedAt = Math.floor(observation.at.time / 1000);
      this.intercom.records.set(id, { object, fields: { ...observation.fields }, updatedAt });
    }
  }

  commands(platform?: Command['platform']): readonly Command[] {
    return this.runner.outputs
      .filter(
        ({ topic }) => topic === `${platform ?? 'salesforce'}.commands` || (!platform && topic === 'intercom.commands'),
      )
      .map((output) => output.value as Command);
  }

  /** What was asked and not answered yet. */
  waiting(): readonly Command[] {
    return this.commands().filter((command) => !this.ran.includes(command));
  }

  answer(command: Command | undefined, more: Partial<Result>): this {
    if (command === undefined) throw new Error('nothing was asked');
    this.ran.push(command);
    return this.say(result(command, partitionOf(command.ref === '' ? command.key : command.ref, 4), more));
  }

  /** Carries a command out on its platform. */
  run(command: Command): Partial<Result> {
    return command.platform === 'intercom' ? this.intercom.run(command) : this.#salesforce(command);
  }

  #salesforce(command: Command): Partial<Result> {
    this.intercom.now += 1;
    const id = command.verb === 'create' ? `new${this.#next++}` : command.ref.slice(command.ref.lastIndexOf(':') + 1);
    this.salesforce.set(id, { ...this.salesforce.get(id), ...command.fields });
    const ref = `salesforce:${command.object}:${id}`;
    const at = { time: this.intercom.now * 1000, seq: -1, second: true };
    const returned: Observation = {
      ref,
      op: 'seen',
      via: 'answer',
      whole: false,
      created: false,
      fields: command.fields,
      unknown: [],
      at,
      modified: at.time,
      origin: null,
      by: null,
      transaction: null,
      into: null,
    };
    return { ref, outcome: 'applied', returned, platformTime: at.time };
  }

  /** The marks of both platforms. */
  marks(at: number): this {
    return this.say(mark(at), mark(at, 'intercom'));
  }

  /** Marks pass, and everything that is asked is answered until nothing is left. */
  pass(at: number): this {
    this.intercom.now = Math.max(this.intercom.now, second + at);
    for (let round = 0; round < 40; round++) {
      this.marks(at);
      this.runner.tick();
      const asked = this.waiting();
      if (asked.length === 0 && round > 1) return this;
      for (const command of asked) this.answer(command, this.run(command));
    }
    throw new Error('never settles: asks follow asks');
  }

  idOf(ref: string): string {
    return this.runner.ref(ref)?.id ?? '';
  }

  entity(id: string): EntityState | undefined {
    return this.runner.committed.get(`ent:${id}`) as EntityState | undefined;
  }

  living(ref: string): EntityState | undefined {
    let entity = this.entity(this.idOf(ref));
    while (entity?.mergedInto != null) entity = this.entity(entity.mergedInto);
    return entity;
  }

  /** Canonical values of whom a record belongs to. */
  values(ref: string): Fields {
    return Object.fromEntries(Object.entries(this.living(ref)?.fields ?? {}).map(([name, { value }]) => [name, value]));
  }

  journal(kind: JournalEntry['kind']): readonly JournalEntry[] {
    return this.runner.journal().filter((entry) => entry.kind === kind);
  }

  events(id?: string): readonly CustomerEvent[] {
    return this.runner.outputs
      .filter((output) => output.topic === 'customer.events')
      .map((output) => output.value as CustomerEvent)
      .filter((one) => id === undefined || one.customerId === id);
  }

  set(name: string): readonly string[] {
    return [...this.runner.committed]
      .filter(([key]) => key.startsWith(`idx:set:${name}:`))
      .flatMap(([, value]) => (value as { items: readonly string[] }).items)
      .sort();
  }

  creates(platform: Command['platform']): readonly Command[] {
    return this.commands(platform).filter((command) => command.verb === 'create');
  }
}

/** Which of these records are there. */
export const alive = (people: People, ...refs: readonly string[]): readonly boolean[] =>
  refs.map((ref) => people.runner.ref(ref)?.deleted === false);

/** Every order of a few changes, for it.each: a name and the changes. */
export function orders(changes: Readonly<Record<string, Change>>): readonly (readonly [string, readonly Change[]])[] {
  const permute = (names: readonly string[]): readonly (readonly string[])[] =>
    names.length <= 1
      ? [names]
      : names.flatMap((name) => permute(names.filter((other) => other !== name)).map((rest) => [name, ...rest]));
  return permute(Object.keys(changes)).map(
    (names) => [names.join(', then '), names.flatMap((name) => changes[name] ?? [])] as const,
  );
}
