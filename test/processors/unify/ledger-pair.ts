/** A person who is on both platforms, held against the ledger rule by rule. Times are seconds of the platforms. */
import { loadConfig } from '../../../core/config.ts';
import { createUnify } from '../../../processors/unify/index.ts';
import type { RulesConfig } from '../../../processors/unify/rules.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Command, Observation, Result, Value } from '../../../schemas/types.ts';
import { createdEvent, epoch, event, mark, result, row, second, snapshotComplete } from '../../support/changes.ts';
import { change, FoldRunner } from '../../support/fold-runner.ts';

type FieldRule = RulesConfig['entities']['customer']['fields'][number];
type Fields = Readonly<Record<string, Value>>;

export const salesforce = 'salesforce:Contact:003A';
export const intercom = 'intercom:contact:c1';

function configOf(): RulesConfig {
  const base = loadConfig({ env: {} });
  const email = base.entities.customer.fields.find((field) => field.type === 'email');
  if (email === undefined) throw new Error('the mapping has no email');
  const field = (canonical: string, name: string, more: Partial<FieldRule> = {}): FieldRule => ({
    canonical,
    type: 'text',
    salesforce: name,
    intercom: `custom_attributes.${canonical}`,
    fillIfEmpty: false,
    ...more,
  });
  return {
    ...base,
    capture: { ...base.capture, salesforce: true, intercom: true },
    flows: {
      ...base.flows,
      'contact-sync': { ...base.flows['contact-sync'], salesforce: { create: true }, intercom: { create: true } },
    },
    entities: {
      ...base.entities,
      customer: {
        ...base.entities.customer,
        fields: [
          email,
          field('title', 'Title'),
          field('phone', 'Phone'),
          field('tier', 'Tier__c', { owner: 'salesforce' }),
          field('city', 'City__c', { fillIfEmpty: true }),
          field('optOut', 'HasOptedOutOfEmail', { type: 'optOut', owner: 'salesforce' }),
        ],
      },
    },
    freeze: { alternations: 3, withinMs: 60_000 },
  };
}

export const config = configOf();
export const ours = { origin: config.salesforce.client, by: 'us' };

/** A person linked on both platforms, all quiet; the sinks answer only when told to. */
export class Pair {
  readonly runner = new FoldRunner(createUnify(config));
  #seq = 10;
  #answered = new Set<Command>();

  /** `unknown`: fields that Intercom does not tell. */
  constructor(fields: Fields = {}, there: Fields = {}, unknown: readonly string[] = []) {
    for (const platform of ['salesforce', 'intercom'] as const)
      for (let partition = 0; partition < 4; partition++)
        this.runner.decide(epoch(partition, `e${partition}`, 0, 10, 10, platform));
    this.runner.decide(snapshotComplete('intercom', 'admin'));
    const email = 'ada@x.example';
    this.runner.decide(createdEvent(salesforce, { Email: email, Title: 'a', Phone: 'p', ...fields }, 1, 1));
    const told = { email, role: 'user', 'custom_attributes.title': 'a', 'custom_attributes.phone': 'p', ...there };
    this.webhook(told, 1, { whole: true, unknown });
    // Our marks, and what one side lacks.
    for (let rounds = 0; rounds < 5; rounds++)
      for (const command of this.open()) {
        if (command.platform === 'salesforce') {
          this.done(command, 2).event(command.fields, 2, ours);
        } else this.answer(command, { fields: command.fields, at: 2 });
      }
    if (this.open().length > 0) throw new Error('the pair does not come to rest');
  }

  get id(): string {
    return this.runner.entityOf(salesforce)?.id ?? '';
  }

  value(name: string): Value | undefined {
    return this.runner.entityOf(salesforce)?.fields[name]?.value;
  }

  /** A change event of Salesforce. */
  event(fields: Fields, at: number, more: Partial<Observation> = {}): this {
    this.runner.decide(event(salesforce, fields, at, this.#seq++, more));
    return this;
  }

  /** A webhook of Intercom; `at` may have milliseconds. Fields not named are as before. */
  webhook(fields: Fields, at: number, more: Partial<Observation> = {}): this {
    const time = Math.round((second + at) * 1000);
    const observation = {
      ...(event(intercom, fields, 0, -1).observation as Observation),
      at: { time, seq: -1, second: false },
      modified: time,
      ...more,
    };
    this.runner.decide(change({ kind: 'observation', observation }));
    return this;
  }

  /** Commands that nobody has answered. */
  open(): readonly Command[] {
    return this.runner.outputs
      .filter((output) => output.topic === 'salesforce.commands' || output.topic === 'intercom.commands')
      .map((output) => output.value as Command)
      .filter((command) => !this.#answered.has(command));
  }

  only(): Command {
    const [command, ...others] = this.open();
    if (command === undefined || others.length > 0)
      throw new Error(`${this.open().length} commands are open: ${JSON.stringify(this.open())}`);
    return command;
  }

  result(command: Command, more: Partial<Result>): this {
    this.#answered.add(command);
    this.runner.decide(result(command, partitionOf(command.ref, 4), { ref: command.ref, ...more }));
    return this;
  }

  /** Salesforce has done it, and says no more than that. */
  done(command: Command, at: number): this {
    return this.result(command, { platformTime: (second + at) * 1000 });
  }

  /** The platform has done it, or read it, and this is what there is now. */
  answer(command: Command, told: { fields: Fields; at: number; modified?: number }, more: Partial<Result> = {}): this {
    const returned: Observation = {
      ...(row(command.ref, told.fields, told.at).observation as Observation),
      via: 'answer',
      whole: false,
      modified: (second + (told.modified ?? told.at)) * 1000,
    };
    return this.result(command, { returned, platformTime: (second + told.at) * 1000, ...more });
  }

  marks(at: number): this {
    for (const platform of ['salesforce', 'intercom'] as const) this.runner.decide(mark(at, platform));
    return this;
  }

  journal(kind: string): readonly string[] {
    return this.runner
      .journal()
      .filter((entry) => entry.kind === kind)
      .map((entry) => `${entry.field}: ${entry.reason}`);
  }
}

export const title = 'custom_attributes.title';
