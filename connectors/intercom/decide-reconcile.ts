/**
 * What Intercom's notifications do not tell is read over REST: the first snapshot, what a notification left open, what was
 * lost while nobody received, and now and then everything that changed, for notifications are lost without a word and not
 * every change is notified. This decides what to ask next and what an answer leads to. Pure; times are the platform's clock
 * in ms, never ahead of the true one. task: one call and what it is for; the other words stand in reconcile-state.ts.
 *
 * What reading does not find, for no list shows it:
 * - a deletion, an archiving or a merge whose notification was lost. It comes to light when the record is written to or
 *   asked for by its id (`audit`): search and scroll leave gone records out, and what they leave out they may not show yet;
 * - companies without people, which only their notifications tell;
 * - companies of a contact beyond the ten in its list, and memberships that moved no `updated_at`, which a pass since a
 *   moment passes over.
 */
import { type Counts, counted, nothingRead, sumOf } from '../../core/counts.ts';
import { TributaryError } from '../../core/errors.ts';
import { isRecord, type Json } from '../../core/json.ts';
import { mergedBody } from '../../processors/decode/intercom.ts';
import { instant } from '../../processors/decode/intercom-json.ts';
import type { Owing } from '../../processors/decode/intercom-webhook.ts';
import type { RawRecord } from '../../schemas/types.ts';
import type { Verdict } from './classify.ts';
import {
  certificateOf,
  type Hole,
  isSame,
  markOf,
  type Owed,
  owing,
  type Part,
  type Pass,
  type Reason,
  type ReconcileState,
  type Scroll,
  type Step,
  settleMs,
  stepOf,
} from './reconcile-state.ts';
import { teammatesIn } from './teammates.ts';

/** "A few minutes" according to the documentation: each pass goes back as far before the last one. */
export const overlapMs = 600_000;
export const every = { contacts: 300_000, companies: 3_600_000, admins: 600_000 } as const;
/** A record may be unknown to a read by its id just after it was made: until then it is not taken for gone. */
export const unknownMs = 60_000;
const askAgainMs = 10_000;
/** An answer is dated from below, by up to so much: asked for sooner, it could be older than what it is to tell. */
const clockSlackMs = 2_000;
/** The platform forgets a scroll that rests for a minute. */
const scrollRestMs = 60_000;
/** Most that a page of search may hold. */
const perPage = 150;

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
 * told as last (`hash` in teammates.ts); other tasks do not look at it.
 * @throws TributaryError when nothing is settled: the call is to be repeated, the list is refused or is none. The state
 *   stays as it was then, and the error says whether to go on
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
  return stepOf(...withPart({ ...state, adminsAt: at, owed }, 'admin', records, at));
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
  const { begun } = scroll;
  const { hole } = state;
  const counts = countedIn(hole, scroll.counts, rows);
  if (rows.length > 0) {
    if (typeof param !== 'string' || param === '') throw nonsense('companies without the place of the next ones');
    return stepOf({ ...state, companies: { ...companies, scroll: { ...scroll, param, ...counts } } }, records, []);
  }
  const covered = hole !== null && begun >= hole.until + settleMs;
  const read = {
    ...state,
    companies: { scroll: null, begun, notBefore: 0, restarts: 0 },
    hole: covered ? { ...withCounts(hole, counts), companies: true } : hole,
  };
  return stepOf(...withPart(read, 'company', records, at));
}

