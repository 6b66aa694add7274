/** What holds of a history as a whole, whatever people did: it ends, loses nothing, and keeps to budgets and bounds. */
import type { Judging } from './promises.ts';
import { lateOnes } from './prompt.ts';
import { planOf } from './quota.ts';
import { excessOf } from './write-bound.ts';

/** Worlds of these alone have nothing that makes anybody wait. */
const undelayed: ReadonlySet<string> = new Set(['companies', 'oneway', 'burst', 'backfill', 'names']);

export function silent(judging: Judging): void {
  const { endless, clock } = judging.ran;
  if (endless) judging.broken('silent', `still busy after ${clock.steps} steps`);
}

export function accounted(judging: Judging): void {
  const { unify, log } = judging.ran;
  for (const poison of unify.poisons) judging.broken('accounted', `unify could not decide ${poison}`);
  for (const { topic, key } of unify.outputs)
    if (topic === 'unify.dlq') judging.broken('accounted', `a dead letter of unify about ${key}`, [key]);
  if (unify.position !== log.records.length)
    judging.broken('accounted', `unify stands at ${unify.position} of ${log.records.length}`);
}

export function prompt(judging: Judging): void {
  const { history, settled } = judging.ran;
  const isSound = [...history.world.on].every((one) => undelayed.has(one));
  if (!isSound || !settled) return;
  for (const { id, text } of lateOnes(judging.ran)) judging.broken('prompt', text, [id]);
}

export function quota(judging: Judging): void {
  const plan = planOf(judging.ran.history.world);
  for (const [platform, begun] of Object.entries(judging.ran.network.begun))
    for (let i = plan.perWindow; i < begun.length; i++) {
      const within = (begun[i] ?? 0) - (begun[i - plan.perWindow] ?? 0);
      if (within < plan.windowMs)
        return judging.broken('quota', `${plan.perWindow + 1} calls of ${platform} within ${within} ms`);
    }
}

/** After the first snapshot has settled: each edit is written once to the other side, once back where it lost. */
export function writesBounded(judging: Judging): void {
  const { people, writes, network, restarts, firstAction, settled, history } = judging.ran;
  if (!settled) return;
  const edits = people.edits.filter((edit) => !edit.first);
  // Where it is late with anything, some of the first snapshot's work may fall into the time of the edits.
  const isCalm = [...history.world.on].every((one) => one === 'companies' || one === 'oneway');
  if (isCalm) for (const { id, text } of excessOf(judging.ran, judging.journal)) judging.broken('writes', text, [id]);
  const late = isCalm ? 0 : (history.people.length + history.companies.length) * 4;
  for (const platform of ['salesforce', 'intercom'] as const) {
    const made = writes[platform].filter(({ at }) => at >= firstAction).length;
    // A person entered is created and then told who they are there; a move leaves one company and joins another.
    const entered = new Set(people.edits.filter(({ first, at }) => first && at >= firstAction).map(({ id }) => id))
      .size;
    const allowed =
      edits.length +
      people.moves.length * 2 +
      entered * 4 +
      (network.doubtful + restarts * 4) * 2 +
      people.deletions +
      // A locked row is tried again.
      people.locks * 8 +
      // Joined records take over each other's values.
      (people.merged.size + people.converted.size) * 8 +
      late;
    if (made > allowed)
      judging.broken(
        'writes',
        `${made} writes to ${platform} for ${edits.length} edits (${allowed} allowed) in ${history.world.name}`,
      );
  }
}
