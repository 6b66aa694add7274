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
import type { Verdict } from '../../connectors/intercom/classify.ts';
import type { Caller, IntercomAccess } from '../../connectors/intercom/client.ts';
import { TributaryError } from '../../core/errors.ts';
import { type Answer, type Execution, Interrupted } from '../../core/sink-loop.ts';
import { embeddedIds, intercomId, intercomRef, observeIntercom } from '../../processors/decode/intercom.ts';
import type { Command, FieldRefusal, Observation } from '../../schemas/types.ts';
import { blamed, type Fields, linksOf, membershipField, scalarNames, toBody, valueIn, without } from './body.ts';

export interface IntercomWriter {
  readonly access: IntercomAccess;
  /** Field that holds our id, per object. */
  readonly markers: Readonly<Record<'contact' | 'company', string>>;
}

/** A verdict that ends a call: retries and waits are behind it. */
type Settled = Exclude<Verdict, { kind: 'retry' | 'wait' | 'stop' }>;
type Ok = Extract<Settled, { kind: 'ok' }>;
type Invoke = (client: IntercomClient) => PromiseLike<unknown>;

const firstPauseMs = 250;
const longestPauseMs = 5_000;
const creationRounds = 3;
/** Without these a contact would be created that nobody can recognise again. */
const identifying = new Set(['email', 'external_id', 'role']);

export async function execute(writer: IntercomWriter, command: Command, run: Execution): Promise<Answer> {
  const job = new Job(writer, command, run);
  try {
    return await job.run();
  } catch (error) {
    if (!(error instanceof Interrupted) || job.calls === 0) throw error;
    return job.unanswered();
  }
}

