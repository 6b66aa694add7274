/**
 * What the connector must know to go on, kept where nothing can disagree with it: in the headers of its own records in
 * the raw topic. The state is the fold of those headers, made after every acknowledged write and, by whoever takes over,
 * from the topic's tail. No second store can be ahead of Kafka or behind it.
 *
 * cursor: the replay id up to which everything is in raw. hole: something was missed and is read again over REST.
 * debt: what an event leaves to be read. recheck: a record of which an event said only that it changed, or that it is gone. place: how far the
 * rows of a snapshot or a hole came.
 */
import { type Counts, counted, nothingRead } from '../../core/counts.ts';
import type { ChangeEventHeader } from '../../processors/decode/salesforce.ts';
import { holeOf, isRecordId } from '../../processors/decode/salesforce.ts';

/** The last row that is in raw, of rows in the order of their SystemModstamp. */
export interface HolePlace {
  readonly object: string;
  readonly id: string;
  /** Its SystemModstamp, ms. */
  readonly modified: number;
}

export interface Hole {
  /** What it is called in holeOpen and holeClosed. */
  readonly detail: string;
  readonly objects: readonly string[];
  /** Rows modified since then are read again; 0: all rows. */
  readonly since: number;
  /** Newest commit known to be missing, ms; 0: none is known. */
  readonly until: number;
  /** The stream itself was interrupted; the newest such hole stands for all of them. */
  readonly lost: boolean;
  /** A holeOpen of it is in raw, or an event that decodes to one. */
  readonly told: boolean;
  readonly place: HolePlace | null;
  /** Of the rows in raw so far; absent: none. */
  readonly counts?: Counts;
}

export interface RecordId {
  readonly object: string;
  readonly id: string;
}

export interface Recheck extends RecordId {
  /** Number of the newest debt that asks for it: a row read for an older one does not pay this one. */
  readonly debt: number;
  /** Commits of the oldest and the newest event that ask for it, ms. */
  readonly since: number;
  readonly until: number;
  /** Asked for by deletions alone: its row was modified then, if there still is one. */
  readonly gone: boolean;
  /** A gap event asks for it: its reading is vouched for by a certificate. */
  readonly gap?: true;
}

/** Records of gap events that are in raw and not vouched for yet. */
export interface GapsRead {
  readonly objects: readonly string[];
  /** Commits of the oldest and the newest of the events, ms. */
  readonly since: number;
  readonly until: number;
  readonly counts: Counts;
}

export interface ConnectorState {
  /** The org this deployment is pinned to; null before the first start. */
  readonly org: string | null;
  /** Platform's clock at the first start: changes before it come with the snapshot. */
  readonly startedAt: number;
  /** Hex; null: the stream's place is not known. */
  readonly cursor: string | null;
  /** Last `upTo` of a mark. */
  readonly claim: number;
  readonly snapshot: { readonly done: readonly string[]; readonly place: RecordId | null };
  /** The first is the one being read. */
  readonly holes: readonly Hole[];
  /** One per record, `mostRechecks` at most: all of them stand in every mark. */
  readonly rechecks: readonly Recheck[];
  /** Debts so far. */
  readonly debts: number;
  /** How often the stream had to start at its tip. */
  readonly losses: number;
  readonly gaps?: GapsRead | null;
}

export const unborn: ConnectorState = {
  org: null,
  startedAt: 0,
  cursor: null,
  claim: 0,
  snapshot: { done: [], place: null },
  holes: [],
  rechecks: [],
  debts: 0,
  losses: 0,
};

/** Some 200 kB in a mark, of the 2 MB that a record may have; more than that is read sooner object by object. */
export const mostRechecks = 2_000;

/** What an event leaves to be read over REST. */
export interface Debt {
  readonly object: string;
  /** Records to be read. */
  readonly ids: readonly string[];
  /** When the event was committed, ms. */
  readonly commit: number;
  /** The event was a deletion. */
  readonly gone: boolean;
  /** It was a gap event. */
  readonly gap?: true;
  readonly hole: Hole | null;
}

/** Why a row was read, and what is settled once it is in raw. `deleted`: it is gone. */
export type RowNote = { readonly deleted?: true } & (
  | { readonly reason: 'snapshot'; readonly object: string }
  | { readonly reason: 'recheck'; readonly object: string; readonly debt: number }
  | { readonly reason: 'hole'; readonly object: string; readonly hole: string; readonly modified: number }
);

/** Headers of the raw topic. */
export const header = {
  replayId: 'replay-id',
  eventId: 'event-id',
  /** On events that leave something to be read: a Debt. */
  debt: 'debt',
  /** On rows: a RowNote. */
  row: 'row',
  /** On marks: the ConnectorState from there on. */
  state: 'state',
} as const;

