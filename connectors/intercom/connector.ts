/**
 * The Intercom source: everything Intercom says of people, companies and teammates goes to `intercom.raw`. It moves bytes
 * and knows nothing of customers.
 *
 * Every pod receives notifications (receiver.ts); the one that holds the lease reads over REST what they do not tell
 * (reconciler.ts) and says up to when all of it is in the topic. Without the app's client secret no notification can be
 * believed, and without notifications nobody can say what is current: then only the teammates are read, who own contacts.
 */
import { type Config, requireSettings } from '../../core/config.ts';
import type { SafeProducer } from '../../core/kafka.ts';
import { delay, patiently } from '../../core/patience.ts';
import { PlatformClock } from '../../core/platform-clock.ts';
import type { Role, RoleContext } from '../../core/role.ts';
import { together } from '../../core/tasks.ts';
import { takeTurns } from '../../core/turns.ts';
import { askIntercom, type IntercomAccess, identifyWorkspace, openIntercom, timed } from './client.ts';
import { RawPen, recall } from './raw-pen.ts';
import { RawRecords } from './raw-records.ts';
import { Receiver } from './receiver.ts';
import type { Part } from './reconcile-state.ts';
import { Reconciler } from './reconciler.ts';
import { TeammateMemory } from './teammate-memory.ts';

/** Nothing else may call for that long, and a clock that nobody sets drifts. */
const clockMs = 600_000;
const now = (): number => performance.now();

export const intercomConnector: Role = {
  async run(context) {
    const { config, kafka, signal, ready } = context;
    const isWhole = readsAll(config);
    const secret = isWhole ? ['intercom.clientSecret'] : [];
    requireSettings(config, ['intercom.baseUrl', 'intercom.token', ...secret]);
    const clock = new PlatformClock();
    const { access: calls } = openIntercom(context);
    const access = timed(calls, clock, now);
    const receiver = isWhole ? new Receiver({ ...context, intercom: config.intercom, clock, now }) : undefined;
    // Whoever balances posts over pods must not take away those who can still answer 429: anything else is lost.
    const told = { ...context, ready: receiver === undefined ? ready : (_: boolean, why: string) => ready(true, why) };
    let producer: SafeProducer | undefined;
    try {
      if (receiver !== undefined) ready(true, `receiving at ${await receiver.listen()}`);
      const workspace = await patiently(told, () => identifyWorkspace(context, access));
      producer = await kafka.producer(signal);
      await connect(told, { access, clock, producer, receiver, raw: new RawRecords(context.codec, workspace) });
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await receiver?.close();
      await producer?.close();
      await access.close();
    }
  },
};

/** `capture.intercom` has creates wait for the marks that only a whole reading can give. */
const readsAll = ({ intercom, capture }: Config): boolean => intercom.clientSecret.given || capture.intercom;

interface Tools {
  readonly access: IntercomAccess;
  readonly clock: PlatformClock;
  readonly producer: SafeProducer;
  readonly raw: RawRecords;
  readonly receiver: Receiver | undefined;
}

async function connect(context: RoleContext, tools: Tools): Promise<void> {
  const { access, producer, raw, receiver } = tools;
  const ended = new AbortController();
  const until = AbortSignal.any([context.signal, ended.signal]);
  const reading = (): Promise<void> =>
    takeTurns({ ...context, signal: until }, 'connect-intercom', (signal, tenure) =>
      lead({ ...context, signal }, tools, tenure),
    );
  const loops = [reading, () => keepTime(access, until)];
  if (receiver !== undefined) loops.push(() => receiver.run(raw, producer, until));
  await together(loops, () => ended.abort());
}

async function lead(context: RoleContext, tools: Tools, tenure: number): Promise<void> {
  const { config, redis, kafka, log, signal, ready } = context;
  const { access, clock, producer, raw, receiver } = tools;
  const parts: readonly Part[] = receiver === undefined ? ['admin'] : ['admin', 'company', 'contact'];
  const state = await patiently({ signal, ready }, () => recall(kafka));
  if (state.loss !== null) receiver?.adopt(state.loss);
  const reconciler = new Reconciler({
    access,
    pen: new RawPen({ kafka, producer, raw, log, tenure }, state),
    teammates: new TeammateMemory(redis, kafka.prefix),
    admin: kafka.admin,
    maxLag: config.snapshot.maxLag,
    parts,
    clock,
    isReceiving: () => receiver?.isReceiving ?? false,
    now,
    log,
    ready,
  });
  await reconciler.run(signal);
}

/** Receivers date what they did not take, whether or not they read. */
async function keepTime(access: IntercomAccess, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(clockMs, signal);
    const asking = (): Promise<unknown> =>
      askIntercom(access, { lane: 'live', holder: null, signal }, { kind: 'identify' });
    await patiently({ signal, ready: () => undefined }, asking).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
