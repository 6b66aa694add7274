/** Each of these was wrong once: the name is the symptom. */
import { describe, expect, it } from 'vitest';
import type { Change, Command, CustomerEvent, Result } from '../../../schemas/types.ts';
import { createdEvent, deletedEvent, event, mark, second } from '../../support/changes.ts';
import { change } from '../../support/fold-runner.ts';
import { account, ada, contact, Org } from './org.ts';
import { moved, People, person, webhook } from './people-world.ts';

describe('an ask that was answered', () => {
  function linked(): { org: Org; asked: Command | undefined } {
    const org = new Org().say(createdEvent(contact(1), ada, 2, 2)).pass(10);
    org.say(event(contact(1), { Title: 'CTO' }, 20, 20));
    return { org, asked: org.runner.commands().at(-1) };
  }

  it.each<[string, Partial<Result>]>([
    [
      'refused by a field that was not asked',
      { outcome: 'refused', refusals: [{ field: 'updated_at', code: 'PLATFORM_NONSENSE', message: '?' }] },
    ],
    ['refused without a reason', { outcome: 'refused' }],
    ['applied without a word of what there is now', { outcome: 'applied' }],
  ])('%s is not asked again for ever', (_, more) => {
    const { org, asked } = linked();
    org.answer(asked, { ...more, platformTime: (second + 21) * 1000 });
    const commands = org.runner.commands().length;
    for (let n = 0; n < 5; n++) org.say(mark(30 + n)).runner.tick();
    expect(org.runner.commands().length).toBe(commands);
    org.say(event(contact(1), { Title: 'CEO' }, 40, 40));
    expect(org.runner.commands().length).toBe(commands + 1);
  });

  it('applied at a position older than what was seen is not asked again for ever', () => {
    const { org, asked } = linked();
    const { returned } = org.intercom.run(asked as Command) as { returned: Result['returned'] };
    const stale = returned === null ? null : { ...returned, at: { time: 0, seq: -1, second: true } };
    org.answer(asked, { returned: stale, ref: asked?.ref ?? '', platformTime: (second + 21) * 1000 });
    const commands = org.runner.commands().length;
    for (let n = 0; n < 5; n++) org.say(mark(30 + n)).runner.tick();
    expect(org.runner.commands().length).toBe(commands);
  });

  it('applied but for a field that the sink did not come to is asked again for that field', () => {
    const org = new Org().say(createdEvent(contact(1), ada, 2, 2)).pass(10);
    org.say(event(contact(1), { Title: 'CTO', Level__c: 'Primary' }, 20, 20));
    const asked = org.runner.commands().at(-1);
    const title = 'custom_attributes.job_title';
    const { returned, ...rest } = org.intercom.run(asked as Command);
    if (returned == null) throw new Error('nothing was returned');
    const { [title]: _unfinished, ...fields } = returned.fields;
    org.answer(asked, { ...rest, returned: { ...returned, whole: false, fields, unknown: [title] } });
    const again = org.runner.commands().at(-1);
    expect(again?.id).not.toBe(asked?.id);
    expect(again?.fields).toEqual({ [title]: 'CTO' });
  });

  it('gone is told, and nothing is written to the record any more', () => {
    const { org, asked } = linked();
    org.answer(asked, {
      outcome: 'gone',
      refusals: [{ field: '', code: 'PLATFORM_REFUSED', message: 'merged into c77' }],
    });
    expect(org.runner.journal().at(-1)).toMatchObject({
      kind: 'moved',
      reason: expect.stringContaining('merged into c77') as string,
    });
    const commands = org.runner.commands().length;
    org.say(event(contact(1), { Title: 'CEO' }, 40, 40)).runner.tick();
    expect(org.runner.commands().length).toBe(commands);
  });
});

describe('values of any size', () => {
  it('that make one ask too large keep nobody from being created, and are told to be too long', () => {
    const org = new Org();
    for (let n = 0; n < 10; n++)
      org.say(createdEvent(contact(n), { Email: `p${n}@x.example`, LastName: `${n}` }, 2, n));
    org.say(createdEvent(contact('L'), { ...ada, Title: 'x'.repeat(23_000) }, 2, 100)).pass(10);
    expect(org.people().length).toBeGreaterThanOrEqual(10);
    const large = new Org();
    for (let n = 0; n < 10; n++)
      large.say(createdEvent(contact(n), { Email: `p${n}@x.example`, LastName: `${n}` }, 2, n));
    large.say(createdEvent(contact('L'), { ...ada, Title: 'x'.repeat(45_000) }, 2, 100)).pass(10);
    expect(large.people().length).toBe(11);
    expect(large.runner.outputs.some((output) => output.topic === 'unify.dlq')).toBe(false);
    const refused = large.runner.journal().filter((entry) => entry.kind === 'refused');
    expect(refused.map((entry) => entry.reason)).toEqual(['RECORD_TOO_LARGE: the value is too long to be written']);
  });

  it('edited again and again never fill a record with what was asked before', () => {
    const org = new Org().say(createdEvent(contact(1), ada, 2, 2)).pass(10);
    for (let n = 0; n < 12; n++)
      org.say(event(contact(1), { Title: `${n}`.repeat(2_500) }, 20 + n, 20 + n)).pass(20 + n);
    expect(org.runner.poisons).toEqual([]);
    expect(org.intercom.ran.at(-1)?.fields['custom_attributes.job_title']).toBe('11'.repeat(2_500));
  });
});

