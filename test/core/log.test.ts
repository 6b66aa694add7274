import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../core/config.ts';
import { TributaryError } from '../../core/errors.ts';
import { createLog, type Logger } from '../../core/log.ts';

function capture(isTTY = false): { log: Logger; text: () => string; lines: () => Record<string, unknown>[] } {
  let text = '';
  const stream = {
    isTTY,
    write: (line: string) => {
      text += line;
    },
  };
  const lines = () =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log: createLog({ level: 'debug', stream }), text: () => text, lines };
}

test('a line is one JSON object with time, level and message', () => {
  const { log, lines } = capture();
  log.child({ role: 'unify' }).info({ offset: 12 }, 'took over');
  const [line] = lines();
  expect(line).toMatchObject({ level: 'info', role: 'unify', offset: 12, msg: 'took over' });
  expect(line?.['time']).toMatch(/^\d{4}-\d\d-\d\dT/);
});

describe('neither secrets nor personal data reach the stream', () => {
  test.each([
    ['a secret by its key, deep inside', { request: { headers: { Authorization: 'hunter2' } } }],
    ['a token in a child binding', { access_token: 'hunter2' }],
    ['a Secret', { options: { credentials: new Secret('hunter2', 'intercom.token') } }],
    ['values of a record', { observation: { ref: 'salesforce:Contact:1', fields: { Title: 'hunter2' } } }],
    ['an object whose elements are records', { rows: [{ FirstName: 'hunter2', MobilePhone: 'hunter2' }] }],
    ['an ask of the ledger', { before: { Title: 'hunter2' }, expected: { Title: 'hunter2' } }],
    ['bytes', { chunk: Buffer.from('hunter2') }],
    ['something nested too deep to look at', { a: { b: { c: { d: { e: { f: { g: 'hunter2' } } } } } } }],
  ])('%s', (_name, object) => {
    const { log, text, lines } = capture();
    log.info(object, 'said');
    log.child(object).info('said');
    expect(lines()).toHaveLength(2);
    expect(text()).not.toContain('hunter2');
  });

  test.each([
    ['e-mail addresses quoted by a platform', 'duplicate value found: mara.ilves+x@orchard.example on 003'],
    ['bearer tokens', 'sent Bearer dG9rOmh1bnRlcjI='],
    ['passwords in URLs', 'connect redis://default:hunter2@cache:6379 failed'],
  ])('%s inside messages and error texts', (_name, words) => {
    const { log, text } = capture();
    log.error({ err: new Error(words, { cause: new Error(words) }), reply: words }, words);
    expect(text()).not.toMatch(/mara|orchard|dG9r|hunter2/);
    expect(text()).toMatch(/\[email\]|\[masked\]/);
  });

  test('properties of foreign errors stay out: they hold whole requests', () => {
    const { log, text } = capture();
    const foreign = Object.assign(new Error('400'), { statusCode: 400, request: 'hunter2' });
    log.warn({ err: foreign }, 'call failed');
    expect(text()).toContain('"statusCode":400');
    expect(text()).not.toContain('hunter2');
  });
});

test('an error is told with its code, its way out and its whole chain of causes', () => {
  const { log, lines } = capture();
  const socket = Object.assign(new AggregateError([new Error('connect ECONNREFUSED ::1:9092')]), {
    code: 'ECONNREFUSED',
  });
  log.error({ err: new TributaryError('KAFKA_UNAVAILABLE', 'no broker answers', { cause: socket }) }, 'waiting');
  expect(lines()[0]?.['err']).toMatchObject({
    code: 'KAFKA_UNAVAILABLE',
    message: 'no broker answers',
    fix: expect.stringContaining('KAFKA_BROKERS') as string,
    cause: { code: 'ECONNREFUSED', errors: [{ message: 'connect ECONNREFUSED ::1:9092' }] },
  });
  expect(lines()[0]?.['err']).not.toHaveProperty('stack');
});

test('what nobody foresaw keeps its stack', () => {
  const { log, lines } = capture();
  log.error({ err: TributaryError.from(new TypeError('x is not a function')) }, 'crashed');
  expect(lines()[0]?.['err']).toMatchObject({ code: 'INTERNAL', cause: { type: 'TypeError' } });
  expect(lines()[0]).toHaveProperty('err.stack');
});

test('a terminal gets plain text, masked all the same', () => {
  const { log, text } = capture(true);
  const cause = new Error('no route to mara@orchard.example');
  log
    .child({ role: 'decode' })
    .warn({ lag: 3, err: new TributaryError('REDIS_UNAVAILABLE', 'gone', { cause }) }, 'waiting');
  const said = stripVTControlCharacters(text());
  expect(said).toMatch(/^\d\d:\d\d:\d\d warn {2}decode waiting lag=3\n {2}REDIS_UNAVAILABLE · gone · Check REDIS_URL/);
  expect(said).toContain('no route to [email]');
});
