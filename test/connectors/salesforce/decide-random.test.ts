/** The connector's state under any headers of raw, against a plain account of what is owed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  afterRecord,
  afterSnapshotOf,
  type ConnectorState,
  claimOf,
  type Debt,
  header,
  nextSnapshot,
  type RawHeaders,
  type RowNote,
  unborn,
} from '../../../connectors/salesforce/decide-state.ts';

const objects = ['Contact', 'Account'] as const;
const object = fc.constantFrom(...objects);
const id = fc.nat(4).map((n) => `003Dp00000A1b2${n}IAR`);
const entry = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      is: fc.constant('event' as const),
      object,
      ids: fc.uniqueArray(id, { maxLength: 3 }),
      commit: fc.nat(60),
      gone: fc.boolean(),
      hole: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('row' as const), object, id, debt: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('place' as const), object, id }) },
);
type Entry = typeof entry extends fc.Arbitrary<infer T> ? T : never;
const entries = fc.array(entry, { maxLength: 25, size: 'max' });

function headersOf(one: Entry, n: number): { readonly key: string; readonly headers: RawHeaders } {
  const json = (value: object): string => JSON.stringify(value);
  if (one.is === 'row') {
    const note: RowNote = { reason: 'recheck', object: one.object, debt: one.debt };
    return { key: one.id, headers: { [header.row]: json(note) } };
  }
  if (one.is === 'place') {
    const note: RowNote = { reason: 'snapshot', object: one.object };
    return { key: one.id, headers: { [header.row]: json(note) } };
  }
  const commit = one.commit * 1_000;
  const hole = {
    detail: `hole ${n}`,
    objects: [one.object],
    since: 0,
    until: commit,
    lost: false,
    told: true,
    place: null,
  };
  const debt: Debt = { object: one.object, ids: one.ids, commit, gone: one.gone, hole: one.hole ? hole : null };
  const owes = one.ids.length > 0 || one.hole;
  return { key: 'event', headers: { [header.replayId]: Buffer.from([n]), ...(owes && { [header.debt]: json(debt) }) } };
}

const fold = (
  state: ConnectorState,
  all: readonly { readonly key: string; readonly headers: RawHeaders }[],
): ConnectorState => all.reduce((at, { key, headers }) => afterRecord(at, key, headers), state);

describe('the state of the connector', () => {
  it('is the same to whoever takes over, wherever the last mark stands', () => {
    fc.assert(
      fc.property(entries, fc.nat(25), (all, cut) => {
        const records = all.map(headersOf);
        const before = fold(unborn, records.slice(0, cut));
        const marked = { key: 'mark', headers: { [header.state]: JSON.stringify(before) } };
        expect(fold(unborn, [...records.slice(0, cut), marked, ...records.slice(cut)])).toEqual(fold(unborn, records));
        expect(fold(unborn, [marked, ...records.slice(cut)])).toEqual(fold(unborn, records));
      }),
      { numRuns: 150 },
    );
  });

  it('owes each record once, since the first event that asks for it, until a row read for the last of them is in raw', () => {
    fc.assert(
      fc.property(entries, (all) => {
        const owed = new Map<string, { debt: number; since: number; until: number; gone: boolean }>();
        let debts = 0;
        for (const one of all) {
          if (one.is === 'row') {
            const name = `${one.object} ${one.id}`;
            if ((owed.get(name)?.debt ?? Infinity) <= one.debt) owed.delete(name);
          }
          if (one.is !== 'event' || (one.ids.length === 0 && !one.hole)) continue;
          debts += 1;
          const commit = one.commit * 1_000;
          for (const each of one.ids) {
            const old = owed.get(`${one.object} ${each}`);
            owed.set(`${one.object} ${each}`, {
              debt: debts,
              since: Math.min(old?.since ?? commit, commit),
              until: Math.max(old?.until ?? commit, commit),
              gone: (old?.gone ?? true) && one.gone,
            });
          }
        }
        const { rechecks, debts: counted } = fold(unborn, all.map(headersOf));
        expect(counted).toBe(debts);
        expect(new Map(rechecks.map(({ object: of, id: name, ...more }) => [`${of} ${name}`, more]))).toEqual(owed);
        expect(rechecks.length).toBe(owed.size);
      }),
      { numRuns: 250 },
    );
  });

  it('claims nothing from the first event on whose record is still to be read, nor while rows are missing, and takes none back', () => {
    fc.assert(
      fc.property(entries, fc.nat(80), fc.nat(40), (all, proven, claim) => {
        const read = objects.reduce((state, one) => afterSnapshotOf(state, one), { ...unborn, claim: claim * 1_000 });
        const state = fold(read, all.filter(({ is }) => is !== 'place').map(headersOf));
        const now = claimOf(state, objects, proven * 1_000);
        const first = Math.min(...state.rechecks.map(({ since }) => since));
        expect(now).toBeGreaterThanOrEqual(state.claim);
        expect(now === state.claim || (now <= proven * 1_000 && now < first && state.holes.length === 0)).toBe(true);
        expect(claimOf({ ...state, snapshot: unborn.snapshot }, objects, proven * 1_000)).toBe(state.claim);
      }),
      { numRuns: 200 },
    );
  });

  it('reads every object of a snapshot once, and goes on after the last row that is in raw', () => {
    fc.assert(
      fc.property(fc.array(id, { maxLength: 4 }), (rows) => {
        let state = unborn;
        const read: string[] = [];
        for (let one = nextSnapshot(state, objects); one !== undefined; one = nextSnapshot(state, objects)) {
          expect(one.after).toBe('');
          read.push(one.object);
          for (const row of rows) {
            state = fold(state, [
              headersOf({ is: 'place', object: one.object as (typeof objects)[number], id: row }, 0),
            ]);
            expect(nextSnapshot(state, objects)).toEqual({ object: one.object, after: row });
          }
          state = afterSnapshotOf(state, one.object);
        }
        expect(read).toEqual([...objects]);
      }),
      { numRuns: 50 },
    );
  });
});
