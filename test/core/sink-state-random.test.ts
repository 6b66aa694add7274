/**
 * A sink's decisions under any order of commands, turns, interruptions, lost partitions and time: what is carried out, by
 * which epoch, and that whatever is taken in is answered once.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BudgetLevel } from '../../core/budget.ts';
import { subjectOf } from '../../core/command-queue.ts';
import { type Answer, expired, type Reported, SinkState, type Turn } from '../../core/sink-state.ts';
import type { Command, Epoch } from '../../schemas/types.ts';

const level: BudgetLevel = { perWindow: 1_000, windowMs: 10_000, pausedMs: 0, left: 100, away: false };
const logAhead = 1_790_000_000_000;
const concurrency = 3;
const partitions = 2;
const answers: Readonly<Record<string, Answer>> = {
  applied: { ...expired, outcome: 'applied', platformTime: 1_000, calls: 1 },
  refused: {
    ...expired,
    outcome: 'refused',
    calls: 1,
    refusals: [{ field: '', code: 'PLATFORM_REFUSED', message: 'no' }],
  },
  doubt: { ...expired, calls: 2, doubt: true },
};

const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('offer' as const),
      partition: fc.nat(partitions - 1),
      subject: fc.nat(2),
      lane: fc.constantFrom('urgent' as const, 'live' as const, 'bulk' as const),
      /** 0: of the epoch now; else of one before. */
      epoch: fc.constantFrom(0, 0, 0, 1),
      life: fc.integer({ min: 1, max: 10 }).map((n) => n * 2_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), which: fc.nat(20) }) },
  { weight: 6, arbitrary: fc.constant({ do: 'next' as const }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(concurrency - 1),
      how: fc.constantFrom('applied', 'refused', 'doubt', 'interrupted', 'interrupted'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('time' as const), by: fc.nat(3).map((n) => n * 2_000) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'rebalance' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'trouble' as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Offered {
  readonly command: Command;
  readonly partition: number;
}

class Play {
  readonly wrong: string[] = [];
  readonly #perCall: number;
  readonly #state: SinkState<number>;
  readonly #epochs: string[][] = Array.from({ length: partitions }, () => []);
  readonly #offered: Offered[] = [];
  /** Taken in, by command id, and what was reported of it. */
  readonly #taken = new Map<string, Offered>();
  readonly #reports = new Map<string, Reported<number>[]>();
  readonly #windows = new Map<string, number>();
  readonly #turns: Turn<number>[] = [];
  /** The last turn of a kind in a partition, and when it began. */
  readonly #last = new Map<string, { readonly turn: Turn<number>; readonly at: number }>();
  #now = 0;
  #ids = 0;

  constructor(perCall: number) {
    this.#perCall = perCall;
    this.#state = new SinkState('salesforce', concurrency, perCall);
    this.#take();
  }

  #promise(holds: boolean, what: string): void {
    if (!holds) this.wrong.push(what);
  }

  #newest(partition: number): string {
    return this.#epochs[partition]?.at(-1) ?? '';
  }

  #take(): void {
    for (let partition = 0; partition < partitions; partition++) {
      const id = `e${partition}.${this.#epochs[partition]?.length ?? 0}`;
      this.#epochs[partition]?.push(id);
      this.#announced([this.#state.take(partition, id, level, this.#now)]);
    }
    this.#state.appended(logAhead + this.#now, this.#now);
  }

  #announced(epochs: readonly Epoch[]): void {
    for (const { epoch, n, partition } of epochs) {
      this.#promise(n === (this.#windows.get(epoch) ?? -1) + 1, `word ${n} of ${epoch} follows another`);
      this.#promise(epoch === this.#newest(partition), `${epoch} speaks and is not the newest`);
      this.#windows.set(epoch, n);
    }
  }

  #reported(all: readonly Reported<number>[]): void {
    for (const one of all) {
      const { result, entry } = one;
      const of = this.#taken.get(result.command);
      this.#promise(of !== undefined, `${result.command} is answered and was never taken in`);
      this.#promise(result.epoch === of?.command.epoch, `${result.command} is answered by another epoch`);
      this.#promise(result.partition === of?.partition, `${result.command} is answered in another partition`);
      this.#promise(entry.command === of?.command, `${result.command} is not what it was`);
      this.#reports.set(result.command, [...(this.#reports.get(result.command) ?? []), one]);
    }
  }

  #due(): void {
    const { epochs, results } = this.#state.due(level, this.#now);
    this.#announced(epochs);
    this.#reported(results);
  }

  step(one: Step): void {
    switch (one.do) {
      case 'offer': {
        const epochs = this.#epochs[one.partition] ?? [];
        const command: Command = {
          id: `ask-${this.#ids++}`,
          platform: 'salesforce',
          epoch: epochs.at(-1 - one.epoch) ?? 'of nobody',
          verb: 'update',
          object: 'Contact',
          ref: `salesforce:Contact:${one.partition}.${one.subject}`,
          key: 'customer',
          fields: {},
          before: {},
          lane: one.lane,
          askedAt: logAhead,
          expiresAt: logAhead + this.#now + one.life,
          doubt: false,
          lineage: '',
        };
        this.#offered.push({ command, partition: one.partition });
        this.#offer({ command, partition: one.partition });
        return;
      }
      case 'again': {
        const again = this.#offered[one.which];
        if (again !== undefined && again.command.expiresAt > logAhead + this.#now) this.#offer(again);
        return;
      }
      case 'next':
        this.#next();
        return;
      case 'end':
        this.#end(one.which, one.how);
        return;
      case 'time':
        this.#now += one.by;
        this.#due();
        return;
      case 'rebalance':
        this.#state.giveUp();
        this.#promise(this.#state.next(this.#now) === undefined, 'something begins without a partition');
        this.#take();
        return;
      case 'trouble':
        this.#state.trouble('PLATFORM_UNAVAILABLE', this.#now);
    }
  }

  #offer(one: Offered): void {
    const { command, partition } = one;
    const isNew = command.epoch === this.#newest(partition) && !this.#taken.has(command.id);
    this.#promise(this.#state.offer(partition, command, 0) === isNew, `${command.id} is taken in: ${!isNew}`);
    if (isNew) this.#taken.set(command.id, one);
  }

  #next(): void {
    this.#due();
    const turn = this.#state.next(this.#now);
    if (turn === undefined) return;
    const running = this.#turns.flatMap(({ entries }) => entries.map(({ command }) => subjectOf(command)));
    this.#turns.push(turn);
    const subjects = turn.entries.map(({ command }) => subjectOf(command));
    this.#promise(this.#turns.length <= concurrency, 'too many turns at a time');
    this.#promise(turn.entries.length <= this.#perCall, 'a turn is too large');
    this.#promise(new Set(subjects).size === subjects.length, 'a turn has a record twice');
    this.#promise(
      subjects.every((subject) => !running.includes(subject)),
      'a record is in two turns',
    );
    this.#promise(new Set(turn.entries.map(({ partition }) => partition)).size === 1, 'a turn of two partitions');
    this.#promise(new Set(turn.entries.map(({ command }) => command.lane === 'bulk')).size === 1, 'bulk beside live');
    const kind = ({ entries: [{ partition, command }] }: Turn<number>) => `${partition} ${command.lane === 'bulk'}`;
    const last = this.#last.get(kind(turn));
    const isUnderWay = last !== undefined && this.#turns.includes(last.turn);
    const isOurs = last?.turn.entries[0].epoch === turn.entries[0].epoch;
    const isHeld = this.#perCall > 1 && isUnderWay && isOurs && this.#now < last.at + 1_000;
    this.#promise(!isHeld, 'two turns of a kind within a second');
    this.#last.set(kind(turn), { turn, at: this.#now });
    this.#promise(turn.leftMs > 0, 'a call is begun whose time is over');
    for (const { command, partition } of turn.entries)
      this.#promise(command.epoch === this.#newest(partition), `${command.id} runs under an old epoch`);
  }

  #end(which: number, how: string): void {
    const [turn] = this.#turns.splice(which, 1);
    if (turn === undefined) return;
    for (const entry of turn.entries) {
      const answer = answers[how];
      const one =
        answer === undefined
          ? this.#state.interrupted(entry, this.#now)
          : this.#state.answered(entry, answer, this.#now);
      if (one !== undefined) this.#reported([one]);
    }
    this.#state.ended(turn);
  }

  /** Everything ends, and all time is over. */
  finish(): void {
    while (this.#turns.length > 0) this.#end(0, 'interrupted');
    this.#now += 400_000;
    this.#due();
    this.#promise(this.#state.next(this.#now) === undefined, 'something waits for ever');
    for (const [id, { command, partition }] of this.#taken) {
      const reports = this.#reports.get(id) ?? [];
      const lost = command.epoch !== this.#newest(partition);
      this.#promise(
        reports.length === 1 || (lost && reports.length === 0),
        `${id} is answered ${reports.length} times`,
      );
    }
  }
}

describe('any order of what happens to a sink', () => {
  test('runs only commands of the newest epoch, each once and in time, and answers each once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 80, size: 'max' }), (perCall, steps) => {
        const play = new Play(perCall);
        for (const one of steps) play.step(one);
        play.finish();
        expect(play.wrong).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});
