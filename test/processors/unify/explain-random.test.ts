/** Why a field has its value, after any history: the change that set it is named, in few lines, and nothing is written. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { whyText } from '../../../cli/why.ts';
import { type Why, why } from '../../../processors/unify/why.ts';
import type { AccountEvent, CustomerEvent, EntityState, Value } from '../../../schemas/types.ts';
import { histories, Play } from './people-play.ts';
import { twoWayWithLeads } from './people-world.ts';

const rules = twoWayWithLeads();

/** Every change that was told: of which field, by whom, why, and the offset of `changes` that it came from. */
const nameOf = (field: string, source: string, reason: string, from: string, value: Value): string =>
  JSON.stringify([field, source, reason, from, field === 'account' ? '' : value]);

/** Of anybody: who is one person now was two then. An account that was merged has another id, and is the same. */
function told(play: Play): ReadonlySet<string> {
  const changes = new Set<string>();
  for (const { topic, value } of play.people.runner.outputs) {
    if (topic !== 'customer.events' && topic !== 'account.events') continue;
    const { changed, sources } = value as CustomerEvent | AccountEvent;
    for (const { field, source, reason, new: now } of changed)
      changes.add(nameOf(field, source, reason, sources[0] ?? '', now));
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
        // Who is gone and taken apart is told of when they are back, without what they had.
        for (const one of steps) if (one.do !== 'unlink') play.step(one);
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
            const isSet = changes.has(nameOf(field, set.source, set.reason, `changes/${set.offset}`, counts));
            // What was empty at first sight is told by no event, nor is who was gone when an operator parted them.
            const isUntold = counts === null || found.entity.version === 0;
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
