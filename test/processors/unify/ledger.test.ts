/** The ledger's rules, one by one, on a person who is on both platforms. Times are seconds of the platforms. */
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../schemas/types.ts';
import { mark, row, second } from '../../support/changes.ts';
import { intercom, ours, Pair, salesforce, title } from './ledger-pair.ts';

const of = (pair: Pair, ref: string): Command => {
  const [command, ...others] = pair.open().filter((one) => one.ref === ref);
  if (command === undefined || others.length > 0) throw new Error(`${ref}: ${others.length + 1} commands`);
  return command;
};

describe('an edit', () => {
  it('on either side is carried to the other, once, and its echo means nothing', () => {
    const pair = new Pair();
    pair.event({ Title: 'b' }, 10);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 'b' } });
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 }).webhook({ [title]: 'b' }, 11.4);
    expect(pair.open()).toEqual([]);
    pair.webhook({ [title]: 'c' }, 20.5);
    expect(pair.only()).toMatchObject({ platform: 'salesforce', fields: { Title: 'c' } });
    pair.done(pair.only(), 21).event({ Title: 'c' }, 21, ours);
    expect(pair.open()).toEqual([]);
    expect(pair.value('title')).toBe('c');
  });

  it('that is older than what counts loses, is told, and its record is given the winner', () => {
    const pair = new Pair();
    pair.webhook({ [title]: 'new' }, 20.1);
    const asked = pair.only();
    pair.event({ Title: 'old' }, 15, { by: 'ada' });
    expect(pair.value('title')).toBe('new');
    expect(pair.journal('rejected')).toEqual([`title: ${intercom} has a newer value`]);
    pair.done(asked, 21).event({ Title: 'new' }, 21, ours);
    expect(pair.open()).toEqual([]);
    expect(pair.runner.entityOf(salesforce)?.fields['title']?.lost).toMatchObject({ value: 'old', by: 'ada' });
  });

  it('of the record that set the value wins over it, whatever the clocks say', () => {
    const pair = new Pair();
    pair.event({ Title: 'b' }, 10, { modified: (second + 50) * 1000 });
    pair.event({ Title: 'c' }, 11);
    expect(pair.value('title')).toBe('c');
  });

  it('of both at one moment is decided the same way in either order of arrival', () => {
    const one = new Pair().event({ Title: 's' }, 10).webhook({ [title]: 'i' }, 10);
    const other = new Pair().webhook({ [title]: 'i' }, 10).event({ Title: 's' }, 10);
    expect(one.value('title')).toBe('s');
    expect(other.value('title')).toBe('s');
  });

  it('that replaces what we had written comes after it, whatever the clocks say', () => {
    const pair = new Pair().event({ Title: 's' }, 30);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 12 }).webhook({ [title]: 'i' }, 13.2);
    expect(pair.value('title')).toBe('i');
    // What counts is not dated back by it: their earlier values stay earlier.
    expect(pair.runner.entityOf(salesforce)?.fields['title']?.time).toBe((second + 30) * 1000);
  });

  it('that replaces what the platform made of the value that we had written comes after it as well', () => {
    const pair = new Pair().webhook({ [title]: 'i' }, 20.4);
    pair.done(pair.only(), 20).event({ Title: 'I' }, 20, ours).event({ Title: 's' }, 20, { by: 'ada' });
    expect(pair.value('title')).toBe('s');
  });

  it('that replaces the same value, which nobody carried there, is dated as any other', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 20.2);
    pair.event({ Title: 'a' }, 5);
    expect(pair.value('title')).toBe('b');
  });

  it('in Salesforce back to the very value that we wrote is an edit: the stream names who wrote', () => {
    const pair = new Pair();
    pair.webhook({ [title]: 'b' }, 20.1);
    pair.done(pair.only(), 21).event({ Title: 'b' }, 21, ours);
    pair.event({ Title: 'c' }, 21, { by: 'ada' }).event({ Title: 'b' }, 21, { by: 'ada' });
    expect(pair.value('title')).toBe('b');
  });

  it('by two people at once is told with the value that lost', () => {
    const pair = new Pair();
    pair.event({ Title: 's' }, 10).webhook({ [title]: 'i' }, 11.5);
    // Asked, and held: Intercom's third value waits for the answer.
    expect(pair.value('title')).toBe('s');
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 12 });
    expect(pair.value('title')).toBe('i');
    expect(pair.runner.entityOf(salesforce)?.fields['title']?.lost).toMatchObject({ value: 's', source: salesforce });
    expect(pair.journal('set').length).toBe(1);
  });
});

