/**
 * What somebody brought about on one record, put against the canonical value: who wins (verdicts.ts) counts, who loses is told.
 * The only place where the wanted value of a field changes.
 *
 * claim: a value with its ref and its source time. sight: a record shows a value for the first time, or two customers
 * become one; nobody changed anything, so empty never beats a value. evidence: a person's value that our own write had
 * overtaken.
 */
import type {
  CanonicalField,
  Claim,
  EntityState,
  Observation,
  Position,
  RefState,
  Value,
} from '../../schemas/types.ts';
import { disown } from './companies.ts';
import { frozenOnes } from './keys.ts';
import type { Draft, Sighting } from './ledger.ts';
import { fromPlatform } from './mapping.ts';
import { sideOf } from './rules.ts';
import { addMember } from './sets.ts';
import { standingOf } from './standing.ts';
import { alike, hashId, isEmpty, isExact, laterOf, shown } from './values.ts';
import { answers, beats, judge } from './verdicts.ts';
import type { World } from './world.ts';

export interface Edit {
  readonly kind: 'change' | 'sight' | 'evidence';
  readonly value: Value;
  /** Source time, ms: dates it against other records. */
  readonly time: number;
  /** Its place among the values of its own record. */
  readonly at: Position;
  /** User or client that wrote it, empty when the platform names none. */
  readonly by: string;
  /** The canonical value had not reached this record: two people wrote at once. */
  readonly conflict: boolean;
  /** Log offset at which the ask was made that had written what it replaces; null: none of ours had. */
  readonly replaces: number | null;
}

/** Decides what one field of the draft's ref says: of several canonical fields, where it holds more than one. `before`: what it said before. */
export function editAll(
  world: World,
  draft: Draft,
  { link, value }: Sighting,
  how: Omit<Edit, 'value'>,
  before?: Value,
): void {
  const { fields } = draft.entity;
  for (const [name, canonical] of Object.entries(fromPlatform(world, link, value, { fields, before })))
    edit(world, draft, name, { ...how, value: canonical });
}

/** When and by whom what an observation says was brought about. */
export const originIn = (observation: Observation): Pick<Edit, 'time' | 'at' | 'by'> => ({
  time: observation.modified ?? observation.at.time,
  at: observation.at,
  by: authorOf(observation),
});

export const authorOf = ({ by, origin }: Observation): string =>
  [by ?? '', origin === null ? '' : `client ${origin}`].filter((part) => part !== '').join(', ');

/** Decides an edit of one canonical field by the draft's ref. */
export function edit(world: World, draft: Draft, name: string, one: Edit): void {
  const rule = draft.rules.fields.get(name);
  const current = draft.entity.fields[name];
  if (rule === undefined || (current !== undefined && alike(current.value, one.value))) return;
  const verdict = judge(world, draft, rule, current, one);
  const mark = markOf(name, one);
  if (isDecided(draft.ref, mark, one)) return;
  draft.ref = rememberDecided(draft.ref, mark, one);
  if (verdict.wins) {
    setField(world, draft, name, one, verdict.reason);
    return;
  }
  if (verdict.untold !== true) reject(world, draft, name, one, verdict.reason);
  if (rule.type === 'account' && typeof one.value === 'string') loseAccount(world, draft, one.value, one.kind);
  if (current !== undefined) countWrittenBack(world, draft, name, one);
}

/** Edits of a record that are remembered as decided. */
const decidedKept = 16;

/**
 * A replay, or a notification that comes twice, offers an edit once more: the very same value at the very same position.
 * It was decided then, whoever may have a say now, and is as long as it is remembered not decided again. In doubt it is: no
 * loss is silent.
 */
function isDecided({ decided }: RefState, mark: string, { kind, at }: Edit): boolean {
  // A change after which the record showed something else: of a whole second it is another edit.
  return kind !== 'sight' && decided.includes(mark) && (kind !== 'change' || isExact(at));
}

