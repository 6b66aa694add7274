/** Whose record is it? Each rule, in every order in which its facts may arrive. */
import { describe, expect, it } from 'vitest';
import { listRefs, newRef } from '../../../processors/unify/identity.ts';
import { createdEvent, deletedEvent, event, row } from '../../support/changes.ts';
import { plainWorld } from '../../support/plain-world.ts';
import {
  account,
  action,
  ada,
  adaThere,
  contact,
  lead,
  orders,
  People,
  person,
  twoWayWithLeads,
  webhook,
} from './people-world.ts';

describe('one email', () => {
  it.each(
    orders({
      'the contact': createdEvent(contact('A'), ada, 2, 2),
      'the lead': createdEvent(lead('A'), { ...ada, Phone: '+1' }, 2, 3),
      'the user': webhook(person('i1'), adaThere, 2),
    }),
  )('of a contact, a lead and an Intercom user is one person: %s', (_, changes) => {
    const people = new People().say(...changes).pass(10);
    const id = people.living(contact('A'))?.id;
    expect(people.living(lead('A'))?.id).toBe(id);
    expect(people.living(person('i1'))?.id).toBe(id);
    expect(people.creates('salesforce')).toEqual([]);
    expect(people.creates('intercom')).toEqual([]);
    expect(people.values(contact('A'))['phone']).toBe('+1');
    expect(people.set('email:ada@x.example')).toEqual([id]);
  });

  it.each(
    orders({
      'the contact, older': createdEvent(contact('A'), { ...ada, Title: 'of the contact' }, 2, 2),
      'the lead, newer': createdEvent(lead('A'), { ...ada, Title: 'of the lead', Phone: '+1' }, 5, 3),
    }),
  )('of a contact and a lead: the contact leads, the lead fills in: %s', (_, changes) => {
    const people = new People().say(...changes);
    expect(people.values(contact('A'))).toMatchObject({ title: 'of the contact', phone: '+1' });
  });

  it('in other letters and with spaces is the same', () => {
    const people = new People().say(
      createdEvent(contact('A'), { ...ada, Email: ' ADA@x.example' }, 2, 2),
      webhook(person('i1'), adaThere, 2),
    );
    expect(people.idOf(person('i1'))).toBe(people.idOf(contact('A')));
  });

  it.each(
    orders({
      'contact A': createdEvent(contact('A'), ada, 2, 2),
      'contact B': createdEvent(contact('B'), { ...ada, FirstName: 'Annabella' }, 2, 3),
      'the user': webhook(person('i1'), adaThere, 2),
    }).filter(([name]) => name.endsWith('the user')),
  )(
    'of two contacts and a user is ambiguous: nothing is created or written, whose candidates are told: %s',
    (_, changes) => {
      const people = new People().say(...changes).pass(10);
      expect([...people.creates('salesforce'), ...people.commands('intercom')]).toEqual([]);
      expect(people.commands('salesforce')).toEqual([]);
      expect(new Set([contact('A'), contact('B'), person('i1')].map((ref) => people.idOf(ref))).size).toBe(3);
      const told = people.journal('ambiguous').find((entry) => entry.id === people.idOf(person('i1')));
      expect([...((told?.other ?? []) as readonly string[])].sort()).toEqual(
        [people.idOf(contact('A')), people.idOf(contact('B'))].sort(),
      );
      expect(people.living(person('i1'))?.ambiguous.length).toBe(2);
    },
  );

  it('that a second contact comes to share leaves a linked person in step', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2), webhook(person('i1'), adaThere, 2)).pass(10);
    people.say(createdEvent(contact('B'), ada, 20, 20)).pass(25);
    people.say(event(contact('A'), { Title: 'CTO' }, 30, 30)).pass(40);
    expect(people.commands('intercom').at(-1)?.fields).toEqual({ 'custom_attributes.job_title': 'CTO' });
    expect(people.creates('intercom')).toEqual([]);
  });
});

describe('our id', () => {
  it('is written into nobody who is on one platform only, and once into both records of one person', () => {
    const people = new People().say(createdEvent(contact('A'), { LastName: 'Nomail' }, 2, 2)).pass(10);
    expect([...people.commands('salesforce'), ...people.commands('intercom')]).toEqual([]);
    people.say(createdEvent(contact('B'), ada, 20, 20), webhook(person('i1'), adaThere, 20)).pass(40);
    const id = people.idOf(contact('B'));
    expect(people.commands('salesforce').map(({ fields }) => fields)).toEqual([{ Tributary_Id__c: id }]);
    expect(people.commands('intercom').map(({ fields }) => fields['custom_attributes.tributary_id'])).toEqual([id]);
  });
});

