/**
 * What has to be read over REST, beside the live stream: records of which only a change is known, holes, the first
 * snapshot; in this order, for people wait for the first and nobody for the last.
 *
 * Bulk rows go to raw in small portions and only while unify keeps up, so that a live change, which goes the same way,
 * never waits behind more of them than unify folds in a second.
 */
import type { Logger } from 'pino';
import { TributaryError } from '../../core/errors.ts';
import type { KafkaAccess } from '../../core/kafka.ts';
import type { RawRecord } from '../../schemas/types.ts';
import { afterSnapshotOf, type ConnectorState, type Hole, nextSnapshot } from './decide-state.ts';
import type { RawWriter } from './raw-writer.ts';
import { byId, byIds, modifiedSince, type ObjectShape, type Page, pages } from './reads.ts';
import type { SalesforceRest } from './rest.ts';
import { interval, pause, type Wake } from './tasks.ts';

const portion = 500;
const lagCheckMs = 250;
/** SystemModstamp is set when a row is written and the transaction commits later, by ten minutes at most. */
const overlapMs = 600_000;

export interface CatchUpOptions {
  readonly rest: SalesforceRest;
  readonly writer: RawWriter;
  readonly kafka: KafkaAccess;
  readonly shapes: ReadonlyMap<string, ObjectShape>;
  readonly objects: readonly string[];
  readonly maxLag: number;
  readonly wake: Wake;
  readonly log: Logger;
}

export class CatchUp {
  readonly #options: CatchUpOptions;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /**
   * To be begun when the stream is known to stand: rows read before would leave out what is committed in between.
   * Salesforce's REST being away is waited for here, the stream goes on meanwhile.
   */
  async run(signal: AbortSignal): Promise<void> {
    for (let tries = 0; !signal.aborted; ) {
      try {
        await this.#next(signal);
        tries = 0;
      } catch (error) {
        const ours = TributaryError.from(error);
        if (ours.code !== 'PLATFORM_UNAVAILABLE' && ours.code !== 'PLATFORM_LIMIT') throw ours;
        this.#options.log.warn({ err: ours }, 'reading rows is put off');
        await pause((tries += 1), signal);
      }
    }
  }

  async #next(signal: AbortSignal): Promise<void> {
    const { writer, objects, wake } = this.#options;
    const { rechecks, holes } = writer.state;
    const [hole] = holes;
    const next = nextSnapshot(writer.state, objects);
    if (rechecks.length > 0) await this.#recheck(signal);
    else if (hole !== undefined) await this.#readAgain(hole, signal);
    else if (next !== undefined) await this.#snapshot(next.object, next.after, signal);
    else await wake.wait(signal);
  }

  async #recheck(signal: AbortSignal): Promise<void> {
    const { rest, writer } = this.#options;
    const owed = writer.state.rechecks;
    for (const object of new Set(owed.map((one) => one.object))) {
      const ids = [...new Set(owed.filter((one) => one.object === object).map(({ id }) => id))];
      const shape = this.#shape(object);
      if (shape === undefined) {
        // Nobody maps the object; its change events come with the channel.
        await this.#step((state) => ({ ...state, rechecks: state.rechecks.filter((one) => one.object !== object) }));
        continue;
      }
      for await (const page of byIds(rest, shape, ids)) {
        if (signal.aborted) return;
        await writer.write(() => page.rows.map((row) => writer.row('recheck', shape, page, row)));
      }
    }
  }

  async #readAgain(hole: Hole, signal: AbortSignal): Promise<void> {
    const { rest, writer, log } = this.#options;
    log.warn({ hole: hole.detail, objects: hole.objects }, 'reading again what was missed');
    const since = hole.since === 0 ? 0 : hole.since - overlapMs;
    for (const object of hole.objects) {
      const shape = this.#shape(object);
      if (shape === undefined) continue;
      for await (const page of pages(rest, modifiedSince(shape, since))) {
        if (!(await this.#portions('hole', shape, page, signal))) return;
      }
    }
    await writer.write((state) => {
      const holes = state.holes.filter(({ detail }) => detail !== hole.detail);
      // Told closed only with the last one: until then something is still missing.
      return [writer.mark(holes.length === 0 ? 'holeClosed' : 'mark', hole.detail, { ...state, holes })];
    });
    log.info({ hole: hole.detail }, 'read again');
  }

  async #snapshot(object: string, after: string, signal: AbortSignal): Promise<void> {
    const { rest, writer, objects, log } = this.#options;
    const shape = this.#shape(object);
    log.info({ object, after }, 'snapshot begins');
    let rows = 0;
    if (shape !== undefined) {
      for await (const page of pages(rest, byId(shape, after))) {
        if (!(await this.#portions('snapshot', shape, page, signal))) return;
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
  async #portions(reason: RawRecord['reason'], shape: ObjectShape, page: Page, signal: AbortSignal): Promise<boolean> {
    const { writer, maxLag } = this.#options;
    const size = Math.min(portion, maxLag);
    for (let from = 0; from < page.rows.length; from += size) {
      await this.#paced(signal);
      if (signal.aborted) return false;
      const rows = page.rows.slice(from, from + size);
      await writer.write(() => rows.map((row) => writer.row(reason, shape, page, row)));
      if (writer.state.rechecks.length > 0) await this.#recheck(signal);
    }
    return true;
  }

  /** Waits until what lies before unify, decoded or not, is little enough. */
  async #paced(signal: AbortSignal): Promise<void> {
    const { kafka, maxLag, log } = this.#options;
    for (let told = false; !signal.aborted; ) {
      const waiting = (await kafka.admin.lag('decode', 'salesforce.raw')) + (await kafka.admin.lag('unify', 'changes'));
      if (waiting < maxLag) return;
      if (!told) log.info({ waiting, maxLag }, 'waiting for unify to catch up');
      told = true;
      await interval(lagCheckMs, signal);
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
