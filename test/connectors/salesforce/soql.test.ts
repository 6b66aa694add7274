import fc from 'fast-check';
import { expect, it } from 'vitest';
import { all, among, any, compare, quote, soql } from '../../../connectors/salesforce/soql.ts';

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
