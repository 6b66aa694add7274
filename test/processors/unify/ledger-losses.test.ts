/** Who loses, and what is told of that: once, and never too little; and writers that never give in. */
import { describe, expect, it } from 'vitest';
import { unfreeze } from '../../../processors/unify/edits.ts';
import type { EntityState } from '../../../schemas/types.ts';
import { createdEvent, second } from '../../support/changes.ts';
import { change, FoldRunner } from '../../support/fold-runner.ts';
import { intercom, ours, Pair, salesforce, title } from './ledger-pair.ts';
import { ada, adaThere, contact, People, person, webhook } from './people-world.ts';

describe('two writers that answer each other', () => {
  function fight(): Pair {
    const pair = new Pair();
    for (let n = 0; n < 3; n++) {
      pair.event({ Title: `s${n}` }, 10 + 4 * n, { by: '005A' });
      for (const command of pair.open()) pair.answer(command, { fields: command.fields, at: 11 + 4 * n });
      pair.webhook({ [title]: `i${n}` }, 12.5 + 4 * n);
      for (const command of pair.open()) {
        pair.done(command, 13 + 4 * n).event(command.fields, 13 + 4 * n, ours);
      }
    }
    return pair;
  }

  it('freeze the field, are both named, and nothing is written for it any more while what is seen moves on', () => {
    const pair = fight();
    expect(pair.journal('frozen').length).toBe(1);
    expect(pair.journal('frozen')[0]).toContain(`${salesforce} (005A)`);
    expect(pair.journal('frozen')[0]).toContain(intercom);
    pair.event({ Title: 's9' }, 30);
    expect(pair.open()).toEqual([]);
    expect(pair.runner.ref(salesforce)?.seen['Title']?.value).toBe('s9');
    pair.event({ Phone: 'q' }, 31);
    expect(pair.only().fields).toEqual({ 'custom_attributes.phone': 'q' });
  });

  it.each([
    ['loses to the owner', 'tier', 'Tier__c', 'gold', 'BOT'],
    ['may only fill what is empty', 'city', 'City__c', 'Paris', 'BOT'],
    ['says that consent is looser', 'optOut', 'HasOptedOutOfEmail', true, false],
  ] as const)(
    'freeze the field also where one of them %s and is written back each time',
    (_, name, field, value, bot) => {
      const pair = new Pair({ [field]: value }, { [`custom_attributes.${name}`]: value });
      let writes = 0;
      for (let n = 0; n < 10; n++) {
        pair.webhook({ [`custom_attributes.${name}`]: bot }, 10.5 + 3 * n, { by: 'a workflow' });
        for (const command of pair.open()) {
          writes += 1;
          pair.answer(command, { fields: command.fields, at: 11 + 3 * n });
        }
      }
      expect(writes).toBe(3);
      expect(pair.value(name)).toBe(value);
      expect(pair.journal('frozen')).toHaveLength(1);
      expect(pair.journal('frozen')[0]).toContain(`${intercom} (a workflow) and ${salesforce}`);
    },
  );

  it('are released by an operator: what counts then is written', () => {
    const pair = fight();
    pair.event({ Title: 's9' }, 30);
    const frozen = pair.runner.entityOf(salesforce) as EntityState;
    expect(frozen.fields['title']).toMatchObject({ frozen: true, value: 's9' });
    expect(unfreeze(frozen, 'phone')).toBe(frozen);
    expect(unfreeze(frozen, 'title').fields['title']).toMatchObject({ frozen: false, turns: [] });
    expect(unfreeze(frozen).fields['title']?.frozen).toBe(false);
    const action = { id: 'a1', verb: 'unfreeze', subject: pair.id, argument: 'title', by: 'op' } as const;
    pair.runner.decide(change({ kind: 'action', action }));
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 's9' } });
  });

  it('that take their time are left alone', () => {
    const pair = new Pair();
    for (let n = 0; n < 6; n++) {
      pair.event({ Title: `s${n}` }, 100 * n + 10);
      for (const command of pair.open()) pair.answer(command, { fields: command.fields, at: 100 * n + 11 });
      pair.webhook({ [title]: `i${n}` }, 100 * n + 50.5);
      for (const command of pair.open()) pair.done(command, 100 * n + 51).event(command.fields, 100 * n + 51, ours);
    }
    expect(pair.journal('frozen')).toEqual([]);
  });
});

