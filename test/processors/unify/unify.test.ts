import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../core/config.ts';
import { createUnify } from '../../../processors/unify/index.ts';
import type { AccountEvent, CustomerEvent, Value } from '../../../schemas/types.ts';
import {
  createdEvent,
  deletedEvent,
  epoch,
  event,
  mark,
  result,
  row,
  snapshotComplete,
} from '../../support/changes.ts';
import { FakeIntercom, type FakeOptions } from '../../support/fake-intercom.ts';
import { FoldRunner } from '../../support/fold-runner.ts';

const config = loadConfig({ env: {} });
const user = 'salesforce:User:005A';
const account = 'salesforce:Account:001A';
const contact = 'salesforce:Contact:003A';
const person = {
  Email: 'Ada@Orchard.example',
  FirstName: 'Ada',
  LastName: 'Byron',
  Phone: '+441',
  AccountId: '001A',
  OwnerId: '005A',
};

/** A world that is ready to create: directory known, sinks announced. */
function start(options: FakeOptions & { readonly window?: number; readonly forgetful?: boolean } = {}) {
  const runner = new FoldRunner(createUnify(config), options.forgetful);
  const intercom = new FakeIntercom(options);
  for (let partition = 0; partition < 4; partition++)
    runner.decide(epoch(partition, `e${partition}`, 0, options.window ?? 10));
  runner.decide(row(user, { Email: 'owner@us.example' }, 1));
  runner.decide(row('intercom:admin:77', { email: 'Owner@us.example' }, 1));
  runner.decide(snapshotComplete('intercom', 'admin'));
  return { runner, intercom };
}

/** Lets the create gates pass and everything settle. */
function pass(world: ReturnType<typeof start>, at: number): void {
  world.runner.decide(mark(at));
  world.runner.tick();
  world.intercom.settle(world.runner);
  world.runner.tick();
  world.intercom.settle(world.runner);
}

const customerEvents = (runner: FoldRunner): readonly CustomerEvent[] =>
  runner.outputs.filter((output) => output.topic === 'customer.events').map((output) => output.value as CustomerEvent);

const contactOf = (intercom: FakeIntercom): Record<string, Value> | undefined =>
  [...intercom.records.values()].find((record) => record.object === 'contact')?.fields;

function linked(options: Parameters<typeof start>[0] = {}): ReturnType<typeof start> {
  const world = start(options);
  world.runner.decide(createdEvent(account, { Name: 'Orchard', OwnerId: '005A' }, 1, 1));
  world.runner.decide(createdEvent(contact, person, 2, 2));
  pass(world, 10);
  return world;
}

