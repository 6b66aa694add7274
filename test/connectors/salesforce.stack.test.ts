import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TributaryError } from '../../core/errors.ts';
import type { KafkaAccess, SafeProducer } from '../../core/kafka.ts';
import type { Certificate } from '../../schemas/types.ts';
import type { SalesforceTwin } from '../../twins/salesforce/server.ts';
import { Harness, latest, person } from './salesforce-harness.ts';

let harness: Harness;
let twin: SalesforceTwin;

beforeEach(async () => {
  harness = await Harness.open();
  twin = await harness.twin();
});
afterEach(async () => {
  await harness.close();
});

const contacts = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ LastName: `Person${n}`, Email: `person${n}@example.com`, Phone: '0' }));

async function load(count: number): Promise<readonly string[]> {
  const { Contact } = (await person(twin, 'load', { Contact: contacts(count) })) as { Contact: readonly string[] };
  return Contact;
}

async function edit(...rows: readonly object[]): Promise<void> {
  const results = (await person(twin, 'transaction', { rows })) as readonly { success: boolean }[];
  expect(results).toMatchObject(rows.map(() => ({ success: true })));
}

/** What a certificate has to count, by the twin's own rows. */
function countsOf(certificate: Certificate | undefined) {
  const { since = 0, method = 'all' } = certificate ?? {};
  const objects = method === 'all' ? ['Contact'] : ['User', 'Account', 'Contact'];
  const overlap = 600_000;
  const rows = objects
    .flatMap((name) => [...twin.model.store.all(name)])
    .map(({ deleted, values }) => ({ deleted, modified: Number(values['SystemModstamp'] ?? 0) }))
    .filter(({ modified }) => method === 'all' || modified >= since - overlap);
  const inIt = rows.filter(({ modified }) => modified >= since);
  const deleted = inIt.filter((row) => row.deleted).length;
  return { method, read: rows.length, changed: inIt.length - deleted, deleted };
}

const setPhone = (id: string, phone: string) => edit({ op: 'update', object: 'Contact', id, row: { Phone: phone } });

const ref = (id: string): string => `salesforce:Contact:${id}`;

/** Phones told by events, in the order of the raw topic. */
async function phonesTold(): Promise<readonly unknown[]> {
  const events = (await harness.observations()).filter(({ via }) => via === 'event');
  return events.map(({ fields }) => fields['Phone']).filter((phone) => phone !== undefined);
}

async function expectToldEverything(ids: readonly string[]): Promise<void> {
  const object = twin.model.object('Contact');
  if (object === undefined) throw new Error('no Contact');
  const told = latest(await harness.observations());
  for (const id of ids) {
    expect([id, told.get(ref(id))?.['Phone']]).toEqual([id, twin.model.record(object, id)?.values['Phone']]);
  }
}

describe('the first start', () => {
  test('reads every row, then goes on live; what is edited in between is not lost', async () => {
    const ids = await load(700);
    const connector = harness.start(harness.config(twin));
    let edits = 0;
    // Edits from before the subscription to after the snapshot.
    while ((await harness.marks('snapshotComplete')).length === 0) {
      await setPhone(ids[edits % ids.length] ?? '', `edit ${edits}`);
      edits += 1;
    }
    await setPhone(ids[0] ?? '', 'last');
    await harness.until(async () => expect(await phonesTold()).toContain('last'));
    await expectToldEverything(ids);
    expect(connector.ready()).toBe(true);
    const rows = (await harness.observations()).filter(({ via, ref: of }) => via === 'read' && of.includes('Contact'));
    expect(new Set(rows.map((row) => row.ref)).size).toBe(700);
    expect(rows).toHaveLength(700);
    expect(rows.every(({ whole, modified }) => whole && modified !== null)).toBe(true);
  });

  test('says that it is current only once the snapshot is in raw, and then ever later', async () => {
    await load(5);
    harness.start(harness.config(twin));
    await harness.until(async () => {
      const marks = (await harness.changes()).flatMap(({ mark }) => mark ?? []);
      expect(marks.filter(({ upTo }) => upTo > 0).length).toBeGreaterThan(2);
    });
    const marks = (await harness.changes()).flatMap(({ mark }) => mark ?? []);
    const complete = marks.findIndex(({ kind }) => kind === 'snapshotComplete');
    expect(complete).toBeGreaterThanOrEqual(0);
    expect(marks.slice(0, complete + 1).every(({ upTo }) => upTo === 0)).toBe(true);
    const claims = marks.map(({ upTo }) => upTo);
    expect(claims).toEqual([...claims].sort((a, b) => a - b));
    expect(claims.at(-1)).toBeLessThanOrEqual(twin.now());
  });
});

