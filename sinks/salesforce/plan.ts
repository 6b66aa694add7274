/** The open commands of a partition as calls of many rows each: what goes together, in what order. Pure. */
import { mostRows, type Row, type SalesforceRequest } from '../../connectors/salesforce/requests.ts';
import { among, any, type Condition, soql } from '../../connectors/salesforce/soql.ts';
import type { BudgetLane } from '../../core/budget.ts';
import type { Command, Value } from '../../schemas/types.ts';

/** What there is to know of an object that is written. */
export interface SalesforceObject {
  /** External-id field that holds our id of the record; unique. */
  readonly marker: string;
  /** Field by which people are looked for before one is created; null: no people. */
  readonly email: string | null;
  /** Fields that are read. A mapped one that is missing here would be told as empty. */
  readonly fields: readonly string[];
  readonly multiSelects: readonly string[];
}
export type SalesforceObjects = Readonly<Record<string, SalesforceObject>>;

export type Fields = Command['fields'];
export const laneOf = (command: Command): BudgetLane => (command.lane === 'bulk' ? 'bulk' : 'live');

/** `salesforce:Contact:003…` → `003…` */
export const idOf = (ref: string): string => ref.slice(ref.lastIndexOf(':') + 1);

/** A value as REST takes it: what was chosen in a multi-select is joined by semicolons. */
const toJson = (value: Value): Row[string] => (typeof value === 'object' && value !== null ? value.join(';') : value);
const toRow = (fields: Fields): Row =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, toJson(value)]));

/** A command on its way, with those of its fields that are still to be written. */
export interface Writable {
  readonly command: Command;
  readonly rest: Fields;
}

export interface Write<Item extends Writable> {
  readonly request: Extract<SalesforceRequest, { kind: 'update' | 'upsert' }>;
  readonly lane: BudgetLane;
  /** In the order of the rows. */
  readonly items: readonly [Item, ...Item[]];
}

const lanes: readonly Command['lane'][] = ['urgent', 'live', 'bulk'];

/**
 * A write locks the Account above its record, or its own: ten seconds of waiting for such a lock and the row fails. Rows of
 * one Account therefore stand side by side in one call, or in calls one after the other.
 */
function lockOf({ ref, object, fields, before }: Command): string {
  const account = object === 'Account' ? idOf(ref) : (fields['AccountId'] ?? before['AccountId']);
  return typeof account === 'string' ? account : '';
}

/** Calls for these rows, to be made one after the other: live ones before bulk ones, of one object and one verb each. */
export function planWrites<Item extends Writable>(
  items: readonly Item[],
  objects: SalesforceObjects,
): readonly Write<Item>[] {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const { command } = item;
    const name = `${laneOf(command)} ${command.object} ${command.verb}`;
    groups.set(name, [...(groups.get(name) ?? []), item]);
  }
  const rank = ({ command }: Item): number => lanes.indexOf(command.lane);
  const ordered = [...groups.values()].sort((a, b) => first(a, rank) - first(b, rank));
  return ordered.flatMap((group) => {
    const sorted = group
      .map((item) => ({ item, lock: lockOf(item.command), rank: rank(item) }))
      .sort((a, b) => a.rank - b.rank || compareText(a.lock, b.lock))
      .map(({ item }) => item);
    return chunks(sorted, mostRows).map((some) => writeOf(some, objects));
  });
}

const first = <Item>(items: readonly Item[], rank: (item: Item) => number): number => Math.min(...items.map(rank));
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** One call for rows of one object and verb. A create is an upsert by our marker, so that a repeat makes no second record. */
function writeOf<Item extends Writable>(items: readonly [Item, ...Item[]], objects: SalesforceObjects): Write<Item> {
  const [{ command }] = items;
  const { object } = command;
  const lane = laneOf(command);
  if (command.verb !== 'create') {
    const rows = items.map((item) => ({ Id: idOf(item.command.ref), ...toRow(item.rest) }));
    return { items, lane, request: { kind: 'update', object, rows } };
  }
  const externalIdField = objects[object]?.marker ?? '';
  const rows = items.map((item) => markedRow(item, externalIdField));
  return { items, lane, request: { kind: 'upsert', object, externalIdField, rows } };
}

export const markedRow = ({ command, rest }: Writable, marker: string): Row => ({
  ...toRow(rest),
  [marker]: command.key,
});

/** A write of many rows as two of half as many. */
export function halved<Item extends Writable>(
  { items }: Write<Item>,
  objects: SalesforceObjects,
): readonly Write<Item>[] {
  return chunks(items, Math.ceil(items.length / 2)).map((some) => writeOf(some, objects));
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly [T, ...T[]])[] {
  const found: (readonly [T, ...T[]])[] = [];
  for (let from = 0; from < items.length; from += size) {
    const [head, ...tail] = items.slice(from, from + size);
    if (head !== undefined) found.push([head, ...tail]);
  }
  return found;
}

// ---- reads

/** URI and headers together may take 16,384 bytes; the names of the fields take up to 8,000 of them. */
const mostValueText = 6_000;

/** A read of some records, with the items it is for. */
export interface Look<Item> {
  readonly request: Extract<SalesforceRequest, { kind: 'query' }>;
  readonly items: readonly Item[];
}

/** Mergeable objects tell where a loser went, leads where they were converted to. */
const whereabouts = (object: string): readonly string[] => {
  if (object === 'Lead') return ['IsDeleted', 'MasterRecordId', 'IsConverted', 'ConvertedContactId'];
  return object === 'Contact' || object === 'Account' ? ['IsDeleted', 'MasterRecordId'] : ['IsDeleted'];
};

/** The records of these ids, deleted ones included, with where they went. */
export const planReads = <Item>(
  object: string,
  fields: readonly string[],
  items: readonly Item[],
  id: (item: Item) => string,
): readonly Look<Item>[] =>
  looks(
    items,
    (item) => [id(item)],
    true,
    [...fields, ...whereabouts(object)],
    object,
    (some) => among('Id', some.map(id)),
  );

/** People to be created: do we have them already, by our marker (an earlier try made it) or by their email? */
export const planLookups = <Item extends Writable>(
  object: string,
  { marker, email, fields }: SalesforceObject & { readonly email: string },
  items: readonly Item[],
): readonly Look<Item>[] => {
  const named = (item: Item): string => String(item.rest[email] ?? '');
  const wanted = items.filter((item) => named(item) !== '');
  return looks(
    wanted,
    (item) => [named(item), item.command.key],
    false,
    [marker, email, ...fields],
    object,
    (some) =>
      any(
        among(email, some.map(named)),
        among(
          marker,
          some.map(({ command }) => command.key),
        ),
      ),
  );
};

function looks<Item>(
  items: readonly Item[],
  texts: (item: Item) => readonly string[],
  deletedToo: boolean,
  fields: readonly string[],
  from: string,
  where: (some: readonly Item[]) => Condition,
): readonly Look<Item>[] {
  const found: Item[][] = [];
  let left = 0;
  for (const item of items) {
    // Quotation marks, comma and blank are three bytes each in a URI.
    const length = texts(item).reduce((sum, text) => sum + encodeURIComponent(text).length + 12, 0);
    if (found.length === 0 || length > left) {
      found.push([]);
      left = mostValueText;
    }
    found.at(-1)?.push(item);
    left -= length;
  }
  const select = [...new Set(['Id', 'SystemModstamp', ...fields])];
  return found.map((some) => ({
    items: some,
    request: { kind: 'query', all: deletedToo, soql: soql({ fields: select, from, where: where(some) }) },
  }));
}
