/**
 * What has to be read over REST, beside the live stream: records of which only a change is known, holes, the first
 * snapshot; in this order, for people wait for the first and nobody for the last.
 *
 * Bulk rows go to raw in small portions and only while unify keeps up, so that a live change, which goes the same way,
 * never waits behind more of them than unify folds in a second.
 */
import type { Logger } from 'pino';
import { type ErrorCode, TributaryError } from '../../core/errors.ts';
import type { KafkaAdmin } from '../../core/kafka.ts';
import { metrics } from '../../core/metrics.ts';
import { waitingForUnify } from '../../core/pace.ts';
import { delay } from '../../core/patience.ts';
import { pause, type Wake } from '../../core/tasks.ts';
import type { Certificate } from '../../schemas/types.ts';
import { certificateOf, certificateOfGaps, gapsRead } from './decide-certificate.ts';
import {
  afterSnapshotOf,
  type ConnectorState,
  datedAfter,
  type GapsRead,
  type Hole,
  nextSnapshot,
  type RowNote,
  tooEarlyBy,
} from './decide-state.ts';
import type { RawWriter } from './raw-writer.ts';
import { byId, byIds, modifiedAt, modifiedSince, type ObjectShape, type Page, pages, type Row } from './reads.ts';
import type { SalesforceRest } from './rest.ts';

/** Passes by itself; REDIS_UNAVAILABLE: the budget cannot be asked. */
const putOff: ReadonlySet<ErrorCode> = new Set([
  'PLATFORM_UNAVAILABLE',
  'PLATFORM_NONSENSE',
  'PLATFORM_LIMIT',
  'REDIS_UNAVAILABLE',
]);
const portion = 500;
const lagCheckMs = 250;
/** SystemModstamp is set when a row is written and the transaction commits later, by ten minutes at most. */
const overlapMs = 600_000;

export interface CatchUpOptions {
  readonly rest: SalesforceRest;
  readonly writer: RawWriter;
  readonly kafka: { readonly admin: Pick<KafkaAdmin, 'lag'> };
  readonly shapes: ReadonlyMap<string, ObjectShape>;
  readonly objects: readonly string[];
  readonly maxLag: number;
  readonly wake: Wake;
  /** The stream is open: what is committed from here on comes with it. A hole read before would leave another one. */
  readonly stands: () => boolean;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly log: Logger;
}

export class CatchUp {
  readonly #options: CatchUpOptions;
  /** Not before, on the local clock: read sooner, the rows would be dated too early again. */
  #recheckAt = 0;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /**
   * To be begun when the stream is known to stand: rows read before would leave out what is committed in between.
   * Salesforce's REST being away or our calls being used up is waited for here, the stream goes on meanwhile.
   */
  async run(signal: AbortSignal): Promise<void> {
    for (let tries = 0; !signal.aborted; ) {
      try {
        await this.#next(signal);
        tries = 0;
      } catch (error) {
        const ours = TributaryError.from(error);
        if (!putOff.has(ours.code)) throw ours;
        metrics.retries.inc({ code: ours.code });
        this.#options.log.warn({ err: ours }, 'reading rows is put off');
        await pause((tries += 1), signal);
      }
    }
  }

  async #next(signal: AbortSignal): Promise<void> {
    const { writer, objects, wake, now, stands } = this.#options;
    const { rechecks, holes } = writer.state;
    const gaps = gapsRead(writer.state);
    const hole = stands() ? holes[0] : undefined;
    const next = nextSnapshot(writer.state, objects);
    if (this.#recheckDue()) await this.#recheck(signal);
    else if (gaps !== undefined) await this.#certifyGaps(gaps);
    else if (hole !== undefined) await this.#readAgain(hole, signal);
    else if (next !== undefined) await this.#snapshot(next.object, next.after, signal);
    else if (rechecks.length > 0) await delay(this.#recheckAt - now(), signal);
    else await wake.wait(signal);
  }

  #recheckDue(): boolean {
    return this.#options.writer.state.rechecks.length > 0 && this.#options.now() >= this.#recheckAt;
  }

