/** The corrections of kafkajs that no broker shows on demand. */
import { createRequire } from 'node:module';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { kafkajs, loadBatch } from '../../core/kafka/kafkajs.ts';

const require = createRequire(import.meta.url);

describe('the request queue', () => {
  afterEach(() => vi.useRealTimers());
  const RequestQueue = require('kafkajs/src/network/requestQueue') as new (
    options: object,
  ) => {
    pending: object[];
    throttledUntil: number;
    checkPendingRequests(): void;
    maybeThrottle(ms: number): void;
    destroy(): void;
  };
  const open = () => new RequestQueue({ maxInFlightRequests: 1, logger: { debug: () => undefined } });

  test('sets no timer while it has nothing to do', () => {
    vi.useFakeTimers();
    open().checkPendingRequests();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('wakes up once when a broker’s throttling ends', () => {
    vi.useFakeTimers();
    const queue = open();
    queue.maybeThrottle(500);
    queue.checkPendingRequests();
    queue.checkPendingRequests();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(500);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a batch that compaction thinned out', () => {
  const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object;
  const decodeMessages = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages') as (
    decoder: object,
  ) => Promise<{ offset: string; isControlRecord: boolean }[]>;

  /** Header of a record batch of format 2, its records left out: what the log cleaner keeps of a producer's last batch. */
  function batchWithout(records: { first: number; lastDelta: number }): Buffer {
    const header = Buffer.alloc(61);
    header.writeBigInt64BE(BigInt(records.first), 0);
    header.writeInt32BE(49, 8);
    header.writeInt8(2, 16);
    header.writeInt32BE(records.lastDelta, 23);
    const size = Buffer.alloc(4);
    size.writeInt32BE(header.length);
    return Buffer.concat([size, header]);
  }

  test('moves the reader to its end although it has no record left', async () => {
    const messages = await decodeMessages(new Decoder(batchWithout({ first: 100, lastDelta: 19 })));
    const batch = loadBatch('changes', 105, { partition: 0, highWatermark: '500', abortedTransactions: [], messages });
    expect(batch.messages).toEqual([]);
    expect(batch.isEmptyIncludingFiltered()).toBe(false);
    expect(batch.lastOffset()).toBe('119');
  });
});

test('every evaluation of the module gets the same corrected library, wrapped once', async () => {
  vi.resetModules();
  const again = await import('../../core/kafka/kafkajs.ts');
  expect(again.kafkajs).toBe(kafkajs);
});
