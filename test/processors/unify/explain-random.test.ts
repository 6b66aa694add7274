/** Why a field has its value, after any history: the change that set it is named, in few lines, and nothing is written. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { whyText } from '../../../cli/why.ts';
import { type Why, why } from '../../../processors/unify/why.ts';
import type { AccountEvent, CustomerEvent, EntityState, FieldChange } from '../../../schemas/types.ts';
import { histories, Play } from './people-play.ts';
import { twoWayWithLeads } from './people-world.ts';

const rules = twoWayWithLeads();

/** Every change that was told, by entity and field, with the offset of `changes` that it came from. */
function told(play: Play): ReadonlyMap<string, { readonly change: FieldChange; readonly from: string }> {
  const changes = new Map<string, { readonly change: FieldChange; readonly from: string }>();
  for (const { topic, key, value } of play.people.runner.outputs) {
    if (topic !== 'customer.events' && topic !== 'account.events') continue;
    const { changed, sources } = value as CustomerEvent | AccountEvent;
    for (const change of changed) changes.set(`${key} ${change.field}`, { change, from: sources[0] ?? '' });
  }
  return changes;
}

/** Histories of a plain run; HISTORIES asks for more. */
const runs = Number(process.env['HISTORIES'] ?? 40);

describe('why, after any history', { timeout: 300_000 }, () => {
  it('names the change that set each value, says a line of each record, and writes nothing', () => {
    let explained = 0;
    fc.assert(
      fc.property(histories(40), fc.boolean(), (steps, settled) => {
        const play = new Play();
        for (const one of steps) play.step(one);
        if (settled) play.settle();
        const { committed } = play.people.runner;
        const before = JSON.stringify([...committed]);
        const changes = told(play);
        const wrong: string[] = [];
        for (const [key, value] of committed) {
          if (!key.startsWith('ent:')) continue;
          const { id } = value as EntityState;
          const [found, ...more] = why((name) => committed.get(name), rules, id);
          if (found === undefined || more.length > 0) {
            wrong.push(`${id} is explained ${more.length + (found === undefined ? 0 : 1)} times`);
            continue;
          }
          if (found.entity.mergedInto !== null) wrong.push(`${id} is explained as an alias`);
          for (const { field, value: counts, set, carried } of found.fields) {
            explained += 1;
            const last = changes.get(`${found.entity.id} ${field}`);
            const isEmpty = counts === null;
            const isSet =
              last?.change.source === set.source &&
              last.change.reason === set.reason &&
              last.from === `changes/${set.offset}` &&
              // An account that was merged has another id, and is the same.
              (field === 'account' || JSON.stringify(last.change.new) === JSON.stringify(counts));
            // What was empty at first sight is told by no event, nor is who was gone when an operator parted them.
            const isUntold = last === undefined && (isEmpty || found.entity.version === 0);
            if (!isSet && !isUntold) wrong.push(`${field} of ${id} was not set by ${set.source}`);
            const refs = carried.map(({ ref }) => ref);
            if (new Set(refs).size !== refs.length) wrong.push(`${field} of ${id} names a record twice`);
            if (refs.some((ref) => !found.entity.refs.includes(ref)))
              wrong.push(`${field} of ${id} names another's record`);
            const lines = linesOf(found, field);
            if (lines !== 3 + carried.length) wrong.push(`${field} of ${id} has ${lines} lines`);
          }
        }
        expect(wrong).toEqual([]);
        expect(JSON.stringify([...committed])).toBe(before);
      }),
      { numRuns: runs },
    );
    expect(explained).toBeGreaterThan(runs);
  });
});

/** Lines of one field, of a text that tells of it alone. */
const linesOf = (found: Why, field: string): number => {
  const head = whyText({ ...found, fields: [] }).split('\n').length;
  return whyText({ ...found, fields: found.fields.filter((one) => one.field === field) }).split('\n').length - head;
};