describe('a loss', () => {
  /** Our write of s1, its answer with a later title of Intercom's, and then what the write overtook. */
  function overtaken(): Pair {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    pair.event({ Tier__c: 'silver' }, 10);
    const asked = pair.only();
    pair.answer(asked, { fields: asked.fields, at: 12 }).webhook({ [title]: 'later' }, 12.9);
    for (const command of pair.open()) pair.done(command, 13).event(command.fields, 13, ours);
    return pair.webhook({ 'custom_attributes.tier': 'lead' }, 11.2);
  }

  it('is told although its record has said something newer since', () => {
    expect(overtaken().journal('rejected')).toEqual(['tier: salesforce owns tier']);
  });

  it('is told once however often it is offered, and again where it may be another one', () => {
    const pair = overtaken();
    pair.webhook({ 'custom_attributes.tier': 'lead' }, 11.2).webhook({ 'custom_attributes.tier': 'lead' }, 11.2);
    expect(pair.journal('rejected')).toHaveLength(1);
    pair.webhook({ 'custom_attributes.tier': 'lead' }, 11.3);
    expect(pair.journal('rejected')).toHaveLength(2);
  });

  it('is remembered sixteen times, and told again after that', () => {
    const pair = overtaken();
    for (let n = 0; n < 16; n++) pair.webhook({ 'custom_attributes.tier': `lead ${n}` }, 11.3 + n / 100);
    expect(pair.runner.ref(intercom)?.decided).toHaveLength(16);
    expect(pair.journal('rejected')).toHaveLength(17);
    pair.webhook({ 'custom_attributes.tier': 'lead' }, 11.2);
    expect(pair.journal('rejected')).toHaveLength(18);
  });

  it('is told of a value taken back in Salesforce between two writes of ours', () => {
    const pair = new Pair();
    pair.webhook({ [title]: 'i1' }, 20.1);
    pair.done(pair.only(), 20).webhook({ [title]: 'i2' }, 20.4);
    pair.done(pair.only(), 20);
    pair.event({ Title: 'i1' }, 20, ours).event({ Title: 'a' }, 20, { by: 'ada' }).event({ Title: 'i2' }, 20, ours);
    expect(pair.journal('rejected')).toEqual([`title: ${intercom} has a newer value`]);
  });

  it('is told where its record shows again what we had written before it, when the answer comes', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 }).event({ Title: 'c' }, 20);
    const asked = pair.only();
    pair.webhook({ [title]: 'x' }, 20.5);
    pair.answer(asked, { fields: { [title]: 'b' }, at: 22 }, { outcome: 'expired' });
    expect(pair.value('title')).toBe('c');
    expect(pair.journal('rejected')).toEqual(['title: its own record said something else before it could be decided']);
  });

  it('is told of what was taken back while our call was under way', () => {
    const pair = new Pair();
    pair
      .event({ Title: 's' }, 10)
      .webhook({ [title]: 's' }, 10.2)
      .webhook({ [title]: 'a' }, 10.4);
    pair.event({ Title: 't' }, 11);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 12 });
    expect(pair.value('title')).toBe('t');
    expect(pair.journal('rejected')).toEqual([`title: ${salesforce} has a newer value`]);
  });

  it('is told as doubtful of what a call in doubt had asked: it may have been carried out once more, or be somebody', () => {
    const pair = new Pair();
    for (const [n, now] of ['s', 't'].entries()) {
      pair.event({ Title: now }, 10 + 10 * n);
      pair.answer(pair.only(), { fields: { [title]: now }, at: 11 + 10 * n }, { doubt: n === 0 });
    }
    pair.webhook({ [title]: 's' }, 40.5);
    expect(pair.value('title')).toBe('t');
    expect(pair.journal('rejected')).toEqual([]);
    expect(pair.journal('doubtful')).toEqual([
      'title: a call of ours in doubt asked for the same, and may have been carried out late',
    ]);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 't' } });
  });
});

describe('a value that loses twice within one second of Intercom', () => {
  it('is told twice where we had written over it in between', () => {
    const tier = 'custom_attributes.tier';
    const pair = new Pair({ Tier__c: 'gold' }, { [tier]: 'gold' });
    pair.event({ Title: 'b' }, 20);
    pair.answer(pair.only(), { fields: { [title]: 'b', [tier]: 'lead' }, at: 20 });
    pair.answer(pair.only(), { fields: { [tier]: 'gold' }, at: 20 }).webhook({ [tier]: 'lead' }, 20.9);
    // It cannot be told which is later: read again.
    pair.answer(pair.only(), { fields: { [tier]: 'lead' }, at: 20 });
    expect(pair.journal('rejected')).toEqual(['tier: salesforce owns tier', 'tier: salesforce owns tier']);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [tier]: 'gold' } });
  });
});

