/** Echoes of our writes to Salesforce: some come, some late, some never, while its sources are silent or have a hole. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, Value } from '../../../schemas/types.ts';
import { second } from '../../support/changes.ts';
import { change } from '../../support/fold-runner.ts';
import { ours, Pair, salesforce } from './ledger-pair.ts';

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('edit' as const), title: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.constant({ do: 'answer' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'echo' as const }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('mark' as const), intercom: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hole' as const), open: fc.boolean() }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const steps = fc.array(step, { maxLength: 25, size: 'max' });
const lateAfter = 60;

/** Each step happens twenty seconds after the one before it. */
class Stream {
  readonly pair = new Pair();
  /** Seconds at which writes were answered whose echo has not come, in order, with what was asked. */
  awaited: { readonly at: number; readonly fields: Command['fields'] }[] = [];
  readonly wrong: string[] = [];
  /** Readings that were asked for. */
  readonly #read = new Set<string>();
  /** Writes whose echo was late when the marks passed it. */
  readonly #late = new Set<object>();
  /** One became late since the record was read. */
  #isDue = false;
  #at = 10;
  #hole = false;
  readonly #upTo = { salesforce: 0, intercom: 0 };
  #title: Value = 'a';

  get reads(): number {
    return this.#read.size;
  }

  play(all: readonly Step[]): this {
    for (const one of all) {
      this.#one(one);
      this.#at += 20;
      this.#watch();
    }
    return this;
  }

  /** The sources tell everything, far beyond the last write; whoever is read shows what was written. */
  end(): this {
    for (let rounds = 0; rounds < 20; rounds++) {
      this.#one({ do: 'hole', open: false });
      this.#at += 200;
      this.#one({ do: 'mark', intercom: true });
      this.#one({ do: 'mark', intercom: false });
      this.pair.runner.tick();
      this.#watch();
      if (this.pair.open().length === 0 && rounds > 2) return this;
      while (this.pair.open().length > 0) this.#one({ do: 'answer' });
    }
    this.wrong.push('it never comes to rest');
    return this;
  }

  #one(one: Step): void {
    const { pair } = this;
    switch (one.do) {
      case 'edit':
        pair.webhook({ 'custom_attributes.title': ['a', 'b', 'c', 'd'][one.title] ?? null }, this.#at);
        return;
      case 'answer': {
        const command = pair.open().find(({ platform }) => platform === 'salesforce');
        if (command !== undefined) this.#answer(command);
        return;
      }
      case 'echo': {
        const first = this.awaited.shift();
        if (first !== undefined) pair.event(first.fields, first.at, ours);
        return;
      }
      case 'mark':
        this.#mark(one.intercom ? 'intercom' : 'salesforce', 'mark');
        return;
      case 'hole':
        this.#hole = one.open;
        this.#mark('salesforce', one.open ? 'holeOpen' : 'holeClosed');
    }
  }

  #mark(platform: 'salesforce' | 'intercom', kind: 'mark' | 'holeOpen' | 'holeClosed'): void {
    // A source with a hole says none.
    if (kind === 'mark' && platform === 'salesforce' && this.#hole) return;
    if (kind === 'mark') this.#upTo[platform] = this.#at;
    const upTo = (second + this.#at) * 1000;
    this.pair.runner.decide(
      change({ kind: 'mark', mark: { platform, kind, upTo, detail: kind === 'mark' ? '' : 'h' } }),
    );
  }

  #answer(command: Command): void {
    if (command.verb === 'read') {
      // What was written stands there: the calls that are late changed nothing that the stream would tell of.
      this.awaited = this.awaited.filter((one) => !this.#late.has(one));
      this.pair.answer(command, { fields: { Title: this.#title }, at: this.#at, modified: 2 });
      return;
    }
    this.#title = command.fields['Title'] ?? null;
    this.awaited.push({ at: this.#at, fields: command.fields });
    this.pair.done(command, this.#at);
  }

  #watch(): void {
    const now = Math.min(this.#upTo.salesforce, this.#upTo.intercom);
    const late = this.awaited.filter((one) => now >= one.at + lateAfter && !this.#late.has(one));
    for (const one of late) this.#late.add(one);
    this.#isDue ||= late.length > 0;
    for (const { id, ref, verb } of this.pair.open()) {
      if (verb !== 'read' || this.#read.has(id)) continue;
      this.#read.add(id);
      if (ref !== salesforce || !this.#isDue) this.wrong.push(`${ref} is read at ${now}, and nothing is late`);
      this.#isDue = false;
    }
  }
}

describe('an echo', { timeout: 60_000 }, () => {
  it('that does not come has its record read, once and never ahead of the marks, and nothing is waited for in the end', () => {
    let reads = 0;
    fc.assert(
      fc.property(steps, (all) => {
        const stream = new Stream().play(all).end();
        reads += stream.reads;
        expect(stream.wrong).toEqual([]);
        const landed = stream.pair.runner.ref(salesforce)?.landed ?? [];
        const waiting = landed.filter(({ done, expected }) =>
          Object.keys(expected).some((name) => !done.includes(name)),
        );
        expect(waiting.map(({ id }) => id)).toEqual([]);
      }),
      { numRuns: 200 },
    );
    expect(reads).toBeGreaterThan(100);
  });
});
