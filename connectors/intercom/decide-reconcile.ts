/**
 * What Intercom's notifications do not tell is read over REST: the first snapshot, what a notification left open, what was
 * lost while nobody received, and now and then everything that changed, for notifications are lost without a word and not
 * every change is notified. This decides what to ask next, what an answer leads to, and what may be claimed. Pure; times
 * are the platform's clock in ms, never ahead of the true one.
 *
 * task: one call and what it is for. pass: contacts read page by page. scroll: companies read page by page; the platform
 * allows one at a time and forgets it after a minute. hole: a span in which notifications may have been lost. owed: a
 * record that a notification only named. claim: everything before it is in the raw topic.
 *
 * The state lives in headers of the raw topic, as Salesforce's connector keeps its own: whoever writes what a step gives
 * puts the step's state on the last record of it. Receivers write to the same topic at the same time, so a state says up to
 * which offset it has heard of what they wrote.
 *
 * What reading does not find, for no list shows it:
 * - a deletion, an archiving or a merge whose notification was lost. It comes to light when the record is written to or
 *   asked for by its id (`audit`): search and scroll leave gone records out, and what they leave out they may not show yet;
 * - companies of a contact beyond the ten in its list, and memberships that moved no `updated_at`, which a pass since a
 *   moment passes over.
 */
import { TributaryError } from '../../core/errors.ts';
import { mergedBody } from '../../processors/decode/intercom.ts';
import { instant, isRecord, type Json } from '../../processors/decode/intercom-json.ts';
import type { Owing } from '../../processors/decode/intercom-webhook.ts';
import type { RawRecord, SourceMark } from '../../schemas/types.ts';
import type { Verdict } from './classify.ts';
import { teammatesIn } from './directory.ts';

/** In the order of the snapshot: owners and companies are known before the contacts that name them. */
export type Part = 'admin' | 'company' | 'contact';
type Reason = 'snapshot' | 'hole' | 'poll';

export interface Pass {
  readonly reason: Reason;
  /** Contacts updated since; 0: all of them. */
  readonly since: number;
  readonly begun: number;
  /** Of the page to ask for, opaque; null: the first. */
  readonly cursor: string | null;
  /** Unix seconds: `created_at` of the last contact in raw, where all are read. A cursor dies, this does not. */
  readonly place: number;
}

export interface Scroll {
  readonly reason: Reason;
  readonly begun: number;
  /** Null: a new one is opened. */
  readonly param: string | null;
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
  owed: [],
  heard: -1,
};

/** Notifications were seen to be sent within 7 s of what they tell; what takes longer is decided by its own position. */
export const margin = 10_000;
/** How long a change may stay out of search before a hole is closed on its word. */
export const settleMs = 60_000;
/** "A few minutes" according to the documentation: each pass goes back as far before the last one. */
export const overlapMs = 600_000;
export const every = { contacts: 300_000, companies: 3_600_000, admins: 600_000 } as const;
/** Without a word for so long, notifications were lost: a failed one is sent once more, after a minute. */
export const standstillMs = 60_000;
/** A record may be unknown to a read by its id just after it was made: until then it is not taken for gone. */
export const unknownMs = 60_000;
const askAgainMs = 10_000;
/** An answer is dated from below, by up to so much: asked for sooner, it could be older than what it is to tell. */
const clockSlackMs = 2_000;
/** The platform forgets a scroll that rests for a minute. */
const scrollRestMs = 60_000;
/** Most that a page of search may hold. */
const perPage = 150;
/** Some 200 kB in a mark. */
export const mostOwed = 2_000;

/** A call in the words of requests.ts, which nothing but its effect is known of here. */
export type ReconcileRequest =
  | { readonly kind: 'listAdmins' }
  | { readonly kind: 'scrollCompanies'; readonly scroll: string | null }
  | { readonly kind: 'searchContacts'; readonly body: Json }
  | { readonly kind: 'findContact' | 'findCompany' | 'mergeHistory'; readonly id: string };

export type Task = { readonly request: ReconcileRequest } & (
  | { readonly kind: 'admins' }
  | { readonly kind: 'companies'; readonly scroll: Scroll }
  | { readonly kind: 'contacts'; readonly pass: Pass }
  | { readonly kind: 'owed'; readonly owed: Owed }
);

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
} as const;

