import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  changeEventHeader,
  decodeSalesforce,
  hidesConversion,
  presentChangeEvent,
  rowFields,
  unreachedBits,
} from '../../../processors/decode/salesforce.ts';
import { eventSchema, expandBitmaps } from '../../../processors/decode/salesforce-schema.ts';
import type { Change, Observation, RawRecord } from '../../../schemas/types.ts';
import {
  accountSchema,
  bitmap,
  contactSchema,
  type EventParts,
  emptyHeader,
  encodeEvent,
  eventValue,
  recordSchema,
} from './change-events.ts';

const at = (offset: number) => ({ topic: 'salesforce.raw', partition: 0, offset, index: 0 });

function decode(parts: EventParts, schema: object = contactSchema, offset = 7): readonly Change[] {
  const value = eventValue(schema as typeof contactSchema, parts);
  return decodeSalesforce({ form: 'event', schema, value }, at(offset));
}

function only(changes: readonly Change[]): Observation {
  expect(changes).toHaveLength(1);
  const observation = changes[0]?.observation;
  if (observation == null) throw new Error('no observation');
  return observation;
}

describe('an UPDATE', () => {
  it('tells the changed fields in REST spelling and nothing else', () => {
    const { fields, whole, op } = only(
      decode({
        header: { changedFields: [bitmap([6, 7, 10, 11, 12, 13]), '2-0x02', '4-0x03'] },
        body: {
          Email: 'ada@example.com',
          Birthdate: 1_719_705_600_000n,
          LastModifiedDate: 1_772_615_722_123n,
          Languages__c: 'Welsh;English',
          Opens__c: 32_706_007n,
          Seats__c: 3.5,
          Name: { Salutation: null, FirstName: 'Ada', LastName: null },
          MailingAddress: {
            Street: '1 High St',
            City: 'Leeds',
            State: null,
            PostalCode: null,
            Country: null,
            Latitude: null,
          },
        },
      }),
    );
    expect({ fields, whole, op }).toEqual({
      op: 'seen',
      whole: false,
      fields: {
        Email: 'ada@example.com',
        Birthdate: '2024-06-30',
        LastModifiedDate: '2026-03-04T09:15:22.123+0000',
        Languages__c: ['English', 'Welsh'],
        Opens__c: '09:05:06.007Z',
        Seats__c: 3.5,
        FirstName: 'Ada',
        MailingStreet: '1 High St',
        MailingCity: 'Leeds',
      },
    });
  });

  it('says of what is no finite number that there is no value', () => {
    for (const Seats__c of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { fields } = only(decode({ header: { changedFields: [bitmap([13])] }, body: { Seats__c } }));
      expect(fields).toEqual({ Seats__c: null });
    }
  });

  it('says null only for a changed field without a value', () => {
    const { fields } = only(
      decode({
        header: { changedFields: [bitmap([5]), '3-0x08'], nulledFields: [bitmap([5]), '3-0x08'] },
        body: { Email: 'unchanged@example.com' },
      }),
    );
    expect(fields).toEqual({ Phone: null, OtherPostalCode: null });
  });

  it('understands a nested bitmap that stands alone', () => {
    const { fields } = only(
      decode({
        header: { changedFields: ['14-0x02'] },
        body: { Place__c: { Latitude: 53.8, Longitude: -1.5 } },
      }),
    );
    expect(fields).toEqual({ Place__Longitude__s: -1.5 });
  });

  it('clears every part when a whole compound is nulled by its own bit', () => {
    const { fields } = only(decode({ header: { changedFields: [bitmap([14])], nulledFields: [bitmap([14])] } }));
    expect(fields).toEqual({ Place__Latitude__s: null, Place__Longitude__s: null });
  });

  it('calls a field sent as a text difference unknown instead of believing the difference', () => {
    const observation = only(
      decode({
        header: { changedFields: [bitmap([5, 8])], diffFields: [bitmap([8])] },
        body: { Phone: '1', Description: '--- \n+++ abc\n@@ -1,1 +1,1 @@\n-a\n+b' },
      }),
    );
    expect(observation.fields).toEqual({ Phone: '1' });
    expect(observation.unknown).toEqual(['Description']);
  });

  it('reads the string branch of Account.Name as Name, the record branch as its parts', () => {
    const account = { entityName: 'Account', recordIds: ['001Dp00000D7e8FIAR'] };
    const company = decode({ header: { ...account, changedFields: ['0x02'] }, body: { Name: 'Hooli' } }, accountSchema);
    expect(only(company).fields).toEqual({ Name: 'Hooli' });
    const person = decode(
      {
        header: { ...account, changedFields: ['1-0x06'] },
        body: { Name: { Salutation: null, FirstName: 'Ada', LastName: 'Byron' } },
      },
      accountSchema,
    );
    expect(only(person).fields).toEqual({ FirstName: 'Ada', LastName: 'Byron' });
  });

  it('counts bits that its schema does not reach, and keeps the rest', () => {
    const parts = { header: { changedFields: [bitmap([5, 15, 99]), '4-0x0100'] }, body: { Phone: '1' } };
    const header = changeEventHeader(eventValue(contactSchema, parts));
    expect(unreachedBits(eventSchema(contactSchema), header)).toBe(3);
    expect(only(decode(parts)).fields).toEqual({ Phone: '1' });
  });

  it('refuses what is not a bitmap', () => {
    expect(() => decode({ header: { changedFields: ['Email'] } })).toThrow(/not a bitmap/);
  });
});

