import { beforeEach, describe, expect, test } from 'vitest';
import { classify, type Exchange, type SalesforceVerdict } from '../../connectors/salesforce/classify.ts';
import { callOf, type SalesforceRequest } from '../../connectors/salesforce/requests.ts';
import type { Answer } from '../../core/sink-state.ts';
import type { Command } from '../../schemas/types.ts';
import { executeBatch } from '../../sinks/salesforce/execute.ts';
import type { SalesforceObjects } from '../../sinks/salesforce/plan.ts';
import { seededRandom } from '../../twins/common/random.ts';
import { type Caller, SalesforceModel } from '../../twins/salesforce/model.ts';
import { RestApi } from '../../twins/salesforce/rest.ts';
import { type Carried, carryOut, interrupt } from '../support/decisions.ts';

const start = Date.parse('2026-11-23T10:00:00Z');
const marker = 'Tributary_Id__c';
const objects: SalesforceObjects = {
  Contact: {
    marker,
    email: 'Email',
    fields: ['Email', 'FirstName', 'LastName', 'Phone', 'Title', 'AccountId', 'Languages__c', marker],
    multiSelects: ['Languages__c'],
  },
  Lead: { marker, email: 'Email', fields: ['Email', 'LastName', 'Title', marker], multiSelects: [] },
  Account: { marker, email: null, fields: ['Name', 'Industry', marker], multiSelects: [] },
};

let model: SalesforceModel;
let api: RestApi;
let now: number;
let person: Caller;
beforeEach(() => {
  now = start;
  model = new SalesforceModel({ random: seededRandom(7), now });
  api = new RestApi(model, seededRandom(8));
  person = { userId: model.personUserId, changeOrigin: '' };
});

function exchange(request: SalesforceRequest): Exchange {
  const { method, path, headers = {}, body } = callOf(request);
  const { status, body: answered } = api.answer(
    {
      method,
      url: path.startsWith('/services/') ? path : `/services/data/v67.0${path}`,
      headers,
      body: body === undefined ? '' : JSON.stringify(body),
      userId: model.integrationUserId,
    },
    now,
  );
  const text = answered === undefined ? '' : JSON.stringify(answered);
  return {
    answered: true,
    status,
    body: text === '' ? undefined : JSON.parse(text),
    text,
    time: now,
    sentAt: now - 1_000,
  };
}

const timeOut: SalesforceVerdict = { kind: 'retry', doubt: true, code: 'PLATFORM_UNAVAILABLE', text: 'no answer' };
type Fault = (request: SalesforceRequest, n: number) => SalesforceVerdict | typeof interrupt | undefined;

let asked = 0;
const command = (given: Partial<Command>): Command => {
  asked++;
  return {
    id: `ask-${asked}`,
    platform: 'salesforce',
    epoch: 'e',
    verb: 'update',
    object: 'Contact',
    ref: '',
    key: `customer-${asked}`,
    fields: {},
    before: {},
    lane: 'live',
    askedAt: 0,
    expiresAt: 0,
    doubt: false,
    lineage: '',
    ...given,
  };
};
const create = (fields: Command['fields'], given: Partial<Command> = {}): Command => {
  const one = command({ verb: 'create', ...given });
  return { ...one, fields: { ...fields, [marker]: one.key } };
};
const update = (id: string, fields: Command['fields'], given: Partial<Command> = {}): Command =>
  command({ ref: `salesforce:${given.object ?? 'Contact'}:${id}`, fields, ...given });
const read = (id: string, object = 'Contact'): Command =>
  command({ verb: 'read', ref: `salesforce:${object}:${id}`, object });

/** Against the twin's own REST, time passing by the pauses; `fault` stands in for an answer, applied or not. */
function run(
  commands: readonly Command[],
  fault: Fault = () => undefined,
): Carried<SalesforceRequest, ReadonlyMap<string, Answer>> {
  return carryOut(
    executeBatch(objects, commands),
    (request, n) => fault(request, n) ?? classify(exchange(request)),
    (ms) => {
      now += ms;
    },
  );
}
const only = (one: Command, fault?: Fault): Answer | undefined => run([one], fault).answer.get(one.id);

const load = (object: string, ...rows: Readonly<Record<string, string>>[]): readonly string[] =>
  model.load(object, rows, start);
