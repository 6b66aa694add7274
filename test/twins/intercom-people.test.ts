import { beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../twins/common/random.ts';
import { answerCall } from '../../twins/intercom/answer.ts';
import { IntercomModel } from '../../twins/intercom/model.ts';
import { Scrolls } from '../../twins/intercom/scroll.ts';
import { type Contact, Refusal, type Switches } from '../../twins/intercom/types.ts';

const start = Date.UTC(2026, 7, 19, 15, 2, 47, 906);
let model: IntercomModel;
let now: number;

function workspace(switches: Partial<Switches> = {}): void {
  now = start;
  model = new IntercomModel({ random: seededRandom(7), workspaceId: 'k3x9tq2m', timezone: 'Etc/UTC', switches });
  for (const name of ['level', 'city']) model.attributes.create({ name, data_type: 'string', model: 'contact' }, start);
}
beforeEach(() => workspace());

const contact = (body: object): Contact => model.createContact({ ...body }, now).value;
const lead = (body: object = {}): Contact => contact({ role: 'lead', ...body });
const company = (companyId: string): string => model.upsertCompany({ company_id: companyId }, now).value.id;

function refusal(call: () => unknown): object {
  try {
    call();
  } catch (error) {
    if (error instanceof Refusal) return { status: error.status, code: error.code, message: error.message };
    throw error;
  }
  throw new Error('expected a refusal');
}

function call(method: string, path: string, body?: unknown, version = '2.14') {
  const workspace = { model, scrolls: new Scrolls(() => 'scroll') };
  return answerCall(workspace, { method, path, body, client: 'app', version, now });
}
const errorOf = (body: object): string => (body as { errors: { code: string }[] }).errors[0]?.code ?? '';

describe('a lead', () => {
  test('becomes a user by an update, and holds its email alone from then on', () => {
    const { id } = lead({ email: 'mara@orchard.example' });
    const other = lead({ email: 'mara@orchard.example' });
    expect(model.updateContact(id, { role: 'user' }, now).value).toMatchObject({ id, role: 'user' });
    expect(refusal(() => model.updateContact(other.id, { role: 'user' }, now))).toMatchObject({ status: 409 });
    expect(model.updateContact(other.id, { name: 'still a lead' }, now).value.role).toBe('lead');
  });

  test('that goes, or changes its email, leaves it to the user who holds it', () => {
    contact({ email: 'mara@orchard.example' });
    const [one, two] = [lead({ email: 'mara@orchard.example' }), lead({ email: 'mara@orchard.example' })];
    model.updateContact(one.id, { email: 'other@orchard.example' }, now);
    model.deleteContact(two.id, now);
    expect(refusal(() => model.createContact({ email: 'mara@orchard.example' }, now))).toMatchObject({ status: 409 });
  });

  test('that has no email has an external id of the platform to be a user by', () => {
    const { id, external_id } = lead();
    model.updateContact(id, { role: 'user' }, now);
    expect(model.userByExternalId(external_id ?? '').id).toBe(id);
  });
});

describe('a merge', () => {
  test('keeps the values of the survivor and fills what it has not', () => {
    const from = lead({
      email: 'mara@orchard.example',
      name: 'M.',
      phone: '+37255501234',
      custom_attributes: { level: 'silver', city: 'Tartu' },
      last_seen_at: 20,
      unsubscribed_from_emails: true,
    });
    const into = contact({
      external_id: 'cust-1',
      name: 'Mara',
      custom_attributes: { level: 'gold' },
      last_seen_at: 10,
    });
    now += 1_000;
    const { value, changed } = model.merge(from.id, into.id, now);
    expect(value).toEqual({
      ...into,
      email: 'mara@orchard.example',
      phone: '+37255501234',
      last_seen_at: 20,
      unsubscribed_from_emails: true,
      custom_attributes: { level: 'gold', city: 'Tartu' },
      updated_ms: now,
    });
    expect(changed.toSorted()).toEqual([
      'custom_attributes.city',
      'email',
      'last_seen_at',
      'merged',
      'phone',
      'unsubscribed_from_emails',
    ]);
    expect(model.contact(into.id)).toEqual(value);
  });

  test('fills nothing where the switch says so, and moves updated_at all the same', () => {
    workspace({ mergeFills: false });
    const from = lead({ phone: '+37255501234' });
    const into = contact({ email: 'mara@orchard.example' });
    now += 1_000;
    expect(model.merge(from.id, into.id, now).value).toEqual({ ...into, updated_ms: now });
  });

  test('leaves an email behind that a third contact holds', () => {
    contact({ email: 'mara@orchard.example' });
    const from = lead({ email: 'mara@orchard.example' });
    const into = contact({ external_id: 'cust-1' });
    expect(model.merge(from.id, into.id, now).value.email).toBeNull();
  });

  test('moves the companies, each once', () => {
    const [a, b, c] = [company('a'), company('b'), company('c')];
    const from = lead();
    const into = contact({ email: 'mara@orchard.example' });
    for (const id of [c, b]) model.attach(from.id, id, now);
    for (const id of [a, b]) model.attach(into.id, id, now);
    model.merge(from.id, into.id, now);
    expect(model.contact(into.id).companies).toEqual([a, b, c]);
    for (const id of [a, b, c]) expect(model.contactsOf(id).map((member) => member.id)).toEqual([into.id]);
  });

  test('takes the one merged away out of every list, and out of search after the lag', () => {
    const from = lead();
    const into = contact({ email: 'mara@orchard.example' });
    now += 10_000;
    model.merge(from.id, into.id, now);
    expect(model.everything().contacts.map(({ id }) => id)).toEqual([into.id]);
    expect(model.searchable(now).map(({ id }) => id)).toContain(from.id);
    expect(model.searchable(now + 3_000).map(({ id }) => id)).toEqual([into.id]);
  });

  test('leads from the old id to the survivor by 410 and Link from 2.16, and nowhere before', () => {
    const from = lead();
    const into = contact({ email: 'mara@orchard.example' });
    model.merge(from.id, into.id, now);
    const path = `/contacts/${from.id}`;
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const gone = call(method, path, {}, '2.16');
      expect(gone).toMatchObject({ status: 410, headers: { Link: `</contacts/${into.id}>; rel="canonical"` } });
      expect(errorOf(gone.body)).toBe('contact_merged');
      expect(call(method, path, {}, '2.15')).toMatchObject({ status: 404, headers: {} });
    }
    expect(refusal(() => model.archive(from.id, false, now))).toEqual({
      status: 400,
      code: 'bad_request',
      message: 'User has been merged and is not restorable.',
    });
  });

  test('leads over three merges at most', () => {
    const chain = ['a', 'b', 'c', 'd', 'e'].map((name) => contact({ email: `${name}@orchard.example` }).id);
    const [a = '', , , d = '', e = ''] = chain;
    for (const [n, id] of chain.slice(1).entries()) model.merge(chain[n] ?? '', id, now);
    expect(call('GET', `/contacts/${a}`, undefined, '2.16').headers).toEqual({
      Link: `</contacts/${d}>; rel="canonical"`,
    });
    expect(call('GET', `/contacts/${d}`, undefined, '2.16').headers).toEqual({
      Link: `</contacts/${e}>; rel="canonical"`,
    });
  });

  test('leads nowhere when the survivor is deleted, whose death frees what the others held', () => {
    const [a = '', b = '', c = ''] = ['a', 'b', 'c'].map(
      (x) => contact({ email: `${x}@x.example`, external_id: x }).id,
    );
    model.merge(a, b, now);
    model.merge(b, c, now);
    expect(refusal(() => model.createContact({ email: 'a@x.example' }, now))).toEqual({
      status: 409,
      code: 'conflict',
      message: `An archived contact matching those details already exists with id=${a}`,
    });
    expect(call('GET', '/contacts/find_by_external_id/a', undefined, '2.16')).toMatchObject({ status: 410 });
    model.deleteContact(c, now);
    expect(call('GET', `/contacts/${a}`, undefined, '2.16').status).toBe(404);
    expect(contact({ email: 'a@x.example', external_id: 'b' }).email).toBe('a@x.example');
  });

  test('takes over the email that the other user held', () => {
    const from = contact({ email: 'mara@orchard.example' });
    const into = contact({ external_id: 'cust-1' });
    model.merge(from.id, into.id, now);
    expect(refusal(() => model.createContact({ email: 'mara@orchard.example' }, now))).toMatchObject({
      message: `A contact matching those details already exists with id=${into.id}`,
    });
    model.updateContact(into.id, { email: 'other@orchard.example' }, now);
    expect(contact({ email: 'mara@orchard.example' }).role).toBe('user');
  });

  test('is into a user, of somebody else, who is there', () => {
    const [one, two] = [lead(), lead()];
    const user = contact({ email: 'mara@orchard.example' });
    expect(refusal(() => model.merge(one.id, two.id, now))).toMatchObject({ code: 'parameter_invalid' });
    expect(refusal(() => model.merge(user.id, user.id, now))).toMatchObject({ code: 'parameter_invalid' });
    expect(refusal(() => model.merge(one.id, 'nobody', now))).toMatchObject({ status: 404 });
    model.archive(user.id, true, now);
    expect(refusal(() => model.merge(one.id, user.id, now))).toMatchObject({ status: 404 });
    expect(model.everything().contacts).toHaveLength(3);
  });

  test('by a call takes a lead only, and from 2.16 one that shares an email or a phone', () => {
    const user = contact({ email: 'mara@orchard.example', phone: '+37255501234' });
    const merge = (from: Contact, version: string, rest = {}) =>
      call('POST', '/contacts/merge', { from: from.id, into: user.id, ...rest }, version);
    expect(errorOf(merge(contact({ email: 'x@orchard.example' }), '2.14').body)).toBe('parameter_invalid');
    expect(errorOf(merge(lead(), '2.16').body)).toBe('invalid_merge');
    expect(merge(lead(), '2.16', { skip_duplicate_validation: true })).toMatchObject({ status: 200 });
    expect(merge(lead({ phone: '+37255501234' }), '2.16')).toMatchObject({ status: 200 });
    expect(merge(lead({ email: 'mara@orchard.example' }), '2.16')).toMatchObject({ status: 200, objectId: user.id });
    expect(merge(lead(), '2.15')).toMatchObject({ status: 200, body: { type: 'contact', id: user.id } });
    expect(errorOf(call('POST', '/contacts/merge', { from: user.id }).body)).toBe('parameter_not_found');
  });

  test('is told by the history from 2.16, newest first, page by page', () => {
    const user = contact({ email: 'mara@orchard.example' });
    const merged = [0, 1, 2].map(() => {
      const { id } = lead();
      now += 1_000;
      model.merge(id, user.id, now);
      return {
        type: 'merge_history',
        source_contact_id: id,
        source_contact_role: 'lead',
        merged_at: Math.floor(now / 1000),
      };
    });
    const path = `/contacts/${user.id}/merge_history`;
    const first = call('GET', `${path}?per_page=2`, undefined, '2.16').body as { next_cursor: string };
    expect(first).toMatchObject({ type: 'list', data: merged.slice(1).toReversed(), has_more: true });
    const cursor = encodeURIComponent(first.next_cursor);
    const rest = call('GET', `${path}?per_page=2&cursor=${cursor}`, undefined, '2.16').body;
    expect(rest).toEqual({ type: 'list', data: merged.slice(0, 1), has_more: false });
    expect(call('GET', `${path}?order=asc`, undefined, '2.16').body).toMatchObject({ data: merged });
    expect(call('GET', `/contacts/${user.id}?include_merge_history=true`, undefined, '2.16').body).toMatchObject({
      merge_history: merged,
    });
    expect(call('GET', `/contacts/${user.id}`, undefined, '2.16').body).not.toHaveProperty('merge_history');
    expect(call('GET', `/contacts/${user.id}?include_merge_history=true`).body).not.toHaveProperty('merge_history');
    expect(errorOf(call('GET', path).body)).toBe('intercom_version_invalid');
    expect(call('GET', `${path}?cursor=%21`, undefined, '2.16').status).toBe(400);
    expect(call('GET', `/contacts/${lead().id}/merge_history`, undefined, '2.16').status).toBe(404);
  });
});

