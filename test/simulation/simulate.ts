/** One history, from its people's first edit until it has fallen silent, and what the oracle says of it. */
import { classify, type Verdict } from '../../connectors/intercom/classify.ts';
import type { IntercomRequest } from '../../connectors/intercom/requests.ts';
import { classify as classifySalesforce, type SalesforceVerdict } from '../../connectors/salesforce/classify.ts';
import { mostRows, type SalesforceRequest } from '../../connectors/salesforce/requests.ts';
import { memoryCodec } from '../../core/registry.ts';
import { createUnify } from '../../processors/unify/index.ts';
import { changeOf } from '../../schemas/change.ts';
import type { AccountEvent, Command, CustomerEvent, JournalEntry } from '../../schemas/types.ts';
import { executeEach } from '../../sinks/intercom/execute.ts';
import { executeBatch } from '../../sinks/salesforce/execute.ts';
import type { Answer as TwinAnswer } from '../../twins/intercom/answer.ts';
import { Scrolls } from '../../twins/intercom/scroll.ts';
import type { RestAnswer } from '../../twins/salesforce/answers.ts';
import type { SalesforceModel } from '../../twins/salesforce/model.ts';
import { RestApi } from '../../twins/salesforce/rest.ts';
import { Clock } from './clock.ts';
import { markers, rulesOf } from './fields.ts';
import { askTwin, exchangeOf, written } from './intercom-door.ts';
import { type Heard, IntercomSource } from './intercom-source.ts';
import { ChangesLog, RawTopic } from './log.ts';
import { Network } from './network.ts';
import { Others } from './others.ts';
import { People } from './people.ts';
import { Chance } from './random.ts';
import type { Replayed } from './replay.ts';
import { askOrg, rowsOf, salesforceExchange, salesforceObjects } from './salesforce-door.ts';
import { SalesforceSource } from './salesforce-source.ts';
import { type Door, SinkProcess, type Written } from './sink-process.ts';
import { Stores } from './stores.ts';
import { short, Trace } from './trace.ts';
import { UnifyProcess } from './unify-process.ts';
import type { History } from './world.ts';
import { type Emitted, encodedDecider, plainDecider } from './writer.ts';

const start = 1_790_000_000_000;
/** Who is there at the start has been there for so long. */
const settledMs = 60_000;
/** After so long the first snapshot has been worked off. */
const warmUpMs = 20_000;
/** Nothing but heartbeats for so long is silence: longer than any ask lives, any timer waits, any doubt lasts. */
const silenceMs = 200_000;
/**
 * Beats after the last news, ms: heartbeats are most of what idle time brings. Gates open at the fourth second, and at the
 * thirteenth where Intercom's mark, ten seconds behind, lets them; late echoes are read, and asks expire, by the 75th, and so are
 * creates in doubt asked again.
 */
const beatsAt = [1_000, 4_000, 13_000, 30_000, 75_000, silenceMs];
/** How far the platforms' clocks may differ. */
const mostSkewMs = 5_000;
/** More events of the clock than any history needs that does not loop. */
const mostSteps = 20_000;
/** A tick comes when the marks of its beat have been decoded, so that one batch takes all of them. */
const decodedMs = 20;
/** Every so many histories are offered all observations again at the end. */
const replayedEach = 8;
/** Every so many, with the first, run through the loop's own micro-batch, encoded. */
const encodedEach = 200;
const codec = memoryCodec();

export interface Ran {
  readonly history: History;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly stores: Stores;
  readonly people: People;
  readonly log: ChangesLog;
  readonly network: Network;
  readonly unify: UnifyProcess;
  readonly writes: Readonly<Record<'salesforce' | 'intercom', readonly Written[]>>;
  /** Notifications that arrived: of which record, when it happened, and when it came. */
  readonly heard: readonly Heard[];
  /** Commands to read a record again. */
  readonly rereads: number;
  /** Calls begun for an ask that had expired. */
  readonly overdue: readonly string[];
  /** Writes that offering all observations again led to. */
  readonly replayed: readonly Replayed[];
  /** Records of the log before that. */
  readonly once: number;
  /** It went on until it was stopped. */
  readonly endless: boolean;
  readonly restarts: number;
  /** When people began. */
  readonly firstAction: number;
  /** The first snapshot had been worked off by then. */
  readonly settled: boolean;
}