describe('a person edited in Salesforce', () => {
  it('is created once on Intercom with every mapped value, attached to their company', () => {
    const { intercom, runner } = linked();
    const company = [...intercom.records.entries()].find(([, record]) => record.object === 'company');
    expect(company?.[1].fields).toMatchObject({ name: 'Orchard', 'custom_attributes.owner_email': 'owner@us.example' });
    expect(contactOf(intercom)).toMatchObject({
      email: 'ada@orchard.example',
      name: 'Ada Byron',
      phone: '+441',
      owner_id: 77,
      companies: [company?.[0] ?? 'none'],
      'custom_attributes.salesforce_id': '003A',
      'custom_attributes.tributary_id': runner.entityOf(contact)?.id,
    });
    expect(intercom.records.size).toBe(2);
    expect(intercom.noops).toBe(0);
  });

  it('costs one command for an edit, and none for a change that changes nothing', () => {
    const world = linked();
    const before = world.intercom.ran.length;
    world.runner.decide(event(contact, { Title: 'CTO' }, 20, 20));
    pass(world, 20);
    expect(world.intercom.ran.length).toBe(before + 1);
    expect(world.intercom.ran.at(-1)?.fields).toEqual({ 'custom_attributes.job_title': 'CTO' });
    world.runner.decide(event(contact, { Title: 'CTO' }, 21, 21));
    pass(world, 21);
    expect(world.intercom.ran.length).toBe(before + 1);
  });

  it('tells null from empty from absent: null clears once, absent leaves alone, empty is no value', () => {
    const world = linked();
    const before = world.intercom.ran.length;
    world.runner.decide(event(contact, { Phone: null }, 20, 20));
    pass(world, 20);
    expect(contactOf(world.intercom)?.['phone']).toBe(null);
    expect(contactOf(world.intercom)?.['name']).toBe('Ada Byron');
    world.runner.decide(event(contact, { Phone: '' }, 21, 21));
    pass(world, 21);
    expect(world.intercom.ran.length).toBe(before + 1);
  });

  it('moves to another company when the account changes, and its account event is joined into theirs', () => {
    const world = linked();
    world.runner.decide(createdEvent('salesforce:Account:001B', { Name: 'Bakery' }, 20, 20));
    world.runner.decide(event(contact, { AccountId: '001B' }, 21, 21));
    pass(world, 30);
    const bakery = [...world.intercom.records.entries()].find(([, record]) => record.fields['name'] === 'Bakery');
    expect(contactOf(world.intercom)?.['companies']).toEqual([bakery?.[0]]);
    world.runner.decide(event('salesforce:Account:001B', { Industry: 'Food' }, 40, 40));
    const last = customerEvents(world.runner).at(-1);
    expect(last).toMatchObject({ type: 'joined', account: { name: 'Bakery', industry: 'Food' } });
  });

  it('keeps the newest of two values whatever the order in which they arrive', () => {
    const world = linked();
    world.runner.decide(event(contact, { Title: 'new' }, 31, 31));
    world.runner.decide(event(contact, { Title: 'old' }, 30, 30));
    pass(world, 40);
    expect(contactOf(world.intercom)?.['custom_attributes.job_title']).toBe('new');
  });

  it('does not let a row read before an event undo it', () => {
    const world = linked();
    world.runner.decide(event(contact, { Title: 'new' }, 31, 31));
    world.runner.decide(row(contact, { ...person, Title: 'old' }, 30));
    world.runner.decide(row(contact, { ...person, Title: 'same second' }, 31));
    pass(world, 40);
    expect(contactOf(world.intercom)?.['custom_attributes.job_title']).toBe('new');
  });

  it('writes nothing when the whole input is replayed', () => {
    const changes = [
      createdEvent(account, { Name: 'Orchard' }, 1, 1),
      createdEvent(contact, person, 2, 2),
      event(contact, { Title: 'CTO' }, 20, 20),
      event(contact, { Title: 'CEO' }, 22, 22),
      event(contact, { Phone: null }, 23, 23),
    ];
    const world = start();
    for (const one of changes) world.runner.decide(one);
    pass(world, 30);
    const before = { ran: world.intercom.ran.length, events: customerEvents(world.runner).length };
    for (const one of changes) world.runner.decide(one);
    pass(world, 31);
    expect(world.intercom.ran.length).toBe(before.ran);
    expect(customerEvents(world.runner).length).toBe(before.events);
  });
});

