/** What a dry run of the link says: for machines as it is, for people as text. Pure. */
import type { EntityKind } from '../../processors/unify/rules.ts';
import { isEmpty } from '../../processors/unify/values.ts';
import type { Value } from '../../schemas/types.ts';
import { table } from '../output.ts';

type Platform = 'salesforce' | 'intercom';

/** Records that are one person or company, as far as is known before anything is written. */
export interface Party {
  readonly id: string;
  readonly entity: EntityKind;
  /** Email or name, for people. */
  readonly name: string;
  readonly records: readonly string[];
}

export interface Pair extends Party {
  /** The rules by which its records are one. */
  readonly by: string;
}

/** Nothing is created of it or written to it until somebody says who it is. */
export interface Ambiguous extends Party {
  readonly candidates: readonly Party[];
  readonly why: string;
}

export interface Alone extends Party {
  /** The record that would be created on the other platform, or why none is. */
  readonly becomes: string;
}

export interface FieldWrite {
  readonly field: string;
  /** What is known to stand there; null for nothing. */
  readonly from: Value;
  readonly to: Value;
  readonly why: string;
  /** Our id of the record: another one, if records are told of in another order. */
  readonly marker: boolean;
}

/** Everything that would be written to one record. */
export interface Write {
  readonly platform: Platform;
  readonly verb: 'create' | 'update';
  /** A record that would be created ends with `new-<n>`. */
  readonly record: string;
  readonly entity: EntityKind;
  readonly name: string;
  /** Other records of the same person or company. */
  readonly beside: readonly string[];
  /** How often it would be written: what needs the id of a record that is only created comes later. */
  readonly asks: number;
  readonly fields: readonly FieldWrite[];
}

/** What unify says of the records in one order of their telling. */
export interface Forecast {
  readonly matched: readonly Pair[];
  readonly ambiguous: readonly Ambiguous[];
  readonly onlySalesforce: readonly Alone[];
  readonly onlyIntercom: readonly Alone[];
  readonly writes: readonly Write[];
  /** Records that could not be decided. */
  readonly held: readonly { readonly record: string; readonly why: string }[];
  /** Records and jobs that would still wait for something. */
  readonly waiting: number;
}

/** What depends on which platform's record is told of first. */
export interface Undecided {
  readonly record: string;
  readonly name: string;
  /** A field, or `who it is`. */
  readonly what: string;
  readonly salesforceFirst: string;
  readonly intercomFirst: string;
}

export interface LinkReport extends Forecast {
  readonly undecided: readonly Undecided[];
  /** Data attributes that Intercom lacks and that would be created, as `contact.name`. */
  readonly attributes: readonly string[];
  /** Records read, by platform and object. */
  readonly read: Readonly<Record<string, number>>;
  /** Records that could not be read, with the reason. */
  readonly unreadable: readonly { readonly record: string; readonly why: string }[];
  /** Calls made to read, by platform. */
  readonly calls: Readonly<Record<Platform, number>>;
  /** Records of each object that were read at most; null: all. */
  readonly limit: number | null;
  readonly cannotKnow: readonly string[];
}

export const cannotKnow: readonly string[] = [
  'what people change between this reading and the link, and what they changed in the minutes before, which Intercom’s search may not show yet',
  'what a platform refuses, cuts or spells anew, and what its rules, triggers and defaults do with our writes',
  'how often a record is written: what arrives in parts may take a second write, with the same end',
  'our own ids, which depend on whose record is told of first',
];

// ---- one order against the other

const made = /^new-\d+$/;

/** What a record that would be created is called in both orders. */
const nameOf = ({ platform, verb, record, entity, beside }: Write): string =>
  verb === 'create' ? `a new ${platform} ${entity} beside ${beside.join(' and ')}` : record;

function namesIn({ writes }: Forecast): (value: Value) => string {
  const names = new Map(
    writes
      .filter(({ verb }) => verb === 'create')
      .map((one) => [one.record.slice(one.record.lastIndexOf(':') + 1), nameOf(one)]),
  );
  const named = (text: string): string => (made.test(text) ? (names.get(text) ?? text) : text);
  return (value) =>
    JSON.stringify(Array.isArray(value) ? value.map(named).sort() : typeof value === 'string' ? named(value) : value);
}

