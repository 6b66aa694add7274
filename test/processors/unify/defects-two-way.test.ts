/** Each of these was wrong once, with both platforms read and written: the name is the symptom. */
import { describe, expect, it } from 'vitest';
import { checkConfig, decisionConfig, loadConfig } from '../../../core/config.ts';
import { createUnify } from '../../../processors/unify/index.ts';
import type { RulesConfig } from '../../../processors/unify/rules.ts';
import { why } from '../../../processors/unify/why.ts';
import { createdEvent, event } from '../../support/changes.ts';
import { change, FoldRunner } from '../../support/fold-runner.ts';
import { account, action, company, contact, lead, People, person, twoWayWithLeads, webhook } from './people-world.ts';

const ada = { Email: 'ada@x.example', LastName: 'Byron', Title: 'Clerk' };

describe('an owner of type text', () => {
  const withText = (): RulesConfig => {
    const base = loadConfig({ env: {} });
    const { customer } = base.entities;
    const fields = customer.fields.map((field) =>
      field.canonical === 'ownerEmail'
        ? { ...field, type: 'text' as const, salesforce: 'Csm__c', intercom: 'custom_attributes.csm' }
        : field,
    );
    return { ...base, entities: { ...base.entities, customer: { ...customer, fields } } };
  };

  it('poisoned the record, and every one after the type was mended', () => {
    const runner = new FoldRunner(createUnify(withText()));
    runner.decide(createdEvent(contact('A'), { ...ada, Csm__c: 'Eve' }, 2, 2));
    const told = (): unknown => runner.outputs.findLast(({ topic }) => topic === 'customer.events')?.value;
    expect(runner.poisons).toEqual([]);
    expect(told()).toMatchObject({ customer: { ownerEmail: 'Eve' } });
    const { hash, json } = decisionConfig(loadConfig({ env: {} }));
    runner.decide(change({ kind: 'config', config: { n: 1, hash, json } }));
    runner.tick();
    runner.decide(event(contact('A'), { Title: 'Countess' }, 20, 20));
    expect(runner.poisons).toEqual([]);
    expect(told()).toMatchObject({ customer: { title: 'Countess', ownerEmail: 'Eve' } });
  });

  it('was taken by the configuration', () => {
    expect(() => checkConfig({ entities: withText().entities }, {})).toThrow(
      'canonical field "ownerEmail" is of type owner and no other',
    );
  });
});

describe('an account that its company names by the 15 characters of its id', () => {
  const id = '001Hs00003abCdEIAU';
  const names = { name: 'Orchard', company_id: 'o', 'custom_attributes.salesforce_account_id': id.slice(0, 15) };
  const onSalesforce = createdEvent(`salesforce:Account:${id}`, { Name: 'Orchard' }, 2, 2);
  const onIntercom = webhook(company('k1'), { role: null, ...names }, 3);

  it.each([
    ['the company first', [onIntercom, onSalesforce]],
    ['the account first', [onSalesforce, onIntercom]],
  ])('was made a second time: %s', (_, changes) => {
    const people = new People().say(...changes).say(createdEvent(contact('A'), { ...ada, AccountId: id }, 4, 4));
    people.pass(20);
    expect(people.idOf(company('k1'))).toBe(people.idOf(`salesforce:Account:${id}`));
    expect(
      people.commands().filter(({ verb, object }) => verb === 'create' && /^(company|Account)$/.test(object)),
    ).toEqual([]);
  });
});

describe('why said that it waits to be asked', () => {
  const stateOf = (people: People, ref: string, field: string): unknown =>
    why((key) => people.runner.committed.get(key), twoWayWithLeads(), ref, field)[0]?.fields[0]?.carried.find(
      (one) => one.ref === ref,
    )?.state;

  it('of somebody who is ambiguous', () => {
    const people = new People().say(
      createdEvent(contact('A'), ada, 2, 2),
      createdEvent(contact('A2'), { LastName: 'Byron', Title: 'Countess' }, 3, 3),
      createdEvent(contact('B'), { ...ada, LastName: 'Lovelace' }, 4, 4),
      action('pin', contact('A2'), contact('A')),
    );
    expect(people.living(contact('A'))?.ambiguous).not.toEqual([]);
    const states = [contact('A'), contact('A2')].map((ref) => stateOf(people, ref, 'title'));
    expect(new Set(states)).toEqual(new Set(['equal', 'held']));
  });

  it('of a lead beside its contact, which is only read', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2)).pass(10);
    people.say(createdEvent(lead('1'), { ...ada, Company: 'c' }, 20, 20)).pass(30);
    people.say(event(contact('A'), { Title: 'Countess' }, 40, 40)).pass(50);
    expect(stateOf(people, lead('1'), 'title')).toBe('held');
  });
});

