/** Runs unify in a process of its own until it has decided what it was told. */
import { inChild } from './child.ts';
import type { Moved } from './pass-through.ts';
import type { Bench } from './section.ts';
import type { Deployment } from './world.ts';

export interface UnifyTask extends Deployment {
  /** How many changes there are that were not decided. */
  readonly changes: number;
}

/** The records are those after the first quarter. */
export interface Decided extends Moved {
  /** From joining the group to deciding, the repair of the mirror in between. */
  readonly takeOverMs: number;
}

const child = `${import.meta.dirname}/unify-child.ts`;

export const unifyOnce = (bench: Bench, task: UnifyTask): Promise<Decided> => inChild(bench, child, task);