const intercomDoor = (
  workspace: Parameters<typeof askTwin>[0],
  after: () => void,
): Door<IntercomRequest, TwinAnswer, Verdict> => ({
  perform: (request, now) => {
    const answer = askTwin(workspace, request, now);
    after();
    return answer;
  },
  verdict: (outcome) => classify(exchangeOf(outcome)),
  writes: written,
  name: (request) => request.kind,
});

const salesforceDoor = (
  model: SalesforceModel,
  api: RestApi,
  skewMs: number,
  after: () => void,
): Door<SalesforceRequest, RestAnswer, SalesforceVerdict> => ({
  perform: (request, now) => {
    const answer = askOrg(api, model, request, now + skewMs);
    after();
    return answer;
  },
  verdict: (outcome) => classifySalesforce(salesforceExchange(outcome, skewMs)),
  writes: rowsOf,
  name: (request) => request.kind,
});

function tellOutput(trace: Trace, { topic, key, value }: Emitted): void {
  if (topic === 'journal') {
    const { kind, field, value: now, other, source, reason } = value as JournalEntry;
    trace.say(
      'unify',
      `${key} ${source}`,
      `${kind} ${field} ${JSON.stringify(now)} not ${JSON.stringify(other)} of ${source}: ${reason}`,
    );
  } else if (topic === 'customer.events' || topic === 'account.events') {
    const { type, version, changed } = value as CustomerEvent;
    const refs =
      'customer' in (value as object) ? (value as CustomerEvent).customer.refs : (value as AccountEvent).account.refs;
    const fields = Object.fromEntries(changed.map(({ field, new: now }) => [field, now]));
    trace.say('unify', refs.join(' '), `${type} ${key} version ${version} ${short(fields)} of ${refs.join(' ')}`);
  }
}

