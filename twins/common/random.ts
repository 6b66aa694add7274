/** A seeded generator: the twins' only chance, handed in, so that a history can be run again to the byte. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** An integer in [0, below). */
  int(below: number): number;
  hex(length: number): string;
  uuid(): string;
}

/** mulberry32: 32 bits of state are plenty for a double of a platform, and the sequence is the same on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const int = (below: number): number => Math.floor(next() * below);
  const hex = (length: number): string => {
    let digits = '';
    while (digits.length < length) digits += '0123456789abcdef'.charAt(int(16));
    return digits;
  };
  const uuid = (): string => `${hex(8)}-${hex(4)}-4${hex(3)}-${'89ab'.charAt(int(4))}${hex(3)}-${hex(12)}`;
  return { next, int, hex, uuid };
}
