/** The ledger's rules, one by one, on a person who is on both platforms. Times are seconds of the platforms. */
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../core/config.ts';
import { unfreeze } from '../../../processors/unify/edits.ts';
import { explain } from '../../../processors/unify/explain.ts';
import { createUnify } from '../../../processors/unify/index.ts';
import { compileRules, type RulesConfig } from '../../../processors/unify/rules.ts';
import { World } from '../../../processors/unify/world.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Command, EntityState, Observation, Result, Value } from '../../../schemas/types.ts';
import { createdEvent, epoch, event, mark, result, row, second, snapshotComplete } from '../../support/changes.ts';
import { change, FoldRunner } from '../../support/fold-runner.ts';

type FieldRule = RulesConfig['entities']['customer']['fields'][number];
type Fields = Readonly<Record<string, Value>>;

const salesforce = 'salesforce:Contact:003A';
const intercom = 'intercom:contact:c1';

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

const config = configOf();
const ours = { origin: config.salesforce.client, by: 'us' };

/** A person linked on both platforms, all quiet; the sinks answer only when told to. */
class Pair {
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

const title = 'custom_attributes.title';

describe('an edit', () => {
  it('on either side is carried to the other, once, and its echo means nothing', () => {
    const pair = new Pair();
    pair.event({ Title: 'b' }, 10);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 'b' } });
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 }).webhook({ [title]: 'b' }, 11.4);
    expect(pair.open()).toEqual([]);
    pair.webhook({ [title]: 'c' }, 20.5);
    expect(pair.only()).toMatchObject({ platform: 'salesforce', fields: { Title: 'c' } });
    pair.done(pair.only(), 21).event({ Title: 'c' }, 21, ours);
    expect(pair.open()).toEqual([]);
    expect(pair.value('title')).toBe('c');
  });

  it('that is older than what counts loses, is told, and its record is given the winner', () => {
    const pair = new Pair();
    pair.webhook({ [title]: 'new' }, 20.1);
    const asked = pair.only();
    pair.event({ Title: 'old' }, 15, { by: 'ada' });
    expect(pair.value('title')).toBe('new');
    expect(pair.journal('rejected')).toEqual([`title: ${intercom} has a newer value`]);
    pair.done(asked, 21).event({ Title: 'new' }, 21, ours);
    expect(pair.open()).toEqual([]);
    expect(pair.runner.entityOf(salesforce)?.fields['title']?.lost).toMatchObject({ value: 'old', by: 'ada' });
  });

  it('of the record that set the value wins over it, whatever the clocks say', () => {
    const pair = new Pair();
    pair.event({ Title: 'b' }, 10, { modified: (second + 50) * 1000 });
    pair.event({ Title: 'c' }, 11);
    expect(pair.value('title')).toBe('c');
  });

  it('of both at one moment is decided the same way in either order of arrival', () => {
    const one = new Pair().event({ Title: 's' }, 10).webhook({ [title]: 'i' }, 10);
    const other = new Pair().webhook({ [title]: 'i' }, 10).event({ Title: 's' }, 10);
    expect(one.value('title')).toBe('s');
    expect(other.value('title')).toBe('s');
  });

  it('that replaces what we had written comes after it, whatever the clocks say', () => {
    const pair = new Pair().event({ Title: 's' }, 30);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 12 }).webhook({ [title]: 'i' }, 13.2);
    expect(pair.value('title')).toBe('i');
    // What counts is not dated back by it: their earlier values stay earlier.
    expect(pair.runner.entityOf(salesforce)?.fields['title']?.time).toBe((second + 30) * 1000);
  });

  it('that replaces what the platform made of the value that we had written comes after it as well', () => {
    const pair = new Pair().webhook({ [title]: 'i' }, 20.4);
    pair.done(pair.only(), 20).event({ Title: 'I' }, 20, ours).event({ Title: 's' }, 20, { by: 'ada' });
    expect(pair.value('title')).toBe('s');
  });

  it('that replaces the same value, which nobody carried there, is dated as any other', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 20.2);
    pair.event({ Title: 'a' }, 5);
    expect(pair.value('title')).toBe('b');
  });

  it('in Salesforce back to the very value that we wrote is an edit: the stream names who wrote', () => {
    const pair = new Pair();
    pair.webhook({ [title]: 'b' }, 20.1);
    pair.done(pair.only(), 21).event({ Title: 'b' }, 21, ours);
    pair.event({ Title: 'c' }, 21, { by: 'ada' }).event({ Title: 'b' }, 21, { by: 'ada' });
    expect(pair.value('title')).toBe('b');
  });

  it('by two people at once is told with the value that lost', () => {
    const pair = new Pair();
    pair.event({ Title: 's' }, 10).webhook({ [title]: 'i' }, 11.5);
    // Asked, and held: Intercom's third value waits for the answer.
    expect(pair.value('title')).toBe('s');
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 12 });
    expect(pair.value('title')).toBe('i');
    expect(pair.runner.entityOf(salesforce)?.fields['title']?.lost).toMatchObject({ value: 's', source: salesforce });
    expect(pair.journal('set').length).toBe(1);
  });
});

