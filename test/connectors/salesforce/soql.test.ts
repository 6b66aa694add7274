import { parseQuery, type WhereClause } from '@jetstreamapp/soql-parser-js';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { all, among, any, type Condition, compare, quote, soql } from '../../../connectors/salesforce/soql.ts';

it('writes a statement from its parts', () => {
  const at = new Date('2026-01-02T03:04:05.000Z');
  const where = any(
    compare('SystemModstamp', '>', at),
    all(compare('SystemModstamp', '=', at), compare('Id', '>', 'x')),
  );
  expect(soql({ fields: ['Id', 'Name'], from: 'Contact', where, orderBy: ['SystemModstamp', 'Id'], limit: 5 })).toBe(
    'SELECT Id, Name FROM Contact WHERE (SystemModstamp > 2026-01-02T03:04:05.000Z) OR ' +
      "((SystemModstamp = 2026-01-02T03:04:05.000Z) AND (Id > 'x')) ORDER BY SystemModstamp, Id LIMIT 5",
  );
  expect(among('Id', ['a', "b'"])).toBe("Id IN ('a', 'b\\'')");
});

it('lets no value out of its literal', () => {
  expect(quote("\\' OR Name != '")).toBe("'\\\\\\' OR Name != \\''");
  fc.assert(
    fc.property(fc.string(), (text) => {
      const literal = quote(text);
      // Reads the literal as the platform does: a backslash takes the next character with it.
      let inside = '';
      let at = 1;
      for (; literal[at] !== "'"; at++) {
        if (literal[at] === '\\') at++;
        inside += literal[at];
      }
      expect(at).toBe(literal.length - 1);
      const plain = text.replace(/\n/g, 'n').replace(/\r/g, 'r').replace(/\t/g, 't');
      expect(inside).toBe(plain);
    }),
  );
});

it('refuses names that are none', () => {
  expect(() => soql({ fields: ['Id, Name'], from: 'Contact' })).toThrow(TypeError);
  expect(() => soql({ fields: ['Id'], from: 'Contact WHERE' })).toThrow(TypeError);
});

/** Values of a statement's condition, in its order, as a parser that is not ours reads them. */
function valuesIn(where: WhereClause | undefined): readonly string[] {
  if (where === undefined) return [];
  const { left, right } = where as { readonly left: { readonly value?: unknown }; readonly right?: WhereClause };
  const texts = [left?.value ?? []].flat().map(String);
  return [...texts.map(unquoted), ...valuesIn(right)];
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
const unquoted = (literal: string): string =>
  literal.slice(1, -1).replace(/\\(.)/gs, (_, letter: string) => escapes[letter] ?? letter);

it('gives every value back to whoever parses the statement, wherever it stands', () => {
  const hostile = fc.string({
    unit: fc.constantFrom("'", '\\', '\n', '\r', '\t', ' ', '(', ')', '%', 'OR ', 'x', 'é'),
  });
  const text = fc.oneof(hostile, fc.string({ unit: 'grapheme' }));
  const condition = fc.oneof(
    fc.array(text, { minLength: 1, maxLength: 4 }).map((values) => ({ values, made: among('Email', values) })),
    text.map((value) => ({ values: [value], made: compare('Name', '=', value) })),
  );
  const word = fc.constantFrom<(...conditions: Condition[]) => Condition>(all, any);
  fc.assert(
    fc.property(fc.array(condition, { minLength: 1, maxLength: 3 }), word, word, (conditions, inner, outer) => {
      const [first, ...rest] = conditions.map(({ made }) => made);
      if (first === undefined) return;
      const where = rest.length === 0 ? first : outer(first, inner(...rest));
      const statement = parseQuery(soql({ fields: ['Id'], from: 'Contact', where }));
      expect(statement.sObject).toBe('Contact');
      expect(valuesIn(statement.where)).toEqual(conditions.flatMap(({ values }) => values));
    }),
    { numRuns: 150 },
  );
});
