/**
 * What the connector must know to go on, kept where nothing can disagree with it: in the headers of its own records in
 * the raw topic. The state is the fold of those headers, made after every acknowledged write and, by whoever takes over,
 * from the topic's tail. No second store can be ahead of Kafka or behind it.
 *
 * cursor: the replay id up to which everything is in raw. hole: something was missed and is read again over REST.
 * recheck: a record of which an event said only that it changed. place: how far a snapshot came in an object.
 */
import type { ChangeEventHeader } from '../../processors/decode/salesforce.ts';
import { holeOf, isRecordId } from '../../processors/decode/salesforce.ts';

export interface Hole {
  /** What it is called in holeOpen and holeClosed. */
  readonly detail: string;
  readonly objects: readonly string[];
  /** Rows modified since then are read again; 0: all rows. */
  readonly since: number;
  /** The stream itself was interrupted; the newest such hole stands for all of them. */
  readonly lost: boolean;
}

export interface RecordId {
  readonly object: string;
  readonly id: string;
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
  readonly holes: readonly Hole[];
  readonly rechecks: readonly RecordId[];
  /** How often the stream had to start at its tip. */
  readonly losses: number;
}

export const unborn: ConnectorState = {
  org: null,
  startedAt: 0,
  cursor: null,
  claim: 0,
  snapshot: { done: [], place: null },
  holes: [],
  rechecks: [],
  losses: 0,
};

/** What an event leaves to be read over REST. */
export interface Debt {
  readonly rechecks: readonly RecordId[];
  readonly hole: Hole | null;
}

/** Headers of the raw topic. */
export const header = {
  replayId: 'replay-id',
  eventId: 'event-id',
  /** On events that leave something to be read: a Debt. */
  debt: 'debt',
  /** On rows: why they were read and of what object, `snapshot Contact`. */
  row: 'row',
  /** On marks: the ConnectorState from there on. */
  state: 'state',
} as const;

const gaps = new Set(['GAP_CREATE', 'GAP_UPDATE', 'GAP_UNDELETE', 'UNDELETE']);

/**
 * Gap events carry no values, an undelete was seen with an empty body, and an event may name fields that its schema does
 * not reach (`unreached`): the records are read. Ids that name no record stand for rows nobody
 * can list, and neither a type conversion nor the bulk of an overflowing transaction is found by its time: all rows.
 */
export function debtOf(event: ChangeEventHeader, unreached: boolean): Debt | null {
  const object = event.entityName;
  const known = event.recordIds.filter(isRecordId);
  const rechecks = unreached || gaps.has(event.changeType) ? known.map((id) => ({ object, id })) : [];
  const hole =
    known.length === event.recordIds.length
      ? null
      : { detail: holeOf(event), objects: [object], since: 0, lost: false };
  return rechecks.length === 0 && hole === null ? null : { rechecks, hole };
}

export interface RawHeaders {
  readonly [name: string]: string | Buffer;
}

const same = (a: RecordId, b: RecordId): boolean => a.object === b.object && a.id === b.id;

/** The state after one more record of the raw topic. */
export function afterRecord(state: ConnectorState, key: string, headers: RawHeaders): ConnectorState {
  const marked = headers[header.state];
  if (marked !== undefined) return JSON.parse(String(marked)) as ConnectorState;
  const row = headers[header.row];
  if (row !== undefined) return afterRow(state, String(row), key);
  const replayId = headers[header.replayId];
  if (replayId === undefined) return state;
  const cursor = Buffer.from(replayId as Buffer).toString('hex');
  const owed = headers[header.debt];
  if (owed === undefined) return { ...state, cursor };
  const debt = JSON.parse(String(owed)) as Debt;
  return {
    ...state,
    cursor,
    rechecks: [...state.rechecks, ...debt.rechecks],
    holes: debt.hole === null ? state.holes : withHole(state.holes, debt.hole),
  };
}

export function withHole(holes: readonly Hole[], hole: Hole): readonly Hole[] {
  return [...holes.filter(({ detail }) => detail !== hole.detail), hole];
}

function afterRow(state: ConnectorState, row: string, id: string): ConnectorState {
  const [reason, object = ''] = row.split(' ');
  const read = { object, id };
  if (reason === 'snapshot') return { ...state, snapshot: { ...state.snapshot, place: read } };
  if (reason === 'recheck') return { ...state, rechecks: state.rechecks.filter((one) => !same(one, read)) };
  return state;
}

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
  const hole = { detail: `stream lost, ${losses}`, objects, since, lost: true };
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

/** A claim is made only when nothing before it is still to be read. */
export function mayClaim(state: ConnectorState, objects: readonly string[]): boolean {
  return state.holes.length === 0 && nextSnapshot(state, objects) === undefined;
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
