/** The address that Intercom posts to, over sockets, in front of a Kafka that is a list. */
import { createHmac } from 'node:crypto';
import { createConnection } from 'node:net';
import { text as allText } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Endpoint, openEndpoint } from '../../../connectors/intercom/endpoint.ts';
import { Intake } from '../../../connectors/intercom/intake.ts';
import { RawRecords } from '../../../connectors/intercom/raw-records.ts';
import type { OutRecord } from '../../../core/kafka.ts';
import { memoryCodec } from '../../../core/registry.ts';
import type { DeadLetter, RawRecord } from '../../../schemas/types.ts';
import { contactItem, notification, workspace } from '../../processors/decode/intercom-notifications.ts';

const secret = 'app-secret';
const maxBytes = 20_000;
const codec = memoryCodec();
const log = pino({ level: 'silent' });
const ping = notification('ping', { type: 'ping', message: 'something something interzen' }, { id: null });
const update = notification('contact.user.updated', contactItem);

let sent: OutRecord[];
/** What Kafka does with a write. */
let acknowledge: () => Promise<void>;
let intake: Intake;
let endpoint: Endpoint;

async function open(room?: number): Promise<void> {
  intake = new Intake({
    codec,
    log,
    now: () => performance.now(),
    answerMs: 200,
    ...(room !== undefined && { roomBytes: room }),
  });
  const webhook = { host: '127.0.0.1', port: 0, path: '/intercom', maxBytes };
  endpoint = await openEndpoint({ webhook, secret, intake, log, receiveMs: 600 });
}
function admit(encoder: Pick<typeof codec, 'encode'> = codec): void {
  const send = async (records: readonly OutRecord[]): Promise<void> => {
    sent.push(...records);
    await acknowledge();
  };
  intake.open(new RawRecords(encoder, workspace), { send });
}

beforeEach(async () => {
  sent = [];
  acknowledge = () => Promise.resolve();
  await open();
  admit();
});
afterEach(() => endpoint.close());

const sign = (bytes: Buffer, under = secret): string => `sha1=${createHmac('sha1', under).update(bytes).digest('hex')}`;

function post(bytes: Buffer, headers: Record<string, string> = {}): Promise<number> {
  const all = { 'content-type': 'application/json', 'x-hub-signature': sign(bytes), ...headers };
  return fetch(endpoint.url, { method: 'POST', body: bytes, headers: all }).then(({ status }) => status);
}
const raw = (): readonly RawRecord[] =>
  sent.flatMap(({ topic, value }) =>
    topic === 'intercom.raw' && value !== null ? [codec.decode(value).value as RawRecord] : [],
  );
const letters = (): readonly DeadLetter[] =>
  sent.flatMap(({ topic, value }) =>
    topic === 'connectors.dlq' && value !== null ? [codec.decode(value).value as DeadLetter] : [],
  );

/** Bytes as they are over one connection, and everything that comes back. */
async function speak(...pieces: readonly (string | Buffer | number)[]): Promise<string> {
  const { hostname, port } = new URL(endpoint.url);
  const socket = createConnection(Number(port), hostname);
  const said = allText(socket);
  for (const piece of pieces) {
    if (typeof piece === 'number') await sleep(piece);
    else if (!socket.destroyed) socket.write(piece);
  }
  return said;
}
const head = (...lines: readonly string[]): string =>
  ['POST /intercom HTTP/1.1', 'Host: tributary', 'Connection: close', ...lines, '', ''].join('\r\n');