const one = (object: string, row: Readonly<Record<string, string>>): string => load(object, row)[0] ?? '';
const valuesOf = (object: string, id: string) => model.store.get(object, id)?.values ?? {};
const living = (object: string) => [...model.store.all(object)].filter(({ deleted }) => !deleted);
const kinds = (requests: readonly SalesforceRequest[]) => requests.map(({ kind }) => kind);
const mara = { LastName: 'Ilves', Email: 'mara@orchard.example' };

describe('updates', () => {
  test('two hundred people are one call, and each has its answer at the platform’s clock', () => {
    const ids = load('Contact', ...Array.from({ length: 201 }, (_, n) => ({ LastName: `P${n}` })));
    const commands = ids.map((id) => update(id, { Title: 'CTO' }));
    const { answer, requests } = run(commands);
    expect(requests.map((request) => (request.kind === 'update' ? request.rows.length : 0))).toEqual([200, 1]);
    expect([...answer.values()].every(({ outcome, returned }) => outcome === 'applied' && returned === null)).toBe(
      true,
    );
    expect(answer.get(commands[0]?.id ?? '')).toMatchObject({ ref: commands[0]?.ref, platformTime: start, calls: 1 });
    expect(ids.every((id) => valuesOf('Contact', id)['Title'] === 'CTO')).toBe(true);
  });

  test('null clears, and what was chosen in a multi-select is joined', () => {
    const id = one('Contact', { ...mara, Title: 'CTO' });
    only(update(id, { Title: null, Languages__c: ['English', 'French'] }));
    expect(valuesOf('Contact', id)).toMatchObject({ Title: null, Languages__c: 'English;French' });
  });

  test('a value that is refused holds back neither its neighbours nor other rows', () => {
    const [a = '', b = ''] = load('Contact', mara, { LastName: 'Other' });
    const bad = update(a, { Title: 'CTO', Level__c: 'Nonsense', Phone: '1' });
    const good = update(b, { Title: 'CEO' });
    const { answer, requests } = run([bad, good]);
    expect(answer.get(good.id)).toMatchObject({ outcome: 'applied', refusals: [], calls: 1 });
    expect(answer.get(bad.id)).toMatchObject({
      outcome: 'applied',
      calls: 2,
      refusals: [{ field: 'Level__c', code: 'PLATFORM_REFUSED' }],
    });
    expect(valuesOf('Contact', a)).toMatchObject({ Title: 'CTO', Phone: '1' });
    expect(requests[1]).toMatchObject({ kind: 'update', rows: [{ Id: a, Title: 'CTO', Phone: '1' }] });
  });

  test('a value that is refused alone is a refusal in the platform’s words', () => {
    const id = one('Contact', mara);
    const answer = only(update(id, { LastName: null }));
    expect(answer).toMatchObject({ outcome: 'refused', refusals: [{ field: 'LastName' }] });
    expect(answer?.refusals[0]?.message).toContain('REQUIRED_FIELD_MISSING');
  });

  test('a field that the object does not have is left out, although only the text names it', () => {
    const id = one('Contact', mara);
    const answer = only(update(id, { Title: 'CTO', Nowhere__c: 'x' }));
    expect(answer).toMatchObject({ outcome: 'applied', refusals: [{ field: 'Nowhere__c' }] });
  });

  test('a validation rule about a field that was not asked refuses the row, with its text', () => {
    const id = one('Contact', { ...mara, Phone: 'abc' });
    model.customize({
      validationRules: [{ object: 'Contact', field: 'Phone', pattern: /abc/, message: 'Phone is wrong' }],
    });
    expect(only(update(id, { Title: 'CTO' }))).toMatchObject({
      outcome: 'refused',
      refusals: [{ field: '', message: 'FIELD_CUSTOM_VALIDATION_EXCEPTION: Phone is wrong' }],
    });
  });

  test('an account that is gone is a refused link, not a refused contact', () => {
    const account = one('Account', { Name: 'Orchard' });
    const id = one('Contact', mara);
    model.execute([{ op: 'delete', object: 'Account', id: account }], person, now);
    const answer = only(update(id, { AccountId: account, Title: 'CTO' }));
    expect(answer).toMatchObject({ outcome: 'applied', refusals: [{ field: 'AccountId' }] });
    expect(valuesOf('Contact', id)['Title']).toBe('CTO');
  });

  test('and so it is where the platform names no field', () => {
    const id = one('Contact', mara);
    const nameless = {
      id,
      success: false,
      errors: [{ statusCode: 'INVALID_CROSS_REFERENCE_KEY', message: 'invalid' }],
    };
    const answer = only(update(id, { AccountId: '001000000000001AAA', Title: 'CTO' }), (_, n) =>
      n === 0 ? { kind: 'ok', body: [nameless], time: now, sentAt: now } : undefined,
    );
    expect(answer).toMatchObject({ outcome: 'applied', calls: 3, refusals: [{ field: 'AccountId' }] });
  });

  test('a call refused as a whole is halved until the row at fault stands alone', () => {
    const ids = load('Contact', ...Array.from({ length: 8 }, (_, n) => ({ LastName: `P${n}` })));
    const commands = ids.map((id) => update(id, { Title: 'CTO' }));
    const { answer, requests } = run(commands, (request) => {
      const bad = request.kind === 'update' && request.rows.some((row) => row['Id'] === ids[5]);
      const errors = [{ code: 'JSON_PARSER_ERROR', message: 'Cannot deserialize', fields: [], matches: [] }];
      return bad ? { kind: 'refuse', errors, time: now } : undefined;
    });
    expect([...answer.values()].map(({ outcome }) => outcome)).toEqual(
      expect.arrayContaining([...Array.from({ length: 7 }, () => 'applied'), 'refused']),
    );
    expect(answer.get(commands[5]?.id ?? '')).toMatchObject({
      outcome: 'refused',
      refusals: [{ message: 'JSON_PARSER_ERROR: Cannot deserialize' }],
    });
    expect(requests).toHaveLength(7);
  });

  test('a field that the object lost is at fault in every row that has it: they go without it in one more call', () => {
    const ids = load('Contact', ...Array.from({ length: 20 }, (_, n) => ({ LastName: `P${n}` })));
    const lost = { code: 'INVALID_FIELD', message: "No such column 'Lost__c' on sobject of type Contact" };
    const commands = ids.map((id, n) => update(id, n === 7 ? { Title: 'CTO' } : { Title: 'CTO', Lost__c: 'x' }));
    const { answer, requests } = run(commands, (request) => {
      const bad = request.kind === 'update' && request.rows.some((row) => 'Lost__c' in row);
      return bad ? { kind: 'refuse', errors: [{ ...lost, fields: [], matches: [] }], time: now } : undefined;
    });
    expect(requests).toHaveLength(2);
    const told = [...answer.values()];
    expect(told.map(({ outcome }) => outcome)).toEqual(ids.map(() => 'applied'));
    expect(told.filter(({ refusals }) => refusals.length === 1)).toHaveLength(19);
  });

  test('nothing to write is a question of what stands', () => {
    const id = one('Contact', mara);
    const { answer, requests } = run([update(id, {})]);
    expect(kinds(requests)).toEqual(['query']);
    expect([...answer.values()]).toMatchObject([{ outcome: 'applied', returned: { fields: mara } }]);
  });

  test('an object that is not written is refused, alone', () => {
    const id = one('Contact', mara);
    const [odd, good] = [command({ object: 'Opportunity' }), update(id, { Title: 'CTO' })];
    const { answer } = run([odd, good]);
    expect(answer.get(odd.id)).toMatchObject({ outcome: 'refused', refusals: [{ code: 'RECORD_POISON' }], calls: 0 });
    expect(answer.get(good.id)).toMatchObject({ outcome: 'applied' });
  });
});

