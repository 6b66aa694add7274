/**
 * Fetches what deciding several entities will need in a few round trips instead of some for each: after a take-over, or
 * when a large snapshot has pushed the cache over, every one of them would be missed one by one.
 */
import type { EntityState, RefState } from '../../schemas/types.ts';
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

/** What stands around a record, as far as what is loaded leads: its customer, their records and owner, their account and its records. */
export function aroundRecord(ref: string, known: (key: string) => object | undefined): readonly string[] {
  const keys = [refKey(ref)];
  const id = (known(refKey(ref)) as RefState | undefined)?.id ?? '';
  if (id === '') return keys;
  keys.push(entityKey(id));
  const entity = known(entityKey(id)) as EntityState | undefined;
  if (entity === undefined) return keys;
  for (const other of entity.refs) keys.push(refKey(other));
  const [owner, account] = [entity.fields['ownerEmail']?.value, entity.fields['account']?.value];
  if (typeof owner === 'string') keys.push(refKey(owner));
  if (typeof account !== 'string') return keys;
  keys.push(entityKey(account));
  for (const other of (known(entityKey(account)) as EntityState | undefined)?.refs ?? []) keys.push(refKey(other));
  return keys;
}
