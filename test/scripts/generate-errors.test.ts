import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { codes } from '../../core/errors.ts';
import { errorsPage } from '../../scripts/generate-errors.ts';
import { root } from '../support/sources.ts';

test('docs/errors.md is what the code says now: `npm run generate` writes it', () => {
  expect(readFileSync(join(root, 'docs/errors.md'), 'utf8')).toBe(errorsPage());
});

test('has every code once, with a cause and a way out that are sentences', () => {
  const rows = [...errorsPage().matchAll(/^\| `([A-Z_]+)` \| (.+?) \| (.+) \| (\d+) \|$/gm)];
  expect(rows).toHaveLength(Object.keys(codes).length);
  expect(new Set(rows.map(([, code]) => code))).toEqual(new Set(Object.keys(codes)));
  const loose = rows.filter(([, , cause = '', wayOut = '']) => !/^\S.*\.$/.test(cause) || !/^\S.*\.$/.test(wayOut));
  expect(loose.map(([, code]) => code)).toEqual([]);
});
