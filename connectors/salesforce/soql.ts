/**
 * SOQL text from parts. Own, because jsforce's `find` escapes quotes but not backslashes: a value `\' OR Name != '`
 * breaks out of its literal and reads the whole table.
 */
export type Condition = string & { readonly condition: true };

const identifier = /^[A-Za-z]\w*(\.[A-Za-z]\w*)?$/;

function name(text: string): string {
  if (!identifier.test(text)) throw new TypeError(`${JSON.stringify(text)} is not a SOQL name`);
  return text;
}

/** A text literal. */
export function quote(text: string): string {
  const escaped = text.replace(/[\\']/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t');
  return `'${escaped}'`;
}

const condition = (text: string): Condition => text as Condition;
const operand = (value: string | Date): string => (value instanceof Date ? value.toISOString() : quote(value));

export function compare(
  field: string,
  operator: '=' | '!=' | '>' | '>=' | '<' | '<=',
  value: string | Date,
): Condition {
  return condition(`${name(field)} ${operator} ${operand(value)}`);
}
export function among(field: string, values: readonly string[]): Condition {
  return condition(`${name(field)} IN (${values.map(quote).join(', ')})`);
}
const join = (word: string, conditions: readonly Condition[]): Condition =>
  condition(conditions.map((one) => `(${one})`).join(` ${word} `));
export const all = (...conditions: Condition[]): Condition => join('AND', conditions);
export const any = (...conditions: Condition[]): Condition => join('OR', conditions);

export interface Query {
  readonly fields: readonly string[];
  readonly from: string;
  readonly where?: Condition | undefined;
  readonly orderBy?: readonly string[];
  readonly limit?: number;
}

export function soql({ fields, from, where, orderBy = [], limit }: Query): string {
  return [
    `SELECT ${fields.map(name).join(', ')} FROM ${name(from)}`,
    where === undefined ? '' : ` WHERE ${where}`,
    orderBy.length === 0 ? '' : ` ORDER BY ${orderBy.map(name).join(', ')}`,
    limit === undefined ? '' : ` LIMIT ${Math.trunc(limit)}`,
  ].join('');
}
