/**
 * One command → as few calls as it takes → its one answer. One call per changed contact; memberships are calls of their
 * own, because Intercom has no field for them.
 *
 * Everything here may be repeated: updates and memberships are levels, companies are created by an upsert, and a contact
 * created twice meets Intercom's own 409, whose contact either carries our marker (then an earlier try made it) or is
 * somebody else's (then it exists, and identity decides).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Intercom, IntercomClient } from 'intercom-client';
import type { Caller, IntercomAccess } from '../../connectors/intercom/client.ts';
import { TributaryError } from '../../core/errors.ts';
import { type Answer, type Execution, Interrupted } from '../../core/sink-loop.ts';
import { embeddedIds, intercomId, intercomRef } from '../../processors/decode/intercom.ts';
import type { Command, FieldRefusal, Observation } from '../../schemas/types.ts';
import { culprit, type Ok, refusal, type Settled, told, withCompanies, withoutCompanies } from './answer.ts';
import { askedName, type Fields, linksOf, membershipField, scalarNames, toBody, valueIn, without } from './body.ts';

export interface IntercomWriter {
  readonly access: IntercomAccess;
  /** Field that holds our id, per object. */
  readonly markers: Readonly<Record<'contact' | 'company', string>>;
}

/** An answer that tells the record, at a moment. */
type Told = Ok & { readonly observation: Observation };
type Invoke = (client: IntercomClient) => PromiseLike<unknown>;

const firstPauseMs = 250;
const longestPauseMs = 5_000;
const creationRounds = 3;
/** Without these a contact would be created that nobody can recognise again. */
const identifying = new Set(['email', 'external_id', 'role']);

/** The platform answered, twice, without what makes an answer of it. */
class Untold extends Error {}

export async function execute(writer: IntercomWriter, command: Command, run: Execution): Promise<Answer> {
  const job = new Job(writer, command, run);
  try {
    return await job.run();
  } catch (error) {
    if (error instanceof Untold || (error instanceof Interrupted && job.calls > 0)) return job.unanswered();
    throw error;
  }
}

class Job {
  /** Begun: whatever ends the command, with none of them nothing can have been applied. */
  calls = 0;
  readonly #writer: IntercomWriter;
  readonly #command: Command;
  readonly #run: Execution;
  readonly #caller: Caller;
  readonly #object: 'contact' | 'company';
  readonly #refusals: FieldRefusal[] = [];
  #doubt = false;
  /** Some of it stands. */
  #written = false;
  #time = 0;
  #trouble: FieldRefusal | undefined;

  constructor(writer: IntercomWriter, command: Command, run: Execution) {
    if (command.object !== 'contact' && command.object !== 'company')
      throw new TributaryError('RECORD_POISON', `the Intercom sink cannot write a ${command.object}`);
    this.#writer = writer;
    this.#command = command;
    this.#run = run;
    this.#object = command.object;
    this.#caller = { lane: command.lane === 'bulk' ? 'bulk' : 'live', holder: run.holder, signal: run.signal };
  }

  run(): Promise<Answer> {
    switch (this.#command.verb) {
      case 'create':
        return this.#object === 'contact' ? this.#createContact() : this.#createCompany();
      case 'update':
        return this.#update();
      case 'read':
        return this.#read();
    }
  }

  /** Time ran out among failing tries: not refused, so it will be asked again; perhaps applied, so it is in doubt. */
  unanswered(): Answer {
    const refusals = this.#trouble === undefined ? [] : [this.#trouble];
    return { ...this.#answer('expired', this.#command.ref, null), refusals, doubt: this.#doubt || this.#written };
  }

  #answer(outcome: Answer['outcome'], ref: string, returned: Observation | null): Answer {
    return {
      outcome,
      ref,
      returned,
      platformTime: this.#time,
      refusals: this.#refusals,
      doubt: this.#doubt,
      calls: this.calls,
      into: null,
    };
  }