function whoIs(one: Forecast): ReadonlyMap<string, { readonly name: string; readonly text: string }> {
  const known = new Map<string, { readonly name: string; readonly text: string }>();
  const put = ({ records, name }: Party, text: (others: readonly string[]) => string): void => {
    for (const record of records) known.set(record, { name, text: text(records.filter((other) => other !== record)) });
  };
  for (const party of one.matched) put(party, (others) => `one with ${others.join(' and ')}`);
  for (const party of one.ambiguous) put(party, () => 'ambiguous');
  for (const party of [...one.onlySalesforce, ...one.onlyIntercom])
    put(party, (others) => (others.length === 0 ? 'alone' : `one with ${others.join(' and ')}`));
  return known;
}

/** What is decided one way or the other, by whose record is told of first. */
export function undecidedBetween(salesforceFirst: Forecast, intercomFirst: Forecast): readonly Undecided[] {
  const found: Undecided[] = [];
  const [one, other] = [whoIs(salesforceFirst), whoIs(intercomFirst)];
  for (const record of new Set([...one.keys(), ...other.keys()])) {
    const [a, b] = [one.get(record), other.get(record)];
    if (a?.text === b?.text) continue;
    const name = a?.name ?? b?.name ?? '';
    found.push({ record, name, what: 'who it is', salesforceFirst: a?.text ?? '', intercomFirst: b?.text ?? '' });
  }
  const [left, right] = [writesIn(salesforceFirst), writesIn(intercomFirst)];
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    const [a, b] = [left.get(key), right.get(key)];
    if (a?.value === b?.value) continue;
    const { record = '', name = '', field: what = '' } = a ?? b ?? {};
    const said = (write: Said | undefined): string => write?.value ?? 'not written';
    found.push({ record, name, what, salesforceFirst: said(a), intercomFirst: said(b) });
  }
  return found.sort((a, b) => (a.record < b.record ? -1 : a.record > b.record ? 1 : a.what < b.what ? -1 : 1));
}

interface Said {
  readonly record: string;
  readonly name: string;
  readonly field: string;
  readonly value: string;
}

function writesIn(one: Forecast): ReadonlyMap<string, Said> {
  const textOf = namesIn(one);
  return new Map(
    one.writes.flatMap((write) =>
      write.fields
        .filter(({ marker }) => !marker)
        .map(({ field, to }): [string, Said] => {
          const record = nameOf(write);
          return [`${record} ${field}`, { record, name: write.name, field, value: textOf(to) }];
        }),
    ),
  );
}

// ---- for people

const kinds: readonly EntityKind[] = ['customer', 'account'];
const kindText = (entity: EntityKind): string => (entity === 'customer' ? 'people' : 'companies');
const count = (parties: readonly Party[], kind: EntityKind): string =>
  String(parties.filter(({ entity }) => entity === kind).length);

export function linkText(report: LinkReport, details: boolean): string {
  const { matched, ambiguous, onlySalesforce, onlyIntercom, writes, undecided, held, unreadable, waiting } = report;
  const row = (title: string, parties: readonly Party[]): readonly string[] => [
    title,
    ...kinds.map((kind) => count(parties, kind)),
  ];
  const parts = [
    ...(report.limit === null
      ? []
      : [`a part only: at most ${report.limit} records of each object were read, so most have not met their match`]),
    table([
      ['', 'PEOPLE', 'COMPANIES'],
      row('matched', matched),
      row('ambiguous', ambiguous),
      row('only in Salesforce', onlySalesforce),
      row('only in Intercom', onlyIntercom),
    ]),
    writes.length === 0 ? 'nothing would be written' : writeTable(writes),
    ...(writes.length === 0 ? [] : [fieldTable(writes)]),
    ...(report.attributes.length === 0
      ? []
      : [`attributes to be created in Intercom: ${report.attributes.join(', ')}`]),
    ...notMade([...onlySalesforce, ...onlyIntercom]),
    ...(details ? detailed(report) : []),
    ...listed('could not be decided', held),
    ...listed('could not be read', unreadable),
    ...(undecided.length === 0
      ? []
      : [
          `values and records that depend on whose record is told of first: ${undecided.length}${details ? `\n${undecidedTable(undecided)}` : ''}`,
        ]),
    ...(waiting === 0 ? [] : [`${waiting} records would still wait`]),
    `read by ${report.calls.salesforce} calls to Salesforce and ${report.calls.intercom} to Intercom; nothing was written`,
    `what this cannot know:\n${report.cannotKnow.map((one) => `  - ${one}`).join('\n')}`,
    ...(details ? [] : ['every pair, candidate and value: --details, or --output FILE for JSON']),
  ];
  return parts.join('\n\n');
}