describe('a replay of everything that was seen', () => {
  it('changes nothing and asks nothing, whatever lost, was settled or overtaken before', () => {
    const pair = new Pair();
    const from = pair.runner.offset;
    const said: Parameters<FoldRunner['decide']>[0][] = [];
    const decide = pair.runner.decide.bind(pair.runner);
    pair.runner.decide = (part, key) => {
      if (part.kind === 'observation') said.push(part);
      return decide(part, key);
    };
    pair.event({ Title: 's1' }, 10).webhook({ [title]: 'i1' }, 10.8);
    pair.answer(pair.only(), { fields: { [title]: 'S1' }, at: 12 });
    for (const command of pair.open()) {
      if (command.platform === 'salesforce') pair.done(command, 13).event(command.fields, 13, ours);
      else pair.answer(command, { fields: command.fields, at: 13 });
    }
    pair.event({ Title: 's2' }, 13).event({ Title: 's3' }, 13);
    for (let rounds = 0; rounds < 6; rounds++)
      for (const command of pair.open()) {
        const now = pair.runner.ref(command.ref)?.seen;
        const fields = command.verb === 'read' ? { Title: now?.['Title']?.value ?? null } : command.fields;
        if (command.platform === 'salesforce' && command.verb !== 'read')
          pair.done(command, 15).event(command.fields, 15, ours);
        else pair.answer(command, { fields, at: 15 });
      }
    expect(pair.open()).toEqual([]);
    expect(pair.runner.offset).toBeGreaterThan(from);
    const before = pair.runner.entityOf(salesforce);
    const outputs = pair.runner.outputs.length;
    for (const part of said) decide(part);
    expect(pair.open()).toEqual([]);
    expect(pair.runner.entityOf(salesforce)).toEqual(before);
    expect(pair.runner.outputs.slice(outputs)).toEqual([]);
  });
});

describe('a value that our write overtook and that lost', () => {
  /** Salesforce says s at 20, our write of it is answered at 25, and what somebody entered in Intercom at 15 is told after that. */
  const lost = (): Pair => {
    const pair = new Pair().event({ Title: 's' }, 20);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 25 }, { sentAt: (second + 24) * 1000 });
    return pair.webhook({ [title]: 'x' }, 15);
  };

  it('is as old as when it was told first, where a later notification of another field tells it once more', () => {
    const pair = lost();
    expect(pair.journal('rejected')).toEqual([`title: ${salesforce} has a newer value`]);
    pair.webhook({ [title]: 'x', 'custom_attributes.phone': 'q' }, 22);
    expect(pair.value('title')).toBe('s');
    expect(pair.value('phone')).toBe('q');
  });

  it('is an edit of its own where the record had said something else in between', () => {
    const pair = lost().webhook({ [title]: 'y' }, 21);
    expect(pair.value('title')).toBe('y');
    pair.webhook({ [title]: 'x' }, 22);
    // It may be what Intercom makes of ours: the answer tells.
    const asked = pair.open().find(({ platform }) => platform === 'intercom');
    if (asked !== undefined) pair.answer(asked, { fields: asked.fields, at: 40 });
    expect(pair.value('title')).toBe('x');
  });
});

describe('a record of Intercom that was empty when it was first told of', () => {
  const job = 'custom_attributes.job_title';

  /** What Salesforce says at first fills the title; then an older notification tells that Intercom had one. */
  function filled(at: number): People {
    const people = new People()
      .say(webhook(person('i1'), { ...adaThere, [job]: null }, 5))
      .say(createdEvent(contact('A'), { ...ada, Title: 't' }, at, 3))
      .pass(10);
    expect(people.values(person('i1'))['title']).toBe('t');
    return people.say(webhook(person('i1'), { ...adaThere, [job]: 'x' }, 4));
  }

  it('had been emptied where an older notification shows a value: that is an edit, and newer than what filled it', () => {
    const people = filled(3).pass(20);
    expect(people.values(person('i1'))['title']).toBeNull();
    expect(people.commands('salesforce').at(-1)?.fields).toEqual({ Title: null });
    const before = people.commands().length;
    people.say(webhook(person('i1'), { ...adaThere, [job]: 'x' }, 4)).pass(30);
    expect(people.commands().length).toBe(before);
  });

  it('loses as emptied where what filled it is newer, and that is told once', () => {
    const people = filled(7);
    people.say(webhook(person('i1'), { ...adaThere, [job]: 'x' }, 4));
    expect(people.values(person('i1'))['title']).toBe('t');
    const told = people.journal('rejected').filter(({ field }) => field === 'title');
    expect(told).toMatchObject([{ source: person('i1'), value: 't', other: null }]);
  });
});
