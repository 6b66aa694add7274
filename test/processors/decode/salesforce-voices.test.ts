/** Salesforce's two voices, as the twin speaks them: change events and rows of one record must compare equal. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foreignType } from '../../../core/foreign-avro.ts';
import { decodeSalesforce, type SalesforceRaw } from '../../../processors/decode/salesforce.ts';
import type { Observation, RawRecord, Value } from '../../../schemas/types.ts';
import { seededRandom } from '../../../twins/common/random.ts';
import type { Dml, RowResult } from '../../../twins/salesforce/dml.ts';
import { SalesforceModel } from '../../../twins/salesforce/model.ts';
import { wholeRow } from '../../../twins/salesforce/rows.ts';
import { contactSchema, eventValue, recordSchema } from './change-events.ts';
import { outcomeOf } from './outcome.ts';

const start = Date.parse('2026-03-04T09:15:22.250Z');
const source = (offset: number) => ({ topic: 'salesforce.raw', partition: 0, offset, index: 0 });

function observations(raw: SalesforceRaw, offset = 0): readonly Observation[] {
  return decodeSalesforce(raw, source(offset)).flatMap(({ observation }) => observation ?? []);
}

class Org {
  readonly model = new SalesforceModel({ random: seededRandom(7), now: start });
  readonly #schemas = new Map<string, object>();
  now = start;

  get caller() {
    return { userId: this.model.personUserId, changeOrigin: '' };
  }

  run(row: Dml): RowResult | undefined {
    this.now += 1_000;
    return this.model.execute([row], this.caller, this.now)[0];
  }

  create(object: string, row: Readonly<Record<string, unknown>>): string {
    const result = this.run({ op: 'create', object, row });
    if (!result?.success) throw new Error(JSON.stringify(result));
    return result.id;
  }

  events(): readonly Observation[] {
    const { events } = this.model.bus.read(0n, () => true, Number.POSITIVE_INFINITY, this.now);
    return events.flatMap(({ schemaId, payload }, offset) => {
      const schema = this.#schema(schemaId);
      return observations({ form: 'event', schema, value: foreignType(schema).fromBuffer(payload) }, offset);
    });
  }

  row(object: string, id: string): Observation | undefined {
    const type = this.model.object(object);
    const record = type && this.model.record(type, id);
    if (type === undefined || record === undefined) throw new Error(`no ${object} ${id}`);
    const body = wholeRow(this.model, type, record, '67.0');
    const value: RawRecord = {
      platform: 'salesforce',
      reason: 'recheck',
      object,
      recordId: id,
      deleted: body['IsDeleted'] === true,
      takenAt: this.now,
      body: Buffer.from(JSON.stringify(body)),
    };
    const multiSelects = type.fields.filter((field) => field.type === 'multipicklist').map(({ name }) => name);
    return observations({ form: 'row', value, multiSelects })[0];
  }

  #schema(id: string): object {
    const known = this.#schemas.get(id) ?? (JSON.parse(this.model.schema(id)?.json ?? 'null') as object);
    this.#schemas.set(id, known);
    return known;
  }
}

/** What the events of a record say it holds in the end. */
function folded(events: readonly Observation[], ref: string): Readonly<Record<string, Value>> {
  const fields: Record<string, Value> = {};
  for (const event of events) if (event.ref === ref) Object.assign(fields, event.fields);
  return fields;
}

const text = fc.option(fc.string({ minLength: 1, maxLength: 10, unit: 'grapheme' }), { nil: null });
const choice = (...names: string[]) =>
  fc.option(
    fc.subarray(names).map((some) => some.join(';') || null),
    { nil: null },
  );
const person = {
  FirstName: text,
  Phone: text,
  Title: text,
  Description: text,
};
const rows = {
  Contact: fc.record(
    {
      ...person,
      Email: fc.constantFrom(null, 'ada@example.com', 'Grace@Example.com'),
      MailingCity: text,
      MailingStreet: text,
      HasOptedOutOfEmail: fc.boolean(),
      Birthdate: fc.constantFrom(null, '1815-12-10', '1999-12-31'),
      Last_Order_At__c: fc.constantFrom(null, '2026-01-02T03:04:05.000Z'),
      Seats__c: fc.constantFrom(null, 0, 14),
      Languages__c: choice('Spanish', 'English', 'French'),
    },
    { requiredKeys: [] },
  ),
  Lead: fc.record({ ...person, City: text, Street: text, Website: text }, { requiredKeys: [] }),
  Account: fc.record(
    { Phone: text, Website: text, BillingCity: text, NumberOfEmployees: fc.nat(1_000) },
    { requiredKeys: [] },
  ),
};
const required = {
  Contact: { LastName: 'Byron' },
  Lead: { LastName: 'Byron', Company: 'Acme' },
  Account: { Name: 'Acme' },
};

