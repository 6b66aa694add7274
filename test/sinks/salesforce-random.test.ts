/** A batch of commands to Salesforce, whatever it holds and whatever the platform answers, nonsense included. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, type Exchange, type SalesforceVerdict } from '../../connectors/salesforce/classify.ts';
import { callOf, mostRows, type Row, type SalesforceRequest } from '../../connectors/salesforce/requests.ts';
import type { Answer } from '../../core/sink-state.ts';
import type { Command } from '../../schemas/types.ts';
import { executeBatch } from '../../sinks/salesforce/execute.ts';
import { byObject, itemOf } from '../../sinks/salesforce/item.ts';
import { planLookups, planReads, planWrites, type SalesforceObjects } from '../../sinks/salesforce/plan.ts';
import { broken } from '../support/broken.ts';
import { type Carried, carryOut, interrupt } from '../support/decisions.ts';

const marker = 'Tributary_Id__c';
const objects: SalesforceObjects = {
  Contact: { marker, email: 'Email', fields: ['Email', 'Title', 'Phone', marker], multiSelects: [] },
  Lead: { marker, email: 'Email', fields: ['Email', 'Title', marker], multiSelects: [] },
  Account: { marker, email: null, fields: ['Name', 'Phone', marker], multiSelects: [] },
};
const time = 1_790_000_000_000;
const idAt = (n: number): string => `003Dp00000${String(n).padStart(5, '0')}AAA`;

const drawn = fc.record({
  verb: fc.constantFrom('update' as const, 'update' as const, 'create' as const, 'read' as const),
  object: fc.constantFrom('Contact', 'Contact', 'Contact', 'Lead', 'Account', 'Opportunity'),
  fields: fc.subarray(['Title', 'Phone', 'AccountId']),
  email: fc.constantFrom(null, 'a@x.example', 'b@x.example'),
  lane: fc.constantFrom('urgent' as const, 'live' as const, 'bulk' as const),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

function commandOf({ verb, object, fields, email, lane }: Drawn, n: number): Command {
  const create = verb === 'create';
  const asked = Object.fromEntries(fields.map((field) => [field, `${field} ${n}`]));
  return {
    id: `ask-${n}`,
    platform: 'salesforce',
    epoch: 'e',
    verb,
    object,
    ref: create ? '' : `salesforce:${object}:${idAt(n)}`,
    key: `customer-${n}`,
    fields:
      verb === 'read'
        ? {}
        : { ...asked, ...(email === null ? {} : { Email: email }), ...(create && { [marker]: `customer-${n}` }) },
    before: {},
    lane,
    askedAt: 0,
    expiresAt: 0,
    doubt: false,
    lineage: '',
  };
}

const run = (
  commands: readonly Command[],
  respond: (request: SalesforceRequest, n: number) => SalesforceVerdict | typeof interrupt,
): Carried<SalesforceRequest, ReadonlyMap<string, Answer>> => carryOut(executeBatch(objects, commands), respond);

const answered = (status: number, body: unknown): SalesforceVerdict =>
  classify({ answered: true, status, body, text: JSON.stringify(body) ?? '', time, sentAt: time - 1_000 });

// ---- whatever is answered

const codes = [
  'UNABLE_TO_LOCK_ROW',
  'ENTITY_IS_DELETED',
  'DUPLICATES_DETECTED',
  'DUPLICATE_VALUE',
  'INVALID_EMAIL',
  'NO_SUCH_CODE',
];
const error = fc.record({
  statusCode: fc.constantFrom(...codes),
  message: fc.constantFrom('', 'no', "No such column 'Title' on sobject"),
  fields: fc.subarray(['title', 'Phone', 'Email', 'Nobody', marker]),
  duplicateResut: fc.constantFrom(undefined, {
    matchResults: [{ matchRecords: [{ record: { Id: idAt(77), attributes: { type: 'Contact' } } }] }],
  }),
});
const row = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ success: true, id: idAt(1), errors: [] }) },
  { weight: 4, arbitrary: fc.record({ success: fc.constant(false), errors: fc.array(error, { maxLength: 2 }) }) },
  { weight: 1, arbitrary: fc.anything() },
);
const record = fc.record({
  Id: fc.oneof(fc.nat(8).map(idAt), fc.anything()),
  Email: fc.constantFrom('a@x.example', 'b@x.example', null),
  IsDeleted: fc.boolean(),
  MasterRecordId: fc.constantFrom(null, idAt(9)),
  SystemModstamp: fc.constantFrom('2026-09-21T14:13:30.000Z', 'then', null),
  [marker]: fc.constantFrom(null, 'customer-0', 'customer-1'),
});
const body = fc.oneof(
  { weight: 5, arbitrary: fc.array(row, { maxLength: 6 }) },
  { weight: 4, arbitrary: fc.record({ records: fc.array(record, { maxLength: 6 }), done: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ records: fc.anything(), nextRecordsUrl: fc.constant('/services/data/more') }) },
  { weight: 1, arbitrary: fc.array(error.map(({ statusCode, ...more }) => ({ ...more, errorCode: statusCode }))) },
  { weight: 1, arbitrary: fc.anything() },
);
const exchange: fc.Arbitrary<Exchange> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ answered: fc.constant(false as const), cause: fc.constant('gone'), sent: fc.boolean() }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      answered: fc.constant(true as const),
      status: fc.constantFrom(200, 200, 200, 200, 200, 201, 400, 404, 413, 429, 500),
      body,
      text: fc.constantFrom('', 'text'),
      time: fc.constant(time),
      sentAt: fc.constant(time - 1_000),
    }),
  },
);

const rowsOf = (requests: readonly SalesforceRequest[]): readonly Row[] =>
  requests.flatMap((request): readonly Row[] => {
    if (request.kind === 'upsertOne') return [request.row];
    return request.kind === 'update' || request.kind === 'upsert' ? request.rows : [];
  });

/** Fields of a command that its answer says nothing about: neither in the last row that was sent, nor refused. */
function forgotten(command: Command, answer: Answer, requests: readonly SalesforceRequest[]): readonly string[] {
  const id = command.ref.slice(command.ref.lastIndexOf(':') + 1);
  const last = rowsOf(requests).findLast((one) =>
    command.verb === 'create' ? one[marker] === command.key : one['Id'] === id,
  );
  return Object.keys(command.fields).filter(
    (name) => !(last !== undefined && name in last) && answer.refusals.every(({ field }) => field !== name),
  );
}

