/**
 * Large sets over small values: the first hundred members share one value, the next are spread by hash over 64, and what
 * would make one of those too long over 1,024 more. So an account of fifty thousand people and an owner of a million
 * neither pass 64 kB nor are rewritten whole for each member, and an account of five costs one value.
 */
import { partitionOf } from '../../schemas/topics.ts';
import { setKey } from './keys.ts';
import type { World } from './world.ts';

const first = 100;
const middle = 64;
const middleFull = 500;
const last = 1024;
/** Slots of a set, in the order in which they are walked. */
export const setSlots = 1 + middle + last;

const middleSlot = (member: string): number => 1 + partitionOf(member, middle);
const lastSlot = (member: string): number => 1 + middle + partitionOf(`${member} `, last);
const levelKey = (set: string): string => `cur:set:${set}`;

/** Keys that any use of a set asks for. */
export const firstKeys = (set: string): readonly string[] => [levelKey(set), setKey(set, 0)];

/** How many slots were ever used; the ones behind are not looked up. */
export function slotsUsed(world: World, set: string): number {
  return [1, 1 + middle, setSlots][world.cursor(levelKey(set)).n['level'] ?? 0] ?? setSlots;
}

/** Up to `limit` members; all of them are found when there are fewer. */
export function someMembers(world: World, set: string, limit: number): readonly string[] {
  const found: string[] = world.items(setKey(set, 0)).slice(0, limit);
  const used = slotsUsed(world, set);
  if (found.length >= limit || used === 1) return found;
  const slots = Array.from({ length: used - 1 }, (_, i) => setKey(set, i + 1));
  world.load(slots);
  for (const slot of slots) found.push(...world.items(slot).slice(0, limit - found.length));
  return found;
}

export const hasMembers = (world: World, set: string): boolean => someMembers(world, set, 1).length > 0;

/** Slots that a member may stand in. */
function slotsFor(world: World, set: string, member: string): readonly number[] {
  const level = world.cursor(levelKey(set)).n['level'] ?? 0;
  const slots = [0, middleSlot(member), lastSlot(member)].slice(0, level + 1);
  world.load(slots.map((slot) => setKey(set, slot)));
  return slots;
}

export const isMember = (world: World, set: string, member: string): boolean =>
  slotsFor(world, set, member).some((slot) => world.items(setKey(set, slot)).includes(member));

export function addMember(world: World, set: string, member: string): void {
  const level = world.cursor(levelKey(set)).n['level'] ?? 0;
  if (isMember(world, set, member)) return;
  if (level === 0 && world.items(setKey(set, 0)).length < first) return append(world, set, 0, member);
  const inMiddle = world.items(setKey(set, middleSlot(member))).length < middleFull;
  const needed = inMiddle ? 1 : 2;
  if (needed > level) world.putCursor(levelKey(set), { n: { level: needed }, s: {} });
  append(world, set, inMiddle ? middleSlot(member) : lastSlot(member), member);
}

function append(world: World, set: string, slot: number, member: string): void {
  world.putItems(setKey(set, slot), [...world.items(setKey(set, slot)), member]);
}

export function removeMember(world: World, set: string, member: string): void {
  for (const slot of slotsFor(world, set, member)) {
    const items = world.items(setKey(set, slot));
    if (items.includes(member)) {
      world.putItems(
        setKey(set, slot),
        items.filter((item) => item !== member),
      );
    }
  }
}

/** Few enough to be visited at once? */
export const isSmall = (world: World, set: string, limit: number): boolean =>
  slotsUsed(world, set) === 1 && world.items(setKey(set, 0)).length <= limit;
