/** What the reading of Intercom remembers, under any notes and answers, nonsense included. */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, type Exchange } from '../../../connectors/intercom/classify.ts';
import { answered, next } from '../../../connectors/intercom/decide-reconcile.ts';
import {
  afterRecord,
  type HeardRecord,
  header,
  type OwedNote,
  type Part,
  type ReconcileState,
  recalled,
  resumed,
  troubled,
  unborn,
} from '../../../connectors/intercom/reconcile-state.ts';
import { acceptNotification, verifySignature } from '../../../connectors/intercom/webhook.ts';
import { TributaryError } from '../../../core/errors.ts';

const parts: readonly Part[] = ['admin', 'company', 'contact'];
const start = 1_790_000_000_000;

const owing = fc.record({
  what: fc.constantFrom('contact' as const, 'company' as const, 'merges' as const),
  id: fc.constantFrom('a', 'b', 'c'),
});
const note: fc.Arbitrary<OwedNote> = fc.record({
  owed: fc.uniqueArray(owing, { maxLength: 3, selector: ({ what, id }) => `${what} ${id}` }),
  since: fc.oneof(
    fc.constant(0),
    fc.nat(50).map((n) => start + n * 1_000),
  ),
});
const notes = fc.array(note, { maxLength: 12, size: 'max' });
const tailOf = (all: readonly OwedNote[]): readonly HeardRecord[] =>
  all.map((one, offset) => ({ offset, headers: { [header.owed]: JSON.stringify(one) } }));

describe('what notifications left open', () => {
  test('is owed once each, since the first that names it and vouches for a moment, as the last one left it', () => {
    fc.assert(
      fc.property(notes, (all) => {
        const plain = new Map<string, { debt: number; since: number }>();
        all.forEach(({ owed, since }, debt) => {
          for (const { what, id } of owed) {
            const before = plain.get(`${what} ${id}`)?.since ?? 0;
            const first = before === 0 || since === 0 ? Math.max(before, since) : Math.min(before, since);
            plain.set(`${what} ${id}`, { debt, since: first });
          }
        });
        const { owed } = tailOf(all).reduce(afterRecord, unborn);
        expect(new Map(owed.map(({ what, id, debt, since }) => [`${what} ${id}`, { debt, since }]))).toEqual(plain);
        expect(owed.length).toBe(plain.size);
      }),
      { numRuns: 200 },
    );
  });

  test('is the same to whoever takes over, wherever the last state stands, and heard once', () => {
    fc.assert(
      fc.property(notes, fc.nat(12), (all, cut) => {
        const tail = tailOf(all);
        const whole = tail.reduce(afterRecord, unborn);
        const state = tail.slice(0, cut).reduce(afterRecord, unborn);
        // The state stands on a record that comes later than what it had heard of.
        const later = tail
          .slice(cut)
          .map((one, n) =>
            n === 0 ? { ...one, headers: { ...one.headers, [header.state]: JSON.stringify(state) } } : one,
          );
        expect(recalled([...tail.slice(0, cut), ...later])).toEqual(whole);
        expect(recalled(later.length === 0 ? tail : later)).toEqual(whole);
        expect(tail.slice(0, cut).reduce(afterRecord, whole)).toEqual(whole);
      }),
      { numRuns: 150 },
    );
  });
});

describe('whatever is answered', () => {
  const row = fc.record(
    {
      id: fc.oneof(fc.constantFrom('a', 'b'), fc.anything()),
      updated_at: fc.oneof(fc.constant(1_790_000_000), fc.anything()),
      created_at: fc.oneof(fc.constant(1_780_000_000), fc.anything()),
      source_contact_id: fc.anything(),
    },
    { requiredKeys: ['id'] },
  );
  const body = fc.oneof(
    fc.record({ data: fc.array(row, { maxLength: 3 }), scroll_param: fc.option(fc.string()), pages: fc.anything() }),
    fc.record({ admins: fc.array(row, { maxLength: 3 }) }),
    row,
    fc.anything(),
  );
  const exchange: fc.Arbitrary<Exchange> = fc.record({
    answered: fc.constant(true as const),
    status: fc.constantFrom(200, 200, 200, 200, 400, 401, 404, 410, 429, 500),
    body,
    text: fc.constant(''),
    time: fc.constant(start),
    sentAt: fc.constant(start - 1_000),
    resetMs: fc.constant(undefined),
    link: fc.constantFrom(undefined, '<https://api/contacts/66f1a0b7c2d94e0012ab34cd>; rel="canonical"'),
  });

  test('the reading goes on or says why not; a hole is told before it is closed, and each record it gives has an id', () => {
    fc.assert(
      fc.property(notes, fc.array(exchange, { maxLength: 20, size: 'max' }), fc.boolean(), (all, exchanges, lost) => {
        let state: ReconcileState = resumed(tailOf(all).reduce(afterRecord, unborn), start).state;
        if (lost) state = troubled(state, start - 5_000, start).state;
        const wrong: string[] = [];
        const told = new Set<string>(state.hole?.told === true ? [state.hole.detail] : []);
        let now = start;
        for (const one of exchanges) {
          now += 400_000;
          const task = next(state, parts, now);
          if (task.kind === 'rest') {
            if (task.until <= now) wrong.push('it rests until a moment that is over');
            continue;
          }
          try {
            const step = answered(state, task, classify(one), now);
            state = step.state;
            if (step.records.some(({ recordId }) => recordId === '')) wrong.push('a record without an id');
            for (const { kind, detail } of step.marks) {
              if (kind === 'holeOpen') told.add(detail);
              if (kind === 'holeClosed' && !told.has(detail)) wrong.push('a hole is closed that was never told');
            }
          } catch (error) {
            if (!(error instanceof TributaryError) || error.code === 'INTERNAL') throw error;
          }
        }
        expect(wrong).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a delivery', () => {
  test('is known by its signature: one byte more or another secret, and it is nobody’s', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.string({ minLength: 1 }), fc.nat(), (array, secret, at) => {
        const bytes = Buffer.from(array);
        const signed = `sha1=${createHmac('sha1', secret).update(bytes).digest('hex')}`;
        const other = Buffer.from(bytes);
        other[at % other.length] = (other[at % other.length] ?? 0) ^ 1;
        expect(verifySignature(secret, bytes, signed)).toBe(true);
        expect(verifySignature(secret, other, signed)).toBe(false);
        expect(verifySignature(`${secret}x`, bytes, signed)).toBe(false);
      }),
    );
  });

  test('is of this workspace or refused, and what it tells of has an id and the very bytes', () => {
    const item = fc.record({
      type: fc.constant('contact'),
      id: fc.string(),
      updated_at: fc.constantFrom(1_790_000_000, 'then'),
    });
    const told = fc.record({
      type: fc.constant('notification_event'),
      app_id: fc.constantFrom('ours', 'theirs'),
      topic: fc.constantFrom('contact.user.updated', 'contact.deleted', 'company.updated', 'ping'),
      created_at: fc.constant(1_790_000_000),
      data: fc.record({ item }),
    });
    fc.assert(
      fc.property(told, (one) => {
        const bytes = Buffer.from(JSON.stringify(one));
        const outcome = acceptNotification(bytes, 'ours');
        const records = outcome.kind === 'accepted' ? outcome.records : [];
        expect(outcome.kind === 'rejected' || one.app_id === 'ours').toBe(true);
        expect(records.every(({ recordId, body }) => recordId !== '' && body === bytes)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