describe('locks', () => {
  test('a locked row is tried again after a pause; the others are written at once', () => {
    const account = one('Account', { Name: 'Orchard' });
    const [locked = '', free = ''] = load('Contact', { ...mara, AccountId: account }, { LastName: 'Free' });
    model.lock(account, now, now + 600);
    const commands = [update(locked, { Title: 'A' }), update(free, { Title: 'B' })];
    const { answer, requests, pauses } = run(commands);
    expect([...answer.values()].map(({ outcome, doubt }) => [outcome, doubt])).toEqual([
      ['applied', false],
      ['applied', false],
    ]);
    expect(requests.map((request) => (request.kind === 'update' ? request.rows.length : 0))).toEqual([2, 1, 1]);
    // Somebody's lock says nothing of the platform: it must not stop the sink.
    expect(pauses).toEqual([
      { ms: 250, code: null },
      { ms: 500, code: null },
    ]);
  });

  test('one that stays locked is asked again later, not in doubt, and keeps nobody waiting for long', () => {
    const id = one('Contact', mara);
    model.lock(id, now, now + 3_600_000);
    const answer = only(update(id, { Title: 'A' }));
    expect(answer).toMatchObject({
      outcome: 'expired',
      doubt: false,
      calls: 5,
      refusals: [{ field: '', code: 'PLATFORM_UNAVAILABLE' }],
    });
    expect(now - start).toBe(250 + 500 + 1_000 + 2_000);
  });
});

