/**
 * What the reading of Intercom knows, and the writing of what it decides. The state stands in the headers of its own
 * records, so that no second store can be ahead of Kafka or behind it: a step's records carry the state that they lead to,
 * and it is ours when Kafka has acknowledged them. Steps and what is heard of the receivers' records take turns.
 */
import type { KafkaAccess, SafeProducer } from '../../core/kafka.ts';
import type { Logger } from '../../core/log.ts';
import { Lru } from '../../core/lru.ts';
import { companyOf, type RawRecords, topic } from './raw-records.ts';
import {
  afterRecord,
  type HeardRecord,
  header,
  type ReconcileState,
  recalled,
  type Step,
  withoutTold,
} from './reconcile-state.ts';

/** Records of the tail that are looked at first: many more than are written between two states. */
const tail = 2_000;
/** Number of the lease under which a state was written: a late write of one that lost it is none to go on from. */
const tenureHeader = 'tenure';
/** Some ten thousand. */
const companiesBytes = 1_500_000;

type Raw = Pick<KafkaAccess, 'offsets' | 'read'>;

/** Reads the tail back to the last state, and to the first record that it had not heard of. */
export async function recall(kafka: Raw): Promise<ReconcileState> {
  const { earliest, latest } = await rangeOf(kafka);
  for (let length = tail; ; ) {
    const from = Math.max(earliest, latest - length);
    const { state, unheard } = await recallFrom(kafka, from, latest);
    if (from <= Math.max(earliest, unheard ?? 0)) return state;
    length = unheard === undefined ? length * 4 : latest - unheard;
  }
}

/** `unheard`: the first offset that the last state does not account for; undefined: there is no state. */
async function recallFrom(
  kafka: Raw,
  from: number,
  to: number,
): Promise<{ readonly state: ReconcileState; readonly unheard: number | undefined }> {
  const notes: HeardRecord[] = [];
  let last: { readonly record: HeardRecord; readonly tenure: number } | undefined;
  await kafka.read(topic, 0, from, to, (records) => {
    for (const { offset, headers } of records) {
      const { [header.state]: state, [header.owed]: owed, [header.loss]: loss } = headers;
      const tenure = Number(headers[tenureHeader] ?? 0);
      if (state !== undefined && tenure >= (last?.tenure ?? 0))
        last = { record: { offset, headers: { [header.state]: String(state) } }, tenure };
      // A copy: a slice would keep its whole block.
      const said = { ...(owed && { [header.owed]: String(owed) }), ...(loss && { [header.loss]: String(loss) }) };
      if (owed !== undefined || loss !== undefined) notes.push({ offset, headers: said });
    }
  });
  const found = last === undefined ? [] : [last.record];
  const heard = [...notes, ...found].sort((a, b) => a.offset - b.offset);
  const [unheard] = found.map((record) => recalled([{ ...record, offset: -1 }]).heard + 1);
  return { state: recalled([...heard, { offset: to - 1, headers: {} }]), unheard };
}

async function rangeOf(kafka: Raw): Promise<{ readonly earliest: number; readonly latest: number }> {
  const [range] = await kafka.offsets(topic);
  return range ?? { earliest: 0, latest: 0 };
}

export interface PenOptions {
  readonly kafka: Raw;
  readonly producer: Pick<SafeProducer, 'send'>;
  readonly raw: RawRecords;
  readonly log: Logger;
  readonly tenure: number;
}

export class RawPen {
  readonly #options: PenOptions;
  #state: ReconcileState;
  #turn: Promise<unknown> = Promise.resolve();
  /** Told of since we began; whoever is forgotten is read once more than needed. */
  readonly #companies = new Lru<true>(companiesBytes);

  constructor(options: PenOptions, state: ReconcileState) {
    this.#options = options;
    this.#state = state;
  }

  /** As of the last acknowledged step, and of what was heard since. */
  get state(): ReconcileState {
    return this.#state;
  }

  /** Composed when its turn comes, from the state that everything before it left. */
  step(compose: (state: ReconcileState) => Step, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const step = compose(this.#state);
      // What is decided by one who lost the lease is decided by another now.
      signal.throwIfAborted();
      await this.#write(step);
      this.#state = step.state;
      this.#say(step);
    });
  }

  /** What receivers wrote since. */
  hear(): Promise<void> {
    return this.#inTurn(async () => {
      const { kafka } = this.#options;
      const { earliest, latest } = await rangeOf(kafka);
      const from = Math.max(earliest, this.#state.heard + 1);
      if (from >= latest) return;
      await kafka.read(topic, 0, from, latest, (records) => {
        for (const { key } of records) this.#note(String(key));
        this.#state = records.reduce(afterRecord, this.#state);
      });
      this.#state = withoutTold(this.#state, (company) => this.#companies.find(company) !== undefined);
    });
  }

  #note(key: string): void {
    const company = companyOf(key);
    if (company !== undefined) this.#companies.set(company, true, 0);
  }

  async #write({ state, records, marks }: Step): Promise<void> {
    const { raw, producer, tenure } = this.#options;
    const last = records.length + marks.length - 1;
    const headersOf = (index: number): Record<string, string> =>
      index === last ? { [header.state]: JSON.stringify(state), [tenureHeader]: String(tenure) } : {};
    const out = [
      ...records.map((value, index) => raw.record(value, headersOf(index))),
      ...marks.map((value, index) => raw.mark(value, headersOf(records.length + index))),
    ];
    if (out.length > 0) await producer.send(out);
  }

  #say({ state, marks, unread }: Step): void {
    const { log } = this.#options;
    if (unread !== null) log.warn({ why: unread }, 'Intercom does not tell this; it is not asked again');
    for (const { kind, detail, certificate } of marks) {
      if (kind === 'holeOpen') log.warn({ hole: detail, ...state.hole }, 'reading again what may have been missed');
      if (kind === 'holeClosed') log.info({ certificate }, 'read again');
      if (kind === 'snapshotComplete') log.info({ part: detail }, 'the first reading is in raw');
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
