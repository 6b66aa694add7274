/**
 * Kafka's record batches (format 2), written in one pass into one buffer and read without a decoder for each record. The
 * client's own code does the same with a growing buffer per record and per level, and 64-bit arithmetic per field: most of
 * what moving a record costs. Same bytes, same records; a test holds them against the client's.
 */

export interface EncodedRecord {
  readonly key?: string | Buffer | null;
  readonly value?: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string | Buffer | readonly (string | Buffer)[]>>;
  readonly offsetDelta: number;
  readonly timestampDelta: number;
}

export interface BatchHeader {
  readonly firstTimestamp: number;
  readonly maxTimestamp: number;
  readonly lastOffsetDelta: number;
  readonly transactional: boolean;
  readonly producerId: { toString(): string } | number;
  readonly producerEpoch: number;
  readonly firstSequence: number;
}

const headerBytes = 61;
const crcAt = 17;
/** What the checksum covers begins behind it. */
const checkedFrom = 21;
const transactionalBit = 16;

/** Bytes of a number that is written in groups of seven bits. */
const widthOf = (n: number): number => (n < 0x80 ? 1 : n < 0x4000 ? 2 : n < 0x20_0000 ? 3 : n < 0x1000_0000 ? 4 : 5);
const lengthOf = (content: string | Buffer | null | undefined): number =>
  content == null ? -1 : typeof content === 'string' ? Buffer.byteLength(content) : content.length;
/** Signed numbers are written as 0, -1, 1, -2, 2… */
const zigzag = (n: number): number => (n < 0 ? -2 * n - 1 : 2 * n);
const sizeOf = (length: number): number => widthOf(zigzag(length)) + Math.max(0, length);

type Header = readonly [name: string, content: string | Buffer];

const noHeaders: readonly Header[] = [];

function headersOf({ headers }: EncodedRecord): readonly Header[] {
  if (headers === undefined) return noHeaders;
  return Object.entries(headers).flatMap(([name, content]): Header[] =>
    Array.isArray(content) ? content.map((one: string | Buffer) => [name, one]) : [[name, content as string | Buffer]],
  );
}

/** What ours cannot write: the client's own code is asked then. */
export const isPlain = (records: readonly EncodedRecord[]): boolean =>
  records.every(({ timestampDelta }) => timestampDelta >= 0 && timestampDelta < 0x4000_0000);

/** A batch without compression, from its first offset (0, the broker knows better) to its last record. */
export function encodeBatch(batch: BatchHeader, records: readonly EncodedRecord[]): Buffer {
  const sizes = new Int32Array(records.length);
  const headers = records.map(headersOf);
  let total = headerBytes;
  for (const [i, record] of records.entries()) {
    let size = 1 + widthOf(zigzag(record.timestampDelta)) + widthOf(zigzag(record.offsetDelta));
    size += sizeOf(lengthOf(record.key)) + sizeOf(lengthOf(record.value));
    const own = headers[i] ?? noHeaders;
    size += widthOf(zigzag(own.length));
    for (const [name, content] of own) size += sizeOf(lengthOf(name)) + sizeOf(lengthOf(content));
    sizes[i] = size;
    total += widthOf(zigzag(size)) + size;
  }
  const bytes = Buffer.allocUnsafe(total);
  let at = bytes.writeBigInt64BE(0n);
  at = bytes.writeInt32BE(total - 12, at);
  at = bytes.writeInt32BE(0, at);
  at = bytes.writeInt8(2, at) + 4;
  at = bytes.writeInt16BE(batch.transactional ? transactionalBit : 0, at);
  at = bytes.writeInt32BE(batch.lastOffsetDelta, at);
  at = bytes.writeBigInt64BE(BigInt(batch.firstTimestamp), at);
  at = bytes.writeBigInt64BE(BigInt(batch.maxTimestamp), at);
  at = bytes.writeBigInt64BE(BigInt(batch.producerId.toString()), at);
  at = bytes.writeInt16BE(batch.producerEpoch, at);
  at = bytes.writeInt32BE(batch.firstSequence, at);
  at = bytes.writeInt32BE(records.length, at);
  for (const [i, record] of records.entries()) {
    at = writeVarint(bytes, at, zigzag(sizes[i] ?? 0));
    bytes[at] = 0;
    at = writeVarint(bytes, at + 1, zigzag(record.timestampDelta));
    at = writeVarint(bytes, at, zigzag(record.offsetDelta));
    at = writeContent(bytes, at, record.key);
    at = writeContent(bytes, at, record.value);
    const own = headers[i] ?? noHeaders;
    at = writeVarint(bytes, at, zigzag(own.length));
    for (const [name, content] of own) at = writeContent(bytes, writeContent(bytes, at, name), content);
  }
  bytes.writeUInt32BE(crc32c(bytes, checkedFrom), crcAt);
  return bytes;
}

