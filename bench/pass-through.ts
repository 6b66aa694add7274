/** The floor: a stock kafkajs that moves records from topic to topic in a process of its own, and decides nothing. */
import { inChild } from './child.ts';
import type { Bench } from './section.ts';
import type { Deployment } from './world.ts';

/** What a process said of the records it dealt with. */
export interface Moved {
  readonly records: number;
  readonly cpuUs: number;
  readonly ms: number;
}

export interface PassThroughTask extends Deployment {
  /** How many there are, from the beginning of `changes`. */
  readonly records: number;
  readonly batch: number;
}

const child = `${import.meta.dirname}/pass-through-child.ts`;

/** The records are those after the first quarter. */
export const passThroughOnce = (bench: Bench, task: PassThroughTask): Promise<Moved> => inChild(bench, child, task);