describe('a platform with a mind of its own', () => {
  it('is asked once for a value that it normalises, and the difference is reported as settled', () => {
    const world = linked({ normalise: (field, value) => (field === 'name' ? String(value).toUpperCase() : value) });
    expect(contactOf(world.intercom)?.['name']).toBe('ADA BYRON');
    expect(
      world.runner.journal().filter((entry) => entry.kind === 'settled' && entry.source.includes(':contact:')).length,
    ).toBe(1);
    const before = world.intercom.ran.length;
    world.runner.decide(event(contact, { Title: 'CTO' }, 20, 20));
    pass(world, 20);
    expect(world.intercom.ran.slice(before).map((command) => Object.keys(command.fields))).toEqual([
      ['custom_attributes.job_title'],
    ]);
  });

  it('is not asked again for ever when it ignores a value', () => {
    const ignored = (field: string, value: Value): Value => (field === 'phone' ? '+441' : value);
    const world = linked({ normalise: ignored });
    world.runner.decide(event(contact, { Phone: '+442' }, 20, 20));
    pass(world, 20);
    expect(world.runner.journal().some((entry) => entry.kind === 'settled' && entry.field === 'phone')).toBe(true);
  });

  it('refuses one field without harm to the others, and is asked again only for another value', () => {
    const world = linked({
      refuse: (field, value) => (field === 'phone' && value === 'bad' ? 'phone is invalid' : undefined),
    });
    world.runner.decide(event(contact, { Phone: 'bad', Title: 'CTO' }, 20, 20));
    pass(world, 20);
    expect(contactOf(world.intercom)).toMatchObject({ phone: '+441', 'custom_attributes.job_title': 'CTO' });
    const before = world.intercom.ran.length;
    world.runner.decide(event(contact, { Title: 'CEO' }, 21, 21));
    pass(world, 21);
    expect(world.intercom.ran.slice(before).map((command) => Object.keys(command.fields))).toEqual([
      ['custom_attributes.job_title'],
    ]);
    world.runner.decide(event(contact, { Phone: '+443' }, 22, 22));
    pass(world, 22);
    expect(contactOf(world.intercom)?.['phone']).toBe('+443');
  });

  it('that has the person already is linked to it instead of given a second one', () => {
    const world = start();
    const id = world.intercom.add('contact', { email: 'ada@orchard.example', name: 'A. Byron', phone: '+449' });
    world.runner.decide(createdEvent(contact, { ...person, AccountId: null, Phone: null }, 2, 2));
    pass(world, 10);
    expect(world.intercom.records.size).toBe(1);
    expect(world.intercom.records.get(id)?.fields).toMatchObject({ name: 'Ada Byron' });
  });
});

describe('identity', () => {
  it('creates nobody without an email, and creates them when the email comes', () => {
    const world = start();
    world.runner.decide(createdEvent(contact, { LastName: 'Byron' }, 2, 2));
    pass(world, 10);
    expect(world.intercom.records.size).toBe(0);
    world.runner.decide(event(contact, { Email: 'ada@orchard.example' }, 20, 20));
    pass(world, 30);
    expect(contactOf(world.intercom)?.['email']).toBe('ada@orchard.example');
  });

  it('holds two contacts of one email and names the candidates; when one changes its email both are created', () => {
    const world = start();
    world.runner.decide(createdEvent(contact, { Email: 'x@y.example', LastName: 'A' }, 2, 2));
    world.runner.decide(createdEvent('salesforce:Contact:003B', { Email: 'X@y.example', LastName: 'B' }, 2, 3));
    pass(world, 10);
    expect(world.intercom.records.size).toBe(0);
    const ambiguous = world.runner.journal().filter((entry) => entry.kind === 'ambiguous');
    expect(ambiguous.length).toBeGreaterThan(0);
    expect(ambiguous[0]?.other).toHaveLength(1);
    world.runner.decide(event('salesforce:Contact:003B', { Email: 'b@y.example' }, 20, 20));
    pass(world, 30);
    expect([...world.intercom.records.values()].map((record) => String(record.fields['email'])).sort()).toEqual([
      'b@y.example',
      'x@y.example',
    ]);
  });

  it('follows an email change on the same person', () => {
    const world = linked();
    world.runner.decide(event(contact, { Email: 'ada@new.example' }, 20, 20));
    pass(world, 30);
    expect([...world.intercom.records.values()].filter((record) => record.object === 'contact').length).toBe(1);
    expect(contactOf(world.intercom)?.['email']).toBe('ada@new.example');
  });

  it('attaches a record that carries our marker', () => {
    const world = start();
    world.runner.decide(createdEvent(contact, { ...person, AccountId: null }, 2, 2));
    const id = world.runner.entityOf(contact)?.id ?? '';
    world.runner.decide(
      row('intercom:contact:c9', { email: 'other@x.example', 'custom_attributes.tributary_id': id }, 3),
    );
    expect(world.runner.entityOf('intercom:contact:c9')?.id).toBe(id);
    pass(world, 10);
    expect(world.intercom.ran.every((command) => command.verb === 'update')).toBe(true);
  });

  it('writes nothing of a deleted contact, and a replayed create does not revive it', () => {
    const world = linked();
    const before = world.intercom.ran.length;
    world.runner.decide(deletedEvent(contact, 20, 20));
    world.runner.decide(createdEvent(contact, person, 2, 2));
    pass(world, 30);
    expect(world.intercom.ran.length).toBe(before);
    expect(customerEvents(world.runner).at(-1)?.type).toBe('deleted');
    expect(world.runner.ref(contact)?.deleted).toBe(true);
  });

  it('is not revived by its create that comes late, and what only that tells is written nowhere', () => {
    const world = start();
    world.runner.decide(event(contact, person, 5, 5));
    pass(world, 10);
    world.runner.decide(deletedEvent(contact, 20, 20));
    const before = world.intercom.ran.length;
    world.runner.decide(createdEvent(contact, { ...person, LastName: 'Old', Title: 'ghost' }, 2, 2));
    pass(world, 30);
    expect(world.intercom.ran.length).toBe(before);
    expect(customerEvents(world.runner).at(-1)?.type).toBe('deleted');
    expect(world.runner.ref(contact)?.deleted).toBe(true);
    expect(contactOf(world.intercom)).toMatchObject({ name: 'Ada Byron' });
  });

  it('is not revived by a row read within the second of its deletion', () => {
    const world = linked();
    world.runner.decide(deletedEvent(contact, 20, 20));
    world.runner.decide(row(contact, { ...person, Title: 'ghost' }, 20));
    expect(world.runner.ref(contact)?.deleted).toBe(true);
  });
});

