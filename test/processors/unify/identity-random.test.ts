/** Whatever happens to records and people, the state is consistent: what it keeps twice is the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RefState } from '../../../schemas/types.ts';
import { histories, Play } from './people-play.ts';

/** Records that moved, over all histories. */
let moved = 0;
const runs = Number(process.env['HISTORIES'] ?? 100);

describe('records and people at random', { timeout: 120_000 }, () => {
  it('stay consistent after every step, and come to rest', () => {
    fc.assert(
      fc.property(histories(40), (steps) => {
        const play = new Play();
        for (const one of steps) {
          play.step(one);
          expect(play.inconsistencies()).toEqual([]);
        }
        play.settle();
        expect(play.inconsistencies()).toEqual([]);
      }),
      { numRuns: runs },
    );
  });

  it('take their whole ledger along when they move to another customer', () => {
    fc.assert(
      fc.property(histories(40), (steps) => {
        const play = new Play();
        const { runner } = play.people;
        const wrong: string[] = [];
        let moves = 0;
        runner.onDecided = (part, _, before) => {
          const about = part.observation?.ref ?? part.result?.ref ?? '';
          for (const [key, value] of before) {
            const [was, is] = [value as RefState, runner.committed.get(key) as RefState | undefined];
            if (!key.startsWith('ref:') || was.ref === about || was.id === '' || was.id === is?.id) continue;
            moves += 1;
            const kept = ({ seen, landed, newest, waiting }: RefState) =>
              JSON.stringify([seen, landed, newest, waiting]);
            if (is === undefined || kept(was) !== kept(is)) wrong.push(`${was.ref} lost something on its way`);
            if (was.open !== null && was.open.id !== is?.open?.id) wrong.push(`${was.ref} lost its open ask`);
          }
        };
        for (const one of steps) play.step(one);
        expect(wrong).toEqual([]);
        moved += moves;
      }),
      { numRuns: Math.ceil(runs / 3) },
    );
    expect(moved).toBeGreaterThan(0);
  });

  it('are decided to the same bytes when every key has to be fetched', () => {
    fc.assert(
      fc.property(histories(30), (steps) => {
        const [warm, cold] = [new Play(), new Play(true)];
        for (const play of [warm, cold]) for (const one of steps) play.step(one);
        expect(JSON.stringify(cold.people.runner.outputs)).toBe(JSON.stringify(warm.people.runner.outputs));
      }),
      { numRuns: Math.ceil(runs / 10) },
    );
  });
});
