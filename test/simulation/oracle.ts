/**
 * What must be true when a history has fallen silent. The oracle knows what people did (people.ts), what the platforms
 * are known to make of values, and what stands in both stores; it asks nothing of unify, whose journal only tells it what
 * to call a difference that it found by itself.
 */
import type { JournalEntry } from '../../schemas/types.ts';
import { whyAsNew } from './dates.ts';
import { Ends, toldAt } from './ends.ts';
import { companyFields, type MappedField, type PlatformName, personFields } from './fields.ts';
import { joinedWrong } from './joined.ts';
import { rewritten } from './others.ts';
import type { Edit } from './people.ts';
import { lateOnes } from './prompt.ts';
import { planOf } from './quota.ts';
import { isRefused, isRejected } from './refusals.ts';
import type { Ran } from './simulate.ts';
import { filled, isOptedOut } from './standing.ts';
import { emailHolder, type Kind, type Shown, type Stored } from './stores.ts';
import type { World } from './world.ts';
import { excessOf } from './write-bound.ts';

export const promises = {
  agree: 'both sides say the same, but for what a platform normalises or refuses',
  silent: 'it falls silent after the last edit',
  duplicates: 'nobody is there twice',
  joined: 'events of people carry their account as it is',
  accounted: 'every accepted change ends as an event, a counted drop or a dead letter',
  told: 'what lost against a newer value is told in the journal',
  quiet: 'no field is given up without a reason of the platform',
  order: "nobody's own older value beats their newer one",
  newest: 'the newest value wins, as far as the platforms tell',
  owner: "the owner's value stands",
  consent: 'who opted out on either side stays opted out',
  fill: 'what is only filled where it is empty keeps its value',
  writes: 'one write per edit and side, one more for each write-back and each call in doubt',
  prompt: 'where nothing fails an edit is carried over within ten seconds, whatever else is to be written',
  quota: 'never a call beyond the budget',
  bytes: 'the same changes give the same bytes, however they are cut',
  replay: 'all observations once more write nothing',
} as const;
export type Promise = keyof typeof promises;

export interface Violation {
  readonly promise: Promise;
  readonly text: string;
  /** Records concerned, for telling their history. */
  readonly about: readonly string[];
  /** Why the platforms do not tell better; empty: it is ours. */
  readonly excuse: string;
}

/** An edit is known within this, without these faults. */
const knownWithinMs = 15_000;
const lateKnown = ['lost', 'hole', 'gap', 'cold', 'crash', 'convert'] as const;

/** Worlds of these alone have nothing that makes anybody wait. */
const undelayed: ReadonlySet<string> = new Set(['companies', 'oneway', 'burst', 'backfill', 'names']);

/** As far as platforms tell when something happened: whole seconds. */
const toleranceMs = 1_000;

const wholeSecond = (ms: number): number => Math.floor(ms / 1000);
const other = (platform: PlatformName): PlatformName => (platform === 'salesforce' ? 'intercom' : 'salesforce');
const empty = (value: Stored): boolean => value === null || value === '';

/** Are two values one, after what the platforms of this world are known to do to them? */
function alikeIn(world: World): (field: MappedField, a: Stored, b: Stored) => boolean {
  const normalised: ReadonlySet<string> = world.on.has('norm') ? new Set(Object.values(rewritten)) : new Set();
  return (field, a, b) => {
    if (a === b || (empty(a) && empty(b))) return true;
    // Intercom keeps addresses in lower case, and flows rewrite two fields.
    if (field.type === 'email' || normalised.has(field.canonical))
      return String(a).toLowerCase() === String(b).toLowerCase();
    // A checkbox is never empty.
    if (field.type === 'optOut') return (a ?? false) === (b ?? false);
    return String(a) === String(b);
  };
}

interface Party {
  readonly kind: Kind;
  readonly whose: number;
  readonly salesforce: readonly Shown[];
  readonly intercom: readonly Shown[];
}

