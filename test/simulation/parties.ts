/** Who is who: the records that stand on both platforms, by the person or company whom people entered them as. */
import type { CustomerEvent, JournalEntry } from '../../schemas/types.ts';
import type { PlatformName } from './fields.ts';
import type { Operation } from './people.ts';
import type { Ran } from './simulate.ts';
import { emailHolder, type Kind, type Shown } from './stores.ts';

export interface Party {
  readonly kind: Kind;
  readonly whose: number;
  readonly salesforce: readonly Shown[];
  readonly intercom: readonly Shown[];
}

export class Parties {
  readonly all: readonly Party[];
  readonly #ran: Ran;

  constructor(ran: Ran) {
    this.#ran = ran;
    this.all = this.#found();
  }

  #found(): readonly Party[] {
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

  /** Leads alone create nothing, and nothing is created beside them. */
  isLead({ kind, whose }: Party): boolean {
    return (
      kind === 'person' &&
      this.#ran.history.people[whose]?.lead === true &&
      !this.#ran.people.converted.has(`person ${whose}`)
    );
  }

  /** A lead of Intercom, of whom Salesforce knows nothing: nothing is made of them there. */
  isVisitor({ kind, intercom, salesforce }: Party): boolean {
    const { people, stores } = this.#ran;
    if (kind !== 'person' || intercom.length === 0) return false;
    const isKnown = salesforce.some(({ id }) => people.byPeople.has(`salesforce:person:${id}`));
    return (
      !isKnown &&
      intercom.every(({ id }) => stores.intercom.everything().contacts.find((one) => one.id === id)?.role === 'lead')
    );
  }

  /** Several people of one email: nobody can tell which is which, so nothing is promised but that nothing is made up. */
  isAmbiguous({ kind, whose }: Party): boolean {
    const { history } = this.#ran;
    if (kind !== 'person') return false;
    const mine = emailHolder(history, whose);
    return history.people.some((_, who) => who !== whose && emailHolder(history, who) === mine);
  }

  /** How often an operator said that not all of their records are theirs, or gave one of several away to somebody. */
  timesTakenApart({ kind, whose }: Party): number {
    const { operations } = this.#ran.people;
    const theirs = kind === 'person' ? operations.filter((one) => one.whose === whose) : [];
    return theirs.filter((one) => one.verb === 'unlink' || (one.verb === 'pin' && this.#partsBy(one))).length;
  }

  /** A pin leaves the other records of a customer where they are: that customer goes on, as the journal and its events say. */
  #partsBy({ by, subject }: Operation): boolean {
    const { outputs } = this.#ran.unify;
    const answers = outputs.flatMap(({ topic, value }) => (topic === 'journal' ? [value as JournalEntry] : []));
    const said = answers.find(
      ({ source, reason }) => source === subject && reason.endsWith(`pinned by an operator (${by})`),
    );
    const [from] = Array.isArray(said?.other) ? said.other : [];
    const next = outputs
      .flatMap(({ topic, value }) => (topic === 'customer.events' ? [value as CustomerEvent] : []))
      .find(({ customerId, at }) => customerId === from && customerId !== said?.id && at >= (said?.at ?? 0));
    return next !== undefined && next.type !== 'merged';
  }

  isWantedOn(platform: PlatformName, { kind, whose }: Party): boolean {
    const oneWay = this.#ran.history.world.on.has('oneway');
    if (platform === 'salesforce') {
      // Intercom shows a company to nobody before somebody belongs to it.
      const shown = kind === 'person' || this.hasPeople(whose);
      return !oneWay && shown;
    }
    if (kind === 'person') return true;
    // A company is made where somebody belongs to it.
    const company = this.all.find((one) => one.kind === 'company' && one.whose === whose);
    const ids = new Set(company?.salesforce.map(({ id }) => id));
    return this.all.some(
      (one) =>
        one.kind === 'person' &&
        !this.isAmbiguous(one) &&
        one.intercom.some(isAlive) &&
        one.salesforce.some((person) => person.alive && person.companies.some((id) => ids.has(id))),
    );
  }

  /** Are they to be on both platforms? Not who is a lead, or was deleted on the one where they are missing. */
  isWanted(records: readonly Shown[], whose: readonly number[]): boolean {
    const { people, history } = this.#ran;
    const isOneWay = history.world.on.has('oneway') && records.every(({ platform }) => platform === 'intercom');
    const isLead = whose.some((who) => history.people[who]?.lead === true || history.people[who]?.visitor === true);
    return !isOneWay && !isLead && whose.every((who) => !people.gone.has(`person ${who}`));
  }

  /** The living company that an id stands for. */
  companyOf(platform: PlatformName, id: string): number | undefined {
    return this.all.find(
      (one) => one.kind === 'company' && one[platform].some((company) => company.id === id && company.alive),
    )?.whose;
  }

  /** Only Intercom has it, and nothing is created in Salesforce. */
  isForeign(company: number): boolean {
    const isHere = this.all.some((one) => one.kind === 'company' && one.whose === company && one.salesforce.length > 0);
    return this.#ran.history.world.on.has('oneway') && !isHere;
  }

  /** The company that people saw to it, in Intercom, that somebody belongs to. */
  attachedByPeople(who: number): number | null {
    const { people, history } = this.#ran;
    const last = people.moves.findLast((one) => one.who === who && one.on === 'intercom');
    if (last !== undefined) return last.company;
    const { intercom = false, company = null } = history.people[who] ?? {};
    return intercom && company !== null && history.companies[company]?.on === 'intercom' ? company : null;
  }

  hasPeople(company: number): boolean {
    return this.#isPeopled(company, () => true);
  }

  /** Nobody ever belonged to it. */
  isDeserted(company: number): boolean {
    const { history } = this.#ran;
    const isTheirs = (one: { readonly company?: number | null }): boolean => one.company === company;
    // Who is converted belongs to one that is made then.
    if (company >= history.companies.length) return false;
    return !history.people.some(isTheirs) && !history.actions.some((one) => one.do === 'move' && isTheirs(one));
  }

  /** Intercom lists a company to which somebody belongs who is not archived. */
  isListed(company: number): boolean {
    return this.#isPeopled(company, isAlive);
  }

  #isPeopled(company: number, counts: (person: Shown) => boolean): boolean {
    const ids =
      this.all.find((one) => one.kind === 'company' && one.whose === company)?.intercom.map(({ id }) => id) ?? [];
    return this.all.some(
      (one) =>
        one.kind === 'person' &&
        one.intercom.some((person) => counts(person) && person.companies.some((id) => ids.includes(id))),
    );
  }
}

export const isAlive = ({ alive }: Shown): boolean => alive;
