/**
 * What linking two platforms would do, decided by unify itself in memory, from what both have told and with no server and no
 * write: who is one person, who cannot be told, who stands alone, and each value that would be written, with its reason.
 *
 * First everything is told, while no sink has a window, so that what is known before any write can be seen. Then windows
 * open, and platforms that take everything (ideal.ts) answer until nothing is left to ask: the second writes, which need the
 * ids of what was created, are seen too.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { MemoryFold } from '../../core/memory-fold.ts';
import type { Answer } from '../../core/sink-state.ts';
import { itemPartition } from '../../processors/unify/commands.ts';
import { isAlive, livingRefs } from '../../processors/unify/identity.ts';
import { createUnify } from '../../processors/unify/index.ts';
import { commandPartitions, parseRef } from '../../processors/unify/keys.ts';
import {
  compileRules,
  type Link,
  platforms,
  type Rules,
  type RulesConfig,
  sideOf,
} from '../../processors/unify/rules.ts';
import { readStatus } from '../../processors/unify/status.ts';
import { alike } from '../../processors/unify/values.ts';
import { World } from '../../processors/unify/world.ts';
import { changeOf } from '../../schemas/change.ts';
import type { Change, Command, EntityState, JournalEntry, Mark, RefState, Value } from '../../schemas/types.ts';
import { IdealPlatforms, type OurUser } from './ideal.ts';
import type { Alone, Ambiguous, FieldWrite, Forecast, Pair, Party, Write } from './report.ts';

type Platform = 'salesforce' | 'intercom';

/** What each platform told, in its order. */
export type Told = Readonly<Record<Platform, readonly Change[]>>;

export interface ForecastOptions {
  readonly config: RulesConfig;
  readonly told: Told;
  /** Whose telling comes first. */
  readonly first: Platform;
  readonly user: OurUser;
  /** The platforms' clock after all of it was told, ms. */
  readonly at: number;
  /** Answers a command that only reads. */
  readonly read: (command: Command) => Promise<Answer>;
  /** Told now and then how many changes were decided: records first, then the answers to what is asked. */
  readonly onDecided?: (changes: number) => void;
  readonly signal: AbortSignal;
}

/** Records decided before somebody else gets a turn: a signal, a line of progress. */
const breath = 500;
const roundMs = 2_000;
/** Longest that anything waits for source time, many times over: what then still waits will wait in earnest. */
const mostRounds = 200;
const window = 256;

export async function forecast(options: ForecastOptions): Promise<Forecast> {
  const course = new Course(options);
  await course.tell();
  const parties = course.parties();
  await course.carryOut();
  return course.report(parties);
}

/** Who is there before anything is written. */
interface Parties {
  readonly matched: readonly Pair[];
  readonly ambiguous: readonly Ambiguous[];
  readonly alone: readonly Party[];
}

class Course {
  readonly #options: ForecastOptions;
  readonly #rules: Rules;
  readonly #fold: MemoryFold;
  readonly #ideal: IdealPlatforms;
  /** By the record that was linked: the rules by which. */
  readonly #linked = new Map<string, Set<string>>();
  /** By the id of who is ambiguous: why. */
  readonly #doubts = new Map<string, string>();
  readonly #held: JournalEntry[] = [];
  readonly #commands: Command[] = [];
  /** By record, new ones under the name that they were given. */
  readonly #writes = new Map<string, Draft>();
  #decided = 0;
  #clock: number;

  constructor(options: ForecastOptions) {
    this.#options = options;
    this.#rules = compileRules(options.config);
    this.#fold = new MemoryFold(createUnify(options.config), options.at);
    this.#ideal = new IdealPlatforms(this.#rules, options.user);
    this.#clock = options.at;
  }

  // ---- deciding

  async #decide(change: Change): Promise<void> {
    for (const { topic, value } of this.#fold.decide(change)) {
      if (topic === 'journal') this.#hear(value as JournalEntry);
      else if (topic === 'salesforce.commands' || topic === 'intercom.commands') {
        this.#commands.push(value as Command);
        this.#note(value as Command);
      }
    }
    if (++this.#decided % breath !== 0) return;
    this.#options.onDecided?.(this.#decided);
    await turn();
    this.#options.signal.throwIfAborted();
  }

