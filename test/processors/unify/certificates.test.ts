/** A hole that was read again is told to people once, with what the connector certifies. */
import { expect, test } from 'vitest';
import { createUnify } from '../../../processors/unify/index.ts';
import type { Certificate, JournalEntry, Mark } from '../../../schemas/types.ts';
import { change, PlainRunner } from '../../support/fold-runner.ts';
import { twoWay } from '../../support/two-way.ts';

const certificate: Certificate = {
  hole: 'stream lost, 1',
  since: 1_000,
  until: 9_000,
  method: 'modified',
  read: 7,
  changed: 2,
  deleted: 1,
  unknown: ['who set what is read'],
};
const marked = (offset: number, kind: Mark['kind'], of: Certificate | null) =>
  change({
    kind: 'mark',
    source: { topic: 'salesforce.raw', partition: 0, offset, index: 0 },
    mark: { platform: 'salesforce', kind, upTo: 0, detail: '', certificate: of },
  });
const journal = ({ outputs }: PlainRunner) =>
  outputs.flatMap(({ topic, value }) => (topic === 'journal' ? [value as JournalEntry] : []));

test('the certificate stands in the journal, in words and as it is, and closes the hole as before', () => {
  const runner = new PlainRunner(createUnify(twoWay()));
  runner.decide(marked(4, 'holeOpen', null));
  runner.decide(marked(5, 'holeClosed', certificate));
  expect(journal(runner)).toMatchObject([
    {
      id: 'salesforce',
      kind: 'certificate',
      reason:
        'stream lost, 1: rows that changed since it began were read again: 7 read, of which 2 had changed in it and 1 were deleted',
      certificate,
    },
  ]);
  expect(runner.state.get('cur:marks')).toMatchObject({ n: { 'hole:salesforce': 0 } });
  expect(runner.poisons).toEqual([]);
});

test('a mark that is decoded once more certifies nothing a second time, whether it closes the hole or others are open', () => {
  const runner = new PlainRunner(createUnify(twoWay()));
  for (const [offset, kind] of [
    [5, 'mark'],
    [6, 'holeClosed'],
    [5, 'mark'],
    [6, 'holeClosed'],
  ] as const)
    runner.decide(marked(offset, kind, certificate));
  expect(journal(runner)).toHaveLength(2);
});
