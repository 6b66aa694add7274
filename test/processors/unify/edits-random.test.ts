/** Who wins, for any sequence of claims, against a plain reference: the rules of the README, one after another. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../core/config.ts';
import { type Edit, edit } from '../../../processors/unify/edits.ts';
import { found, newRef } from '../../../processors/unify/identity.ts';
import { draftOf } from '../../../processors/unify/ledger.ts';
import type { RulesConfig } from '../../../processors/unify/rules.ts';
import type { FieldChange, JournalEntry, Position, Value } from '../../../schemas/types.ts';
import { plainWorld } from '../../support/plain-world.ts';

type FieldRule = RulesConfig['entities']['customer']['fields'][number];

/** One field of each rule, of two written platforms. */
function configOf(): RulesConfig {
  const base = loadConfig({ env: {} });
  const field = (canonical: string, more: Partial<FieldRule> = {}): FieldRule => ({
    canonical,
    type: 'text',
    salesforce: `${canonical}__c`,
    intercom: `custom_attributes.${canonical}`,
    fillIfEmpty: false,
    ...more,
  });
  const both = { salesforce: { create: true }, intercom: { create: true } };
  return {
    ...base,
    flows: { ...base.flows, 'contact-sync': { ...base.flows['contact-sync'], ...both } },
    entities: {
      ...base.entities,
      customer: {
        ...base.entities.customer,
        fields: [
          field('free'),
          field('owned', { owner: 'salesforce' }),
          field('filled', { fillIfEmpty: true }),
          field('optOut', { type: 'optOut', owner: 'salesforce' }),
          field('strict', { type: 'optOut' }),
        ],
      },
    },
    freeze: { alternations: 1_000, withinMs: 1 },
  };
}
const config = configOf();
const fields = ['free', 'owned', 'filled', 'optOut', 'strict'] as const;
type Field = (typeof fields)[number];
const owners: Partial<Record<Field, string>> = { owned: 'salesforce', optOut: 'salesforce' };

const refs = ['intercom:contact:a', 'intercom:contact:b', 'salesforce:Contact:003A'] as const;
const platformOf = (ref: string): string => ref.slice(0, ref.indexOf(':'));

interface Claim {
  readonly who: number;
  readonly value: number;
  /** Seconds after the claim before. */
  readonly later: number;
  /** Seconds by which the platforms' clocks, or what they tell, are apart. */
  readonly back: number;
  readonly kind: Edit['kind'];
  readonly conflict: boolean;
}
const claims: fc.Arbitrary<readonly Claim[]> = fc.array(
  fc.record({
    who: fc.nat(refs.length - 1),
    value: fc.nat(4),
    later: fc.nat(2),
    back: fc.nat(3),
    kind: fc.constantFrom('change' as const, 'change' as const, 'change' as const, 'evidence' as const),
    conflict: fc.boolean(),
  }),
  { maxLength: 14 },
);
const valuesOf = (field: Field): readonly Value[] =>
  field === 'optOut' || field === 'strict' ? [true, true, false, false, null] : ['x', 'y', 'z', null, null];

interface Counting {
  readonly value: Value;
  readonly time: number;
  readonly ref: string;
  /** Place among the values of its own record. */
  readonly place: number;
  /** Nothing counted before it. */
  readonly first: boolean;
}

/** The rules in their order; the first that says anything decides. */
function wins(field: Field, current: Counting | undefined, one: Counting, kind: Edit['kind'], aware: boolean): boolean {
  if (current === undefined) return true;
  const own = current.ref === one.ref;
  const owner = owners[field];
  if (field === 'optOut' || field === 'strict') {
    if (one.value === true) return true;
    if (current.value === true) {
      const later = own ? one.place > current.place : one.time > current.time;
      return owner === platformOf(one.ref) && kind === 'change' && later;
    }
  }
  const newer = one.time > current.time || (one.time === current.time && one.ref > current.ref);
  const mine = owner === undefined || owner === platformOf(one.ref);
  const theirs = owner === undefined || owner === platformOf(current.ref);
  if (kind === 'sight') {
    if (one.value === null) return false;
    if (current.value === null && (current.first || field === 'filled')) return true;
    if (owner !== undefined && mine !== theirs) return mine;
    return field !== 'filled' && (newer || (one.time === current.time && own));
  }
  if (!mine) return false;
  if (own) return kind === 'change' || one.place > current.place;
  if (!theirs) return true;
  if (current.first && current.value === null) return true;
  if (field === 'filled' && current.value !== null) return false;
  return (kind === 'change' && aware && field !== 'filled') || newer;
}