describe('an owner', () => {
  it('is right although the other side is newer, which is written back', () => {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    pair.webhook({ 'custom_attributes.tier': 'lead' }, 30.1);
    expect(pair.value('tier')).toBe('gold');
    expect(pair.journal('rejected')).toEqual(['tier: salesforce owns tier']);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { 'custom_attributes.tier': 'gold' } });
  });

  it.each([
    ['is told to be back', true],
    ['answers a write after that', false],
  ])('that was gone when the other side spoke is right again when it %s', (_, isTold) => {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    pair.webhook({ [title]: 'b' }, 20.1);
    const write = pair.only();
    if (isTold) pair.done(write, 21).event({ Title: 'b' }, 21, ours);
    pair.event({}, 30, { op: 'deleted' }).webhook({ 'custom_attributes.tier': 'lead' }, 40.1);
    expect(pair.value('tier')).toBe('lead');
    if (isTold) pair.event({ Title: 'b', Tier__c: 'gold' }, 50, { op: 'undeleted' });
    else pair.done(write, 50);
    expect(pair.value('tier')).toBe('gold');
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { 'custom_attributes.tier': 'gold' } });
    expect(pair.journal('set')).toEqual(['tier: join']);
  });

  it('keeps what it makes of its own field: that is an edit and not the end of it', () => {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    pair.webhook({ [title]: 'b' }, 20.1);
    pair.done(pair.only(), 21).event({ Title: 'b', Tier__c: 'silver' }, 21, ours);
    expect(pair.value('tier')).toBe('silver');
  });
});

describe('fill-if-empty', () => {
  it('takes a value where there is none, and none where there is one', () => {
    const pair = new Pair();
    pair.webhook({ 'custom_attributes.city': 'Bern' }, 10.1);
    expect(pair.value('city')).toBe('Bern');
    pair.done(pair.only(), 11).event({ City__c: 'Bern' }, 11, ours);
    pair.event({ City__c: 'Basel' }, 20);
    expect(pair.value('city')).toBe('Bern');
    expect(pair.only()).toMatchObject({ platform: 'salesforce', fields: { City__c: 'Bern' } });
  });

  it('takes a value older than the record that had none: nobody made that empty', () => {
    const pair = new Pair({ City__c: null }).webhook({ 'custom_attributes.city': 'Bern' }, 0.5, {
      at: { time: (second + 1) * 1000 + 500, seq: -1, second: false },
      modified: second * 1000,
    });
    expect(pair.value('city')).toBe('Bern');
  });
});

describe('consent', () => {
  const optOut = 'custom_attributes.optOut';
  const agreed = (): Pair => new Pair({ HasOptedOutOfEmail: false }, { [optOut]: false });

  it('gets stricter by anybody, owner or not, even by an older word', () => {
    const pair = agreed();
    pair.event({ HasOptedOutOfEmail: null }, 20);
    pair.webhook({ [optOut]: true }, 15.1);
    expect(pair.value('optOut')).toBe(true);
    expect(pair.open().map((command) => command.fields)).toContainEqual({ HasOptedOutOfEmail: true });
  });

  it('gets looser by a later change of its owner alone', () => {
    const pair = agreed();
    pair.webhook({ [optOut]: true }, 15.1);
    pair.done(pair.only(), 16).event({ HasOptedOutOfEmail: true }, 16, ours);
    pair.webhook({ [optOut]: false }, 20.1);
    expect(pair.value('optOut')).toBe(true);
    pair.answer(pair.only(), { fields: { [optOut]: true }, at: 21 });
    pair.event({ HasOptedOutOfEmail: false }, 30);
    expect(pair.value('optOut')).toBe(false);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [optOut]: false } });
  });

  it('is not loosened by what a record shows at first sight', () => {
    const pair = new Pair({ HasOptedOutOfEmail: true }, {});
    expect(pair.value('optOut')).toBe(true);
    const late = new Pair({}, { [optOut]: true });
    late.event({ HasOptedOutOfEmail: false }, 0);
    expect(late.value('optOut')).toBe(true);
  });
});