class Job {
  calls = 0;
  readonly #writer: IntercomWriter;
  readonly #command: Command;
  readonly #run: Execution;
  readonly #caller: Caller;
  readonly #object: 'contact' | 'company';
  readonly #refusals: FieldRefusal[] = [];
  #doubt = false;
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
    return { ...this.#answer('expired', this.#command.ref, null), refusals };
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
    };
  }

  /** Calls until the platform has said something definite. 429 is waited for in the budget and is not an attempt. */
  async #call(invoke: Invoke): Promise<Settled> {
    for (let tries = 0; ; ) {
      const verdict = await interruptible(this.#run.signal, () => this.#writer.access.call(this.#caller, invoke));
      this.calls++;
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
      const name = culprit(scalarNames(rest), verdict);
      if (name === undefined || !droppable(name)) return verdict;
      rest = without(rest, name);
      if (scalarNames(rest).length === 0) return refusal(verdict, name);
      this.#refuse(name, verdict);
    }
  }

  #refuse(field: string, verdict: Settled, message = ''): void {
    const code = verdict.kind === 'refuse' ? verdict.code : 'PLATFORM_REFUSED';
    const text = message === '' && verdict.kind !== 'ok' ? verdict.text : message;
    this.#refusals.push({ field, code, message: text });
  }

  #refused(verdict: Settled, message = ''): Answer {
    this.#refuse(verdict.kind === 'refuse' ? verdict.field : '', verdict, message);
    return this.#answer('refused', this.#command.ref, null);
  }

  #gone(verdict: Extract<Settled, { kind: 'gone' }>): Answer {
    const survivor = verdict.survivor === null ? null : intercomRef(this.#object, verdict.survivor);
    const message = survivor === null ? verdict.text : `${verdict.text}; merged into ${survivor}`;
    this.#refusals.push({ field: '', code: 'PLATFORM_REFUSED', message });
    return this.#answer('gone', this.#command.ref, null);
  }

  #observe({ body, time }: Ok): Observation {
    return observeIntercom(this.#object, body, { via: 'answer', at: time });
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
      const found = await this.#call((client) => client.contacts.find({ contact_id: made.id }));
      if (found.kind === 'ok') {
        if (valueIn(found.body, marker) === key) return this.#finishContact(found);
        return this.#answer('exists', intercomRef('contact', made.id), await this.#whole(found));
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
    if (made.kind === 'ok') {
      const observation = this.#observe(made);
      return this.#answer('applied', observation.ref, observation);
    }
    return this.#refused(made);
  }

  /**
   * Companies are updated by their Intercom id, not by the upsert that creates them: for a company deleted meanwhile the
   * upsert would silently make another one under a new id.
   */
  async #update(): Promise<Answer> {
    const { fields, ref } = this.#command;
    const id = intercomId(ref);
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
    if (last !== undefined) return this.#finishContact(last);
    if (wanted === undefined) return this.#answer('applied', ref, null);
    return this.#onlyMembership(id, wanted);
  }

  #isRefused(name: string): boolean {
    return this.#refusals.some(({ field }) => field === name);
  }

  async #read(): Promise<Answer> {
    const { ref } = this.#command;
    const id = intercomId(ref);
    const verdict = await this.#call((client) =>
      this.#object === 'contact' ? client.contacts.find({ contact_id: id }) : client.companies.find({ company_id: id }),
    );
    if (verdict.kind === 'gone') return this.#gone(verdict);
    if (verdict.kind !== 'ok') return this.#refused(verdict);
    return this.#answer('applied', ref, await this.#whole(verdict));
  }

  /** The record as an observation; the embedded company list ends at ten, so a longer one is read page by page. */
  async #whole(answer: Ok): Promise<Observation> {
    const observation = this.#observe(answer);
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
    const observation = this.#observe(answer);
    const { fields } = this.#command;
    const wanted = linksOf(fields[membershipField]);
    if (this.#object === 'company' || wanted === undefined)
      return this.#answer('applied', observation.ref, observation);
    try {
      const current = embeddedIds(answer.body['companies']);
      const after = await this.#membership(intercomId(observation.ref), wanted, current);
      if (this.#vanished !== undefined) return this.#gone(this.#vanished);
      const told = after === undefined ? withoutCompanies(observation, fields) : withCompanies(observation, after);
      return this.#answer('applied', observation.ref, told);
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
    if (this.calls === callsBefore) return this.#answer(this.#refusals.length > 0 ? 'refused' : 'applied', ref, null);
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
    const verdict = await this.#call((client) => client.contacts.find({ contact_id: id }));
    if (verdict.kind === 'gone') this.#vanished = verdict;
    return verdict.kind === 'gone';
  }
}

/** Fields whose values no two contacts may share. */
const uniqueFields = ['email', 'external_id'];

/** The one field of a write that its verdict is about, if it can be said. */
function culprit(names: readonly string[], verdict: Settled): string | undefined {
  if (verdict.kind === 'refuse') return blamed(names, verdict.field, verdict.text);
  if (verdict.kind !== 'exists') return undefined;
  const unique = names.filter((name) => uniqueFields.includes(name));
  return unique.length === 1 ? unique[0] : undefined;
}

const refusal = (verdict: Settled, field: string): Settled =>
  verdict.kind === 'refuse'
    ? { ...verdict, field }
    : {
        kind: 'refuse',
        code: 'PLATFORM_REFUSED',
        field,
        text: verdict.kind === 'ok' ? '' : verdict.text,
        time: verdict.time,
      };

const withCompanies = (observation: Observation, ids: readonly string[]): Observation => ({
  ...observation,
  fields: { ...observation.fields, [membershipField]: [...ids].sort() },
  unknown: observation.unknown.filter((field) => field !== membershipField),
});

/**
 * Memberships not told. Not whole any more, or they would count as told to be none; so the fields that were cleared, which
 * the answer leaves out, have to be named.
 */
const withoutCompanies = (observation: Observation, asked: Fields): Observation => {
  const cleared = scalarNames(asked).filter((name) => asked[name] === null && !(name in observation.fields));
  return {
    ...observation,
    whole: false,
    fields: {
      ...Object.fromEntries(cleared.map((name) => [name, null])),
      ...without(observation.fields, membershipField),
    },
    unknown: [membershipField],
  };
};

/** Waits end with the run; a call under way does not: what was begun is seen to its end. */
async function interruptible<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted && !(error instanceof TributaryError)) throw new Interrupted();
    throw error;
  }
}