describe('a blocked contact', () => {
  test('is archived, keeps its email, and only a person in the settings brings it back', () => {
    const { id } = contact({ email: 'spam@orchard.example' });
    expect(call('POST', `/contacts/${id}/block`).body).toEqual({
      type: 'contact',
      id,
      external_id: null,
      blocked: true,
    });
    expect(call('GET', `/contacts/${id}`).status).toBe(404);
    expect(errorOf(call('POST', `/contacts/${id}/unarchive`).body)).toBe('not_restorable');
    expect(refusal(() => model.createContact({ email: 'spam@orchard.example' }, now))).toMatchObject({ status: 409 });
    expect(model.block(id, false, now).value).toMatchObject({ archived: false, blocked: false });
    expect(call('GET', `/contacts/${id}`).status).toBe(200);
    model.archive(id, true, now);
    expect(model.block(id, false, now)).toMatchObject({ changed: [], value: { archived: true } });
  });
});

describe('automations', () => {
  test('rewrite what was written, inside the write', () => {
    const title = (name: string | null) => name?.replace(/\b\w/g, (char) => char.toUpperCase()) ?? null;
    model.automate([{ object: 'contact', when: 'name', set: ({ name }) => ({ name: title(name) }) }]);
    const { id } = contact({ email: 'mara@orchard.example', name: 'mara ilves' });
    expect(model.contact(id).name).toBe('Mara Ilves');
    expect(model.updateContact(id, { name: 'mara ilves' }, now + 1).changed).toEqual([]);
    expect(model.updateContact(id, { name: 'mara saar' }, now + 1)).toMatchObject({
      value: { name: 'Mara Saar', updated_ms: now + 1 },
      changed: ['name'],
    });
  });

  test('set another field when one changes, one after the other, and not when it does not', () => {
    model.automate([
      { object: 'contact', when: 'phone', set: () => ({ custom_attributes: { city: 'Tartu' } }) },
      {
        object: 'contact',
        when: 'custom_attributes.city',
        set: ({ custom_attributes }) => ({ name: String(custom_attributes['city']) }),
      },
    ]);
    const { id } = contact({ email: 'mara@orchard.example' });
    expect(model.updateContact(id, { phone: '+37255501234' }, now).value).toMatchObject({
      name: 'Tartu',
      custom_attributes: { city: 'Tartu' },
    });
    expect(model.updateContact(id, { name: 'Mara' }, now).value.name).toBe('Mara');
  });

  test('of companies likewise, in a create and in an update', () => {
    model.automate([{ object: 'company', when: 'website', set: ({ website }) => ({ industry: website }) }]);
    const { id } = model.upsertCompany({ company_id: 'a', website: 'one' }, now).value;
    expect(model.company(id).industry).toBe('one');
    expect(model.updateCompany(id, { website: 'two' }, now).value.industry).toBe('two');
  });

  test('cannot make a value that the platform refuses: the write is refused, and nothing changes', () => {
    contact({ email: 'taken@orchard.example' });
    const { id } = contact({ email: 'mara@orchard.example' });
    model.automate([{ object: 'contact', when: 'name', set: () => ({ email: 'taken@orchard.example' }) }]);
    expect(refusal(() => model.updateContact(id, { name: 'Mara' }, now))).toMatchObject({ status: 409 });
    expect(model.contact(id)).toMatchObject({ name: null, email: 'mara@orchard.example' });
  });
});

describe('company lists', () => {
  test('end at 10,000, where only the scroll goes on', () => {
    const { id } = contact({ email: 'mara@orchard.example' });
    model.attach(id, company('a'), now);
    expect(call('POST', '/companies/list', { page: 67, per_page: 150 })).toMatchObject({
      status: 200,
      body: { data: [] },
    });
    expect(call('POST', '/companies/list', { page: 68, per_page: 150 }).status).toBe(400);
    expect(call('GET', '/companies/scroll').body).toMatchObject({ data: [{ company_id: 'a' }] });
  });
});
