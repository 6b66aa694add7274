/**
 * What must be true when a history has fallen silent. The oracle knows what people did (people.ts), what the platforms
 * are known to make of values, and what stands in both stores; it asks nothing of unify, whose journal only tells it what
 * to call a difference that it found by itself.
 */
import type { JournalEntry } from '../../schemas/types.ts';
import { duplicated } from './duplicates.ts';
import { Ends } from './ends.ts';
import { FieldJudge, whyUnlisted } from './field-judge.ts';
import { companyFields, type MappedField, type PlatformName, personFields } from './fields.ts';
import { joinedWrong } from './joined.ts';
import { known } from './known.ts';
import { accounted, fresh, prompt, quota, silent, writesBounded } from './limits.ts';
import { judgeMerged, wasMerged } from './merged.ts';
import { needless } from './needless.ts';
import { judgeOperators } from './operators.ts';
import { rewritten } from './others.ts';
import { isAlive, Parties, type Party } from './parties.ts';
import type { Judging, Violation } from './promises.ts';
import { whyReplayed } from './replay.ts';
import { judgeSharing } from './sharing.ts';
import type { Ran } from './simulate.ts';
import type { Kind, Shown, Stored } from './stores.ts';
import type { World } from './world.ts';

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

const fieldsOf = (kind: Kind): readonly MappedField[] => (kind === 'person' ? personFields : companyFields);

/** Why nobody can know of a company of Intercom that lists nobody any more; empty: they can. */
function whyUnmet({ log }: Ran, id: string): string {
  const isTold = log.records.some(({ change: { observation, result } }) =>
    [observation, result?.returned].some(
      (told) =>
        told?.ref.endsWith(`:${id}`) === true ||
        (Array.isArray(told?.fields['companies']) && told.fields['companies'].some((one) => one === id)),
    ),
  );
  return isTold ? '' : 'nobody was told who belonged to it, and Intercom lists no company without people';
}

export class Oracle {
  readonly violations: Violation[] = [];
  readonly #judging: Judging;
  readonly #parties: Parties;
  readonly #fields: FieldJudge;
  #ends: Ends | undefined;