describe('a tie within one second', () => {
  /** A webhook in the very second of our answer: before or after it? */
  function tied(): Pair {
    const pair = new Pair().event({ Title: 'b' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 });
    return pair.webhook({ [title]: 'x' }, 11.6);
  }

  const of = (pair: Pair, ref: string): Command => {
    const [command, ...others] = pair.open().filter((one) => one.ref === ref);
    if (command === undefined || others.length > 0) throw new Error(`${ref}: ${others.length + 1} commands`);
    return command;
  };

  it('moves nothing and has the record read again, which decides', () => {
    const pair = tied();
    expect(pair.runner.ref(intercom)?.seen[title]?.value).toBe('b');
    expect(of(pair, intercom)).toMatchObject({ verb: 'read', fields: {} });
    pair.answer(of(pair, intercom), { fields: { [title]: 'y' }, at: 11 });
    expect(pair.runner.ref(intercom)?.seen[title]?.value).toBe('y');
    expect(pair.value('title')).toBe('y');
  });

  it('is evidence when its value is newer than what counts: our write had overtaken it', () => {
    const pair = tied();
    expect(pair.value('title')).toBe('x');
    pair.answer(of(pair, intercom), { fields: { [title]: 'b' }, at: 11 });
    expect(pair.open().map((command) => [command.platform, command.fields])).toEqual(
      expect.arrayContaining([
        ['intercom', { [title]: 'x' }],
        ['salesforce', { Title: 'x' }],
      ]),
    );
  });

  it('is read once more when the record moved while it was read, and asks nothing else meanwhile', () => {
    const pair = tied();
    const reading = of(pair, intercom);
    pair.webhook({ [title]: 'z', 'custom_attributes.phone': 'q' }, 13.2);
    expect(pair.open().filter((command) => command.ref === intercom)).toEqual([reading]);
    pair.answer(reading, { fields: { [title]: 'x' }, at: 12 });
    expect(pair.open().filter((command) => command.ref === intercom)).toMatchObject([{ verb: 'read' }]);
    expect(pair.value('title')).toBe('z');
  });

  it('of equal values is none', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 }).webhook({ [title]: 'b' }, 11.2);
    expect(pair.open()).toEqual([]);
    // And the webhook's better known position orders the next one.
    pair.webhook({ [title]: 'c' }, 11.7);
    expect(pair.open().map((command) => command.platform)).toEqual(['salesforce']);
  });

  it('of a Salesforce event and a read is read again too', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    pair.runner.decide(row(salesforce, { Email: 'ada@x.example', Title: 'r', Phone: 'p' }, 10));
    expect(pair.value('title')).toBe('b');
    expect(pair.open().find((command) => command.platform === 'salesforce')).toMatchObject({ verb: 'read' });
  });
});

describe('what Intercom makes of a value', () => {
  it('is settled by the answer, told, and left in peace until another value is wanted or seen', () => {
    const pair = new Pair().event({ Title: 'B' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 });
    expect(pair.journal('settled').length).toBe(1);
    expect(pair.open()).toEqual([]);
    expect(pair.value('title')).toBe('B');
    pair.webhook({ [title]: 'b' }, 11.3).webhook({ [title]: 'b' }, 14.3);
    expect(pair.open()).toEqual([]);
    pair.event({ Title: 'C' }, 20);
    expect(pair.only().fields).toEqual({ [title]: 'C' });
  });

  it('waits in a webhook for the answer to the open ask, and is no edit then', () => {
    const pair = new Pair().event({ Title: 'B' }, 10).webhook({ [title]: 'b' }, 11.2);
    expect(pair.runner.ref(intercom)?.waiting.length).toBe(1);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 });
    expect(pair.runner.ref(intercom)?.waiting).toEqual([]);
    expect(pair.value('title')).toBe('B');
    expect(pair.open()).toEqual([]);
  });

  it('does not make what waits behind it taken back, where the record had shown that before as well', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 }).event({ Title: 'c' }, 10);
    // Told again with another field that somebody edited.
    pair.webhook({ [title]: 'a' }, 10.5).webhook({ [title]: 'b' }, 15.4);
    pair.answer(pair.only(), { fields: { [title]: 'c' }, at: 16 });
    expect(pair.value('title')).toBe('c');
    expect(pair.journal('rejected')).toEqual([]);
  });

  it('has what was there before wait behind it: it was taken back', () => {
    const pair = new Pair()
      .event({ Title: 's' }, 10)
      .webhook({ [title]: 'i' }, 11.2)
      .webhook({ [title]: 'a' }, 11.9);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 });
    expect(pair.value('title')).toBe('a');
  });

  it('waits once, however often it is told', () => {
    const pair = new Pair()
      .event({ Title: 'B' }, 10)
      .webhook({ [title]: 'i' }, 11.2)
      .webhook({ [title]: 'i' }, 11.2);
    expect(pair.runner.ref(intercom)?.waiting.length).toBe(1);
  });

  it('does not wait without end: when many wait, the next is taken in at once', () => {
    const pair = new Pair().event({ Title: 'B' }, 10);
    for (let n = 0; n < 6; n++) pair.webhook({ [title]: `p${n}` }, 11 + n);
    expect(pair.runner.ref(intercom)?.waiting.length).toBe(4);
    expect(pair.value('title')).toBe('p5');
  });
});

