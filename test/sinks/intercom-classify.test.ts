import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, type Exchange } from '../../connectors/intercom/classify.ts';
import { broken } from '../support/broken.ts';

const answer = (status: number, body: unknown, given: object = {}): Exchange => ({
  answered: true,
  status,
  body,
  text: typeof body === 'string' ? body : JSON.stringify(body),
  time: 1_000,
  sentAt: 900,
  resetMs: undefined,
  link: undefined,
  ...given,
});
const list = (code: string, message = 'because', field?: string): object => ({
  type: 'error.list',
  request_id: 'r',
  errors: [{ code, message, ...(field !== undefined && { field }) }],
});
const id = '66f1a0b7c2d94e0012ab34cd';

describe('what an answer of Intercom means', () => {
  test.each<[string, Exchange, object]>([
    ['an object', answer(200, { id }), { kind: 'ok', body: { id }, time: 1_000, sentAt: 900 }],
    [
      'success whose body is a page of a proxy: applied, perhaps',
      answer(200, undefined, { text: '<html><p>Welcome</p></html>' }),
      { kind: 'retry', doubt: true, code: 'PLATFORM_NONSENSE' },
    ],
    [
      'no answer to what was sent',
      { answered: false, cause: 'UND_ERR_SOCKET', sent: true },
      { kind: 'retry', doubt: true },
    ],
    ['nothing sent', { answered: false, cause: 'ECONNREFUSED', sent: false }, { kind: 'retry', doubt: false }],
    ['400 parameter_invalid', answer(400, list('parameter_invalid', 'no', 'name')), { kind: 'refuse', field: 'name' }],
    [
      '400 unknown version',
      answer(400, list('intercom_version_invalid')),
      { kind: 'stop', code: 'API_VERSION_REFUSED' },
    ],
    ['401', answer(401, list('token_revoked')), { kind: 'stop', code: 'CREDENTIALS_REFUSED' }],
    ['402', answer(402, list('api_plan_restricted')), { kind: 'refuse', code: 'CREDENTIALS_REFUSED' }],
    ['403', answer(403, list('forbidden')), { kind: 'refuse', code: 'CREDENTIALS_REFUSED' }],
    ['404', answer(404, list('company_not_found')), { kind: 'gone', what: 'company_not_found', survivor: null }],
    ['404 of an owner', answer(404, list('admin_not_found')), { kind: 'refuse' }],
    [
      '410 with the survivor in Link',
      answer(410, list('contact_merged'), { link: `</contacts/${id}>; rel="canonical"` }),
      { kind: 'gone', survivor: id },
    ],
    [
      'a page of a proxy that says not found',
      answer(404, undefined, { text: '<html>' }),
      { kind: 'retry', doubt: true, code: 'PLATFORM_NONSENSE' },
    ],
    ['408', answer(408, list('request_timeout')), { kind: 'retry', doubt: true }],
    [
      '409 naming a contact',
      answer(409, list('conflict', `A contact matching those details already exists with id=${id}`)),
      { kind: 'exists', id, archived: false },
    ],
    [
      '409 naming an archived contact',
      answer(409, list('conflict', `An archived contact matching those details already exists with id=${id}`)),
      { kind: 'exists', id, archived: true },
    ],
    ['409 naming nobody', answer(409, list('resource_conflict')), { kind: 'refuse' }],
    ['422', answer(422, list('data_invalid')), { kind: 'refuse' }],
    ['429 until the reset', answer(429, list('rate_limit_exceeded'), { resetMs: 3_000 }), { kind: 'wait', ms: 3_000 }],
    ['429 without a reset', answer(429, list('too_many_requests')), { kind: 'wait', ms: 10_000 }],
    ['429 with a clock gone wrong', answer(429, list('x'), { resetMs: 86_400_000 }), { kind: 'wait', ms: 60_000 }],
    ['500', answer(500, list('server_error')), { kind: 'retry', doubt: true, code: 'PLATFORM_UNAVAILABLE' }],
    [
      'an HTML 502',
      answer(502, undefined, { text: '<h1>502 Bad Gateway</h1>' }),
      { kind: 'retry', text: 'HTTP 502 502 Bad Gateway' },
    ],
  ])('%s', (_case, exchange, expected) => {
    expect(classify(exchange)).toMatchObject(expected);
  });
});

describe('whatever comes', () => {
  const error = fc.record(
    {
      code: fc.oneof(fc.constantFrom('not_found', 'admin_not_found', 'intercom_version_invalid'), fc.anything()),
      message: fc.oneof(fc.constant(`A contact matching those details already exists with id=${id}`), fc.anything()),
      field: fc.anything(),
    },
    { requiredKeys: [] },
  );
  const body = fc.oneof(
    fc.record({ errors: fc.array(error, { maxLength: 2 }) }),
    fc.record({ errors: fc.anything() }),
    fc.anything(),
  );
  const exchange: fc.Arbitrary<Exchange> = fc.oneof(
    {
      weight: 1,
      arbitrary: fc.record({ answered: fc.constant(false as const), cause: fc.string(), sent: fc.boolean() }),
    },
    {
      weight: 9,
      arbitrary: fc.record({
        answered: fc.constant(true as const),
        status: fc.oneof(
          fc.integer({ min: 100, max: 599 }),
          fc.constantFrom(200, 400, 401, 403, 404, 408, 409, 410, 429, 500),
        ),
        body,
        text: fc.string(),
        time: fc.nat(),
        sentAt: fc.nat(),
        resetMs: fc.option(fc.nat(), { nil: undefined }),
        link: fc.option(fc.oneof(fc.string(), fc.constant(`<https://api/contacts/${id}>; rel="canonical"`)), {
          nil: undefined,
        }),
      }),
    },
  );

  test('has a verdict, which says no more than was answered', () => {
    fc.assert(
      fc.property(exchange, (one) => {
        const verdict = classify(one);
        const success = one.answered && one.status >= 200 && one.status < 300;
        const perhapsDone = one.answered ? success || one.status >= 500 || one.status === 408 : one.sent;
        expect(
          broken({
            'done is what was answered so': verdict.kind !== 'ok' || (success && typeof verdict.body === 'object'),
            'what may have been done is not taken for undone':
              !perhapsDone || verdict.kind === 'ok' || (verdict.kind === 'retry' && verdict.doubt),
            'what was not sent is not in doubt': one.answered || verdict.kind !== 'retry' || verdict.doubt === one.sent,
            'a wait is a minute at most': verdict.kind !== 'wait' || verdict.ms <= 60_000,
            'who exists is named': verdict.kind !== 'exists' || /^[0-9a-f]{24}$/.test(verdict.id),
            'a survivor is an id': verdict.kind !== 'gone' || /^[0-9a-f]{24}$/.test(verdict.survivor ?? id),
            'it is dated by the platform': !('time' in verdict) || !one.answered || verdict.time === one.time,
          }),
        ).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
