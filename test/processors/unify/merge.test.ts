/** Records that end in favour of others: merges, what is under way meanwhile, and what comes back. */
import { describe, expect, it } from 'vitest';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Command } from '../../../schemas/types.ts';
import { createdEvent, deletedEvent, epoch, event, row, second } from '../../support/changes.ts';
import {
  account,
  action,
  ada,
  adaThere,
  alive,
  company,
  contact,
  moved,
  orders,
  People,
  person,
  twoWayWithLeads,
  webhook,
} from './people-world.ts';

describe('two contacts that are merged in Salesforce', () => {
  /** Two people, each on both platforms; B is the loser. */
  const two = (config = twoWayWithLeads()): People =>
    new People(config)
      .say(
        createdEvent(contact('A'), { Email: 'a@x.example', LastName: 'A', Title: 'kept' }, 2, 2),
        createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'B', Title: 'dropped', Phone: '+2' }, 3, 3),
      )
      .pass(10);

  it.each(
    orders({
      'the deletion': deletedEvent(contact('B'), 20, 20),
      'the word of the merge': moved(contact('B'), contact('A'), 21),
      'an edit of the winner': event(contact('A'), { Level__c: 'Primary' }, 20, 21),
    }),
  )('become one person with all their records, whatever is told first: %s', (_, changes) => {
    const people = two();
    const [winner, loser] = [people.idOf(contact('A')), people.idOf(contact('B'))];
    const there = people.entity(loser)?.refs.filter((ref) => ref.startsWith('intercom:')) ?? [];
    people.say(...changes).pass(30);
    expect(people.entity(loser)).toMatchObject({ mergedInto: winner, refs: [] });
    expect(people.living(contact('B'))?.refs).toHaveLength(4);
    expect(alive(people, contact('A'), contact('B'), ...there)).toEqual([true, false, true]);
    // What somebody chose for the winner counts, and what the loser alone knew is kept.
    expect(people.values(contact('A'))).toMatchObject({ lastName: 'A', title: 'kept', phone: '+2', level: 'Primary' });
    expect(people.set('email:b@x.example')).toEqual([]);
    expect(people.set('email:a@x.example')).toEqual([winner]);
    expect(people.creates('intercom').length).toBe(2);
    expect(people.events(loser).at(-1)).toMatchObject({ type: 'merged', mergedInto: winner });
  });

  it('keep both Intercom records in step, and say so; neither is deleted', () => {
    const people = two();
    people.say(deletedEvent(contact('B'), 20, 20), moved(contact('B'), contact('A'), 21)).pass(30);
    people.say(event(contact('A'), { Title: 'CTO' }, 40, 40)).pass(50);
    const titles = [...people.intercom.records.values()].map((record) => record.fields['custom_attributes.job_title']);
    expect(titles).toEqual(['CTO', 'CTO']);
    expect(people.journal('ambiguous').at(-1)).toMatchObject({ id: people.idOf(contact('A')) });
  });

  it.each([
    ['before the merge yields to the one that was chosen', 18, 'A'],
    ['after it counts', 25, 'Renamed'],
  ] as const)("what the loser's contact in Intercom said %s", (_, at, counts) => {
    const people = two();
    const there = people.living(contact('B'))?.refs.find((ref) => ref.startsWith('intercom:')) ?? '';
    const renamed = webhook(there, { name: 'B Renamed' }, at);
    // Whatever is told first.
    people
      .say(deletedEvent(contact('B'), 20, 20))
      .say(renamed, moved(contact('B'), contact('A'), 26))
      .pass(40);
    expect(people.values(contact('A'))).toMatchObject({ lastName: counts });
  });

  it.each([
    ['nobody owns', false],
    ['is only filled where it is empty', true],
  ])(
    'what was cleared on the winner since then stays cleared, and nothing of the loser fills it: a field that %s',
    (_, fillIfEmpty) => {
      const config = twoWayWithLeads();
      const { customer } = config.entities;
      const fields = customer.fields.map((field) => (field.canonical === 'title' ? { ...field, fillIfEmpty } : field));
      const people = two({ ...config, entities: { ...config.entities, customer: { ...customer, fields } } }).say(
        event(contact('B'), { Title: 'CTO' }, 15, 15),
        event(contact('A'), { Title: 'CEO' }, 15, 16),
      );
      people.pass(18).say(event(contact('A'), { Title: null }, 25, 25));
      people.say(deletedEvent(contact('B'), 20, 20), moved(contact('B'), contact('A'), 26)).pass(40);
      expect(people.values(contact('A'))['title'] ?? null).toBeNull();
    },
  );

  it('of which the winner is seen only later are one when it is', () => {
    const people = new People()
      .say(createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'B', Phone: '+2' }, 3, 3))
      .pass(10);
    const id = people.idOf(contact('B'));
    people.say(deletedEvent(contact('B'), 20, 20), moved(contact('B'), contact('A'), 21)).pass(22);
    expect(people.creates('salesforce')).toEqual([]);
    people.say(row(contact('A'), { Email: 'a@x.example', LastName: 'A', Id: '003A' }, 23)).pass(30);
    expect(people.idOf(contact('A'))).toBe(id);
    expect(people.values(contact('A'))).toMatchObject({ email: 'a@x.example', lastName: 'A', phone: '+2' });
    expect(people.creates('intercom').length).toBe(1);
    expect(people.set('email:a@x.example')).toEqual([id]);
  });

  it('leave what the loser had beaten within the second of the merge: it may have been said after that', () => {
    const people = two()
      .say(event(contact('A'), { Title: 'a' }, 12, 12))
      .pass(15);
    const [there = ''] = people.living(contact('B'))?.refs.filter((ref) => ref.startsWith('intercom:')) ?? [];
    const time = (second + 20) * 1000;
    const shown = { email: 'b@x.example', name: 'B', 'custom_attributes.tributary_id': people.idOf(contact('B')) };
    people.say(webhook(there, { ...shown, 'custom_attributes.job_title': 't' }, 20, { modified: time }));
    people.say(event(contact('B'), { Title: 'x' }, 20, 20));
    expect(people.values(contact('B'))['title']).toBe('x');
    people.say(moved(contact('B'), contact('A'), 20)).pass(30);
    expect(people.values(contact('A'))['title']).toBe('t');
    expect(people.events(people.idOf(contact('A'))).at(-1)?.customer.title).toBe('t');
  });

  it('three at a time are one', () => {
    const people = two()
      .say(createdEvent(contact('C'), { Email: 'c@x.example', LastName: 'C' }, 4, 4))
      .pass(15);
    people.say(moved(contact('C'), contact('A'), 20), moved(contact('B'), contact('A'), 20)).pass(30);
    const [a] = ['A', 'B', 'C'].map((id) => people.living(contact(id))?.id);
    expect(['A', 'B', 'C'].map((id) => people.living(contact(id))?.id)).toEqual([a, a, a]);
  });

  it('in a chain end at the last', () => {
    const people = two()
      .say(createdEvent(contact('C'), { Email: 'c@x.example', LastName: 'C' }, 4, 4))
      .pass(15);
    people.say(moved(contact('C'), contact('B'), 20), moved(contact('B'), contact('A'), 21)).pass(30);
    expect(people.living(contact('C'))?.id).toBe(people.living(contact('A'))?.id);
    expect(alive(people, contact('A'), contact('B'), contact('C'))).toEqual([true, false, false]);
  });

  it('said again change nothing', () => {
    const people = two();
    const said = [deletedEvent(contact('B'), 20, 20), moved(contact('B'), contact('A'), 21)];
    people.say(...said).pass(30);
    const before = people.runner.outputs.filter((output) => output.topic !== 'journal').length;
    people.say(...said).pass(31);
    expect(people.runner.outputs.filter((output) => output.topic !== 'journal').length).toBe(before);
  });

  it.each([
    [
      'the word of the platform',
      event(contact('B'), { Email: 'b@x.example', LastName: 'B' }, 40, 40, { op: 'undeleted', whole: true }),
    ],
    ['a newer reading', row(contact('B'), { Email: 'b@x.example', LastName: 'B' }, 40)],
  ])('are two again when the loser is undeleted, by %s: it is a person of its own, and that is told', (_, change) => {
    const people = two();
    const old = people.idOf(contact('B'));
    people.say(deletedEvent(contact('B'), 20, 20), moved(contact('B'), contact('A'), 21)).pass(30);
    people.say(change).pass(50);
    const own = people.living(contact('B'));
    expect(own?.id).not.toBe(people.living(contact('A'))?.id);
    expect(own?.id).not.toBe(old);
    expect(own).toMatchObject({ generation: 1, founder: contact('B') });
    expect(people.runner.ref(contact('B'))).toMatchObject({ deleted: false, into: null });
    expect(people.journal('moved').at(-1)).toMatchObject({ source: contact('B') });
    expect(people.set('email:b@x.example')).toEqual([own?.id]);
    // Said again, the merge is older than the return.
    people.say(moved(contact('B'), contact('A'), 21)).pass(60);
    expect(people.living(contact('B'))?.id).toBe(own?.id);
  });
});

