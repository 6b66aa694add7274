import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testReadme } from '../../scripts/generate-test-readme.ts';
import { chapters } from '../support/acceptance.ts';
import { root } from '../support/sources.ts';

const cases = chapters.flatMap((chapter) => chapter.cases);

test('test/README.md is what is claimed now: `npm run generate` writes it', () => {
  expect(readFileSync(join(root, 'test/README.md'), 'utf8')).toBe(testReadme());
});

test('every test that it names exists, in that file', () => {
  const files = new Map<string, string>();
  const textOf = (file: string): string => {
    // As a test's name stands in the source: between two quotes of one kind, at the head of a call.
    const text = files.get(file) ?? readFileSync(join(root, 'test', file), 'utf8').replace(/\(\s+/g, '(');
    files.set(file, text);
    return text;
  };
  const named = cases.flatMap(({ held }) => held);
  const isThere = ([file, name]: (typeof named)[number]): boolean =>
    ["'", '"', '`'].some((quote) => textOf(file).includes(`(${quote}${name}${quote}`));
  expect(named.filter((one) => !isThere(one))).toEqual([]);
});

test('what no test holds is said to be missing', () => {
  expect(cases.filter(({ held, lacks }) => held.length === 0 && lacks === undefined)).toEqual([]);
});
