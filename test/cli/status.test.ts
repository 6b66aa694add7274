import { describe, expect, test } from 'vitest';
import { identityText } from '../../cli/identity.ts';
import { lagsIn, statusText } from '../../cli/status.ts';
import { createUnify } from '../../processors/unify/index.ts';
import { frozen, why } from '../../processors/unify/why.ts';
import { createdEvent } from '../support/changes.ts';
import { FoldRunner } from '../support/fold-runner.ts';
import { twoWay } from '../support/two-way.ts';

const contact = 'salesforce:Contact:003000000000001AAA';
const rules = twoWay();

describe('what an operator is shown', () => {
  test('of the pipeline: lags, and for each platform what waits, is open, may be called', () => {
    const platform = {
      currentTo: 99_000,
      hole: false,
      dirty: { urgent: 1, live: 2, bulk: 3 },
      open: 4,
      window: 5,
      complete: [],
    };
    const text = statusText(
      {
        lags: [{ stage: 'decode', topic: 'salesforce.raw', records: null }],
        left: { salesforce: 7_500, intercom: 12 },
        platforms: [
          { platform: 'salesforce', ...platform },
          { platform: 'intercom', ...platform, currentTo: 0, hole: true },
        ],
        gated: 6,
        jobs: 1,
        frozen: [{ id: 'abc', fields: ['phone', 'title'] }],
      },
      100_000,
    );
    expect(text.split('\n')).toEqual([
      'STAGE   READS           LAG',
      'decode  salesforce.raw  not begun',
      '',
      'PLATFORM    CURRENT        HOLE  WAITING         OPEN  WINDOW  CALLS LEFT',
      'salesforce  1 s ago        none  3 live, 3 bulk  4     5       7500',
      'intercom    not heard yet  open  3 live, 3 bulk  4     5       12',
      '',
      '6 creates wait for both platforms to be heard, 1 jobs run',
      '',
      'FROZEN  FIELDS',
      'abc     phone, title',
      '',
      'see `tributary why`, then `tributary unfreeze`',
    ]);
  });

  test('of a person: their records, and what is not made on the other platform yet', () => {
    const runner = new FoldRunner(createUnify(rules));
    runner.decide(createdEvent(contact, { Email: 'mary@x.example', LastName: 'Lee' }, 10, 1));
    const [found] = why((key) => runner.committed.get(key), rules, contact);
    if (found === undefined) throw new Error('nobody is known');
    expect(identityText(found)).toContain(contact);
    expect(identityText(found)).toContain('not on intercom');
  });

  test.each([
    [-1, null],
    [0, 7],
  ])('of a stage whose position is %i: its lag, or that it has not begun', async (next, records) => {
    const unused = (): Promise<never> => Promise.reject(new Error('not asked'));
    const admin = { describe: unused, create: unused, configure: unused, lag: () => Promise.resolve(7) };
    const kafka = { committed: () => Promise.resolve([{ partition: 0, next }]), admin };
    const lags = await lagsIn(kafka);
    expect(lags.map((one) => one.records)).toEqual([records, records, records]);
  });

  test('nothing as frozen while nothing is', () => {
    const runner = new FoldRunner(createUnify(rules));
    runner.decide(createdEvent(contact, { Email: 'mary@x.example', LastName: 'Lee' }, 10, 1));
    runner.decide(createdEvent(contact, { Email: 'mary@x.example', LastName: 'Lee' }, 10, 1));
    expect(frozen((key) => runner.committed.get(key), rules)).toEqual([]);
  });
});
