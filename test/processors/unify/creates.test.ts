/** Creating on the other platform, both ways: who is created, once, and what is done with what exists. */
import { describe, expect, it } from 'vitest';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Command, Observation, Result, Value } from '../../../schemas/types.ts';
import { createdEvent, epoch, event, result, row, second } from '../../support/changes.ts';
import { account, ada, company, contact, People, person, webhook } from './people-world.ts';

/** What a platform answers that has the record already. */
function exists(ref: string, fields: Record<string, Value>, at: number): Partial<Result> {
  const returned = row(ref, fields, at).observation as Observation;
  return { outcome: 'exists', ref, returned: { ...returned, via: 'answer' }, platformTime: (second + at) * 1000 };
}

const asked = (people: People, platform: Command['platform']): Command => {
  people.runner.tick();
  const create = people.waiting().find((command) => command.verb === 'create' && command.platform === platform);
  if (create === undefined) throw new Error('nobody is created');
  return create;
};

describe('a person of Intercom', () => {
  it('becomes a contact once, with what Salesforce requires and our id in it', () => {
    const people = new People().say(webhook(person('i1'), { email: 'ada@x.example', name: 'Ada Byron' }, 2)).pass(10);
    const id = people.idOf(person('i1'));
    expect(people.creates('salesforce').map(({ object, key, fields }) => ({ object, key, fields }))).toMatchObject([
      {
        object: 'Contact',
        key: id,
        fields: { Email: 'ada@x.example', FirstName: 'Ada', LastName: 'Byron', Tributary_Id__c: id },
      },
    ]);
    people.pass(20);
    expect(people.creates('salesforce').length).toBe(1);
    expect(people.living(person('i1'))?.refs).toEqual([person('i1'), 'salesforce:Contact:new1']);
  });

  it('is told the id of the contact as soon as that is made, together with our id and in one call', () => {
    const people = new People().say(webhook(person('i1'), { email: 'ada@x.example', name: 'Ada Byron' }, 2)).marks(10);
    const create = asked(people, 'salesforce');
    const made = { ref: 'salesforce:Contact:new1', platformTime: (second + 11) * 1000 };
    people.say(result(create, partitionOf(create.key, 4), made));
    expect(people.living(person('i1'))?.fields['salesforceId']).toMatchObject({ value: 'new1', time: 0 });
    const told = people.waiting().filter(({ platform }) => platform === 'intercom');
    expect(told.map(({ ref, fields }) => [ref, fields])).toEqual([
      [
        person('i1'),
        { 'custom_attributes.salesforce_id': 'new1', 'custom_attributes.tributary_id': people.idOf(person('i1')) },
      ],
    ]);
  });

  it.each([
    ['no name', { email: 'ada@x.example', name: null }, { email: 'ada@x.example', name: 'Ada Byron' }, 'no last name'],
    ['no email', { email: null, name: 'Ada Byron' }, { email: 'ada@x.example', name: 'Ada Byron' }, 'no email'],
  ])('with %s waits, says why, and is created when it has one', (_, before, after, why) => {
    const people = new People().say(webhook(person('i1'), before, 2)).pass(10);
    expect(people.creates('salesforce')).toEqual([]);
    expect(people.living(person('i1'))?.creates).toMatchObject([{ platform: 'salesforce', state: 'none', why }]);
    people.say(webhook(person('i1'), after, 20)).pass(30);
    expect(people.creates('salesforce').length).toBe(1);
  });

  it('waits for the marks of both platforms', () => {
    const people = new People().say(webhook(person('i1'), { email: 'ada@x.example', name: 'Ada Byron' }, 20));
    people.marks(21).runner.tick();
    expect(people.creates('salesforce')).toEqual([]);
    people.say(createdEvent(contact('A'), ada, 21, 21)).pass(30);
    expect(people.creates('salesforce')).toEqual([]);
    expect(people.idOf(contact('A'))).toBe(people.idOf(person('i1')));
  });
});

