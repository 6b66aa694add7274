/**
 * A sink in a history: the loop's own state machine and the sink's own decisions, driven on the virtual clock, killed and
 * restarted, now and then with a zombie that carries on under its old epoch.
 */
import { subjectOf } from '../../core/command-queue.ts';
import type { Passing } from '../../core/passing.ts';
import { type Answer, type Entry, Interrupted, type Reported, SinkState, type Turn } from '../../core/sink-state.ts';
import { commandPartitions } from '../../processors/unify/keys.ts';
import { offsetOf } from '../../processors/unify/world.ts';
import { changeOf } from '../../schemas/change.ts';
import type { Command } from '../../schemas/types.ts';
import type { Step } from '../../sinks/step.ts';
import type { Clock } from './clock.ts';
import type { PlatformName } from './fields.ts';
import type { ChangesLog } from './log.ts';
import type { Network, Outcome } from './network.ts';
import { Quota } from './quota.ts';
import type { Chance } from './random.ts';
import { short, type Trace } from './trace.ts';
import type { World } from './world.ts';

export interface Write {
  /** Id of the record; empty for one that it makes. */
  readonly what: string;
  /** Id of the record as the platform answers, of one that it made too. */
  readonly record: string;
  /** Of the platform, as the mapping names them. */
  readonly fields: readonly string[];
  /** Values by field, as they were sent. */
  readonly asked: Readonly<Record<string, unknown>>;
}

/** One that reached the platform, and stands there. */
export interface Written extends Write {
  readonly at: number;
  /** Offset in the log of the change at which unify asked for it. */
  readonly decidedAt: number;
  /** The answer to it was said to unify: nobody has any reason to write it again. */
  told: boolean;
}

/** A platform as its sink meets it. */
export interface Door<Request, Reply, Verdict> {
  /** What the platform does with a call that reaches it now. */
  perform(request: Request, now: number): Reply;
  /** What production's classification makes of what came back. */
  verdict(outcome: Outcome<Reply>): Verdict | Passing;
  /** What stands of a request, one per record: nothing of a read, nor of what was refused. */
  writes(request: Request, reply: Reply): readonly Write[];
  readonly name: (request: Request) => string;
}

type Work<Request, Verdict> = Generator<Step<Request>, ReadonlyMap<string, Answer>, Verdict | Passing>;

export interface SinkOptions<Request, Reply, Verdict> {
  readonly platform: PlatformName;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly log: ChangesLog;
  readonly world: World;
  readonly network: Network;
  readonly door: Door<Request, Reply, Verdict>;
  /** Commands of one call, and so of one turn, at most. */
  readonly perCall: number;
  readonly execute: (commands: readonly Command[]) => Work<Request, Verdict>;
}

const concurrency = 4;
/** So much later than the log a sink may take its time to be: what passes between an append and its arrival. */
const clockLagMs = 20;

/** One life of the process: everything of it ends when it is killed, unless it is a zombie for a while. */
interface Life {
  readonly state: SinkState<null>;
  readonly fences: Map<number, number>;
  readonly epochs: ReadonlyMap<number, string>;
  alive: boolean;
  /** When a turn that fills may begin; it is looked for then. */
  wakeAt: number;
}

export class SinkProcess<Request, Reply, Verdict extends { readonly kind: string }> {
  /** Records written by calls that reached the platform. */
  readonly writes: Written[] = [];
  readonly #answered = new Map<Turn<null>, Written[]>();
  restarts = 0;
  /** Calls begun for an ask that had expired. */
  readonly overdue: string[] = [];
  readonly #options: SinkOptions<Request, Reply, Verdict>;
  readonly #quota: Quota;
  #life: Life | undefined;
  #epochs = 0;

  constructor(options: SinkOptions<Request, Reply, Verdict>) {
    this.#options = options;
    this.#quota = new Quota(options.clock.now, options.world);
  }

