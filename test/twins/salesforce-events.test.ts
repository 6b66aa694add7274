import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Dml } from '../../twins/salesforce/dml.ts';
import { field } from '../../twins/salesforce/metadata.ts';
import { standardObjects } from '../../twins/salesforce/objects.ts';
import { eventLayout, eventSchema, fieldBitmaps } from '../../twins/salesforce/schema.ts';
import { decode, eventsOf, idOf, makeModel, namesIn, origin, start, take } from './salesforce-support.ts';

const create = (row: Record<string, unknown>, object = 'Contact'): Dml => ({ op: 'create', object, row });
const update = (id: string, row: Record<string, unknown>): Dml => ({ op: 'update', object: 'Contact', id, row });

const leaves = standardObjects.flatMap((object) => {
  const layout = eventLayout(object);
  return [
    {
      object,
      layout,
      names: layout.flatMap(({ field, parts }) => (field ? [field.name] : parts.map((part) => part.field.name))),
    },
  ];
});
const qualified = (layout: ReturnType<typeof eventLayout>, name: string): string => {
  for (const { name: top, field, parts } of layout) {
    if (field?.name === name) return name;
    const part = parts.find((candidate) => candidate.field.name === name);
    if (part) return `${top}.${part.name}`;
  }
  throw new Error(name);
};

describe('the bitmaps', () => {
  test('name exactly the fields meant, for any fields of any object', () => {
    for (const { object, layout, names } of leaves) {
      const { json } = eventSchema(object, 'switchable');
      fc.assert(
        fc.property(fc.uniqueArray(fc.constantFrom(...names)), (chosen) => {
          const read = namesIn(json, fieldBitmaps(layout, new Set(chosen)));
          expect(read.sort()).toEqual(chosen.map((name) => qualified(layout, name)).sort());
        }),
      );
    }
  });

  test('are upper-case whole bytes without a leading zero byte, the top level absent when nothing of it is named', () => {
    for (const { layout, names } of leaves) {
      fc.assert(
        fc.property(fc.uniqueArray(fc.constantFrom(...names)), (chosen) => {
          const bitmaps = fieldBitmaps(layout, new Set(chosen));
          for (const bitmap of bitmaps) expect(bitmap).toMatch(/^(\d+-)?0x(?!00)([0-9A-F]{2})+$/);
          const tops = chosen.filter((name) => !qualified(layout, name).includes('.'));
          expect(bitmaps.some((bitmap) => !bitmap.includes('-'))).toBe(tops.length > 0);
        }),
      );
    }
  });

  test('pass 64 bits', () => {
    const many = Array.from({ length: 60 }, (_, n) => field('string', `F${n}__c`, { length: 10 }));
    const [, contact] = standardObjects;
    if (contact === undefined) throw new Error('no Contact');
    const wide = { ...contact, fields: [...contact.fields, ...many] };
    const layout = eventLayout(wide);
    const last = layout.at(-1);
    expect(last?.position).toBeGreaterThan(90);
    const bitmaps = fieldBitmaps(layout, new Set(['AccountId', 'F59__c']));
    expect(namesIn(eventSchema(wide, 'string').json, bitmaps)).toEqual(['AccountId', 'F59__c']);
  });
});

describe('the schema', () => {
  test('has a 22-character id of its content, in the text again as uuid', () => {
    for (const object of standardObjects) {
      const { id, json } = eventSchema(object, 'switchable');
      expect(id).toMatch(/^[A-Za-z0-9_-]{22}$/);
      expect(JSON.parse(json)).toMatchObject({ uuid: id, namespace: 'com.sforce.eventbus' });
    }
  });

  test('spells Address out once and refers to it by name from then on', () => {
    const [account] = standardObjects;
    const { json } = account ? eventSchema(account, 'switchable') : { json: '' };
    expect(json.match(/"name":"Address"/g)).toHaveLength(1);
    expect(json).toContain('"type":["null","Address"]');
    expect(json).toContain('"type":["null","string",{"name":"Switchable_PersonName"');
  });
});

