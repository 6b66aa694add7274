import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../twins/common/random.ts';
import { Deliveries, type DeliveryHabits, notificationBody } from '../../twins/intercom/deliveries.ts';

const minute = 60_000;
const start = Date.UTC(2026, 7, 19, 15, 2, 47, 906);
let queue: Deliveries;
let now: number;

function subscribed(habits: Partial<DeliveryHabits> = {}, seed = 7): Deliveries {
  const made = new Deliveries(seededRandom(seed));
  made.turn({ delayMs: [0, 0], ...habits });
  made.subscribe();
  return made;
}
beforeEach(() => {
  now = start;
  queue = subscribed();
});

const happen = (count = 1): void => {
  for (let n = 0; n < count; n += 1) queue.notify('contact.user.updated', { n }, now);
};
const numbers = (deliveries: readonly { notification: { item: object } }[]): readonly unknown[] =>
  deliveries.map(({ notification }) => (notification.item as { n: number }).n);
const sorted = (values: readonly unknown[]): readonly number[] => values.map(Number).toSorted((a, b) => a - b);
/** Sends all that is due, and answers it. */
function answer(status: number | 'timeout'): number {
  const due = queue.due(now);
  for (const { id } of due)
    if (status === 200) queue.delivered(id);
    else queue.failed(id, status, now);
  return due.length;
}
const lost = (): object => queue.counts().lost;

describe('a delivery', () => {
  test('waits for its delay and is sent once', () => {
    queue.turn({ delayMs: [500, 500] });
    happen();
    expect(queue.nextDueAt()).toBe(start + 500);
    expect(queue.due(start + 499)).toEqual([]);
    expect(queue.due(start + 500)).toMatchObject([{ attempt: 1, first_sent_ms: start + 500 }]);
    expect(queue.due(start + 501)).toEqual([]);
    expect(queue.nextDueAt()).toBeUndefined();
    expect(queue.waiting()).toBe(1);
  });

  test.each([500, 404, 503, 'timeout'] as const)(
    'that fails with %s is sent once more after a minute, under its id, and then lost',
    (status) => {
      happen();
      const [first] = queue.due(now);
      if (first === undefined) throw new Error('nothing is due');
      queue.failed(first.id, status, now + 5_000);
      expect(queue.nextDueAt()).toBe(now + 5_000 + minute);
      now += 5_000 + minute;
      const [second] = queue.due(now);
      if (second === undefined) throw new Error('nothing is due');
      expect(second).toMatchObject({ notification: first.notification, attempt: 2, first_sent_ms: start });
      expect(notificationBody(second, 'w')).toMatchObject({ delivery_status: 'retry', delivery_attempts: 2 });
      queue.failed(second.id, status, now);
      expect(queue.nextDueAt()).toBeUndefined();
      expect(lost()).toEqual({ failed: 1 });
    },
  );

  test('is sent a third time where the platform does so', () => {
    queue.turn({ attempts: 3 });
    happen();
    for (const _ of [1, 2]) {
      answer(500);
      now += minute;
    }
    expect(answer(200)).toBe(1);
    expect(queue.counts()).toMatchObject({ attempts: 3, delivered: 1, lost: {} });
  });

  test('can be taken a few at a time', () => {
    happen(5);
    expect(numbers(queue.due(now, 2))).toEqual([0, 1]);
    expect(numbers(queue.due(now))).toEqual([2, 3, 4]);
  });

  test('reported twice counts once', () => {
    happen();
    const [delivery] = queue.due(now);
    queue.delivered(delivery?.id ?? 0);
    queue.failed(delivery?.id ?? 0, 500, now);
    expect(queue.waiting()).toBe(0);
    expect(queue.counts()).toMatchObject({ delivered: 1, lost: {} });
  });
});

describe('429', () => {
  test('holds back the whole subscription, for a minute and then twice as long each time, until something gets through', () => {
    happen(3);
    expect(answer(429)).toBe(3);
    happen();
    expect(queue.state(now)).toBe('throttled');
    for (const wait of [1, 2, 4]) {
      expect(queue.nextDueAt()).toBe(now + wait * minute);
      expect(queue.due(now + wait * minute - 1)).toEqual([]);
      now += wait * minute;
      expect(answer(429)).toBe(4);
    }
    now += 8 * minute;
    expect(answer(200)).toBe(4);
    happen();
    answer(429);
    expect(queue.nextDueAt()).toBe(now + minute);
    expect(lost()).toEqual({});
  });

  test('waits two hours at most, and loses what is older than that', () => {
    happen();
    for (let round = 0; round < 8; round += 1) {
      answer(429);
      now = queue.nextDueAt() ?? now;
    }
    expect(answer(200)).toBe(0);
    expect(lost()).toEqual({ throttled: 1 });
    happen();
    expect(answer(200)).toBe(1);
  });
});

