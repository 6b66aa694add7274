/** Leads of either platform that become somebody: what is theirs, and what was only copied. */
import { describe, expect, it } from 'vitest';
import { createdEvent, deletedEvent, event, second } from '../../support/changes.ts';
import { ada, adaThere, alive, contact, lead, moved, orders, People, person, webhook } from './people-world.ts';

describe('a lead that is converted', () => {
  const newer = { ...ada, Title: 'CTO' };

  it.each(
    orders({
      'the contact': createdEvent(contact('A'), newer, 20, 20),
      'the conversion': moved(lead('A'), contact('A'), 20, 21),
    }),
  )('is its contact from then on; nobody is created in between, nothing is written to it: %s', (_, changes) => {
    const people = new People().say(createdEvent(lead('A'), { ...ada, Phone: '+1' }, 2, 2)).pass(10);
    const [first, second_] = changes;
    if (first === undefined || second_ === undefined) throw new Error('two changes');
    const before = people.commands('salesforce').length;
    people.say(first).marks(19).say(second_).pass(40);
    expect(people.living(lead('A'))?.id).toBe(people.living(contact('A'))?.id);
    expect(alive(people, lead('A'), contact('A'))).toEqual([false, true]);
    expect(people.values(contact('A'))).toMatchObject({ title: 'CTO', phone: '+1' });
    expect(people.creates('intercom').length).toBe(1);
    expect(people.creates('intercom')[0]?.fields).toMatchObject({ email: 'ada@x.example', phone: '+1' });
    const later = people.commands('salesforce').slice(before);
    expect(later.filter((command) => command.object === 'Lead')).toEqual([]);
    expect(people.creates('salesforce')).toEqual([]);
  });

  it.each(
    orders({
      'the contact is edited': event(contact('A'), { Title: 'CTO' }, 20, 20),
      'the conversion': moved(lead('A'), contact('A'), 20, 21),
    }),
  )('into a contact with another email joins the two: %s', (_, changes) => {
    const people = new People()
      .say(
        createdEvent(contact('A'), { ...ada, Email: 'work@x.example' }, 2, 2),
        createdEvent(lead('A'), { ...ada, Phone: '+1' }, 2, 3),
      )
      .pass(10);
    const id = people.idOf(contact('A'));
    people.say(...changes).pass(30);
    expect(people.living(lead('A'))?.id).toBe(id);
    expect(people.values(contact('A'))).toMatchObject({ email: 'work@x.example', phone: '+1', title: 'CTO' });
    expect(people.creates('intercom').length).toBe(1);
  });

  it('before it was ever seen is known as an alias', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2), moved(lead('A'), contact('A'), 3));
    expect(people.living(lead('A'))?.refs).toEqual([contact('A'), lead('A')]);
  });

  it('while an ask of it is open lets that ask fail quietly, and asks the contact', () => {
    const people = new People()
      .say(createdEvent(lead('A'), ada, 2, 2), webhook(person('i1'), adaThere, 2))
      .pass(10)
      .say(webhook(person('i1'), { ...adaThere, phone: '+1' }, 20));
    const open = people.waiting().find((command) => command.object === 'Lead');
    expect(open?.fields).toMatchObject({ Phone: '+1' });
    people.say(createdEvent(contact('A'), ada, 21, 21), moved(lead('A'), contact('A'), 21, 22));
    const refusals = [{ field: '', code: 'PLATFORM_REFUSED', message: 'CANNOT_UPDATE_CONVERTED_LEAD' }];
    people.answer(open, { outcome: 'refused', refusals, platformTime: (second + 22) * 1000 }).pass(30);
    expect(people.journal('refused')).toEqual([]);
    expect(people.runner.ref(lead('A'))?.open).toBeNull();
    expect(people.salesforce.get('003A')).toMatchObject({ Phone: '+1' });
  });

  it('is not revived by what its stream still tells of it', () => {
    const people = new People().say(
      createdEvent(lead('A'), ada, 2, 2),
      createdEvent(contact('A'), ada, 3, 3),
      moved(lead('A'), contact('A'), 3, 4),
      event(lead('A'), { Title: 'late' }, 5, 5),
    );
    expect(alive(people, lead('A'))).toEqual([false]);
    expect(people.values(contact('A'))['title']).toBeNull();
  });
});

