/** What an operator says, each sentence of it, and what cannot be done. */
import { describe, expect, it } from 'vitest';
import { frozen } from '../../../processors/unify/why.ts';
import { createdEvent, event, second } from '../../support/changes.ts';
import { twoWay } from '../../support/two-way.ts';
import { action, ada, adaThere, contact, People, person, webhook } from './people-world.ts';

const linked = (): People =>
  new People().say(createdEvent(contact('A'), ada, 2, 2), webhook(person('i1'), adaThere, 2)).pass(10);

describe('a pin', () => {
  it.each([
    ['a record', (): string => contact('A')],
    ['a customer id', (people: People): string => people.idOf(contact('A'))],
  ])('to %s makes it that customer, whatever the emails say', (_, target) => {
    const people = new People().say(
      createdEvent(contact('A'), ada, 2, 2),
      webhook(person('i1'), { email: 'o@x.example', name: 'Other' }, 2),
    );
    people.say(action('pin', person('i1'), target(people))).pass(10);
    expect(people.idOf(person('i1'))).toBe(people.idOf(contact('A')));
    expect(people.runner.ref(person('i1'))?.bound).toBe('pin');
    expect([...people.creates('intercom'), ...people.creates('salesforce')]).toEqual([]);
    people.say(webhook(person('i1'), { email: 'third@x.example', name: 'Other' }, 20)).pass(30);
    expect(people.idOf(person('i1'))).toBe(people.idOf(contact('A')));
  });

  it('takes one record from a customer and leaves the others', () => {
    const people = linked()
      .say(createdEvent(contact('B'), { ...ada, Email: 'b@x.example' }, 12, 12))
      .pass(20);
    people.say(action('pin', person('i1'), contact('B'))).pass(30);
    expect(people.idOf(person('i1'))).toBe(people.idOf(contact('B')));
    expect(people.living(contact('A'))?.refs).toContain(contact('A'));
    expect(people.living(contact('A'))?.refs).not.toContain(person('i1'));
  });

  it('to who has a record of the kind takes away the mark of who it leaves, which one record may bear', () => {
    const people = linked()
      .say(createdEvent(contact('B'), { ...ada, Email: 'b@x.example' }, 12, 12))
      .pass(30);
    const made = people.living(contact('B'))?.refs.find((ref) => ref.startsWith('intercom')) ?? '';
    people.say(action('pin', contact('B'), contact('A'))).pass(50);
    expect(people.salesforce.get('003A')?.['Tributary_Id__c']).toBe(people.idOf(contact('A')));
    expect(people.salesforce.get('003B')?.['Tributary_Id__c']).toBe(null);
    expect(people.idOf(made)).not.toBe(people.idOf(contact('A')));
  });

  it('weighs a value by when it was entered, not by when we read it or wrote it', () => {
    const people = linked()
      .say(createdEvent(contact('B'), { ...ada, Email: 'b@x.example', Phone: '+1' }, 12, 12))
      .pass(30);
    people.say(event(contact('A'), { Phone: '+2' }, 40, 40)).pass(50);
    const there = people.living(contact('B'))?.refs.find((ref) => ref.startsWith('intercom')) ?? '';
    people.say(action('resync', contact('B'))).marks(60);
    people.runner.tick();
    const fields = { ...people.salesforce.get('003B'), ...ada, Email: 'b@x.example', Phone: '+1' };
    const at = { time: (second + 60) * 1000, seq: -1, second: true };
    const read = event(contact('B'), fields, 60, -1, { via: 'read', whole: true, at, modified: (second + 12) * 1000 });
    people
      .answer(people.waiting()[0], { returned: read.observation, platformTime: at.time })
      .pass(70)
      .say(action('pin', contact('B'), contact('A')))
      .pass(90);
    expect(there).not.toBe('');
    expect(people.values(contact('A'))).toMatchObject({ phone: '+2' });
  });

  it('is remembered by its id: a repeat does nothing', () => {
    const people = linked();
    people.say(action('unlink', person('i1'), '', 'first'));
    const own = people.idOf(person('i1'));
    people.say(action('pin', person('i1'), contact('A'), 'second'));
    expect(people.idOf(person('i1'))).not.toBe(own);
    people.say(action('unlink', person('i1'), '', 'first'));
    expect(people.idOf(person('i1'))).toBe(people.idOf(contact('A')));
  });

  it('joins again what was taken apart', () => {
    const people = linked()
      .say(action('unlink', person('i1')))
      .pass(20);
    people.say(action('pin', person('i1'), contact('A'))).pass(30);
    expect(people.idOf(person('i1'))).toBe(people.idOf(contact('A')));
    people.say(event(contact('A'), { Title: 'CTO' }, 40, 40)).pass(50);
    expect(people.intercom.records.get('i1')?.fields['custom_attributes.job_title']).toBe('CTO');
  });
});

