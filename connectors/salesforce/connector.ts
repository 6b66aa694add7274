/**
 * The Salesforce source: everything Salesforce says goes to `salesforce.raw`, once and in its own order. It moves bytes
 * and knows nothing of customers.
 *
 * One pod holds the lease and with it the only subscription; the others wait. Whoever takes over reads the raw topic's
 * tail and goes on from what stands there (decide-state.ts). Beside the live stream (live.ts) runs what has to be read
 * over REST (catch-up.ts); both write with one pen (raw-writer.ts).
 */
import type { Logger } from 'pino';
import { deadLetter } from '../../core/dead-letter.ts';
import { TributaryError } from '../../core/errors.ts';
import { metrics } from '../../core/metrics.ts';
import { delay } from '../../core/patience.ts';
import { PlatformClock } from '../../core/platform-clock.ts';
import type { Role, RoleContext } from '../../core/role.ts';
import { pause, persistently, together, Wake } from '../../core/tasks.ts';
import { takeTurns } from '../../core/turns.ts';
import { CatchUp } from './catch-up.ts';
import { openSalesforce, orgIdOf } from './client.ts';
import { pauseOf } from './decide-allocation.ts';
import { header } from './decide-state.ts';
import { Live } from './live.ts';
import { checkOrg, shapesOf } from './preflight.ts';
import { PubSub, PubSubError, type StreamEvent } from './pubsub.ts';
import { RawWriter, recall } from './raw-writer.ts';
import type { SalesforceRest } from './rest.ts';

/** The clock is asked for when nothing else was; `/services/data` counts towards no limit. */
const clockMs = 600_000;
const now = (): number => performance.now();

export const salesforceConnector: Role = {
  async run(context) {
    const { config, signal } = context;
    const clock = new PlatformClock();
    const { rest } = openSalesforce(context, {
      ends: signal,
      onAnswer: ({ at }) => {
        if (at !== undefined) clock.observe(at, now());
      },
    });
    const pubsub = new PubSub(config.salesforce.pubsub);
    try {
      await takeTurns(context, 'connect-salesforce', (active) =>
        lead(context, { rest, pubsub, clock, signal: active }),
      );
    } finally {
      pubsub.close();
      await rest.close();
    }
  },
};

interface Tools {
  readonly rest: SalesforceRest;
  readonly pubsub: PubSub;
  readonly clock: PlatformClock;
  readonly signal: AbortSignal;
}

/** One tenure: check, recall, then stream and catch up until the signal ends it. */
async function lead({ config, log, kafka, codec, ready }: RoleContext, tools: Tools): Promise<void> {
  const { rest, pubsub, clock, signal } = tools;
  ready(false, 'checking the org');
  const { org, at } = await orgIdOf(rest);
  const recalled = await recall(kafka);
  checkOrg(org, [config.salesforce.orgId, recalled.state.org]);
  const { objects } = config.snapshot;
  const shapes = await shapesOf(rest, config.entities, objects);

  const producer = await kafka.producer(signal);
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  try {
    const writer = new RawWriter(producer, codec, recalled, () => ready(false, 'Kafka does not acknowledge'));
    if (recalled.state.org === null) {
      await writer.write((state) => [writer.mark('mark', '', { ...state, org, startedAt: at })]);
      log.info({ org }, 'this deployment is pinned to the org');
    }
    const standing = new Wake();
    const owed = new Wake();
    const live = new Live({
      pubsub,
      channel: config.salesforce.channel,
      identity: async () => ({ ...(await rest.session()), orgId: org }),
      renew: async (refused) => ({ ...(await rest.renew(refused)), orgId: org }),
      writer,
      codec,
      clock,
      objects,
      log,
      now,
      reject: (event, error) => rejected(codec, log, event, error),
      onOwed: () => owed.wake(),
      onState: (well, why) => {
        ready(well, why);
        if (well) standing.wake();
      },
    });
    const catchUp = new CatchUp({
      rest,
      writer,
      kafka,
      shapes,
      objects,
      maxLag: config.snapshot.maxLag,
      wake: owed,
      stands: () => live.stands,
      now,
      log,
    });
    const reading = async (): Promise<void> => {
      await standing.wait(until);
      await catchUp.run(until);
    };
    const loops = [() => keepStreaming(live, until, log, ready), reading, () => keepTime(rest, until)];
    await together(loops, () => ended.abort());
  } finally {
    await producer.close();
  }
}

/** Streams break all the time; whatever was the matter, the next one begins where raw ends. */
async function keepStreaming(live: Live, signal: AbortSignal, log: Logger, ready: RoleContext['ready']): Promise<void> {
  let refusals = 0;
  for (let tries = 0; !signal.aborted; tries += 1) {
    const began = now();
    try {
      await live.stream(signal);
      refusals = 0;
      if (!signal.aborted) log.info('the stream ended; opening another');
    } catch (error) {
      const ours = TributaryError.from(error);
      if (ours.verdict !== 'retry') throw ours;
      // What comes from Kafka leaves the state in doubt: only the log can tell it again.
      if (!ours.code.startsWith('PLATFORM_')) throw ours;
      if (signal.aborted) return;
      metrics.retries.inc({ code: ours.code });
      if (ours instanceof PubSubError && ours.reason === 'usedUp') {
        // What streamed for a minute met another limit than the one that was waited for.
        if (now() - began > 60_000) refusals = 0;
        const { tryInMs, freeInMs } = pauseOf(live.deliveries, refusals, now());
        refusals += 1;
        const freeBy = new Date(Date.now() + freeInMs).toISOString();
        // Salesforce keeps them for 72 hours, and all of ours leave the count within 24: nothing is lost by waiting.
        ready(false, `paused: the org's event delivery allocation is used up; some of it is free by ${freeBy}`);
        log.warn({ err: ours, freeBy, tryInMs }, 'Salesforce delivers no more events for now; the stream is paused');
        await delay(tryInMs, signal);
        tries = 0;
        continue;
      }
      refusals = 0;
      log.warn({ err: ours }, 'the stream broke; opening another');
    }
    if (signal.aborted) return;
    ready(false, 'opening the stream');
    if (now() - began > 60_000) tries = 0;
    await pause(tries, signal);
  }
}

/** Nothing else may call REST for days, and a clock that nobody sets drifts. */
async function keepTime(rest: SalesforceRest, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(clockMs, signal);
    if (signal.aborted) return;
    // The answer's Date is all that is wanted, and the transport's hook has seen it.
    const ask = () => rest.call({ method: 'GET', path: '/services/data', lane: 'free' });
    await persistently(ask, signal, () => undefined).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

function rejected(codec: RoleContext['codec'], log: Logger, event: StreamEvent, error: TributaryError) {
  log.warn({ code: error.code, schemaId: event.schemaId, eventId: event.id }, 'an event went to the dead letters');
  metrics.deadLetters.inc({ stage: 'connectors', code: error.code });
  return deadLetter({
    codec,
    stage: 'connectors',
    error,
    record: {
      topic: 'salesforce.raw',
      partition: 0,
      // It never got a place in the topic.
      offset: -1,
      time: Date.now(),
      key: Buffer.from(event.id),
      value: event.payload,
      headers: {
        [header.eventId]: Buffer.from(event.id),
        [header.replayId]: event.replayId,
        'schema-id': Buffer.from(event.schemaId),
      },
    },
  });
}
