import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Verdict } from '../../connectors/intercom/classify.ts';
import type { IntercomAccess } from '../../connectors/intercom/client.ts';
import type { LimitTold } from '../../core/budget.ts';
import { type Answer, Interrupted } from '../../core/sink-state.ts';
import type { Command } from '../../schemas/types.ts';
import { drive } from '../../sinks/drive.ts';
import { execute } from '../../sinks/intercom/execute.ts';
import { type IntercomTwin, startIntercomTwin } from '../../twins/intercom/server.ts';
import { accessTo, callsOf, openBudget, twinControl } from '../support/intercom-access.ts';

let twin: IntercomTwin;
let access: IntercomAccess;
let told: readonly LimitTold[];

beforeEach(async () => {
  twin = await startIntercomTwin();
  const budget = openBudget();
  told = budget.told;
  access = accessTo(twin, budget);
  const attribute = (model: string, name: string, data_type = 'string') => ({ model, name, data_type });
  await twinControl(twin, 'load', {
    attributes: [
      attribute('contact', 'tributary_id'),
      attribute('contact', 'level'),
      attribute('contact', 'seats', 'integer'),
      attribute('company', 'tier'),
    ],
  });
});
afterEach(async () => {
  await access.close();
  await twin.close();
});

const markers = { contact: 'custom_attributes.tributary_id', company: 'company_id' } as const;
const asked: Command = {
  id: 'ask',
  platform: 'intercom',
  epoch: 'e',
  verb: 'create',
  object: 'contact',
  ref: '',
  key: 'customer-1',
  fields: {},
  before: {},
  lane: 'live',
  askedAt: 0,
  expiresAt: 0,
  doubt: false,
  lineage: '',
};
const carryOut = (
  through: IntercomAccess,
  given: Partial<Command>,
  signal: AbortSignal,
  trouble: (code: string) => void = () => undefined,
): Promise<Answer> =>
  drive(
    execute(markers, { ...asked, ...given }),
    { holder: { partition: 0, fence: 1 }, signal, trouble },
    (caller, request) => through.call(caller, request),
  );
const run = (given: Partial<Command>, signal = AbortSignal.timeout(20_000)): Promise<Answer> =>
  carryOut(access, given, signal);

