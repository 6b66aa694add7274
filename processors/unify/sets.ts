/**
 * Large sets over small values: the first hundred members share one value, later ones are spread by hash over 64, so
 * that an account of fifty thousand people neither passes 64 kB nor is rewritten whole for each of them, and an account
 * of five costs one value.
 */
import { partitionOf } from '../../schemas/topics.ts';
import { setKey } from './keys.ts';
import type { World } from './world.ts';

const first = 100;
const spread = 64;
/** Slots of a set, in the order in which they are walked. */
export const setSlots = spread + 1;

const slotOf = (member: string): number => 1 + partitionOf(member, spread);

export function hasMembers(world: World, set: string): boolean {
  if (world.items(setKey(set, 0)).length > 0) return true;
  const keys = Array.from({ length: spread }, (_, i) => setKey(set, i + 1));
  // The flag spares 64 look-ups for the many sets that never grew.
  if (world.cursor(`cur:set:${set}`).n['spread'] !== 1) return false;
  world.load(keys);
  return keys.some((key) => world.items(key).length > 0);
}

export function addMember(world: World, set: string, member: string): void {
  const base = world.items(setKey(set, 0));
  if (base.includes(member)) return;
  const grown = world.cursor(`cur:set:${set}`).n['spread'] === 1;
  if (!grown && base.length < first) {
    world.putItems(setKey(set, 0), [...base, member]);
    return;
  }
  const key = setKey(set, slotOf(member));
  const items = world.items(key);
  if (items.includes(member)) return;
  if (!grown) world.putCursor(`cur:set:${set}`, { n: { spread: 1 }, s: {} });
  world.putItems(key, [...items, member]);
}

export function removeMember(world: World, set: string, member: string): void {
  for (const slot of [0, slotOf(member)]) {
    const items = world.items(setKey(set, slot));
    if (items.includes(member)) {
      world.putItems(
        setKey(set, slot),
        items.filter((item) => item !== member),
      );
    }
  }
}

/** Members of one slot. Slots beyond the first are empty unless the set grew. */
export function membersOfSlot(world: World, set: string, slot: number): readonly string[] {
  if (slot > 0 && world.cursor(`cur:set:${set}`).n['spread'] !== 1) return [];
  return world.items(setKey(set, slot));
}