  /** Calls until the platform has said something definite. 429 is waited for in the budget and is not an attempt. */
  async #call(invoke: Invoke): Promise<Settled> {
    for (let tries = 0; ; ) {
      const counted: Invoke = (client) => {
        this.calls++;
        return invoke(client);
      };
      const verdict = await interruptible(this.#run.signal, () => this.#writer.access.call(this.#caller, counted));
      switch (verdict.kind) {
        case 'stop':
          throw new TributaryError(verdict.code, `Intercom says ${verdict.text}`);
        case 'wait':
          break;
        case 'retry': {
          this.#doubt ||= verdict.doubt;
          this.#trouble = { field: '', code: verdict.code, message: verdict.text };
          this.#run.trouble(verdict.code, verdict.text);
          const pause = Math.min(firstPauseMs * 2 ** tries++, longestPauseMs) * (0.5 + Math.random() / 2);
          await interruptible(this.#run.signal, () => sleep(pause, undefined, { signal: this.#run.signal }));
          break;
        }
        default:
          this.#time = verdict.time === 0 ? this.#time : verdict.time;
          return verdict;
      }
    }
  }

  /**
   * A write whose refusal names one of its fields is tried again without that field: one bad value must not hold back its
   * neighbours, and unify would not ask for them again.
   */
  async #write(
    fields: Fields,
    droppable: (name: string) => boolean,
    invoke: (body: Fields) => Invoke,
  ): Promise<Settled> {
    let rest = fields;
    for (;;) {
      const verdict = await this.#call(invoke(rest));
      this.#written ||= verdict.kind === 'ok';
      const name = culprit(scalarNames(rest), verdict);
      if (name === undefined || !droppable(name)) return verdict;
      rest = without(rest, name);
      if (scalarNames(rest).length === 0) return refusal(verdict, name);
      this.#refuse(name, verdict);
    }
  }

  /** A field that was asked, or the record: unify can hold back no other. */
  #refuse(named: string, verdict: Settled, message = ''): void {
    const code = verdict.kind === 'refuse' ? verdict.code : 'PLATFORM_REFUSED';
    const text = message === '' && verdict.kind !== 'ok' ? verdict.text : message;
    const field = askedName(Object.keys(this.#command.fields), named) ?? '';
    this.#refusals.push({ field, code, message: field === '' && named !== '' ? `${text} (${named})` : text });
  }

  #refused(verdict: Settled, message = ''): Answer {
    const named = verdict.kind === 'refuse' ? verdict.field : '';
    // Every record is created with our marker: refused, it is not the value of this one that is at fault.
    const marker = askedName([this.#writer.markers[this.#object]], named) !== undefined;
    this.#refuse(marker && this.#command.verb === 'create' ? '' : named, verdict, message);
    return this.#answer('refused', this.#command.ref, null);
  }

  #gone(verdict: Extract<Settled, { kind: 'gone' }>): Answer {
    const survivor = verdict.survivor === null ? null : intercomRef(this.#object, verdict.survivor);
    const message = survivor === null ? verdict.text : `${verdict.text}; merged into ${survivor}`;
    this.#refusals.push({ field: '', code: 'PLATFORM_REFUSED', message });
    return this.#answer('gone', this.#command.ref, null);
  }

  /** The record as an answer tells it; read once when the answer does not tell enough, for the write stands. */
  async #tell(answer: Ok): Promise<Told> {
    const observation = told(this.#object, answer);
    if (observation !== undefined) return { ...answer, observation };
    const { ref, verb } = this.#command;
    const id = ref === '' ? answer.body['id'] : intercomId(ref);
    const again = typeof id === 'string' && id !== '' ? await this.#call(this.#find(id)) : undefined;
    const second = again?.kind === 'ok' ? told(this.#object, again) : undefined;
    if (again?.kind === 'ok' && second !== undefined) return { ...again, observation: second };
    this.#doubt ||= verb !== 'read';
    // Asked again it would answer the same: as trouble, a run of it stops the sink.
    this.#trouble = { field: '', code: 'PLATFORM_NONSENSE', message: 'answers without a Date, id or updated_at' };
    this.#run.trouble('PLATFORM_NONSENSE', this.#trouble.message);
    throw new Untold();
  }

  #find(id: string): Invoke {
    return (client) =>
      this.#object === 'contact' ? client.contacts.find({ contact_id: id }) : client.companies.find({ company_id: id });
  }

  async #createContact(): Promise<Answer> {
    const { fields, key } = this.#command;
    const marker = this.#writer.markers.contact;
    const droppable = (name: string): boolean => !identifying.has(name) && name !== marker;
    for (let round = 1; ; round++) {
      const made = await this.#write(
        fields,
        droppable,
        (rest) => (client) =>
          client.contacts.create({ role: 'user', ...toBody(rest) } as Intercom.CreateContactRequest),
      );
      if (made.kind === 'ok') return this.#finishContact(made);
      if (made.kind !== 'exists') return this.#refused(made);
      if (made.archived)
        return this.#refused(made, `${made.text}. Unarchive or delete that contact in Intercom to let it be linked`);
      const found = await this.#call(this.#find(made.id));
      if (found.kind === 'ok') {
        if (valueIn(found.body, marker) === key) return this.#finishContact(found);
        return this.#answer('exists', intercomRef('contact', made.id), await this.#whole(await this.#tell(found)));
      }
      // Deleted between the two calls: nothing stands in the way any more.
      if (found.kind !== 'gone' || round === creationRounds) return this.#refused(made);
    }
  }

