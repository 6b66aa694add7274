/** What the platforms say of somebody's edit, byte for byte as their doubles say it. */

import type { OutRecord } from '../core/kafka.ts';
import type { RegistryCodec } from '../core/registry.ts';
import type { RawRecord } from '../schemas/types.ts';
import { seededRandom } from '../twins/common/random.ts';
import { notificationBody } from '../twins/intercom/deliveries.ts';
import { contactNotice, contactView } from '../twins/intercom/present.ts';
import type { Contact } from '../twins/intercom/types.ts';
import { SalesforceModel } from '../twins/salesforce/model.ts';

const workspace = 'bench';
const now = 1_790_000_000_000;

/** Change events of so many contacts, two fields each, behind the registry's id of their schema. */
export async function changeEvents(codec: RegistryCodec, count: number): Promise<OutRecord[]> {
  const model = new SalesforceModel({ random: seededRandom(1), now, habits: { mergeEvents: false } });
  const rows = Array.from({ length: count }, (_, n) => ({
    LastName: `Byron ${n}`,
    Email: `byron${n}@orchard.example`,
  }));
  const ids = model.load('Contact', rows, now);
  const caller = { userId: model.personUserId, changeOrigin: 'com/salesforce/api/rest/67.0' };
  for (const [n, id] of ids.entries())
    model.execute(
      [{ op: 'update', object: 'Contact', id, row: { Title: `Chief ${n}`, Phone: `+49 30 ${n}` } }],
      caller,
      now + n,
    );
  const { events } = model.bus.read(0n, () => true, count, now + count);
  const schema = model.schema(events[0]?.schemaId ?? '');
  if (schema === undefined) throw new RangeError('the double told of no edit');
  const id = await codec.registerForeign('salesforce.raw', schema.json, 'ContactChangeEvent');
  return events.map(({ payload }, n) => ({
    topic: 'salesforce.raw',
    key: ids[n] ?? '',
    value: codec.frame(id, payload),
  }));
}

const attributes = {
  tributary_id: 'fa14ffdc0ea168a6e8b24125',
  job_title: 'Head of Research',
  salesforce_id: '003000000000001AAA',
  level: 'Silver',
  seats: 25,
  newsletter: true,
  renewal_date: 1_803_859_200,
  last_order_at: 1_786_699_800,
  score: 71.5,
  languages: 'English;French',
};

const contact = (n: number): Contact => ({
  id: contactId(n),
  role: 'user',
  external_id: null,
  email: `byron${n}@orchard.example`,
  phone: `+49 30 ${n}`,
  name: `Ada Byron ${n}`,
  avatar: null,
  owner_id: 900_000,
  unsubscribed_from_emails: false,
  signed_up_at: null,
  last_seen_at: null,
  language_override: null,
  custom_attributes: { ...attributes, level: `Level ${n}` },
  companies: ['65c000000000000000000001'],
  archived: false,
  blocked: false,
  created_ms: now - 86_400_000,
  updated_ms: now + n,
});

export const contactId = (n: number): string => `65a000000000${String(n).padStart(12, '0')}`;

/** As REST answers a write. */
export const contactAnswer = (n: number): Record<string, unknown> =>
  JSON.parse(JSON.stringify(contactView(contact(n), workspace, '2.14'))) as Record<string, unknown>;

/** As a webhook was received and put into the raw topic. */
export function notifications(codec: RegistryCodec, count: number): OutRecord[] {
  return Array.from({ length: count }, (_, n) => {
    const item = contactNotice(contact(n), { workspaceId: workspace, version: '2.14', emptyPhone: null });
    const notification = { id: `notif_${n}`, topic: 'contact.user.updated', item, created_ms: now + n };
    const body = notificationBody({ id: n, notification, attempt: 1, first_sent_ms: now + n }, workspace);
    const raw: RawRecord = {
      platform: 'intercom',
      reason: 'webhook',
      object: 'contact',
      recordId: contactId(n),
      deleted: false,
      takenAt: now + n,
      body: Buffer.from(JSON.stringify(body)),
    };
    return {
      topic: 'intercom.raw',
      key: `contact:${contactId(n)}`,
      value: codec.encode('intercom.raw', 'RawRecord', raw),
    };
  });
}
