/** What our own calls and what people say meanwhile have to do with each other: on a person who is on both platforms. */
import { describe, expect, it } from 'vitest';
import { createUnify } from '../../../processors/unify/index.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Command, Observation, Result } from '../../../schemas/types.ts';
import { createdEvent, epoch, mark, result, row, second, snapshotComplete } from '../../support/changes.ts';
import { change, FoldRunner } from '../../support/fold-runner.ts';
import { config, intercom, ours, Pair, salesforce, title } from './ledger-pair.ts';

describe('a call in doubt', () => {
  it('that expired is known by its echo when it was carried out after all', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    const first = pair.only();
    pair.result(first, { outcome: 'expired', doubt: true, calls: 1, platformTime: (second + 11) * 1000 });
    const again = pair.only();
    expect(again.fields).toEqual({ Title: 'b' });
    pair.event({ Title: 'b' }, 11, ours).done(again, 12);
    expect(pair.value('title')).toBe('b');
    expect(pair.open()).toEqual([]);
  });

  it('may land on Intercom two minutes late without being taken for a person', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    const late = pair.only();
    pair.answer(late, { fields: { [title]: 'b' }, at: 11 }, { doubt: true });
    pair.event({ Title: 'c' }, 20);
    pair.answer(pair.only(), { fields: { [title]: 'c' }, at: 21 }).webhook({ [title]: 'b' }, 60.2);
    expect(pair.value('title')).toBe('c');
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 'c' } });
  });

  it('that expired on Intercom is nobody’s edit when it is carried out over what was written since', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    const late = pair.only();
    pair.event({ Title: 'c' }, 11);
    pair.result(late, { outcome: 'expired', doubt: true, calls: 1, platformTime: (second + 12) * 1000 });
    pair.answer(pair.only(), { fields: { [title]: 'c' }, at: 13 }).webhook({ [title]: 'b' }, 60.2);
    expect(pair.value('title')).toBe('c');
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 'c' } });
  });
});

describe('a call', () => {
  it('that is answered once more does not end the one that was asked after it', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    const first = pair.only();
    pair.answer(first, { fields: { [title]: 'b' }, at: 11 }).event({ Title: 'c' }, 20);
    const next = pair.only();
    pair.answer(first, { fields: { [title]: 'b' }, at: 11 });
    expect(pair.runner.ref(intercom)?.open?.id).toBe(next.id);
  });
});

describe('a create', () => {
  it('whose record is told of before its result is no edit of anybody', () => {
    const runner = new FoldRunner(createUnify(config));
    for (const platform of ['salesforce', 'intercom'] as const)
      for (let partition = 0; partition < 4; partition++)
        runner.decide(epoch(partition, `e${partition}`, 0, 10, 10, platform));
    runner.decide(snapshotComplete('intercom', 'admin'));
    runner.decide(createdEvent(salesforce, { Email: 'ada@x.example', Title: 'B' }, 1, 1));
    for (const platform of ['salesforce', 'intercom'] as const) runner.decide(mark(10, platform));
    const commands = (): readonly Command[] =>
      runner.outputs.filter((output) => output.topic.endsWith('.commands')).map((output) => output.value as Command);
    const create = commands().find((command) => command.verb === 'create');
    if (create === undefined) throw new Error('nobody was created');
    const fields = { ...create.fields, [title]: 'b' };
    const told = row(intercom, fields, 11).observation as Observation;
    const at = { time: (second + 11) * 1000 + 200, seq: -1, second: false };
    runner.decide(change({ kind: 'observation', observation: { ...told, via: 'event', at } }));
    expect(runner.entityOf(salesforce)?.fields['title']?.value).toBe('B');
    runner.decide(
      result(create, partitionOf(create.key, 4), {
        ref: intercom,
        returned: { ...told, via: 'answer' },
        platformTime: (second + 11) * 1000,
      }),
    );
    expect(runner.entityOf(salesforce)?.fields['title']?.value).toBe('B');
    expect(runner.journal().filter((entry) => entry.kind === 'settled').length).toBe(1);
    expect(
      commands()
        .filter((command) => command.platform === 'intercom')
        .slice(1),
    ).toEqual([]);
  });
});

