/**
 * Work that touches many records because one thing changed: the people of an account, the records of an owner, or all of
 * them when the configuration changed. Small sets are done at once; large ones advance with the ticks, a portion of one
 * job each, so that no decision ever takes long and live changes pass them by.
 */
import type { EntityState, JobState } from '../../schemas/types.ts';
import { jobSegmentKey, jobsKey, rosterSegmentKey, setKey } from './keys.ts';
import { prefetch } from './prefetch.ts';
import { rosterSegments } from './roster.ts';
import { isSmall, setSlots, slotsUsed } from './sets.ts';
import type { World } from './world.ts';

/** Members worked off while deciding one record, and slots looked into for them. */
const membersPerRecord = 50;
const slotsPerRecord = 16;
const segmentSize = 64;

/** What a job does to one member; index.ts knows. */
export type Visit = (world: World, member: EntityState, job: JobState) => void;

/** Subject of the job that walks every entity instead of a set; no set has this name. */
const everybody = '';

/**
 * Visits every member of the set: now when they are few, else by and by. A job under way goes once more around from where
 * it is: started over, the members at the end would never be reached under a stream of changes.
 */
export function fanOut(world: World, set: string, kind: JobState['kind'], lane: JobState['lane'], visit: Visit): void {
  const id = `${kind}:${set}`;
  if (isSmall(world, set, membersPerRecord)) {
    const job = newJob(world, id, kind, set, lane, 0);
    const members = world.items(setKey(set, 0));
    prefetch(world, members);
    for (const member of members) visitOne(world, member, job, visit);
    return;
  }
  const known = world.job(id);
  if (known === undefined) {
    enqueueJob(world, id);
    world.putJob(id, newJob(world, id, kind, set, 'bulk', setSlots));
    return;
  }
  const { slot, after } = parseCursor(known.cursor);
  // The slot in hand is visited again at the end of the round, for its first members.
  world.putJob(id, { ...known, cursor: cursorText(slot, setSlots + 1, after) });
}

/** Visits every entity by and by; a job under way starts over, which a change of the configuration is rare enough for. */
export function realignAll(world: World): void {
  const id = 'realign:';
  if (rosterSegments(world) === 0) return;
  if (world.job(id) === undefined) enqueueJob(world, id);
  world.putJob(id, newJob(world, id, 'realign', everybody, 'bulk', rosterSegments(world)));
}

const newJob = (
  world: World,
  id: string,
  kind: JobState['kind'],
  subject: string,
  lane: JobState['lane'],
  slots: number,
): JobState => ({ id, kind, subject, cursor: cursorText(0, slots, ''), lane, done: 0, lineage: world.lineage });

/**
 * Slot, how many slots are left with this one, and the last member visited in it: a member, not a place, because members
 * that leave meanwhile would move the others up and out of sight.
 */
const cursorText = (slot: number, left: number, after: string): string => `${slot}:${left}:${after}`;

function parseCursor(text: string): { readonly slot: number; readonly left: number; readonly after: string } {
  const [slot = '0', left = '0', ...after] = text.split(':');
  return { slot: Number(slot), left: Number(left), after: after.join(':') };
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

/** Keys of the members, slot by slot; a slot behind the last one is empty. */
function slotsOf(world: World, job: JobState): { readonly used: number; readonly key: (slot: number) => string } {
  return job.subject === everybody
    ? { used: rosterSegments(world), key: rosterSegmentKey }
    : { used: slotsUsed(world, job.subject), key: (slot) => setKey(job.subject, slot) };
}

/** Advances the jobs by one portion. They share the time: each goes to the end of the line after its turn. */
export function advanceJobs(world: World, visit: Visit): void {
  const id = nextJob(world);
  const job = id === undefined ? undefined : world.job(id);
  if (id === undefined || job === undefined) return;
  const { used, key } = slotsOf(world, job);
  let { slot, left, after } = parseCursor(job.cursor);
  const ahead = Array.from({ length: Math.min(slotsPerRecord, left) }, (_, n) => (slot + n) % setSlots);
  world.load((job.subject === everybody ? ahead.map((_, n) => slot + n) : ahead).filter((n) => n < used).map(key));
  let slots = slotsPerRecord;
  let budget = membersPerRecord;
  const portion: string[] = [];
  while (left > 0 && budget > 0 && slots > 0) {
    const members = slot < used ? [...world.items(key(slot))].sort().filter((member) => member > after) : [];
    const taken = members.slice(0, budget);
    portion.push(...taken);
    budget -= taken.length;
    after = taken.at(-1) ?? after;
    if (taken.length < members.length) break;
    if (slot < used) slots -= 1;
    slot += 1;
    if (job.subject !== everybody) slot %= setSlots;
    left -= 1;
    after = '';
  }
  // What is visited may ask for the same visit again: the job is where it will be before anybody is visited.
  if (left === 0) world.putJob(id, undefined);
  else {
    world.putJob(id, { ...job, cursor: cursorText(slot, left, after), done: job.done + portion.length });
    enqueueJob(world, id);
  }
  prefetch(world, portion);
  for (const member of portion) visitOne(world, member, job, visit);
}
