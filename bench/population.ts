/** A deployment that has run for a while, made without running: its state in `unify.state`, and changes to come. */
import type { OutRecord } from '../core/kafka.ts';
import { positionKey } from '../core/repair.ts';
import type { UnifyPosition } from '../schemas/types.ts';
import { Copies, peoplePerGroup } from './copies.ts';
import type { Bench } from './section.ts';
import { type Deployment, withWorld } from './world.ts';

/** Records of one send: the client holds what it sends several times. */
const atOnce = 4_000;
/** Groups that live through a round of edits at once: what is under way of theirs fits into the windows of the sinks. */
const groupsAtOnce = 40;
/** Edits that everybody has behind them, and before them. */
const rounds = { past: 4, next: 12 };
const tellEveryMs = 2_000;

export class Population {
  readonly deployment: Deployment;
  readonly customers: number;
  readonly #bench: Bench;
  readonly #groups: number;
  #end = 0;
  #wave = 0;

  private constructor(bench: Bench, customers: number) {
    this.#bench = bench;
    this.#groups = Math.ceil(customers / peoplePerGroup);
    this.customers = this.#groups * peoplePerGroup;
    this.deployment = { servers: bench.servers, prefix: bench.prefix() };
  }

  /** There is no mirror yet: whoever takes over makes it from the log. */
  static async make(bench: Bench, customers: number): Promise<Population> {
    const made = new Population(bench, customers);
    const position: UnifyPosition = { offset: 0, time: 0, lineage: 1, transaction: 1 };
    await made.#write(`the state of ${made.customers.toLocaleString('en')} customers`, function* (copies, codec) {
      yield* copies.state(made.#groups);
      const value = codec.encode('unify.state', 'UnifyPosition', position);
      yield { topic: 'unify.state', key: positionKey, value };
    });
    return made;
  }

  /** Changes told so far. */
  get end(): number {
    return this.#end;
  }

  /** Tells of edits by people all over it, at least so many changes; returns how many. */
  async tell(changes: number): Promise<number> {
    const before = this.#end;
    const waves = Math.max(1, Math.floor(this.#groups / groupsAtOnce));
    await this.#write(
      'changes',
      function* (this: Population, copies: Copies): Generator<OutRecord> {
        while (this.#end - before < changes) {
          const [round, wave] = [Math.floor(this.#wave / waves), this.#wave % waves];
          if (round >= rounds.next) throw new RangeError('everybody has been edited as often as there are edits');
          // The rest of a division stands at the end and is edited with the last wave.
          const groups = Array.from({ length: this.#groups }, (_, g) => g).filter((g) => g % waves === wave);
          for (const record of copies.changes(groups, round)) {
            this.#end += 1;
            yield record;
          }
          this.#wave += 1;
        }
      }.bind(this),
    );
    return this.#end - before;
  }

  async #write(
    what: string,
    records: (copies: Copies, codec: ConstructorParameters<typeof Copies>[0]['codec']) => Generator<OutRecord>,
  ): Promise<void> {
    const { signal } = this.#bench;
    await withWorld(this.deployment, async ({ config, codec, kafka }) => {
      const copies = new Copies({ config, codec, past: rounds.past, rounds: rounds.next });
      const producer = await kafka.producer(signal);
      let told = performance.now();
      let sent = 0;
      for (const part of inParts(records(copies, codec))) {
        signal.throwIfAborted();
        await producer.send(part);
        sent += part.length;
        if (performance.now() - told < tellEveryMs) continue;
        told = performance.now();
        this.#bench.log(`writing ${what}: ${sent.toLocaleString('en')} records`);
      }
      await producer.close();
    });
  }
}

function* inParts(records: Iterable<OutRecord>): Generator<OutRecord[]> {
  let part: OutRecord[] = [];
  for (const record of records) {
    part.push(record);
    if (part.length < atOnce) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}