describe('what Salesforce makes of a value', () => {
  it('is taken for what was asked until the stream tells it', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11);
    expect(pair.open()).toEqual([]);
    pair.event({ Title: 'B' }, 11, ours);
    expect(pair.journal('settled').length).toBe(1);
    expect(pair.value('title')).toBe('b');
    expect(pair.open()).toEqual([]);
  });

  it('is an edit where somebody else made it, however soon', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).event({ Title: 'b' }, 11, ours).event({ Title: 'B' }, 11, { by: 'ada' });
    expect(pair.value('title')).toBe('B');
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 'B' } });
  });

  it('is read when the marks say that its echo is a minute late, and settled if nobody changed the record since', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11);
    pair.marks(60);
    expect(pair.open()).toEqual([]);
    pair.marks(72);
    expect(pair.only()).toMatchObject({ verb: 'read', ref: salesforce });
    pair.answer(pair.only(), { fields: { Title: 'a', Phone: 'p' }, at: 73, modified: 5 });
    expect(pair.journal('settled').length).toBe(1);
    expect(pair.open()).toEqual([]);
    expect(pair.value('title')).toBe('b');
  });

  it("read late is a person's value if the record was changed since", () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).marks(72);
    pair.answer(pair.only(), { fields: { Title: 'c', Phone: 'p' }, at: 73, modified: 40 });
    expect(pair.value('title')).toBe('c');
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 'c' } });
  });

  it('needs no reading when its echo came, nor while a source is silent', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).event({ Title: 'b' }, 11, ours).marks(100);
    expect(pair.open()).toEqual([]);
    pair.webhook({ [title]: 'c' }, 110.1);
    pair.done(pair.only(), 111).runner.decide(mark(500));
    expect(pair.open()).toEqual([]);
  });

  it('of an older ask does not undo a newer one', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).webhook({ [title]: 'c' }, 12.1);
    pair.done(pair.only(), 13).event({ Title: 'b' }, 11, ours);
    expect(pair.open()).toEqual([]);
    expect(pair.runner.ref(salesforce)?.seen['Title']?.value).toBe('c');
    pair.event({ Title: 'c' }, 13, ours).marks(200);
    expect(pair.open()).toEqual([]);
  });
});

describe('a person whom our own write overtook', () => {
  it('on Salesforce is known by the stream: the value wins and is written back', () => {
    const pair = new Pair().webhook({ [title]: 'i' }, 10.1);
    pair.done(pair.only(), 12).event({ Title: 's' }, 11, { by: 'ada' });
    expect(pair.value('title')).toBe('s');
    expect(
      pair
        .open()
        .map((command) => command.platform)
        .sort(),
    ).toEqual(['intercom', 'salesforce']);
  });

  it('and who was a little earlier than what counts is told to have lost', () => {
    const pair = new Pair().webhook({ [title]: 'i' }, 10.7);
    pair.done(pair.only(), 11).event({ Title: 's' }, 10, { by: 'ada' }).event({ Title: 'i' }, 11, ours);
    expect(pair.value('title')).toBe('i');
    expect(pair.open()).toEqual([]);
    expect(pair.journal('rejected')).toEqual([`title: ${intercom} has a newer value`]);
  });

  it('on Intercom is known by a late webhook', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 }).webhook({ [title]: 'i' }, 12.4);
    expect(pair.value('title')).toBe('i');
  });

  it('is not older than a value that they entered once more, told before it', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 });
    pair
      .webhook({ [title]: 'i' }, 11.2)
      .webhook({ [title]: 'i' }, 12.8)
      .webhook({ [title]: 'j' }, 12.4);
    expect(pair.value('title')).toBe('i');
  });

  it('is nobody where somebody else is known to have changed the record after them', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 });
    pair.webhook({ [title]: 'j' }, 20.1).webhook({ [title]: 'i' }, 12.4);
    expect(pair.value('title')).toBe('j');
    expect(pair.journal('rejected')).toEqual([]);
  });

  it('is nobody where the record was last changed before our call was sent: the value stood there already', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    const sentAt = (second + 13) * 1000 - 200;
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 11 }, { platformTime: (second + 13) * 1000, sentAt });
    pair.webhook({ [title]: 'i' }, 10.6).webhook({ [title]: 's' }, 11.1);
    expect(pair.value('title')).toBe('s');
    expect(pair.open()).toEqual([]);
  });

  it('is not made out of what was there before, nor of what is older than what counts', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 });
    pair.webhook({ [title]: 'a' }, 12.4).webhook({ [title]: 'older' }, 9.4);
    expect(pair.value('title')).toBe('s');
    expect(pair.open()).toEqual([]);
  });
});

describe('a call in doubt', () => {
  it('that expired is known by its echo when it was carried out after all', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    const first = pair.only();
    pair.result(first, { outcome: 'expired', doubt: true, calls: 1, platformTime: (second + 11) * 1000 });
    const again = pair.only();
    expect(again.fields).toEqual({ Title: 'b' });
    pair.event({ Title: 'b' }, 11, ours).done(again, 12);
    expect(pair.value('title')).toBe('b');
    expect(pair.open()).toEqual([]);
  });

  it('may land on Intercom two minutes late without being taken for a person', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    const late = pair.only();
    pair.answer(late, { fields: { [title]: 'b' }, at: 11 }, { doubt: true });
    pair.event({ Title: 'c' }, 20);
    pair.answer(pair.only(), { fields: { [title]: 'c' }, at: 21 }).webhook({ [title]: 'b' }, 60.2);
    expect(pair.value('title')).toBe('c');
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 'c' } });
  });
});