describe('an owner', () => {
  it('is right although the other side is newer, which is written back', () => {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    pair.webhook({ 'custom_attributes.tier': 'lead' }, 30.1);
    expect(pair.value('tier')).toBe('gold');
    expect(pair.journal('rejected')).toEqual(['tier: salesforce owns tier']);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { 'custom_attributes.tier': 'gold' } });
  });

  it.each([
    ['is told to be back', true],
    ['answers a write after that', false],
  ])('that was gone when the other side spoke is right again when it %s', (_, isTold) => {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    pair.webhook({ [title]: 'b' }, 20.1);
    const write = pair.only();
    if (isTold) pair.done(write, 21).event({ Title: 'b' }, 21, ours);
    pair.event({}, 30, { op: 'deleted' }).webhook({ 'custom_attributes.tier': 'lead' }, 40.1);
    expect(pair.value('tier')).toBe('lead');
    if (isTold) pair.event({ Title: 'b', Tier__c: 'gold' }, 50, { op: 'undeleted' });
    else pair.done(write, 50);
    expect(pair.value('tier')).toBe('gold');
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { 'custom_attributes.tier': 'gold' } });
    expect(pair.journal('set')).toEqual(['tier: join']);
  });

  it('keeps what it makes of its own field: that is an edit and not the end of it', () => {
    const pair = new Pair({ Tier__c: 'gold' }, { 'custom_attributes.tier': 'gold' });
    pair.webhook({ [title]: 'b' }, 20.1);
    pair.done(pair.only(), 21).event({ Title: 'b', Tier__c: 'silver' }, 21, ours);
    expect(pair.value('tier')).toBe('silver');
  });
});

describe('fill-if-empty', () => {
  it('takes a value where there is none, and none where there is one', () => {
    const pair = new Pair();
    pair.webhook({ 'custom_attributes.city': 'Bern' }, 10.1);
    expect(pair.value('city')).toBe('Bern');
    pair.done(pair.only(), 11).event({ City__c: 'Bern' }, 11, ours);
    pair.event({ City__c: 'Basel' }, 20);
    expect(pair.value('city')).toBe('Bern');
    expect(pair.only()).toMatchObject({ platform: 'salesforce', fields: { City__c: 'Bern' } });
  });

  it('takes a value older than the record that had none: nobody made that empty', () => {
    const pair = new Pair({ City__c: null }).webhook({ 'custom_attributes.city': 'Bern' }, 0.5, {
      at: { time: (second + 1) * 1000 + 500, seq: -1, second: false },
      modified: second * 1000,
    });
    expect(pair.value('city')).toBe('Bern');
  });
});

describe('consent', () => {
  const optOut = 'custom_attributes.optOut';
  const agreed = (): Pair => new Pair({ HasOptedOutOfEmail: false }, { [optOut]: false });

  it('gets stricter by anybody, owner or not, even by an older word', () => {
    const pair = agreed();
    pair.event({ HasOptedOutOfEmail: null }, 20);
    pair.webhook({ [optOut]: true }, 15.1);
    expect(pair.value('optOut')).toBe(true);
    expect(pair.open().map((command) => command.fields)).toContainEqual({ HasOptedOutOfEmail: true });
  });

  it('gets looser by a later change of its owner alone', () => {
    const pair = agreed();
    pair.webhook({ [optOut]: true }, 15.1);
    pair.done(pair.only(), 16).event({ HasOptedOutOfEmail: true }, 16, ours);
    pair.webhook({ [optOut]: false }, 20.1);
    expect(pair.value('optOut')).toBe(true);
    pair.answer(pair.only(), { fields: { [optOut]: true }, at: 21 });
    pair.event({ HasOptedOutOfEmail: false }, 30);
    expect(pair.value('optOut')).toBe(false);
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [optOut]: false } });
  });

  it('is not loosened by what a record shows at first sight', () => {
    const pair = new Pair({ HasOptedOutOfEmail: true }, {});
    expect(pair.value('optOut')).toBe(true);
    const late = new Pair({}, { [optOut]: true });
    late.event({ HasOptedOutOfEmail: false }, 0);
    expect(late.value('optOut')).toBe(true);
  });
});

