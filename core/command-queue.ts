/**
 * Commands in a sink's memory, waiting for a call: urgent before live before bulk, within a lane in their order, and of one
 * record one after the other. Pure. It holds a window at most, some hundred entries, so that looking through it is cheaper
 * than keeping an index.
 */
import type { Command } from '../schemas/types.ts';

export interface Queued {
  readonly command: Command;
}

const lanes = ['urgent', 'live', 'bulk'] as const satisfies readonly Command['lane'][];

/** Commands with the same subject must not overlap. A create has no ref yet: what it will be known by stands for it. */
export const subjectOf = (command: Command): string => (command.ref === '' ? command.key : command.ref);

export class CommandQueue<T extends Queued> {
  readonly #lanes: Readonly<Record<Command['lane'], T[]>> = { urgent: [], live: [], bulk: [] };
  readonly #busy = new Set<string>();

  get size(): number {
    return lanes.reduce((sum, lane) => sum + this.#lanes[lane].length, 0);
  }

  count(fits: (entry: T) => boolean): number {
    return lanes.reduce((sum, lane) => sum + this.#lanes[lane].filter((entry) => fits(entry)).length, 0);
  }

  add(entry: T): void {
    this.#lanes[entry.command.lane].push(entry);
  }

  /** Begun and not done: it waits again, before those that came after it. */
  putBack(entry: T): void {
    this.#lanes[entry.command.lane].unshift(entry);
  }

  /** The next that fits and may begin; its subject is busy until `done`. */
  next(fits: (entry: T) => boolean = () => true): T | undefined {
    for (const lane of lanes) {
      const waiting = this.#lanes[lane];
      const index = waiting.findIndex((entry) => !this.#busy.has(subjectOf(entry.command)) && fits(entry));
      const [entry] = index < 0 ? [] : waiting.splice(index, 1);
      if (entry === undefined) continue;
      this.#busy.add(subjectOf(entry.command));
      return entry;
    }
    return undefined;
  }

  done(entry: T): void {
    this.#busy.delete(subjectOf(entry.command));
  }

  /** Takes out whatever fits. */
  take(fits: (entry: T) => boolean): readonly T[] {
    const taken: T[] = [];
    for (const lane of lanes) {
      const waiting = this.#lanes[lane];
      taken.push(...waiting.filter((entry) => fits(entry)));
      waiting.splice(0, waiting.length, ...waiting.filter((entry) => !fits(entry)));
    }
    return taken;
  }
}
