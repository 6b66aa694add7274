/**
 * Intercom as a source: notifications that come late, twice, in any order or never, and the connector's own decisions
 * about what to read, what an answer tells, and up to when it may call itself current.
 */
import { classify } from '../../connectors/intercom/classify.ts';
import { answered, next, type ReconcileRequest, type Task } from '../../connectors/intercom/decide-reconcile.ts';
import {
  afterRecord,
  claimed,
  header,
  type Part,
  type ReconcileState,
  resumed,
  type Step,
  troubled,
  unborn,
  withoutTold,
} from '../../connectors/intercom/reconcile-state.ts';
import { acceptNotification } from '../../connectors/intercom/webhook.ts';
import { decodeIntercom } from '../../processors/decode/intercom.ts';
import type { Change } from '../../schemas/types.ts';
import { answerCall } from '../../twins/intercom/answer.ts';
import { type Delivery, notificationBody } from '../../twins/intercom/deliveries.ts';
import type { Workspace } from '../../twins/intercom/routes.ts';
import type { Clock } from './clock.ts';
import { losing, pauseAfter } from './conditions.ts';
import { exchangeOf, intercomVersion, wholeSecond } from './intercom-door.ts';
import type { RawTopic } from './log.ts';
import type { Chance } from './random.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

/** What search may not show yet. */
const searchLagMs = 4_000;

const wireOf = (request: ReconcileRequest): readonly [method: string, path: string, body?: unknown] => {
  switch (request.kind) {
    case 'listAdmins':
      return ['GET', '/admins'];
    case 'scrollCompanies':
      return ['GET', `/companies/scroll${request.scroll === null ? '' : `?scroll_param=${request.scroll}`}`];
    case 'searchContacts':
      return ['POST', '/contacts/search', request.body];
    case 'findContact':
      return ['GET', `/contacts/${request.id}`];
    case 'findCompany':
      return ['GET', `/companies/${request.id}`];
    case 'mergeHistory':
      return ['GET', `/contacts/${request.id}?include_merge_history=true`];
  }
};

export interface Heard {
  readonly id: string;
  readonly happened: number;
  readonly at: number;
}

export class IntercomSource {
  readonly heard: Heard[] = [];
  readonly #workspace: Workspace;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #trace: Trace;
  readonly #raw: RawTopic;
  readonly #lossy: boolean;
  /** Chance that an attempt fails. */
  readonly #fails: number;
  readonly #parts: readonly Part[];
  #state: ReconcileState = unborn;
  readonly #companies = new Set<string>();
  /** When the next delivery is looked for; undefined: nothing waits. */
  #dueAt: number | undefined;
  /** When the next read is looked for. */
  #readAt = 0;
  #isAwaited = false;
  #reading = false;
  /** The last write, of anybody. */
  #wroteAt = 0;
  /** Nobody receives until then, or whoever does tells Intercom to wait. */
  #awayUntil = 0;
  #isBusy = false;

  constructor(workspace: Workspace, clock: Clock, chance: Chance, trace: Trace, world: World, raw: RawTopic) {
    this.#workspace = workspace;
    this.#clock = clock;
    this.#chance = chance;
    this.#trace = trace;
    this.#raw = raw;
    const { on } = world;
    this.#lossy = losing.some((one) => on.has(one));
    this.#fails = on.has('retried') ? 0.2 : 0;
    this.#parts = on.has('unread') ? ['admin'] : ['admin', 'company', 'contact'];
    workspace.model.deliveries.turn({
      // Each by itself overtakes the one before, unless all take the same time.
      delayMs: on.has('disorder') ? [20, on.has('delay') ? 8_000 : 800] : on.has('delay') ? [4_000, 4_000] : [150, 150],
      dropChance: on.has('lost') ? 0.15 : 0,
      duplicateChance: on.has('duplicate') ? 0.2 : 0,
      ...(on.has('paused') ? { pauseAfter } : {}),
    });
  }

  start(): void {
    if (this.#parts.includes('contact')) {
      this.#workspace.model.deliveries.subscribe();
      this.#take(resumed(this.#state, wholeSecond(this.#clock.now)));
    }
    this.#look();
  }

  // ---- notifications

