/** Each of these was wrong once, with creates and what waits for them: the name is the symptom. */
import { describe, expect, it } from 'vitest';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Command } from '../../../schemas/types.ts';
import { createdEvent, deletedEvent, epoch, event, row, second } from '../../support/changes.ts';
import { account, ada, contact, Org } from './org.ts';
import { People, person, twoWayWithLeads, webhook } from './people-world.ts';

describe('creates', () => {
  it('ask the very same again after a create in doubt, so that a corrected email does not make a second person', () => {
    const org = new Org().say(createdEvent(contact(1), { ...ada, Email: 'ada@exmaple.com' }, 2, 2));
    const [first] = org.ask(10);
    if (first === undefined) throw new Error('nothing was asked');
    org.intercom.run(first);
    org.say(event(contact(1), { Email: 'ada@x.example' }, 11, 11));
    org.answer(first, { outcome: 'expired', doubt: true, calls: 1 }).pass(80);
    expect(org.people()).toEqual(['ada@x.example']);
  });

  it('of a contact in doubt wait until a search must show it, and tell the sink to look: its email may be another by now', () => {
    const org = new Org().say(createdEvent(contact(1), ada, 2, 2));
    const [first] = org.ask(10);
    if (first === undefined) throw new Error('nothing was asked');
    const [made] = [org.intercom.run(first)];
    const record = org.intercom.records.get((made.ref ?? '').slice('intercom:contact:'.length));
    if (record === undefined) throw new Error('nobody was made');
    record.fields['email'] = 'ada.byron@x.example';
    org.answer(first, { outcome: 'expired', doubt: true, calls: 1 });
    expect(org.ask(59)).toEqual([]);
    const [again] = org.ask(61);
    expect(again).toMatchObject({ verb: 'create', doubt: true, fields: first.fields, key: first.key });
    org.pass(80);
    expect(org.intercom.records.size).toBe(1);
  });

  it('of a contact that tells of itself while they wait are not asked again, and what somebody edits is not held up', () => {
    const org = new Org().say(createdEvent(contact(1), ada, 2, 2));
    const [first] = org.ask(10);
    if (first === undefined) throw new Error('nothing was asked');
    const { ref = '' } = org.intercom.run(first);
    org.answer(first, { outcome: 'expired', doubt: true, calls: 1 });
    org.say(webhook(ref, first.fields, 20));
    org.say(event(contact(1), { Title: 'CTO' }, 21, 21));
    expect(org.ask(22)).toMatchObject([]);
    expect(org.runner.commands().at(-1)).toMatchObject({
      verb: 'update',
      ref,
      fields: { 'custom_attributes.job_title': 'CTO' },
    });
    org.pass(80);
    expect(org.runner.commands().filter(({ verb, object }) => verb === 'create' && object === 'contact').length).toBe(
      1,
    );
  });

  it('of a contact that tells of itself before it was attached to its company leave that to be done', () => {
    const people = new People().say(createdEvent(account, { Name: 'Orchard' }, 1, 1));
    people.say(createdEvent(contact(0), { Email: 'bo@x.example', LastName: 'Bo', AccountId: '001A' }, 2, 2)).pass(10);
    people
      .say(createdEvent(contact(1), { ...ada, AccountId: '001A' }, 12, 12))
      .marks(20)
      .runner.tick();
    const create = people.waiting().find(({ verb, object }) => verb === 'create' && object === 'contact');
    const { companies = [], ...told } = create?.fields ?? {};
    expect(companies).not.toEqual([]);
    people.answer(create, { outcome: 'expired', doubt: true, calls: 1, platformTime: (second + 21) * 1000 });
    people.say(webhook(person('late'), { ...told, companies: [] }, 22, { created: true })).pass(30);
    expect(people.intercom.records.get('late')?.fields['companies']).toEqual(companies);
    expect(people.journal('settled')).toEqual([]);
  });

  it('of a contact that tells of itself while they wait have come to what the platform made of them: that is left in peace', () => {
    const people = new People().say(createdEvent(contact(1), { ...ada, Title: 'CTO' }, 2, 2));
    people.marks(10).runner.tick();
    const create = people.waiting().find(({ verb, object }) => verb === 'create' && object === 'contact');
    people.answer(create, { outcome: 'expired', doubt: true, calls: 1, platformTime: (second + 11) * 1000 });
    const made = { ...create?.fields, 'custom_attributes.job_title': 'cto' };
    people.say(webhook(person('late'), made, 22, { created: true })).pass(30);
    expect(people.intercom.records.get('late')?.fields['custom_attributes.job_title']).toBe('cto');
    expect(people.journal('settled')).toMatchObject([{ value: 'cto', other: 'CTO' }]);
  });

  it('of a contact stay in doubt when they are not wanted for a while', () => {
    const org = new Org().say(createdEvent(contact(1), ada, 2, 2));
    const [first] = org.ask(10);
    if (first === undefined) throw new Error('nothing was asked');
    org.intercom.run(first);
    org.answer(first, { outcome: 'expired', doubt: true, calls: 1 });
    org.say(event(contact(1), { Email: null }, 11, 11)).pass(30);
    org.say(event(contact(1), { Email: 'ada@elsewhere.example' }, 31, 31));
    expect(org.ask(59)).toEqual([]);
    expect(org.ask(61)).toMatchObject([{ verb: 'create', doubt: true, fields: first.fields }]);
  });

  it('are put off where a sink is lost that may have made the contact, and sent again at once where the platform has a key', () => {
    const org = new Org().say(
      createdEvent(account, { Name: 'Orchard' }, 1, 1),
      createdEvent(contact(1), { ...ada, AccountId: '001A' }, 2, 2),
    );
    const asked = org.ask(10);
    const again: Command[] = [];
    for (let partition = 0; partition < 4; partition++) {
      const before = org.runner.commands().length;
      org.say(epoch(partition, `later${partition}`, 0, 50));
      again.push(...org.runner.commands().slice(before));
    }
    expect(asked.map(({ object }) => object).sort()).toEqual(['company', 'contact']);
    expect(again).toMatchObject([{ object: 'company', verb: 'create', doubt: true }]);
    expect(org.ask(61)).toMatchObject([{ object: 'contact', verb: 'create', doubt: true }]);
  });

  it('stay in doubt when another sink, which knows of no call, lets them expire', () => {
    const org = new Org().say(createdEvent(contact(1), { ...ada, Email: 'ada@exmaple.com' }, 2, 2));
    const [first] = org.ask(10);
    if (first === undefined) throw new Error('nothing was asked');
    org.intercom.run(first);
    org.say(event(contact(1), { Email: 'ada@x.example' }, 11, 11));
    org.say(epoch(Number(first.epoch.slice(1)), 'later', 0, 50));
    org.answer(org.ask(61)[0], { outcome: 'expired', calls: 0 }).pass(80);
    expect(org.people()).toEqual(['ada@x.example']);
  });

  it('that expired without a call are asked with the newest values', () => {
    const org = new Org().say(createdEvent(contact(1), ada, 2, 2));
    const [first] = org.ask(10);
    org.say(event(contact(1), { LastName: 'Lovelace' }, 11, 11));
    org.answer(first, { outcome: 'expired', calls: 0 });
    expect(org.runner.commands().at(-1)?.fields['name']).toBe('Lovelace');
  });

  it('of somebody deleted or without an email meanwhile are not made when they are asked again', () => {
    const org = new Org().say(
      createdEvent(contact(1), ada, 2, 2),
      createdEvent(contact(2), { ...ada, Email: 'b@x.example' }, 2, 3),
    );
    const asked = org.ask(10);
    org.say(deletedEvent(contact(1), 11, 11), event(contact(2), { Email: null }, 11, 12));
    for (const command of asked) org.answer(command, { outcome: 'expired', calls: 0 });
    expect(org.pass(20).people()).toEqual([]);
  });

  it('of a company are not made when its last person has left it', () => {
    const org = new Org(0).say(
      createdEvent(account, { Name: 'Orchard' }, 1, 1),
      createdEvent(contact(1), { ...ada, AccountId: '001A' }, 2, 2),
    );
    org.ask(10);
    org.say(event(contact(1), { AccountId: null }, 11, 11));
    for (let partition = 0; partition < 4; partition++) org.say(epoch(partition, `e${partition}`, 1, 10));
    org.pass(20);
    expect([...org.intercom.records.values()].map((record) => record.object)).toEqual(['contact']);
  });

  it('of somebody who is edited do not wait behind a whole snapshot', () => {
    const org = new Org(0);
    for (let n = 0; n < 40; n++) org.say(row(contact(n), { LastName: `${n}`, Email: `p${n}@x.example` }, 2));
    org.ask(10);
    org.say(event(contact(39), { Title: 'CTO' }, 11, 11));
    for (let partition = 0; partition < 4; partition++) org.say(epoch(partition, `e${partition}`, 1, 1));
    const lanes = org.runner.commands().map((command) => [command.fields['custom_attributes.job_title'], command.lane]);
    expect(lanes).toContainEqual(['CTO', 'live']);
    for (let partition = 0; partition < 4; partition++) org.say(epoch(partition, `e${partition}`, 2, 50));
    expect(org.pass(20).people().length).toBe(40);
  });
});