describe('a contact that is found gone before it is told that it was merged', () => {
  it('lives on as the one that carries our id now, and gives way to it as to any other', () => {
    const people = new People()
      .say(webhook(person('u0'), adaThere, 2))
      .say(webhook(person('u1'), { email: 'lovelace@x.example', name: 'Ada Lovelace', role: 'lead' }, 2))
      .pass(10)
      .say(webhook(person('u0'), { ...adaThere, name: 'Ada King' }, 15))
      .pass(16);
    const id = people.idOf(person('u0'));
    const [there = ''] = people.living(person('u0'))?.refs.filter((ref) => ref.startsWith('salesforce:')) ?? [];
    people.say(event(there, { Title: 'CTO' }, 20, 20));
    const asked = people.waiting().find((command) => command.platform === 'intercom');
    people.intercom.records.delete('u0');
    people.answer(asked, { outcome: 'gone', platformTime: (second + 22) * 1000 });
    const copied = { email: 'lovelace@x.example', name: 'Ada Lovelace', 'custom_attributes.tributary_id': id };
    people.say(webhook(person('u1'), copied, 21), moved(person('u0'), person('u1'), 21)).pass(40);
    expect(people.living(person('u1'))?.id).toBe(people.living(there)?.id);
    expect(people.values(there)).toMatchObject({ lastName: 'Lovelace', title: 'CTO' });
    expect(people.intercom.records.get('u1')?.fields['name']).toBe('Ada Lovelace');
  });
});