describe('an ambiguity ends', () => {
  const shared = (): People =>
    new People()
      .say(
        createdEvent(contact('A'), { ...ada, Title: 'A' }, 2, 2),
        createdEvent(contact('B'), { ...ada, FirstName: 'Annabella' }, 2, 3),
        webhook(person('i1'), adaThere, 2),
      )
      .pass(10);

  it('when the other contact has another email: the two that are left are one, and the net effect is written once', () => {
    const people = shared();
    people.say(event(contact('A'), { Title: 'AA' }, 12, 12));
    people.say(event(contact('B'), { Email: 'b@x.example' }, 20, 20)).pass(30);
    expect(people.living(person('i1'))?.id).toBe(people.living(contact('A'))?.id);
    const titles = people.commands('intercom').filter((command) => 'custom_attributes.job_title' in command.fields);
    expect(titles.map((command) => [command.verb, command.fields['custom_attributes.job_title']])).toEqual([
      ['update', 'AA'],
    ]);
    expect(people.creates('intercom').map((command) => command.fields['email'])).toEqual(['b@x.example']);
    expect(people.living(contact('A'))?.ambiguous).toEqual([]);
  });

  it('when the other contact is deleted', () => {
    const people = shared()
      .say(deletedEvent(contact('B'), 20, 20))
      .pass(30);
    expect(people.living(person('i1'))?.id).toBe(people.living(contact('A'))?.id);
    expect(people.creates('intercom')).toEqual([]);
  });

  it("by an operator's pin, and the one who is left out stays so", () => {
    const people = shared()
      .say(action('pin', person('i1'), contact('B')))
      .pass(30);
    expect(people.living(person('i1'))?.id).toBe(people.living(contact('B'))?.id);
    expect(people.living(contact('A'))?.id).not.toBe(people.living(contact('B'))?.id);
    expect(people.living(contact('A'))?.ambiguous).toEqual([people.living(contact('B'))?.id]);
    expect(people.creates('intercom')).toEqual([]);
    const written = people.commands('intercom');
    expect(written.length).toBe(1);
    people.pass(40);
    expect(people.commands('intercom').length).toBe(1);
  });
});

