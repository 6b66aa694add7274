/**
 * How often a field of a record may be written, in any world: once for each value that another record of its person or
 * company was given, once back for each edit of its own that lost or that a write of ours overtook, and our marks once.
 * Anything more is a write for nothing. Of calls that unify was not told of, each may lead to one more: it is made again,
 * or undone when it comes late. So may what a flow made of a value of such a call, on the other side.
 */
import type { FoldRecord } from '../../core/fold.ts';
import { noPosition } from '../../processors/unify/values.ts';
import type { Command, JournalEntry, Observation, Result } from '../../schemas/types.ts';
import { endOf } from './dates.ts';
import { isMadeLate } from './duplicates.ts';
import {
  companyFields,
  givenName,
  idFields,
  type MappedField,
  markers,
  type PlatformName,
  personFields,
} from './fields.ts';
import { rewritten } from './others.ts';
import type { Edit } from './people.ts';
import type { Judging } from './promises.ts';
import type { Ran } from './simulate.ts';
import type { Written } from './sink-process.ts';
import { emailHolder, type Kind, type Stored } from './stores.ts';

/** So long after a write of ours a snapshot may show what a flow made of it, before the stream says that it was ours. */
const unnamedMs = 15_000;

/** A move is two changes of Intercom: one company is left, another joined. */
const changesPerMove = 2;

const marks: ReadonlySet<string> = new Set([...Object.values(idFields), ...Object.values(markers)]);
const links: ReadonlySet<string> = new Set(['AccountId', 'companies']);

export interface Excess {
  readonly id: string;
  readonly text: string;
}

/** A record that was written. */
interface Record {
  readonly platform: PlatformName;
  readonly kind: Kind;
  readonly id: string;
  readonly whose: number;
}

export function excessOf(judging: Judging): readonly Excess[] {
  const bounds = new WriteBounds(judging);
  return (['salesforce', 'intercom'] as const).flatMap((platform) => bounds.excess(platform));
}

class WriteBounds {
  readonly #ran: Ran;
  readonly #alike: Judging['alike'];
  /** Of edits that lost, or may have. */
  readonly #losses: readonly JournalEntry[];
  /** Of values that gave way to nothing. */
  readonly #emptied: readonly JournalEntry[];
  readonly #pools = new Map<string, readonly number[]>();
  /** Offsets of what was told of a record, in order. Made when something is to be found there. */
  #tellings: Map<string, FoldRecord[]> | undefined;

  constructor({ ran, journal, alike }: Judging) {
    this.#ran = ran;
    this.#alike = alike;
    this.#losses = journal.filter(({ kind }) => kind === 'rejected' || kind === 'doubtful');
    this.#emptied = journal.filter(({ kind, value }) => kind === 'set' && (value === null || value === ''));
  }

  excess(platform: PlatformName): readonly Excess[] {
    const times = new Map<string, { told: number; untold: number }>();
    for (const write of this.#ran.writes[platform])
      for (const field of this.#isMaking(platform, write) ? [] : write.fields) {
        const key = `${write.record} ${field}`;
        const one = times.get(key) ?? { told: 0, untold: 0 };
        // A create that wrote over a record that was there already is undone as a late call is.
        one[write.told && write.what !== '' ? 'told' : 'untold'] += 1;
        times.set(key, one);
      }
    return [...times].flatMap(([key, { told, untold }]) => {
      if (told <= untold) return [];
      const [id = '', field = ''] = key.split(' ');
      const record = this.#recordOf(platform, id);
      const most = this.#most(record, field, told - untold) + untold;
      const text = `${field} of ${record.kind} ${record.whose} was written ${told} times, ${most} allowed`;
      return told > most ? [{ id, text }] : [];
    });
  }

  /** Did it make the record? Then it wrote over nothing. */
  #isMaking(platform: PlatformName, { what, record, at }: Written): boolean {
    const { people, writes } = this.#ran;
    if (what !== '') return false;
    const isEntered = (['person', 'company'] as const).some((kind) =>
      people.byPeople.has(`${platform}:${kind}:${record}`),
    );
    return !isEntered && !writes[platform].some((one) => one.record === record && one.at < at);
  }

