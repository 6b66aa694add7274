import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { RawPen, recall } from '../../../connectors/intercom/raw-pen.ts';
import { RawRecords } from '../../../connectors/intercom/raw-records.ts';
import { claimed, resumed, troubled, unborn } from '../../../connectors/intercom/reconcile-state.ts';
import { acceptNotification } from '../../../connectors/intercom/webhook.ts';
import { companyItem, contactItem, notification, workspace } from '../../processors/decode/intercom-notifications.ts';
import { RawMemory } from './raw-memory.ts';

const start = 1_790_000_000_000;
const { signal } = new AbortController();

function world() {
  const memory = new RawMemory();
  const raw = new RawRecords(memory.codec, workspace);
  const { kafka, producer } = memory;
  const penOf = async (tenure: number): Promise<RawPen> =>
    new RawPen({ kafka, producer, raw, log: pino({ level: 'silent' }), tenure }, await recall(kafka));
  /** A notification that only names a contact, as a receiver writes it. */
  const names = async (id: string): Promise<void> => {
    const item = { type: 'contact_subscribe', contact: { type: 'contact', id } };
    const accepted = acceptNotification(notification('contact.subscribed', item), workspace);
    if (accepted.kind === 'rejected') throw accepted.error;
    await producer.send(raw.notification(accepted));
  };
  const lost = (since: number, until: number, isOver = false): Promise<void> =>
    producer.send([raw.loss({ since, until, isOver })]);
  return { memory, producer, raw, penOf, names, lost, recall: () => recall(kafka) };
}
const done = { ...unborn, startedAt: start, done: ['admin', 'company', 'contact'] as const };

describe('whoever takes over', () => {
  test('of an empty topic knows nothing', async () => {
    expect(await world().recall()).toEqual(unborn);
  });

  test('knows what the last step left and what receivers wrote since', async () => {
    const { penOf, names, lost, recall: again } = world();
    const pen = await penOf(1);
    await pen.step(() => ({ ...resumed({ ...done }, start), state: { ...done } }), signal);
    await names('a');
    await pen.hear();
    await pen.step((state) => claimed(state, ['contact'], Date.parse('2026-08-19T15:03:20Z')), signal);
    await names('b');
    await lost(start, start + 5_000);
    const state = await again();
    expect(state.owed.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(state.hole).toMatchObject({ since: start, until: start + 5_000, told: false });
    await pen.hear();
    expect(pen.state).toEqual(state);
    expect(state.loss).toEqual({ since: start, until: start + 5_000, isOver: false });
    await lost(start, start + 9_000, true);
    expect((await again()).loss).toBeNull();
  });

  test('goes back to what the last state had not heard of, however far', async () => {
    const { penOf, producer, raw, names, recall: again } = world();
    await names('early');
    for (let n = 0; n < 5_000; n += 1)
      await producer.send([raw.mark({ platform: 'intercom', kind: 'mark', upTo: 0, detail: '' })]);
    const pen = await penOf(1);
    expect(pen.state.owed.map(({ id }) => id)).toEqual(['early']);
    // Deaf to all of it: it wrote what it had decided before.
    const deaf = { ...done, claim: 7_000, heard: -1 };
    await pen.step(() => ({ ...claimed(deaf, ['contact'], start), state: deaf }), signal);
    const state = await again();
    expect([state.owed.map(({ id }) => id), state.claim, state.heard]).toEqual([['early'], 7_000, 5_001]);
  });

  test('does not go on from what one wrote late who had lost the lease', async () => {
    const { penOf, recall: again } = world();
    const zombie = await penOf(1);
    const late = troubled({ ...done, claim: 1 }, start, start);
    const pen = await penOf(2);
    await pen.step(() => troubled({ ...done, claim: 2 }, start, start), signal);
    await zombie.step(() => late, signal);
    expect((await again()).claim).toBe(2);
  });
});

test('a company that a receiver told of need not be read for its first member, whichever came first', async () => {
  const { producer, raw, penOf } = world();
  const pen = await penOf(1);
  const tell = async (topic: string, item: object): Promise<void> => {
    const accepted = acceptNotification(notification(topic, item), workspace);
    if (accepted.kind === 'accepted') await producer.send(raw.notification(accepted));
    await pen.hear();
  };
  const attached = (id: string): object => ({
    company: { id, user_count: 1 },
    contact: { ...contactItem, companies: { type: 'list', data: [{ id }], has_more: false } },
  });
  await tell('company.created', { ...companyItem, id: 'a' });
  await tell('company.contact.attached', attached('a'));
  expect(pen.state.owed).toEqual([]);
  await tell('company.contact.attached', attached('b'));
  expect(pen.state.owed).toMatchObject([{ what: 'company', id: 'b' }]);
  await tell('company.created', { ...companyItem, id: 'b' });
  expect(pen.state.owed).toEqual([]);
});

describe('a step', () => {
  test('is the state when Kafka has acknowledged it, and is composed from what was heard before', async () => {
    const { memory, penOf, names } = world();
    const pen = await penOf(1);
    await names('a');
    const acknowledged = Promise.withResolvers<void>();
    memory.onSend = () => acknowledged.promise;
    const hearing = pen.hear();
    const writing = pen.step((state) => troubled(state, start, start), signal);
    await hearing;
    expect(pen.state.hole).toBeNull();
    acknowledged.resolve();
    await writing;
    expect(pen.state).toMatchObject({ hole: { told: true }, owed: [{ id: 'a' }] });
    expect(memory.marks.map(({ kind }) => kind)).toEqual(['mark', 'holeOpen']);
  });

  test('is not written once the lease is lost, nor where there is nothing to write', async () => {
    const { memory, penOf } = world();
    const pen = await penOf(1);
    await pen.step((state) => resumed(state, start), signal);
    expect([memory.records, pen.state.startedAt]).toEqual([[], start]);
    const lease = new AbortController();
    lease.abort();
    await expect(pen.step((state) => troubled(state, start, start), lease.signal)).rejects.toThrow('aborted');
    expect([memory.records, pen.state.hole]).toEqual([[], null]);
  });

  test('that cannot be written leaves the state as it was', async () => {
    const { memory, penOf } = world();
    const pen = await penOf(1);
    memory.onSend = () => Promise.reject(new Error('closed'));
    await expect(pen.step((state) => troubled(state, start, start), signal)).rejects.toThrow('closed');
    expect(pen.state).toEqual(unborn);
  });
});