describe('a create', () => {
  it('whose record is told of before its result is no edit of anybody', () => {
    const runner = new FoldRunner(createUnify(config));
    for (const platform of ['salesforce', 'intercom'] as const)
      for (let partition = 0; partition < 4; partition++)
        runner.decide(epoch(partition, `e${partition}`, 0, 10, 10, platform));
    runner.decide(snapshotComplete('intercom', 'admin'));
    runner.decide(createdEvent(salesforce, { Email: 'ada@x.example', Title: 'B' }, 1, 1));
    for (const platform of ['salesforce', 'intercom'] as const) runner.decide(mark(10, platform));
    const commands = (): readonly Command[] =>
      runner.outputs.filter((output) => output.topic.endsWith('.commands')).map((output) => output.value as Command);
    const create = commands().find((command) => command.verb === 'create');
    if (create === undefined) throw new Error('nobody was created');
    const fields = { ...create.fields, [title]: 'b' };
    const told = row(intercom, fields, 11).observation as Observation;
    const at = { time: (second + 11) * 1000 + 200, seq: -1, second: false };
    runner.decide(change({ kind: 'observation', observation: { ...told, via: 'event', at } }));
    expect(runner.entityOf(salesforce)?.fields['title']?.value).toBe('B');
    runner.decide(
      result(create, partitionOf(create.key, 4), {
        ref: intercom,
        returned: { ...told, via: 'answer' },
        platformTime: (second + 11) * 1000,
      }),
    );
    expect(runner.entityOf(salesforce)?.fields['title']?.value).toBe('B');
    expect(runner.journal().filter((entry) => entry.kind === 'settled').length).toBe(1);
    expect(
      commands()
        .filter((command) => command.platform === 'intercom')
        .slice(1),
    ).toEqual([]);
  });
});

describe('two writers that answer each other', () => {
  function fight(): Pair {
    const pair = new Pair();
    for (let n = 0; n < 3; n++) {
      pair.event({ Title: `s${n}` }, 10 + 4 * n, { by: '005A' });
      for (const command of pair.open()) pair.answer(command, { fields: command.fields, at: 11 + 4 * n });
      pair.webhook({ [title]: `i${n}` }, 12.5 + 4 * n);
      for (const command of pair.open()) {
        pair.done(command, 13 + 4 * n).event(command.fields, 13 + 4 * n, ours);
      }
    }
    return pair;
  }

  it('freeze the field, are both named, and nothing is written for it any more while what is seen moves on', () => {
    const pair = fight();
    expect(pair.journal('frozen').length).toBe(1);
    expect(pair.journal('frozen')[0]).toContain(`${salesforce} (005A)`);
    expect(pair.journal('frozen')[0]).toContain(intercom);
    pair.event({ Title: 's9' }, 30);
    expect(pair.open()).toEqual([]);
    expect(pair.runner.ref(salesforce)?.seen['Title']?.value).toBe('s9');
    pair.event({ Phone: 'q' }, 31);
    expect(pair.only().fields).toEqual({ 'custom_attributes.phone': 'q' });
  });

  it.each([
    ['loses to the owner', 'tier', 'Tier__c', 'gold', 'BOT'],
    ['may only fill what is empty', 'city', 'City__c', 'Paris', 'BOT'],
    ['says that consent is looser', 'optOut', 'HasOptedOutOfEmail', true, false],
  ] as const)(
    'freeze the field also where one of them %s and is written back each time',
    (_, name, field, value, bot) => {
      const pair = new Pair({ [field]: value }, { [`custom_attributes.${name}`]: value });
      let writes = 0;
      for (let n = 0; n < 10; n++) {
        pair.webhook({ [`custom_attributes.${name}`]: bot }, 10.5 + 3 * n, { by: 'a workflow' });
        for (const command of pair.open()) {
          writes += 1;
          pair.answer(command, { fields: command.fields, at: 11 + 3 * n });
        }
      }
      expect(writes).toBe(3);
      expect(pair.value(name)).toBe(value);
      expect(pair.journal('frozen')).toHaveLength(1);
      expect(pair.journal('frozen')[0]).toContain(`${intercom} (a workflow) and ${salesforce}`);
    },
  );

  it('are released by an operator: what counts then is written', () => {
    const pair = fight();
    pair.event({ Title: 's9' }, 30);
    const frozen = pair.runner.entityOf(salesforce) as EntityState;
    expect(frozen.fields['title']).toMatchObject({ frozen: true, value: 's9' });
    expect(unfreeze(frozen, 'phone')).toBe(frozen);
    expect(unfreeze(frozen, 'title').fields['title']).toMatchObject({ frozen: false, turns: [] });
    expect(unfreeze(frozen).fields['title']?.frozen).toBe(false);
    const action = { id: 'a1', verb: 'unfreeze', subject: pair.id, argument: 'title', by: 'op' } as const;
    pair.runner.decide(change({ kind: 'action', action }));
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 's9' } });
  });

  it('that take their time are left alone', () => {
    const pair = new Pair();
    for (let n = 0; n < 6; n++) {
      pair.event({ Title: `s${n}` }, 100 * n + 10);
      for (const command of pair.open()) pair.answer(command, { fields: command.fields, at: 100 * n + 11 });
      pair.webhook({ [title]: `i${n}` }, 100 * n + 50.5);
      for (const command of pair.open()) pair.done(command, 100 * n + 51).event(command.fields, 100 * n + 51, ours);
    }
    expect(pair.journal('frozen')).toEqual([]);
  });
});