describe('the live stream', () => {
  test('tells each edit once and in order through dropped streams, repeated events and expired tokens', async () => {
    const ids = await load(3);
    harness.start(harness.config(twin));
    await harness.untilSnapshot();
    const wanted: string[] = [];
    const faults = [
      { kind: 'stream-drop' },
      { kind: 'redeliver', count: 5 },
      { kind: 'token-expire' },
      { kind: 'stream-drop', code: 'service.auth.error' },
      { kind: 'redeliver', count: 20 },
    ];
    for (const [round, fault] of faults.entries()) {
      for (let n = 0; n < 150; n++) {
        const phone = `${round}/${n}`;
        wanted.push(phone);
        await setPhone(ids[n % ids.length] ?? '', phone);
        if (n === 75) await person(twin, 'faults', fault);
      }
    }
    await harness.until(async () => expect(await phonesTold()).toContain(wanted.at(-1)), 40_000);
    expect(await phonesTold()).toEqual(wanted);
  });

  test('goes on from what stands in raw when it goes down between an acknowledgement and its next request', async () => {
    const ids = await load(2);
    const falling = fallingAfterEvents(harness.kafka, 3);
    harness.start(harness.config(twin), falling.kafka);
    await harness.untilSnapshot();
    const wanted: string[] = [];
    for (let round = 1; round <= 3; round++) {
      for (let n = 0; n < 20; n++) {
        wanted.push(`${round}/${n}`);
        await setPhone(ids[n % 2] ?? '', `${round}/${n}`);
      }
      await harness.until(() => expect(falling.falls()).toBe(round));
    }
    await harness.until(async () => expect(await phonesTold()).toContain(wanted.at(-1)));
    expect(await phonesTold()).toEqual(wanted);
  });

  test('passes a new revision of a schema through, and its fields are read right', async () => {
    const [id = ''] = await load(1);
    harness.start(harness.config(twin));
    await harness.untilSnapshot();
    await setPhone(id, 'before');
    await person(twin, 'faults', {
      kind: 'add-field',
      object: 'Contact',
      name: 'Added__c',
      type: 'string',
      length: 20,
    });
    await edit({ op: 'update', object: 'Contact', id, row: { Phone: 'after', Level__c: 'Primary' } });
    await harness.until(async () => expect(await phonesTold()).toEqual(['before', 'after']));
    expect(latest(await harness.observations()).get(ref(id))).toMatchObject({ Level__c: 'Primary' });
  });

  test('dead-letters an event whose schema Salesforce does not know, with its bytes, and goes on', async () => {
    const [id = ''] = await load(1);
    harness.start(harness.config(twin));
    await harness.untilSnapshot();
    const schema = vi.spyOn(twin.model, 'schema').mockReturnValue(undefined);
    await setPhone(id, 'unreadable');
    await harness.until(async () => expect(await harness.deadLetters()).toHaveLength(1));
    schema.mockRestore();
    await setPhone(id, 'readable');
    await harness.until(async () => expect(await phonesTold()).toEqual(['readable']));
    const [letter] = await harness.deadLetters();
    expect(letter).toMatchObject({ stage: 'connectors', code: 'SCHEMA_UNKNOWN', topic: 'salesforce.raw' });
    expect(letter?.original?.includes('unreadable')).toBe(true);
  });

  test('reads a record again of which Salesforce says only that it changed', async () => {
    const [id = ''] = await load(1);
    harness.start(harness.config(twin));
    await harness.untilSnapshot();
    await person(twin, 'faults', { kind: 'gap', ids: [id] });
    await harness.until(async () => {
      const ops = (await harness.observations()).filter((one) => one.ref === ref(id)).map(({ op, via }) => [op, via]);
      expect(ops).toEqual([
        ['seen', 'read'],
        ['gap', 'event'],
        ['seen', 'read'],
      ]);
    });
    await harness.until(async () => {
      const certificates = (await harness.changes()).flatMap(({ mark }) => mark?.certificate ?? []);
      expect(certificates).toMatchObject([
        { hole: 'gaps of Contact', method: 'named', read: 1, changed: 1, deleted: 0 },
      ]);
    });
  });

  test.each([
    ['a replay id that is lost', { kind: 'expire-replay' }],
    ['an overflow', { kind: 'overflow', object: 'Contact' }],
  ])('after %s tells a hole, reads again what was missed, and closes it', async (_, fault) => {
    const ids = await load(4);
    const first = harness.start(harness.config(twin));
    await harness.untilSnapshot();
    await setPhone(ids[0] ?? '', 'told');
    await harness.until(async () => expect(await phonesTold()).toContain('told'));
    await first.stop();
    await setPhone(ids[1] ?? '', 'missed');
    await edit({ op: 'delete', object: 'Contact', id: ids[2] });
    await person(twin, 'faults', fault);
    harness.start(harness.config(twin));
    await harness.until(async () => expect(await harness.marks('holeClosed')).toHaveLength(1));
    const [opened] = await harness.marks('holeOpen');
    const [closed] = await harness.marks('holeClosed');
    expect(closed?.detail).toBe(opened?.detail);
    const certificates = (await harness.changes()).flatMap(({ mark }) => mark?.certificate ?? []);
    expect(certificates).toHaveLength(1);
    expect(certificates[0]).toMatchObject({ hole: opened?.detail, ...countsOf(certificates[0]) });
    await setPhone(ids[3] ?? '', 'later');
    await harness.until(async () => expect(await phonesTold()).toContain('later'));
    await expectToldEverything(ids.filter((id) => id !== ids[2]));
    const gone = (await harness.observations()).filter((one) => one.ref === ref(ids[2] ?? ''));
    expect(gone.at(-1)?.op).toBe('deleted');
  });

  test('pauses when the org may be sent no more events, says by when some are free, and then loses none', async () => {
    const [id = ''] = await load(1);
    const connector = harness.start(harness.config(twin));
    await harness.untilSnapshot();
    await setPhone(id, 'one');
    await harness.until(async () => expect(await phonesTold()).toEqual(['one']));
    await person(twin, 'deliveries', { limit: 2 });
    await setPhone(id, 'two');
    await setPhone(id, 'three');
    await harness.until(() => expect(connector.why()).toMatch(/^paused: .* free by \d{4}-\d\d-\d\dT/));
    expect([connector.ready(), await phonesTold()]).toEqual([false, ['one', 'two']]);
    await person(twin, 'deliveries', { limit: 1_000 });
    await harness.until(async () => expect(await phonesTold()).toEqual(['one', 'two', 'three']));
    await harness.until(() => expect(connector.ready()).toBe(true));
    expect(await harness.marks('holeOpen')).toEqual([]);
  });

  test('has one subscriber; when it stops, the other takes over', async () => {
    const [id = ''] = await load(1);
    const first = harness.start(harness.config(twin));
    await harness.untilSnapshot();
    harness.start(harness.config(twin));
    await setPhone(id, 'one');
    await harness.until(async () => expect(await phonesTold()).toEqual(['one']));
    await first.stop();
    await setPhone(id, 'two');
    await harness.until(async () => expect(await phonesTold()).toEqual(['one', 'two']));
    expect(await harness.marks('snapshotComplete')).toHaveLength(1);
  });
});

