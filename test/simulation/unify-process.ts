/** The running of unify in a history: when it reads, what its transactions bring out, and how it dies. */
import type { Clock } from './clock.ts';
import type { ChangesLog } from './log.ts';
import type { Chance } from './random.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';
import { applyPuts, type Decided, type Decider, type Emitted, type Puts } from './writer.ts';

interface Transaction {
  readonly position: number;
  readonly puts: Puts;
}

export interface UnifyOptions {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly log: ChangesLog;
  readonly world: World;
  readonly decider: Decider;
  /** What a committed transaction has put out, in order. */
  readonly deliver: (outputs: readonly Emitted[]) => void;
}

const largestBatch = 40;

export class UnifyProcess {
  readonly outputs: Emitted[] = [];
  readonly poisons: string[] = [];
  /** As `unify.state` would be folded from its beginning. */
  readonly committed = new Map<string, object>();
  crashes = 0;
  readonly #options: UnifyOptions;
  readonly #transactions: Transaction[] = [];
  #position = 0;
  /** Of the process that holds the partition; whoever has an older one is fenced. */
  #generation = 0;
  #busy = false;
  /** The cache of the process in force. */
  #cache = new Map<string, object>();
  /** Transactions that the mirror holds. */
  #mirrored = 0;
  #mirror = new Map<string, object>();

  constructor(options: UnifyOptions) {
    this.#options = options;
    options.log.onAppend((background) => this.#wake(background));
  }

  /** Next offset to decide. */
  get position(): number {
    return this.#position;
  }

  #wake(background: boolean): void {
    const { clock, chance, log } = this.#options;
    if (this.#busy || this.#position >= log.records.length) return;
    this.#busy = true;
    const generation = this.#generation;
    // A beat's marks, windows and tick come together.
    clock.after(background ? 25 : chance.int('poll', 1, 30), () => this.#batch(generation, background), background);
  }

  #batch(generation: number, background: boolean): void {
    const { clock, chance, log, decider, world, trace } = this.#options;
    if (generation !== this.#generation) return;
    const from = this.#position;
    const records = log.records.slice(from, from + chance.int('batch', 1, largestBatch));
    const decided = decider(records, this.#cache);
    const commitMs = chance.int('transaction', 3, 25);
    const quiet = background && decided.outputs.length === 0;
    if (world.on.has('crash') && !quiet && chance.is('crash', 0.04)) {
      const after = chance.is('crash after the transaction', 0.5);
      trace.say('fault', '', `unify is killed ${after ? 'after' : 'before'} the transaction of ${from}…`);
      if (after) this.#commit(from + records.length, decided, false);
      if (world.on.has('zombie'))
        clock.after(commitMs + chance.int('zombie', 0, 5_000), () => this.#fenced(generation, from));
      this.#die();
      return;
    }
    clock.after(
      commitMs,
      () => {
        if (generation !== this.#generation) return;
        this.#commit(from + records.length, decided, true);
        this.#busy = false;
        this.#wake(background);
      },
      quiet,
    );
  }

  /** The transaction of one that was taken over is refused by the broker: nothing of it is seen. */
  #fenced(generation: number, from: number): void {
    if (generation === this.#generation) throw new Error('a zombie that was never taken over');
    this.#options.trace.say('fault', '', `the zombie's transaction of ${from}… is fenced`);
  }

  #commit(position: number, { outputs, puts, poisons }: Decided, mirrored: boolean): void {
    const { world, chance, trace } = this.#options;
    this.#position = position;
    this.#transactions.push({ position, puts });
    applyPuts(this.committed, puts);
    applyPuts(this.#cache, puts);
    this.poisons.push(...poisons);
    for (const output of outputs) this.outputs.push(output);
    if (mirrored) this.#fillMirror();
    if (world.on.has('wipe') && chance.is('wipe', 0.01)) {
      trace.say('fault', '', 'the mirror is emptied');
      this.#mirror = new Map();
      this.#mirrored = 0;
    }
    this.#options.deliver(outputs);
  }

  #fillMirror(): void {
    const { world, chance, trace } = this.#options;
    if (!world.on.has('crash')) return;
    // What is behind is repaired first, from the fold.
    for (; this.#mirrored < this.#transactions.length; this.#mirrored++)
      applyPuts(this.#mirror, this.#transactions[this.#mirrored]?.puts ?? new Map());
    if (world.on.has('rollback') && chance.is('rollback', 0.01)) {
      this.#mirrored = Math.max(0, this.#mirrored - chance.int('rollback by', 1, 5));
      trace.say('fault', '', `the mirror is as after transaction ${this.#mirrored}`);
      this.#mirror = new Map();
      for (const { puts } of this.#transactions.slice(0, this.#mirrored)) applyPuts(this.#mirror, puts);
    }
  }

  /** Killed; whoever takes over goes on from the last transaction, with the mirror repaired from what it lacks. */
  #die(): void {
    const { clock, chance, trace } = this.#options;
    this.crashes += 1;
    this.#generation += 1;
    this.#busy = true;
    clock.after(chance.int('take over', 200, 3_000), () => {
      this.#cache = new Map(this.#mirror);
      for (const { puts } of this.#transactions.slice(this.#mirrored)) applyPuts(this.#cache, puts);
      trace.say('unify', '', `takes over at ${this.#position}`);
      this.#busy = false;
      this.#wake(false);
    });
  }
}