describe('our id in a record', () => {
  it('links it, whatever its email says', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2));
    const id = people.idOf(contact('A'));
    people.say(webhook(person('i1'), { email: 'other@x.example', 'custom_attributes.tributary_id': id }, 3));
    expect(people.idOf(person('i1'))).toBe(id);
  });

  it('that comes later joins the two customers', () => {
    const people = new People().say(
      createdEvent(contact('A'), ada, 2, 2),
      webhook(person('i1'), { email: 'other@x.example' }, 3),
    );
    const id = people.idOf(contact('A'));
    expect(people.idOf(person('i1'))).not.toBe(id);
    people.say(webhook(person('i1'), { email: 'other@x.example', 'custom_attributes.tributary_id': id }, 4));
    expect(people.living(person('i1'))?.id).toBe(people.living(contact('A'))?.id);
  });

  it.each([
    ['at first sight', false],
    ['later', true],
  ])(
    'names one who has a record of the kind already, as if cloned by a person, %s: nobody is made until it is told',
    (_, later) => {
      const people = new People().say(createdEvent(contact('A'), ada, 2, 2));
      const id = people.idOf(contact('A'));
      const clone = { ...ada, Email: 'clone@x.example' };
      if (later)
        people.say(createdEvent(contact('B'), clone, 3, 3), event(contact('B'), { Tributary_Id__c: id }, 4, 4));
      else people.say(createdEvent(contact('B'), { ...clone, Tributary_Id__c: id }, 3, 3));
      expect(people.living(contact('B'))?.id).not.toBe(id);
      people.pass(10);
      expect(people.creates('intercom').map(({ key }) => key)).toEqual([id]);
      expect(people.journal('ambiguous')).toMatchObject([{ id: people.idOf(contact('B')), other: [id] }]);
      expect(people.journal('ambiguous')[0]?.reason).toContain(contact('B'));
    },
  );

  it.each([
    ['pinned to what it is', (b: string) => action('pin', b, b)],
    ['cleared of it', (b: string) => event(b, { Tributary_Id__c: null }, 20, 20)],
  ])('copied, is somebody of their own once %s', (_, say) => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2));
    const id = people.idOf(contact('A'));
    people.say(createdEvent(contact('B'), { ...ada, Email: 'clone@x.example', Tributary_Id__c: id }, 3, 3)).pass(10);
    people.say(say(contact('B'))).pass(30);
    expect(people.creates('intercom').map(({ key }) => key)).toEqual([id, people.idOf(contact('B'))]);
    // Their own id takes the place of the copy.
    expect(people.salesforce.get('003B')?.['Tributary_Id__c']).toBe(people.idOf(contact('B')));
  });

  it('in a second contact that a late call made is no second person, and becomes theirs when the first is gone', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2)).pass(10);
    const id = people.idOf(contact('A'));
    const second = { ...adaThere, email: 'old@x.example', 'custom_attributes.tributary_id': id };
    people.say(webhook(person('i2'), second, 20)).pass(30);
    expect(people.idOf(person('i2'))).not.toBe(id);
    expect(people.creates('salesforce')).toEqual([]);
    people.say(webhook(person('c1'), {}, 40, { op: 'deleted', whole: false })).pass(50);
    expect(people.creates('salesforce')).toEqual([]);
    people.say(webhook(person('i2'), { ...second, phone: '+1' }, 60)).pass(70);
    expect(people.idOf(person('i2'))).toBe(people.living(contact('A'))?.id);
    expect([...people.creates('salesforce'), ...people.creates('intercom')].length).toBe(1);
  });

  it('in a record that a call of ours made long after it was asked, when the first is gone, brings no older value back', () => {
    const people = new People().say(webhook(person('i1'), adaThere, 2)).pass(10);
    const [first = ''] = people.living(person('i1'))?.refs.filter((ref) => ref.startsWith('salesforce:')) ?? [];
    const id = people.idOf(person('i1'));
    people.say(webhook(person('i1'), { ...adaThere, phone: '+1', email: 'ada@y.example' }, 20)).pass(21);
    people.say(deletedEvent(first, 60, 60)).pass(70);
    const late = { ...ada, Phone: null, Tributary_Id__c: id };
    const made = { whole: true, created: true, origin: 'tributary' };
    people.say(event(contact('B'), late, 80, 80, made)).pass(90);
    expect(people.idOf(contact('B'))).toBe(id);
    expect(people.values(contact('B'))).toMatchObject({ email: 'ada@y.example', phone: '+1' });
    expect(people.salesforce.get('003B')).toMatchObject({ Email: 'ada@y.example', Phone: '+1' });
  });

  it('copied, holds nobody who has a record on either side: their own id takes its place', () => {
    const people = new People()
      .say(createdEvent(contact('A'), ada, 2, 2), createdEvent(contact('B'), { ...ada, Email: 'b@x.example' }, 2, 3))
      .pass(10);
    people.say(event(contact('B'), { Tributary_Id__c: people.idOf(contact('A')) }, 20, 20)).pass(30);
    expect(people.journal('ambiguous')).toEqual([]);
    expect(people.salesforce.get('003B')?.['Tributary_Id__c']).toBe(people.idOf(contact('B')));
  });

  it('counts again when the record that had it is deleted', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2));
    const id = people.idOf(contact('A'));
    people.say(deletedEvent(contact('A'), 3, 3));
    people.say(createdEvent(contact('B'), { ...ada, Tributary_Id__c: id }, 4, 4));
    expect(people.idOf(contact('B'))).toBe(id);
  });

  it('of nobody we know says nothing', () => {
    const people = new People().say(createdEvent(contact('B'), { ...ada, Tributary_Id__c: 'of another org' }, 2, 2));
    expect(people.living(contact('B'))?.founder).toBe(contact('B'));
  });

  it('may be that of the Salesforce record: an Intercom record that names it is linked', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2));
    people.say(webhook(person('i1'), { email: 'o@x.example', 'custom_attributes.salesforce_id': '003A' }, 3));
    expect(people.idOf(person('i1'))).toBe(people.idOf(contact('A')));
  });
});

