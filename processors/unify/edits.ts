/**
 * Who wins: a value that somebody brought about on one record against the canonical one. The only place where the wanted
 * value of a field changes.
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
import { parseRef } from './keys.ts';
import type { Draft, Sighting } from './ledger.ts';
import { fromPlatform } from './mapping.ts';
import { type CanonicalRule, type EntityRules, isLeadObject, sideOf } from './rules.ts';
import { standingOf } from './standing.ts';
import { alike, comparePositions, hashId, isEmpty, isExact, laterOf, shown } from './values.ts';
import type { Platform, World } from './world.ts';

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

type Verdict =
  | { readonly wins: true; readonly reason: string }
  /** untold: nobody's edit was lost, there is nothing to tell. */
  | { readonly wins: false; readonly reason: string; readonly untold?: boolean };

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
  const again = isDecided(draft.ref, mark, one);
  draft.ref = rememberDecided(draft.ref, mark, one);
  if (verdict.wins) {
    setField(world, draft, name, one, verdict.reason);
    return;
  }
  if (verdict.untold !== true && !again) reject(world, draft, name, one, verdict.reason);
  if (rule.type === 'account' && typeof one.value === 'string') loseAccount(world, draft, one.value, one.kind);
  if (current !== undefined) countWrittenBack(world, draft, name, one);
}

/** Edits of a record that are remembered as decided. */
const decidedKept = 16;

/**
 * A replay, or a notification that comes twice, offers an edit once more: the very same value at the very same position.
 * What became of it was told then, and is as long as it is remembered not told again. In doubt it is: no loss is silent.
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

function judge(
  world: World,
  draft: Draft,
  rule: CanonicalRule,
  current: CanonicalField | undefined,
  one: Edit,
): Verdict {
  const source = draft.ref.ref;
  const { platform } = parseRef(source);
  if (rule.type === 'optOut') {
    const verdict = judgeConsent(rule, current, one, source);
    if (verdict !== undefined) return verdict;
  }
  if (current === undefined) return { wins: true, reason: 'first' };
  if (one.kind === 'sight') {
    if (isCopied(world, draft, rule.name, one.value)) return { wins: false, reason: '', untold: true };
    return judgeSight(draft, rule, current, one);
  }
  if (rule.owner !== null && rule.owner !== platform && isThere(world, draft, rule.owner)) {
    return { wins: false, reason: `${rule.owner} owns ${rule.name}` };
  }
  if (current.source === source) {
    // What was seen moved on, so this is later by itself; evidence has to prove it.
    if (one.kind === 'change' || isLater(one, current)) return { wins: true, reason: 'newest' };
    return { wins: false, reason: 'an older value of the same record' };
  }
  if (rule.owner === platform && parseRef(current.source).platform !== platform) return { wins: true, reason: 'owner' };
  // Empty since it was first looked at: that has a date, but nobody made it so.
  if (isEmpty(current.value) && current.previous === null) return { wins: true, reason: 'first' };
  if (rule.fillIfEmpty && !isEmpty(current.value)) {
    return { wins: false, reason: `${rule.name} is only filled where it is empty` };
  }
  if (!rule.fillIfEmpty && answers(one, current)) return { wins: true, reason: 'newest' };
  const newer = one.time !== current.time ? one.time > current.time : source > current.source;
  if (!newer) return { wins: false, reason: `${current.source} has a newer value` };
  return { wins: true, reason: rule.fillIfEmpty ? 'fill' : 'newest' };
}

/** Did it replace the very value that counts, where we had written it? Then it comes after it, whatever the clocks say. */
const answers = (one: Edit, current: CanonicalField): boolean =>
  one.kind === 'change' && !one.conflict && one.replaces !== null && one.replaces >= current.offset;

/**
 * What a record shows at first is no edit: a side without a say fills what nobody has said, and loses untold. Only where
 * nothing is ever written to the owner, its having nothing is all there will be: else the sides would differ for ever.
 */
function judgeSight(draft: Draft, rule: CanonicalRule, current: CanonicalField, one: Edit): Verdict {
  const source = draft.ref.ref;
  const { platform } = parseRef(source);
  if (isEmpty(one.value)) {
    const isMirrored = rule.owner === platform && !sideOf(draft.rules, source).written;
    if (isMirrored && parseRef(current.source).platform !== platform) return { wins: true, reason: 'owner' };
    return { wins: false, reason: '', untold: true };
  }
  if (beats(draft.rules, rule, { ...one, source }, current)) return { wins: true, reason: 'join' };
  const hasSay = rule.owner === null || rule.owner === platform;
  return { wins: false, reason: `${current.source} has a newer value`, untold: !hasSay };
}

