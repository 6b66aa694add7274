/** Creates under any history of people, calls and sources: who is created, when, and with which values. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, Command, CursorState, EntityState } from '../../../schemas/types.ts';
import type { Emitted, FoldRunner } from '../../support/fold-runner.ts';
import { Play } from './people-play.ts';

type Before = ReadonlyMap<string, object>;

function living(state: Before, id: string): EntityState | undefined {
  let entity = state.get(`ent:${id}`) as EntityState | undefined;
  while (entity?.mergedInto != null) entity = state.get(`ent:${entity.mergedInto}`) as EntityState | undefined;
  return entity;
}

/** Source time that every platform has told everything up to. */
function currentTo(state: Before): number {
  const { n } = (state.get('cur:marks') ?? { n: {} }) as CursorState;
  return Math.min(n['upTo:salesforce'] ?? 0, n['upTo:intercom'] ?? 0);
}

class Watch {
  readonly wrong: string[] = [];
  asked = 0;
  again = 0;
  gates = 0;
  readonly #sent = new Map<string, Command>();
  /** Values that are to be asked again as they were. */
  readonly #inDoubt = new Map<string, Command['fields']>();
  readonly #runner: FoldRunner;

  constructor(runner: FoldRunner) {
    this.#runner = runner;
    runner.onDecided = (part, emitted, before) => this.#decided(part, emitted, before);
  }

  #decided(part: Change, emitted: readonly Emitted[], before: Before): void {
    const after = this.#runner.committed;
    if (part.result?.outcome === 'expired' && part.result.doubt) this.#doubted(part.result.command, before);
    for (const { topic, value } of emitted)
      if (topic.endsWith('.commands') && (value as Command).verb === 'create') this.#command(value as Command);
    for (const [key, value] of after) if (key.startsWith('ent:')) this.#entity(value as EntityState, before);
  }

  #command(command: Command): void {
    const { id, platform, fields } = command;
    const sent = this.#sent.get(`${platform} ${id}`);
    this.#sent.set(`${platform} ${id}`, command);
    if (sent !== undefined) {
      if (JSON.stringify(sent.fields) !== JSON.stringify(fields))
        this.wrong.push(`${id} is sent again with other values`);
      return;
    }
    this.asked += 1;
    const entity = living(this.#runner.committed, command.key);
    const open = (entity?.creates ?? []).filter((one) => one.platform === platform && one.state === 'open');
    if (open.length !== 1 || open[0]?.ask?.id !== id) this.wrong.push(`${id} is one of ${open.length} open creates`);
    if (entity?.refs.some((ref) => ref.startsWith(`${platform}:`)) === true) this.wrong.push(`${id} is there already`);
    if ((entity?.ambiguous.length ?? 0) > 0) this.wrong.push(`${id} is ambiguous`);
    const item = id.slice(0, id.lastIndexOf('#'));
    const doubted = this.#inDoubt.get(`${platform} ${item}`);
    if (doubted === undefined) return;
    this.again += 1;
    this.#inDoubt.delete(`${platform} ${item}`);
    if (JSON.stringify(doubted) !== JSON.stringify(fields)) this.wrong.push(`${id} is asked again with other values`);
  }

  #entity(entity: EntityState, before: Before): void {
    const old = before.get(`ent:${entity.id}`) as EntityState | undefined;
    for (const gate of old?.creates.filter(({ state }) => state === 'gate') ?? []) {
      const now = entity.creates.find(({ platform }) => platform === gate.platform);
      // One that a merge brought in its place had a gate of its own.
      if ((now?.state !== 'queued' && now?.state !== 'open') || now.gateUntil !== gate.gateUntil) continue;
      this.gates += 1;
      if (currentTo(this.#runner.committed) < gate.gateUntil)
        this.wrong.push(`the gate of ${entity.id} opens ahead of the marks`);
    }
  }

  /**
   * A call that may have been applied is asked again as it was, unless the record is there by now, or nothing may be created:
   * then it passes its gate anew, by when its record would have been told of.
   */
  #doubted(command: string, before: Before): void {
    const id = command.slice(1, command.lastIndexOf('#'));
    const was = living(before, id)?.creates.find(({ ask, state }) => state === 'open' && ask?.id === command);
    const entity = living(this.#runner.committed, id);
    if (was === undefined || entity?.refs.some((ref) => ref.startsWith(`${was.platform}:`)) === true) return;
    const now = entity?.creates.filter(({ platform }) => platform === was.platform) ?? [];
    const kept = now.some(({ ask }) => JSON.stringify(ask?.fields) === JSON.stringify(was.ask?.fields));
    if (kept) this.#inDoubt.set(`${was.platform} +${id}`, was.ask?.fields ?? {});
    if (!kept && now.every(({ state, why }) => state !== 'none' || why === ''))
      this.wrong.push(`${command} is in doubt and forgotten`);
  }
}

/** Two people on each side with two emails: what meets, waits and is asked again. */
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('seen' as const),
        ref: fc.constantFrom(0, 1, 5, 6),
        email: fc.constantFrom(0, 1, 1, 3),
        account: fc.constant(2),
        title: fc.nat(2),
        whole: fc.boolean(),
        late: fc.constant(0),
      }),
    },
    { weight: 5, arbitrary: fc.constant({ do: 'time' as const }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('mark' as const), intercom: fc.boolean(), by: fc.nat(4) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('hole' as const), intercom: fc.boolean(), open: fc.boolean() }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('answer' as const),
        how: fc.constantFrom('doubt', 'doubt', 'expired', 'applied', 'refused'),
        into: fc.constant(0),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), partition: fc.nat(3) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('deleted' as const), ref: fc.constantFrom(0, 5), late: fc.constant(0) }),
    },
  ),
  { maxLength: 25, size: 'max' },
);

/** Histories of a plain run; HISTORIES asks for more. */
const runs = Number(process.env['HISTORIES'] ?? 120);

describe('creates at random', { timeout: 300_000 }, () => {
  it('are one at a time, of nobody who is there or ambiguous, not ahead of the marks, and the same when in doubt', () => {
    const told = { asked: 0, again: 0, gates: 0 };
    fc.assert(
      fc.property(steps, (all) => {
        const play = new Play();
        const watch = new Watch(play.people.runner);
        for (const one of all) play.step(one);
        play.settle();
        expect(watch.wrong).toEqual([]);
        told.asked += watch.asked;
        told.again += watch.again;
        told.gates += watch.gates;
      }),
      { numRuns: runs },
    );
    expect(Math.min(told.asked, told.again, told.gates)).toBeGreaterThan(0);
  });
});