describe('leads alone', () => {
  it('create nobody, of Salesforce or of Intercom', () => {
    const people = new People()
      .say(
        createdEvent(lead('A'), ada, 2, 2),
        webhook(person('i1'), { email: 'v@x.example', name: 'Vi Sitor', role: 'lead' }, 2),
      )
      .pass(10);
    expect([...people.creates('salesforce'), ...people.creates('intercom')]).toEqual([]);
  });

  it('are linked like anybody else', () => {
    const people = new People()
      .say(createdEvent(contact('A'), ada, 2, 2), webhook(person('i1'), { ...adaThere, role: 'lead' }, 2))
      .pass(10);
    expect(people.idOf(person('i1'))).toBe(people.idOf(contact('A')));
    expect([...people.creates('salesforce'), ...people.creates('intercom')]).toEqual([]);
  });

  it('that sign up become a contact', () => {
    const there = { email: 'v@x.example', name: 'Vi Sitor' };
    const people = new People().say(webhook(person('i1'), { ...there, role: 'lead' }, 2)).pass(10);
    people.say(webhook(person('i1'), { ...there, role: 'user' }, 20)).pass(30);
    expect(people.creates('salesforce').map((command) => [command.object, command.fields['LastName']])).toEqual([
      ['Contact', 'Sitor'],
    ]);
  });
});

describe('customers found to be one later', () => {
  const apart = (): People =>
    new People().say(
      createdEvent(contact('A'), { ...ada, Title: 'CTO' }, 2, 2),
      webhook(person('i1'), { email: 'work@x.example', name: 'Ada', phone: '+1' }, 3),
    );

  it.each([
    ['the contact', event(contact('A'), { Email: 'work@x.example' }, 20, 20), 'work@x.example'],
    ['the user', webhook(person('i1'), { ...adaThere, phone: '+1' }, 20), 'ada@x.example'],
  ])('by an email changed on %s are joined, with the values of both', (_, change, email) => {
    const people = apart();
    const [survivor, loser] = [people.idOf(contact('A')), people.idOf(person('i1'))];
    people.say(change).pass(30);
    expect(people.living(person('i1'))?.id).toBe(survivor);
    expect(people.entity(loser)).toMatchObject({ mergedInto: survivor, refs: [], fields: {}, creates: [] });
    expect(people.values(contact('A'))).toMatchObject({ title: 'CTO', phone: '+1', email });
    expect(people.set(`email:${email}`)).toEqual([survivor]);
    expect(people.events(loser).at(-1)).toMatchObject({ type: 'merged', mergedInto: survivor });
    expect(people.events(survivor).at(-1)?.customer.refs).toEqual([person('i1'), contact('A')]);
    expect([...people.creates('salesforce'), ...people.creates('intercom')]).toEqual([]);
  });

  it('keep what stands where the other is empty, and write each side what it lacks', () => {
    const people = apart();
    people.say(event(contact('A'), { Email: 'work@x.example' }, 20, 20)).pass(30);
    expect(people.salesforce.get('003A')).toMatchObject({ Phone: '+1' });
    expect(people.intercom.records.get('i1')?.fields).toMatchObject({
      'custom_attributes.job_title': 'CTO',
      phone: '+1',
    });
  });

  it('let the one with the contact survive, whoever was first', () => {
    const people = new People().say(
      webhook(person('i1'), { email: 'work@x.example' }, 2),
      createdEvent(contact('A'), ada, 3, 3),
    );
    const id = people.idOf(contact('A'));
    people.say(webhook(person('i1'), adaThere, 4));
    expect(people.idOf(person('i1'))).toBe(id);
  });

  it('take the open ask and the ledger of a record along: its answer is taken as ever', () => {
    const people = new People().say(
      createdEvent(lead('A'), ada, 2, 2),
      createdEvent(contact('A'), { ...ada, Email: 'c@x.example' }, 2, 3),
    );
    people.pass(4);
    people.say(event(lead('A'), { Title: 'seen' }, 5, 5));
    const before = people.runner.ref(lead('A'));
    people.say(event(contact('A'), { Email: 'ada@x.example' }, 6, 6));
    const after = people.runner.ref(lead('A'));
    expect(after?.id).toBe(people.idOf(contact('A')));
    expect(after?.seen).toEqual(before?.seen);
    expect(after?.landed).toEqual(before?.landed);
    people.pass(10);
    expect(people.living(lead('A'))?.refs).toEqual([person('c1'), contact('A'), lead('A')]);
  });
});