describe('a loss', () => {
  /** Our write of s1, its answer with a later title of Intercom's, and then what the write overtook. */
  function overtaken(): Pair {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    pair.event({ Tier__c: 'silver' }, 10);
    const asked = pair.only();
    pair.answer(asked, { fields: asked.fields, at: 12 }).webhook({ [title]: 'later' }, 12.9);
    for (const command of pair.open()) pair.done(command, 13).event(command.fields, 13, ours);
    return pair.webhook({ 'custom_attributes.tier': 'lead' }, 11.2);
  }

  it('is told although its record has said something newer since', () => {
    expect(overtaken().journal('rejected')).toEqual(['tier: salesforce owns tier']);
  });

  it('is told once however often it is offered, and again where it may be another one', () => {
    const pair = overtaken();
    pair.webhook({ 'custom_attributes.tier': 'lead' }, 11.2).webhook({ 'custom_attributes.tier': 'lead' }, 11.2);
    expect(pair.journal('rejected')).toHaveLength(1);
    pair.webhook({ 'custom_attributes.tier': 'lead' }, 11.3);
    expect(pair.journal('rejected')).toHaveLength(2);
  });

  it('is remembered sixteen times, and told again after that', () => {
    const pair = overtaken();
    for (let n = 0; n < 16; n++) pair.webhook({ 'custom_attributes.tier': `lead ${n}` }, 11.3 + n / 100);
    expect(pair.runner.ref(intercom)?.decided).toHaveLength(16);
    expect(pair.journal('rejected')).toHaveLength(17);
    pair.webhook({ 'custom_attributes.tier': 'lead' }, 11.2);
    expect(pair.journal('rejected')).toHaveLength(18);
  });

  it('is told of a value taken back in Salesforce between two writes of ours', () => {
    const pair = new Pair();
    pair.webhook({ [title]: 'i1' }, 20.1);
    pair.done(pair.only(), 20).webhook({ [title]: 'i2' }, 20.4);
    pair.done(pair.only(), 20);
    pair.event({ Title: 'i1' }, 20, ours).event({ Title: 'a' }, 20, { by: 'ada' }).event({ Title: 'i2' }, 20, ours);
    expect(pair.journal('rejected')).toEqual([`title: ${intercom} has a newer value`]);
  });

  it('is told of what was taken back while our call was under way', () => {
    const pair = new Pair();
    pair
      .event({ Title: 's' }, 10)
      .webhook({ [title]: 's' }, 10.2)
      .webhook({ [title]: 'a' }, 10.4);
    pair.event({ Title: 't' }, 11);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 12 });
    expect(pair.value('title')).toBe('t');
    expect(pair.journal('rejected')).toEqual([`title: ${salesforce} has a newer value`]);
  });

  it('is told as doubtful of what a call in doubt had asked: it may have been carried out once more, or be somebody', () => {
    const pair = new Pair();
    for (const [n, now] of ['s', 't'].entries()) {
      pair.event({ Title: now }, 10 + 10 * n);
      pair.answer(pair.only(), { fields: { [title]: now }, at: 11 + 10 * n }, { doubt: n === 0 });
    }
    pair.webhook({ [title]: 's' }, 40.5);
    expect(pair.value('title')).toBe('t');
    expect(pair.journal('rejected')).toEqual([]);
    expect(pair.journal('doubtful')).toEqual([
      'title: a call of ours in doubt asked for the same, and may have been carried out late',
    ]);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 't' } });
  });
});

describe('what somebody enters in Intercom while a call of ours waits to write the same', () => {
  /** Salesforce says s, then t; the call that asks for s is sent long after somebody entered s in Intercom. */
  function entered(...later: readonly [value: string, at: number][]): Pair {
    const pair = new Pair().event({ Title: 's' }, 10);
    const asked = pair.only();
    pair.event({ Title: 't' }, 11).webhook({ [title]: 's' }, 20.2);
    for (const [value, at] of later) pair.webhook({ [title]: value }, at);
    const sentAt = (second + 30) * 1000 - 200;
    return pair.answer(asked, { fields: { [title]: 's' }, at: 30 }, { sentAt });
  }

  it('is the edit that it was, once the answer tells that our call came after it', () => {
    const pair = entered();
    expect(pair.value('title')).toBe('s');
    expect(pair.runner.entityOf(salesforce)?.fields['title']).toMatchObject({ source: intercom });
    expect(pair.only()).toMatchObject({ platform: 'salesforce', fields: { Title: 's' } });
  });

  it('is told as doubtful where the record shows what is wanted before the answer', () => {
    const pair = entered(['t', 20.4]);
    expect(pair.value('title')).toBe('t');
    expect(pair.journal('rejected')).toEqual([]);
    expect(pair.journal('doubtful')).toEqual([
      'title: a call of ours under way asked for the same, and its own record said something else before its answer',
    ]);
  });

  it('loses as an edit does, and is told, where the other side owns the field', () => {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    const tier = 'custom_attributes.tier';
    pair.event({ Tier__c: 'silver' }, 10);
    const asked = pair.only();
    pair.event({ Tier__c: 'lead' }, 11).webhook({ [tier]: 'silver' }, 20.2);
    pair.answer(asked, { fields: { [tier]: 'silver' }, at: 30 }, { sentAt: (second + 30) * 1000 - 200 });
    expect(pair.value('tier')).toBe('lead');
    expect(pair.journal('rejected')).toEqual(['tier: salesforce owns tier']);
  });
});