describe('a tie within one second', () => {
  /** A webhook in the very second of our answer: before or after it? */
  function tied(): Pair {
    const pair = new Pair().event({ Title: 'b' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 });
    return pair.webhook({ [title]: 'x' }, 11.6);
  }

  it('moves nothing and has the record read again, which decides', () => {
    const pair = tied();
    expect(pair.runner.ref(intercom)?.seen[title]?.value).toBe('b');
    expect(of(pair, intercom)).toMatchObject({ verb: 'read', fields: {} });
    pair.answer(of(pair, intercom), { fields: { [title]: 'y' }, at: 11 });
    expect(pair.runner.ref(intercom)?.seen[title]?.value).toBe('y');
    expect(pair.value('title')).toBe('y');
  });

  it('is evidence when its value is newer than what counts: our write had overtaken it', () => {
    const pair = tied();
    expect(pair.value('title')).toBe('x');
    pair.answer(of(pair, intercom), { fields: { [title]: 'b' }, at: 11 });
    expect(pair.open().map((command) => [command.platform, command.fields])).toEqual(
      expect.arrayContaining([
        ['intercom', { [title]: 'x' }],
        ['salesforce', { Title: 'x' }],
      ]),
    );
  });

  it('is read once more when the record moved while it was read, and asks nothing else meanwhile', () => {
    const pair = tied();
    const reading = of(pair, intercom);
    pair.webhook({ [title]: 'z', 'custom_attributes.phone': 'q' }, 13.2);
    expect(pair.open().filter((command) => command.ref === intercom)).toEqual([reading]);
    pair.answer(reading, { fields: { [title]: 'x' }, at: 12 });
    expect(pair.open().filter((command) => command.ref === intercom)).toMatchObject([{ verb: 'read' }]);
    expect(pair.value('title')).toBe('z');
  });

  it('of equal values is none', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 }).webhook({ [title]: 'b' }, 11.2);
    expect(pair.open()).toEqual([]);
    // And the webhook's better known position orders the next one.
    pair.webhook({ [title]: 'c' }, 11.7);
    expect(pair.open().map((command) => command.platform)).toEqual(['salesforce']);
  });

  it('is not ended by a notification that may be of before our call, which brought the value back', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 10).event({ Title: 'b' }, 10, ours).event({ Title: 'c' }, 11).event({ Title: 'b' }, 11);
    // Two calls in one second of Intercom: c, and b again.
    for (const now of ['c', 'b']) pair.answer(pair.only(), { fields: { [title]: now }, at: 12 });
    pair.webhook({ [title]: 'b', 'custom_attributes.phone': 'q' }, 12.1);
    pair.webhook({ [title]: 'c', 'custom_attributes.phone': 'q' }, 12.4);
    expect(pair.value('title')).toBe('b');
    expect(of(pair, intercom)).toMatchObject({ verb: 'read' });
  });

  it('of a Salesforce event and a read is read again too', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    pair.runner.decide(row(salesforce, { Email: 'ada@x.example', Title: 'r', Phone: 'p' }, 10));
    expect(pair.value('title')).toBe('b');
    expect(pair.open().find((command) => command.platform === 'salesforce')).toMatchObject({ verb: 'read' });
  });
});

describe('what Intercom makes of a value', () => {
  it('is settled by the answer, told, and left in peace until another value is wanted or seen', () => {
    const pair = new Pair().event({ Title: 'B' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 });
    expect(pair.journal('settled').length).toBe(1);
    expect(pair.open()).toEqual([]);
    expect(pair.value('title')).toBe('B');
    pair.webhook({ [title]: 'b' }, 11.3).webhook({ [title]: 'b' }, 14.3);
    expect(pair.open()).toEqual([]);
    pair.event({ Title: 'C' }, 20);
    expect(pair.only().fields).toEqual({ [title]: 'C' });
  });

  it('waits in a webhook for the answer to the open ask, and is no edit then', () => {
    const pair = new Pair().event({ Title: 'B' }, 10).webhook({ [title]: 'b' }, 11.2);
    expect(pair.runner.ref(intercom)?.waiting.length).toBe(1);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 });
    expect(pair.runner.ref(intercom)?.waiting).toEqual([]);
    expect(pair.value('title')).toBe('B');
    expect(pair.open()).toEqual([]);
  });

  it('does not make what waits behind it taken back, where the record had shown that before as well', () => {
    const pair = new Pair().event({ Title: 'b' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 }).event({ Title: 'c' }, 10);
    // Told again with another field that somebody edited.
    pair.webhook({ [title]: 'a' }, 10.5).webhook({ [title]: 'b' }, 15.4);
    pair.answer(pair.only(), { fields: { [title]: 'c' }, at: 16 });
    expect(pair.value('title')).toBe('c');
    expect(pair.journal('rejected')).toEqual([]);
  });

  it('has what was there before wait behind it: it was taken back', () => {
    const pair = new Pair()
      .event({ Title: 's' }, 10)
      .webhook({ [title]: 'i' }, 11.2)
      .webhook({ [title]: 'a' }, 11.9);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 });
    expect(pair.value('title')).toBe('a');
  });

  it('waits once, however often it is told', () => {
    const pair = new Pair()
      .event({ Title: 'B' }, 10)
      .webhook({ [title]: 'i' }, 11.2)
      .webhook({ [title]: 'i' }, 11.2);
    expect(pair.runner.ref(intercom)?.waiting.length).toBe(1);
  });

  it('does not wait without end: when many wait, the next is taken in at once', () => {
    const pair = new Pair().event({ Title: 'B' }, 10);
    for (let n = 0; n < 6; n++) pair.webhook({ [title]: `p${n}` }, 11 + n);
    expect(pair.runner.ref(intercom)?.waiting.length).toBe(4);
    expect(pair.value('title')).toBe('p5');
  });
});