describe('an unlink', () => {
  it('again and again counts the generations', () => {
    const people = linked();
    const ids = new Set([people.idOf(person('i1'))]);
    for (let n = 0; n < 3; n++) {
      people.say(action('unlink', person('i1'))).pass(20 + 10 * n);
      ids.add(people.idOf(person('i1')));
      expect(people.living(person('i1'))?.generation).toBe(n);
      people.say(action('pin', person('i1'), contact('A'))).pass(25 + 10 * n);
    }
    expect(ids.size).toBe(4);
  });

  it('gives the record that was taken a mark of its own, though it is alone: a create of the other half would find it', () => {
    const people = linked();
    people
      .say(action('unlink', contact('A')), webhook(person('i1'), { ...adaThere, email: 'o@x.example' }, 20))
      .pass(40);
    const marks = people.commands('salesforce').filter(({ ref }) => ref === contact('A'));
    expect(marks.at(-1)?.fields['Tributary_Id__c']).toBe(people.idOf(contact('A')));
    expect(people.idOf(contact('A'))).not.toBe(people.idOf(person('i1')));
  });

  it('has the create of the half that is left wait until the record that was taken carries its id no more', () => {
    const people = linked().say(action('unlink', contact('A')));
    const [left, taken] = [people.idOf(person('i1')), people.idOf(contact('A'))];
    const there = { ...people.intercom.records.get('i1')?.fields, email: 'o@x.example' };
    people.say(webhook(person('i1'), there, 20)).marks(40);
    people.runner.tick();
    expect(people.waiting().filter(({ platform }) => platform === 'salesforce')).toMatchObject([
      { verb: 'update', ref: contact('A'), fields: { Tributary_Id__c: taken } },
    ]);
    people.pass(60).pass(80);
    expect(people.creates('salesforce').map(({ key }) => key)).toEqual([left]);
  });

  it('ends what follows from the link: an edit of one is not written to the other', () => {
    const people = linked()
      .say(action('unlink', person('i1')))
      .pass(20);
    const before = people.commands('intercom').length;
    people.say(event(contact('A'), { Title: 'CTO' }, 30, 30)).pass(40);
    expect(people.commands('intercom').length).toBe(before);
  });
});

describe('a redrive', () => {
  const refusal = [{ field: 'phone', code: 'PLATFORM_REFUSED', message: 'phone is invalid' }];

  it.each([
    ['a record', (): string => person('i1')],
    ['a customer', (people: People): string => people.idOf(contact('A'))],
    ['an email', (): string => 'Ada@x.example'],
  ])('of %s asks a refused field once more', (_, subject) => {
    const people = linked().say(event(contact('A'), { Phone: '+1' }, 20, 20));
    const asked = people.waiting().find((command) => 'phone' in command.fields);
    people.answer(asked, { outcome: 'refused', refusals: refusal, platformTime: people.intercom.now * 1000 }).pass(30);
    expect(people.intercom.records.get('i1')?.fields['phone'] ?? null).toBeNull();
    people.say(action('redrive', subject(people))).pass(40);
    expect(people.intercom.records.get('i1')?.fields['phone']).toBe('+1');
  });

  it('of a customer makes a refused create once more', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2)).marks(10);
    people.runner.tick();
    const create = people.waiting().find((command) => command.verb === 'create');
    people.answer(create, { outcome: 'refused', refusals: [{ ...refusal[0], field: '' }] as typeof refusal }).pass(20);
    expect(people.creates('intercom').length).toBe(1);
    people.say(action('redrive', people.idOf(contact('A')))).pass(30);
    expect(people.creates('intercom').length).toBe(2);
    expect(people.intercom.records.size).toBe(1);
  });
});

describe('a resync', () => {
  it('reads the record again, and writes nothing', () => {
    const people = linked().say(action('resync', person('i1')));
    expect(people.waiting().map(({ verb, ref, fields }) => [verb, ref, fields])).toEqual([['read', person('i1'), {}]]);
    const updates = people.commands().filter((command) => command.verb === 'update').length;
    people.pass(20);
    expect(people.commands().filter((command) => command.verb === 'update').length).toBe(updates);
  });
});

describe('an unfreeze', () => {
  it('of a field that two writers fought over has it written again', () => {
    const people = linked();
    for (let n = 0; n < 12; n++) {
      people.say(event(contact('A'), { Phone: `+${n}` }, 20 + 4 * n, 20 + n)).pass(21 + 4 * n);
      people.say(webhook(person('i1'), { ...adaThere, phone: `+9${n}` }, 22 + 4 * n)).pass(23 + 4 * n);
    }
    expect(people.living(contact('A'))?.fields['phone']?.frozen).toBe(true);
    // Each webhook lacks the id that was written besides, so that is fought over as well.
    const held = () => frozen((key) => people.runner.committed.get(key), twoWay()).flatMap(({ fields }) => fields);
    expect(held()).toEqual(['phone', 'salesforceId']);
    const before = people.commands().length;
    people.say(event(contact('A'), { Phone: '+5' }, 100, 100)).pass(110);
    expect(people.commands().length).toBe(before);
    people.say(action('unfreeze', contact('A'), 'phone')).pass(120);
    expect(people.intercom.records.get('i1')?.fields['phone']).toBe('+5');
    expect(held()).toEqual(['salesforceId']);
    people.say(action('unfreeze', contact('A'))).pass(130);
    expect(held()).toEqual([]);
  });
});

describe('what names nobody who is known', () => {
  it.each([
    action('pin', person('nobody'), contact('A')),
    action('pin', person('i1'), 'nobody'),
    action('pin', person('i1'), ''),
    action('unlink', 'not a ref'),
    action('unlink', 'salesforce:Contact:'),
    action('unfreeze', 'nobody@x.example'),
    action('unfreeze', contact('A')),
    action('redrive', 'x'),
    action('redrive', ''),
    action('resync', person('nobody')),
  ])('is told in the journal and stops nothing: %s', (one) => {
    const people = linked();
    const before = people.commands().length;
    people.say(one).pass(20);
    expect(people.journal('rejected').at(-1)?.reason).toContain(one.action?.verb);
    expect(people.commands().length).toBe(before);
  });

  it('is a record whose customer has no other: there is nothing to take apart', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2), action('unlink', contact('A')));
    expect(people.journal('rejected').length).toBe(1);
    expect(people.living(contact('A'))?.generation).toBe(0);
  });
});
