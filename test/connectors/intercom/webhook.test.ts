import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Accepted, acceptNotification, verifySignature } from '../../../connectors/intercom/webhook.ts';
import { decodeIntercom } from '../../../processors/decode/intercom.ts';
import type { Observation } from '../../../schemas/types.ts';
import {
  companyItem,
  contactItem,
  createdAt,
  notification,
  workspace,
} from '../../processors/decode/intercom-notifications.ts';

const source = { topic: 'intercom.raw', partition: 0, offset: 7, index: 0 };
const { id } = contactItem;
const loser = '66f2bb90c2d94e0012ab9f77';

function accept(bytes: Buffer): Accepted {
  const answer = acceptNotification(bytes, workspace);
  if (answer.kind === 'rejected') throw answer.error;
  return answer;
}

/** What the records of a notification are decoded to. */
const observed = (topic: string, item: unknown): readonly Observation[] =>
  accept(notification(topic, item)).records.flatMap((value) =>
    decodeIntercom({ schema: 'RawRecord', value }, source).flatMap(({ observation }) => observation ?? []),
  );
const owed = (topic: string, item: unknown) => accept(notification(topic, item)).owed;

describe('the signature', () => {
  const bytes = Buffer.from('{"a": 1}');
  const good = `sha1=${createHmac('sha1', 'secret').update(bytes).digest('hex')}`;

  test('holds for the very bytes under the secret, and for nothing else', () => {
    expect(verifySignature('secret', bytes, good)).toBe(true);
    expect(verifySignature('other', bytes, good)).toBe(false);
    expect(verifySignature('secret', Buffer.from('{"a":1}'), good)).toBe(false);
  });

  test.each([
    undefined,
    '',
    'sha1=',
    good.slice(5),
    `${good}0`,
    good.slice(0, -1),
    good.replace('sha1', 'sha256'),
    ` ${good}`,
  ])('does not hold when the header is %j', (header) => {
    expect(verifySignature('secret', bytes, header)).toBe(false);
  });

  test('holds for no header that is made up', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        expect(verifySignature('secret', bytes, header)).toBe(false);
      }),
    );
  });
});

