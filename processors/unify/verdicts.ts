/**
 * Who wins: a value of one record against the one that counts, and two values that meet when two records or two customers
 * become one. Pure rules; edits.ts does what they say.
 */
import type { CanonicalField, Claim, EntityState, RefState, Value } from '../../schemas/types.ts';
import type { Edit } from './edits.ts';
import { parseRef } from './keys.ts';
import type { Draft } from './ledger.ts';
import { fromPlatform } from './mapping.ts';
import { type CanonicalRule, type EntityRules, isLeadObject, sideOf } from './rules.ts';
import { alike, comparePositions, isEmpty } from './values.ts';
import type { Platform, World } from './world.ts';

type Verdict =
  | { readonly wins: true; readonly reason: string }
  /** untold: nobody's edit was lost, there is nothing to tell. */
  | { readonly wins: false; readonly reason: string; readonly untold?: boolean };

/** Does an edit of one canonical field by the draft's ref win, and by which rule? */
export function judge(
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

/** Does the newest count, whoever says it? */
export function isByDate({ fields }: EntityRules, name: string): boolean {
  const rule = fields.get(name);
  return rule !== undefined && rule.owner === null && !rule.fillIfEmpty && rule.type !== 'optOut';
}

/** Did it replace the very value that counts, where we had written it? Then it comes after it, whatever the clocks say. */
export const answers = (one: Edit, current: CanonicalField): boolean =>
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
export function beats(rules: EntityRules, rule: CanonicalRule, one: Standing, other: Standing): boolean {
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