function writeVarint(bytes: Buffer, from: number, value: number): number {
  let at = from;
  let left = value;
  for (; left > 0x7f; left >>>= 7) bytes[at++] = (left & 0x7f) | 0x80;
  bytes[at++] = left;
  return at;
}

function writeContent(bytes: Buffer, from: number, content: string | Buffer | null | undefined): number {
  const length = lengthOf(content);
  const at = writeVarint(bytes, from, zigzag(length));
  if (content == null) return at;
  if (typeof content === 'string') bytes.write(content, at, 'utf8');
  else bytes.set(content, at);
  return at + length;
}

/** Eight tables of 256, one after the other, one for each byte of a step: eight bytes cost one step. */
const table = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte += 1) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  table[byte] = crc;
}
for (let at = 256; at < table.length; at += 1) {
  const crc = table[at - 256] as number;
  table[at] = (crc >>> 8) ^ (table[crc & 0xff] as number);
}

/** CRC-32 by Castagnoli's polynomial, of everything from a place on. */
export function crc32c(bytes: Uint8Array, from = 0): number {
  const byte = (at: number): number => bytes[at] as number;
  const look = (at: number): number => table[at] as number;
  let crc = -1;
  let at = from;
  for (const end = bytes.length - 7; at < end; at += 8) {
    const first = crc ^ (byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24));
    crc =
      look(0x700 | (first & 0xff)) ^
      look(0x600 | ((first >>> 8) & 0xff)) ^
      look(0x500 | ((first >>> 16) & 0xff)) ^
      look(0x400 | (first >>> 24)) ^
      look(0x300 | byte(at + 4)) ^
      look(0x200 | byte(at + 5)) ^
      look(0x100 | byte(at + 6)) ^
      look(byte(at + 7));
  }
  for (; at < bytes.length; at += 1) crc = look((crc ^ byte(at)) & 0xff) ^ (crc >>> 8);
  return ~crc >>> 0;
}

// ---- reading

export interface BatchContext {
  readonly firstOffset: string;
  readonly firstTimestamp: string;
  readonly maxTimestamp: string;
  readonly magicByte: number;
  readonly isControlBatch: boolean;
  /** 1: the broker's own time, one for the whole batch. */
  readonly timestampType: number;
}

export interface DecodedRecord {
  readonly magicByte: number;
  readonly attributes: number;
  readonly timestamp: string;
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | null | readonly (Buffer | null)[]>>;
  readonly isControlRecord: boolean;
  readonly batchContext: BatchContext;
}

const appendTime = 1;

/** Bytes with a place that moves on. */
class Cursor {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Sums instead of shifts: a time may differ by more than 31 bits. */
  number(): number {
    let value = 0;
    let weight = 1;
    for (;;) {
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
      weight *= 0x80;
    }
  }

  content(): Buffer | null {
    const length = this.number();
    if (length < 0) return null;
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** A record behind its length; `bytes` are its own. */
export function decodeRecord(bytes: Buffer, context: BatchContext): DecodedRecord {
  const cursor = new Cursor(bytes);
  const attributes = bytes.readInt8(cursor.at++);
  const timestampDelta = cursor.number();
  const offsetDelta = cursor.number();
  const key = cursor.content();
  const value = cursor.content();
  return {
    magicByte: context.magicByte,
    attributes,
    timestamp:
      context.timestampType === appendTime && context.maxTimestamp
        ? context.maxTimestamp
        : String(Number(context.firstTimestamp) + timestampDelta),
    offset: String(Number(context.firstOffset) + offsetDelta),
    key,
    value,
    headers: readHeaders(cursor),
    isControlRecord: context.isControlBatch,
    batchContext: context,
  };
}

/** A header that comes twice has both values, in their order. Names are anybody's: `__proto__` is one like the others. */
function readHeaders(cursor: Cursor): DecodedRecord['headers'] {
  const headers = new Map<string, Buffer | null | (Buffer | null)[]>();
  for (let left = cursor.number(); left > 0; left -= 1) {
    const name = cursor.content()?.toString() ?? '';
    const value = cursor.content();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]);
  }
  return Object.fromEntries(headers);
}
