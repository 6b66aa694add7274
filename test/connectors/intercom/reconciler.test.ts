/** The reading of Intercom against the twin over its sockets, with the raw topic in memory. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { IntercomAccess } from '../../../connectors/intercom/client.ts';
import { RawPen } from '../../../connectors/intercom/raw-pen.ts';
import { RawRecords } from '../../../connectors/intercom/raw-records.ts';
import type { ReconcileState } from '../../../connectors/intercom/reconcile-state.ts';
import { unborn } from '../../../connectors/intercom/reconcile-state.ts';
import { Reconciler } from '../../../connectors/intercom/reconciler.ts';
import { acceptNotification } from '../../../connectors/intercom/webhook.ts';
import type { Budget, BudgetLane } from '../../../core/budget.ts';
import { metrics } from '../../../core/metrics.ts';
import { PlatformClock } from '../../../core/platform-clock.ts';
import { type IntercomTwin, startIntercomTwin } from '../../../twins/intercom/server.ts';
import { notification } from '../../processors/decode/intercom-notifications.ts';
import { accessTo, openBudget, twinControl } from '../../support/intercom-access.ts';
import { RawMemory } from './raw-memory.ts';

let twin: IntercomTwin;
let memory: RawMemory;
let raw: RawRecords;
let access: IntercomAccess;
let stop: AbortController;
let running: Promise<void>;
let lag: number;
let isReceiving: boolean;
let said: string[];
/** Lanes of the tokens asked for. */
let lanes: BudgetLane[];
let take: Budget['take'];

beforeEach(async () => {
  twin = await startIntercomTwin();
  memory = new RawMemory();
  raw = new RawRecords(memory.codec, twin.workspaceId);
  [stop, running, lag, isReceiving, said, lanes] = [new AbortController(), Promise.resolve(), 0, true, [], []];
  take = async () => undefined;
  const budget: Budget = {
    ...openBudget(),
    take: async (lane, holder, signal) => {
      lanes.push(lane);
      await take(lane, holder, signal);
    },
  };
  access = accessTo(twin, budget, 2_000);
});
afterEach(async () => {
  stop.abort();
  await running;
  await access.close();
  await twin.close();
});

const log = pino({ level: 'silent' });

/** Goes on from this state. */
function start(state: Partial<ReconcileState> = {}): RawPen {
  const clock = new PlatformClock();
  clock.observe(Date.now(), performance.now());
  const { kafka, producer } = memory;
  const pen = new RawPen({ kafka, producer, raw, log, tenure: 1 }, { ...unborn, ...state });
  const reconciler = new Reconciler({
    access,
    pen,
    teammates: { told: async () => ({}), keep: async () => undefined },
    admin: { lag: async () => lag },
    maxLag: 10,
    parts: ['admin', 'company', 'contact'],
    clock,
    isReceiving: () => isReceiving,
    now: () => performance.now(),
    log,
    ready: (state_, why) => said.push(`${state_} ${why}`),
  });
  running = reconciler.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return pen;
}
/** As after a first reading that is over. */
const settled = (): Partial<ReconcileState> => {
  const now = Math.floor(Date.now() / 1_000) * 1_000;
  return {
    startedAt: now - 60_000,
    claim: now - 20_000,
    done: ['admin', 'company', 'contact'],
    adminsAt: now,
    companies: { ...unborn.companies, begun: now },
    contacts: { ...unborn.contacts, begun: now, readTo: now },
  };
};

function people(count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => {
    const { value } = twin.model.createContact(
      { email: `p${n}@x.example`, name: `P${n}` },
      Date.now() - 3_600_000 + n * 1_000,
    );
    return value.id;
  });
}

/** A notification that only names a contact, as a receiver writes it. */
async function names(id: string): Promise<void> {
  const item = { type: 'contact_subscribe', contact: { type: 'contact', id } };
  const more = { app_id: twin.workspaceId, created_at: Math.floor(Date.now() / 1_000) };
  const accepted = acceptNotification(notification('contact.subscribed', item, more), twin.workspaceId);
  if (accepted.kind === 'rejected') throw accepted.error;
  await memory.producer.send(raw.notification(accepted));
}
const until = <T>(fact: () => T): Promise<T> => vi.waitFor(fact, { timeout: 4_000, interval: 20 });
const kinds = (): readonly string[] => memory.marks.map(({ kind, detail }) => `${kind} ${detail}`.trim());
const read = (): readonly string[] => memory.rows.map(({ reason, recordId }) => `${reason} ${recordId}`);

