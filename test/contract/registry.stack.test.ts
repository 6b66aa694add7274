/** Topics, registry and the stateless loop together on the real servers. */
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TributaryError } from '../../core/errors.ts';
import { connectKafka, type InRecord, type KafkaAccess } from '../../core/kafka.ts';
import { runPipe, type Step } from '../../core/pipe.ts';
import { connectRegistry, type RegistryCodec } from '../../core/registry.ts';
import { applyTopics, wantedConfig } from '../../core/topics.ts';
import { type TopicName, topics } from '../../schemas/topics.ts';
import { openWire } from '../support/wire.ts';

const log = pino({ level: process.env['LOG'] ?? 'silent' });
const brokers = process.env['KAFKA_BROKERS'] ?? '';
const url = process.env['SCHEMA_REGISTRY_URL'] ?? '';
const prefix = `r${randomUUID().slice(0, 8)}.`;
const mark = { platform: 'salesforce', kind: 'mark', upTo: 1_790_000_000_000, detail: '', certificate: null };

let kafka: KafkaAccess;
let codec: RegistryCodec;
beforeAll(async () => {
  kafka = connectKafka({ brokers, prefix, clientId: 'contract', log });
  codec = await connectRegistry({ url, prefix, log });
});
afterAll(() => kafka.close());

describe('applying topics', () => {
  test('makes the table true, and a second time changes nothing', async () => {
    const first = await applyTopics(kafka, codec, { replication: 1 });
    expect(first.map(({ topic }) => topic)).toEqual(Object.keys(topics));
    expect(first.every(({ did }) => did.startsWith('created'))).toBe(true);
    expect(first.find(({ topic }) => topic === 'changes')?.did).toBe('created; registered Change');
    const second = await applyTopics(kafka, codec, { replication: 1 });
    expect(second.filter(({ did }) => did !== 'as wanted')).toEqual([]);
  });

  test('corrects a setting without losing the others, compaction above all', async () => {
    const state = async () => (await kafka.admin.describe(['unify.state'])).get('unify.state');
    await kafka.admin.configure(new Map([['unify.state', { 'delete.retention.ms': '1000' }]]));
    expect((await state())?.config['cleanup.policy']).toBe('delete');
    const report = await applyTopics(kafka, codec, { replication: 1 });
    expect(report.filter(({ did }) => did !== 'as wanted').map(({ topic }) => topic)).toEqual(['unify.state']);
    expect((await state())?.config).toMatchObject(wantedConfig(topics['unify.state'], 1));
  });

  test('refuses another number of partitions before it touches anything', async () => {
    const other = `p${randomUUID().slice(0, 8)}.`;
    const access = connectKafka({ brokers, prefix: other, clientId: 'contract', log });
    const config = wantedConfig(topics.changes, 1);
    await access.admin.create(new Map([['changes', { partitions: 3, replication: 1, config }]]));
    const applying = applyTopics(access, await connectRegistry({ url, prefix: other, log }), { replication: 1 });
    await expect(applying).rejects.toMatchObject({
      code: 'TOPICS_DIFFER',
      message: expect.stringContaining('changes'),
    });
    expect([...(await access.admin.describe(['changes', 'journal'])).keys()]).toEqual(['changes']);
    await access.close();
  });
});