describe('whole records', () => {
  const body = { Email: 'ada@example.com', Name: { Salutation: null, FirstName: null, LastName: 'Byron' } };

  it('CREATE tells every field; an empty checkbox is false', () => {
    const observation = only(decode({ header: { changeType: 'CREATE' }, body }));
    expect(observation).toMatchObject({ op: 'seen', whole: true, created: true });
    expect(observation.fields).toMatchObject({
      Email: 'ada@example.com',
      LastName: 'Byron',
      FirstName: null,
      HasOptedOutOfEmail: false,
      MailingCity: null,
    });
  });

  it('UNDELETE with a body is whole; without one it tells nothing', () => {
    expect(only(decode({ header: { changeType: 'UNDELETE' }, body }))).toMatchObject({
      op: 'undeleted',
      whole: true,
      created: false,
    });
    expect(only(decode({ header: { changeType: 'UNDELETE' } }))).toMatchObject({
      op: 'undeleted',
      whole: false,
      fields: {},
    });
  });

  it.each([
    ['DELETE', 'deleted'],
    ['GAP_DELETE', 'deleted'],
    ['GAP_CREATE', 'gap'],
    ['GAP_UPDATE', 'gap'],
    ['GAP_UNDELETE', 'gap'],
  ])('%s is %s and tells no values', (changeType, op) => {
    expect(only(decode({ header: { changeType } }))).toMatchObject({ op, whole: false, fields: {} });
  });
});

describe('the header', () => {
  it('gives ref, position, origin, user and transaction; one change per record id', () => {
    const ids = ['003Dp00000A1b2CIAR', '003Dp00000A1b2DIAR', '003Dp00000A1b2EIAR'];
    const changes = decode(
      {
        header: {
          recordIds: ids,
          changeOrigin: 'com/salesforce/api/soap/66.0;client=SfdcInternalAPI/',
          changedFields: ['0x20'],
        },
        body: { Phone: '1' },
      },
      contactSchema,
      7,
    );
    expect(changes.map((change) => change.observation?.ref)).toEqual(ids.map((id) => `salesforce:Contact:${id}`));
    expect(changes.map((change) => change.source?.index)).toEqual([0, 1, 2]);
    expect(changes[2]?.observation).toMatchObject({
      via: 'event',
      at: { time: 1_772_615_722_000, seq: 7 * 1024 + 2, second: true },
      modified: null,
      origin: 'SfdcInternalAPI',
      by: emptyHeader.commitUser,
      transaction: emptyHeader.transactionKey,
    });
  });

  it.each([
    ['', null],
    ['com/salesforce/api/rest/67.0', null],
    ['com/salesforce/api/rest/67.0;client=tributary', 'tributary'],
    ['com/salesforce/api/soap/66.0;client=devconsole/', 'devconsole'],
  ])('origin of %j is %j', (changeOrigin, origin) => {
    expect(only(decode({ header: { changeOrigin } })).origin).toBe(origin);
  });

  it.each(['000000000000000AAA', '001*'])('an event for %s opens a hole, for it names no record', (id) => {
    const [change] = decode({ header: { changeType: 'GAP_OVERFLOW', recordIds: [id] } });
    expect(change).toMatchObject({
      kind: 'mark',
      observation: null,
      mark: { platform: 'salesforce', kind: 'holeOpen', upTo: 1_772_615_722_000 },
    });
    expect(change?.mark?.detail).toContain('Contact GAP_OVERFLOW');
  });
});

