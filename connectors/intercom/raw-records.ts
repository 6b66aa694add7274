/** What goes to `intercom.raw`: the platform's words and our marks, each beside the workspace that they are of. */
import type { Codec } from '../../core/codec.ts';
import type { OutRecord } from '../../core/kafka.ts';
import { orgHeader } from '../../core/pin.ts';
import type { RawRecord, SourceMark } from '../../schemas/types.ts';
import { header, type LossNote, type OwedNote } from './reconcile-state.ts';
import type { Accepted } from './webhook.ts';

export const topic = 'intercom.raw';

/** The company that a record with this key is of. */
export const companyOf = (key: string): string | undefined => /^company:(.+)$/.exec(key)?.[1];

type Headers = Readonly<Record<string, string>>;

export class RawRecords {
  readonly #codec: Pick<Codec, 'encode'>;
  readonly #workspace: string;

  constructor(codec: Pick<Codec, 'encode'>, workspace: string) {
    this.#codec = codec;
    this.#workspace = workspace;
  }

  get workspace(): string {
    return this.#workspace;
  }

  record(value: RawRecord, headers: Headers = {}): OutRecord {
    return this.#out(`${value.object}:${value.recordId}`, 'RawRecord', value, headers);
  }

  mark(value: SourceMark, headers: Headers = {}): OutRecord {
    return this.#out('mark', 'SourceMark', value, headers);
  }

  /** Of a notification that was accepted; none where it says nothing that is read. */
  notification({ records, owed, createdAt }: Accepted): readonly OutRecord[] {
    const note: OwedNote = { owed, since: createdAt };
    if (records.length === 0) return owed.length === 0 ? [] : [this.owing(note)];
    const headers = owed.length === 0 ? {} : { [header.owed]: JSON.stringify(note) };
    return records.map((value, index) => this.record(value, index === records.length - 1 ? headers : {}));
  }

  owing(note: OwedNote): OutRecord {
    return this.#bearer({ [header.owed]: JSON.stringify(note) });
  }

  /** Notifications of that time, in the platform's clock, are lost or late. */
  loss(note: LossNote): OutRecord {
    return this.#bearer({ [header.loss]: JSON.stringify(note) });
  }

  /** A mark that claims nothing, for the sake of its headers. */
  #bearer(headers: Headers): OutRecord {
    return this.mark({ platform: 'intercom', kind: 'mark', upTo: 0, detail: '' }, headers);
  }

  #out(key: string, schema: string, value: object, headers: Headers): OutRecord {
    const all = { [orgHeader]: this.#workspace, ...headers };
    return { topic, key, value: this.#codec.encode(topic, schema, value), headers: all };
  }
}