describe('the registry', () => {
  const event = (fields: object[]) =>
    JSON.stringify({ type: 'record', name: 'ContactChangeEvent', namespace: 'com.sforce.eventbus', fields });
  const first = event([{ name: 'Email', type: ['null', 'string'], doc: 'Data:Email' }]);
  const incompatible = event([{ name: 'Seats', type: 'double', doc: 'Data:Double' }]);

  test('knows our ids at the next start', async () => {
    const bytes = codec.encode('salesforce.raw', 'SourceMark', mark);
    const next = await connectRegistry({ url, prefix, log });
    expect(next.encode('salesforce.raw', 'SourceMark', mark)).toEqual(bytes);
    expect({ ...next.decode(bytes).value }).toEqual(mark);
  });

  test('takes every version of a platform’s own schema and gives its text back to another process', async () => {
    const one = await codec.registerForeign('salesforce.raw', first, 'ContactChangeEvent');
    const two = await codec.registerForeign('salesforce.raw', incompatible, 'ContactChangeEvent');
    expect(two).not.toBe(one);
    expect(await codec.registerForeign('salesforce.raw', first, 'ContactChangeEvent')).toBe(one);
    const other = await connectRegistry({ url, prefix, log });
    const bytes = other.frame(one, Buffer.from([2, 2, 0x61]));
    await other.prepare([bytes]);
    expect(other.decode(bytes)).toMatchObject({ foreign: true, value: { Email: 'a' }, definition: JSON.parse(first) });
  });

  test('says that an id is unknown, which is no failure of its own', async () => {
    const bytes = codec.frame(2_000_000_000, Buffer.from([0]));
    await codec.prepare([bytes]);
    expect(() => codec.decode(bytes)).toThrow(expect.objectContaining({ code: 'SCHEMA_UNKNOWN' }));
  });

  test('that is away is waited for at start, and named while it is away', async () => {
    const wire = await openWire(url);
    await wire.cut();
    const connecting = connectRegistry({ url: wire.url, prefix, log });
    await wire.restore();
    const late = await connecting;
    await wire.cut();
    const unknown = late.frame(1_999_999_999, Buffer.from([0]));
    await expect(late.prepare([unknown])).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    const registering = late.registerForeign('salesforce.raw', event([]), 'ContactChangeEvent');
    await expect(registering).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  test('that does not answer is given up after a deadline', async () => {
    const silent: Server = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const controller = new AbortController();
    const connecting = connectRegistry({ url: `http://127.0.0.1:${port}`, prefix, log, signal: controller.signal });
    controller.abort();
    await expect(connecting).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    silent.closeAllConnections();
    silent.close();
  });
});

describe('a stateless stage', () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  function start(step: Step, group: string): { stop: () => Promise<void>; ended: Promise<void> } {
    const controller = new AbortController();
    const { signal } = controller;
    const input = ['salesforce.raw'] as const;
    const ready = (): void => undefined;
    const ended = runPipe({ kafka, codec, group, input, stage: 'decode', step, signal, ready, log });
    const stop = async (): Promise<void> => {
      controller.abort();
      await ended;
    };
    stops.push(() => stop().catch(() => undefined));
    return { stop, ended };
  }

  async function all(topic: TopicName): Promise<InRecord[]> {
    const [kept] = await kafka.offsets(topic);
    const found: InRecord[] = [];
    await kafka.read(topic, 0, kept?.earliest ?? 0, kept?.latest ?? 0, (records) => void found.push(...records));
    return found;
  }
  async function until(topic: TopicName, count: number): Promise<InRecord[]> {
    for (;;) {
      const found = await all(topic);
      if (found.length >= count) return found;
    }
  }

  test('passes what it can, sets aside what it cannot, and goes on where it stopped', async () => {
    const producer = await kafka.producer();
    const raw = (key: string, value: Buffer) => ({ topic: 'salesforce.raw', key, value }) as const;
    const marks = [1, 2, 3].map((upTo) => codec.encode('salesforce.raw', 'SourceMark', { ...mark, upTo }));
    const garbage = Buffer.from('no avro');
    const unknown = codec.frame(2_000_000_001, Buffer.from([0]));
    await producer.send([garbage, unknown, ...marks].map((value, i) => raw(String(i), value)));
    const step: Step = ({ value }) => ({
      emit: [{ topic: 'intercom.raw', key: 'k', schema: 'SourceMark', value }],
    });
    const stage = start(step, 'decode');
    const out = await until('intercom.raw', 3);
    await stage.stop();
    expect(out.map(({ value }) => codec.decode(value ?? Buffer.alloc(0)).value)).toMatchObject([
      { upTo: 1 },
      { upTo: 2 },
      { upTo: 3 },
    ]);
    const letters = (await all('decode.dlq')).map(({ value }) => codec.decode(value ?? Buffer.alloc(0)).value);
    expect(letters).toMatchObject([
      { code: 'PAYLOAD_UNDECODABLE', topic: 'salesforce.raw', original: garbage },
      { code: 'SCHEMA_UNKNOWN', topic: 'salesforce.raw', original: unknown },
    ]);
    expect(await kafka.committed('decode', 'salesforce.raw')).toEqual([{ partition: 0, next: 5 }]);

    await producer.send(marks.map((value) => raw('again', value)));
    const again = start(step, 'decode');
    expect(await until('intercom.raw', 6)).toHaveLength(6);
    await again.stop();
  });

  test('stops when nearly everything is bad, and has moved neither position nor records of that batch', async () => {
    const producer = await kafka.producer();
    const bad = Array.from({ length: 400 }, () => ({
      topic: 'salesforce.raw' as const,
      key: 'bad',
      value: Buffer.from('no avro'),
    }));
    await producer.send(bad);
    const before = (await all('decode.dlq')).length;
    const { ended } = start(() => ({ reject: new TributaryError('PAYLOAD_UNDECODABLE', 'all') }), 'strict');
    await expect(ended).rejects.toMatchObject({ code: 'REJECTING' });
    expect((await all('decode.dlq')).length).toBe(before);
    expect(await kafka.committed('strict', 'salesforce.raw')).toEqual([{ partition: 0, next: -1 }]);
  });
});