  #hear(entry: JournalEntry): void {
    const { kind, id, source, reason } = entry;
    if (kind === 'linked') this.#linked.set(source, (this.#linked.get(source) ?? new Set()).add(reason));
    if (kind === 'ambiguous') this.#doubts.set(id, reason);
    if (kind === 'held') this.#held.push(entry);
  }

  async tell(): Promise<void> {
    const { told, first } = this.#options;
    for (const platform of [first, ...platforms.filter((one) => one !== first)])
      for (const change of told[platform]) await this.#decide(change);
    for (const part of ['admin', 'company', 'contact']) await this.#mark('intercom', 'snapshotComplete', part);
    await this.#mark('salesforce', 'snapshotComplete', '');
    await this.#settleJobs();
  }

  async #mark(platform: Platform, kind: Mark['kind'], detail: string): Promise<void> {
    await this.#decide(changeOf({ kind: 'mark', mark: { platform, kind, upTo: this.#clock, detail } }));
  }

  async #tick(): Promise<void> {
    this.#fold.time += 250;
    await this.#decide(changeOf({ kind: 'tick' }));
  }

  get #status() {
    return readStatus(this.#fold.state);
  }

  async #settleJobs(): Promise<void> {
    while (this.#status.jobs > 0) await this.#tick();
  }

  async carryOut(): Promise<void> {
    for (const platform of platforms) {
      for (let partition = 0; partition < commandPartitions[platform]; partition++) {
        const epoch = { platform, partition, epoch: 'forecast', n: 0, window, bulkWindow: window, reason: '' };
        await this.#decide(changeOf({ kind: 'epoch', epoch }));
      }
    }
    for (let rounds = 0; rounds < mostRounds && this.#waiting > 0; rounds++) {
      this.#clock += roundMs;
      this.#fold.time = this.#clock;
      for (const platform of platforms) await this.#mark(platform, 'mark', '');
      for (let quiet = 0; quiet < 2; ) {
        quiet = this.#commands.length === 0 ? quiet + 1 : 0;
        await this.#answerAll();
        await this.#tick();
      }
      await this.#settleJobs();
    }
  }

  get #waiting(): number {
    const { platforms: sides, gated, jobs } = this.#status;
    const dirty = sides.map(({ dirty: { urgent, live, bulk }, open }) => urgent + live + bulk + open);
    return dirty.reduce((sum, one) => sum + one, gated + jobs);
  }

  /** Those that are asked now, in a second of their own: two writes to a record in one second would be a tie. */
  async #answerAll(): Promise<void> {
    this.#clock += 1_000;
    this.#fold.time = this.#clock;
    for (const command of this.#commands.splice(0)) {
      const { id, platform, epoch } = command;
      const { answer, echo } =
        command.verb === 'read' && !this.#ideal.has(command.ref)
          ? { answer: await this.#options.read(command), echo: null }
          : this.#ideal.carryOut(command, this.#clock);
      if (command.verb === 'create') this.#name(command, answer.ref);
      const partition = itemPartition(platform, id.slice(0, id.lastIndexOf('#')));
      await this.#decide(changeOf({ kind: 'result', result: { ...answer, command: id, platform, epoch, partition } }));
      if (echo !== null) await this.#decide(echo);
    }
  }

  // ---- what would be written

  get #world(): World {
    const { state, offset, time } = this.#fold;
    const readOnly = {
      get: (key: string) => state.get(key),
      put: (key: string) => {
        throw new Error(`a question wrote ${key}`);
      },
      savepoint: () => () => undefined,
    };
    const change = changeOf({ kind: 'tick' });
    return new World(readOnly, { offset, time, key: '', lineage: 0, change }, this.#rules);
  }

  /** As unify asked it, from the state of that moment. */
  #note(command: Command): void {
    if (command.verb === 'read') return;
    const world = this.#world;
    const ref = command.verb === 'create' ? undefined : world.ref(command.ref);
    const entity = world.living(ref?.id ?? command.key);
    if (entity === undefined) return;
    const key = command.verb === 'create' ? command.id : command.ref;
    const draft = this.#writes.get(key) ?? draftOf(command, entity, recordName(entity));
    this.#writes.set(key, draft);
    draft.asks += 1;
    const { links } = sideOf(this.#rules.entities[entity.entity], `${command.platform}:${command.object}:`);
    for (const [field, to] of Object.entries(command.fields)) {
      const link = links.find((one) => one.field === field);
      // Of a record that is created nothing stood there before.
      const seen = draft.verb === 'create' ? null : (ref?.seen[field]?.value ?? null);
      const from = draft.fields.has(field) ? (draft.fields.get(field)?.from ?? null) : seen;
      draft.fields.set(field, { field, from, to, why: whyOf(entity, link), marker: link?.type === 'marker' });
    }
  }

  /** From now on the record that a create makes is written under its own name. */
  #name(command: Command, ref: string): void {
    const draft = this.#writes.get(command.id);
    if (draft === undefined) return;
    this.#writes.delete(command.id);
    this.#writes.set(ref, { ...draft, record: ref });
  }

  // ---- the report

  /** Every living customer and account, by what it has where. */
  parties(): Parties {
    const world = this.#world;
    const matched: Pair[] = [];
    const ambiguous: Ambiguous[] = [];
    const alone: Party[] = [];
    for (const [key, value] of this.#fold.state) {
      if (!key.startsWith('ent:')) continue;
      const entity = value as EntityState;
      // Founded for the sake of a link, and never seen, it is no record of anybody.
      if (entity.mergedInto !== null || entity.version === 0 || !isAlive(world, entity)) continue;
      const party = partyOf(entity, livingRefs(world, entity));
      const sides = new Set(party.records.map((ref) => parseRef(ref).platform));
      if (entity.ambiguous.length > 0) ambiguous.push(this.#ambiguousOf(world, entity, party));
      else if (sides.size > 1) matched.push({ ...party, by: this.#linkedBy(party) });
      else alone.push(party);
    }
    return { matched, ambiguous, alone };
  }

  #ambiguousOf(world: World, entity: EntityState, party: Party): Ambiguous {
    const candidates = entity.ambiguous.flatMap((id) => {
      const other = world.living(id);
      return other === undefined ? [] : [partyOf(other, livingRefs(world, other))];
    });
    return { ...party, candidates, why: this.#doubts.get(entity.id) ?? '' };
  }

  #linkedBy({ records }: Party): string {
    const reasons = [...new Set(records.flatMap((ref) => [...(this.#linked.get(ref) ?? [])]))].sort();
    return reasons.length === 0 ? 'what they show agrees' : reasons.join(', ');
  }

  report({ matched, ambiguous, alone }: Parties): Forecast {
    const writes = [...this.#writes.values()].map(writeOf).filter(({ fields }) => fields.length > 0);
    const on = (platform: Platform): readonly Alone[] =>
      alone
        .filter(({ records }) => records.every((ref) => parseRef(ref).platform === platform))
        .map((party) => ({ ...party, becomes: this.#becomes(party, platform) }));
    return {
      matched,
      ambiguous,
      onlySalesforce: on('salesforce'),
      onlyIntercom: on('intercom'),
      writes,
      held: this.#held.map(({ source, reason }) => ({ record: source, why: reason })),
      waiting: this.#waiting,
    };
  }

  /** What comes of somebody whom only one platform has, on the other one. */
  #becomes({ id, entity }: Party, platform: Platform): string {
    const [other = platform] = platforms.filter((one) => one !== platform);
    const world = this.#world;
    const now = world.living(id);
    const made = now?.refs.find((ref) => ref.startsWith(`${other}:`));
    if (made !== undefined) return made;
    if (!this.#rules.entities[entity].sides[other].creates) return `nothing is created in ${titles[other]}`;
    const create = now?.creates.find((one) => one.platform === other);
    return create === undefined ? 'not created' : `not created: ${create.why === '' ? create.state : create.why}`;
  }
}

const titles: Readonly<Record<Platform, string>> = { salesforce: 'Salesforce', intercom: 'Intercom' };

interface Draft extends Omit<Write, 'fields'> {
  asks: number;
  readonly fields: Map<string, FieldWrite>;
}

function draftOf({ platform, verb, ref }: Command, entity: EntityState, name: string): Draft {
  const kind = verb === 'create' ? 'create' : 'update';
  const beside = entity.refs.filter((one) => one !== ref);
  return { platform, verb: kind, record: ref, entity: entity.entity, name, beside, asks: 0, fields: new Map() };
}

/** What came back to where it was is no change in the end. */
const writeOf = ({ fields, ...draft }: Draft): Write => ({
  ...draft,
  fields: [...fields.values()].filter(({ from, to }) => draft.verb === 'create' || !alike(from, to)),
});

/** The rules' names in words. */
const reasons: Readonly<Record<string, string>> = {
  first: 'nobody else says anything',
  newest: 'the newest value',
  join: 'the later of two that met',
  owner: 'its platform decides the field',
  fill: 'it fills what was empty',
};

function whyOf(entity: EntityState, link: Link | undefined): string {
  if (link?.type === 'marker') return 'our id, by which the record is known again';
  const [set] = (link?.canonical ?? []).flatMap((name) => entity.fields[name] ?? []);
  if (set === undefined) return '';
  const who = set.by === '' ? '' : ` by ${set.by}`;
  return `${reasons[set.reason] ?? set.reason}: ${set.source}${who}, ${new Date(set.time).toISOString()}`;
}

const textIn = (entity: EntityState, field: string): string => {
  const value: Value | undefined = entity.fields[field]?.value;
  return typeof value === 'string' ? value : '';
};

/** How people know it. */
function recordName(entity: EntityState): string {
  if (entity.entity === 'account') return textIn(entity, 'name');
  const email = textIn(entity, 'email');
  return email === '' ? `${textIn(entity, 'firstName')} ${textIn(entity, 'lastName')}`.trim() : email;
}

const partyOf = (entity: EntityState, refs: readonly RefState[]): Party => ({
  id: entity.id,
  entity: entity.entity,
  name: recordName(entity),
  records: refs.map(({ ref }) => ref).sort(),
});