export interface OwedNote {
  readonly owed: readonly Owing[];
  /** `createdAt` of the notification, ms. */
  readonly since: number;
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
  const note = headers[header.owed];
  const heard = { ...state, heard: offset };
  return note === undefined ? heard : owing(heard, JSON.parse(String(note)) as OwedNote, offset);
}

function owing(state: ReconcileState, { owed, since }: OwedNote, debt: number): ReconcileState {
  const asked = owed.map((one): Owed => {
    const before = state.owed.find((other) => isSame(one, other));
    return { ...one, debt, since: earlier(since, before?.since ?? 0), notBefore: before?.notBefore ?? 0 };
  });
  const others = state.owed.filter((one) => !asked.some((other) => isSame(one, other)));
  return bounded({ ...state, owed: [...others, ...asked] });
}

/** 0: at no moment of which anybody vouches. */
const earlier = (a: number, b: number): number => (a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b));

const isSame = (a: Owing, b: Owing): boolean => a.what === b.what && a.id === b.id;

/** More than a mark can hold are found by a pass: all of them changed, or a notification would not have named them. */
function bounded(state: ReconcileState): ReconcileState {
  if (state.owed.length <= mostOwed) return state;
  const kept = state.owed.filter(({ what }) => what === 'merges' || what === 'admins');
  const spans = state.owed.filter((one) => !kept.includes(one)).map(({ since }) => since);
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
    since: Math.min(since, hole?.since ?? since),
    until: Math.max(until, hole?.until ?? until),
    told: hole?.told ?? false,
    // What was read may have been read before this was lost.
    contacts: false,
    companies: false,
  };
  return { ...state, hole: next, holes };
}

// ---- what is asked

/** What to ask now, or until when there is nothing to ask. `parts`: what is read at all. */
export function next(
  state: ReconcileState,
  parts: readonly Part[],
  now: number,
): Task | { readonly kind: 'rest'; readonly until: number } {
  const due = [owedTask(state), adminsTask(state), companiesTask(state, parts), contactsTask(state, parts)];
  const ready = due.find((one) => one !== null && one.at <= now);
  // In this order: people wait for the first, and nobody for the last.
  if (ready != null) return ready.task(now);
  return { kind: 'rest', until: Math.min(...due.map((one) => one?.at ?? Infinity)) };
}

/** Due from then on, ms. */
interface Due {
  readonly at: number;
  task(now: number): Task;
}

function owedTask({ owed }: ReconcileState): Due | null {
  const records = owed.filter(({ what }) => what !== 'admins');
  const [first] = records.toSorted((a, b) => a.notBefore - b.notBefore || a.debt - b.debt);
  if (first === undefined) return null;
  const kind = ({ contact: 'findContact', company: 'findCompany', merges: 'mergeHistory' } as const)[
    first.what as Exclude<Owing['what'], 'admins'>
  ];
  return { at: first.notBefore, task: () => ({ kind: 'owed', owed: first, request: { kind, id: first.id } }) };
}

function adminsTask({ done, owed, adminsAt }: ReconcileState): Due {
  const told = owed.filter(({ what }) => what === 'admins').map(({ since }) => since + clockSlackMs);
  return {
    at: done.includes('admin') ? Math.min(adminsAt + every.admins, ...told) : 0,
    task: () => ({ kind: 'admins', request: { kind: 'listAdmins' } }),
  };
}

function companiesTask({ done, companies, hole }: ReconcileState, parts: readonly Part[]): Due | null {
  if (!parts.includes('company')) return null;
  const { scroll, begun, notBefore } = companies;
  const again = hole === null || hole.companies ? Infinity : hole.until + settleMs;
  const first = !done.includes('company');
  const reason: Reason = first ? 'snapshot' : again < Infinity ? 'hole' : 'poll';
  const at = scroll !== null || first ? 0 : Math.min(again, begun + every.companies);
  return {
    at: Math.max(at, notBefore),
    task: (now) => {
      const going = scroll ?? { reason, begun: now, param: null };
      return { kind: 'companies', scroll: going, request: { kind: 'scrollCompanies', scroll: going.param } };
    },
  };
}

