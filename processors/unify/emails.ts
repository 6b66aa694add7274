/**
 * Emails that another record may have: Intercom gives nobody one that another contact has. Who asks for an email waits
 * for it from the asking on, and not from the refusal on: the other one may give it up while the call is under way, and
 * that may be told before the refusal is. follow.ts asks again when the email is free.
 */
import type { Ask, RefState } from '../../schemas/types.ts';
import { blockedBy } from './keys.ts';
import type { Draft } from './ledger.ts';
import { type Side, sideOf } from './rules.ts';
import { addMember, firstKeys, isMember, removeMember, someMembers } from './sets.ts';
import type { World } from './world.ts';

/** People who wait for each other's emails, in a circle no longer than this, are told of. */
const circleLooked = 8;

/** Fields that hold an email, of those that are asked, and the emails. */
const emailsIn = (side: Side, fields: Ask['fields']): readonly (readonly [field: string, email: string])[] =>
  Object.entries(fields).flatMap(([field, value]) =>
    side.byField.get(field)?.type === 'email' && typeof value === 'string' ? [[field, value] as const] : [],
  );

/** One round trip for the sets of all who are about to be created. */
export function loadAwaited(world: World, ids: readonly string[]): void {
  const emails = ids.map((id) => world.entity(id)?.fields['email']?.value);
  world.load(emails.flatMap((email) => (typeof email === 'string' ? firstKeys(blockedBy(email)) : [])));
}

/** The item (dirty.ts) is asked for now. */
export function awaitEmails(world: World, item: string, side: Side, fields: Ask['fields']): void {
  for (const [, email] of emailsIn(side, fields)) addMember(world, blockedBy(email), item);
}

/** The ask of the item was answered. Returns the emails it asked for that came to be free meanwhile. */
export function endAwaiting(world: World, item: string, side: Side, ask: Ask): readonly string[] {
  return emailsIn(side, ask.fields).flatMap(([, email]) => {
    const waits = isMember(world, blockedBy(email), item);
    if (waits) removeMember(world, blockedBy(email), item);
    return waits ? [] : [email];
  });
}

/**
 * An email refused may be another record's. It is asked again when that record has another one: at once, if that was told
 * while the ask was open (`freed`).
 */
export function rememberBlocked(world: World, draft: Draft, ask: Ask, freed: readonly string[]): void {
  for (const [field, email] of emailsIn(sideOf(draft.rules, draft.ref.ref), ask.fields)) {
    const quiet = draft.ref.quiet[field];
    if (quiet?.why !== 'refused' || quiet.ask !== ask.id) continue;
    if (freed.includes(email)) {
      const { [field]: _, ...rest } = draft.ref.quiet;
      draft.ref = { ...draft.ref, quiet: rest };
    } else {
      addMember(world, blockedBy(email), draft.ref.ref);
      tellCircle(world, draft.ref, field, email);
    }
  }
}

/**
 * People who took each other's emails wait for each other: the platform gives nobody an email that another has, and an
 * empty one is not taken either. Only an address of nobody would part them, and we invent none: somebody has to.
 */
function tellCircle(world: World, ref: RefState, field: string, wanted: string): void {
  const circle = circleOf(world, ref, field, wanted);
  for (const { ref: source, id, seen } of circle) {
    world.journal({
      id,
      kind: 'refused',
      field,
      value: seen[field]?.value ?? null,
      other: circle.map((one) => one.ref),
      source,
      reason:
        'they wait for each other: each wants an email that another of them has. Give one of them an address of nobody, and then the right one; the rest follows by itself',
    });
  }
}

/** From this record on, each is asked to have the email that the one before it has, and the last has the one wanted; empty: no circle. */
function circleOf(world: World, ref: RefState, field: string, wanted: string): readonly RefState[] {
  const circle = [ref];
  const kind = ref.ref.slice(0, ref.ref.lastIndexOf(':') + 1);
  while (circle.length <= circleLooked) {
    const has = circle.at(-1)?.seen[field]?.value;
    if (typeof has !== 'string') return [];
    if (circle.length > 1 && has.toLowerCase() === wanted.toLowerCase()) return circle;
    const next = someMembers(world, blockedBy(has), circleLooked)
      .filter((item) => item.startsWith(kind) && circle.every((one) => one.ref !== item))
      .flatMap((item) => world.ref(item) ?? [])
      // Whose ask is still open may get what they wait for.
      .find(({ quiet: { [field]: quiet } }) => quiet?.why === 'refused' && quiet.asked === has);
    if (next === undefined) return [];
    circle.push(next);
  }
  return [];
}
