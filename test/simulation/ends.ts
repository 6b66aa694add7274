/**
 * What became of each edit. It counts, or it was told to have lost, or the record showed something else before anybody
 * could have seen it: there is no fourth end. Events and journal are read as anybody outside would read them.
 */
import type { AccountEvent, Command, CustomerEvent, JournalEntry } from '../../schemas/types.ts';
import { endOf } from './dates.ts';
import type { MappedField } from './fields.ts';
import type { Edit } from './people.ts';
import type { Ran } from './simulate.ts';
import type { Stored } from './stores.ts';

/** Salesforce tells whole seconds. */
const toleranceMs = 1_000;

export type Alike = (field: MappedField, a: Stored, b: Stored) => boolean;

const objects = {
  salesforce: { person: 'Contact', company: 'Account' },
  intercom: { person: 'contact', company: 'company' },
} as const;
const refOf = ({ platform, kind, id }: Edit): string => `${platform}:${objects[platform][kind]}:${id}`;

/** What counted from `at` on, log time. */
interface Standing {
  readonly at: number;
  readonly value: Stored;
}

export class Ends {
  readonly #ran: Ran;
  readonly #alike: Alike;
  /** By entity and canonical field, in order. */
  readonly #standing = new Map<string, Standing[]>();
  /** Entities that a ref ever belonged to. */
  readonly #entities = new Map<string, Set<string>>();
  readonly #journal = new Map<string, JournalEntry[]>();
  readonly #commands: Command[] = [];
  /** When a ref was first observed, log time. */
  readonly #known = new Map<string, number>();

