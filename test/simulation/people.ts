/**
 * The people of a history, and the truth about what they did: who edited what, when, and in which order the platform
 * committed it. The oracle judges by this and by nothing that unify says.
 */
import type { Caller } from '../../twins/salesforce/model.ts';
import type { Clock } from './clock.ts';
import { companyFields, type MappedField, type PlatformName, personFields } from './fields.ts';
import { intercomBody, intercomValue, type Kind, type Stored, type Stores } from './stores.ts';
import type { Trace } from './trace.ts';
import type { Action, History } from './world.ts';

/** One field that a person changed on one record, as the platform stored it. */
export interface Edit {
  readonly n: number;
  readonly at: number;
  readonly platform: PlatformName;
  readonly kind: Kind;
  /** Person or company by number. */
  readonly whose: number;
  readonly id: string;
  readonly field: string;
  readonly before: Stored;
  readonly value: Stored;
  /** Entered with the record: nobody changed anything. */
  readonly first: boolean;
}

export class People {
  readonly edits: Edit[] = [];
  /** Whole records that people entered, by `platform:kind:id`. */
  readonly entered = new Map<string, number>();
  /** Of these, those that people entered themselves. */
  readonly byPeople = new Set<string>();
  /** `person 3`: deleted somewhere by somebody. */
  readonly gone = new Set<string>();
  readonly moves: {
    readonly at: number;
    readonly who: number;
    readonly on: PlatformName;
    readonly company: number | null;
  }[] = [];
  deletions = 0;
  readonly #stores: Stores;
  readonly #clock: Clock;
  readonly #trace: Trace;
  readonly #history: History;
  readonly #caller: Caller;
  readonly #onIntercom: () => void;

