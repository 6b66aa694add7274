import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeIntercom, mergedBody, observeIntercom } from '../../../processors/decode/intercom.ts';
import type { RawRecord } from '../../../schemas/types.ts';
import type { IntercomModel } from '../../../twins/intercom/model.ts';
import { companyNotice, companyView, contactNotice, contactView } from '../../../twins/intercom/present.ts';
import type { Company, Contact } from '../../../twins/intercom/types.ts';
import { outcomeOf } from './outcome.ts';

const contact = {
  type: 'contact',
  id: '66f1a0b7c2d94e0012ab34cd',
  external_id: 'cust-1',
  role: 'user',
  email: 'mara.ilves@orchard.example',
  phone: '+37255501234',
  name: 'Mara Ilves',
  owner_id: 8120417,
  unsubscribed_from_emails: false,
  updated_at: 1_787_151_767,
  custom_attributes: { level: 'gold', seats: 14, newsletter: true, order: { type: 'Order.list', instances: [] } },
  companies: {
    type: 'list',
    data: [
      { id: 'b2', type: 'company' },
      { id: 'a1', type: 'company' },
    ],
    has_more: false,
  },
};
const answer = { via: 'answer', at: 0 } as const;
const source = { topic: 'intercom.raw', partition: 0, offset: 7, index: 0 };

const raw = (given: Partial<RawRecord>): RawRecord => ({
  platform: 'intercom',
  reason: 'poll',
  object: 'admin',
  recordId: '17',
  deleted: false,
  takenAt: 1_787_151_770_000,
  body: Buffer.from(JSON.stringify({ type: 'admin', id: '17', email: 'o@x.example', name: 'Olev' })),
  ...given,
});

describe('observeIntercom', () => {
  test('names every field of a contact, links sorted, at updated_at to the second', () => {
    expect(observeIntercom('contact', contact, answer)).toMatchObject({
      ref: 'intercom:contact:66f1a0b7c2d94e0012ab34cd',
      whole: true,
      unknown: [],
      at: { time: 1_787_151_767_000, seq: -1, second: true },
      modified: 1_787_151_767_000,
      fields: {
        email: 'mara.ilves@orchard.example',
        phone: '+37255501234',
        name: 'Mara Ilves',
        external_id: 'cust-1',
        role: 'user',
        owner_id: 8120417,
        unsubscribed_from_emails: false,
        companies: ['a1', 'b2'],
        'custom_attributes.level': 'gold',
        'custom_attributes.seats': 14,
        'custom_attributes.newsletter': true,
        'custom_attributes.order': '{"type":"Order.list","instances":[]}',
      },
    });
  });

  test('reads the same contact from a webhook alike, but for its milliseconds', () => {
    const webhook = { ...contact, owner_id: '8120417', updated_at: '2026-08-19T15:02:47.906+00:00' };
    const seen = observeIntercom('contact', webhook, { via: 'event', at: 0 });
    expect(seen.fields).toEqual(observeIntercom('contact', contact, answer).fields);
    expect(seen.at).toEqual({ time: Date.parse('2026-08-19T15:02:47.906Z'), seq: -1, second: false });
  });

  test('takes an empty phone or attribute and a missing owner for no value', () => {
    const empty = { ...contact, phone: '', owner_id: null, custom_attributes: { level: '' } };
    const { fields } = observeIntercom('contact', empty, answer);
    expect(fields).toMatchObject({ phone: null, owner_id: null, 'custom_attributes.level': null });
  });

  test('does not take the first ten companies for all of them', () => {
    const cut = { ...contact, companies: { ...contact.companies, has_more: true } };
    const seen = observeIntercom('contact', cut, answer);
    expect(seen.fields).not.toHaveProperty('companies');
    expect(seen.unknown).toEqual(['companies']);
  });

  test('reads a company, its plan by name', () => {
    const company = {
      id: 'c9',
      company_id: 'acc-1',
      name: 'Orchard',
      website: 'orchard.example',
      size: 12,
      plan: { type: 'plan', id: '1', name: 'gold' },
      monthly_spend: 0,
      updated_at: 1_787_151_767,
      custom_attributes: { tier: 'A' },
    };
    expect(observeIntercom('company', company, answer).fields).toEqual({
      company_id: 'acc-1',
      name: 'Orchard',
      website: 'orchard.example',
      industry: null,
      size: 12,
      plan: 'gold',
      monthly_spend: 0,
      'custom_attributes.tier': 'A',
    });
    expect(observeIntercom('company', { ...company, plan: {} }, answer).fields['plan']).toBeNull();
  });

  test.each([
    ['no id', { ...contact, id: undefined }, 'id'],
    ['no updated_at', { ...contact, updated_at: null }, 'updated_at'],
  ])('refuses a record with %s', (_case, json, field) => {
    expect(() => observeIntercom('contact', json, answer)).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_UNDECODABLE', field }),
    );
  });
});

