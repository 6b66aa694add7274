/**
 * The report: what the run cost and how quick it was, worked out from the doubles' call logs and the edits that were made,
 * with nothing of the pipeline in it.
 */
import type { LoggedCall } from '../../twins/intercom/calls.ts';
import type { LoggedCall as SalesforceCall } from '../../twins/salesforce/control.ts';
import type { Edit } from './edits.ts';
import type { Row } from './population.ts';

export interface MadeEdit extends Edit {
  /** When it was sent, ms. */
  readonly at: number;
}

/** A figure for what was written to each platform. */
export interface Each<T> {
  readonly salesforce: T;
  readonly intercom: T;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface Report {
  readonly people: { readonly salesforce: number; readonly intercom: number; readonly linked: number };
  /** Contacts that share an email and wait for a person to decide. */
  readonly sharing: number;
  /** Where they were made. */
  readonly edits: Each<number>;
  /** Until both platforms agreed for the first time: records written, and the calls that this took. */
  readonly firstLink: { readonly seconds: number; readonly written: Each<number>; readonly calls: Each<number> };
  /** Writes per edit that has to show, where nothing conflicts; a move from one company to another is one write, though Intercom takes two calls for it. */
  readonly writesPerEdit: Each<number>;
  /** Fields changed on both platforms at once, and whose value stood in the end; `later`: a later edit's. */
  readonly conflicts: {
    readonly made: number;
    readonly salesforce: number;
    readonly intercom: number;
    readonly later: number;
  };
  readonly duplicates: number;
  readonly differences: number;
  /** Edit sent → write received by the other platform, for every edit that had to show. */
  readonly latencyMs: Each<Percentiles>;
  /** While people edited. */
  readonly calls: Each<number>;
  readonly minimumCalls: Each<number>;
  /** Rows that one call to Salesforce carried while everybody was changed in Intercom at once. */
  readonly burst: { readonly rows: number; readonly calls: number };
  readonly noopWrites: number;
  /** Edits whose value was replaced by a later edit before it was written. */
  readonly coalesced: number;
  readonly seconds: number;
  readonly residentMiB: number;
}

/** Two edits of one record this close together need only one write between them. */
const coalesceMs = 250;
/** Two edits of one field on both platforms this close together are a conflict: neither person can have seen the other's. */
const conflictMs = 3_000;

/** One record written by one call. */
export interface Write {
  readonly time: number;
  readonly record: string;
  readonly changed: readonly string[];
}

export const intercomWrites = (calls: readonly LoggedCall[]): readonly Write[] =>
  calls.flatMap(({ time, method, objectId, changed }) =>
    method === 'GET' || changed === null || objectId === null ? [] : [{ time, record: objectId, changed }],
  );

export const salesforceWrites = (calls: readonly SalesforceCall[]): readonly Write[] =>
  calls.flatMap(({ time, written }) => written.map(({ id, fields }) => ({ time, record: id, changed: fields })));

/** Nearest-rank percentile. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

export const percentiles = (values: readonly number[]): Percentiles => ({
  p50: percentile(values, 0.5),
  p95: percentile(values, 0.95),
  p99: percentile(values, 0.99),
});

/**
 * Edit → first write of one of its fields to the other platform's record. Edits overtaken by a later one of the same field
 * have none of their own.
 */
export function latencies(
  edits: readonly MadeEdit[],
  writes: readonly Write[],
): { readonly values: readonly number[]; readonly coalesced: number } {
  const byRecord = Map.groupBy(writes, ({ record }) => record);
  const values: number[] = [];
  let coalesced = 0;
  for (const { on, id, intercomId, shows, at } of edits) {
    if (shows.length === 0) continue;
    const target = on === 'salesforce' ? intercomId : id;
    const write = (byRecord.get(target) ?? []).find(
      ({ time, changed }) => time >= at && shows.some((field) => changed.includes(field)),
    );
    if (write === undefined) coalesced += 1;
    else values.push(write.time - at);
  }
  return { values, coalesced };
}

/** Writes of the live phase in Intercom. A company left and another joined at once, in whichever order, is one write. */
export function countWrites(calls: readonly LoggedCall[], pairWithinMs = 5_000): number {
  const half = new Map<string, { readonly method: string; readonly time: number }>();
  let writes = 0;
  for (const call of calls) {
    if (call.method === 'GET' || call.changed === null || call.noop) continue;
    const person = /\/contacts\/([^/]+)\/companies/.exec(call.path)?.[1];
    if (person !== undefined) {
      const other = half.get(person);
      if (other !== undefined && other.method !== call.method && call.time - other.time <= pairWithinMs) {
        half.delete(person);
        continue;
      }
      half.set(person, { method: call.method, time: call.time });
    }
    writes += 1;
  }
  return writes;
}

/**
 * The fewest calls with which every edit could have been shown on the other platform, were they all known beforehand: one
 * update for each group of edits of a record that lie close together and change a mapped value in sum, and in Intercom a
 * call for each company left or joined.
 */
export function minimumEditCalls(edits: readonly MadeEdit[], hasCompany: (accountId: string) => boolean): number {
  const shown = edits.filter(({ shows }) => shows.length > 0);
  let calls = 0;
  for (const list of Map.groupBy(shown, ({ on, id }) => `${on} ${id}`).values()) {
    const groups: MadeEdit[][] = [];
    for (const edit of [...list].sort((a, b) => a.at - b.at)) {
      const last = groups.at(-1);
      const previous = last?.at(-1);
      if (last !== undefined && previous !== undefined && edit.at - previous.at <= coalesceMs) last.push(edit);
      else groups.push([edit]);
    }
    for (const group of groups) calls += groupCalls(group, hasCompany);
  }
  return calls;
}

function groupCalls(group: readonly MadeEdit[], hasCompany: (accountId: string) => boolean): number {
  const before: Row = {};
  const after: Row = {};
  for (const edit of group) {
    for (const [field, value] of Object.entries(edit.fields)) {
      before[field] ??= edit.before[field] ?? null;
      after[field] = value;
    }
  }
  const changed = Object.keys(after).filter((field) => (after[field] ?? null) !== (before[field] ?? null));
  const scalar = changed.some((field) => field !== 'AccountId') ? 1 : 0;
  if (!changed.includes('AccountId')) return scalar;
  const side = (value: Row[string] | undefined): number => (typeof value === 'string' && hasCompany(value) ? 1 : 0);
  return scalar + side(before['AccountId']) + side(after['AccountId']);
}

// ---- conflicts

export interface Conflict {
  readonly id: string;
  readonly field: string;
  readonly salesforce: Row[string];
  readonly intercom: Row[string];
  /** Of the later of the two, ms. */
  readonly at: number;
}

/** Fields given different values on both platforms within a few seconds. */
export function conflictsIn(edits: readonly MadeEdit[]): readonly Conflict[] {
  const found: Conflict[] = [];
  for (const list of Map.groupBy(edits, ({ id }) => id).values()) {
    const there = list.filter(({ on }) => on === 'intercom');
    for (const here of list.filter(({ on }) => on === 'salesforce')) {
      for (const other of there) {
        if (Math.abs(here.at - other.at) > conflictMs) continue;
        for (const [field, salesforce] of Object.entries(here.fields)) {
          const intercom = other.fields[field];
          if (!(field in other.fields) || intercom === undefined || intercom === salesforce) continue;
          found.push({ id: here.id, field, salesforce, intercom, at: Math.max(here.at, other.at) });
        }
      }
    }
  }
  return found;
}

/** `valueOf`: what stands in Salesforce in the end. */
export function outcomes(
  conflicts: readonly Conflict[],
  valueOf: (id: string, field: string) => unknown,
): Report['conflicts'] {
  const ends = conflicts.map(({ id, field, salesforce, intercom }) => {
    const stands = valueOf(id, field) ?? null;
    return stands === salesforce ? 'salesforce' : stands === intercom ? 'intercom' : 'later';
  });
  const count = (end: string): number => ends.filter((one) => one === end).length;
  return { made: ends.length, salesforce: count('salesforce'), intercom: count('intercom'), later: count('later') };
}

// ---- for people

/** Lines for a person. */
export function printReport(report: Report): string {
  const { people, edits, firstLink, latencyMs, calls, minimumCalls, writesPerEdit, conflicts, burst } = report;
  const latency = ({ p50, p95, p99 }: Percentiles): string => `p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms`;
  const rows: readonly (readonly [string, string])[] = [
    ['people', `${people.salesforce} in Salesforce, ${people.intercom} in Intercom, ${people.linked} linked`],
    ['sharing an email', `${report.sharing} contacts; the journal names them, a person decides`],
    [
      'first link',
      `${firstLink.seconds} s; ${firstLink.written.salesforce} records of Salesforce in ${firstLink.calls.salesforce} calls, ${firstLink.written.intercom} of Intercom in ${firstLink.calls.intercom}`,
    ],
    [
      'edits',
      `${edits.salesforce} in Salesforce, ${edits.intercom} in Intercom, ${report.coalesced} overtaken before they were written`,
    ],
    [
      'conflicts',
      `${conflicts.made}: ${conflicts.salesforce} won by Salesforce, ${conflicts.intercom} by Intercom, ${conflicts.later} edited again`,
    ],
    ['differences', String(report.differences)],
    ['duplicates', String(report.duplicates)],
    ['no-op writes', String(report.noopWrites)],
    [
      'writes per edit',
      `${writesPerEdit.salesforce.toFixed(3)} to Salesforce, ${writesPerEdit.intercom.toFixed(3)} to Intercom`,
    ],
    ['Salesforce → Intercom', latency(latencyMs.intercom)],
    ['Intercom → Salesforce', latency(latencyMs.salesforce)],
    ['calls to Intercom', `${calls.intercom}, at least ${minimumCalls.intercom} were needed`],
    ['calls to Salesforce', `${calls.salesforce}, at most ${minimumCalls.salesforce} if each edit had its own`],
    ['burst', `${burst.rows} rows to Salesforce in ${burst.calls} calls`],
    ['memory', `${report.residentMiB} MiB at most, every service in one process`],
    ['took', `${report.seconds} s`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join('\n');
}

/** What must be so; each line names what is not. */
export function failures(report: Report): readonly string[] {
  const wrong: string[] = [];
  const must = (ok: boolean, line: string): void => {
    if (!ok) wrong.push(line);
  };
  must(report.differences === 0, `${report.differences} differences between the platforms`);
  must(report.duplicates === 0, `${report.duplicates} duplicates`);
  must(report.noopWrites === 0, `${report.noopWrites} writes that changed nothing`);
  must(report.people.linked === report.people.intercom, 'people in Intercom that belong to nobody in Salesforce');
  for (const name of ['salesforce', 'intercom'] as const) {
    const { calls, minimumCalls } = report;
    must(report.writesPerEdit[name] <= 1, `${report.writesPerEdit[name]} writes per edit to ${name}`);
    must(report.latencyMs[name].p95 < 2_000, `edit → write to ${name}: p95 of ${report.latencyMs[name].p95} ms`);
    must(
      calls[name] <= minimumCalls[name] * 1.05,
      `${calls[name]} calls to ${name} where ${minimumCalls[name]} would do`,
    );
  }
  must(
    report.burst.rows >= report.burst.calls * 50,
    `${report.burst.calls} calls for a burst of ${report.burst.rows} rows`,
  );
  must(report.residentMiB < 512, `${report.residentMiB} MiB of memory`);
  return wrong;
}