describe('an event of a conversion', () => {
  const leadSchema = recordSchema('LeadChangeEvent', [
    { name: 'Status', type: ['null', 'string'], default: null, doc: 'Data:Enum' },
    { name: 'IsConverted', type: ['null', 'boolean'], default: null, doc: 'Data:Boolean' },
    { name: 'ConvertedContactId', type: ['null', 'string'], default: null, doc: 'ForeignKey:EntityId' },
  ]);
  const lead = { entityName: 'Lead', recordIds: ['00QDp00000C5d6EIAR'], changedFields: [bitmap([1, 2, 3])] };
  const event = (body: EventParts['body']) => ({ header: lead, body: { Status: 'Closed', ...body } });

  it('says as which Contact the Lead lives on', () => {
    const parts = event({ IsConverted: true, ConvertedContactId: '003Dp00000A1b2CIAR' });
    expect(only(decode(parts, leadSchema))).toMatchObject({
      ref: 'salesforce:Lead:00QDp00000C5d6EIAR',
      op: 'moved',
      into: 'salesforce:Contact:003Dp00000A1b2CIAR',
      fields: {},
      transaction: emptyHeader.transactionKey,
    });
    const value = eventValue(leadSchema, parts);
    expect(hidesConversion(changeEventHeader(value), value)).toBe(false);
  });

  it('that hides the Contact is a gap: the row is to tell', () => {
    const parts = event({ IsConverted: true });
    expect(only(decode(parts, leadSchema))).toMatchObject({ op: 'gap', into: null, fields: {} });
    const value = eventValue(leadSchema, parts);
    expect(hidesConversion(changeEventHeader(value), value)).toBe(true);
  });

  it('is not every change of a Lead', () => {
    const parts = { header: { ...lead, changedFields: [bitmap([1])] }, body: { Status: 'Nurturing' } };
    expect(only(decode(parts, leadSchema))).toMatchObject({ op: 'seen', fields: { Status: 'Nurturing' }, into: null });
    const value = eventValue(leadSchema, parts);
    expect(hidesConversion(changeEventHeader(value), value)).toBe(false);
  });
});

describe('a row', () => {
  const row = (body: object | string, part: Partial<RawRecord> = {}): RawRecord => ({
    platform: 'salesforce',
    reason: 'snapshot',
    object: 'Contact',
    recordId: '003Dp00000A1b2CIAR',
    deleted: false,
    takenAt: 1_772_615_730_000,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    ...part,
  });

  it('stands at the clock of its answer and is dated by SystemModstamp', () => {
    const raw = row({
      attributes: { type: 'Contact', url: '/x' },
      Id: '003Dp00000A1b2CIAR',
      Name: 'Ada Byron',
      LastName: 'Byron',
      Languages__c: 'Welsh;English',
      Newsletter__c: false,
      MailingAddress: { city: 'Leeds' },
      MailingCity: 'Leeds',
      SystemModstamp: '2026-03-04T09:15:21.000+0000',
    });
    const changes = decodeSalesforce({ form: 'row', value: raw, multiSelects: ['Languages__c'] }, at(9));
    expect(only(changes)).toEqual({
      ref: 'salesforce:Contact:003Dp00000A1b2CIAR',
      op: 'seen',
      via: 'read',
      whole: true,
      created: false,
      fields: {
        Id: '003Dp00000A1b2CIAR',
        LastName: 'Byron',
        Languages__c: ['English', 'Welsh'],
        Newsletter__c: false,
        MailingCity: 'Leeds',
        SystemModstamp: '2026-03-04T09:15:21.000+0000',
      },
      unknown: [],
      at: { time: 1_772_615_730_000, seq: -1, second: true },
      modified: 1_772_615_721_000,
      origin: null,
      by: null,
      transaction: null,
      into: null,
    });
  });

  it('that the platform says is gone is a deletion', () => {
    const changes = decodeSalesforce({ form: 'row', value: row('', { deleted: true }), multiSelects: [] }, at(9));
    expect(only(changes)).toMatchObject({ op: 'deleted', whole: false, fields: {} });
  });

  const read = (body: object | string, part: Partial<RawRecord>) =>
    only(decodeSalesforce({ form: 'row', value: row(body, part), multiSelects: [] }, at(9)));
  const master = '003Dp00000A1b2DIAR';

  it.each(['Account', 'Contact', 'Lead'])('of a %s that was merged away says into which one', (object) => {
    const body = { IsDeleted: true, MasterRecordId: master, LastName: 'B', SystemModstamp: '2026-03-04T09:15:21.000Z' };
    expect(read(body, { object, deleted: true })).toMatchObject({
      op: 'moved',
      whole: false,
      fields: {},
      into: `salesforce:${object}:${master}`,
      modified: 1_772_615_721_000,
    });
    expect(read({ ...body, MasterRecordId: null }, { object, deleted: true })).toMatchObject({
      op: 'deleted',
      into: null,
    });
  });

  it('of a converted Lead says as which Contact it lives on, deleted or not', () => {
    const lead = { object: 'Lead', recordId: '00QDp00000C5d6EIAR' };
    const body = { LastName: 'B', IsConverted: true, ConvertedContactId: master, IsDeleted: false };
    const moved = { ref: `salesforce:Lead:${lead.recordId}`, op: 'moved', into: `salesforce:Contact:${master}` };
    expect(read(body, lead)).toMatchObject(moved);
    expect(read({ ...body, IsDeleted: true }, { ...lead, deleted: true })).toMatchObject(moved);
    expect(read({ ...body, ConvertedContactId: null }, lead)).toMatchObject({ op: 'deleted', into: null });
    expect(read({ ...body, IsConverted: false, ConvertedContactId: null }, lead)).toMatchObject({ op: 'seen' });
    expect(read(body, {})).toMatchObject({ op: 'seen' });
  });

  it('that is no JSON object is refused', () => {
    expect(() => decodeSalesforce({ form: 'row', value: row('{'), multiSelects: [] }, at(9))).toThrow(/not JSON/);
    expect(() => decodeSalesforce({ form: 'row', value: row('[]'), multiSelects: [] }, at(9))).toThrow(/JSON object/);
  });

  it('keeps the Name of a company', () => {
    expect(rowFields({ Name: 'Hooli', LastName: null }, [])).toEqual({ Name: 'Hooli', LastName: null });
  });
});

