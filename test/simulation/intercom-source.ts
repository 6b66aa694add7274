/** Intercom as a source: notifications that come late, twice, in any order or never, and reading what they did not tell. */
import { acceptNotification } from '../../connectors/intercom/webhook.ts';
import { decodeIntercom } from '../../processors/decode/intercom.ts';
import type { Change, RawRecord, SourceMark } from '../../schemas/types.ts';
import { answerCall } from '../../twins/intercom/answer.ts';
import { type Delivery, notificationBody } from '../../twins/intercom/deliveries.ts';
import type { Workspace } from '../../twins/intercom/routes.ts';
import type { Clock } from './clock.ts';
import { intercomVersion, wholeSecond } from './intercom-door.ts';
import type { RawTopic } from './log.ts';
import type { Chance } from './random.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

/** A claim stands this far behind the platform's clock: webhooks that come later than that come as a surprise. */
const marginMs = 5_000;

export class IntercomSource {
  readonly #workspace: Workspace;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #trace: Trace;
  readonly #raw: RawTopic;
  #claim = 0;
  /** When the next delivery is looked for; undefined: nothing waits. */
  #dueAt: number | undefined;

  constructor(workspace: Workspace, clock: Clock, chance: Chance, trace: Trace, world: World, raw: RawTopic) {
    this.#workspace = workspace;
    this.#clock = clock;
    this.#chance = chance;
    this.#trace = trace;
    this.#raw = raw;
    const { on } = world;
    workspace.model.deliveries.turn({
      // Each by itself overtakes the one before, unless all take the same time.
      delayMs: on.has('disorder') ? [20, on.has('delay') ? 8_000 : 800] : on.has('delay') ? [4_000, 4_000] : [150, 150],
      dropChance: on.has('lost') ? 0.15 : 0,
      duplicateChance: on.has('duplicate') ? 0.2 : 0,
    });
  }

  /** Subscribes, then reads teammates and everybody. */
  start(): void {
    const { model } = this.#workspace;
    model.deliveries.subscribe();
    for (const admin of model.admins())
      this.#row('admin', String(admin.id), { ...admin, id: String(admin.id) }, 'poll');
    this.#mark('snapshotComplete', 'admin', this.#clock.now);
    this.reconcile();
    for (const what of ['contact', 'company']) this.#mark('snapshotComplete', what, this.#clock.now);
  }

  /** Everything that search and list show now. */
  reconcile(): void {
    const { model } = this.#workspace;
    for (const { id } of model.searchable(this.#clock.now)) this.#read('contact', id, 'snapshot');
    for (const { id } of model.listedCompanies()) this.#read('company', id, 'snapshot');
  }

  /** Something was written: what is due of it is looked for in its time. */
  poke(): void {
    const next = this.#workspace.model.deliveries.nextDueAt();
    if (next === undefined || (this.#dueAt !== undefined && this.#dueAt <= next)) return;
    this.#dueAt = next;
    this.#clock.at(next, () => {
      if (this.#dueAt !== next) return;
      this.#dueAt = undefined;
      for (const delivery of this.#workspace.model.deliveries.due(this.#clock.now)) this.#receive(delivery);
      this.poke();
    });
  }

  #receive(delivery: Delivery): void {
    const { model } = this.#workspace;
    const bytes = Buffer.from(JSON.stringify(notificationBody(delivery, model.workspaceId)));
    const accepted = acceptNotification(bytes, model.workspaceId);
    if (accepted.kind === 'rejected') throw accepted.error;
    for (const value of accepted.records)
      this.#raw.append((offset) => this.#decoded({ schema: 'RawRecord', value }, offset));
    for (const { what, id } of accepted.owed)
      if (what === 'contact' || what === 'company')
        this.#clock.after(this.#chance.int('owed', 20, 300), () => this.#read(what, id, 'recheck'));
    this.#trace.say('intercom', '', `tells ${accepted.topic}`);
    model.deliveries.delivered(delivery.id);
  }

  #read(object: 'contact' | 'company', id: string, reason: RawRecord['reason']): void {
    const path = `/${object === 'contact' ? 'contacts' : 'companies'}/${id}`;
    const request = { method: 'GET', path, body: undefined, client: 'app', version: intercomVersion };
    const { status, body } = answerCall(this.#workspace, { ...request, now: this.#clock.now });
    if (status === 200) this.#row(object, id, body, reason);
  }

  #row(object: string, recordId: string, body: object, reason: RawRecord['reason']): void {
    const value: RawRecord = {
      platform: 'intercom',
      reason,
      object,
      recordId,
      deleted: false,
      takenAt: wholeSecond(this.#clock.now),
      body: Buffer.from(JSON.stringify(body)),
    };
    this.#raw.append((offset) => this.#decoded({ schema: 'RawRecord', value }, offset));
  }

  /** Current up to now less the margin. */
  beat(): void {
    const claim = wholeSecond(this.#clock.now - marginMs);
    if (claim <= this.#claim) return;
    this.#claim = claim;
    this.#mark('mark', '', claim, true);
  }

  #mark(kind: SourceMark['kind'], detail: string, upTo: number, background = false): void {
    const value: SourceMark = { platform: 'intercom', kind, upTo: wholeSecond(upTo), detail };
    this.#raw.append((offset) => this.#decoded({ schema: 'SourceMark', value }, offset), background);
  }

  #decoded(raw: Parameters<typeof decodeIntercom>[0], offset: number): readonly Change[] {
    return decodeIntercom(raw, { topic: 'intercom.raw', partition: 0, offset, index: 0 });
  }
}
