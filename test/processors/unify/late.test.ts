/** What is told of a record after it was gone: it is weighed as it would have been then, and brings nobody back. */
import { describe, expect, it } from 'vitest';
import { createdEvent, deletedEvent, row } from '../../support/changes.ts';
import {
  action,
  ada,
  adaThere,
  alive,
  contact,
  type Fields,
  moved,
  orders,
  People,
  person,
  webhook,
} from './people-world.ts';

describe('what somebody entered in a record before it was gone, told after that', () => {
  const there = { ...adaThere, 'custom_attributes.job_title': 'CTO' };
  const start = (): People =>
    new People()
      .say(
        createdEvent(contact('A'), ada, 2, 2),
        webhook(person('u0'), adaThere, 2),
        webhook(person('u1'), { email: 'v@x.example', name: 'Vera' }, 3),
      )
      .pass(10);

  it.each(
    orders({
      'the edit': webhook(person('u0'), there, 20),
      'the deletion': webhook(person('u0'), {}, 21, { op: 'deleted', whole: false }),
    }),
  )('counts, and brings nobody back: %s', (_, changes) => {
    const people = start()
      .say(...changes)
      .pass(30);
    expect(alive(people, contact('A'), person('u0'))).toEqual([true, false]);
    expect(people.values(contact('A'))).toMatchObject({ title: 'CTO' });
    expect(people.salesforce.get('003A')).toMatchObject({ Title: 'CTO' });
  });

  it.each(
    orders({
      'the edit': webhook(person('u0'), { ...there, name: 'Ada King' }, 20),
      'the merge': moved(person('u0'), person('u1'), 21),
    }),
  )('fills what is empty of who lives on, where the record was merged away: %s', (_, changes) => {
    const people = start()
      .say(...changes)
      .pass(30);
    expect(people.values(person('u1'))).toMatchObject({ title: 'CTO', lastName: 'Vera' });
    expect(alive(people, contact('A'), person('u0'), person('u1'))).toEqual([true, false, true]);
  });

  it('and loses against who lives on is told', () => {
    const people = start()
      .say(moved(person('u0'), person('u1'), 21))
      .pass(30);
    expect(people.journal('rejected')).toEqual([]);
    people.say(webhook(person('u0'), { email: 'king@x.example' }, 20, { whole: false })).pass(40);
    expect(people.journal('rejected')).toMatchObject([{ field: 'email', other: 'king@x.example' }]);
    expect(people.values(person('u1'))).toMatchObject({ email: 'v@x.example' });
  });
});

describe('a create that is told after its record was deleted, with what nobody knew of it', () => {
  const late = createdEvent(contact('A'), { ...ada, Title: 'ghost' }, 3, 3);
  const start = (there: Fields): People =>
    new People()
      .say(row(contact('A'), ada, 2), webhook(person('u0'), there, 15))
      .pass(18)
      .say(deletedEvent(contact('A'), 40, 40))
      .pass(50);

  it('revives nobody, and leads to no write, where somebody has said something else since; that it lost is told', () => {
    const people = start({ ...adaThere, 'custom_attributes.job_title': 'CTO' });
    const asked = people.commands().length + people.commands('intercom').length;
    people.say(late).pass(60);
    expect(people.commands().length + people.commands('intercom').length).toBe(asked);
    expect(alive(people, contact('A'), person('u0'))).toEqual([false, true]);
    expect(people.values(person('u0'))).toMatchObject({ title: 'CTO' });
    expect(people.journal('rejected').filter(({ field }) => field === 'title')).toMatchObject([
      { value: 'CTO', other: 'ghost', source: contact('A') },
    ]);
  });

  it('revives nobody, and counts as it would have then, where nobody has said anything else', () => {
    const people = start(adaThere).say(late).pass(60);
    expect(alive(people, contact('A'), person('u0'))).toEqual([false, true]);
    expect(people.values(person('u0'))).toMatchObject({ title: 'ghost' });
    expect(people.commands('intercom').at(-1)).toMatchObject({
      ref: person('u0'),
      fields: { 'custom_attributes.job_title': 'ghost' },
    });
    expect(people.creates('salesforce')).toEqual([]);
  });
});

describe('a record that was told as deleted before anything else of it', () => {
  it('is a record of a person when it comes back, and can be pinned as any other', () => {
    const people = new People().say(
      webhook(person('i2'), {}, 2, { op: 'deleted', whole: false }),
      moved(person('i2'), person('i3'), 3),
      webhook(person('i3'), { email: 'three@x.example', name: 'Three' }, 4),
      createdEvent(contact('A'), ada, 5, 5),
    );
    people.say(webhook(person('i2'), { email: 'two@x.example', name: 'Two' }, 10));
    expect(people.runner.ref(person('i2'))?.entity).toBe('customer');
    people.say(action('pin', person('i2'), contact('A')));
    expect(people.journal('rejected')).toEqual([]);
    expect(people.idOf(person('i2'))).toBe(people.idOf(contact('A')));
  });
});
