/**
 * One person on two platforms in virtual time, with what goes wrong between them: delays, disorder, repeats, lost answers,
 * late calls, sinks that die, holes, backfills, platforms that change or refuse a value. The platforms are a few lines
 * each, so that thousands of histories are cheap; the fold is the real one. The oracle knows the people's edits and reads
 * both stores.
 *
 * All times are ms; all chance comes from the seed.
 */
import { loadConfig } from '../../../core/config.ts';
import { createUnify } from '../../../processors/unify/index.ts';
import type { RulesConfig } from '../../../processors/unify/rules.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import type { Change, Command, FieldRefusal, Observation, Result, Value } from '../../../schemas/types.ts';
import { epoch, result, snapshotComplete } from '../../support/changes.ts';
import { change, PlainRunner } from '../../support/fold-runner.ts';

export type Fault = 'norm' | 'refuse' | 'own' | 'dup' | 'lost' | 'hole' | 'bf' | 'long' | 'crash' | 'late' | 'retry';

type Platform = 'salesforce' | 'intercom';
type Store = Record<string, Value>;

/** Canonical field → its name on each platform. */
const fields = {
  x: { salesforce: 'Title', intercom: 'custom_attributes.x' },
  y: { salesforce: 'Phone', intercom: 'custom_attributes.y' },
} as const;
type Field = keyof typeof fields;
const names = ['x', 'y'] as const;

const start = 1_790_000_000_000;
const ref = { salesforce: 'salesforce:Contact:003A', intercom: 'intercom:contact:c1' } as const;
const floor = (ms: number): number => Math.floor(ms / 1000) * 1000;

export function twoWay(owned: boolean): RulesConfig {
  const base = loadConfig({ env: {} });
  const text = (canonical: Field): RulesConfig['entities']['customer']['fields'][number] => ({
    canonical,
    type: 'text',
    salesforce: fields[canonical].salesforce,
    intercom: fields[canonical].intercom,
    fillIfEmpty: false,
    ...(owned && canonical === 'x' ? { owner: 'salesforce' as const } : {}),
  });
  const [email] = base.entities.customer.fields.filter((field) => field.type === 'email');
  if (email === undefined) throw new Error('the mapping has no email');
  return {
    ...base,
    capture: { ...base.capture, salesforce: true, intercom: true },
    flows: {
      ...base.flows,
      'contact-sync': { ...base.flows['contact-sync'], salesforce: { create: true }, intercom: { create: true } },
    },
    entities: { ...base.entities, customer: { ...base.entities.customer, fields: [email, text('x'), text('y')] } },
    freeze: { alternations: 100, withinMs: 1_000 },
  };
}

const configs = [twoWay(false), twoWay(true)] as const;

interface HumanEdit {
  readonly platform: Platform;
  readonly field: Field;
  readonly value: Value;
  readonly time: number;
}

export interface Outcome {
  /** Broken promises: loop, differs, quiet, poison. */
  readonly broken: readonly string[];
  readonly edits: number;
  readonly writes: number;
  readonly reads: number;
  readonly story: readonly string[];
}