describe.each(['Contact', 'Lead', 'Account'] as const)('events and rows of a %s', (object) => {
  it('compare equal, field by field, after any edits', () => {
    fc.assert(
      fc.property(rows[object], fc.array(rows[object], { maxLength: 4 }), (first, edits) => {
        const org = new Org();
        const id = org.create(object, { ...first, ...required[object] });
        for (const row of edits) org.run({ op: 'update', object, id, row });
        const told = folded(org.events(), `salesforce:${object}:${id}`);
        const { fields = {} } = org.row(object, id) ?? {};
        // Saving without a change stamps the row and sends no event.
        const both = Object.keys(told).filter((name) => name in fields && name !== 'LastModifiedDate');
        expect(both.length).toBeGreaterThan(20);
        expect(Object.fromEntries(both.map((name) => [name, told[name]]))).toEqual(
          Object.fromEntries(both.map((name) => [name, fields[name]])),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('tell of a merge: the event that it is gone, the row as which one it lives on', () => {
    const org = new Org();
    const winner = org.create(object, required[object]);
    const loser = org.create(object, required[object]);
    org.model.merge(object, winner, [loser], org.caller, org.now + 1_000);
    const ref = `salesforce:${object}:${loser}`;
    expect(
      org
        .events()
        .filter((one) => one.ref === ref)
        .at(-1),
    ).toMatchObject({ op: 'deleted', into: null });
    expect(org.row(object, loser)).toMatchObject({ ref, op: 'moved', into: `salesforce:${object}:${winner}` });
  });
});

it('event and row of a converted Lead name the same Contact', () => {
  const org = new Org();
  const lead = org.create('Lead', required.Lead);
  org.model.convertLead(lead, {}, org.caller, org.now + 1_000);
  const ref = `salesforce:Lead:${lead}`;
  const event = org.events().findLast((one) => one.ref === ref);
  const row = org.row('Lead', lead);
  expect(event).toMatchObject({ op: 'moved', into: expect.stringMatching(/^salesforce:Contact:003/) });
  expect(row).toMatchObject({ op: 'moved', into: event?.into });
});

describe('whatever stands in raw', () => {
  const isRefusal = (outcome: unknown): boolean => outcome === 'PAYLOAD_UNDECODABLE' || Array.isArray(outcome);

  it('a row is decoded or undecodable', () => {
    const part = fc.record({
      object: fc.constantFrom('Contact', 'Lead', 'Account', 'User'),
      deleted: fc.boolean(),
      body: fc.oneof(
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        fc.json().map((json) => Buffer.from(json)),
        fc
          .dictionary(
            fc.constantFrom('Id', 'IsDeleted', 'MasterRecordId', 'IsConverted', 'ConvertedContactId', 'SystemModstamp'),
            fc.jsonValue(),
          )
          .map((json) => Buffer.from(JSON.stringify(json))),
      ),
    });
    fc.assert(
      fc.property(part, (given) => {
        const value = { platform: 'salesforce', reason: 'hole', recordId: 'x', takenAt: 0, ...given } as const;
        expect(outcomeOf(() => observations({ form: 'row', value, multiSelects: [] }))).toSatisfy(isRefusal);
      }),
      { numRuns: 500 },
    );
  });

  it('an event is decoded or undecodable, whatever its header and schema', () => {
    const lists = fc.array(fc.oneof(fc.string(), fc.constantFrom('0x02', '4-0x03', '0xZZ', '99-0x01')), {
      maxLength: 3,
    });
    const header = fc.record(
      {
        entityName: fc.constantFrom('Contact', 'Lead', ''),
        recordIds: fc.array(fc.oneof(fc.string(), fc.constant('003Dp00000A1b2CIAR')), { maxLength: 3 }),
        changeType: fc.constantFrom('CREATE', 'UPDATE', 'DELETE', 'UNDELETE', 'GAP_UPDATE', 'SNAPSHOT', ''),
        commitTimestamp: fc.constantFrom(0n, 1_772_615_722_000n),
        changedFields: lists,
        nulledFields: lists,
        diffFields: lists,
      },
      { requiredKeys: [] },
    );
    const body = fc.dictionary(
      fc.constantFrom('Name', 'Email', 'Birthdate', 'IsConverted', 'MailingAddress'),
      fc.anything(),
    );
    fc.assert(
      fc.property(header, body, (parts, values) => {
        const value = eventValue(contactSchema, { header: parts as object, body: values });
        expect(outcomeOf(() => observations({ form: 'event', schema: contactSchema, value }))).toSatisfy(isRefusal);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (schema, value) => {
        const some = Object(schema) as object;
        expect(outcomeOf(() => observations({ form: 'event', schema: some, value }))).toSatisfy(isRefusal);
        const shaped = recordSchema('XChangeEvent', []);
        expect(outcomeOf(() => observations({ form: 'event', schema: shaped, value }))).toSatisfy(isRefusal);
      }),
    );
  });
});
