/**
 * The running of unify in a history: production's own decisions of a tenure (core/tenure.ts), its effects carried out on a
 * model of Kafka and Redis in virtual time, and what happens to those who carry them out: killed between any two effects,
 * taken over from while they go on, answers that are lost, a mirror rolled back or emptied under their hands.
 */
import { TributaryError } from '../../core/errors.ts';
import type { FoldRecord } from '../../core/fold.ts';
import type { Swap } from '../../core/mirror-state.ts';
import { Tenure, type TenureLimits } from '../../core/tenure.ts';
import { type Effect, type Performer, perform, type Work } from '../../core/work.ts';
import type { UnifyPosition } from '../../schemas/types.ts';
import type { Clock } from './clock.ts';
import type { ChangesLog } from './log.ts';
import type { Chance } from './random.ts';
import { MirrorModel, StateLog } from './state-model.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';
import { applyPuts, type Decided, type Decider, type Emitted } from './writer.ts';

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
/** So short that a mirror comes to be older than the tombstones. */
const tombstonesMs = 20_000;
/** So small that a repair takes many steps, and the base moves. */
const limits: TenureLimits = {
  chunk: { keys: 10, bytes: Number.POSITIVE_INFINITY },
  trustedMs: 15_000,
  positionEveryMs: 5_000,
  rebaseEvery: 60,
};

/** Chances of what may happen before each effect, but for heartbeats. */
const chances = { crash: 0.01, wipe: 0.004, rollback: 0.006, lost: 0.01 };

const nothing: ReadonlyMap<string, object> = new Map();

/** Waits for records to decide. */
interface Poll {
  readonly kind: 'poll';
}
type Life = Generator<Effect<object> | Poll, never, unknown>;

/** What a process remembers of the state; null: it is known to have no value. */
type Memory = Map<string, object | null>;

/** A process that has the partition, or believes so; a later tenure of the same process has the same memory. */
interface Pod {
  readonly memory: Memory;
  readonly tenure: Tenure<object>;
  readonly life: Life;
  readonly performer: Performer<object>;
  /** Forgets everything after each transaction, as one whose cache is too small. */
  readonly forgetful: boolean;
  alive: boolean;
  epoch: number;
  /** Waits for records. */
  waiting: boolean;
  /** What it works on is a heartbeat's, and nothing has come of it. */
  background: boolean;
  quiet: boolean;
  decided: Decided;
}

type Step = IteratorResult<Effect<object> | Poll, never>;

export class UnifyProcess {
  readonly outputs: Emitted[] = [];
  readonly poisons: string[] = [];
  /** As `unify.state` would be folded from its beginning. */
  readonly committed = new Map<string, object>();
  /** How often something befell it or its mirror. */
  struck = 0;
  readonly mirror = new MirrorModel();
  readonly #options: UnifyOptions;
  readonly #state = new StateLog(tombstonesMs);
  /** Something may happen to it. Where nothing may, the mirror is never read, and not kept. */
  readonly #isMortal: boolean;
  /** The one that has the partition, and whoever had it before and does not know. */
  #current: Pod | undefined;
  #zombies: Pod[] = [];
  /** Of a process that lives and has no tenure. */
  #standby: Memory | undefined;
  #names = 0;

