/** What a receiver tells the raw topic of notifications that it put off. */
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RawRecords } from '../../../connectors/intercom/raw-records.ts';
import { Receiver } from '../../../connectors/intercom/receiver.ts';
import { header, type LossNote } from '../../../connectors/intercom/reconcile-state.ts';
import { PlatformClock } from '../../../core/platform-clock.ts';
import { contactItem, notification, workspace } from '../../processors/decode/intercom-notifications.ts';
import { configFor } from '../../support/intercom-access.ts';
import { signed } from './harness.ts';
import { RawMemory } from './raw-memory.ts';

const secret = 'app-secret';
const platform = 1_790_000_000_000;
const bytes = notification('contact.user.updated', contactItem);
let memory: RawMemory;
let clock: PlatformClock;
let receiver: Receiver;
let stop: AbortController;
let ahead: number;
let lines: string[];
const now = (): number => performance.now() + ahead;

beforeEach(() => {
  [memory, clock, stop, ahead, lines] = [new RawMemory(), new PlatformClock(), new AbortController(), 0, []];
  const { intercom } = configFor({ url: 'http://127.0.0.1:1', token: 'x' }, {}, secret);
  receiver = new Receiver({
    intercom,
    codec: memory.codec,
    clock,
    now,
    log: pino({}, { write: (line: string) => void lines.push(line) }),
  });
});
afterEach(async () => {
  stop.abort();
  await receiver.close();
});

const losses = (): readonly LossNote[] =>
  memory.records.flatMap(({ headers }) =>
    headers[header.loss] === undefined ? [] : [JSON.parse(String(headers[header.loss])) as LossNote],
  );
const run = (): Promise<void> =>
  receiver.run(
    new RawRecords(memory.codec, workspace),
    { ...memory.producer, close: async () => undefined },
    stop.signal,
  );
const until = <T>(fact: () => T): Promise<T> => vi.waitFor(fact, { timeout: 4_000, interval: 20 });

test('when, in the time of the platform and from before the first was sent; and until then it does not vouch', async () => {
  const url = await receiver.listen();
  clock.observe(platform, now());
  expect(await signed(url, secret, bytes)).toBe(429);
  expect(receiver.isReceiving).toBe(false);
  void run();
  await until(() => expect(losses()).toHaveLength(1));
  const [{ since, until: end } = { since: 0, until: 0 }] = losses();
  expect(since - (platform - 10_000)).toBeLessThan(1_000);
  expect(end).toBeGreaterThan(platform);
  expect(await signed(url, secret, bytes)).toBe(200);
  expect(receiver.isReceiving).toBe(false);
});

test('what another one told of and did not call over', async () => {
  clock.observe(platform, now());
  receiver.adopt({ since: platform - 50_000, until: platform - 40_000, isOver: false });
  expect(receiver.isReceiving).toBe(false);
  void run();
  await until(() => expect(losses()).toHaveLength(1));
  const [{ since, until: end, isOver } = { since: 0, until: 0, isOver: true }] = losses();
  expect([Math.abs(since - (platform - 60_000)) < 1_000, end > platform, isOver]).toEqual([true, true, false]);
});

test('nothing where all were taken', async () => {
  const url = await receiver.listen();
  clock.observe(platform, now());
  void run();
  expect(await signed(url, secret, bytes)).toBe(200);
  await until(() => expect(memory.records).toHaveLength(1));
  expect(receiver.isReceiving).toBe(true);
  expect(losses()).toEqual([]);
});

test('that it stood still itself, for longer than the platform tries', async () => {
  clock.observe(platform, now());
  void run();
  await until(() => expect(receiver.isReceiving).toBe(true));
  ahead = 120_000;
  // Nobody knows yet, and nothing is vouched for.
  expect(receiver.isReceiving).toBe(false);
  await until(() => expect(losses()).toHaveLength(1));
  const [{ since, until: end } = { since: 0, until: 0 }] = losses();
  expect(end - since).toBeGreaterThan(120_000);
});

test('a webhook that never comes is doubted, once', async () => {
  void run();
  await until(() => expect(receiver.isReceiving).toBe(true));
  ahead = 1_000_000;
  const doubts = (): number => lines.filter((line) => line.includes('no webhook has come yet')).length;
  await until(() => expect(doubts()).toBe(1));
  ahead = 3_000_000;
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(doubts()).toBe(1);
});

test('as soon as the platform has told the time', async () => {
  const url = await receiver.listen();
  expect(await signed(url, secret, bytes)).toBe(429);
  void run();
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect(losses()).toEqual([]);
  clock.observe(platform, now());
  await until(() => expect(losses()).toHaveLength(1));
});
