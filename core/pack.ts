/**
 * State values made small for Redis, where memory is dear: LZ4's block format behind a mark. A value names its own records,
 * their fields and its asks over and over, so less than half of it is left. The zlib and zstd that Node brings take five
 * times as long for so few bytes: each call sets up a stream.
 */
import { TributaryError } from './errors.ts';

/** Where framed Avro has its magic byte, 0: what is not packed begins with that. */
const mark = 1;
/** Mark and length of what was packed. */
const headBytes = 5;
/** Shorter ones save nothing. */
const fewBytes = 100;
/** LZ4's own rules: a match has four bytes at least, the last five are literal, and none begins in the last twelve. */
const leastMatch = 4;
const tailBytes = 5;
const lastStart = 12;
const farthest = 65_535;

const hashBits = 11;
/** Where four bytes with this hash stood last, from 1. */
const places = new Uint32Array(1 << hashBits);

export function pack(value: Buffer): Buffer {
  if (value.length < fewBytes) return value;
  const packed = Buffer.allocUnsafe(headBytes + value.length + Math.ceil(value.length / 255) + 16);
  packed[0] = mark;
  packed.writeUInt32BE(value.length, 1);
  const end = compress(value, packed, headBytes);
  return end < value.length ? Buffer.from(packed.subarray(0, end)) : value;
}

function compress(from: Buffer, to: Buffer, start: number): number {
  places.fill(0);
  const byte = (index: number): number => from[index] as number;
  let out = start;
  let literals = 0;
  const sequence = (until: number, match: number): void => {
    const count = until - literals;
    to[out++] = (Math.min(count, 15) << 4) | Math.min(match, 15);
    if (count >= 15) out = writeRest(to, out, count - 15);
    from.copy(to, out, literals, until);
    out += count;
  };
  for (let at = 0; at < from.length - lastStart; ) {
    const four = byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24);
    const slot = Math.imul(four, 0x9e37_79b1) >>> (32 - hashBits);
    const match = (places[slot] as number) - 1;
    places[slot] = at + 1;
    if (match < 0 || at - match > farthest || !sameFour(from, match, at)) {
      at += 1;
      continue;
    }
    let length = leastMatch;
    while (at + length < from.length - tailBytes && byte(match + length) === byte(at + length)) length += 1;
    sequence(at, length - leastMatch);
    to[out++] = (at - match) & 0xff;
    to[out++] = (at - match) >>> 8;
    if (length - leastMatch >= 15) out = writeRest(to, out, length - leastMatch - 15);
    at += length;
    literals = at;
  }
  sequence(from.length, 0);
  return out;
}

const sameFour = (bytes: Buffer, a: number, b: number): boolean =>
  bytes[a] === bytes[b] &&
  bytes[a + 1] === bytes[b + 1] &&
  bytes[a + 2] === bytes[b + 2] &&
  bytes[a + 3] === bytes[b + 3];

function writeRest(to: Buffer, start: number, count: number): number {
  let out = start;
  let left = count;
  for (; left >= 255; left -= 255) to[out++] = 255;
  to[out++] = left;
  return out;
}

/** @throws TributaryError PAYLOAD_UNDECODABLE */
export function unpack(packed: Buffer): Buffer {
  if (packed[0] !== mark) return packed;
  const length = packed.length < headBytes ? Number.POSITIVE_INFINITY : packed.readUInt32BE(1);
  // One byte stands for 255 at most: nothing of ours claims more, and no other claim is given memory.
  if (length > packed.length * 255) throw undecodable();
  const value = Buffer.allocUnsafe(length);
  let out = 0;
  let at = headBytes;
  const count = (short: number): number => {
    let total = short;
    for (let byte = short === 15 ? 255 : 0; byte === 255; total += byte) byte = packed[at++] ?? 0;
    return total;
  };
  for (;;) {
    const token = packed[at++];
    if (token === undefined) throw undecodable();
    const literals = count(token >>> 4);
    if (at + literals > packed.length || out + literals > length) throw undecodable();
    packed.copy(value, out, at, at + literals);
    out += literals;
    at += literals;
    if (at === packed.length) break;
    const distance = (packed[at] ?? 0) | ((packed[at + 1] ?? 0) << 8);
    at += 2;
    const matched = count(token & 15) + leastMatch;
    if (distance === 0 || distance > out || out + matched > length) throw undecodable();
    // Byte by byte: a match may run into what it is just writing.
    for (const end = out + matched; out < end; out += 1) value[out] = value[out - distance] as number;
  }
  if (out !== length) throw undecodable();
  return value;
}

const undecodable = (): TributaryError =>
  new TributaryError('PAYLOAD_UNDECODABLE', 'a packed value is not what was packed');