const person = {
  email: 'mara@orchard.example',
  name: 'Mara Ilves',
  'custom_attributes.tributary_id': 'customer-1',
  'custom_attributes.level': 'gold',
};
const contacts = () => twin.model.everything().contacts;
const fault = (match: string, given: object) => twinControl(twin, 'faults', [{ match, ...given }]);
/** By a person. */
const edit = (id: string, body: object) =>
  fetch(`${twin.url}/contacts/${id}`, {
    method: 'PUT',
    headers: { authorization: 'Bearer person-1', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const writes = async () => (await callsOf(twin)).map(({ call }) => call);

async function company(name: string): Promise<string> {
  const answer = await run({ object: 'company', key: name, fields: { company_id: name, name } });
  return answer.ref.slice('intercom:company:'.length);
}
async function contact(fields: Command['fields'] = person): Promise<string> {
  return (await run({ fields })).ref;
}

describe('create', () => {
  test('one call makes a user, and the answer is an observation of it', async () => {
    const answer = await run({ fields: person });
    expect(answer).toMatchObject({
      outcome: 'applied',
      calls: 1,
      doubt: false,
      refusals: [],
      returned: { ref: answer.ref, via: 'answer', whole: true, fields: { ...person, role: 'user', companies: [] } },
    });
    expect(answer.platformTime % 1000).toBe(0);
    expect(answer.platformTime).toBeGreaterThan(0);
    expect(contacts()).toHaveLength(1);
    expect(told).toContainEqual(expect.objectContaining({ limit: 1666 }));
  });

  test('attaches its companies and tells them, although attaching answers with the company', async () => {
    const id = await company('acc-1');
    const answer = await run({ fields: { ...person, companies: [id] } });
    expect(answer).toMatchObject({
      outcome: 'applied',
      calls: 2,
      returned: { fields: { companies: [id] }, unknown: [] },
    });
  });

  test("somebody else's contact with the same email exists: told, not touched", async () => {
    await twinControl(twin, 'load', { contacts: [{ email: person.email, name: 'Mara by hand' }] });
    const answer = await run({ fields: person });
    expect(answer).toMatchObject({ outcome: 'exists', returned: { fields: { name: 'Mara by hand' } } });
    expect(answer.ref).toBe(`intercom:contact:${contacts()[0]?.id}`);
    expect(await writes()).toEqual(['POST /contacts', 'GET /contacts/*']);
  });

  test('an archived contact with the same email is refused with the way out', async () => {
    const ref = await contact();
    const id = ref.slice('intercom:contact:'.length);
    await fetch(`${twin.url}/contacts/${id}/archive`, {
      method: 'POST',
      headers: { authorization: `Bearer person-1` },
    });
    const answer = await run({ fields: person });
    expect(answer.outcome).toBe('refused');
    expect(answer.refusals[0]?.message).toMatch(/archived contact .*Unarchive or delete/);
    expect(answer.ref).toBe(ref);
  });

  describe.each([
    ['a 500 before it was applied', { status: 500 }, 0],
    ['a 503 after it was applied', { status: 503, applied: true }, 1],
    ['no answer, not applied', { kind: 'timeout-before' }, 0],
    ['no answer, applied', { kind: 'timeout-after' }, 1],
    ['a reset before', { kind: 'reset-before' }, 0],
    ['a reset after', { kind: 'reset-after' }, 1],
    ['an HTML 502', { kind: 'html-502' }, 0],
    ['success with half a body', { kind: 'broken-json' }, 1],
    ['a body that stalls', { kind: 'stall' }, 1],
  ])('%s', (_case, given, made) => {
    test('is not tried again while a search may not show what was made: in doubt', async () => {
      await fault('POST /contacts', given);
      const answer = await run({ fields: person });
      expect(answer).toMatchObject({ outcome: 'expired', ref: '', doubt: true, calls: 2 });
      expect(contacts()).toHaveLength(made);
    });

    test('and asked again: one contact in the end, ours, whatever its email is by then', async () => {
      await twinControl(twin, 'switches', { searchLagMs: 0 });
      await fault('POST /contacts', given);
      const first = await run({ fields: person });
      for (const { id } of contacts()) await edit(id, { email: 'mara.ilves@orchard.example' });
      const answer = await run({ fields: person, doubt: true });
      expect(first.outcome).toBe(made === 0 ? 'expired' : 'applied');
      expect(answer).toMatchObject({ outcome: 'applied', returned: { fields: { name: 'Mara Ilves' } } });
      expect(contacts()).toHaveLength(1);
    });
  });

  test('that is in doubt and has lost our id is made, and one that is gone since is not taken for it', async () => {
    await twinControl(twin, 'switches', { searchLagMs: 0 });
    const ref = await contact();
    await edit(ref.slice('intercom:contact:'.length), {
      email: 'other@orchard.example',
      custom_attributes: { tributary_id: null },
    });
    const answer = await run({ fields: person, doubt: true });
    expect(answer).toMatchObject({ outcome: 'applied', calls: 2 });
    expect(contacts()).toHaveLength(2);
  });

  test('that cannot be searched for is refused with the reason, not made blindly', async () => {
    await fault('POST /contacts/search', { status: 400 });
    const answer = await run({ fields: person, doubt: true });
    expect(answer).toMatchObject({ outcome: 'refused', refusals: [{ field: '' }] });
    expect(contacts()).toHaveLength(0);
  });

  test('429 is waited for in the budget and is no attempt', async () => {
    await fault('POST /contacts', { status: 429, times: 3 });
    const answer = await run({ fields: person });
    expect(answer).toMatchObject({ outcome: 'applied', doubt: false });
    expect(told.filter(({ pauseMs }) => pauseMs !== undefined && pauseMs > 0)).toHaveLength(3);
  });

  test('a company is made by an upsert, so that a repeat makes no second one', async () => {
    await fault('POST /companies', { kind: 'timeout-after' });
    const fields = { company_id: 'acc-1', name: 'Orchard', 'custom_attributes.tier': 'A' };
    const answer = await run({ object: 'company', key: 'acc-1', fields });
    expect(answer).toMatchObject({ outcome: 'applied', doubt: true, returned: { fields } });
    expect(twin.model.everything().companies).toHaveLength(1);
  });
});

describe('update', () => {
  test('one call changes several fields; null clears, what is not named stays', async () => {
    const ref = await contact();
    const fields = { name: null, 'custom_attributes.seats': 3 };
    const answer = await run({ verb: 'update', ref, fields });
    expect(answer).toMatchObject({
      outcome: 'applied',
      calls: 1,
      returned: {
        fields: { name: null, email: person.email, 'custom_attributes.level': 'gold', 'custom_attributes.seats': 3 },
      },
    });
  });

  test('no field writes nothing, and what stands is told', async () => {
    const ref = await contact();
    expect(await run({ verb: 'update', ref, fields: {} })).toMatchObject({
      outcome: 'applied',
      calls: 1,
      returned: { whole: true, fields: person },
    });
    expect((await writes()).at(-1)).toBe('GET /contacts/*');
  });

  test('memberships that stand already are not written, and what stands is told', async () => {
    const a = await company('a');
    const ref = await contact({ ...person, companies: [a] });
    const answer = await run({ verb: 'update', ref, fields: { companies: [a] }, before: { companies: [a] } });
    expect(answer).toMatchObject({ outcome: 'applied', calls: 1, returned: { fields: { companies: [a] } } });
    expect(answer.returned?.at.time).toBeGreaterThan(0);
  });

  test('a refused field that the platform names does not hold back its neighbours', async () => {
    const ref = await contact();
    const fields = { name: 'Mara I.', owner_id: 99, 'custom_attributes.level': 'silver' };
    const answer = await run({ verb: 'update', ref, fields });
    expect(answer).toMatchObject({
      outcome: 'applied',
      refusals: [{ field: 'owner_id', code: 'PLATFORM_REFUSED' }],
      returned: { fields: { name: 'Mara I.', owner_id: null, 'custom_attributes.level': 'silver' } },
    });
    expect(answer.refusals[0]?.message).toContain('parameter_invalid');
  });

  test('a value that is refused alone is a refusal with the platform’s words', async () => {
    const ref = await contact();
    const answer = await run({ verb: 'update', ref, fields: { 'custom_attributes.seats': 'many' } });
    expect(answer).toMatchObject({
      outcome: 'refused',
      returned: null,
      refusals: [{ field: 'custom_attributes.seats', code: 'PLATFORM_REFUSED' }],
    });
  });

  test('an email that another contact has is refused; its neighbours are written', async () => {
    await contact({ ...person, email: 'other@orchard.example' });
    const ref = await contact({ ...person });
    const email = 'other@orchard.example';
    const alone = await run({ verb: 'update', ref, fields: { email } });
    expect(alone).toMatchObject({ outcome: 'refused', refusals: [{ field: 'email' }] });
    expect(alone.refusals[0]?.message).toContain('already exists');
    const among = await run({ verb: 'update', ref, fields: { email, name: 'New' } });
    expect(among).toMatchObject({
      outcome: 'applied',
      refusals: [{ field: 'email' }],
      returned: { fields: { name: 'New', email: person.email } },
    });
  });

  test('memberships: the difference to what was seen, and not what somebody attached since', async () => {
    const [a, b, c] = [await company('a'), await company('b'), await company('c')];
    const ref = await contact({ ...person, companies: [a] });
    await run({ verb: 'update', ref, fields: { companies: [a, c].sort() }, before: { companies: [a] } });
    const answer = await run({ verb: 'update', ref, fields: { companies: [b] }, before: { companies: [a] } });
    expect(answer).toMatchObject({
      outcome: 'applied',
      calls: 2,
      returned: { whole: false, fields: { companies: [b] } },
    });
    expect((await callsOf(twin)).filter(({ noop }) => noop)).toEqual([]);
    const seen = await run({ verb: 'read', ref });
    expect(seen.returned?.fields['companies']).toEqual([b, c].sort());
  });

  test('fields and memberships together: the contact once, and each membership once', async () => {
    const [a, b] = [await company('a'), await company('b')];
    const ref = await contact({ ...person, companies: [a] });
    const fields = { name: 'New', companies: [b] };
    const answer = await run({ verb: 'update', ref, fields, before: { companies: [a] } });
    expect(answer).toMatchObject({ calls: 3, returned: { whole: true, fields: { name: 'New', companies: [b] } } });
  });

  test('a membership that already stands is not written again', async () => {
    const a = await company('a');
    const ref = await contact({ ...person, companies: [a] });
    const answer = await run({ verb: 'update', ref, fields: { name: 'New', companies: [a] }, before: {} });
    expect(answer).toMatchObject({ calls: 1, returned: { fields: { companies: [a] } } });
  });

  test('a company that is gone is a refused membership, not a refused contact', async () => {
    const ref = await contact();
    const gone = '66f1a0b7c2d94e0012ab34cd';
    const fields = { name: 'New', companies: [gone] };
    const answer = await run({ verb: 'update', ref, fields, before: { companies: [] } });
    expect(answer).toMatchObject({
      outcome: 'applied',
      refusals: [{ field: 'companies' }],
      returned: { fields: { name: 'New' } },
    });
    expect(answer.returned?.fields).not.toHaveProperty('companies');
    expect(answer.returned?.unknown).toEqual(['companies']);
  });

  test.each([['fields'], ['attached'], ['detached']])('a contact deleted meanwhile is gone: %s', async (what) => {
    const a = await company('a');
    const ref = await contact();
    await fetch(`${twin.url}/contacts/${ref.slice('intercom:contact:'.length)}`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer person-1' },
    });
    const fields = what === 'fields' ? { name: 'New' } : { companies: what === 'attached' ? [a] : [] };
    const before = { companies: what === 'detached' ? [a] : [] };
    expect(await run({ verb: 'update', ref, fields, before })).toMatchObject({ outcome: 'gone' });
  });

  test('a company deleted meanwhile is gone, not made anew', async () => {
    const id = await company('a');
    await fetch(`${twin.url}/companies/${id}`, { method: 'DELETE', headers: { authorization: 'Bearer person-1' } });
    const answer = await run({
      verb: 'update',
      object: 'company',
      ref: `intercom:company:${id}`,
      fields: { name: 'B' },
    });
    expect(answer.outcome).toBe('gone');
    expect(twin.model.everything().companies).toEqual([]);
  });

  test.each([
    ['timeout-before', { kind: 'timeout-before' }],
    ['timeout-after', { kind: 'timeout-after' }],
    ['500 after', { status: 500, applied: true }],
    ['stall', { kind: 'stall' }],
  ])('%s: written in the end, in doubt', async (_case, given) => {
    const ref = await contact();
    await fault('PUT /contacts/*', given);
    const answer = await run({ verb: 'update', ref, fields: { name: 'New' } });
    expect(answer).toMatchObject({ outcome: 'applied', doubt: true, calls: 2, returned: { fields: { name: 'New' } } });
  });
});

describe('read', () => {
  test('reads every company of a contact, beyond the ten that it shows', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 12; n++) ids.push(await company(`acc-${n}`));
    const ref = await contact({ ...person, companies: ids });
    const answer = await run({ verb: 'read', ref });
    expect(answer).toMatchObject({ outcome: 'applied', calls: 2 });
    expect(answer.returned?.fields['companies']).toEqual([...ids].sort());
    expect(answer.returned?.unknown).toEqual([]);
  });

  test('a record that is not there is gone', async () => {
    const ref = 'intercom:contact:66f1a0b7c2d94e0012ab34cd';
    expect(await run({ verb: 'read', ref })).toMatchObject({ outcome: 'gone', returned: null });
  });
});

