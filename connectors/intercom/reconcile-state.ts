/**
 * What the reading of Intercom must know to go on, and what it may claim. Pure; times are the platform's clock in ms, never
 * ahead of the true one. What is asked and what answers lead to: decide-reconcile.ts.
 *
 * pass: contacts read page by page. scroll: companies read page by page; the platform allows one at a time and forgets it
 * after a minute. hole: a span in which notifications may have been lost. owed: a record that a notification only named.
 * claim: everything before it is in the raw topic.
 *
 * The state lives in headers of the raw topic, as Salesforce's connector keeps its own: whoever writes what a step gives
 * puts the step's state on the last record of it. Receivers write to the same topic at the same time, so a state says up to
 * which offset it has heard of what they wrote.
 */
import { type Counts, nothingRead } from '../../core/counts.ts';
import type { Owing } from '../../processors/decode/intercom-webhook.ts';
import type { Certificate, RawRecord, SourceMark } from '../../schemas/types.ts';

/** In the order of the snapshot: owners and companies are known before the contacts that name them. */
export type Part = 'admin' | 'company' | 'contact';
export type Reason = 'snapshot' | 'hole' | 'poll';

export interface Pass {
  readonly reason: Reason;
  /** Contacts updated since; 0: all of them. */
  readonly since: number;
  readonly begun: number;
  /** Of the page to ask for, opaque; null: the first. */
  readonly cursor: string | null;
  /** Unix seconds: `created_at` of the last contact in raw, where all are read. A cursor dies, this does not. */
  readonly place: number;
  /** Since a hole is open; absent: none was read. */
  readonly counts?: Counts;
}

export interface Scroll {
  readonly reason: Reason;
  readonly begun: number;
  /** Null: a new one is opened. */
  readonly param: string | null;
  readonly counts?: Counts;
}

export interface Hole {
  /** What it is called in holeOpen and holeClosed. */
  readonly detail: string;
  readonly since: number;
  readonly until: number;
  /** A holeOpen of it was given out. */
  readonly told: boolean;
  /** Read again since. */
  readonly contacts: boolean;
  readonly companies: boolean;
  /** Of what was read again since. */
  readonly counts?: Counts;
}

export interface Owed extends Owing {
  /** Offset of the notification that leaves it: an answer to an older one does not pay this one. */
  readonly debt: number;
  /** When it happened, ms; 0: asked for by ourselves, which holds no claim back. */
  readonly since: number;
  /** Not to be asked before, ms. */
  readonly notBefore: number;
}

export interface ReconcileState {
  /** Platform's clock at the first start; 0: before it. */
  readonly startedAt: number;
  /** Last `upTo` of a mark. */
  readonly claim: number;
  /** Parts of the snapshot that were read whole. */
  readonly done: readonly Part[];
  /** When the teammates were listed last, ms. */
  readonly adminsAt: number;
  /** `begun`: of the last one that came to its end. `restarts`: in a row. */
  readonly companies: {
    readonly scroll: Scroll | null;
    readonly begun: number;
    readonly notBefore: number;
    readonly restarts: number;
  };
  /** `readTo`: changes until then were there to be found by a pass. */
  readonly contacts: { readonly pass: Pass | null; readonly begun: number; readonly readTo: number };
  /** One stands for all that overlap or follow before it is closed. */
  readonly hole: Hole | null;
  /** Holes so far. */
  readonly holes: number;
  /** The last that was told of, unless it is over. Who told of it may be gone since. */
  readonly loss: LossNote | null;
  readonly owed: readonly Owed[];
  /** Offset of the last record of raw that is accounted for here. */
  readonly heard: number;
}

export const unborn: ReconcileState = {
  startedAt: 0,
  claim: 0,
  done: [],
  adminsAt: 0,
  companies: { scroll: null, begun: 0, notBefore: 0, restarts: 0 },
  contacts: { pass: null, begun: 0, readTo: 0 },
  hole: null,
  holes: 0,
  loss: null,
  owed: [],
  heard: -1,
};