  async #recheck(signal: AbortSignal): Promise<void> {
    const { rest, writer, now } = this.#options;
    // As owed before the read: what is asked for from here on needs another one.
    const owed = Map.groupBy(writer.state.rechecks, ({ object }) => object);
    let early = 0;
    for (const [object, rechecks] of owed) {
      const shape = this.#shape(object);
      if (shape === undefined) {
        // Nobody maps the object; its change events come with the channel.
        await this.#step((state) => ({ ...state, rechecks: state.rechecks.filter((one) => one.object !== object) }));
        continue;
      }
      const byRecord = new Map(rechecks.map((one) => [one.id, one]));
      for await (const page of byIds(rest, shape, [...byRecord.keys()])) {
        if (signal.aborted) return;
        const records = page.rows.flatMap((row) => {
          const one = byRecord.get(row.id);
          if (one === undefined) return [];
          const at = datedAfter(one.until, page.at, one.since);
          if (at !== null) return [writer.row({ reason: 'recheck', object, debt: one.debt }, shape, at, row)];
          early = Math.max(early, tooEarlyBy(one.until, page.at));
          return [];
        });
        await writer.write(() => records);
      }
    }
    this.#recheckAt = now() + early;
  }

  /** Once, for it goes with the state in which they are not to be vouched for any more. */
  async #certifyGaps(gaps: GapsRead): Promise<void> {
    const { writer, log } = this.#options;
    const certificate = certificateOfGaps(gaps);
    await writer.write((state) => [writer.mark('mark', '', { ...state, gaps: null }, certificate)]);
    log.info({ certificate }, 'records of gap events were read');
  }

  /** From the last row in raw on: an answer that fails after hours of reading costs one page. */
  async #readAgain(hole: Hole, signal: AbortSignal): Promise<void> {
    const { rest, writer, log } = this.#options;
    const { detail, place } = hole;
    log.warn({ hole: detail, objects: hole.objects, after: place }, 'reading again what was missed');
    if (!hole.told) {
      const told = (one: Hole): Hole => (one.detail === detail ? { ...one, told: true } : one);
      await writer.write((state) => [writer.mark('holeOpen', detail, { ...state, holes: state.holes.map(told) })]);
    }
    const since = hole.since === 0 ? 0 : hole.since - overlapMs;
    const first = place === null ? 0 : hole.objects.indexOf(place.object);
    let asked = 0;
    for (const object of hole.objects.slice(first)) {
      const shape = this.#shape(object);
      if (shape === undefined) continue;
      const note = (row: Row): RowNote => ({ reason: 'hole', object, hole: detail, modified: modifiedAt(row) });
      for await (const page of pages(rest, modifiedSince(shape, since, place?.object === object ? place : null))) {
        const at = datedAfter(hole.until, page.at);
        if (at === null) return delay(tooEarlyBy(hole.until, page.at), signal);
        if (!(await this.#portions(note, shape, { ...page, at }, signal))) return;
        asked = page.at;
        // Another loss of the stream has put a larger hole in its place.
        if (!writer.state.holes.some((one) => one.detail === detail)) return;
      }
    }
    let certificate: Certificate | undefined;
    await writer.write((state) => {
      const holes = state.holes.filter((one) => one.detail !== detail);
      certificate = certificateOf(state.holes.find((one) => one.detail === detail) ?? hole, asked);
      // Told closed only with the last one: until then something is still missing.
      return [writer.mark(holes.length === 0 ? 'holeClosed' : 'mark', detail, { ...state, holes }, certificate)];
    });
    log.info({ certificate }, 'read again');
  }

  async #snapshot(object: string, after: string, signal: AbortSignal): Promise<void> {
    const { rest, writer, objects, log } = this.#options;
    const shape = this.#shape(object);
    log.info({ object, after }, 'snapshot begins');
    let rows = 0;
    if (shape !== undefined) {
      for await (const page of pages(rest, byId(shape, after))) {
        if (!(await this.#portions(() => ({ reason: 'snapshot', object }), shape, page, signal))) return;
        rows += page.rows.length;
      }
    }
    await writer.write((state) => {
      const done = afterSnapshotOf(state, object);
      const complete = nextSnapshot(done, objects) === undefined;
      return [writer.mark(complete ? 'snapshotComplete' : 'mark', complete ? objects.join(',') : '', done)];
    });
    log.info({ object, rows }, 'snapshot of the object is in raw');
  }

  /** False when the signal ended it. */
  async #portions(note: (row: Row) => RowNote, shape: ObjectShape, page: Page, signal: AbortSignal): Promise<boolean> {
    const { writer, maxLag } = this.#options;
    const size = Math.min(portion, maxLag);
    for (let from = 0; from < page.rows.length; from += size) {
      await this.#paced(signal);
      if (signal.aborted) return false;
      const rows = page.rows.slice(from, from + size);
      await writer.write(() => rows.map((row) => writer.row(note(row), shape, page.at, row)));
      if (this.#recheckDue()) await this.#recheck(signal);
    }
    return true;
  }

  /** Waits until what lies before unify, decoded or not, is little enough. */
  async #paced(signal: AbortSignal): Promise<void> {
    const { kafka, maxLag, log } = this.#options;
    for (let told = false; !signal.aborted; ) {
      const waiting = await waitingForUnify(kafka.admin, 'salesforce.raw');
      if (waiting < maxLag) return;
      if (!told) log.info({ waiting, maxLag }, 'waiting for unify to catch up');
      told = true;
      await delay(lagCheckMs, signal);
    }
  }

  async #step(change: (state: ConnectorState) => ConnectorState): Promise<void> {
    const { writer } = this.#options;
    await writer.write((state) => [writer.mark('mark', '', change(state))]);
  }

  #shape(object: string): ObjectShape | undefined {
    return this.#options.shapes.get(object);
  }
}