describe('creates', () => {
  test('people are looked for once, by email and by our marker, and then made in one call', () => {
    const commands = ["o'hara@orchard.example", 'b@orchard.example'].map((Email) => create({ LastName: 'N', Email }));
    const { answer, requests } = run(commands);
    expect(kinds(requests)).toEqual(['query', 'upsert']);
    expect(requests[0]).toMatchObject({
      soql: expect.stringContaining(String.raw`Email IN ('o\'hara@orchard.example', `),
    });
    const made = living('Contact').map(({ id, values }) => [values[marker], `salesforce:Contact:${id}`]);
    expect(new Map(commands.map(({ id, key }) => [key, answer.get(id)?.ref]))).toEqual(
      new Map(made as [string, string][]),
    );
    expect(made).toHaveLength(2);
  });

  test('accounts are not looked for: their marker alone keeps a repeat from making a second one', () => {
    const one = create({ Name: 'Orchard' }, { object: 'Account' });
    expect(kinds(run([one]).requests)).toEqual(['upsert']);
    run([one]);
    expect(living('Account')).toHaveLength(1);
  });

  test('somebody else’s contact with the same email exists: told, not touched', () => {
    const id = one('Contact', { ...mara, Email: 'MARA@orchard.example', FirstName: 'By hand' });
    const { answer, requests } = run([create(mara)]);
    expect(kinds(requests)).toEqual(['query']);
    expect([...answer.values()]).toMatchObject([
      {
        outcome: 'exists',
        ref: `salesforce:Contact:${id}`,
        platformTime: start,
        returned: { whole: true, at: { time: start - 1_000 }, fields: { FirstName: 'By hand', [marker]: null } },
      },
    ]);
    expect(living('Contact')).toHaveLength(1);
  });

  test('so does one with another customer’s marker', () => {
    const id = one('Contact', { ...mara, [marker]: 'somebody' });
    expect(only(create(mara))).toMatchObject({ outcome: 'exists', ref: `salesforce:Contact:${id}` });
  });

  test('one with our own marker was made by an earlier try, whatever email it has by now', () => {
    const command = create(mara);
    load('Contact', { LastName: 'Ilves', Email: 'new@orchard.example', [marker]: command.key }, mara);
    expect(only(command)).toMatchObject({ outcome: 'applied' });
    expect(living('Contact')).toHaveLength(2);
  });

  test('several of one email are no match: refused, naming the candidates and the field', () => {
    const ids = load('Contact', mara, mara);
    const answer = only(create(mara));
    expect(answer).toMatchObject({ outcome: 'refused', refusals: [{ field: 'Email', code: 'PLATFORM_REFUSED' }] });
    for (const id of ids) expect(answer?.refusals[0]?.message).toContain(`salesforce:Contact:${id}`);
  });

  test.each([
    ['a time-out before it was applied', false],
    ['a time-out after it was applied', true],
  ])('%s: one contact in the end, ours, in doubt', (_case, applied) => {
    const answer = only(create(mara), (request, n) => {
      if (n !== 1) return undefined;
      if (applied) exchange(request);
      return timeOut;
    });
    expect(answer).toMatchObject({ outcome: 'applied', doubt: true, calls: 3 });
    expect(living('Contact')).toHaveLength(1);
  });

  test('a time-out of the look-up leaves no doubt, for nothing can have been written', () => {
    expect(only(create(mara), (_, n) => (n === 0 ? timeOut : undefined))).toMatchObject({
      outcome: 'applied',
      doubt: false,
    });
  });

  test('a value that is refused is left out, but never the email', () => {
    const answer = only(create({ ...mara, Level__c: 'Nonsense' }));
    expect(answer).toMatchObject({ outcome: 'applied', refusals: [{ field: 'Level__c' }] });
    const nobody = only(create({ LastName: 'X', Email: 'not an address' }));
    expect(nobody).toMatchObject({ outcome: 'refused', refusals: [{ field: 'Email' }] });
  });

  test('a race for our own marker is run once more: the next upsert finds the record', () => {
    const taken = `duplicate value found: ${marker} duplicates value on record with id: 003`;
    const lost = {
      success: false,
      created: true,
      errors: [{ statusCode: 'DUPLICATE_VALUE', message: taken, fields: [] }],
    };
    const body = [lost];
    const once = run([create(mara)], (_, n) => (n === 1 ? { kind: 'ok', body, time: now, sentAt: now } : undefined));
    expect([...once.answer.values()]).toMatchObject([{ outcome: 'applied', calls: 3 }]);
    const always = run([create({ LastName: 'B' })], ({ kind }) =>
      kind === 'upsert' ? { kind: 'ok', body, time: now, sentAt: now } : undefined,
    );
    expect([...always.answer.values()]).toMatchObject([{ outcome: 'refused', calls: 2, refusals: [{ field: '' }] }]);
  });
});