const rememberDecided = (ref: RefState, mark: string, { kind }: Edit): RefState =>
  kind === 'sight' || ref.decided.includes(mark)
    ? ref
    : { ...ref, decided: [...ref.decided, mark].slice(-decidedKept) };

/** Names a value of a field at its position. */
const markOf = (name: string, { value, at }: Edit): string =>
  hashId(name, JSON.stringify(value), at.time, at.seq).slice(0, 12);

/**
 * Somebody replaced what counts and their record had, and it is written back: by a writer that never gives in, for ever.
 * That is a turn as any other. Who did not know of what counts yet, or is not written to, is none.
 */
function countWrittenBack(world: World, draft: Draft, name: string, one: Edit): void {
  const current = draft.entity.fields[name];
  const { ref } = draft;
  const side = sideOf(draft.rules, ref.ref);
  if (current === undefined || one.kind !== 'change' || one.conflict || !side.written) return;
  const isBack = side.links.some(
    (link) => link.canonical.includes(name) && standingOf(world, link, ref, draft.entity).standing === 'differs',
  );
  if (isBack) put(draft, name, alternate(world, draft, name, current, { ...one, source: ref.ref }, one.time));
}

/** What a record shows at first nobody brought about: its companies are left alone. Else the one attached is detached again. */
function loseAccount(world: World, draft: Draft, accountId: string, kind: Edit['kind']): void {
  if (kind === 'sight') return;
  disown(world, draft.entity.id, accountId);
  // Our write overtook it, and a list is written by the difference: what stands there now is not known.
  if (kind === 'evidence') draft.ref = { ...draft.ref, reading: true };
}

export const claimOf = (field: CanonicalField): Claim => ({
  value: shown(field.value),
  source: field.source,
  by: field.by,
  time: field.time,
  reason: field.reason,
});

function reject(world: World, draft: Draft, name: string, one: Edit, reason: string): void {
  const current = draft.entity.fields[name];
  const source = draft.ref.ref;
  const lost: Claim = { value: shown(one.value), source, by: one.by, time: one.time, reason };
  if (current !== undefined) {
    draft.entity = { ...draft.entity, fields: { ...draft.entity.fields, [name]: { ...current, lost } } };
  }
  world.journal({
    id: draft.entity.id,
    kind: 'rejected',
    field: name,
    value: current?.value ?? null,
    other: one.value,
    source,
    reason,
  });
}

function setField(world: World, draft: Draft, name: string, one: Edit, reason: string): void {
  const old = draft.entity.fields[name];
  const source = draft.ref.ref;
  const same = old?.source === source;
  // What a first sight replaces nobody has changed on purpose: it is told wherever there was something.
  const lost = old !== undefined && !same && (one.kind === 'sight' ? !isEmpty(old.value) : one.conflict);
  const next: CanonicalField = {
    value: one.value,
    version: (old?.version ?? 0) + 1,
    time: same || (old !== undefined && answers(one, old)) ? Math.max(one.time, old.time) : one.time,
    at: same ? laterOf(old.at, one.at) : one.at,
    source,
    by: one.by,
    reason,
    offset: world.record.offset,
    previous: old === undefined ? null : claimOf(old),
    lost: lost
      ? { ...claimOf(old), reason: one.kind === 'sight' ? reason : `${source} has a newer value` }
      : (old?.lost ?? null),
    turns: old?.turns ?? [],
    frozen: old?.frozen ?? false,
  };
  const turned =
    old === undefined || same || one.kind === 'sight' ? next : alternate(world, draft, name, next, old, next.time);
  put(draft, name, turned);
  if (lost) {
    world.journal({
      id: draft.entity.id,
      kind: 'set',
      field: name,
      value: one.value,
      other: old.value,
      source,
      reason,
    });
  }
}