describe('round trips when nothing is in the cache', () => {
  it('grew with the people of a small account', () => {
    const misses = (count: number): number => {
      const people = new People(undefined, 50, true).say(createdEvent(account('A'), { Name: 'Orchard' }, 1, 1));
      for (let n = 0; n < count; n++)
        people.say(
          createdEvent(contact(`C${n}`), { Email: `c${n}@x.example`, LastName: 'L', AccountId: '001A' }, 2, 2 + n),
        );
      const before = people.runner.misses;
      people.say(event(account('A'), { Industry: 'Fruit' }, 100, 1000));
      return people.runner.misses - before;
    };
    expect(misses(45) - misses(5)).toBeLessThan(10);
  });

  it('grew with the companies of a person', () => {
    const misses = (count: number): number => {
      const people = new People(undefined, 50, true);
      const ids = Array.from({ length: count }, (_, n) => `k${String(n).padStart(3, '0')}`);
      for (const id of ids)
        people.say(
          createdEvent(account(id), { Name: id }, 1, 1),
          webhook(company(id), { name: id, 'custom_attributes.salesforce_account_id': `001${id}` }, 2),
        );
      const before = people.runner.misses;
      people.say(webhook(person('u1'), { email: 'a@x.example', name: 'B', companies: ids }, 5));
      return people.runner.misses - before;
    };
    expect(misses(100) - misses(10)).toBeLessThan(10);
  });
});

describe('those who wait for a company that nobody told of', () => {
  const waiting = (people: People): readonly string[] => people.set('waiting:intercom:company:k1');
  const user = (n: number, at = 2): ReturnType<typeof webhook> =>
    webhook(person(`u${n}`), { email: `u${n}@x.example`, name: 'U', companies: ['k1'] }, at);

  it.each([3, 130])('were kept for ever when it was known, %i of them', (count) => {
    const people = new People();
    for (let n = 0; n < count; n++) people.say(user(n));
    expect(waiting(people)).toHaveLength(count);
    people.say(webhook(company('k1'), { name: 'Orchard', company_id: 'o' }, 60));
    for (let n = 0; n < 200; n++) people.runner.tick();
    expect(people.set(`members:${people.idOf(company('k1'))}`)).toHaveLength(count);
    expect(waiting(people)).toEqual([]);
  });

  it('were kept when they were deleted, and wait again when they are back', () => {
    const people = new People().say(user(1), event(person('u1'), {}, 10, -1, { op: 'deleted' }));
    expect(waiting(people)).toEqual([]);
    people.say(user(1, 20));
    expect(waiting(people)).toEqual([people.idOf(person('u1'))]);
  });

  it('were kept under an id that was merged', () => {
    const people = new People().say(user(1), createdEvent(contact('A'), { ...ada, Email: 'other@x.example' }, 3, 3));
    people.say(action('pin', person('u1'), contact('A')));
    expect(waiting(people)).toEqual([people.idOf(contact('A'))]);
  });
});

describe('state that grew past 64 kB', () => {
  it('stopped every action of an operator: ids of many bytes', () => {
    const people = new People().say(createdEvent(contact('A'), ada, 2, 2));
    const id = (n: number): string => `${n}${'再送依頼'.repeat(30)}`;
    for (let n = 0; n < 300; n++) people.say(action('redrive', contact('A'), '', id(n)));
    const entries = people.runner.journal().length;
    people.say(action('redrive', contact('A'), '', id(299)));
    expect(people.runner.journal()).toHaveLength(entries);
  });

  it('stopped a customer into whom very many records were merged', () => {
    const into = contact('000000000000');
    const people = new People().say(createdEvent(into, ada, 2, 2));
    const name = (n: number): string => contact(`${String(n).padStart(12, '0')}AAA`);
    const merge = (n: number): void => {
      people.say(createdEvent(name(n), { LastName: 'L' }, 2 + n, 2 + n));
      people.say(event(name(n), {}, 2 + n, 10_000 + n, { op: 'moved', into }));
    };
    for (let n = 1; n <= 300; n++) merge(n);
    expect(people.living(into)?.refs.length).toBeLessThan(250);
    // What is no longer listed leads to its customer all the same.
    expect(people.entity(people.idOf(name(1)))?.mergedInto ?? people.idOf(name(1))).toBe(people.idOf(into));
    people.say(event(name(1), { ...ada, LastName: 'Back' }, 900, 90_000, { op: 'undeleted', whole: true }));
    expect(people.living(name(1))?.refs).toContain(name(1));
    expect(people.living(name(1))?.id).not.toBe(people.idOf(into));
  });
});