function afterContacts(state: ReconcileState, pass: Pass, verdict: Verdict, at: number): Step {
  // A cursor that is not understood any more: the pass begins anew, or after the last contact's day of creation.
  if (verdict.kind === 'refuse' && pass.cursor !== null)
    return stepOf({ ...state, contacts: { ...state.contacts, pass: { ...pass, cursor: null } } }, [], []);
  const body = bodyOf(verdict);
  const rows = rowsOf(body, 'data');
  const updatedAt = (row: Json): number => instant(row['updated_at'])?.ms ?? Infinity;
  const from = Math.floor(pass.since / 1000) * 1000;
  const wanted = rows.filter((row) => updatedAt(row) >= from);
  const records = wanted.map((row) => rowOf(pass.reason, 'contact', row, at));
  const counts = countedIn(state.hole, pass.counts, wanted);
  const cursor = cursorOf(body);
  const last = rows.at(-1);
  if (last !== undefined && cursor !== null && (pass.since === 0 || updatedAt(last) >= from)) {
    const place = pass.since === 0 ? Math.floor((instant(last['created_at'])?.ms ?? 0) / 1000) : 0;
    const going = { ...pass, cursor, place, ...counts };
    return stepOf({ ...state, contacts: { ...state.contacts, pass: going } }, records, []);
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
    hole: covered ? { ...withCounts(hole, counts), contacts: true } : hole,
  };
  return stepOf(...withPart(read, 'contact', records, at));
}

function afterOwed(state: ReconcileState, owed: Owed, verdict: Verdict, at: number): Step {
  const { what, id } = owed;
  const paid = {
    ...state,
    owed: state.owed.filter((one) => !isSame(one, owed) || one.debt > owed.debt),
  };
  if (what === 'merges') {
    // Served since 2.16 only, and of users. Without it the loser stays unknown until somebody writes to it.
    const body = verdict.kind === 'gone' || isRefusal(verdict) ? undefined : bodyOf(verdict);
    const history = body?.['merge_history'];
    if (!Array.isArray(history) || !history.every(isRecord))
      return { ...stepOf(paid, [], []), unread: unreadMerges(id, verdict) };
    const losers = history.map((row) => row['source_contact_id']);
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

/** With those of one more page, while a hole is open: for a page that closes it, or for one that reads on. */
function countedIn(hole: Hole | null, before: Counts | undefined, rows: readonly Json[]): { readonly counts?: Counts } {
  if (hole === null) return {};
  const isOfIt = (row: Json): boolean => (instant(row['updated_at'])?.ms ?? 0) >= hole.since;
  return { counts: rows.reduce<Counts>((sum, row) => counted(sum, isOfIt(row), false), before ?? nothingRead) };
}

const withCounts = (hole: Hole, { counts = nothingRead }: { readonly counts?: Counts }): Hole => ({
  ...hole,
  counts: sumOf(hole.counts ?? nothingRead, counts),
});

const unreadMerges = (id: string, verdict: Verdict): string =>
  verdict.kind === 'ok' ? `contact ${id} is told without its merge history` : verdict.text;

/** Says that the part is read, at the end of its first reading, and that a hole is closed, when all of it was read again. */
function withPart(
  state: ReconcileState,
  part: Part,
  records: readonly RawRecord[],
  at: number,
): Parameters<typeof stepOf> {
  const { hole } = state;
  const closed = hole?.contacts === true && hole.companies;
  const first = !state.done.includes(part);
  const after = { ...state, done: first ? [...state.done, part] : state.done, hole: closed ? null : hole };
  const marks = [
    ...(first ? [markOf(after, 'snapshotComplete', part)] : []),
    ...(closed ? [markOf(after, 'holeClosed', hole.detail, certificateOf(hole, at))] : []),
  ];
  return [after, records, marks];
}

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
  if (!rows.every(isRecord)) throw nonsense('a list with something in it that is no record');
  return rows;
}

/** `pages.next` is left out on the last page; pages that are not told at all are not the last. */
function cursorOf({ pages }: Json): string | null {
  if (!isRecord(pages)) throw nonsense('a page without its place');
  const { next: following } = pages;
  if (following === undefined || following === null) return null;
  const cursor = isRecord(following) ? (following['starting_after'] ?? '') : undefined;
  if (typeof cursor !== 'string') throw nonsense('a page whose next one cannot be asked for');
  return cursor === '' ? null : cursor;
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

const nonsense = (what: string): TributaryError => new TributaryError('PLATFORM_NONSENSE', `Intercom answered ${what}`);