/**
 * In a hole contacts are read twice: at once, for people wait for what they edited; and when search is sure to show all of
 * it, which closes the hole.
 */
function contactsTask({ done, contacts, hole }: ReconcileState, parts: readonly Part[]): Due | null {
  if (!parts.includes('contact')) return null;
  const { pass, begun, readTo } = contacts;
  const missed = hole === null || hole.contacts ? Infinity : begun < hole.until ? hole.until : hole.until + settleMs;
  const first = !done.includes('contact');
  const at = pass !== null || first ? 0 : Math.min(missed, begun + every.contacts);
  return {
    at,
    task: (now) => {
      const since = Math.max(1, Math.min(readTo, hole?.since ?? readTo));
      const reason: Reason = first ? 'snapshot' : missed < Infinity ? 'hole' : 'poll';
      const going = pass ?? { reason, since: first ? 0 : since, begun: now, cursor: null, place: 0 };
      return { kind: 'contacts', pass: going, request: { kind: 'searchContacts', body: searchFor(going) } };
    },
  };
}

/**
 * Search compares times by whole days of the workspace's time zone and knows no `>=`: the day of a moment, and what comes
 * after that day, is everything since and some more, in any time zone.
 * All contacts are read in the order of their creation, which no edit changes under a cursor; those that changed lately
 * from the newest back, so that a pass costs what changed and not the whole day. An edit meanwhile puts a contact in front
 * of the cursor: the next pass begins before this one and finds it.
 */
function searchFor({ since, cursor, place }: Pass): Json {
  const [field, moment, order] =
    since === 0 ? ['created_at', place, 'ascending'] : ['updated_at', Math.floor(since / 1000), 'descending'];
  const later = { field, operator: '>', value: moment };
  return {
    query: moment === 0 ? later : { operator: 'OR', value: [{ field, operator: '=', value: moment }, later] },
    sort: { field, order },
    pagination: { per_page: perPage, ...(cursor !== null && { starting_after: cursor }) },
  };
}

// ---- what is answered

/**
 * What an answer leads to. `at`: the platform's clock when it was asked, from below. `teammates`: by id, what each was
 * told as last (see directory.ts); nobody needs it for other tasks.
 * @throws TributaryError when a list is asked for and refused, or is none: nothing is told then, and the task stays
 */
export function answered(
  state: ReconcileState,
  task: Task,
  verdict: Verdict,
  at: number,
  teammates: Readonly<Record<string, string>> = {},
): Step {
  switch (task.kind) {
    case 'admins':
      return afterAdmins(state, bodyOf(verdict), at, teammates);
    case 'companies':
      return afterCompanies(state, task.scroll, verdict, at);
    case 'contacts':
      return afterContacts(state, task.pass, verdict, at);
    case 'owed':
      return afterOwed(state, task.owed, verdict, at);
  }
}

function afterAdmins(state: ReconcileState, body: Json, at: number, told: Readonly<Record<string, string>>): Step {
  const now = teammatesIn(body);
  const first = !state.done.includes('admin');
  const changed = now.filter(({ id, hash }) => first || told[id] !== hash);
  const left = Object.keys(told).filter((id) => !now.some((one) => one.id === id));
  const records = [
    ...changed.map((one) => rawOf('poll', 'admin', one.id, at, one.body)),
    ...left.map((id) => goneOf('poll', 'admin', id, at)),
  ];
  const owed = state.owed.filter(({ what, since }) => what !== 'admins' || since > at);
  return stepOf(...withPart({ ...state, adminsAt: at, owed }, 'admin', records));
}

