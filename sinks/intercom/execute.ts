/**
 * One command → as few calls as it takes → its one answer. One call per changed contact; memberships are calls of their
 * own, because Intercom has no field for them. Pure: the calls are steps, and whoever drives them gives the verdicts.
 *
 * Updates and memberships are levels and companies are created by an upsert: these are repeated until the platform has said
 * something definite. Creating a contact is not: all that keeps Intercom from making a second one is the email, which
 * somebody may have changed on the first. After a try that may have been carried out the contact is looked for by our marker;
 * search lags, so not to find it proves nothing, and unify is told of the doubt. Asked again, much later, what carries our
 * marker is looked for before anything is made. A 409 names a contact that either carries our marker (then an earlier try
 * made it) or is somebody else's (then it exists, and identity decides).
 */
import type { Verdict } from '../../connectors/intercom/classify.ts';
import type { IntercomRequest } from '../../connectors/intercom/requests.ts';
import type { BudgetLane } from '../../core/budget.ts';
import { TributaryError } from '../../core/errors.ts';
import { type Answer, Interrupted } from '../../core/sink-state.ts';
import { embeddedIds, intercomId, intercomRef } from '../../processors/decode/intercom.ts';
import type { Command, FieldRefusal, Observation } from '../../schemas/types.ts';
import { insist, pauseAfter, type Step } from '../step.ts';
import { culprit, type Ok, refusal, type Settled, told, withCompanies, withoutCompanies } from './answer.ts';
import {
  askedName,
  type Fields,
  idsIn,
  linksOf,
  membershipField,
  scalarNames,
  toBody,
  valueIn,
  without,
} from './body.ts';

export type IntercomStep = Step<IntercomRequest>;
/** Field that holds our id, per object. */
export type Markers = Readonly<Record<'contact' | 'company', string>>;

/** A piece of the work: yields calls, is given their verdicts, comes to a `Value`. */
type Work<Value> = Generator<IntercomStep, Value, Verdict>;
/** An answer that tells the record, at a moment. */
type Told = Ok & { readonly observation: Observation };

const creationRounds = 3;
/** Without these a contact would be created that nobody can recognise again. */
const identifying = new Set(['email', 'external_id', 'role']);

/** A contact may have been made, and it is not known which. */
class InDoubt extends Error {
  readonly verdict: Extract<Verdict, { kind: 'retry' }>;

  constructor(verdict: Extract<Verdict, { kind: 'retry' }>) {
    super(verdict.text);
    this.verdict = verdict;
  }
}

/** The platform answered, twice, without what makes an answer of it. */
class Untold extends Error {}

/** @throws TributaryError that stops the sink, or RECORD_POISON; Interrupted, thrown in before the first call was made. */
export function* execute(markers: Markers, command: Command): Work<Answer> {
  const job = new Job(markers, command);
  try {
    return yield* job.run();
  } catch (error) {
    if (error instanceof Untold || (error instanceof Interrupted && job.calls > 0)) return job.unanswered();
    throw error;
  }
}

/** The same for a turn of the loop: Intercom takes one record per call. */
export function* executeEach(markers: Markers, commands: readonly Command[]): Work<ReadonlyMap<string, Answer>> {
  const answers = new Map<string, Answer>();
  for (const command of commands) answers.set(command.id, yield* execute(markers, command));
  return answers;
}

class Job {
  /** Made: whatever ends the command, with none of them nothing can have been applied. */
  calls = 0;
  readonly #markers: Markers;
  readonly #command: Command;
  readonly #lane: BudgetLane;
  readonly #object: 'contact' | 'company';
  readonly #refusals: FieldRefusal[] = [];
  #doubt = false;
  /** Some of it stands. */
  #written = false;
  /** When the first call that did something was sent, in the platform's clock; 0: not known. */
  #sentAt: number | undefined;
  #time = 0;
  #trouble: FieldRefusal | undefined;

