import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  classify,
  classifyAnswer,
  classifyRow,
  type Exchange,
  errorsIn,
} from '../../../connectors/salesforce/classify.ts';
import { broken } from '../../support/broken.ts';

const answer = (code: string, message = '') => JSON.stringify([{ errorCode: code, message }]);

describe('an answer of Salesforce', () => {
  it.each([
    [403, answer('REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.'), 'PLATFORM_LIMIT'],
    [400, answer('UNABLE_TO_LOCK_ROW'), 'PLATFORM_UNAVAILABLE'],
    [400, answer('CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY', 'trigger: UNABLE_TO_LOCK_ROW, …'), 'PLATFORM_UNAVAILABLE'],
    [400, answer('CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY', 'trigger: no'), 'PLATFORM_REFUSED'],
    [400, answer('FIELD_CUSTOM_VALIDATION_EXCEPTION', 'Phone is wrong'), 'PLATFORM_REFUSED'],
    [403, answer('API_DISABLED_FOR_ORG'), 'CREDENTIALS_REFUSED'],
    [404, answer('UNSUPPORTED_API_VERSION', 'Invalid API version'), 'API_VERSION_REFUSED'],
    [400, '{"error":"invalid_client","error_description":"invalid client credentials"}', 'CREDENTIALS_REFUSED'],
    [503, '<html>maintenance</html>', 'PLATFORM_UNAVAILABLE'],
    [404, '<html>proxy</html>', 'PLATFORM_NONSENSE'],
    [401, '', 'CREDENTIALS_REFUSED'],
    [429, '', 'PLATFORM_LIMIT'],
  ])('%i %s is %s', (status, body, code) => {
    expect(classifyAnswer(status, body).code).toBe(code);
  });

  it("keeps the platform's own text, and the field it names", () => {
    const body = JSON.stringify([{ statusCode: 'STRING_TOO_LONG', message: 'Phone: too long', fields: ['Phone'] }]);
    const error = classifyAnswer(400, body);
    expect(error.message).toBe('Salesforce: STRING_TOO_LONG: Phone: too long');
    expect(error.field).toBe('Phone');
  });
});

