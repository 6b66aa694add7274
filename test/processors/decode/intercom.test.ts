import { describe, expect, test } from 'vitest';
import { decodeIntercom, observeIntercom } from '../../../processors/decode/intercom.ts';
import type { RawRecord } from '../../../schemas/types.ts';

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

  test('takes an empty phone and a missing owner for no value', () => {
    const { fields } = observeIntercom('contact', { ...contact, phone: '', owner_id: null }, answer);
    expect(fields).toMatchObject({ phone: null, owner_id: null });
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

  test('passes a mark on', () => {
    const mark = { platform: 'intercom', kind: 'snapshotComplete', upTo: 5_000, detail: 'admin' } as const;
    expect(decodeIntercom({ schema: 'SourceMark', value: mark }, source)).toEqual([
      expect.objectContaining({ kind: 'mark', mark, source }),
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
});