describe('what somebody entered in Intercom, told after our call', () => {
  const sent = (at: number): Partial<Result> => ({ sentAt: (second + at) * 1000 });

  it('is theirs where our call asked for the very same and was sent later, though the next call found it there', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    const asked = pair.only();
    pair.event({ Title: 't' }, 11).answer(asked, { fields: { [title]: 's' }, at: 30 }, sent(30.3));
    pair.answer(pair.only(), { fields: { [title]: 't' }, at: 30 }, sent(30.4)).webhook({ [title]: 's' }, 30.1);
    expect(pair.value('title')).toBe('s');
  });

  it('counts where our call was written over it, though the record had shown what we asked before', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.webhook({ [title]: 's' }, 9.5).answer(pair.only(), { fields: { [title]: 's' }, at: 13 }, sent(12.9));
    pair.webhook({ [title]: 'i' }, 12.5);
    expect(pair.value('title')).toBe('i');
  });
});

describe('a value that loses twice within one second of Intercom', () => {
  it('is told twice where we had written over it in between', () => {
    const tier = 'custom_attributes.tier';
    const pair = new Pair({ Tier__c: 'gold' }, { [tier]: 'gold' });
    pair.event({ Title: 'b' }, 20);
    pair.answer(pair.only(), { fields: { [title]: 'b', [tier]: 'lead' }, at: 20 });
    pair.answer(pair.only(), { fields: { [tier]: 'gold' }, at: 20 }).webhook({ [tier]: 'lead' }, 20.9);
    // It cannot be told which is later: read again.
    pair.answer(pair.only(), { fields: { [tier]: 'lead' }, at: 20 });
    expect(pair.journal('rejected')).toEqual(['tier: salesforce owns tier', 'tier: salesforce owns tier']);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [tier]: 'gold' } });
  });
});

describe('what we wrote before our last write, entered in Intercom at once', () => {
  it('is an edit, for the echo of our last write was seen', () => {
    const pair = new Pair();
    for (const [n, now] of ['b', 'c'].entries()) {
      pair.event({ Title: now }, 10);
      pair.answer(pair.only(), { fields: { [title]: now }, at: 10 }).webhook({ [title]: now }, 10.2 + n / 5);
    }
    pair.webhook({ [title]: 'b' }, 10.6);
    expect(pair.value('title')).toBe('b');
    expect(pair.only()).toMatchObject({ platform: 'salesforce', fields: { Title: 'b' } });
  });
});

describe('a replay of everything that was seen', () => {
  it('changes nothing and asks nothing, whatever lost, was settled or overtaken before', () => {
    const pair = new Pair();
    const from = pair.runner.offset;
    const said: Parameters<FoldRunner['decide']>[0][] = [];
    const decide = pair.runner.decide.bind(pair.runner);
    pair.runner.decide = (part, key) => {
      if (part.kind === 'observation') said.push(part);
      return decide(part, key);
    };
    pair.event({ Title: 's1' }, 10).webhook({ [title]: 'i1' }, 10.8);
    pair.answer(pair.only(), { fields: { [title]: 'S1' }, at: 12 });
    for (const command of pair.open()) {
      if (command.platform === 'salesforce') pair.done(command, 13).event(command.fields, 13, ours);
      else pair.answer(command, { fields: command.fields, at: 13 });
    }
    pair.event({ Title: 's2' }, 13).event({ Title: 's3' }, 13);
    for (let rounds = 0; rounds < 6; rounds++)
      for (const command of pair.open()) {
        const now = pair.runner.ref(command.ref)?.seen;
        const fields = command.verb === 'read' ? { Title: now?.['Title']?.value ?? null } : command.fields;
        if (command.platform === 'salesforce' && command.verb !== 'read')
          pair.done(command, 15).event(command.fields, 15, ours);
        else pair.answer(command, { fields, at: 15 });
      }
    expect(pair.open()).toEqual([]);
    expect(pair.runner.offset).toBeGreaterThan(from);
    const before = pair.runner.entityOf(salesforce);
    const outputs = pair.runner.outputs.length;
    for (const part of said) decide(part);
    expect(pair.open()).toEqual([]);
    expect(pair.runner.entityOf(salesforce)).toEqual(before);
    expect(pair.runner.outputs.slice(outputs)).toEqual([]);
  });
});