  constructor(markers: Markers, command: Command) {
    if (command.object !== 'contact' && command.object !== 'company')
      throw new TributaryError('RECORD_POISON', `the Intercom sink cannot write a ${command.object}`);
    this.#markers = markers;
    this.#command = command;
    this.#object = command.object;
    this.#lane = command.lane === 'bulk' ? 'bulk' : 'live';
  }

  run(): Work<Answer> {
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
      sentAt: this.#doubt ? 0 : (this.#sentAt ?? 0),
      calls: this.calls,
      into: null,
    };
  }

  /** Calls until the platform has said something definite. */
  *#call(request: IntercomRequest): Work<Settled> {
    const call = { kind: 'call', request, lane: this.#lane } as const;
    const settled = yield* insist<IntercomRequest, Verdict>('Intercom', call, (verdict) => {
      this.calls++;
      if (verdict.kind !== 'retry') return;
      this.#doubt ||= verdict.doubt;
      this.#trouble = { field: '', code: verdict.code, message: verdict.text };
      if (verdict.doubt && request.kind === 'createContact') throw new InDoubt(verdict);
    });
    this.#time = settled.time === 0 ? this.#time : settled.time;
    if (settled.kind === 'ok') this.#sentAt ??= settled.sentAt;
    return settled;
  }

  /**
   * A write whose refusal names one of its fields is tried again without that field: one bad value must not hold back its
   * neighbours, and unify would not ask for them again.
   */
  *#write(
    fields: Fields,
    droppable: (name: string) => boolean,
    request: (rest: Fields) => IntercomRequest,
  ): Work<Settled> {
    let rest = fields;
    for (;;) {
      const verdict = yield* this.#call(request(rest));
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
    const marker = askedName([this.#markers[this.#object]], named) !== undefined;
    this.#refuse(marker && this.#command.verb === 'create' ? '' : named, verdict, message);
    return this.#answer('refused', this.#command.ref, null);
  }

  #gone(verdict: Extract<Settled, { kind: 'gone' }>): Answer {
    const survivor = verdict.survivor === null ? null : intercomRef(this.#object, verdict.survivor);
    const message = survivor === null ? verdict.text : `${verdict.text}; merged into ${survivor}`;
    this.#refusals.push({ field: '', code: 'PLATFORM_REFUSED', message });
    return { ...this.#answer('gone', this.#command.ref, null), into: survivor };
  }

  /**
   * The record as an answer tells it; read once when the answer does not tell enough, for the write stands. `asked`: its
   * id, empty while nobody knows it. What is told of another record says nothing of this one.
   */
  *#tell(answer: Ok, asked = intercomId(this.#command.ref)): Work<Told> {
    const observation = told(this.#object, answer, asked);
    if (observation !== undefined) return { ...answer, observation };
    const id = asked === '' ? answer.body['id'] : asked;
    const again = typeof id === 'string' && id !== '' ? yield* this.#call(this.#find(id)) : undefined;
    const second = again?.kind === 'ok' ? told(this.#object, again, asked) : undefined;
    if (again?.kind === 'ok' && second !== undefined) return { ...again, observation: second };
    this.#doubt ||= this.#command.verb !== 'read';
    return yield* this.#untold('answers without a Date, the id asked or updated_at');
  }

  /** Asked again it would answer the same: as trouble, a run of it stops the sink. */
  *#untold(text: string): Work<never> {
    this.#trouble = { field: '', code: 'PLATFORM_NONSENSE', message: text };
    yield { kind: 'pause', ms: pauseAfter(0), code: 'PLATFORM_NONSENSE', text };
    throw new Untold();
  }

  #find(id: string): IntercomRequest {
    return { kind: this.#object === 'contact' ? 'findContact' : 'findCompany', id };
  }

  *#createContact(): Work<Answer> {
    if (this.#command.doubt) {
      const mine = yield* this.#findMine();
      if (mine !== undefined) return mine;
    }
    try {
      return yield* this.#makeContact();
    } catch (error) {
      if (!(error instanceof InDoubt)) throw error;
      const { code, text } = error.verdict;
      yield { kind: 'pause', ms: pauseAfter(0), code, text };
      return (yield* this.#findMine()) ?? this.unanswered();
    }
  }

  /** The contact that an earlier try made, as far as search shows it: it may not do so for minutes. */
  *#findMine(): Work<Answer | undefined> {
    const { key } = this.#command;
    const marker = this.#markers.contact;
    const query = { field: marker, operator: '=', value: key };
    const came = yield* this.#call({ kind: 'searchContacts', body: { query } });
    if (came.kind !== 'ok') return this.#refused(came);
    const ids = idsIn(came.body);
    // Read as nobody, it would have a second one made.
    if (ids === undefined) return yield* this.#untold('answers a search without its list');
    for (const id of ids) {
      // What search tells may be out of date.
      const found = yield* this.#call(this.#find(id));
      if (found.kind === 'ok' && valueIn(found.body, marker) === key) return yield* this.#finishContact(found, id);
    }
    return undefined;
  }

  *#makeContact(): Work<Answer> {
    const { fields, key } = this.#command;
    const marker = this.#markers.contact;
    const droppable = (name: string): boolean => !identifying.has(name) && name !== marker;
    for (let round = 1; ; round++) {
      const made = yield* this.#write(fields, droppable, (rest) => ({
        kind: 'createContact',
        body: { role: 'user', ...toBody(rest) },
      }));
      if (made.kind === 'ok') return yield* this.#finishContact(made);
      if (made.kind !== 'exists') return this.#refused(made);
      if (made.archived) {
        const text = `${made.text}. Unarchive or delete that contact in Intercom to let it be linked`;
        return { ...this.#refused(made, text), ref: intercomRef('contact', made.id) };
      }
      const found = yield* this.#call(this.#find(made.id));
      if (found.kind === 'ok') {
        if (valueIn(found.body, marker) === key) return yield* this.#finishContact(found, made.id);
        const record = yield* this.#whole(yield* this.#tell(found, made.id));
        return this.#answer('exists', intercomRef('contact', made.id), record);
      }
      // Deleted between the two calls: nothing stands in the way any more.
      if (found.kind !== 'gone' || round === creationRounds) return this.#refused(made);
    }
  }

  *#createCompany(): Work<Answer> {
    const { fields, key } = this.#command;
    const marker = this.#markers.company;
    const made = yield* this.#write(
      { ...fields, company_id: fields['company_id'] ?? key },
      (name) => name !== marker && name !== 'company_id',
      (rest) => ({ kind: 'upsertCompany', body: toBody(rest) }),
    );
    if (made.kind !== 'ok') return this.#refused(made);
    const { observation } = yield* this.#tell(made);
    return this.#answer('applied', observation.ref, observation);
  }

  /**
   * Companies are updated by their Intercom id, not by the upsert that creates them: for a company deleted meanwhile the
   * upsert would silently make another one under a new id.
   */
  *#update(): Work<Answer> {
    const { fields, ref } = this.#command;
    const id = intercomId(ref);
    if (Object.keys(fields).length === 0) return yield* this.#read();
    const scalars = scalarNames(fields);
    const wanted = linksOf(fields[membershipField]);
    let last: Ok | undefined;
    if (scalars.length > 0) {
      const verdict = yield* this.#write(
        fields,
        () => true,
        (rest) => ({
          kind: this.#object === 'contact' ? 'updateContact' : 'updateCompany',
          id,
          body: toBody(rest),
        }),
      );
      if (verdict.kind === 'gone') return this.#gone(verdict);
      if (verdict.kind === 'ok') last = verdict;
      else if (wanted === undefined) return this.#refused(verdict);
      else for (const name of scalars) if (!this.#isRefused(name)) this.#refuse(name, verdict);
    }
    return last === undefined ? yield* this.#onlyMembership(id, wanted ?? []) : yield* this.#finishContact(last);
  }

  #isRefused(name: string): boolean {
    return this.#refusals.some(({ field }) => field === name);
  }

  *#read(): Work<Answer> {
    const { ref } = this.#command;
    const verdict = yield* this.#call(this.#find(intercomId(ref)));
    if (verdict.kind === 'gone') return this.#gone(verdict);
    if (verdict.kind !== 'ok') return this.#refused(verdict);
    return this.#answer('applied', ref, yield* this.#whole(yield* this.#tell(verdict)));
  }

  /** The record as an observation; the embedded company list ends at ten, so a longer one is read page by page. */
  *#whole({ observation }: Told): Work<Observation> {
    if (!observation.unknown.includes(membershipField)) return observation;
    const ids: string[] = [];
    for (let page = 1; ; page++) {
      const contact = intercomId(observation.ref);
      const verdict = yield* this.#call({ kind: 'listCompaniesOf', contact, page });
      const some = verdict.kind === 'ok' ? embeddedIds({ ...verdict.body, has_more: false }) : undefined;
      const total = verdict.kind === 'ok' ? verdict.body['total_count'] : undefined;
      if (some === undefined || typeof total !== 'number') return observation;
      ids.push(...some);
      if (some.length === 0 || ids.length >= total) return withCompanies(observation, ids);
    }
  }

  /** What was written is answered with the body it came back in, memberships folded in: attaching returns the company. */
  *#finishContact(answer: Ok, id?: string): Work<Answer> {
    const { observation, body } = yield* this.#tell(answer, id);
    const { fields } = this.#command;
    const wanted = linksOf(fields[membershipField]);
    if (this.#object === 'company' || wanted === undefined)
      return this.#answer('applied', observation.ref, observation);
    try {
      const current = embeddedIds(body['companies']);
      const after = yield* this.#membership(intercomId(observation.ref), wanted, current);
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
  *#onlyMembership(id: string, wanted: readonly string[]): Work<Answer> {
    const { ref } = this.#command;
    const callsBefore = this.calls;
    const after = yield* this.#membership(id, wanted, undefined);
    if (this.#vanished !== undefined) return this.#gone(this.#vanished);
    if (after === undefined) return this.#answer('refused', ref, null);
    if (this.calls === callsBefore && this.#refusals.length > 0) return this.#answer('refused', ref, null);
    // Nothing to change, or no word of when it was changed: the record itself has to say.
    if (this.calls === callsBefore || this.#time === 0) return yield* this.#read();
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
  *#membership(
    id: string,
    wanted: readonly string[],
    current: readonly string[] | undefined,
  ): Work<readonly string[] | undefined> {
    const before = linksOf(this.#command.before[membershipField]) ?? [];
    const standing = new Set(current ?? before);
    for (const company of wanted) {
      if (current === undefined ? before.includes(company) : standing.has(company)) continue;
      const verdict = yield* this.#call({ kind: 'attach', contact: id, company });
      this.#written ||= verdict.kind === 'ok';
      if (verdict.kind === 'ok') standing.add(company);
      else if (verdict.kind === 'gone' && (yield* this.#isGone(id, verdict))) return undefined;
      else {
        this.#refuse(membershipField, verdict, `${verdict.text} (company ${company})`);
        return undefined;
      }
    }
    for (const company of before) {
      if (wanted.includes(company) || !standing.has(company)) continue;
      const verdict = yield* this.#call({ kind: 'detach', contact: id, company });
      this.#written ||= verdict.kind === 'ok';
      if (verdict.kind === 'gone' && (yield* this.#isGone(id, verdict))) return undefined;
      // A company that is gone, or not attached any more, is detached.
      if (verdict.kind === 'ok' || verdict.kind === 'gone') standing.delete(company);
      else {
        this.#refuse(membershipField, verdict, `${verdict.text} (company ${company})`);
        return undefined;
      }
    }
    return [...standing];
  }

  /** Is the contact gone? A 404 on attaching or detaching does not say which of the two is unknown, unless it names the company. */
  *#isGone(id: string, { what }: Extract<Settled, { kind: 'gone' }>): Work<boolean> {
    if (what === 'company_not_found') return false;
    const verdict = yield* this.#call(this.#find(id));
    if (verdict.kind === 'gone') this.#vanished = verdict;
    return verdict.kind === 'gone';
  }
}