describe('duplicate rules', () => {
  const rule = (against: readonly string[], action: 'alert' | 'block' = 'block') =>
    model.customize({ duplicateRules: [{ object: 'Contact', field: 'Phone', against, action }] });
  const phone = { LastName: 'Ilves', Phone: '+372 5' };

  test.each([[true], [false]])('one record found exists, whether or not the row names it (%s)', (named) => {
    model.habits = { ...model.habits, rowsNameDuplicates: named };
    rule(['Contact']);
    const id = one('Contact', { ...phone, FirstName: 'By hand' });
    const { answer, requests } = run([create(phone)]);
    expect([...answer.values()]).toMatchObject([
      { outcome: 'exists', ref: `salesforce:Contact:${id}`, returned: { fields: { FirstName: 'By hand' } } },
    ]);
    expect(kinds(requests)).toEqual(named ? ['upsert', 'query'] : ['upsert', 'upsertOne', 'query']);
  });

  test('several, or a lead, are no match', () => {
    rule(['Contact', 'Lead']);
    const [a, b] = load('Contact', phone, phone);
    const several = only(create(phone));
    expect(several).toMatchObject({ outcome: 'refused' });
    for (const id of [a, b]) expect(several?.refusals[0]?.message).toContain(id);
    const lead = one('Lead', { LastName: 'L', Company: 'C', Phone: '7' });
    expect(only(create({ LastName: 'N', Phone: '7' }))?.refusals[0]?.message).toContain(`salesforce:Lead:${lead}`);
  });

  test('an update that would make a duplicate goes without the email, if that is what it has', () => {
    model.customize({ duplicateRules: [{ object: 'Contact', field: 'Email', against: ['Contact'], action: 'alert' }] });
    const [id = ''] = load('Contact', { LastName: 'A', Email: 'a@orchard.example' }, mara);
    const answer = only(update(id, { Email: mara.Email, Title: 'CTO' }));
    expect(answer).toMatchObject({ outcome: 'applied', refusals: [{ field: 'Email' }] });
    expect(valuesOf('Contact', id)).toMatchObject({ Email: 'a@orchard.example', Title: 'CTO' });
  });
});