describe('a gate', () => {
  it('that is set anew waits anew: the marks that pass the first do not open it', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2), createdEvent(contact('B'), ada, 3, 3));
    expect(people.living(contact('A'))?.creates).toMatchObject([{ state: 'none', why: 'ambiguous' }]);
    people.say(event(contact('B'), { Email: 'b@x.example' }, 20, 20)).marks(10);
    people.runner.tick();
    expect(people.living(contact('A'))?.creates).toMatchObject([{ state: 'gate', gateUntil: (second + 22) * 1000 }]);
    expect(people.creates('intercom')).toEqual([]);
    people.pass(30);
    const emails = people.creates('intercom').map(({ fields }) => fields['email']);
    expect(new Set(emails)).toEqual(new Set(['ada@x.example', 'b@x.example']));
  });
});

describe('a company of Intercom', () => {
  it('becomes an account only with a name', () => {
    const people = new People().say(webhook(company('k1'), { company_id: 'k', name: null }, 2)).pass(10);
    expect(people.creates('salesforce')).toEqual([]);
    people.say(webhook(company('k1'), { company_id: 'k', name: 'Orchard' }, 20)).pass(30);
    expect(people.creates('salesforce').map(({ object, fields }) => [object, fields['Name']])).toEqual([
      ['Account', 'Orchard'],
    ]);
  });
});

describe('a create that meets a record', () => {
  it('that nobody has links it, and writes the difference once', () => {
    const people = new People().say(createdEvent(contact('A'), { ...ada, Title: 'CTO' }, 2, 2)).marks(10);
    const there = { email: 'ada@x.example', role: 'user', phone: '+1' };
    people.intercom.records.set('i9', { object: 'contact', fields: { ...there }, updatedAt: second });
    const create = asked(people, 'intercom');
    people.answer(create, exists(person('i9'), there, 11)).pass(20);
    expect(people.idOf(person('i9'))).toBe(people.idOf(contact('A')));
    expect(people.values(contact('A'))['phone']).toBe('+1');
    expect(people.creates('intercom').length).toBe(1);
  });

  it('of a customer that it may be, by its email of now, joins the two', () => {
    const people = new People()
      .say(createdEvent(contact('A'), ada, 2, 2), webhook(person('i9'), { email: 'old@x.example', role: 'lead' }, 2))
      .marks(10);
    const create = asked(people, 'intercom');
    people.answer(create, exists(person('i9'), { email: 'ada@x.example', role: 'user' }, 11)).pass(20);
    expect(people.living(person('i9'))?.id).toBe(people.living(contact('A'))?.id);
    expect(people.living(contact('A'))?.creates).toEqual([]);
  });

  it('of a customer that it may not be is ambiguous: told, held, and not asked for ever', () => {
    const people = new People()
      .say(
        createdEvent(contact('B'), { ...ada, Email: 'b@x.example' }, 2, 2),
        webhook(person('i9'), { email: 'b@x.example', name: 'B' }, 2),
      )
      .pass(5);
    people.say(createdEvent(contact('A'), ada, 6, 6)).marks(10);
    const create = asked(people, 'intercom');
    // The platform knows an email of the other one that we were not told.
    people.answer(create, exists(person('i9'), { email: 'b@x.example', name: 'B', role: 'user' }, 11)).pass(20);
    const [a, b] = [people.living(contact('A')), people.living(contact('B'))];
    expect(a?.id).not.toBe(b?.id);
    expect(a?.ambiguous).toEqual([b?.id]);
    expect(people.journal('ambiguous').at(-1)).toMatchObject({ id: a?.id, other: [b?.id] });
    const before = people.creates('intercom').length;
    people.say(event(contact('B'), { Title: 'CTO' }, 25, 25)).pass(30);
    expect(people.creates('intercom').length).toBe(before);
    expect(people.intercom.records.get('i9')?.fields['custom_attributes.job_title']).toBe('CTO');
    people.say(event(contact('A'), { Email: 'a2@x.example' }, 40, 40)).pass(50);
    expect(people.creates('intercom').length).toBe(before + 1);
    expect(people.living(contact('A'))?.ambiguous).toEqual([]);
  });

  it('while another was found to be its own leaves the one it met to itself', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2)).marks(10);
    const create = asked(people, 'intercom');
    people.say(
      webhook(person('i1'), { email: 'x@x.example', 'custom_attributes.tributary_id': people.idOf(contact('A')) }, 10),
    );
    people.answer(create, exists(person('i9'), { email: 'nine@x.example', role: 'user' }, 11)).pass(20);
    expect(people.idOf(person('i1'))).toBe(people.idOf(contact('A')));
    expect(people.idOf(person('i9'))).not.toBe(people.idOf(contact('A')));
  });
});