describe('a result that cannot be decided', () => {
  it('gives its place in the window back and holds its record until it is decided well again', () => {
    const org = new Org(1).say(createdEvent(contact(1), ada, 2, 2)).pass(10);
    org.say(event(contact(1), { Title: 'CTO' }, 20, 20));
    const asked = org.runner.commands().at(-1);
    const { returned, ...rest } = org.intercom.run(asked as Command);
    const fields = { ...returned?.fields, 'custom_attributes.level': 'x'.repeat(70_000) };
    if (returned == null) throw new Error('Intercom answers with what there is now');
    const at = { ...returned.at, time: returned.at.time + 1_000 };
    org.answer(asked, { ...rest, returned: { ...returned, fields, at } });
    expect(org.runner.poisons.length).toBe(1);
    const open = [0, 1, 2, 3].map(
      (p) => (org.runner.committed.get(`cur:part:intercom:${p}`) as { n: { open?: number } }).n.open ?? 0,
    );
    expect(open).toEqual([0, 0, 0, 0]);
    const commands = org.runner.commands().length;
    org.say(mark(30)).runner.tick();
    expect(org.runner.commands().length).toBe(commands);
    org.say(event(contact(1), { Title: 'CEO' }, 40, 40)).pass(41);
    expect(org.intercom.ran.at(-1)?.fields).toMatchObject({ 'custom_attributes.job_title': 'CEO' });
  });
});

describe('what comes back', () => {
  it('after a deletion belongs to its account again and is told to be there', () => {
    const org = new Org()
      .say(
        createdEvent(account, { Name: 'Orchard' }, 1, 1),
        createdEvent(contact(1), { ...ada, AccountId: '001A' }, 2, 2),
      )
      .say(deletedEvent(contact(1), 3, 3))
      .say(event(contact(1), { ...ada, AccountId: '001A' }, 4, 4, { op: 'undeleted', whole: true }))
      .pass(10);
    const events = org.runner.outputs
      .filter((output) => output.topic === 'customer.latest')
      .map((output) => output.value as CustomerEvent);
    expect(events.at(-1)?.type).not.toBe('deleted');
    expect([...org.intercom.records.values()].map((record) => record.object).sort((a, b) => (a < b ? -1 : 1))).toEqual([
      'company',
      'contact',
    ]);
  });

  it('as an account known only as deleted is linked again', () => {
    const org = new Org()
      .say(deletedEvent(account, 1, 1))
      .say(createdEvent(contact(1), { ...ada, AccountId: '001A' }, 2, 2))
      .say(event(account, { Name: 'Orchard' }, 3, 3, { op: 'undeleted', whole: true }))
      .pass(10);
    expect(org.runner.entityOf(contact(1))?.fields['account']?.value).toBe(org.runner.entityOf(account)?.id);
    expect(org.intercom.records.size).toBe(2);
  });
});

describe('marks', { timeout: 30_000 }, () => {
  it('that come again from a slow decoder do not show a hole that was closed', () => {
    const hole = (kind: 'holeOpen' | 'holeClosed', offset: number): Change =>
      change({
        kind: 'mark',
        source: { topic: 'salesforce.raw', partition: 0, offset, index: 0 },
        mark: { platform: 'salesforce', kind, upTo: 0, detail: 'Contact' },
      });
    const org = new Org().say(hole('holeOpen', 10), hole('holeClosed', 20), hole('holeOpen', 10));
    expect(org.runner.committed.get('cur:marks')).toMatchObject({ n: { 'hole:salesforce': 0 } });
  });

  it('that stand still for hours while people come do not fill the list of gates', () => {
    const org = new Org();
    for (let n = 0; n < 3000; n++)
      org.say(createdEvent(contact(n), { Email: `p${n}@x.example`, LastName: 'x' }, 2 + n, n));
    expect(org.runner.poisons).toEqual([]);
    const gates = org.runner.committed.get('cur:gates') as { n: Record<string, number> };
    expect(Object.keys(gates.n).length).toBeLessThan(200);
  });
});

describe('large accounts', { timeout: 30_000 }, () => {
  it('edited all the time reach their last person too', () => {
    const org = new Org(1000).say(createdEvent(account, { Name: 'Orchard' }, 1, 1));
    for (let n = 0; n < 600; n++) {
      org.say(createdEvent(contact(n), { Email: `p${n}@x.example`, LastName: `${n}`, AccountId: '001A' }, 2, 10 + n));
    }
    const from = org.runner.outputs.length;
    for (let n = 0; n < 60; n++) {
      org.say(event(account, { Industry: `${n}` }, 20 + n, 2000 + n));
      for (let tick = 0; tick < 4; tick++) org.runner.tick();
    }
    const told = org.runner.outputs.slice(from).filter((output) => output.topic === 'customer.events');
    expect(new Set(told.map((output) => output.key)).size).toBe(600);
  });

  it('cost few round trips when nothing of them is in the cache', () => {
    const org = new Org(1000, true);
    for (let n = 0; n < 200; n++)
      org.say(createdEvent(contact(n), { Email: `p${n}@x.example`, LastName: `${n}` }, 2, n));
    const before = org.runner.misses;
    org.say(mark(10));
    expect(org.runner.misses - before).toBeLessThan(100);
  });
});