describe('what is gone', () => {
  test('a deleted record is gone; its neighbour is written', () => {
    const [a = '', b = ''] = load('Contact', mara, { LastName: 'B' });
    model.execute([{ op: 'delete', object: 'Contact', id: a }], person, now);
    const commands = [
      update(a, { Title: 'A' }),
      update(b, { Title: 'B' }),
      update('003000000000zzzAAA', { Title: 'C' }),
    ];
    const { answer, requests } = run(commands);
    expect(commands.map(({ id }) => answer.get(id))).toMatchObject([
      { outcome: 'gone', into: null },
      { outcome: 'applied' },
      { outcome: 'gone', into: null },
    ]);
    expect(requests).toMatchObject([{ kind: 'update' }, { kind: 'query', all: true }]);
  });

  test('a merged one lives on as its winner', () => {
    const [winner = '', loser = ''] = load('Contact', mara, { LastName: 'Loser' });
    model.merge('Contact', winner, [loser], person, now);
    const commands = [update(loser, { Title: 'A' }), read(loser)];
    const { answer } = run(commands);
    for (const { id } of commands)
      expect(answer.get(id)).toMatchObject({ outcome: 'gone', into: `salesforce:Contact:${winner}`, returned: null });
  });

  test('a converted lead is read-only, and lives on as its contact', () => {
    const lead = one('Lead', { LastName: 'Ilves', Company: 'Orchard' });
    model.convertLead(lead, {}, person, now);
    const contact = String(valuesOf('Lead', lead)['ConvertedContactId']);
    const commands = [update(lead, { Title: 'A' }, { object: 'Lead' }), read(lead, 'Lead')];
    const { answer } = run(commands);
    for (const { id } of commands)
      expect(answer.get(id)).toMatchObject({ outcome: 'gone', into: `salesforce:Contact:${contact}` });
  });
});

describe('reads', () => {
  test('many are one question; each tells its record, at the clock of the question', () => {
    const ids = load('Contact', mara, { LastName: 'B' });
    const account = one('Account', { Name: 'Orchard' });
    const commands = [...ids.map((id) => read(id)), read(account, 'Account')];
    const { answer, requests } = run(commands);
    expect(kinds(requests)).toEqual(['query', 'query']);
    expect(answer.get(commands[0]?.id ?? '')).toMatchObject({
      outcome: 'applied',
      ref: commands[0]?.ref,
      platformTime: start,
      returned: {
        ref: commands[0]?.ref,
        via: 'answer',
        whole: true,
        fields: { ...mara, Title: null, Languages__c: null },
        at: { time: start - 1_000, seq: -1, second: true },
        modified: start,
      },
    });
    expect(answer.get(commands[2]?.id ?? '')).toMatchObject({ returned: { fields: { Name: 'Orchard' } } });
  });

  test('a question answered in pages is asked to its end', () => {
    const ids = load('Contact', mara, { LastName: 'B' });
    const row = (id: string) => ({ Id: id, LastName: 'X', IsDeleted: false });
    const { answer, requests } = run(
      ids.map((id) => read(id)),
      (_, n) => ({
        kind: 'ok',
        body: {
          records: [row(ids[n] ?? '')],
          done: n === 1,
          ...(n === 0 && { nextRecordsUrl: '/services/data/v67.0/query/01g-1' }),
        },
        time: now,
        sentAt: now,
      }),
    );
    expect(requests).toMatchObject([{ kind: 'query' }, { kind: 'more', path: '/services/data/v67.0/query/01g-1' }]);
    expect([...answer.values()].map(({ outcome }) => outcome)).toEqual(['applied', 'applied']);
  });

  test('no question is longer than a URI may be', () => {
    const commands = Array.from({ length: 200 }, (_, n) =>
      create({ LastName: 'N', Email: `${'long'.repeat(12)}${n}@orchard.example` }),
    );
    const { requests } = run(commands);
    const lengths = requests.map((request) => callOf(request).path.length);
    expect(Math.max(...lengths)).toBeLessThan(8_000);
    expect(living('Contact')).toHaveLength(200);
  });

  test('a question that is refused refuses those it was for', () => {
    const errors = [{ code: 'INVALID_FIELD', message: "No such column 'X'", fields: [], matches: [] }];
    const answer = only(read(one('Contact', mara)), () => ({ kind: 'refuse', errors, time: now }));
    expect(answer).toMatchObject({ outcome: 'refused', refusals: [{ field: '', code: 'PLATFORM_REFUSED' }] });
  });
});

