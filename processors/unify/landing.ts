/**
 * What a result does to the ledger: the one answer to an ask closes it. Whatever it was, the same ask is not made again at
 * once: a field that was refused, or of which nobody has said what came of it, is quiet until another value is wanted or
 * seen.
 */
import type { Ask, FieldRefusal, Observation, Position, Quiet, RefState, Result } from '../../schemas/types.ts';
import { comparable, isOneCall, landedWith, reaches, stoodBefore } from './asks.ts';
import { awaitEcho } from './echoes.ts';
import { editAll } from './edits.ts';
import { parseRef } from './keys.ts';
import { type Draft, observe, putSeen, resume, resumeBefore } from './ledger.ts';
import { type Side, sideOf } from './rules.ts';
import { isQuiet, putQuiet } from './standing.ts';
import { alike, comparePositions, secondOf } from './values.ts';
import type { World } from './world.ts';

export function land(world: World, draft: Draft, ask: Ask, result: Result): void {
  if (ask.verb === 'read') landReading(world, draft, ask, result);
  else landWrite(world, draft, ask, result);
  resume(world, draft);
}

function landWrite(world: World, draft: Draft, ask: Ask, result: Result): void {
  const refused = refusedFields(ask, result);
  for (const [field, { code, message }] of refused) quieten(world, draft, ask, field, 'refused', `${code}: ${message}`);
  const side = sideOf(draft.rules, draft.ref.ref);
  const applied = result.outcome === 'applied';
  const doubt = ask.doubt || result.doubt;
  // Marked meanwhile by an event that was faster than its result.
  const told = draft.ref.landed.find((one) => one.id === ask.id) ?? ask;
  const closed: Ask = {
    ...told,
    fields: {},
    // What was not applied may have been by a try that timed out: its echo must be known when it comes.
    expected: applied
      ? Object.fromEntries(Object.entries(ask.fields).filter(([field]) => !refused.has(field)))
      : ask.fields,
    resultAt:
      (doubt ? null : writtenAt(side, ask, result)) ?? (result.platformTime === 0 ? world.now : result.platformTime),
    doubt,
    sentAt: doubt ? 0 : result.sentAt,
  };
  const others = draft.ref.landed.filter((one) => one.id !== ask.id);
  // Of a record that existed before, or is gone, nothing is there that we wrote; nor where everything stood there already.
  const idle = isIdle(side, closed, result);
  const keeps = applied ? !idle : doubt && result.outcome !== 'gone' && result.outcome !== 'exists';
  draft.ref = { ...draft.ref, open: null, landed: keeps ? landedWith(others, closed) : others };
  withdrawCredit(world, draft, closed);
  if (!applied) {
    if (result.returned !== null) observe(world, draft, result.returned, null);
    return;
  }
  const { platform } = parseRef(draft.ref.ref);
  if (platform === 'salesforce' && result.returned === null) {
    assume(world, draft, closed);
    return;
  }
  if (result.returned !== null) {
    if (ask.verb === 'create') resumeBefore(world, draft, closed, lookedAt(result.returned, result));
    for (const one of parted(side, closed, result.returned))
      observe(world, draft, one, idle ? null : (draft.ref.landed.find(({ id }) => id === closed.id) ?? closed));
  }
  // A sink that was stopped between two calls of one ask names what it did not come to: that is asked again.
  const unfinished = result.returned?.unknown ?? [];
  for (const field of Object.keys(closed.expected))
    if (!unfinished.includes(field)) leaveUnanswered(world, draft, ask, field, result.returned);
}

/**
 * The answer to a create may be a look at what an earlier try had made, much later: then it shows all of the second in
 * which the record was last changed, and what happened until then goes first. Up to when, ms.
 */
function lookedAt({ at }: Observation, { platformTime }: Result): number {
  const isLook = secondOf(platformTime) > secondOf(at.time);
  return isLook ? (secondOf(at.time) + 1) * 1000 : at.time;
}

/**
 * Memberships are calls of their own, after that of the fields: what is attached stands as of the last of them, and the
 * notifications of those before it are older.
 */
function parted(side: Side, closed: Ask, returned: Observation): readonly Observation[] {
  const { memberships } = side;
  if (memberships === null || !(memberships in returned.fields) || isOneCall(side, closed)) return [returned];
  const { [memberships]: attached = null, ...fields } = returned.fields;
  return [
    { ...returned, fields, unknown: [...returned.unknown, memberships] },
    {
      ...returned,
      whole: false,
      fields: { [memberships]: attached },
      unknown: [],
      at: { time: Math.max(closed.resultAt ?? 0, returned.at.time), seq: -1, second: true },
      modified: null,
    },
  ];
}

/** The date that the one call of an ask gave the record, ms; null: the answer does not tell it. */
const writtenAt = (side: Side, ask: Ask, { returned }: Result): number | null =>
  isOneCall(side, ask) ? (returned?.modified ?? null) : null;

/** The record was last changed before the call was sent, so the call changed nothing. */
const isIdle = (side: Side, closed: Ask, { returned }: Result): boolean =>
  returned?.modified != null &&
  isOneCall(side, closed) &&
  !reaches(closed, { ...returned.at, time: returned.modified });

/**
 * What was taken for an echo while the ask was open, and is older than its call, is somebody's: they said the very same
 * before us. It is the edit that it would have been then.
 */
function withdrawCredit(world: World, draft: Draft, closed: Ask): void {
  for (const link of sideOf(draft.rules, draft.ref.ref).links) {
    const seen = draft.ref.seen[link.field];
    if (seen === undefined || seen.ask !== closed.id || reaches(closed, seen.at)) continue;
    const { value, at } = seen;
    draft.ref = putSeen(draft.ref, link.field, { ...seen, ask: '' });
    const one = { kind: 'change', time: at.time, at, by: '', conflict: true, replaces: null } as const;
    editAll(world, draft, { link, value }, one, stoodBefore(closed, link.field, value));
  }
}

