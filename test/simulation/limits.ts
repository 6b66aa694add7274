/** What holds of a history as a whole, whatever people did: it ends, loses nothing, and keeps to budgets and bounds. */
import type { Judging } from './promises.ts';
import { lateOnes } from './prompt.ts';
import { planOf } from './quota.ts';
import { beyondWindows } from './windows.ts';
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

export function fresh(judging: Judging): void {
  const { ran } = judging;
  for (const text of [...ran.overdue, ...beyondWindows(ran)].slice(0, 1)) judging.broken('fresh', text);
}

/** Each edit is written once to the other side, once back where it lost, and once more where a call's outcome is in doubt. */
export function writesBounded(judging: Judging): void {
  for (const { id, text } of excessOf(judging)) judging.broken('writes', text, [id]);
}
