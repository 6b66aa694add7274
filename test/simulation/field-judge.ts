/** Field by field of a person or company on both platforms: do they agree, and on the right value? */
import { losing } from './conditions.ts';
import { firstHeard, isAskedAnyway, wholeSecond, whyAsNew } from './dates.ts';
import { doubtfulCalls } from './doubts.ts';
import { tellingOf } from './ends.ts';
import { type MappedField, type PlatformName, rulesOf } from './fields.ts';
import { whyFrozen } from './frozen.ts';
import type { Party } from './parties.ts';
import type { Edit } from './people.ts';
import type { Judging } from './promises.ts';
import { isRefused, isRejected } from './refusals.ts';
import type { Ran } from './simulate.ts';
import { filled, isOptedOut } from './standing.ts';
import { type Kind, lagMs, type Shown, type Stored } from './stores.ts';
import type { World } from './world.ts';

/** An edit is known within this, without these faults. */
const knownWithinMs = 15_000;
const lateKnown = [...losing, 'throttled', 'hole', 'gap', 'cold', 'crash', 'convert'] as const;

/** As far as platforms tell when something happened: whole seconds. */
const toleranceMs = 1_000;

const empty = (value: Stored): boolean => value === null || value === '';

/** Why nobody can know of an edit of a company without people in Intercom; empty: they can. */
export function whyUnlisted({ heard, people }: Ran, edit: Edit | undefined): string {
  const isTold = edit?.platform !== 'intercom' || firstHeard(edit, { edits: people.edits, heard }) !== undefined;
  return isTold ? '' : 'its notification was lost, and Intercom lists no company without people';
}

/** The platform whose value the other one does not take. */
function stuckOn(world: World, field: MappedField, a: Shown, b: Shown): PlatformName | null {
  if (isRefused(world, field, b.values[field.canonical] ?? null)) return 'intercom';
  return isRejected(world, field, a.values[field.canonical] ?? null) ? 'salesforce' : null;
}

export class FieldJudge {
  readonly #judging: Judging;

  constructor(judging: Judging) {
    this.#judging = judging;
  }

  judge(name: string, { kind, whose }: Party, field: MappedField, a: Shown, b: Shown, isListed: boolean): void {
    const excuse = isListed ? '' : whyUnlisted(this.#judging.ran, this.#last('intercom', kind, whose, field.canonical));
    if (!this.agrees(name, [whose], field, a, b, excuse)) return;
    const edits = this.#judging.ran.people.edits.filter(
      (edit) => edit.kind === kind && edit.whose === whose && edit.field === field.canonical,
    );
    this.stands(name, field, edits, a, b);
  }