describe('a record that was only linked', () => {
  it('is given our mark with the first write', () => {
    const org = new Org();
    org.intercom.add('contact', { email: 'ada@x.example', name: 'A' });
    org.say(createdEvent(contact(1), ada, 2, 2)).pass(10);
    const [record] = [...org.intercom.records.values()];
    expect(record?.fields['custom_attributes.tributary_id']).toBe(org.runner.entityOf(contact(1))?.id);
  });
});

/** A person on both platforms, with an ask of Intercom open and a webhook that waits for its answer. */
function heldBack(told: Record<string, string>): { people: People; there: string; ask: Command | undefined } {
  const people = new People();
  people.say(createdEvent(contact('A'), { ...ada, Phone: '1', Title: 'T' }, 2, 2)).pass(10);
  const there = people.living(contact('A'))?.refs.find((ref) => ref.startsWith('intercom:')) ?? '';
  people.say(event(contact('A'), { Phone: '2' }, 30, 30));
  const [ask] = people.waiting();
  const has = people.intercom.records.get(there.slice(there.lastIndexOf(':') + 1))?.fields;
  people.say(webhook(there, { ...has, phone: '3', ...told }, 31));
  expect(people.runner.ref(there)?.waiting).toHaveLength(1);
  return { people, there, ask };
}

describe('a record that a call finds gone', () => {
  const gone = { outcome: 'gone', platformTime: (second + 33) * 1000 } as const;

  it('and that had told of another email before leaves no claim of the old one behind, nor an event without it', () => {
    const { people, ask } = heldBack({ email: 'new@x.example' });
    people.answer(ask, gone).pass(60);
    const id = people.idOf(contact('A'));
    expect(people.values(contact('A'))['email']).toBe('new@x.example');
    expect(people.set('email:ada@x.example')).toEqual([]);
    expect(people.set('email:new@x.example')).toEqual([id]);
    expect(people.events(id).at(-1)?.customer?.email).toBe('new@x.example');
    people.say(webhook(person('u8'), { email: 'ada@x.example', name: 'Zoe' }, 70)).pass(90);
    expect(people.idOf(person('u8'))).not.toBe(id);
  });

  it('because it was merged gives what it had told before to whom it lives on as', () => {
    const { people, ask } = heldBack({ 'custom_attributes.job_title': 'CTO' });
    people.answer(ask, { ...gone, into: person('u7') });
    people.say(webhook(person('u7'), { email: 'ada@x.example', name: 'Byron' }, 34)).pass(60);
    const id = people.idOf(contact('A'));
    expect(people.idOf(person('u7'))).toBe(id);
    expect(people.values(contact('A'))['title']).toBe('CTO');
  });

  it('is not brought back by what was said before the call', () => {
    const { people, there, ask } = heldBack({});
    people.answer(ask, gone);
    people.say(webhook(there, { email: 'ada@x.example', name: 'Byron' }, 32));
    expect(people.runner.ref(there)?.deleted).toBe(true);
    people.say(webhook(there, { email: 'ada@x.example', name: 'Byron' }, 35));
    expect(people.runner.ref(there)?.deleted).toBe(false);
  });
});

describe('an edit that waits for an answer', () => {
  it('while its record is merged away is not dropped: it counts where the other record says nothing', () => {
    const { people, there, ask } = heldBack({ 'custom_attributes.job_title': 'CTO' });
    people.say(moved(there, person('u7'), 32));
    people.answer(ask, { outcome: 'gone', into: person('u7'), platformTime: (second + 33) * 1000 });
    expect(people.values(contact('A'))).toMatchObject({ title: 'CTO', phone: '3' });
    people.say(webhook(person('u7'), { email: 'ada@x.example', name: 'Byron', phone: '7' }, 34)).pass(60);
    expect(people.values(contact('A'))).toMatchObject({ title: 'CTO', phone: '7' });
    expect(people.waiting()).toEqual([]);
  });
});

describe('a value that a first sight replaces', () => {
  it('is kept beside the one that counts now, and told', () => {
    const people = new People();
    people.say(
      webhook(person('u1'), { email: 'ada@x.example', name: 'Byron', 'custom_attributes.job_title': 'CTO' }, 2),
    );
    people.say(createdEvent(contact('A'), { ...ada, Title: 'Clerk' }, 5, 5));
    const title = people.living(contact('A'))?.fields['title'];
    expect(title).toMatchObject({ value: 'Clerk', lost: { value: 'CTO', source: person('u1') } });
    expect(people.journal('set')).toMatchObject([{ field: 'title', value: 'Clerk', other: 'CTO' }]);
  });
});
