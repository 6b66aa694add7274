/** What somebody checks who buys this, on a person who is on both platforms, where no other test says it in one piece. */
import { describe, expect, it } from 'vitest';
import { ours, Pair, title } from './ledger-pair.ts';

const phone = 'custom_attributes.phone';

/** Carries out whatever is asked at that second, as both platforms tell it, until nothing is asked any more; the commands. */
function settle(pair: Pair, at: number): readonly string[] {
  const told: string[] = [];
  for (let open = pair.open(); open.length > 0; open = pair.open()) {
    if (told.length > 10) throw new Error(`never settles: ${told.join('; ')}`);
    for (const command of open) {
      told.push(`${command.platform} ${JSON.stringify(command.fields)}`);
      if (command.platform === 'salesforce') pair.done(command, at).event(command.fields, at, ours);
      else pair.answer(command, { fields: command.fields, at });
    }
  }
  return told;
}

describe('different fields that are changed on both sides within one second', () => {
  it('stand on both sides, with one write to each', () => {
    const pair = new Pair().event({ Title: 'b' }, 10).webhook({ [phone]: 'q' }, 10.4);
    expect([...settle(pair, 11)].sort()).toEqual([`intercom {"${title}":"b"}`, 'salesforce {"Phone":"q"}']);
    expect([pair.value('title'), pair.value('phone')]).toEqual(['b', 'q']);
  });
});

describe('a value that is changed and changed back before anybody carried it over', () => {
  it('ends as it was, with two writes at most while a call is under way, and none where none was', () => {
    const pair = new Pair().event({ Title: 'b' }, 10).event({ Title: 'a' }, 10);
    expect(settle(pair, 11).length).toBeLessThanOrEqual(2);
    expect(pair.value('title')).toBe('a');
    const waiting = new Pair().event({ Phone: 'q' }, 10);
    waiting.event({ Title: 'b' }, 11).event({ Title: 'a' }, 12);
    expect(settle(waiting, 13)).toEqual([`intercom {"${phone}":"q"}`]);
  });
});

describe('a flow that our write sets off', () => {
  it('has what it changes besides carried over, and the field that we wrote is no edit', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).event({ Title: 'b', Phone: 'by the flow' }, 11, ours);
    expect(settle(pair, 12)).toEqual([`intercom {"${phone}":"by the flow"}`]);
    expect(pair.value('title')).toBe('b');
  });
});

describe('a record that is told again with nothing changed', () => {
  it('leads to no write and no event: it was saved, or somebody was seen', () => {
    const pair = new Pair();
    const before = pair.runner.outputs.length;
    pair
      .event({}, 20)
      .webhook({ [title]: 'a', [phone]: 'p' }, 20.2)
      .webhook({ [title]: 'a', [phone]: 'p' }, 30.2);
    expect(pair.runner.outputs.slice(before).filter(({ topic }) => topic !== 'unify.state')).toEqual([]);
  });
});

describe('an echo', () => {
  it.each([
    ['an hour late', 3_600, 1],
    ['twice', 12, 2],
    ['an hour late, and twice', 3_600, 2],
  ])('that comes %s leads to nothing', (_, at, times) => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11);
    for (let n = 0; n < times; n++) pair.event({ Title: 'b' }, at, ours);
    expect(settle(pair, at + 1)).toEqual([]);
    expect(pair.value('title')).toBe('b');
  });

  it('of Salesforce without its origin is somebody’s edit to the same value, which asks for nothing either', () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    pair.done(pair.only(), 11).event({ Title: 'b' }, 11);
    expect(settle(pair, 12)).toEqual([]);
    expect(pair.value('title')).toBe('b');
  });
});