describe('windows and epochs', () => {
  it('asks nothing without a window and never more than the window at once', () => {
    const world = start({ window: 2 });
    for (let i = 0; i < 40; i++) {
      world.runner.decide(
        createdEvent(`salesforce:Contact:003${i}`, { Email: `p${i}@x.example`, LastName: `${i}` }, 2, 10 + i),
      );
    }
    world.runner.decide(mark(10));
    world.runner.tick();
    const perPartition = new Map<string, number>();
    for (const command of world.runner.commands())
      perPartition.set(command.epoch, (perPartition.get(command.epoch) ?? 0) + 1);
    expect([...perPartition.values()].every((count) => count === 2)).toBe(true);
    pass(world, 11);
    expect(world.intercom.records.size).toBe(40);
  });

  it('sends open asks again under a new epoch, the same asks, and ignores an epoch that was valid before', () => {
    const world = linked();
    const before = world.runner.commands().length;
    world.runner.decide(event(contact, { Title: 'CTO' }, 20, 20));
    const [first] = world.runner.commands().slice(before);
    const partition = Number(first?.epoch.slice(1));
    world.runner.decide(epoch(partition, 'later', 0, 10));
    world.runner.decide(epoch(partition, first?.epoch ?? '', 0, 10));
    const sent = world.runner.commands().slice(before);
    expect(sent.map((command) => command.id)).toEqual([first?.id, first?.id]);
    expect(sent.map((command) => command.epoch)).toEqual([first?.epoch, 'later']);
  });

  it('takes an expiry from a sink that lost its partition for no answer', () => {
    const world = linked();
    const before = world.runner.commands().length;
    world.runner.decide(event(contact, { Title: 'CTO' }, 20, 20));
    const [first] = world.runner.commands().slice(before);
    if (first === undefined) throw new Error('nothing was asked');
    const partition = Number(first.epoch.slice(1));
    world.runner.decide(epoch(partition, 'later', 0, 10));
    world.runner.decide(result(first, partition, { outcome: 'expired' }));
    expect(world.runner.commands().length - before).toBe(2);
  });

  it('asks again for what expired', () => {
    const world = start();
    world.runner.decide(createdEvent(contact, { ...person, AccountId: null }, 2, 2));
    world.runner.decide(mark(10));
    const [first] = world.runner.commands();
    if (first === undefined) throw new Error('nothing was asked');
    world.runner.decide(result(first, Number(first.epoch.slice(1)), { outcome: 'expired' }));
    expect(world.runner.commands().length).toBe(2);
    expect(world.runner.commands()[1]?.id).not.toBe(first.id);
  });

  it('coalesces edits that come while an ask is open into one more ask', () => {
    const world = linked();
    const before = world.intercom.ran.length;
    for (let i = 0; i < 10; i++) world.runner.decide(event(contact, { Title: `t${i}` }, 20 + i, 20 + i));
    pass(world, 40);
    expect(world.intercom.ran.length - before).toBe(2);
    expect(contactOf(world.intercom)?.['custom_attributes.job_title']).toBe('t9');
  });
});