  constructor(options: UnifyOptions) {
    this.#options = options;
    this.#isMortal = (['crash', 'rollback', 'wipe'] as const).some((one) => options.world.on.has(one));
    options.log.onAppend((background) => {
      this.#wake(this.#current, background);
      for (const zombie of this.#zombies) this.#wake(zombie, background);
    });
    this.#takeOver();
  }

  /** Next offset to decide. */
  get position(): number {
    return this.#current?.tenure.next ?? this.stands?.offset ?? 0;
  }

  /** Of the last transaction. */
  get stands(): UnifyPosition | undefined {
    return this.#state.position;
  }

  #takeOver(): void {
    const { clock, chance } = this.#options;
    const memory = this.#standby ?? new Map<string, object | null>();
    this.#standby = undefined;
    const tenure = new Tenure<object>({
      limits: this.#isMortal
        ? limits
        : { ...limits, chunk: { keys: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY } },
      sizeOf: () => 1,
      clock: () => clock.now,
      name: () => String(++this.#names),
      cache: memory,
    });
    const pod: Pod = {
      memory,
      tenure,
      life: this.#live(() => pod),
      performer: this.#performer(() => pod),
      forgetful: this.#isMortal && chance.is('forgetful', 0.3),
      alive: true,
      epoch: 0,
      waiting: false,
      background: false,
      quiet: false,
      decided: { outputs: [], puts: new Map(), poisons: [] },
    };
    this.#current = pod;
    this.#goOn(pod, () => pod.life.next());
  }

  *#live(self: () => Pod): Life {
    const { log, chance, trace } = this.#options;
    const pod = self();
    const { tenure, memory } = pod;
    yield* tenure.begin();
    trace.say('unify', '', `takes over at ${tenure.next}`);
    for (;;) {
      yield { kind: 'poll' };
      const records = log.records.slice(tenure.next, tenure.next + chance.int('batch', 1, largestBatch));
      const last = records.at(-1);
      if (last === undefined) throw new Error('woken for nothing');
      const decided = yield* this.#decide(pod, records);
      pod.decided = decided;
      pod.quiet = pod.background && decided.outputs.length === 0;
      yield* tenure.commit(last.offset + 1, last.time, decided.puts, decided.outputs.length);
      if (pod.forgetful) memory.clear();
      else if (this.#isMortal) for (const [key, value] of decided.puts) memory.set(key, value);
    }
  }

  /**
   * Decided upon what is remembered and what the mirror says of the rest. That is known to be what was committed, so it is
   * decided upon that and read afterwards; only when the mirror says something else it is decided again.
   */
  *#decide({ memory, tenure }: Pod, records: readonly FoldRecord[]): Work<object, Decided> {
    const { decider } = this.#options;
    const { committed } = this;
    // Where nothing can happen, what was committed is what is known.
    if (!this.#isMortal) return decider(records, committed);
    for (;;) {
      const assumed = new Map<string, object | null>();
      const get = (key: string): object | undefined => {
        const known = memory.get(key);
        if (known !== undefined) return known ?? undefined;
        const value = committed.get(key);
        assumed.set(key, value ?? null);
        return value;
      };
      const decided = decider(records, { get });
      const missing = [...assumed.keys()];
      for (let from = 0; from < missing.length; from += limits.chunk.keys) {
        const keys = missing.slice(from, from + limits.chunk.keys);
        const values = yield* tenure.load(keys);
        for (const [i, key] of keys.entries()) memory.set(key, values[i] ?? null);
      }
      if (missing.every((key) => memory.get(key) === assumed.get(key))) return decided;
    }
  }

  // ---- carrying out

  #wake(pod: Pod | undefined, background: boolean): void {
    const { clock, chance, log } = this.#options;
    if (pod?.waiting !== true || pod.tenure.next >= log.records.length) return;
    pod.waiting = false;
    pod.background = background;
    pod.quiet = background;
    // A beat's marks, windows and tick come together.
    const ms = background ? 25 : chance.int('poll', 1, 30);
    clock.after(ms, () => this.#goOn(pod, () => pod.life.next()), background);
  }

  /** Carries effects out until one takes time. */
  #goOn(pod: Pod, next: () => Step): void {
    if (!pod.alive) return;
    try {
      for (let at = next(); ; ) {
        const effect = at.value;
        if (effect.kind === 'poll') {
          pod.waiting = true;
          this.#wake(pod, pod.background);
          return;
        }
        if (effect.kind === 'passing' || effect.kind === 'ours' || effect.kind === 'schemas') {
          at = pod.life.next();
          continue;
        }
        if (this.#isStruck(pod, () => this.#goOn(pod, () => ({ done: false, value: effect })))) return;
        if (this.#begin(pod, effect)) return;
        at = this.#answer(pod, effect);
      }
    } catch (error) {
      this.#end(pod, error);
    }
  }

  #answer({ life, performer }: Pod, effect: Effect<object>): Step {
    let answer: unknown;
    try {
      answer = perform(performer, effect);
    } catch (error) {
      return life.throw(error);
    }
    return life.next(answer);
  }

  /** Whether the effect takes time; it is answered when that has passed. */
  #begin(pod: Pod, effect: Effect<object>): boolean {
    const { clock, chance } = this.#options;
    const answer = (): void => this.#goOn(pod, () => this.#answer(pod, effect));
    if (effect.kind === 'transact') {
      this.#state.write(pod, this.#isMortal ? effect.entries : nothing, effect.position, clock.now);
      const commit = (): void => {
        if (pod.alive && !this.#isStruck(pod, answer)) answer();
      };
      clock.after(chance.int('transaction', 3, 25), commit, pod.quiet);
      return true;
    }
    if (!this.#isMortal) return false;
    if (effect.kind === 'pause') {
      clock.after(effect.ms, answer, pod.quiet);
      return true;
    }
    // Whoever reads committed waits for what is open.
    const arrive = (): void => {
      const isHeldUp = (effect.kind === 'log' || effect.kind === 'position') && this.#state.isOpenBefore(effect.to);
      if (!isHeldUp) answer();
      else if (pod.alive) clock.after(5, arrive, pod.quiet);
    };
    clock.after(chance.int('effect', 0, 2), arrive, pod.quiet);
    return true;
  }

  #performer(self: () => Pod): Performer<object> {
    const { clock, trace } = this.#options;
    const state = this.#state;
    const { mirror } = this;
    return {
      epoch: () => {
        self().epoch = state.begin();
      },
      founding: () => ({ offset: 0, time: 0, lineage: 1, transaction: 0 }),
      bounds: () => ({ earliest: 0, latest: state.end }),
      position: ({ from, to }) => state.lastPosition(from, to),
      log: ({ from, to }) => state.part(from, to, clock.now),
      transact: () => this.#commit(self()),
      head: () => ({ position: mirror.position, base: mirror.base }),
      read: ({ keys }) => ({ position: mirror.position, values: keys.map((key) => mirror.values.get(key) ?? null) }),
      scan: ({ cursor }) => mirror.scan(cursor),
      swap: ({ swap }) => this.#swap(self(), swap),
      schemas: () => undefined,
      ours: () => undefined,
      passing: () => undefined,
      pause: () => undefined,
      resumed: () => undefined,
      repairing: ({ from, to, because }) => {
        const how = because === undefined ? 'folded forward' : `made anew, for ${because}`;
        trace.say('unify', '', `the mirror at "${from}" is ${how} to ${to}`);
      },
      repaired: ({ at, steps }) => trace.say('unify', '', `the mirror is at ${at} after ${steps} steps`),
    };
  }

  #commit(pod: Pod): void {
    const isLost = this.#isLost(pod);
    if (isLost && this.#options.chance.is('never applied', 0.5)) throw lost('KAFKA_UNAVAILABLE');
    this.#state.commit(pod);
    const { outputs, puts, poisons } = pod.decided;
    applyPuts(this.committed, puts);
    this.poisons.push(...poisons);
    for (const output of outputs) this.outputs.push(output);
    this.#options.deliver(outputs);
    if (isLost) throw lost('KAFKA_UNAVAILABLE');
  }

  #swap(pod: Pod, swap: Swap<object>): string {
    if (!this.#isMortal) return swap.next;
    const isLost = this.#isLost(pod);
    if (isLost && this.#options.chance.is('never applied', 0.5)) throw lost('REDIS_UNAVAILABLE');
    const at = this.mirror.swap(swap);
    if (isLost) throw lost('REDIS_UNAVAILABLE');
    return at;
  }

  // ---- what happens to it

  #isLost(pod: Pod): boolean {
    const { world, chance, trace } = this.#options;
    if (pod.quiet || !world.on.has('crash') || !chance.is('answer lost', chances.lost)) return false;
    this.struck += 1;
    trace.say('fault', '', 'an answer to unify is lost');
    return true;
  }

  /** It is killed, or falls asleep and is taken over from; `goOn`: what it does when it wakes. The mirror may be struck as well. */
  #isStruck(pod: Pod, goOn: () => void): boolean {
    const { world, chance, trace, clock } = this.#options;
    if (!this.#isMortal || pod.quiet || pod !== this.#current) return false;
    if (world.on.has('wipe') && chance.is('wipe', chances.wipe)) {
      const what = chance.pick('wiped', ['everything', 'everything', 'position', 'base'] as const);
      this.struck += 1;
      trace.say('fault', '', `the mirror loses ${what}`);
      this.mirror.lose(what);
    }
    if (world.on.has('rollback') && chance.is('rollback', chances.rollback)) {
      const writes = chance.is('far back', 0.3) ? chance.int('rollback by', 6, 200) : chance.int('rollback by', 1, 5);
      this.mirror.rollBack(writes);
      this.struck += 1;
      trace.say('fault', '', `the mirror is as it was ${writes} writes ago, at "${this.mirror.position}"`);
    }
    if (!world.on.has('crash') || !chance.is('crash', chances.crash)) return false;
    this.struck += 1;
    const isZombie = world.on.has('zombie') && chance.is('unify lives on', 0.5);
    trace.say('fault', '', `unify is ${isZombie ? 'taken over from' : 'killed'} at ${pod.tenure.next}`);
    this.#succeed();
    if (!isZombie) {
      pod.alive = false;
      return true;
    }
    this.#zombies.push(pod);
    const asleepMs = chance.int('zombie', 0, 5_000);
    clock.after(asleepMs, goOn);
    clock.after(asleepMs + chance.int('zombie lives', 100, 4_000), () => this.#retire(pod));
    return true;
  }

  #succeed(): void {
    const { clock, chance } = this.#options;
    this.#current = undefined;
    clock.after(chance.int('take over', 200, 3_000), () => this.#takeOver());
  }

  /** It knows by now that the partition is not its own; it may be given it again, with what it remembers. */
  #retire(pod: Pod): void {
    if (!pod.alive) return;
    pod.alive = false;
    this.#standby = pod.memory;
    this.#zombies = this.#zombies.filter((one) => one !== pod);
  }

  #end(pod: Pod, error: unknown): void {
    if (!(error instanceof TributaryError) || !['FENCED', 'KAFKA_UNAVAILABLE'].includes(error.code)) throw error;
    this.#options.trace.say('fault', '', `unify gives up its tenure: ${error.message}`);
    const isCurrent = pod === this.#current;
    this.#retire(pod);
    if (isCurrent) this.#succeed();
  }
}

const lost = (code: 'KAFKA_UNAVAILABLE' | 'REDIS_UNAVAILABLE'): TributaryError =>
  new TributaryError(code, 'the answer is lost');
