/**
 * Work that touches many records because one changed: the people of an account, the records of an owner. Small sets are
 * done at once; large ones advance with the ticks, so that no decision ever takes long and live changes pass them by.
 */
import type { EntityState, JobState } from '../../schemas/types.ts';
import { jobsKey, setKey } from './keys.ts';
import { membersOfSlot, setSlots } from './sets.ts';
import type { World } from './world.ts';

/** Members worked off while deciding one record. */
const membersPerRecord = 50;

/** What a job does to one member; index.ts knows. */
export type Visit = (world: World, member: EntityState, job: JobState) => void;

/** Visits every member of the set: now when they are few, else by and by. A job under way starts over. */
export function fanOut(world: World, set: string, kind: JobState['kind'], lane: JobState['lane'], visit: Visit): void {
  const members = world.items(setKey(set, 0));
  const large = members.length > membersPerRecord || world.cursor(`cur:set:${set}`).n['spread'] === 1;
  const id = `${kind}:${set}`;
  const job: JobState = {
    id,
    kind,
    subject: set,
    cursor: '0:0',
    lane: large ? 'bulk' : lane,
    done: 0,
    lineage: world.lineage,
  };
  if (!large) {
    for (const member of members) visitOne(world, member, job, visit);
    return;
  }
  const jobs = world.items(jobsKey);
  if (!jobs.includes(id)) world.putItems(jobsKey, [...jobs, id]);
  world.putJob(id, job);
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

/** Advances the jobs by one portion. */
export function advanceJobs(world: World, visit: Visit): void {
  const [id] = world.items(jobsKey);
  if (id === undefined) return;
  const job = world.job(id);
  let budget = membersPerRecord;
  let [slot = 0, index = 0] = (job?.cursor ?? `${setSlots}:0`).split(':').map(Number);
  let done = job?.done ?? 0;
  while (job !== undefined && slot < setSlots && budget > 0) {
    const members = membersOfSlot(world, job.subject, slot);
    for (const member of members.slice(index, index + budget)) visitOne(world, member, job, visit);
    const taken = Math.min(budget, Math.max(0, members.length - index));
    budget -= taken;
    done += taken;
    index += taken;
    if (index >= members.length) {
      slot += 1;
      index = 0;
    }
  }
  if (job === undefined || slot >= setSlots) {
    world.putJob(id, undefined);
    world.putItems(
      jobsKey,
      world.items(jobsKey).filter((other) => other !== id),
    );
    return;
  }
  // To the back of the line: jobs share the time instead of one starving the others.
  world.putJob(id, { ...job, cursor: `${slot}:${index}`, done });
  world.putItems(jobsKey, [...world.items(jobsKey).filter((other) => other !== id), id]);
}