  start(): void {
    const { clock, log, platform, trace, perCall } = this.#options;
    const { now } = clock;
    const state = new SinkState<null>(platform, concurrency, perCall);
    const epochs = new Map<number, string>();
    const life: Life = { state, fences: new Map(), epochs, alive: true, wakeAt: 0 };
    this.#life = life;
    trace.say('sink', platform, `the ${platform} sink takes its partitions`);
    for (let partition = 0; partition < commandPartitions[platform]; partition++) {
      const id = `${platform}-${partition}-${this.#epochs}`;
      epochs.set(partition, id);
      const epoch = state.take(partition, id, this.#quota.level(now), now);
      log.append(changeOf({ kind: 'epoch', epoch }), `${platform}/${partition}`);
      // Append times order the epochs; two in one millisecond are told apart by the order of the log.
      const fence = log.records.length;
      life.fences.set(partition, fence);
      this.#quota.claim({ partition, fence });
    }
    this.#epochs += 1;
    state.appended(now, now);
  }

  /** A command was committed to the platform's topic. */
  deliver(command: Command, partition: number): void {
    const { clock, chance, platform, world } = this.#options;
    const appended = clock.now;
    const read = (): void => {
      const life = this.#life;
      if (life === undefined) return;
      life.state.appended(appended, clock.now);
      if (life.state.offer(partition, command, null)) this.#pump(life);
    };
    clock.after(chance.int(`command ${platform}`, 1, 20), read);
    // A consumer may be given some of its topic again.
    if (world.on.has('duplicate') && chance.is(`command twice ${platform}`, 0.1))
      clock.after(chance.int(`command again ${platform}`, 20, 20_000), read);
  }

  /** What a second without anything else brings: windows said anew, commands that expired. */
  tick(): void {
    const { clock, log, platform } = this.#options;
    const life = this.#life;
    if (life === undefined) return;
    const { epochs, results } = life.state.due(this.#quota.level(clock.now), clock.now);
    for (const epoch of epochs) log.append(changeOf({ kind: 'epoch', epoch }), `${platform}/${epoch.partition}`);
    for (const one of results) this.#report(one);
    this.#pump(life);
  }

  /** Somebody else has used up what the platform gives. */
  exhaust(forMs: number): void {
    const { clock, trace, platform } = this.#options;
    trace.say('fault', platform, `the quota of ${platform} is used up for ${forMs} ms`);
    this.#quota.pause(forMs, clock.now);
  }

  /** Killed in the middle of whatever it does; a successor comes. A zombie ends what it has begun. */
  restart(zombie: boolean): void {
    const { clock, chance, trace, platform } = this.#options;
    const life = this.#life;
    if (life === undefined) return;
    this.restarts += 1;
    this.#life = undefined;
    life.state.giveUp();
    trace.say('fault', platform, `the ${platform} sink is ${zombie ? 'taken over from' : 'killed'}`);
    if (zombie) clock.after(chance.int('zombie sink', 100, 20_000), () => (life.alive = false));
    else life.alive = false;
    clock.after(chance.int(`restart ${platform}`, zombie ? 1 : 200, 4_000), () => this.start());
  }

  #pump(life: Life): void {
    const { clock } = this.#options;
    for (const one of life.state.expire(clock.now)) this.#report(one);
    for (;;) {
      const turn = life.state.next(clock.now);
      if (turn === undefined) break;
      this.#begin(life, turn);
    }
    const at = life.state.wakeAt(clock.now);
    if (at === undefined || life.wakeAt === at) return;
    life.wakeAt = at;
    clock.at(at, () => {
      if (this.#life === life) this.#pump(life);
    });
  }

  #begin(life: Life, turn: Turn<null>): void {
    const { clock, execute, trace, world, chance, platform } = this.#options;
    const commands = turn.entries.map(({ command }) => command);
    if (trace.on)
      for (const { id, fields, epoch } of commands)
        trace.say('sink', id, `begins ${id} ${short(fields)} under ${epoch}`);
    if (world.on.has('restart') && chance.is(`killed ${platform}`, 0.06))
      clock.after(chance.int('killed in', 0, 300), () => {
        if (this.#life === life) this.restart(world.on.has('zombie') && chance.is('a zombie', 0.5));
      });
    this.#step(life, turn, execute(commands), clock.now + turn.leftMs, undefined);
  }

  /** Goes on with the work from what came of its last step. */
  #step(
    life: Life,
    turn: Turn<null>,
    work: Work<Request, Verdict>,
    until: number,
    came: Verdict | Passing | undefined,
  ): void {
    const { clock } = this.#options;
    if (!life.alive) return;
    // The generator's first `next` takes no value; a pause is answered by none.
    const at = work.next(came as Verdict);
    if (at.done === true) return this.#end(life, turn, at.value);
    const step = at.value;
    if (step.kind === 'pause') {
      if (step.code !== null && step.code !== 'PLATFORM_LIMIT') life.state.trouble(step.code, clock.now);
      this.#wait(life, turn, work, until, step.ms, () => this.#step(life, turn, work, until, undefined));
      return;
    }
    this.#call(life, turn, work, until, step);
  }

  #call(
    life: Life,
    turn: Turn<null>,
    work: Work<Request, Verdict>,
    until: number,
    step: Extract<Step<Request>, { kind: 'call' }>,
  ): void {
    const { clock, network, platform, door } = this.#options;
    const partition = turn.entries[0]?.partition ?? 0;
    const holder = { partition, fence: life.fences.get(partition) ?? 0 };
    const waitMs = this.#quota.ask(step.lane, holder, clock.now);
    // Fenced: whoever was taken over calls no more, and says nothing either.
    if (waitMs === undefined) {
      life.alive = false;
      return;
    }
    // As production's budget has it: whose time is up is given nothing.
    if (waitMs > 0 || clock.now >= until) {
      this.#wait(life, turn, work, until, Math.min(waitMs, 2_000), () => this.#call(life, turn, work, until, step));
      return;
    }
    for (const { command } of turn.entries)
      if (clock.now > command.expiresAt + clockLagMs)
        this.overdue.push(`${command.id} is called ${clock.now - command.expiresAt} ms after it expired`);
    let made: readonly Written[] = [];
    network.call(
      platform,
      door.name(step.request),
      () => {
        const reply = door.perform(step.request, clock.now);
        made = door.writes(step.request, reply).map((one) => {
          const commands = turn.entries.map(({ command }) => command);
          const command = commands.find(({ ref }) => ref.endsWith(`:${one.record}`)) ?? commands[0];
          return { ...one, at: clock.now, decidedAt: offsetOf(command?.lineage ?? ''), told: false };
        });
        this.writes.push(...made);
        return reply;
      },
      (outcome) => {
        if (outcome.kind === 'answered') this.#answered.set(turn, [...(this.#answered.get(turn) ?? []), ...made]);
        const verdict = door.verdict(outcome);
        if ('kind' in verdict && verdict.kind === 'wait') this.#quota.pause((verdict as { ms: number }).ms, clock.now);
        this.#step(life, turn, work, until, verdict);
      },
    );
  }