describe('is refused at start', () => {
  test('with wrong credentials', async () => {
    const connector = harness.start(harness.config(twin, 'wrong'));
    expect(await connector.ended).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
  });

  test('in another org than the one of the first start', async () => {
    const first = harness.start(harness.config(twin));
    await harness.untilSnapshot();
    await first.stop();
    const other = await harness.twin({ seed: 2, orgId: '00D000000000ZZZEA2' });
    const connector = harness.start(harness.config(other));
    expect(await connector.ended).toMatchObject({ code: 'PLATFORM_OTHER_ORG', field: 'salesforce.orgId' });
  });

  test('with a mapping that names a field Salesforce does not have', async () => {
    const config = harness.config(twin);
    const { customer } = config.entities;
    const fields = [...customer.fields, { canonical: 'shoe', type: 'text', salesforce: 'Shoe__c', fillIfEmpty: false }];
    const wrong = { ...config, entities: { ...config.entities, customer: { ...customer, fields } } };
    const connector = harness.start(wrong as typeof config);
    expect(await connector.ended).toMatchObject({
      code: 'MAPPING_UNKNOWN_FIELD',
      field: 'Shoe__c',
      message: expect.stringContaining('Contact.Shoe__c, which entities.customer.fields (shoe) names'),
    });
  });
});

test('Salesforce away at start and later is waited for, without loss', async () => {
  const [id = ''] = await load(1);
  await person(twin, 'faults', { kind: 'http', match: 'GET /userinfo', status: 503, times: 2 });
  await person(twin, 'faults', { kind: 'http', match: 'GET /query', status: 503, times: 1 });
  const connector = harness.start(harness.config(twin));
  await harness.untilSnapshot();
  await person(twin, 'faults', { kind: 'stream-drop', code: 'service.unavailable' });
  await setPhone(id, 'told');
  await harness.until(async () => expect(await phonesTold()).toEqual(['told']));
  await harness.until(() => expect(connector.ready()).toBe(true));
});

/** Each of the first sends with events is acknowledged and the answer lost: all that is in memory is given up. */
function fallingAfterEvents(kafka: KafkaAccess, times: number) {
  let fallen = 0;
  const falling: KafkaAccess = {
    ...kafka,
    producer: async (signal): Promise<SafeProducer> => {
      const producer = await kafka.producer(signal);
      return {
        close: () => producer.close(),
        send: async (records) => {
          await producer.send(records);
          if (fallen === times || !records.some(({ headers }) => headers?.['event-id'] !== undefined)) return;
          fallen += 1;
          throw new TributaryError('KAFKA_UNAVAILABLE', 'the answer was lost');
        },
      };
    },
  };
  return { kafka: falling, falls: () => fallen };
}
