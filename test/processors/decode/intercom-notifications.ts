/** Notifications for tests, in the shape of captured ones. */

export const workspace = 'k3x9tq2m';
const empty = (name: string) => ({ type: 'list', data: [], url: name, total_count: 0, has_more: false });

/** A contact as webhooks tell it, as far as anything is read of it. */
export const contactItem = {
  type: 'contact',
  id: '66f1a0b7c2d94e0012ab34cd',
  workspace_id: workspace,
  external_id: 'cust-90417',
  role: 'user',
  email: 'mara.ilves@orchard.example',
  phone: '',
  name: 'Mara Ilves',
  owner_id: 8120417,
  unsubscribed_from_emails: false,
  created_at: '2026-03-02T08:14:09.331+00:00',
  updated_at: '2026-08-19T15:02:47.906+00:00',
  custom_attributes: { plan_tier: 'gold', seats: 14 },
  tags: empty('tags'),
  companies: { ...empty('companies'), data: [{ id: '66f1a0e1c2d94e0012ab3510', type: 'company' }], total_count: 1 },
};

export const companyItem = {
  type: 'company',
  id: '66f1a0e1c2d94e0012ab3510',
  company_id: 'acc-7',
  app_id: workspace,
  name: 'Orchard',
  plan: null,
  size: null,
  website: null,
  industry: null,
  monthly_spend: 0,
  created_at: '2026-03-02T08:14:09.331+00:00',
  updated_at: '2026-08-19T15:02:48.001+00:00',
  custom_attributes: {},
  tag_ids: [],
};

/** `created_at` is the second of `contactItem.updated_at`. */
export const createdAt = Date.parse('2026-08-19T15:02:47Z');

export const notification = (topic: string, item: unknown, more: object = {}): Buffer =>
  Buffer.from(
    JSON.stringify({
      type: 'notification_event',
      app_id: workspace,
      data: { type: 'notification_event_data', item },
      links: {},
      id: 'notif_5b0c7c52-0d3e-4a51-9a57-31c2f7d0e6aa',
      topic,
      delivery_status: 'pending',
      delivery_attempts: 1,
      delivered_at: 0,
      first_sent_at: createdAt / 1000 + 1,
      created_at: createdAt / 1000,
      self: null,
      ...more,
    }),
  );