describe('a change event', () => {
  test('of a creation carries every field and names none as changed', () => {
    const org = makeModel();
    const [id = ''] = take(
      org,
      start,
      create({
        LastName: 'Byron',
        FirstName: 'Ada',
        MailingCity: 'Leeds',
        Renewal_Date__c: '2026-02-03',
        Score__c: 1.5,
        NewsLetter__c: true,
      }),
    );
    const [event] = eventsOf(org.model, start);
    expect(event?.value.ChangeEventHeader).toMatchObject({
      entityName: 'Contact',
      recordIds: [id],
      changeType: 'CREATE',
      changeOrigin: origin,
      commitUser: org.model.personUserId,
      changedFields: [],
      nulledFields: [],
      diffFields: [],
    });
    expect(event?.value).toMatchObject({
      Name: { FirstName: 'Ada', LastName: 'Byron', Salutation: null },
      MailingAddress: { City: 'Leeds', Street: null },
      OtherAddress: null,
      Renewal_Date__c: BigInt(Date.UTC(2026, 1, 3)),
      Score__c: 1.5,
      Newsletter__c: true,
      DoNotCall: false,
    });
  });

  test('can spell false as null in a creation, as some orgs do', () => {
    const org = makeModel({ habits: { nullBooleans: true } });
    take(org, start, create({ LastName: 'A', DoNotCall: true }));
    expect(eventsOf(org.model, start)[0]?.value).toMatchObject({ DoNotCall: true, HasOptedOutOfFax: null });
  });

  test('of an update carries what changed and nothing else; cleared fields are named twice', () => {
    const org = makeModel();
    const [id = ''] = take(
      org,
      start,
      create({ LastName: 'A', Phone: '1', MailingCity: 'Leeds', MailingPostalCode: 'LS1', Title: 'T' }),
    );
    take(
      org,
      start + 5000,
      update(id, { Phone: null, MailingCity: 'York', MailingPostalCode: '', Title: 'T', FirstName: 'F' }),
    );
    const [, event] = eventsOf(org.model, start + 5000);
    const header = event?.value.ChangeEventHeader;
    expect(header?.changeType).toBe('UPDATE');
    expect(namesIn(event?.json ?? '', header?.changedFields ?? [])).toEqual([
      'Phone',
      'LastModifiedDate',
      'Name.FirstName',
      'MailingAddress.City',
      'MailingAddress.PostalCode',
    ]);
    expect(namesIn(event?.json ?? '', header?.nulledFields ?? [])).toEqual(['Phone', 'MailingAddress.PostalCode']);
    expect(event?.value).toMatchObject({ Title: null, Phone: null, Name: { FirstName: 'F', LastName: null } });
  });

  test('names the modifier only when another one was there before', () => {
    const org = makeModel();
    const [id = ''] = take(org, start, create({ LastName: 'A' }));
    take(org, start, update(id, { Title: 'B' }));
    take({ ...org, caller: { ...org.caller, userId: org.model.integrationUserId } }, start, update(id, { Title: 'C' }));
    const named = eventsOf(org.model, start).map(({ json, value }) =>
      namesIn(json, value.ChangeEventHeader.changedFields),
    );
    expect(named.map((names) => names.includes('LastModifiedById'))).toEqual([false, false, true]);
  });

  test('is in whole seconds, its commit number past what a double holds', () => {
    const org = makeModel();
    take(org, start, create({ LastName: 'A' }));
    const header = eventsOf(org.model, start)[0]?.value.ChangeEventHeader;
    expect(header?.commitTimestamp).toBe(BigInt(start - (start % 1000)));
    expect(header?.commitNumber).toBeGreaterThan(2n ** 53n);
  });

  test('does not come where nothing changed', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ Title: fc.constantFrom('A', ' A ', 'B', '', null), Seats__c: fc.constantFrom(1, 1.2, null) }),
          { minLength: 1, maxLength: 12 },
        ),
        (rows) => {
          const org = makeModel();
          const [id = ''] = take(org, start, create({ LastName: 'X' }));
          let effective = 1;
          rows.forEach((row, n) => {
            const [result] = org.model.execute([update(id, row)], org.caller, start + n * 1000);
            if (result?.success && result.changed) effective += 1;
            expect(org.model.bus.size).toBe(effective);
          });
        },
      ),
    );
  });

  test('of a deletion is a header; an undeletion carries the record again', () => {
    const org = makeModel();
    const [id = ''] = take(org, start, create({ LastName: 'A', Title: 'T' }));
    take(org, start, { op: 'delete', object: 'Contact', id }, { op: 'undelete', object: 'Contact', id });
    const [, deletion, undeletion] = eventsOf(org.model, start).map(({ value }) => value);
    const { ChangeEventHeader, ...body } = deletion ?? {};
    expect(ChangeEventHeader).toMatchObject({ changeType: 'DELETE', recordIds: [id], changedFields: [] });
    expect(Object.values(body).every((value) => value === null)).toBe(true);
    expect(undeletion).toMatchObject({ ChangeEventHeader: { changeType: 'UNDELETE', changedFields: [] }, Title: 'T' });
  });
});

