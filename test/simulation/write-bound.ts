/**
 * How often a field of a record may be written, in any world: once for each value that another record of its person or
 * company was given, once back for each edit of its own that lost, and our marks once. Anything more is a write for
 * nothing. Of calls that unify was not told of, each may lead to one more: it is made again, or undone when it comes late.
 */
import type { JournalEntry } from '../../schemas/types.ts';
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
import type { Ran } from './simulate.ts';
import { emailHolder, type Kind } from './stores.ts';

/** Edits of two records so close to each other may meet: then the earlier one is written over on its own. */
const meetMs = 15_000;

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

export function excessOf(ran: Ran, journal: readonly JournalEntry[]): readonly Excess[] {
  const bounds = new WriteBounds(ran, journal);
  return (['salesforce', 'intercom'] as const).flatMap((platform) => bounds.excess(platform));
}

class WriteBounds {
  readonly #ran: Ran;
  readonly #rejected: readonly JournalEntry[];

  constructor(ran: Ran, journal: readonly JournalEntry[]) {
    this.#ran = ran;
    this.#rejected = journal.filter(({ kind }) => kind === 'rejected');
  }

  excess(platform: PlatformName): readonly Excess[] {
    const times = new Map<string, { told: number; untold: number }>();
    for (const { what, fields, told } of this.#ran.writes[platform])
      for (const field of what === '' ? [] : fields) {
        const key = `${what} ${field}`;
        const one = times.get(key) ?? { told: 0, untold: 0 };
        one[told ? 'told' : 'untold'] += 1;
        times.set(key, one);
      }
    return [...times].flatMap(([key, { told, untold }]) => {
      const [id = '', field = ''] = key.split(' ');
      const record = this.#recordOf(platform, id);
      const most = this.#most(record, field) + untold;
      const text = `${field} of ${record.kind} ${record.whose} was written ${told} times, ${most} allowed`;
      return told > most ? [{ id, text }] : [];
    });
  }

  #recordOf(platform: PlatformName, id: string): Record {
    const { entered } = this.#ran.people;
    for (const name of ['person', 'lead', 'company']) {
      const whose = entered.get(`${platform}:${name}:${id}`);
      if (whose !== undefined) return { platform, kind: name === 'company' ? 'company' : 'person', id, whose };
    }
    return { platform, kind: 'company', id, whose: -1 };
  }

  #most(record: Record, name: string): number {
    const pool = this.#pool(record);
    // Each time that two become one, the other's records are given what is new to them.
    // So has each word of an operator about them: pinned, taken apart, released, asked again.
    const said =
      record.kind === 'person' ? this.#ran.people.operations.filter(({ whose }) => pool.includes(whose)) : [];
    const joined = pool.length - 1 + (this.#isLead(record) ? 1 : 0) + said.length;
    if (marks.has(name)) return 1 + joined;
    const { moves, edits } = this.#ran.people;
    if (links.has(name)) return moves.filter(({ who }) => pool.includes(who)).length * changesPerMove + 1 + joined;
    const field = fieldOf(record, name);
    const all = edits.filter(
      (edit) => edit.kind === record.kind && pool.includes(edit.whose) && edit.field === field?.canonical,
    );
    const others = all.filter(({ id }) => id !== record.id);
    const lost = all.filter((edit) => edit.id === record.id && !edit.first && this.#lost(edit, others, field));
    return others.length + lost.length + joined + (this.#isAdopted(record, field) ? 1 : 0);
  }

  /**
   * A flow made something else of our value, and a snapshot showed that before the stream could say whose it is: who else
   * has the record is given it.
   */
  #isAdopted(record: Record, field: MappedField | undefined): boolean {
    const { history, log, stores, writes, people } = this.#ran;
    if (field === undefined || !history.world.on.has('norm')) return false;
    const there = record.platform === 'salesforce' ? 'intercom' : 'salesforce';
    if (rewritten[there] !== field.canonical) return false;
    return log.records.some(({ time, change: { observation } }) => {
      if (observation?.via !== 'read' || !observation.ref.startsWith(`${there}:`)) return false;
      const id = observation.ref.slice(observation.ref.lastIndexOf(':') + 1);
      const ours = writes[there].filter(({ what, fields }) => what === id && fields.includes(field[there]));
      const made = people.byPeople.has(`${there}:person:${id}`) ? [] : [stores.createdAt(there, id)];
      return [...ours.map(({ at }) => at), ...made].some((at) => time > at && time - at < meetMs);
    });
  }

  #lost(edit: Edit, others: readonly Edit[], field: MappedField | undefined): boolean {
    const { on } = this.#ran.history.world;
    const isOwned = field?.owner !== undefined ? field.owner !== edit.platform : on.has('oneway');
    return (
      isOwned ||
      others.some(({ at }) => Math.abs(at - edit.at) < meetMs) ||
      this.#rejected.some(({ source, field: of }) => of === edit.field && source.endsWith(`:${edit.id}`))
    );
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