/** A generator of small numbers from a seed (mulberry32). */
function chance(seed: number): () => number {
  let state = Math.imul(seed, 2_654_435_761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function play(seed: number, faults: ReadonlySet<Fault>): Outcome {
  return new LedgerWorld(seed, faults).run();
}

class LedgerWorld {
  readonly #runner: PlainRunner;
  readonly #random: () => number;
  readonly #has: (fault: Fault) => boolean;
  readonly #queue: { readonly time: number; readonly n: number; readonly act: () => void }[] = [];
  readonly #story: string[] = [];
  readonly #store: Record<Platform, Store>;
  readonly #people: HumanEdit[] = [];
  readonly #epochs: Record<Platform, string[]> = {
    salesforce: ['e0', 'e1', 'e2', 'e3'],
    intercom: ['e0', 'e1', 'e2', 'e3'],
  };
  readonly #ran = new Set<string>();
  #now = start;
  #n = 0;
  #seq = 1;
  #streamAt = start;
  #modified = start;
  #committed = start;
  #updated = start;
  #seen = 0;
  #writes = 0;
  #reads = 0;
  #hole: readonly [number, number] | undefined;

  constructor(seed: number, faults: ReadonlySet<Fault>) {
    this.#random = chance(seed);
    this.#has = (fault) => faults.has(fault);
    this.#runner = new PlainRunner(createUnify(configs[faults.has('own') ? 1 : 0]));
    const email = 'ada@x.example';
    this.#store = {
      salesforce: { Email: email, LastName: 'Byron', Title: 'a0', Phone: 'b0' },
      intercom: { email, role: 'user', name: 'Byron', 'custom_attributes.x': 'a0', 'custom_attributes.y': 'b0' },
    };
  }

  #int(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }

  #after(ms: number, act: () => void): void {
    this.#queue.push({ time: this.#now + ms, n: this.#n++, act });
  }

  #tell(...words: readonly unknown[]): void {
    this.#story.push(
      `${this.#now - start} ${words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))).join(' ')}`,
    );
  }

  // ---- what the fold is told, and what it asks

  #decide(part: Change): void {
    this.#runner.time = this.#now;
    this.#runner.decide(part);
    const all = this.#runner.outputs;
    for (; this.#seen < all.length; this.#seen++) {
      const output = all[this.#seen];
      if (output?.topic === 'salesforce.commands' || output?.topic === 'intercom.commands') {
        const command = output.value as Command;
        this.#tell('ask', command.id, command.verb, command.fields);
        this.#take(command);
      } else if (output?.topic === 'journal') {
        const { kind, field, value, other, reason } = output.value as Record<string, unknown>;
        this.#tell('journal', kind, field, value, other, reason);
      }
    }
  }

  #observe(platform: Platform, more: Partial<Observation>): void {
    const observation: Observation = {
      ref: ref[platform],
      op: 'seen',
      via: 'event',
      whole: platform === 'intercom',
      created: false,
      fields: {},
      unknown: [],
      at: { time: this.#now, seq: -1, second: true },
      modified: null,
      origin: null,
      by: null,
      transaction: null,
      into: null,
      ...more,
    };
    this.#tell('seen', platform, observation.via, observation.fields, observation.at, observation.origin ?? '');
    this.#decide(change({ kind: 'observation', observation }));
  }

  #mark(): void {
    for (const platform of ['salesforce', 'intercom'] as const) {
      const upTo = floor(this.#now - 10_000);
      this.#decide(change({ kind: 'mark', mark: { platform, kind: 'mark', upTo, detail: '' } }));
    }
  }

  // ---- Salesforce: an ordered stream of what changed, with the writer's name and the second

  #stream(act: () => void): void {
    this.#streamAt = Math.max(this.#streamAt, this.#now + this.#int(50, 4_000));
    this.#after(this.#streamAt - this.#now, act);
    if (!this.#has('dup') || this.#random() >= 0.2) return;
    this.#after(this.#streamAt - this.#now + this.#int(10, 3_000), act);
  }

  #writeSalesforce(values: Store, ours: boolean): void {
    const changed: Store = {};
    for (const [name, value] of Object.entries(values)) {
      const kept = this.#kept('salesforce', name, value);
      if (this.#store.salesforce[name] === kept) continue;
      this.#store.salesforce[name] = kept;
      changed[name] = kept;
    }
    if (Object.keys(changed).length === 0) return;
    const seq = this.#seq++;
    const at = { time: floor(this.#now), seq, second: true };
    const begun = this.#has('long') && this.#random() < 0.3 ? this.#now - this.#int(0, 3_000) : this.#now;
    this.#modified = Math.max(this.#committed, begun);
    this.#committed = this.#now;
    if (this.#hole !== undefined && this.#now >= this.#hole[0] && this.#now <= this.#hole[1]) return;
    const origin = ours ? configs[0].salesforce.client : null;
    this.#stream(() => this.#observe('salesforce', { fields: changed, at, origin, by: ours ? 'us' : 'person' }));
  }

  #rowOf(): Partial<Observation> {
    return {
      via: 'read',
      whole: true,
      fields: { ...this.#store.salesforce },
      at: { time: floor(this.#now), seq: -1, second: true },
      modified: floor(this.#modified),
    };
  }

  // ---- Intercom: whole snapshots, unordered, nobody named; milliseconds by webhook, seconds by REST

  #writeIntercom(values: Store): void {
    let changed = false;
    for (const [name, value] of Object.entries(values)) {
      const kept = this.#kept('intercom', name, value);
      if (this.#store.intercom[name] === kept) continue;
      this.#store.intercom[name] = kept;
      changed = true;
    }
    if (!changed) return;
    this.#updated = Math.max(this.#now, this.#updated + 1);
    const at = { time: this.#updated, seq: -1, second: false };
    const snapshot = { ...this.#store.intercom };
    if (this.#has('lost') && this.#random() < 0.15) return;
    for (let n = this.#has('dup') && this.#random() < 0.2 ? 2 : 1; n > 0; n--) {
      this.#after(this.#int(50, 8_000), () => this.#observe('intercom', { fields: snapshot, at, modified: at.time }));
    }
  }

  #contactOf(): Partial<Observation> {
    return {
      via: 'read',
      whole: true,
      fields: { ...this.#store.intercom },
      at: { time: floor(this.#updated), seq: -1, second: true },
      modified: floor(this.#updated),
    };
  }

  #snapshot(platform: Platform): Partial<Observation> {
    return platform === 'salesforce' ? this.#rowOf() : this.#contactOf();
  }

  /** What the platform makes of a value. */
  #kept(platform: Platform, name: string, value: Value): Value {
    if (!this.#has('norm') || typeof value !== 'string') return value;
    if (name === fields.x.salesforce) return value.toUpperCase();
    return name === fields.y.intercom && platform === 'intercom' ? value.toLowerCase() : value;
  }

  #refuses(name: string, value: Value): boolean {
    return this.#has('refuse') && name === fields.y.salesforce && String(value).endsWith('7');
  }

  // ---- the sinks: each command once per epoch, one at a time per record, at least once towards the platform

  #take(command: Command): void {
    const { platform } = command;
    const partition = partitionOf(command.ref === '' ? command.key : command.ref, 4);
    const key = `${platform} ${command.epoch} ${command.id}`;
    if (this.#ran.has(key)) return;
    this.#ran.add(key);
    const alive = (): boolean => this.#epochs[platform][partition] === command.epoch;
    if (this.#has('crash') && this.#random() < 0.08)
      this.#after(this.#int(10, 3_000), () => this.#restart(platform, partition));
    let doubt = false;
    const attempt = (tries: number): void => {
      if (!alive()) return;
      const luck = this.#random();
      const mayFail = this.#has('retry') && tries < 4;
      if (mayFail && luck < 0.08) return this.#after(this.#int(500, 3_000), () => attempt(tries + 1));
      if (this.#has('late') && tries < 4 && luck < 0.13) {
        doubt = true;
        this.#after(this.#int(500, 20_000), () => {
          this.#tell('applied late', command.id);
          this.#call(command);
          this.#writes -= 1;
        });
        return this.#after(3_000, () => attempt(tries + 1));
      }
      this.#after(this.#int(50, 1_200), () => {
        if (!alive()) return;
        const answer = this.#call(command);
        if (mayFail && luck < 0.16) {
          this.#writes -= 1;
          doubt = true;
          return this.#after(this.#int(500, 3_000), () => attempt(tries + 1));
        }
        this.#after(this.#int(20, 1_000), () => {
          if (!alive()) return;
          this.#tell('result', command.id);
          this.#decide(result(command, partition, { ...answer, doubt }));
        });
      });
    };
    attempt(0);
  }

  #restart(platform: Platform, partition: number): void {
    const id = `${this.#epochs[platform][partition] ?? ''}'`;
    this.#epochs[platform][partition] = id;
    this.#tell('restart', platform, id);
    this.#decide(epoch(partition, id, 0, 10, 10, platform));
  }

  #call(command: Command): Partial<Result> {
    const { platform } = command;
    if (command.verb === 'read') {
      this.#reads += 1;
      this.#tell('read', command.id);
      return this.#answer(platform, []);
    }
    this.#writes += 1;
    const refused = Object.keys(command.fields).filter((name) => this.#refuses(name, command.fields[name] ?? null));
    const good = Object.fromEntries(Object.entries(command.fields).filter(([name]) => !refused.includes(name)));
    this.#tell('call', command.id, good);
    if (platform === 'salesforce') this.#writeSalesforce(good, true);
    else this.#writeIntercom(good);
    const refusals = refused.map((field) => ({ field, code: 'PLATFORM_REFUSED', message: 'ends in 7' }));
    const answer = this.#answer(platform, refusals);
    return platform === 'salesforce' ? { ...answer, returned: null } : answer;
  }

  #answer(platform: Platform, refusals: readonly FieldRefusal[]): Partial<Result> {
    const returned = {
      ref: ref[platform],
      op: 'seen',
      created: false,
      unknown: [],
      origin: null,
      by: null,
      transaction: null,
      into: null,
      ...this.#snapshot(platform),
      via: 'answer',
    } as unknown as Observation;
    return { ref: ref[platform], outcome: 'applied', platformTime: floor(this.#now), returned, refusals };
  }

  // ---- a history

  run(): Outcome {
    this.#begin();
    this.#plan();
    const broken: string[] = [];
    if (!this.#drain()) broken.push('loop');
    else {
      // Reconciliation, then the marks pass every echo.
      if (this.#has('lost')) this.#observe('intercom', this.#contactOf());
      for (let round = 0; round < 4 && !broken.includes('loop'); round++) {
        if (!this.#drain()) broken.push('loop');
        this.#now += 90_000;
        this.#mark();
      }
      if (!this.#drain()) broken.push('loop');
      broken.push(...this.#judge());
    }
    if (this.#runner.poisons.length > 0) broken.push(`poison ${this.#runner.poisons[0] ?? ''}`);
    const { length: edits } = this.#people;
    return { broken: [...new Set(broken)], edits, writes: this.#writes, reads: this.#reads, story: this.#story };
  }

  #begin(): void {
    for (const platform of ['salesforce', 'intercom'] as const)
      for (let partition = 0; partition < 4; partition++)
        this.#decide(epoch(partition, `e${partition}`, 0, 10, 10, platform));
    this.#decide(snapshotComplete('intercom', 'admin'));
    this.#observe('salesforce', this.#rowOf());
    this.#observe('intercom', this.#contactOf());
    // Both records get our mark.
    if (!this.#drain()) throw new Error('two equal records do not come to rest');
    this.#writes = 0;
    this.#reads = 0;
    this.#now = start + 100_000;
    this.#streamAt = this.#now;
    this.#story.length = 0;
  }

  #plan(): void {
    const edits = this.#int(1, 8);
    if (this.#has('hole')) {
      const from = this.#now + this.#int(0, 25_000);
      this.#hole = [from, from + this.#int(2_000, 15_000)];
      this.#after(this.#hole[0] - this.#now, () => this.#holeMark('holeOpen'));
      this.#after(this.#hole[1] - this.#now + this.#int(500, 6_000), () => {
        const row = this.#rowOf();
        this.#stream(() => this.#observe('salesforce', row));
        this.#stream(() => this.#holeMark('holeClosed'));
      });
    }
    let when = 0;
    for (let n = 0; n < edits; n++) {
      when += this.#random() < 0.5 ? this.#int(0, 600) : this.#int(0, 15_000);
      const platform = this.#random() < 0.5 ? 'salesforce' : 'intercom';
      const field = names[this.#int(0, 1)] ?? 'x';
      const value = `u${n}${this.#random() < 0.5 ? 'A' : 'a'}${this.#int(0, 9)}`;
      this.#after(when, () => this.#person(platform, field, value));
    }
    if (!this.#has('bf')) return;
    for (let n = 0; n < 4; n++) {
      const platform = this.#random() < 0.5 ? 'salesforce' : 'intercom';
      this.#after(this.#int(0, 40_000), () => {
        const snapshot = this.#snapshot(platform);
        this.#after(this.#int(50, 4_000), () => this.#observe(platform, snapshot));
      });
    }
  }

  #holeMark(kind: 'holeOpen' | 'holeClosed'): void {
    this.#decide(change({ kind: 'mark', mark: { platform: 'salesforce', kind, upTo: floor(this.#now), detail: '' } }));
  }

  #person(platform: Platform, field: Field, value: string): void {
    const name = fields[field][platform];
    const kept = this.#kept(platform, name, value);
    if (this.#store[platform][name] === kept) return;
    this.#people.push({ platform, field, value: kept, time: this.#now });
    this.#tell('PERSON', platform, field, kept);
    if (platform === 'salesforce') this.#writeSalesforce({ [name]: value }, false);
    else this.#writeIntercom({ [name]: value });
  }

  /** Lets everything happen that is under way; false: it never ends. */
  #drain(): boolean {
    for (let steps = 0; this.#queue.length > 0; steps++) {
      if (steps > 2_000) return false;
      this.#queue.sort((a, b) => a.time - b.time || a.n - b.n);
      const next = this.#queue.shift();
      if (next === undefined) return true;
      this.#now = Math.max(this.#now, next.time);
      next.act();
    }
    return true;
  }

  #judge(): readonly string[] {
    const broken: string[] = [];
    const entity = this.#runner.entityOf(ref.salesforce);
    if (entity === undefined || entity !== this.#runner.entityOf(ref.intercom)) return ['not one person'];
    for (const field of names) {
      const wanted = entity.fields[field]?.value ?? null;
      for (const platform of ['salesforce', 'intercom'] as const) {
        const name = fields[field][platform];
        const there = this.#store[platform][name] ?? null;
        if (there === wanted) continue;
        const state = this.#runner.ref(ref[platform]);
        const quiet = state?.quiet[name];
        const isQuiet = quiet?.asked === wanted && quiet.got === there;
        const why = `${field} on ${platform}`;
        if (!isQuiet || state?.seen[name]?.value !== there) broken.push(`differs: ${why}`);
        else if (this.#kept(platform, name, wanted) !== there && !this.#refuses(name, wanted))
          broken.push(`quiet: ${why}`);
      }
    }
    return broken;
  }
}
