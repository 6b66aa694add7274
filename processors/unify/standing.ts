/**
 * How each field of a record stands to what is wanted, and so what is to be asked of it. `quiet` keeps what was asked and
 * what came of it, so that the same is not asked for ever.
 */
import type { EntityState, Quiet, RefState, Value } from '../../schemas/types.ts';
import { comparable } from './asks.ts';
import { parseRef } from './keys.ts';
import { toPlatform } from './mapping.ts';
import type { Link, Side } from './rules.ts';
import { alike } from './values.ts';
import type { World } from './world.ts';

/** Asked this much, the platform has this: of long values only the hashes, as both are kept already. */
export const putQuiet = (ref: RefState, field: string, { asked, got, note, ...more }: Quiet): RefState => ({
  ...ref,
  quiet: {
    ...ref.quiet,
    [field]: { ...more, asked: comparable(asked), got: comparable(got), note: note.slice(0, 500) },
  },
});

/** Nothing is asked of a field while what is wanted and what was seen are what they were. */
export function isQuiet(ref: RefState, field: string, wanted: Value): boolean {
  const quiet = ref.quiet[field];
  if (quiet === undefined) return false;
  const got = comparable(ref.seen[field]?.value ?? null);
  return alike(quiet.asked, comparable(wanted)) && alike(quiet.got, got);
}

/**
 * Our mark proves that two records are one, so it is worth a call only where there are two; the one of a create is in the
 * create itself. One that carries the mark of somebody else, from whom it was taken, gets its own though it is alone: a
 * create of theirs would take it for what it looks for (creates.ts waits until it is gone). Of two records of a kind one
 * bears the mark, for Salesforce takes it once; the other is rid of somebody else's. A company's id is given to it once, at
 * its creation (Intercom: `company_id` cannot be changed).
 */
function markerFor(world: World, link: Link, entity: EntityState, ref: RefState): Value | undefined {
  if (link.field === 'company_id') return undefined;
  const seen = ref.seen[link.field]?.value;
  const other = typeof seen === 'string' && seen !== '' ? world.living(seen) : undefined;
  const isAnothers = other !== undefined && other.id !== entity.id;
  if (bearerOf(world, link, entity, ref) !== ref.ref) return isAnothers ? null : undefined;
  const isAlone = entity.refs.every((one) => parseRef(one).platform === link.platform);
  return isAlone && !isAnothers ? undefined : entity.id;
}

/** Of the records of an entity that are of one kind, the one that bears its mark: that has it already, else the first. */
function bearerOf(world: World, { field }: Link, entity: EntityState, { ref }: RefState): string {
  const kind = ref.slice(0, ref.lastIndexOf(':') + 1);
  const alike = entity.refs.filter((name) => name.startsWith(kind) && world.ref(name)?.deleted === false);
  return alike.find((name) => world.ref(name)?.seen[field]?.value === entity.id) ?? alike[0] ?? ref;
}

/** How a field of a record stands to what is wanted. unknown: what is wanted cannot be said. differs: to be asked. */
export type Standing = 'equal' | 'unknown' | 'frozen' | 'quiet' | 'differs';

export function standingOf(
  world: World,
  link: Link,
  ref: RefState,
  entity: EntityState,
): { readonly wanted: Value | undefined; readonly standing: Standing } {
  const seen = ref.seen[link.field];
  const wanted =
    link.type === 'marker'
      ? markerFor(world, link, entity, ref)
      : toPlatform(world, link, entity.fields, seen?.value, entity.id);
  if (wanted === undefined) return { wanted, standing: 'unknown' };
  // A field never seen is not cleared: empty never beats a value nobody has looked at.
  if (alike(wanted, seen?.value)) return { wanted, standing: 'equal' };
  if (link.canonical.some((name) => entity.fields[name]?.frozen === true)) return { wanted, standing: 'frozen' };
  return { wanted, standing: isQuiet(ref, link.field, wanted) ? 'quiet' : 'differs' };
}

/** Fields to ask of a ref: wanted, not equal to what was seen, not frozen and not quiet. */
export function pendingFields(
  world: World,
  side: Side,
  ref: RefState,
  entity: EntityState,
): Readonly<Record<string, Value>> {
  const pending: Record<string, Value> = {};
  for (const link of side.links) {
    const { wanted, standing } = standingOf(world, link, ref, entity);
    if (standing === 'differs' && wanted !== undefined) pending[link.field] = wanted;
  }
  return pending;
}