describe('a call of the sink', () => {
  const time = Date.parse('2026-11-23T10:00:01Z');
  const answered = (status: number, body: unknown, text = JSON.stringify(body) ?? ''): Exchange => ({
    answered: true,
    status,
    body,
    text,
    time,
    sentAt: time - 1_000,
  });
  const refusal = (errorCode: string, message = '') => [{ errorCode, message }];

  it.each([
    ['rows', answered(200, []), { kind: 'ok', body: [], time, sentAt: time - 1_000 }],
    ['nothing to say', answered(204, undefined, ''), { kind: 'ok', body: undefined }],
    ['success in HTML', answered(200, undefined, '<html>'), { kind: 'retry', doubt: true, code: 'PLATFORM_NONSENSE' }],
    ['no answer', { answered: false, cause: 'ETIMEDOUT', sent: true }, { kind: 'retry', doubt: true }],
    ['nothing sent', { answered: false, cause: 'ECONNREFUSED', sent: false }, { kind: 'retry', doubt: false }],
    ['503', answered(503, refusal('SERVER_UNAVAILABLE')), { kind: 'retry', doubt: true, code: 'PLATFORM_UNAVAILABLE' }],
    ['502 of a proxy', answered(502, undefined, '<html>'), { kind: 'retry', doubt: true }],
    ['a lock, with a 400', answered(400, refusal('UNABLE_TO_LOCK_ROW')), { kind: 'retry', doubt: false }],
    [
      'the day is spent',
      answered(403, refusal('REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.')),
      { kind: 'wait', ms: 60_000 },
    ],
    [
      'too many at once',
      answered(403, refusal('REQUEST_LIMIT_EXCEEDED', 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.')),
      { kind: 'wait', ms: 5_000 },
    ],
    [
      'a session that ran out',
      answered(401, refusal('INVALID_SESSION_ID')),
      { kind: 'stop', code: 'CREDENTIALS_REFUSED' },
    ],
    [
      'a retired version',
      answered(404, refusal('UNSUPPORTED_API_VERSION')),
      { kind: 'stop', code: 'API_VERSION_REFUSED' },
    ],
    ['too slow for one call', answered(400, refusal('REQUEST_RUNNING_TOO_LONG')), { kind: 'tooLarge' }],
    ['too long', answered(414, undefined, '<html>'), { kind: 'tooLarge' }],
    [
      'a request refused',
      answered(400, refusal('JSON_PARSER_ERROR', 'x')),
      { kind: 'refuse', errors: [{ code: 'JSON_PARSER_ERROR' }] },
    ],
    [
      'a page of a proxy',
      answered(404, undefined, '<html>'),
      { kind: 'retry', doubt: true, code: 'PLATFORM_NONSENSE' },
    ],
  ] satisfies [string, Exchange, object][])('%s', (_case, exchange, verdict) => {
    expect(classify(exchange)).toMatchObject(verdict);
  });

  it('names the records that a duplicate rule found, whichever way the platform spells it', () => {
    const found = {
      matchResults: [
        { entityType: 'Contact', matchRecords: [{ record: { attributes: { type: 'Contact' }, Id: '003A' } }] },
        { entityType: 'Lead', matchRecords: [{ record: { Id: '00QB' } }] },
      ],
    };
    for (const name of ['duplicateResut', 'duplicateResult']) {
      const errors = [{ statusCode: 'DUPLICATES_DETECTED', message: 'Use one of these records?', [name]: found }];
      expect(classifyRow({ success: false, errors })).toMatchObject({
        kind: 'duplicate',
        error: {
          matches: [
            { object: 'Contact', id: '003A' },
            { object: 'Lead', id: '00QB' },
          ],
        },
      });
    }
  });
});

describe('a row of a collection', () => {
  const row = (statusCode: string, message = '', fields: readonly string[] = []) => ({
    success: false,
    // A refused upsert that would have created says so.
    created: true,
    errors: [{ statusCode, message, fields }],
  });

  it.each([
    [
      { id: '003A', success: true, errors: [] },
      { kind: 'done', id: '003A' },
    ],
    [row('UNABLE_TO_LOCK_ROW'), { kind: 'later', busy: true, code: 'PLATFORM_UNAVAILABLE' }],
    [row('CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY', 'trigger: UNABLE_TO_LOCK_ROW'), { kind: 'later', busy: true }],
    [row('UNKNOWN_EXCEPTION'), { kind: 'later', busy: false }],
    [row('STORAGE_LIMIT_EXCEEDED'), { kind: 'later', busy: false, code: 'PLATFORM_LIMIT' }],
    [row('ENTITY_IS_DELETED'), { kind: 'gone' }],
    [row('CANNOT_UPDATE_CONVERTED_LEAD'), { kind: 'gone' }],
    [row('INVALID_CROSS_REFERENCE_KEY'), { kind: 'gone' }],
    [row('INVALID_CROSS_REFERENCE_KEY', '', ['AccountId']), { kind: 'refuse' }],
    [row('STRING_TOO_LONG', '', ['Title']), { kind: 'refuse', errors: [{ fields: ['Title'] }] }],
    [
      row('INVALID_FIELD', "No such column 'X__c' on sobject of type Contact"),
      { kind: 'refuse', errors: [{ fields: ['X__c'] }] },
    ],
    [
      row('DUPLICATE_VALUE', 'duplicate value found: Key__c duplicates value on record with id: 003'),
      { kind: 'refuse', errors: [{ fields: ['Key__c'] }] },
    ],
    [undefined, { kind: 'later', code: 'PLATFORM_NONSENSE' }],
    [
      { success: false, errors: [] },
      { kind: 'later', code: 'PLATFORM_NONSENSE' },
    ],
  ])('%j', (given, verdict) => {
    expect(classifyRow(given)).toMatchObject(verdict);
  });
});

describe('whatever comes', () => {
  const codes = [
    'UNABLE_TO_LOCK_ROW',
    'REQUEST_LIMIT_EXCEEDED',
    'INVALID_SESSION_ID',
    'DUPLICATES_DETECTED',
    'NO_SUCH_CODE',
  ];
  const error = fc.record(
    {
      errorCode: fc.oneof(fc.constantFrom(...codes), fc.anything()),
      statusCode: fc.oneof(fc.constantFrom(...codes), fc.anything()),
      message: fc.anything(),
      fields: fc.anything(),
      duplicateResut: fc.oneof(
        fc.anything(),
        fc.record({ matchResults: fc.array(fc.record({ matchRecords: fc.anything(), entityType: fc.anything() })) }),
      ),
    },
    { requiredKeys: [] },
  );
  const body = fc.oneof(fc.array(error, { maxLength: 3 }), error, fc.anything(), fc.constant(undefined));
  const status = fc.oneof(fc.integer({ min: 200, max: 599 }), fc.constantFrom(200, 204, 401, 403, 413, 429, 500, 503));
  const exchange: fc.Arbitrary<Exchange> = fc.oneof(
    {
      weight: 1,
      arbitrary: fc.record({ answered: fc.constant(false as const), cause: fc.string(), sent: fc.boolean() }),
    },
    {
      weight: 9,
      arbitrary: fc.record({
        answered: fc.constant(true as const),
        status,
        body,
        text: fc.string(),
        time: fc.nat(),
        sentAt: fc.nat(),
      }),
    },
  );

  it('has a verdict, which says no more than was answered', () => {
    fc.assert(
      fc.property(exchange, (one) => {
        const verdict = classify(one);
        const success = one.answered && one.status < 300;
        const isTheirs = one.answered && (one.body !== undefined || one.text === '');
        const perhapsDone = one.answered ? success : one.sent;
        expect(
          broken({
            'done is what was answered so': verdict.kind !== 'ok' || (success && isTheirs),
            'what may have been done is not taken for undone':
              !perhapsDone || verdict.kind === 'ok' || (verdict.kind === 'retry' && verdict.doubt),
            'what was not sent is not in doubt': one.answered || verdict.kind !== 'retry' || verdict.doubt === one.sent,
            'a wait is a minute at most': verdict.kind !== 'wait' || (verdict.ms > 0 && verdict.ms <= 60_000),
            'a refusal says why': verdict.kind !== 'refuse' || verdict.errors.length > 0,
            'it is dated by the platform': !('time' in verdict) || !one.answered || verdict.time === one.time,
          }),
        ).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  it('as a row has a verdict, and is done only where it says so and names its record', () => {
    const row = fc.oneof(
      fc.anything(),
      fc.record({ success: fc.anything(), id: fc.anything(), errors: fc.array(error, { maxLength: 3 }) }),
      fc.record({ success: fc.boolean(), id: fc.string(), errors: fc.anything() }),
    );
    fc.assert(
      fc.property(row, (one) => {
        const verdict = classifyRow(one);
        const { success, id } = Object(one) as { readonly success?: unknown; readonly id?: unknown };
        const done = !Array.isArray(one) && success === true && typeof id === 'string';
        expect(verdict.kind === 'done' ? verdict.id : undefined).toBe(done ? id : undefined);
        expect(!('errors' in verdict) || verdict.errors.length > 0).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('as a body of errors is read or is none, and never throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          body.map((one) => JSON.stringify(one) ?? ''),
        ),
        fc.integer({ min: 300, max: 599 }),
        (text, of) => {
          for (const { code, fields } of errorsIn(text)) {
            expect(typeof code).toBe('string');
            expect(fields.every((field) => typeof field === 'string')).toBe(true);
          }
          expect(['retry', 'reject', 'stop']).toContain(classifyAnswer(of, text).verdict);
        },
      ),
      { numRuns: 300 },
    );
  });
});
