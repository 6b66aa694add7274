/**
 * The report: what the run cost and how quick it was, worked out from the twins' call logs and the edits that were made,
 * with nothing of the pipeline in it.
 */
import type { LoggedCall } from '../../twins/intercom/calls.ts';
import type { Edit } from './edits.ts';
import type { Row } from './population.ts';

export interface MadeEdit extends Edit {
  /** When it was sent, ms. */
  readonly at: number;
}

export interface Report {
  readonly people: { readonly salesforce: number; readonly intercom: number; readonly linked: number };
  readonly edits: number;
  /** Writes per edit that has to show; a move from one company to another is one write, though Intercom takes two calls for it. */
  readonly writesPerEdit: { readonly intercom: number };
  readonly duplicates: number;
  readonly differences: number;
  /** Edit sent → write received by Intercom, for every edit that had to show. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly calls: { readonly salesforce: number; readonly intercom: number };
  readonly minimumCalls: { readonly salesforce: number; readonly intercom: number };
  readonly noopWrites: number;
  /** Edits whose value was replaced by a later edit before it was written. */
  readonly coalesced: number;
  readonly seconds: number;
  readonly residentMiB: number;
}

/** Two edits of one record this close together need only one write between them. */
const coalesceMs = 250;

const isWrite = (call: LoggedCall): boolean => call.method !== 'GET' && call.changed !== null;

/** Nearest-rank percentile. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** Edit → first write of one of its fields to the paired record. Edits overtaken by a later one of the same field have none of their own. */
export function latencies(
  edits: readonly MadeEdit[],
  calls: readonly LoggedCall[],
  pairs: ReadonlyMap<string, string>,
): { readonly values: readonly number[]; readonly coalesced: number } {
  const writes = new Map<string, LoggedCall[]>();
  for (const call of calls) {
    if (!isWrite(call) || call.objectId === null) continue;
    writes.set(call.objectId, [...(writes.get(call.objectId) ?? []), call]);
  }
  const values: number[] = [];
  let coalesced = 0;
  for (const edit of edits) {
    if (edit.shows.length === 0) continue;
    const target = pairs.get(edit.id);
    const write = (target === undefined ? [] : (writes.get(target) ?? [])).find(
      (call) => call.time >= edit.at && edit.shows.some((field) => call.changed?.includes(field)),
    );
    if (write === undefined) coalesced += 1;
    else values.push(write.time - edit.at);
  }
  return { values, coalesced };
}

/** Writes of the live phase. A company left and another joined at once, in whichever order, is one write. */
export function countWrites(calls: readonly LoggedCall[], pairWithinMs = 5_000): number {
  const half = new Map<string, { readonly method: string; readonly time: number }>();
  let writes = 0;
  for (const call of calls) {
    if (!isWrite(call) || call.noop) continue;
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
 * The fewest calls with which every edit could have been shown, were they all known beforehand: one update for each group
 * of edits of a record that lie close together and change a mapped value in sum, and a call for each company left or joined.
 */
export function minimumEditCalls(edits: readonly MadeEdit[], hasCompany: (accountId: string) => boolean): number {
  const byRecord = new Map<string, MadeEdit[]>();
  for (const edit of edits) {
    if (edit.shows.length > 0) byRecord.set(edit.id, [...(byRecord.get(edit.id) ?? []), edit]);
  }
  let calls = 0;
  for (const list of byRecord.values()) {
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

/**
 * What Intercom must be asked before the first record, whatever the pipeline did ask: whose workspace it is by each of the
 * two who use the token (teammates, writes), the teammates, the attributes of people and of companies, and the creation
 * of each custom attribute, since the double begins with none.
 */
export const minimumFirstCalls = (customAttributes: number): number => 2 + 1 + 2 + customAttributes;

/** Lines for a person. */
export function printReport(report: Report): string {
  const rows: readonly (readonly [string, string])[] = [
    [
      'people',
      `${report.people.salesforce} in Salesforce, ${report.people.intercom} in Intercom, ${report.people.linked} linked`,
    ],
    ['edits', `${report.edits}, ${report.coalesced} of them overtaken by a later one before they were written`],
    ['differences', String(report.differences)],
    ['duplicates', String(report.duplicates)],
    ['no-op writes', String(report.noopWrites)],
    ['writes per edit', `${report.writesPerEdit.intercom.toFixed(3)} to Intercom`],
    ['edit → write', `p50 ${report.latencyMs.p50} ms, p95 ${report.latencyMs.p95} ms, p99 ${report.latencyMs.p99} ms`],
    ['calls to Intercom', `${report.calls.intercom}, at least ${report.minimumCalls.intercom} were needed`],
    ['calls to Salesforce', `${report.calls.salesforce}, at least ${report.minimumCalls.salesforce} were needed`],
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
  must(report.writesPerEdit.intercom <= 1, `${report.writesPerEdit.intercom} writes per edit`);
  must(report.latencyMs.p95 < 2_000, `edit → write p95 of ${report.latencyMs.p95} ms`);
  must(
    report.calls.intercom <= report.minimumCalls.intercom * 1.05,
    `${report.calls.intercom} calls to Intercom where ${report.minimumCalls.intercom} would do`,
  );
  must(
    report.calls.salesforce <= report.minimumCalls.salesforce * 1.05,
    `${report.calls.salesforce} calls to Salesforce where ${report.minimumCalls.salesforce} would do`,
  );
  must(report.residentMiB < 512, `${report.residentMiB} MiB of memory`);
  return wrong;
}