describe('a transaction', () => {
  test('tells one event per record: the final state, and nothing of what came and went', () => {
    const { model, caller } = makeModel();
    const [account] = model.execute([create({ Name: 'Acme' }, 'Account')], caller, start);
    const contact = idOf(model.execute([create({ LastName: 'A' })], caller, start)[0]);
    const before = model.bus.size;
    model.execute(
      [
        update(contact, { Title: 'B' }),
        update(contact, { Title: 'C', AccountId: idOf(account) }),
        update(contact, { Phone: '1' }),
      ],
      caller,
      start,
    );
    const [event, ...more] = eventsOf(model, start).slice(before);
    expect(more).toEqual([]);
    expect(event?.value).toMatchObject({ Title: 'C', Phone: '1', AccountId: idOf(account) });
    expect(namesIn(event?.json ?? '', event?.value.ChangeEventHeader.changedFields ?? [])).toEqual([
      'AccountId',
      'Phone',
      'Title',
      'LastModifiedDate',
    ]);
    model.execute([update(contact, { Title: 'D' }), update(contact, { Title: 'C' })], caller, start + 1);
    expect(model.bus.size).toBe(before + 1);
  });

  test('shares its key and counts from one', () => {
    const { model, caller } = makeModel();
    model.execute(
      [create({ Name: 'Acme' }, 'Account'), create({ LastName: 'A' }), create({ LastName: 'B' })],
      caller,
      start,
    );
    const headers = eventsOf(model, start).map(({ value }) => value.ChangeEventHeader);
    expect(headers.map(({ sequenceNumber }) => sequenceNumber)).toEqual([1, 2, 3]);
    expect(new Set(headers.map(({ transactionKey }) => transactionKey)).size).toBe(1);
  });

  test.each([true, false])(
    'several records that change alike share an event where events are merged: %s',
    (mergeEvents) => {
      const org = makeModel({ habits: { mergeEvents } });
      const ids = take(org, start, create({ LastName: 'A' }), create({ LastName: 'B' }), create({ LastName: 'C' }));
      const rows = ids.map((id, n) => update(id, { Title: n === 2 ? 'Other' : 'Same' }));
      org.model.execute(rows, org.caller, start);
      const updates = eventsOf(org.model, start)
        .slice(3)
        .map(({ value }) => value.ChangeEventHeader.recordIds);
      const [a = '', b = '', c = ''] = ids;
      expect(updates).toEqual(mergeEvents ? [[a, b], [c]] : [[a], [b], [c]]);
    },
  );
});

