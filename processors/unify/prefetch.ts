/**
 * Fetches what deciding several entities will need in a few round trips instead of some for each: after a take-over, or
 * when a large snapshot has pushed the cache over, every one of them would be missed one by one.
 */
import { carriersOf, claimsOf, directoryKey, entityKey, refKey } from './keys.ts';
import { ownerEmail } from './mapping.ts';
import { firstKeys } from './sets.ts';
import type { World } from './world.ts';

const texts = (values: readonly unknown[]): readonly string[] => values.filter((value) => typeof value === 'string');

/** Entities, then what they name, then what those are resolved by. */
export function prefetch(world: World, ids: readonly string[]): void {
  if (ids.length < 2) return;
  world.load([...ids.map(entityKey), ...ids.map(carriersOf)]);
  const entities = ids.flatMap((id) => world.entity(id) ?? []);
  const named = (field: string): readonly string[] => texts(entities.map((entity) => entity.fields[field]?.value));
  const owners = named('ownerEmail');
  world.load([
    ...entities.flatMap((entity) => entity.refs.map(refKey)),
    ...owners.map(refKey),
    ...named('account').map(entityKey),
    ...named('email').flatMap((email) => firstKeys(claimsOf(email))),
  ]);
  const accounts = named('account').flatMap((id) => world.entity(id) ?? []);
  world.load([
    ...texts(owners.map((owner) => ownerEmail(world, owner))).map(directoryKey),
    ...accounts.flatMap((account) => account.refs.map(refKey)),
  ]);
}
