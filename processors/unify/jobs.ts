/**
 * Work that touches many records because one changed: the people of an account, the records of an owner. Small sets are
 * done at once; large ones advance with the ticks, so that no decision ever takes long and live changes pass them by.
 */
import type { EntityState, JobState } from '../../schemas/types.ts';
import { jobSegmentKey, jobsKey, setKey } from './keys.ts';
import { prefetch } from './prefetch.ts';
import { isSmall, membersOfSlot, setSlots } from './sets.ts';
import type { World } from './world.ts';

/** Members worked off while deciding one record. */
const membersPerRecord = 50;
const segmentSize = 64;

/** What a job does to one member; index.ts knows. */
export type Visit = (world: World, member: EntityState, job: JobState) => void;

/**
 * Visits every member of the set: now when they are few, else by and by. A job under way goes once more around from where
 * it is: started over, the members at the end would never be reached under a stream of changes.
 */
export function fanOut(world: World, set: string, kind: JobState['kind'], lane: JobState['lane'], visit: Visit): void {
  const id = `${kind}:${set}`;
  const job: JobState = {
    id,
    kind,
    subject: set,
    cursor: cursorText(0, 0, setSlots),
    lane,
    done: 0,
    lineage: world.lineage,
  };
  if (isSmall(world, set, membersPerRecord)) {
    for (const member of world.items(setKey(set, 0))) visitOne(world, member, job, visit);
    return;
  }
  const known = world.job(id);
  if (known === undefined) {
    enqueueJob(world, id);
    world.putJob(id, { ...job, lane: 'bulk' });
    return;
  }
  const { slot, index } = parseCursor(known.cursor);
  // The slot in hand is visited again at the end of the round, for its first members.
  world.putJob(id, { ...known, cursor: cursorText(slot, index, setSlots + 1) });
}

/** Slot, member within it, and how many slots are left, this one included. */
const cursorText = (slot: number, index: number, left: number): string => `${slot}:${index}:${left}`;

function parseCursor(text: string): { readonly slot: number; readonly index: number; readonly left: number } {
  const [slot = 0, index = 0, left = 0] = text.split(':').map(Number);
  return { slot, index, left };
}

// ---- the line of jobs: a first-in first-out list in segments.

function enqueueJob(world: World, id: string): void {
  const line = world.cursor(jobsKey);
  const tail = line.n['tail'] ?? 0;
  const segment = jobSegmentKey(Math.floor(tail / segmentSize));
  world.putItems(segment, [...world.items(segment), id]);
  world.putCursor(jobsKey, { ...line, n: { ...line.n, tail: tail + 1 } });
}

function nextJob(world: World): string | undefined {
  const line = world.cursor(jobsKey);
  const head = line.n['head'] ?? 0;
  if (head >= (line.n['tail'] ?? 0)) return undefined;
  const segment = jobSegmentKey(Math.floor(head / segmentSize));
  const id = world.items(segment)[head % segmentSize];
  if ((head + 1) % segmentSize === 0) world.putItems(segment, []);
  world.putCursor(jobsKey, { ...line, n: { ...line.n, head: head + 1 } });
  return id;
}

function visitOne(world: World, member: string, job: JobState, visit: Visit): void {
  world.attempt(
    member,
    (one) => {
      const entity = one.living(member);
      if (entity !== undefined) visit(one, entity, job);
    },
    // Its dead letter and journal entry say so; the next change of the member is decided as any other.
    () => undefined,
  );
}

/** Advances the jobs by one portion. They share the time: each goes to the end of the line after its turn. */
export function advanceJobs(world: World, visit: Visit): void {
  const id = nextJob(world);
  const job = id === undefined ? undefined : world.job(id);
  if (id === undefined || job === undefined) return;
  let { slot, index, left } = parseCursor(job.cursor);
  let budget = membersPerRecord;
  let done = 0;
  while (left > 0 && budget > 0) {
    const members = membersOfSlot(world, job.subject, slot);
    const portion = members.slice(index, index + budget);
    prefetch(world, portion);
    for (const member of portion) visitOne(world, member, job, visit);
    budget -= portion.length;
    done += portion.length;
    index += portion.length;
    if (index >= members.length) {
      slot = (slot + 1) % setSlots;
      index = 0;
      left -= 1;
    }
  }
  if (left === 0) {
    world.putJob(id, undefined);
    return;
  }
  world.putJob(id, { ...job, cursor: cursorText(slot, index, left), done: job.done + done });
  enqueueJob(world, id);
}
