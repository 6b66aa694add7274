import { type OrderByClause, parseQuery, type Query, type WhereClause } from '@jetstreamapp/soql-parser-js';
import { RequestRefused, refuse } from './errors.ts';
import type { Field, ObjectType } from './metadata.ts';
import type { SalesforceModel } from './model.ts';
import { type JsonRow, type Path, projectRow, resolvePath } from './rows.ts';
import type { StoredRecord } from './store.ts';
import { parseInstant, type Value } from './values.ts';

export interface QueryResult {
  readonly totalSize: number;
  readonly records: readonly JsonRow[];
}

type Test = (record: StoredRecord) => boolean;

/** The part of SOQL that readers of records need; the rest is refused by name rather than answered wrongly. */
export function runQuery(
  model: SalesforceModel,
  soql: string,
  options: { all: boolean; version: string },
): QueryResult {
  const query = parse(soql);
  const object = model.object(query.sObject ?? '');
  if (object === undefined) {
    throw refuse(
      400,
      'INVALID_TYPE',
      `${excerpt(soql, query.sObject ?? '')}sObject type '${query.sObject}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.`,
    );
  }
  const scope: Scope = { model, object, soql, alias: query.sObjectAlias };
  const test = query.where ? compileWhere(scope, query.where) : () => true;
  const found = [...model.store.all(object.name)].filter((record) => (options.all || !record.deleted) && test(record));
  const counting = query.fields?.length === 1 && query.fields[0]?.type === 'FieldFunctionExpression';
  if (counting) return { totalSize: found.length, records: [] };
  const paths = selectedPaths(scope, query);
  const ordered = query.orderBy ? found.sort(compileOrder(scope, [query.orderBy].flat())) : found;
  const rows = ordered.slice(
    query.offset ?? 0,
    query.limit === undefined ? undefined : (query.offset ?? 0) + query.limit,
  );
  return {
    totalSize: rows.length,
    records: rows.map((record) => projectRow(model, object, record, paths, options.version)),
  };
}

interface Scope {
  readonly model: SalesforceModel;
  readonly object: ObjectType;
  readonly soql: string;
  readonly alias: string | undefined;
}

/** Queries by their text: clients ask the same ones again and again, and never is one changed. */
const parsed = new Map<string, Query>();
const parsedKept = 2_000;

function parse(soql: string): Query {
  const known = parsed.get(soql);
  if (known !== undefined) return known;
  const query = parseAnew(soql);
  if (parsed.size >= parsedKept) parsed.clear();
  parsed.set(soql, query);
  return query;
}

function parseAnew(soql: string): Query {
  let query: Query;
  try {
    query = parseQuery(soql);
  } catch (error) {
    throw refuse(400, 'MALFORMED_QUERY', `${error instanceof Error ? error.message : String(error)}`);
  }
  const beyond = (['groupBy', 'having', 'usingScope', 'withDataCategory', 'for', 'update'] as const).find(
    (part) => part in query,
  );
  if (beyond !== undefined) throw unknownToTwin(beyond);
  return query;
}

const unknownToTwin = (what: string): RequestRefused =>
  refuse(400, 'MALFORMED_QUERY', `this double of Salesforce does not know: ${what}`);

/** The platform shows where it stumbled: a piece of the query, a caret, row and column. */
function excerpt(soql: string, at: string): string {
  const column = Math.max(soql.indexOf(at), 0);
  return `\n${soql}\n${' '.repeat(column)}^\nERROR at Row:1:Column:${column + 1}\n`;
}

function pathOf({ model, object, soql, alias }: Scope, text: string): Path {
  const names = text.split('.');
  if (names[0] === alias || names[0]?.toLowerCase() === object.name.toLowerCase()) names.shift();
  const path = resolvePath(model, object, names);
  if (path) return path;
  const [name = '', part] = names;
  throw refuse(
    400,
    'INVALID_FIELD',
    part === undefined
      ? `${excerpt(soql, text)}No such column '${name}' on entity '${object.name}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.`
      : `${excerpt(soql, text)}Didn't understand relationship '${name}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.`,
  );
}