describe('a notification', () => {
  test('is answered once it is in Kafka, with its very bytes', async () => {
    const acknowledged = Promise.withResolvers<void>();
    acknowledge = () => acknowledged.promise;
    const answer = post(update);
    expect(await Promise.race([answer, sleep(100, 'waiting')])).toBe('waiting');
    acknowledged.resolve();
    expect(await answer).toBe(200);
    expect(raw()).toMatchObject([{ reason: 'webhook', object: 'contact', recordId: contactItem.id, body: update }]);
    expect(sent[0]).toMatchObject({ key: `contact:${contactItem.id}`, headers: { org: workspace } });
  });

  test('of a sort that tells nothing is answered and not published; so is a ping', async () => {
    expect(await post(ping)).toBe(200);
    expect(await post(notification('conversation.user.created', { type: 'conversation', id: '7' }))).toBe(200);
    expect(sent).toEqual([]);
  });

  test('that only names a record leaves a note that it is to be read', async () => {
    const bytes = notification('contact.subscribed', {
      type: 'contact_subscribe',
      contact: { id: 'c1', type: 'contact' },
    });
    expect(await post(bytes)).toBe(200);
    expect(sent).toHaveLength(1);
    expect(JSON.parse(String(sent[0]?.headers?.['owed']))).toMatchObject({ owed: [{ what: 'contact', id: 'c1' }] });
  });

  test.each([
    ['no JSON', Buffer.from('{"type": "notif'), 'PAYLOAD_UNDECODABLE'],
    [
      'of another workspace',
      notification('contact.user.updated', contactItem, { app_id: 'other' }),
      'PLATFORM_OTHER_ORG',
    ],
  ])('that is signed and %s goes to the dead letters; an error would have it lost', async (_what, bytes, code) => {
    expect(await post(bytes)).toBe(200);
    expect(letters()).toMatchObject([
      { stage: 'connectors', code, topic: 'intercom.raw', offset: -1, original: bytes },
    ]);
    expect(raw()).toEqual([]);
  });

  test('that no record can be made of is a defect of ours, and kept', async () => {
    admit({
      encode: () => {
        throw new TypeError('no such field');
      },
    });
    expect(await post(update)).toBe(200);
    expect(letters()).toMatchObject([{ code: 'RECORD_POISON', message: 'no such field', original: update }]);
  });

  test('signed by somebody else is refused, and so is one that is changed on its way or not signed at all', async () => {
    expect(await post(update, { 'x-hub-signature': sign(update, 'other') })).toBe(401);
    expect(
      await post(Buffer.from(update.toString().replace('Mara', 'Maja')), { 'x-hub-signature': sign(update) }),
    ).toBe(401);
    expect(await post(update, { 'x-hub-signature': '' })).toBe(401);
    expect(await fetch(endpoint.url, { method: 'POST' }).then(({ status }) => status)).toBe(401);
    expect(sent).toEqual([]);
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8'])(
    'is judged by its bytes and not by what they are called: %s',
    async (type) => {
      expect(await post(update, { 'content-type': type })).toBe(200);
      expect(raw()).toHaveLength(1);
    },
  );
});

describe('a body', () => {
  const long = Buffer.alloc(maxBytes + 1, 'x');
  const chunk = (bytes: Buffer): string => `${bytes.length.toString(16)}\r\n${bytes.toString('latin1')}\r\n`;

  test('that says it is too long is refused, and read to its end so that the answer arrives', async () => {
    expect(await post(long)).toBe(413);
    expect(await post(Buffer.alloc(maxBytes, 'x'))).toBe(200);
    expect(letters()).toHaveLength(1);
  });

  test('that turns out too long is refused as well', async () => {
    const lines = head('Transfer-Encoding: chunked', `X-Hub-Signature: ${sign(long)}`);
    expect(await speak(lines, chunk(long.subarray(0, 9_000)), 20, chunk(long.subarray(9_000)), '0\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 413 /,
    );
    expect(sent).toEqual([]);
  });

  test('without an end is cut off', async () => {
    const lines = head('Transfer-Encoding: chunked', `X-Hub-Signature: ${sign(long)}`);
    expect(await speak(lines, ...Array.from({ length: 12 }, () => chunk(long)))).toMatch(/^(HTTP\/1\.1 413 |$)/);
  });

  test('in pieces is one body', async () => {
    const lines = head(`Content-Length: ${update.length}`, `X-Hub-Signature: ${sign(update)}`);
    expect(await speak(lines, update.subarray(0, 10), 20, update.subarray(10))).toMatch(/^HTTP\/1\.1 200 /);
    const chunked = head('Transfer-Encoding: chunked', `X-Hub-Signature: ${sign(update)}`);
    const pieces = [chunk(update.subarray(0, 500)), 20, chunk(update.subarray(500)), '0\r\n\r\n'];
    expect(await speak(chunked, ...pieces)).toMatch(/^HTTP\/1\.1 200 /);
    expect(raw()).toHaveLength(2);
  });

  test('in many tiny pieces takes as much room as these take in memory, and gives all of it back', async () => {
    await endpoint.close();
    await open(100_000);
    admit();
    const lines = head('Transfer-Encoding: chunked', `X-Hub-Signature: ${sign(update)}`);
    const pieces = (size: number): string =>
      Array.from({ length: Math.ceil(update.length / size) }, (_, index) =>
        chunk(update.subarray(index * size, (index + 1) * size)),
      ).join('');
    expect(await speak(lines, pieces(1), '0\r\n\r\n')).toMatch(/^HTTP\/1\.1 429 /);
    expect(await speak(lines, pieces(50), '0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
    await sleep(20);
    expect(intake.hold(100_000)).toBe(true);
  });

  test('that does not come to its end in time is given up, with what it held', async () => {
    const lines = head(`Content-Length: ${update.length}`, `X-Hub-Signature: ${sign(update)}`);
    expect(await speak(lines, update.subarray(0, 10))).toMatch(/^(HTTP\/1\.1 408 |$)/);
    expect(sent).toEqual([]);
    expect(intake.hold(32 * 1024 * 1024)).toBe(true);
  });
});

describe('the endpoint', () => {
  test('answers HEAD, by which Intercom checks the address, and nothing else on it', async () => {
    const ask = (method: string, path = ''): Promise<number> =>
      fetch(`${endpoint.url}${path}`, { method }).then(({ status }) => status);
    expect(await ask('HEAD')).toBe(200);
    expect(await ask('GET')).toBe(405);
    expect(await ask('POST', '/other')).toBe(404);
  });

  test('puts everything off until it knows whose notifications it takes', async () => {
    await endpoint.close();
    await open();
    expect(await post(update)).toBe(429);
    admit();
    expect(await post(update)).toBe(200);
  });

  test('puts off what Kafka does not take in time, and all that follows until it takes it', async () => {
    const acknowledged = Promise.withResolvers<void>();
    acknowledge = () => acknowledged.promise;
    expect(await post(update)).toBe(429);
    const began = performance.now();
    expect(await post(update)).toBe(429);
    // At once: nobody waits behind one that waits in vain.
    expect(performance.now() - began).toBeLessThan(150);
    expect(intake.refusals).not.toBeNull();
    expect(sent).toHaveLength(1);
    acknowledged.resolve();
    acknowledge = () => Promise.resolve();
    await sleep(10);
    expect(await post(update)).toBe(200);
    expect(intake.refusals?.takenAt).toBeGreaterThan(intake.refusals?.last ?? Infinity);
  });

  test('puts off what there is no room for, and takes it when there is', async () => {
    await endpoint.close();
    await open(update.length * 2 + 600);
    admit();
    const acknowledged = Promise.withResolvers<void>();
    acknowledge = () => acknowledged.promise;
    const first = [post(update), post(update)];
    await sleep(50);
    expect(await post(update)).toBe(429);
    acknowledged.resolve();
    expect(await Promise.all(first)).toEqual([200, 200]);
    expect(await post(update)).toBe(200);
  });

  test('puts off what cannot be written', async () => {
    acknowledge = () => Promise.reject(new Error('no'));
    expect(await post(update)).toBe(429);
    acknowledge = () => Promise.resolve();
    expect(await post(update)).toBe(200);
    expect(intake.hold(32 * 1024 * 1024)).toBe(true);
  });

  test('answers what is in hand before it closes', async () => {
    const acknowledged = Promise.withResolvers<void>();
    acknowledge = () => acknowledged.promise;
    const answer = post(update);
    await sleep(50);
    const closed = endpoint.close();
    acknowledged.resolve();
    expect(await answer).toBe(200);
    await closed;
  });

  test('says which address is taken', async () => {
    const { port } = new URL(endpoint.url);
    const webhook = { host: '127.0.0.1', port: Number(port), path: '/intercom', maxBytes };
    await expect(openEndpoint({ webhook, secret, intake, log })).rejects.toMatchObject({
      code: 'HTTP_TAKEN',
      field: 'intercom.webhook.port',
    });
  });
});
