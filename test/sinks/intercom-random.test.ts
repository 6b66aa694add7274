/** One command to Intercom, whatever it asks and whatever the platform answers, nonsense included. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, type Exchange, type Verdict } from '../../connectors/intercom/classify.ts';
import type { IntercomRequest } from '../../connectors/intercom/requests.ts';
import { TributaryError } from '../../core/errors.ts';
import { type Answer, Interrupted } from '../../core/sink-state.ts';
import { observeIntercom } from '../../processors/decode/intercom.ts';
import type { Command } from '../../schemas/types.ts';
import { told, withCompanies, withoutCompanies } from '../../sinks/intercom/answer.ts';
import { askedName, blamed, linksOf, scalarNames, toBody, valueIn, without } from '../../sinks/intercom/body.ts';
import { execute } from '../../sinks/intercom/execute.ts';
import { broken } from '../support/broken.ts';
import { type Carried, carryOut, interrupt } from '../support/decisions.ts';

const id = '66f1a0b7c2d94e0012ab34cd';
const markers = { contact: 'custom_attributes.tributary_id', company: 'company_id' } as const;
const time = 1_790_000_000_000;

const links = fc.subarray(['k1', 'k2', 'k3']);
const drawn = fc.record({
  verb: fc.constantFrom('create' as const, 'update' as const, 'update' as const, 'read' as const),
  object: fc.constantFrom('contact' as const, 'contact' as const, 'company' as const),
  scalars: fc.subarray(['name', 'email', 'phone', 'owner_id', 'custom_attributes.level', 'custom_attributes.tier']),
  companies: fc.option(links, { nil: undefined }),
  before: fc.option(links, { nil: undefined }),
  doubt: fc.boolean(),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

function commandOf({ verb, object, scalars, companies, before, doubt }: Drawn): Command {
  const create = verb === 'create';
  const asked = {
    ...Object.fromEntries(scalars.map((name) => [name, `${name} wanted`])),
    ...(companies !== undefined && object === 'contact' && { companies }),
    ...(create && object === 'contact' && { [markers.contact]: 'customer' }),
  };
  return {
    id: 'ask',
    platform: 'intercom',
    epoch: 'e',
    verb,
    object,
    ref: create ? '' : `intercom:${object}:${id}`,
    key: 'customer',
    fields: verb === 'read' ? {} : asked,
    before: before === undefined ? {} : { companies: before },
    lane: 'live',
    askedAt: 0,
    expiresAt: 0,
    doubt,
    lineage: '',
  };
}

const error = fc.record({
  code: fc.constantFrom('parameter_invalid', 'not_found', 'company_not_found', 'admin_not_found', 'data_invalid'),
  message: fc.constantFrom(
    'no',
    'the level is too high',
    `A contact matching those details already exists with id=${id}`,
  ),
  field: fc.constantFrom(undefined, 'name', 'level', 'email', 'nobody', 'tributary_id'),
});
const record = fc.record(
  {
    id: fc.oneof({ weight: 6, arbitrary: fc.constant(id) }, { weight: 1, arbitrary: fc.anything() }),
    updated_at: fc.constantFrom(1_790_000_000, 1_789_999_990),
    email: fc.constantFrom('a@x.example', null),
    custom_attributes: fc.constantFrom({}, { tributary_id: 'customer' }, { level: 'gold' }),
    companies: fc.constantFrom(
      { data: [{ id: 'k1' }], has_more: false },
      { data: [], has_more: false },
      { data: [{ id: 'k2' }], has_more: true },
    ),
    data: fc.constantFrom([{ id: 'k3' }], [], undefined),
    total_count: fc.constantFrom(1, 0, undefined),
  },
  { requiredKeys: ['id'] },
);
const exchange: fc.Arbitrary<Exchange> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ answered: fc.constant(false as const), cause: fc.constant('gone'), sent: fc.boolean() }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      answered: fc.constant(true as const),
      status: fc.constantFrom(200, 200, 200, 200, 400, 400, 404, 409, 410, 422, 429, 403, 500),
      body: fc.oneof(
        { weight: 6, arbitrary: record },
        { weight: 4, arbitrary: fc.record({ errors: fc.array(error, { maxLength: 2 }) }) },
        { weight: 1, arbitrary: fc.anything() },
      ),
      text: fc.constant('text'),
      time: fc.constantFrom(time, time, time, 0),
      sentAt: fc.constant(time - 1_000),
      resetMs: fc.constant(undefined),
      link: fc.constantFrom(undefined, `<https://api/contacts/${id}>; rel="canonical"`),
    }),
  },
);

type Outcome = Carried<IntercomRequest, Answer> | 'uncalled';

/** `answers` run out as time does. */
function run(command: Command, answers: readonly Verdict[]): Outcome {
  try {
    return carryOut(execute(markers, command), (_, n) => answers[n] ?? interrupt);
  } catch (error_) {
    if (error_ instanceof Interrupted && answers.length === 0) return 'uncalled';
    throw error_;
  }
}