function selectedPaths(scope: Scope, query: Query): readonly Path[] {
  return (query.fields ?? []).map((field) => {
    if (field.type === 'Field') return pathOf(scope, field.field);
    if (field.type !== 'FieldRelationship') throw unknownToTwin(field.type);
    return pathOf(scope, [...field.relationships, field.field].join('.'));
  });
}

type Token = '(' | ')' | 'AND' | 'OR' | 'NOT' | Test;

/** The parser hands out a chain of conditions that count their parentheses: laid out flat, then read by precedence. */
function compileWhere(scope: Scope, where: WhereClause): Test {
  const tokens: Token[] = [];
  for (let clause: WhereClause | undefined = where; clause; ) {
    const { left } = clause;
    if (left) tokens.push(...Array<Token>(left.openParen ?? 0).fill('('));
    if (left && 'operator' in left) {
      tokens.push(compileCondition(scope, left), ...Array<Token>(left.closeParen ?? 0).fill(')'));
    }
    if ('operator' in clause) tokens.push(clause.operator);
    clause = 'right' in clause ? clause.right : undefined;
  }
  const test = readGroup(tokens);
  if (tokens.length > 0) throw refuse(400, 'MALFORMED_QUERY', 'unexpected token in the WHERE clause');
  return test;
}

/** One level between parentheses. AND beside OR on one level is refused, as the platform refuses it. */
function readGroup(tokens: Token[]): Test {
  const tests = [readTerm(tokens)];
  let joint: Token | undefined;
  while (tokens[0] === 'AND' || tokens[0] === 'OR') {
    const next = tokens.shift();
    if (joint !== undefined && joint !== next) {
      throw refuse(400, 'MALFORMED_QUERY', `unexpected token: '${String(next).toLowerCase()}'`);
    }
    joint = next;
    tests.push(readTerm(tokens));
  }
  return joint === 'OR'
    ? (record) => tests.some((test) => test(record))
    : (record) => tests.every((test) => test(record));
}

function readTerm(tokens: Token[]): Test {
  const token = tokens.shift();
  if (typeof token === 'function') return token;
  if (token === 'NOT') {
    const test = readTerm(tokens);
    return (record) => !test(record);
  }
  if (token !== '(') throw refuse(400, 'MALFORMED_QUERY', `unexpected token: '${token ?? '<EOF>'}'`);
  const group = readGroup(tokens);
  if (tokens.shift() !== ')') throw refuse(400, 'MALFORMED_QUERY', "expecting a right parentheses, found '<EOF>'");
  return group;
}

type Condition = Extract<NonNullable<WhereClause['left']>, { operator: unknown }>;