  /** Do two records say the same? false: they do not, or need not, and nothing more can be said of the value. */
  agrees(name: string, whose: readonly number[], field: MappedField, a: Shown, b: Shown, excuse = ''): boolean {
    const about = [a.id, b.id];
    const { canonical } = field;
    const [sales, inter] = [a.values[canonical] ?? null, b.values[canonical] ?? null];
    const { world } = this.#judging.ran.history;
    const { on } = world;
    // Two who never give in: it only has to end.
    if (on.has('thirdwriter') && canonical === 'department') return false;
    // Neither side takes the other's: each keeps its own.
    if (isRefused(world, field, inter) && isRejected(world, field, sales)) return false;
    // Mapped by the change alone: without one nobody carries it, and what was there before may stay as it is.
    if (field.later === true && !whose.every((one) => this.#isMapped(field, one))) return false;
    // Consent gets stricter wherever somebody says so, and where it cannot be written it stays so where it was said.
    if (on.has('oneway') && field.type === 'optOut' && inter === true) return false;
    if (stuckOn(world, field, a, b) !== null || this.#judging.alike(field, sales, inter)) return true;
    const { journal } = this.#judging;
    const { people } = this.#judging.ran;
    const given = journal.some(
      (entry) =>
        (entry.kind === 'settled' || entry.kind === 'refused') &&
        [field.salesforce, field.intercom].includes(entry.field) &&
        about.some((id) => entry.source.endsWith(id)),
    );
    this.#judging.broken(
      given ? 'quiet' : 'agree',
      `${name}: ${canonical} is ${JSON.stringify(sales)} in Salesforce and ${JSON.stringify(inter)} in Intercom`,
      about,
      excuse || whyFrozen(canonical, about, { edits: people.edits, journal }, rulesOf(world).freeze),
    );
    return false;
  }

  /** Nobody else has a say in a record that is the only one of its person or company: its own last value stands. */
  alone(name: string, field: MappedField, { id, platform, values }: Shown): void {
    const { canonical, type, later } = field;
    const { people, history } = this.#judging.ran;
    const edits = people.edits.filter((edit) => edit.field === canonical && `${edit.kind} ${edit.whose}` === name);
    const last = edits.at(-1);
    // Consent only gets stricter by itself; and two who never give in are judged only by that it ends.
    const isElse = type === 'optOut' || later === true || history.world.on.has('thirdwriter');
    if (last === undefined || isElse || edits.some((edit) => edit.id !== id)) return;
    const stands = values[canonical] ?? null;
    if (this.#judging.alike(field, last.value, stands)) return;
    const text = `${name}: ${canonical} became ${JSON.stringify(last.value)} in its only record, on ${platform}, and is ${JSON.stringify(stands)}`;
    this.#judging.broken('order', text, [id]);
  }

  /** Is what both say the right value? */
  stands(name: string, field: MappedField, edits: readonly Edit[], a: Shown, b: Shown): void {
    const { world } = this.#judging.ran.history;
    const { on } = world;
    const { canonical } = field;
    const about = [a.id, b.id];
    const [sales, inter] = [a.values[canonical] ?? null, b.values[canonical] ?? null];
    const owner = on.has('oneway') ? 'salesforce' : (field.owner ?? null);
    if (on.has('config') && canonical === 'phone') return;
    if (owner !== null) return this.#owner(name, field, owner, edits, sales, about);
    if (field.type === 'optOut') return this.#consent(name, edits, sales, about);
    if (field.fillIfEmpty === true) return this.#filled(name, field, edits, sales, about);
    // Parts of a name may come from both sides: nobody entered the whole.
    if (on.has('names') && canonical === 'lastName') return;
    this.#newest(name, field, edits, stuckOn(world, field, a, b) === 'intercom' ? inter : sales, about);
  }

  #last(platform: PlatformName, kind: Kind, whose: number, field: string): Edit | undefined {
    const { edits } = this.#judging.ran.people;
    return edits.findLast(
      (edit) => edit.platform === platform && edit.kind === kind && edit.whose === whose && edit.field === field,
    );
  }

  /** Somebody edited it, and on each side that was done, after the configuration changed. */
  #isMapped({ canonical }: MappedField, whose: number): boolean {
    const { history, people, firstAction } = this.#judging.ran;
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
    if (last === undefined || this.#judging.alike(field, last.value, stands)) return;
    const text = `${name}: ${owner} owns ${field.canonical} and said ${JSON.stringify(last.value)}, ${JSON.stringify(stands)} stands`;
    this.#judging.broken('owner', text, about);
  }

  #consent(name: string, edits: readonly Edit[], stands: Stored, about: readonly string[]): void {
    if (isOptedOut(edits) && stands !== true)
      this.#judging.broken('consent', `${name} opted out and stands as not so`, about);
  }

  #filled(name: string, field: MappedField, edits: readonly Edit[], stands: Stored, about: readonly string[]): void {
    const { on } = this.#judging.ran.history.world;
    // Where edits are known much later than they happen, or at once with the first snapshot, anybody may have been first.
    if (lateKnown.some((fault) => on.has(fault)) || this.#judging.ran.people.gone.has(name)) return;
    const holder = filled(edits, knownWithinMs);
    if (holder === undefined || this.#judging.alike(field, holder.value, stands)) return;
    const text = `${name}: ${field.canonical} was filled with ${JSON.stringify(holder.value)}, ${JSON.stringify(stands)} stands`;
    this.#judging.broken('fill', text, about);
  }

  /** The winner is the last edit that entered what stands; nothing may be newer than it by more than a second can hide. */
  #newest(name: string, field: MappedField, edits: readonly Edit[], stands: Stored, about: readonly string[]): void {
    const newest = edits.at(-1);
    if (newest === undefined) return;
    const entered = [...edits, ...this.#broughtByMerges(field, about)];
    const winners = entered.filter((edit) => this.#judging.alike(field, edit.value, stands)).reverse();
    if (winners.length === 0) {
      // What was there before anybody wrote it down.
      if (!empty(stands) || edits.some(({ first }) => first))
        this.#judging.broken(
          'newest',
          `${name}: nobody entered ${JSON.stringify(stands)} as ${field.canonical}`,
          about,
        );
      else
        this.#judging.broken(
          'newest',
          `${name}: ${field.canonical} is empty, ${JSON.stringify(newest.value)} was entered`,
          about,
        );
      return;
    }
    // Entered more than once, it may stand for any of them: for one that is all right, or is excused, else for the last.
    const faults = winners.map((winner) => this.#faultOf(winner, edits, field));
    if (faults.includes(undefined)) return;
    const fault = faults.find((one) => one?.excuse !== '') ?? faults[0];
    if (fault !== undefined) this.#judging.broken(fault.promise, `${name}: ${fault.text}`, about, fault.excuse);
  }

  /**
   * What a record that lives on got from the one that was merged into it, where it had nothing: the platform put it there
   * and dates it by the merge, as an edit.
   */
  #broughtByMerges(field: MappedField, about: readonly string[]): readonly Edit[] {
    const { alike, ran } = this.#judging;
    const { canonical } = field;
    return ran.people.merges.flatMap(({ at, on, who, loser, into, chosen }, n) => {
      const value = chosen[canonical] ?? null;
      const earlier = ran.people.edits.filter((edit) => edit.field === canonical && edit.at <= at);
      const own = earlier.findLast(({ id }) => id === into);
      const isFilled =
        empty(own?.value ?? null) &&
        !ran.writes[on].some((write) => write.what === into && write.at > (own?.at ?? 0) && write.at < at) &&
        earlier.some((edit) => edit.whose === loser && alike(field, edit.value, value));
      if (!about.includes(into) || empty(value) || !isFilled) return [];
      const edit = { n, at, platform: on, kind: 'person', whose: who, id: into, field: canonical } as const;
      return [{ ...edit, before: null, value, first: false }];
    });
  }

  /** What is wrong with it if this edit is what stands; undefined: nothing. */
  #faultOf(
    winner: Edit,
    edits: readonly Edit[],
    field: MappedField,
  ): { readonly promise: 'order' | 'newest'; readonly text: string; readonly excuse: string } | undefined {
    const told = (edit: Edit): string =>
      `${JSON.stringify(edit.value)} of ${edit.platform} (${edit.at % 10_000_000} ms)`;
    const own = edits
      .filter((edit) => edit.id === winner.id && edit.at > winner.at)
      .map((edit) => ({ edit, excuse: this.#hidden(winner, edit) || this.#unknowable(edit, field) }));
    const later = own.findLast(({ excuse }) => excuse === '') ?? own.at(-1);
    if (later !== undefined) {
      const text = `${field.canonical} is ${told(winner)}, and the same record said ${told(later.edit)} later`;
      return { promise: 'order', text, excuse: later.excuse };
    }
    const answer = edits.find((edit) => this.#answers(edit, winner, field));
    if (answer !== undefined) {
      const text = `${field.canonical} is ${told(winner)}, which ${told(answer)} replaced where we had written it`;
      return { promise: 'newest', text, excuse: this.#unknowable(answer, field) };
    }
    const newest = edits.at(-1);
    const slackMs = toleranceMs + lagMs(this.#judging.ran.history.world) + Math.abs(this.#judging.ran.clock.skewMs);
    if (newest === undefined || newest.at - winner.at <= slackMs) return undefined;
    const text = `${field.canonical} is ${told(winner)}, and ${told(newest)} is newer`;
    return { promise: 'newest', text, excuse: this.#asNew(winner, newest) || this.#unknowable(newest, field) };
  }

  /** Did somebody replace what a write of ours had brought to their record? Then they come after it, whatever the clocks say. */
  #answers(edit: Edit, winner: Edit, field: MappedField): boolean {
    const { alike, ran } = this.#judging;
    if (edit.id === winner.id || edit.at <= winner.at || !alike(field, edit.before, winner.value)) return false;
    return ran.writes[edit.platform].some(
      ({ what, at, asked }) =>
        what === edit.id &&
        at > winner.at &&
        at < edit.at &&
        alike(field, (asked[field[edit.platform]] ?? null) as Stored, winner.value) &&
        field[edit.platform] in asked,
    );
  }

  /** Intercom's REST tells whole seconds: two edits within one are in no order there. Salesforce's stream has one. */
  #hidden(winner: Edit, later: Edit): string {
    if (winner.platform !== 'intercom') return '';
    return wholeSecond(winner.at) === wholeSecond(later.at) ? 'both within one second of Intercom' : '';
  }

  #asNew(winner: Edit, newest: Edit): string {
    const { writes, heard, people } = this.#judging.ran;
    return whyAsNew(winner, newest, { edits: people.edits, heard, writes: writes.intercom }, toleranceMs);
  }

  #unknowable(edit: Edit, field: MappedField): string {
    return this.#unheard(edit, field) || this.#asDoubtful(edit, field) || this.#asOurs(edit, field);
  }

  /** Intercom names no writer, and answers a write by the second. */
  #asOurs(edit: Edit, field: MappedField): string {
    const isAsked =
      edit.platform === 'intercom' && isAskedAnyway(edit, field.intercom, this.#judging.ran.writes.intercom);
    return isAsked ? 'a write of ours asked for the very value just after somebody entered it in Intercom' : '';
  }

  /** Intercom names no writer: who enters what a call in doubt had asked may be that call, carried out late. */
  #asDoubtful({ platform, id, at, value }: Edit, field: MappedField): string {
    if (platform !== 'intercom') return '';
    const asked = doubtfulCalls(this.#judging.ran).some(
      ({ ref, fields, from, until }) =>
        ref.endsWith(`:${id}`) &&
        from < at &&
        at <= until &&
        field.intercom in fields &&
        this.#judging.alike(field, fields[field.intercom] as Stored, value),
    );
    return asked ? 'a call of ours in doubt had asked for the very value, and may have been carried out late' : '';
  }

  /** What nobody was told of and a write of ours replaced before anybody read it has left no trace. */
  #unheard(edit: Edit, field: MappedField): string {
    const { platform, id, at } = edit;
    const { writes, heard } = this.#judging.ran;
    const isReplaced = writes[platform].some(
      (write) => write.what === id && write.at > at && write.fields.includes(field[platform]),
    );
    if (!isReplaced) return '';
    if (platform === 'intercom') {
      const isKnown = heard.some((one) => one.id === id && one.happened === at);
      return isKnown ? '' : 'its notification was lost, and a write of ours replaced it unread';
    }
    return tellingOf(this.#judging.ran, edit, field, this.#judging.alike) !== undefined
      ? ''
      : 'no event of Salesforce told of it by itself, and a write of ours replaced it unread';
  }
}