const writes = new Set<IntercomRequest['kind']>(['createContact', 'updateContact', 'upsertCompany', 'updateCompany']);

/** It was carried out, or may have been. */
const mayStand = (verdict: Verdict): boolean => verdict.kind === 'ok' || (verdict.kind === 'retry' && verdict.doubt);

/** Names of a body as a command spells them. */
const namesIn = (body: Readonly<Record<string, unknown>>): readonly string[] =>
  Object.entries(body).flatMap(([name, value]) =>
    name === 'custom_attributes' ? Object.keys(Object(value)).map((one) => `custom_attributes.${one}`) : [name],
  );

describe('whatever Intercom answers', () => {
  test('a command has one answer, which names its own fields and claims no more than was said', () => {
    const replies = fc.array(exchange, { minLength: 1, maxLength: 12, size: 'max' });
    fc.assert(
      fc.property(drawn, replies, (given, exchanges) => {
        const command = commandOf(given);
        const answers = exchanges.map(classify).filter(({ kind }) => kind !== 'stop');
        const outcome = run(command, answers);
        if (outcome === 'uncalled') return;
        const { answer, requests } = outcome;
        const isWrite = (one: IntercomRequest): one is Extract<IntercomRequest, { readonly body: object }> =>
          'body' in one && one.kind !== 'searchContacts';
        const bodies = requests.filter(isWrite).map(({ body }) => body);
        const said = answers.slice(0, requests.length);
        const wanted = linksOf(command.fields['companies']) ?? [];
        const before = linksOf(command.before['companies']) ?? [];
        const written =
          requests.flatMap((one, n) => (isWrite(one) && said[n]?.kind === 'ok' ? [one.body] : [])).at(-1) ?? {};
        const isAsked = (name: string): boolean =>
          name in command.fields || (command.verb === 'create' && (name === 'role' || name === 'company_id'));
        expect(
          broken({
            'calls are those made': answer.calls === requests.length,
            'a body holds only what is asked': bodies.every((body) => namesIn(body).every(isAsked)),
            'and the values asked': bodies.every((body) =>
              namesIn(body).every((name) => !(name in command.fields) || valueIn(body, name) === command.fields[name]),
            ),
            'no write of nothing': bodies.every((body) => Object.keys(body).length > 0),
            'nothing to write is only read':
              Object.keys(command.fields).length > 0 ||
              command.verb === 'create' ||
              requests.every(({ kind }) => !writes.has(kind) && kind !== 'attach' && kind !== 'detach'),
            'attached is what is wanted': requests.every(
              (one) => one.kind !== 'attach' || wanted.includes(one.company),
            ),
            'detached is what was there and is not wanted': requests.every(
              (one) => one.kind !== 'detach' || (before.includes(one.company) && !wanted.includes(one.company)),
            ),
            'refused fields are asked ones': answer.refusals.every(
              ({ field }) => field === '' || field in command.fields,
            ),
            // A company that is gone is detached.
            'applied was said':
              answer.outcome !== 'applied' ||
              said.some((one, n) => one.kind === 'ok' || (one.kind === 'gone' && requests[n]?.kind === 'detach')),
            'who was looked for and is gone is not taken for written':
              ['gone', 'expired'].includes(answer.outcome) ||
              command.verb === 'create' ||
              said.every(({ kind }, n) => kind !== 'gone' || !requests[n]?.kind.startsWith('find')),
            'applied tells the record': answer.outcome !== 'applied' || answer.returned?.ref === answer.ref,
            'which is the one asked': command.ref === '' || answer.ref === command.ref,
            'exists tells the record': answer.outcome !== 'exists' || answer.returned?.ref === answer.ref,
            'applied forgets no field':
              answer.outcome !== 'applied' ||
              command.verb !== 'update' ||
              scalarNames(command.fields).every(
                (name) => namesIn(written).includes(name) || answer.refusals.some(({ field }) => field === name),
              ),
            'a refusal says why': answer.outcome !== 'refused' || answer.refusals.length > 0,
            'a contact is not made twice':
              command.verb !== 'create' ||
              said.filter((one, n) => mayStand(one) && requests[n]?.kind === 'createContact').length < 2,
            'expired is what time ran out of': answer.outcome !== 'expired' || answer.calls > 0,
            'what may stand is in doubt':
              answer.outcome !== 'expired' ||
              answer.doubt ||
              said.every((one, n) => one.kind !== 'ok' || !writes.has(requests[n]?.kind ?? 'findContact')),
          }),
        ).toEqual([]);
      }),
      { numRuns: 800 },
    );
  });

  test('time that runs out before any call leaves nothing to answer', () => {
    fc.assert(
      fc.property(drawn, (given) => {
        expect(run(commandOf(given), [])).toBe('uncalled');
      }),
    );
  });

  test('an end of the sink is passed on as that', () => {
    const stop: Verdict = { kind: 'stop', code: 'CREDENTIALS_REFUSED', text: 'no' };
    fc.assert(
      fc.property(drawn, (given) => {
        expect(() => run(commandOf(given), [stop])).toThrow(TributaryError);
      }),
      { numRuns: 30 },
    );
  });
});