/** Stores a canonical value and tells of it, if it is another one to a person. */
function put(draft: Draft, name: string, next: CanonicalField): void {
  const old = draft.entity.fields[name];
  draft.entity = { ...draft.entity, fields: { ...draft.entity.fields, [name]: next } };
  if (alike(old?.value, next.value)) return;
  draft.changed.push({
    field: name,
    old: old?.value ?? null,
    new: next.value,
    source: next.source,
    reason: next.reason,
    version: next.version,
  });
}

/**
 * Two writers that answer each other through us would go on for ever, and each of their values is a real edit. After so
 * many turns in so short a time of the platforms nothing is asked for the field any more; what is seen and what counts
 * still moves, so that its release writes what is right then.
 */
function alternate(
  world: World,
  draft: Draft,
  name: string,
  kept: CanonicalField,
  lost: Pick<CanonicalField, 'value' | 'source' | 'by'>,
  time: number,
): CanonicalField {
  const { alternations, withinMs } = world.rules.freeze;
  const turns = [...kept.turns, time].filter((turn) => time - turn < withinMs).slice(-(alternations + 1));
  if (turns.length <= alternations || kept.frozen) return { ...kept, turns };
  addMember(world, frozenOnes, draft.entity.id);
  const writer = ({ source, by }: Pick<CanonicalField, 'source' | 'by'>): string =>
    by === '' ? source : `${source} (${by})`;
  world.journal({
    id: draft.entity.id,
    kind: 'frozen',
    field: name,
    value: kept.value,
    other: lost.value,
    source: kept.source,
    reason: `changed back and forth ${turns.length} times by ${writer(lost)} and ${writer(kept)}: nothing is written for it until it is released`,
  });
  return { ...kept, turns, frozen: true };
}

export const frozenFields = ({ fields }: EntityState): readonly string[] =>
  Object.keys(fields).filter((name) => fields[name]?.frozen === true);

/**
 * Releases a frozen field, or every one when no field is named. Returns the entity, the very same when nothing was frozen; its records have to
 * be queued after it is stored.
 */
export function unfreeze(entity: EntityState, field = ''): EntityState {
  const names = frozenFields(entity).filter((name) => field === '' || name === field);
  if (names.length === 0) return entity;
  const fields = { ...entity.fields };
  for (const name of names) {
    const one = fields[name];
    if (one !== undefined) fields[name] = { ...one, frozen: false, turns: [] };
  }
  return { ...entity, fields };
}

/** Fields of two who are one of which nobody has to ask who wins: `yields`, the other's does; `ignores`, the draft's does. */
interface Choice {
  readonly yields?: readonly string[];
  readonly ignores?: readonly string[];
}

/**
 * Takes in the canonical fields of a customer or account that was joined to the draft's. They are what was known, not
 * something that happened: the newest wins, empty beats nothing, and no edit is lost. What differs from a record's `seen`
 * is asked of it as ever; its ledger came with it.
 */
export function rejoin(
  world: World,
  draft: Draft,
  theirs: EntityState['fields'],
  { yields = [], ignores = [] }: Choice = {},
): void {
  for (const name of Object.keys(theirs).sort()) {
    const other = theirs[name];
    const rule = draft.rules.fields.get(name);
    const mine = draft.entity.fields[name];
    if (other === undefined || rule === undefined || ignores.includes(name)) continue;
    const joined = { reason: 'join', offset: world.record.offset };
    if (mine === undefined) {
      put(draft, name, { ...other, ...joined });
    } else if (!alike(mine.value, other.value)) {
      const version = Math.max(mine.version, other.version) + 1;
      const wins = yields.includes(name) || beats(draft.rules, rule, other, mine);
      put(
        draft,
        name,
        wins
          ? { ...other, ...joined, version, previous: claimOf(mine), lost: claimOf(mine) }
          : { ...mine, lost: isEmpty(other.value) ? mine.lost : { ...claimOf(other), reason: 'join' } },
      );
    } else if (yields.includes(name)) {
      // The same value, from whoever set it last.
      put(draft, name, { ...other, version: Math.max(mine.version, other.version), lost: mine.lost });
    }
  }
}