describe('when it must end', () => {
  test('a platform that never answers is no refusal: asked again, in doubt', async () => {
    const ref = await contact();
    await fault('PUT /contacts/*', { kind: 'timeout-before', times: 100 });
    const answer = await run({ verb: 'update', ref, fields: { name: 'New' } }, AbortSignal.timeout(700));
    expect(answer).toMatchObject({
      outcome: 'expired',
      doubt: true,
      refusals: [{ field: '', code: 'PLATFORM_UNAVAILABLE', message: 'no answer within 250 ms' }],
    });
  });

  test('what was not called is not answered', async () => {
    await expect(run({ fields: person }, AbortSignal.abort())).rejects.toThrow(Interrupted);
    expect(await writes()).toEqual([]);
  });

  test('a contact whose memberships could not be written in time tells them as unknown', async () => {
    const id = await company('acc-1');
    await fault('POST /contacts/*/companies', { kind: 'timeout-before', times: 100 });
    const answer = await run({ fields: { ...person, companies: [id] } }, AbortSignal.timeout(900));
    expect(answer).toMatchObject({ outcome: 'applied', doubt: true, returned: { unknown: ['companies'] } });
    expect(answer.returned?.fields).not.toHaveProperty('companies');
  });

  test('a missing permission is a refusal of ours, so that a run of them is noticed', async () => {
    await fault('POST /contacts', { status: 403 });
    const answer = await run({ fields: person });
    expect(answer).toMatchObject({ outcome: 'refused', refusals: [{ code: 'CREDENTIALS_REFUSED' }] });
  });

  test('and then names what was cleared, since it does not speak for the whole record any more', async () => {
    const ref = await contact();
    const id = await company('acc-1');
    await fault('POST /contacts/*/companies', { kind: 'timeout-before', times: 100 });
    const fields = { 'custom_attributes.level': null, companies: [id] };
    const answer = await run({ verb: 'update', ref, fields, before: { companies: [] } }, AbortSignal.timeout(600));
    expect(answer.returned).toMatchObject({ whole: false, fields: { 'custom_attributes.level': null } });
  });

  test('a token that is refused stops the sink instead of refusing the record', async () => {
    await fault('POST /contacts', { status: 401 });
    await expect(run({ fields: person })).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
  });
});