describe('an Intercom lead that is merged into a user', () => {
  const person1 = { email: 'ada@x.example', name: 'Ada Byron', role: 'user' };
  const start = (): People =>
    new People()
      .say(
        createdEvent(contact('A'), ada, 2, 2),
        webhook(person('u1'), person1, 2),
        webhook(person('l1'), { email: 'v@x.example', name: 'Visitor', role: 'lead', phone: '+3' }, 3),
      )
      .pass(10);

  it.each(
    orders({
      'the merge': moved(person('l1'), person('u1'), 20),
      'the deletion': deletedEvent(person('l1'), 20, -1),
      'the user': webhook(person('u1'), { ...person1, 'custom_attributes.job_title': 'CTO' }, 20),
    }),
  )(
    'is that user: what is wanted of it is asked of the user, and Salesforce is told of no deletion: %s',
    (_, changes) => {
      const people = start();
      const id = people.idOf(contact('A'));
      const before = people.commands('intercom').length;
      people.say(...changes).pass(30);
      expect(people.living(person('l1'))?.id).toBe(id);
      expect(alive(people, contact('A'), person('u1'), person('l1'))).toEqual([true, true, false]);
      expect(people.values(contact('A'))).toMatchObject({ email: 'ada@x.example', phone: '+3', title: 'CTO' });
      expect(people.events(id).some((one) => one.type === 'deleted')).toBe(false);
      const later = people.commands('intercom').slice(before);
      expect(later.filter((command) => command.ref === person('l1'))).toEqual([]);
    },
  );

  it('as a call of ours finds out: its pending change is asked of the survivor', () => {
    const people = new People()
      .say(createdEvent(contact('A'), ada, 2, 2), webhook(person('u0'), adaThere, 2))
      .pass(10)
      .say(event(contact('A'), { Title: 'CTO' }, 20, 20));
    const asked = people.waiting().find((command) => command.platform === 'intercom');
    expect(asked?.ref).toBe(person('u0'));
    people.intercom.records.delete('u0');
    people.answer(asked, { outcome: 'gone', into: person('u1'), platformTime: (second + 21) * 1000 });
    people.say(webhook(person('u1'), adaThere, 22)).pass(30);
    expect(people.idOf(person('u1'))).toBe(people.idOf(contact('A')));
    expect(people.intercom.records.get('u1')?.fields['custom_attributes.job_title']).toBe('CTO');
    expect(people.creates('intercom')).toEqual([]);
  });
});

describe('what a conversion copied from the lead', () => {
  const titled = { ...ada, Title: 'CTO' };
  /** A lead and their contact in Intercom, whose title somebody changes there at 20: nothing has written it to the lead yet. */
  const led = (email: string): People =>
    new People()
      .say(createdEvent(lead('A'), { ...titled, Email: email }, 2, 2), webhook(person('u0'), { ...adaThere, email }, 2))
      .pass(10)
      .say(webhook(person('u0'), { ...adaThere, email, 'custom_attributes.job_title': 'CEO' }, 20));
  const converted = moved(lead('A'), contact('A'), 30, 31);

  it('is nobody’s edit in the contact, whose first sight is newer than what somebody has said since', () => {
    const people = led('ada@x.example')
      .say(createdEvent(contact('A'), titled, 30, 30), converted)
      .pass(50);
    expect(people.values(contact('A'))).toMatchObject({ title: 'CEO' });
    expect(people.salesforce.get('003A')).toMatchObject({ Title: 'CEO' });
  });

  it('gives way to what somebody has said since, where the contact was somebody of their own until the conversion', () => {
    const people = led('lead@x.example').say(createdEvent(contact('A'), titled, 30, 30));
    expect(people.living(contact('A'))?.id).not.toBe(people.living(lead('A'))?.id);
    people.say(converted).pass(50);
    expect(people.living(contact('A'))?.id).toBe(people.living(lead('A'))?.id);
    expect(people.values(contact('A'))).toMatchObject({ title: 'CEO' });
  });

  it('is no copy where the contact says something else: somebody entered it there', () => {
    const people = led('lead@x.example').say(createdEvent(contact('A'), { ...ada, Title: 'CFO' }, 30, 30), converted);
    expect(people.pass(50).values(contact('A'))).toMatchObject({ title: 'CFO' });
  });
});
