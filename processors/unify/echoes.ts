/**
 * Salesforce answers a write without values: what came of it is told by its echo in the stream. An echo that is a minute
 * late, as the marks of all sources say, will not come (the write changed nothing, or the platform kept its own value):
 * the record is read again.
 */
import type { Ask } from '../../schemas/types.ts';
import { enqueueRef } from './dirty.ts';
import { refKey } from './keys.ts';
import { addTimer, currentTo, fireTimers } from './timers.ts';
import type { World } from './world.ts';

const lateMs = 60_000;

/** Have all sources told by a minute more than what happened until then, ms of Salesforce? Then nothing of it is on its way. */
export const isLate = (world: World, time: number): boolean => currentTo(world) >= time + lateMs;

export function awaitEcho(world: World, ref: string, ask: Ask): void {
  // Of a platform that is not read, no echo will ever come, and no mark.
  if (!world.rules.captured.includes('salesforce')) return;
  addTimer(world, 'echo', (ask.resultAt ?? world.now) + lateMs, `${ref}|${ask.id}`);
}

/** Has the records read again whose echoes are late now. */
export function checkEchoes(world: World): void {
  fireTimers(world, 'echo', currentTo(world), {
    load: (items) => world.load(items.map((item) => refKey(refOf(item)))),
    fire: (one, item) => checkEcho(one, refOf(item), item.slice(item.indexOf('|') + 1)),
    // Its dead letter says so; the next observation of the record is decided as any other.
    fail: () => undefined,
    subject: refOf,
  });
}

const refOf = (item: string): string => item.slice(0, item.indexOf('|'));

function checkEcho(world: World, name: string, askId: string): void {
  const ref = world.ref(name);
  const entity = ref === undefined ? undefined : world.living(ref.id);
  if (ref === undefined || entity === undefined || ref.deleted) return;
  const isAssumed = Object.values(ref.seen).some((seen) => seen.ask === askId && seen.answer);
  const waits = ref.landed.some((ask) => ask.id === askId && ask.done.length < Object.keys(ask.expected).length);
  if (!isAssumed || !(waits || ref.landed.every((ask) => ask.id !== askId))) return;
  const late = {
    ...ref,
    reading: true,
    landed: ref.landed.map((ask) => (ask.id === askId ? { ...ask, late: true } : ask)),
  };
  world.putRef(late);
  enqueueRef(world, late, entity, 'bulk');
}