describe('an answer that does not say enough', () => {
  const id = '66f1a0b7c2d94e0012ab34cd';
  const ref = `intercom:contact:${id}`;
  const second = 1_790_000_000;
  const body = { type: 'contact', id, role: 'user', email: null, name: 'New', updated_at: second };
  const { updated_at: _, ...bodyWithout } = body;
  const ok = (of: Readonly<Record<string, unknown>>, time = second * 1_000): Verdict => ({
    kind: 'ok',
    body: of,
    time,
    sentAt: time,
  });

  /** A platform that gives these answers, one for each call. */
  async function answering(given: Partial<Command>, ...answers: readonly Verdict[]) {
    const left = [...answers];
    const troubles: string[] = [];
    const scripted: IntercomAccess = {
      call: async () => {
        const verdict = left.shift();
        if (verdict === undefined) throw new Error('a call too many');
        return verdict;
      },
      close: () => Promise.resolve(),
    };
    const command = { verb: 'update', ref, fields: { name: 'New' }, ...given } as const;
    const answer = await carryOut(scripted, command, AbortSignal.timeout(20_000), (code) => troubles.push(code));
    expect(left).toEqual([]);
    return { answer, troubles };
  }

  test.each([
    ['no updated_at', ok(bodyWithout)],
    ['no Date', ok(body, 0)],
    ['no id', ok({ ...body, id: undefined })],
  ])('%s: the record is read once, and told at that moment', async (_case, written) => {
    const { answer } = await answering({}, written, ok(body, second * 1_000 + 5_000));
    expect(answer).toMatchObject({
      outcome: 'applied',
      calls: 2,
      platformTime: second * 1_000 + 5_000,
      returned: { ref, fields: { name: 'New' }, at: { time: second * 1_000 } },
    });
  });

  test('it says when its first call that did something was sent, and nothing where a try of it is in doubt', async () => {
    const sent = (verdict: Verdict, sentAt: number): Verdict => ({ ...verdict, sentAt }) as Verdict;
    const lost: Verdict = { kind: 'retry', doubt: true, code: 'PLATFORM_UNAVAILABLE', text: 'no answer' };
    const again = sent(ok(body), second * 1_000 + 400);
    expect((await answering({}, again)).answer.sentAt).toBe(second * 1_000 + 400);
    expect((await answering({}, sent(ok(bodyWithout), 7), again)).answer.sentAt).toBe(7);
    expect((await answering({}, sent(ok(body, 0), 0), again)).answer.sentAt).toBe(0);
    expect((await answering({}, lost, again)).answer.sentAt).toBe(0);
  });

  test('read in vain it is in doubt and asked again; a run of it counts as trouble', async () => {
    const { answer, troubles } = await answering({}, ok(bodyWithout), ok(bodyWithout));
    expect(answer).toMatchObject({
      outcome: 'expired',
      doubt: true,
      calls: 2,
      returned: null,
      refusals: [{ field: '', code: 'PLATFORM_NONSENSE' }],
    });
    expect(troubles).toEqual(['PLATFORM_NONSENSE']);
  });

  test('a created contact without an id cannot be read: in doubt, and found by its marker when asked again', async () => {
    const { answer } = await answering({ verb: 'create', ref: '', fields: person }, ok({ type: 'contact' }));
    expect(answer).toMatchObject({ outcome: 'expired', doubt: true, calls: 1 });
  });

  test('a membership attached at no known time is told by reading the contact', async () => {
    const companies = { type: 'list', data: [{ id: 'co1' }], has_more: false };
    const { answer } = await answering(
      { fields: { companies: ['co1'] } },
      ok({ type: 'company', id: 'co1' }, 0),
      ok({ ...body, companies }),
    );
    expect(answer).toMatchObject({
      outcome: 'applied',
      platformTime: second * 1_000,
      returned: { fields: { companies: ['co1'] }, at: { time: second * 1_000 } },
    });
  });

  const refusing = (of: Partial<Extract<Verdict, { kind: 'refuse' }>>): Verdict => ({
    kind: 'refuse',
    code: 'PLATFORM_REFUSED',
    field: '',
    text: 'parameter_invalid: too many',
    time: second * 1_000,
    ...of,
  });

  test('a missing right whose text mentions a field is about no field', async () => {
    const text = 'api_plan_restricted: your role may not write; ask whoever has the name of an admin';
    const { answer } = await answering({}, refusing({ code: 'CREDENTIALS_REFUSED', text }));
    expect(answer).toMatchObject({ outcome: 'refused', refusals: [{ field: '', code: 'CREDENTIALS_REFUSED' }] });
  });

  test('a marker that is refused at a creation is refused for every record', async () => {
    const marker = markers.contact;
    const { answer } = await answering({ verb: 'create', ref: '', fields: person }, refusing({ field: marker }));
    expect(answer).toMatchObject({ outcome: 'refused', refusals: [{ field: '' }] });
  });

  test.each([
    ['custom_attributes', '', 'parameter_invalid: too many (custom_attributes)'],
    ['updated_at', '', 'parameter_invalid: too many (updated_at)'],
    ['level', 'custom_attributes.level', 'parameter_invalid: too many'],
  ])('a refusal that names %s names a field that was asked, or the record', async (named, field, message) => {
    const fields = { 'custom_attributes.level': 'x' };
    const { answer } = await answering({ fields }, refusing({ field: named }));
    expect(answer).toMatchObject({ outcome: 'refused', refusals: [{ field, message }] });
  });
});