describe('the two voices of Intercom', () => {
  const at = fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 });
  const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
  const text = fc.string({ minLength: 1, maxLength: 20 });
  const attributes = fc.dictionary(text, fc.oneof(text, fc.integer(), fc.double({ noNaN: true }), fc.boolean()), {
    maxKeys: 4,
  });
  const id = fc.string({ unit: fc.constantFrom('0', '7', 'a', 'f'), minLength: 24, maxLength: 24 });
  const person = fc.record({
    id,
    role: fc.constantFrom('user', 'lead'),
    external_id: some(text),
    email: some(text),
    phone: some(text),
    name: some(text),
    avatar: fc.constant(null),
    owner_id: some(fc.integer({ min: 1, max: 9_999_999 })),
    unsubscribed_from_emails: fc.boolean(),
    signed_up_at: fc.constant(null),
    last_seen_at: fc.constant(null),
    language_override: fc.constant(null),
    custom_attributes: attributes,
    companies: fc.uniqueArray(id, { maxLength: 14 }),
    archived: fc.constant(false),
    blocked: fc.constant(false),
    created_ms: at,
    updated_ms: at,
  }) satisfies fc.Arbitrary<Contact>;
  const organisation = fc.record({
    id,
    company_id: text,
    name: some(text),
    plan: some(text),
    size: some(fc.nat()),
    website: some(text),
    industry: some(text),
    monthly_spend: some(fc.nat()),
    remote_created_at: fc.constant(null),
    custom_attributes: attributes,
    created_ms: at,
    updated_ms: at,
  }) satisfies fc.Arbitrary<Company>;
  const spelling = fc.record({
    workspaceId: fc.constant('w'),
    version: fc.constantFrom('2.14', '2.16'),
    emptyPhone: fc.constantFrom(null, '' as const),
  });
  const wire = (shown: object): unknown => JSON.parse(JSON.stringify(shown));

  /** Both spellings of one state, decoded, with what cannot be alike taken off: how they came, and the milliseconds. */
  const decoded = (object: 'contact' | 'company', rest: object, notice: object) => {
    const read = observeIntercom(object, wire(rest), { via: 'read', at: 0 });
    const event = observeIntercom(object, wire(notice), { via: 'event', at: 0 });
    const second = { time: Math.floor(event.at.time / 1000) * 1000, seq: -1, second: true };
    return { read, event, alike: { ...event, via: 'read', at: second, modified: second.time } };
  };

  test('say the same of a contact, field by field, in every version', () => {
    fc.assert(
      fc.property(person, spelling, fc.constantFrom('2.14', '2.16'), (one, told, version) => {
        const { read, event, alike } = decoded('contact', contactView(one, 'w', version), contactNotice(one, told));
        expect(alike).toEqual(read);
        expect(event.at).toEqual({ time: one.updated_ms, seq: -1, second: false });
        expect(event.whole).toBe(true);
      }),
    );
  });

  test('say the same of a company, field by field', () => {
    const model = { workspaceId: 'w', userCount: () => 1 } as unknown as IntercomModel;
    fc.assert(
      fc.property(organisation, spelling, (one, told) => {
        const { read, event, alike } = decoded('company', companyView(one, model), companyNotice(one, 1, told));
        expect(alike).toEqual(read);
        expect(event.at).toEqual({ time: one.updated_ms, seq: -1, second: false });
        expect(event.whole).toBe(true);
      }),
    );
  });
});

