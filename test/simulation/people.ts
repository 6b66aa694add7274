/**
 * The people of a history, and the truth about what they did: who edited what, when, and in which order the platform
 * committed it. The oracle judges by this and by nothing that unify says.
 */
import { Refusal } from '../../twins/intercom/types.ts';
import type { Caller } from '../../twins/salesforce/model.ts';
import type { Clock } from './clock.ts';
import type { Verb } from './conditions.ts';
import { companyFields, givenName, type MappedField, type PlatformName, personFields } from './fields.ts';
import { isRejected } from './refusals.ts';
import { intercomBody, intercomValue, type Kind, type Shown, type Stored, type Stores } from './stores.ts';
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

/** What an operator said, under a name of its own, so that the journal's answer can be found. */
export interface Operation {
  readonly at: number;
  readonly verb: Verb;
  readonly by: string;
  readonly whose: number;
  readonly subject: string;
  readonly argument: string;
}

/** Numbers of the crowd: above all who are ever entered one by one. */
const firstOfCrowd = 200;

/** What somebody enters that Intercom refuses, for another contact has it, one that was merged away too, comes to nothing. */
function unlessTaken<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal && error.status === 409) return undefined;
    throw error;
  }
}

export class People {
  readonly edits: Edit[] = [];
  /** Whole records that people entered, by `platform:kind:id`. */
  readonly entered = new Map<string, number>();
  /** Of these, those that people entered themselves. */
  readonly byPeople = new Set<string>();
  /** `person 3`: deleted somewhere by somebody. */
  readonly gone = new Set<string>();
  /** `person 3`: merged with somebody somewhere. */
  readonly merged = new Set<string>();
  readonly merges: {
    readonly at: number;
    readonly on: PlatformName;
    readonly who: number;
    readonly loser: number;
    readonly from: string;
    readonly into: string;
    /** What the survivor showed right after it. */
    readonly chosen: Shown['values'];
  }[] = [];
  /** `person 3`: no lead any more, since then. */
  readonly converted = new Map<string, number>();
  readonly moves: {
    readonly at: number;
    readonly who: number;
    readonly on: PlatformName;
    readonly company: number | null;
  }[] = [];
  readonly operations: Operation[] = [];
  readonly deletions: { readonly at: number; readonly id: string }[] = [];
  /** Whose record was brought back, each time. */
  readonly returns: number[] = [];
  locks = 0;
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
    for (let n = 0; n < (this.#history.crowd ?? 0); n++)
      for (const on of ['salesforce', 'intercom'] as const) this.#enter(firstOfCrowd + n, on, null);
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
      case 'undelete':
        this.#undelete(action.who, action.on);
        return;
      case 'merge':
        this.#merge(action.who, action.loser, action.on);
        return;
      case 'convert':
        this.#convert(action.who);
        return;
      case 'lock':
        this.#lock(action.who, action.forMs);
        return;
      case 'signup':
        this.#signUp(action.who);
        return;
      case 'bulk':
        this.#bulk(fieldOf(personFields, action.field), action.text);
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
    // Several may share an email, nobody a name.
    const name = String(shown?.values[kind === 'person' ? 'lastName' : 'name'] ?? '');
    const whose = Number(/^[pc](\d+)/i.exec(name)?.[1] ?? -1);
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

  /** Records that are new are known by what they were founded as: somebody may change it later. */
  recognise(): void {
    for (const platform of ['salesforce', 'intercom'] as const)
      for (const kind of ['person', 'company'] as const)
        for (const id of this.#stores.ids(platform, kind)) this.whose(platform, kind, id);
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
      if (this.#history.people[who]?.lead === true) return this.#enterLead(who, values);
      const row = { ...values, ...(account === undefined ? {} : { AccountId: account }) };
      const [result] = salesforce.execute(
        [{ op: 'create', object: 'Contact', row }],
        this.#caller,
        this.#clock.salesforceNow,
      );
      // The org has them already, by its own rule.
      if (result?.success !== true && this.#history.world.on.has('duprule')) return;
      if (result?.success !== true) throw new Error(`nobody can be entered: ${JSON.stringify(result)}`);
      id = result.id;
    } else {
      if (this.#emailTaken(String(values['email']))) return;
      id = intercom.createContact(
        { role: this.#history.people[who]?.visitor === true ? 'lead' : 'user', ...intercomBody(values) },
        now,
      ).value.id;
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

  #enterLead(who: number, values: Readonly<Record<string, Stored>>): void {
    const { Email, LastName } = values;
    const row = { Email, LastName, Company: `c${100 + who}` };
    const [result] = this.#stores.salesforce.execute(
      [{ op: 'create', object: 'Lead', row }],
      this.#caller,
      this.#clock.salesforceNow,
    );
    if (result?.success !== true) throw new Error(`no lead can be entered: ${JSON.stringify(result)}`);
    this.entered.set(`salesforce:lead:${result.id}`, who);
    this.#trace.say('person', result.id, `enters person ${who} in salesforce as the lead ${result.id}`);
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
        this.#clock.salesforceNow,
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
        [{ op: 'update', object, id, row: { [this.#nameIn(field, value)]: value } }],
        this.#caller,
        this.#clock.salesforceNow,
      );
      if (result?.success !== true) return;
      this.#note(kind, whose, on, id, field, before, this.#stores.salesforceValue(object, id, field), false);
      return;
    }
    const body = intercomBody({ [field.intercom]: value });
    if (kind === 'person') {
      if (field.canonical === 'email' && this.#emailTaken(String(value).toLowerCase())) return;
      if (isRejected(this.#history.world, field, value)) return;
      const before = intercomValue(intercom.contact(id), field.intercom);
      const after = unlessTaken(() => intercom.updateContact(id, body, now).value);
      if (after === undefined) return;
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
      salesforce.execute(
        [{ op: 'update', object: 'Contact', id, row: { AccountId: to } }],
        this.#caller,
        this.#clock.salesforceNow,
      );
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
    this.deletions.push({ at: this.#clock.now, id });
    this.gone.add(`person ${who}`);
    this.#trace.say('person', id, `deletes person ${who} in ${on}`);
    if (on === 'salesforce')
      salesforce.execute([{ op: 'delete', object: 'Contact', id }], this.#caller, this.#clock.salesforceNow);
    else {
      if (this.#history.world.on.has('undelete')) intercom.archive(id, true, this.#clock.now);
      else intercom.deleteContact(id, this.#clock.now);
      this.#onIntercom();
    }
  }

  /** What was deleted in Salesforce comes back from its bin, what was archived in Intercom from the archive. */
  #undelete(who: number, on: PlatformName): void {
    const { salesforce, intercom } = this.#stores;
    const { now } = this.#clock;
    const id = [...this.entered]
      .find(
        ([key, whose]) =>
          whose === who &&
          key.startsWith(`${on}:person:`) &&
          this.#stores.find(on, 'person', key.split(':')[2] ?? '')?.alive === false,
      )?.[0]
      .split(':')[2];
    if (id === undefined) return;
    this.returns.push(who);
    this.#trace.say('person', id, `brings person ${who} back in ${on}`);
    if (on === 'salesforce')
      salesforce.execute([{ op: 'undelete', object: 'Contact', id }], this.#caller, this.#clock.salesforceNow);
    else {
      intercom.archive(id, false, now);
      this.#onIntercom();
    }
  }

  #merge(who: number, loser: number, on: PlatformName): void {
    const [into, from] = [this.#record('person', who, on), this.#record('person', loser, on)];
    if (into === undefined || from === undefined || into === from) return;
    const { salesforce, intercom } = this.#stores;
    const { now } = this.#clock;
    // Contacts are merged into a user.
    if (on === 'intercom' && intercom.contact(into).role === 'lead') return;
    this.#trace.say('person', `${into} ${from}`, `merges person ${loser} (${from}) into ${who} (${into}) in ${on}`);
    for (const one of [who, loser]) this.merged.add(`person ${one}`);
    if (on === 'salesforce') salesforce.merge('Contact', into, [from], this.#caller, this.#clock.salesforceNow);
    else {
      intercom.merge(from, into, now);
      this.#onIntercom();
    }
    const chosen = this.#stores.find(on, 'person', into)?.values ?? {};
    this.merges.push({ at: now, on, who, loser, from, into, chosen });
  }

  /** What an operator says, if there is something to say it of. */
  operate(verb: Verb, who: number, on: PlatformName): Operation | undefined {
    const refOn = (platform: PlatformName): string | undefined => {
      const id = this.#record('person', who, platform);
      return id && `${platform}:${platform === 'salesforce' ? 'Contact' : 'contact'}:${id}`;
    };
    const subject = refOn(on);
    const argument = verb === 'pin' ? refOn(on === 'salesforce' ? 'intercom' : 'salesforce') : '';
    if (subject === undefined || argument === undefined) return undefined;
    const by = `op${this.operations.length}`;
    const operation = { at: this.#clock.now, verb, by, whose: who, subject, argument };
    this.operations.push(operation);
    this.#trace.say('person', `${subject} ${argument}`, `operator ${by}: ${verb} ${subject} ${argument}`);
    return operation;
  }

  #lock(who: number, forMs: number): void {
    const id = this.#record('person', who, 'salesforce');
    if (id === undefined) return;
    const { salesforceNow } = this.#clock;
    this.locks += 1;
    this.#stores.salesforce.lock(id, salesforceNow, salesforceNow + forMs);
    this.#trace.say('fault', id, `the record of person ${who} is locked for ${forMs} ms`);
  }

  /** A lead of Intercom becomes a user. */
  #signUp(who: number): void {
    const id = this.#record('person', who, 'intercom');
    const { intercom } = this.#stores;
    if (id === undefined || intercom.contact(id).role !== 'lead') return;
    const { email } = intercom.contact(id);
    if (intercom.everything().contacts.some((one) => one.id !== id && one.email === email && email !== null)) return;
    intercom.updateContact(id, { role: 'user' }, this.#clock.now);
    this.#trace.say('person', id, `person ${who} signs up in intercom`);
    this.#onIntercom();
  }

  /** Another integration writes one field of everybody. */
  #bulk(field: MappedField, text: string): void {
    const { salesforce } = this.#stores;
    const ids = this.#stores.ids('salesforce', 'person');
    const before = ids.map((id) => this.#stores.salesforceValue('Contact', id, field));
    const rows = ids.map((id) => {
      const value = `p${this.whose('salesforce', 'person', id)} ${field.canonical} ${text}`;
      return { op: 'update', object: 'Contact', id, row: { [field.salesforce]: value } } as const;
    });
    const caller = { ...this.#caller, changeOrigin: 'com/salesforce/api/bulkapi/67.0;client=loader' };
    const results = salesforce.execute(rows, caller, this.#clock.salesforceNow);
    for (const [n, id] of ids.entries()) {
      if (results[n]?.success !== true) continue;
      const whose = this.whose('salesforce', 'person', id);
      const value = this.#stores.salesforceValue('Contact', id, field);
      this.#note('person', whose, 'salesforce', id, field, before[n] ?? null, value, false);
    }
    this.#trace.say('person', ids.join(' '), `another integration sets ${field.canonical} of ${ids.length} people`);
  }

  /** Somebody edits the given name as well as the family name. */
  #nameIn({ canonical, salesforce }: MappedField, value: Stored): string {
    const isGiven = this.#history.world.on.has('names') && canonical === 'lastName' && /[02468]$/.test(String(value));
    return isGiven ? givenName.salesforce : salesforce;
  }

  /** A lead becomes a contact, of an account of its own. */
  #convert(who: number): void {
    const { salesforce } = this.#stores;
    const lead = [...salesforce.store.all('Lead')].find(
      ({ id, values }) => this.entered.get(`salesforce:lead:${id}`) === who && values['IsConverted'] !== true,
    );
    if (lead === undefined) return;
    const result = salesforce.convertLead(lead.id, {}, this.#caller, this.#clock.salesforceNow);
    if (!result.success && this.#history.world.on.has('locked')) return;
    if (!result.success) throw new Error(`a lead cannot be converted: ${JSON.stringify(result)}`);
    const values = salesforce.store.get('Lead', lead.id)?.values ?? {};
    const contact = String(values['ConvertedContactId'] ?? '');
    this.#entered('salesforce', 'person', contact, who);
    this.#entered('salesforce', 'company', String(values['ConvertedAccountId'] ?? ''), 100 + who);
    this.converted.set(`person ${who}`, this.#clock.now);
    this.#trace.say('person', `${lead.id} ${contact}`, `converts lead ${lead.id} of person ${who} to ${contact}`);
  }

  /** Somebody who is no person of the history did it, with the platform's own means. */
  noteOther(edit: Omit<Edit, 'n' | 'at' | 'first'>): void {
    this.edits.push({ ...edit, n: this.edits.length, at: this.#clock.now, first: false });
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
