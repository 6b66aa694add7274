/** Salesforce as it tells of itself, and an Intercom that carries out what it is asked. */
import { loadConfig } from '../../../core/config.ts';
import { createUnify } from '../../../processors/unify/index.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Change, Command, Result } from '../../../schemas/types.ts';
import { epoch, mark, result, snapshotComplete } from '../../support/changes.ts';
import { FakeIntercom } from '../../support/fake-intercom.ts';
import { FoldRunner } from '../../support/fold-runner.ts';

const config = loadConfig({ env: {} });
export const contact = (n: number | string): string => `salesforce:Contact:003${n}`;
export const account = 'salesforce:Account:001A';

export class Org {
  readonly runner: FoldRunner;
  readonly intercom = new FakeIntercom();
  constructor(window = 50, forgetful = false) {
    this.runner = new FoldRunner(createUnify(config), forgetful);
    for (let partition = 0; partition < 4; partition++)
      this.runner.decide(epoch(partition, `e${partition}`, 0, window));
    this.runner.decide(snapshotComplete('intercom', 'admin'));
  }
  say(...changes: readonly Change[]): this {
    for (const one of changes) this.runner.decide(one);
    return this;
  }
  /** Marks pass, ticks go by, the sink answers everything. */
  pass(at: number): this {
    for (let n = 0; n < 3; n++) {
      this.say(mark(at)).runner.tick();
      this.intercom.settle(this.runner);
    }
    return this;
  }
  /** Marks pass and nothing is answered. */
  ask(at: number): readonly Command[] {
    const before = this.runner.commands().length;
    this.say(mark(at)).runner.tick();
    return this.runner.commands().slice(before);
  }
  answer(command: Command | undefined, more: Partial<Result>): this {
    if (command === undefined) throw new Error('nothing was asked');
    this.intercom.ran.push(command);
    return this.say(result(command, partitionOf(command.ref === '' ? command.key : command.ref, 4), more));
  }
  people(): readonly string[] {
    return [...this.intercom.records.values()]
      .filter((record) => record.object === 'contact')
      .map((record) => String(record.fields['email']))
      .sort();
  }
  get ambiguous(): number {
    return this.runner.journal().filter((entry) => entry.kind === 'ambiguous').length;
  }
}

export const ada = { Email: 'ada@x.example', LastName: 'Byron' };