describe('a create whose sink stopped', () => {
  it('after the record was made: what came to be wanted meanwhile is asked of it as soon as another sink is there', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2)).marks(10);
    const create = asked(people, 'intercom');
    const ref = people.run(create).ref ?? '';
    people.ran.push(create);
    people.say(webhook(ref, create.fields, 11), event(contact('A'), { Title: 'CTO' }, 12, 12));
    expect(people.waiting().filter((command) => command.ref === ref)).toEqual([]);
    people.say(epoch(partitionOf(create.key, 4), 'later', 0, 50));
    expect(people.waiting().filter((command) => command.ref === ref)).toMatchObject([
      { verb: 'update', fields: { 'custom_attributes.job_title': 'CTO' } },
    ]);
  });
});

describe('a create that is under way no more', () => {
  it.each([
    [
      'put off by another sink',
      (people: People, create: Command) => people.say(epoch(partitionOf(create.key, 4), 'later', 0, 50)),
    ],
    [
      'expired in doubt',
      (people: People, create: Command) => people.answer(create, { outcome: 'expired', doubt: true }),
    ],
    [
      'refused',
      (people: People, create: Command) =>
        people.answer(create, {
          outcome: 'refused',
          refusals: [{ field: '', code: 'PLATFORM_REFUSED', message: 'no' }],
        }),
    ],
  ])('but %s: what somebody changed in its record meanwhile counts, and waits for nothing', (_, end) => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2)).marks(10);
    const create = asked(people, 'intercom');
    const ref = people.run(create).ref ?? '';
    people.say(webhook(ref, create.fields, 11), webhook(ref, { ...create.fields, email: 'ab@x.example' }, 14));
    end(people, create);
    expect(people.values(contact('A'))['email']).toBe('ab@x.example');
    people.say(webhook(ref, { ...create.fields, email: 'ac@x.example' }, 20));
    expect(people.values(contact('A'))['email']).toBe('ac@x.example');
  });
});

describe('what a platform made of a create whose sink stopped', () => {
  it.each([
    ['before', true],
    ['after', false],
  ])('is no edit, told %s the next sink takes over', (_, isBefore) => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2)).marks(10);
    const create = asked(people, 'intercom');
    const ref = people.run(create).ref ?? '';
    people.ran.push(create);
    const told = webhook(ref, { ...create.fields, name: 'ADA BYRON' }, 11, { created: true });
    const taken = epoch(partitionOf(create.key, 4), 'later', 0, 50);
    people.say(...(isBefore ? [told, taken] : [taken, told]));
    expect(people.values(contact('A'))).toMatchObject({ firstName: 'Ada', lastName: 'Byron' });
    people.say(webhook(ref, { ...create.fields, name: 'Eve Byron' }, 20));
    expect(people.values(contact('A'))).toMatchObject({ firstName: 'Eve', lastName: 'Byron' });
  });
});

describe('a create that was applied', () => {
  it('and whose record was deleted before the answer came holds its place: nothing is created again', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2)).marks(10);
    const create = asked(people, 'intercom');
    const answer = people.run(create);
    const ref = answer.ref ?? '';
    people.say(webhook(ref, {}, 40, { op: 'deleted', whole: false }));
    people.answer(create, answer).pass(50);
    expect(people.runner.ref(ref)).toMatchObject({ deleted: true, id: people.idOf(contact('A')) });
    expect(people.creates('intercom').length).toBe(1);
  });
});

describe('an account of Salesforce', () => {
  it('whose company carries our id in its key is not created twice', () => {
    const people = new People().say(
      createdEvent(account('A'), { Name: 'Orchard' }, 1, 1),
      createdEvent(contact('A'), { ...ada, AccountId: '001A' }, 2, 2),
    );
    people.say(webhook(company('k1'), { company_id: people.idOf(account('A')), name: 'Orchard' }, 3)).pass(10);
    expect(people.creates('intercom').filter((command) => command.object === 'company')).toEqual([]);
    expect(people.idOf(company('k1'))).toBe(people.idOf(account('A')));
  });
});