describe('an explanation', () => {
  const why = (pair: Pair, field: string) => {
    const { committed } = pair.runner;
    const state = { get: (key: string) => committed.get(key), put: () => undefined, savepoint: () => () => undefined };
    const record = { offset: 0, time: 0, key: '', lineage: 7, change: change({ kind: 'tick' }) };
    const world = new World(state, record, compileRules(config));
    const entity = pair.runner.entityOf(salesforce) as EntityState;
    return explain(
      world,
      entity,
      entity.refs.flatMap((ref) => pair.runner.ref(ref) ?? []),
      field,
    )[0];
  };

  it('names the value, who set it and by which rule, what lost, what carried it and what came of that', () => {
    const pair = new Pair().event({ Title: 'B' }, 10, { by: '005A' });
    const open = why(pair, 'title');
    expect(open).toMatchObject({
      field: 'title',
      value: 'B',
      set: { source: salesforce, by: '005A', time: (second + 10) * 1000, reason: 'newest' },
      previous: { value: 'a', source: salesforce },
      lost: null,
      carried: [
        { ref: intercom, seen: 'a', wanted: 'B', state: 'open', outcome: 'asked, not answered yet' },
        { ref: salesforce, seen: 'B', wanted: 'B', state: 'equal', ask: '', outcome: '' },
      ],
    });
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 });
    expect(why(pair, 'title')?.carried[0]).toMatchObject({ state: 'quiet', outcome: 'settled' });
    pair.webhook({ [title]: 'late' }, 9.5);
    expect(why(pair, 'title')?.value).toBe('B');
  });

  it("tells an echo that is awaited from one that came, and a refusal in the platform's words", () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    const command = pair.only();
    pair.done(command, 11);
    const there = (): unknown => why(pair, 'title')?.carried[1];
    expect(there()).toMatchObject({ state: 'equal', ask: command.id, outcome: 'applied; its echo is awaited' });
    pair.event({ Title: 'b' }, 11, ours);
    expect(there()).toMatchObject({ state: 'equal', ask: command.id, outcome: 'applied' });
    pair.webhook({ [title]: 'bad' }, 20.1);
    const refusals = [{ field: 'Title', code: 'PLATFORM_REFUSED', message: 'no such title' }];
    pair.result(pair.only(), { outcome: 'refused', refusals, platformTime: (second + 21) * 1000 });
    expect(there()).toMatchObject({ state: 'quiet', outcome: 'refused: PLATFORM_REFUSED: no such title' });
  });
});

describe('a value that is almost too long to be kept', () => {
  const after = (pair: Pair): void => {
    pair.event({ Phone: 'q' }, 50);
    const [command] = pair.open();
    expect(command?.fields).toMatchObject({ 'custom_attributes.phone': 'q' });
    expect(pair.runner.poisons).toEqual([]);
    expect(pair.journal('held')).toEqual([]);
  };

  it('and that the platform has cut does not stop what else is written to its record', () => {
    const pair = new Pair();
    const long = 'x'.repeat(23_000);
    pair.event({ Title: long }, 10);
    pair.answer(pair.only(), { fields: { [title]: long.slice(0, 22_500) }, at: 11 });
    expect(pair.journal('settled')).toHaveLength(1);
    expect(pair.open()).toEqual([]);
    after(pair);
    expect(pair.open()).toHaveLength(1);
  });

  it('is left out of what is asked, is named as refused, and the rest is written', () => {
    const pair = new Pair();
    pair.event({ Title: 'x'.repeat(33_000), Tier__c: 'gold' }, 10);
    expect(pair.only().fields).toEqual({ 'custom_attributes.tier': 'gold' });
    expect(pair.journal('refused')).toEqual([`${title}: RECORD_TOO_LARGE: the value is too long to be written`]);
    pair.answer(pair.only(), { fields: pair.only().fields, at: 11 });
    after(pair);
    pair.answer(pair.only(), { fields: pair.only().fields, at: 51 }).event({ Title: 'short' }, 60);
    expect(pair.only().fields).toEqual({ [title]: 'short' });
  });
});

describe('a field that was never seen on its record', () => {
  const city = 'custom_attributes.city';
  /** The field is mapped, and Intercom's record was told of without it. */
  const unseen = (): Pair => new Pair({}, {}, [city]);

  it('is looked at before it is written: what somebody has entered there meanwhile is newer', () => {
    const pair = unseen();
    pair.event({ City__c: 'Oslo' }, 10);
    expect(pair.only()).toMatchObject({ verb: 'read', ref: intercom, fields: {} });
    pair.answer(pair.only(), { fields: { [city]: 'Rome' }, at: 20 });
    expect(pair.open().map((command) => command.verb)).not.toContain('read');
    expect(pair.runner.ref(intercom)?.seen[city]?.value).toBe('Rome');
  });

  it('is written after one look where the platform does not tell it', () => {
    const pair = unseen();
    pair.event({ City__c: 'Oslo' }, 10);
    pair.answer(pair.only(), { fields: {}, at: 11 });
    expect(pair.only()).toMatchObject({ verb: 'update', fields: { [city]: 'Oslo' } });
  });

  it('is written after one look that was refused', () => {
    const pair = unseen();
    pair.event({ City__c: 'Oslo' }, 10);
    pair.result(pair.only(), { outcome: 'refused', platformTime: (second + 11) * 1000 });
    expect(pair.only()).toMatchObject({ verb: 'update', fields: { [city]: 'Oslo' } });
  });
});