describe('a body', () => {
  const name = fc.oneof(
    fc.constantFrom('name', 'email', 'companies', 'custom_attributes.level', 'custom_attributes.a.b'),
    fc.string({ minLength: 1 }).filter((text) => text !== 'custom_attributes' && text !== '__proto__'),
  );
  const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
  const fields = fc.dictionary(name, value, { maxKeys: 6 });

  test('holds each field asked with its value, and nothing else', () => {
    fc.assert(
      fc.property(fields, (asked) => {
        const body = toBody(asked);
        const expected = scalarNames(asked);
        expect([...namesIn(body)].sort()).toEqual([...expected].sort());
        expect(expected.map((one) => valueIn(body, one))).toEqual(expected.map((one) => asked[one]));
      }),
    );
  });

  test('refused for one of its fields is written without that one alone', () => {
    fc.assert(
      fc.property(fields, fc.string(), fc.string(), (asked, field, text) => {
        const names = scalarNames(asked);
        const culprit = blamed(names, field, text);
        const rest = culprit === undefined ? asked : without(asked, culprit);
        expect(culprit === undefined || names.includes(culprit)).toBe(true);
        expect(Object.keys(asked).length - Object.keys(rest).length).toBe(culprit === undefined ? 0 : 1);
        expect(names.map((one) => askedName(names, one))).toEqual(names);
      }),
      { numRuns: 200 },
    );
  });
});

describe('what an answer tells', () => {
  test('is the record at a moment, or nothing, whatever its body', () => {
    const body = fc.oneof(record, fc.object(), fc.record({ id: fc.string(), updated_at: fc.anything() }));
    fc.assert(
      fc.property(
        body,
        fc.constantFrom('contact' as const, 'company' as const),
        fc.constantFrom(0, time),
        (some, object, at) => {
          const one = told(object, {
            kind: 'ok',
            body: some as Readonly<Record<string, unknown>>,
            time: at,
            sentAt: at,
          });
          expect(one === undefined || (at > 0 && one.at.time > 0 && one.via === 'answer')).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of memberships is the list given, or nothing; and what was cleared is still told as empty', () => {
    fc.assert(
      fc.property(links, fc.subarray(['name', 'phone', 'custom_attributes.level']), (ids, cleared) => {
        const seen = observeIntercom(
          'contact',
          { id, updated_at: 1, email: 'a@x.example' },
          { via: 'answer', at: time },
        );
        const listed = withCompanies(seen, ids.toReversed());
        expect([listed.fields['companies'], listed.unknown]).toEqual([ids, []]);
        const asked = Object.fromEntries(cleared.map((name) => [name, null]));
        const silent = withoutCompanies(listed, asked);
        expect(silent.fields).toEqual({ email: 'a@x.example', ...asked });
        expect([silent.unknown, silent.whole]).toEqual([['companies'], false]);
      }),
      { numRuns: 50 },
    );
  });
});
