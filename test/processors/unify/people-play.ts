/**
 * Three people over eight records, with emails from a pool of three, in any order: seen, edited, deleted, brought back,
 * merged, converted, pinned, taken apart, named by a copied id; calls answered late, twice, in doubt; sources that are
 * silent or have a hole.
 */
import fc from 'fast-check';
import type { Change, EntityState, RefState } from '../../../schemas/types.ts';
import { createdEvent, deletedEvent, epoch, event, mark, row } from '../../support/changes.ts';
import { change } from '../../support/fold-runner.ts';
import { account, action, contact, lead, moved, People, person, twoWayWithLeads, webhook } from './people-world.ts';

export const refs = [
  contact('A'),
  contact('B'),
  contact('C'),
  lead('A'),
  lead('B'),
  person('i1'),
  person('i2'),
  person('i3'),
] as const;
const emails = ['a@x.example', 'b@x.example', 'c@x.example', null] as const;
const accounts = ['001A', '001B', null] as const;
const titles = ['CTO', 'CEO', null] as const;
const isIntercom = (ref: string): boolean => ref.startsWith('intercom:');

const ref = fc.nat(refs.length - 1);
export const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('seen' as const),
      ref,
      email: fc.nat(emails.length - 1),
      account: fc.nat(accounts.length - 1),
      title: fc.nat(2),
      whole: fc.boolean(),
      late: fc.nat(3),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deleted' as const), ref, late: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('undeleted' as const), ref, email: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('moved' as const), ref, into: ref, late: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('mergeAccounts' as const), back: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('marked' as const), ref, as: ref }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pin' as const), ref, to: ref }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unlink' as const), ref }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('again' as const), which: fc.nat(40) }) },
  { weight: 4, arbitrary: fc.constant({ do: 'time' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mark' as const), intercom: fc.boolean(), by: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hole' as const), intercom: fc.boolean(), open: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      how: fc.constantFrom('applied', 'applied', 'applied', 'refused', 'expired', 'doubt', 'gone'),
      into: ref,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), partition: fc.nat(3) }) },
);
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Histories of up to so many steps; fast-check's own size would make most of them shorter than ten. */
export const histories = (maxLength: number): fc.Arbitrary<readonly Step[]> =>
  fc.array(step, { maxLength, size: 'max' });

export class Play {
  readonly people: People;
  readonly said: Change[] = [];
  #at = 10;
  #seq = 10;
  #epochs = 0;

  constructor(forgetful = false) {
    this.people = new People(twoWayWithLeads(), 50, forgetful);
    for (const id of ['A', 'B']) this.#say(createdEvent(account(id), { Name: `account ${id}` }, 1, id === 'A' ? 1 : 2));
  }

