/** What is told of a field from the state alone. */
import { describe, expect, it } from 'vitest';
import { explain } from '../../../processors/unify/explain.ts';
import { compileRules } from '../../../processors/unify/rules.ts';
import { World } from '../../../processors/unify/world.ts';
import type { EntityState } from '../../../schemas/types.ts';
import { second } from '../../support/changes.ts';
import { change } from '../../support/fold-runner.ts';
import { config, intercom, ours, Pair, salesforce, title } from './ledger-pair.ts';

describe('an explanation', () => {
  const why = (pair: Pair, field: string) => {
    const { committed } = pair.runner;
    const state = { get: (key: string) => committed.get(key), put: () => undefined, savepoint: () => () => undefined };
    const record = { offset: 0, time: 0, key: '', lineage: 7, change: change({ kind: 'tick' }) };
    const world = new World(state, record, compileRules(config));
    const entity = pair.runner.entityOf(salesforce) as EntityState;
    return explain(
      world,
      entity,
      entity.refs.flatMap((ref) => pair.runner.ref(ref) ?? []),
      field,
    )[0];
  };

  it('names the value, who set it and by which rule, what lost, what carried it and what came of that', () => {
    const pair = new Pair().event({ Title: 'B' }, 10, { by: '005A' });
    const open = why(pair, 'title');
    expect(open).toMatchObject({
      field: 'title',
      value: 'B',
      set: { source: salesforce, by: '005A', time: (second + 10) * 1000, reason: 'newest' },
      previous: { value: 'a', source: salesforce },
      lost: null,
      carried: [
        { ref: intercom, seen: 'a', wanted: 'B', state: 'open', outcome: 'asked, not answered yet' },
        { ref: salesforce, seen: 'B', wanted: 'B', state: 'equal', ask: '', outcome: '' },
      ],
    });
    pair.answer(pair.only(), { fields: { [title]: 'b' }, at: 11 });
    expect(why(pair, 'title')?.carried[0]).toMatchObject({ state: 'quiet', outcome: 'settled' });
    pair.webhook({ [title]: 'late' }, 9.5);
    expect(why(pair, 'title')?.value).toBe('B');
  });

  it("tells an echo that is awaited from one that came, and a refusal in the platform's words", () => {
    const pair = new Pair().webhook({ [title]: 'b' }, 10.1);
    const command = pair.only();
    pair.done(command, 11);
    const there = (): unknown => why(pair, 'title')?.carried[1];
    expect(there()).toMatchObject({ state: 'equal', ask: command.id, outcome: 'applied; its echo is awaited' });
    pair.event({ Title: 'b' }, 11, ours);
    expect(there()).toMatchObject({ state: 'equal', ask: command.id, outcome: 'applied' });
    pair.webhook({ [title]: 'bad' }, 20.1);
    const refusals = [{ field: 'Title', code: 'PLATFORM_REFUSED', message: 'no such title' }];
    pair.result(pair.only(), { outcome: 'refused', refusals, platformTime: (second + 21) * 1000 });
    expect(there()).toMatchObject({ state: 'quiet', outcome: 'refused: PLATFORM_REFUSED: no such title' });
  });
});