/** Notifications were seen to be sent within 7 s of what they tell; what takes longer is decided by its own position. */
export const margin = 10_000;
/** How long a change may stay out of search before a hole is closed on its word. */
export const settleMs = 60_000;
/** Without a word for so long, notifications were lost: a failed one is sent once more, after a minute. */
export const standstillMs = 60_000;
/** Notifications of one moment come in any order: so long a company is waited for to be told of by another one. */
const tellMs = 3_000;
/** Some 200 kB in a mark. */
export const mostOwed = 2_000;

/** What to write, in this order, and the state once it is written; records may be empty, then so is what is to write. */
export interface Step {
  readonly state: ReconcileState;
  readonly records: readonly RawRecord[];
  readonly marks: readonly SourceMark[];
  /** What the platform refused to tell and will not be asked again, in its own words: for the log. */
  readonly unread: string | null;
}

/** Headers of the raw topic. */
export const header = {
  /** On the last record of a step: the ReconcileState from there on. */
  state: 'state',
  /** On a notification's last record, or on a mark where it has none: what it owes, an OwedNote. */
  owed: 'owed',
  /** On a mark of a receiver that could not take notifications: a LossNote. */
  loss: 'loss',
} as const;

export interface OwedNote {
  readonly owed: readonly Owing[];
  /** `createdAt` of the notification, ms. */
  readonly since: number;
}

/** Notifications of that time are lost, or late by up to two hours. */
export interface LossNote {
  readonly since: number;
  readonly until: number;
  /** They come again. */
  readonly isOver: boolean;
}

export interface HeardRecord {
  readonly offset: number;
  readonly headers: { readonly [name: string]: string | Buffer | undefined };
}

// ---- what is heard

/** The state of whoever takes over, from the tail of raw: it has to reach back to the record after `heard` of the last state. */
export function recalled(tail: readonly HeardRecord[]): ReconcileState {
  const last = tail.findLast(({ headers }) => headers[header.state] !== undefined)?.headers[header.state];
  const state = last === undefined ? unborn : (JSON.parse(String(last)) as ReconcileState);
  return tail.reduce(afterRecord, state);
}

/** The state after one more record of raw, whoever wrote it. */
export function afterRecord(state: ReconcileState, { offset, headers }: HeardRecord): ReconcileState {
  if (offset <= state.heard) return state;
  const heard = { ...state, heard: offset };
  const owed = headers[header.owed];
  if (owed !== undefined) return owing(heard, JSON.parse(String(owed)) as OwedNote, offset);
  const loss = headers[header.loss];
  if (loss === undefined) return heard;
  const note = JSON.parse(String(loss)) as LossNote;
  return { ...withHole(heard, note.since, note.until), loss: note.isOver ? null : note };
}

export function owing(state: ReconcileState, { owed, since }: OwedNote, debt: number): ReconcileState {
  const asked = owed.map((one): Owed => {
    const before = state.owed.find((other) => isSame(one, other));
    const { what, id, unlessTold = false } = one;
    const all = { what, id, debt, since: earlier(since, before?.since ?? 0) };
    // What somebody else needs read is read whoever tells of it.
    const isNeeded = before !== undefined && before.unlessTold !== true;
    if (!unlessTold || isNeeded) return { ...all, notBefore: isNeeded ? before.notBefore : 0 };
    return { ...all, unlessTold, notBefore: before?.notBefore ?? since + tellMs };
  });
  const others = state.owed.filter((one) => !asked.some((other) => isSame(one, other)));
  return bounded({ ...state, owed: [...others, ...asked] });
}

/** Without what need not be read any more. `isTold`: whether a company stands in raw. */
export function withoutTold(state: ReconcileState, isTold: (company: string) => boolean): ReconcileState {
  const owed = state.owed.filter(
    ({ what, id, unlessTold = false }) => !unlessTold || what !== 'company' || !isTold(id),
  );
  return owed.length === state.owed.length ? state : { ...state, owed };
}

/** 0: at no moment of which anybody vouches. */
const earlier = (a: number, b: number): number => (a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b));

export const isSame = (a: Owing, b: Owing): boolean => a.what === b.what && a.id === b.id;