describe('whatever Salesforce answers', () => {
  test('every command has one answer, which names its own fields and claims no more than was said', () => {
    const batch = fc.array(drawn, { minLength: 1, maxLength: 6, size: 'max' });
    const replies = fc.array(exchange, { minLength: 1, maxLength: 12, size: 'max' });
    fc.assert(
      fc.property(batch, replies, (all, exchanges) => {
        const commands = all.map(commandOf);
        const verdicts = exchanges.map(classify).filter(({ kind }) => kind !== 'stop');
        const told: SalesforceVerdict[] = [];
        const { answer, requests } = run(commands, (_, n) => {
          const verdict = verdicts[n];
          if (verdict === undefined) return interrupt;
          told.push(verdict);
          return verdict;
        });
        expect([...answer.keys()].filter((id) => commands.every((one) => one.id !== id))).toEqual([]);
        // A row of no field but its id would write nothing.
        expect(rowsOf(requests).filter((one) => Object.keys(one).join() === 'Id')).toEqual([]);
        for (const command of commands) {
          const one = answer.get(command.id);
          const isKnown = command.object in objects;
          expect(
            broken({
              'unanswered is only who was never called': one !== undefined || isKnown,
              'what cannot be written is refused without a call':
                isKnown || (one?.outcome === 'refused' && one.calls === 0),
              'who is answered was called': one === undefined || !isKnown || one.calls > 0,
              'calls are those made': (one?.calls ?? 0) <= requests.length,
              'refused fields are asked ones': (one?.refusals ?? []).every(
                ({ field }) => field === '' || field in command.fields,
              ),
              'applied was said': one?.outcome !== 'applied' || told.some(({ kind }) => kind === 'ok'),
              'exists names the record': one?.outcome !== 'exists' || one.returned?.ref === one.ref,
              'applied forgets no field': one?.outcome !== 'applied' || forgotten(command, one, requests).length === 0,
              'a refusal says why': one?.outcome !== 'refused' || one.refusals.length > 0,
              'nothing written is nothing asked':
                command.verb !== 'read' || one?.doubt !== true || told.some(({ kind }) => kind === 'retry'),
            }),
          ).toEqual([]);
        }
      }),
      { numRuns: 400 },
    );
  });
});

