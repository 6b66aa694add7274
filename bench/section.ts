/** What a section of the benchmark is, and what it is given. Each is a file of its own, named in sections.ts. */
import type { Addresses } from '../cli/stack/parts.ts';

export interface Figure {
  readonly about: string;
  readonly unit: string;
  /** A bound that is passed is a failed run. Without any, the figure is there to be read. */
  readonly atMost?: number;
  readonly atLeast?: number;
  /** What we would like it to be: said, and nothing follows from it. */
  readonly goal?: number;
}

export interface Bench {
  readonly servers: Addresses;
  /** Of topics, groups and Redis keys; another one each time, so that nothing measured meets what an earlier one left. */
  prefix(): string;
  /** Each comparison is made so often, as A B B A; figures are medians. */
  readonly runs: number;
  /** Tiny sizes, to see that everything works; the figures mean nothing. */
  readonly quick: boolean;
  /** How many customers the large deployments have. */
  readonly customers: number;
  /** Whatever takes more than two seconds says how far it is. */
  log(line: string): void;
  readonly signal: AbortSignal;
}

export interface Section<Name extends string = string> {
  readonly name: string;
  readonly about: string;
  /** By their name in the JSON; a dot there makes an object: `edit100.p50Ms`. */
  readonly figures: Readonly<Record<Name, Figure>>;
  run(bench: Bench): Promise<Readonly<Record<Name, number>>>;
}