/** More than a mark can hold are found by a pass: all of them changed, or a notification would not have named them. */
function bounded(state: ReconcileState): ReconcileState {
  if (state.owed.length <= mostOwed) return state;
  const kept = state.owed.filter(({ what }) => what === 'merges' || what === 'admins');
  const spans = state.owed.filter((one) => !kept.includes(one)).map(({ since }) => since);
  // Merges are found by no pass.
  if (spans.length === 0) return state;
  return withHole({ ...state, owed: kept }, Math.min(...spans), Math.max(...spans));
}

/**
 * Records to be asked for by their ids, on demand: the only way to learn of a deletion that was not notified. They are
 * long settled: who is not there is gone. No more than `mostOwed` at a time, or they are read as changed ones are.
 */
export const audit = (state: ReconcileState, what: 'contact' | 'company', ids: readonly string[]): ReconcileState =>
  owing(state, { owed: ids.map((id) => ({ what, id })), since: 0 }, state.heard);

/** Nobody received, or Intercom was told to wait (429): notifications of that time are lost, or late by up to two hours. */
export const troubled = (state: ReconcileState, since: number, until: number): Step =>
  stepOf(withHole(state, since, until), [], []);

/** At each start of the reading: the first says when the snapshot began, a later one what a standstill means. */
export function resumed(state: ReconcileState, now: number): Step {
  if (state.startedAt === 0) return stepOf({ ...state, startedAt: now }, [], []);
  const vouched = Math.max(state.claim, state.startedAt);
  return now - vouched <= standstillMs ? stepOf(state, [], []) : troubled(state, vouched, now);
}

function withHole(state: ReconcileState, since: number, until: number): ReconcileState {
  const { hole } = state;
  const holes = hole === null ? state.holes + 1 : state.holes;
  const next: Hole = {
    detail: hole?.detail ?? `notifications lost, ${holes}`,
    // Not 0, by which a pass reads what never changed as well.
    since: Math.max(1, Math.min(since, hole?.since ?? since)),
    until: Math.max(until, hole?.until ?? until),
    told: hole?.told ?? false,
    // What was read may have been read before this was lost.
    contacts: false,
    companies: false,
  };
  return { ...state, hole: next, holes };
}

// ---- what is claimed

/**
 * Up to when Intercom may be called current: the platform's clock less the margin, while notifications are received.
 * Notifications come in any order and nothing says that none is under way, so this is what is likely and not what is
 * proven; what comes later is decided by its own position. Nothing before all is read once, nothing while a hole is open,
 * nothing from the first record on that is owed.
 */
export function claimed(state: ReconcileState, parts: readonly Part[], now: number): Step {
  const read = parts.includes('contact') && parts.every((part) => state.done.includes(part));
  if (!read || state.hole !== null) return stepOf(state, [], []);
  const stale = state.owed.reduce((oldest, { since }) => (since > 0 ? Math.min(oldest, since) : oldest), Infinity);
  const claim = Math.floor(Math.min(now - margin, stale - 1) / 1000) * 1000;
  if (claim <= state.claim) return stepOf(state, [], []);
  const after = { ...state, claim };
  return stepOf(after, [], [markOf(after, 'mark', '')]);
}

/** A hole is told before anything that is read because of it. */
export function stepOf(state: ReconcileState, records: readonly RawRecord[], marks: readonly SourceMark[]): Step {
  const { hole } = state;
  if (hole === null || hole.told) return { state, records, marks, unread: null };
  const told = { ...state, hole: { ...hole, told: true } };
  return { state: told, records, marks: [...marks, markOf(state, 'holeOpen', hole.detail)], unread: null };
}

export const markOf = (
  { claim }: ReconcileState,
  kind: SourceMark['kind'],
  detail: string,
  certificate: Certificate | null = null,
): SourceMark => ({ platform: 'intercom', kind, upTo: claim, detail, ...(certificate && { certificate }) });

/** What is vouched for when a hole was read again, and what no list shows (decide-reconcile.ts). */
export const certificateOf = ({ detail, since, until, counts }: Hole, at: number): Certificate => ({
  hole: detail,
  since,
  until: Math.max(until, at),
  method: 'modified',
  ...(counts ?? nothingRead),
  unknown: [
    'values that were replaced before they were read',
    'deletions, archivings and merges that no notification told of: they show when the record is written to or asked for',
    'companies without people, and memberships that moved no updated_at',
  ],
});