function compileCondition(scope: Scope, condition: Condition): Test {
  if (!('field' in condition) || !('value' in condition) || 'dateLiteralVariable' in condition) {
    throw unknownToTwin('functions, subqueries and relative dates in WHERE');
  }
  const path = pathOf(scope, condition.field);
  const kinds = [condition.literalType ?? 'STRING'].flat();
  const literals = [condition.value]
    .flat()
    .map((text, i) => literal(path.field, text, kinds[i] ?? kinds[0] ?? 'STRING'));
  const [only = null] = literals;
  const of = (record: StoredRecord): Value => comparable(path.field, path.read(record));
  const ordered =
    (test: (order: number) => boolean): Test =>
    (record) => {
      const value = of(record);
      return value !== null && only !== null && test(compareValues(value, only));
    };
  switch (condition.operator) {
    case '=':
      return (record) => of(record) === only;
    case '!=':
      return (record) => of(record) !== only;
    case '<':
      return ordered((order) => order < 0);
    case '<=':
      return ordered((order) => order <= 0);
    case '>':
      return ordered((order) => order > 0);
    case '>=':
      return ordered((order) => order >= 0);
    case 'IN':
      return (record) => literals.includes(of(record));
    case 'NOT IN':
      return (record) => !literals.includes(of(record));
    case 'LIKE': {
      const pattern = likePattern(String([condition.value].flat()[0]));
      return (record) => pattern.test(String(of(record) ?? ''));
    }
    case 'INCLUDES':
    case 'EXCLUDES': {
      const wanted = literals.map((choices) => String(choices).split(';'));
      const includes: Test = (record) => {
        const chosen = String(of(record) ?? '').split(';');
        return wanted.some((choices) => choices.every((choice) => chosen.includes(choice)));
      };
      return condition.operator === 'INCLUDES' ? includes : (record) => !includes(record);
    }
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };
const unquote = (text: string): string =>
  text.slice(1, -1).replace(/\\(.)/gs, (_, escaped: string) => escapes[escaped] ?? escaped);

/** Read from the literal as written: a backslash makes a wildcard an ordinary character, and only here that matters. */
function likePattern(quoted: string): RegExp {
  const source = [...quoted.slice(1, -1).matchAll(/\\(.)|(.)/gs)].map(([, escaped, plain = '']) => {
    if (escaped === undefined && (plain === '%' || plain === '_')) return plain === '%' ? '.*' : '.';
    return (escaped === undefined ? plain : (escapes[escaped] ?? escaped)).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${source.join('')}$`, 'is');
}

function literal(field: Field, text: string, kind: string): Value {
  if (kind === 'NULL') return null;
  const quoted = kind === 'STRING';
  switch (field.type) {
    case 'boolean':
      if (kind !== 'BOOLEAN') throw wrongType(field, 'boolean', quoted);
      return text.toUpperCase() === 'TRUE';
    case 'int':
    case 'double':
    case 'currency':
      if (kind !== 'INTEGER' && kind !== 'DECIMAL') throw wrongType(field, 'double', quoted);
      return Number(text);
    case 'date':
      if (kind !== 'DATE') throw wrongType(field, 'date', quoted);
      return text;
    case 'datetime': {
      const at = kind === 'DATETIME' ? parseInstant(text) : undefined;
      if (at === undefined) throw wrongType(field, 'dateTime', quoted);
      return at;
    }
    case 'id':
    case 'reference': {
      const id = quoted ? unquote(text) : '';
      if (!/^([0-9A-Za-z]{15}|[0-9A-Za-z]{18})$/.test(id))
        throw refuse(400, 'INVALID_QUERY_FILTER_OPERATOR', `invalid ID field: ${id}`);
      return id.slice(0, 15);
    }
    case 'address':
      throw refuse(400, 'INVALID_FIELD', `field '${field.name}' can not be filtered in a query call`);
    case 'string':
    case 'textarea':
    case 'email':
    case 'phone':
    case 'url':
    case 'picklist':
    case 'multipicklist':
      if (!quoted) throw wrongType(field, 'string', quoted);
      return unquote(text).toLowerCase();
  }
}

function wrongType(field: Field, type: string, quoted: boolean): RequestRefused {
  const enclosed =
    type === 'string' ? ' and should be enclosed in quotes' : quoted ? ' and should not be enclosed in quotes' : '';
  return refuse(
    400,
    'INVALID_FIELD',
    `value of filter criterion for field '${field.name}' must be of type ${type}${enclosed}`,
  );
}

/** Text compares whatever its case; ids compare by their case-sensitive fifteen characters. */
function comparable(field: Field, value: Value): Value {
  if (typeof value !== 'string' || field.type === 'date') return value;
  return field.type === 'id' || field.type === 'reference' ? value.slice(0, 15) : value.toLowerCase();
}

function compareValues(a: Value, b: Value): number {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? -1 : 1;
  return a < b ? -1 : 1;
}

/** Nulls come first unless told otherwise, in either direction. */
function compileOrder(scope: Scope, clauses: readonly OrderByClause[]): (a: StoredRecord, b: StoredRecord) => number {
  const keys = clauses.map((clause) => {
    if (!('field' in clause)) throw unknownToTwin('functions in ORDER BY');
    const path = pathOf(scope, clause.field);
    return {
      read: (record: StoredRecord) => comparable(path.field, path.read(record)),
      sign: clause.order === 'DESC' ? -1 : 1,
      nullsLast: clause.nulls === 'LAST',
    };
  });
  return (a, b) => {
    for (const { read, sign, nullsLast } of keys) {
      const [left, right] = [read(a), read(b)];
      if (left === right) continue;
      if (left === null || right === null) return (left === null) === nullsLast ? 1 : -1;
      return sign * compareValues(left, right);
    }
    return 0;
  };
}
