/**
 * Rule 4 of the ledger: an older value that shows that our own write overtook a person. What is none, what only confirms
 * the value that counts, and what is told to have come to nothing.
 */
import type { CanonicalField, Observation } from '../../schemas/types.ts';
import { asksOf, brought, expectedOf, stoodBefore, wasOvertaken } from './asks.ts';
import { edit, editAll, originIn } from './edits.ts';
import type { Draft, Look, Sighting } from './ledger.ts';
import { fromPlatform, toPlatform } from './mapping.ts';
import { type Link, sideOf } from './rules.ts';
import { alike, comparePositions, isEmpty, laterOf, secondOf, shown } from './values.ts';
import { rememberAttached } from './waiting.ts';
import type { World } from './world.ts';

/** Of Salesforce only other people's events count: a read says nothing of who wrote, and ours are no evidence. */
export function takeEvidence(world: World, draft: Draft, sighting: Sighting, look: Look): void {
  const { link, value } = sighting;
  const { observation, own } = look;
  if (link.platform === 'salesforce' && (own || observation.via !== 'event')) return;
  if (link.platform === 'intercom') takeEmptied(world, draft, sighting, observation);
  const fields = link.canonical.map((name) => draft.entity.fields[name]);
  const told = fields.find((field) => field?.source === draft.ref.ref)?.at;
  const seen = draft.ref.seen[link.field];
  // Somebody else is known to have changed the field after that: nothing of it was left for us to overtake.
  if (seen?.ask === '' && comparePositions(seen.at, observation.at) > 0) {
    if (look.waited !== null)
      tell(world, draft, sighting, observation, 'its own record said something else before it could be decided');
    return;
  }
  const named = link.platform === 'salesforce';
  const turned = look.waited?.includes(link.field) ?? false;
  if (
    !wasOvertaken(sideOf(draft.rules, draft.ref.ref), draft.ref, link.field, value, observation.at, {
      told,
      turned,
      named,
    })
  ) {
    // Within one second of what its own record shows now.
    if (look.waited !== null && seen?.ask === '' && !alike(seen.value, value))
      tell(world, draft, sighting, observation, 'its own record said something else before it could be decided');
    return;
  }
  const wanted = toPlatform(world, link, draft.entity.fields, seen?.value, draft.entity.id);
  if (alike(wanted, value)) {
    confirm(draft, link, observation);
    // A list of companies says more than which account it agrees with.
    if (link.type !== 'account') return;
  }
  // What was attached or detached is told against what stood there before we wrote.
  const last = asksOf(draft.ref).findLast((ask) => link.field in ask.before);
  const before = stoodBefore(last, link.field, value);
  const { time, ...origin } = originIn(observation);
  const first = turned ? null : firstTold(world, draft, sighting, observation);
  const how = { ...origin, time: first ?? time, kind: 'evidence', conflict: true, replaces: null } as const;
  if (link.type === 'account') {
    rememberAttached(world, draft, link, { ...how, value, before });
    // A list is written by the difference: what stands there now is not known.
    if (draft.ref.attached.length > 0) draft.ref = { ...draft.ref, reading: true };
  }
  editAll(world, draft, sighting, how, before);
}

/**
 * What a record of Intercom showed at first was empty, which says nothing by itself, and all that is known of the field
 * another record has said since. An older notification that shows a value says that somebody had emptied it in between: that
 * was an edit, dated as it was seen. Salesforce's stream tells of it by itself.
 */
function takeEmptied(world: World, draft: Draft, { link, value }: Sighting, { at }: Observation): void {
  const { ref, entity } = draft;
  const seen = ref.seen[link.field];
  const first = asksOf(ref).find((ask) => link.field in ask.before);
  const isUnwritten = first === undefined && seen !== undefined && isEmpty(seen.value);
  const place = isUnwritten ? seen.at : isEmpty(first?.before[link.field]) ? first?.after : undefined;
  if (place === undefined || comparePositions(place, at) <= 0) return;
  for (const [name, canonical] of Object.entries(fromPlatform(world, link, value, { fields: entity.fields }))) {
    const current = entity.fields[name];
    if (current === undefined || !isFilled(current, ref.ref) || isEmpty(canonical)) continue;
    const how = { kind: 'change', time: place.time, at: place, by: '', conflict: true, replaces: null } as const;
    edit(world, draft, name, { ...how, value: null });
  }
}

