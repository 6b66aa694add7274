import { beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../twins/common/random.ts';
import { type Notification, notificationBody } from '../../twins/intercom/deliveries.ts';
import { IntercomModel } from '../../twins/intercom/model.ts';
import type { Caller, Switches } from '../../twins/intercom/types.ts';
import { notificationText } from '../../twins/intercom/webhooks.ts';

const start = Date.UTC(2026, 7, 19, 15, 2, 47, 906);
let model: IntercomModel;

function workspace(switches: Partial<Switches> = {}): void {
  model = new IntercomModel({ random: seededRandom(7), workspaceId: 'k3x9tq2m', timezone: 'Etc/UTC', switches });
  model.attributes.create({ name: 'level', data_type: 'string', model: 'contact' }, start);
  model.deliveries.turn({ delayMs: [0, 0] });
  model.deliveries.subscribe();
}
beforeEach(() => workspace());

/** What was announced since the last time. */
function told(): readonly Notification[] {
  return model.deliveries.due(start + 60_000).map(({ id, notification }) => {
    model.deliveries.delivered(id);
    return notification;
  });
}
const topics = (): readonly string[] => told().map(({ topic }) => topic);
const user = (body: object = {}) => model.createContact({ email: 'mara@orchard.example', ...body }, start).value;
const lead = (body: object = {}) => model.createContact({ role: 'lead', ...body }, start).value;
const company = () => model.upsertCompany({ company_id: 'acc-1', name: 'Orchard' }, start).value;

describe('topics', () => {
  test('of people name their role', () => {
    const { id } = user();
    model.updateContact(id, { name: 'Mara' }, start);
    const other = lead();
    model.updateContact(other.id, { name: 'Juhan' }, start);
    expect(topics()).toEqual([
      'contact.user.created',
      'contact.user.updated',
      'contact.lead.created',
      'contact.lead.updated',
    ]);
  });

  test('tell one change several times where it is of several kinds', () => {
    const { id } = lead();
    const kinds = (body: object) => {
      told();
      model.updateContact(id, { ...body }, start);
      return topics();
    };
    expect(kinds({ email: 'mara@orchard.example' })).toEqual(['contact.lead.added_email', 'contact.lead.updated']);
    expect(kinds({ email: 'm@orchard.example' })).toEqual(['contact.email.updated', 'contact.lead.updated']);
    expect(kinds({ role: 'user' })).toEqual(['contact.lead.signed_up', 'contact.user.updated']);
    expect(kinds({ email: 'mara@orchard.example' })).toEqual(['contact.email.updated', 'contact.user.updated']);
    const { id: nameless } = user({ email: undefined, external_id: 'cust-1' });
    told();
    model.updateContact(nameless, { email: 'first@orchard.example' }, start);
    expect(topics()).toEqual(['contact.email.updated', 'contact.user.updated']);
    expect(kinds({ unsubscribed_from_emails: true })).toEqual(['contact.unsubscribed', 'contact.user.updated']);
    expect(kinds({ unsubscribed_from_emails: false })).toEqual(['contact.subscribed', 'contact.user.updated']);
  });

  test('are silent when a write changed nothing, was refused, or was loaded', () => {
    const { id } = user({ name: 'Mara' });
    told();
    const loader: Caller = { version: '2.14', as: 'loader' };
    model.updateContact(id, { name: 'Mara' }, start);
    expect(() => model.updateContact(id, { email: 'nonsense' }, start)).toThrow('an email address');
    model.createContact({ email: 'other@orchard.example' }, start, loader);
    model.archive(id, false, start);
    expect(topics()).toEqual([]);
  });

  test('tell the end of a contact, each with its few fields', () => {
    const { id } = user({ external_id: 'cust-1' });
    told();
    model.archive(id, true, start);
    model.archive(id, false, start);
    model.deleteContact(id, start);
    const [archived, unarchived, deleted] = told();
    expect(archived).toMatchObject({ topic: 'contact.archived' });
    expect(archived?.item).toEqual({ type: 'contact', id, external_id: 'cust-1', archived: true });
    expect(unarchived).toMatchObject({ topic: 'contact.unarchive', item: { type: 'contact', id, role: 'user' } });
    expect(deleted).toMatchObject({ topic: 'contact.deleted' });
    expect(deleted?.item).toEqual({ type: 'contact', id, deleted: true });
  });

  test('know nothing of blocking', () => {
    const { id } = user();
    told();
    model.block(id, true, start);
    expect(topics()).toEqual([]);
  });

  test('tell a merge by the survivor, the other one as the switches say', () => {
    const merge = (switches: Partial<Switches>) => {
      workspace(switches);
      const [from, into] = [lead(), user()];
      told();
      model.merge(from.id, into.id, start + 1);
      return { from, into, notices: told() };
    };
    const named = merge({});
    expect(named.notices).toMatchObject([
      {
        topic: 'contact.merged',
        item: {
          id: named.into.id,
          email: 'mara@orchard.example',
          updated_at: '2026-08-19T15:02:47.907+00:00',
          merged_from: { type: 'contact', id: named.from.id },
        },
      },
    ]);
    const older = merge({ mergedFrom: false, mergeNotifiesDeleted: true });
    expect(older.notices.map(({ topic }) => topic)).toEqual(['contact.merged', 'contact.deleted']);
    expect(older.notices[0]?.item).not.toHaveProperty('merged_from');
    expect(older.notices[1]?.item).toEqual({ type: 'contact', id: older.from.id, deleted: true });
  });

  test('of companies and memberships', () => {
    const { id } = company();
    const member = user();
    told();
    model.updateCompany(id, { website: 'orchard.example' }, start);
    model.upsertCompany({ company_id: 'acc-1', website: 'orchard.example' }, start);
    model.attach(member.id, id, start + 5);
    model.attach(member.id, id, start + 6);
    model.detach(member.id, id, start + 7);
    model.deleteCompany(id, start + 8);
    const [updated, attached, detached, deleted, ...more] = told();
    expect(more).toEqual([]);
    expect(updated).toMatchObject({ topic: 'company.updated', item: { type: 'company', id, user_count: 0 } });
    expect(attached).toMatchObject({
      topic: 'company.contact.attached',
      item: {
        company: { id, plan_id: null, tag_ids: [], user_count: 1 },
        contact: { id: member.id, companies: { data: [{ id }] }, updated_at: '2026-08-19T15:02:47.911+00:00' },
      },
    });
    expect(attached?.item).not.toHaveProperty('type');
    expect(detached).toMatchObject({
      topic: 'company.contact.detached',
      item: { company: { user_count: 0 }, contact: { companies: { data: [] } } },
    });
    expect(deleted?.item).toEqual({ type: 'company', id, deleted: true });
  });

  test('of a membership may tell the person as well', () => {
    workspace({ attachNotifiesContact: true });
    const [{ id }, member] = [company(), user()];
    told();
    model.attach(member.id, id, start);
    expect(topics()).toEqual(['company.contact.attached', 'contact.user.updated']);
  });

  test("tell an app of its own writes too, unless the switch is off; people's are always told", () => {
    const app: Caller = { version: '2.14', as: 'app' };
    const { id } = user();
    told();
    model.updateContact(id, { name: 'ours' }, start, app);
    model.turn({ echoOwnWrites: false });
    model.updateContact(id, { name: 'again ours' }, start, app);
    model.updateContact(id, { name: 'theirs' }, start);
    expect(told().map(({ item }) => (item as { name: string }).name)).toEqual(['ours', 'theirs']);
  });

  test('nobody subscribed to cost nothing and wait nowhere', () => {
    model.deliveries.subscribe(['contact.deleted']);
    const { id } = user();
    model.deleteContact(id, start);
    expect(topics()).toEqual(['contact.deleted']);
    model.deliveries.unsubscribe();
    user();
    expect(model.deliveries.waiting()).toBe(0);
  });
});

describe('items', () => {
  test('of people spell times as text with milliseconds, and have fields that REST has not', () => {
    const admin = model.addAdmin({ name: 'Support', email: 'support@orchard.example' });
    user({
      owner_id: admin.id,
      avatar: 'https://orchard.example/a.png',
      signed_up_at: 1_700_000_000,
      custom_attributes: { level: 'gold' },
    });
    expect(told()[0]?.item).toMatchObject({
      created_at: '2026-08-19T15:02:47.906+00:00',
      updated_at: '2026-08-19T15:02:47.906+00:00',
      signed_up_at: '2023-11-14T22:13:20.000+00:00',
      last_seen_at: null,
      owner_id: admin.id,
      avatar: { type: 'avatar', image_url: 'https://orchard.example/a.png' },
      custom_attributes: { level: 'gold' },
      phone: '',
      sms_consent: false,
      ios_last_seen_at: null,
    });
  });

  test("follow the version set for the app, not a call's", () => {
    workspace({ webhookVersion: '2.16', emptyPhone: null });
    const admin = model.addAdmin({ name: 'Support', email: 'support@orchard.example' });
    user({ owner_id: admin.id });
    expect(told()[0]?.item).toMatchObject({ owner_id: String(admin.id), phone: null });
  });

  test('of companies have null where REST has nothing, and tags as ids', () => {
    model.upsertCompany({ company_id: 'acc-1', plan: 'Gold', remote_created_at: 1_700_000_000 }, start);
    const item = told()[0]?.item;
    expect(item).toMatchObject({
      type: 'company',
      company_id: 'acc-1',
      app_id: 'k3x9tq2m',
      plan: { type: 'plan', name: 'Gold' },
      size: null,
      website: null,
      remote_created_at: '2023-11-14T22:13:20.000+00:00',
      updated_at: '2026-08-19T15:02:47.906+00:00',
      tag_ids: [],
    });
    expect(item).not.toHaveProperty('segments');
  });

  test('tell the moment of the change, whatever happens until they are sent', () => {
    const { id } = user({ name: 'old' });
    model.updateContact(id, { name: 'new' }, start + 10);
    expect(told().map(({ item }) => (item as { name: string }).name)).toEqual(['old', 'new']);
  });

  test('travel in an envelope with whole seconds', () => {
    user({ name: 'Mära <b>' });
    const [delivery] = model.deliveries.due(start + 1_200);
    if (delivery === undefined) throw new Error('nothing is due');
    const body = notificationBody(delivery, 'k3x9tq2m');
    expect(body).toEqual({
      type: 'notification_event',
      app_id: 'k3x9tq2m',
      data: { type: 'notification_event_data', item: delivery.notification.item },
      links: {},
      id: expect.stringMatching(/^notif_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      topic: 'contact.user.created',
      delivery_status: 'pending',
      delivery_attempts: 1,
      delivered_at: 0,
      first_sent_at: Math.floor((start + 1_200) / 1000),
      created_at: Math.floor(start / 1000),
      self: null,
    });
    const text = notificationText(delivery, 'k3x9tq2m');
    expect(text).toContain(String.raw`M\u00e4ra \u003cb\u003e`);
    expect(JSON.parse(text)).toEqual(body);
  });
});