it('a mark passes through as the mark it is', () => {
  const mark = { platform: 'salesforce', kind: 'snapshotComplete', upTo: 5000, detail: 'User,Account' } as const;
  const [change] = decodeSalesforce({ form: 'mark', value: mark }, at(3));
  expect(change).toMatchObject({ kind: 'mark', mark, source: { topic: 'salesforce.raw', offset: 3 } });
});

describe('for people', () => {
  it('names fields as Salesforce spells them and gives only values that are there', () => {
    const payload = encodeEvent(contactSchema, {
      header: { changedFields: [bitmap([5, 6, 10]), '2-0x02'], nulledFields: [bitmap([5])] },
      body: {
        Email: 'ada@example.com',
        LastModifiedDate: 1_772_615_722_000n,
        Name: { Salutation: null, FirstName: 'Ada', LastName: null },
      },
    });
    const presented = presentChangeEvent(JSON.stringify(contactSchema), payload);
    expect(presented).toMatchObject({
      changed: ['Name.FirstName', 'Phone', 'Email', 'LastModifiedDate'],
      nulled: ['Phone'],
      diff: [],
      values: {
        'Name.FirstName': 'Ada',
        Email: 'ada@example.com',
        LastModifiedDate: '2026-03-04T09:15:22.000+0000',
      },
    });
    expect(presented.header).toMatchObject({ changeType: 'UPDATE', commitNumber: '1652977933433528300' });
  });

  it('refuses a payload of another schema, and a schema that is none of a change event', () => {
    const code = 'PAYLOAD_UNDECODABLE';
    expect(() => presentChangeEvent(JSON.stringify(contactSchema), Buffer.from([1, 2, 3]))).toThrow(
      expect.objectContaining({ code }),
    );
    expect(() => presentChangeEvent('{"type":"string"}', Buffer.alloc(1))).toThrow(expect.objectContaining({ code }));
    expect(() => presentChangeEvent('not json', Buffer.alloc(1))).toThrow(expect.objectContaining({ code }));
  });
});