/** Another record fills it, and nobody has said anything of it before that: at most this record showed that it was empty. */
const isFilled = ({ value, source, version, previous }: CanonicalField, ref: string): boolean =>
  !isEmpty(value) &&
  source !== ref &&
  (previous === null ? version === 1 : version === 2 && previous.source === ref && isEmpty(previous.value));

/**
 * A later notification, of another field, shows a value once more that our write overtook before and that lost: it is no
 * newer for that. Entered anew it would be after a write of ours, or after something else that the record said. When it was
 * told first, ms; null: it is now.
 */
function firstTold(world: World, draft: Draft, { link, value }: Sighting, { at }: Observation): number | null {
  const { ref, entity } = draft;
  const entered = Object.entries(fromPlatform(world, link, value, { fields: entity.fields }));
  const writes = asksOf(ref).filter((ask) => link.field in expectedOf(ask) && link.field in ask.before);
  const times = entered.map(([name, canonical]) => {
    const current = entity.fields[name];
    if (current === undefined || current.source === ref.ref) return null;
    const claim = [current.lost, current.previous].find(
      (one) =>
        one?.source === ref.ref &&
        one.time <= at.time &&
        alike(one.value, shown(canonical)) &&
        writes.some(({ after }) => secondOf(after.time) <= secondOf(one.time)) &&
        !writes.some(({ resultAt }) => resultAt !== null && resultAt >= one.time && resultAt < at.time),
    );
    return claim?.time ?? null;
  });
  const known = times.filter((time) => time !== null);
  return known.length === 0 || known.length < times.length ? null : Math.max(...known);
}

/** An echo of a call in doubt that undoes what was seen since: the call was carried out late, or somebody says the same. */
export function tellDoubtful(
  world: World,
  draft: Draft,
  sighting: Sighting,
  observation: Observation,
  echo: number,
): void {
  const ask = asksOf(draft.ref)[echo];
  if (ask?.doubt !== true || ask.resultAt === null) return;
  tell(
    world,
    draft,
    sighting,
    observation,
    'a call of ours in doubt asked for the same, and may have been carried out late',
  );
}

/**
 * The record shows what is wanted, after it had shown what an open ask of ours asks for: that may have been our call, or
 * somebody who said the same before it. The answer comes too late to tell.
 */
export function tellUnsure(world: World, draft: Draft, sighting: Sighting, observation: Observation): void {
  const seen = draft.ref.seen[sighting.link.field];
  const isOpen = asksOf(draft.ref).some((ask) => ask.id === seen?.ask && ask.resultAt === null);
  if (seen === undefined || !isOpen || sighting.link.platform === 'salesforce') return;
  const reason =
    'a call of ours under way asked for the same, and its own record said something else before its answer';
  tell(world, draft, { ...sighting, value: seen.value }, observation, reason);
}

/** What never counted, nor was decided: it is told as somebody's, or as what may be that, where a call of ours asked the same. */
function tell(world: World, draft: Draft, { link, value }: Sighting, observation: Observation, reason: string): void {
  const { fields } = draft.entity;
  const mayBeOurs = asksOf(draft.ref).some((ask) => brought(ask, link.field, value));
  for (const [field, other] of Object.entries(fromPlatform(world, link, value, { fields }))) {
    const current = fields[field];
    if (current === undefined || alike(current.value, other)) continue;
    world.journal({
      id: draft.entity.id,
      kind: mayBeOurs ? 'doubtful' : 'rejected',
      field,
      value: current.value,
      other,
      source: observation.ref,
      reason,
    });
  }
}

/** What counts was entered once more: an older value that comes later still does not beat it. */
function confirm(draft: Draft, { canonical }: Link, observation: Observation): void {
  const { time, at } = originIn(observation);
  for (const name of canonical) {
    const current = draft.entity.fields[name];
    if (current === undefined) continue;
    const place = current.source === draft.ref.ref ? laterOf(current.at, at) : current.at;
    const fields = { ...draft.entity.fields, [name]: { ...current, time: Math.max(current.time, time), at: place } };
    draft.entity = { ...draft.entity, fields };
  }
}