const gaps = new Set(['GAP_CREATE', 'GAP_UPDATE', 'GAP_UNDELETE', 'UNDELETE']);
const deletions = new Set(['DELETE', 'GAP_DELETE']);
/** Objects whose records Salesforce merges, of those that are people and companies. */
const mergeable = new Set(['Account', 'Contact', 'Lead']);

/**
 * Gap events carry no values, an undelete was seen with an empty body, and an event may say less than happened (`untold`:
 * it names fields that its schema does not reach, or a conversion without its contact): the records are read. So are
 * deleted ones that may have been merged: the loser of a merge is told by a plain DELETE, and its `MasterRecordId` stands
 * in its row alone. Ids that name no record stand for rows nobody can list, and neither a type conversion nor the bulk of
 * an overflowing transaction is found by its time: all rows.
 */
export function debtOf(event: ChangeEventHeader, untold: boolean): Debt | null {
  const { entityName: object, commitTimestamp: commit, changeType } = event;
  const known = event.recordIds.filter(isRecordId);
  const gone = deletions.has(changeType);
  const ids = untold || gaps.has(changeType) || (gone && mergeable.has(object)) ? known : [];
  const hole = known.length === event.recordIds.length ? null : rowsOf(object, holeOf(event), 0, commit, true);
  const isGap = changeType.startsWith('GAP_');
  return ids.length === 0 && hole === null ? null : { object, ids, commit, gone, ...(isGap && { gap: true }), hole };
}

const rowsOf = (object: string, detail: string, since: number, until: number, told: boolean): Hole => ({
  detail,
  objects: [object],
  since,
  until,
  lost: false,
  told,
  place: null,
});

export interface RawHeaders {
  readonly [name: string]: string | Buffer;
}

/** The state after one more record of the raw topic. */
export function afterRecord(state: ConnectorState, key: string, headers: RawHeaders): ConnectorState {
  const marked = headers[header.state];
  if (marked !== undefined) return JSON.parse(String(marked)) as ConnectorState;
  const row = headers[header.row];
  if (row !== undefined) return afterRow(state, JSON.parse(String(row)) as RowNote, key);
  const replayId = headers[header.replayId];
  if (replayId === undefined) return state;
  const cursor = Buffer.from(replayId as Buffer).toString('hex');
  const owed = headers[header.debt];
  if (owed === undefined) return { ...state, cursor };
  return bounded({ ...afterDebt(state, JSON.parse(String(owed)) as Debt), cursor });
}

function afterDebt(state: ConnectorState, { object, ids, commit, gone, gap, hole }: Debt): ConnectorState {
  const debt = state.debts + 1;
  const asked = new Set(ids);
  const before = new Map<string, Recheck>();
  const others = state.rechecks.filter((one) => {
    if (one.object !== object || !asked.has(one.id)) return true;
    before.set(one.id, one);
    return false;
  });
  const now = [...asked].map((id): Recheck => {
    const old = before.get(id) ?? { since: commit, until: commit, gone };
    const [since, until] = [Math.min(old.since, commit), Math.max(old.until, commit)];
    const isGap = gap === true || before.get(id)?.gap === true;
    return { object, id, debt, since, until, gone: old.gone && gone, ...(isGap && { gap: true }) };
  });
  const holes = hole === null ? state.holes : withHole(state.holes, hole);
  return { ...state, debts: debt, rechecks: [...others, ...now], holes };
}

/**
 * Where records to be read are too many to be remembered, rows of their object are read instead: those modified since, if
 * all were deleted; else all, for a gap may come of a change that the application server never saw, which moves no
 * SystemModstamp.
 */
function bounded(state: ConnectorState): ConnectorState {
  if (state.rechecks.length <= mostRechecks) return state;
  const byObject = Map.groupBy(state.rechecks, ({ object }) => object);
  const [[object, most] = ['', []]] = [...byObject].sort(([, a], [, b]) => b.length - a.length);
  const until = most.reduce((latest, one) => Math.max(latest, one.until), 0);
  const since = most.every(({ gone }) => gone) ? most.reduce((first, one) => Math.min(first, one.since), Infinity) : 0;
  const hole = rowsOf(object, `gaps of ${object}, ${state.debts}`, since, until, false);
  return {
    ...state,
    rechecks: state.rechecks.filter((one) => one.object !== object),
    holes: withHole(state.holes, hole),
  };
}

/**
 * Rows of an object that nobody has begun to read stand for any number of its later holes. The first hole may be under
 * way, past the rows that were missed now.
 */
function withHole(holes: readonly Hole[], hole: Hole): readonly Hole[] {
  const waiting = holes.findIndex(
    (one, index) => index > 0 && one.since <= hole.since && !one.lost && one.objects.join() === hole.objects.join(),
  );
  if (waiting < 0) return [...holes.filter(({ detail }) => detail !== hole.detail), hole];
  return holes.map((one, index) =>
    index === waiting ? { ...one, until: Math.max(one.until, hole.until), told: one.told || hole.told } : one,
  );
}