describe('the bus', () => {
  test('starts strictly after the id given, whichever that is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.nat(), fc.integer({ min: 1, max: 9 }), (count, pick, limit) => {
        const org = makeModel();
        for (let n = 0; n < count; n++) take(org, start + n, create({ LastName: `L${n}` }));
        const all = eventsOf(org.model, start + count);
        const at = pick % all.length;
        const seen: string[] = [];
        for (let cursor = org.model.bus.open('CUSTOM', all[at]?.replayId ?? Buffer.alloc(0), start + count); ; ) {
          const { events, cursor: next } = org.model.bus.read(cursor ?? 0n, () => true, limit, start + count);
          if (events.length === 0) break;
          seen.push(...events.map(({ eventId }) => eventId));
          cursor = next;
        }
        expect(seen).toEqual(all.slice(at + 1).map(({ eventId }) => eventId));
      }),
    );
  });

  test('gives ten opaque bytes that grow with gaps', () => {
    const org = makeModel();
    for (let n = 0; n < 50; n++) take(org, start, create({ LastName: `L${n}` }));
    const ids = eventsOf(org.model, start).map(({ replayId }) => replayId);
    expect(ids.every((id) => id.length === 10)).toBe(true);
    const steps = ids.slice(1).map((id, n) => id.readBigUInt64BE() - (ids[n]?.readBigUInt64BE() ?? 0n));
    expect(steps.every((step) => step > 0n)).toBe(true);
    expect(steps.some((step) => step > 1n)).toBe(true);
  });

  test('takes the id of a keepalive, beyond the last event, as a place to go on from', () => {
    const org = makeModel();
    take(org, start, create({ LastName: 'A' }));
    const tip = org.model.bus.tip(start);
    take(org, start, create({ LastName: 'B' }));
    const cursor = org.model.bus.open('CUSTOM', tip, start);
    expect(org.model.bus.read(cursor ?? 0n, () => true, 9, start).events).toHaveLength(1);
  });

  test.each<[string, (id: Buffer) => Buffer, number, boolean]>([
    ['an id never given out', (id) => Buffer.from(id).fill(0xff, 4, 8), 0, false],
    ['eight bytes instead of ten', (id) => id.subarray(0, 8), 0, false],
    ['an id older than the retention', (id) => id, 72 * 3_600_000 + 1, false],
    ['an id of before a reset', (id) => id, 0, true],
  ])('refuses %s', (_, change, later, reset) => {
    const org = makeModel();
    take(org, start, create({ LastName: 'A' }));
    const id = eventsOf(org.model, start)[0]?.replayId ?? Buffer.alloc(0);
    expect(org.model.bus.open('CUSTOM', id, start)).toBeDefined();
    if (reset) org.model.bus.reset();
    expect(org.model.bus.open('CUSTOM', change(id), start + later)).toBeUndefined();
  });

  test('repeats an event under the same event id and a new replay id', () => {
    const org = makeModel();
    take(org, start, create({ LastName: 'A' }));
    org.model.bus.redeliver(1, start);
    const [first, second] = eventsOf(org.model, start);
    expect(second?.eventId).toBe(first?.eventId);
    expect(second?.payload).toEqual(first?.payload);
    expect(second?.replayId).not.toEqual(first?.replayId);
  });

  test('goes on under a new schema when a field is added, and the positions behind it move', () => {
    const org = makeModel();
    const [id = ''] = take(org, start, create({ LastName: 'A' }));
    take(org, start, update(id, { Level__c: 'Primary' }));
    org.model.addField('Contact', field('string', 'Nickname__c', { length: 40 }), start);
    take(org, start, update(id, { Level__c: 'Secondary', Nickname__c: 'Al' }));
    const [, before, after] = eventsOf(org.model, start);
    expect(after?.schemaId).not.toBe(before?.schemaId);
    const names = (event = before) => namesIn(event?.json ?? '', event?.value.ChangeEventHeader.changedFields ?? []);
    expect(names(before)).toEqual(['LastModifiedDate', 'Level__c']);
    expect(names(after)).toEqual(['LastModifiedDate', 'Nickname__c', 'Level__c']);
    expect(after?.value.ChangeEventHeader.changedFields).not.toEqual(before?.value.ChangeEventHeader.changedFields);
    expect(
      decode(org.model.schema(before?.schemaId ?? '')?.json ?? '', before?.payload ?? Buffer.alloc(0))['Level__c'],
    ).toBe('Primary');
  });

  test('carries gap events: a header with real ids and no body', () => {
    const org = makeModel();
    const [id = ''] = take(org, start, create({ LastName: 'A' }));
    const contact = org.model.object('Contact');
    if (contact) org.model.gap(contact, [id], 'GAP_UPDATE', start);
    const value = eventsOf(org.model, start)[1]?.value;
    expect(value?.ChangeEventHeader).toMatchObject({
      changeType: 'GAP_UPDATE',
      recordIds: [id],
      changedFields: [],
      changeOrigin: '',
    });
    expect(value?.['LastName']).toBeUndefined();
    expect(value?.['Name']).toBeNull();
  });
});