describe('what somebody enters in Intercom while a call of ours waits to write the same', () => {
  /** Salesforce says s, then t; the call that asks for s is sent long after somebody entered s in Intercom. */
  function entered(...later: readonly [value: string, at: number][]): Pair {
    const pair = new Pair().event({ Title: 's' }, 10);
    const asked = pair.only();
    pair.event({ Title: 't' }, 11).webhook({ [title]: 's' }, 20.2);
    for (const [value, at] of later) pair.webhook({ [title]: value }, at);
    const sentAt = (second + 30) * 1000 - 200;
    return pair.answer(asked, { fields: { [title]: 's' }, at: 30 }, { sentAt });
  }

  it('is the edit that it was, once the answer tells that our call came after it', () => {
    const pair = entered();
    expect(pair.value('title')).toBe('s');
    expect(pair.runner.entityOf(salesforce)?.fields['title']).toMatchObject({ source: intercom });
    expect(pair.only()).toMatchObject({ platform: 'salesforce', fields: { Title: 's' } });
  });

  it('is told as doubtful where the record shows what is wanted before the answer', () => {
    const pair = entered(['t', 20.4]);
    expect(pair.value('title')).toBe('t');
    expect(pair.journal('rejected')).toEqual([]);
    expect(pair.journal('doubtful')).toEqual([
      'title: a call of ours under way asked for the same, and its own record said something else before its answer',
    ]);
  });

  it('loses as an edit does, and is told, where the other side owns the field', () => {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    const tier = 'custom_attributes.tier';
    pair.event({ Tier__c: 'silver' }, 10);
    const asked = pair.only();
    pair.event({ Tier__c: 'lead' }, 11).webhook({ [tier]: 'silver' }, 20.2);
    pair.answer(asked, { fields: { [tier]: 'silver' }, at: 30 }, { sentAt: (second + 30) * 1000 - 200 });
    expect(pair.value('tier')).toBe('lead');
    expect(pair.journal('rejected')).toEqual(['tier: salesforce owns tier']);
  });
});

describe('what somebody entered in Intercom, told after our call', () => {
  const sent = (at: number): Partial<Result> => ({ sentAt: (second + at) * 1000 });

  it('is theirs where our call asked for the very same and was sent later, though the next call found it there', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    const asked = pair.only();
    pair.event({ Title: 't' }, 11).answer(asked, { fields: { [title]: 's' }, at: 30 }, sent(30.3));
    pair.answer(pair.only(), { fields: { [title]: 't' }, at: 30 }, sent(30.4)).webhook({ [title]: 's' }, 30.1);
    expect(pair.value('title')).toBe('s');
  });

  it('counts where our call was written over it, though the record had shown what we asked before', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.webhook({ [title]: 's' }, 9.5).answer(pair.only(), { fields: { [title]: 's' }, at: 13 }, sent(12.9));
    pair.webhook({ [title]: 'i' }, 12.5);
    expect(pair.value('title')).toBe('i');
  });
});

describe('what we wrote before our last write, entered in Intercom at once', () => {
  it('is an edit, for the echo of our last write was seen', () => {
    const pair = new Pair();
    for (const [n, now] of ['b', 'c'].entries()) {
      pair.event({ Title: now }, 10);
      pair.answer(pair.only(), { fields: { [title]: now }, at: 10 }).webhook({ [title]: now }, 10.2 + n / 5);
    }
    pair.webhook({ [title]: 'b' }, 10.6);
    expect(pair.value('title')).toBe('b');
    expect(pair.only()).toMatchObject({ platform: 'salesforce', fields: { Title: 'b' } });
  });
});
