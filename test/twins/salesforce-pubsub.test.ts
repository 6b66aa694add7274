import { EventEmitter } from 'node:events';
import { status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../twins/common/random.ts';
import { type SalesforceTwin, type SalesforceTwinOptions, startSalesforceTwin } from '../../twins/salesforce/server.ts';
import { type FetchResponse, type Stream, Subscription } from '../../twins/salesforce/subscription.ts';
import { connect, controlTwin, endingOf, PubSubClient, type Request } from './salesforce-client.ts';
import { decode, makeModel, start, take } from './salesforce-support.ts';

const channel = '/data/Tributary__chn';

describe('credit', () => {
  /** The server's end of a stream, without a network: what it writes is kept. */
  class Wire extends EventEmitter {
    readonly written: FetchResponse[] = [];
    write(response: FetchResponse): boolean {
      this.written.push(response);
      return true;
    }
    end(): void {}
  }

  test('is never exceeded, never more than 100, and tells what is left', () => {
    const step = fc.oneof(
      fc.record({ ask: fc.integer({ min: 1, max: 250 }) }),
      fc.record({ publish: fc.integer({ min: 1, max: 60 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(), (steps, seed) => {
        const org = makeModel();
        const wire = new Wire();
        const subscription = new Subscription(wire as unknown as Stream, 'rpc', {
          model: org.model,
          random: seededRandom(seed),
          now: () => start,
          keepaliveMs: 1_000_000,
          idleCloseMs: 1_000_000,
          counts: { delivered: 0, keepalives: 0 },
          topic: () => ({ entity: undefined }),
          onOver: () => undefined,
        });
        subscription.start();
        let credit = 0;
        let published = 0;
        let delivered = 0;
        const settle = () => {
          subscription.pump();
          for (const { events, pendingNumRequested } of wire.written.splice(0)) {
            delivered += events.length;
            credit -= events.length;
            expect(credit).toBeGreaterThanOrEqual(0);
            expect(pendingNumRequested).toBe(credit);
          }
          // All that credit allows has come, and all that is there where credit is left.
          expect(credit === 0 || delivered === published).toBe(true);
        };
        wire.emit('data', { topicName: channel, replayPreset: 'EARLIEST', replayId: Buffer.alloc(0), numRequested: 1 });
        credit = 1;
        for (const one of steps) {
          if ('ask' in one) {
            wire.emit('data', {
              topicName: '',
              replayPreset: 'LATEST',
              replayId: Buffer.alloc(0),
              numRequested: one.ask,
            });
            credit = Math.min(credit + one.ask, 100);
          } else {
            for (let n = 0; n < one.publish; n++)
              take(org, start, { op: 'create', object: 'Contact', row: { LastName: 'X' } });
            published += one.publish;
          }
          settle();
        }
        subscription.stop();
      }),
      { numRuns: 40 },
    );
  });
});

describe('over gRPC', () => {
  let twin: SalesforceTwin;
  let client: PubSubClient;
  let token: string;
  const open = async (options: SalesforceTwinOptions = {}) => {
    twin = await startSalesforceTwin(options);
    token = (await connect(twin)).accessToken ?? '';
    client = new PubSubClient(twin, token);
  };
  const restart = async (options: SalesforceTwinOptions) => {
    client.close();
    await twin.close();
    await open(options);
  };
  const create = (count: number, object = 'Contact', row: Record<string, unknown> = { LastName: 'X' }) => {
    const caller = { userId: twin.model.personUserId, changeOrigin: '' };
    for (let n = 0; n < count; n++) twin.model.execute([{ op: 'create', object, row }], caller, twin.now());
  };
  beforeEach(() => open());
  afterEach(async () => {
    client.close();
    await twin.close();
  });

  test('a client that asks for 500 gets 100, and the rest as it asks again', async () => {
    const stream = client.subscribe({ topicName: channel, replayPreset: 'EARLIEST', numRequested: 500 });
    create(130);
    await stream.until(({ events }) => events.length >= 100);
    await client.unary('GetTopic', { topicName: channel });
    expect(stream.events).toHaveLength(100);
    expect(stream.responses.at(-1)?.pendingNumRequested).toBe(0);
    stream.request({ numRequested: 50 });
    await stream.until(({ events }) => events.length >= 130);
    expect(stream.responses.at(-1)?.pendingNumRequested).toBe(20);
    expect(stream.responses.every(({ events, latestReplayId }) => events.at(-1)?.replayId.equals(latestReplayId))).toBe(
      true,
    );
  });

  test('events of all objects come in the order of their commits, each readable by its own schema', async () => {
    create(1, 'Account', { Name: 'Acme' });
    create(1, 'Contact', { LastName: 'Byron' });
    create(1, 'User', { Username: 'u@org.example', LastName: 'U', Email: 'u@org.example' });
    const stream = client.subscribe({ topicName: channel, replayPreset: 'EARLIEST', numRequested: 10 });
    await stream.until(({ events }) => events.length === 3);
    const values = await Promise.all(
      stream.events.map(async ({ event }) => {
        const { schemaJson } = await client.unary<{ schemaJson: string }>('GetSchema', { schemaId: event.schemaId });
        return decode(schemaJson, event.payload);
      }),
    );
    expect(values.map(({ ChangeEventHeader }) => ChangeEventHeader.entityName)).toEqual(['Account', 'Contact', 'User']);
    expect(values[0]?.['Name']).toBe('Acme');
    expect(values[1]).toMatchObject({ Name: { LastName: 'Byron' } });
  });

  test('a topic of one object carries that object only', async () => {
    create(1, 'Account', { Name: 'Acme' });
    create(2);
    const stream = client.subscribe({
      topicName: '/data/ContactChangeEvent',
      replayPreset: 'EARLIEST',
      numRequested: 10,
    });
    await stream.until(({ events }) => events.length === 2);
    const { schemaId } = await client.unary<{ schemaId: string }>('GetTopic', {
      topicName: '/data/ContactChangeEvent',
    });
    expect(stream.events.map(({ event }) => event.schemaId)).toEqual([schemaId, schemaId]);
  });

  test('CUSTOM goes on strictly after the id given', async () => {
    create(5);
    const first = client.subscribe({ topicName: channel, replayPreset: 'EARLIEST', numRequested: 10 });
    await first.until(({ events }) => events.length === 5);
    const [, second, ...later] = first.events;
    const again = client.subscribe({
      topicName: channel,
      replayPreset: 'CUSTOM',
      replayId: second?.replayId ?? Buffer.alloc(0),
      numRequested: 10,
    });
    await again.until(({ events }) => events.length === 3);
    expect(again.events.map(({ event }) => event.id)).toEqual(later.map(({ event }) => event.id));
  });

  test.each<[string, Request, number, string]>([
    [
      'a topic that does not exist',
      { topicName: '/data/NopeChangeEvent', numRequested: 1 },
      status.NOT_FOUND,
      'topic.not.found',
    ],
    [
      'a topic in other letters',
      { topicName: '/data/contactChangeEvent', numRequested: 1 },
      status.NOT_FOUND,
      'topic.not.found',
    ],
    [
      'a replay id never given out',
      {
        topicName: channel,
        replayPreset: 'CUSTOM',
        replayId: Buffer.from('00000000ffffffff0000', 'hex'),
        numRequested: 1,
      },
      status.INVALID_ARGUMENT,
      'subscription.fetch.replayid.corrupted',
    ],
    [
      'CUSTOM without an id',
      { topicName: channel, replayPreset: 'CUSTOM', numRequested: 1 },
      status.INVALID_ARGUMENT,
      'subscription.fetch.replayid.validation.failed',
    ],
    [
      'no credit',
      { topicName: channel, numRequested: 0 },
      status.INVALID_ARGUMENT,
      'subscription.fetch.requested.events.invalid',
    ],
  ])('%s ends the stream with a code in the trailer', async (_, request, code, errorCode) => {
    const ending = await client.subscribe(request).ended;
    expect(ending).toMatchObject({ code, errorCode, details: expect.stringContaining('rpcId: ') as string });
  });

  test('another topic on a running stream ends it', async () => {
    const stream = client.subscribe({ topicName: channel, numRequested: 1 });
    stream.request({ topicName: '/data/ChangeEvents', numRequested: 1 });
    expect(await stream.ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      errorCode: 'subscription.fetch.topic.mismatch',
    });
  });

  test('who is not who he says is turned away', async () => {
    const stranger = new PubSubClient(twin, 'stolen');
    const elsewhere = new PubSubClient(twin, token, '00D000000000001');
    const nobody = new PubSubClient(twin, '');
    const ends = await Promise.all(
      [stranger, elsewhere, nobody].map((who) => who.subscribe({ topicName: channel, numRequested: 1 }).ended),
    );
    expect(ends.map(({ code, errorCode }) => [code, errorCode])).toEqual([
      [status.UNAUTHENTICATED, 'service.auth.error'],
      [status.UNAUTHENTICATED, 'service.auth.error'],
      [status.UNAUTHENTICATED, 'service.auth.headers.invalid'],
    ]);
    for (const who of [stranger, elsewhere, nobody]) who.close();
  });

  test('a token that expires ends no stream, but opens none', async () => {
    const stream = client.subscribe({ topicName: channel, replayPreset: 'EARLIEST', numRequested: 10 });
    create(1);
    await stream.until(({ events }) => events.length === 1);
    await controlTwin(twin, 'faults', { kind: 'token-expire' });
    create(1);
    await stream.until(({ events }) => events.length === 2);
    expect(await client.subscribe({ topicName: channel, numRequested: 1 }).ended).toMatchObject({
      code: status.UNAUTHENTICATED,
    });
  });

  test('silence is broken by empty responses whose id is a place to go on from', async () => {
    await restart({ keepaliveMs: 20 });
    const stream = client.subscribe({ topicName: channel, numRequested: 5 });
    await stream.until(({ responses }) => responses.length >= 3);
    expect(
      stream.responses.every(({ events, pendingNumRequested }) => events.length === 0 && pendingNumRequested === 5),
    ).toBe(true);
    const replayId = stream.responses.at(-1)?.latestReplayId ?? Buffer.alloc(0);
    create(1);
    const resumed = client.subscribe({ topicName: channel, replayPreset: 'CUSTOM', replayId, numRequested: 5 });
    await resumed.until(({ events }) => events.length === 1);
  });

  test('a stream without credit is closed when nobody asks again', async () => {
    await restart({ idleCloseMs: 20 });
    create(1);
    const stream = client.subscribe({ topicName: channel, replayPreset: 'EARLIEST', numRequested: 1 });
    expect(await stream.ended).toMatchObject({ code: 0 });
    expect(stream.events).toHaveLength(1);
  });

  test('streams are dropped on order, with the platform’s code or with none', async () => {
    for (const [code, errorCode] of [
      [undefined, ''],
      ['service.unavailable', 'service.unavailable'],
    ]) {
      const stream = client.subscribe({ topicName: channel, replayPreset: 'EARLIEST', numRequested: 1 });
      create(1);
      await stream.until(({ events }) => events.length === 1);
      expect(await controlTwin(twin, 'faults', { kind: 'stream-drop', code })).toEqual({ affected: 1 });
      expect(await stream.ended).toMatchObject({ code: status.UNAVAILABLE, errorCode });
    }
  });

  test('streams end when the org has been sent what it may be in a day, and bring the rest when that has rolled on', async () => {
    await controlTwin(twin, 'deliveries', { limit: 3 });
    create(4);
    const stream = client.subscribe({ topicName: channel, replayPreset: 'EARLIEST', numRequested: 10 });
    expect(await stream.ended).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      errorCode: 'subscription.limit.exceeded',
    });
    expect(stream.events).toHaveLength(3);
    const goOn = (): Request => ({
      topicName: channel,
      replayPreset: 'CUSTOM',
      replayId: stream.events.at(-1)?.replayId ?? Buffer.alloc(0),
      numRequested: 10,
    });
    expect(await client.subscribe(goOn()).ended).toMatchObject({ errorCode: 'subscription.limit.exceeded' });
    await controlTwin(twin, 'clock', { advanceMs: 24 * 3_600_000 });
    const later = new PubSubClient(twin, (await connect(twin)).accessToken ?? '');
    const again = later.subscribe(goOn());
    await again.until(({ events }) => events.length === 1);
    later.close();
  });

  test('a port that is taken is told, and nothing stays open', async () => {
    const restPort = Number(new URL(twin.restUrl).port);
    const pubsubPort = Number(twin.pubsubAddress.split(':')[1]);
    await expect(startSalesforceTwin({ restPort })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(startSalesforceTwin({ pubsubPort })).rejects.toThrow('EADDRINUSE');
  });

  test('a schema id that never was is refused', async () => {
    const refused = client.unary('GetSchema', { schemaId: 'AAAAAAAAAAAAAAAAAAAAAA' }).catch(endingOf);
    expect(await refused).toMatchObject({ code: status.INVALID_ARGUMENT, errorCode: 'schema.validation.failed' });
  });

  test('gaps, repetitions and resets come on order', async () => {
    const stream = client.subscribe({ topicName: channel, replayPreset: 'EARLIEST', numRequested: 10 });
    create(1);
    const id = [...twin.model.store.all('Contact')][0]?.id ?? '';
    await controlTwin(twin, 'faults', { kind: 'redeliver' });
    await controlTwin(twin, 'faults', { kind: 'gap', ids: [id] });
    await controlTwin(twin, 'faults', { kind: 'overflow', object: 'Contact' });
    await stream.until(({ events }) => events.length === 4);
    const headers = stream.events.map(
      ({ event }) => decode(twin.model.schema(event.schemaId)?.json ?? '', event.payload).ChangeEventHeader,
    );
    expect(headers.map(({ changeType, recordIds }) => [changeType, recordIds])).toEqual([
      ['CREATE', [id]],
      ['CREATE', [id]],
      ['GAP_UPDATE', [id]],
      ['GAP_OVERFLOW', ['000000000000000AAA']],
    ]);
    await controlTwin(twin, 'faults', { kind: 'expire-replay' });
    const replayId = stream.events.at(-1)?.replayId ?? Buffer.alloc(0);
    const late = client.subscribe({ topicName: channel, replayPreset: 'CUSTOM', replayId, numRequested: 1 });
    expect(await late.ended).toMatchObject({ errorCode: 'subscription.fetch.replayid.corrupted' });
  });
});