// ---- one row and its neighbours

const behaviours = [
  'ok',
  'field',
  'whole',
  'locked once',
  'locked',
  'gone',
  'merged',
  'duplicate',
  'nonsense',
  'poisons',
] as const;
type Behaviour = (typeof behaviours)[number];

/** A platform on which each record behaves in its own way, whoever is asked with it. */
class Platform {
  readonly #of: (n: number) => Behaviour;
  readonly #tries = new Map<number, number>();

  constructor(of: (n: number) => Behaviour) {
    this.#of = of;
  }

  answer(request: SalesforceRequest): SalesforceVerdict {
    switch (request.kind) {
      case 'update':
      case 'upsert': {
        const numbers = request.rows.map((one) => this.#numberOf(one));
        if (numbers.some((n) => this.#of(n) === 'poisons'))
          return answered(400, [{ errorCode: 'JSON_PARSER_ERROR', message: 'cannot read it' }]);
        return answered(
          200,
          request.rows.map((one, index) => this.#row(one, numbers[index] ?? 0)),
        );
      }
      case 'upsertOne':
        return answered(200, this.#row(request.row, this.#numberOf(request.row)));
      case 'query':
        return answered(200, { records: this.#records(request.soql), done: true });
      case 'more':
        return answered(404, []);
    }
  }

  #numberOf(one: Row): number {
    const id = String(one['Id'] ?? one[marker] ?? '');
    return Number(/(?:Dp00000|customer-)(\d+)/.exec(id)?.[1] ?? 0);
  }

  #row(one: Row, n: number): unknown {
    const tries = (this.#tries.get(n) ?? 0) + 1;
    this.#tries.set(n, tries);
    const refused = (statusCode: string, fields: readonly string[] = []) => ({
      success: false,
      errors: [{ statusCode, message: `of ${n}`, fields }],
    });
    switch (this.#of(n)) {
      case 'field':
        return 'Title' in one ? refused('INVALID_FIELD', ['Title']) : { success: true, id: idAt(n), errors: [] };
      case 'whole':
        return refused('CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY');
      case 'locked once':
        return tries === 1 ? refused('UNABLE_TO_LOCK_ROW') : { success: true, id: idAt(n), errors: [] };
      case 'locked':
        return refused('UNABLE_TO_LOCK_ROW');
      case 'gone':
      case 'merged':
        return refused('ENTITY_IS_DELETED');
      case 'duplicate':
        return refused('DUPLICATES_DETECTED');
      case 'nonsense':
        return { neither: 'nor' };
      default:
        return { success: true, id: idAt(n), errors: [] };
    }
  }

  #records(soql: string): readonly object[] {
    const numbers = [...soql.matchAll(/Dp00000(\d{5})AAA/g)].map(([, digits]) => Number(digits));
    return numbers.flatMap((n) => {
      if (this.#of(n) === 'gone') return [];
      const merged = this.#of(n) === 'merged';
      return [
        {
          Id: idAt(n),
          SystemModstamp: '2026-09-21T14:13:30.000Z',
          IsDeleted: merged,
          MasterRecordId: merged ? idAt(99) : null,
        },
      ];
    });
  }
}

describe('one row and its neighbours', () => {
  test('a row is answered as if it had been alone, whatever the rows beside it bring', () => {
    const one = fc.record({ drawn, behaviour: fc.constantFrom(...behaviours) });
    fc.assert(
      fc.property(fc.array(one, { minLength: 2, maxLength: 8, size: 'max' }), (all) => {
        const commands = all.map(({ drawn: given }, n) => commandOf(given, n));
        const platform = (): Platform => new Platform((n) => all[n]?.behaviour ?? 'ok');
        const shared = platform();
        const together = run(commands, (request) => shared.answer(request)).answer;
        expect(together.size).toBe(commands.length);
        for (const command of commands) {
          const own = platform();
          const alone = run([command], (request) => own.answer(request)).answer.get(command.id);
          expect({ ...together.get(command.id), calls: 0 }).toEqual({ ...alone, calls: 0 });
        }
      }),
      { numRuns: 250 },
    );
  });
});

// ---- what goes together

describe('the calls planned', () => {
  const some = fc.array(drawn, { maxLength: 40, size: 'max' });

  test('of writes hold every row once, of one object and verb, live before bulk, rows of one account side by side', () => {
    fc.assert(
      fc.property(some, fc.array(fc.nat(3), { minLength: 40, maxLength: 40 }), (all, accounts) => {
        const known = all.map((one) => ({ ...one, object: one.object in objects ? one.object : 'Contact' }));
        const items = known
          .map(commandOf)
          .map((command, n) =>
            itemOf(
              { ...command, fields: { ...command.fields, AccountId: `001-${accounts[n]}` } },
              objects['Contact'] as never,
            ),
          );
        const writes = planWrites(items, objects);
        expect(writes.flatMap((write) => write.items).sort((a, b) => a.command.id.localeCompare(b.command.id))).toEqual(
          [...items].sort((a, b) => a.command.id.localeCompare(b.command.id)),
        );
        const lanes = writes.map(({ lane }) => lane);
        expect(lanes).toEqual([...lanes].sort((a, b) => (a === b ? 0 : a === 'live' ? -1 : 1)));
        for (const { items: rows, request } of writes) {
          const kinds = new Set(rows.map(({ command }) => `${command.object} ${command.verb === 'create'}`));
          const locks = rows.map(
            ({ command }) =>
              `${command.lane} ${String(command.object === 'Account' ? command.ref : command.fields['AccountId'])}`,
          );
          expect(
            broken({
              'one object and verb': kinds.size === 1,
              'no more rows than a call takes': rows.length <= mostRows,
              'a row for each': request.rows.length === rows.length,
              'in their order': rows.every(({ command }, n) =>
                command.verb === 'create'
                  ? request.rows[n]?.[marker] === command.key
                  : command.ref.endsWith(String(request.rows[n]?.['Id'])),
              ),
              'locks side by side': locks.every((lock, n) => locks.indexOf(lock) === n || locks[n - 1] === lock),
            }),
          ).toEqual([]);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('of reads hold every record once, and none is longer than a URI may be', () => {
    const texts = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80, size: 'max' }), {
      minLength: 1,
      maxLength: 50,
      size: 'max',
    });
    const contact = { ...(objects['Contact'] as NonNullable<(typeof objects)[string]>), email: 'Email' };
    fc.assert(
      fc.property(texts, (emails) => {
        const items = emails.map((Email, n) => ({
          command: { ...commandOf({ verb: 'create', object: 'Contact', fields: [], email: null, lane: 'live' }, n) },
          rest: { Email },
        }));
        const reads = planReads('Contact', ['Email'], items, ({ command }) => command.id);
        for (const looks of [reads, planLookups('Contact', contact, items)]) {
          expect(looks.flatMap((look) => look.items)).toEqual(items);
          for (const { request } of looks) expect(callOf(request).path.length).toBeLessThan(8_000);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('by object are of all, in their order', () => {
    fc.assert(
      fc.property(some, (all) => {
        const items = all.map(commandOf).map((command) => itemOf(command, objects['Contact'] as never));
        const groups = byObject(items);
        for (const [object, group] of groups)
          expect(group).toEqual(items.filter(({ command }) => command.object === object));
        expect([...groups.values()].flat().length).toBe(items.length);
      }),
    );
  });
});
