/** Emails that another record has: who asks for one waits until it is free, and is told of where nobody gives way. */
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../schemas/types.ts';
import { createdEvent, event, second } from '../../support/changes.ts';
import { ada, adaThere, contact, People, person, webhook } from './people-world.ts';

describe("two people who take each other's email", () => {
  const ref = { A: person('iA'), B: person('iB') };
  /** Linked on both sides, then swapped in Salesforce; Intercom gives nobody an email that another has. */
  const swapped = (): People => {
    const people = new People()
      .say(
        createdEvent(contact('A'), { ...ada, Email: 'a@x.example' }, 2, 2),
        createdEvent(contact('B'), { ...ada, Email: 'b@x.example' }, 2, 3),
        webhook(ref.A, { ...adaThere, email: 'a@x.example' }, 2),
        webhook(ref.B, { ...adaThere, email: 'b@x.example' }, 2),
      )
      .pass(10)
      .say(
        event(contact('A'), { Email: 'b@x.example' }, 20, 20),
        event(contact('B'), { Email: 'a@x.example' }, 20, 21),
      );
    for (const command of people.waiting()) refuse(people, command);
    return people;
  };
  const refuse = (people: People, command: Command): void => {
    const refusals = [{ field: 'email', code: 'PLATFORM_CONFLICT', message: 'another contact has it' }];
    people.answer(command, { outcome: 'refused', refusals, platformTime: (second + 21) * 1000 });
  };

  it('wait for each other, which is told of both, and ask no more', () => {
    const people = swapped();
    people.marks(40).runner.tick();
    expect(people.waiting()).toEqual([]);
    const told = people.journal('refused').filter(({ reason }) => reason.startsWith('they wait for each other'));
    expect(told.map(({ id, source, other }) => [id, source, [...((other ?? []) as string[])].sort()])).toEqual([
      [people.idOf(ref.B), ref.B, [ref.A, ref.B]],
      [people.idOf(ref.A), ref.A, [ref.A, ref.B]],
    ]);
  });

  it('have them as soon as one of them has had another one for a moment', () => {
    const people = swapped();
    people.say(event(contact('A'), { Email: 'free@x.example' }, 50, 50)).pass(60);
    people.say(event(contact('A'), { Email: 'b@x.example' }, 70, 70)).pass(80);
    expect(['iA', 'iB'].map((id) => people.intercom.records.get(id)?.fields['email'])).toEqual([
      'b@x.example',
      'a@x.example',
    ]);
    expect(people.waiting()).toEqual([]);
  });
});

describe('an email refused because another record has it', () => {
  it('is asked again when that one gives it up, however it was spelt there', () => {
    const people = new People();
    people.say(createdEvent(contact('A'), { ...ada, Email: 'Ada@X.example' }, 2, 2)).pass(10);
    people.say(createdEvent(contact('B'), { Email: 'b@x.example', LastName: 'Lovelace' }, 12, 12)).pass(20);
    const there = people.living(contact('B'))?.refs.find((ref) => ref.startsWith('intercom:')) ?? '';
    people.say(webhook(there, { email: 'ada@x.example', name: 'Lovelace' }, 40));
    const refused = people.waiting().find((command) => command.ref === contact('B'));
    expect(refused?.fields).toMatchObject({ Email: 'ada@x.example' });
    const refusals = [{ field: 'Email', code: 'DUPLICATES_DETECTED', message: 'duplicate' }];
    people.answer(refused, { outcome: 'refused', platformTime: (second + 41) * 1000, refusals });
    people.say(event(contact('A'), { Email: 'ada.new@x.example' }, 50, 50));
    const again = people.waiting().find((command) => command.ref === contact('B'));
    expect(again?.fields).toMatchObject({ Email: 'ada@x.example' });
  });

  /** Both linked; then A gives up the email and B takes it, and both writes are under way in Intercom. */
  const handedOver = (): { readonly people: People; readonly given: Command; readonly taken: Command } => {
    const people = new People()
      .say(
        createdEvent(contact('A'), { ...ada, Email: 'a@x.example' }, 2, 2),
        createdEvent(contact('B'), { ...ada, Email: 'b@x.example' }, 2, 3),
        webhook(person('iA'), { ...adaThere, email: 'a@x.example' }, 2),
        webhook(person('iB'), { ...adaThere, email: 'b@x.example' }, 2),
      )
      .pass(10)
      .say(
        event(contact('A'), { Email: 'left@x.example' }, 20, 20),
        event(contact('B'), { Email: 'a@x.example' }, 20, 21),
      );
    const askedOf = (ref: string): Command => {
      const command = people.waiting().find((one) => one.ref === ref);
      if (command === undefined) throw new Error(`nothing is asked of ${ref}`);
      return command;
    };
    return { people, given: askedOf(person('iA')), taken: askedOf(person('iB')) };
  };
  const refusals = [{ field: 'email', code: 'PLATFORM_CONFLICT', message: 'another contact has it' }];

  it.each([
    ['before it is free', ['taken', 'given']],
    ['after it is free', ['given', 'taken']],
  ] as const)('is asked again once when the refusal is told %s', (_, order) => {
    const { people, given, taken } = handedOver();
    for (const which of order)
      if (which === 'given') people.answer(given, people.run(given));
      else people.answer(taken, { outcome: 'refused', refusals, platformTime: (second + 21) * 1000 });
    const again = people.waiting().filter((command) => command.ref === person('iB'));
    expect(again.map(({ fields }) => fields)).toEqual([{ email: 'a@x.example' }]);
    people.answer(again[0], { outcome: 'refused', refusals, platformTime: (second + 22) * 1000 });
    // Nobody gave it up since: whoever has it now is somebody we do not know.
    expect(people.waiting()).toEqual([]);
    people.pass(30);
    expect(people.waiting()).toEqual([]);
  });

  it('waits no more once it has the email', () => {
    const { people } = handedOver();
    expect(people.set('blocked:a@x.example')).toEqual([person('iB')]);
    people.pass(30);
    expect(people.set('blocked:a@x.example')).toEqual([]);
    expect(people.intercom.records.get('iB')?.fields['email']).toBe('a@x.example');
  });

  it('of a create is asked again when it came to be free before the refusal was told', () => {
    const { people, given, taken } = handedOver();
    people.answer(taken, people.run(taken)).answer(given, people.run(given)).pass(25);
    // Somebody new takes what A has now, as A gives that up too.
    people.say(event(contact('A'), { Email: 'gone@x.example' }, 40, 40));
    people.say(createdEvent(contact('C'), { Email: 'left@x.example', LastName: 'C' }, 40, 41)).marks(50);
    people.runner.tick();
    const create = people.waiting().find(({ verb }) => verb === 'create');
    const update = people.waiting().find(({ ref }) => ref === person('iA'));
    people.answer(update, people.run(update as Command));
    people.answer(create, { outcome: 'refused', refusals: [{ ...refusals[0], field: '' }] as typeof refusals });
    people.pass(60);
    const emails = [...people.intercom.records.values()].map(({ fields }) => String(fields['email']));
    expect(emails.sort()).toEqual(['a@x.example', 'gone@x.example', 'left@x.example']);
  });
});