describe('a notification', () => {
  test('becomes a record that holds its bytes as they came, dated by when it happened', () => {
    const bytes = notification('contact.user.updated', contactItem);
    expect(accept(bytes)).toEqual({
      kind: 'accepted',
      notificationId: 'notif_5b0c7c52-0d3e-4a51-9a57-31c2f7d0e6aa',
      topic: 'contact.user.updated',
      createdAt,
      records: [
        {
          platform: 'intercom',
          reason: 'webhook',
          object: 'contact',
          recordId: id,
          deleted: false,
          takenAt: createdAt,
          body: bytes,
        },
      ],
      owed: [],
    });
  });

  test.each([
    'contact.user.updated',
    'contact.lead.updated',
    'contact.email.updated',
    'contact.lead.added_email',
    'contact.lead.signed_up',
    'contact.of_a_later_version',
  ])('of %s tells the contact at its own milliseconds', (topic) => {
    expect(observed(topic, contactItem)).toMatchObject([
      {
        ref: `intercom:contact:${id}`,
        op: 'seen',
        via: 'event',
        whole: true,
        created: false,
        fields: { phone: null, role: 'user', companies: ['66f1a0e1c2d94e0012ab3510'] },
        at: { time: Date.parse(contactItem.updated_at), seq: -1, second: false },
        modified: Date.parse(contactItem.updated_at),
      },
    ]);
  });

  test.each(['contact.user.created', 'contact.lead.created'])('of %s says that the contact is new', (topic) => {
    expect(observed(topic, contactItem)).toMatchObject([{ op: 'seen', created: true }]);
  });

  test('of a company tells the company', () => {
    expect(observed('company.created', companyItem)).toMatchObject([
      { ref: `intercom:company:${companyItem.id}`, created: true, fields: { company_id: 'acc-7', monthly_spend: 0 } },
    ]);
    expect(observed('company.updated', companyItem)).toMatchObject([{ created: false, whole: true }]);
  });

  test.each([
    ['contact.archived', { id, external_id: 'cust-90417', type: 'contact', archived: true }],
    ['contact.archive', { id, type: 'contact', archived: true }],
    ['contact.deleted', { id, type: 'contact', deleted: true }],
    ['contact.user.updated', { ...contactItem, archived: true }],
  ])('of %s tells the contact as gone when it happened', (topic, item) => {
    expect(observed(topic, item)).toMatchObject([
      { ref: `intercom:contact:${id}`, op: 'deleted', fields: {}, at: { time: createdAt, second: true }, into: null },
    ]);
  });

  test('of company.deleted tells the company as gone', () => {
    const item = { id: companyItem.id, type: 'company', deleted: true };
    expect(observed('company.deleted', item)).toMatchObject([{ ref: `intercom:company:${item.id}`, op: 'deleted' }]);
  });

  test.each(['contact.unarchive', 'contact.unarchived'])('of %s brings the contact back', (topic) => {
    const at = { time: Date.parse(contactItem.updated_at), second: false };
    expect(observed(topic, contactItem)).toMatchObject([{ op: 'undeleted', whole: true, at }]);
    // Were it no update, the contact would still be as old as before it was archived.
    const unmoved = { ...contactItem, updated_at: '2026-08-19T15:02:30.000+00:00' };
    expect(observed(topic, unmoved)).toMatchObject([{ op: 'undeleted', at: { time: createdAt, second: true } }]);
  });

  test('of a merge tells the survivor, and then that the other one lives on as it', () => {
    expect(observed('contact.merged', { ...contactItem, merged_from: { type: 'contact', id: loser } })).toMatchObject([
      { ref: `intercom:contact:${id}`, op: 'seen', into: null },
      { ref: `intercom:contact:${loser}`, op: 'moved', into: `intercom:contact:${id}`, at: { time: createdAt } },
    ]);
  });

  test('of a merge that does not name the other one leaves the merges of the survivor to be read', () => {
    expect(observed('contact.merged', contactItem)).toMatchObject([{ op: 'seen' }]);
    expect(owed('contact.merged', contactItem)).toEqual([{ what: 'merges', id }]);
    const bare = { type: 'contact', id, merged_from: { type: 'contact', id: loser } };
    expect(observed('contact.merged', bare)).toMatchObject([{ op: 'moved' }]);
    expect(owed('contact.merged', bare)).toEqual([{ what: 'contact', id }]);
  });

  test.each(['contact.unsubscribed', 'contact.subscribed', 'contact.user.tag.created'])(
    'of %s tells the contact that it holds',
    (topic) => {
      const contact = { ...contactItem, unsubscribed_from_emails: true };
      expect(observed(topic, { type: 'some', contact, created_at: 1 })).toMatchObject([
        { ref: `intercom:contact:${id}`, fields: { unsubscribed_from_emails: true } },
      ]);
    },
  );

  test('that only names its contact leaves a read, unless it is about a tag', () => {
    const item = { type: 'contact_unsubscribe', contact: { type: 'contact', id }, created_at: 1 };
    expect(observed('contact.unsubscribed', item)).toEqual([]);
    expect(owed('contact.unsubscribed', item)).toEqual([{ what: 'contact', id }]);
    expect(owed('contact.user.tag.created', item)).toEqual([]);
    expect(owed('company.updated', { type: 'company', id: 'c1' })).toEqual([{ what: 'company', id: 'c1' }]);
  });

  test('that tells less than a whole contact clears nothing', () => {
    const { phone: _phone, custom_attributes: _custom, ...less } = contactItem;
    const [seen] = observed('contact.lead.signed_up', less);
    expect(seen).toMatchObject({ whole: false, fields: { email: contactItem.email } });
    expect(seen?.fields).not.toHaveProperty('phone');
  });

  test('of teammates leaves their list to be read', () => {
    expect(owed('admin.added_to_workspace', { type: 'admin', id: 17 })).toEqual([{ what: 'admins', id: '' }]);
    expect(owed('admin.removed_from_workspace', { type: 'admin', id: 17 })).toEqual([{ what: 'admins', id: '' }]);
  });

  test.each([
    ['ping', { type: 'ping', message: 'something something interzen' }],
    ['conversation.deleted', { type: 'conversation', conversation_id: '1' }],
    ['admin.logged_in', { type: 'admin', id: 17 }],
    ['ticket.created', { type: 'ticket', id: '1' }],
  ])('of %s is accepted and tells nothing', (topic, item) => {
    expect(accept(notification(topic, item, topic === 'ping' ? { id: null, created_at: null } : {}))).toMatchObject({
      records: [],
      owed: [],
    });
  });

  const { company: member, contact: person } = {
    company: { ...companyItem, plan_id: null, user_count: 7 },
    contact: contactItem,
  };
  const without = { ...person, companies: { ...person.companies, data: [] } };
  const cut = { ...person, companies: { ...person.companies, data: [], has_more: true } };

  test('of a membership tells the contact when its list agrees, and never the half company', () => {
    expect(observed('company.contact.attached', { company: member, contact: person })).toMatchObject([
      { ref: `intercom:contact:${id}`, fields: { companies: [member.id] } },
    ]);
    expect(observed('company.contact.detached', { company: member, contact: without })).toMatchObject([
      { ref: `intercom:contact:${id}`, fields: { companies: [] } },
    ]);
  });

  test.each([
    ['attached', without],
    ['detached', person],
    ['attached', { id }],
    ['attached', { ...person, companies: undefined }],
  ])('of a company %s leaves the contact to be read where its list does not say so', (verb, contact) => {
    const item = { company: member, contact };
    expect(observed(`company.contact.${verb}`, item)).toEqual([]);
    expect(owed(`company.contact.${verb}`, item)).toEqual([{ what: 'contact', id }]);
  });

  test.each([
    ['nobody before the one who joins', { user_count: 0 }],
    ['one person, who may be the one who joins', { user_count: 1 }],
    ['nobody knows how many', { user_count: undefined }],
  ])('of a company that had %s leaves the company to be read, for no list showed it', (_, count) => {
    const item = { company: { ...member, ...count }, contact: person };
    expect(observed('company.contact.attached', item)).toMatchObject([{ ref: `intercom:contact:${id}` }]);
    expect(owed('company.contact.attached', item)).toEqual([{ unlessTold: true, what: 'company', id: member.id }]);
  });

  test('of a company that others belong to, or that somebody leaves, has no company read', () => {
    expect(owed('company.contact.attached', { company: member, contact: person })).toEqual([]);
    expect(owed('company.contact.detached', { company: { ...member, user_count: 0 }, contact: without })).toEqual([]);
  });

  test('of a membership with a list that is cut says that the memberships are not told', () => {
    expect(observed('company.contact.attached', { company: member, contact: cut })).toMatchObject([
      { unknown: ['companies'] },
    ]);
  });
});