describe('decodeIntercom', () => {
  test('places a teammate, who has no updated_at, at the time of the poll', () => {
    const [change] = decodeIntercom({ schema: 'RawRecord', value: raw({}) }, source);
    expect(change).toMatchObject({
      kind: 'observation',
      source,
      observation: {
        ref: 'intercom:admin:17',
        via: 'read',
        fields: { email: 'o@x.example', name: 'Olev' },
        at: { time: 1_787_151_770_000, second: true },
      },
    });
  });

  test('tells a teammate who left as deleted, although there is no body', () => {
    const [change] = decodeIntercom(
      { schema: 'RawRecord', value: raw({ deleted: true, body: Buffer.alloc(0) }) },
      source,
    );
    expect(change?.observation).toMatchObject({ ref: 'intercom:admin:17', op: 'deleted', fields: {} });
  });

  const contactRead = { reason: 'recheck', object: 'contact', recordId: 'b2', takenAt: 1_787_151_770_000 } as const;
  const observationOf = (given: Partial<RawRecord>) =>
    decodeIntercom({ schema: 'RawRecord', value: raw({ ...contactRead, ...given }) }, source)[0]?.observation;

  test('tells a contact that was read to be merged as living on, with or without the words of the survivor', () => {
    expect(observationOf({ deleted: true, body: mergedBody('b2', 'a1') })).toMatchObject({
      ref: 'intercom:contact:b2',
      op: 'moved',
      into: 'intercom:contact:a1',
      at: { time: contactRead.takenAt, second: true },
    });
    expect(observationOf({ deleted: true, body: mergedBody('c3', 'a1') })).toMatchObject({ op: 'deleted', into: null });
    expect(observationOf({ deleted: true, body: mergedBody('b2', 'b2') })).toMatchObject({ op: 'deleted', into: null });
  });

  test('takes a contact that can be read from the archive for gone', () => {
    const body = Buffer.from(JSON.stringify({ ...contact, id: 'b2', archived: true }));
    expect(observationOf({ body })).toMatchObject({ op: 'deleted', fields: {} });
  });

  test('passes a mark on', () => {
    const mark = { platform: 'intercom', kind: 'snapshotComplete', upTo: 5_000, detail: 'admin' } as const;
    expect(decodeIntercom({ schema: 'SourceMark', value: mark }, source)).toEqual([
      expect.objectContaining({ kind: 'mark', mark: { ...mark, certificate: null }, source }),
    ]);
  });

  test.each([
    ['a body that is not JSON', raw({ body: Buffer.from('<html>') })],
    ['an object that nobody reads', raw({ object: 'ticket' })],
  ])('rejects %s', (_case, value) => {
    expect(() => decodeIntercom({ schema: 'RawRecord', value }, source)).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_UNDECODABLE' }),
    );
  });

  test('throws nothing but PAYLOAD_UNDECODABLE, whatever the body', () => {
    const names = [
      'id',
      'type',
      'updated_at',
      'archived',
      'merged_from',
      'companies',
      'data',
      'custom_attributes',
      'plan',
      'size',
    ];
    const body = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(json)),
      fc
        .tuple(
          fc.object({ key: fc.constantFrom(...names), maxDepth: 3 }),
          fc.oneof(fc.integer(), fc.double(), fc.string()),
        )
        .map(([json, updated_at]) => Buffer.from(JSON.stringify({ ...json, id: 'b2', updated_at }))),
    );
    const part = fc.record({
      reason: fc.constantFrom('snapshot', 'hole', 'recheck', 'poll', 'webhook'),
      object: fc.constantFrom('contact', 'company', 'admin', 'ticket', ''),
      deleted: fc.boolean(),
      body,
    });
    fc.assert(
      fc.property(part, (given) => {
        // What is told has a place in `changes`: a time that is a long.
        expect(outcomeOf(() => observationOf(given)?.at.time)).toSatisfy(
          (outcome) => Number.isSafeInteger(outcome) || outcome === 'PAYLOAD_UNDECODABLE',
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test('does not fall over an attribute that is nested deeper than the stack', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const body = Buffer.from(`{"id":"b2","updated_at":1787151767,"custom_attributes":{"x":${deep}}}`);
    expect(() => observationOf({ body })).toThrow(expect.objectContaining({ code: 'PAYLOAD_UNDECODABLE' }));
  });
});
