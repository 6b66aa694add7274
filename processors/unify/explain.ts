/**
 * Why a field has the value it has, from the state alone: the value that counts, what set it, which value lost, which ask
 * carried it to each record and what came of that, and how each record stands now. Pure: it decides and writes nothing.
 */
import type { Claim, EntityState, RefState, Value } from '../../schemas/types.ts';
import { isHeld } from './dirty.ts';
import { isSecondary } from './identity.ts';
import { parseRef } from './keys.ts';
import { type Link, type Side, sideOf } from './rules.ts';
import { standingOf } from './standing.ts';
import { alike } from './values.ts';
import type { World } from './world.ts';

export interface Explanation {
  /** Canonical name. */
  readonly field: string;
  readonly value: Value;
  readonly set: Claim & {
    /** Offset in `changes` of the record that set it. */
    readonly offset: number;
    readonly version: number;
  };
  /** What counted before. */
  readonly previous: Claim | null;
  /** The value that lost last, with the rule that it lost by. */
  readonly lost: Claim | null;
  /** One for each record that has the field, sorted by ref. */
  readonly carried: readonly Carried[];
}

export interface Carried {
  readonly ref: string;
  /** The platform's name of the field. */
  readonly field: string;
  readonly seen: Value;
  /** undefined: it cannot be said yet (a company not created, an owner in no directory). */
  readonly wanted: Value | undefined;
  /**
   * equal: as wanted. open: asked, not answered. waiting: to be asked. quiet: left in peace, `outcome` says why. frozen:
   * changed back and forth too often. reading: being read again first. unknown: what is wanted cannot be said yet.
   * unwritten: nothing is written to this platform. held: nothing is written to this record, for its customer is held or
   * ambiguous, or it is a lead beside a contact. gone: it is deleted.
   */
  readonly state:
    | 'equal'
    | 'open'
    | 'waiting'
    | 'quiet'
    | 'frozen'
    | 'reading'
    | 'unknown'
    | 'unwritten'
    | 'held'
    | 'gone';
  /** Ask that brought the value there, or that came to nothing; empty when somebody else wrote it. */
  readonly ask: string;
  /** What came of that ask, in words; empty when there is none. */
  readonly outcome: string;
}

/**
 * Explains one canonical field of an entity, or each when none is named; sorted by name. `refs`: its records. `world` is
 * asked for what links name (accounts, owners), and is not written to.
 */
export function explain(
  world: World,
  entity: EntityState,
  refs: readonly RefState[],
  field = '',
): readonly Explanation[] {
  return Object.entries(entity.fields)
    .filter(([name]) => field === '' || name === field)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => ({
      field: name,
      value: one.value,
      set: {
        value: one.value,
        source: one.source,
        by: one.by,
        time: one.time,
        reason: one.reason,
        offset: one.offset,
        version: one.version,
      },
      previous: one.previous,
      lost: one.lost,
      carried: [...refs]
        .sort((a, b) => (a.ref < b.ref ? -1 : 1))
        .flatMap((ref) => {
          const side = sideOf(world.rules.entities[entity.entity], ref.ref);
          const links = side.links.filter((link) => link.canonical.includes(name));
          return links.map((link) => carriedBy(world, side, link, ref, entity));
        }),
    }));
}

function carriedBy(world: World, side: Side, link: Link, ref: RefState, entity: EntityState): Carried {
  const { wanted, standing } = standingOf(world, link, ref, entity);
  const seen = ref.seen[link.field]?.value ?? null;
  return {
    ref: ref.ref,
    field: link.field,
    seen,
    wanted,
    state: stateOf(world, side, link, ref, entity, standing),
    ...outcomeOf(link, ref, seen, standing === 'quiet'),
  };
}

function stateOf(
  world: World,
  side: Side,
  link: Link,
  ref: RefState,
  entity: EntityState,
  standing: ReturnType<typeof standingOf>['standing'],
): Carried['state'] {
  if (ref.deleted) return 'gone';
  if (standing !== 'differs') return standing;
  if (!side.written) return 'unwritten';
  if (ref.open !== null && link.field in ref.open.fields) return 'open';
  if (isHeld(world, entity) || isSecondary(world, entity, ref.ref)) return 'held';
  return ref.reading || ref.open?.verb === 'read' ? 'reading' : 'waiting';
}

function outcomeOf(link: Link, ref: RefState, seen: Value, isQuiet: boolean): Pick<Carried, 'ask' | 'outcome'> {
  const { field } = link;
  const quiet = ref.quiet[field];
  if (isQuiet && quiet !== undefined) {
    const note = quiet.note === '' ? '' : `: ${quiet.note}`;
    return { ask: quiet.ask, outcome: `${quiet.why}${note}` };
  }
  if (ref.open !== null && field in ref.open.fields) return { ask: ref.open.id, outcome: 'asked, not answered yet' };
  const ask = ref.seen[field]?.ask ?? '';
  if (ask === '') return { ask, outcome: '' };
  const landed = ref.landed.find((one) => one.id === ask);
  const awaits = ref.seen[field]?.answer === true && landed !== undefined && !landed.done.includes(field);
  if (!awaits || parseRef(ref.ref).platform !== 'salesforce') {
    const kept = landed === undefined || alike(landed.expected[field], seen);
    return { ask, outcome: kept ? 'applied' : 'applied, and the platform made this of it' };
  }
  return { ask, outcome: landed.late ? 'applied; its echo is late, it is read again' : 'applied; its echo is awaited' };
}