describe('a create that is under way when its customer is merged', () => {
  /** B's create is asked; then B is merged into A, who is on Intercom already, or not. */
  function start(linked: boolean): { people: People; create: Command } {
    const people = new People(twoWayWithLeads(), linked ? 50 : 1);
    people.say(createdEvent(contact('A'), { Email: 'a@x.example', LastName: 'A' }, 2, 2));
    if (linked) people.pass(10);
    people.say(createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'B' }, 12, 12));
    people.marks(20).runner.tick();
    const id = people.idOf(contact('B'));
    const create = people.waiting().find((command) => command.platform === 'intercom' && command.key === id);
    if (create === undefined) throw new Error('nothing was asked');
    return { people, create };
  }

  it('ends as a record of the survivor', () => {
    const { people, create } = start(false);
    people.say(moved(contact('B'), contact('A'), 21));
    people.answer(create, people.run(create)).pass(40);
    const id = people.idOf(contact('A'));
    const there = people.entity(id)?.refs.filter((ref) => ref.startsWith('intercom:'));
    expect(there?.length).toBeGreaterThan(0);
    expect(there?.every((ref) => people.idOf(ref) === id)).toBe(true);
    expect(people.entity(id)?.creates.filter((one) => one.state === 'open')).toEqual([]);
    // The mark of who it was made for gives way to that of who it is.
    const marks = [...people.intercom.records.values()].map(
      (record) => record.fields['custom_attributes.tributary_id'],
    );
    expect(new Set(marks)).toEqual(new Set([id]));
  });

  it('ends as a second record when the survivor has one, and that is told', () => {
    const { people, create } = start(true);
    people.say(moved(contact('B'), contact('A'), 21));
    people.answer(create, people.run(create)).pass(40);
    const id = people.idOf(contact('A'));
    expect(people.entity(id)?.refs.filter((ref) => ref.startsWith('intercom:')).length).toBe(2);
    expect(people.journal('ambiguous').at(-1)).toMatchObject({ id });
  });

  it('is put off under a new epoch and not asked again of whom the survivor has, and takes no place in the window', () => {
    const { people, create } = start(true);
    people.say(moved(contact('B'), contact('A'), 21));
    people.say(epoch(partitionOf(create.key, 4), 'later', 0, 50));
    people.ran.push(create);
    people.pass(90);
    expect(people.commands('intercom').filter((command) => command.key === create.key)).toEqual([create]);
    for (let n = 0; n < 4; n++) {
      const cursor = people.runner.committed.get(`cur:part:intercom:${n}`) as { n: { open?: number } };
      expect(cursor.n.open ?? 0).toBe(0);
    }
  });

  it('and expires in doubt is asked again with the very same values, under the id it was first asked for', () => {
    const { people, create } = start(false);
    people.say(moved(contact('B'), contact('A'), 21));
    people.answer(create, { outcome: 'expired', doubt: true, calls: 1 });
    const again = people.commands('intercom').filter((command) => command.key === create.key);
    const own = people.entity(people.idOf(contact('A')))?.creates ?? [];
    // Either it goes on, or the survivor's own create, asked before, takes its place: never both at once.
    expect(own.filter((one) => one.state === 'open').length).toBeLessThanOrEqual(1);
    expect(again.slice(1).every((command) => JSON.stringify(command.fields) === JSON.stringify(create.fields))).toBe(
      true,
    );
    expect(new Set(again.map((command) => command.id)).size).toBe(again.length);
    people.pass(90);
    expect(people.intercom.records.size).toBe(1);
  });

  it('and is put off is asked again for the survivor, who has nobody there, under the id it was first asked for', () => {
    const people = new People().say(
      createdEvent(contact('A'), { LastName: 'A' }, 2, 2),
      createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'B' }, 2, 3),
    );
    people.marks(10).runner.tick();
    const [create] = people.waiting();
    if (create === undefined) throw new Error('nothing was asked');
    people.answer(create, { outcome: 'expired', doubt: true, calls: 1 });
    people
      .say(moved(contact('B'), contact('A'), 21))
      .marks(90)
      .runner.tick();
    const again = people.waiting().filter((command) => command.key === create.key);
    expect(again).toMatchObject([{ verb: 'create', doubt: true, fields: create.fields }]);
  });
});