export class Oracle {
  readonly violations: Violation[] = [];
  readonly #ran: Ran;
  #ends: Ends | undefined;
  readonly #journal: readonly JournalEntry[];
  readonly #alike: (field: MappedField, a: Stored, b: Stored) => boolean;

  constructor(ran: Ran) {
    this.#ran = ran;
    this.#alike = alikeIn(ran.history.world);
    this.#journal = ran.unify.outputs.flatMap(({ topic, value }) =>
      topic === 'journal' && value !== null ? [value as JournalEntry] : [],
    );
    this.#silent();
    this.#accounted();
    this.#quota();
    if (ran.replayed > 0) this.#broken('replay', `${ran.replayed} writes after all observations came again`);
    if (ran.endless) return;
    const parties = this.#parties();
    for (const party of parties) this.#party(party, parties);
    for (const text of joinedWrong(this.#ran.unify.outputs)) this.#broken('joined', text);
    this.#prompt();
    this.#writes();
  }

  #broken(promise: Promise, text: string, about: readonly string[] = [], excuse = ''): void {
    this.violations.push({ promise, text, about, excuse });
  }

  #parties(): readonly Party[] {
    const { stores, people } = this.#ran;
    const found = new Map<string, { salesforce: Shown[]; intercom: Shown[] }>();
    for (const shown of stores.shown()) {
      const key = `${shown.kind} ${people.whose(shown.platform, shown.kind, shown.id)}`;
      const party = found.get(key) ?? { salesforce: [], intercom: [] };
      party[shown.platform].push(shown);
      found.set(key, party);
    }
    return [...found].map(([key, sides]) => {
      const [kind = '', whose = ''] = key.split(' ');
      return { kind: kind as Kind, whose: Number(whose), ...sides };
    });
  }

  #party(party: Party, parties: readonly Party[]): void {
    const { kind, whose, salesforce, intercom } = party;
    const name = `${kind} ${whose}`;
    const about = [...salesforce, ...intercom].map(({ id }) => id);
    if (whose < 0) return this.#broken('duplicates', `a ${kind} that nobody entered: ${about.join(', ')}`, about);
    for (const platform of ['salesforce', 'intercom'] as const) {
      const made = party[platform].filter(({ id }) => !this.#ran.people.byPeople.has(`${platform}:${kind}:${id}`));
      const byPeople = this.#ran.people.enteredOn(platform, kind, whose);
      // Who shares an email may be found and linked as somebody else.
      const most = (byPeople > 0 && !this.#isAmbiguous(party)) || this.#isVisitor(party) ? 0 : 1;
      if (made.length > most)
        this.#broken(
          'duplicates',
          `${name} was created on ${platform} ${made.length} times, entered ${byPeople}`,
          about,
          this.#lateMade(platform, name, made, most),
        );
    }
    // Whose records were merged is for people to settle on the other platform; that nobody is made anew stands above.
    if (this.#isAmbiguous(party) || this.#ran.people.merged.has(name)) return;
    const alive = { salesforce: salesforce.filter(isAlive), intercom: intercom.filter(isAlive) };
    // Nothing is created for what was deleted; what came back is held to everything.
    const isGone = this.#ran.people.gone.has(name);
    if (isGone && (alive.salesforce.length === 0 || alive.intercom.length === 0)) return;
    if (this.#isLead(party) || this.#isVisitor(party)) return;
    for (const platform of ['salesforce', 'intercom'] as const) {
      const there = alive[other(platform)][0];
      if (alive[platform].length > 0 || there === undefined) continue;
      if (this.#isWantedOn(platform, party, parties))
        this.#broken('agree', `${name} is on ${other(platform)} and not on ${platform}`, about);
    }
    const [a] = alive.salesforce;
    const [b] = alive.intercom;
    if (a === undefined || b === undefined) return;
    const isPeopled = kind === 'person' || this.#hasPeople(whose, parties);
    for (const field of kind === 'person' ? personFields : companyFields)
      this.#field(name, party, field, a, b, isPeopled);
    this.#ended(name, party);
    if (kind === 'person') this.#membership(name, a, b, parties);
  }

  /**
   * A call that the platform carries out a minute late makes a record once more, where nothing of the first stands in its
   * way any more: an address that is free again in Intercom, a record that was deleted or merged meanwhile.
   */
  #lateMade(platform: PlatformName, name: string, made: readonly Shown[], most: number): string {
    const { network, people, stores } = this.#ran;
    const late = made.filter(({ id }) => {
      const created = stores.createdAt(platform, id);
      return network.late.some((one) => one.platform === platform && wholeSecond(one.at) === wholeSecond(created));
    });
    if (made.length - late.length > most) return '';
    if (people.gone.has(name) || people.merged.has(name))
      return 'a call was carried out long after it had timed out, and the record deleted meanwhile';
    // The address is the one thing by which Intercom knows a contact that it has already; Salesforce knows our mark.
    const isFreed = people.edits.some(({ first, field, id }) => !first && field === 'email' && this.#isOf(name, id));
    return platform === 'intercom' && isFreed
      ? 'a create was carried out long after it had timed out, when the address was free again'
      : '';
  }

  #isOf(name: string, id: string): boolean {
    const { people } = this.#ran;
    return (['salesforce', 'intercom'] as const).some(
      (platform) => `person ${people.entered.get(`${platform}:person:${id}`) ?? ''}` === name,
    );
  }

  /** Edit by edit: each counts, is told to have lost, or was overtaken unseen. */
  #ended(name: string, { kind, whose }: Party): void {
    this.#ends ??= new Ends(this.#ran, this.#alike);
    const { on } = this.#ran.history.world;
    const isFought = on.has('thirdwriter');
    const hasParts = on.has('names');
    for (const edit of this.#ran.people.edits) {
      if (edit.first || edit.kind !== kind || edit.whose !== whose) continue;
      const field = (kind === 'person' ? personFields : companyFields).find(
        ({ canonical }) => canonical === edit.field,
      );
      if (field === undefined || field.later === true || (isFought && edit.field === 'department')) continue;
      if (hasParts && edit.field === 'lastName') continue;
      const end = this.#ends.of(edit, field);
      const what = `${name}: ${edit.field} became ${JSON.stringify(edit.value)} in ${edit.platform}`;
      if (end === 'unknown') this.#broken('accounted', `${what}, and nothing became of that`, [edit.id]);
      if (end === 'untold') this.#broken('told', `${what}, and lost without a word`, [edit.id]);
    }
  }

  /** Leads alone create nothing, and nothing is created beside them. */
  #isLead({ kind, whose }: Party): boolean {
    return (
      kind === 'person' &&
      this.#ran.history.people[whose]?.lead === true &&
      !this.#ran.people.converted.has(`person ${whose}`)
    );
  }

  /** A lead of Intercom, of whom Salesforce knows nothing: nothing is made of them there. */
  #isVisitor({ kind, intercom, salesforce }: Party): boolean {
    const { people, stores } = this.#ran;
    if (kind !== 'person' || intercom.length === 0) return false;
    const isKnown = salesforce.some(({ id }) => people.byPeople.has(`salesforce:person:${id}`));
    return (
      !isKnown &&
      intercom.every(({ id }) => stores.intercom.everything().contacts.find((one) => one.id === id)?.role === 'lead')
    );
  }

  /** Several people of one email: nobody can tell which is which, so nothing is promised but that nothing is made up. */
  #isAmbiguous({ kind, whose }: Party): boolean {
    const { history } = this.#ran;
    if (kind !== 'person') return false;
    const mine = emailHolder(history, whose);
    return history.people.some((_, who) => who !== whose && emailHolder(history, who) === mine);
  }

  #isWantedOn(platform: PlatformName, { kind, whose }: Party, parties: readonly Party[]): boolean {
    const oneWay = this.#ran.history.world.on.has('oneway');
    if (platform === 'salesforce') {
      // Intercom shows a company to nobody before somebody belongs to it.
      const shown = kind === 'person' || this.#hasPeople(whose, parties);
      return !oneWay && shown;
    }
    if (kind === 'person') return true;
    // A company is made where somebody belongs to it.
    const company = parties.find((one) => one.kind === 'company' && one.whose === whose);
    const ids = new Set(company?.salesforce.map(({ id }) => id));
    return parties.some(
      (one) =>
        one.kind === 'person' &&
        !this.#isAmbiguous(one) &&
        one.intercom.some(isAlive) &&
        one.salesforce.some((person) => person.alive && person.companies.some((id) => ids.has(id))),
    );
  }

  #hasPeople(company: number, parties: readonly Party[]): boolean {
    const ids =
      parties.find((one) => one.kind === 'company' && one.whose === company)?.intercom.map(({ id }) => id) ?? [];
    return parties.some(
      (one) => one.kind === 'person' && one.intercom.some(({ companies }) => companies.some((id) => ids.includes(id))),
    );
  }

  #field(name: string, { kind, whose }: Party, field: MappedField, a: Shown, b: Shown, isPeopled: boolean): void {
    const about = [a.id, b.id];
    const { canonical } = field;
    const [sales, inter] = [a.values[canonical] ?? null, b.values[canonical] ?? null];
    const { on } = this.#ran.history.world;
    const oneWay = on.has('oneway');
    // Two who never give in: it only has to end.
    if (on.has('thirdwriter') && canonical === 'department') return;
    const { world } = this.#ran.history;
    const stuck = isRefused(world, field, inter) ? 'intercom' : isRejected(world, field, sales) ? 'salesforce' : null;
    // Neither side takes the other's: each keeps its own.
    if (stuck === 'intercom' && isRejected(world, field, sales)) return;
    // Mapped by the change alone: without one nobody carries it, and what was there before may stay as it is.
    if (field.later === true && !this.#isMapped(field, whose)) return;
    // Consent gets stricter wherever somebody says so, and where it cannot be written it stays so where it was said.
    if (oneWay && field.type === 'optOut' && inter === true) return;
    if (stuck === null && !this.#alike(field, sales, inter)) {
      const given = this.#journal.some(
        (entry) =>
          (entry.kind === 'settled' || entry.kind === 'refused') &&
          [field.salesforce, field.intercom].includes(entry.field) &&
          about.some((id) => entry.source.endsWith(id)),
      );
      this.#broken(
        given ? 'quiet' : 'agree',
        `${name}: ${canonical} is ${JSON.stringify(sales)} in Salesforce and ${JSON.stringify(inter)} in Intercom`,
        about,
        kind === 'company' && on.has('lost') && !isPeopled
          ? 'its notification was lost, and Intercom lists no company without people'
          : '',
      );
      return;
    }
    const edits = this.#ran.people.edits.filter(
      (edit) => edit.kind === kind && edit.whose === whose && edit.field === canonical && about.includes(edit.id),
    );
    const owner = oneWay ? 'salesforce' : (field.owner ?? null);
    if (on.has('config') && canonical === 'phone') return;
    if (owner !== null) return this.#owner(name, field, owner, edits, sales, about);
    if (field.type === 'optOut') return this.#consent(name, edits, sales, about);
    if (field.fillIfEmpty === true) return this.#filled(name, field, edits, sales, about);
    // Parts of a name may come from both sides: nobody entered the whole.
    if (on.has('names') && canonical === 'lastName') return;
    this.#newest(name, field, edits, stuck === 'intercom' ? inter : sales, about);
  }

  /** Somebody edited it, and on each side that was done, after the configuration changed. */
  #isMapped({ canonical }: MappedField, whose: number): boolean {
    const { history, people, firstAction } = this.#ran;
    const changed = history.actions.find((action) => action.do === 'config');
    const edits = people.edits.filter((edit) => edit.field === canonical && edit.whose === whose);
    return changed !== undefined && edits.length > 0 && edits.every(({ at }) => at > firstAction + changed.at);
  }

  #owner(
    name: string,
    field: MappedField,
    owner: PlatformName,
    edits: readonly Edit[],
    stands: Stored,
    about: readonly string[],
  ): void {
    const last = edits.findLast((edit) => edit.platform === owner);
    if (last === undefined || this.#alike(field, last.value, stands)) return;
    const text = `${name}: ${owner} owns ${field.canonical} and said ${JSON.stringify(last.value)}, ${JSON.stringify(stands)} stands`;
    this.#broken('owner', text, about);
  }

  #consent(name: string, edits: readonly Edit[], stands: Stored, about: readonly string[]): void {
    if (isOptedOut(edits) && stands !== true) this.#broken('consent', `${name} opted out and stands as not so`, about);
  }

  #filled(name: string, field: MappedField, edits: readonly Edit[], stands: Stored, about: readonly string[]): void {
    const { on } = this.#ran.history.world;
    // Where edits are known much later than they happen, or at once with the first snapshot, anybody may have been first.
    if (lateKnown.some((fault) => on.has(fault)) || this.#ran.people.gone.has(name)) return;
    const holder = filled(edits, knownWithinMs);
    if (holder === undefined || this.#alike(field, holder.value, stands)) return;
    const text = `${name}: ${field.canonical} was filled with ${JSON.stringify(holder.value)}, ${JSON.stringify(stands)} stands`;
    this.#broken('fill', text, about);
  }

  /** The winner is the last edit that entered what stands; nothing may be newer than it by more than a second can hide. */
  #newest(name: string, field: MappedField, edits: readonly Edit[], stands: Stored, about: readonly string[]): void {
    const newest = edits.at(-1);
    if (newest === undefined) return;
    const winner = edits.findLast((edit) => this.#alike(field, edit.value, stands));
    if (winner === undefined) {
      // What was there before anybody wrote it down.
      if (!empty(stands) || edits.some(({ first }) => first))
        this.#broken('newest', `${name}: nobody entered ${JSON.stringify(stands)} as ${field.canonical}`, about);
      else
        this.#broken(
          'newest',
          `${name}: ${field.canonical} is empty, ${JSON.stringify(newest.value)} was entered`,
          about,
        );
      return;
    }
    const told = (edit: Edit): string =>
      `${JSON.stringify(edit.value)} of ${edit.platform} (${edit.at % 10_000_000} ms)`;
    const own = edits.findLast((edit) => edit.id === winner.id && edit.at > winner.at);
    if (own !== undefined) {
      const text = `${name}: ${field.canonical} is ${told(winner)}, and the same record said ${told(own)} later`;
      this.#broken('order', text, about, this.#hidden(winner, own));
    } else if (newest.at - winner.at > toleranceMs + this.#lagMs() + Math.abs(this.#ran.clock.skewMs)) {
      const text = `${name}: ${field.canonical} is ${told(winner)}, and ${told(newest)} is newer`;
      this.#broken('newest', text, about, this.#asNew(winner, newest) || this.#unheard(newest, field));
    }
  }

  /** Intercom's REST tells whole seconds: two edits within one are in no order there. Salesforce's stream has one. */
  #hidden(winner: Edit, later: Edit): string {
    const isOneSecond = Math.floor(winner.at / 1000) === Math.floor(later.at / 1000);
    return winner.platform === 'intercom' && isOneSecond ? 'both within one second of Intercom' : '';
  }

  #asNew(winner: Edit, newest: Edit): string {
    const { writes, heard, people } = this.#ran;
    return whyAsNew(winner, newest, { edits: people.edits, heard, writes: writes.intercom }, toleranceMs);
  }

  /** What nobody was told of and a write of ours replaced before anybody read it has left no trace. */
  #unheard(edit: Edit, field: MappedField): string {
    const { platform, id, at } = edit;
    const { writes, heard } = this.#ran;
    const isReplaced = writes[platform].some((write) => write.what === id && write.at > at);
    if (!isReplaced) return '';
    if (platform === 'intercom') {
      const isKnown = heard.some((one) => one.id === id && one.happened === at);
      return isKnown ? '' : 'its notification was lost, and a write of ours replaced it unread';
    }
    return toldAt(this.#ran, edit, field, this.#alike) !== undefined
      ? ''
      : 'no event of Salesforce told of it by itself, and a write of ours replaced it unread';
  }

  /** SystemModstamp is set when a row is written, the commit comes later. */
  #lagMs(): number {
    return this.#ran.history.world.on.has('long') ? 4_000 : 0;
  }

  #membership(name: string, a: Shown, b: Shown, parties: readonly Party[]): void {
    const numberOf = (platform: PlatformName, id: string): number | undefined =>
      parties.find(
        (one) => one.kind === 'company' && one[platform].some((company) => company.id === id && company.alive),
      )?.whose;
    const there = [...new Set(b.companies.flatMap((id) => numberOf('intercom', id) ?? []))];
    const here = [...new Set(a.companies.flatMap((id) => numberOf('salesforce', id) ?? []))];
    if (here.length === there.length && here.every((one) => there.includes(one))) return;
    this.#broken(
      'agree',
      `${name}: belongs to company ${here.join() || 'none'} in Salesforce and ${there.join() || 'none'} in Intercom`,
      [a.id, b.id],
    );
  }

  #silent(): void {
    const { endless, clock } = this.#ran;
    if (endless) this.#broken('silent', `still busy after ${clock.steps} steps`);
  }

  #accounted(): void {
    const { unify, log } = this.#ran;
    for (const poison of unify.poisons) this.#broken('accounted', `unify could not decide ${poison}`);
    for (const { topic, key } of unify.outputs)
      if (topic === 'unify.dlq') this.#broken('accounted', `a dead letter of unify about ${key}`, [key]);
    if (unify.position !== log.records.length)
      this.#broken('accounted', `unify stands at ${unify.position} of ${log.records.length}`);
  }

  #prompt(): void {
    const { history, settled } = this.#ran;
    const isSound = [...history.world.on].every((one) => undelayed.has(one));
    if (!isSound || !settled) return;
    for (const { id, text } of lateOnes(this.#ran)) this.#broken('prompt', text, [id]);
  }

  #quota(): void {
    const plan = planOf(this.#ran.history.world);
    for (const [platform, begun] of Object.entries(this.#ran.network.begun))
      for (let i = plan.perWindow; i < begun.length; i++) {
        const within = (begun[i] ?? 0) - (begun[i - plan.perWindow] ?? 0);
        if (within < plan.windowMs)
          return this.#broken('quota', `${plan.perWindow + 1} calls of ${platform} within ${within} ms`);
      }
  }

  /** After the first snapshot has settled: each edit is written once to the other side, once back where it lost. */
  #writes(): void {
    const { people, writes, network, restarts, firstAction, settled, history } = this.#ran;
    if (!settled) return;
    const edits = people.edits.filter((edit) => !edit.first);
    // Where it is late with anything, some of the first snapshot's work may fall into the time of the edits.
    const isCalm = [...history.world.on].every((one) => one === 'companies' || one === 'oneway');
    if (isCalm) for (const { id, text } of excessOf(this.#ran, this.#journal)) this.#broken('writes', text, [id]);
    const late = isCalm ? 0 : (history.people.length + history.companies.length) * 4;
    for (const platform of ['salesforce', 'intercom'] as const) {
      const made = writes[platform].filter(({ at }) => at >= firstAction).length;
      // A person entered is created and then told who they are there; a move leaves one company and joins another.
      const entered = new Set(people.edits.filter(({ first, at }) => first && at >= firstAction).map(({ id }) => id))
        .size;
      const allowed =
        edits.length +
        people.moves.length * 2 +
        entered * 4 +
        (network.doubtful + restarts * 4) * 2 +
        people.deletions +
        // A locked row is tried again.
        people.locks * 8 +
        // Joined records take over each other's values.
        (people.merged.size + people.converted.size) * 8 +
        late;
      if (made > allowed)
        this.#broken(
          'writes',
          `${made} writes to ${platform} for ${edits.length} edits (${allowed} allowed) in ${history.world.name}`,
        );
    }
  }
}

const isAlive = ({ alive }: Shown): boolean => alive;
