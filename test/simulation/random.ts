/**
 * Chance as a function of (seed, label, n), not as a running stream: taking an action or a fault out of a history leaves
 * every other throw of the dice as it was, so that a history can be shrunk.
 */
import type { Random } from '../../twins/common/random.ts';

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The finaliser of murmur3: every bit of the input moves half of the bits of the output. */
function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const combine = (a: number, b: number): number => mix((Math.imul(a, 0x9e3779b1) + b) >>> 0);

/** In [0, 1). */
export const chanceAt = (seed: number, label: string, n: number): number =>
  combine(combine(mix(seed), hashText(label)), n) / 4_294_967_296;

/** The throws of one history; each label counts for itself. */
export class Chance {
  readonly #seed: number;
  readonly #labels = new Map<string, { readonly base: number; n: number }>();

  constructor(seed: number) {
    this.#seed = mix(seed);
  }

  /** The next throw of this label, in [0, 1). */
  next(label: string): number {
    let known = this.#labels.get(label);
    if (known === undefined) {
      known = { base: combine(this.#seed, hashText(label)), n: 0 };
      this.#labels.set(label, known);
    }
    return combine(known.base, known.n++) / 4_294_967_296;
  }

  /** A whole number from `low` to `high`, both included. */
  int(label: string, low: number, high: number): number {
    return low + Math.floor(this.next(label) * (high - low + 1));
  }

  is(label: string, probability: number): boolean {
    return this.next(label) < probability;
  }

  pick<T>(label: string, from: readonly T[]): T {
    const one = from[Math.floor(this.next(label) * from.length)];
    if (one === undefined) throw new Error(`nothing to pick from for ${label}`);
    return one;
  }

  /** What a twin takes as its chance: a stream of its own under this label. */
  stream(label: string): Random {
    const next = (): number => this.next(label);
    const int = (below: number): number => Math.floor(next() * below);
    const hex = (length: number): string => {
      let text = '';
      while (text.length < length)
        text += Math.floor(next() * 0x1_0000_0000)
          .toString(16)
          .padStart(8, '0');
      return text.slice(0, length);
    };
    const uuid = (): string => {
      const all = hex(32);
      return `${all.slice(0, 8)}-${all.slice(8, 12)}-4${all.slice(13, 16)}-8${all.slice(17, 20)}-${all.slice(20)}`;
    };
    return { next, int, hex, uuid };
  }
}