describe('emails that move between people', { timeout: 30_000 }, () => {
  it('are written in the end although the one who takes it was written before the one who gave it up', () => {
    const org = new Org()
      .say(createdEvent(contact('A'), { Email: 'a@x.example', LastName: 'A' }, 2, 2))
      .say(createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'B' }, 2, 3))
      .pass(10);
    org.say(
      event(contact('B'), { Email: 'b2@x.example' }, 20, 20),
      event(contact('A'), { Email: 'b@x.example' }, 20, 21),
    );
    const [first, then] = org.runner.commands().slice(-2);
    // A's call is carried out first and meets B's address.
    const taker = first?.fields['email'] === 'b@x.example' ? first : then;
    org.answer(taker, org.intercom.run(taker as Command)).pass(30);
    expect(org.people()).toEqual(['b2@x.example', 'b@x.example']);
  });

  it('let a new person be created who took the address that somebody just left', () => {
    const org = new Org().say(createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'B' }, 2, 2)).pass(10);
    org.say(event(contact('B'), { Email: 'b2@x.example' }, 20, 20));
    const update = org.runner.commands().at(-1);
    org.say(createdEvent(contact('N'), { Email: 'b@x.example', LastName: 'N' }, 21, 21));
    const [create] = org.ask(30);
    org.answer(create, org.intercom.run(create as Command));
    org.answer(update, org.intercom.run(update as Command)).pass(40);
    expect(org.people()).toEqual(['b2@x.example', 'b@x.example']);
  });

  it('are free when their customer is deleted: the successor is created', () => {
    const org = new Org()
      .say(createdEvent(contact(1), ada, 2, 2), deletedEvent(contact(1), 3, 3), createdEvent(contact(2), ada, 4, 4))
      .pass(10);
    expect(org.people()).toEqual(['ada@x.example']);
    expect(org.ambiguous).toBe(0);
  });

  it('may be one address for thousands of people: all are held, none is lost', () => {
    const org = new Org();
    for (let n = 0; n < 3000; n++)
      org.say(createdEvent(contact(n), { Email: 'none@none.example', LastName: `${n}` }, 2, n));
    expect(org.runner.poisons).toEqual([]);
    expect(org.pass(10).people()).toEqual([]);
    expect([...org.runner.committed.keys()].filter((key) => key.startsWith('ent:')).length).toBe(3000);
  });
});