describe('an email that moves from one person to another', () => {
  const two = (): People =>
    new People()
      .say(
        createdEvent(contact('A'), { Email: 'a@x.example', LastName: 'A' }, 2, 2),
        createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'B' }, 2, 3),
      )
      .pass(10);

  it.each(
    orders({
      'given up': event(contact('A'), { Email: 'a2@x.example' }, 20, 20),
      taken: event(contact('B'), { Email: 'a@x.example' }, 20, 21),
    }),
  )('moves its claim and nobody: %s', (_, changes) => {
    const people = two();
    const ids = [people.idOf(contact('A')), people.idOf(contact('B'))];
    const refs = ids.map((id) => people.entity(id)?.refs);
    people.say(...changes).pass(30);
    expect(ids.map((id) => people.entity(id)?.refs)).toEqual(refs);
    expect(people.set('email:a@x.example')).toEqual([ids[1]]);
    expect(people.set('email:a2@x.example')).toEqual([ids[0]]);
    expect(people.set('email:b@x.example')).toEqual([]);
    const emails = [...people.intercom.records.values()].map((record) => String(record.fields['email']));
    expect(emails.sort()).toEqual(['a2@x.example', 'a@x.example']);
  });

  it.each(
    orders({
      'A takes': event(contact('A'), { Email: 'b@x.example' }, 20, 20),
      'B takes': event(contact('B'), { Email: 'a@x.example' }, 20, 21),
    }),
  )('and back, swapped between two: %s', (_, changes) => {
    const people = two();
    const ids = [people.idOf(contact('A')), people.idOf(contact('B'))];
    const refs = ids.map((id) => people.entity(id)?.refs);
    people.say(...changes).pass(30);
    expect(ids.map((id) => people.entity(id)?.refs)).toEqual(refs);
    expect(people.set('email:a@x.example')).toEqual([ids[1]]);
    expect(people.set('email:b@x.example')).toEqual([ids[0]]);
  });
});

const contactThere = (people: People): string => {
  const [id] = [...people.intercom.records].find(([, record]) => record.object === 'contact') ?? [];
  if (id === undefined) throw new Error('nobody is on Intercom');
  return id;
};