  #recordOf(platform: PlatformName, id: string): Record {
    const { entered } = this.#ran.people;
    for (const name of ['person', 'lead', 'company']) {
      const whose = entered.get(`${platform}:${name}:${id}`);
      if (whose !== undefined) return { platform, kind: name === 'company' ? 'company' : 'person', id, whose };
    }
    return { platform, kind: 'company', id, whose: -1 };
  }

  /** `times`: as many need a reason. */
  #most(record: Record, name: string, times: number): number {
    const pool = this.#poolOf(record);
    // Each time that two become one, the other's records are given what is new to them.
    // So has each word of an operator about them: pinned, taken apart, released, asked again.
    const said =
      record.kind === 'person' ? this.#ran.people.operations.filter(({ whose }) => pool.includes(whose)) : [];
    const joined = pool.length - 1 + (this.#isLead(record) ? 1 : 0) + said.length;
    if (marks.has(name)) return 1 + joined + this.#madeLate(record, pool);
    const { moves, edits } = this.#ran.people;
    if (links.has(name)) return moves.filter(({ who }) => pool.includes(who)).length * changesPerMove + 1 + joined;
    const field = fieldOf(record, name);
    const all = edits.filter(
      (edit) => edit.kind === record.kind && pool.includes(edit.whose) && edit.field === field?.canonical,
    );
    // Who comes back is weighed anew: what their platform owns counts again, whatever was said meanwhile.
    const back = record.kind === 'person' ? this.#ran.people.returns.filter((who) => pool.includes(who)).length : 0;
    const others = all.filter(({ id }) => id !== record.id).length + joined + back;
    if (others >= times || field === undefined) return others;
    const lost = all.filter((edit) => edit.id === record.id && !edit.first && this.#lost(edit, field));
    const parts = lost.reduce((sum, edit) => sum + (this.#isWeighedTwice(edit, field) ? 2 : 1), 0);
    return (
      others + parts + this.#adopted(record, field, pool) + this.#undone(record, field) + this.#cleared(record, field)
    );
  }

  /** The side that has the say was found to have nothing there: nobody entered that, and it replaces what this record said. */
  #cleared(record: Record, field: MappedField): number {
    if (!this.#ran.history.world.on.has('oneway') || record.platform !== 'intercom') return 0;
    const { edits } = this.#ran.people;
    const isLost = ({ field: name, other }: JournalEntry): boolean =>
      name === field.canonical &&
      edits.some((edit) => edit.id === record.id && this.#alike(field, edit.value, other as Stored));
    return this.#emptied.filter(
      (one) => isLost(one) && !edits.some((edit) => edit.field === one.field && one.source.endsWith(`:${edit.id}`)),
    ).length;
  }

  /** Calls that made a record there long after they had timed out: each is another one to name, where the first is gone. */
  #madeLate({ platform, kind }: Record, pool: readonly number[]): number {
    const { people } = this.#ran;
    const there = platform === 'salesforce' ? 'intercom' : 'salesforce';
    const made = [...people.entered].filter(
      ([key, whose]) => key.startsWith(`${there}:${kind}:`) && pool.includes(whose) && !people.byPeople.has(key),
    );
    const ids = made.map(([key]) => key.slice(key.lastIndexOf(':') + 1));
    return ids.filter((id) => isMadeLate(this.#ran, there, id)).length;
  }

  /** What a flow made of our value after a call in doubt may be what that call had asked before: it is written back. */
  #undone({ platform, id }: Record, field: MappedField): number {
    const { history, log, unify } = this.#ran;
    if (!history.world.on.has('norm') || rewritten[platform] !== field.canonical) return 0;
    const asking = new Set(
      unify.outputs.flatMap(({ topic, value }) => {
        const command = topic === `${platform}.commands` ? (value as Command | null) : null;
        return command !== null && field[platform] in command.fields ? [command.id] : [];
      }),
    );
    const isDoubtful = (result: Result | null): boolean =>
      result?.doubt === true && result.ref.endsWith(`:${id}`) && asking.has(result.command);
    return log.records.filter(({ change: { result } }) => isDoubtful(result)).length;
  }

  /**
   * A flow made something else of our value, and nothing said that it was a call of ours that had brought it about: that call
   * was not answered, or a snapshot showed it before the stream could say whose it is. Who else has the record is given it.
   */
  #adopted(record: Record, field: MappedField, pool: readonly number[]): number {
    const { history, log, stores, writes, people } = this.#ran;
    if (!history.world.on.has('norm')) return 0;
    const there = record.platform === 'salesforce' ? 'intercom' : 'salesforce';
    if (rewritten[there] !== field.canonical) return 0;
    const untold = writes[there].filter((one) => {
      const whose = people.entered.get(`${there}:person:${one.record}`) ?? -1;
      return !one.told && one.fields.includes(field[there]) && pool.includes(whose);
    });
    const isShown = log.records.some(({ time, change: { observation, result } }) => {
      // Salesforce answers nothing but a reading with values.
      const shown = observation?.via === 'read' ? observation : there === 'salesforce' ? result?.returned : null;
      if (shown?.ref.startsWith(`${there}:`) !== true) return false;
      const id = shown.ref.slice(shown.ref.lastIndexOf(':') + 1);
      const ours = writes[there].filter(({ what, fields }) => what === id && fields.includes(field[there]));
      const made = people.byPeople.has(`${there}:person:${id}`) ? [] : [stores.createdAt(there, id)];
      return [...ours.map(({ at }) => at), ...made].some((at) => time > at && time - at < unnamedMs);
    });
    return untold.length + (isShown ? 1 : 0);
  }

  /** It was told to have lost, or a write that was asked before anybody told of it was made over it. */
  #lost(edit: Edit, field: MappedField): boolean {
    const isTold = this.#losses.some(({ source, field: of }) => of === edit.field && source.endsWith(`:${edit.id}`));
    if (isTold) return true;
    const { writes } = this.#ran;
    const names = field[edit.platform] === 'LastName' ? ['LastName', givenName.salesforce] : [field[edit.platform]];
    const over = writes[edit.platform].filter(
      ({ record, at, fields }) => record === edit.id && at >= edit.at && names.some((name) => fields.includes(name)),
    );
    if (over.length === 0) return false;
    // A notification that is late tells of what was there before.
    const since = edit.at + (edit.platform === 'salesforce' ? this.#ran.clock.skewMs : 0);
    // What was told before a field was mapped was not looked for.
    const mapped = field.later === true ? this.#ran.log.records.findIndex(({ change }) => change.kind === 'config') : 0;
    const told = this.#tellingsOf(edit.id).find(({ time, offset, change: { observation, result } }) => {
      if (offset < mapped) return false;
      const { at, fields } = observation ?? result?.returned ?? { at: noPosition, fields: {} };
      if (time <= edit.at || !names.some((name) => name in fields)) return false;
      // Of its very second: it tells of the edit if it shows it. A reading on its way shows what was there before.
      const isWithin = at.second && at.time < since && at.time + 999 >= since;
      return isWithin ? this.#shows(fields, edit, field) : at.time >= since;
    });
    return told !== undefined && over.some(({ decidedAt }) => decidedAt < told.offset);
  }

  /** A name of several parts is told by the parts. */
  #shows(fields: Observation['fields'], { platform, value }: Edit, field: MappedField): boolean {
    const hasParts = this.#ran.history.world.on.has('names') && field.canonical === 'lastName';
    return hasParts || this.#alike(field, fields[field[platform]] as Stored, value);
  }

  /**
   * Each part of a joined name is weighed by itself. One that has lost by its date may win by a later one: Intercom dates
   * the record by whatever is edited next.
   */
  #isWeighedTwice(edit: Edit, field: MappedField): boolean {
    const { history, people } = this.#ran;
    if (!history.world.on.has('names') || field.canonical !== 'lastName' || edit.platform !== 'intercom') return false;
    const end = endOf(edit, people.edits);
    return people.edits.some(
      (one) => one.id === edit.id && one.field !== edit.field && one.at > edit.at && one.at < end,
    );
  }

  #tellingsOf(id: string): readonly FoldRecord[] {
    if (this.#tellings === undefined) {
      this.#tellings = new Map();
      for (const one of this.#ran.log.records) {
        const { observation, result } = one.change;
        const ref = observation?.ref ?? result?.returned?.ref;
        if (ref === undefined) continue;
        const key = ref.slice(ref.lastIndexOf(':') + 1);
        const some = this.#tellings.get(key) ?? [];
        this.#tellings.set(key, some);
        some.push(one);
      }
    }
    return this.#tellings.get(id) ?? [];
  }

  #poolOf(record: Record): readonly number[] {
    const key = `${record.kind} ${record.whose}`;
    const known = this.#pools.get(key) ?? this.#pool(record);
    this.#pools.set(key, known);
    return known;
  }

  /** Who may be taken for one with them: whose records people merged, and who shares their email. */
  #pool({ kind, whose }: Record): readonly number[] {
    const { history, people } = this.#ran;
    if (kind === 'company') return [whose];
    const mine = emailHolder(history, whose);
    const isMerged = (who: number): boolean => people.merged.has(`person ${who}`);
    const all = new Set([
      ...history.people.keys(),
      ...people.edits.filter((one) => one.kind === 'person').map((one) => one.whose),
    ]);
    return [...all].filter(
      (who) => who === whose || emailHolder(history, who) === mine || (isMerged(who) && isMerged(whose)),
    );
  }

  /** What a lead was entered with nobody noted. */
  #isLead({ kind, whose }: Record): boolean {
    return kind === 'person' && this.#ran.history.people[whose]?.lead === true;
  }
}

const fieldOf = ({ kind, platform }: Record, name: string): MappedField | undefined =>
  (kind === 'person' ? personFields : companyFields).find((one) =>
    name === givenName.salesforce ? one.canonical === 'lastName' : one[platform] === name,
  );