  async #createCompany(): Promise<Answer> {
    const { fields, key } = this.#command;
    const marker = this.#writer.markers.company;
    const made = await this.#write(
      { ...fields, company_id: fields['company_id'] ?? key },
      (name) => name !== marker && name !== 'company_id',
      (rest) => (client) => client.companies.createOrUpdate(toBody(rest)),
    );
    if (made.kind !== 'ok') return this.#refused(made);
    const { observation } = await this.#tell(made);
    return this.#answer('applied', observation.ref, observation);
  }

  /**
   * Companies are updated by their Intercom id, not by the upsert that creates them: for a company deleted meanwhile the
   * upsert would silently make another one under a new id.
   */
  async #update(): Promise<Answer> {
    const { fields, ref } = this.#command;
    const id = intercomId(ref);
    if (Object.keys(fields).length === 0) return this.#read();
    const scalars = scalarNames(fields);
    const wanted = linksOf(fields[membershipField]);
    let last: Ok | undefined;
    if (scalars.length > 0) {
      const verdict = await this.#write(
        fields,
        () => true,
        (rest) => (client) =>
          this.#object === 'contact'
            ? client.contacts.update({ contact_id: id, ...toBody(rest) } as Intercom.UpdateContactRequest)
            : client.companies.update({ company_id: id, body: toBody(rest) as Intercom.UpdateCompanyRequestBody }),
      );
      if (verdict.kind === 'gone') return this.#gone(verdict);
      if (verdict.kind === 'ok') last = verdict;
      else if (wanted === undefined) return this.#refused(verdict);
      else for (const name of scalars) if (!this.#isRefused(name)) this.#refuse(name, verdict);
    }
    return last === undefined ? this.#onlyMembership(id, wanted ?? []) : this.#finishContact(last);
  }

  #isRefused(name: string): boolean {
    return this.#refusals.some(({ field }) => field === name);
  }

  async #read(): Promise<Answer> {
    const { ref } = this.#command;
    const verdict = await this.#call(this.#find(intercomId(ref)));
    if (verdict.kind === 'gone') return this.#gone(verdict);
    if (verdict.kind !== 'ok') return this.#refused(verdict);
    return this.#answer('applied', ref, await this.#whole(await this.#tell(verdict)));
  }

  /** The record as an observation; the embedded company list ends at ten, so a longer one is read page by page. */
  async #whole({ observation }: Told): Promise<Observation> {
    if (!observation.unknown.includes(membershipField)) return observation;
    const ids: string[] = [];
    for (let page = 1; ; page++) {
      // Through the client for its URL only: its own page is always empty, it looks for `companies` where `data` is sent.
      const verdict = await this.#call((client) =>
        client.contacts.listAttachedCompanies({ contact_id: intercomId(observation.ref), page, per_page: 60 }),
      );
      const some = verdict.kind === 'ok' ? embeddedIds({ ...verdict.body, has_more: false }) : undefined;
      if (some === undefined) return observation;
      ids.push(...some);
      const total = verdict.kind === 'ok' ? verdict.body['total_count'] : undefined;
      if (some.length === 0 || typeof total !== 'number' || ids.length >= total) return withCompanies(observation, ids);
    }
  }

  /** What was written is answered with the body it came back in, memberships folded in: attaching returns the company. */
  async #finishContact(answer: Ok): Promise<Answer> {
    const { observation, body } = await this.#tell(answer);
    const { fields } = this.#command;
    const wanted = linksOf(fields[membershipField]);
    if (this.#object === 'company' || wanted === undefined)
      return this.#answer('applied', observation.ref, observation);
    try {
      const current = embeddedIds(body['companies']);
      const after = await this.#membership(intercomId(observation.ref), wanted, current);
      if (this.#vanished !== undefined) return this.#gone(this.#vanished);
      const all = after === undefined ? withoutCompanies(observation, fields) : withCompanies(observation, after);
      return this.#answer('applied', observation.ref, all);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      // The record is written, its memberships are not: told as unknown, they are asked for again.
      return this.#answer('applied', observation.ref, withoutCompanies(observation, fields));
    }
  }

  /** Nothing but memberships: no answer holds the contact, so all that is said of it is the companies, at the time of the call. */
  async #onlyMembership(id: string, wanted: readonly string[]): Promise<Answer> {
    const { ref } = this.#command;
    const callsBefore = this.calls;
    const after = await this.#membership(id, wanted, undefined);
    if (this.#vanished !== undefined) return this.#gone(this.#vanished);
    if (after === undefined) return this.#answer('refused', ref, null);
    if (this.calls === callsBefore && this.#refusals.length > 0) return this.#answer('refused', ref, null);
    // Nothing to change, or no word of when it was changed: the record itself has to say.
    if (this.calls === callsBefore || this.#time === 0) return this.#read();
    return this.#answer('applied', ref, {
      ref,
      op: 'seen',
      via: 'answer',
      whole: false,
      created: false,
      fields: { [membershipField]: [...after].sort() },
      unknown: [],
      at: { time: this.#time, seq: -1, second: true },
      modified: null,
      origin: null,
      by: null,
      transaction: null,
      into: null,
    });
  }

  #vanished: Extract<Settled, { kind: 'gone' }> | undefined;

  /**
   * Attaches and detaches the difference between what is wanted and what was last seen; companies that somebody attached
   * since are not ours to remove. `current` spares the calls that would change nothing. Returns the memberships that
   * stand; undefined when they cannot be told.
   */
  async #membership(
    id: string,
    wanted: readonly string[],
    current: readonly string[] | undefined,
  ): Promise<readonly string[] | undefined> {
    const before = linksOf(this.#command.before[membershipField]) ?? [];
    const standing = new Set(current ?? before);
    for (const company of wanted) {
      if (current === undefined ? before.includes(company) : standing.has(company)) continue;
      const verdict = await this.#call((client) => client.companies.attachContact({ contact_id: id, id: company }));
      this.#written ||= verdict.kind === 'ok';
      if (verdict.kind === 'ok') standing.add(company);
      else if (verdict.kind === 'gone' && verdict.what !== 'company_not_found' && (await this.#isGone(id)))
        return undefined;
      else {
        this.#refuse(membershipField, verdict, `${verdict.text} (company ${company})`);
        return undefined;
      }
    }
    for (const company of before) {
      if (wanted.includes(company) || !standing.has(company)) continue;
      const verdict = await this.#call((client) =>
        client.companies.detachContact({ contact_id: id, company_id: company }),
      );
      this.#written ||= verdict.kind === 'ok';
      // A company that is gone, or not attached any more, is detached.
      if (verdict.kind === 'ok' || verdict.kind === 'gone') standing.delete(company);
      else {
        this.#refuse(membershipField, verdict, `${verdict.text} (company ${company})`);
        return undefined;
      }
    }
    return [...standing];
  }

  /** A 404 on attaching does not say which of the two is unknown. */
  async #isGone(id: string): Promise<boolean> {
    const verdict = await this.#call(this.#find(id));
    if (verdict.kind === 'gone') this.#vanished = verdict;
    return verdict.kind === 'gone';
  }
}

/** Waits end with the run; a call under way does not: what was begun is seen to its end. */
async function interruptible<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted && !(error instanceof TributaryError)) throw new Interrupted();
    throw error;
  }
}