/** The contact of a converted lead shows at first what was copied from there: nobody entered it, and it was weighed as the lead's. */
const isCopied = (world: World, { rules, entity, ref }: Draft, name: string, value: Value): boolean =>
  !isEmpty(value) &&
  sideOf(rules, ref.ref) === rules.sides.salesforce &&
  entity.refs
    .filter((one) => isLeadObject(rules, one))
    .some((one) => {
      const lead = world.ref(one);
      return lead !== undefined && alike(shownBy(world, rules, lead, entity)[name], value);
    });

/** What a record was last seen to say, field by field of its person or company. */
export const shownBy = (
  world: World,
  rules: EntityRules,
  { ref, seen }: RefState,
  entity: EntityState,
): Readonly<Record<string, Value>> =>
  Object.assign(
    {},
    ...sideOf(rules, ref).links.map((link) => {
      const one = seen[link.field];
      return one === undefined ? {} : fromPlatform(world, link, one.value, entity);
    }),
  ) as Record<string, Value>;

/** Has the owner platform a living record of the entity? Where it has none, nobody else would ever be right. */
const isThere = (world: World, draft: Draft, platform: Platform): boolean =>
  draft.entity.refs.some((ref) => ref.startsWith(`${platform}:`) && world.ref(ref)?.deleted === false);

const isLater = (one: Edit, current: CanonicalField): boolean =>
  comparePositions(one.at, current.at) > 0 || (comparePositions(one.at, current.at) === 0 && one.time > current.time);

/**
 * Consent only gets stricter by itself, whoever says so and however late it comes. Looser again it is only by the owner
 * platform, when somebody changed it there after it had become strict. `undefined`: neither of the two.
 */
function judgeConsent(
  rule: CanonicalRule,
  current: CanonicalField | undefined,
  one: Edit,
  source: string,
): Verdict | undefined {
  const strict = one.value === true;
  const wasStrict = current?.value === true;
  if (strict && !wasStrict) return { wins: true, reason: current === undefined ? 'first' : 'stricter' };
  if (strict || current === undefined || !wasStrict) return undefined;
  const later = current.source === source ? comparePositions(one.at, current.at) > 0 : one.time > current.time;
  if (rule.owner === parseRef(source).platform && one.kind === 'change' && later)
    return { wins: true, reason: 'owner' };
  return {
    wins: false,
    reason: 'consent only gets stricter by itself',
    untold: one.kind === 'sight' && isEmpty(one.value),
  };
}

type Standing = Pick<CanonicalField, 'value' | 'source' | 'time'> & { readonly previous?: Claim | null };

/** Somebody emptied it, and did not only give way. What is empty since it was first looked at says nothing. */
const isCleared = ({ value, time, previous = null }: Standing): boolean =>
  isEmpty(value) && previous !== null && time !== 0;

/** Of two values that meet without an edit: does the first win? Deterministic, and empty beats a value only if it was made so. */
function beats(rules: EntityRules, rule: CanonicalRule, one: Standing, other: Standing): boolean {
  const isSaid = (said: Standing): boolean => !isEmpty(said.value) || (isCleared(said) && !rule.fillIfEmpty);
  if (!isSaid(one) || !isSaid(other)) return isSaid(one);
  if (rule.type === 'optOut' && (one.value === true) !== (other.value === true)) return one.value === true;
  const [mine, theirs] = [parseRef(one.source), parseRef(other.source)];
  if (rule.owner !== null && mine.platform !== theirs.platform) return mine.platform === rule.owner;
  // What was merged away has no date (merge.ts).
  if ((one.time === 0) !== (other.time === 0)) return other.time === 0;
  // Lead and Contact of one email are one person, and the Contact leads.
  const isLead = (object: string): boolean => rules.lead !== null && object === rules.lead.object;
  if (mine.platform === theirs.platform && isLead(mine.object) !== isLead(theirs.object)) return isLead(theirs.object);
  if (rule.fillIfEmpty) return false;
  return one.time !== other.time ? one.time > other.time : one.source >= other.source;
}

const claimOf = (field: CanonicalField): Claim => ({
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

/**
 * Releases a frozen field, or every one when no field is named. Returns the entity, the very same when nothing was frozen; its records have to
 * be queued after it is stored.
 */
export function unfreeze(entity: EntityState, field = ''): EntityState {
  const names = Object.keys(entity.fields).filter(
    (name) => entity.fields[name]?.frozen === true && (field === '' || name === field),
  );
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