describe('a notification is rejected', () => {
  const code = 'PAYLOAD_UNDECODABLE';
  test.each([
    ['that is not JSON', Buffer.from('<html>')],
    ['that is JSON of another kind', Buffer.from('[]')],
    ['without a topic', notification('', contactItem)],
    ['without an item', notification('contact.user.updated', null)],
    ['without a workspace', notification('contact.user.updated', contactItem, { app_id: null })],
    ['that does not say when', notification('contact.user.updated', contactItem, { created_at: null })],
    ['of a contact without an id', notification('contact.user.updated', { ...contactItem, id: null })],
    ['of half a membership', notification('company.contact.attached', { company: companyItem })],
    ['in the words of the API 1.x', notification('user.created', contactItem)],
    ['of a lead in the words of the API 1.x', notification('contact.created', contactItem)],
  ])('%s', (_case, bytes) => {
    expect(acceptNotification(bytes, workspace)).toMatchObject({ kind: 'rejected', error: { code } });
  });

  test('of another workspace', () => {
    expect(acceptNotification(notification('contact.user.updated', contactItem), 'other')).toMatchObject({
      kind: 'rejected',
      error: { code: 'PLATFORM_OTHER_ORG' },
    });
  });

  test('with a code and without a throw, whatever the bytes; what is accepted can be decoded', () => {
    const topics = [
      'contact.merged',
      'contact.user.updated',
      'contact.archived',
      'company.contact.attached',
      'company.updated',
      'ping',
    ];
    const item = fc.oneof(
      fc.object({
        key: fc.constantFrom('id', 'contact', 'company', 'updated_at', 'merged_from', 'companies', 'data'),
        maxDepth: 4,
      }),
      fc.record(
        {
          id: fc.string(),
          updated_at: fc.anything(),
          contact: fc.anything(),
          companies: fc.anything(),
          custom_attributes: fc.anything(),
        },
        { requiredKeys: [] },
      ),
    );
    const bytes = fc.oneof(
      fc.uint8Array().map((array) => Buffer.from(array)),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .tuple(fc.constantFrom(...topics), item, fc.option(fc.record({ created_at: fc.anything() }), { nil: {} }))
        .map(([topic, one, more]) => notification(topic, one, more)),
    );
    fc.assert(
      fc.property(bytes, (some) => {
        const answer = acceptNotification(some, workspace);
        const codes = answer.kind === 'rejected' ? [answer.error.code] : [];
        expect(['PAYLOAD_UNDECODABLE', 'PLATFORM_OTHER_ORG']).toEqual(expect.arrayContaining(codes));
        const records = answer.kind === 'accepted' ? answer.records : [];
        for (const value of records) decodeIntercom({ schema: 'RawRecord', value }, source);
      }),
      { numRuns: 500 },
    );
  });
});
