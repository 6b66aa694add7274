import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../twins/common/random.ts';
import { IntercomModel } from '../../twins/intercom/model.ts';
import { contactPage, readQuery } from '../../twins/intercom/search.ts';
import { type Contact, Refusal, type Switches, type Written } from '../../twins/intercom/types.ts';

const start = Date.UTC(2026, 7, 19, 15, 2, 47, 906);

function workspace(switches: Partial<Switches> = {}, timezone = 'Etc/UTC'): IntercomModel {
  const model = new IntercomModel({ random: seededRandom(7), workspaceId: 'k3x9tq2m', timezone, switches });
  for (const [name, data_type] of [
    ['job_title', 'string'],
    ['seats', 'integer'],
    ['score', 'float'],
    ['newsletter', 'boolean'],
    ['renewal_date', 'date'],
  ])
    model.attributes.create({ name, data_type, model: 'contact' }, start);
  model.attributes.create({ name: 'tier', data_type: 'string', model: 'company' }, start);
  return model;
}

function refusal(call: () => unknown): { status: number; code: string; message: string; field: string | undefined } {
  try {
    call();
  } catch (error) {
    if (error instanceof Refusal)
      return { status: error.status, code: error.code, message: error.message, field: error.field };
    throw error;
  }
  throw new Error('expected a refusal');
}

let model: IntercomModel;
beforeEach(() => {
  model = workspace();
});