test('the first reading goes on the bulk part of the budget, teammates before it on the live part', async () => {
  const ids = people(3);
  start();
  await until(() => expect(kinds().at(-1)).toBe('mark'));
  expect(kinds().slice(0, 3)).toEqual([
    'snapshotComplete admin',
    'snapshotComplete company',
    'snapshotComplete contact',
  ]);
  expect(read().slice(-3)).toEqual(ids.map((id) => `snapshot ${id}`));
  expect(lanes).toEqual(['live', 'bulk', 'bulk']);
});

test('a record that a notification names is read at once, though the first reading waits for its budget', async () => {
  const [id = ''] = people(1);
  take = (lane, _holder, signal) =>
    lane === 'live'
      ? Promise.resolve()
      : new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
        );
  start({ ...settled(), done: ['admin', 'company'] });
  await until(() => expect(lanes).toEqual(['bulk']));
  await names(id);
  await until(() => expect(read()).toEqual([`recheck ${id}`]));
  // And waits again.
  await until(() => expect(lanes).toEqual(['bulk', 'live', 'bulk']));
});

test('reading everybody waits for unify, and what somebody waits for does not', async () => {
  const [id = '', other = ''] = people(2);
  lag = 10;
  start({ ...settled(), done: ['admin', 'company'] });
  await names(id);
  await until(() => expect(read()).toEqual([`recheck ${id}`]));
  expect(lanes).toEqual(['live']);
  lag = 4;
  await until(() => expect(read().slice(1)).toEqual([`snapshot ${id}`, `snapshot ${other}`]));
});

describe('a claim', () => {
  test('is made every second, ten seconds behind the platform', async () => {
    start(settled());
    await until(() => expect(memory.marks.length).toBeGreaterThan(1));
    const behind = memory.marks.map(({ upTo }) => Date.now() - upTo);
    for (const ms of behind) expect(ms).toBeGreaterThanOrEqual(10_000);
    for (const ms of behind) expect(ms).toBeLessThan(15_000);
  });

  test('is not made while notifications are put off here, nor while a hole is open that another pod told of', async () => {
    isReceiving = false;
    const pen = start(settled());
    await until(() => expect(said.at(-1)).toBe('true reading'));
    expect(memory.marks).toEqual([]);
    const now = Math.floor(Date.now() / 1_000) * 1_000;
    await memory.producer.send([raw.loss({ since: now - 5_000, until: now, isOver: true })]);
    await until(() => expect(kinds()).toContain('holeOpen notifications lost, 1'));
    isReceiving = true;
    await until(() => expect(pen.state.contacts.begun).toBeGreaterThanOrEqual(now));
    expect(memory.marks.filter(({ kind, upTo }) => kind === 'mark' && upTo > (settled().claim ?? 0))).toEqual([]);
  });
});

test('a list that Intercom refuses, or answers with nonsense, is asked for again after a pause, counted', async () => {
  const ids = people(2);
  const count = async (): Promise<number> =>
    (await metrics.retries.get()).values.find(({ labels }) => labels.code === 'PLATFORM_NONSENSE')?.value ?? 0;
  const before = await count();
  await twinControl(twin, 'faults', [
    { match: 'POST /contacts/search', times: 1, kind: 'broken-json' },
    { match: 'POST /contacts/search', times: 1, status: 400, code: 'parameter_invalid' },
  ]);
  start({ ...settled(), done: ['admin', 'company'] });
  await until(() => expect(read()).toEqual(ids.map((id) => `snapshot ${id}`)));
  expect(new Set(said.filter((line) => line.startsWith('false'))).size).toBe(2);
  await until(() => expect(said.at(-1)).toBe('true reading'));
  expect(await count()).toBe(before + 1);
});

test('a write that Kafka does not acknowledge is said, though nothing fails', async () => {
  const acknowledged = Promise.withResolvers<void>();
  memory.onSend = () => acknowledged.promise;
  start();
  await vi.waitFor(() => expect(said.at(-1)).toBe('false Kafka does not acknowledge'), 8_000);
  acknowledged.resolve();
  await until(() => expect(said.at(-1)).toBe('true reading'));
}, 15_000);

test('wrong credentials end it', async () => {
  await access.close();
  access = accessTo({ url: twin.url, token: 'wrong' }, openBudget(), 2_000);
  start();
  await expect(running).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
  running = Promise.resolve();
});