function afterCompanies(state: ReconcileState, scroll: Scroll, verdict: Verdict, at: number): Step {
  const { companies } = state;
  const again = (): Step => {
    // Begun anew at once, and after a minute more each time that it comes to nothing: somebody else may be scrolling.
    const restarts = companies.restarts + 1;
    const busy = verdict.kind === 'refuse' ? 1 : 0;
    const notBefore = at + Math.min(restarts - 1 + busy, 10) * scrollRestMs;
    return stepOf({ ...state, companies: { ...companies, scroll: null, notBefore, restarts } }, [], []);
  };
  // Forgotten, or broken off by a server error, after which the platform wants it begun anew.
  if (verdict.kind === 'gone' || (verdict.kind === 'retry' && scroll.param !== null)) return again();
  if (verdict.kind === 'refuse' && verdict.text.startsWith('scroll_exists')) return again();
  const body = bodyOf(verdict);
  const rows = rowsOf(body, 'data');
  const param = body['scroll_param'];
  const records = rows.map((row) => rowOf(scroll.reason, 'company', row, at));
  if (rows.length > 0 && typeof param === 'string') {
    return stepOf({ ...state, companies: { ...companies, scroll: { ...scroll, param } } }, records, []);
  }
  const { begun } = scroll;
  const { hole } = state;
  const covered = hole !== null && begun >= hole.until + settleMs;
  const read = {
    ...state,
    companies: { scroll: null, begun, notBefore: 0, restarts: 0 },
    hole: covered ? { ...hole, companies: true } : hole,
  };
  return stepOf(...withPart(read, 'company', records));
}

function afterContacts(state: ReconcileState, pass: Pass, verdict: Verdict, at: number): Step {
  // A cursor that is not understood any more: the pass begins anew, or after the last contact's day of creation.
  if (verdict.kind === 'refuse' && pass.cursor !== null)
    return stepOf({ ...state, contacts: { ...state.contacts, pass: { ...pass, cursor: null } } }, [], []);
  const body = bodyOf(verdict);
  const rows = rowsOf(body, 'data');
  const updatedAt = (row: Json): number => instant(row['updated_at'])?.ms ?? Infinity;
  const from = Math.floor(pass.since / 1000) * 1000;
  const records = rows.filter((row) => updatedAt(row) >= from).map((row) => rowOf(pass.reason, 'contact', row, at));
  const cursor = cursorOf(body);
  const last = rows.at(-1);
  if (last !== undefined && cursor !== null && (pass.since === 0 || updatedAt(last) >= from)) {
    const place = pass.since === 0 ? Math.floor((instant(last['created_at'])?.ms ?? 0) / 1000) : 0;
    return stepOf({ ...state, contacts: { ...state.contacts, pass: { ...pass, cursor, place } } }, records, []);
  }
  const { begun } = pass;
  const { hole, contacts } = state;
  // What search did not show yet is left to the next pass.
  const reaches = pass.since <= contacts.readTo || contacts.readTo === 0;
  const readTo = reaches ? Math.max(contacts.readTo, begun - overlapMs) : contacts.readTo;
  const covered = hole !== null && pass.since <= hole.since && begun >= hole.until + settleMs;
  const read = {
    ...state,
    contacts: { pass: null, begun, readTo },
    hole: covered ? { ...hole, contacts: true } : hole,
  };
  return stepOf(...withPart(read, 'contact', records));
}