describe('for any event', () => {
  const wide = recordSchema(
    'WideChangeEvent',
    Array.from({ length: 140 }, (_, index) => ({
      name: `F${index + 1}__c`,
      type: ['null', 'string'],
      default: null,
      doc: 'Data:Text',
    })),
  );

  it('expanding a bitmap is the inverse of encoding it, past 64 bits too', () => {
    const positions = fc.uniqueArray(fc.integer({ min: 1, max: 140 }), { minLength: 1 });
    fc.assert(
      fc.property(positions, fc.boolean(), (bits, lower) => {
        const text = lower ? bitmap(bits).toLowerCase() : bitmap(bits);
        const { leaves, outOfRange } = expandBitmaps(eventSchema(wide), [text], {});
        expect(leaves.map((leaf) => leaf.name)).toEqual([...bits].sort((a, b) => a - b).map((bit) => `F${bit}__c`));
        expect(outOfRange).toBe(0);
      }),
    );
  });

  /** REST names by position in contactSchema, written down by hand. */
  const parts: Readonly<Record<number, readonly string[]>> = {
    2: ['Salutation', 'FirstName', 'LastName'],
    3: ['OtherStreet', 'OtherCity', 'OtherState', 'OtherPostalCode', 'OtherCountry'],
    4: ['MailingStreet', 'MailingCity', 'MailingState', 'MailingPostalCode', 'MailingCountry'],
  };
  const plain: Readonly<Record<number, string>> = { 1: 'AccountId', 5: 'Phone', 6: 'Email', 8: 'Description' };
  const compoundNames: Readonly<Record<number, string>> = { 2: 'Name', 3: 'OtherAddress', 4: 'MailingAddress' };
  const suffix = ['Street', 'City', 'State', 'PostalCode', 'Country'];

  it('decoding after encoding gives exactly the edits that were made', () => {
    const value = fc.option(fc.string({ minLength: 1 }), { nil: null });
    const plainEdits = fc.uniqueArray(fc.tuple(fc.constantFrom(1, 5, 6, 8), value), { selector: ([at]) => at });
    const partEdits = fc.uniqueArray(fc.tuple(fc.constantFrom(2, 3, 4), fc.nat(4), value), {
      selector: ([at, part]) => `${at}.${part}`,
    });
    fc.assert(
      fc.property(plainEdits, partEdits, fc.nat(1e6), (edits, nestedEdits, offset) => {
        const nested = nestedEdits.filter(([at, part]) => part < (parts[at]?.length ?? 0));
        const expected: Record<string, string | null> = {};
        const body: Record<string, unknown> = {};
        for (const [at, text] of edits) {
          expected[plain[at] ?? ''] = text;
          body[plain[at] ?? ''] = text;
        }
        const nestedBits = new Map<number, number[]>();
        for (const [at, part, text] of nested) {
          expected[parts[at]?.[part] ?? ''] = text;
          const names = at === 2 ? parts[2] : suffix;
          const old =
            body[compoundNames[at] ?? ''] ?? Object.fromEntries([...(names ?? []), 'Latitude'].map((n) => [n, null]));
          body[compoundNames[at] ?? ''] = { ...(old as object), [names?.[part] ?? '']: text };
          nestedBits.set(at, [...(nestedBits.get(at) ?? []), part]);
        }
        const top = edits.map(([at]) => at);
        const changedFields = [
          ...(top.length > 0 ? [bitmap(top)] : []),
          ...[...nestedBits].map(([at, bits]) => `${at}-${bitmap(bits)}`),
        ];
        const payload = encodeEvent(contactSchema, { header: { changedFields }, body });
        const presented = presentChangeEvent(JSON.stringify(contactSchema), payload);
        expect(presented.changed).toHaveLength(edits.length + nested.length);
        const observation = only(decode({ header: { changedFields }, body }, contactSchema, offset));
        expect(observation.fields).toEqual(expected);
      }),
    );
  });

  it('no date shifts a day, whatever the machine says of time zones', () => {
    const days = fc.integer({ min: -25_567, max: 100_000 });
    fc.assert(
      fc.property(days, fc.nat(86_399_999), (day, ms) => {
        const { fields } = only(
          decode({
            header: { changedFields: [bitmap([7, 10])] },
            body: { Birthdate: BigInt(day * 86_400_000), LastModifiedDate: BigInt(day * 86_400_000 + ms) },
          }),
        );
        expect(fields['Birthdate']).toBe(new Date(day * 86_400_000).toISOString().slice(0, 10));
        expect(fields['LastModifiedDate']).toBe(new Date(day * 86_400_000 + ms).toISOString().replace('Z', '+0000'));
      }),
    );
  });
});