export function simulate(history: History, tracing = false): Ran {
  const { world, seed } = history;
  const chance = new Chance(seed);
  const clock = new Clock(start - settledMs, world.on.has('skew') ? chance.int('skew', -mostSkewMs, mostSkewMs) : 0);
  const trace = new Trace(tracing, clock, start);
  const stores = new Stores(history, chance, clock);
  const log = new ChangesLog(clock, trace);
  const network = new Network(clock, chance, trace, world);
  const repeats = world.on.has('duplicate');
  const raw = (name: string): RawTopic => new RawTopic(name, clock, chance, log, repeats);
  const workspace = { model: stores.intercom, scrolls: new Scrolls(() => 'scroll') };
  const salesforce = new SalesforceSource(stores.salesforce, clock, chance, trace, world, raw('salesforce'));
  const intercom = new IntercomSource(workspace, clock, chance, trace, world, raw('intercom'));
  const people = new People(history, stores, clock, trace, () => intercom.poke());
  const others = new Others(history, stores, people, clock, trace, () => intercom.poke());
  const fold = createUnify(rulesOf(world));
  const common = { clock, chance, trace, log, world };
  const intercomSink = new SinkProcess({
    ...common,
    platform: 'intercom',
    network,
    perCall: 1,
    execute: (commands) => executeEach(markers, commands),
    door: intercomDoor(workspace, () => {
      others.look();
      intercom.poke();
    }),
  });
  const api = new RestApi(stores.salesforce, chance.stream('rest'));
  const salesforceSink = new SinkProcess({
    ...common,
    platform: 'salesforce',
    network,
    perCall: mostRows,
    execute: (commands) => executeBatch(salesforceObjects, commands),
    door: salesforceDoor(stores.salesforce, api, clock.skewMs, () => others.look()),
  });
  let rereads = 0;
  const deliver = (outputs: readonly Emitted[]): void => {
    if (trace.on) for (const output of outputs) tellOutput(trace, output);
    for (const { topic, value, partition } of outputs) {
      const sink =
        topic === 'intercom.commands' ? intercomSink : topic === 'salesforce.commands' ? salesforceSink : undefined;
      if (sink === undefined || value === null) continue;
      const command = value as Command;
      if (command.verb === 'read') rereads += 1;
      sink.deliver(command, partition ?? 0);
    }
  };
  const decider = seed % encodedEach === 1 ? encodedDecider(fold, codec) : plainDecider(fold);
  const unify = new UnifyProcess({ ...common, decider, deliver });

  people.settle();
  clock.now = start;
  clock.after(20, () => intercomSink.start());
  if (!world.on.has('oneway')) clock.after(25, () => salesforceSink.start());
  clock.after(100, () => salesforce.start());
  clock.after(120, () => intercom.start());
  const cold = world.on.has('cold') && chance.is('cold', 0.5);
  const firstAction = cold ? chance.int('cold at', 0, 3_000) : warmUpMs;
  for (const action of history.actions)
    clock.after(firstAction + action.at, () => {
      switch (action.do) {
        case 'loss':
          return salesforce.lose(action.forMs);
        case 'backfill':
          return salesforce.backfill();
        case 'away':
          return intercom.goAway(action.forMs);
        case 'busy':
          return intercom.goAway(action.forMs, true);
        case 'gap':
          return salesforce.swallowNext();
        case 'exhaust':
          return (action.on === 'intercom' ? intercomSink : salesforceSink).exhaust(action.forMs);
        case 'operate': {
          const operation = people.operate(action.verb, action.who, action.on);
          if (operation === undefined) return;
          const { verb, by, subject, argument } = operation;
          const change = changeOf({ kind: 'action', action: { id: by, verb, subject, argument, by } });
          // The CLI may repeat itself.
          for (let n = 0; n < (repeats ? 2 : 1); n++) log.append(change, subject);
          return;
        }
        case 'config': {
          const json = JSON.stringify(rulesOf(world, true));
          log.append(changeOf({ kind: 'config', config: { n: 1, hash: 'changed', json } }), 'config');
          return;
        }
        default:
          people.act(action);
          others.look();
      }
    });

  /** A beat a second after something was told, and then when there is something to wait for. */
  let pulses = 0;
  let nextPulse = 0;
  const pulse = (ms: number): void => {
    const mine = ++pulses;
    nextPulse = clock.now + ms;
    clock.at(
      nextPulse,
      () => {
        if (mine !== pulses) return;
        salesforce.beat();
        intercom.beat();
        const quietMs = clock.now - log.toldAt;
        // Most of what a sink without work says of its windows is that they are the same.
        if (clock.idleMs < 3_000 || (quietMs >= 75_000 && !isSilent()))
          for (const sink of [intercomSink, salesforceSink]) sink.tick();
        clock.after(decodedMs, () => log.append(changeOf({ kind: 'tick' }), 'tick'), true);
        pulse(Math.max(1_000, (beatsAt.find((at) => at > quietMs) ?? quietMs + silenceMs) - quietMs));
      },
      true,
    );
  };
  pulse(1_000);
  /** Offers every observation once more, as a replay of the raw topics would; returns the writes that that led to. */
  const replay = (): readonly Replayed[] => {
    const sinks = { salesforce: salesforceSink, intercom: intercomSink } as const;
    const before = { salesforce: salesforceSink.writes.length, intercom: intercomSink.writes.length };
    for (const { change, key } of log.records.slice()) if (change.observation !== null) log.append(change, key);
    const until = clock.steps + mostSteps;
    pulse(1_000);
    // What was offered may be read with a heartbeat that was on its way, and its answers are still to come then.
    const isRead = (): boolean => unify.position >= log.records.length;
    for (let idle = false; !idle && clock.steps < until && clock.step(); ) idle = isRead() && isSilent();
    return (['salesforce', 'intercom'] as const).flatMap((platform) =>
      sinks[platform].writes.slice(before[platform]).map((write) => ({ platform, write })),
    );
  };
  const isSilent = (): boolean => clock.drained && clock.idleMs >= silenceMs;
  while (clock.steps < mostSteps && !isSilent() && clock.step())
    if (log.toldAt === clock.now && nextPulse > clock.now + 1_000) pulse(1_000);
  const endless = clock.steps >= mostSteps;
  const once = log.records.length;
  const replayed = seed % replayedEach === 0 && !endless ? replay() : [];
  // The last heartbeats are still on their way.
  for (let more = 0; more < 1_000 && unify.position < log.records.length && clock.step(); more++);
  return {
    history,
    clock,
    trace,
    stores,
    people,
    log,
    network,
    unify,
    writes: { salesforce: salesforceSink.writes, intercom: intercomSink.writes },
    heard: intercom.heard,
    rereads,
    overdue: [...intercomSink.overdue, ...salesforceSink.overdue],
    replayed,
    once,
    endless,
    restarts: intercomSink.restarts + salesforceSink.restarts,
    firstAction: start + firstAction,
    settled: !cold,
  };
}