  /** A wait that is cut short when the time of the turn is up, or its partition is lost. */
  #wait(life: Life, turn: Turn<null>, work: Work<Request, Verdict>, until: number, ms: number, then: () => void): void {
    const { clock } = this.#options;
    clock.at(Math.min(clock.now + ms, until), () => {
      if (!life.alive) return;
      if (clock.now < until && this.#life === life) return then();
      try {
        const at = work.throw(new Interrupted());
        if (at.done === true) this.#end(life, turn, at.value);
        else throw new Error('a sink that goes on after it was interrupted');
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        for (const entry of turn.entries) {
          const report = life.state.interrupted(entry, clock.now);
          if (report !== undefined) this.#report(report);
        }
        life.state.ended(turn);
        this.#pump(life);
      }
    });
  }

  #end(life: Life, turn: Turn<null>, answers: ReadonlyMap<string, Answer>): void {
    const { clock } = this.#options;
    for (const entry of turn.entries) {
      const answer = answers.get(entry.command.id);
      const report =
        answer === undefined ? life.state.interrupted(entry, clock.now) : life.state.answered(entry, answer, clock.now);
      if (report !== undefined) this.#report(report);
      if (this.#life === life && report !== undefined && report.result.outcome !== 'expired')
        for (const one of this.#answered.get(turn) ?? []) one.told ||= report.result.ref.endsWith(`:${one.record}`);
    }
    this.#answered.delete(turn);
    life.state.ended(turn);
    if (this.#life === life) this.#pump(life);
  }

  /** Results come to `changes` in their order, a little later. */
  #report({ entry, result }: Reported<null>): void {
    const { clock, log } = this.#options;
    clock.after(4, () => log.append(changeOf({ kind: 'result', result }), subjectOf(entry.command)));
  }
}

export type { Entry };