describe('the subscription', () => {
  test('ends with 410: nothing that waits or happens is sent, until somebody sets it live', () => {
    happen(2);
    queue.turn({ delayMs: [1_000, 1_000] });
    happen();
    expect(answer(410)).toBe(2);
    expect(queue.state(now)).toBe('disabled');
    happen();
    queue.ping(now);
    now += 10 * minute;
    expect(queue.due(now)).toEqual([]);
    expect(lost()).toEqual({ disabled: 4 });
    queue.subscribe();
    happen();
    expect(numbers(queue.due(now + 1_000))).toEqual([0]);
  });

  test('pauses for 15 minutes after more than so many errors in a row, and what happens then is lost', () => {
    queue.turn({ pauseAfter: 3 });
    happen(4);
    answer(500);
    expect(queue.state(now)).toBe('paused');
    happen();
    expect(lost()).toEqual({ paused: 5 });
    now += 15 * minute;
    expect(queue.state(now)).toBe('live');
    happen();
    expect(answer(200)).toBe(1);
  });

  test('or what happens then is sent at its end', () => {
    queue.turn({ pauseAfter: 3, pauseDrops: false });
    happen(4);
    answer(500);
    happen();
    expect(queue.nextDueAt()).toBe(now + 15 * minute);
    now += 15 * minute;
    expect(answer(200)).toBe(5);
  });

  test('does not pause for errors that a success interrupts, or that are spread over more than 15 minutes', () => {
    queue.turn({ pauseAfter: 3, attempts: 1 });
    for (let round = 0; round < 4; round += 1) {
      happen(3);
      answer(500);
      happen();
      answer(200);
    }
    for (let round = 0; round < 8; round += 1) {
      happen();
      answer(500);
      expect(queue.state(now)).toBe('live');
      now += 6 * minute;
    }
  });

  test('is suspended after seven days of errors', () => {
    queue.turn({ attempts: 1 });
    for (let day = 0; day <= 7; day += 1) {
      happen();
      answer(503);
      expect(queue.state(now)).toBe('live');
      now += 24 * 60 * minute;
    }
    happen();
    answer(503);
    expect(queue.state(now)).toBe('suspended');
    happen();
    expect(lost()).toEqual({ failed: 8, suspended: 2 });
  });

  test('can be suspended by hand', () => {
    happen();
    queue.suspend();
    expect([queue.state(now), queue.due(now), lost()]).toEqual(['suspended', [], { suspended: 1 }]);
  });

  test('that is not there hears nothing; every other one gets pings, without an id', () => {
    queue.unsubscribe();
    happen();
    queue.ping(now);
    queue.suspend();
    expect([queue.state(now), queue.nextDueAt(), queue.counts().notified]).toEqual(['off', undefined, 0]);
    queue.subscribe(['contact.deleted']);
    happen();
    queue.ping(now);
    const [ping, ...more] = queue.due(now);
    if (ping === undefined) throw new Error('nothing is due');
    expect(more).toEqual([]);
    expect(notificationBody(ping, 'w')).toMatchObject({
      id: null,
      topic: 'ping',
      delivery_status: null,
      delivery_attempts: 1,
      data: { item: { type: 'ping' } },
    });
  });
});

describe('habits', () => {
  test('send late, twice, in disorder or not at all, by chance and the same for the same seed', () => {
    const habits = { delayMs: [10, 2_000], lateChance: 0.2, duplicateChance: 0.2, dropChance: 0.2 } as const;
    const run = (): readonly unknown[] => {
      queue = subscribed(habits);
      happen(200);
      const sent = [];
      for (now = start; queue.nextDueAt() !== undefined; now = queue.nextDueAt() ?? now) sent.push(...queue.due(now));
      return numbers(sent);
    };
    const first = run();
    const { dropped = 0 } = queue.counts().lost;
    expect(run()).toEqual(first);
    expect(new Set(first).size).toBe(200 - dropped);
    expect(first.length).toBeGreaterThan(200 - dropped);
    expect(first).not.toEqual(sorted(first));
  });

  test('turned one by one do not move the chances of the others', () => {
    const dropped = (more: Partial<DeliveryHabits>): readonly unknown[] => {
      queue = subscribed({ dropChance: 0.5, ...more });
      happen(50);
      return sorted(numbers(queue.due(start + 60 * minute)));
    };
    expect(dropped({ lateChance: 1 })).toEqual(dropped({}));
  });

  test('deliver a copy as another attempt of the same notification', () => {
    queue.turn({ duplicateChance: 1 });
    happen();
    const [first, copy] = queue.due(now);
    expect(copy).toMatchObject({ notification: first?.notification, attempt: 2 });
    expect(copy?.id).not.toBe(first?.id);
  });

  test('deliver what piled up newest first', () => {
    queue.turn({ newestFirst: true });
    happen(3);
    expect(numbers(queue.due(now, 2))).toEqual([2, 1]);
    expect(numbers(queue.due(now, 2))).toEqual([0]);
  });
});

test('whatever the endpoint answers, each notification and each copy is delivered, waiting or counted as lost', () => {
  const statuses = fc.constantFrom<number | 'timeout'>(200, 200, 200, 429, 500, 410, 'timeout');
  const step = fc.record({
    happen: fc.nat({ max: 3 }),
    status: statuses,
    wait: fc.constantFrom(0, 100, minute, 30 * minute),
    live: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.integer(), (steps, seed) => {
      now = start;
      queue = subscribed({ delayMs: [0, 3_000], dropChance: 0.1, lateChance: 0.1, pauseAfter: 4 }, seed);
      for (const { happen: count, status, wait, live } of steps) {
        if (live) queue.subscribe();
        happen(count);
        const nothingIsDue = (queue.nextDueAt() ?? Number.POSITIVE_INFINITY) > now;
        const sent = answer(status);
        expect(nothingIsDue && sent > 0).toBe(false);
        const { notified, delivered, lost: reasons } = queue.counts();
        const gone = Object.values(reasons).reduce((sum, n) => sum + n, 0);
        expect(delivered + gone + queue.waiting()).toBe(notified);
        now += wait;
      }
    }),
  );
});