describe('the bulk queue', () => {
  it('does not grow while its window is shut and one record is lifted to a better lane again and again', () => {
    const people = new People();
    people.say(createdEvent(contact('A'), { ...ada, Phone: '1' }, 2, 2)).pass(10);
    const there = people.living(contact('A'))?.refs.find((ref) => ref.startsWith('intercom:')) ?? '';
    const partition = partitionOf(there, 4);
    people.say(epoch(partition, `e${partition}`, 1, 50, 0));
    for (let n = 0; n < 20; n++) {
      const at = 100 + n * 10;
      people.say(row(contact('A'), { ...ada, Phone: `r${n}` }, at));
      people.say(event(contact('A'), { Phone: `e${n}` }, at + 3, at + 3));
      people.intercom.now = second + at + 4;
      for (const command of people.waiting()) people.answer(command, people.run(command));
    }
    const { n } = people.runner.committed.get(`cur:queue:intercom:${partition}:bulk`) as { n: Record<string, number> };
    expect((n['tail'] ?? 0) - (n['head'] ?? 0)).toBeLessThanOrEqual(1);
  });
});

describe('the queues of creates', () => {
  const waiting = (people: People): number =>
    [...people.runner.committed].reduce((sum, [key, value]) => {
      const { n } = value as { n: Record<string, number> };
      return key.startsWith('cur:queue:intercom:') ? sum + (n['tail'] ?? 0) - (n['head'] ?? 0) : sum;
    }, 0);

  it('hold somebody once while the window is shut, however often they come to be wanted there and not', () => {
    const people = new People(twoWayWithLeads(), 0).say(createdEvent(contact('A'), ada, 2, 2)).marks(10);
    for (let n = 0; n < 20; n++) {
      const at = 100 + n * 20;
      people.say(
        event(contact('A'), { Email: null }, at, at),
        event(contact('A'), { Email: ada.Email }, at + 1, at + 1),
      );
      people.marks(at + 10);
    }
    expect(people.living(contact('A'))?.creates).toMatchObject([{ state: 'queued' }]);
    expect(waiting(people)).toBe(1);
    for (let partition = 0; partition < 4; partition++) people.say(epoch(partition, `e${partition}`, 1, 50));
    people.pass(600);
    expect(people.creates('intercom').length).toBe(1);
    expect(waiting(people)).toBe(0);
    expect(people.living(contact('A'))?.entries).toEqual([]);
  });

  it('hold somebody once in each lane who is lifted to a better one again and again', () => {
    const people = new People(twoWayWithLeads(), 0);
    for (let n = 0; n < 10; n++) {
      const at = 100 + n * 30;
      people.say(row(contact('A'), ada, at)).marks(at + 10);
      people.say(event(contact('A'), { Phone: `${n}` }, at + 11, at)).marks(at + 12);
      people.say(event(contact('A'), { Email: null }, at + 13, at + 1)).marks(at + 20);
    }
    expect(waiting(people)).toBeLessThanOrEqual(2);
  });
});