const groups = (writes: readonly Write[]) =>
  Map.groupBy(writes, ({ platform, verb, entity }) => `${platform} ${verb} ${kindText(entity)}`);

function writeTable(writes: readonly Write[]): string {
  const rows = [...groups(writes)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, some]) => {
      const [platform = '', verb = '', kind = ''] = name.split(' ');
      const fields = some.reduce((sum, one) => sum + one.fields.length, 0);
      const asks = some.reduce((sum, one) => sum + one.asks, 0);
      return [platform, verb, kind, ...[some.length, fields, asks].map(String)];
    });
  return table([['WOULD WRITE TO', '', '', 'RECORDS', 'VALUES', 'WRITES'], ...rows]);
}

/** Which fields of records that are there would change: the first thing to look at before a link. */
function fieldTable(writes: readonly Write[]): string {
  const changed = writes
    .filter(({ verb }) => verb === 'update')
    .flatMap((write) =>
      write.fields.map((field) => ({ ...field, place: `${write.platform} ${kindText(write.entity)}` })),
    );
  if (changed.length === 0) return 'no value of a record that is there would change';
  const rows = [...Map.groupBy(changed, ({ place, field }) => `${place} ${field}`)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, some]) => {
      const filled = some.filter(({ from }) => isEmpty(from)).length;
      const cleared = some.filter(({ to }) => isEmpty(to)).length;
      return [...name.split(' '), ...[filled, some.length - filled - cleared, cleared].map(String)];
    });
  return table([['CHANGES IN', '', 'FIELD', 'FILLED', 'REPLACED', 'CLEARED'], ...rows]);
}

function notMade(alone: readonly Alone[]): readonly string[] {
  const reasons = alone
    .filter(({ becomes }) => !becomes.includes(':new-'))
    .map(({ entity, becomes }) => `${kindText(entity)} ${becomes}`);
  if (reasons.length === 0) return [];
  const rows = [...Map.groupBy(reasons, (one) => one)].map(([why, some]) => [String(some.length), why]);
  return [table(rows)];
}

const listed = (
  title: string,
  some: readonly { readonly record: string; readonly why: string }[],
): readonly string[] =>
  some.length === 0 ? [] : [`${title}:\n${table(some.map(({ record, why }) => [`  ${record}`, why]))}`];

const undecidedTable = (some: readonly Undecided[]): string =>
  table([
    ['  RECORD', 'WHAT', 'SALESFORCE FIRST', 'INTERCOM FIRST'],
    ...some.map(({ record, what, salesforceFirst, intercomFirst }) => [
      `  ${record}`,
      what,
      salesforceFirst,
      intercomFirst,
    ]),
  ]);

const short = (value: Value): string => {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
};

function detailed({ matched, ambiguous, onlySalesforce, onlyIntercom, writes }: LinkReport): readonly string[] {
  const alone = (title: string, parties: readonly Alone[]): readonly string[] =>
    parties.length === 0
      ? []
      : [`${title}:\n${table(parties.map(({ name, records, becomes }) => [`  ${name}`, records.join(' '), becomes]))}`];
  const doubts = ambiguous.map(({ name, records, why, candidates }) =>
    [
      `  ${name}: ${records.join(' ')}: ${why}`,
      ...candidates.map((one) => `    ${one.name}: ${one.records.join(' ')}`),
    ].join('\n'),
  );
  const changes = writes.map(({ verb, record, name, fields }) =>
    [
      `  ${verb} ${record} (${name})`,
      table(fields.map(({ field, from, to, why }) => [`    ${field}`, `${short(from)} → ${short(to)}`, why])),
    ].join('\n'),
  );
  return [
    ...(matched.length === 0
      ? []
      : [`matched:\n${table(matched.map(({ name, records, by }) => [`  ${name}`, records.join(' '), by]))}`]),
    ...(doubts.length === 0 ? [] : [`ambiguous, with candidates:\n${doubts.join('\n')}`]),
    ...alone('only in Salesforce', onlySalesforce),
    ...alone('only in Intercom', onlyIntercom),
    ...(changes.length === 0 ? [] : [`would be written:\n${changes.join('\n')}`]),
  ];
}