describe('what Salesforce makes of a value', () => {
  it('is taken for what was asked until the stream tells it', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11);
    expect(pair.open()).toEqual([]);
    pair.event({ Title: 'B' }, 11, ours);
    expect(pair.journal('settled').length).toBe(1);
    expect(pair.value('title')).toBe('b');
    expect(pair.open()).toEqual([]);
  });

  it('is an edit where somebody else made it, however soon', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).event({ Title: 'b' }, 11, ours).event({ Title: 'B' }, 11, { by: 'ada' });
    expect(pair.value('title')).toBe('B');
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 'B' } });
  });

  it('is read when the marks say that its echo is a minute late, and settled if nobody changed the record since', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11);
    pair.marks(60);
    expect(pair.open()).toEqual([]);
    pair.marks(72);
    expect(pair.only()).toMatchObject({ verb: 'read', ref: salesforce });
    pair.answer(pair.only(), { fields: { Title: 'a', Phone: 'p' }, at: 73, modified: 5 });
    expect(pair.journal('settled').length).toBe(1);
    expect(pair.open()).toEqual([]);
    expect(pair.value('title')).toBe('b');
  });

  it("read late is a person's value if the record was changed since", () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).marks(72);
    pair.answer(pair.only(), { fields: { Title: 'c', Phone: 'p' }, at: 73, modified: 40 });
    expect(pair.value('title')).toBe('c');
    expect(pair.only()).toMatchObject({ platform: 'intercom', fields: { [title]: 'c' } });
  });

  it('read late is what came of our call where what was changed since has been told: that was another field', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).event({ Phone: 'q' }, 40).marks(102);
    pair.answer(of(pair, intercom), { fields: { 'custom_attributes.phone': 'q' }, at: 41 });
    pair.answer(of(pair, salesforce), { fields: { Title: 'B', Phone: 'q' }, at: 103, modified: 40 });
    expect(pair.value('title')).toBe('b');
    expect(pair.journal('settled').length).toBe(1);
    expect(pair.open()).toEqual([]);
  });

  it('needs no reading when its echo came, nor while a source is silent', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).event({ Title: 'b' }, 11, ours).marks(100);
    expect(pair.open()).toEqual([]);
    pair.webhook({ [title]: 'c' }, 110.1);
    pair.done(pair.only(), 111).runner.decide(mark(500));
    expect(pair.open()).toEqual([]);
  });

  it('of an older ask does not undo a newer one', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).webhook({ [title]: 'c' }, 12.1);
    pair.done(pair.only(), 13).event({ Title: 'b' }, 11, ours);
    expect(pair.open()).toEqual([]);
    expect(pair.runner.ref(salesforce)?.seen['Title']?.value).toBe('c');
    pair.event({ Title: 'c' }, 13, ours).marks(200);
    expect(pair.open()).toEqual([]);
  });
});