  #say(one: Change): void {
    this.said.push(one);
    this.people.say(one);
  }

  step(one: Step): void {
    this.#at += 2;
    this.#seq += 1;
    const at = this.#at;
    const name = (index: number): string => refs[index] ?? refs[0];
    switch (one.do) {
      case 'seen': {
        const email = emails[one.email] ?? null;
        const of = name(one.ref);
        const when = Math.max(2, at - 4 * one.late);
        if (isIntercom(of)) {
          const role = of === person('i3') ? 'lead' : 'user';
          const there = { 'custom_attributes.job_title': titles[one.title] ?? null };
          return this.#say(webhook(of, { email, name: `Name of ${of.slice(-2)}`, role, ...there }, when));
        }
        const fields = { Email: email, LastName: `Name of ${of.slice(-2)}`, Title: titles[one.title] ?? null };
        const all = of.includes(':Lead:') ? fields : { ...fields, AccountId: accounts[one.account] ?? null };
        return this.#say(one.whole ? row(of, all, when) : event(of, all, when, this.#seq));
      }
      case 'deleted':
        return this.#say(deletedEvent(name(one.ref), Math.max(2, at - 4 * one.late), this.#seq));
      case 'undeleted': {
        const fields = isIntercom(name(one.ref))
          ? { email: emails[one.email] ?? null, name: 'Back', role: 'user' }
          : { Email: emails[one.email] ?? null, LastName: 'Back' };
        return this.#say(event(name(one.ref), fields, at, this.#seq, { op: 'undeleted', whole: true }));
      }
      case 'moved': {
        const [from, into] = [name(one.ref), name(one.into)];
        // Salesforce merges contacts and leads among themselves and converts leads; Intercom merges its own.
        if (
          from === into ||
          isIntercom(from) !== isIntercom(into) ||
          into.includes(':Lead:') !== (into.includes(':Lead:') && from.includes(':Lead:'))
        )
          return;
        return this.#say(moved(from, into, Math.max(2, at - 4 * one.late)));
      }
      case 'mergeAccounts':
        return this.#say(moved(account(one.back ? 'A' : 'B'), account(one.back ? 'B' : 'A'), at));
      case 'marked': {
        const id = this.people.idOf(name(one.as));
        const of = name(one.ref);
        const field = isIntercom(of) ? 'custom_attributes.tributary_id' : 'Tributary_Id__c';
        return this.#say(event(of, { [field]: id }, at, isIntercom(of) ? -1 : this.#seq));
      }
      case 'pin':
        return this.#say(action('pin', name(one.ref), name(one.to), `${this.#seq}`));
      case 'unlink':
        return this.#say(action('unlink', name(one.ref), '', `${this.#seq}`));
      case 'again': {
        const again = this.said[one.which];
        if (again !== undefined) this.people.say(again);
        return;
      }
      case 'time':
        this.people.marks(at);
        this.people.runner.tick();
        return;
      case 'mark':
        this.people.say(mark(at - one.by, one.intercom ? 'intercom' : 'salesforce'));
        return;
      case 'hole':
        this.#hole(one.intercom ? 'intercom' : 'salesforce', one.open);
        return;
      case 'answer':
        return this.answer(one.how, name(one.into));
      case 'restart': {
        const id = `later${this.#epochs++}`;
        this.people.say(epoch(one.partition, id, 0, 50), epoch(one.partition, id, 0, 50, 50, 'salesforce'));
      }
    }
  }

  #hole(platform: 'salesforce' | 'intercom', isOpen: boolean): void {
    const kind = isOpen ? 'holeOpen' : 'holeClosed';
    this.people.say(change({ kind: 'mark', mark: { platform, kind, upTo: 0, detail: 'lost' } }));
  }

  answer(how: string, into: string): void {
    const [command] = this.people.waiting();
    if (command === undefined) return;
    const refused = [{ field: '', code: 'PLATFORM_REFUSED', message: 'no:\nnot this one' }];
    const platformTime = this.people.intercom.now * 1000;
    const ran = (): ReturnType<People['run']> => this.people.run(command);
    if (how === 'applied') this.people.answer(command, ran());
    else if (how === 'refused') this.people.answer(command, { outcome: 'refused', refusals: refused, platformTime });
    else if (how === 'expired') this.people.answer(command, { outcome: 'expired' });
    else if (how === 'doubt') {
      ran();
      this.people.answer(command, { outcome: 'expired', doubt: true });
    } else if (command.verb === 'create') this.people.answer(command, ran());
    else {
      const fits = into !== command.ref && isIntercom(into) === isIntercom(command.ref) && !into.includes(':Lead:');
      this.people.answer(command, { outcome: 'gone', into: fits ? into : null, platformTime });
    }
  }

  /** Everything that is kept twice, compared. */
  inconsistencies(): readonly string[] {
    const wrong: string[] = [];
    const states = [...this.people.runner.committed];
    const of = <T>(prefix: string): T[] =>
      states.filter(([key]) => key.startsWith(prefix)).map(([, value]) => value as T);
    const known = of<RefState>('ref:').filter((one) => one.entity !== null);
    const entities = of<EntityState>('ent:');
    const byRef = new Map(known.map((one) => [one.ref, one]));
    const lives = (entity: EntityState): boolean =>
      entity.mergedInto === null && entity.refs.some((name) => byRef.get(name)?.deleted === false);
    for (const one of known) {
      const owners = entities.filter((entity) => entity.mergedInto === null && entity.refs.includes(one.ref));
      if (owners.length > 1) wrong.push(`${one.ref} belongs to ${owners.length}`);
      if (!one.deleted && owners.length === 0) wrong.push(`${one.ref} lives and belongs to nobody`);
      if (owners[0] !== undefined && owners[0].id !== one.id) wrong.push(`${one.ref} does not name its owner`);
      if (one.deleted && one.queued !== null && !one.reading) wrong.push(`${one.ref} is gone and queued`);
    }
    for (const entity of entities) {
      let hops = 0;
      for (let at: EntityState | undefined = entity; at?.mergedInto != null; hops++) {
        at = this.people.entity(at.mergedInto);
        if (hops > entities.length) break;
        if (at === undefined) wrong.push(`${entity.id} is merged into nobody`);
      }
      if (hops > entities.length) wrong.push(`${entity.id} goes round in circles`);
      if (entity.mergedInto !== null && entity.refs.length + entity.creates.length > 0)
        wrong.push(`${entity.id} is an alias with something of its own`);
      if (entity.mergedInto === null && entity.refs.length === 0) wrong.push(`${entity.id} has no record`);
      for (const platform of ['salesforce', 'intercom'] as const)
        if (entity.creates.filter((one) => one.platform === platform && one.ask === null).length > 1)
          wrong.push(`${entity.id} is planned twice on ${platform}`);
    }
    const expected = new Map<string, Set<string>>();
    const put = (set: string, id: string): void => {
      expected.set(set, (expected.get(set) ?? new Set()).add(id));
    };
    const living = (id: string): string => {
      let at = this.people.entity(id);
      while (at?.mergedInto != null) at = this.people.entity(at.mergedInto);
      return at?.id ?? id;
    };
    for (const entity of entities.filter(lives)) {
      if (entity.entity !== 'customer') continue;
      const email = entity.fields['email']?.value;
      if (typeof email === 'string' && email !== '') put(`email:${email}`, entity.id);
      const of = entity.fields['account']?.value;
      if (typeof of === 'string') put(`members:${living(of)}`, entity.id);
    }
    const names = new Set([
      ...expected.keys(),
      ...states.flatMap(([key]) => /^idx:set:((?:email|members):.*):\d+$/.exec(key)?.[1] ?? []),
    ]);
    for (const name of names) {
      const want = [...(expected.get(name) ?? [])].sort().join(' ');
      const have = this.people.set(name).join(' ');
      if (want !== have) wrong.push(`${name} holds [${have}], not [${want}]`);
    }
    // Has it a record that carries the id of another, or that of another's Salesforce record?
    const namesAnother = (entity: EntityState): boolean =>
      entity.refs.some((name) => {
        const ref = byRef.get(name);
        const seen = (field: string): string => String(ref?.seen[field]?.value ?? '');
        const marker = seen(isIntercom(name) ? 'custom_attributes.tributary_id' : 'Tributary_Id__c');
        const sold = byRef.get(`salesforce:Contact:${seen('custom_attributes.salesforce_id')}`)?.id ?? '';
        return ref?.deleted === false && [marker, sold].some((id) => id !== '' && living(id) !== entity.id);
      });
    for (const entity of entities.filter((one) => one.entity === 'customer' && lives(one))) {
      const lacks = ['salesforce:', 'intercom:'].some((side) => !entity.refs.some((name) => name.startsWith(side)));
      const email = entity.fields['email']?.value;
      const others =
        lacks && typeof email === 'string' ? this.people.set(`email:${email}`).filter((id) => id !== entity.id) : [];
      const met = entity.creates.some((one) => one.state === 'refused' && one.why.startsWith('ambiguous'));
      const named = lacks && namesAnother(entity);
      if (!met && !named && others.length === 0 && entity.ambiguous.length > 0)
        wrong.push(`${entity.id} is held for no reason`);
      if (others.length > 0 && entity.ambiguous.length === 0) wrong.push(`${entity.id} is ambiguous and not held`);
    }
    return wrong;
  }

  settle(): void {
    for (const platform of ['salesforce', 'intercom'] as const) this.#hole(platform, false);
    for (let round = 0; round < 60; round++) {
      this.#at += 10;
      this.people.marks(this.#at);
      this.people.runner.tick(1_000);
      const asked = this.people.waiting();
      if (asked.length === 0 && round > 3) return;
      for (const command of asked) this.people.answer(command, this.people.run(command));
    }
    throw new Error('never settles: asks follow asks');
  }
}