  constructor(ran: Ran, alike: Alike) {
    this.#ran = ran;
    this.#alike = alike;
    for (const { topic, value } of ran.unify.outputs) {
      if (value === null) continue;
      if (topic === 'customer.events') this.#event(value as CustomerEvent, (value as CustomerEvent).customer.refs);
      else if (topic === 'account.events') this.#event(value as AccountEvent, (value as AccountEvent).account.refs);
      else if (topic === 'journal') {
        const entry = value as JournalEntry;
        push(this.#journal, `${entry.source} ${entry.field}`, entry);
      } else if (topic.endsWith('.commands')) this.#commands.push(value as Command);
    }
    for (const { time, change } of ran.log.records) {
      const ref = change.observation?.ref ?? '';
      if (ref !== '' && !this.#known.has(ref)) this.#known.set(ref, time);
    }
  }

  #event(event: CustomerEvent | AccountEvent, refs: readonly string[]): void {
    const id = 'customerId' in event ? event.customerId : event.accountId;
    for (const ref of refs) {
      const entities = this.#entities.get(ref) ?? new Set();
      this.#entities.set(ref, entities.add(id));
    }
    for (const { field, new: value } of event.changed)
      push(this.#standing, `${id} ${field}`, { at: event.at, value: value as Stored });
  }

  /** What became of it. untold: a newer value stands rightly, and nobody says that this one lost. unknown: nobody knows. */
  of(edit: Edit, field: MappedField): 'found' | 'counts' | 'told' | 'overtaken' | 'untold' | 'unknown' {
    const ref = refOf(edit);
    const known = this.#known.get(ref);
    // What a record shows at first is what it was found with.
    if (known === undefined || edit.at <= known || this.#isOfOurs(edit, field)) return 'found';
    if (this.#counted(edit, field, ref)) return 'counts';
    if (this.#isTold(edit, field, ref)) return 'told';
    if (this.#isOvertaken(edit, field)) return 'overtaken';
    return this.#isOutdone(edit, field) ? 'untold' : 'unknown';
  }

  /** A flow set within a call of ours what the call itself had asked for. */
  #isOfOurs({ platform, id, at, value }: Edit, field: MappedField): boolean {
    const name = field[platform];
    return this.#ran.writes[platform].some(
      (write) =>
        write.what === id &&
        write.at === at &&
        name in write.asked &&
        this.#alike(field, write.asked[name] as Stored, value),
    );
  }

  #counted(edit: Edit, field: MappedField, ref: string): boolean {
    return [...(this.#entities.get(ref) ?? [])].some((id) => {
      const all = this.#standing.get(`${id} ${field.canonical}`) ?? [];
      // Before anything is told of it, nothing is there.
      const isBlank = (all[0]?.at ?? Infinity) >= edit.at && this.#alike(field, null, edit.value);
      return (
        isBlank ||
        all.some(({ value }, n) => (all[n + 1]?.at ?? Infinity) >= edit.at && this.#alike(field, value, edit.value))
      );
    });
  }

  /** It is told to have lost; or that it may have, because a call of ours asked for the very same: then one did. */
  #isTold(edit: Edit, field: MappedField, ref: string): boolean {
    const told = this.#journal.get(`${ref} ${field.canonical}`) ?? [];
    return told.some(
      ({ kind, other, at }) =>
        at >= edit.at &&
        this.#alike(field, other as Stored, edit.value) &&
        (kind !== 'doubtful' || this.#isAsked(edit, field, ref, at)),
    );
  }

  /** A call of ours had asked for the very value before `until`. */
  #isAsked(edit: Edit, field: MappedField, ref: string, until: number): boolean {
    const name = field[edit.platform];
    const isOfIt = ({ verb, platform, ref: of, key }: Command): boolean =>
      verb === 'create' ? platform === edit.platform && this.#entities.get(ref)?.has(key) === true : of === ref;
    return this.#commands.some(
      (one) =>
        isOfIt(one) &&
        one.askedAt <= until &&
        name in one.fields &&
        this.#alike(field, one.fields[name] as Stored, edit.value),
    );
  }

  /** A write of ours put another's value in its place that is newer, as far as the platforms tell, or has the say. */
  #isOutdone(edit: Edit, field: MappedField): boolean {
    const { people, writes } = this.#ran;
    const name = field[edit.platform];
    const isReplaced = writes[edit.platform].some(
      ({ what, at, fields }) => what === edit.id && at > edit.at && fields.includes(name),
    );
    const { kind, whose } = edit;
    const others = people.edits.filter((one) => one.kind === kind && one.whose === whose && one.field === edit.field);
    const isOwned = field.owner !== undefined || field.fillIfEmpty === true || field.type === 'optOut';
    return isReplaced && (isOwned || others.some(({ id, at }) => id !== edit.id && at > edit.at - toleranceMs));
  }

  /**
   * The record showed something else before anybody could have seen it. Salesforce tells every change by itself, unless an
   * event stands for many or its stream breaks. Intercom shows a record as it is.
   */
  #isOvertaken(edit: Edit, field: MappedField): boolean {
    const { writes } = this.#ran;
    const end = this.#endOf(edit);
    const name = field[edit.platform];
    const ours = writes[edit.platform].find(({ what, at, fields }) => {
      return what === edit.id && at > edit.at && (edit.platform === 'intercom' || fields.includes(name));
    });
    const told = edit.platform === 'salesforce' ? tellingOf(this.#ran, edit, field, this.#alike) : undefined;
    const isDeleted = this.#deletedAt(edit) < Infinity;
    if (isDeleted && told !== undefined && this.#isTied(edit, field, told)) return true;
    if (end === Infinity && ours === undefined) return false;
    if (edit.platform === 'salesforce') {
      // A row that is read again after a hole may come before the events of what was there in between.
      return (
        told === undefined ||
        told.n > (this.#shown(refOf(edit), end, ['read', 'answer'])?.n ?? Infinity) ||
        (end < Infinity && this.#isTied(edit, field, told))
      );
    }
    const shown = this.#shown(refOf(edit), end, ['event', 'read', 'answer']);
    const heard = this.#heard(refOf(edit), edit.at, end).filter(
      ({ time, n }) => n < (shown?.n ?? Infinity) && time <= (ours?.at ?? Infinity),
    );
    return end < Infinity ? heard.every((telling) => this.#isTied(edit, field, telling)) : heard.length === 0;
  }

  /** From when on it was not there to be seen: the record showed another value, or was gone. */
  #endOf(edit: Edit): number {
    const { edits, merges } = this.#ran.people;
    const merge = merges.find(({ from, at }) => from === edit.id && at > edit.at);
    // Intercom forgets who is deleted, and does not bring them back by itself.
    const isGone =
      edit.platform === 'intercom' && this.#ran.stores.find('intercom', edit.kind, edit.id)?.alive !== true;
    return Math.min(endOf(edit, edits), merge?.at ?? Infinity, isGone ? this.#deletedAt(edit) : Infinity);
  }

  #deletedAt(edit: Edit): number {
    return this.#ran.people.deletions.find(({ id, at }) => id === edit.id && at > edit.at)?.at ?? Infinity;
  }

  /** The notifications that told of a record of Intercom as it stood then. They overtake each other. */
  #heard(ref: string, from: number, until: number): readonly Telling[] {
    return this.#ran.log.records.flatMap(({ time, change: { observation } }, n) => {
      const at = observation?.at.time ?? 0;
      const isTelling = observation?.ref === ref && observation.via === 'event' && at >= from && at < until;
      return isTelling ? [{ n, time, at }] : [];
    });
  }