describe('a deleted record', () => {
  const linked = (): People =>
    new People()
      .say(
        createdEvent(account('A'), { Name: 'Orchard' }, 1, 1),
        createdEvent(contact('A'), { ...ada, AccountId: '001A' }, 2, 2),
      )
      .pass(10);

  it('holds its place: nothing is created for it, and replayed values or creates do not revive it', () => {
    const people = linked()
      .say(deletedEvent(contact('A'), 20, 20))
      .pass(30);
    const there = contactThere(people);
    people
      .say(createdEvent(contact('A'), ada, 2, 2), row(contact('A'), ada, 19))
      .say(webhook(person(there), { email: 'ada@x.example', name: 'Ada Lovelace' }, 25))
      .pass(40);
    expect(people.runner.ref(contact('A'))?.deleted).toBe(true);
    expect(people.creates('salesforce')).toEqual([]);
    expect(people.events().some((one) => one.type === 'deleted')).toBe(true);
  });

  it('is read where a row shows it as of the second of its deletion, and is back when it is there', () => {
    const people = linked()
      .say(deletedEvent(contact('A'), 20, 20))
      .pass(30)
      .say(row(contact('A'), ada, 20));
    expect(people.waiting().map(({ verb, ref }) => [verb, ref])).toContainEqual(['read', contact('A')]);
    people.pass(40);
    expect(people.runner.ref(contact('A'))?.deleted).toBe(false);
  });

  it.each([
    ['the word of the platform', event(contact('A'), ada, 25, 25, { op: 'undeleted', whole: true })],
    ['a newer reading', row(contact('A'), ada, 25)],
  ])('comes back by %s as the same person, and nobody is created', (_, change) => {
    const people = linked();
    const id = people.idOf(contact('A'));
    people
      .say(deletedEvent(contact('A'), 20, 20))
      .pass(22)
      .say(change)
      .pass(30);
    expect(people.runner.ref(contact('A'))).toMatchObject({ deleted: false, id });
    expect(people.creates('intercom').filter((command) => command.object === 'contact').length).toBe(1);
    expect(people.events(id).at(-1)?.type).not.toBe('deleted');
    expect(people.set('email:ada@x.example')).toEqual([id]);
  });

  it('of Intercom comes back within the second of its deletion, and the deletion told again does not end it', () => {
    const people = linked();
    const there = contactThere(people);
    const gone = deletedEvent(person(there), 20, -1);
    const back = webhook(person(there), { email: 'ada@x.example', name: 'Ada Byron' }, 20, { op: 'undeleted' });
    people.say(gone, back);
    // Said once more, which Intercom itself knows nothing of.
    people.runner.decide(gone);
    people.say(event(contact('A'), { Title: 'CTO' }, 25, 25)).pass(30);
    expect(people.runner.ref(person(there))?.deleted).toBe(false);
    expect(people.intercom.records.get(there)?.fields['custom_attributes.job_title']).toBe('CTO');
    people.say(deletedEvent(person(there), 40, -1));
    expect(people.runner.ref(person(there))?.deleted).toBe(true);
  });

  it('that is written to after its deletion was back, though nobody told of that', () => {
    const people = linked();
    const there = contactThere(people);
    people.say(event(contact('A'), { Title: 'CTO' }, 20, 20));
    // The deletion is told late; the record is in Intercom again.
    people.runner.decide(deletedEvent(person(there), 15, -1));
    expect(people.runner.ref(person(there))?.deleted).toBe(true);
    people.pass(30);
    expect(people.runner.ref(person(there))?.deleted).toBe(false);
    people.say(event(contact('A'), { Title: 'CEO' }, 40, 40)).pass(50);
    expect(people.intercom.records.get(there)?.fields['custom_attributes.job_title']).toBe('CEO');
  });

  it('gives up its claim and its place in the account when it was the last one, and takes both again', () => {
    const people = new People().say(
      createdEvent(account('A'), { Name: 'Orchard' }, 1, 1),
      createdEvent(contact('A'), { ...ada, AccountId: '001A' }, 2, 2),
      deletedEvent(contact('A'), 3, 3),
    );
    const members = `members:${people.idOf(account('A'))}`;
    expect([...people.set('email:ada@x.example'), ...people.set(members)]).toEqual([]);
    people.say(event(contact('A'), { ...ada, AccountId: '001A' }, 4, 4, { op: 'undeleted', whole: true }));
    expect(people.set('email:ada@x.example')).toEqual([people.idOf(contact('A'))]);
    expect(people.set(members)).toEqual([people.idOf(contact('A'))]);
  });

  it('lets a new contact of the same email be the person of the Intercom record that is left', () => {
    const people = linked().say(deletedEvent(contact('A'), 20, 20));
    people.say(createdEvent(contact('B'), ada, 21, 21)).pass(30);
    expect(people.idOf(contact('B'))).toBe(people.idOf(contact('A')));
    expect(people.creates('intercom').filter((command) => command.object === 'contact').length).toBe(1);
  });

  it('is listed no more after very many others, and again when it is back', { timeout: 60_000 }, () => {
    const people = linked();
    const name = (n: number): string => (n === 0 ? contact('A') : contact(`B${n}`));
    let seq = 20;
    for (let n = 0; n < 210; n++, seq += 2)
      people.say(deletedEvent(name(n), seq, seq), createdEvent(name(n + 1), ada, seq + 1, seq + 1));
    const listed = (): readonly string[] => people.living(contact('B210'))?.refs ?? [];
    expect(listed().length).toBe(202);
    expect(listed()).not.toContain(contact('A'));
    people.say(event(contact('A'), { ...ada, Title: 'CTO' }, 900, 900, { op: 'undeleted', whole: true }));
    expect(listed()).toContain(contact('A'));
    expect(people.values(contact('B210'))['title']).toBe('CTO');
  });

  it('holds its place however many of another kind have gone since', () => {
    const { world } = plainWorld(twoWayWithLeads());
    const gone = (ref: string, at: number): string => {
      const newest = { time: at, seq: -1, second: true };
      world.putRef({ ...newRef(ref, 'customer', 'c'), deleted: true, newest });
      return ref;
    };
    const all = [gone(person('i1'), 1), ...Array.from({ length: 300 }, (_, n) => gone(contact(`${n}`), 10 + n))];
    const kept = listRefs(world, all);
    expect(kept).toContain(person('i1'));
    expect(kept).not.toContain(contact('0'));
    expect(kept.length).toBe(201);
  });
});