describe('a command that ended unanswered says whether anything may stand', () => {
  test('one membership of two attached when time ran out: in doubt', async () => {
    const [a, b] = [await company('a'), await company('b')];
    const ref = await contact();
    const end = new AbortController();
    const first: IntercomAccess = {
      ...access,
      call: async (caller, request) => {
        caller.signal.throwIfAborted();
        const verdict = await access.call(caller, request);
        end.abort();
        return verdict;
      },
    };
    const given = { verb: 'update', ref, fields: { companies: [a, b] }, before: { companies: [] } } as const;
    const answer = await carryOut(first, given, end.signal);
    expect(answer).toMatchObject({ outcome: 'expired', doubt: true, calls: 1 });
  });

  test('a write that stands and could not be read again in time: in doubt', async () => {
    const ref = await contact();
    const end = new AbortController();
    const blind: IntercomAccess = {
      ...access,
      call: async (caller, request) => {
        caller.signal.throwIfAborted();
        const verdict = await access.call(caller, request);
        end.abort();
        return verdict.kind === 'ok' ? { ...verdict, time: 0 } : verdict;
      },
    };
    const answer = await carryOut(blind, { verb: 'update', ref, fields: { name: 'New' } }, end.signal);
    expect(answer).toMatchObject({ outcome: 'expired', doubt: true, calls: 1 });
  });
});