  /**
   * The record had been read in the second of the event, with another value: which came later only one more reading tells,
   * and none showed this one any more, before it was replaced or the record deleted.
   */
  #isTied(edit: Edit, field: MappedField, { time, at }: Telling): boolean {
    const ref = refOf(edit);
    const end = Math.min(this.#endOf(edit), this.#deletedAt(edit));
    const reads = this.#ran.log.records.flatMap(({ time: readAt, change }) => {
      const read = change.observation ?? change.result?.returned;
      if (read?.ref !== ref || read.via === 'event') return [];
      const value = (read.fields[field[edit.platform]] ?? null) as Stored;
      return [{ readAt, of: read.at.time, isIt: this.#alike(field, value, edit.value) }];
    });
    const second = wholeSecond(at);
    return (
      reads.some(({ readAt, of, isIt }) => readAt <= time && wholeSecond(of) === second && !isIt) &&
      !reads.some(({ of, isIt }) => isIt && wholeSecond(of) > second && of < end)
    );
  }

  /** What first told of a ref as it stood from `from` on, by whatever voice. REST dates by whole seconds. */
  #shown(ref: string, from: number, voices: readonly string[]): Pick<Telling, 'n'> | undefined {
    const since = from + (ref.startsWith('salesforce:') ? this.#ran.clock.skewMs : 0);
    const n = this.#ran.log.records.findIndex(({ change: { observation, result } }) => {
      if (observation?.ref === ref && voices.includes(observation.via))
        return observation.at.time + (observation.at.second ? 999 : 0) >= since;
      return result?.ref === ref && result.returned !== null && result.platformTime + 999 >= since;
    });
    return n < 0 ? undefined : { n };
  }
}

/** An event that told of an edit: its place in the log, log time, and its date. */
interface Telling {
  readonly n: number;
  readonly time: number;
  readonly at: number;
}

/** Which event of Salesforce told of an edit; undefined: none did. */
export function tellingOf({ log }: Ran, edit: Edit, field: MappedField, alike: Alike): Telling | undefined {
  const ref = refOf(edit);
  for (const [n, { time, change }] of log.records.entries()) {
    const { observation } = change;
    if (observation?.ref !== ref || observation.via !== 'event' || time < edit.at) continue;
    const value = observation.fields[field.salesforce];
    if (value !== undefined && alike(field, value as Stored, edit.value)) return { n, time, at: observation.at.time };
  }
  return undefined;
}

const wholeSecond = (ms: number): number => Math.floor(ms / 1000);

function push<T>(into: Map<string, T[]>, key: string, one: T): void {
  const some = into.get(key);
  if (some === undefined) into.set(key, [one]);
  else some.push(one);
}