describe('accounts that are merged', () => {
  it.each(
    orders({
      'the deletion': deletedEvent(account('B'), 20, 20),
      'the word of the merge': moved(account('B'), account('A'), 21),
      'its people': event(contact('B'), { AccountId: '001A' }, 20, 21),
    }),
  )('are one account with the people of both, and the records of both: %s', (_, changes) => {
    const people = new People()
      .say(
        createdEvent(account('A'), { Name: 'Orchard' }, 1, 1),
        createdEvent(account('B'), { Name: 'Bakery', Industry: 'Food' }, 1, 2),
        createdEvent(contact('A'), { Email: 'a@x.example', LastName: 'A', AccountId: '001A' }, 2, 3),
        createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'B', AccountId: '001B' }, 2, 4),
      )
      .pass(10);
    const [winner, loser] = [people.idOf(account('A')), people.idOf(account('B'))];
    people.say(...changes).pass(30);
    expect(people.entity(loser)).toMatchObject({ mergedInto: winner });
    expect(people.set(`members:${loser}`)).toEqual([]);
    expect(people.set(`members:${winner}`)).toEqual([people.idOf(contact('A')), people.idOf(contact('B'))].sort());
    expect(people.values(contact('B'))['account']).toBe(winner);
    expect(people.values(account('A'))).toMatchObject({ name: 'Orchard', industry: 'Food' });
    expect(people.events(people.idOf(contact('B'))).at(-1)?.account?.name).toBe('Orchard');
    const before = people.commands().length;
    people.pass(40);
    expect(people.commands().length).toBe(before);
  });

  it('of many people move them with the ticks, and live changes pass them by', { timeout: 60_000 }, () => {
    const people = new People(twoWayWithLeads(), 0);
    people.say(
      createdEvent(account('A'), { Name: 'Orchard' }, 1, 1),
      createdEvent(account('B'), { Name: 'Bakery' }, 1, 2),
    );
    const many = 400;
    for (let n = 0; n < many; n++)
      people.say(
        createdEvent(contact(`${n}`), { Email: `p${n}@x.example`, LastName: 'x', AccountId: '001B' }, 2, 3 + n),
      );
    const [winner, loser] = [people.idOf(account('A')), people.idOf(account('B'))];
    const from = people.runner.outputs.length;
    people.say(deletedEvent(account('B'), 20, 2000), moved(account('B'), account('A'), 21));
    expect(people.runner.outputs.length - from).toBeLessThan(20);
    people.say(event(contact('7'), { Title: 'CTO' }, 22, 2001));
    expect(people.events(people.idOf(contact('7'))).at(-1)).toMatchObject({
      customer: { title: 'CTO' },
      account: { name: 'Orchard' },
    });
    for (let tick = 0; tick < 200; tick++) people.runner.tick();
    expect(people.set(`members:${loser}`)).toEqual([]);
    expect(people.set(`members:${winner}`).length).toBe(many);
  });
});

