import { expect, test } from 'vitest';
import { certificatesText } from '../../cli/certificates.ts';

const certificate = {
  hole: 'stream lost, 1',
  since: 0,
  until: 1_790_000_000_000,
  method: 'all',
  read: 7,
  changed: 2,
  deleted: 1,
  unknown: ['b', 'a'],
} as const;

test('a person reads one line for each hole, and below what stays unknown of any', () => {
  const told = { at: 1_790_000_001_000, platform: 'salesforce', certificate };
  expect(certificatesText([told, { ...told, platform: 'intercom' }])).toMatchInlineSnapshot(`
    "CERTIFIED                 PLATFORM    HOLE            FROM           TO                        METHOD  READ  CHANGED  DELETED
    2026-09-21T14:13:21.000Z  salesforce  stream lost, 1  the beginning  2026-09-21T14:13:20.000Z  all     7     2        1
    2026-09-21T14:13:21.000Z  intercom    stream lost, 1  the beginning  2026-09-21T14:13:20.000Z  all     7     2        1

    what stays unknown:
      - a
      - b"
  `);
});

test('where there is none, that is said', () => {
  expect(certificatesText([])).toMatch(/^no certificates/);
});
