import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Budget } from '../../core/budget.ts';
import type { ConsumeOptions, InRecord, KafkaAccess, OutRecord } from '../../core/kafka.ts';
import { memoryCodec } from '../../core/registry.ts';
import { runSink, type SinkOptions } from '../../core/sink-loop.ts';
import { type Answer, expired } from '../../core/sink-state.ts';
import type { TopicName } from '../../schemas/topics.ts';
import type { Change, Command, Result } from '../../schemas/types.ts';

const codec = memoryCodec();
const applied: Answer = { ...expired, outcome: 'applied', calls: 1 };
const logStart = 1_790_000_000_000;

/** A log in memory, of one partition per topic; commands are handed over as the test says. */
class MemoryKafka implements Pick<KafkaAccess, 'producer' | 'consume' | 'read' | 'offsets'> {
  readonly changes: InRecord[] = [];
  readonly joined = Promise.withResolvers<ConsumeOptions>();

  async producer() {
    return {
      send: async (records: readonly OutRecord[]) => {
        for (const { topic, key, value } of records)
          if (topic === 'changes') this.changes.push(this.record(topic, this.changes.length, String(key), value));
      },
      close: () => Promise.resolve(),
    };
  }

  async consume(options: ConsumeOptions): Promise<void> {
    await options.onAssign?.([{ topic: 'intercom.commands', partition: 0 }]);
    this.joined.resolve(options);
    await new Promise((resolve) => options.signal.addEventListener('abort', resolve));
    await options.onRevoke?.();
  }

  async read(_: TopicName, __: number, from: number, to: number, each: Parameters<KafkaAccess['read']>[4]) {
    await each(this.changes.slice(from, to));
  }

  async offsets(topic: TopicName) {
    return [{ partition: 0, earliest: 0, latest: topic === 'changes' ? this.changes.length : 0 }];
  }

  record(topic: TopicName, offset: number, key: string, value: Buffer | null): InRecord {
    return { topic, partition: 0, offset, time: logStart + Date.now(), key: Buffer.from(key), value, headers: {} };
  }

  get #said(): readonly Change[] {
    return this.changes.flatMap(({ value }) => (value === null ? [] : [codec.decode(value).value as Change]));
  }
  get epoch(): string {
    return this.#said.findLast(({ epoch }) => epoch != null)?.epoch?.epoch ?? '';
  }
  get results(): readonly Result[] {
    return this.#said.flatMap(({ result }) => (result == null ? [] : [result]));
  }
}

const budget: Budget = {
  take: () => Promise.resolve(),
  claim: () => Promise.resolve(),
  tell: () => Promise.resolve(),
  level: () => ({ perWindow: 10_000, windowMs: 10_000, pausedMs: 0, left: 1_000, away: false }),
};

let kafka: MemoryKafka;
let end: AbortController;
let asked: number;
let options: Omit<SinkOptions, 'execute'>;

beforeEach(() => {
  vi.useFakeTimers();
  kafka = new MemoryKafka();
  end = new AbortController();
  asked = 0;
  options = {
    kafka,
    codec,
    platform: 'intercom',
    budget,
    concurrency: 4,
    perCall: 1,
    signal: end.signal,
    ready: () => undefined,
    log: pino({ enabled: false }),
    now: () => Date.now(),
  };
});
afterEach(() => {
  vi.useRealTimers();
});

const command = (lifeMs = 60_000): Command => {
  const id = `ask-${asked++}`;
  return {
    id,
    platform: 'intercom',
    epoch: kafka.epoch,
    verb: 'update',
    object: 'contact',
    ref: `intercom:contact:${id}`,
    key: id,
    fields: {},
    before: {},
    lane: 'live',
    askedAt: logStart + Date.now(),
    expiresAt: logStart + Date.now() + lifeMs,
    doubt: false,
    lineage: '',
  };
};

/** Gives the sink commands as one batch; settles when it took them all in. */
async function give(commands: readonly Command[]): Promise<void> {
  const consumer = await kafka.joined.promise;
  const topic = 'intercom.commands';
  const records = commands.map((one, offset) =>
    kafka.record(topic, offset, one.key, codec.encode(topic, 'Command', one)),
  );
  const { signal } = new AbortController();
  await consumer.handle({ topic, partition: 0, records, highWatermark: 0, signal, commit: () => undefined });
}

describe('a sink without servers', () => {
  test('goes on reading when what filled its memory has expired uncalled', async () => {
    // The platform is away for longer than an ask lives, so the gate is open and nothing begins.
    const running = runSink({
      ...options,
      execute: (_, run) => {
        for (let tries = 0; tries < 5; tries++) run.trouble('PLATFORM_UNAVAILABLE', 'away');
        return Promise.resolve(new Map());
      },
    });
    await vi.advanceTimersByTimeAsync(10);
    await give([command(5_000)]);
    await vi.advanceTimersByTimeAsync(1_500);
    let isTaken = false;
    const taken = give(Array.from({ length: 10 }, () => command(5_000)));
    void taken.then(() => (isTaken = true));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(isTaken).toBe(false);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(isTaken).toBe(true);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(kafka.results.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 11 }, () => 'expired'));
    end.abort();
    await running;
  });

  test('answers what expires between being looked for and being begun, and goes on', async () => {
    // Every look at the clock takes three milliseconds: the process is busy.
    let busy = 0;
    const running = runSink({
      ...options,
      now: () => Date.now() + (busy += 3),
      execute: ([{ id }]) => {
        return Promise.resolve(new Map([[id, applied]]));
      },
    });
    await vi.advanceTimersByTimeAsync(10);
    await give(Array.from({ length: 50 }, (_, index) => command(index)));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(new Set(kafka.results.map(({ command: id }) => id)).size).toBe(50);
    end.abort();
    await running;
  });
});