  constructor(history: History, stores: Stores, clock: Clock, trace: Trace, onIntercom: () => void) {
    this.#history = history;
    this.#stores = stores;
    this.#clock = clock;
    this.#trace = trace;
    this.#onIntercom = onIntercom;
    this.#caller = {
      userId: stores.salesforce.personUserId,
      changeOrigin: 'com/salesforce/api/soap/67.0;client=SfdcInternalAPI/',
    };
  }

  /** Who is there before anybody looks. */
  settle(): void {
    this.#history.companies.forEach(({ on }, which) => this.#enterCompany(which, on));
    this.#history.people.forEach((person, who) => {
      if (person.salesforce) this.#enter(who, 'salesforce', person.company);
      if (person.intercom) this.#enter(who, 'intercom', person.company);
    });
  }

  act(action: Action): void {
    const { edits } = this;
    const before = edits.length;
    switch (action.do) {
      case 'edit':
        this.#edit('person', action.who, action.on, fieldOf(personFields, action.field), action.value);
        break;
      case 'company':
        this.#edit('company', action.which, action.on, fieldOf(companyFields, action.field), action.value);
        break;
      case 'create':
        this.#enter(action.who, action.on, null);
        return;
      case 'move':
        this.#move(action.who, action.on, action.company);
        return;
      case 'delete':
        this.#delete(action.who, action.on);
        return;
      default:
        return;
    }
    for (const { platform, kind, whose, field, before: old, value } of edits.slice(before))
      this.#trace.say(
        'person',
        '',
        `changes ${field} of ${kind} ${whose} in ${platform} from ${JSON.stringify(old)} to ${JSON.stringify(value)}`,
      );
  }

  /** Whose record it is: entered by people, or made by us with what names its person. */
  whose(platform: PlatformName, kind: Kind, id: string): number {
    const known = this.entered.get(`${platform}:${kind}:${id}`);
    if (known !== undefined) return known;
    const shown = this.#stores.find(platform, kind, id);
    const name = String(shown?.values[kind === 'person' ? 'email' : 'name'] ?? '');
    const whose = Number(/^[pc](\d+)/.exec(name)?.[1] ?? -1);
    // What it was founded as counts: somebody may edit its name later.
    if (whose >= 0) this.entered.set(`${platform}:${kind}:${id}`, whose);
    return whose;
  }

  #entered(on: PlatformName, kind: Kind, id: string, whose: number): void {
    this.entered.set(`${on}:${kind}:${id}`, whose);
    this.byPeople.add(`${on}:${kind}:${id}`);
  }

  /** How many records of theirs people entered on a platform. */
  enteredOn(platform: PlatformName, kind: Kind, whose: number): number {
    const prefix = `${platform}:${kind}:`;
    return [...this.byPeople].filter((key) => key.startsWith(prefix) && this.entered.get(key) === whose).length;
  }

  /** The record of a person or company on a platform, the first that lives. */
  #record(kind: Kind, whose: number, on: PlatformName): string | undefined {
    return this.#stores.ids(on, kind).find((id) => this.whose(on, kind, id) === whose);
  }

  #enter(who: number, on: PlatformName, company: number | null): void {
    const { salesforce, intercom } = this.#stores;
    const { now } = this.#clock;
    const values = this.#stores.first(who, on);
    let id: string;
    if (on === 'salesforce') {
      const account = company === null ? undefined : this.#record('company', company, on);
      const row = { ...values, ...(account === undefined ? {} : { AccountId: account }) };
      const [result] = salesforce.execute([{ op: 'create', object: 'Contact', row }], this.#caller, now);
      if (result?.success !== true) throw new Error(`nobody can be entered: ${JSON.stringify(result)}`);
      id = result.id;
    } else {
      if (this.#emailTaken(String(values['email']))) return;
      id = intercom.createContact({ role: 'user', ...intercomBody(values) }, now).value.id;
      const there = company === null ? undefined : this.#record('company', company, on);
      if (there !== undefined) intercom.attach(id, there, now);
      this.#onIntercom();
    }
    this.#entered(on, 'person', id, who);
    this.#trace.say('person', id, `enters person ${who} in ${on} as ${id}`);
    for (const field of personFields) {
      const value = values[field[on]];
      if (value !== undefined) this.#note('person', who, on, id, field, null, value, true);
    }
  }

  #emailTaken(email: string): boolean {
    return this.#stores.intercom.everything().contacts.some((contact) => contact.email === email);
  }

  #enterCompany(which: number, on: PlatformName): void {
    const { salesforce, intercom } = this.#stores;
    const { now } = this.#clock;
    const name = `c${which}`;
    let id: string;
    if (on === 'salesforce') {
      const [result] = salesforce.execute(
        [{ op: 'create', object: 'Account', row: { Name: name } }],
        this.#caller,
        now,
      );
      if (result?.success !== true) throw new Error('no company can be entered');
      id = result.id;
    } else {
      id = intercom.upsertCompany({ company_id: `theirs-${which}`, name }, now).value.id;
      this.#onIntercom();
    }
    this.#entered(on, 'company', id, which);
    this.#trace.say('person', id, `enters company ${which} in ${on} as ${id}`);
    this.#note('company', which, on, id, fieldOf(companyFields, 'name'), null, name, true);
  }

  #edit(kind: Kind, whose: number, on: PlatformName, field: MappedField, value: Stored): void {
    const id = this.#record(kind, whose, on);
    if (id === undefined) return;
    const { salesforce, intercom } = this.#stores;
    const { now } = this.#clock;
    if (on === 'salesforce') {
      const object = kind === 'person' ? 'Contact' : 'Account';
      const before = this.#stores.salesforceValue(object, id, field);
      const [result] = salesforce.execute(
        [{ op: 'update', object, id, row: { [field.salesforce]: value } }],
        this.#caller,
        now,
      );
      if (result?.success !== true) return;
      this.#note(kind, whose, on, id, field, before, this.#stores.salesforceValue(object, id, field), false);
      return;
    }
    const body = intercomBody({ [field.intercom]: value });
    if (kind === 'person') {
      if (field.canonical === 'email' && this.#emailTaken(String(value).toLowerCase())) return;
      const before = intercomValue(intercom.contact(id), field.intercom);
      const { value: after } = intercom.updateContact(id, body, now);
      this.#note(kind, whose, on, id, field, before, intercomValue(after, field.intercom), false);
    } else {
      const before = intercomValue(intercom.company(id), field.intercom);
      const { value: after } = intercom.updateCompany(id, body, now);
      this.#note(kind, whose, on, id, field, before, intercomValue(after, field.intercom), false);
    }
    this.#onIntercom();
  }

  #move(who: number, on: PlatformName, company: number | null): void {
    const id = this.#record('person', who, on);
    const to = company === null ? null : this.#record('company', company, on);
    if (id === undefined || to === undefined) return;
    const { salesforce, intercom } = this.#stores;
    const { now } = this.#clock;
    if (on === 'salesforce') {
      salesforce.execute([{ op: 'update', object: 'Contact', id, row: { AccountId: to } }], this.#caller, now);
    } else {
      for (const old of intercom.contact(id).companies) if (old !== to) intercom.detach(id, old, now);
      if (to !== null) intercom.attach(id, to, now);
      this.#onIntercom();
    }
    this.moves.push({ at: now, who, on, company });
    this.#trace.say('person', id, `moves person ${who} in ${on} to company ${company ?? 'none'}`);
  }

  #delete(who: number, on: PlatformName): void {
    const id = this.#record('person', who, on);
    if (id === undefined) return;
    const { salesforce, intercom } = this.#stores;
    this.deletions += 1;
    this.gone.add(`person ${who}`);
    this.#trace.say('person', id, `deletes person ${who} in ${on}`);
    if (on === 'salesforce')
      salesforce.execute([{ op: 'delete', object: 'Contact', id }], this.#caller, this.#clock.now);
    else {
      intercom.deleteContact(id, this.#clock.now);
      this.#onIntercom();
    }
  }

  #note(
    kind: Kind,
    whose: number,
    platform: PlatformName,
    id: string,
    field: MappedField,
    before: Stored,
    value: Stored,
    first: boolean,
  ): void {
    if (before === value && !first) return;
    const n = this.edits.length;
    this.edits.push({
      n,
      at: this.#clock.now,
      platform,
      kind,
      whose,
      id,
      field: field.canonical,
      before,
      value,
      first,
    });
  }
}

function fieldOf(fields: readonly MappedField[], name: string): MappedField {
  const found = fields.find((field) => field.canonical === name);
  if (found === undefined) throw new Error(`no field ${name}`);
  return found;
}
