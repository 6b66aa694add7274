import { describe, expect, it } from 'vitest';
import { whyText } from '../../cli/why.ts';
import { StateMiss } from '../../core/fold.ts';
import { createUnify } from '../../processors/unify/index.ts';
import { type Why, why } from '../../processors/unify/why.ts';
import { createdEvent, event, second } from '../support/changes.ts';
import { FoldRunner } from '../support/fold-runner.ts';
import { twoWay } from '../support/two-way.ts';

const contact = 'salesforce:Contact:003000000000001AAA';
const user = 'intercom:contact:66f100000000000000000001';
const rules = twoWay();

/** A person on both platforms: Salesforce names a title, then Intercom an older one that comes late. */
function conflict(): FoldRunner {
  const runner = new FoldRunner(createUnify(rules));
  runner.decide(createdEvent(contact, { Email: 'mary@x.example', LastName: 'Lee', Title: 'CTO' }, 10, 1));
  const seen = { email: 'mary@x.example', name: 'Lee', 'custom_attributes.job_title': 'Chief' };
  runner.decide(
    event(user, seen, 4, -1, { at: { time: (second + 4) * 1000 + 250, seq: -1, second: false }, whole: true }),
  );
  return runner;
}

const ask = (runner: FoldRunner, subject: string, field = ''): readonly Why[] =>
  why((key) => runner.committed.get(key), rules, subject, field);

describe('why', () => {
  it('tells of a field in five lines: the value, what set it, what lost, and each record', () => {
    const [found] = ask(conflict(), 'mary@x.example', 'title');
    const lines = whyText(found as Why).split('\n');
    const at = lines.findIndex((line) => line.startsWith('title = '));
    expect(lines.slice(at)).toEqual([
      'title = "CTO", version 1',
      `  set by  ${contact} at 2026-09-21T14:13:30.000Z: first, changes/0`,
      `  lost    "Chief" of ${user} at 2026-09-21T14:13:24.250Z: ${contact} has a newer value`,
      `  intercom  waiting: ${user} custom_attributes.job_title "Chief", wanted "CTO"`,
      `  salesforce  equal: ${contact} Title "CTO"`,
    ]);
  });

  it('finds the same person by email in any spelling, by each record, and by id', () => {
    const runner = conflict();
    const id = runner.ref(contact)?.id ?? '';
    const found = ['MARY@x.example', contact, user, id].map((subject) =>
      ask(runner, subject).map((one) => one.entity.id),
    );
    expect(found).toEqual([[id], [id], [id], [id]]);
  });

  it('knows nothing of whom nobody has told', () => {
    const runner = conflict();
    for (const subject of ['nobody@x.example', 'salesforce:Contact:003000000000009AAA', 'no id'])
      expect(ask(runner, subject)).toEqual([]);
  });

  it('asks for the state that it lacks, and writes none', () => {
    const runner = conflict();
    const before = JSON.stringify([...runner.committed]);
    const known = new Set<string>();
    const get = (key: string): object | undefined => {
      if (!known.has(key)) throw new StateMiss([key]);
      return runner.committed.get(key);
    };
    let found: readonly Why[] | undefined;
    while (found === undefined) {
      try {
        found = why(get, rules, 'mary@x.example');
      } catch (error) {
        if (!(error instanceof StateMiss)) throw error;
        for (const key of error.keys) known.add(key);
      }
    }
    expect(found.map(({ refs }) => refs.map(({ ref }) => ref))).toEqual([[user, contact]]);
    expect(JSON.stringify([...runner.committed])).toBe(before);
  });
});
