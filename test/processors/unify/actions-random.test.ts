/** What an operator says, after any history: once is once, a pin is a pin, and what is released is asked as far as it differs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EntityState } from '../../../schemas/types.ts';
import { createdEvent, event } from '../../support/changes.ts';
import { histories, Play, refs } from './people-play.ts';
import { action, contact, type Fields, People, person, webhook } from './people-world.ts';

/** Histories of a plain run; HISTORIES asks for more. */
const runs = Number(process.env['HISTORIES'] ?? 40);

describe('an action', { timeout: 300_000 }, () => {
  it('that comes again does nothing at all, whatever happened since', () => {
    let repeated = 0;
    fc.assert(
      fc.property(histories(40), (steps) => {
        const play = new Play();
        for (const one of steps) play.step(one);
        const { runner } = play.people;
        for (const one of play.said.filter(({ kind }) => kind === 'action')) {
          repeated += 1;
          const before = JSON.stringify([...runner.committed]);
          expect(runner.decide(one)).toEqual([]);
          expect(JSON.stringify([...runner.committed])).toBe(before);
        }
      }),
      { numRuns: runs },
    );
    expect(repeated).toBeGreaterThan(runs / 10);
  });
});

describe('a pin', { timeout: 300_000 }, () => {
  it('holds, is undone by an unlink, and holds again, whatever happened before', () => {
    let pinned = 0;
    const index = fc.nat(refs.length - 1);
    fc.assert(
      fc.property(histories(20), index, index, (steps, one, other) => {
        const play = new Play();
        for (const step of steps) play.step(step);
        const { people } = play;
        const known = refs.filter((ref) => people.living(ref) !== undefined && people.runner.ref(ref)?.into === null);
        const ref = known[one % known.length] ?? refs[0];
        const to = known.filter((another) => another !== ref)[other % Math.max(1, known.length - 1)];
        if (to === undefined) return;
        pinned += 1;
        const together = (): boolean => people.living(ref)?.id === people.living(to)?.id;
        people.say(action('pin', ref, to));
        expect([together(), people.runner.ref(ref)?.bound]).toEqual([true, 'pin']);
        people.say(action('unlink', ref));
        expect([together(), people.runner.ref(ref)?.bound]).toEqual([false, 'apart']);
        expect(people.living(ref)?.refs).toEqual([ref]);
        people.say(action('pin', ref, to));
        expect([together(), people.runner.ref(ref)?.bound]).toEqual([true, 'pin']);
        expect(play.inconsistencies()).toEqual([]);
      }),
      { numRuns: runs },
    );
    expect(pinned).toBeGreaterThan(runs / 10);
  });
});

describe('an unfreeze', { timeout: 300_000 }, () => {
  const there: Readonly<Record<string, string>> = { Title: 'custom_attributes.job_title', Phone: 'phone' };
  const canonical: Readonly<Record<string, string>> = { Title: 'title', Phone: 'phone' };
  const edits = fc.array(
    fc.record({ field: fc.constantFrom('Title', 'Phone'), value: fc.constantFrom('a', 'b', 'c'), here: fc.boolean() }),
    { maxLength: 8, size: 'max' },
  );

  it('asks each record for what differs there by then, and for nothing else', () => {
    fc.assert(
      fc.property(edits, fc.constantFrom('', 'title', 'phone'), (all, released) => {
        const first: Fields = { Title: 'a', Phone: 'a' };
        const people = new People()
          .say(createdEvent(contact('A'), { Email: 'ada@x.example', LastName: 'Byron', ...first }, 2, 2))
          .say(webhook(person('i1'), { email: 'ada@x.example', name: 'Byron' }, 2))
          .pass(10);
        const entity = people.living(contact('A')) as EntityState;
        const frozen = Object.fromEntries(
          Object.entries(entity.fields).map(([name, one]) => [name, { ...one, frozen: true }]),
        );
        people.runner.committed.set(`ent:${entity.id}`, { ...entity, fields: frozen });
        const stores: Record<'here' | 'there', Record<string, string>> = {
          here: { Title: 'a', Phone: 'a' },
          there: { Title: 'a', Phone: 'a' },
        };
        const before = people.commands().length;
        const counts: Record<string, string> = { Title: 'a', Phone: 'a' };
        all.forEach(({ field, value, here }, n) => {
          const side = here ? stores.here : stores.there;
          if (side[field] === value) return;
          side[field] = value;
          counts[field] = value;
          const at = 20 + 4 * n;
          if (here) people.say(event(contact('A'), { [field]: value }, at, at));
          else {
            const shown = Object.entries(stores.there).map(([name, one]) => [there[name], one]);
            people.say(
              webhook(
                person('i1'),
                {
                  email: 'ada@x.example',
                  name: 'Byron',
                  'custom_attributes.salesforce_id': '003A',
                  'custom_attributes.tributary_id': entity.id,
                  ...Object.fromEntries(shown),
                },
                at,
              ),
            );
          }
        });
        expect(people.commands().length).toBe(before);
        people.say(action('unfreeze', contact('A'), released));
        const asked = people.commands().slice(before);
        const due = (
          ref: string,
          side: Record<string, string>,
          name: (field: string) => string,
        ): readonly unknown[] => {
          const differ = Object.keys(counts).filter(
            (field) => side[field] !== counts[field] && (released === '' || released === canonical[field]),
          );
          return differ.length === 0
            ? []
            : [[ref, Object.fromEntries(differ.map((field) => [name(field), counts[field]]))]];
        };
        expect(asked.toSorted((a, b) => (a.ref < b.ref ? -1 : 1)).map(({ ref, fields }) => [ref, fields])).toEqual([
          ...due(person('i1'), stores.there, (field) => there[field] ?? ''),
          ...due(contact('A'), stores.here, (field) => field),
        ]);
      }),
      { numRuns: 60 },
    );
  });
});