describe('the fold', () => {
  it('creates nothing before the marks have passed the gate or the directory is known', () => {
    const runner = new FoldRunner(createUnify(config));
    for (let partition = 0; partition < 4; partition++) runner.decide(epoch(partition, `e${partition}`, 0, 10));
    runner.decide(createdEvent(contact, { ...person, AccountId: null }, 2, 2));
    runner.decide(mark(10));
    runner.tick();
    expect(runner.commands()).toEqual([]);
    runner.decide(snapshotComplete('intercom', 'admin'));
    runner.tick();
    expect(runner.commands().length).toBe(1);
  });

  it('gives the same outputs and state when every key has to be fetched for every record', () => {
    const [warm, cold] = [linked(), linked({ forgetful: true })];
    for (const world of [warm, cold]) {
      world.runner.decide(event(contact, { Title: 'CTO', AccountId: null }, 20, 20));
      pass(world, 30);
    }
    expect(JSON.stringify(cold.runner.outputs)).toBe(JSON.stringify(warm.runner.outputs));
    expect(JSON.stringify([...cold.runner.committed])).toBe(JSON.stringify([...warm.runner.committed]));
    expect(cold.runner.misses).toBeGreaterThan(warm.runner.misses);
  });

  it('emits account events with the full image', () => {
    const { runner } = linked();
    const events = runner.outputs
      .filter((output) => output.topic === 'account.events')
      .map((output) => output.value as AccountEvent);
    expect(events[0]).toMatchObject({
      type: 'created',
      lineage: 7,
      version: 1,
      account: { name: 'Orchard', ownerEmail: 'owner@us.example' },
    });
  });

  it('re-emits the people of a large account in portions that advance with the ticks', { timeout: 60_000 }, () => {
    const world = start({ window: 1000 });
    world.runner.decide(createdEvent(account, { Name: 'Orchard' }, 1, 1));
    const people = 400;
    for (let i = 0; i < people; i++) {
      world.runner.decide(
        createdEvent(
          `salesforce:Contact:003${i}`,
          { Email: `p${i}@x.example`, LastName: `${i}`, AccountId: '001A' },
          2,
          10 + i,
        ),
      );
    }
    for (let i = 0; i < 20; i++) pass(world, 10);
    const before = customerEvents(world.runner).length;
    world.runner.decide(event(account, { Industry: 'Fruit' }, 20, 1000));
    expect(customerEvents(world.runner).length).toBe(before);
    for (let i = 0; i < 20; i++) world.runner.tick();
    const joined = customerEvents(world.runner).slice(before);
    expect(new Set(joined.map((one) => one.customerId)).size).toBe(people);
    expect(joined.every((one) => one.account?.industry === 'Fruit')).toBe(true);
    const companies = [...world.intercom.records.values()]
      .filter((record) => record.object === 'contact')
      .map((record) => record.fields['companies']);
    expect(companies.length).toBe(people);
    expect(companies.every((list) => Array.isArray(list) && list.length === 1)).toBe(true);
  });
});