/** Plays claims about one field into a customer of three living records; what a record says first is a sight. */
function play(field: Field, all: readonly Claim[]) {
  const { world } = plainWorld(config);
  for (const ref of refs) world.putRef(newRef(ref, 'customer', 'c'));
  let entity = { ...found(world, 'customer', refs[0]), refs };
  const changed: FieldChange[] = [];
  const places = new Map<string, number>();
  let expected: Counting | undefined;
  const said: Value[] = [];
  const lost: Counting[] = [];
  let now = 100;
  for (const { who, value, later, back, kind: told, conflict } of all) {
    now += later;
    const ref = refs[who] ?? refs[0];
    const last = places.get(ref);
    const kind = last === undefined ? 'sight' : told;
    const next = Math.max(now - back, last === undefined ? 0 : last + 1);
    // Evidence is what our own writing overtook: not the newest of its record.
    const place = kind === 'evidence' && last !== undefined ? Math.min(last, next) - back : next;
    if (kind !== 'evidence') places.set(ref, place);
    const time = place * 1000;
    const at: Position = { time, seq: ref.startsWith('salesforce') ? place : -1, second: ref.startsWith('salesforce') };
    const one: Counting = { value: valuesOf(field)[value] ?? null, time, ref, place, first: expected === undefined };
    const draft = draftOf(world, entity, { ...newRef(ref, 'customer', 'c'), newest: at });
    edit(world, draft, field, {
      kind,
      value: one.value,
      time,
      at,
      by: '',
      conflict,
      replaces: conflict ? null : world.record.offset,
    });
    entity = { ...draft.entity, refs };
    changed.push(...draft.changed);
    said.push(one.value);
    if (expected?.value === one.value) continue;
    const won = wins(field, expected, one, kind, !conflict);
    if (!won && kind === 'change') lost.push(one);
    if (won) {
      const isOwn = expected?.ref === ref;
      const isAnswer = kind === 'change' && !conflict;
      expected = {
        ...one,
        time: Math.max(time, isOwn || isAnswer ? (expected?.time ?? 0) : 0),
        place: Math.max(place, isOwn ? (expected?.place ?? 0) : place),
      };
    }
  }
  const journal = world.outputs.map(({ value }) => value as JournalEntry);
  return { kept: entity.fields[field], expected, said, lost, changed, journal };
}

describe.each(fields)('any sequence of claims on a field: %s', (field) => {
  it('ends with the winner of the plain rules', () => {
    fc.assert(
      fc.property(claims, (all) => {
        const { kept, expected } = play(field, all);
        expect([kept?.value ?? null, kept?.source]).toEqual([expected?.value ?? null, expected?.ref]);
      }),
      { numRuns: 300 },
    );
  });

  it('is told step by step: each value that counted and the one before it, and every change that lost', () => {
    fc.assert(
      fc.property(claims, (all) => {
        const { kept, changed, lost, journal } = play(field, all);
        const versions = changed.map(({ version }) => version);
        expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
        expect(changed.at(-1)?.new ?? null).toEqual(kept?.value ?? null);
        changed.forEach(({ old }, index) => expect(old).toEqual(changed[index - 1]?.new ?? null));
        const rejected = journal.filter(({ kind }) => kind === 'rejected');
        for (const { ref, value } of lost)
          expect(rejected.some(({ source, other }) => source === ref && other === value)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe('consent', () => {
  it('once given up comes back only by a change on the platform that owns it', () => {
    fc.assert(
      fc.property(claims, fc.constantFrom('optOut' as const, 'strict' as const), (all, field) => {
        const { changed } = play(field, all);
        const loosened = changed.filter(({ old, new: now }) => old === true && now !== true);
        for (const { source } of loosened) expect(platformOf(source)).toBe(owners[field]);
      }),
      { numRuns: 300 },
    );
  });

  it('nobody owns is as strict in the end as the strictest who ever spoke', () => {
    fc.assert(
      fc.property(claims, (all) => {
        const { kept, said } = play('strict', all);
        expect(kept?.value === true).toBe(said.includes(true));
      }),
      { numRuns: 200 },
    );
  });
});

describe('a field that is only filled', () => {
  it('keeps its value against every other record, and empties only by the one that set it', () => {
    fc.assert(
      fc.property(claims, (all) => {
        const { changed } = play('filled', all);
        const replaced = changed.filter(
          ({ old, source }, index) => old !== null && source !== changed[index - 1]?.source,
        );
        expect(replaced).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

describe('edits in seconds of their own', () => {
  it('end with the newest, however the records take turns', () => {
    const ordered = fc.uniqueArray(fc.record({ time: fc.nat(1_000), who: fc.nat(2) }), {
      minLength: 1,
      maxLength: 10,
      selector: ({ time }) => time,
    });
    fc.assert(
      fc.property(ordered, fc.infiniteStream(fc.nat(2)), (times, turns) => {
        const { world } = plainWorld(config);
        for (const ref of refs) world.putRef(newRef(ref, 'customer', 'c'));
        let entity = { ...found(world, 'customer', refs[0]), refs };
        // Each record in its own order, the records in any.
        const queues = refs.map((_, who) => times.filter((one) => one.who === who).sort((a, b) => a.time - b.time));
        for (let left = times.length; left > 0; ) {
          const who = turns.next().value ?? 0;
          const one = queues[who]?.shift();
          const ref = refs[who];
          if (one === undefined || ref === undefined) continue;
          left -= 1;
          const at = { time: one.time * 1000, seq: -1, second: true };
          const draft = draftOf(world, entity, newRef(ref, 'customer', 'c'));
          edit(world, draft, 'free', {
            kind: 'change',
            value: one.time,
            time: at.time,
            at,
            by: '',
            conflict: true,
            replaces: null,
          });
          entity = { ...draft.entity, refs };
        }
        expect(entity.fields['free']?.value).toBe(Math.max(...times.map(({ time }) => time)));
      }),
      { numRuns: 200 },
    );
  });
});
