/**
 * A world on servers of its own that a test knocks about while people work in it, and the verdict at the end: what broke, and
 * what explains it. A broker that restarts and a Redis that is emptied are no company for other tests.
 */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { editFor, type Loaded, load } from '../../cli/demo/demo.ts';
import type { MadeEdit } from '../../cli/demo/report.ts';
import type { World } from '../../cli/demo/world.ts';
import { localFolder } from '../../cli/stack/jars.ts';
import { type Stack, startStack } from '../../cli/stack/stack.ts';
import { seededRandom } from '../../twins/common/random.ts';
import { seed, startWorld, until } from './e2e.ts';
import { brokenHistories, deadLetters, endWorld, lostEdits, Topics, verdictOf } from './evidence.ts';

export interface TrialOptions {
  readonly people: number;
  /** Edits a second. */
  readonly rate: number;
  readonly bothWays?: boolean;
}

/**
 * A dead process is replaced after so long: most of the time of a test that kills is the waiting for that. And people who edit
 * one field by turns on both platforms are no two programs that answer each other.
 */
const settings = 'failover: { afterMs: 3000 }\nfreeze: { alternations: 100 }\n';
/** Half of what a start takes is compiling. */
const env = { NODE_COMPILE_CACHE: join(localFolder, 'compiled') };

export class Trial {
  readonly options: TrialOptions;
  readonly stack: Stack;
  readonly world: World;
  readonly loaded: Loaded;
  readonly edits: MadeEdit[] = [];
  readonly random = seededRandom(seed);
  #topics: Topics | undefined;

  private constructor(options: TrialOptions, stack: Stack, world: World, loaded: Loaded) {
    this.options = options;
    this.stack = stack;
    this.world = world;
    this.loaded = loaded;
  }

  /** Servers and doubles, filled; no service runs yet. */
  static async start(options: TrialOptions): Promise<Trial> {
    const stack = await startStack();
    try {
      const servers = { kafka: stack.brokers, registry: stack.registryUrl, redis: stack.redisUrl };
      const world = await startWorld({ servers, bothWays: options.bothWays ?? false, settings, env });
      const loaded = await load(world, { people: options.people, seed });
      return new Trial(options, stack, world, loaded);
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  /** Every service at once, at an instant that means nothing to them. */
  async killAndStart(): Promise<void> {
    await this.world.killServices();
    this.world.startServices();
    // Intercom gives up an address that fails for long; an administrator would set it live again.
    if (this.world.bothWays) await this.world.subscribe();
  }

  async edit(seconds: number): Promise<void> {
    const { people, rate } = this.options;
    const options = { people, rate, seconds, seed: seed + this.edits.length + 1, log: () => undefined };
    this.edits.push(...(await editFor(this.world, this.loaded, { ...options, signal: new AbortController().signal })));
  }

  /** People edit until the work is done. */
  async whilePeopleEdit(work: () => Promise<void>): Promise<void> {
    const working = { done: false };
    const editing = (async () => {
      while (!working.done) await this.edit(2);
    })();
    const ended = work().finally(() => {
      working.done = true;
    });
    await Promise.all([ended, editing]);
  }

  /** What both platforms differ in, and the edits that do not stand, once nothing of it goes away by itself. */
  async differences(limitMs: number): Promise<readonly string[]> {
    const deadline = performance.now() + limitMs;
    // What nobody was told of is found by the next reading, and is nothing under way before.
    return until(
      async () => [...(await verdictOf(this.world)).details, ...(await lostEdits(this.world, this.edits))],
      (found) => found.length === 0 || performance.now() > deadline,
    );
  }

  /**
   * What is wrong when all has settled, what was missed read again included: differences, people or companies twice, edits or
   * events lost or repeated, dead letters; one way, also writes in vain that repeat no unanswered call.
   */
  async wrong(limitMs = 120_000): Promise<readonly unknown[]> {
    const { world } = this;
    await world.settled(() => undefined, limitMs);
    const differences = await this.differences(world.bothWays ? limitMs : 0);
    this.#topics ??= await Topics.open(world);
    const unexcused = world.bothWays ? [] : (await this.#topics.doubts(world)).unexcused;
    const histories = await brokenHistories(this.#topics);
    return [...differences, ...unexcused, ...histories, ...(await deadLetters(this.#topics))];
  }

  async end(failed: boolean): Promise<void> {
    await endWorld(this.world, this.#topics, failed, this.edits);
    await this.stack.stop();
  }
}

/** The trial of the tests of this file: started before them, ended after them, its evidence kept where one failed. */
export function trial(options: TrialOptions, prepare: (trial: Trial) => Promise<void>): () => Trial {
  let it: Trial | undefined;
  let failed = false;
  beforeAll(async () => {
    it = await Trial.start(options);
    await prepare(it);
  });
  afterEach(({ task }) => {
    failed ||= task.result?.state === 'fail';
  });
  afterAll(() => it?.end(failed));
  return () => {
    if (it === undefined) throw new Error('the trial has not begun');
    return it;
  };
}