/** Refused fields with the platform's words; all of them when it refused the record and named none. */
function refusedFields(ask: Ask, result: Result): ReadonlyMap<string, FieldRefusal> {
  const named = result.refusals.filter((refusal) => refusal.field in ask.fields);
  if (result.outcome !== 'refused' || named.length > 0) return new Map(named.map((one) => [one.field, one]));
  const why = result.refusals[0] ?? { field: '', code: 'PLATFORM_REFUSED', message: 'refused without a reason' };
  return new Map(Object.keys(ask.fields).map((field) => [field, why]));
}

/**
 * Salesforce answers a write without values. What was asked is taken for what is there, at the platform's clock, until
 * the echo in the stream says it, or the marks say that the echo is late (echoes.ts).
 */
function assume(world: World, draft: Draft, closed: Ask): void {
  const at = { time: closed.resultAt ?? 0, seq: -1, second: true };
  for (const link of sideOf(draft.rules, draft.ref.ref).links) {
    const { field } = link;
    const value = closed.expected[field];
    if (value === undefined || closed.done.includes(field)) continue;
    const before = draft.ref.seen[field];
    if (link.type === 'email' && typeof before?.value === 'string' && !alike(before.value, value))
      draft.left.push(before.value);
    // Within the second of what was seen last, its better known place in the stream orders what comes next.
    const later = before === undefined || secondOf(at.time) > secondOf(before.at.time);
    draft.ref = putSeen(draft.ref, field, { value, at: later ? at : before.at, answer: true, ask: closed.id });
  }
  if (closed.verb === 'create') learnId(world, draft, at);
  if (Object.keys(closed.expected).some((field) => !closed.done.includes(field)))
    awaitEcho(world, draft.ref.ref, closed);
}

/**
 * The answer to a create names the record, and so says its id, which the other platform is told together with our mark:
 * it is known only to the event otherwise. Nobody entered it, so it has no date.
 */
function learnId(world: World, draft: Draft, at: Position): void {
  const { id } = parseRef(draft.ref.ref);
  const link = sideOf(draft.rules, draft.ref.ref).byField.get('Id');
  if (link === undefined || draft.ref.seen[link.field] !== undefined) return;
  draft.ref = putSeen(draft.ref, link.field, { value: id, at, answer: false, ask: '' });
  editAll(world, draft, { link, value: id }, { kind: 'sight', time: 0, at, by: '', conflict: false, replaces: null });
}

/**
 * A record that was read again: an observation as any other, unless the record moved since the reading was asked for;
 * then the reading may be the older of the two, and it is read once more.
 */
function landReading(world: World, draft: Draft, ask: Ask, result: Result): void {
  const { moved } = draft.ref;
  draft.ref = { ...draft.ref, open: null };
  if (result.outcome !== 'expired' && !moved) draft.ref = { ...draft.ref, looked: untoldBy(draft, result.returned) };
  if (result.outcome === 'expired') draft.ref = { ...draft.ref, reading: true };
  if (result.outcome === 'refused') tellUnread(world, draft.ref, result);
  if (result.outcome !== 'applied' || result.returned === null) return;
  if (moved) {
    draft.ref = { ...draft.ref, reading: true };
    return;
  }
  observe(world, draft, result.returned, ask);
  // Nothing more will come of what was late.
  draft.ref = {
    ...draft.ref,
    landed: draft.ref.landed.map((one) => (one.late ? { ...one, done: Object.keys(one.expected).sort() } : one)),
  };
}

/** Fields never seen that the reading does not tell either: the platform does not have them, or does not show them. */
const untoldBy = ({ rules, ref }: Draft, returned: Observation | null): readonly string[] =>
  sideOf(rules, ref.ref).links.flatMap(({ field }) => {
    const isTold =
      returned !== null && (field in returned.fields || (returned.whole && !returned.unknown.includes(field)));
    return isTold || field in ref.seen ? [] : [field];
  });

/** Says why a record could not be read. */
export function tellUnread(world: World, ref: RefState, result: Result): void {
  const [why] = result.refusals;
  const reason = `it could not be read: ${why === undefined ? 'refused without a reason' : `${why.code}: ${why.message}`}`;
  world.journal({ id: ref.id === '' ? ref.ref : ref.id, kind: 'refused', source: ref.ref, reason });
}

function quieten(world: World, draft: Draft, ask: Ask, field: string, why: Quiet['why'], note: string): void {
  const asked = ask.fields[field] ?? null;
  const got = draft.ref.seen[field]?.value ?? null;
  draft.ref = putQuiet(draft.ref, field, { asked, got, why, note, ask: ask.id });
  world.journal({ id: draft.ref.id, kind: why, field, value: got, other: asked, source: draft.ref.ref, reason: note });
}

/**
 * Applied, says the platform, but nothing newer was seen of the field than when it was asked: asking the same again would
 * learn nothing, for ever.
 */
function leaveUnanswered(world: World, draft: Draft, ask: Ask, field: string, told: Observation | null): void {
  const seen = draft.ref.seen[field];
  const asked = ask.fields[field] ?? null;
  if (alike(seen?.value, asked) || isQuiet(draft.ref, field, asked)) return;
  // What the answer does not tell, and shows what it showed, may have been known later than other fields of the ask.
  const isTold = told !== null && (told.whole || field in told.fields);
  const isSame = !isTold && alike(comparable(seen?.value ?? null), ask.before[field]);
  if (seen !== undefined && !isSame && comparePositions(seen.at, ask.after) > 0) return;
  quieten(world, draft, ask, field, 'settled', 'the platform did not say what became of the value written');
}
