import { expect, test } from 'vitest';
import { shownJson, shownText, showRecord } from '../../cli/present.ts';
import type { InRecord } from '../../core/kafka.ts';
import { memoryCodec } from '../../core/registry.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { contactBytes, contactSchema } from '../support/change-event.ts';

const codec = memoryCodec();
const record = (
  topic: TopicName,
  key: string,
  value: Buffer | null,
  headers: Record<string, Buffer> = {},
): InRecord => ({
  topic,
  partition: 0,
  offset: 7,
  time: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  key: Buffer.from(key),
  value,
  headers,
});
const rawRow = (body: string): Buffer =>
  codec.encode('salesforce.raw', 'RawRecord', {
    platform: 'salesforce',
    reason: 'snapshot',
    object: 'Contact',
    recordId: '003000000000001AAA',
    deleted: false,
    takenAt: 0,
    body: Buffer.from(body),
  });

test('a Salesforce event shows what changed by the names that Salesforce gives', async () => {
  const id = await codec.registerForeign('salesforce.raw', JSON.stringify(contactSchema), 'ContactChangeEvent');
  const bytes = codec.frame(id, contactBytes());
  const headers = { 'replay-id': Buffer.from([0, 0, 1, 255]) };
  const shown = showRecord(record('salesforce.raw', '003000000000001AAA', bytes, headers), codec);
  expect(shownText(shown)).toMatchInlineSnapshot(`
    "2026-01-02 03:04:05.678  salesforce.raw/0@7  ContactChangeEvent  003000000000001AAA
      replay-id: base64:AAAB/w==
      UPDATE Contact 003000000000001AAA
      committed 2026-01-02T03:04:05.000Z by 005000000000001AAA, number 10585193272713
      origin    com/salesforce/api/rest/67.0;client=crm-ui, transaction 0005163d-1e2a-4c1e-8a58-a1c5c1e5b1a2 #1
      changed   Name.FirstName, Email, Phone, Description
      nulled    Phone
      diff      Description
        Name.FirstName  Mara
        Email           mara@orchard.example
        Description     --- a/Description"
  `);
  expect(JSON.parse(shownJson(shown))).toMatchObject({
    topic: 'salesforce.raw',
    partition: 0,
    offset: 7,
    time: '2026-01-02T03:04:05.678Z',
    schema: 'ContactChangeEvent',
    headers: { 'replay-id': 'base64:AAAB/w==' },
    header: { entityName: 'Contact', changeType: 'UPDATE', commitNumber: 10_585_193_272_713 },
    changed: ['Name.FirstName', 'Email', 'Phone', 'Description'],
    nulled: ['Phone'],
    diff: ['Description'],
    values: { 'Name.FirstName': 'Mara', Email: 'mara@orchard.example' },
  });
  expect(shownJson(shown)).not.toContain('\n');
});

test('a row shows the JSON that the platform sent, and bytes that are none as base64', () => {
  const shown = showRecord(record('salesforce.raw', 'k', rawRow('{"Email":null,"Id":"003"}')), codec);
  expect(JSON.parse(shownJson(shown))).toMatchObject({
    schema: 'RawRecord',
    value: { body: { Email: null, Id: '003' } },
  });
  const odd = showRecord(record('salesforce.raw', 'k', rawRow('<html>')), codec);
  expect(JSON.parse(shownJson(odd))).toMatchObject({ value: { body: Buffer.from('<html>').toString('base64') } });
});

test('a notification among what was rejected is shown as its JSON, other bytes as base64', () => {
  const value = (bytes: string) => showRecord(record('intercom.raw', 'k', Buffer.from(bytes)), codec);
  expect(value('{"topic":"contact.user.created"}')).toMatchObject({
    schema: null,
    error: expect.any(String),
    value: { topic: 'contact.user.created' },
  });
  expect(value('<html>')).toMatchObject({ value: Buffer.from('<html>').toString('base64') });
});

test('of a change only the part that speaks is printed', () => {
  const tick = {
    kind: 'tick',
    source: null,
    observation: null,
    result: null,
    epoch: null,
    mark: null,
    config: null,
    action: null,
  };
  const shown = showRecord(record('changes', 'tick', codec.encode('changes', 'Change', tick)), codec);
  expect(shownText(shown)).toMatchInlineSnapshot(`
    "2026-01-02 03:04:05.678  changes/0@7  Change  tick
      kind: tick"
  `);
});

test('a tombstone is named', () => {
  expect(shownText(showRecord(record('unify.state', 'ref:x', null), codec))).toBe(
    '2026-01-02 03:04:05.678  unify.state/0@7  tombstone  ref:x',
  );
});

test.each([
  ['of an unknown schema', Buffer.from([0, 0, 0, 255, 255, 1]), 'SCHEMA_UNKNOWN'],
  ['that are no Avro', Buffer.from('hello'), 'PAYLOAD_UNDECODABLE'],
])('bytes %s are shown with the reason, and the tail goes on', (_name, bytes, code) => {
  const shown = showRecord(record('changes', 'k', bytes), codec);
  expect(shown.error).toContain(code);
  expect(shown.value).toBe(bytes.toString('base64'));
  expect(shownText(shown)).toContain('undecodable');
});