describe('a person whom our own write overtook', () => {
  it('on Salesforce is known by the stream: the value wins and is written back', () => {
    const pair = new Pair().webhook({ [title]: 'i' }, 10.1);
    pair.done(pair.only(), 12).event({ Title: 's' }, 11, { by: 'ada' });
    expect(pair.value('title')).toBe('s');
    expect(
      pair
        .open()
        .map((command) => command.platform)
        .sort(),
    ).toEqual(['intercom', 'salesforce']);
  });

  it('and who was a little earlier than what counts is told to have lost', () => {
    const pair = new Pair().webhook({ [title]: 'i' }, 10.7);
    pair.done(pair.only(), 11).event({ Title: 's' }, 10, { by: 'ada' }).event({ Title: 'i' }, 11, ours);
    expect(pair.value('title')).toBe('i');
    expect(pair.open()).toEqual([]);
    expect(pair.journal('rejected')).toEqual([`title: ${intercom} has a newer value`]);
  });

  it('on Intercom is known by a late webhook', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 }).webhook({ [title]: 'i' }, 12.4);
    expect(pair.value('title')).toBe('i');
  });

  it('is not older than a value that they entered once more, told before it', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 });
    pair
      .webhook({ [title]: 'i' }, 11.2)
      .webhook({ [title]: 'i' }, 12.8)
      .webhook({ [title]: 'j' }, 12.4);
    for (const ask of pair.open()) pair.answer(ask, { fields: ask.fields, at: 14 });
    expect(pair.value('title')).toBe('i');
  });

  it('is nobody where somebody else is known to have changed the record after them', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 });
    pair.webhook({ [title]: 'j' }, 20.1).webhook({ [title]: 'i' }, 12.4);
    expect(pair.value('title')).toBe('j');
    expect(pair.journal('rejected')).toEqual([]);
  });

  it('is nobody where the record was last changed before our call was sent: the value stood there already', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    const sentAt = (second + 13) * 1000 - 200;
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 11 }, { platformTime: (second + 13) * 1000, sentAt });
    pair.webhook({ [title]: 'i' }, 10.6).webhook({ [title]: 's' }, 11.1);
    expect(pair.value('title')).toBe('s');
    expect(pair.open()).toEqual([]);
  });

  it('is not made out of what was there before, nor of what is older than what counts', () => {
    const pair = new Pair().event({ Title: 's' }, 10);
    pair.answer(pair.only(), { fields: { [title]: 's' }, at: 13 });
    pair.webhook({ [title]: 'a' }, 12.4).webhook({ [title]: 'older' }, 9.4);
    expect(pair.value('title')).toBe('s');
    expect(pair.open()).toEqual([]);
  });
});

describe('a value that is almost too long to be kept', () => {
  const after = (pair: Pair): void => {
    pair.event({ Phone: 'q' }, 50);
    const [command] = pair.open();
    expect(command?.fields).toMatchObject({ 'custom_attributes.phone': 'q' });
    expect(pair.runner.poisons).toEqual([]);
    expect(pair.journal('held')).toEqual([]);
  };

  it('and that the platform has cut does not stop what else is written to its record', () => {
    const pair = new Pair();
    const long = 'x'.repeat(23_000);
    pair.event({ Title: long }, 10);
    pair.answer(pair.only(), { fields: { [title]: long.slice(0, 22_500) }, at: 11 });
    expect(pair.journal('settled')).toHaveLength(1);
    expect(pair.open()).toEqual([]);
    after(pair);
    expect(pair.open()).toHaveLength(1);
  });

  it('is left out of what is asked, is named as refused, and the rest is written', () => {
    const pair = new Pair();
    pair.event({ Title: 'x'.repeat(33_000), Tier__c: 'gold' }, 10);
    expect(pair.only().fields).toEqual({ 'custom_attributes.tier': 'gold' });
    expect(pair.journal('refused')).toEqual([`${title}: RECORD_TOO_LARGE: the value is too long to be written`]);
    pair.answer(pair.only(), { fields: pair.only().fields, at: 11 });
    after(pair);
    pair.answer(pair.only(), { fields: pair.only().fields, at: 51 }).event({ Title: 'short' }, 60);
    expect(pair.only().fields).toEqual({ [title]: 'short' });
  });
});

describe('a field that was never seen on its record', () => {
  const city = 'custom_attributes.city';
  /** The field is mapped, and Intercom's record was told of without it. */
  const unseen = (): Pair => new Pair({}, {}, [city]);

  it('is looked at before it is written: what somebody has entered there meanwhile is newer', () => {
    const pair = unseen();
    pair.event({ City__c: 'Oslo' }, 10);
    expect(pair.only()).toMatchObject({ verb: 'read', ref: intercom, fields: {} });
    pair.answer(pair.only(), { fields: { [city]: 'Rome' }, at: 20 });
    expect(pair.open().map((command) => command.verb)).not.toContain('read');
    expect(pair.runner.ref(intercom)?.seen[city]?.value).toBe('Rome');
  });

  it('is written after one look where the platform does not tell it', () => {
    const pair = unseen();
    pair.event({ City__c: 'Oslo' }, 10);
    pair.answer(pair.only(), { fields: {}, at: 11 });
    expect(pair.only()).toMatchObject({ verb: 'update', fields: { [city]: 'Oslo' } });
  });

  it('is written after one look that was refused', () => {
    const pair = unseen();
    pair.event({ City__c: 'Oslo' }, 10);
    pair.result(pair.only(), { outcome: 'refused', platformTime: (second + 11) * 1000 });
    expect(pair.only()).toMatchObject({ verb: 'update', fields: { [city]: 'Oslo' } });
  });
});