describe('order', () => {
  test('live goes before bulk, each on its own account, and urgent stands first', () => {
    const ids = load('Contact', { LastName: 'A' }, { LastName: 'B' }, { LastName: 'C' });
    const lanes = ['bulk', 'live', 'urgent'] as const;
    const { requests, lanes: paid } = run(ids.map((id, n) => update(id, { Title: 'X' }, { lane: lanes[n] ?? 'live' })));
    expect(paid).toEqual(['live', 'bulk']);
    expect(requests).toMatchObject([{ rows: [{ Id: ids[2] }, { Id: ids[1] }] }, { rows: [{ Id: ids[0] }] }]);
  });

  test('rows that lock one account stand side by side', () => {
    const ids = load('Contact', { LastName: 'A' }, { LastName: 'B' }, { LastName: 'C' });
    const [x, y] = ['001000000000001AAA', '001000000000002AAA'];
    const before = [x, y, x].map((AccountId) => ({ AccountId }));
    const { requests } = run(ids.map((id, n) => update(id, { Title: 'X' }, { before: before[n] ?? {} })));
    expect(requests).toMatchObject([{ rows: [{ Id: ids[0] }, { Id: ids[2] }, { Id: ids[1] }] }]);
  });
});

describe('when it must end or wait', () => {
  const silent: Fault = (request, n) => (request.kind === 'update' ? (n < 3 ? timeOut : interrupt) : undefined);

  test('a platform that never answers is no refusal: asked again, in doubt', () => {
    const answer = only(update(one('Contact', mara), { Title: 'A' }), silent);
    expect(answer).toMatchObject({
      outcome: 'expired',
      doubt: true,
      calls: 3,
      refusals: [{ field: '', code: 'PLATFORM_UNAVAILABLE', message: 'no answer' }],
    });
  });

  test('a call that fails is tried again after the others, and given up before it keeps their answers for long', () => {
    const account = one('Account', { Name: 'Orchard' });
    const [people, company] = [
      update(one('Contact', mara), { Title: 'A' }),
      update(account, { Name: 'B' }, { object: 'Account' }),
    ];
    const { answer, requests, pauses } = run([people, company], (request) =>
      request.kind === 'update' && request.object === 'Contact' ? timeOut : undefined,
    );
    expect(requests.slice(0, 2)).toMatchObject([{ object: 'Contact' }, { object: 'Account' }]);
    expect(answer.get(company.id)).toMatchObject({ outcome: 'applied', calls: 1 });
    expect(answer.get(people.id)).toMatchObject({ outcome: 'expired', doubt: true, calls: 5 });
    expect(pauses.map(({ code }) => code)).toEqual(Array.from({ length: 4 }, () => 'PLATFORM_UNAVAILABLE'));
  });

  test('what was not called is not answered; what was answered stays so', () => {
    const [a = '', b = ''] = load('Contact', mara, { LastName: 'B' });
    const [live, bulk] = [update(a, { Title: 'A' }), update(b, { Title: 'B' }, { lane: 'bulk' })];
    const { answer } = run([live, bulk], (_, n) => (n === 1 ? interrupt : undefined));
    expect([...answer.keys()]).toEqual([live.id]);
    expect(run([live], () => interrupt).answer.size).toBe(0);
  });

  test('a limit is waited for and is no attempt', () => {
    const reached = [{ errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'TotalRequests Limit exceeded.' }];
    const { answer, pauses } = run([update(one('Contact', mara), { Title: 'A' })], (_, n) =>
      n === 0 ? classify({ answered: true, status: 403, body: reached, text: '', time: now, sentAt: now }) : undefined,
    );
    expect(pauses).toEqual([{ ms: 60_000, code: 'PLATFORM_LIMIT' }]);
    expect([...answer.values()]).toMatchObject([{ outcome: 'applied', doubt: false }]);
  });

  test('credentials refused stop the sink instead of refusing the record', () => {
    const expired = [{ errorCode: 'INVALID_SESSION_ID', message: 'Session expired' }];
    const refused = classify({ answered: true, status: 401, body: expired, text: '', time: now, sentAt: now });
    expect(() => run([update(one('Contact', mara), { Title: 'A' })], () => refused)).toThrow(
      expect.objectContaining({ code: 'CREDENTIALS_REFUSED' }),
    );
  });

  test('success without a word of the row may stand: in doubt, and tried again', () => {
    const answer = only(update(one('Contact', mara), { Title: 'A' }), (_, n) =>
      n === 0 ? { kind: 'ok', body: {}, time: now, sentAt: now } : undefined,
    );
    expect(answer).toMatchObject({ outcome: 'applied', doubt: true, calls: 2 });
  });
});