function afterOwed(state: ReconcileState, owed: Owed, verdict: Verdict, at: number): Step {
  const { what, id } = owed;
  const paid = {
    ...state,
    owed: state.owed.filter((one) => !isSame(one, owed) || one.debt > owed.debt),
  };
  if (what === 'merges') {
    // Served since 2.16 only. Without it the loser stays unknown until somebody writes to it.
    if (verdict.kind === 'gone' || isRefusal(verdict)) return { ...stepOf(paid, [], []), unread: verdict.text };
    const losers = rowsOf(bodyOf(verdict), 'data').map((row) => row['source_contact_id']);
    const named = losers.filter((loser) => typeof loser === 'string' && loser !== '' && loser !== id) as string[];
    return stepOf(
      paid,
      named.map((loser) => goneOf('recheck', 'contact', loser, at, mergedBody(loser, id))),
      [],
    );
  }
  if (what === 'admins') throw new TributaryError('INTERNAL', 'teammates are not asked for one by one');
  if (isRefusal(verdict)) return { ...stepOf(paid, [], []), unread: verdict.text };
  if (verdict.kind !== 'gone') return stepOf(paid, [rowOf('recheck', what, bodyOf(verdict), at)], []);
  const { survivor } = verdict;
  if (survivor !== null && survivor !== id) {
    const unread = owing(paid, { owed: [{ what: 'contact', id: survivor }], since: owed.since }, owed.debt);
    return stepOf(unread, [goneOf('recheck', 'contact', id, at, mergedBody(id, survivor))], []);
  }
  if (at - owed.since >= unknownMs) return stepOf(paid, [goneOf('recheck', what, id, at)], []);
  const later = state.owed.map((one) => (isSame(one, owed) ? { ...one, notBefore: at + askAgainMs } : one));
  return stepOf({ ...state, owed: later }, [], []);
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

/** Says that the part is read, at the end of its first reading, and that a hole is closed, when all of it was read again. */
function withPart(state: ReconcileState, part: Part, records: readonly RawRecord[]): Parameters<typeof stepOf> {
  const { hole } = state;
  const closed = hole?.contacts === true && hole.companies;
  const first = !state.done.includes(part);
  const after = { ...state, done: first ? [...state.done, part] : state.done, hole: closed ? null : hole };
  const marks = [
    ...(first ? [markOf(after, 'snapshotComplete', part)] : []),
    ...(closed ? [markOf(after, 'holeClosed', hole.detail)] : []),
  ];
  return [after, records, marks];
}

/** A hole is told before anything that is read because of it. */
function stepOf(state: ReconcileState, records: readonly RawRecord[], marks: readonly SourceMark[]): Step {
  const { hole } = state;
  if (hole === null || hole.told) return { state, records, marks, unread: null };
  const told = { ...state, hole: { ...hole, told: true } };
  return { state: told, records, marks: [...marks, markOf(state, 'holeOpen', hole.detail)], unread: null };
}

const markOf = ({ claim }: ReconcileState, kind: SourceMark['kind'], detail: string): SourceMark => ({
  platform: 'intercom',
  kind,
  upTo: claim,
  detail,
});

// ---- records

function rawOf(reason: RawRecord['reason'], object: Part, recordId: string, takenAt: number, body: Buffer): RawRecord {
  return { platform: 'intercom', reason, object, recordId, deleted: false, takenAt, body };
}

const goneOf = (
  reason: RawRecord['reason'],
  object: Part,
  id: string,
  at: number,
  body: Buffer = Buffer.alloc(0),
): RawRecord => ({ ...rawOf(reason, object, id, at, body), deleted: true });

function rowOf(reason: RawRecord['reason'], object: Part, row: Json, at: number): RawRecord {
  const { id } = row;
  if (typeof id !== 'string' || id === '') throw nonsense(`a ${object} without an id`);
  return rawOf(reason, object, id, at, Buffer.from(JSON.stringify(row)));
}

/** A list that is none must not read as an empty one, which would be the end. */
function rowsOf(body: Json, name: string): readonly Json[] {
  const rows = body[name];
  if (!Array.isArray(rows)) throw nonsense('an answer without its list');
  return rows.filter(isRecord);
}

/** `pages.next` is left out on the last page. */
function cursorOf(body: Json): string | null {
  const pages = isRecord(body['pages']) ? body['pages']['next'] : undefined;
  const cursor = isRecord(pages) ? pages['starting_after'] : undefined;
  return typeof cursor === 'string' && cursor !== '' ? cursor : null;
}

function bodyOf(verdict: Verdict): Json {
  if (verdict.kind === 'ok') return verdict.body;
  if (verdict.kind === 'wait')
    throw new TributaryError('PLATFORM_LIMIT', `Intercom: ${verdict.text}`, { retryAfterMs: verdict.ms });
  const code = verdict.kind === 'exists' || verdict.kind === 'gone' ? 'PLATFORM_REFUSED' : verdict.code;
  throw new TributaryError(code, `Intercom: ${verdict.text}`);
}

/** Of this record, for good. A lack of rights is another matter: it is thrown, and a person gives them. */
const isRefusal = (verdict: Verdict): verdict is Extract<Verdict, { kind: 'refuse' }> =>
  verdict.kind === 'refuse' && verdict.code === 'PLATFORM_REFUSED';

const nonsense = (what: string): TributaryError =>
  new TributaryError('PLATFORM_UNAVAILABLE', `Intercom answered ${what}`);