function afterRow(state: ConnectorState, note: RowNote, id: string): ConnectorState {
  const { object } = note;
  switch (note.reason) {
    case 'snapshot':
      return { ...state, snapshot: { ...state.snapshot, place: { object, id } } };
    case 'recheck': {
      const paid = (one: Recheck): boolean => one.object === object && one.id === id && one.debt <= note.debt;
      const gap = state.rechecks.find((one) => one.gap === true && paid(one));
      return {
        ...state,
        rechecks: state.rechecks.filter((one) => !paid(one)),
        ...(gap !== undefined && { gaps: withGap(state.gaps, gap, note.deleted === true) }),
      };
    }
    case 'hole': {
      const place = { object, id, modified: note.modified };
      const read = (one: Hole): Hole => {
        const counts = counted(one.counts ?? nothingRead, note.modified >= one.since, note.deleted === true);
        return { ...one, place, counts };
      };
      return { ...state, holes: state.holes.map((one) => (one.detail === note.hole ? read(one) : one)) };
    }
  }
}

function withGap(gaps: GapsRead | null | undefined, { object, since, until }: Recheck, isGone: boolean): GapsRead {
  const before = gaps ?? { objects: [], since, until, counts: nothingRead };
  return {
    objects: [...new Set([...before.objects, object])].sort(),
    since: Math.min(before.since, since),
    until: Math.max(before.until, until),
    counts: counted(before.counts, true, isGone),
  };
}

/** How far the platform's clocks may be apart, and how long a record is read again for the sake of its date. */
const datePatience = { clocksMs: 10_000, recordMs: 30_000 } as const;

/**
 * The date of a row that was read because of a commit; null: to be read again. An answer is dated from below, by a second
 * or more (rest.ts), so a row read at once would be older than the gap it fills and lose to any event of the gap's own
 * second. In a later second it is newer for sure.
 * Where that does not come about (clocks apart, a record with gap upon gap since `since`) the row gets the commit's own
 * second. It was asked for after the commit was heard of, so that is no lie, and what else happened in that second is a
 * tie, which unify resolves with a read of its own.
 */
export function datedAfter(commit: number, at: number, since = commit): number | null {
  const second = Math.floor(commit / 1_000) * 1_000;
  if (at > second) return at;
  return second - at > datePatience.clocksMs || at - since > datePatience.recordMs ? second : null;
}

/** Ms until an answer's date, `at` now, is past the commit's second. */
export const tooEarlyBy = (commit: number, at: number): number => (Math.floor(commit / 1_000) + 1) * 1_000 - at;

/**
 * The stream could not be resumed: it starts at its tip, and what lies between is a hole. Each loss is a new hole, even
 * while an older one is being read: that reading may be past the rows that were missed now.
 */
export function afterLoss(state: ConnectorState, objects: readonly string[]): ConnectorState {
  const begun = state.snapshot.done.length > 0 || state.snapshot.place !== null;
  // Before the first row the snapshot itself will read what was missed.
  if (!begun) return { ...state, cursor: null };
  const losses = state.losses + 1;
  const older = state.holes.filter(({ lost }) => lost).map(({ since }) => since);
  const since = Math.min(state.claim > 0 ? state.claim : state.startedAt, ...older);
  const detail = `stream lost, ${losses}`;
  const hole = { detail, objects, since, until: 0, lost: true, told: true, place: null };
  return { ...state, cursor: null, losses, holes: [...state.holes.filter(({ lost }) => !lost), hole] };
}

/** The next object to read in the snapshot and where to go on in it; undefined when all are done. */
export function nextSnapshot(
  state: ConnectorState,
  objects: readonly string[],
): { readonly object: string; readonly after: string } | undefined {
  const object = objects.find((one) => !state.snapshot.done.includes(one));
  if (object === undefined) return undefined;
  const { place } = state.snapshot;
  return { object, after: place?.object === object ? place.id : '' };
}

export function afterSnapshotOf(state: ConnectorState, object: string): ConnectorState {
  return { ...state, snapshot: { done: [...state.snapshot.done, object], place: null } };
}

/**
 * Up to when the source may be called current, of what the stream has proven. Nothing, while rows are missing; nothing
 * from the first event on whose record is still to be read: a person that a gap hides would be created a second time, and
 * one who was merged away would be taken for gone.
 */
export function claimOf(state: ConnectorState, objects: readonly string[], proven: number): number {
  if (state.holes.length > 0 || nextSnapshot(state, objects) !== undefined) return state.claim;
  const stale = state.rechecks.reduce((oldest, { since }) => Math.min(oldest, since), Infinity);
  return Math.max(state.claim, Math.min(proven, Math.floor((stale - 1) / 1_000) * 1_000));
}

/** Event ids of the last records: events come again after a reconnect, and the order that counts is that of first arrival. */
export class RecentIds {
  readonly #ids = new Set<string>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= this.#most) break;
      this.#ids.delete(oldest);
    }
  }
}