  constructor(ran: Ran) {
    const judging: Judging = {
      ran,
      alike: alikeIn(ran.history.world),
      journal: ran.unify.outputs.flatMap(({ topic, value }) =>
        topic === 'journal' && value !== null ? [value as JournalEntry] : [],
      ),
      broken: (promise, text, about = [], excuse = '') => this.violations.push({ promise, text, about, excuse }),
    };
    this.#judging = judging;
    this.#fields = new FieldJudge(judging);
    silent(judging);
    accounted(judging);
    quota(judging);
    fresh(judging);
    for (const again of ran.replayed) {
      const { what, fields } = again.write;
      const text = `${fields.join(', ')} of ${what} is written in ${again.platform} after all observations came again`;
      judging.broken('replay', text, [what], whyReplayed(again, ran.log.records.slice(0, ran.once), judging.alike));
    }
    this.#parties = new Parties(ran);
    if (ran.endless) return;
    for (const party of this.#parties.all) this.#party(party);
    judgeMerged(judging, this.#parties, this.#fields);
    judgeSharing(judging, this.#parties, this.#fields);
    judgeOperators(judging, this.#parties);
    for (const text of joinedWrong(ran.unify.outputs)) judging.broken('joined', text);
    prompt(judging);
    writesBounded(judging);
    needless(judging);
    known(judging);
  }

  #party(party: Party): void {
    const { kind, whose, salesforce, intercom } = party;
    const { ran, broken } = this.#judging;
    const name = `${kind} ${whose}`;
    const about = [...salesforce, ...intercom].map(({ id }) => id);
    if (whose < 0) return broken('duplicates', `a ${kind} that nobody entered: ${about.join(', ')}`, about);
    if (duplicated(this.#judging, this.#parties, party)) return;
    // Judged by whom unify takes for one (sharing.ts).
    if (this.#parties.isAmbiguous(party) || this.#parties.timesTakenApart(party) > 0) return;
    // What stands of who was merged is judged with whom they were merged with (merged.ts).
    if (kind === 'person' && wasMerged(ran, whose)) return this.#ended(name, party, true);
    const alive = { salesforce: salesforce.filter(isAlive), intercom: intercom.filter(isAlive) };
    // Nothing is created for what was deleted; what came back is held to everything.
    const isGone = ran.people.gone.has(name);
    if (isGone && (alive.salesforce.length === 0 || alive.intercom.length === 0)) return;
    const made = intercom.filter(({ id }) => !ran.people.byPeople.has(`intercom:${kind}:${id}`));
    if (made.length > 0 && this.#parties.isLead(party))
      broken('duplicates', `${name} is a lead alone, and was made a user of Intercom`, about);
    if (made.length > 0 && kind === 'company' && this.#parties.isDeserted(whose))
      broken('duplicates', `${name} was made in Intercom, where nobody can see it: nobody ever belonged to it`, about);
    if (this.#parties.isLead(party) || this.#parties.isVisitor(party)) return;
    for (const platform of ['salesforce', 'intercom'] as const) {
      const there = alive[other(platform)][0];
      if (alive[platform].length > 0 || there === undefined) continue;
      if (this.#parties.isWantedOn(platform, party))
        broken(
          'agree',
          `${name} is on ${other(platform)} and not on ${platform}`,
          about,
          kind === 'company' && platform === 'salesforce' && !this.#parties.isListed(whose)
            ? whyUnmet(ran, there.id)
            : '',
        );
    }
    const [a] = alive.salesforce;
    const [b] = alive.intercom;
    if (a === undefined || b === undefined) {
      const only = a ?? b;
      if (only !== undefined) for (const field of fieldsOf(kind)) this.#fields.alone(name, field, only);
      return;
    }
    const isListed = kind === 'person' || this.#parties.isListed(whose);
    for (const field of fieldsOf(kind)) this.#fields.judge(name, party, field, a, b, isListed);
    this.#ended(name, party, isListed);
    if (kind === 'person') this.#membership(party, a, b);
  }

  /** Edit by edit: each counts, is told to have lost, or was overtaken unseen. */
  #ended(name: string, { kind, whose }: Party, isListed: boolean): void {
    this.#ends ??= new Ends(this.#judging.ran, this.#judging.alike);
    const { on } = this.#judging.ran.history.world;
    const isFought = on.has('thirdwriter');
    const hasParts = on.has('names');
    for (const edit of this.#judging.ran.people.edits) {
      if (edit.first || edit.kind !== kind || edit.whose !== whose) continue;
      const field = fieldsOf(kind).find(({ canonical }) => canonical === edit.field);
      if (field === undefined || field.later === true || (isFought && edit.field === 'department')) continue;
      if (hasParts && edit.field === 'lastName') continue;
      const end = this.#ends.of(edit, field);
      const what = `${name}: ${edit.field} became ${JSON.stringify(edit.value)} in ${edit.platform}`;
      const excuse = isListed ? '' : whyUnlisted(this.#judging.ran, edit);
      if (end === 'unknown')
        this.#judging.broken('accounted', `${what}, and nothing became of that`, [edit.id], excuse);
      if (end === 'untold') this.#judging.broken('told', `${what}, and lost without a word`, [edit.id]);
    }
  }

  /** A company that only Intercom has says nothing of the account, and whoever belongs to it goes on to. */
  #membership({ whose }: Party, a: Shown, b: Shown): void {
    const { ran, broken } = this.#judging;
    const name = `person ${whose}`;
    const all = [...new Set(b.companies.flatMap((id) => this.#parties.companyOf('intercom', id) ?? []))];
    const there = all.filter((one) => !this.#parties.isForeign(one));
    const here = [...new Set(a.companies.flatMap((id) => this.#parties.companyOf('salesforce', id) ?? []))];
    const foreign = this.#parties.attachedByPeople(whose);
    if (foreign !== null && this.#parties.isForeign(foreign) && !all.includes(foreign) && !ran.people.gone.has(name))
      broken('agree', `${name}: was detached from company ${foreign}, which Salesforce does not have`, [b.id]);
    if (here.length === there.length && here.every((one) => there.includes(one))) return;
    broken(
      'agree',
      `${name}: belongs to company ${here.join() || 'none'} in Salesforce and ${there.join() || 'none'} in Intercom`,
      [a.id, b.id],
      this.#unheardMove(b, here, there),
    );
  }

  /** Who was attached to a company before a write of ours attached another one is told of by what shows the two. */
  #unheardMove({ id }: Shown, here: readonly number[], there: readonly number[]): string {
    const { people, log, writes } = this.#judging.ran;
    const whose = people.entered.get(`intercom:person:${id}`);
    const beside = there.filter((one) => !here.includes(one));
    const move = people.moves.findLast(
      ({ who, on, company }) => who === whose && on === 'intercom' && company !== null && beside.includes(company),
    );
    const isWritten = writes.intercom.some(
      ({ what, at, fields }) => what === id && at > (move?.at ?? Infinity) && fields.includes('companies'),
    );
    if (move === undefined || !isWritten) return '';
    const isTold = log.records.some(({ change: { observation } }) => {
      const value = observation?.ref.endsWith(`:${id}`) === true ? observation.fields['companies'] : null;
      const attached = Array.isArray(value)
        ? (value as readonly string[]).map((one) => this.#parties.companyOf('intercom', one) ?? -1)
        : [];
      const isLater = (observation?.at.time ?? 0) >= move.at;
      return isLater && attached.includes(move.company ?? -1) && !attached.some((one) => here.includes(one));
    });
    return isTold ? '' : 'its notification was lost, and a write of ours attached another company beside it';
  }
}