describe('people', () => {
  test('get ids of 24 hex digits, the same for the same seed', () => {
    const { id } = model.createContact({ email: 'a@orchard.example' }, start).value;
    expect(id).toMatch(/^[0-9a-f]{24}$/);
    expect(workspace().createContact({ email: 'a@orchard.example' }, start).value.id).toBe(id);
    expect(model.createContact({ email: 'b@orchard.example' }, start).value.id).not.toBe(id);
  });

  test('of one email conflict on create and on update, and the text carries the id of the holder', () => {
    const holder = model.createContact({ email: 'a@orchard.example' }, start).value.id;
    const other = model.createContact({ email: 'b@orchard.example' }, start).value.id;
    const conflict = {
      status: 409,
      code: 'conflict',
      message: `A contact matching those details already exists with id=${holder}`,
    };
    expect(refusal(() => model.createContact({ email: 'A@Orchard.example' }, start))).toMatchObject(conflict);
    expect(refusal(() => model.updateContact(other, { email: 'a@orchard.example' }, start))).toMatchObject(conflict);
    expect(model.contact(other).email).toBe('b@orchard.example');
  });

  test('that are archived keep their email and external id, and the conflict says so', () => {
    const holder = model.createContact({ email: 'a@orchard.example', external_id: 'x1' }, start).value.id;
    model.archive(holder, true, start);
    const message = `An archived contact matching those details already exists with id=${holder}`;
    expect(refusal(() => model.createContact({ email: 'a@orchard.example' }, start)).message).toBe(message);
    expect(refusal(() => model.createContact({ external_id: 'x1' }, start)).message).toBe(message);
    expect(refusal(() => model.contact(holder)).status).toBe(404);
    expect(model.archive(holder, false, start).changed).toEqual(['archived']);
    expect(model.archive(holder, false, start).changed).toEqual([]);
    expect(model.contact(holder).email).toBe('a@orchard.example');
  });

  test('that are deleted, or got another address, free the old one', () => {
    const first = model.createContact({ email: 'a@orchard.example' }, start).value.id;
    model.updateContact(first, { email: 'c@orchard.example' }, start);
    const second = model.createContact({ email: 'a@orchard.example' }, start).value.id;
    model.deleteContact(second, start);
    expect(model.createContact({ email: 'a@orchard.example' }, start).value.email).toBe('a@orchard.example');
  });

  test('need an email or an external id, and neither can be taken away', () => {
    expect(refusal(() => model.createContact({ name: 'nobody' }, start))).toMatchObject({ status: 400 });
    expect(refusal(() => model.createContact({ role: 'user' }, start))).toMatchObject({ code: 'parameter_invalid' });
    const { id } = model.createContact({ email: 'a@orchard.example' }, start).value;
    expect(refusal(() => model.updateContact(id, { email: null }, start))).toMatchObject({
      status: 400,
      field: 'email',
    });
    expect(refusal(() => model.updateContact(id, { email: 'nonsense' }, start)).field).toBe('email');
  });

  test('called leads may share an email, get an external id of the platform and take none', () => {
    const lead = model.createContact({ role: 'lead', email: 'a@orchard.example' }, start).value;
    model.createContact({ role: 'lead', email: 'a@orchard.example' }, start);
    const user = model.createContact({ email: 'a@orchard.example' }, start).value;
    expect(lead.external_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(refusal(() => model.updateContact(lead.id, { external_id: 'x' }, start)).field).toBe('external_id');
    expect(refusal(() => model.updateContact(user.id, { role: 'lead' }, start)).field).toBe('role');
    expect(refusal(() => model.updateContact(lead.id, { role: 'user' }, start)).status).toBe(409);
    expect(refusal(() => model.userByExternalId(lead.external_id ?? '')).status).toBe(404);
  });

  test('belong to an owner who must be an admin of the workspace', () => {
    const admin = model.addAdmin({ name: 'Support', email: 'support@orchard.example' });
    const { id } = model.createContact({ email: 'a@orchard.example', owner_id: admin.id }, start).value;
    expect(refusal(() => model.updateContact(id, { owner_id: 17 }, start))).toMatchObject({
      status: 400,
      code: 'parameter_invalid',
      field: 'owner_id',
    });
    expect(model.updateContact(id, { owner_id: null }, start).value.owner_id).toBeNull();
  });

  test('are normalised as the switches say', () => {
    const lenient = workspace({ lowerCaseEmails: false, trimNames: true });
    expect(lenient.createContact({ email: 'A@Orchard.example', name: ' Ann ' }, start).value).toMatchObject({
      email: 'A@Orchard.example',
      name: 'Ann',
    });
    expect(model.createContact({ email: 'A@Orchard.example', name: ' Ann ' }, start).value).toMatchObject({
      email: 'a@orchard.example',
      name: ' Ann ',
    });
  });
});

describe('custom attributes', () => {
  const write = (custom_attributes: unknown) =>
    model.createContact({ email: 'a@orchard.example', custom_attributes }, start).value.custom_attributes;

  test('merge key by key, and null clears one', () => {
    const { id } = model.createContact(
      { email: 'a@orchard.example', custom_attributes: { job_title: 'Buyer', seats: 3 } },
      start,
    ).value;
    const written = model.updateContact(id, { custom_attributes: { seats: null, score: 1.5 } }, start + 1_000);
    expect(written.value.custom_attributes).toEqual({ job_title: 'Buyer', score: 1.5 });
    expect(written.changed.toSorted()).toEqual(['custom_attributes.score', 'custom_attributes.seats']);
  });

  test('that nobody defined are refused by name, also those of the other model', () => {
    expect(refusal(() => write({ shoe_size: 44 }))).toMatchObject({
      status: 400,
      code: 'parameter_invalid',
      message: "Custom attribute 'shoe_size' does not exist",
    });
    expect(refusal(() => write({ tier: 'gold' })).field).toBe('custom_attributes.tier');
    expect(model.everything().contacts).toEqual([]);
  });

  test.each([
    ['seats', 1.5],
    ['seats', '3'],
    ['score', '1'],
    ['newsletter', 'true'],
    ['renewal_date', '2026-01-01'],
    ['job_title', 3],
    ['job_title', ['a']],
    ['job_title', 'x'.repeat(256)],
  ])('of a type take no other value: %s = %j', (name, value) => {
    expect(refusal(() => write({ [name]: value }))).toMatchObject({
      code: 'parameter_invalid',
      field: `custom_attributes.${name}`,
    });
  });

  test('above 255 characters are cut where the switch says so', () => {
    model.turn({ cutLongStrings: true });
    expect(write({ job_title: 'x'.repeat(300) })).toEqual({ job_title: 'x'.repeat(255) });
  });

  test('have a name that only one model can use', () => {
    expect(
      refusal(() => model.attributes.create({ name: 'tier', model: 'contact', data_type: 'string' }, start)),
    ).toMatchObject({
      status: 400,
      code: 'parameter_invalid',
      message: "You already have 'tier' in your company data. To save this as new people data, use a different name.",
    });
  });

  test('of a list take its options only', () => {
    model.attributes.create(
      { name: 'level', model: 'contact', data_type: 'options', options: [{ value: 'A' }, { value: 'B' }] },
      start,
    );
    expect(write({ level: 'A' })).toEqual({ level: 'A' });
    expect(
      refusal(() => model.createContact({ email: 'b@x.example', custom_attributes: { level: 'C' } }, start)).code,
    ).toBe('parameter_invalid');
  });
});

describe('companies', () => {
  test('are upserted by company_id, which never changes', () => {
    const made = model.upsertCompany({ company_id: 'a1', name: 'Orchard', custom_attributes: { tier: 'gold' } }, start);
    const again = model.upsertCompany({ company_id: 'a1', website: 'orchard.example' }, start + 5);
    expect(again.value).toMatchObject({ id: made.value.id, name: 'Orchard', website: 'orchard.example' });
    expect(again.changed).toEqual(['website']);
    expect(model.upsertCompany({ company_id: 'a1', website: 'orchard.example' }, start + 9).changed).toEqual([]);
    expect(model.company(made.value.id).updated_ms).toBe(start + 5);
    expect(refusal(() => model.updateCompany(made.value.id, { company_id: 'a2' }, start))).toMatchObject({
      code: 'bad_request',
      message: "bad 'company_id' parameter",
    });
  });

  test('refuse parameters that they do not know and truncate the monthly spend', () => {
    expect(refusal(() => model.upsertCompany({ company_id: 'a1', test: 1 }, start)).message).toBe(
      "bad 'test' parameter",
    );
    expect(model.upsertCompany({ company_id: 'a1', monthly_spend: 155.98 }, start).value.monthly_spend).toBe(155);
    expect(refusal(() => model.upsertCompany({ company_id: 'a1', monthly_spend: 2 ** 31 }, start)).field).toBe(
      'monthly_spend',
    );
  });

  test('are listed while they have people, and attaching twice is once', () => {
    const company = model.upsertCompany({ company_id: 'a1' }, start).value.id;
    const person = model.createContact({ email: 'a@orchard.example' }, start).value.id;
    expect(model.listedCompanies()).toEqual([]);
    expect(model.attach(person, company, start + 1).changed).toEqual(['companies']);
    expect(model.attach(person, company, start + 2).changed).toEqual([]);
    expect(model.contact(person).updated_ms).toBe(start + 1);
    expect(model.listedCompanies().map(({ id }) => id)).toEqual([company]);
    expect(model.detach(person, company, start + 3).changed).toEqual(['companies']);
    expect(model.detach(person, company, start + 4).changed).toEqual([]);
    expect(model.listedCompanies()).toEqual([]);
    expect(model.companyByCompanyId('a1').id).toBe(company);
  });

  test('are at most 1,000 for one person', () => {
    const person = model.createContact({ email: 'a@orchard.example' }, start).value.id;
    const ids = Array.from({ length: 1_001 }, (_, n) => model.upsertCompany({ company_id: `a${n}` }, start).value.id);
    for (const id of ids.slice(0, 1_000)) model.attach(person, id, start);
    expect(refusal(() => model.attach(person, ids[1_000], start))).toMatchObject({
      status: 400,
      code: 'contact_company_limit_exceeded',
    });
  });

  test('that are deleted leave their people', () => {
    const company = model.upsertCompany({ company_id: 'a1' }, start).value.id;
    const person = model.createContact({ email: 'a@orchard.example' }, start).value.id;
    model.attach(person, company, start);
    model.deleteCompany(company, start + 1);
    expect(model.contact(person).companies).toEqual([]);
    expect(refusal(() => model.companyByCompanyId('a1')).code).toBe('company_not_found');
  });
});

describe('search', () => {
  const find = (query: unknown, now: number, of = model) => of.searchable(now).filter(readQuery(query, of.timezone));

  test('sees a write only after the lag, while reading by id is immediate', () => {
    const { id } = model.createContact({ email: 'a@orchard.example', name: 'old' }, start).value;
    const byEmail = { field: 'email', operator: '=', value: 'a@orchard.example' };
    expect(model.contact(id).name).toBe('old');
    expect(find(byEmail, start + 2_999)).toEqual([]);
    model.updateContact(id, { name: 'new' }, start + 2_000);
    expect(find(byEmail, start + 3_000).map(({ name }) => name)).toEqual(['old']);
    expect(find(byEmail, start + 5_000).map(({ name }) => name)).toEqual(['new']);
    model.deleteContact(id, start + 6_000);
    expect(find(byEmail, start + 6_001)).toHaveLength(1);
    expect(find(byEmail, start + 9_000)).toEqual([]);
  });

  test('compares dates by the days of the workspace', () => {
    const tokyo = workspace({ searchLagMs: 0 }, 'Asia/Tokyo');
    tokyo.createContact({ email: 'a@orchard.example' }, Date.UTC(2026, 0, 1, 16));
    const ask = (operator: string, utc: number) =>
      find({ field: 'updated_at', operator, value: utc / 1000 }, Date.UTC(2026, 0, 9), tokyo).length;
    expect(ask('=', Date.UTC(2026, 0, 2, 14))).toBe(1);
    expect(ask('=', Date.UTC(2026, 0, 1, 14))).toBe(0);
    expect(ask('>', Date.UTC(2026, 0, 1, 15))).toBe(0);
    expect(ask('>', Date.UTC(2026, 0, 1, 14))).toBe(1);
    expect(ask('<', Date.UTC(2026, 0, 2, 15))).toBe(1);
    expect(refusal(() => ask('>=', 0)).code).toBe('parameter_invalid');
  });

  test('takes groups two deep and fifteen wide', () => {
    const leaf = { field: 'email', operator: '=', value: 'x' };
    const group = (value: unknown) => ({ operator: 'AND', value });
    expect(readQuery(group([group([leaf])]), 'Etc/UTC')).toBeTypeOf('function');
    expect(refusal(() => readQuery(group([group([group([leaf])])]), 'Etc/UTC')).status).toBe(400);
    expect(refusal(() => readQuery(group(Array(16).fill(leaf)), 'Etc/UTC')).status).toBe(400);
    expect(refusal(() => readQuery({ ...leaf, field: 'shoe_size' }, 'Etc/UTC')).code).toBe('invalid_field');
  });

  test('pages through everything once, by a cursor that says nothing', () => {
    const still = workspace({ searchLagMs: 0 });
    for (let n = 0; n < 25; n += 1) still.createContact({ email: `p${n}@orchard.example` }, start + (n % 3));
    const seen: string[] = [];
    for (let cursor: unknown, pages = 0; pages < 10; pages += 1) {
      const page = contactPage(still.searchable(start + 10), { startingAfter: cursor, perPage: 10 }, 50);
      seen.push(...page.data.map(({ id }) => id));
      expect(page.total).toBe(25);
      cursor = page.next;
      if (cursor === undefined) break;
    }
    expect(new Set(seen).size).toBe(25);
    expect(seen).toHaveLength(25);
    expect(refusal(() => contactPage([], { startingAfter: 'x' }, 50)).field).toBe('starting_after');
    expect(refusal(() => contactPage([], { sort: { field: 'updated_at', order: 'desc' } }, 50)).code).toBe(
      'invalid_sort_order',
    );
  });
});

describe('whatever happens', () => {
  const pick = (values: readonly string[]) => fc.constantFrom(...values);
  const body = fc.record(
    {
      email: pick(['a@x.example', 'A@x.example', 'b@x.example', 'c@x.example']),
      external_id: pick(['1', '2', '3']),
      name: fc.option(pick(['Ann', 'Bo']), { nil: null }),
      role: pick(['user', 'user', 'lead']),
      custom_attributes: fc.record(
        {
          seats: fc.option(fc.integer({ min: 0, max: 2 }), { nil: null }),
          job_title: fc.option(pick(['x', 'y']), { nil: null }),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  );
  const step = fc.record({
    call: pick([
      'create',
      'create',
      'update',
      'update',
      'archive',
      'unarchive',
      'delete',
      'attach',
      'detach',
      'deleteCompany',
      'merge',
      'block',
      'unblock',
    ]),
    who: fc.nat({ max: 5 }),
    whom: fc.nat({ max: 5 }),
    where: fc.nat({ max: 2 }),
    body,
    wait: fc.constantFrom(0, 1, 700, 2_000),
  });

  test('no two users share an email or external id, updated_at moves with effective writes and only then, memberships agree', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = workspace();
        const companies = () => [0, 1, 2].map((n) => world.upsertCompany({ company_id: `a${n}` }, start).value.id);
        let now = start;
        for (const { call, who, whom, where, body: sent, wait } of steps) {
          now += wait;
          const before = new Map(world.everything().contacts.map((contact) => [contact.id, contact]));
          const id = [...before.keys()][who] ?? 'nobody';
          const company = companies()[where] ?? '';
          const survivor = [...before.keys()][whom] ?? 'nobody';
          const changed = attempt(() => {
            if (call === 'create') return world.createContact(sent, now);
            if (call === 'update') return world.updateContact(id, sent, now);
            if (call === 'delete') return world.deleteContact(id, now);
            if (call === 'attach') return world.attach(id, company, now);
            if (call === 'detach') return world.detach(id, company, now);
            if (call === 'deleteCompany') return world.deleteCompany(company, now);
            if (call === 'merge') return world.merge(id, survivor, now);
            if (call === 'block' || call === 'unblock') return world.block(id, call === 'block', now);
            return world.archive(id, call === 'archive', now);
          });
          const after = world.everything().contacts;
          expect(changed.length > 0 || equal(after, [...before.values()])).toBe(true);
          for (const contact of after) {
            const was = before.get(contact.id);
            if (was === undefined) continue;
            const { updated_ms: then, ...old } = was;
            const { updated_ms: at, ...current } = contact;
            // A merge is a write to the survivor even where it fills nothing.
            const written = !equal(old, current) || (call === 'merge' && changed.length > 0 && contact.id === survivor);
            expect(at).toBe(written ? now : then);
          }
          const users = after.filter(({ role }) => role === 'user');
          unique(users, 'email');
          unique(users, 'external_id');
          for (const one of companies())
            expect(new Set(world.contactsOf(one).map((contact) => contact.id))).toEqual(
              new Set(after.filter((c) => !c.archived && c.companies.includes(one)).map((c) => c.id)),
            );
        }
      }),
      { numRuns: 300 },
    );
  });

  test('updates compose: one after the other is both at once, and once more is nothing', () => {
    const patch = body.map(({ email: _email, external_id: _id, role: _role, ...rest }) => rest);
    fc.assert(
      fc.property(patch, patch, (first, second) => {
        const both = {
          ...first,
          ...second,
          custom_attributes: { ...first.custom_attributes, ...second.custom_attributes },
        };
        const run = (...patches: readonly object[]) => {
          const world = workspace();
          const { id } = world.createContact({ email: 'a@x.example', custom_attributes: { seats: 1 } }, start).value;
          for (const one of patches) world.updateContact(id, { ...one }, start + 1);
          return { world, id };
        };
        const stepwise = run(first, second);
        const { updated_ms: _stepwise, ...values } = stepwise.world.contact(stepwise.id);
        const { updated_ms: _atOnce, ...expected } = (({ world, id }) => world.contact(id))(run(both));
        expect(values).toEqual(expected);
        expect(stepwise.world.updateContact(stepwise.id, both, start + 9).changed).toEqual([]);
      }),
    );
  });
});

/** What a call changed; a refused one nothing. */
function attempt(call: () => Written<unknown>): readonly string[] {
  try {
    return call().changed;
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

function unique(users: readonly Contact[], field: 'email' | 'external_id'): void {
  const held = users.flatMap((user) => user[field] ?? []);
  expect(new Set(held).size).toBe(held.length);
}

const equal = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b);