  /** Something was written: what is due of it is looked for in its time. */
  poke(): void {
    this.#wroteAt = this.#clock.now;
    this.#expect();
    if (this.#lossy && this.#state.startedAt > 0) this.#look();
  }

  #expect(): void {
    const due = this.#workspace.model.deliveries.nextDueAt();
    if (due === undefined || (this.#dueAt !== undefined && this.#dueAt <= due)) return;
    this.#dueAt = due;
    this.#clock.at(due, () => {
      if (this.#dueAt !== due) return;
      this.#dueAt = undefined;
      for (const delivery of this.#workspace.model.deliveries.due(this.#clock.now)) this.#receive(delivery);
      this.#expect();
    });
  }

  /**
   * The endpoint is away, or has nowhere to put what it is told and says so: Intercom tries once more a minute later, or
   * waits with all of it. Either way the endpoint knows since when it was.
   */
  goAway(forMs: number, isBusy = false): void {
    const { now } = this.#clock;
    if (now < this.#awayUntil) return;
    this.#trace.say('fault', 'intercom', `notifications are ${isBusy ? 'put off' : 'not received'} for ${forMs} ms`);
    this.#awayUntil = now + forMs;
    this.#isBusy = isBusy;
    this.#clock.at(this.#awayUntil, () => {
      this.#take(troubled(this.#state, now, this.#awayUntil));
      this.#look();
    });
  }

  #receive(delivery: Delivery): void {
    const { deliveries, workspaceId } = this.#workspace.model;
    const { now } = this.#clock;
    if (now < this.#awayUntil) return deliveries.failed(delivery.id, this.#isBusy ? 429 : 'timeout', now);
    if (this.#fails > 0 && this.#chance.is('delivery fails', this.#fails))
      return deliveries.failed(delivery.id, 503, now);
    deliveries.delivered(delivery.id);
    const bytes = Buffer.from(JSON.stringify(notificationBody(delivery, workspaceId)));
    const accepted = acceptNotification(bytes, workspaceId);
    if (accepted.kind === 'rejected') throw accepted.error;
    this.#trace.say('intercom', '', `tells ${accepted.topic}`);
    const { records, owed, createdAt } = accepted;
    for (const { recordId } of records)
      this.heard.push({ id: recordId, happened: delivery.notification.created_ms, at: this.#clock.now });
    for (const value of records) {
      if (value.object === 'company') this.#companies.add(value.recordId);
      this.#raw.append((offset) => this.#decoded({ schema: 'RawRecord', value }, offset));
    }
    const note = owed.length === 0 ? {} : { [header.owed]: JSON.stringify({ owed, since: createdAt }) };
    const heard = afterRecord(this.#state, { offset: this.#raw.offset - 1, headers: note });
    this.#state = withoutTold(heard, (company) => this.#companies.has(company));
    if (owed.length > 0) this.#look();
  }

  // ---- reads

  /** Asks what is to be asked now, or looks again when something is. */
  #look(): void {
    if (this.#reading) return;
    const now = wholeSecond(this.#clock.now);
    const task = next(this.#state, this.#parts, now);
    if (task.kind !== 'rest') return this.#ask(task);
    if (!Number.isFinite(task.until)) return;
    const at = Math.max(task.until, this.#clock.now + 1_000);
    const awaited = this.#awaited(at);
    // Once more where it was not awaited before.
    if (at >= this.#readAt && this.#readAt > this.#clock.now && (!awaited || this.#isAwaited)) return;
    this.#readAt = at;
    this.#isAwaited = awaited;
    this.#clock.at(
      at,
      () => {
        if (this.#readAt !== at || this.#reading) return;
        this.#readAt = 0;
        this.#look();
      },
      !awaited,
    );
  }

  /** Only a pass tells what notifications did not: until one has begun after all that happened, the history is not over. */
  #awaited(at: number): boolean {
    const { hole, owed } = this.#state;
    return hole !== null || owed.length > 0 || (this.#lossy && at > 0 && !this.#isRead());
  }

  #isRead(): boolean {
    const { contacts, companies } = this.#state;
    const { begun } = companies;
    const isListed = begun > this.#wroteAt || this.#workspace.model.listedCompanies().length === 0;
    return contacts.begun > this.#wroteAt + searchLagMs && isListed;
  }

  #ask(task: Task): void {
    this.#reading = true;
    const clock = this.#clock;
    const asked = clock.now;
    const background = !this.#awaited(asked) && this.#state.done.length === this.#parts.length;
    const [method, path, body] = wireOf(task.request);
    clock.after(
      this.#chance.int('read there', 10, 120),
      () => {
        const request = { method, path, body, client: 'app', version: intercomVersion, now: clock.now };
        const value = answerCall(this.#workspace, request);
        const told = { kind: 'answered', value, at: clock.now, begun: asked } as const;
        clock.after(
          this.#chance.int('read back', 2, 60),
          () => {
            this.#reading = false;
            this.#take(
              answered(this.#state, task, classify(exchangeOf({ ...told, ended: clock.now })), wholeSecond(asked)),
              background,
            );
            this.#look();
          },
          background,
        );
      },
      background,
    );
  }

  #take({ state, records, marks }: Step, background = false): void {
    this.#state = state;
    for (const value of records) {
      if (value.object === 'company') this.#companies.add(value.recordId);
      this.#raw.append((offset) => this.#decoded({ schema: 'RawRecord', value }, offset), background);
    }
    for (const value of marks)
      this.#raw.append(
        (offset) => this.#decoded({ schema: 'SourceMark', value }, offset),
        background || value.kind === 'mark',
      );
    this.#state = afterRecord(this.#state, { offset: this.#raw.offset - 1, headers: {} });
  }

  /** Says up to when it is current. */
  beat(): void {
    this.#take(claimed(this.#state, this.#parts, wholeSecond(this.#clock.now)), true);
  }

  #decoded(raw: Parameters<typeof decodeIntercom>[0], offset: number): readonly Change[] {
    return decodeIntercom(raw, { topic: 'intercom.raw', partition: 0, offset, index: 0 });
  }
}