describe('a company of Intercom', () => {
  it('that names its Salesforce account is linked to it, and keeps its own key', () => {
    const people = new People().say(createdEvent(account('A'), { Name: 'Orchard' }, 1, 1));
    people.say(
      webhook(
        company('k1'),
        {
          name: 'Orchard Ltd',
          company_id: 'their own',
          'custom_attributes.salesforce_account_id': '001A',
        },
        2,
      ),
    );
    expect(people.idOf(company('k1'))).toBe(people.idOf(account('A')));
    people.pass(10);
    expect(people.commands().some((command) => 'company_id' in command.fields)).toBe(false);
  });
});

describe('what was taken apart', () => {
  it('is a customer of its own in the next generation, and its email does not bring it back', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2), webhook(person('i1'), adaThere, 2)).pass(10);
    const old = people.idOf(contact('A'));
    people.say(action('unlink', person('i1'))).pass(20);
    const own = people.living(person('i1'));
    expect(own).toMatchObject({ refs: [person('i1')], founder: person('i1') });
    expect(own?.id).not.toBe(old);
    expect(people.entity(old)?.refs).toEqual([contact('A')]);
    expect(people.values(person('i1'))['email']).toBe('ada@x.example');
    people.say(webhook(person('i1'), { ...adaThere, phone: '+9', 'custom_attributes.tributary_id': old }, 30)).pass(40);
    expect(people.idOf(person('i1'))).toBe(own?.id);
    expect([...people.creates('intercom'), ...people.creates('salesforce')]).toEqual([]);
  });
});

describe('an account that was merged forty times', () => {
  const chain = (): People => {
    const people = new People();
    for (let n = 0; n <= 40; n++) {
      people.say(createdEvent(account(`${n}`), { Name: `Firm ${n}` }, 2 + n, 2 * n));
      if (n > 0) people.say(moved(account(`${n - 1}`), account(`${n}`), 2 + n, 2 * n + 1));
    }
    return people;
  };
  const lastOf = (people: People): string => people.idOf(account('40'));

  it('is still found by its first id', () => {
    const people = chain();
    const ids = [...people.runner.committed.keys()].filter((key) => key.startsWith('ent:')).map((key) => key.slice(4));
    const merged = ids.filter((id) => people.entity(id)?.mergedInto != null);
    expect(merged.length).toBe(40);
    people.say(webhook(company('c1'), { name: 'Upland' }, 60));
    for (const [n, id] of merged.entries()) {
      people.say(action('unlink', company('c1')), action('pin', company('c1'), id, `pin ${n}`));
      expect(people.idOf(company('c1'))).toBe(lastOf(people));
    }
  });

  it('never leads back to where it was, whoever survives, so that following it ends', () => {
    const people = chain();
    people.say(moved(account('40'), account('0'), 70, 90), webhook(company('c1'), { name: 'Upland' }, 71));
    people.say(createdEvent(account('0'), { Name: 'Firm 0' }, 80, 100), moved(account('0'), account('40'), 81, 101));
    for (const [key] of people.runner.committed) {
      if (!key.startsWith('ent:')) continue;
      const seen = new Set<string>();
      let id: string | null = key.slice(4);
      for (; id !== null; id = people.entity(id)?.mergedInto ?? null) {
        expect(seen.has(id)).toBe(false);
        seen.add(id);
      }
    }
  });
});

describe('the event of two who are one', () => {
  it('says what changed for whoever had the event before: not the value that both had', () => {
    const people = new People().say(
      createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'B' }, 2, 2),
      webhook(person('i2'), { email: 'a@x.example', name: 'Two' }, 4),
      webhook(person('i1'), { email: 'b@x.example', name: 'B' }, 6),
      action('pin', contact('B'), person('i2')),
      deletedEvent(contact('B'), 10, 10),
      createdEvent(contact('A'), { Email: 'b@x.example', LastName: 'B' }, 11, 11),
      webhook(person('i2'), { email: 'b@x.example', name: 'Two' }, 14),
    );
    const [before] = people.events(people.idOf(contact('A'))).slice(-1);
    people.say(moved(contact('A'), contact('B'), 12));
    const [after] = people.events(people.living(contact('A'))?.id).slice(-1);
    expect(after?.customerId).toBe(before?.customerId);
    expect([before?.customer.email, after?.customer.email]).toEqual(['b@x.example', 'b@x.example']);
    expect(after?.changed.map(({ field }) => field)).not.toContain('email');
    expect(after?.changed.filter(({ field, old }) => field === 'lastName' && old !== 'B')).toEqual([]);
  });
});
